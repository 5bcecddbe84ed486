"""Readings as Parquet, one file for a type and a day, with every revision: what was said, when it was heard, what stands.

A key (series, observed_at) leaves in one canonical form, whatever home its rows lay in: once for each time another value was
heard, in the order in which it was heard, numbered from 0. Where the same row lies in the recent table and in the lake it
leaves once.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dothi.access.policy import Clearance
from dothi.api.exchange.entities import grade_word, origin_word, reasons_word
from dothi.store.connection import Connection

if TYPE_CHECKING:
    import polars as pl

DAY = 86_400_000_000
PIECE = 2_000_000  # rows that are worked on at once
_FETCH = 50_000
_RECENT = (
    "SELECT observed_at, series_id, revision, number, other, grade, reasons, origin, received_at, withdrawn FROM reading "
    "WHERE observed_at >= ? AND observed_at < ? ORDER BY observed_at, series_id, revision"
)
_SERIES = (
    "SELECT s.id, t.iri, e.id, a.iri, d.iri, s.unit FROM series s JOIN entity e ON e.num = s.entity "
    "JOIN name t ON t.id = e.type JOIN name a ON a.id = s.attribute LEFT JOIN name d ON d.id = s.dataset "
    "WHERE e.clearance <= ? ORDER BY s.id"
)
_SHOWN = (
    "SELECT series_id, observed_at, number, other, grade, reasons, origin, received_at, hidden FROM live "
    "WHERE series_id > ? ORDER BY series_id LIMIT ?"
)
VALUE = ["number", "other", "withdrawn"]
KEY = ["series", "observed_at"]


@dataclass(frozen=True, slots=True)
class Span:
    """Which readings leave: ``start`` ≤ observed < ``end`` (µs UTC, None is open), of these types (IRIs; None is all)."""

    start: int | None = None
    end: int | None = None
    types: frozenset[str] | None = None

    def takes(self, type_iri: str) -> bool:
        """True if readings of this type leave."""
        return self.types is None or type_iri in self.types


def columns() -> dict[str, Any]:
    """The columns of a piece inside: what the recent table and the lake have in common."""
    import polars as pl

    return {
        "observed_at": pl.Int64,
        "series": pl.Int32,
        "revision": pl.Int32,
        "number": pl.Float64,
        "other": pl.String,
        "grade": pl.Int8,
        "reasons": pl.Int32,
        "origin": pl.Int8,
        "received_at": pl.Int64,
        "withdrawn": pl.Boolean,
    }


def series_of(db: Connection, reached: Clearance, span: Span) -> "pl.DataFrame":
    """Every series that may leave: series (its number here), type, entity, attribute, dataset and unit."""
    import polars as pl

    schema = {
        "series": pl.Int32,
        "type": pl.String,
        "entity": pl.String,
        "attribute": pl.String,
        "dataset": pl.String,
        "unit": pl.String,
    }
    frame = pl.DataFrame(db.execute(_SERIES, (int(reached),)).fetchall(), schema=schema, orient="row")
    return frame if span.types is None else frame.filter(pl.col("type").is_in(sorted(span.types)))


def shown_by(db: Connection, series: "pl.DataFrame") -> "pl.DataFrame":
    """What each of ``series`` shows, and when that was heard; ``shown`` False where its entity does not show it any more."""
    import polars as pl

    schema = {**columns(), "shown": pl.Boolean}
    frames = []
    last = -1
    while rows := db.execute(_SHOWN, (last, _FETCH)).fetchall():
        last = rows[-1][0]
        names = ("series", "observed_at", "number", "other", "grade", "reasons", "origin", "received_at", "shown")
        known: dict[str, Sequence[Any]] = dict(zip(names, zip(*rows, strict=True), strict=True))
        known["shown"] = [not hidden for hidden in known["shown"]]
        frames.append(pl.DataFrame(known, schema={name: schema[name] for name in known}))
    wanted = {name: kind for name, kind in schema.items() if name not in ("revision", "withdrawn")}
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

    schema = columns()
    told_by = iter(db.execute(_RECENT, (start, end)))
    frames = []
    while rows := list(islice(told_by, _FETCH)):
        told: dict[str, Sequence[Any]] = dict(zip(schema, zip(*rows, strict=True), strict=True))
        withdrawn: dict[str, Sequence[Any]] = {"withdrawn": [bool(one) for one in told["withdrawn"]]}
        frames.append(pl.DataFrame(told | withdrawn, schema=schema))
    return pl.concat(frames)


def canonical(frame: "pl.DataFrame") -> "pl.DataFrame":
    """The rows of keys in canonical form; ``frame`` has the ``columns`` and may hold a row twice."""
    import polars as pl

    ordered = frame.sort([*KEY, "received_at", "revision"]).unique(
        [*KEY, "received_at", *VALUE], keep="first", maintain_order=True
    )
    again = pl.all_horizontal(pl.col(name).eq_missing(pl.col(name).shift()) for name in [*KEY, *VALUE])
    # The first row compares with nothing at all, which must not read as "the same".
    first = pl.int_range(pl.len()) == 0
    heard = ordered.filter(first | ~again)
    return heard.with_columns((pl.int_range(pl.len()).over(KEY)).cast(pl.Int32).alias("revision"))


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


def pieces(frame: "pl.DataFrame", size: int = PIECE) -> Iterator["pl.DataFrame"]:
    """``frame`` in parts of about ``size`` rows, a series never cut."""
    if frame.height <= size:
        yield frame
        return
    ordered = frame.sort("series")
    start = 0
    while start < ordered.height:
        stop = min(start + size, ordered.height)
        if stop < ordered.height:
            last = ordered["series"][stop]
            stop = int(ordered["series"].search_sorted(last, side="right"))
        yield ordered.slice(start, stop - start)
        start = stop


def _moment(name: str) -> "pl.Expr":
    import polars as pl

    return pl.from_epoch(pl.col(name), time_unit="us").dt.replace_time_zone("UTC").alias(name)


def _worded(name: str, word: Any, frame: "pl.DataFrame") -> "pl.Expr":
    import polars as pl

    known: Mapping[Any, str] = {code: word(code) for code in frame[name].unique().to_list() if code is not None}
    return pl.col(name).replace_strict(known, default=None, return_dtype=pl.String)
