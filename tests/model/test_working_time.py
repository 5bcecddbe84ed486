"""Working hours against an oracle that looks at every minute: days off, days worked instead, clocks put forward and back."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dothi.model.text import Text
from dothi.model.working_time import WorkingTime, around_the_clock

OFFICE = ((time(8), time(12)), (time(13), time(17)))
NIGHT = ((time(0), time(2, 30)), (time(22), time()))
DAY_OFF = Text("Nghỉ", "Day off")
MINUTE = timedelta(minutes=1)
HANOI = ZoneInfo("Asia/Ho_Chi_Minh")
WEEK = WorkingTime(
    HANOI,
    (OFFICE,) * 5 + ((),) * 2,
    {date(2026, 2, 17): DAY_OFF},
    {(9, 2): DAY_OFF},
    {date(2026, 11, 28): ((time(8), time(12)),)},
)

NIGHTS = WorkingTime(ZoneInfo("Europe/Berlin"), (NIGHT,) * 7)

# Hours of any city: Hanoi's clock never changes, Berlin's did on 2026-03-29 and 2026-10-25, Lord Howe's by half an hour.
zones = st.sampled_from([HANOI, ZoneInfo("Europe/Berlin"), ZoneInfo("Australia/Lord_Howe")])
days = st.sampled_from([(), OFFICE, NIGHT, ((time(1), time(3)),), ((time(), time()),)])
dates = st.dates(date(2026, 3, 27), date(2026, 4, 7)) | st.dates(date(2026, 10, 23), date(2026, 10, 27))
kinds_of_working_time = st.builds(
    WorkingTime,
    zones,
    st.lists(days, min_size=7, max_size=7).map(tuple),
    st.dictionaries(dates, st.just(DAY_OFF), max_size=2),
    st.dictionaries(st.sampled_from([(3, 30), (10, 26)]), st.just(DAY_OFF), max_size=1),
    st.dictionaries(dates, days, max_size=2),
)
starts = dates.flatmap(lambda day: st.integers(0, 1439).map(lambda minute: _utc(day) + minute * MINUTE))


def _utc(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def works_in(working: WorkingTime, moment: datetime) -> bool:
    """Whether the minute that begins at ``moment`` is worked, told from the clock on the wall."""
    wall = moment.astimezone(working.zone)
    return any(begin <= wall.time() and (end == time() or wall.time() < end) for begin, end in working.spans(wall.date()))


@settings(max_examples=60, deadline=None)
@example(NIGHTS, datetime(2026, 3, 29, tzinfo=UTC), 61)
@example(NIGHTS, datetime(2026, 10, 24, 21, tzinfo=UTC), 360)
@given(kinds_of_working_time, starts, st.integers(0, 3 * 1440))
def test_what_is_worked_is_what_the_clock_on_the_wall_says_minute_by_minute(
    working: WorkingTime, start: datetime, minutes: int
) -> None:
    worked = sum(works_in(working, start + minute * MINUTE) for minute in range(minutes))
    assert working.between(start, start + minutes * MINUTE) == worked * MINUTE


@settings(max_examples=60, deadline=None)
@given(kinds_of_working_time, starts, st.integers(1, 40 * 60))
def test_a_deadline_is_the_first_moment_at_which_so_much_was_worked(
    working: WorkingTime, start: datetime, minutes: int
) -> None:
    if not any(working.week):
        with pytest.raises(ValueError, match="too few"):
            WorkingTime(working.zone, working.week).add(start, minutes * MINUTE)
        return
    due = working.add(start, minutes * MINUTE)
    assert working.between(start, due) == minutes * MINUTE
    assert works_in(working, due - MINUTE), "it ends with a minute of work"


@given(starts, starts, starts)
def test_stretches_add_up(one: datetime, two: datetime, three: datetime) -> None:
    first, middle, last = sorted((one, two, three))
    assert WEEK.between(first, middle) + WEEK.between(middle, last) == WEEK.between(first, last)
    assert WEEK.between(last, first) == timedelta()


def test_eight_working_hours_from_friday_afternoon_end_on_monday() -> None:
    friday = datetime(2026, 11, 20, 15, 30, tzinfo=HANOI)
    assert WEEK.add(friday, timedelta(hours=8)) == datetime(2026, 11, 23, 15, 30, tzinfo=HANOI)
    assert WEEK.add(friday, timedelta()) == friday


def test_days_off_do_not_count_and_a_saturday_worked_instead_does() -> None:
    before_tet = datetime(2026, 2, 16, 16, tzinfo=HANOI)
    assert WEEK.add(before_tet, timedelta(hours=2)) == datetime(2026, 2, 18, 9, tzinfo=HANOI)
    assert WEEK.holiday(date(2027, 9, 2)) == DAY_OFF
    friday = datetime(2026, 11, 27, 16, tzinfo=HANOI)
    assert WEEK.add(friday, timedelta(hours=2)) == datetime(2026, 11, 28, 9, tzinfo=HANOI)
    assert WEEK.works_at(datetime(2026, 11, 28, 9, tzinfo=HANOI))
    assert not WEEK.works_at(datetime(2026, 11, 28, 14, tzinfo=HANOI))


def test_around_the_clock_an_hour_is_an_hour() -> None:
    start = datetime(2026, 2, 17, 3, 0, 0, 1, tzinfo=UTC)
    assert around_the_clock().add(start, timedelta(hours=30)) == start + timedelta(hours=30)
