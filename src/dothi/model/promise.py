"""What a city promises about incidents: how long each step may take."""

from dataclasses import dataclass
from typing import Literal

from dothi.model.text import Text

Urgency = Literal["urgent", "normal", "complex"]
"""Levels of Decision 1207/QĐ-UBND (Hanoi, 2025): khẩn, bình thường, phức tạp."""

Step = Literal["detect", "accept", "handle", "resolve"]
"""``detect`` runs from the first sign until somebody is told, ``accept`` until it is accepted, ``handle`` from then until it
is answered, ``resolve`` from the opening until it is answered."""

Origin = Literal["alert", "report", "operator"]
"""Where an incident comes from: a rule, a citizen, somebody on shift."""


@dataclass(frozen=True, slots=True)
class Promise:
    """How long one step may take: ``hours``, of work if ``working``. Empty ``origins`` or ``urgencies`` mean all.

    ``source`` is the text that promises it, or says that it is an assumption.
    """

    step: Step
    hours: float
    working: bool
    source: Text
    origins: tuple[Origin, ...] = ()
    urgencies: tuple[Urgency, ...] = ()

    def __post_init__(self) -> None:
        """Raises ValueError for a time that is none, which every way of making one tells its reader."""
        if not 0 < self.hours <= 10_000:
            raise ValueError(f"a promise of {self.hours} hours cannot be kept or broken")

    def holds(self, origin: Origin, urgency: Urgency) -> bool:
        """True if it is given for such an incident."""
        return (not self.origins or origin in self.origins) and (not self.urgencies or urgency in self.urgencies)
