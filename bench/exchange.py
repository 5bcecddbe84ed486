"""A city taken along and brought back: `dothi export` and `dothi import` as people run them, from lake and recent table."""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from bench.harness import report
from dothi.access.policy import SYSTEM
from dothi.data.batch import Batch, EntityChange, Readings, SeriesKey
from dothi.data.compaction import STEPS, Step
from dothi.data.retention import Retention
from dothi.data.sealing import Sealer
from dothi.data.writer import Writer
from dothi.model.clock import to_micros
from dothi.model.entity import Entity
from dothi.store.database import migrate, open_database
from dothi.testing.clock import FixedClock

SERIES = 2_000
DAYS = 20
EVERY = 600  # seconds
_TYPE, _ATTRIBUTE = "https://example.org/Meter", "https://example.org/level"
_BEGUN = datetime(2026, 5, 1, tzinfo=UTC)


def _fill(home: Path) -> None:
    """A city of ``SERIES`` sensors, most of its days in the lake."""
    database = open_database(home, "hanoi")
    migrate(database)
    writer = Writer(database, locate=lambda _longitude, _latitude: None)
    urns = [f"urn:ngsi-ld:Meter:hanoi:{number}" for number in range(SERIES)]
    meters = [EntityChange("create", Entity(urn, _TYPE)) for urn in urns]
    writer.apply(Batch(SYSTEM, "bench", "bench", _BEGUN, entities=meters))
    series = writer.index.resolve([SeriesKey(urn, _ATTRIBUTE) for urn in urns], ["MTR"] * SERIES)
    random = np.random.default_rng(7)
    steps = 86_400 // EVERY
    for day in range(DAYS):
        at = to_micros(_BEGUN + timedelta(days=day)) + np.repeat(np.arange(steps) * EVERY * 1_000_000, SERIES)
        nothing = np.zeros(len(at), np.int64)
        number = np.round(random.normal(3.0, 0.2, len(at)), 2)
        heard = at + random.integers(100_000, 5_000_000, len(at))
        rows = Readings(np.tile(series, steps), at, number, heard, nothing, nothing, nothing)
        writer.apply(Batch(SYSTEM, "bench", "bench", _BEGUN + timedelta(days=day), readings=rows))

    async def apart(step: Step, arguments: tuple[int, ...]) -> None:
        STEPS[step](database, *arguments)

    clock = FixedClock(_BEGUN + timedelta(days=DAYS))
    asyncio.run(Sealer(database, writer, clock, Retention(database, writer, clock, {}), apart).round())
    writer.close()
    database.close()


def _dothi(home: Path, *arguments: str) -> tuple[float, float]:
    """Run a command; returns its seconds and its peak memory in MB."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DOTHI_")}
    environment |= {"DOTHI_HOME": str(home), "DOTHI_DATA": str(home.parent / "empty")}
    began = time.perf_counter()
    command = [sys.executable, "-c", "from dothi.cli import main; main()", *arguments]
    running = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(running.pid, 0)
    running.returncode = os.waitstatus_to_exitcode(status)
    if running.returncode != 0:
        raise RuntimeError(f"dothi {arguments[0]} ended with {running.returncode}")
    return time.perf_counter() - began, usage.ru_maxrss / 1024


def main() -> None:
    """Print readings a second out and in, bytes a reading in the folder, and the memory of the export."""
    with tempfile.TemporaryDirectory(prefix="dothi-bench-") as scratch:
        folder = Path(scratch)
        (folder / "empty").mkdir()
        # In a process of its own: a child's peak memory starts with that of its parent.
        filling = get_context("spawn").Process(target=_fill, args=(folder / "home",))
        filling.start()
        filling.join()
        count = DAYS * (86_400 // EVERY) * SERIES
        seconds, memory = _dothi(folder / "home", "export", str(folder / "out"))
        size = sum(path.stat().st_size for path in (folder / "out" / "readings").rglob("*.parquet"))
        report("export: readings a second", count / seconds, "1/s", target=100_000)
        report("export: peak memory", memory, "MB", target=600, lower_is_better=True)
        report("export: bytes a reading", size / count, "B", target=6, lower_is_better=True)
        seconds, _ = _dothi(folder / "elsewhere", "import", str(folder / "out"))
        report("import: readings a second", count / seconds, "1/s", target=100_000)


if __name__ == "__main__":
    main()
