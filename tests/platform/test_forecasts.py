"""Forecasts are kept as issued, told what came, and compared with naive ones honestly, on a clock in the hand."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dothi.access.policy import LOCAL_OPERATOR, STRANGER, SYSTEM, Clearance
from dothi.data.batch import Batch, EntityChange, ReadingRow, readings_of
from dothi.data.history import History
from dothi.data.writer import Writer
from dothi.model.entity import Attribute, Entity
from dothi.model.reading import Origin
from dothi.model.text import Text
from dothi.platform.forecasts import ENOUGH, KEEP, Forecasts, Issued, Score
from dothi.platform.scoring import SETTLE, Scoring
from dothi.platform.sector import Process, Target
from dothi.store.database import migrate
from dothi.testing.clock import FixedClock
from dothi.testing.homes import open_city

NOON = datetime(2026, 5, 14, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)
TYPE, PM, NAME = "https://example.org/Station", "https://example.org/pm25", "https://example.org/name"
OPEN, SECRET = "urn:ngsi-ld:Station:hanoi:open", "urn:ngsi-ld:Station:hanoi:secret"


async def _gather(_platform: Any, _options: dict[str, Any]) -> None:
    return None


PROCESS = Process(
    "test.forecast", Text("Thử", "Test"), "1", min, _gather, target=Target(TYPE, PM, believable=lambda mean: mean > 0)
)


class World:
    """What forecasts need of a platform: a real database and writer, two stations, a clock."""

    def __init__(self, home: Path) -> None:
        self.database = open_city(home)
        migrate(self.database)
        self.writer = Writer(self.database, locate=lambda *_: None)
        self.clock = FixedClock(NOON)
        platform: Any = SimpleNamespace(
            database=self.database,
            writer=self.writer,
            clock=self.clock,
            history=History(self.database, ()),
            types={},
            sectors=(SimpleNamespace(processes=(PROCESS,)),),
        )
        self.forecasts = platform.forecasts = Forecasts(platform)
        self.scoring = Scoring(platform)
        for urn, clearance in ((OPEN, Clearance.PUBLIC), (SECRET, Clearance.RESTRICTED)):
            entity = Entity(urn, TYPE, {NAME: [Attribute("Property", "x")]})
            self.writer.apply(Batch(SYSTEM, "test", "c", NOON, entities=[EntityChange("create", entity, clearance)]))

    def hear(self, values: dict[int, float | None], urn: str = OPEN, minute: int = 10, heard: datetime = NOON) -> None:
        """Readings by the hours from NOON in which they were observed; None withdraws."""
        rows = [
            ReadingRow(
                urn,
                PM,
                NOON + HOUR * hour + timedelta(minutes=minute),
                value,
                Origin.MEASURED,
                received_at=heard,
                withdrawn=value is None,
            )
            for hour, value in values.items()
        ]
        self.writer.apply(Batch(SYSTEM, "test", "c", heard, readings=readings_of(rows)))

    async def issue(self, at: datetime = NOON, value: float = 20.0, run: str = "r1", **more: Any) -> None:
        told: dict[str, Any] = {
            "entity": OPEN,
            "method": "model",
            "values": [value] * 24,
            "low": [value - 5] * 24,
            "high": [value + 5] * 24,
            "persistence": 30.0,
            "yesterday": [40.0] * 24,
        } | more
        await self.forecasts.store(PROCESS, run, [Issued(issued_at=at, **told)])

    async def look(self, hours: float) -> None:
        """It is so many hours after NOON, and the city looks what came."""
        self.clock.set(NOON + HOUR * hours + SETTLE)
        await self.scoring.look()

    def actuals(self, at: datetime = NOON) -> dict[int, float]:
        found = self.forecasts.latest(LOCAL_OPERATOR, PROCESS.id, OPEN, PM, at)
        assert found is not None
        return {place: one.actual for place, one in enumerate(found.points) if one.actual is not None}


@pytest.fixture
def world(homes: object, tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    made.hear({-1: 25.0})
    made.hear({-1: 25.0}, SECRET)
    yield made
    made.writer.close()
    made.database.close()


def test_what_was_issued_stands_and_the_newest_is_told(world: World) -> None:
    async def go() -> None:
        await world.issue(value=20.0, run="first")
        await world.issue(value=99.0, run="again")
        await world.issue(NOON + HOUR, value=21.0, run="next", hindcast=True)

    asyncio.run(go())
    world.clock.set(NOON + HOUR * 2)
    first = world.forecasts.latest(LOCAL_OPERATOR, PROCESS.id, OPEN, PM, NOON + HOUR * 0.9)
    newest = world.forecasts.latest(LOCAL_OPERATOR, PROCESS.id, OPEN, PM)
    assert first is not None and newest is not None
    assert (first.run, first.issued_at, first.hindcast, first.points[0].value) == ("first", NOON, False, 20.0)
    assert (newest.run, newest.issued_at, newest.hindcast) == ("next", NOON + HOUR, True)
    assert [one.at for one in newest.points] == [NOON + HOUR * number for number in range(1, 25)]
    assert (newest.points[3].low, newest.points[3].high) == (16.0, 26.0)
    assert (newest.points[3].persistence, newest.points[3].yesterday) == (30.0, 40.0)
    assert world.forecasts.issues(LOCAL_OPERATOR, PROCESS.id, OPEN, PM) == [NOON + HOUR, NOON]
    assert world.forecasts.last_issued(LOCAL_OPERATOR, PROCESS.id) == NOON + HOUR
    assert world.forecasts.latest(LOCAL_OPERATOR, PROCESS.id, OPEN, PM, NOON - HOUR) is None


def test_an_hour_counts_when_it_is_over_and_only_with_believable_readings(world: World) -> None:
    async def go() -> None:
        await world.issue()
        world.hear({0: 22.0, 1: 0.0, 2: 30.0})
        world.hear({0: 24.0}, minute=40)
        await world.look(0)
        assert world.actuals() == {}
        await world.look(1)
        assert world.actuals() == {0: 23.0}, "the mean of the hour"
        await world.look(3)
        assert world.actuals() == {0: 23.0, 2: 30.0}, "a mean of zero is no dust sensor"

    asyncio.run(go())


def test_late_corrected_and_withdrawn_readings_change_what_came(world: World) -> None:
    async def go() -> None:
        await world.issue()
        world.hear({0: 22.0, 1: 22.0})
        await world.look(3)
        later = NOON + HOUR * 3
        world.hear({0: 28.0, 2: 26.0}, heard=later)
        world.hear({1: None}, heard=later)
        assert world.actuals() == {0: 22.0, 1: 22.0}
        await world.look(4)
        assert world.actuals() == {0: 28.0, 2: 26.0}
        world.hear({0: 40.0}, heard=NOON + HOUR * 100)
        await world.look(100)
        assert world.actuals()[0] == 40.0, "older than two days: seen when everything is looked at"

    asyncio.run(go())


def test_errors_are_those_of_the_same_hours_and_say_who_is_better(world: World) -> None:
    async def go() -> None:
        for number in range(12):
            await world.issue(NOON + HOUR * number, value=20.0, hindcast=number % 2 == 0)
        world.hear(dict.fromkeys(range(40), 23.0))
        await world.look(40)

    asyncio.run(go())
    scores = world.forecasts.scores(LOCAL_OPERATOR, PROCESS.id)
    assert scores.overall == Score(12 * 24, 3.0, 7.0, 17.0, 12 * 24, 12 * 24, 6 * 24)
    assert (scores.overall.verdict, scores.overall.naive, scores.overall.coverage) == ("better", 7.0, 1.0)
    assert list(scores.by_horizon) == list(range(1, 25)) and scores.by_horizon[1].cases == 12
    assert scores.by_entity == {OPEN: scores.overall}
    assert world.forecasts.score_of(LOCAL_OPERATOR, PROCESS.id, OPEN, PM) == scores.overall
    before = world.forecasts.score_of(LOCAL_OPERATOR, PROCESS.id, OPEN, PM, until=NOON + HOUR * 10)
    assert before.cases == sum(range(1, 11)), "ten hours had come: the first was foretold once, the tenth ten times"


@pytest.mark.parametrize(
    ("came", "issues", "verdict"), [(29.0, 11, "loses"), (25.0, 11, "loses"), (21.0, 11, "better"), (29.0, 9, "few")]
)
def test_a_model_that_loses_says_so_and_too_few_say_nothing(world: World, came: float, issues: int, verdict: str) -> None:
    async def go() -> None:
        for number in range(issues):
            await world.issue(NOON + HOUR * number, value=20.0)
        world.hear(dict.fromkeys(range(40), came))
        await world.look(40)

    asyncio.run(go())
    score = world.forecasts.scores(LOCAL_OPERATOR, PROCESS.id).overall
    assert (score.verdict, score.loses) == (verdict, verdict == "loses")
    assert (score.cases >= ENOUGH) == (verdict != "few")


def test_a_naive_stand_in_is_not_the_models_error(world: World) -> None:
    async def go() -> None:
        await world.issue(method="few", low=None, high=None)
        await world.issue(NOON + HOUR, yesterday=[None] * 24)
        world.hear(dict.fromkeys(range(30), 23.0))
        await world.look(30)

    asyncio.run(go())
    assert world.forecasts.scores(LOCAL_OPERATOR, PROCESS.id).overall == Score()
    assert len(world.actuals()) == 24, "what came is told all the same"


def test_who_may_not_know_a_station_knows_neither_its_forecast_nor_its_error(world: World) -> None:
    async def go() -> None:
        for urn in (OPEN, SECRET):
            await world.issue(entity=urn)
            world.hear(dict.fromkeys(range(30), 23.0), urn)
        await world.look(30)

    asyncio.run(go())
    assert world.forecasts.scores(STRANGER, PROCESS.id).overall.cases == 24
    assert set(world.forecasts.scores(STRANGER, PROCESS.id).by_entity) == {OPEN}
    assert set(world.forecasts.scores(LOCAL_OPERATOR, PROCESS.id).by_entity) == {OPEN, SECRET}
    assert world.forecasts.latest(STRANGER, PROCESS.id, SECRET, PM) is None
    assert world.forecasts.latest(STRANGER, PROCESS.id, OPEN, PM) is not None
    assert world.forecasts.issues(STRANGER, PROCESS.id, SECRET, PM) == []
    assert world.forecasts.score_of(STRANGER, PROCESS.id, SECRET, PM) == Score()


def test_what_is_old_is_let_go_and_the_log_says_so(world: World) -> None:
    async def go() -> None:
        await world.issue()
        await world.issue(NOON + HOUR * 24 * 20)
        await world.look(24 + KEEP / HOUR - 1)
        assert world.forecasts.issues(LOCAL_OPERATOR, PROCESS.id, OPEN, PM)[-1] == NOON
        await world.look(24 * 3 + KEEP / HOUR)

    asyncio.run(go())
    assert world.forecasts.issues(LOCAL_OPERATOR, PROCESS.id, OPEN, PM) == [NOON + HOUR * 24 * 20]
    with world.database.reader() as db:
        acts = db.execute("SELECT count(*) FROM audit WHERE action = 'forecast.expire'").fetchone()
    assert acts[0] >= 1


def test_a_forecast_of_nothing_known_is_refused(world: World) -> None:
    with pytest.raises(KeyError):
        asyncio.run(world.issue(entity="urn:ngsi-ld:Station:hanoi:nowhere"))
