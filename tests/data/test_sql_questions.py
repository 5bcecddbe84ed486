"""Questions in real processes: bounded in time, memory and number, stopped when their asker leaves, audited all the same."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from city_world import NOW
from sql_world import KIND, WARDS, Asked, urn

from dothi.access.policy import LOCAL_OPERATOR, STRANGER, Clearance
from dothi.data.batch import EntityChange
from dothi.data.sql.answer import Answer, Ask, Limits, Refused, encode
from dothi.data.sql.questions import Questions
from dothi.model.city import City
from dothi.model.entity import Entity
from dothi.model.problem import Problem
from dothi.store.audit import verify
from dothi.testing.clock import FixedClock
from dothi.testing.homes import chosen

ENDLESS = "SELECT count(*) FROM range(10000000) a, range(10000000) b WHERE hash(a.range, b.range) = 1"


@asynccontextmanager
async def asking(home: Path, **limits: Any) -> AsyncIterator[tuple[Questions, Asked]]:
    world = Asked(home, [("a", Clearance.INTERNAL)])
    world.tell("a", -5, 41.0)
    place = cast(City, SimpleNamespace(time_zone="Asia/Ho_Chi_Minh", wards=WARDS))
    bounds = Limits(**({"seconds": 30.0, "threads": 1} | limits))
    clock, writer = FixedClock(NOW), world.city.writer
    questions = Questions(home, "hanoi", chosen(), home / "cache", place, clock, [KIND], writer, bounds)
    try:
        yield questions, world
    finally:
        await questions.close()
        world.close()


def acts(world: Asked) -> list[tuple[str, str]]:
    """What the audit log says of questions: result and text."""
    with world.city.database.reader() as db:
        assert verify(db).intact
        return db.execute("SELECT result, detail FROM audit WHERE action = 'sql.ask' ORDER BY seq").fetchall()


async def refused(questions: Questions, text: str) -> Refused:
    with pytest.raises(Refused) as caught:
        await questions.ask(LOCAL_OPERATOR, text)
    return caught.value


async def endless(questions: Questions) -> asyncio.Task[Answer]:
    """A question without an end, once a process works on it."""
    task = asyncio.create_task(questions.ask(LOCAL_OPERATOR, ENDLESS))
    while questions._idle:  # noqa: ASYNC110 - nobody tells when a process is taken
        await asyncio.sleep(0)
    return task


@pytest.mark.usefixtures("homes")
def test_an_answer_comes_from_a_process_of_its_own_that_is_used_again(tmp_path: Path) -> None:
    async def work() -> None:
        async with asking(tmp_path) as (questions, world):
            first = await questions.ask(LOCAL_OPERATOR, "SELECT name, value FROM readings", correlation="c-9")
            assert first.rows == [["Trạm a", 41.0]]
            process = questions._idle[0].process.pid
            assert (await questions.ask(LOCAL_OPERATOR, "SELECT range FROM range(5)", rows=2)).more
            assert [worker.process.pid for worker in questions._idle] == [process]
            assert acts(world) == [
                ("answered: 1 rows", "SELECT name, value FROM readings"),
                ("answered: 2 rows and more", "SELECT range FROM range(5)"),
            ]
            with world.city.database.reader() as db:
                row = db.execute("SELECT person_id, thing, correlation FROM audit WHERE action = 'sql.ask'").fetchone()
            digest = sha256(b"SELECT name, value FROM readings").hexdigest()
            assert row == (LOCAL_OPERATOR.id, f"sql:{digest}", "c-9")
        assert not (tmp_path / "cache" / "sql").exists()

    asyncio.run(work())


def test_refusals_are_audited_too(tmp_path: Path) -> None:
    async def work() -> None:
        async with asking(tmp_path) as (questions, world):
            assert (await refused(questions, "DROP TABLE readings")).code == "sql-only-select"
            assert (await refused(questions, "SELECT valu FROM readings")).position == 7
            with pytest.raises(Problem, match="may not ask"):
                await questions.ask(STRANGER, "SELECT 1")
            assert acts(world) == [
                ("refused: sql-only-select", "DROP TABLE readings"),
                ("refused: sql-names", "SELECT valu FROM readings"),
                ("refused: forbidden", "SELECT 1"),
            ]

    asyncio.run(work())


def test_a_question_that_never_ends_is_stopped_in_time(tmp_path: Path) -> None:
    async def work() -> None:
        async with asking(tmp_path, seconds=1.0) as (questions, world):
            problem = await refused(questions, ENDLESS)
            assert (problem.status, problem.code) == (408, "sql-too-long")
            assert questions._idle == []
            assert acts(world) == [("refused: sql-too-long", ENDLESS)]

    asyncio.run(work())


EATERS = (
    "SELECT unnest(list_transform(range(100000), lambda x: repeat('y', 100000)))",
    "SELECT count(DISTINCT a.range || '-' || b.range) FROM range(100000) a, range(1000) b",
    "SELECT list(range) FROM range(1000000000)",
    "SELECT lpad('x', 2000000000, 'y')",
    "WITH RECURSIVE t(a) AS (SELECT 'a' UNION ALL SELECT a || a FROM t) SELECT max(length(a)) FROM t",
)


def test_a_question_that_eats_memory_ends_without_eating_the_machine(tmp_path: Path) -> None:
    async def work() -> None:
        async with asking(tmp_path, memory=128, process=600, spill=50, seconds=60.0) as (questions, _):
            for text in EATERS:
                assert (await refused(questions, text)).code == "sql-memory", text
            assert (await questions.ask(LOCAL_OPERATOR, "SELECT 1")).rows == [[1]]

    asyncio.run(work())


def test_a_process_that_dies_is_replaced(tmp_path: Path) -> None:
    async def work() -> None:
        async with asking(tmp_path) as (questions, _):
            await questions.ask(LOCAL_OPERATOR, "SELECT 1")
            questions._idle[0].process.kill()
            assert (await refused(questions, "SELECT 2")).code == "sql-memory"
            assert (await questions.ask(LOCAL_OPERATOR, "SELECT 3")).rows == [[3]]

    asyncio.run(work())


def test_a_cancelled_question_stops_and_is_audited(tmp_path: Path) -> None:
    async def work() -> None:
        async with asking(tmp_path) as (questions, world):
            await questions.ask(LOCAL_OPERATOR, "SELECT 1")
            process = questions._idle[0].process
            task = await endless(questions)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert process.returncode is not None
            await questions.close()
            assert acts(world)[-1] == ("cancelled", ENDLESS)

    asyncio.run(work())


def test_more_questions_than_places_are_sent_away_in_words(tmp_path: Path) -> None:
    async def work() -> None:
        async with asking(tmp_path, at_once=1, waiting=1, patience=0.2) as (questions, _):
            await questions.ask(LOCAL_OPERATOR, "SELECT 1")
            long = await endless(questions)
            waits, sent_away = await asyncio.gather(refused(questions, "SELECT 2"), refused(questions, "SELECT 3"))
            assert (waits.status, waits.code) == (503, "sql-busy")
            assert (sent_away.status, sent_away.code) == (429, "sql-too-many")
            assert waits.retry_after and sent_away.retry_after
            long.cancel()
            with pytest.raises(asyncio.CancelledError):
                await long
            assert (await questions.ask(LOCAL_OPERATOR, "SELECT 4")).rows == [[4]]

    asyncio.run(work())


def test_a_process_ends_with_its_city(tmp_path: Path) -> None:
    """A killed city leaves none behind: the process hears that nobody is left, also in the middle of a question."""

    async def work() -> None:
        async with asking(tmp_path) as (questions, _):
            await questions.ask(LOCAL_OPERATOR, "SELECT 1")
            worker = questions._idle.pop()
            task = asyncio.create_task(worker.ask(encode(Ask(questions._world, ENDLESS, LOCAL_OPERATOR, 0, 1))))
            stdin = worker.process.stdin
            assert stdin is not None
            await asyncio.sleep(0)
            stdin.close()
            async with asyncio.timeout(60):
                await worker.process.wait()
            with pytest.raises((asyncio.IncompleteReadError, OSError)):
                await task
            await worker.end()

    asyncio.run(work())


@pytest.mark.usefixtures("homes")
def test_a_deleted_thing_is_gone_but_its_history_is_not(tmp_path: Path) -> None:
    world = Asked(tmp_path, [("a", Clearance.INTERNAL)])
    world.tell("a", -5, 10.0)
    world.city.write(entities=[EntityChange("delete", Entity(urn("a"), KIND.iri))])
    assert world.rows(
        "SELECT (SELECT count(*) FROM entities), (SELECT count(*) FROM latest), (SELECT count(*) FROM series)"
    ) == [[0, 0, 0]]
    assert world.rows("SELECT entity, value FROM readings") == [[urn("a"), 10.0]]
    world.close()


def test_a_question_may_not_be_endless(tmp_path: Path) -> None:
    world = Asked(tmp_path, limits=Limits(text=100))
    assert world.refused("SELECT 1 " + " " * 100).status == 413
    world.close()
