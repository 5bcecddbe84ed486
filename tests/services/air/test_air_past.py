"""The air at a past moment: nothing observed later counts, and it is seen as it is known now or as it was known then."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dothi.access.policy import STRANGER, SYSTEM
from dothi.data.batch import Batch, EntityChange, ReadingRow, readings_of
from dothi.data.context import Context
from dothi.data.history import History
from dothi.data.writer import Writer
from dothi.model.clock import to_micros
from dothi.model.entity import LOCATION, Attribute, Entity
from dothi.model.moment import Knowledge, Moment
from dothi.model.reading import Origin
from dothi.platform.memo import Memo
from dothi.services.air import view
from dothi.services.air.model import AIR_QUALITY_OBSERVED, NAME, iri
from dothi.services.air.process import derive, derive_again
from dothi.services.air.stations import city_air, stations
from dothi.store.database import migrate, open_database
from dothi.testing.clock import FixedClock

HOUR = timedelta(hours=1)
START = datetime(2026, 5, 20, 0, tzinfo=UTC)
LAKE = "urn:ngsi-ld:AirQualityObserved:hanoi:ho-tay"
MARKET = "urn:ngsi-ld:AirQualityObserved:hanoi:cho-mo"


class PastAir:
    """Two stations; a test says hour by hour what they measured and when that was heard."""

    def __init__(self, home: Path) -> None:
        self.database = open_database(home, "hanoi")
        migrate(self.database)
        self.writer = Writer(self.database, locate=lambda *_: None)
        self.clock = FixedClock(START)
        self.created: dict[str, datetime] = {}
        self.platform: Any = SimpleNamespace(
            clock=self.clock,
            writer=self.writer,
            history=History(self.database, ()),
            context=Context(self.database, ()),
            memo=Memo(lambda: 0.0),
            city=SimpleNamespace(wards=[], by_code={}),
            devices=SimpleNamespace(lookup=self._device),
        )
        for urn, name, longitude in ((LAKE, "Hồ Tây", 105.82), (MARKET, "Chợ Mơ", 105.86)):
            place = Attribute("GeoProperty", {"type": "Point", "coordinates": [longitude, 21.0]})
            one = Entity(urn, AIR_QUALITY_OBSERVED, {LOCATION: [place], NAME: [Attribute("Property", name)]})
            self.writer.apply(Batch(SYSTEM, "test", "c", START, entities=[EntityChange("create", one)]))

    def _device(self, local: str) -> Any:
        made = self.created.get(local)
        return None if made is None else SimpleNamespace(cadence_s=3600, created_at=to_micros(made))

    def hear(self, urn: str, hour: int, value: float | None, heard: float | None = None) -> None:
        """PM2.5 of an hour, heard a few minutes after its end or ``heard`` hours after the start."""
        self.clock.set(START + HOUR * (hour + 1.1 if heard is None else heard))
        at = START + HOUR * (hour + 0.5)
        rows = [ReadingRow(urn, iri("pm25"), at, value, Origin.MEASURED, withdrawn=value is None)]
        self.writer.apply(Batch(SYSTEM, "test", "c", self.clock.now(), readings=readings_of(rows)))
        asyncio.run(derive(self.platform, [urn]))
        if heard is not None:
            asyncio.run(derive_again(self.platform, [urn]))

    def steady(self, urn: str, first: int, last: int, value: float = 25.0) -> None:
        for hour in range(first, last):
            self.hear(urn, hour, value)

    def label(self, hour: float, known: Knowledge = "now", urn: str = LAKE) -> str:
        points = view.points(self.platform, SYSTEM, "vi", None, Moment(START + HOUR * hour, known))
        return next(point.label for point in points if point.id == urn)


@pytest.fixture
def air(tmp_path: Path) -> Iterator[PastAir]:
    made = PastAir(tmp_path)
    yield made
    made.writer.close()
    made.database.close()


def test_hindsight_shows_no_hour_before_its_end(air: PastAir) -> None:
    air.steady(LAKE, 0, 14)
    air.hear(LAKE, 14, 300.0)
    air.steady(LAKE, 15, 16)
    before, after = air.label(14.99), air.label(15.0)
    assert before == "50"
    assert int(after) > 150, "the smog of 14:00–15:00 is known when that hour is over"
    assert air.label(14.99, "then") == "50"
    assert air.label(15.05, "then") == "50", "at 15:03 nobody had told the city yet"
    assert air.label(15.2, "then") == after


def test_a_late_reading_counts_now_and_did_not_count_then(air: PastAir) -> None:
    air.steady(LAKE, 0, 14)
    air.steady(LAKE, 15, 20)
    then = air.label(15.5, "then")
    air.hear(LAKE, 14, 300.0, heard=20.5)
    assert air.label(15.5, "then") == then == "50"
    assert int(air.label(15.5, "now")) > 150
    assert air.label(20.6, "then") == air.label(20.6, "now")


def test_a_correction_counts_now_and_did_not_count_then(air: PastAir) -> None:
    air.steady(LAKE, 0, 14)
    air.hear(LAKE, 14, 300.0)
    wrong = air.label(15.5, "then")
    air.hear(LAKE, 14, 25.0, heard=18.0)
    assert int(wrong) > 150
    assert air.label(15.5, "then") == wrong
    assert air.label(15.5, "now") == "50"


def test_freshness_is_judged_at_the_moment(air: PastAir) -> None:
    air.steady(LAKE, 0, 6)
    air.steady(MARKET, 0, 14)
    at = {
        hour: {one.id: one for one in stations(air.platform, SYSTEM, None, Moment(START + HOUR * hour))} for hour in (6, 12)
    }
    assert at[6][LAKE].freshness == "fresh"
    assert at[12][LAKE].freshness == "silent"
    assert at[12][MARKET].freshness == "fresh"
    assert {one.id: one.freshness for one in stations(air.platform, SYSTEM)}[LAKE] == "silent"


def test_a_station_is_not_shown_before_it_was_there(air: PastAir) -> None:
    air.created = {"ho-tay": START + HOUR * 3, "cho-mo": START - HOUR}
    air.steady(LAKE, 4, 8)
    seen = {one.name for one in stations(air.platform, SYSTEM, None, Moment(START + HOUR * 2))}
    assert seen == {"Chợ Mơ"}, "one that was there and silent is shown as silent"
    assert {one.name for one in stations(air.platform, SYSTEM, None, Moment(START + HOUR * 7))} == {"Chợ Mơ", "Hồ Tây"}


def test_hours_know_their_worst_place(air: PastAir) -> None:
    air.steady(LAKE, 0, 14)
    air.steady(MARKET, 0, 12)
    air.steady(MARKET, 12, 14, 300.0)
    cells = view.hours(air.platform, SYSTEM, "vi", Moment(START + HOUR * 14), 6)
    assert [cell.at for cell in cells] == [START + HOUR * hour for hour in range(8, 14)]
    assert [cell.severity for cell in cells] == [0, 0, 0, 0, cells[4].severity, cells[5].severity]
    assert cells[4].severity >= 1
    assert "cao nhất" in cells[4].detail
    assert view.hours(air.platform, SYSTEM, "vi", Moment(START + HOUR * 14), 14)[0].label is None


def test_the_tile_and_the_drawer_are_of_the_moment(air: PastAir) -> None:
    air.steady(LAKE, 0, 26, 80.0)
    air.steady(LAKE, 26, 52, 10.0)
    then = Moment(START + HOUR * 26)
    entity = air.platform.context.get(SYSTEM, LAKE)
    panel = view.panel(air.platform, SYSTEM, "vi", entity, then)
    over = [value for name, value in panel.facts if "QCVN" in name]
    assert over[0].endswith("vượt giới hạn")
    assert not [name for name, _ in view.panel(air.platform, SYSTEM, "vi", entity).facts if "QCVN" in name]
    number = view.tile(air.platform, SYSTEM, "vi", then).number
    assert number == panel.badge
    assert number != view.tile(air.platform, SYSTEM, "vi").number


def test_strangers_see_no_history(air: PastAir) -> None:
    air.steady(LAKE, 0, 6)
    assert city_air(air.platform, STRANGER, Moment(START + HOUR * 6)).stations == []
