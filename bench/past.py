"""The map at a past moment, as the time bar asks for it: markers, ward fills and tiles of a city with many stations."""

import json
import statistics
import time
import urllib.request
from datetime import UTC, datetime, timedelta

from bench.harness import RunningCity, city, register_devices, report

STATIONS = 5_000
HOURS = 30
_LINES = 1_000
_HOUR = timedelta(hours=1)


def main() -> None:
    """5,000 stations with 30 hours behind them: frames of moments nobody asked for before, with either knowledge."""
    with city() as running:
        register_devices(running, STATIONS)
        now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        _fill(running, now)
        for known in ("now", "then"):
            _time(f"the map at a past moment, as known {known}", running, "/map/layers/air.json", now, known, 500)
        _time("the tiles at a past moment", running, "/map/tiles.json", now, "now", 500)
        times = []
        for turn in range(5):
            began = time.perf_counter()
            running.request(f"/map/hours/air.json?span=24h&turn={turn}")
            times.append((time.perf_counter() - began) * 1000)
        report(
            "a day of the time bar over 5,000 stations", statistics.median(times), "ms", target=1_000, lower_is_better=True
        )


def _fill(running: RunningCity, now: datetime) -> None:
    before = running.committed()
    for back in range(HOURS, 0, -1):
        at = (now - _HOUR * back).isoformat()
        for first in range(0, STATIONS, _LINES):
            lines = []
            for number in range(first, first + _LINES):
                index = 40 + (number * 13 + back * 7) % 130
                values = {"pm25": index * 0.6, "airQualityIndex": index}
                lines.append(json.dumps({"device": f"bench-{number}", "at": at, "values": values}))
            request = urllib.request.Request(
                f"http://127.0.0.1:{running.port}/api/v1/readings",
                "\n".join(lines).encode(),
                running.operator | {"Content-Type": "application/x-ndjson"},
            )
            urllib.request.urlopen(request, timeout=120).close()
    running.wait_committed(before + HOURS * STATIONS * 2, 300)


def _time(name: str, running: RunningCity, path: str, now: datetime, known: str, target: float) -> None:
    times = []
    for turn in range(12):
        at = (now - timedelta(minutes=30 + 71 * turn)).strftime("%Y-%m-%dT%H:%M:%SZ")
        began = time.perf_counter()
        running.request(f"{path}?at={at}&known={known}")
        times.append((time.perf_counter() - began) * 1000)
    report(name, statistics.median(times), "ms", target=target, lower_is_better=True)
