"""Delta tables as the lake needs them: which files a version lists, commits that survive a power cut; the only importer of
deltalake.
"""

import hashlib
import os
import shutil
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import msgspec
import numpy as np

from dothi.model.problem import Problem

if TYPE_CHECKING:
    import polars as pl
    from deltalake import DeltaTable, WriterProperties
    from numpy.typing import NDArray

SeriesRow = tuple[int, str, str, str | None, str | None, str]
"""A series' number, entity, attribute, dataset, unit and type, as in ``NAMES``."""

ROW_GROUP = 65_536
_EPOCH = date(1970, 1, 1)
_INTEGERS = {
    "attribute": "integer",
    "series": "integer",
    "observed_at": "long",
    "revision": "integer",
    "grade": "byte",
    "reasons": "short",
    "origin": "byte",
    "received_at": "long",
}
COLUMNS = (
    "attribute",
    "series",
    "observed_at",
    "revision",
    "number",
    "other",
    "grade",
    "reasons",
    "origin",
    "received_at",
    "withdrawn",
)
NAMES = ("series", "entity", "attribute", "dataset", "unit", "type")
# A checkpoint every 50 commits; what it covers is dropped after a day. So the log of years is as long as that of a day.
CONFIGURATION = {"delta.checkpointInterval": "50", "delta.logRetentionDuration": "interval 1 days"}


@dataclass(frozen=True, slots=True)
class LakeFile:
    """One Parquet file. ``day`` counts UTC days since 1970; the rest are bounds of its columns (µs UTC, numbers).

    ``revised`` is False where every key has one row only.
    """

    path: Path
    day: int
    rows: int
    size: int
    first: int
    last: int
    attributes: tuple[int, int]
    series: tuple[int, int]
    revised: bool


@dataclass(frozen=True, slots=True)
class Made:
    """A file that was written and that no version lists yet: its name in the table, size, day (ISO) and Delta statistics."""

    name: str
    size: int
    day: str
    stats: str


ADVICE = "Restore it from a backup; `dothi doctor` lists every damaged file. What other days hold is answered as before."
_TICK = 50_000_000
_UNSURE = -1  # changed too lately for its time to tell: look again
_MOST_PARTS = 64


