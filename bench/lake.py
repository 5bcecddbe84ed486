"""Questions to a lake of a hundred million readings: how fast, in how much memory, and how small it is.

BENCH_LAKE_READINGS makes a smaller one, for a look. Every question is asked of days and stations that differ, so that files
are read, checked and taken apart each time.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from bench.harness import ROOT, report
from bench.make_lake import DAY, IRI, STATIONS, TENANT, TYPE, urn
from dothi.access.policy import SYSTEM
from dothi.data.history import History
from dothi.model.clock import from_micros
from dothi.model.moment import Moment
from dothi.store.database import open_database

READINGS = int(os.environ.get("BENCH_LAKE_READINGS", "100000000"))


def main() -> None:
    """Make the lake in a process of its own, then ask."""
    with tempfile.TemporaryDirectory(prefix="dothi-bench-", dir=os.environ.get("TMPDIR")) as folder:
        command = [sys.executable, "-m", "bench.make_lake", folder, str(READINGS)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=3_600, check=True)
        made: dict[str, Any] = json.loads(done.stdout)
        report("readings in the lake", made["readings"], "readings", target=READINGS)
        writing = made["seconds"] - made["made_up"]
        report("lake written", made["readings"] / writing, "readings/s", target=500_000)
        _ask(Path(folder), made["first"], made["last"])


def _ask(home: Path, first: int, last: int) -> None:
    database = open_database(home, TENANT)
    history, days = History(database, ()), (last - first) // DAY
    [figures] = database.lake.figures()
    report("size in the lake", figures.bytes / figures.rows, "bytes/reading", target=6, lower_is_better=True)
    month = from_micros(max(first, last - 30 * DAY)), from_micros(last)

    def day_of_one(turn: int) -> int:
        start = from_micros(first + turn * 11 % days * DAY)
        return len(history.series(SYSTEM, urn(turn * 733 % STATIONS), IRI + "pm25", start, start + timedelta(days=1)))

    def city_by_the_hour(turn: int) -> int:
        name = IRI + ("pm25", "temperature")[turn % 2]
        every = timedelta(hours=1)
        return len(history.windows(SYSTEM, name, *month, every=every, functions=("mean",), type=TYPE, by="city").frame)

    def at_a_moment(turn: int) -> int:
        moment = Moment(from_micros(first + turn * 7 % days * DAY + (turn * 5 % 24 * 60 + 31) * 60_000_000), "then")
        table = history.at(SYSTEM, moment, type=TYPE, attributes=(IRI + "pm25",))
        return sum(value is not None for value in table.values[IRI + "pm25"])

    _time("one series of one day", day_of_one, 40, 100, 288)
    _time("hourly mean of the city over a month", city_by_the_hour, 4, 2_000, 24)
    _time("5,000 stations at a past moment", at_a_moment, 20, 500, STATIONS)
    report(
        "peak resident of who asks",
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "MB",
        target=1_000,
        lower_is_better=True,
    )
    database.close()


def _time(name: str, ask: Callable[[int], int], turns: int, target: float, least: int) -> None:
    """Median and worst milliseconds of ``turns`` questions after a first one; each must find at least ``least``."""
    ask(turns)
    times = []
    for turn in range(turns):
        began = time.perf_counter()
        found = ask(turn)
        times.append((time.perf_counter() - began) * 1000)
        assert found >= least, f"{name}: {found}"
    report(f"{name}, median", statistics.median(times), "ms", target=target, lower_is_better=True)
    report(f"{name}, slowest", max(times), "ms", target=target, lower_is_better=True)
