"""When people work: hours of the week, holidays, days worked instead; so that deadlines count only the hours that count."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from dothi.model.text import Text

Span = tuple[time, time]
"""From and to on one day, by the clock on the wall; midnight as the second is the day's end."""

_MIDNIGHT = time()
_DAY = timedelta(days=1)
_FARTHEST = timedelta(days=3660)


@dataclass(frozen=True, slots=True)
class WorkingTime:
    """The working hours of a city in its time zone.

    ``week`` has the spans of each weekday, Monday first, in order and without overlap. A day of ``holidays`` (each with what
    it is) or of ``yearly`` (month, day) has none, unless ``instead`` gives it spans: a day worked for another.
    """

    zone: ZoneInfo
    week: tuple[tuple[Span, ...], ...]
    holidays: Mapping[date, Text] = field(default_factory=dict)
    yearly: Mapping[tuple[int, int], Text] = field(default_factory=dict)
    instead: Mapping[date, tuple[Span, ...]] = field(default_factory=dict)

    def spans(self, day: date) -> tuple[Span, ...]:
        """The hours that are worked on ``day``."""
        if day in self.instead:
            return self.instead[day]
        return () if self.holiday(day) is not None else self.week[day.weekday()]

    def holiday(self, day: date) -> Text | None:
        """What is celebrated on ``day``; None if it is an ordinary day, or worked nonetheless."""
        if day in self.instead:
            return None
        return self.holidays.get(day) or self.yearly.get((day.month, day.day))

    def add(self, start: datetime, worked: timedelta) -> datetime:
        """The moment (aware UTC) when ``worked`` has been worked since ``start`` (aware).

        No work due is due at once, whatever the hour. Raises ValueError if that much is not worked within ten years.
        """
        left = worked
        if left <= timedelta():
            return start.astimezone(UTC)
        for begin, end in self._stretches(start, start + _FARTHEST):
            if end - begin >= left:
                return begin + left
            left -= end - begin
        raise ValueError("that much is not worked within ten years: the working hours are too few")

    def between(self, start: datetime, end: datetime) -> timedelta:
        """How much is worked from ``start`` to ``end`` (both aware); nothing if ``end`` is the earlier."""
        return sum((to - begin for begin, to in self._stretches(start, end)), timedelta())

    def works_at(self, moment: datetime) -> bool:
        """True if ``moment`` (aware) lies within working hours."""
        return any(True for _ in self._stretches(moment, moment + timedelta(microseconds=1)))

    def _stretches(self, start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Stretches of work (UTC) within ``start`` and ``end``, oldest first."""
        start, end = start.astimezone(UTC), end.astimezone(UTC)
        day = start.astimezone(self.zone).date() - _DAY  # clocks that are put back make a day begin twice
        while True:
            if self._moment(day, _MIDNIGHT) >= end:
                return
            for begin, to in self.spans(day):
                first = max(self._moment(day, begin), start)
                last = min(self._moment(day + _DAY if to == _MIDNIGHT else day, to), end)
                if first < last:
                    yield first, last
            day += _DAY

    def _moment(self, day: date, wall: time) -> datetime:
        return datetime.combine(day, wall, self.zone).astimezone(UTC)


def around_the_clock() -> WorkingTime:
    """Every hour of every day counts: for promises that do not stop at night."""
    return WorkingTime(ZoneInfo("UTC"), (((_MIDNIGHT, _MIDNIGHT),),) * 7)
