"""From hourly means to an index: which hours count, and what is no believable mean."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from dothi.services.air.process import believable, day_hours, day_index, index_at, indexes, whole_hour

NOON = datetime(2026, 5, 20, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def back(values: list[float]) -> dict[datetime, float]:
    """Hourly means, the first for the hour that starts at NOON, then backwards."""
    return {NOON - HOUR * number: value for number, value in enumerate(values)}


def test_the_index_of_an_hour_looks_back_twelve_hours_and_no_further() -> None:
    steady = index_at({"pm25": back([25.0] * 12 + [500.0] * 12)}, NOON)
    assert steady is not None and (steady.value, steady.dominant) == (50, "pm25")
    assert index_at({"pm25": back([25.0, 25.0])}, NOON + HOUR * 2) is None, "only one of the newest three hours is there"


def test_gases_of_another_hour_do_not_count() -> None:
    index = index_at({"pm25": back([25.0] * 3), "no2": {NOON - HOUR: 1_000.0}}, NOON)
    assert index is not None and index.parts == {"pm25": 50}


def test_every_hour_with_enough_data_gets_one() -> None:
    found = indexes({"pm25": back([25.0, 25.0, 25.0])}, NOON - HOUR * 4, NOON + HOUR * 2)
    assert list(found) == [NOON - HOUR, NOON, NOON + HOUR]


def test_dust_of_exactly_zero_is_a_sensor_that_is_off() -> None:
    hours = {NOON: 0.0, NOON - HOUR: 12.0, NOON - HOUR * 2: -1.0}
    assert believable("pm25", hours) == {NOON - HOUR: 12.0}
    assert believable("no2", hours) == {NOON: 0.0, NOON - HOUR: 12.0}


def test_a_day_of_the_city_begins_at_its_own_midnight() -> None:
    hours = day_hours(date(2026, 5, 20), ZoneInfo("Asia/Ho_Chi_Minh"))
    assert (hours[0], hours[-1], len(hours)) == (
        datetime(2026, 5, 19, 17, tzinfo=UTC),
        datetime(2026, 5, 20, 16, tzinfo=UTC),
        24,
    )
    means = {"pm25": dict.fromkeys(hours, 55.7) | {hours[0] - HOUR: 900.0, hours[-1] + HOUR: 900.0}}
    index = day_index(means, hours)
    assert index is not None and index.value == 110


def test_an_hour_is_cut_in_utc() -> None:
    assert whole_hour(datetime(2026, 5, 20, 19, 59, 59, 5, tzinfo=ZoneInfo("Asia/Ho_Chi_Minh"))) == NOON
