"""Forecasts as Parquet, one file for a month of issue, and back: what was said would come, and what came."""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from dothi.model.clock import from_micros, to_micros
from dothi.store.connection import Connection
from dothi.store.tables import forecast

if TYPE_CHECKING:
    import polars as pl

_COLUMNS = [column.name for column in forecast.columns]
_FETCH = 50_000


def write_forecasts(
    db: Connection, folder: Path, series: "pl.DataFrame", start: int | None, end: int | None
) -> Iterator[tuple[Path, int]]:
    """Write the forecasts of ``series`` issued in [``start``, ``end``) (µs UTC); gives each file and its rows."""
    after, last = -(2**62) if start is None else start, 2**62 if end is None else end
    while True:
        first = db.execute("SELECT min(issued_at) FROM forecast WHERE issued_at >= ?", (after,)).fetchone()[0]
        if first is None or first >= last:
            return
        begun = from_micros(first)
        following = datetime(begun.year + begun.month // 12, begun.month % 12 + 1, 1, tzinfo=UTC)
        after = min(to_micros(following), last)
        frame = _month(db, first, after, series)
        if frame.height:
            folder.mkdir(exist_ok=True)
            path = folder / f"month={begun:%Y-%m}.parquet"
            frame.write_parquet(path)
            yield path, frame.height


def _month(db: Connection, start: int, end: int, series: "pl.DataFrame") -> "pl.DataFrame":
    import polars as pl

    query = f"SELECT {', '.join(_COLUMNS)} FROM forecast WHERE issued_at >= ? AND issued_at < ?"  # noqa: S608 - ours
    told = iter(db.execute(query, (start, end)))
    schema = {column.name: _type(column) for column in forecast.columns}
    frames = [pl.DataFrame(schema=schema)]
    while rows := list(islice(told, _FETCH)):
        frames.append(pl.DataFrame(dict(zip(_COLUMNS, zip(*rows, strict=True), strict=True)), schema=schema))
    named = pl.concat(frames).join(series, left_on="series_id", right_on="series", how="inner")
    rest = [name for name in _COLUMNS if name not in ("process", "series_id")]
    moments = pl.from_epoch(pl.col([name for name in _COLUMNS if name.endswith("_at")]), time_unit="us")
    return (
        named.with_columns(moments.dt.replace_time_zone("UTC"))
        .select("process", "entity", "attribute", "dataset", *rest)
        .sort("process", "issued_at", "attribute", "entity", "dataset", "target_at")
    )


def stored(frame: "pl.DataFrame", numbers: "pl.Series") -> tuple[str, list[tuple[Any, ...]]]:
    """The statement and the rows that store what ``write_forecasts`` wrote; ``numbers`` are the rows' series here."""
    import polars as pl

    moments = pl.col([name for name in _COLUMNS if name.endswith("_at")]).dt.epoch("us")
    rows = frame.with_columns(moments, numbers.alias("series_id")).select(_COLUMNS).rows()
    marks = ",".join("?" * len(_COLUMNS))
    return f"INSERT INTO forecast ({', '.join(_COLUMNS)}) VALUES ({marks})", rows  # noqa: S608 - names of our own


def _type(column: sa.Column[Any]) -> Any:
    import polars as pl

    if isinstance(column.type, sa.Text):
        return pl.String
    if isinstance(column.type, sa.Double):
        return pl.Float64
    return pl.Int32 if column.name == "series_id" else pl.Int64
