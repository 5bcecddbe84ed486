"""What was said and what stands of it: statements of many series as columns, for questions too wide for a walk."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dothi.data.subjects import marks
from dothi.store.connection import Connection

if TYPE_CHECKING:
    import polars as pl

_COLUMNS = "series_id, observed_at, revision, number, other, grade, reasons, origin, received_at, withdrawn"


@dataclass(frozen=True, slots=True)
class Span:
    """Statements about ``first`` ≤ observed < ``last`` (µs UTC) that were heard by ``heard_by`` (µs)."""

    first: int
    last: int
    heard_by: int


def schema() -> "dict[str, Any]":
    """Columns of a frame of statements and their types."""
    import polars as pl

    return {
        "series": pl.Int32,
        "observed_at": pl.Int64,
        "revision": pl.Int32,
        "number": pl.Float64,
        "other": pl.String,
        "grade": pl.Int8,
        "reasons": pl.Int16,
        "origin": pl.Int8,
        "received_at": pl.Int64,
        "withdrawn": pl.Boolean,
    }


def recent(db: Connection, span: Span, attributes: Sequence[str] | None = None) -> "pl.DataFrame":
    """Statements of the recent table; ``attributes`` (IRIs) None is all."""
    import polars as pl

    query = f"SELECT {_COLUMNS} FROM reading WHERE observed_at >= ? AND observed_at < ? AND received_at <= ?"  # noqa: S608 - constants
    values: list[Any] = [span.first, span.last, span.heard_by]
    if attributes is not None:
        names = f"SELECT id FROM name WHERE iri IN ({marks(attributes)})"  # noqa: S608 - placeholders only
        query += f" AND series_id IN (SELECT id FROM series WHERE attribute IN ({names}))"  # noqa: S608 - as above
        values += attributes
    return pl.DataFrame(db.execute(query, values).fetchall(), schema=schema(), orient="row")


def standing(frame: "pl.LazyFrame") -> "pl.LazyFrame":
    """What stands of a frame of statements: of each key the one heard last, unless that withdraws it."""
    import polars as pl

    last = frame.sort("received_at", "revision").unique(("series", "observed_at"), keep="last", maintain_order=True)
    return last.filter(~pl.col("withdrawn"))
