"""Readings as Parquet, one file for a type and a day, with every revision: what was said, when it was heard, what stands.

A key (series, observed_at) leaves in one canonical form, whatever home its rows lay in: once for each time another value was
heard, in the order in which it was heard, numbered from 0. Where the same row lies in the recent table and in the lake it
leaves once.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dothi.access.policy import Reach
from dothi.api.exchange.entities import grade_word, origin_word, reasons_word
from dothi.data.classified import Classified
from dothi.data.past import KEY, schema, settled
from dothi.store.connection import Connection
from dothi.store.delta import LakeFile
from dothi.store.lake import Lake

if TYPE_CHECKING:
    import polars as pl

DAY = 86_400_000_000
PIECE = 500_000  # rows that are worked on at once
_FETCH = 50_000
_RECENT = (
    "SELECT series_id, observed_at, revision, number, other, grade, reasons, origin, received_at, withdrawn FROM reading "
    "WHERE observed_at >= ? AND observed_at < ? ORDER BY observed_at, series_id, revision"
)
_SERIES = (
    "SELECT s.id, t.iri, e.id, a.iri, d.iri, s.unit FROM series s JOIN entity e ON e.num = s.entity "
    "JOIN name t ON t.id = e.type JOIN name a ON a.id = s.attribute LEFT JOIN name d ON d.id = s.dataset "
    "WHERE {reached} ORDER BY s.id"
)
_SHOWN = (
    "SELECT series_id, observed_at, number, other, grade, reasons, origin, received_at, hidden FROM live "
    "WHERE series_id > ? ORDER BY series_id LIMIT ?"
)
_VALUE = ("number", "other", "withdrawn")


@dataclass(frozen=True, slots=True)
class Span:
    """Which readings leave: ``start`` ≤ observed < ``end`` (µs UTC, None is open), of these types (IRIs; None is all)."""

    start: int | None = None
    end: int | None = None
    types: frozenset[str] | None = None

    def meets(self, day: int) -> bool:
        """True if a reading of this UTC day (since 1970) can lie in it."""
        return (self.end is None or day * DAY < self.end) and (self.start is None or (day + 1) * DAY > self.start)

    def takes(self, type_iri: str) -> bool:
        """True if readings of this type leave."""
        return self.types is None or type_iri in self.types


def series_of(db: Connection, reached: Reach, classified: Classified, span: Span) -> "pl.DataFrame":
    """Every series that may leave: series (its number here), type, entity, attribute, dataset and unit."""
    import polars as pl

    named = {
        "series": pl.Int32,
        "type": pl.String,
        "entity": pl.String,
        "attribute": pl.String,
        "dataset": pl.String,
        "unit": pl.String,
    }
    condition, values = reached.where(**classified.of_series(db))
    rows = db.execute(_SERIES.replace("{reached}", condition), values).fetchall()
    frame = pl.DataFrame(rows, schema=named, orient="row")
    return frame if span.types is None else frame.filter(pl.col("type").is_in(sorted(span.types)))


def shown_by(db: Connection, series: "pl.DataFrame") -> "pl.DataFrame":
    """What each of ``series`` shows, and when that was heard; ``shown`` False where its entity does not show it any more."""
    import polars as pl

    known_as = {**schema(), "shown": pl.Boolean}
    frames = []
    last = -1
    while rows := db.execute(_SHOWN, (last, _FETCH)).fetchall():
        last = rows[-1][0]
        names = ("series", "observed_at", "number", "other", "grade", "reasons", "origin", "received_at", "shown")
        known: dict[str, Sequence[Any]] = dict(zip(names, zip(*rows, strict=True), strict=True))
        known["shown"] = [not hidden for hidden in known["shown"]]
        frames.append(pl.DataFrame(known, schema={name: known_as[name] for name in known}))
    wanted = {name: kind for name, kind in known_as.items() if name not in ("revision", "withdrawn")}
    live = pl.concat([pl.DataFrame(schema=wanted), *(frame.select(list(wanted)) for frame in frames)])
    told = series.select("series").join(live, on="series", how="left")
    # Where everything was withdrawn, what is left in the row is of no moment.
    any_value = pl.col("observed_at").is_not_null()
    empty = pl.col("number", "other", "grade", "reasons", "origin", "received_at")
    return told.with_columns(
        pl.when(any_value).then(empty), (any_value & pl.col("shown")).fill_null(value=False).alias("shown")
    )


def stage(db: Connection, folder: Path, span: Span) -> dict[int, Path]:
    """Copy the recent table as it stands into one Parquet file for each UTC day, by day number."""
    staged: dict[int, Path] = {}
    after = span.start if span.start is not None else -(2**62)
    end = span.end if span.end is not None else 2**62
    while True:
        first = db.execute("SELECT min(observed_at) FROM reading WHERE observed_at >= ?", (after,)).fetchone()[0]
        if first is None or first >= end:
            return staged
        day = first // DAY
        frame = _day(db, first, min((day + 1) * DAY, end))
        staged[day] = folder / f"recent-{day}.parquet"
        frame.write_parquet(staged[day], compression="lz4")
        after = (day + 1) * DAY


def _day(db: Connection, start: int, end: int) -> "pl.DataFrame":
    import polars as pl

    wanted = schema()
    told_by = iter(db.execute(_RECENT, (start, end)))
    frames = []
    while rows := list(islice(told_by, _FETCH)):
        told: dict[str, Sequence[Any]] = dict(zip(wanted, zip(*rows, strict=True), strict=True))
        withdrawn: dict[str, Sequence[Any]] = {"withdrawn": [bool(one) for one in told["withdrawn"]]}
        frames.append(pl.DataFrame(told | withdrawn, schema=wanted))
    return pl.concat(frames)


def canonical(statements: "pl.DataFrame") -> "pl.DataFrame":
    """Statements, those of the lake first, in canonical form: saying again what was said last is nothing."""
    import polars as pl

    once = settled(statements)
    again = pl.all_horizontal(pl.col(name).eq_missing(pl.col(name).shift()) for name in (*KEY, *_VALUE))
    # The first row compares with nothing at all, which must not read as "the same".
    heard = once.filter((pl.int_range(pl.len()) == 0) | ~again)
    return heard.with_columns(pl.int_range(pl.len(), dtype=pl.Int32).over(KEY).alias("revision"))


def written(frame: "pl.DataFrame", series: "pl.DataFrame") -> "pl.DataFrame":
    """Rows of series as they leave: names for numbers, moments as moments, grades and origins in words; sorted."""
    order = ("attribute", "entity", "dataset", "observed_at", "revision")
    return (
        frame.join(series, on="series", how="inner")
        .select(
            "entity",
            "attribute",
            "dataset",
            "unit",
            _moment("observed_at"),
            "number",
            "other",
            _worded("grade", grade_word, frame),
            _worded("reasons", reasons_word, frame),
            _worded("origin", origin_word, frame),
            _moment("received_at"),
            *(name for name in ("revision", "withdrawn", "shown") if name in frame.columns),
        )
        .sort([name for name in order if name in series.columns or name in frame.columns])
    )


class Statements:
    """All that was said of the readings, by day: the recent table as it was staged, and the lake's files of that moment."""

    def __init__(self, lake: Lake, files: Mapping[str, Sequence[LakeFile]], staged: Mapping[int, Path]) -> None:
        self._lake, self._files, self._staged = lake, files, staged

    @property
    def days(self) -> list[int]:
        """The UTC days (since 1970) with a reading, in order."""
        return sorted({*self._staged, *(file.day for files in self._files.values() for file in files)})

    def pieces(self, day: int, series: "pl.DataFrame", span: Span) -> "Iterator[pl.DataFrame]":
        """What was said on ``day`` of ``series``, in canonical form and in parts of about ``PIECE`` rows, no series cut."""
        import polars as pl

        recent = pl.scan_parquet(self._staged[day]) if day in self._staged else None
        numbers = series["series"].sort()
        types = self._lake.types_of(numbers.to_list())
        files = [file for iri in types for file in self._files.get(iri, ()) if file.day == day]
        total = sum(file.rows for file in files)
        if recent is not None:
            total += recent.select(pl.len()).collect().item()
        parts = max(1, -(-total // PIECE))
        size = max(1, -(-len(numbers) // parts))
        for start in range(0, len(numbers), size):
            some = numbers.slice(start, size)
            within = pl.col("series").is_between(some[0], some[-1]) & pl.col("series").is_in(some.implode())
            frames = []
            if files:
                frames.append(self._lake.read(files, partial(_those, within & _bounded(span))))
            if recent is not None:
                frames.append(_those(within, recent).collect())
            told = pl.concat(frames) if frames else pl.DataFrame(schema=schema())
            if told.height:
                yield canonical(told)


def _those(condition: "pl.Expr", rows: "pl.LazyFrame") -> "pl.LazyFrame":
    return rows.filter(condition).select(list(schema()))


def _bounded(span: Span) -> "pl.Expr":
    import polars as pl

    first = -(2**62) if span.start is None else span.start
    last = 2**62 if span.end is None else span.end
    return (pl.col("observed_at") >= first) & (pl.col("observed_at") < last)


def _moment(name: str) -> "pl.Expr":
    import polars as pl

    return pl.from_epoch(pl.col(name), time_unit="us").dt.replace_time_zone("UTC").alias(name)


def _worded(name: str, word: Any, frame: "pl.DataFrame") -> "pl.Expr":
    import polars as pl

    known: Mapping[Any, str] = {code: word(code) for code in frame[name].unique().to_list() if code is not None}
    return pl.col(name).replace_strict(known, default=None, return_dtype=pl.String)
