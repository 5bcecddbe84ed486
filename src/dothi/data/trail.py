"""The way back through one series: each reading knows the one before it, so a day is walked, not searched for."""

import sqlite3
from collections.abc import Iterator

DAY = 86_400_000_000

# A walk from :head down to :start, and the late readings in between. ``at`` is when; every revision of it is in ``reading``.
TIMES = """
walk(at) AS (
  SELECT :head WHERE :head IS NOT NULL
  UNION ALL
  SELECT (SELECT r.previous FROM reading r WHERE r.observed_at = walk.at AND r.series_id = :series AND r.revision = 0)
  FROM walk WHERE walk.at >= :start
),
times(at) AS (
  SELECT at FROM walk WHERE at >= :start AND at < :end
  UNION ALL
  SELECT observed_at FROM late WHERE series_id = :series AND observed_at >= :start AND observed_at < :end
)
"""

# What is read of a key: its highest revision, unless that withdraws it.
STANDS = (
    "r.withdrawn = 0 AND NOT EXISTS (SELECT 1 FROM reading h "
    "WHERE h.observed_at = r.observed_at AND h.series_id = r.series_id AND h.revision > r.revision)"
)


def head_before(connection: sqlite3.Connection, series: int, end: int) -> int | None:
    """Where a walk to what lies before ``end`` (µs) may start: the nearest known link after it, or the newest."""
    later = "SELECT observed_at FROM anchor WHERE series_id = ? AND day > ? ORDER BY day LIMIT 1"
    row = connection.execute(later, (series, end // DAY)).fetchone()
    if row is None:
        row = connection.execute("SELECT head FROM live WHERE series_id = ?", (series,)).fetchone()
    return row[0] if row else None


def newest_standing(
    connection: sqlite3.Connection, series: int, head: int | None, before: int, skewed: int
) -> tuple[int, float | None, str | None, int, int, int, int] | None:
    """The newest reading of ``series`` observed before ``before`` that stands and has none of the reasons ``skewed``.

    (observed_at, number, other, grade, reasons, origin, received_at), or None. ``head`` starts the walk.
    """
    columns = "r.observed_at, r.number, r.other, r.grade, r.reasons, r.origin, r.received_at"
    query = (
        f"SELECT {columns} FROM reading r WHERE r.observed_at = ? AND r.series_id = ? "  # noqa: S608 - constants only
        f"AND {STANDS} AND r.reasons & ? = 0"
    )
    chained, belated = _chain(connection, series, head), _belated(connection, series, before)
    link, other = next(chained, None), next(belated, None)
    while link is not None or other is not None:
        if other is None or (link is not None and link >= other):
            at, link = link, next(chained, None)
        else:
            at, other = other, next(belated, None)
        if at is None or at >= before:
            continue
        row: tuple[int, float | None, str | None, int, int, int, int] | None
        row = connection.execute(query, (at, series, skewed)).fetchone()
        if row is not None:
            return row
    return None


def _chain(connection: sqlite3.Connection, series: int, head: int | None) -> Iterator[int]:
    query = "SELECT previous FROM reading WHERE observed_at = ? AND series_id = ? AND revision = 0"
    while head is not None:
        yield head
        row = connection.execute(query, (head, series)).fetchone()
        head = row[0] if row else None


def _belated(connection: sqlite3.Connection, series: int, before: int) -> Iterator[int]:
    query = "SELECT observed_at FROM late WHERE series_id = ? AND observed_at < ? ORDER BY observed_at DESC"
    for (at,) in connection.execute(query, (series, before)):
        yield at
