"""A map's question over many entities, and how much memory the server needs for them."""

import statistics
import time
import urllib.parse

from bench.harness import city, generator, register_devices, report

ENTITIES = 100_000
LOAD = 10_000  # messages of five readings a second


def main() -> None:
    """100,000 stations under load: 5,000 of them by bbox and filter, and the server's resident memory."""
    with city() as running:
        register_devices(running, ENTITIES)
        before = running.committed()
        sent = generator("bench.load_http", running.port, running.home, ENTITIES, 1000, 20, LOAD)["accepted"]
        running.wait_committed(before + sent * 5)
        peak = running.peak_resident_mb()
        report("peak resident with 100,000 entities under load", peak, "MB", target=500, lower_is_better=True)
        question = urllib.parse.urlencode(
            {
                "type": "AirQualityObserved",
                "bbox": "105.55,20.75,105.661,20.85",
                "q": "pm25>1",
                "limit": 5000,
                "attribute": "pm25",
                "format": "columns",
            }
        )
        times, found = [], 0
        for _ in range(12):
            began = time.perf_counter()
            found = len(running.request(f"/api/v1/entities?{question}")["id"])
            times.append((time.perf_counter() - began) * 1000)
        report("entities found by bbox and filter", found, "entities", target=5_000)
        report("bbox and filter over 100,000 entities", statistics.median(times), "ms", target=100, lower_is_better=True)
