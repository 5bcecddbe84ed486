"""A city small enough for tests of runs: a real database and writer, real worker processes, a clock in the hand."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from dothi.access.policy import LOCAL_OPERATOR, Person
from dothi.data.writer import Writer
from dothi.platform.metrics import Metrics
from dothi.platform.pool import Pool
from dothi.platform.runs import Run, Runs
from dothi.platform.sector import Process
from dothi.platform.tasks import Supervisor
from dothi.store.database import Database, migrate
from dothi.testing.clock import FixedClock
from dothi.testing.homes import open_city
from dothi.testing.processes import EVERY

NOON = datetime(2026, 5, 14, 5, tzinfo=UTC)


async def until(condition: Callable[[], object], seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for happens in other processes
            await asyncio.sleep(0.005)


def lives(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


class World:
    """What Runs needs of a platform, and short ways to ask it."""

    def __init__(self, home: Path, size: int = 1, idle: float = 60.0) -> None:
        self.database: Database = open_city(home)
        migrate(self.database)
        self.writer = Writer(self.database, locate=lambda *_: None)
        self.clock, self.metrics, self.tasks = FixedClock(NOON), Metrics(), Supervisor()
        platform: Any = SimpleNamespace(
            database=self.database, writer=self.writer, clock=self.clock, metrics=self.metrics, kept={}, types={}
        )
        self.platform = platform
        self.runs = Runs(platform, Pool(size, idle))

    async def ask(self, process: Process, person: Person = LOCAL_OPERATOR, **options: Any) -> str:
        return await self.runs.submit(person, process.id, options, seed=7)

    async def until(self, condition: Callable[[], object], seconds: float = 60) -> None:
        await until(condition, seconds)

    def run(self, run_id: str) -> Run:
        found = self.runs.get(LOCAL_OPERATOR, run_id)
        assert found is not None
        return found

    async def over(self, run_id: str) -> Run:
        await self.until(lambda: self.run(run_id).over)
        return self.run(run_id)

    def acts(self, run_id: str) -> list[tuple[str, str, str]]:
        query = "SELECT person_id, action, result FROM audit WHERE thing = ? ORDER BY seq"
        with self.database.reader() as connection:
            return [tuple(row) for row in connection.execute(query, (f"run:{run_id}",))]


@asynccontextmanager
async def world(home: Path, *more: Process, working: bool = True, **options: Any) -> AsyncIterator[World]:
    """A world whose runs are worked off, with the sample processes and ``more``."""
    made = World(home, **options)
    for process in (*EVERY, *more):
        made.runs.register(process)
    if working:
        made.tasks.start("runs", made.runs.run)
    try:
        yield made
    finally:
        await made.tasks.stop()
        made.writer.close()
        made.database.close()
