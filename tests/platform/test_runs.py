"""Runs from the question to what is kept: states, audit, cancel, limits, the queue, the schedule, and the end of a city."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from runs_world import NOON, World, lives, world

from dothi.access.policy import LOCAL_OPERATOR, STRANGER, Clearance
from dothi.model.clock import to_micros
from dothi.model.problem import Problem
from dothi.model.text import Text
from dothi.platform import run_records as records
from dothi.platform.run_records import Run
from dothi.platform.runs import QUEUE, SHARE
from dothi.platform.schedule import SCHEDULE, Schedule
from dothi.platform.sector import Process
from dothi.testing.computations import echo
from dothi.testing.people import insider
from dothi.testing.processes import ECHO, FAIL, NAP, ODD, SHORT_NAP, WALK

pytestmark = pytest.mark.usefixtures("homes")
SECOND = insider("second-operator", Clearance.RESTRICTED)
HOUR = timedelta(hours=1)


async def _gather(platform: Any, options: dict[str, Any]) -> Any:
    if options.get("fail") == "gather":
        raise Problem(503, "no-history", "There is no history.", "Wait.")
    return {"asked": options, "at": platform.clock.now()}


async def _keep(platform: Any, run_id: str, inputs: Any, outputs: Any) -> None:
    if inputs["asked"].get("fail") == "keep":
        raise OSError("no room")
    platform.kept[run_id] = outputs


KEPT = Process("test.kept", Text("Có ghi", "Kept"), "2", echo, _gather, keep=_keep)
HOURLY = replace(KEPT, id="test.hourly", every=HOUR)


def test_a_run_from_question_to_results(tmp_path: Path) -> None:
    async def scene() -> None:
        async with world(tmp_path, KEPT) as made:
            run_id = await made.ask(KEPT, ward="00004")
            found = await made.over(run_id)
            assert (found.state, found.process, found.version, found.seed) == ("done", "test.kept", "2", 7)
            assert (found.requested_by, found.progress, found.error) == ("local-operator", 1.0, "")
            assert found.requested_at == found.started_at == found.ended_at == NOON
            assert found.seconds is not None and 0 < found.seconds < 20
            inputs = msgspec.json.decode(found.inputs)
            assert inputs == {"asked": {"ward": "00004"}, "at": "2026-05-14T05:00:00Z"}
            assert found.outputs == found.inputs
            assert found.outputs_digest == found.inputs_digest == records.digest(found.inputs.encode())
            assert made.platform.kept == {run_id: inputs}
            assert made.acts(run_id) == [
                ("local-operator", "run.start", "queued"),
                ("schedule", "run.start", "running"),
                ("schedule", "run.start", "done"),
            ]
            counted = b'dothi_run_seconds_count{process="test.kept",state="done"} 1.0'
            await made.until(lambda: counted in made.metrics.text())  # counted a moment after it is written

    asyncio.run(scene())


def test_every_way_to_come_to_nothing_is_told(tmp_path: Path) -> None:
    async def scene() -> None:
        async with world(tmp_path, KEPT) as made:
            told = {
                "worker-died: SIGKILL": await made.ask(FAIL, how="die"),
                "process-error: ValueError: không tính được: x": await made.ask(FAIL, how="x"),
                "bad-outputs: 5000002 > 4194304 B": await made.ask(ODD, how="large"),
                "gather-failed: There is no history. Wait.": await made.ask(KEPT, fail="gather"),
                "keep-failed: OSError: no room": await made.ask(KEPT, fail="keep"),
            }
            for error, run_id in told.items():
                found = await made.over(run_id)
                assert (found.state, found.error) == ("failed", error)
                assert made.acts(run_id)[-1] == ("schedule", "run.start", "failed")
            late = await made.over(await made.ask(SHORT_NAP, seconds=30))
            assert (late.state, late.error) == ("expired", "time-limit")
            assert made.runs.counts(LOCAL_OPERATOR) | {"failed": 5, "expired": 1} == made.runs.counts(LOCAL_OPERATOR)
            assert made.tasks.states["runs"].failures == 0, "a failed run is no failure of the city"

    asyncio.run(scene())


def test_cancel_ends_what_waits_and_what_runs(tmp_path: Path) -> None:
    async def scene() -> None:
        async with world(tmp_path) as made:
            running, waiting = await made.ask(NAP, seconds=60), await made.ask(NAP, seconds=60)
            await made.until(lambda: made.run(running).progress == 0.5)
            (pid,) = made.runs.pool.pids
            assert (made.runs.running, made.runs.waiting) == (1, 1)
            await made.runs.cancel(SECOND, waiting)
            await made.runs.cancel(SECOND, running)
            assert not lives(pid)
            for run_id in (running, waiting):
                found = made.run(run_id)
                assert (found.state, found.ended_by) == ("cancelled", "second-operator")
                assert made.acts(run_id)[-1] == ("second-operator", "run.cancel", "cancelled")
            with pytest.raises(Problem, match="is over"):
                await made.runs.cancel(SECOND, running)
            with pytest.raises(Problem, match="No run"):
                await made.runs.cancel(SECOND, "nothing")
            assert (await made.over(await made.ask(ECHO))).state == "done", "the next finds a worker"

    asyncio.run(scene())


def test_results_that_are_being_written_are_written(tmp_path: Path) -> None:
    async def scene() -> None:
        go_on = asyncio.Event()

        async def keep(platform: Any, run_id: str, _inputs: Any, outputs: Any) -> None:
            await go_on.wait()
            platform.kept[run_id] = outputs

        async with world(tmp_path, replace(KEPT, keep=keep)) as made:
            run_id = await made.ask(KEPT)
            await made.until(lambda: made.runs._active[run_id].keeping if run_id in made.runs._active else False)
            with pytest.raises(Problem, match="being written"):
                await made.runs.cancel(LOCAL_OPERATOR, run_id)
            go_on.set()
            assert (await made.over(run_id)).state == "done"
            assert run_id in made.platform.kept

    asyncio.run(scene())


def test_a_repeat_takes_the_same_inputs_and_writes_nothing_back(tmp_path: Path) -> None:
    async def scene() -> None:
        async with world(tmp_path, KEPT) as made:
            first = await made.over(await made.ask(KEPT, a=1))
            made.clock.advance(HOUR)
            again = await made.over(await made.runs.repeat(SECOND, first.id))
            assert (again.repeats, again.requested_by, again.seed) == (first.id, "second-operator", first.seed)
            assert (again.inputs_digest, again.outputs_digest) == (first.inputs_digest, first.outputs_digest)
            assert list(made.platform.kept) == [first.id]
            failed = await made.over(await made.ask(KEPT, fail="gather"))
            with pytest.raises(Problem, match="not kept"):
                await made.runs.repeat(SECOND, failed.id)

    asyncio.run(scene())


def test_who_may_not_may_not(tmp_path: Path) -> None:
    async def scene() -> None:
        async with world(tmp_path) as made:
            run_id = await made.ask(ECHO)
            for asked in (made.ask(ECHO, STRANGER), made.runs.cancel(STRANGER, run_id)):
                with pytest.raises(Problem) as refused:
                    await asked
                assert refused.value.status == 403
            assert made.runs.get(STRANGER, run_id) is None
            assert made.runs.list(STRANGER) == ([], 0)
            assert made.runs.counts(STRANGER) == {}
            with pytest.raises(Problem, match="No run"):
                await made.runs.repeat(STRANGER, run_id)

    asyncio.run(scene())


def test_wrong_questions_are_refused(tmp_path: Path) -> None:
    async def scene() -> None:
        async with world(tmp_path, working=False) as made:
            for options, seed, status in (({"a": object()}, 1, 400), ({"a": "x" * 70_000}, 1, 400), ({}, 2**70, 400)):
                with pytest.raises(Problem) as refused:
                    await made.runs.submit(LOCAL_OPERATOR, "test.echo", options, seed=seed)
                assert refused.value.status == status
            with pytest.raises(Problem, match="No process"):
                await made.runs.submit(LOCAL_OPERATOR, "test.nothing")
            with pytest.raises(Problem, match="Two processes"):
                made.runs.register(ECHO)
            with pytest.raises(Problem, match="import by name"):
                made.runs.register(replace(ECHO, id="test.lambda", run=lambda inputs, _: inputs))
            assert made.runs.list(LOCAL_OPERATOR)[1] == 0

    asyncio.run(scene())


def test_the_queue_is_bounded_and_fair(tmp_path: Path) -> None:
    async def scene() -> None:
        async with world(tmp_path, HOURLY, working=False) as made:
            asked = await asyncio.gather(*(made.ask(ECHO) for _ in range(SHARE + 3)), return_exceptions=True)
            refused = [one for one in asked if isinstance(one, Problem)]
            assert [one.status for one in refused] == [429] * 3
            assert refused[0].retry_after
            others = [insider(f"p{number}", Clearance.RESTRICTED) for number in range(QUEUE - SHARE)]
            for one in others:
                await made.ask(ECHO, one)
            with pytest.raises(Problem, match="Too many runs"):
                await made.ask(ECHO, insider("late", Clearance.RESTRICTED))
            made.tasks.start("runs", made.runs.run)
            await made.until(lambda: made.runs.counts(LOCAL_OPERATOR)["done"] == QUEUE + 1, 60)
            with made.database.reader() as connection:
                query = "SELECT requested_by FROM run JOIN audit ON thing = 'run:' || id AND result = 'running' ORDER BY seq"
                served = [by for (by,) in connection.execute(query)]
            assert len(set(served[: QUEUE - SHARE + 2])) == QUEUE - SHARE + 2, "everybody's first before anybody's second"

    asyncio.run(scene())


def test_a_schedule_asks_once_in_a_period_and_makes_up_for_nothing(tmp_path: Path) -> None:
    async def scene() -> None:
        async with world(tmp_path, working=False) as made:
            machine = [0.0]
            schedule = Schedule(made.platform, lambda: machine[0])

            async def due() -> bool:
                return await schedule.due("test.echo", HOUR)

            assert [await due(), await due()] == [True, False]
            made.clock.advance(timedelta(minutes=59, seconds=59))
            assert not await due()
            made.clock.advance(timedelta(seconds=1))
            assert [await due(), await due()] == [True, False]
            made.clock.advance(timedelta(hours=5))
            assert [await due(), await due()] == [True, False], "four were missed and are not made up for"
            schedule.rest("test.echo", 2.0)
            made.clock.advance(HOUR)
            assert not await due()
            machine[0] = 6.0
            assert await due()
            made.clock.set(NOON - timedelta(days=1))
            assert await due(), "a clock that was set back holds nothing up"

    asyncio.run(scene())


def test_scheduled_runs_never_pile_up(tmp_path: Path) -> None:
    nap = replace(NAP, id="test.slow", gather=_seconds, every=HOUR)

    async def scene() -> None:
        async with world(tmp_path, nap, working=False) as made:
            for _ in range(20):
                await made.runs._look_at_the_clock()
                made.clock.advance(HOUR)
            found, total = made.runs.list(LOCAL_OPERATOR)
            assert (total, found[0].requested_by) == (1, "schedule")
            made.tasks.start("runs", made.runs.run)
            await made.until(lambda: made.runs.running == 1)
            made.clock.advance(timedelta(days=3))
            await made.over(found[0].id)
            assert made.runs.list(LOCAL_OPERATOR)[1] <= 2

    asyncio.run(scene())


async def _seconds(_: Any, __: dict[str, Any]) -> Any:
    return {"seconds": 0.2}


def test_what_ran_when_the_city_stopped_is_told_and_the_schedule_asks_again(tmp_path: Path) -> None:
    scheduled = replace(NAP, id="test.hourly", gather=_seconds, every=HOUR)

    async def first() -> list[str]:
        async with world(tmp_path, replace(scheduled, gather=_minute)) as made:
            await made.until(lambda: made.runs.running == 1)
            (cut,) = made.runs.list(LOCAL_OPERATOR)[0]
            await made.until(lambda: made.run(cut.id).progress == 0.5)
            return [cut.id, await made.ask(ECHO, a=1), await made.runs.submit(LOCAL_OPERATOR, "test.walk", {"steps": 1})]

    async def second(cut: str, waiting: str, gone: str) -> None:
        async with world(tmp_path, scheduled) as made:
            del made.runs.processes["test.walk"]
            stopped = await made.over(cut)
            assert (stopped.state, stopped.error) == ("failed", "city-stopped")
            assert made.acts(cut)[-1] == ("schedule", "run.start", "failed")
            assert (await made.over(waiting)).outputs == '{"a":1}'
            assert (await made.over(gone)).error == "no-process"
            await made.until(lambda: made.runs.list(LOCAL_OPERATOR, process="test.hourly", state="done")[1] == 1)

    async def third() -> None:
        async with world(tmp_path, scheduled) as made:
            await made.over(await made.ask(ECHO))
            assert made.runs.list(LOCAL_OPERATOR, process="test.hourly")[1] == 2, "this hour's is there already"

    asyncio.run(second(*asyncio.run(first())))
    asyncio.run(third())


async def _minute(_: Any, __: dict[str, Any]) -> Any:
    return {"seconds": 60}


def _run(number: int) -> Run:
    return Run(f"r{number}", "test.echo", "1", 0, "queued", "me", NOON - timedelta(minutes=number))


def test_old_runs_make_room_and_big_texts_go_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "KEEP_RUNS", 10)
    monkeypatch.setattr(records, "KEEP_BIG", 3)
    big = '"' + "x" * (records.BIG + 1) + '"'

    async def scene() -> None:
        async with world(tmp_path, working=False) as made:

            def fill(db: Any) -> None:
                for number in range(15):
                    records.insert(db, _run(number))
                    text = "{}" if number == 5 else big
                    state = "running" if number == 14 else "done"
                    records.change(db, f"r{number}", inputs=text, outputs=text, outputs_digest="d", state=state)
                assert records.let_go(db, "test.echo", NOON) == 4

            await made.writer.run(LOCAL_OPERATOR, NOON, fill)
            found = [one.id for one in made.runs.list(LOCAL_OPERATOR)[0]]
            assert found == [f"r{number}" for number in range(10)] + ["r14"], "what is not over stays"
            held = {one: bool(made.run(one).outputs) for one in found}
            assert held == {one: one in ("r0", "r1", "r2", "r5", "r14") for one in found}
            assert made.run("r9").outputs_digest == "d"
            with pytest.raises(Problem, match="not kept"):
                await made.runs.repeat(LOCAL_OPERATOR, "r9")
            made.clock.advance(timedelta(days=records.KEEP_DAYS))
            made.tasks.start("runs", made.runs.run)
            last = await made.over(await made.ask(ECHO))
            left = [one.id for one in made.runs.list(LOCAL_OPERATOR)[0]]
            assert left == [last.id, "r0"], "what is 90 days old went when a run ended"
            with made.database.reader() as connection:
                query = "SELECT thing, detail FROM audit WHERE action = 'run.destroy'"
                assert connection.execute(query).fetchall() == [("process:test.echo", "10 old runs")]

    asyncio.run(scene())


def test_lists_are_narrowed_and_searched_whatever_the_accents(tmp_path: Path) -> None:
    async def scene() -> None:
        async with world(tmp_path, working=False) as made:
            mine, other = await made.ask(ECHO), await made.ask(WALK, SECOND)

            def ids(**more: Any) -> list[str]:
                return [one.id for one in made.runs.list(LOCAL_OPERATOR, **more)[0]]

            assert ids() == [other, mine], "newest first"
            assert ids(process="test.walk") == ids(text="second-op") == [other]
            assert ids(text="di dao") == ids(text="ĐI DẠO") == ids(text="random") == [other]
            assert ids(text="vận hành tại máy") == [mine]
            assert ids(process="test.nap") == ids(text="%") == ids(text="theo lich") == ids(state="done") == []
            assert ids(limit=1, offset=1) == ids(text=mine[-5:]) == [mine]

    asyncio.run(scene())


def test_ids_sort_by_the_time_they_were_given_out() -> None:
    given = [records.new_id() for _ in range(3)]
    assert [one[:8] for one in given] == sorted(one[:8] for one in given)
    assert len(set(given)) == 3


def test_a_run_whose_end_cannot_be_written_is_told_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene() -> None:
        async with world(tmp_path) as made:
            await _break_the_end(made, monkeypatch)

    asyncio.run(scene())


async def _break_the_end(made: World, monkeypatch: pytest.MonkeyPatch) -> None:
    write, broken = made.runs._write, [True]

    async def failing(ticket: Any, state: Any, *rest: Any, **values: Any) -> None:
        if state == "done" and broken:
            broken.clear()
            raise OSError("the disk is full")
        await write(ticket, state, *rest, **values)

    monkeypatch.setattr(made.runs, "_write", failing)
    found = await made.over(await made.ask(ECHO))
    assert (found.state, found.error) == ("failed", "city-stopped")
    assert found.ended_at is not None and to_micros(found.ended_at) == to_micros(NOON)
    assert (await made.over(await made.ask(ECHO))).state == "done"
    assert SCHEDULE.id in {by for by, _, _ in made.acts(found.id)}
