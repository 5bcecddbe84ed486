"""Is this reading believable? Every check runs over whole columns, with a few bytes of memory for each series."""

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from dothi.model.clock import MICROSECONDS
from dothi.model.reading import BAD_REASONS, Grade, Reason
from dothi.model.schema import AttributeType

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

HOUR = 3_600 * MICROSECONDS
FUTURE_AFTER = 5 * 60 * MICROSECONDS
ABSURD_AHEAD = 24 * HOUR
ABSURD_BEHIND = 3_650 * 24 * HOUR  # so that a clock ten years off is beyond it, whatever leap years lie between
_NEVER = np.iinfo(np.int64).min


def believable_times(now: int) -> tuple[int, int]:
    """The (oldest, newest) moment in µs UTC that an observation may claim when the city's clock shows ``now``.

    Ten years back and one day ahead. What lies outside cannot be placed on any time line: it belongs in quarantine.
    """
    return now - ABSURD_BEHIND, now + ABSURD_AHEAD


@dataclass(slots=True)
class _Limits:
    """The limits of each kind of attribute as columns; row 0 belongs to series that nobody declared: no limit."""

    minimum: Floats
    maximum: Floats
    change: Floats
    stuck: Integers


@dataclass(slots=True)
class Judged:
    """What the checks found, row by row (``Reason`` bits and ``Grade``), and what ``Checks.keep`` shall remember of it."""

    reasons: NDArray[np.int64]
    grades: NDArray[np.int64]
    series: Integers
    values: Floats
    at: Integers
    since: Integers


