"""Readings a second from a door to the commit, over HTTP and over MQTT, beside what SQLite alone does."""

import time

from bench.harness import city, generator, register_devices, report
from bench.raw_sqlite import readings_per_second

DEVICES, VALUES, SECONDS = 10_000, 5, 12


def main() -> None:
    """Run both doors, each on a fresh city, with the load generator beside it."""
    limit = readings_per_second(DEVICES, VALUES)
    report("sqlite alone", limit, "readings/s", target=0)
    for door, target in (("http", 80_000), ("mqtt", 30_000)):
        with city() as running:
            register_devices(running, DEVICES)
            before, began = running.committed(), time.perf_counter()
            if door == "http":
                sent = generator("bench.load_http", running.port, running.home, DEVICES, 1000, SECONDS)["accepted"]
            else:
                sent = generator("bench.load_mqtt", running.mqtt_port, running.home, running.tenant, DEVICES, SECONDS, 4000)[
                    "acknowledged"
                ]
            running.wait_committed(before + sent * VALUES)
            rate = sent * VALUES / (time.perf_counter() - began)
            report(f"{door} to commit", rate, "readings/s", limit=limit, target=target)
            report(f"{door} to commit, part of sqlite alone", rate / limit, "ratio", target=0.3)
