"""From statements to answers: figures of stretches of time, the last value of each entity, readings under their names."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

import numpy as np

from dothi.data.batch import join_value
from dothi.data.context import EntityTable
from dothi.data.subjects import SeriesOf, Subject
from dothi.data.trail import DAY, SKEWED
from dothi.model.problem import Problem
from dothi.model.reading import Grade

if TYPE_CHECKING:
    import polars as pl

Function = Literal["mean", "min", "max", "count", "sum", "last", "first"]
By = Literal["entity", "ward", "city"]

MOST_WINDOWS = 3_000_000
_ASK_FOR_LESS = "Ask for longer windows, a shorter time or fewer things, or for wards or the city instead of each thing."
# Midnight of a Monday (1970-01-05) in Asia/Ho_Chi_Minh, which has kept UTC+7 ever since.
_LOCAL_MONDAY = 4 * DAY - 7 * DAY // 24


def windows(
    pieces: "Iterable[pl.DataFrame]",
    subjects: Sequence[Subject],
    series: Sequence[SeriesOf],
    every: timedelta,
    functions: Sequence[Function],
    by: By,
) -> "pl.DataFrame":
    """The frame of ``data.history.Windows`` from readings that stand. Raises Problem 413 for an answer beyond all bounds."""
    import polars as pl

    length = every // timedelta(microseconds=1)
    origin = _LOCAL_MONDAY if length >= DAY else 0
    key_of = {subject.num: subject.urn if by == "entity" else subject.ward if by == "ward" else "" for subject in subjects}
    keys = sorted({key for key in key_of.values() if key is not None})
    codes = {key: code for code, key in enumerate(keys)}
    chosen = [(one.id, codes[key]) for one in series if (key := key_of[one.num]) is not None]
    numbers = pl.Series([one for one, _ in chosen], dtype=pl.Int32).to_numpy()
    code_of = np.full(max(numbers, default=0) + 1, -1, np.int32)
    code_of[numbers] = [code for _, code in chosen]
    of_readings, of_parts = _steps(functions)
    parts: list[pl.DataFrame] = []
    for piece in pieces:
        known = piece.filter(pl.col("series") < len(code_of))
        start = (pl.col("observed_at") - origin) // length * length + origin
        rows = known.lazy().with_columns(code=pl.Series(code_of[known["series"].to_numpy()]), start=start)
        rows = rows.filter((pl.col("code") >= 0) & pl.col("number").is_not_null() & (pl.col("grade") < int(Grade.BAD)))
        parts.append(rows.group_by("code", "start").agg(**of_readings).collect())
        if sum(len(part) for part in parts) > 2 * MOST_WINDOWS:
            parts = [pl.concat(parts).group_by("code", "start").agg(**of_parts)]
            if len(parts[0]) > MOST_WINDOWS:
                raise Problem(413, "too-large", f"The answer would have more than {MOST_WINDOWS} rows.", _ASK_FOR_LESS)
    columns: list[str] = list(dict.fromkeys(functions))
    if not parts:
        figures = [(name, pl.Int64 if name == "count" else pl.Float64) for name in columns]
        return pl.DataFrame(schema=[("key", pl.String), ("start", pl.Int64), *figures])
    result = pl.concat(parts).group_by("code", "start").agg(**of_parts)
    if "mean" in columns:
        result = result.with_columns(mean=pl.col("sum") / pl.col("count"))
    names = pl.DataFrame({"code": range(len(keys)), "key": keys}, schema={"code": pl.Int32, "key": pl.String})
    return result.join(names, on="code").select("key", "start", *columns).sort("key", "start")


def _steps(functions: Sequence[Function]) -> "tuple[dict[str, pl.Expr], dict[str, pl.Expr]]":
    """What is worked out of readings, and how the parts are put together, for what ``functions`` need."""
    import polars as pl

    number, order = pl.col("number"), ("observed_at", "series")
    steps: dict[str, tuple[set[Function], pl.Expr, pl.Expr]] = {
        "count": ({"count", "mean"}, pl.len().cast(pl.Int64), pl.col("count").sum()),
        "sum": ({"sum", "mean"}, number.sum(), pl.col("sum").sum()),
        "min": ({"min"}, number.min(), pl.col("min").min()),
        "max": ({"max"}, number.max(), pl.col("max").max()),
        "first": ({"first"}, number.sort_by(order).first(), pl.col("first").sort_by("first_at").first()),
        "first_at": ({"first"}, pl.col("observed_at").min(), pl.col("first_at").min()),
        "last": ({"last"}, number.sort_by(order).last(), pl.col("last").sort_by("last_at").last()),
        "last_at": ({"last"}, pl.col("observed_at").max(), pl.col("last_at").max()),
    }
    wanted = {name: step for name, step in steps.items() if step[0].intersection(functions)}
    return {name: step[1] for name, step in wanted.items()}, {name: step[2] for name, step in wanted.items()}


def newest(pieces: "Iterable[pl.DataFrame]") -> "pl.DataFrame":
    """Of each series the newest reading that its own clock does not put into doubt."""
    import polars as pl

    parts = [
        piece.filter(pl.col("reasons") & SKEWED == 0).sort("observed_at").unique("series", keep="last") for piece in pieces
    ]
    return pl.concat(parts).sort("observed_at").unique("series", keep="last") if parts else pl.DataFrame()


def table_of(subjects: Sequence[Subject], attributes: Sequence[str]) -> EntityTable:
    """A table of ``subjects`` without values."""
    count = len(subjects)
    return EntityTable(
        [subject.urn for subject in subjects],
        [subject.type for subject in subjects],
        [subject.ward for subject in subjects],
        [subject.place for subject in subjects],
        {iri: [None] * count for iri in attributes},
        {iri: [None] * count for iri in attributes},
        {iri: [None] * count for iri in attributes},
        {iri: [None] * count for iri in attributes},
        count,
    )


def fill(
    table: EntityTable, subjects: Sequence[Subject], series: Sequence[SeriesOf], values: "pl.DataFrame"
) -> list[SeriesOf]:
    """Put ``values`` (one row a series) into the table of ``subjects``; returns the series that got none."""
    places = {subject.num: place for place, subject in enumerate(subjects)}
    cells = {one.id: (one.attribute, places[one.num]) for one in series}
    for one, observed_at, number, other, grade, reasons in values.iter_rows():
        if one in cells:
            iri, place = cells.pop(one)
            table.values[iri][place] = number if other is None else join_value(number, other)
            table.observed_at[iri][place] = observed_at
            table.grades[iri][place] = Grade(grade)
            table.reasons[iri][place] = reasons
    return [one for one in series if one.id in cells]


def named(rows: "pl.DataFrame", subjects: Sequence[Subject], series: Sequence[SeriesOf]) -> "pl.DataFrame":
    """Readings with the names of what they are of, as ``History.rows`` gives them."""
    import polars as pl

    urns = {subject.num: subject.urn for subject in subjects}
    kinds = {"series": pl.Int32} | dict.fromkeys(("entity", "attribute", "dataset", "unit"), pl.String)
    names = pl.DataFrame(
        [(one.id, urns[one.num], one.attribute, one.dataset, one.unit) for one in series], schema=kinds, orient="row"
    )
    values = ("observed_at", "number", "other", "grade", "reasons", "origin", "received_at", "revision")
    chosen = rows.join(names, on="series").select("entity", "attribute", "dataset", "unit", *values)
    return chosen.sort("entity", "attribute", "dataset", "observed_at")
