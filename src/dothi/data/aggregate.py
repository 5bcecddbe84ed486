"""From statements to answers: figures of stretches of time, the last value of each entity, readings under their names."""

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from dothi.data.batch import join_value
from dothi.data.context import EntityTable
from dothi.data.past import standing
from dothi.data.subjects import SeriesOf, Subject
from dothi.model.reading import Grade, Reason

if TYPE_CHECKING:
    import polars as pl

Function = Literal["mean", "min", "max", "count", "sum", "last", "first"]
By = Literal["entity", "ward", "city"]

DAY = 86_400_000_000
SKEWED = int(Reason.FUTURE | Reason.ABSURD_TIME)
# Midnight of a Monday (1970-01-05) in Asia/Ho_Chi_Minh, which has kept UTC+7 ever since.
_LOCAL_MONDAY = 4 * DAY - 7 * DAY // 24


def windows(
    statements: "pl.LazyFrame",
    subjects: Sequence[Subject],
    series: Sequence[SeriesOf],
    every: timedelta,
    functions: Sequence[Function],
    by: By,
) -> "pl.DataFrame":
    """The frame of ``data.history.Windows``."""
    import polars as pl

    number, length = pl.col("number"), every // timedelta(microseconds=1)
    origin = _LOCAL_MONDAY if length >= DAY else 0
    figures = {
        "mean": number.mean(),
        "min": number.min(),
        "max": number.max(),
        "count": pl.len(),
        "sum": number.sum(),
        "first": number.sort_by("observed_at", "series").first(),
        "last": number.sort_by("observed_at", "series").last(),
    }
    keys = {subject.num: subject.urn if by == "entity" else subject.ward if by == "ward" else "" for subject in subjects}
    known = pl.LazyFrame(
        {"series": [one.id for one in series], "key": [keys[one.num] for one in series]},
        schema={"series": pl.Int32, "key": pl.String},
    )
    return (
        standing(statements)
        .filter(number.is_not_null() & (pl.col("grade") < int(Grade.BAD)))
        .join(known.filter(pl.col("key").is_not_null()), on="series")
        .group_by("key", ((pl.col("observed_at") - origin) // length * length + origin).alias("start"))
        .agg(**{name: figures[name] for name in dict.fromkeys(functions)})
        .sort("key", "start")
        .collect()
    )


def last_values(statements: "pl.LazyFrame") -> "pl.DataFrame":
    """Of each series the last standing value that its own clock does not put into doubt."""
    import polars as pl

    rows = standing(statements).filter(pl.col("reasons") & SKEWED == 0)
    return rows.sort("observed_at").unique("series", keep="last").collect()


def table_of(
    subjects: Sequence[Subject], series: Sequence[SeriesOf], attributes: Sequence[str], values: "pl.DataFrame"
) -> EntityTable:
    """``values`` (one row a series) as a table of ``subjects``."""
    count = len(subjects)
    table = EntityTable(
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
    places = {subject.num: place for place, subject in enumerate(subjects)}
    cells = {one.id: (one.attribute, places[one.num]) for one in series}
    columns = ("series", "observed_at", "number", "other", "grade", "reasons")
    for one, observed_at, number, other, grade, reasons in values.select(columns).iter_rows():
        if one in cells:
            iri, place = cells[one]
            table.values[iri][place] = number if other is None else join_value(number, other)
            table.observed_at[iri][place] = observed_at
            table.grades[iri][place] = Grade(grade)
            table.reasons[iri][place] = reasons
    return table


def named(statements: "pl.LazyFrame", subjects: Sequence[Subject], series: Sequence[SeriesOf]) -> "pl.DataFrame":
    """Standing readings with the names of what they are of, as ``History.rows`` gives them."""
    import polars as pl

    urns = {subject.num: subject.urn for subject in subjects}
    names = pl.LazyFrame(
        [(one.id, urns[one.num], one.attribute, one.dataset, one.unit) for one in series],
        schema={
            "series": pl.Int32,
            "entity": pl.String,
            "attribute": pl.String,
            "dataset": pl.String,
            "unit": pl.String,
        },
        orient="row",
    )
    values = ("observed_at", "number", "other", "grade", "reasons", "origin", "received_at", "revision")
    return (
        standing(statements)
        .join(names, on="series")
        .select("entity", "attribute", "dataset", "unit", *values)
        .sort("entity", "attribute", "dataset", "observed_at")
        .collect()
    )
