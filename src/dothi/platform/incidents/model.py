"""What an incident is, what people ask about incidents, and what they are told: plain data, moments are aware UTC."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from dothi.access.policy import Clearance, Thing
from dothi.model.problem import Problem
from dothi.model.promise import Origin, Urgency
from dothi.model.text import Text
from dothi.platform.incidents.clocks import ClockState

State = Literal["new", "accepted", "assigned", "handling", "answered", "closed", "rejected", "merged"]
LinkKind = Literal["alert-group", "alert", "report", "entity", "command", "incident", "page"]
Order = Literal["left", "newest", "severity"]

WORKED: tuple[State, ...] = ("new", "accepted", "assigned", "handling")
"""States in which somebody still has to do something: what a queue shows."""

STATES: dict[State, Text] = {
    "new": Text("Mới", "New"),
    "accepted": Text("Đã tiếp nhận", "Accepted"),
    "assigned": Text("Đã phân công", "Assigned"),
    "handling": Text("Đang xử lý", "Being handled"),
    "answered": Text("Đã trả lời", "Answered"),
    "closed": Text("Đã đóng", "Closed"),
    "rejected": Text("Không tiếp nhận", "Not accepted"),
    "merged": Text("Đã gộp", "Merged"),
}
STEPS: tuple[tuple[State, Text], ...] = (
    ("accepted", Text("Tiếp nhận", "Acceptance")),
    ("assigned", Text("Phân công", "Assignment")),
    ("handling", Text("Xử lý", "Handling")),
    ("answered", Text("Trả lời", "Answer")),
)
"""The four steps everybody sees, each named by the state that it leads to."""

CLOCKS: dict[str, Text] = {
    "detect": Text("Phát hiện", "Detection"),
    "accept": Text("Tiếp nhận", "Acceptance"),
    "handle": Text("Xử lý", "Handling"),
    "resolve": Text("Giải quyết", "Resolution"),
}
"""What each clock (its step) measures."""

URGENCIES: dict[Urgency, Text] = {
    "urgent": Text("Khẩn", "Urgent"),
    "normal": Text("Bình thường", "Normal"),
    "complex": Text("Phức tạp", "Complex"),
}
TOLD: dict[str, Text] = {
    "open": Text("Mở sự việc", "Opened"),
    "note": Text("Thành phố ghi", "Noted by the city"),
    "rated": Text("Người gửi đánh giá", "Rated by the sender"),
    "warn": Text("Nhắc hạn", "Time is running out"),
    "overdue": Text("Quá hạn", "Overdue"),
    "paused": Text("Vẫn tạm dừng", "Still paused"),
    "closing": Text("Sắp tự đóng", "About to be closed"),
    "late": Text("Bước quy trình trễ", "A step is late"),
    "absorb": Text("Nhận sự việc được gộp", "Another was merged into it"),
    "photo": Text("Thêm ảnh", "Photo added"),
    "release_photo": Text("Công bố ảnh", "Photo released"),
    "withdraw_photo": Text("Thôi công bố ảnh", "Photo withdrawn"),
    "remove_photo": Text("Xóa ảnh", "Photo destroyed"),
    "black_out": Text("Che một phần ảnh", "Part of a photo blacked out"),
    "uncover": Text("Bỏ phần che ảnh", "Photo no longer blacked out"),
}
"""What a timeline says that is none of the acts of ``flow.TABLE``."""


@dataclass(frozen=True, slots=True)
class Task:
    """Something to do about an incident beside its playbook; ``number`` counts within the incident, from 1."""

    number: int
    text: str
    assignee: str = ""
    due_at: datetime | None = None
    done_at: datetime | None = None
    done_by: str = ""


@dataclass(frozen=True, slots=True)
class DoneStep:
    """A step of the playbook (its position, from 0) that was done."""

    step: int
    at: datetime
    by: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Incident:
    """One incident as it stands.

    ``code`` is "SV-2611-0417": year and month in the city's zone, number of the month. ``state_at`` is when it came into its
    state, ``detected_from`` when the trouble began. ``version`` counts the changes that may collide. ``ward`` (code) and
    ``agency`` (id) own it, "" is nobody; ``assignee`` is an account's id. ``parent`` is what it was merged into.
    ``playbook_at`` is when its playbook's timers began. ``due_at`` is that of the clock that runs out first; None if none
    runs. ``look_at`` is when the city looks at it again by itself, ``told`` which clocks ("accept:warn", "accept:due") have
    been told of. ``alerts`` and ``reports`` count its links, ``photos`` its photos.
    """

    code: str
    kind: str
    title: Text
    text: str
    state: State
    severity: int
    urgency: Urgency
    longitude: float | None
    latitude: float | None
    address: str
    ward: str
    agency: str
    assignee: str
    origin: Origin
    cause: str
    opened_at: datetime
    state_at: datetime
    detected_from: datetime
    version: int
    accepted_at: datetime | None = None
    answered_at: datetime | None = None
    arrived_at: datetime | None = None
    paused_since: datetime | None = None
    paused_until: datetime | None = None
    pause_reason: str = ""
    escalated: int = 0
    help: tuple[str, ...] = ()
    parent: str = ""
    answer: str = ""
    proof: tuple[int, ...] = ()
    tasks: tuple[Task, ...] = ()
    playbook_at: datetime | None = None
    steps_done: tuple[DoneStep, ...] = ()
    clocks: tuple[ClockState, ...] = ()
    told: tuple[str, ...] = ()
    due_at: datetime | None = None
    look_at: datetime | None = None
    clearance: Clearance = Clearance.INTERNAL
    alerts: int = 0
    reports: int = 0
    photos: int = 0

    @property
    def thing(self) -> Thing:
        """What the policy is asked about."""
        return Thing(self.clearance, self.ward or None, self.agency or None)

    @property
    def helping(self) -> tuple[Thing, ...]:
        """The same as those see it who were asked to help: as if it lay in their ward, or were their agency's."""
        clearance, ward, agency = self.clearance, self.ward or None, self.agency or None
        both = ((Thing(clearance, unit, agency), Thing(clearance, ward, unit)) for unit in self.help)
        return tuple(thing for pair in both for thing in pair)

    @property
    def worked(self) -> bool:
        """True while somebody still has to do something."""
        return self.state in WORKED


