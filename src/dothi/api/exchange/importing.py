"""A folder that ``export_city`` wrote, back into an empty city: checked first, then file by file, so that it can go on."""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from dothi.access.policy import Person, may
from dothi.api.exchange import entities, forecasts, layout, records
from dothi.api.exchange.layout import Manifest, Progress, damaged, moment_of
from dothi.data.batch import Readings, SeriesKey
from dothi.data.restoring import Also, Restorer, ShownValue
from dothi.model.problem import Problem
from dothi.store.audit import INSERT, Act
from dothi.store.connection import Connection, Database
from dothi.store.files import FolderFiles

if TYPE_CHECKING:
    import polars as pl

BATCH = 100_000
_ROWS = 2_000
_MARK = "import"
_WRONG = (KeyError, TypeError, ValueError, AttributeError, msgspec.DecodeError)
_OCCUPIED = ("entity", "reading", "device", "quarantine", "lobby", "audit", "saved_query")
_BESIDE = "Set DOTHI_HOME to an empty folder to import beside it; an import never mixes two cities."


class Standing(msgspec.Struct):
    """How far an import came: of which export, which of its steps is under way, and how many rows of that are in."""

    export: str
    step: int = 0
    rows: int = 0


def import_city(database: Database, folder: Path, manifest: Manifest, person: Person, at: int, progress: Progress) -> None:
    """Bring the export in ``folder``, which ``layout.verify`` found whole, into ``database``; ``at`` (µs UTC) is now.

    Nothing else may run on the home. One that was interrupted goes on where it stood. Raises Problem 403 if ``person`` may
    not, 409 if the city is not empty or another import was interrupted, 400 if a file is none of ours.
    """
    if not may(person, "city.import"):
        raise Problem(403, "not-allowed", "This is not allowed from here.", "Ask the operator of this city.")
    standing = _standing(database, manifest, folder)
    restorer = Restorer(database)
    try:
        files = FolderFiles(database.folder / "files")
        _Import(restorer, files, folder, manifest, standing, progress).run(person, at)
    except _WRONG as error:
        raise damaged(folder, f"it holds what no export holds ({type(error).__name__}: {error})") from error
    finally:
        restorer.close()


def refuse_unfinished(database: Database) -> None:
    """Raises Problem 409 if an import into this city was interrupted: half a city must not run."""
    with database.reader() as db:
        if db.execute("SELECT 1 FROM meta WHERE key = ?", (_MARK,)).fetchone() is not None:
            raise Problem(
                409,
                "import-unfinished",
                "An import into this city was interrupted.",
                "Run the same dothi import again; it goes on where it stopped.",
            )


def _standing(database: Database, manifest: Manifest, folder: Path) -> Standing:
    export = layout.checksum(folder / layout.MANIFEST)
    with database.reader() as db:
        row = db.execute("SELECT value FROM meta WHERE key = ?", (_MARK,)).fetchone()
        if row is not None:
            standing = msgspec.json.decode(row[0], type=Standing)
            if standing.export == export:
                return standing
            raise Problem(
                409,
                "another-import",
                "The import of another export was interrupted here.",
                "Finish that one, or set DOTHI_HOME to an empty folder.",
            )
        for table in _OCCUPIED:
            if db.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone() is not None:  # noqa: S608 - names of our own
                raise Problem(409, "not-empty", f"There is a city in {database.folder} already.", _BESIDE)
    lake = database.lake.folder
    if any(lake.rglob("*")):
        # Its tables know series by numbers that would be given out again to others.
        raise Problem(409, "not-empty", f"The lake in {lake} holds readings of another city already.", _BESIDE)
    return Standing(export)


