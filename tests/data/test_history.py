"""What was: any span of one series, means by the hour, and who may know."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from city_world import NAME, PM, TYPE, City, at, row, station, urn
from hypothesis import given, settings
from hypothesis import strategies as st

from dothi.access.policy import STRANGER, SYSTEM, Clearance
from dothi.data.batch import EntityChange
from dothi.model.clock import to_micros
from dothi.model.moment import Knowledge, Moment
from dothi.model.reading import Grade, Origin, Reason
from dothi.store.sqlite import SqliteConnection
from dothi.testing.homes import at as at_home


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory, homes_of_module: object) -> Iterator[City]:
    city = of_a_month(tmp_path_factory.mktemp("history"))
    yield city
    city.close()


def of_a_month(folder: Path) -> City:
    """Two stations over 30 days: every two hours in order, then every fifth of the hours between, late."""
    city = City(folder)
    for start in range(0, 360, 40):
        city.write(*[row(number, hour * 120, float(hour)) for hour in range(start, start + 40) for number in (0, 1)])
    city.write(*[row(0, hour * 120 + 60, hour + 0.5, heard=1) for hour in range(0, 360, 5)])
    return city


MINUTES = {hour * 120.0: float(hour) for hour in range(360)} | {hour * 120.0 + 60: hour + 0.5 for hour in range(0, 360, 5)}


@settings(max_examples=60, deadline=None)
@given(span=st.tuples(st.integers(-100, 43_400), st.integers(-100, 43_400)), limit=st.integers(1, 500))
def test_any_span_is_read_whole_and_in_order(month: City, span: tuple[int, int], limit: int) -> None:
    start, end = min(span), max(span)
    rows = month.history.series(SYSTEM, urn(0), PM, at(start), at(end), limit=limit)
    wanted = sorted(minute for minute in MINUTES if start <= minute < end)
    assert rows.observed_at == [to_micros(at(minute)) for minute in wanted[-limit:]]
    assert rows.values == [MINUTES[minute] for minute in wanted[-limit:]]
    assert rows.more == (len(wanted) > limit)


def test_a_day_long_past_is_reached_without_walking_the_month(tmp_path: Path) -> None:
    """By the steps of a question, which only SQLite tells; the statements are the same in the other home."""
    with at_home(None):
        month, steps = of_a_month(tmp_path), 0

    def step() -> int:
        nonlocal steps
        steps += 1
        return 0

    with month.database.reader() as db:
        assert isinstance(db, SqliteConnection)
        db.set_progress_handler(step, 100)
    month.history.series(SYSTEM, urn(1), PM, at(40_000), at(43_000))
    recent, steps = steps, 0
    month.history.series(SYSTEM, urn(1), PM, at(0), at(3_000))
    assert 0 < steps < 2 * recent + 10
    month.close()


@pytest.mark.usefixtures("homes")
def test_means_by_the_hour_leave_out_what_is_bad(tmp_path: Path) -> None:
    city = City(tmp_path)
    values = [(minute, float(minute % 17)) for minute in range(0, 180, 7)]
    city.write(*[row(0, minute, value) for minute, value in values])
    city.write(row(0, 1, 900.0, grade=Grade.BAD, reasons=Reason.RANGE), row(0, 2, "n/a"), row(1, 5, 4.0), row(1, 65, 6.0))
    city.write(row(1, 65, 8.0, heard=1), row(1, 5, 4.0, heard=1, withdrawn=True))
    means = city.history.hourly(SYSTEM, [urn(0), urn(1), urn(77)], PM, at(0), at(170))
    expected = {
        at(60 * hour): fmean(value for minute, value in values if minute // 60 == hour and minute < 170) for hour in range(3)
    }
    assert means == {urn(0): pytest.approx(expected), urn(1): {at(60): 8.0}}
    assert city.history.hourly(STRANGER, [urn(0)], PM, at(0), at(170)) == {}
    city.close()


@pytest.mark.usefixtures("homes")
def test_history_is_read_by_those_who_may_read_the_thing(tmp_path: Path) -> None:
    city = City(tmp_path, stations=0)
    city.write(entities=[EntityChange("create", station(0), Clearance.PUBLIC), EntityChange("create", station(1))])
    city.write(row(0, 1, 1.0), row(1, 1, 2.0))
    whole = (PM, at(0), at(0) + timedelta(hours=1))
    assert city.history.series(STRANGER, urn(0), *whole).values == [1.0]
    assert city.history.series(STRANGER, urn(1), *whole).values == []
    assert city.history.series(SYSTEM, urn(1), *whole).values == [2.0]
    assert city.history.hourly(STRANGER, [urn(0), urn(1)], *whole) == {urn(0): {at(0): 1.0}}
    city.close()


@pytest.mark.usefixtures("homes")
def test_datasets_are_series_of_their_own(tmp_path: Path) -> None:
    city = City(tmp_path)
    other = "urn:ngsi-ld:Dataset:b"
    city.write(row(0, 1, 1.0), row(0, 1, 2.0, dataset_id=other))
    assert (city.read(0), city.read(0, dataset_id=other), city.read(0, dataset_id="urn:none")) == ({1: 1.0}, {1: 2.0}, {})
    rows = city.history.series(SYSTEM, urn(0), PM, at(0), at(2))
    assert (rows.grades, rows.reasons, rows.origins) == ([Grade.GOOD], [Reason.NONE], [Origin.MEASURED])
    with pytest.raises(ValueError, match="time zone"):
        city.history.series(SYSTEM, urn(0), PM, at(0).replace(tzinfo=None), at(2))
    city.close()


@pytest.mark.usefixtures("homes")
def test_the_city_at_a_past_moment_as_known_now_and_as_known_then(tmp_path: Path) -> None:
    city = City(tmp_path)
    city.write(row(0, 0, 1.0, heard=1), row(0, 30, 2.0, heard=31), row(1, 10, 5.0, heard=200))
    city.write(row(0, 30, 3.0, heard=100), row(0, 40, 9.0, heard=41, reasons=Reason.FUTURE))

    def known(minutes: float, known: Knowledge) -> list[Any]:
        moment = Moment(at(minutes), known)
        table = city.history.at(SYSTEM, moment, type=TYPE, attributes=(PM, NAME), lookback=timedelta(hours=2))
        assert table.ids == [urn(0), urn(1), urn(2)]
        return table.values[PM]

    assert known(45, "then") == [2.0, None, None]
    assert known(45, "now") == [3.0, 5.0, None]
    assert known(29, "now") == [1.0, 5.0, None]
    assert known(151, "now") == [None, None, None], "what was last heard too long before is not shown"
    assert city.history.at(STRANGER, Moment(at(45)), attributes=(PM,)).ids == []
    city.close()


@pytest.mark.usefixtures("homes")
def test_windows_and_rows(tmp_path: Path) -> None:
    city = City(tmp_path)
    city.write(*[row(number, minute, float(minute + number)) for number in (0, 1) for minute in range(0, 180, 30)])
    city.write(row(1, 150, 1e6, grade=Grade.BAD, reasons=Reason.RANGE, heard=300), row(0, 170, "n/a"))
    found = city.history.windows(
        SYSTEM, PM, at(0), at(180), every=timedelta(hours=1), functions=("mean", "count", "last", "first"), urns=[urn(0)]
    ).frame
    assert found.rows() == [
        (urn(0), to_micros(at(60 * hour)), 15 + 60 * hour, 2, 30 + 60 * hour, 60 * hour) for hour in range(3)
    ]
    found = city.history.windows(
        SYSTEM, PM, at(0), at(180), every=timedelta(days=1), functions=("sum", "max"), by="city"
    ).frame
    assert found.rows() == [("", to_micros(at(-11 * 60)), 450.0 + 305.0, 150.0)], "midnight in Hanoi is 17:00 UTC"
    [frame] = city.history.rows(SYSTEM, at(100), at(180))
    assert frame.select("entity", "number", "other", "grade").rows() == [
        (urn(0), 120.0, None, 0),
        (urn(0), 150.0, None, 0),
        (urn(0), None, '"n/a"', 0),
        (urn(1), 121.0, None, 0),
        (urn(1), 1e6, None, 2),
    ]
    assert list(city.history.rows(STRANGER, at(0), at(180))) == []
    city.close()