@dataclass(frozen=True, slots=True)
class Draft:
    """An incident to open. What is left empty follows from its kind and place: title, ward, agency, severity, urgency.

    ``links`` are (kind, id). ``detected_from`` None is now.
    """

    kind: str
    origin: Origin = "operator"
    title: Text | None = None
    text: str = ""
    longitude: float | None = None
    latitude: float | None = None
    address: str = ""
    ward: str = ""
    agency: str = ""
    severity: int | None = None
    urgency: Urgency | None = None
    detected_from: datetime | None = None
    links: tuple[tuple[LinkKind, str], ...] = ()
    clearance: Clearance = Clearance.INTERNAL


@dataclass(frozen=True, slots=True)
class Near:
    """Within ``metres`` of a point (EPSG:4326)."""

    longitude: float
    latitude: float
    metres: float


@dataclass(frozen=True, slots=True)
class Question:
    """Which incidents are sought; what is empty is any. ``severity`` is the least, ``since`` bounds when they were opened.

    ``text`` is sought without accents, every word of it; ``linked`` is the (kind, id) of a link; ``mine`` is what is
    assigned to the asker.
    """

    states: tuple[State, ...] = WORKED
    ward: str = ""
    agency: str = ""
    assignee: str = ""
    kind: str = ""
    origin: Origin | None = None
    severity: int = 0
    urgency: Urgency | None = None
    overdue: bool = False
    mine: bool = False
    near: Near | None = None
    linked: tuple[LinkKind, str] | None = None
    text: str = ""
    since: datetime | None = None
    order: Order = "left"
    limit: int = 50
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Found:
    """One page of what matches, how many do in all, how many of them are overdue; and counts by state of what would match
    in any state.
    """

    incidents: tuple[Incident, ...]
    total: int
    overdue: int
    states: dict[State, int]


@dataclass(frozen=True, slots=True)
class Change:
    """A field that an act changed: plain values (text, number, ISO 8601 moment, None) before and after."""

    field: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the timeline. ``act`` is an act's tag or one of ``TOLD``; ``words`` what was said with it.

    ``version`` is the incident's after it. ``refs`` are what it is about: codes, ids of links, numbers of photos or tasks.
    """

    number: int
    at: datetime
    person: str
    act: str
    words: Text
    changes: tuple[Change, ...]
    refs: tuple[str, ...]
    version: int


@dataclass(frozen=True, slots=True)
class Link:
    """What an incident is tied to, since when; ``first`` is the code of the incident it was tied to first."""

    kind: LinkKind
    ref: str
    at: datetime
    first: str


@dataclass(frozen=True, slots=True)
class Difference:
    """What somebody else did to one field meanwhile."""

    field: str
    before: Any
    after: Any
    person: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Load:
    """What one ward (``ward`` set) or one agency has to do, and how long it took in the last 30 days (None without any).

    ``to_accept`` and ``to_answer`` are medians in minutes of the city's clock, from the opening.
    """

    ward: str
    agency: str
    open: int
    overdue: int
    paused: int
    answered: int
    to_accept: float | None
    to_answer: float | None


@dataclass(frozen=True, slots=True)
class PublicStep:
    """One of the four steps as a citizen sees it; ``at`` None is still to come."""

    state: State
    title: Text
    at: datetime | None


@dataclass(frozen=True, slots=True)
class PublicIncident:
    """What anybody may know of an incident: never a name, no note of those who work on it.

    ``photos`` are numbers of released ones. ``reason`` is why it was not accepted.
    """

    code: str
    kind: str
    state: State
    steps: tuple[PublicStep, ...]
    ward: str
    agency: str
    opened_at: datetime
    due_at: datetime | None
    paused: bool
    answer: str
    reason: str
    photos: tuple[int, ...] = field(default=())


class ChangedMeanwhile(Problem):
    """Somebody changed the incident since the version that was looked at. ``now`` is how it stands.

    ``differences`` are the fields changed since, in the order in which it happened.
    """

    def __init__(self, now: Incident, differences: tuple[Difference, ...]) -> None:
        super().__init__(
            409,
            "changed-meanwhile",
            f"Somebody changed {now.code} while you looked at it.",
            "Look at what is different now, then decide anew.",
        )
        self.now, self.differences = now, differences
