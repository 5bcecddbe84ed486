"""The home for many machines: PostgreSQL 15 with PostGIS, one schema per tenant."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import TransactionStatus

from dothi.model.problem import Problem, bad_request
from dothi.store.connection import (
    Column,
    Conflict,
    Connection,
    Database,
    DatabaseError,
    InDoubt,
    Parameters,
    Result,
    Unavailable,
)
from dothi.store.dialect import POSTGRES, Dialect
from dothi.store.postgres_values import adapt, pack, translate
from dothi.store.tables import METADATA

READERS = 6
OLDEST = 150_000  # PostgreSQL 15
READ_SECONDS = 30
_LOCK = 0x646F  # the class of advisory locks that keeps a second writer out
_PATIENCE = 5.0  # seconds in which the server may notice that the writer before us is gone
# A server that is cut off, not closed, is noticed within half a minute.
_NETWORK = {"connect_timeout": "5", "keepalives_idle": "10", "tcp_user_timeout": "20000", "application_name": "dothi"}


class PostgresConnection:
    """A psycopg connection that comes back by itself after the server was away: at the next transaction, never within one.

    ``connect`` makes a new one, ready to use.
    """

    dialect: Dialect = POSTGRES

    def __init__(self, connect: Callable[[], "psycopg.Connection[Any]"]) -> None:
        self._connect = connect
        self._db = connect()
        self._staged: set[str] = set()

    @property
    def in_transaction(self) -> bool:
        """See ``Connection.in_transaction``."""
        return self._db.info.transaction_status != TransactionStatus.IDLE and not self._db.closed

    def execute(self, sql: str, parameters: Parameters = (), /) -> Result:
        """See ``Connection.execute``."""
        text, names = translate(sql)
        return self._db.execute(text, _ordered(parameters, names), binary=True)

    def executemany(self, sql: str, rows: Iterable[Parameters], /) -> Result:
        """See ``Connection.executemany``; sent in one go, answered in one go."""
        text, names = translate(sql)
        cursor = self._db.cursor()
        cursor.executemany(text, (_ordered(row, names) for row in rows))
        return cursor

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """See ``Connection.transaction``."""
        with translated():
            self.begin("BEGIN")
            try:
                yield
                row = self._db.execute("SELECT pg_current_xact_id_if_assigned()::text").fetchone()
                self._commit(row[0] if row else None)
            except BaseException:
                self.rollback()
                raise

    def begin(self, statement: str) -> None:
        """Begin a transaction with ``statement``, on a new connection if the old one is gone."""
        if not self._db.closed:
            with suppress(psycopg.OperationalError):
                self._db.execute(statement)
                return
        self._staged.clear()
        self._db.close()
        try:
            self._db = self._connect()
        except Problem as problem:  # another city took this one's place meanwhile
            raise Unavailable(problem.title) from problem
        self._db.execute(statement)

    def _commit(self, mark: str | None) -> None:
        try:
            self._db.execute("COMMIT")
        except psycopg.OperationalError as error:
            if mark is not None and self._db.closed:
                raise InDoubt(_words(error), mark) from error
            raise

    def append(self, table: str, columns: Sequence[Column]) -> None:
        """See ``Connection.append``; by COPY."""
        self._copy(table, table, columns)

    def put(self, table: str, columns: Sequence[Column]) -> None:
        """See ``Connection.put``; by COPY into a table of this connection, and one INSERT from there."""
        staging = f"staged_{table}"
        if staging in self._staged:
            self._db.execute(f"TRUNCATE {staging}")
        else:
            self._db.execute(f"CREATE TEMP TABLE IF NOT EXISTS {staging} (LIKE {table}) ON COMMIT DELETE ROWS")
            self._staged.add(staging)
        self._copy(staging, table, columns)
        key = [column.name for column in METADATA.tables[table].primary_key]
        names = [column.name for column in METADATA.tables[table].columns]
        news = ", ".join(f"{name} = excluded.{name}" for name in names if name not in key)
        then = f"UPDATE SET {news}" if news else "NOTHING"
        self._db.execute(
            f"INSERT INTO {table} SELECT * FROM {staging} "  # noqa: S608 - names of our own
            f"ON CONFLICT ({', '.join(key)}) DO {then}"
        )

    def _copy(self, into: str, table: str, columns: Sequence[Column]) -> None:
        with self._db.cursor().copy(f"COPY {into} FROM STDIN (FORMAT BINARY)") as copy:
            for piece in pack(METADATA.tables[table], columns):
                copy.write(piece)

    def held(self, mark: str) -> bool:
        """See ``Connection.held``."""
        with translated():
            self.begin("BEGIN")
            row = self._db.execute("SELECT pg_xact_status($1::xid8)", (mark,)).fetchone()
            self.rollback()
        status = row[0] if row else None
        if status not in ("committed", "aborted"):
            raise Unavailable(f"the last commit is {status or 'unknown to this server'}")
        return bool(status == "committed")

    def rollback(self) -> None:
        """See ``Connection.rollback``."""
        self._staged.clear()
        if self.in_transaction:
            with suppress(psycopg.OperationalError):  # then the server has rolled back
                self._db.execute("ROLLBACK")

    def close(self) -> None:
        """See ``Connection.close``."""
        self._db.close()


class PostgresDatabase(Database):
    """The schema of one tenant. ``url`` is a libpq URI; what it leaves out, PGPASSWORD and the like may say."""

    dialect = POSTGRES

    def __init__(self, folder: Path, url: str, readers: int = READERS) -> None:
        super().__init__(folder, readers)
        self.schema = folder.name
        self._version = 0
        try:
            self._options = {**_NETWORK, **conninfo_to_dict(url)}
        except psycopg.ProgrammingError:
            # The driver's words would repeat the URL, and the password in it.
            raise bad_request(
                "DOTHI_DATABASE is not a URL that PostgreSQL understands.", "Write postgresql://user@host:5432/database."
            ) from None

    @property
    def kind(self) -> str:
        """See ``Database.kind``; the version once a connection was made."""
        return f"PostgreSQL {self._version // 10_000}.{self._version % 10_000}" if self._version else "PostgreSQL"

    def connect_writer(self) -> PostgresConnection:
        """Commits are on the server's disk when they are answered; see ``Database.connect_writer``."""
        with translated():
            return PostgresConnection(self._connect_writer)

    @cached_property
    def engine(self) -> sa.Engine:
        """See ``Database.engine``."""
        return sa.create_engine("postgresql+psycopg://", creator=self._narrow, poolclass=sa.NullPool)

    def exists(self) -> bool:
        """See ``Database.exists``."""
        return self._has("SELECT 1 FROM pg_tables WHERE schemaname = %s AND tablename = 'alembic_version'")

    def make(self, *, trial: bool = False) -> None:
        """See ``Database.make``: schema and PostGIS. Problem if the server is too old or does not permit it."""
        with self.plain() as db:
            if db.info.server_version < OLDEST:
                found = db.info.server_version // 10_000
                raise Problem(400, "old-database", f"This is PostgreSQL {found}.", "The city needs PostgreSQL 15 or later.")
            try:
                if db.execute("SELECT 1 FROM pg_extension WHERE extname = 'postgis'").fetchone() is None:
                    db.execute("CREATE EXTENSION postgis SCHEMA public")
                if db.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", (self.schema,)).fetchone() is None:
                    db.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(self.schema)))
            except psycopg.errors.InsufficientPrivilege as error:
                mend = f'CREATE EXTENSION postgis; CREATE SCHEMA "{self.schema}" AUTHORIZATION "{db.info.user}";'
                raise Problem(
                    400,
                    "database-not-prepared",
                    f"This database is not prepared for the city ({_words(error)}).",
                    f"As its administrator: {mend}",
                ) from error
            except psycopg.errors.FeatureNotSupported as error:
                raise Problem(
                    400,
                    "no-postgis",
                    "This PostgreSQL server has no PostGIS.",
                    "Install it on the server (Debian: postgresql-15-postgis-3).",
                ) from error
            if trial:
                db.rollback()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """See ``Database.alone``."""
        with translated():
            db = self._connect_writer()
        try:
            yield
        finally:
            db.close()

    def copy(self, target: Path) -> Path:
        """See ``Database.copy``."""
        from dothi.store.moving import write_file

        target.unlink(missing_ok=True)
        write_file(self, target)
        return target

    def forget(self) -> None:
        """See ``Database.forget``: the schema and everything in it."""
        with self.plain() as db:
            db.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(self.schema)))

    def size(self) -> int:
        """See ``Database.size``."""
        query = (
            "SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0) FROM pg_class c "
            "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = current_schema() AND c.relkind = 'r'"
        )
        with self.reader() as db:
            return int(db.execute(query).fetchone()[0])

    @contextmanager
    def translated(self) -> Iterator[None]:
        """See ``Database.translated``."""
        with translated():
            yield

    @contextmanager
    def plain(self) -> Iterator["psycopg.Connection[Any]"]:
        """psycopg's own connection with the tenant's schema in front, in a transaction, for work on whole tables."""
        with translated(), self._open() as db:
            yield db

    def _has(self, query: str) -> bool:
        with self.plain() as db:
            return db.execute(query, (self.schema,)).fetchone() is not None

    def _narrow(self) -> "psycopg.Connection[Any]":
        return self._open("{}")  # what lies in other schemas is not the city's: Alembic must not see it

    def _open(self, path: str = "{}, public", *, autocommit: bool = False) -> "psycopg.Connection[Any]":
        db = psycopg.connect(**self._options, autocommit=autocommit)  # type: ignore[arg-type]  # options are all texts
        self._version = db.info.server_version
        db.execute(sql.SQL("SET search_path = " + path).format(sql.Identifier(self.schema)))
        if not autocommit:
            db.commit()
        return db

    def _connect(self) -> "psycopg.Connection[Any]":
        db = self._open(autocommit=True)
        db.cursor_factory = psycopg.RawCursor
        db.prepare_threshold = 2
        db.prepared_max = 500
        adapt(db)
        return db

    def _connect_reader(self) -> "psycopg.Connection[Any]":
        db = self._connect()
        db.execute(f"SET statement_timeout = '{READ_SECONDS}s'")
        db.execute("SET jit = off")  # a question of many conditions took half a minute to compile, and milliseconds to run
        return db

    def _connect_writer(self) -> "psycopg.Connection[Any]":
        db = self._connect()
        db.execute("SET synchronous_commit = on")
        until = time.monotonic() + _PATIENCE
        while True:
            row = db.execute("SELECT pg_try_advisory_lock($1::int, hashtext($2))", (_LOCK, self.schema)).fetchone()
            if row and row[0]:
                return db
            if time.monotonic() > until:
                break
            time.sleep(0.1)
        db.close()
        raise Problem(
            409,
            "home-in-use",
            f"Another city already writes to the schema {self.schema!r} of this database.",
            "Stop it first, or set DOTHI_DATABASE to another database.",
        )

    def _snapshot(self, connection: Connection | None) -> Connection:
        ready = connection if isinstance(connection, PostgresConnection) else PostgresConnection(self._connect_reader)
        ready.begin("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        return ready


@contextmanager
def translated() -> Iterator[None]:
    """What psycopg raises in the block comes out as DatabaseError and its kinds."""
    try:
        yield
    except psycopg.IntegrityError as error:
        raise Conflict(_words(error)) from error
    except (psycopg.OperationalError, psycopg.errors.ReadOnlySqlTransaction) as error:
        raise Unavailable(_words(error)) from error
    except psycopg.Error as error:
        raise DatabaseError(_words(error)) from error


def _words(error: psycopg.Error) -> str:
    return error.diag.message_primary or str(error).splitlines()[0]


def _ordered(parameters: Parameters, names: Sequence[str]) -> Sequence[Any]:
    return [parameters[name] for name in names] if isinstance(parameters, Mapping) else tuple(parameters)
