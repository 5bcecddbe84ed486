"""What a run costs beside its own work: from the question until an empty process is done and on disk."""

import asyncio
import statistics
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from bench.harness import report
from dothi.access.policy import LOCAL_OPERATOR
from dothi.data.writer import Writer
from dothi.model.clock import SystemClock
from dothi.platform.metrics import Metrics
from dothi.platform.runs import Runs
from dothi.platform.tasks import Supervisor
from dothi.store.database import migrate, open_database
from dothi.testing.processes import ECHO

RUNS = 300


async def _done(runs: Runs, options: dict[str, Any]) -> float:
    """Milliseconds from submit until the run is done."""
    began = time.perf_counter()
    run_id = await runs.submit(LOCAL_OPERATOR, ECHO.id, options)
    while (found := runs.get(LOCAL_OPERATOR, run_id)) is None or not found.over:  # noqa: ASYNC110 - as any asker would
        await asyncio.sleep(0.0005)
    if found.state != "done":
        raise RuntimeError(f"the run ended {found.state}: {found.error}")
    return (time.perf_counter() - began) * 1000


def _resident_mb(pid: int) -> float:
    return int(Path(f"/proc/{pid}/status").read_text().split("VmRSS:")[1].split()[0]) / 1024


async def _measure(runs: Runs) -> None:
    report("first run, its worker started", await _done(runs, {}), "ms", target=1000, lower_is_better=True)
    times = [await _done(runs, {}) for _ in range(RUNS)]
    report("empty run, submit to done, p50", statistics.median(times), "ms", target=20, lower_is_better=True)
    report("empty run, submit to done, p99", statistics.quantiles(times, n=100)[98], "ms", target=100, lower_is_better=True)
    (pid,) = runs.pool.pids
    report("resident memory of a worker", _resident_mb(pid), "MB", target=40, lower_is_better=True)


async def _city(home: Path) -> None:
    database = open_database(home, "hanoi")
    migrate(database)
    writer, tasks = Writer(database, locate=lambda *_: None), Supervisor()
    platform: Any = SimpleNamespace(database=database, writer=writer, clock=SystemClock(), metrics=Metrics())
    runs = Runs(platform)
    runs.register(ECHO)
    tasks.start("runs", runs.run)
    try:
        await _measure(runs)
    finally:
        await tasks.stop()
        writer.close()
        database.close()


def main() -> None:
    """Overhead of a run, cold and warm, and what a worker weighs."""
    with tempfile.TemporaryDirectory(prefix="dothi-bench-") as folder:
        asyncio.run(_city(Path(folder)))