class Table:
    """One Delta table and the list of its files, read again when its log has grown."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        self._seen = 0
        self._files: tuple[int, list[LakeFile]] = (-1, [])

    @classmethod
    def make(cls, folder: Path, iri: str) -> "Table":
        from deltalake import DeltaTable, Field, Schema
        from deltalake.schema import PrimitiveType

        kinds = _INTEGERS | {"number": "double", "other": "string", "withdrawn": "boolean", "day": "date"}
        fields = [Field(name, PrimitiveType(kinds[name])) for name in (*COLUMNS, "day")]
        folder.mkdir(parents=True, exist_ok=True)
        DeltaTable.create(folder, Schema(fields), partition_by=["day"], description=iri, configuration=CONFIGURATION)
        sync_log(folder)
        return cls(folder)

    @cached_property
    def _delta(self) -> "DeltaTable":
        return opened(self.folder)

    @cached_property
    def iri(self) -> str:
        with self._lock:
            return str(self._delta.metadata().description)

    def version(self) -> int:
        with self._lock:
            self._refresh()
            return int(self._delta.version())

    def transaction(self, application: str) -> int:
        with self._lock:
            self._refresh()
            return self._delta.transaction_version(application) or 0

    def files(self) -> list[LakeFile]:
        with self._lock:
            self._refresh()
            version = int(self._delta.version())
            if version != self._files[0]:
                self._files = (version, list(listed(self.folder, self._delta)))
            return self._files[1]

    def write(self, workshop: Path, day: int, rows: "pl.DataFrame") -> Made:
        """A file of the table that no version lists yet, made in ``workshop``. Revisions of a key come in their order."""
        from deltalake import write_deltalake

        making = workshop / uuid4().hex
        try:
            making.mkdir(parents=True)
            ordered = rows.select(COLUMNS)
            for column in ("observed_at", "series", "attribute"):  # a tenth of the time of one sort by all three
                ordered = ordered.sort(column, maintain_order=True)
            write_deltalake(making, ordered, writer_properties=properties(), target_file_size=1 << 40)
            log = (making / "_delta_log" / f"{0:020}.json").read_bytes()
            [add] = [entry["add"] for line in log.splitlines() if "add" in (entry := msgspec.json.decode(line))]
            written = making / add["path"]
            digest = digest_of(written)
            sync(written)
            name = f"day={date_of(day).isoformat()}/part-{uuid4().hex[:12]}-{digest}.parquet"
            target = self.folder / name
            target.parent.mkdir(exist_ok=True)
            written.rename(target)
            sync(target.parent)
        finally:
            shutil.rmtree(making, ignore_errors=True)
        return Made(name, add["size"], date_of(day).isoformat(), add["stats"])

    def append(self, made: Sequence[Made], application: str, version: int) -> None:
        from deltalake import CommitProperties, Transaction

        transaction = Transaction(application, version)
        self._commit(made, "append", None, CommitProperties(app_transactions=[transaction]))

    def replace(self, made: Sequence[Made], days: list[str]) -> None:
        self._commit(made, "overwrite", [("day", "in", days)], None)

    def vacuum(self, grace: timedelta) -> int:
        with self._lock:
            self._refresh()
            return vacuumed(self._delta, grace)

    def _commit(self, made: Sequence[Made], mode: str, filters: Any, properties: Any) -> None:
        from deltalake.transaction import AddAction, RemoveAction

        now = time.time_ns() // 1_000_000
        actions: list[AddAction | RemoveAction]
        actions = [AddAction(one.name, one.size, {"day": one.day}, now, True, one.stats) for one in made]
        with self._lock:
            self._refresh()
            schema = self._delta.schema()
            self._delta.create_write_transaction(actions, mode, schema, ["day"], filters, commit_properties=properties)
            sync_log(self.folder)

    def _refresh(self) -> None:
        try:
            grown = (self.folder / "_delta_log").stat().st_mtime_ns
        except OSError as error:
            raise Problem(503, "lake-damaged", f"The lake's table {self.folder.name} is gone.", ADVICE) from error
        if grown != self._seen:
            self._delta.update_incremental()
            # Two commits within one tick of the file system's clock look like one: what is that young is looked at again.
            self._seen = grown if time.time_ns() - grown > _TICK else _UNSURE


class Dictionary:
    """What each series number in the lake means, and in which type's table it lies: a small Delta table of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._forget()

    def types(self) -> list[str] | None:
        """The types that have series, which are those whose tables must be there; None where there is no dictionary."""
        with self._lock:
            self._refresh()
            return list(self._types) if self._types else None

    def highest(self) -> int:
        """The highest number it explains; 0 if there is none."""
        with self._lock:
            self._refresh()
            return max(self._units, default=0)

    def unknown_types(self, rows: "Sequence[SeriesRow]") -> set[str]:
        """The types of those of ``rows`` that are not entered yet."""
        with self._lock:
            self._refresh()
            return {row[5] for row in rows if row[0] not in self._units}

    def types_of(self, series: Iterable[int]) -> set[str]:
        with self._lock:
            self._refresh()
            wanted = np.fromiter(series, np.int64)
            codes = np.unique(self._type[wanted[wanted < len(self._type)]])
            return {self._types[code] for code in codes.tolist() if code >= 0}

    def describe(self, rows: "Sequence[SeriesRow]") -> dict[int, str]:
        """Raises Problem 503 if one of the numbers stands for another series already."""
        with self._lock:
            self._refresh()
            self._compare([row for row in rows if row[0] in self._units])
            new = [row for row in rows if row[0] not in self._units]
            moved = {row[0]: row[4] for row in rows if row[0] in self._units and self._units[row[0]] != row[4]}
            if new or moved:
                self._write(new, moved)
                self._seen = _UNSURE
                self._refresh()
            return {row[0]: self._types[self._type[row[0]]] for row in rows}

    def vacuum(self, grace: timedelta) -> int:
        with self._lock:
            return vacuumed(opened(self._folder), grace) if committed(self._folder) else 0

    def _forget(self) -> None:
        self._seen = 0
        self._units: dict[int, str | None] = {}
        self._types: list[str] = []
        self._type = np.full(1024, -1, np.int16)
        self._meaning = np.zeros(1024, np.uint64)  # a hash of each series' entity, attribute and dataset

    def _compare(self, rows: "Sequence[SeriesRow]") -> None:
        told = _framed(rows)
        other = np.flatnonzero(_meaning(told) != self._meaning[told["series"].to_numpy()])
        if len(other):
            import polars as pl

            number, *said = rows[int(other[0])][:4]
            known = self._read().filter(pl.col("series") == number).row(0)[1:4]
            raise Problem(
                503,
                "lake-of-another-database",
                f"Series {number} is {_spoken(known)} in the lake, but {_spoken(said)} in the database.",
                "They are not of one city and time: restore both from one backup. Nothing was written to the lake.",
            )

    def _write(self, new: "list[SeriesRow]", moved: dict[int, str | None]) -> None:
        from deltalake import write_deltalake

        rows = _framed(new)
        many = bool(self._units) and len(opened(self._folder).file_uris()) >= _MOST_PARTS
        if moved or many:
            known = self._read().rows()
            kept = [(*row[:4], moved.get(row[0], row[4]), row[5]) for row in known]
            rows = _framed(kept).extend(rows)
            write_deltalake(self._folder, rows.sort("series"), mode="overwrite", writer_properties=properties())
        else:
            write_deltalake(self._folder, rows.sort("series"), mode="append", writer_properties=properties())
        for uri in opened(self._folder).file_uris():
            sync(Path(uri))
        sync_log(self._folder)

    def _read(self) -> "pl.DataFrame":
        import polars as pl

        files = opened(self._folder).file_uris()
        try:
            return pl.read_parquet(files, hive_partitioning=False, columns=list(NAMES))
        except (OSError, pl.exceptions.ComputeError) as error:
            raise Problem(503, "lake-damaged", f"The lake's list of series cannot be read: {error}", ADVICE) from error

    def _refresh(self) -> None:
        log = self._folder / "_delta_log"
        grown = log.stat().st_mtime_ns if log.is_dir() else 0
        if grown == self._seen:
            return
        if not committed(self._folder):
            self._forget()
            return
        rows = self._read()
        series = rows["series"].to_numpy()
        self._types = rows["type"].unique().sort().to_list()
        codes = {iri: code for code, iri in enumerate(self._types)}
        self._type = np.full(int(series.max(initial=0)) + 1, -1, np.int16)
        self._type[series] = rows["type"].replace_strict(codes, return_dtype=rows["series"].dtype).to_numpy()
        self._meaning = np.zeros(len(self._type), np.uint64)
        self._meaning[series] = _meaning(rows)
        self._units = dict(zip(series.tolist(), rows["unit"].to_list(), strict=True))
        self._seen = grown if time.time_ns() - grown > _TICK else _UNSURE


