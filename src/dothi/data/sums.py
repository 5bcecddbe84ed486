"""Figures of many readings at once, worked out where they lie: for questions about the recent past that nobody corrected."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from dothi.data.past import marks_of
from dothi.data.subjects import MOST_IN, marks
from dothi.model.reading import Grade
from dothi.store.connection import Connection
from dothi.store.database import Database

_FIGURES = {
    "totalCount": "count(*)",
    "sum": "sum(r.number)",
    "avg": "avg(r.number)",
    "min": "min(r.number)",
    "max": "max(r.number)",
    "sumsq": "sum(r.number * r.number)",
}
SUMMED = frozenset(_FIGURES)
"""The figures there are, by their names in NGSI-LD (ETSI GS CIM 009, clause 4.5.19)."""

_AT_ONCE = 2  # connections that work beside each other on one question
_NEWEST = "SELECT max(observed_at) FROM reading WHERE observed_at >= ? AND observed_at < ?"
_ODD = (
    "SELECT 1 FROM reading WHERE observed_at >= ? AND observed_at < ? "
    "AND (revision > 0 OR withdrawn = 1 OR number IS NULL) LIMIT 1"
)


class Cell(NamedTuple):
    """The readings of one period (counted from the anchor) of one series: the figures that were asked for."""

    place: int
    figures: tuple[float, ...]


def sums(
    database: Database, series: Sequence[int], span: tuple[int, int], anchor: int, length: int, figures: Sequence[str]
) -> dict[int, list[Cell]] | None:
    """``figures`` (of SUMMED) of each series, observed within ``span``, in periods of ``length`` from ``anchor`` (µs).

    What is graded bad does not count. None where it has to be done otherwise: something in that time was sealed, corrected,
    withdrawn or is no number.
    """
    first, last = span
    with database.reader() as db:
        if first < marks_of(db).recent_from:
            return None
        (newest,) = db.execute(_NEWEST, span).fetchone()
    if newest is None:
        return {}
    last = min(last, newest + 1)
    middle = anchor + ((first + last) // 2 - anchor) // length * length
    spans = [(first, last)] if middle <= first else [(first, middle), (middle, last)]
    wanted, places = frozenset(series), (last - anchor) // length + 1
    chosen = ", ".join(_FIGURES[name] for name in figures)

    def look(part: tuple[int, int]) -> list[tuple[Any, ...]] | None:
        with database.reader() as db:
            return None if db.execute(_ODD, part).fetchone() else _rows(db, series, part, (places, anchor, length), chosen)

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        parts = list(pool.map(look, spans))
    found: dict[int, list[Cell]] = {}
    for part in parts:
        if part is None:
            return None
        for key, *values in part:
            number, place = divmod(key, places)
            if number in wanted:
                found.setdefault(number, []).append(Cell(place, tuple(values)))
    for cells in found.values():
        cells.sort()
    return found


def _rows(
    db: Connection, series: Sequence[int], span: tuple[int, int], periods: tuple[int, int, int], chosen: str
) -> list[tuple[Any, ...]]:
    (known,) = db.execute("SELECT count(*) FROM series").fetchone()
    few = len(series) <= MOST_IN and 2 * len(series) < known  # looking each row up costs more than a few groups too many
    among, values = (f" AND r.series_id IN ({marks(series)})", tuple(series)) if few else ("", ())
    # One key instead of two: what is sorted for the groups is half of the work.
    query = (
        f"SELECT CAST(r.series_id AS BIGINT) * ? + (r.observed_at - ?) / ?, {chosen} FROM reading r "  # noqa: S608 - constants
        f"WHERE r.observed_at >= ? AND r.observed_at < ? AND r.grade < {int(Grade.BAD)}{among} GROUP BY 1"
    )
    return db.execute(query, (*periods, *span, *values)).fetchall()
