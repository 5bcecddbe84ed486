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
        """Stretches of work (UTC) within ``start`` and ``end``, oldest first: what the clock on the wall says is worked.

        Where the clock is put forward the hours it leaves out are not worked; where it is put back, those it shows twice
        count both times.
        """
        for first, last, offset in self._offsets(start.astimezone(UTC), end.astimezone(UTC)):
            day = (first + offset).date()
            while (midnight := datetime.combine(day, _MIDNIGHT, UTC) - offset) < last:
                for begin, to in self.spans(day):
                    since = max(midnight + _since_midnight(begin), first)
                    until = min(midnight + (_since_midnight(to) or _DAY), last)
                    if since < until:
                        yield since, until
                day += _DAY

    def _offsets(self, start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime, timedelta]]:
        """Times (UTC) from ``start`` to ``end`` within which the zone's clock runs evenly, and how far it is ahead of UTC.

        No zone puts its clock forward and back within a day (IANA time zone database).
        """
        while start < end:
            offset, last = self._ahead(start), min(start + _DAY, end)
            if self._ahead(last) != offset:
                before, after = int(start.timestamp()), int(last.timestamp()) + 1
                while after - before > 1:
                    middle = (before + after) // 2
                    same = self._ahead(datetime.fromtimestamp(middle, UTC)) == offset
                    before, after = (middle, after) if same else (before, middle)
                last = datetime.fromtimestamp(after, UTC)
            yield start, min(last, end), offset
            start = last

    def _ahead(self, moment: datetime) -> timedelta:
        return moment.astimezone(self.zone).utcoffset() or timedelta()


def _since_midnight(wall: time) -> timedelta:
    return timedelta(hours=wall.hour, minutes=wall.minute, seconds=wall.second, microseconds=wall.microsecond)


def around_the_clock() -> WorkingTime:
    """Every hour of every day counts: for promises that do not stop at night."""
    return WorkingTime(ZoneInfo("UTC"), (((_MIDNIGHT, _MIDNIGHT),),) * 7)
