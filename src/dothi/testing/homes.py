"""Which home the databases of a test have: one test, run once for each."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import SecretStr

from dothi.store.database import Database, open_database
from dothi.store.tables import METADATA

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


def clear_city(tenant: str = "hanoi") -> None:
    """Empty the tables of a home that outlives a test's examples; each folder has a database of SQLite of its own."""
    url = chosen()
    if url is None:
        return
    import psycopg  # a run on SQLite need not load it

    with psycopg.connect(
        url.get_secret_value(), options=f"-c search_path={tenant} -c session_replication_role=replica"
    ) as db:
        db.execute(f"TRUNCATE {', '.join([*METADATA.tables, 'place'])} RESTART IDENTITY")


def open_city(folder: Path, tenant: str = "hanoi") -> Database:
    """The database of ``tenant`` with its folders under ``folder``, in the home of this test."""
    return open_database(folder, tenant, chosen())
