"""What happens over months: how much, of which kinds, in which wards, how late, and where it comes back again and again."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from math import cos, floor, radians
from statistics import fmean, median
from zoneinfo import ZoneInfo

from dothi.access.policy import Reach
from dothi.model.clock import from_micros, to_micros
from dothi.model.ground import METRES_OF_DEGREE
from dothi.platform.incidents.store import seen_by
from dothi.store.connection import Connection

MONTHS = 12  # the present one is the last
CELL = 250.0  # metres: what lies in one square is one place
LEAST = 3  # incidents that make a place one to look at
MOST_SPOTS = 40
_MINUTE = 60_000_000.0  # µs
_QUERY = (
    "SELECT i.code, i.kind, coalesce(i.ward, ''), i.opened_at, i.answered_at, i.longitude, i.latitude FROM incident i "
    "WHERE {where} AND i.opened_at >= ? AND i.state <> 'merged'"
)
_LATE = "SELECT DISTINCT incident FROM incident_entry WHERE act = 'overdue' AND at >= ?"


@dataclass(slots=True)
class Figures:
    """Of incidents opened in one month: how many, how many of them were answered, ran out of time, and the minutes of the
    city's clock from opening to answer, unsorted.
    """

    opened: int = 0
    answered: int = 0
    late: int = 0
    minutes: list[float] = field(default_factory=list)

    @property
    def to_answer(self) -> float | None:
        """The median of the minutes; None without any."""
        return median(self.minutes) if self.minutes else None


@dataclass(frozen=True, slots=True)
class Spot:
    """A place where incidents come back: ``count`` of them within ``CELL`` metres, in the middle of their points."""

    longitude: float
    latitude: float
    ward: str
    count: int
    kinds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Months:
    """``months`` are their first days in the city's zone, oldest first; ``figures`` are by (month, kind, ward), of those
    that have any; ``spots`` the places with most first.
    """

    months: tuple[date, ...]
    figures: dict[tuple[date, str, str], Figures]
    spots: tuple[Spot, ...]

    def by(self, part: int, key: str) -> list[int]:
        """How many were opened in each month of one kind (``part`` 1) or in one ward (``part`` 2)."""
        counted = Counter[date]()
        for names, one in self.figures.items():
            if names[part] == key:
                counted[names[0]] += one.opened
        return [counted[month] for month in self.months]

    def totals(self, part: int) -> list[tuple[str, int]]:
        """Every kind (``part`` 1) or ward (``part`` 2) with how many were opened, the most first."""
        counted = Counter[str]()
        for names, one in self.figures.items():
            counted[str(names[part])] += one.opened
        return sorted(counted.items(), key=lambda pair: (-pair[1], pair[0]))

    def whole(self) -> list[Figures]:
        """Each month with everything in it."""
        sums = {month: Figures() for month in self.months}
        for (month, _kind, _ward), one in self.figures.items():
            whole = sums[month]
            whole.opened += one.opened
            whole.answered += one.answered
            whole.late += one.late
            whole.minutes += one.minutes
        return list(sums.values())


def months_of(db: Connection, reached: Reach, asker: str, now: datetime, zone: ZoneInfo, kind: str, ward: str) -> Months:
    """The last ``MONTHS`` months of what is reached, of one ``kind`` and one ``ward`` (code) if they are given. What was
    merged counts where it went.
    """
    months = _months(now.astimezone(zone).date())
    since = to_micros(datetime(months[0].year, months[0].month, 1, tzinfo=zone))
    where, values = seen_by(reached, asker)
    for column, wanted in (("kind", kind), ("ward", ward)):
        if wanted:
            where, values = f"{where} AND i.{column} = ?", [*values, wanted]
    late = {code for (code,) in db.execute(_LATE, (since,))}
    figures: dict[tuple[date, str, str], Figures] = defaultdict(Figures)
    places: dict[tuple[int, int], list[tuple[float, float, str, str]]] = defaultdict(list)
    for code, of, here, opened, answered, longitude, latitude in db.execute(_QUERY.format(where=where), (*values, since)):
        day = from_micros(opened).astimezone(zone)
        one = figures[date(day.year, day.month, 1), of, here]
        one.opened += 1
        one.late += code in late
        if answered is not None:
            one.answered += 1
            one.minutes.append((answered - opened) / _MINUTE)
        if longitude is not None:
            places[_cell(longitude, latitude)].append((longitude, latitude, here, of))
    found = [_spot(points) for points in places.values() if len(points) >= LEAST]
    spots = sorted(found, key=lambda one: (-one.count, one.latitude, one.longitude))[:MOST_SPOTS]
    return Months(months, dict(figures), tuple(spots))


def _months(today: date) -> tuple[date, ...]:
    last = today.year * 12 + today.month - 1
    return tuple(date(number // 12, number % 12 + 1, 1) for number in range(last - MONTHS + 1, last + 1))


def _cell(longitude: float, latitude: float) -> tuple[int, int]:
    row = floor(latitude * METRES_OF_DEGREE / CELL)
    return floor(longitude * METRES_OF_DEGREE * cos(radians(row * CELL / METRES_OF_DEGREE)) / CELL), row


def _spot(points: Sequence[tuple[float, float, str, str]]) -> Spot:
    wards, kinds = Counter(point[2] for point in points), Counter(point[3] for point in points)
    return Spot(
        fmean(point[0] for point in points),
        fmean(point[1] for point in points),
        wards.most_common(1)[0][0],
        len(points),
        tuple(kind for kind, _ in kinds.most_common(3)),
    )