class Checks:
    """Range, future, stuck and jump checks of number series, and the grade that follows.

    State per series is 28 bytes: the last believable value, when it was observed, since when it has not changed, and
    which limits apply. It grows with the highest series id. Not thread-safe: one writer thread owns it.
    """

    _limits: _Limits

    def __init__(self) -> None:
        self._kinds: dict[tuple[float, float, float, int], int] = {}
        self._kind_of(None)
        self._kind = np.zeros(0, np.int32)
        self._value = np.empty(0, np.float64)
        self._at = np.empty(0, np.int64)
        self._since = np.empty(0, np.int64)

    @property
    def nbytes(self) -> int:
        """Bytes held for all series."""
        return self._kind.nbytes + self._value.nbytes + self._at.nbytes + self._since.nbytes

    def declare(self, series: int, attribute: AttributeType) -> None:
        """Take the limits of ``attribute`` for this series. Its memory of earlier values stays."""
        self._grow(series + 1)
        self._kind[series] = self._kind_of(attribute)

    def remember(self, series: Integers, observed_at: Integers, values: Floats) -> None:
        """Start from what is stored: the last known value of each series, after a restart. Older than known: ignored."""
        if not len(series):
            return
        self._grow(int(series.max()) + 1)
        newer = (observed_at > self._at[series]) & np.isfinite(values)
        series, observed_at = series[newer], observed_at[newer]
        self._value[series], self._at[series], self._since[series] = values[newer], observed_at, observed_at

    def run(self, series: Integers, observed_at: Integers, values: Floats, reasons: Integers, now: int) -> Judged:
        """Reasons and grades of each row. Nothing is remembered until ``keep``, so a batch that is not committed leaves
        no trace.

        All columns have one length. ``values`` are in each attribute's declared unit, NaN where the value is not a
        number; ``reasons`` holds what is already known (TYPE, UNIT, SHARED_PLACE). Times are µs UTC. Rows may come in
        any order: within a call they are judged in order of time, and a row not later than what its series has
        already shown is judged by its range alone and changes no memory. A bad value changes no memory either.

        Stuck: the same value for ``stuck_after`` or longer. Jump: a step from the reading before that is larger than
        ``max_change_per_hour`` allows for the time between them; less than an hour counts as an hour, because noise
        between two close readings is not a trend (a rate-of-change test, after the QARTOD manuals of U.S. IOOS).
        """
        reasons = reasons.copy()
        self._grow(int(series.max(initial=-1)) + 1)
        kind = self._kind[series]
        outside = (values < self._limits.minimum[kind]) | (values > self._limits.maximum[kind])
        reasons[outside] |= Reason.RANGE
        reasons[np.isinf(values)] |= Reason.TYPE
        reasons[observed_at > now + FUTURE_AFTER] |= Reason.FUTURE
        usable = ((reasons & BAD_REASONS) == 0) & ~np.isnan(values) & (observed_at > self._at[series])
        memory = self._follow(np.flatnonzero(usable), series, observed_at, values, reasons)
        grades = np.where(reasons & BAD_REASONS, Grade.BAD, np.where(reasons, Grade.SUSPECT, Grade.GOOD))
        return Judged(reasons, grades.astype(np.int64), *memory)

    def keep(self, judged: Judged) -> None:
        """The batch is committed: remember the last believable value of each of its series."""
        series = judged.series
        self._value[series], self._at[series], self._since[series] = judged.values, judged.at, judged.since

    def _follow(
        self, rows: NDArray[np.intp], series: Integers, observed_at: Integers, values: Floats, reasons: Integers
    ) -> tuple[Integers, Floats, Integers, Integers]:
        """Stuck and jump over ``rows``, each series along its own time line; returns what to remember afterwards."""
        rows = rows[np.lexsort((observed_at[rows], series[rows]))]  # stable: the first of two at one moment stays first
        one, at = series[rows], observed_at[rows]
        first = _opens(one)
        once = first | _opens(at)
        if not once.all():
            rows, one, at, first = rows[once], one[once], at[once], first[once]
        value = values[rows]

        before, before_at = np.empty_like(value), np.empty_like(at)
        before[1:], before_at[1:] = value[:-1], at[:-1]
        opening = one[first]
        before[first], before_at[first] = self._value[opening], self._at[opening]
        known = before_at != _NEVER
        same = known & (value == before)

        base = at.copy()
        carried = first & same
        base[carried] = self._since[one[carried]]
        since = base[np.maximum.accumulate(np.where(first | ~same, np.arange(len(rows)), 0))]

        kind = self._kind[one]
        hours = np.ones(len(rows))
        hours[known] = np.maximum((at[known] - before_at[known]) / HOUR, 1.0)
        jumped = np.zeros(len(rows), bool)
        jumped[known] = np.abs(value[known] - before[known]) > (self._limits.change[kind] * hours)[known]
        reasons[rows[jumped]] |= Reason.JUMP
        reasons[rows[same & (at - since >= self._limits.stuck[kind])]] |= Reason.STUCK

        last = np.append(first[1:], True) if len(rows) else first
        return one[last], value[last], at[last], since[last]

    def _grow(self, size: int) -> None:
        have = len(self._kind)
        if size <= have:
            return
        more = max(size, have + have // 4, 1_024) - have
        self._kind = np.concatenate([self._kind, np.zeros(more, np.int32)])
        self._value = np.concatenate([self._value, np.full(more, np.nan)])
        self._at = np.concatenate([self._at, np.full(more, _NEVER, np.int64)])
        self._since = np.concatenate([self._since, np.full(more, _NEVER, np.int64)])

    def _kind_of(self, attribute: AttributeType | None) -> int:
        limits = (-np.inf, np.inf, np.inf, int(np.iinfo(np.int64).max))
        if attribute is not None:
            limits = (
                -np.inf if attribute.minimum is None else attribute.minimum,
                np.inf if attribute.maximum is None else attribute.maximum,
                np.inf if attribute.max_change_per_hour is None else attribute.max_change_per_hour,
                limits[3] if attribute.stuck_after is None else attribute.stuck_after // timedelta(microseconds=1),
            )
        if limits not in self._kinds:
            self._kinds[limits] = len(self._kinds)
            columns = zip(*self._kinds, strict=True)
            minimum, maximum, change, stuck = (np.array(column) for column in columns)
            self._limits = _Limits(minimum, maximum, change, stuck)
        return self._kinds[limits]


def _opens(sorted_column: Integers) -> NDArray[np.bool_]:
    """Where a new run of equal values begins."""
    opens = np.ones(len(sorted_column), bool)
    opens[1:] = sorted_column[1:] != sorted_column[:-1]
    return opens
