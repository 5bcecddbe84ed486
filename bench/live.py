"""From a sensor's reading at a door to the browser that shows it, while the city takes 5,000 readings a second."""

import http.client
import json
import random
import statistics
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime

from bench.harness import ROOT, RunningCity, city, register_devices, report

DEVICES, PROBES, SECONDS, READINGS_PER_SECOND = 10_000, 150, 25, 5_000


def watch(
    running: RunningCity, said: dict[str, float], heard: dict[str, float], ready: threading.Event, stop: threading.Event
) -> None:
    """A browser's stream: note when the marker of each probe that spoke changed."""
    connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=30)
    connection.request("GET", "/live", headers=running.operator | {"Accept": "text/event-stream"})
    answer = connection.getresponse()
    ready.set()
    while not stop.is_set() and (line := answer.readline()):
        if line.startswith(b"data: ") and b"probe-" in line:
            now = time.perf_counter()
            for point in json.loads(line[6:]).get("points", ()):
                name = point["id"].rsplit(":", 1)[-1]
                if name in said:
                    heard.setdefault(name, now)


def main() -> None:
    """Probes that never spoke before say their first word at random moments under load; their marker must change."""
    with city() as running:
        register_devices(running, DEVICES)
        register_devices(running, PROBES, prefix="probe")
        heard: dict[str, float] = {}
        said: dict[str, float] = {}
        ready, stop = threading.Event(), threading.Event()
        browser = threading.Thread(target=watch, args=(running, said, heard, ready, stop), daemon=True)
        browser.start()
        ready.wait(30)
        load = subprocess.Popen(
            [sys.executable, "-m", "bench.load_http"]
            + [str(one) for one in (running.port, running.home, DEVICES, 100, SECONDS, READINGS_PER_SECOND // 5)],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
        )
        connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=30)
        headers = running.operator | {"Content-Type": "application/json"}
        dice = random.Random(1)
        time.sleep(3)
        for i in range(PROBES):
            name = f"probe-{i}"
            body = json.dumps({"device": name, "at": datetime.now(UTC).isoformat(), "values": {"pm25": 30.5}})
            said[name] = time.perf_counter()
            connection.request("POST", "/api/v1/readings", body, headers)
            connection.getresponse().read()
            time.sleep(dice.uniform(0.05, 0.2))
        load.wait(60)
        time.sleep(2)
        stop.set()
    waits = sorted((heard[name] - said[name]) * 1000 for name in said if name in heard)
    report("probes that reached the browser", len(waits), "probes", target=PROBES)
    if waits:
        report("sensor to browser p50", statistics.median(waits), "ms", target=500, lower_is_better=True)
        report("sensor to browser p99", waits[int(len(waits) * 0.99) - 1], "ms", target=500, lower_is_better=True)
