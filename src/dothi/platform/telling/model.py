"""What there is to tell, to whom, and how often: plain data; moments are µs since 1970 UTC of the machine's clock."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from dothi.model.clock import MICROSECONDS
from dothi.model.text import Text
from dothi.platform.incidents.model import Change, Incident
from dothi.store.connection import Connection

State = Literal["waiting", "sent", "dead"]

MINUTE = 60 * MICROSECONDS
HOUR = 60 * MINUTE
DAY = 24 * HOUR
CRITICAL = 4
"""The severity that does not wait for quiet hours to end."""


@dataclass(frozen=True, slots=True)
class Quiet:
    """Minutes of the day, in the city's zone, between which nothing is sent; over midnight if ``start`` is the later."""

    start: int
    end: int

    def holds(self, minute: int) -> bool:
        """True if this minute of the day lies within."""
        if self.start <= self.end:
            return self.start <= minute < self.end
        return minute >= self.start or minute < self.end


@dataclass(frozen=True, slots=True)
class Pace:
    """How one receiver is written to: ``most`` mails within any hour, what comes within ``settle`` (µs) together."""

    most: int
    settle: int
    quiet: Quiet | None = None


@dataclass(frozen=True, slots=True)
class Note:
    """Something to tell ``recipient``, once for each ``what``. ``about`` names what it is of, "incident:SV-2611-0007".

    ``words`` say what happened, without a name and without what citizens wrote.
    """

    recipient: str
    what: str
    topic: str
    about: str
    words: Text
    severity: int = 1
    at: int = 0
    id: int = 0


@dataclass(frozen=True, slots=True)
class Letter:
    """One mail and what became of it; ``notes`` is how many things it tells of."""

    id: int
    recipient: str
    made_at: int
    state: State
    attempts: int
    next_at: int
    ended_at: int | None
    error: str
    notes: int = 0


@dataclass(frozen=True, slots=True)
class Written:
    """What a mail says. ``to`` is an address; ``stop`` an address (URL) at which one can have no more of them."""

    to: str
    subject: str
    text: str
    html: str
    language: str
    stop: str = ""


class Correspondent(Protocol):
    """Writes to one kind of receivers, whose ids come after the colon of a note's ``recipient``."""

    def pace(self, ref: str) -> Pace | None:
        """How often this receiver may be written to; None if nobody is to be told any more."""
        ...

    async def write(self, ref: str, notes: Sequence[Note]) -> Written | None:
        """The mail that tells of these; None if nobody is to be told, or may know of any of them, any more."""
        ...

    def name(self, ref: str, language: str) -> str:
        """What administrators call this receiver: never an address of a citizen."""
        ...


@dataclass(frozen=True, slots=True)
class Happening:
    """A line of an incident's timeline, as those are told it who may be interested; ``incident`` as it stands now."""

    number: int
    act: str
    person: str
    words: Text
    changes: tuple[Change, ...]
    refs: tuple[str, ...]
    incident: Incident

    def changed(self, *fields: str) -> bool:
        """True if one of these fields changed with it, to something."""
        return any(one.field in fields and one.after for one in self.changes)


class Audience(Correspondent, Protocol):
    """People outside who asked to hear of incidents: a sector's. ``kind`` begins their ``recipient``."""

    kind: str

    def hear(self, db: Connection, told: Happening, now: int) -> Iterable[Note]:
        """Whom of them to tell of what happened; ``now`` is the machine's moment (µs)."""
        ...
