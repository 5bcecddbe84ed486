"""The city's clock: the only source of "now". A replay or a drill runs on its own; tests hold it still."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import NamedTuple, Protocol

MICROSECONDS = 1_000_000


class Clock(Protocol):
    """Tells the city's time."""

    def now(self) -> datetime:
        """The present moment of this city, timezone-aware, in UTC."""
        ...

    def when(self, machine: int) -> int:
        """This city's time (µs UTC) at the moment the machine's clock showed ``machine`` (µs UTC)."""
        ...


class SystemClock:
    """The machine's own time: the clock of a live city."""

    def now(self) -> datetime:
        """The machine's present moment in UTC."""
        return datetime.now(UTC)

    def when(self, machine: int) -> int:
        """The same: this city lives by the machine's time."""
        return machine


class Anchor(NamedTuple):
    """Where a run of a replay began: the machine's time and the city's (µs UTC), and how many times as fast it went."""

    machine: int
    city: int
    speed: float


class ReplayClock:
    """City time that starts at ``start`` and runs ``speed`` times as fast as ``source``, and stands still at ``end``.

    ``start`` and ``end`` are timezone-aware; ``speed`` is a positive factor (60 = one city hour a minute); ``source`` is
    the machine's time unless a test gives another. ``earlier`` are the runs before this one, newest first: what was heard
    under one of them keeps the moment it had then, as long as ``start`` is no earlier than what that run came to. Raises
    ValueError for a naive time or a speed that is not positive.
    """

    def __init__(
        self,
        start: datetime,
        speed: float = 1.0,
        end: datetime | None = None,
        source: Callable[[], datetime] | None = None,
        earlier: Sequence[Anchor] = (),
    ) -> None:
        if start.tzinfo is None or (end is not None and end.tzinfo is None):
            raise ValueError("a replay clock needs timezone-aware times")
        if not speed > 0:
            raise ValueError("a replay clock needs a positive speed")
        self.start, self.speed, self.end = start.astimezone(UTC), speed, end
        self._source = source or SystemClock().now
        self._last = None if end is None else to_micros(end)
        self.anchors = (Anchor(to_micros(self._source()), to_micros(self.start), speed), *earlier)

    def now(self) -> datetime:
        """The replayed moment in UTC."""
        return from_micros(self._under(self.anchors[0], to_micros(self._source())))

    def when(self, machine: int) -> int:
        """The replayed moment (µs UTC) at a moment of the machine's, by the run it lies in.

        Between two runs the city stood still at the later one's start; before all of them, at the first one's.
        """
        if machine >= self.anchors[0].machine:
            return self._under(self.anchors[0], machine)
        for later, anchor in pairwise(self.anchors):
            if machine >= anchor.machine:
                return min(self._under(anchor, machine), later.city)
        return self._under(self.anchors[-1], machine)

    def _under(self, anchor: Anchor, machine: int) -> int:
        moment = anchor.city + round(max(0, machine - anchor.machine) * anchor.speed)
        return moment if self._last is None else min(moment, self._last)

    @property
    def finished(self) -> bool:
        """True once the replayed time has reached ``end``."""
        return self.end is not None and self.now() >= self.end


def to_micros(moment: datetime) -> int:
    """Microseconds since 1970-01-01T00:00:00Z, the form in which moments are stored. Raises ValueError if naive."""
    if moment.tzinfo is None:
        raise ValueError("a moment without a time zone has no place on the city's clock")
    delta = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * MICROSECONDS + delta.microseconds


def from_micros(micros: int) -> datetime:
    """The UTC moment that ``to_micros`` stored."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(micros))
