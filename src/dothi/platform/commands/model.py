"""A command and the table of what may become of it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from dothi.access.policy import Clearance, Thing
from dothi.model.problem import Problem
from dothi.model.text import Text

State = Literal["proposed", "refused", "withdrawn", "expired", "approved", "sent", "acknowledged", "verified", "failed"]
Move = Literal[
    "approve", "refuse", "withdraw", "lapse", "send", "acknowledge", "decline", "stay_silent", "verify", "show_nothing"
]

FLOW: dict[tuple[State, Move], State] = {
    ("proposed", "approve"): "approved",
    ("proposed", "refuse"): "refused",
    ("proposed", "withdraw"): "withdrawn",
    ("proposed", "lapse"): "expired",
    ("approved", "send"): "sent",
    ("sent", "acknowledge"): "acknowledged",
    ("sent", "decline"): "failed",
    ("sent", "stay_silent"): "failed",
    ("acknowledged", "decline"): "failed",
    ("acknowledged", "verify"): "verified",
    ("acknowledged", "show_nothing"): "failed",
}
"""Every state a command can be in, and what leads from one to the next: by people, by the device, by time."""

OPEN: tuple[State, ...] = ("proposed", "approved", "sent", "acknowledged")
"""States that wait for somebody or something."""

WORDS: dict[State, Text] = {
    "proposed": Text("chờ duyệt", "waits for approval"),
    "refused": Text("không duyệt", "refused"),
    "withdrawn": Text("đã rút", "withdrawn"),
    "expired": Text("quá hạn duyệt", "expired"),
    "approved": Text("đã duyệt", "approved"),
    "sent": Text("đã gửi, chờ thiết bị xác nhận", "sent, waits for the device"),
    "acknowledged": Text("thiết bị đã nhận, chờ số đo kiểm chứng", "acknowledged, waits for a reading"),
    "verified": Text("đã kiểm chứng bằng số đo", "verified by a reading"),
    "failed": Text("thất bại", "failed"),
}


@dataclass(frozen=True, slots=True)
class Command:
    """One command to the device of an entity. Moments are aware UTC of the city's clock; ids of people are accounts'.

    ``reason`` says why it failed or was refused, in words; ``value`` is the reading that verified it.
    """

    id: str
    kind: str
    entity: str
    entity_type: str
    device: str
    parameters: dict[str, float | str]
    state: State
    proposed_by: str
    proposed_at: datetime
    because: str
    incident: str
    ward: str | None
    agency: str | None
    clearance: Clearance
    decided_by: str = ""
    decided_at: datetime | None = None
    sent_at: datetime | None = None
    sends: int = 0
    acknowledged_at: datetime | None = None
    ended_at: datetime | None = None
    reason: str = ""
    value: Any = None

    @property
    def thing(self) -> Thing:
        """What the policy is asked about."""
        return Thing(self.clearance, self.ward, self.agency, self.entity_type)

    @property
    def open(self) -> bool:
        """True while it waits for somebody or something."""
        return self.state in OPEN

    def after(self, move: Move) -> State:
        """The state that ``move`` leads to. Raises Problem 409 if it leads nowhere from here."""
        found = FLOW.get((self.state, move))
        if found is None:
            raise Problem(
                409,
                "command-moved-on",
                f"{self.id} is not what it was: {WORDS[self.state].en}.",
                "Look at it again before you decide.",
            )
        return found
