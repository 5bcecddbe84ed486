"""The supervisor: a crash is seen and survived, an end is an end, a stop is quick."""

import asyncio

import pytest

from dothi.platform import tasks
from dothi.platform.tasks import Supervisor, TaskState


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "FIRST_WAIT", 0.001)


def test_a_crashed_task_is_started_again_and_remembered() -> None:
    async def scene() -> None:
        supervisor, runs, arrived = Supervisor(), 0, asyncio.Event()

        async def work(_: TaskState) -> None:
            nonlocal runs
            runs += 1
            if runs < 3:
                raise RuntimeError(f"crash {runs}")
            arrived.set()
            await asyncio.Event().wait()

        state = supervisor.start("stubborn", work)
        await asyncio.wait_for(arrived.wait(), 10)
        assert (runs, state.failures, state.state) == (3, 2, "running")
        assert state.last_error == "RuntimeError: crash 2"
        assert supervisor.running("stubborn")
        await supervisor.stop()
        assert not supervisor.running("stubborn")

    asyncio.run(scene())


def test_a_crash_in_a_group_of_tasks_is_a_crash_and_no_end() -> None:
    async def scene() -> None:
        supervisor, runs, arrived = Supervisor(), 0, asyncio.Event()

        async def crash() -> None:
            await asyncio.sleep(0)
            raise RuntimeError("crash")

        async def work(_: TaskState) -> None:
            nonlocal runs
            runs += 1
            if runs == 3:
                arrived.set()
            async with asyncio.TaskGroup() as group:
                group.create_task(asyncio.Event().wait())
                if runs < 3:
                    group.create_task(crash())

        state = supervisor.start("grouped", work)
        async with asyncio.timeout(10):
            await arrived.wait()
        assert (runs, state.failures, state.state) == (3, 2, "running")
        await supervisor.stop()
        assert not supervisor.running("grouped")

    asyncio.run(scene())


def test_a_task_that_ends_is_finished_and_shows_its_progress() -> None:
    async def scene() -> None:
        supervisor = Supervisor()

        async def work(state: TaskState) -> None:
            state.advance(7, 7)

        supervisor.advance("unknown", 1, 2)  # nothing to tell, nothing to break
        state = supervisor.start("short", work)
        for _ in range(10):
            await asyncio.sleep(0)  # turns of the loop, not time
        assert state.state == "finished"
        assert (state.done, state.total) == (7, 7)
        assert not supervisor.running("short")
        assert not supervisor.running("never started")
        supervisor.advance("short", 3, 9)
        assert (state.done, state.total) == (3, 9)
        supervisor.start("short", work)  # its name is free again
        await supervisor.stop()

    asyncio.run(scene())


def test_two_tasks_cannot_share_a_name() -> None:
    async def scene() -> None:
        supervisor = Supervisor()

        async def work(_: TaskState) -> None:
            await asyncio.Event().wait()

        supervisor.start("one", work)
        with pytest.raises(ValueError, match="one"):
            supervisor.start("one", work)
        await supervisor.stop()

    asyncio.run(scene())


def test_a_task_that_stumbles_on_its_way_out_is_not_started_again() -> None:
    async def scene() -> None:
        supervisor, runs, ready = Supervisor(), 0, asyncio.Event()

        async def work(_: TaskState) -> None:
            nonlocal runs
            runs += 1
            ready.set()
            try:
                await asyncio.Event().wait()
            finally:
                raise OSError("the file was gone")

        supervisor.start("clumsy", work)
        await ready.wait()
        await asyncio.wait_for(supervisor.stop(), 10)
        assert runs == 1

    asyncio.run(scene())
