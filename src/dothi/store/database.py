"""One tenant's database on one machine: SQLite with one writer, many readers, and one migration tree."""

import queue
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from dothi.model.problem import bad_request
from dothi.store.tables import METADATA

MIGRATIONS = Path(__file__).parent / "migrations"
READERS = 6
_WAIT = 30.0


class Database:
    """A tenant's database file and the connections to it. Thread-safe; ``close`` it when the city stops."""

    def __init__(self, folder: Path, readers: int = READERS) -> None:
        self.folder = folder
        self.path = folder / "city.db"
        self._pool: queue.LifoQueue[sqlite3.Connection | None] = queue.LifoQueue()
        for _ in range(readers):
            self._pool.put(None)  # opened when first asked for

    def connect_writer(self) -> sqlite3.Connection:
        """A connection that may write: WAL, fsync at every commit, transactions by hand (``isolation_level`` None).

        The caller owns and closes it, and may hand it to one other thread at a time.
        """
        connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, cached_statements=256)
        _prepare(connection)
        # 64 MB: enough that the live table and the ends of the other trees stay in memory under load.
        connection.execute("PRAGMA cache_size=-65536")
        return connection

    @contextmanager
    def reader(self) -> Iterator[sqlite3.Connection]:
        """A pooled read-only connection, seeing one moment: all statements in the block read the same commit.

        Raises TimeoutError if every reader is busy for half a minute.
        """
        try:
            pooled = self._pool.get(timeout=_WAIT)
        except queue.Empty:
            raise TimeoutError("every database reader is busy") from None
        connection = None
        try:
            connection = pooled or self._connect_reader()
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                connection.rollback()
        finally:
            self._pool.put(connection)

    @cached_property
    def engine(self) -> sa.Engine:
        """SQLAlchemy engine for Core statements that are not hot. Its transactions begin where SQLAlchemy says so."""
        engine = sa.create_engine(f"sqlite:///{self.path}", connect_args={"check_same_thread": False})

        @sa.event.listens_for(engine, "connect")
        def on_connect(connection: sqlite3.Connection, _record: object) -> None:
            connection.isolation_level = None
            _prepare(connection)

        @sa.event.listens_for(engine, "begin")
        def on_begin(connection: sa.Connection) -> None:
            connection.exec_driver_sql("BEGIN")

        return engine

    def close(self) -> None:
        """Close the pooled readers and the engine; a reader in use is closed by nobody, so stop the readers first."""
        while True:
            try:
                connection = self._pool.get_nowait()
            except queue.Empty:
                break
            if connection is not None:
                connection.close()
        if "engine" in self.__dict__:
            self.engine.dispose()

    def _connect_reader(self) -> sqlite3.Connection:
        uri = f"{self.path.absolute().as_uri()}?mode=ro"
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False, cached_statements=256)
        connection.execute("PRAGMA busy_timeout=10000")
        connection.execute("PRAGMA query_only=ON")
        # 8 MB each; more was not faster. Memory mapping was, by a fifth, but counts as resident memory of each reader.
        connection.execute("PRAGMA cache_size=-8192")
        return connection


def _prepare(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA busy_timeout=10000")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute("PRAGMA temp_store=MEMORY")
    # Overwrite what is deleted only where that costs no further write.
    connection.execute("PRAGMA secure_delete=FAST")
    # Checkpoints every 64 MB of log: fewer, and each page copied once however often it changed.
    connection.execute("PRAGMA wal_autocheckpoint=16384")


def tenant_folder(home: Path, tenant: str) -> Path:
    """Where everything of one tenant lies. Raises Problem 400 for a name that is not ``[a-z0-9-]{1,63}``."""
    if not (0 < len(tenant) < 64 and tenant.isascii() and tenant.replace("-", "").isalnum() and tenant == tenant.lower()):
        raise bad_request(f"{tenant!r} cannot name a tenant.", "Use up to 63 small letters, digits and hyphens.")
    return home / "tenants" / tenant


def open_database(home: Path, tenant: str) -> Database:
    """The database of ``tenant`` under ``home``, its folders made where missing. Call ``migrate`` before using it."""
    folder = tenant_folder(home, tenant)
    for part in ("lake", "files", "journal", "backups"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    return Database(folder)


def migrate(database: Database) -> Path | None:
    """Bring the tables to the newest revision; an older database is copied first, and the copy's path returned.

    The copy lies in ``backups/`` and opens as it is. Raises Problem 400 for a database newer than this program.
    """
    config = _config()
    head = ScriptDirectory.from_config(config).get_current_head()
    with database.engine.connect() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
    if current == head:
        return None
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if current is not None and current not in known:
        raise bad_request(
            f"The database is at revision {current}, which this version does not know.",
            "Run the newer version of dothi that wrote it, or restore an older backup.",
        )
    saved = None
    if current is not None:
        saved = copy_database(database, _unused(database.folder / "backups" / f"city-before-{head}-from-{current}.db"))
    with database.engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return saved


def copy_database(database: Database, target: Path) -> Path:
    """A consistent copy of the database while it is in use, by SQLite's online backup. Overwrites ``target``."""
    target.unlink(missing_ok=True)
    source = sqlite3.connect(database.path)
    copy = sqlite3.connect(target)
    try:
        source.backup(copy)
        # A copy is one file: no log beside it that could be forgotten.
        copy.execute("PRAGMA journal_mode=DELETE")
    finally:
        copy.close()
        source.close()
    return target


def revision(database: Database) -> str | None:
    """The revision the database is at; None before the first migration."""
    with database.engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def differences(database: Database) -> list[object]:
    """What a migrated database and ``tables.METADATA`` disagree about; empty when the migrations are complete."""
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"include_name": _is_ours, "compare_type": True})
        return list(compare_metadata(context, METADATA))


def _is_ours(name: str | None, kind: str, _parents: object) -> bool:
    # The R*Tree keeps its nodes in tables of its own.
    return not (kind == "table" and name is not None and (name == "place" or name.startswith("place_")))


def _unused(path: Path) -> Path:
    # A second try after a failed upgrade must not overwrite the first copy.
    count = 2
    while path.exists():
        path, count = path.with_stem(f"{path.stem.split('~')[0]}~{count}"), count + 1
    return path


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config