def _framed(rows: "Sequence[SeriesRow]") -> "pl.DataFrame":
    import polars as pl

    kinds = {name: pl.Int32 if name == "series" else pl.String for name in NAMES}
    return pl.DataFrame(rows, schema=kinds, orient="row")


def _meaning(rows: "pl.DataFrame") -> "NDArray[np.uint64]":
    return rows.select("entity", "attribute", "dataset").hash_rows().to_numpy()


def _spoken(key: Sequence[str | None]) -> str:
    return " ".join(part for part in key if part)


def committed(folder: Path) -> bool:
    """Whether there is a table: a log without a commit is what a kill left of making one."""
    log = folder / "_delta_log"
    return any(log.glob("*.json")) or any(log.glob("*.checkpoint*.parquet"))


def opened(folder: Path) -> "DeltaTable":
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError

    try:
        return DeltaTable(folder)
    except (DeltaError, OSError) as error:
        raise Problem(503, "lake-damaged", f"The lake's table {folder.name} cannot be opened: {error}", ADVICE) from error


def vacuumed(delta: "DeltaTable", grace: timedelta) -> int:
    """Remove files that no version has listed for ``grace``; returns how many."""
    hours = grace // timedelta(hours=1)
    return len(delta.vacuum(hours, dry_run=False, enforce_retention_duration=False, full=True))


def listed(folder: Path, delta: "DeltaTable") -> Iterator[LakeFile]:
    """The table's files from its log."""
    import polars as pl

    bounds = [f"{edge}.{name}" for name in ("observed_at", "attribute", "series", "revision") for edge in ("min", "max")]
    listed = pl.DataFrame(delta.get_add_actions(flatten=True))
    if not len(listed):
        return
    columns = listed.select("path", "partition.day", "num_records", "size_bytes", *bounds)
    for path, day, rows, size, first, last, low, high, least, most, _, revision in columns.iter_rows():
        count = (day - _EPOCH).days
        yield LakeFile(folder / path, count, rows, size, first, last, (low, high), (least, most), revision > 0)


def properties() -> "WriterProperties":
    """Measured with sensors of one decimal: 4.9 bytes a reading, with numbers split by bytes 5.8, as polars has it 8.6."""
    from deltalake import ColumnProperties, WriterProperties

    moments = ColumnProperties(dictionary_enabled=False, encoding="DELTA_BINARY_PACKED")
    return WriterProperties(
        compression="ZSTD",
        compression_level=3,
        max_row_group_size=ROW_GROUP,
        default_column_properties=ColumnProperties(dictionary_enabled=True),
        column_properties={"observed_at": moments, "received_at": moments},
    )


def damaged(file: LakeFile, what: str) -> Problem:
    title = f"The lake's file {file.path.name} of {date_of(file.day):%d/%m/%Y} {what}."
    return Problem(503, "lake-damaged", title, ADVICE)


def date_of(day: int) -> date:
    return _EPOCH + timedelta(days=day)


def digest_of(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:32]


def sync_log(folder: Path) -> None:
    """Make the newest commit survive a power cut: readings leave the database once the lake has them."""
    log = folder / "_delta_log"
    newest = max(log.glob("*.json"), default=None)
    if newest is not None:
        sync(newest)
    sync(log)


def sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
