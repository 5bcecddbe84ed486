"""Commit, then tell: everybody is told at least once, at their own pace, over failures, kills and slow readers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from ingest_world import IRI, STATION, opened, until

from dothi.access.policy import LOCAL_OPERATOR, STRANGER, SYSTEM
from dothi.data import dispatch
from dothi.data.batch import Batch, EntityChange, ReadingRow, readings_of
from dothi.data.dispatch import ATTEMPTS, Changes, Dispatcher, Handler
from dothi.data.writer import Writer
from dothi.model.entity import Entity
from dothi.model.problem import Problem
from dothi.model.reading import Origin
from dothi.store.database import Database
from dothi.testing.clock import FixedClock

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("homes")]
START = datetime(2026, 5, 14, tzinfo=UTC)
URNS = [f"urn:ngsi-ld:Station:hanoi:{n}" for n in range(6)]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Told:
    """A handler that keeps what it was told, and fails as often, or on whom, it is asked to."""

    def __init__(self, failures: int = 0, poison: str = "") -> None:
        self.heard: list[Changes] = []
        self.failures, self.poison, self.calls = failures, poison, 0

    async def __call__(self, changes: Changes) -> None:
        self.calls += 1
        if self.failures > 0:
            self.failures -= 1
            raise RuntimeError("not today")
        if self.poison in changes.by_type.get(STATION.iri, []):
            raise ValueError("indigestible")
        self.heard.append(changes)

    @property
    def entities(self) -> set[str]:
        return {urn for changes in self.heard for urn in changes.by_type.get(STATION.iri, [])}


def create(writer: Writer, *urns: str) -> None:
    """Commit new stations."""
    changes = [EntityChange("create", Entity(urn, STATION.iri)) for urn in urns]
    writer.apply(Batch(SYSTEM, "test", "c", START, entities=changes))


def read(writer: Writer, urn: str, minute: int) -> None:
    """Commit one reading."""
    at = START + timedelta(minutes=minute)
    rows = readings_of([ReadingRow(urn, IRI + "pm25", at, float(minute), Origin.MEASURED)])
    writer.apply(Batch(SYSTEM, "test", "c", at, rows))


async def no_pause(_seconds: float) -> None:
    await asyncio.sleep(0)


@asynccontextmanager
async def dispatching(database: Database, writer: Writer, **handlers: Handler) -> AsyncIterator[Dispatcher]:
    """A dispatcher at work."""
    dispatcher = Dispatcher(database, writer, FixedClock(START), pause=no_pause)
    for name, handler in handlers.items():
        dispatcher.register(name, handler)
    task = asyncio.create_task(dispatcher.run())
    try:
        yield dispatcher
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_handlers_are_told_what_was_committed(tmp_path: Path) -> None:
    with opened(tmp_path) as (database, writer):
        told = Told()
        async with dispatching(database, writer, one=told) as dispatcher:
            create(writer, URNS[0], URNS[1])
            await dispatcher.settled()
            read(writer, URNS[1], 1)
            await dispatcher.settled()
            writer.apply(Batch(SYSTEM, "t", "c", START, entities=[EntityChange("delete", Entity(URNS[0], STATION.iri))]))
            await dispatcher.settled()
        first, second, third = told.heard
        assert (first.by_type, sorted(first.created)) == ({STATION.iri: URNS[:2]}, URNS[:2])
        assert (second.by_type, second.created, second.deleted) == ({STATION.iri: [URNS[1]]}, [], [])
        assert second.at == START + timedelta(minutes=1)
        assert (third.by_type, third.deleted) == ({}, [URNS[0]])
        assert [one.seq for one in told.heard] == [1, 2, 3]


async def test_what_was_committed_before_a_kill_is_told_after_the_restart_and_only_once(tmp_path: Path) -> None:
    with opened(tmp_path) as (database, writer):
        create(writer, URNS[0])
    told = Told()
    with opened(tmp_path) as (database, writer):
        async with dispatching(database, writer, one=told) as dispatcher:
            await dispatcher.settled()
    assert told.entities == {URNS[0]}
    again = Told()
    with opened(tmp_path) as (database, writer):
        async with dispatching(database, writer, one=again) as dispatcher:
            await dispatcher.settled()
            create(writer, URNS[1])
            await dispatcher.settled()
    assert again.entities == {URNS[1]}


async def test_a_dead_handler_delays_nobody_and_is_parked(tmp_path: Path) -> None:
    with opened(tmp_path) as (database, writer):
        dead, well = Told(failures=10**9), Told()
        async with dispatching(database, writer, dead=dead, well=well) as dispatcher:
            create(writer, URNS[0])
            await dispatcher.settled()
            assert well.entities == {URNS[0]}
            [parked] = dispatcher.parked(LOCAL_OPERATOR)
            assert (parked.handler, parked.attempts, parked.error) == ("dead", ATTEMPTS, "RuntimeError: not today")
            assert dispatcher.states["dead"].failing
            create(writer, URNS[1])
            await dispatcher.settled()
            assert dead.calls == ATTEMPTS + 1
            dead.failures = 0
            create(writer, URNS[2])
            await dispatcher.settled()
            assert dead.entities == {URNS[2]}
            assert not dispatcher.states["dead"].failing


async def test_a_failure_that_passes_parks_nothing(tmp_path: Path) -> None:
    with opened(tmp_path) as (database, writer):
        shaky = Told(failures=ATTEMPTS - 1)
        async with dispatching(database, writer, shaky=shaky) as dispatcher:
            create(writer, URNS[0])
            await dispatcher.settled()
            assert dispatcher.parked(LOCAL_OPERATOR) == []
        assert shaky.entities == {URNS[0]}


async def test_only_what_cannot_be_taken_is_parked(tmp_path: Path) -> None:
    with opened(tmp_path) as (database, writer):
        for urn in URNS:
            create(writer, urn)
        picky = Told(poison=URNS[2])
        async with dispatching(database, writer, picky=picky) as dispatcher:
            await dispatcher.settled()
            assert [one.seq for one in dispatcher.parked(LOCAL_OPERATOR)] == [3]
        assert picky.entities == {*URNS} - {URNS[2]}


async def test_parked_changes_are_sent_again_when_an_operator_says_so(tmp_path: Path) -> None:
    with opened(tmp_path) as (database, writer):
        dead = Told(failures=ATTEMPTS)
        async with dispatching(database, writer, dead=dead) as dispatcher:
            create(writer, URNS[0])
            await dispatcher.settled()
            [parked] = dispatcher.parked(LOCAL_OPERATOR)
            assert dispatcher.parked(STRANGER) == []
            with pytest.raises(Problem) as refused:
                await dispatcher.resend(STRANGER, [parked.id])
            assert refused.value.status == 403
            dead.failures = 1
            assert await dispatcher.resend(LOCAL_OPERATOR, [parked.id]) == []
            assert await dispatcher.resend(LOCAL_OPERATOR, [parked.id, 999]) == [parked.id]
            assert dispatcher.parked(LOCAL_OPERATOR) == []
            assert dispatcher.states["dead"].parked == 0
        assert dead.entities == {URNS[0]}


async def test_a_handler_that_stays_dead_fills_neither_outbox_nor_parked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "MOST_PARKED", 2)
    with opened(tmp_path) as (database, writer):
        dead = Told(failures=10**9)
        async with dispatching(database, writer, dead=dead) as dispatcher:
            for urn in URNS:
                create(writer, urn)
                await dispatcher.settled()
            parked = dispatcher.parked(LOCAL_OPERATOR)
            assert len(parked) == 2
            dead.failures = 0
            await dispatcher.resend(LOCAL_OPERATOR, [one.id for one in parked])
        assert dead.entities == {*URNS}
        with database.reader() as connection:
            assert connection.execute("SELECT count(*) FROM outbox").fetchone() == (0,)


async def test_the_outbox_keeps_what_somebody_still_has_to_hear(tmp_path: Path) -> None:
    with opened(tmp_path) as (database, writer):
        gate = asyncio.Event()

        async def slow(_changes: Changes) -> None:
            await gate.wait()

        def kept() -> int:
            with database.reader() as connection:
                return int(connection.execute("SELECT count(*) FROM outbox").fetchone()[0])

        async def left() -> int:
            return kept()

        quick = Told()
        async with dispatching(database, writer, slow=slow, quick=quick) as dispatcher:
            create(writer, URNS[0])
            await until(lambda: _of(len(quick.heard)), 1)
            await dispatcher._save()
            assert kept() == 1
            gate.set()
            await until(left, 0)


async def test_a_slow_live_view_is_told_once_what_it_missed(tmp_path: Path) -> None:
    with opened(tmp_path) as (database, writer):
        create(writer, *URNS)
        async with dispatching(database, writer) as dispatcher:
            live = dispatcher.listen()
            waiting = asyncio.ensure_future(anext(live))
            await until(lambda: _of(bool(dispatcher._listeners)), True)
            read(writer, URNS[0], 1)
            assert (await waiting).by_type == {STATION.iri: [URNS[0]]}
            for minute in range(2, 40):
                read(writer, URNS[minute % 3], minute)
            await until(lambda: _of(dispatcher._newest), 40)
            missed = await anext(live)
            assert missed.by_type == {STATION.iri: URNS[:3]}
            assert missed.seq == 40
            await live.aclose()
            assert not dispatcher._listeners


async def test_a_live_view_ends_with_the_dispatcher(tmp_path: Path) -> None:
    with opened(tmp_path) as (database, writer):
        async with dispatching(database, writer) as dispatcher:
            live = dispatcher.listen()
            waiting = asyncio.ensure_future(anext(live, None))
            await until(lambda: _of(bool(dispatcher._listeners)), True)
        assert await waiting is None


async def test_a_name_is_registered_once(tmp_path: Path) -> None:
    with opened(tmp_path) as (database, writer):
        dispatcher = Dispatcher(database, writer, FixedClock(START))
        dispatcher.register("one", Told())
        with pytest.raises(ValueError, match="one"):
            dispatcher.register("one", Told())


async def _of(value: object) -> object:
    return value
