"""Readings a second from the HTTP door to the commit, in SQLite and in PostgreSQL, one after the other in the same run."""

import sys
import time

from bench.harness import city, generator, register_devices, report
from dothi.testing.postgres import MISSING, binaries, cluster

DEVICES, VALUES, SECONDS = 10_000, 5, 8


def main() -> None:
    """Both homes with the same load; PostgreSQL on a server of its own that syncs every commit, as SQLite does."""
    if binaries() is None:
        print(f"SKIPPED: {MISSING}", file=sys.stderr)
        return
    limit = _rate()
    report("http to commit, sqlite", limit, "readings/s", target=0)
    with cluster(durable=True) as server:
        rate = _rate(DOTHI_DATABASE=server.migrated().get_secret_value())
    report("http to commit, postgresql", rate, "readings/s", limit=limit, target=0)
    report("postgresql, part of sqlite", rate / limit, "ratio", target=0.5)


def _rate(**environment: str) -> float:
    with city(**environment) as running:
        register_devices(running, DEVICES)
        before, began = running.committed(), time.perf_counter()
        sent = generator("bench.load_http", running.port, running.home, DEVICES, 1000, SECONDS)["accepted"]
        running.wait_committed(before + sent * VALUES)
        return float(sent * VALUES / (time.perf_counter() - began))
