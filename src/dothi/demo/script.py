"""What the story of a demo neighbourhood is made of: who sends what from where, how long ago, and what was done since."""

from dataclasses import dataclass, field
from typing import Literal

from dothi.demo.drawings import Scene
from dothi.model.promise import Origin, Step
from dothi.platform.incidents.acts import Act
from dothi.platform.incidents.photos import Phase

Who = Literal["operator", "officer", "night", "citizen"]
"""The demo's operator and ward officer, whom visitors may become; who was on shift before; whoever reported it."""


@dataclass(frozen=True, slots=True)
class Aged:
    """So long ago that ``used`` of the time promised for ``step`` is gone now, by the city's working hours."""

    step: Step
    used: float


@dataclass(frozen=True, slots=True)
class Given:
    """Assigned to its ward's officer, or to an agency (id)."""

    agency: str = ""


@dataclass(frozen=True, slots=True)
class Shown:
    """A photo was added."""

    scene: Scene
    phase: Phase
    mended: bool = False


@dataclass(frozen=True, slots=True)
class Answered:
    """The citizen was answered, with every photo of what was done as proof."""

    text: str


@dataclass(frozen=True, slots=True)
class Joined:
    """It was merged into the incident of another plot (its id)."""

    into: str


@dataclass(frozen=True, slots=True)
class Helped:
    """The next ward was asked to help."""

    note: str


@dataclass(frozen=True, slots=True)
class Paused:
    """It waits, for so many hours from now on."""

    reason: str
    hours: float


@dataclass(frozen=True, slots=True)
class Published:
    """The report was released for everybody with this title and its own text, and its photos so far with it."""

    title: str


@dataclass(frozen=True, slots=True)
class Withheld:
    """Somebody decided that the public does not see it."""


@dataclass(frozen=True, slots=True)
class Met:
    """Another citizen met the same trouble."""


@dataclass(frozen=True, slots=True)
class Rated:
    """Its sender said how good the answer is: 3, 2 or 1."""

    score: int
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Doubted:
    """Its sender reopened it."""

    reason: str


What = Act | Given | Shown | Answered | Joined | Helped | Paused | Published | Withheld | Met | Rated | Doubted


@dataclass(frozen=True, slots=True)
class Deed:
    """Something that somebody did, ``ago`` minutes before now."""

    ago: float
    who: Who
    what: What


@dataclass(frozen=True, slots=True)
class Plot:
    """One incident. ``opens`` is when: minutes before now, or so that a clock stands somewhere.

    ``ward`` counts from the ward officer's own (0) to its neighbours; ``east`` and ``north`` are metres from its centre.
    ``origin`` is "report" (a citizen sends it) or "operator" (somebody on shift was told of it).
    """

    id: str
    kind: str
    ward: int
    east: float
    north: float
    opens: float | Aged
    text: str
    address: str
    title: str = ""
    origin: Origin = "report"
    scene: Scene | None = None
    deeds: tuple[Deed, ...] = field(default=())
