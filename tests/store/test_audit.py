"""The audit log: append-only, and any tampering shows."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from dothi.store.audit import GENESIS, Act, last_seal, record, verify
from dothi.store.connection import Conflict, Connection
from dothi.store.database import migrate
from dothi.testing.homes import open_city

ACTS = [Act(f"person-{n}", "device.write", f"d-{n}", "done", "c-1", "duyệt") for n in range(5)]


@pytest.fixture
def log(tmp_path: Path, homes: object) -> Iterator[Connection]:
    database = open_city(tmp_path)
    migrate(database)
    with closing(database.connect_writer()) as connection:
        last = record(connection, ACTS[:2], 1_000, (0, GENESIS))
        assert record(connection, ACTS[2:], 2_000, last) == last_seal(connection)
        yield connection
    database.close()


def unlock(log: Connection) -> None:
    """What only somebody with the keys of the database can do."""
    drops = ("DROP TRIGGER audit_no_update", "DROP TRIGGER audit_no_delete")
    for statement in drops if log.dialect.name == "sqlite" else ("SET session_replication_role = replica",):
        log.execute(statement)


def test_a_whole_log_verifies(log: Connection) -> None:
    verdict = verify(log)
    assert (verdict.rows, verdict.intact, verdict.head) == (5, True, last_seal(log)[1])


def test_rows_cannot_be_changed_or_removed(log: Connection) -> None:
    for statement in ("UPDATE audit SET person_id = 'x' WHERE seq = 3", "DELETE FROM audit WHERE seq = 3"):
        with pytest.raises(Conflict, match="append-only"), log.transaction():
            log.execute(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET person_id = 'x' WHERE seq = 3",
        "UPDATE audit SET detail = '' WHERE seq = 3",
        "UPDATE audit SET at = 1 WHERE seq = 3",
        "UPDATE audit SET hash = CAST('' AS blob) WHERE seq = 3",
        "DELETE FROM audit WHERE seq = 3",
    ],
)
def test_who_gets_past_the_locks_is_seen(log: Connection, statement: str) -> None:
    unlock(log)
    log.execute(statement if log.dialect.name == "sqlite" else statement.replace("blob", "bytea"))
    assert verify(log).broken_at in (3, 4)


def test_a_log_cut_short_differs_from_the_head_that_was_noted(log: Connection) -> None:
    noted = verify(log).head
    unlock(log)
    log.execute("DELETE FROM audit WHERE seq = 5")
    assert verify(log).intact
    assert verify(log).head != noted
