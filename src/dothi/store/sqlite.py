"""The home on one machine: SQLite with one writer and many readers, a file in the tenant's folder."""

import re
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from functools import cached_property, lru_cache
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa

from dothi.model.ground import metres
from dothi.store.connection import NOTHING, Column, Conflict, Connection, Database, DatabaseError, Unavailable
from dothi.store.dialect import SQLITE, Dialect

READERS = 6
# Rows of one INSERT. SQLite works without Python's lock, and takes it back after each statement: row by row another thread
# that computes is waited for a thousand times in a batch, up to 5 ms each.
_TOGETHER = 50
_ROW = re.compile(r"VALUES (\((?:\?|CAST\(\? AS \w+\))(?:, ?(?:\?|CAST\(\? AS \w+\)))*\))")


class _Counting(sqlite3.Cursor):
    """What several statements changed; sqlite3's own count cannot be set."""

    rowcount = 0


class SqliteConnection(sqlite3.Connection):
    """sqlite3's own connection with what ``Connection`` wants beside it; nothing stands between a statement and SQLite."""

    dialect: Dialect = SQLITE

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """See ``Connection.transaction``."""
        with translated():
            self.execute("BEGIN IMMEDIATE")
            try:
                yield
                self.execute("COMMIT")
            except BaseException:
                if self.in_transaction:
                    self.execute("ROLLBACK")
                raise

    def executemany(self, sql: str, rows: Iterable[Any], /) -> sqlite3.Cursor:
        """See ``Connection.executemany``; rows of VALUES go ``_TOGETHER`` into one statement."""
        many = _many(sql)
        if not many:
            return super().executemany(sql, rows)
        cursor, told = self.cursor(_Counting), iter(rows)
        while len(some := list(islice(told, _TOGETHER))) == _TOGETHER:
            cursor.rowcount += self.execute(many, list(chain.from_iterable(some))).rowcount
        if some:
            cursor.rowcount += super().executemany(sql, some).rowcount
        return cursor

    def append(self, table: str, columns: Sequence[Column]) -> None:
        """See ``Connection.append``."""
        self._insert("INSERT", table, columns)

    def put(self, table: str, columns: Sequence[Column]) -> None:
        """See ``Connection.put``. Measured: a twentieth faster than ON CONFLICT DO UPDATE."""
        self._insert("INSERT OR REPLACE", table, columns)

    def _insert(self, verb: str, table: str, columns: Sequence[Column]) -> None:
        marks = ",".join("?" * len(columns))
        self.executemany(f"{verb} INTO {table} VALUES ({marks})", zip(*map(_cells, columns), strict=True))

    def held(self, mark: str) -> bool:
        """See ``Connection.held``. Raises ValueError: SQLite says itself whether a commit held, so it gives no marks."""
        raise ValueError(f"{mark!r} is no mark of SQLite's: its commits are never in doubt")


class SqliteDatabase(Database):
    """A tenant's database file ``path`` and the connections to it."""

    dialect = SQLITE
    near = True

    def __init__(self, folder: Path, readers: int = READERS) -> None:
        super().__init__(folder, readers)
        self.path = folder / "city.db"

    @property
    def kind(self) -> str:
        """See ``Database.kind``."""
        return f"SQLite {sqlite3.sqlite_version}"

    def connect_writer(self) -> SqliteConnection:
        """WAL, fsync at every commit; see ``Database.connect_writer``."""
        with translated():
            connection = sqlite3.connect(
                self.path, isolation_level=None, check_same_thread=False, cached_statements=256, factory=SqliteConnection
            )
            _prepare(connection)
            # 64 MB: enough that the live table and the ends of the other trees stay in memory under load.
            connection.execute("PRAGMA cache_size=-65536")
        return connection

    @cached_property
    def engine(self) -> sa.Engine:
        """See ``Database.engine``."""
        engine = sa.create_engine(f"sqlite:///{self.path}", connect_args={"check_same_thread": False})

        @sa.event.listens_for(engine, "connect")
        def on_connect(connection: sqlite3.Connection, _record: object) -> None:
            connection.isolation_level = None
            _prepare(connection)

        @sa.event.listens_for(engine, "begin")
        def on_begin(connection: sa.Connection) -> None:
            connection.exec_driver_sql("BEGIN")

        return engine

    def exists(self) -> bool:
        """See ``Database.exists``."""
        return self.path.is_file()

    def make(self, *, trial: bool = False) -> None:
        """SQLite makes its file when it is opened."""

    def alone(self) -> AbstractContextManager[None]:
        """Whoever runs a city holds its home folder (``platform.home.locked``), and the file lies in it."""
        return nullcontext()

    def copy(self, target: Path) -> Path:
        """By SQLite's online backup; see ``Database.copy``."""
        target.unlink(missing_ok=True)
        with translated(), closing(sqlite3.connect(self.path)) as source, closing(sqlite3.connect(target)) as copy:
            source.backup(copy)
            # A copy is one file: no log beside it that could be forgotten.
            copy.execute("PRAGMA journal_mode=DELETE")
        return target

    def forget(self) -> None:
        """See ``Database.forget``."""
        for path in self.path.parent.glob(f"{self.path.name}*"):
            path.unlink()

    def size(self) -> int:
        """See ``Database.size``."""
        return sum(path.stat().st_size for path in self.path.parent.glob(f"{self.path.name}*"))

    @contextmanager
    def translated(self) -> Iterator[None]:
        """See ``Database.translated``."""
        with translated():
            yield

    def _snapshot(self, connection: Connection | None) -> Connection:
        ready = connection or self._connect_reader()
        ready.execute("BEGIN")
        return ready

    def _connect_reader(self) -> SqliteConnection:
        uri = f"{self.path.absolute().as_uri()}?mode=ro"
        connection = sqlite3.connect(
            uri, uri=True, isolation_level=None, check_same_thread=False, cached_statements=256, factory=SqliteConnection
        )
        connection.execute("PRAGMA busy_timeout=10000")
        connection.execute("PRAGMA query_only=ON")
        # 8 MB each; more was not faster. Memory mapping was, by a fifth, but counts as resident memory of each reader.
        connection.execute("PRAGMA cache_size=-8192")
        connection.create_function("metres", 6, _metres, deterministic=True)
        return connection


@contextmanager
def translated() -> Iterator[None]:
    """What sqlite3 raises in the block comes out as DatabaseError and its kinds."""
    try:
        yield
    except sqlite3.IntegrityError as error:
        raise Conflict(str(error)) from error
    except sqlite3.OperationalError as error:
        raise Unavailable(str(error)) from error
    except sqlite3.Error as error:
        raise DatabaseError(str(error)) from error


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


@lru_cache(maxsize=256)
def _many(sql: str) -> str:
    """``sql`` with ``_TOGETHER`` rows in place of its one of VALUES; empty if it has none."""
    row = _ROW.search(sql)
    return "" if row is None else sql[: row.end()] + ("," + row[1]) * (_TOGETHER - 1) + sql[row.end() :]


def _cells(column: Column) -> Sequence[Any]:
    """Python values of a column; NaN becomes NULL in SQLite by itself."""
    if not isinstance(column, np.ndarray):
        return column
    cells: list[Any] = column.tolist()
    if column.dtype == np.int64 and (column == NOTHING).any():
        return [None if cell == NOTHING else cell for cell in cells]
    return cells


def _metres(longitude: float, latitude: float, *box: float | None) -> float | None:
    """``metres`` for SQL, where a thing without a place is at no distance."""
    west, south, east, north = box
    if west is None or south is None or east is None or north is None:
        return None
    return metres(longitude, latitude, west, south, east, north)
