"""The raw limit: what SQLite alone does, in one thread, with the rows an ingest of the same readings writes."""

import sqlite3
import tempfile
import time
from pathlib import Path

from sqlalchemy import create_engine

from dothi.store.tables import METADATA

READING = "INSERT INTO reading VALUES (?,?,?,?,?,?,?,?,?,?,?)"
LIVE = "INSERT OR REPLACE INTO live VALUES (?,?,?,?,?,?,?,?,?,?)"


def readings_per_second(devices: int = 10_000, values: int = 5, messages: int = 1_000, seconds: float = 6) -> float:
    """Live state, recent history and outbox, one synced commit per ``messages`` messages of ``values`` values."""
    with tempfile.TemporaryDirectory(prefix="dothi-bench-") as folder:
        engine = create_engine(f"sqlite:///{folder}/raw.db")
        METADATA.create_all(engine)
        engine.dispose()
        connection = sqlite3.connect(Path(folder) / "raw.db", isolation_level=None)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        written, turn, began = 0, 0, time.perf_counter()
        while (elapsed := time.perf_counter() - began) < seconds:
            first = written // values
            rows = []
            for message in range(first, first + messages):
                turn, device = divmod(message, devices)
                moment = 1_790_000_000_000_000 + turn * 100_000
                base = device * values
                rows += [(moment, base + i, 0, 20.5 + i, None, 0, 0, 0, moment, 0, moment - 1) for i in range(values)]
            live = [(row[1], row[0], row[0], row[3], None, 0, 0, 0, row[8], 0) for row in rows]
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(READING, rows)
            connection.executemany(LIVE, live)
            connection.execute("INSERT INTO outbox (at, payload) VALUES (?, ?)", (turn, bytes(4 * len(rows))))
            connection.execute("COMMIT")
            written += len(rows)
        connection.close()
    return written / elapsed
