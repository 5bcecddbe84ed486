"""A city from one home to the other: every table, counted and summed on both sides, or nothing at all."""

import sqlite3
import tempfile
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
import sqlalchemy as sa

from dothi.model.problem import Problem
from dothi.store.connection import Database
from dothi.store.database import revision, upgrade
from dothi.store.sqlite import SqliteDatabase
from dothi.store.tables import METADATA

if TYPE_CHECKING:
    import psycopg

_CHUNK = 5_000
_NUL = "\N{SYMBOL FOR NULL}"
_PLACE = "INSERT INTO place SELECT num, {box} FROM entity WHERE west IS NOT NULL AND deleted_at IS NULL"

Row = tuple[Any, ...]


class Moved(msgspec.Struct, frozen=True):
    """One table that both homes hold alike. ``checksum`` (32 hex digits) does not depend on the order of its rows."""

    table: str
    rows: int
    checksum: str


class _Side(Protocol):
    """A connection to one home in one transaction."""

    def select(self, query: str) -> Generator[Row, None, None]: ...

    def insert(self, table: sa.Table, rows: Iterable[Row]) -> None: ...

    def numbers(self) -> dict[str, int]: ...

    def count_on(self, table: str, number: int) -> None: ...

    def place(self) -> None: ...


def move(source: Database, target: Database) -> list[Moved]:
    """Copy a city that is at rest into the other home, table by table. Raises as ``fill``, and Problem 409 if it runs."""
    with source.alone(), target.alone():
        if not isinstance(target, SqliteDatabase):
            return fill(source, target)
        if target.exists():
            raise _occupied(target)
        return write_file(source, target.path)


def fill(source: Database, target: Database, *, replace: bool = False) -> list[Moved]:
    """Copy every table of ``source`` into the empty ``target`` in one transaction; nothing is changed in ``source``.

    Raises Problem 409 if there is a city in ``target`` and it is not to ``replace``, 404 if there is none in ``source``, 500
    if what arrived is not what was sent; the target is as it was then. No city may write to it.
    """
    at = revision(source)
    if at is None:
        raise Problem(404, "no-city", "There is no city to copy.", "Start one with: dothi run")
    there = target.exists()
    if there and (not replace or isinstance(target, SqliteDatabase)):  # a file is replaced as a whole
        raise _occupied(target)
    target.make()
    moved = []
    with source.translated(), target.translated(), _reading(source) as old, target.engine.begin() as connection:
        new = _side(connection.connection.driver_connection)
        if there and isinstance(new, _Postgres):
            new.clear()
        upgrade(connection, at)
        # The tables are those of the source's revision, which may be older than this program.
        tables = sa.MetaData()
        tables.reflect(connection, only=lambda name, _: name != "alembic_version" and not name.startswith("place"))
        for table in sorted(tables.tables.values(), key=lambda one: one.name):
            sent = _Sum(table)
            with closing(old.select(_query(table))) as rows:
                new.insert(table, sent.passing(rows))
            arrived = _Sum(table)
            for _ in arrived.passing(new.select(_query(table))):
                pass
            if (sent.rows, sent.checksum) != (arrived.rows, arrived.checksum):
                raise Problem(
                    500,
                    "copy-differs",
                    f"{table.name}: {sent.rows} rows ({sent.checksum}) sent, {arrived.rows} ({arrived.checksum}) arrived.",
                    "Nothing was changed. Try again; if it stays, report it.",
                )
            moved.append(Moved(table.name, sent.rows, sent.checksum))
        for name, number in old.numbers().items():
            new.count_on(name, number)
        new.place()
    return moved


def write_file(source: Database, target: Path) -> list[Moved]:
    """Copy every table of ``source`` into a new file of SQLite; it appears under its name only when it is complete."""
    with tempfile.TemporaryDirectory(prefix=".dothi-move-", dir=target.parent) as temporary:
        database = SqliteDatabase(Path(temporary))
        try:
            moved = fill(source, database)
        finally:
            database.close()
        with sqlite3.connect(database.path) as single:
            # A copy is one file: no log beside it that could be forgotten.
            single.execute("PRAGMA journal_mode=DELETE")
        single.close()
        database.path.rename(target)
    return moved


def _occupied(target: Database) -> Problem:
    where = f"{target.kind}, {target.folder.name}"
    return Problem(
        409, "already-exists", f"There is a city already ({where}).", "Choose an empty place; nothing was changed."
    )


