"""Which home the databases of a test have: one test, run once for each."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from pydantic import SecretStr

from dothi.store.database import Database, migrate, open_database
from dothi.store.tables import METADATA

_END_OTHERS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
)
_OTHER_SCHEMAS = (
    "SELECT quote_ident(nspname) FROM pg_namespace "
    "WHERE nspname NOT IN (current_schema(), 'public', 'information_schema') AND nspname NOT LIKE 'pg\\_%'"
)
_COUNT_ANEW = (
    "SELECT setval(oid::regclass, 1, false) FROM pg_class "
    "WHERE relkind = 'S' AND relnamespace = current_schema()::regnamespace"
)
_chosen: list[SecretStr | None] = [None]


@contextmanager
def at(url: SecretStr | None) -> Iterator[None]:
    """Let ``open_city`` lead to the PostgreSQL database at ``url``, or to SQLite, while the block runs."""
    _chosen.append(url)
    try:
        yield
    finally:
        _chosen.pop()


def chosen() -> SecretStr | None:
    """The URL of the home of this test; None for SQLite."""
    return _chosen[-1]


def clear_city() -> None:
    """Empty the tables of a home that outlives a test's examples; each folder has a database of SQLite of its own."""
    url = chosen()
    if url is not None:
        empty_tables(url)


def empty_tables(url: SecretStr, tenant: str = "hanoi") -> None:
    """Make the PostgreSQL database at ``url`` as it was after the migrations of ``tenant``, whoever is still connected."""
    import psycopg  # a run on SQLite need not load it

    # Without triggers, and row by row: of a few rows that is a tenth of what new files for every table would cost.
    options = f"-c search_path={tenant},public -c session_replication_role=replica"
    with psycopg.connect(url.get_secret_value(), options=options, autocommit=True) as db:
        while db.execute(_END_OTHERS).fetchall():
            time.sleep(0.002)  # one that is still on its way out holds its locks, and may commit behind us
        for (schema,) in db.execute(_OTHER_SCHEMAS).fetchall():
            db.execute(f"DROP SCHEMA {schema} CASCADE")
        with db.transaction():
            for table in [*METADATA.tables, "place"]:
                db.execute(f"DELETE FROM {table}")  # noqa: S608 - names of our own
            db.execute(_COUNT_ANEW)


@cache
def empty_database() -> bytes:
    """A migrated SQLite file as bytes: migrating anew for every example would be most of the time."""
    with tempfile.TemporaryDirectory() as folder:
        database = open_database(Path(folder), "template")
        migrate(database)
        path = database.copy(Path(folder) / "copy.db")
        database.close()
        return path.read_bytes()


def open_city(folder: Path, tenant: str = "hanoi") -> Database:
    """The database of ``tenant`` with its folders under ``folder``, in the home of this test."""
    return open_database(folder, tenant, chosen())
