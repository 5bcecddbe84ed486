"""An index that was published follows its readings: late ones, corrections and withdrawals, over a day and over 12 hours."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dothi.access.policy import SYSTEM
from dothi.data.batch import Batch, EntityChange, ReadingRow, readings_of
from dothi.data.context import Context
from dothi.data.history import History
from dothi.data.writer import Writer
from dothi.model.clock import from_micros
from dothi.model.entity import Entity
from dothi.model.reading import Origin
from dothi.services.air.model import AIR_QUALITY_OBSERVED, DOMINANT, INDEX, LEVEL, iri
from dothi.services.air.process import derive, derive_again
from dothi.store.database import migrate, open_database
from dothi.testing.clock import FixedClock

HOUR = timedelta(hours=1)
NEWEST = datetime(2026, 5, 20, 11, tzinfo=UTC)  # the newest finished hour
STATION = "urn:ngsi-ld:AirQualityObserved:hanoi:ho-tay"


class Air:
    """One station with a day and a half of steady PM2.5, and what it is published as."""

    def __init__(self, home: Path) -> None:
        self.database = open_database(home, "hanoi")
        migrate(self.database)
        self.writer = Writer(self.database, locate=lambda *_: None)
        self.history = History(self.database, ())
        self.clock = FixedClock(NEWEST + HOUR * 1.5)
        self.platform: Any = SimpleNamespace(
            clock=self.clock, writer=self.writer, history=self.history, context=Context(self.database, ())
        )
        made = EntityChange("create", Entity(STATION, AIR_QUALITY_OBSERVED))
        self.writer.apply(Batch(SYSTEM, "test", "c", self.clock.now(), entities=[made]))

    def say(self, values: dict[int, float | None]) -> None:
        """PM2.5 by hours back from the newest; None withdraws."""
        rows = [
            ReadingRow(STATION, iri("pm25"), NEWEST - HOUR * back, value, Origin.MEASURED, withdrawn=value is None)
            for back, value in sorted(values.items(), reverse=True)
        ]
        self.writer.apply(Batch(SYSTEM, "test", "c", self.clock.now(), readings=readings_of(rows)))

    def published(self, name: str = INDEX) -> dict[int, Any]:
        """What stands, by hours back from the newest."""
        rows = self.history.series(SYSTEM, STATION, name, NEWEST - HOUR * 48, NEWEST + HOUR * 9)
        return {(NEWEST - from_micros(at)) // HOUR: value for at, value in zip(rows.observed_at, rows.values, strict=True)}

    def derive(self) -> None:
        asyncio.run(derive(self.platform, [STATION]))

    def again(self) -> int:
        """Put the day right; returns how many rows of history it took."""
        with self.database.reader() as connection:
            before = connection.execute("SELECT count(*) FROM reading").fetchone()[0]
        asyncio.run(derive_again(self.platform, [STATION]))
        with self.database.reader() as connection:
            return int(connection.execute("SELECT count(*) FROM reading").fetchone()[0]) - before


@pytest.fixture
def air(tmp_path: Path) -> Iterator[Air]:
    made = Air(tmp_path)
    yield made
    made.writer.close()
    made.database.close()


def test_nothing_is_written_where_nothing_changed(air: Air) -> None:
    air.say(dict.fromkeys(range(40), 25.0))
    air.derive()
    assert air.published() == dict.fromkeys(range(25), 50)
    assert air.again() == 0


def test_a_late_reading_changes_its_hour_and_those_after_it(air: Air) -> None:
    air.say({back: 25.0 for back in range(40) if back != 5})
    air.derive()
    before = air.published()
    air.say({5: 200.0})
    air.derive()
    assert air.published() == before, "the newest hour stands: derive alone does not look back"
    air.again()
    after = air.published()
    assert [back for back in before if after[back] != before[back]] == [5, 4, 3, 2, 1, 0]
    assert after[5] > after[4] > after[3] > 50
    assert set(air.published(DOMINANT).values()) == {"pm25"}
    assert air.published(LEVEL)[5] != air.published(LEVEL)[6]
    assert air.again() == 0


def test_a_backlog_fills_the_hours_that_had_no_index(air: Air) -> None:
    air.say(dict.fromkeys(range(10, 40), 25.0))
    air.say({0: 25.0, 1: 25.0})
    air.derive()
    assert 4 not in air.published()
    air.say(dict.fromkeys(range(2, 10), 25.0))
    air.again()
    assert air.published() == dict.fromkeys(range(25), 50)


def test_a_correction_a_day_back_is_followed(air: Air) -> None:
    air.say(dict.fromkeys(range(40), 25.0))
    air.derive()
    air.say({24: 60.0})
    air.again()
    after = air.published()
    assert after[24] > after[23] > 50
    assert after[12] == 50, "twelve hours on it does not count any more"


def test_an_index_whose_readings_are_withdrawn_is_withdrawn(air: Air) -> None:
    air.say(dict.fromkeys(range(40), 25.0))
    air.derive()
    air.say(dict.fromkeys(range(5)))
    air.again()
    for name in (INDEX, LEVEL, DOMINANT):
        assert sorted(air.published(name))[0] > 0
    shown = air.platform.context.get(SYSTEM, STATION).first(INDEX)
    assert shown.observed_at == NEWEST - HOUR * min(air.published())
    assert air.again() == 0


def test_an_index_that_the_station_itself_gives_is_left_alone(air: Air) -> None:
    own = ReadingRow(STATION, INDEX, NEWEST, 77.0, Origin.MEASURED)
    air.writer.apply(Batch(SYSTEM, "test", "c", air.clock.now(), readings=readings_of([own])))
    assert air.again() == 0
    assert air.published() == {0: 77.0}
