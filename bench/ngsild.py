"""The NGSI-LD door over HTTP: writing, reading, asking, the past and notifications, beside a bare server in the same run."""

import http.client
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from bench.harness import ROOT, RunningCity, city, free_port, generator, register_devices, report
from bench.load_ngsild import BATCH, TYPE, entity

FEW, MANY = 10_000, 100_000
SECONDS = 10
STILL = 1.0  # seconds without another notification
STATIONS, POINTS = 100, 1_000_000  # points are readings: 5 attributes of 100 stations
BASE = "/ngsi-ld/v1"


def main() -> None:
    """Every figure of the NGSI-LD door."""
    with city(DOTHI_OPEN_DOORS="ngsild") as running:
        limit = _raw(running)
        told = _load(running, "upsert", 4, MANY)
        rate = told["requests"] * BATCH / told["seconds"]
        report("batch upsert of 1,000 entities", rate, "entities/s", target=15_000)
        _fill(running)
        told = _load(running, "update", 32, FEW)
        report("update of one attribute", told["requests"] / told["seconds"], "requests/s", limit=limit, target=2_500)
        told = _load(running, "retrieve", 16, FEW)
        report("retrieve an entity", told["requests"] / told["seconds"], "requests/s", limit=limit, target=4_000)
        told = _load(running, "query", 1, MANY)
        report("type, q and place over 100,000 entities, p95", told["p95"], "ms", target=50, lower_is_better=True)
        told = _load(running, "count", 1, MANY)
        report("q over 100,000 entities without a place, counted, p95", told["p95"], "ms", target=50, lower_is_better=True)
        _notifications(running)
        _temporal(running)


def _load(running: RunningCity, kind: str, connections: int, entities: int) -> dict[str, float]:
    return generator("bench.load_ngsild", running.port, running.home, kind, connections, SECONDS, entities)


def _raw(running: RunningCity) -> float:
    with _beside("bench.raw_http") as port:
        told = generator("bench.load_ngsild", port, running.home, "retrieve", 16, SECONDS / 2, FEW)
    rate = told["requests"] / told["seconds"]
    report("the same server that only answers", rate, "requests/s", target=4_000)
    return rate


def _fill(running: RunningCity) -> None:
    """The rest of the 100,000 entities, which the timed upsert may not have reached."""
    side = int(MANY**0.5) + 1
    for first in range(0, MANY, BATCH):
        rows = [entity(number, 0, side) for number in range(first, first + BATCH)]
        _post(running, f"{BASE}/entityOperations/upsert", rows, (201, 204))


def _notifications(running: RunningCity) -> None:
    """Entities told to a live receiver a second, while batches change them."""
    with _beside("bench.receive_ngsild") as port:
        subscription = {
            "type": "Subscription",
            "entities": [{"type": TYPE}],
            "notification": {"endpoint": {"uri": f"http://127.0.0.1:{port}/", "accept": "application/json"}},
        }
        _post(running, f"{BASE}/subscriptions", subscription)
        told = _load(running, "update", 32, FEW)
        counts, late = _settled(port)
        spent = told["seconds"] + late
        report("notifications to a live endpoint", counts["notifications"] / spent, "notifications/s", target=2_000)
        report("entities told to a live endpoint", counts["entities"] / spent, "entities/s", target=2_000)


def _settled(port: int) -> tuple[dict[str, int], float]:
    """What the receiver counted once it counts no more, and how many seconds from now on that took."""
    began = time.perf_counter()
    last, changed = dict[str, int](), began
    while (now := time.perf_counter()) < changed + STILL:
        line = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        line.request("GET", "/")
        counts: dict[str, int] = json.loads(line.getresponse().read())
        if counts != last:
            last, changed = counts, now
        time.sleep(0.02)
    return last, changed - began


def _temporal(running: RunningCity) -> None:
    """Hourly figures of a million readings, as NGSI-LD asks for them."""
    register_devices(running, STATIONS)
    before = running.committed()
    since = datetime.now(UTC) - timedelta(minutes=10)
    sent = 0
    while sent * 5 < POINTS:
        sent += int(generator("bench.load_http", running.port, running.home, STATIONS, 1000, 5)["accepted"])
    running.wait_committed(before + POINTS)
    question = urlencode(
        {
            "type": "AirQualityObserved",
            "timerel": "after",
            "timeAt": f"{since:%Y-%m-%dT%H:%M:%SZ}",
            "aggrMethods": "avg,max",
            "aggrPeriodDuration": "PT1M",
            "options": "aggregatedValues",
            "limit": STATIONS,
        }
    )
    took = []
    for _ in range(7):
        line = http.client.HTTPConnection("127.0.0.1", running.port, timeout=60)
        began = time.perf_counter()
        line.request("GET", f"{BASE}/temporal/entities?{question}", headers=running.operator)
        answer = line.getresponse()
        body = answer.read()
        if answer.status not in (200, 206):
            raise RuntimeError(f"the city answered {answer.status}: {body[:300]!r}")
        took.append((time.perf_counter() - began) * 1000)
    report("aggregates of 1,000,000 points", statistics.median(took), "ms", target=300, lower_is_better=True)


def _post(running: RunningCity, path: str, body: object, wanted: tuple[int, ...] = (201,)) -> None:
    line = http.client.HTTPConnection("127.0.0.1", running.port, timeout=30)
    line.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
    answer = line.getresponse()
    if answer.status not in wanted:
        raise RuntimeError(f"the city answered {answer.status}: {answer.read()[:300]!r}")


@contextmanager
def _beside(module: str) -> Iterator[int]:
    """A helper process on a free port, ended afterwards."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", module, str(port)], cwd=ROOT)
    try:
        time.sleep(1)
        yield port
    finally:
        process.terminate()
        process.wait(10)


if __name__ == "__main__":
    main()