class _Import:
    def __init__(
        self,
        restorer: Restorer,
        files: FolderFiles,
        folder: Path,
        manifest: Manifest,
        standing: Standing,
        progress: Progress,
    ) -> None:
        self._restorer, self._files, self._folder, self._manifest = restorer, files, folder, manifest
        self._standing, self._progress = standing, progress

    def run(self, person: Person, at: int) -> None:
        paths = [self._folder / name for name in self._manifest.files]
        # Day by day over all types: the recent table then only grows at its end.
        days = sorted((one for one in paths if one.parts[-3] == "readings"), key=lambda one: (one.name[:14], one.parts))
        months = sorted(one for one in paths if one.parent.name == "forecasts")
        steps = [
            self._audit,
            *(lambda start, one=one: self._record(one, start) for one in records.RECORDS),
            lambda _start: self._photos([one for one in paths if one.parent.name == layout.PHOTOS]),
            lambda start: self._entities(layout.ENTITIES, start),
            lambda start: self._entities(layout.DELETED, start),
            self._series,
            *(lambda start, path=path: self._readings(path, start) for path in days),
            self._shown,
            *(lambda start, path=path: self._forecasts(path, start) for path in months),
            self._deleted,
        ]
        for number, step in enumerate(steps):
            if number < self._standing.step:
                continue
            self._progress("importing", number, len(steps))
            start = self._standing.rows if number == self._standing.step else 0
            self._standing.step, self._standing.rows = number, start
            step(start)
        counts = self._manifest.counts
        detail = f"{counts.get('entities', 0)} entities, {counts.get('readings', 0)} readings"
        act = Act(person.id, "city.import", self._manifest.tenant, detail=detail)
        self._restorer.conclude([act], at, self._conclude)

    def _photos(self, paths: Sequence[Path]) -> None:
        """Keep the pictures; once more does no harm, so one that was interrupted begins again."""
        for done, path in enumerate(sorted(paths)):
            self._progress(layout.PHOTOS, done, len(paths))
            if self._files.put(path.read_bytes()) != path.name:
                raise damaged(self._folder, f"{layout.PHOTOS}/{path.name} is not the picture of that name")

    def _conclude(self, db: Connection) -> None:
        db.execute(db.dialect.count_photos_on)
        db.execute("DELETE FROM meta WHERE key = ?", (_MARK,))
        if self._manifest.replay is not None:
            db.execute("INSERT INTO meta (key, value) VALUES ('replay', ?)", (self._manifest.replay,))

    def _mark(self, rows: int) -> Also:
        """Remember, in the same transaction, that ``rows`` rows of this step are in."""

        def also(db: Connection) -> None:
            self._standing.rows = rows
            db.execute(
                "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                (_MARK, msgspec.json.encode(self._standing).decode()),
            )

        return also

    def _audit(self, start: int) -> None:
        if not (self._folder / layout.AUDIT).is_file():
            return
        rows = records.verified_acts(self._folder, self._manifest.audit_head)
        for done, chunk in _chunks(rows, 0):
            if done > start:
                self._insert(INSERT, chunk, done)

    def _record(self, record: records.Record, start: int) -> None:
        path = self._folder / record.file
        if path.is_file():
            for done, chunk in _chunks(records.lines(path, start), start):
                self._insert(records.insert_of(record), [records.values_of(record, row) for row in chunk], done)

    def _insert(self, statement: str, rows: Sequence[Sequence[Any]], done: int) -> None:
        mark = self._mark(done)

        def work(db: Connection) -> None:
            db.executemany(statement, rows)
            mark(db)

        self._restorer.run(work)

    def _entities(self, name: str, start: int) -> None:
        for done, chunk in _chunks(records.lines(self._folder / name, start), start):
            self._restorer.entities([entities.entity_of(line) for line in chunk], self._mark(done))

    def _series(self, start: int) -> None:
        frame = self._read(self._folder / layout.SERIES)
        for first in range(start, frame.height, BATCH):
            part = frame.slice(first, BATCH)
            keys = [SeriesKey(*row) for row in part.select("entity", "attribute", "dataset").rows()]
            self._restorer.series(keys, part["unit"].to_list(), self._mark(first + part.height))

    def _readings(self, path: Path, start: int) -> None:
        frame = self._numbered(self._read(path)).sort("observed_at", "series", "revision")
        for first in range(start, frame.height, BATCH):
            part = frame.slice(first, BATCH)
            self._restorer.readings(_columns(part), self._mark(first + part.height))

    def _shown(self, start: int) -> None:
        frame = self._numbered(self._read(self._folder / layout.SERIES))
        wanted = ("series", "observed_at", "number", "other", "grade", "reasons", "origin", "received_at")
        for first in range(start, frame.height, BATCH):
            part = frame.slice(first, BATCH)
            columns = (*(part[name].to_list() for name in wanted), [not shown for shown in part["shown"].to_list()])
            values = [ShownValue(*row) for row in zip(*columns, strict=True)]
            self._restorer.show(values, self._mark(first + part.height))

    def _forecasts(self, path: Path, start: int) -> None:
        frame = self._read(path)
        statement, rows = forecasts.stored(frame, self._series_of(frame))
        for first in range(start, len(rows), BATCH):
            part = rows[first : first + BATCH]
            self._insert(statement, part, first + len(part))

    def _deleted(self, start: int) -> None:
        for done, chunk in _chunks(records.lines(self._folder / layout.DELETED, start), start):
            gone = [(line["id"], moment_of(line["deletedAt"]) or 0) for line in chunk]
            self._restorer.delete(gone, self._mark(done))

    def _read(self, path: Path) -> "pl.DataFrame":
        import polars as pl

        try:
            return pl.read_parquet(path, hive_partitioning=False)
        except pl.exceptions.PolarsError as error:
            raise damaged(self._folder, f"{path.name} cannot be read: {error}") from error

    def _series_of(self, frame: "pl.DataFrame") -> "pl.Series":
        """The number here of each row's series."""
        import polars as pl

        names = ["entity", "attribute", "dataset"]
        known = frame.select(names).unique(maintain_order=True)
        numbers = self._restorer.numbers([SeriesKey(*row) for row in known.rows()])
        numbered = known.with_columns(pl.Series("series", numbers, dtype=pl.Int64))
        joined = frame.select(names).join(numbered, on=names, how="left", nulls_equal=True, maintain_order="left")
        return joined["series"]

    def _numbered(self, frame: "pl.DataFrame") -> "pl.DataFrame":
        """Words and moments as numbers again."""
        import polars as pl

        def codes(name: str, number: Any) -> "pl.Expr":
            known = {word: number(word) for word in frame[name].unique().to_list() if word is not None}
            return pl.col(name).replace_strict(known, default=None, return_dtype=pl.Int64)

        return frame.with_columns(
            self._series_of(frame).alias("series"),
            pl.col("observed_at", "received_at").dt.epoch("us"),
            codes("grade", entities.grade_number),
            codes("reasons", entities.reasons_number),
            codes("origin", entities.origin_number),
        )


def _columns(frame: "pl.DataFrame") -> Readings:
    def ints(name: str) -> Any:
        return frame[name].to_numpy().astype(np.int64)

    others = frame["other"]
    withdrawn = frame["withdrawn"].to_numpy()
    return Readings(
        series=ints("series"),
        observed_at=ints("observed_at"),
        number=frame["number"].fill_null(float("nan")).to_numpy().astype(np.float64),
        received_at=ints("received_at"),
        grade=ints("grade"),
        reasons=ints("reasons"),
        origin=ints("origin"),
        other=others.to_list() if others.null_count() < len(others) else None,
        withdrawn=withdrawn if withdrawn.any() else None,
    )


def _chunks(rows: Iterator[Any], start: int) -> Iterator[tuple[int, list[Any]]]:
    """``rows`` in lists, each with how many rows there are up to its end."""
    done = start
    while chunk := list(islice(rows, _ROWS)):
        done += len(chunk)
        yield done, chunk