class _Sum:
    """Rows counted and summed while they pass. Values that a home cannot hold become those it holds in their place."""

    def __init__(self, table: sa.Table) -> None:
        self.rows, self._sum = 0, 0
        self._texts = [place for place, one in enumerate(table.columns) if isinstance(one.type, sa.Text)]
        self._floats = [place for place, one in enumerate(table.columns) if isinstance(one.type, sa.Float)]

    @property
    def checksum(self) -> str:
        return f"{self._sum:032x}"

    def passing(self, rows: Iterable[Row]) -> Iterator[Row]:
        encode, texts, floats = msgspec.msgpack.Encoder().encode, self._texts, self._floats
        for row in rows:
            plain = list(row)
            for place in texts:
                if plain[place] is not None and "\0" in plain[place]:
                    plain[place] = plain[place].replace("\0", _NUL)
            for place in floats:
                if plain[place] is not None:
                    plain[place] += 0.0  # SQLite has no −0.0
            digest = blake2b(encode(plain), digest_size=16).digest()
            self._sum = (self._sum + int.from_bytes(digest)) % (1 << 128)
            self.rows += 1
            yield tuple(plain)


class _Sqlite:
    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def select(self, query: str) -> Generator[Row, None, None]:
        yield from self._db.execute(query)

    def insert(self, table: sa.Table, rows: Iterable[Row]) -> None:
        marks = ",".join("?" * len(table.columns))
        self._db.executemany(f"INSERT INTO {table.name} VALUES ({marks})", rows)  # noqa: S608 - names of our own

    def numbers(self) -> dict[str, int]:
        return dict(self._db.execute("SELECT name, seq FROM sqlite_sequence"))

    def count_on(self, table: str, number: int) -> None:
        self._db.execute("DELETE FROM sqlite_sequence WHERE name = ?", (table,))
        self._db.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (table, number))

    def place(self) -> None:
        self._db.execute(_PLACE.format(box="west, east, south, north"))


class _Postgres:
    def __init__(self, db: "psycopg.Connection[Any]") -> None:
        self._db: Any = db  # its statements are typed as literals; ours are put together from names of our own

    def select(self, query: str) -> Generator[Row, None, None]:
        with self._db.cursor("moving") as cursor:  # on the server: the table may be larger than our memory
            cursor.itersize = _CHUNK
            yield from cursor.execute(query, binary=True)

    def insert(self, table: sa.Table, rows: Iterable[Row]) -> None:
        names = ", ".join(f'"{column.name}"' for column in table.columns)
        with self._db.cursor().copy(f'COPY "{table.name}" ({names}) FROM STDIN (FORMAT BINARY)') as copy:
            copy.set_types([_type(column) for column in table.columns])
            for row in rows:
                copy.write_row(row)

    def numbers(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for table, column in _COUNTING.items():
            counter = f"{table}_{column}_seq"
            if self._db.execute(f"SELECT to_regclass('{counter}')").fetchone()[0] is not None:
                row = self._db.execute(f"SELECT last_value FROM {counter} WHERE is_called").fetchone()  # noqa: S608 - ours
                found |= {} if row is None else {table: row[0]}
        return found

    def count_on(self, table: str, number: int) -> None:
        self._db.execute("SELECT setval(%s::regclass, %s)", (f"{table}_{_COUNTING[table]}_seq", number))

    def place(self) -> None:
        self._db.execute(_PLACE.format(box="public.ST_MakeEnvelope(west, south, east, north, 4326)"))

    def clear(self) -> None:
        for kind, names in (
            ("TABLE", "SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = current_schema()"),
            ("FUNCTION", "SELECT oid::regprocedure::text FROM pg_proc WHERE pronamespace = current_schema()::regnamespace"),
        ):
            for (name,) in self._db.execute(names).fetchall():
                self._db.execute(f"DROP {kind} {name} CASCADE")


# Tables that count their rows, with the column that holds the number: one given out before is never given out again.
_COUNTING = {
    table.name: next(iter(table.primary_key)).name
    for table in METADATA.tables.values()
    if table.dialect_options["sqlite"]["autoincrement"]
}


@contextmanager
def _reading(database: Database) -> Iterator[_Side]:
    """One moment of ``database``, row by row."""
    if isinstance(database, SqliteDatabase):
        with closing(
            sqlite3.connect(f"{database.path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
        ) as file:
            file.execute("BEGIN")
            yield _Sqlite(file)
        return
    from dothi.store.postgres import PostgresDatabase  # a driver that most cities never need

    assert isinstance(database, PostgresDatabase)  # noqa: S101 - there are two homes
    with database.plain() as db:
        db.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield _Postgres(db)


def _side(connection: Any) -> _Side:
    return _Sqlite(connection) if isinstance(connection, sqlite3.Connection) else _Postgres(connection)


def _query(table: sa.Table) -> str:
    names = ", ".join(f'"{column.name}"' for column in table.columns)
    return f'SELECT {names} FROM "{table.name}"'  # noqa: S608 - names of our own


def _type(column: "sa.Column[Any]") -> str:
    """PostgreSQL's name of a column's type."""
    types = (
        (sa.SmallInteger, "int2"),
        (sa.BigInteger, "int8"),
        (sa.Integer, "int4"),
        (sa.Float, "float8"),
        (sa.Text, "text"),
    )
    return next((name for kind, name in types if isinstance(column.type, kind)), "bytea")
