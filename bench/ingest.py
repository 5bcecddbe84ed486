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
            running.wait_drained()
            before, began = running.metrics()["dothi_readings_total"], time.perf_counter()
            if door == "http":
                generator("bench.load_http", running.port, DEVICES, 1000, SECONDS)
            else:
                generator("bench.load_mqtt", running.mqtt_port, running.tenant, DEVICES, SECONDS, 4000)
            running.wait_drained()
            rate = (running.metrics()["dothi_readings_total"] - before) / (time.perf_counter() - began)
            report(f"{door} to commit", rate, "readings/s", limit=limit, target=target)
            report(f"{door} to commit, part of sqlite alone", rate / limit, "ratio", target=0.3)
