"""The audit log of a full day, a million rows with their checkpoints: made, verified in each home, and as a file."""

import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from bench.harness import report
from dothi.store.audit import GENESIS, Act, record, verify
from dothi.store.audit_copy import verify_copy, write_copy
from dothi.store.checkpoints import AuditKey, keep
from dothi.store.database import Database, migrate, open_database
from dothi.testing.postgres import MISSING, binaries, cluster

ROWS, STEP = 1_000_000, 1_000
DAY = 86_400_000_000  # µs
BEGAN = 1_795_000_000_000_000


def main() -> None:
    """SQLite, the file to hand over, and PostgreSQL where it is installed."""
    with tempfile.TemporaryDirectory(prefix="dothi-bench-") as folder:
        _home("sqlite", Path(folder), open_database(Path(folder), "hanoi"), file=True)
    if binaries() is None:
        print(f"SKIPPED: {MISSING}", file=sys.stderr)
        return
    with tempfile.TemporaryDirectory(prefix="dothi-bench-") as folder, cluster(durable=True) as server:
        _home("postgresql", Path(folder), open_database(Path(folder), "hanoi", server.empty()), file=False)


def _home(name: str, folder: Path, database: Database, *, file: bool) -> None:
    migrate(database)
    report(
        f"audit, a million rows written, {name}",
        _took(lambda: _fill(database, folder)),
        "s",
        target=600,
        lower_is_better=True,
    )

    def walk() -> None:
        with database.reader() as db:
            verdict = verify(db)
        assert verdict.intact and (verdict.rows, verdict.proven) == (ROWS, ROWS)

    report(f"audit, a million rows verified, {name}", _took(walk), "s", target=60, lower_is_better=True)
    if file:
        copy = folder / "audit.zip"
        report(
            "audit, a million rows to a file",
            _took(lambda: write_copy(database, copy)),
            "s",
            target=60,
            lower_is_better=True,
        )
        report("audit, that file", copy.stat().st_size / 1e6, "MB", target=500, lower_is_better=True)
        report("audit, that file verified", _took(lambda: verify_copy(copy)), "s", target=60, lower_is_better=True)
    database.close()


def _fill(database: Database, folder: Path) -> None:
    key, last = AuditKey.of(folder), (0, GENESIS)
    with closing(database.connect_writer()) as db:
        for first in range(0, ROWS, STEP):
            at = BEGAN + first * (DAY // ROWS)
            acts = [
                Act(
                    "system",
                    "reading.write",
                    "mqtt",
                    "done",
                    f"batch-{number}",
                    "stored 4812, revisions 3, quarantined 0",
                    "mqtt",
                )
                for number in range(first, first + STEP)
            ]
            with db.transaction():
                last = record(db, acts, at, last)
                keep(db, [key.sign("hanoi", last[0], at, last[1])])


def _took(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
