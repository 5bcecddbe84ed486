"""Everything that runs beside the doors, watched: a crashed task is logged, started again, and seen in /health."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import structlog

from dothi.model.text import Text

_log = structlog.get_logger("dothi.tasks")
FIRST_WAIT = 0.5
LONGEST_WAIT = 30.0
_CALM = 60.0  # seconds of work after which an earlier crash is forgotten


@dataclass(slots=True)
class TaskState:
    """How a task is doing. ``done`` of ``total`` is its progress where it has an end; ``failures`` counts its crashes."""

    name: str
    state: Literal["running", "waiting", "finished"] = "running"
    failures: int = 0
    last_error: str = ""
    done: int = 0
    total: int | None = None
    note: Text | None = None  # how it stands, in words for people
    again: datetime | None = None  # when it will try again, aware UTC

    def advance(self, done: int, total: int | None) -> None:
        """Tell how far the task is."""
        self.done, self.total = done, total


Work = Callable[[TaskState], Awaitable[None]]


class Supervisor:
    """Runs named tasks until ``stop``. One that raises is started again after a growing wait; one that returns is finished.

    Must be used from one event loop.
    """

    def __init__(self) -> None:
        self.states: dict[str, TaskState] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def start(self, name: str, work: Work) -> TaskState:
        """Run ``work`` under supervision; it reports progress in the state it is given. ValueError for a name in use."""
        if name in self._tasks and not self._tasks[name].done():
            raise ValueError(f"a task {name!r} runs already")
        state = self.states[name] = TaskState(name)
        self._tasks[name] = asyncio.create_task(self._watch(state, work), name=name)
        return state

    def advance(self, name: str, done: int, total: int) -> None:
        """Tell how far the task ``name`` is; nothing happens if it is not known."""
        state = self.states.get(name)
        if state is not None:
            state.advance(done, total)

    def note(self, name: str, words: Text, again: datetime | None = None) -> None:
        """Say how the task ``name`` stands and when it will try again; nothing happens if it is not known."""
        state = self.states.get(name)
        if state is not None:
            state.note, state.again = words, again

    def running(self, name: str) -> bool:
        """True while the task works; False while it waits after a crash, has finished or was never started."""
        state = self.states.get(name)
        return state is not None and state.state == "running"

    async def cancel(self, name: str) -> None:
        """Stop one task and wait for its end."""
        task = self._tasks.pop(name, None)
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            self.states.pop(name, None)

    async def stop(self) -> None:
        """Stop all, the latest started first."""
        for name in reversed(list(self._tasks)):
            await self.cancel(name)

    async def _watch(self, state: TaskState, work: Work) -> None:
        loop = asyncio.get_running_loop()
        wait = FIRST_WAIT
        me = asyncio.current_task()
        while True:
            began = loop.time()
            state.state = "running"
            try:
                # A task of its own: a TaskGroup that ends by a crash leaves its task "cancelling" (Python 3.11).
                await asyncio.ensure_future(work(state))
            except Exception as error:
                if me is not None and me.cancelling():
                    return  # it was told to stop and stumbled on its way out
                if loop.time() - began > _CALM:
                    wait = FIRST_WAIT
                state.state, state.last_error = "waiting", f"{type(error).__name__}: {error}"
                state.failures += 1
                _log.error("task crashed", task=state.name, again_in=wait, exc_info=error)
                await asyncio.sleep(wait)
                wait = min(wait * 2, LONGEST_WAIT)
            else:
                state.state = "finished"
                return
