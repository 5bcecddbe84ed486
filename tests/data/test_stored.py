"""What the city says it keeps: right to the row, in both homes, before sealing and after, however little is counted."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from city_world import NOW, PM, TYPE, City, at, row

from dothi.data.compaction import STEPS, Step
from dothi.data.retention import Retention
from dothi.data.sealing import Sealer
from dothi.data.stored import Bookkeeper
from dothi.model.clock import to_micros
from dothi.model.schema import AttributeType, EntityType
from dothi.model.text import Text
from dothi.testing.clock import FixedClock

KIND = EntityType("Station", TYPE, Text("Trạm", "Station"), (AttributeType("pm25", PM, Text("PM2.5", "PM2.5")),))
HOUR = 60


@pytest.fixture
def city(homes: object, tmp_path: Path) -> Iterator[City]:
    made = City(tmp_path)
    yield made
    made.close()


def _keeper(city: City, clock: FixedClock, seconds: float = 0.0) -> Bookkeeper:
    ticks = iter(range(10_000_000))
    return Bookkeeper(city.database, city.writer, clock, lambda: next(ticks) * seconds)


async def _apart(city: City, step: Step, arguments: tuple[int, ...]) -> None:
    await asyncio.to_thread(STEPS[step], city.database, *arguments)


def test_every_reading_is_counted_by_type_day_and_grade(city: City) -> None:
    city.write(*[row(number, minutes, 5.0) for number in range(3) for minutes in (-30 * HOUR, -2 * HOUR, -5)])
    city.write(row(0, -4, 9.0, grade=2), row(1, -3, 9.0, grade=1))
    found = asyncio.run(_keeper(city, FixedClock(NOW)).look())
    (one,) = found.types
    assert (one.type, one.rows, one.fresh, one.lake_rows) == (TYPE, 11, 11, 0)
    assert one.grades == (6, 1, 1), "of the last day"
    assert list(one.days.values()) == [3, 8]
    assert one.oldest is not None and one.oldest <= at(-30 * HOUR) < one.oldest + timedelta(hours=1)
    assert one.newest == at(-3)
    assert found.whole
    assert found.tables["entity"].rows == 3
    assert found.tables["run"].rows == found.tables["quarantine"].rows == 0
    assert found.tables["audit"].rows >= 1
    assert found.tables["outbox"].rows >= 1
    assert found.bytes["database"] > 10_000


def test_counting_goes_on_where_it_stopped(city: City) -> None:
    city.write(*[row(0, -HOUR * back - 5, 5.0) for back in range(30)])
    keeper = _keeper(city, FixedClock(NOW), seconds=0.3)
    looks = [asyncio.run(keeper.look()) for _ in range(16)]
    rows = [look.types[0].rows for look in looks]
    assert not looks[0].whole and looks[-1].whole
    assert rows == sorted(rows) and rows[0] < rows[-1] == 30
    assert keeper.latest is looks[-1]


def test_what_comes_into_the_present_hour_is_counted_again(city: City) -> None:
    keeper = _keeper(city, FixedClock(NOW))
    city.write(row(0, -5, 5.0))
    assert asyncio.run(keeper.look()).types[0].rows == 1
    city.write(row(0, -4, 5.0), row(0, -HOUR - 4, 5.0))
    assert asyncio.run(keeper.look()).types[0].rows == 3


def test_sealed_readings_count_once(city: City) -> None:
    city.write(*[row(number, -HOUR * back - 5, 5.0) for number in range(3) for back in range(60)])
    clock = FixedClock(NOW)
    keeper = _keeper(city, clock)
    before = asyncio.run(keeper.look()).types[0]
    retention = Retention(city.database, city.writer, clock, {TYPE: KIND})
    sealer = Sealer(city.database, city.writer, clock, retention, lambda step, given: _apart(city, step, given))
    asyncio.run(sealer.round())
    found = asyncio.run(keeper.look())
    (after,) = found.types
    assert found.marks.sealed_until > 0
    assert after.lake_rows > 100
    assert after.lake_bytes > 0
    assert (after.rows, after.days) == (before.rows, before.days)
    assert after.grades == before.grades
    assert found.bytes["lake"] >= after.lake_bytes
    city.write(row(0, -50 * HOUR + 3, 5.0), row(0, -400 * HOUR, 5.0))
    late = asyncio.run(keeper.look()).types[0]
    assert (late.rows, late.fresh) == (after.rows + 2, after.fresh + 2), "what comes late is not forgotten"
    assert late.oldest is not None and late.oldest <= at(-400 * HOUR)
    asyncio.run(sealer.round())
    after = asyncio.run(keeper.look()).types[0]
    assert after.rows == late.rows
    fresh = asyncio.run(_keeper(city, clock).look()).types[0]
    assert (fresh.rows, fresh.days, fresh.grades) == (after.rows, after.days, after.grades), "after a restart too"


def test_the_size_of_each_day_is_kept_and_tells_the_growth(city: City) -> None:
    clock = FixedClock(NOW)
    first = asyncio.run(_keeper(city, clock).look())
    assert first.growth is None
    (day,) = first.sizes
    assert day == to_micros(NOW) // 86_400_000_000
    clock.advance(timedelta(days=2))
    city.write(*[row(0, 2 * 24 * HOUR - minute / 60, 5.0) for minute in range(2_000)])
    second = asyncio.run(_keeper(city, clock).look())
    assert sorted(second.sizes) == [day, day + 2]
    assert second.growth == (second.sizes[day + 2] - second.sizes[day]) / 2
    clock.advance(timedelta(days=70))
    assert len(asyncio.run(_keeper(city, clock).look()).sizes) == 1, "what is long past is let go"
