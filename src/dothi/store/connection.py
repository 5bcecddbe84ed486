"""What a city's database is to those who use it, whichever home it has: connections, snapshots, and what they raise."""

import queue
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from dothi.model.problem import Problem
from dothi.store.dialect import Dialect
from dothi.store.lake import Lake

NOTHING = int(np.iinfo(np.int64).min)
"""Stands for NULL in the integer columns of ``append`` and ``put``; NaN does in columns of floats."""

Parameters = Sequence[Any] | Mapping[str, Any]
Column = NDArray[Any] | Sequence[Any]
HAS_SEALED = "has_sealed"
"""The key in ``meta`` that is there once something was put into the lake."""
_WAIT = 30.0


class DatabaseError(Exception):
    """The database refused a statement, or is damaged. The transaction it happened in is rolled back."""


class Conflict(DatabaseError):  # noqa: N818 - what it is, not what it is called in SQL
    """A key is there already, a value is missing or a row may not be changed."""


class Unavailable(DatabaseError, Problem):  # noqa: N818 - as above
    """The database cannot work now: locked, its disk full, its server gone. Trying again may help; doors answer 503."""

    def __init__(self, why: str) -> None:
        Problem.__init__(
            self,
            503,
            "database-unavailable",
            f"The database does not work at present ({why}).",
            "Try again in a moment; if it stays, look at the database's disk and server.",
            retry_after=5,
        )


class InDoubt(Unavailable):
    """The server went away while it was told to commit: ``mark`` asks ``Connection.held`` later whether it did."""

    def __init__(self, why: str, mark: str) -> None:
        super().__init__(why)
        self.mark = mark


class Result(Protocol):
    """The rows a statement gave, as tuples, and how many it touched."""

    @property
    def rowcount(self) -> int:
        """Rows changed; of ``executemany`` those of all its statements."""
        ...

    def fetchone(self) -> Any:
        """The next row, or None."""
        ...

    def fetchall(self) -> list[Any]:
        """The rows that are left."""
        ...

    def __iter__(self) -> Iterator[Any]:
        """The rows that are left, one by one."""
        ...


class Connection(Protocol):
    """A connection to a city's database, used by one thread at a time.

    SQL is written once for every home: ``?``, ``?1`` or ``:name`` for parameters, and what the homes say differently comes
    from ``dialect``. A parameter that may be None stands where its type can be seen (beside a column, or in a CAST).
    Inside ``transaction`` and ``Database.reader`` it raises DatabaseError and its kinds, nothing of a driver's own.
    """

    @property
    def dialect(self) -> Dialect:
        """What this home says in its own way."""
        ...

    @property
    def in_transaction(self) -> bool:
        """True between the begin and the end of a transaction."""
        ...

    def execute(self, sql: str, parameters: Parameters = ..., /) -> Result:
        """Run one statement."""
        ...

    def executemany(self, sql: str, rows: Iterable[Parameters], /) -> Result:
        """Run one statement for each of ``rows``."""
        ...

    def transaction(self) -> AbstractContextManager[None]:
        """All statements in the block, on disk when it ends, or none of them if it raises.

        Raises Unavailable if it cannot begin or commit; InDoubt if nobody knows whether it did.
        """
        ...

    def append(self, table: str, columns: Sequence[Column]) -> None:
        """New rows, whole columns in the table's own order. Conflict if one of their keys is known."""
        ...

    def put(self, table: str, columns: Sequence[Column]) -> None:
        """Rows that take the place of those with the same primary key, no key twice; columns as in ``append``."""
        ...

    def held(self, mark: str) -> bool:
        """Whether the commit with the ``mark`` of an InDoubt held. Raises Unavailable while that cannot be known."""
        ...

    def rollback(self) -> None:
        """End a transaction without a trace; nothing if there is none."""
        ...

    def close(self) -> None:
        """Give the connection back to the home."""
        ...


class Database(ABC):
    """One tenant's database and the connections to it. Thread-safe; ``close`` it when the city stops.

    ``folder`` holds the tenant's files, wherever the tables are.
    """

    dialect: Dialect
    near = False
    """Whether a short read takes less time than to ask a thread for it: the tables lie in a file of this machine."""

    def __init__(self, folder: Path, readers: int) -> None:
        self.folder = folder
        self._pool: queue.LifoQueue[Connection | None] = queue.LifoQueue()
        for _ in range(readers):
            self._pool.put(None)  # opened when first asked for

    @property
    @abstractmethod
    def kind(self) -> str:
        """The home's name and version, for people."""

    @cached_property
    def lake(self) -> Lake:
        """What was sealed: the tenant's lake, in its folder whichever home the tables have."""
        return Lake(self.folder, self._has_sealed)

    def _has_sealed(self) -> bool:
        with self.reader() as db:
            return db.execute("SELECT 1 FROM meta WHERE key = ?", (HAS_SEALED,)).fetchone() is not None

    @abstractmethod
    def connect_writer(self) -> Connection:
        """The connection that may write, on disk at every commit; the caller owns and closes it.

        It may be handed to one other thread at a time. Raises Problem 409 if another process writes to this city.
        """

    @contextmanager
    def reader(self, wait: float = _WAIT) -> Iterator[Connection]:
        """A pooled read-only connection, seeing one moment: all statements in the block read the same commit.

        Raises TimeoutError if every reader is busy for ``wait`` seconds, and what ``Connection`` raises.
        """
        try:
            connection = self._pool.get(timeout=wait)
        except queue.Empty:
            raise TimeoutError("every database reader is busy") from None
        try:
            with self.translated():
                connection = self._snapshot(connection)
                try:
                    yield connection
                finally:
                    connection.rollback()
        finally:
            self._pool.put(connection)

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

    @property
    @abstractmethod
    def engine(self) -> sa.Engine:
        """SQLAlchemy engine for Core statements that are not hot. Its transactions begin where SQLAlchemy says so."""

    @abstractmethod
    def exists(self) -> bool:
        """Whether there is a city here."""

    @abstractmethod
    def make(self, *, trial: bool = False) -> None:
        """What must be there before the first migration; a ``trial`` leaves nothing behind.

        Raises Problem if the home is not fit for a city.
        """

    @abstractmethod
    def alone(self) -> AbstractContextManager[None]:
        """No city writes to this database while the block runs. Raises Problem 409 if one does."""

    @abstractmethod
    def copy(self, target: Path) -> Path:
        """A consistent copy, while the database is in use, as one file that SQLite opens. Overwrites ``target``."""

    @abstractmethod
    def forget(self) -> None:
        """Destroy all that it holds, if it is there, as a drill does before it begins anew. No city may use it."""

    @abstractmethod
    def size(self) -> int:
        """Bytes that the database takes on its disk, what is not yet folded into it included."""

    @abstractmethod
    def translated(self) -> AbstractContextManager[None]:
        """What the driver raises in the block comes out as DatabaseError and its kinds."""

    @abstractmethod
    def _snapshot(self, connection: Connection | None) -> Connection:
        """``connection``, or a new one in its place, with a read-only transaction begun."""
