"""The lake: sealed readings as open Delta tables, one per entity type, a partition a day.

The file names carry the SHA-256 of their content: a damaged file is told from a whole one without another book. Layout and
how to read it with other tools: docs/reference/lake.md.
"""

import fcntl
import re
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from dothi.model.problem import Problem
from dothi.store.delta import (
    ADVICE,
    COLUMNS,
    Dictionary,
    LakeFile,
    Made,
    SeriesRow,
    Table,
    committed,
    damaged,
    date_of,
    digest_of,
)

if TYPE_CHECKING:
    import polars as pl

UNFINISHED = "lake/making"  # files being written: in no backup
GRACE = timedelta(hours=1)  # how long a file that no version lists any more is kept for readers who hold an older list


@dataclass(frozen=True, slots=True)
class DatasetFigures:
    """What the lake holds of one entity type (its IRI): rows and bytes of ``files`` files over ``days`` days (UTC).

    ``oldest`` and ``newest`` are moments of observation, aware UTC.
    """

    type: str
    rows: int
    bytes: int
    days: int
    oldest: datetime
    newest: datetime
    files: int


@dataclass(frozen=True, slots=True)
class Damage:
    """A file that is not what it was when it was written."""

    file: Path
    day: date
    what: str


class Lake:
    """The lake of the tenant whose files lie under ``folder``. Any number of threads and processes may read; one writes."""

    def __init__(self, folder: Path, begun: Callable[[], bool] = lambda: False) -> None:
        """``begun`` says whether the lake must have something: only who sealed can tell a lake that is lost from none."""
        self.folder, self._tenant = folder / "lake", folder.name
        self._begun = begun
        self._making = folder / UNFINISHED
        self._lock = threading.Lock()
        self._tables: dict[str, Table] = {}
        self._whole: dict[Path, tuple[int, int]] = {}
        self._dictionary = Dictionary(self.folder / "series")

    # Reading

    def types(self) -> list[str]:
        """The IRIs of the entity types that have a table."""
        return sorted(self._found().keys() | self._promised())

    def types_of(self, series: Iterable[int]) -> set[str]:
        """The types in whose tables these series lie; series that were never sealed have none."""
        self._promised()
        return self._dictionary.types_of(series)

    def files(self, type: str, first: int, last: int) -> list[LakeFile]:
        """Files with readings of ``first`` ≤ observed < ``last`` (µs UTC), as the newest version lists them.

        Raises Problem 503 if the table cannot be read, or is gone though it must be there.
        """
        table = self._table(type)
        found = [] if table is None else table.files()
        return [file for file in found if file.last >= first and file.first < last]

    def verify(self, files: Iterable[LakeFile]) -> None:
        """Look whether ``files`` are what was written; what was found whole is not read again until it changes.

        Raises Problem 503 ``lake-damaged``, naming file and day.
        """
        for file in files:
            self._check(file)

    def read(
        self, files: Sequence[LakeFile], question: "Callable[[pl.LazyFrame], pl.LazyFrame]", columns: Sequence[str] = COLUMNS
    ) -> "pl.DataFrame":
        """What ``question`` makes of the rows of ``files`` (at least one).

        Raises Problem 503 ``lake-damaged``, naming file and day, if one of them is missing or not what was written.
        """
        import polars as pl

        self.verify(files)
        rows = pl.scan_parquet([file.path for file in files], hive_partitioning=False, glob=False, cache=False)
        try:
            return question(rows.select(columns)).collect()
        except (OSError, pl.exceptions.ComputeError) as error:
            for file in files:
                self._whole.pop(file.path, None)
                self._check(file)
            raise Problem(503, "lake-damaged", f"The lake cannot be read: {error}", ADVICE) from error

    def figures(self) -> list[DatasetFigures]:
        """What is stored, by entity type; from the tables' logs alone, no data is read. Raises Problem 503 as ``files``."""
        result = []
        for iri in self.types():
            table = self._table(iri)
            if table is not None and (files := table.files()):
                oldest, newest = min(file.first for file in files), max(file.last for file in files)
                result.append(
                    DatasetFigures(
                        iri,
                        sum(file.rows for file in files),
                        sum(file.size for file in files),
                        len({file.day for file in files}),
                        datetime.fromtimestamp(oldest / 1e6, UTC),
                        datetime.fromtimestamp(newest / 1e6, UTC),
                        len(files),
                    )
                )
        return result

    def damages(self) -> Iterator[Damage]:
        """Every file that is missing or changed; reads them all. Raises Problem 503 as ``files``."""
        for iri in self.types():
            table = self._table(iri)
            for file in table.files() if table is not None else ():
                try:
                    self._whole.pop(file.path, None)
                    self._check(file)
                except Problem as problem:
                    yield Damage(file.path, date_of(file.day), problem.title)

    # Writing: one at a time, by data/sealing.py and data/retention.py

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Write to the lake alone, among threads and processes: the worker of a city that was killed may still be at it."""
        with (self.folder.parent / "lake.lock").open("a") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield

    def sealed(self, type: str) -> int:
        """The hour (since 1970) up to which the table of ``type`` was appended to; 0 before the first."""
        table = self._table(type)
        return 0 if table is None else table.transaction(self._application(type))

    def version(self, type: str) -> int:
        """The table's version; -1 if there is none."""
        table = self._table(type)
        return -1 if table is None else table.version()

    def write(self, type: str, day: int, rows: "pl.DataFrame") -> Made:
        """Put rows of one day into a file that counts for nothing until ``append`` or ``replace``. Raises OSError."""
        return self._open(type).write(self._making, day, rows)

    def discard(self, type: str, made: Sequence[Made]) -> None:
        """Remove files that were written and shall count for nothing."""
        for one in made:
            (self._open(type).folder / one.name).unlink(missing_ok=True)

    def append(self, type: str, hour: int, made: Sequence[Made]) -> bool:
        """Add files in one commit that carries ``hour`` (since 1970) as its application transaction.

        False, and nothing is done, if the table has this hour or a later one already. Raises OSError if the disk fails.
        """
        table = self._open(type)
        if table.transaction(self._application(type)) >= hour:
            return False
        table.append(made, self._application(type), hour)
        return True

    def replace(self, type: str, days: Sequence[int], made: Sequence[Made]) -> None:
        """Let files stand in place of everything in the partitions of ``days``, in one commit."""
        self._open(type).replace(made, [date_of(day).isoformat() for day in days])

    def highest_series(self) -> int:
        """The highest series number with a meaning here; 0 also where it cannot be read, for ``describe`` refuses then."""
        try:
            return self._dictionary.highest()
        except Problem:
            return 0

    def describe(self, rows: Sequence[SeriesRow]) -> dict[int, str]:
        """Enter series into the dictionary (number, entity, attribute, dataset, unit, type); those known stay as they are.

        Returns the type under which each of them is kept: a series stays in the table it was first sealed into, also when
        its entity becomes another kind of thing. Raises Problem 503 if a number stands for another series already.
        """
        # Tables first: what the dictionary names must be there.
        for type in sorted(self._dictionary.unknown_types(rows)):
            self._open(type)
        return self._dictionary.describe(rows)

    def tidy(self, grace: timedelta = GRACE) -> int:
        """Remove files that no version has listed for ``grace``, and what a killed writer left; returns how many."""
        with self.writing():
            shutil.rmtree(self._making, ignore_errors=True)
            return self._dictionary.vacuum(grace) + sum(table.vacuum(grace) for table in self._found().values())

    def _application(self, type: str) -> str:
        return f"dothi:{self._tenant}:{type}"

    def _found(self) -> "dict[str, Table]":
        """Tables by type. The folder is looked through again when something was made in it."""
        with self._lock:
            known = {table.folder for table in self._tables.values()}
            home = self.folder / "readings"
            for folder in home.iterdir() if home.is_dir() else ():
                if folder not in known and committed(folder):
                    table = Table(folder)
                    self._tables[table.iri] = table
            return dict(self._tables)

    def _promised(self) -> set[str]:
        """The types whose tables must be there. Raises Problem 503 if the dictionary cannot say it."""
        types = self._dictionary.types()
        if types is None and (self._begun() or any(table.version() > 0 for table in self._found().values())):
            raise Problem(503, "lake-damaged", f"The lake's list of series is gone from {self.folder}.", ADVICE)
        return set(types or ())

    def _table(self, type: str) -> "Table | None":
        table = self._found().get(type)
        if table is None and type in self._promised():
            raise Problem(503, "lake-damaged", f"The lake's table of {type} is gone.", ADVICE)
        return table

    def _open(self, type: str) -> "Table":
        table = self._table(type)
        if table is None:
            name = re.sub(r"[^A-Za-z0-9]+", "-", re.split(r"[/#:]", type)[-1]).strip("-") or "Thing"
            folder, count = self.folder / "readings" / name, 2
            while committed(folder):
                folder, count = self.folder / "readings" / f"{name}-{count}", count + 1
            table = Table.make(folder, type)
            with self._lock:
                self._tables[type] = table
        return table

    def _check(self, file: LakeFile) -> None:
        try:
            found = file.path.stat()
            state = (found.st_size, found.st_mtime_ns)
            if self._whole.get(file.path) == state:
                return
            if digest_of(file.path) != file.path.stem.rsplit("-", 1)[-1]:
                raise damaged(file, "is not what was written")
        except FileNotFoundError as error:
            raise damaged(file, "is missing") from error
        except OSError as error:
            raise damaged(file, f"cannot be read ({error.strerror})") from error
        self._whole[file.path] = state
