"""What sealing costs ingest, and whether a city that hears without a pause seals as fast as it hears.

Both run the writer, the sealer and its worker process as ``dothi run`` has them; the journal is left out, so that the writer
is the bound, as in "sqlite alone". The city's clock runs fast: a second of the bench is many minutes of the city, so that
hours end, days are compacted and leave the recent table while it runs. BENCH_SUSTAINED_SECONDS shortens the long one.
"""

import asyncio
import os
import resource
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import numpy as np

from bench.harness import report
from dothi.access.policy import SYSTEM
from dothi.data import sealing
from dothi.data.batch import Batch, EntityChange, Readings
from dothi.data.compaction import Step, work
from dothi.data.past import marks_of
from dothi.data.retention import Retention
from dothi.data.sealing import Sealer
from dothi.data.writer import Writer
from dothi.model.clock import ReplayClock, to_micros
from dothi.model.entity import Entity
from dothi.platform.pool import Pool, name_of
from dothi.store.database import migrate, open_database

SECONDS = 40.0
TURNS = 2  # of each, one after the other: what else the machine does falls on both
SUSTAINED_SECONDS = float(os.environ.get("BENCH_SUSTAINED_SECONDS", "600"))
RATE = 80_000  # readings a second: what the first issue asks of the HTTP door
DEVICES, VALUES, BATCH = 10_000, 5, 5_000
TYPE, IRI = "https://example.org/AirQualityObserved", "https://example.org/"
START = datetime(2026, 1, 1, tzinfo=UTC)


class _City:
    """A writer with 50,000 series on an empty home, and a clock that runs as fast as the readings tell."""

    def __init__(self, home: Path, speed: float) -> None:
        self.home, self.speed = home, speed
        self.database = open_database(home, "hanoi")
        migrate(self.database)
        self.writer = Writer(self.database, locate=lambda _longitude, _latitude: None)
        self.clock = ReplayClock(START, speed)
        entities = [Entity(f"urn:ngsi-ld:AirQualityObserved:hanoi:{n}", TYPE) for n in range(DEVICES)]
        for first in range(0, DEVICES, 1_000):
            changes = [EntityChange("create", one) for one in entities[first : first + 1_000]]
            self.writer.apply(Batch(SYSTEM, "bench", "", START, entities=changes))
        index = self.writer.index
        self.series = np.array([index.series(one.id, f"{IRI}{v}") for one in entities for v in range(VALUES)], np.int64)
        self.heard, self.behind, self.peak = 0, 0.0, 0.0

    def hear(self, noise: np.random.Generator) -> None:
        """One commit: the next devices' values, observed now."""
        places = (np.arange(BATCH) + self.heard) % len(self.series)
        now = to_micros(self.clock.now())
        at = np.full(BATCH, now - 1_000_000) + (np.arange(BATCH) + self.heard) // len(self.series) % 1_000
        nothing = np.zeros(BATCH, np.int64)
        values = np.round(30 + 10 * noise.random(BATCH), 1)
        readings = Readings(self.series[places], at, values, np.full(BATCH, now), nothing, nothing, nothing)
        self.writer.apply(Batch(SYSTEM, "bench", "", self.clock.now(), readings=readings))
        self.heard += BATCH

    async def seal(self) -> None:
        """What the task ``sealing`` of a city does."""
        workers = Pool(1)
        home = {"home": str(self.home), "tenant": "hanoi", "url": None}

        async def apart(step: Step, arguments: tuple[int, ...]) -> None:
            inputs = msgspec.json.encode({**home, "step": step, "arguments": arguments})
            await workers.run(name_of(work), 0, inputs, timedelta(hours=1), lambda _: None)

        retention = Retention(self.database, self.writer, self.clock, {})
        try:
            await Sealer(self.database, self.writer, self.clock, retention, apart).run()
        finally:
            await workers.close()

    def look(self) -> None:
        """How far sealing is behind the hours that have ended, in seconds of the bench, and how much memory there is."""
        with self.database.reader() as db:
            sealed = marks_of(db).sealed_until
        due = to_micros(self.clock.now() - sealing.SETTLE) // sealing.HOUR * sealing.HOUR
        self.behind = max(0, due - max(sealed, to_micros(START))) / 1e6 / self.speed
        fields = Path("/proc/self/statm").read_text().split()
        self.peak = int(fields[1]) * resource.getpagesize() / 1024 / 1024

    def close(self) -> None:
        """Let go of the database."""
        self.writer.close()
        self.database.close()


async def _hear(city: _City, seconds: float, rate: float | None, looks: list[tuple[float, float, float]]) -> float:
    """Hear for so long, no faster than ``rate``; returns readings a second. A look is (second, seconds behind, MB)."""
    noise, began, looked = np.random.default_rng(1), time.perf_counter(), 0.0
    while (elapsed := time.perf_counter() - began) < seconds:
        if rate is not None and city.heard > elapsed * rate:
            await asyncio.sleep(0.005)
            continue
        await asyncio.to_thread(city.hear, noise)
        if elapsed - looked > 5:
            looked = elapsed
            await asyncio.to_thread(city.look)
            looks.append((elapsed, city.behind, city.peak))
    return city.heard / (time.perf_counter() - began)


async def _run(
    seconds: float, rate: float | None, speed: float, *, sealed: bool
) -> tuple[float, list[tuple[float, float, float]]]:
    with tempfile.TemporaryDirectory(prefix="dothi-bench-", dir=os.environ.get("TMPDIR")) as folder:
        city, looks = _City(Path(folder), speed), list[tuple[float, float, float]]()
        task = asyncio.create_task(city.seal()) if sealed else None
        reached = await _hear(city, seconds, rate, looks)
        if task is not None:
            if task.done():
                task.result()
            task.cancel()
            await asyncio.wait({task})
        city.close()
        return reached, looks


def main() -> None:
    """Ingest as fast as it goes, alone and beside sealing. An hour of the city ends every five seconds."""
    rates: dict[bool, list[float]] = {False: [], True: []}
    for turn in range(2 * TURNS):
        sealed = bool(turn % 2)
        rate, looks = asyncio.run(_run(SECONDS, None, 720, sealed=sealed))
        rates[sealed].append(rate)
    alone, beside = sum(rates[False]) / TURNS, sum(rates[True]) / TURNS
    report("ingest alone", alone, "readings/s", target=0)
    report("ingest beside sealing", beside, "readings/s", limit=alone, target=0)
    report("ingest beside sealing, part of ingest alone", beside / alone, "ratio", target=0.9)
    report("sealing behind at the end", looks[-1][1], "s", target=60, lower_is_better=True)


def sustained() -> None:
    """Ten minutes at the first issue's rate; six days of the city pass, of which three leave the recent table."""
    speed = 6 * 86_400 / SUSTAINED_SECONDS
    reached, looks = asyncio.run(_run(SUSTAINED_SECONDS, RATE, speed, sealed=True))
    third = len(looks) // 3
    early = max(memory for _, _, memory in looks[third : 2 * third])
    late = max(memory for _, _, memory in looks[2 * third :])
    report("sustained ingest beside sealing", reached, "readings/s", limit=RATE, target=0.98 * RATE)
    report("sealing behind, most", max(behind for _, behind, _ in looks[third:]), "s", target=60, lower_is_better=True)
    report("sealing behind at the end of sustained ingest", looks[-1][1], "s", target=60, lower_is_better=True)
    report("resident memory, last third over the middle one", late / early, "ratio", target=1.1, lower_is_better=True)
    report("resident memory at the end of sustained ingest", looks[-1][2], "MB", target=500, lower_is_better=True)
