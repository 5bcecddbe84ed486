"""The way back through one series: each reading knows the one before it, so a day is walked, not searched for."""

from collections.abc import Iterator

from dothi.model.reading import Reason
from dothi.store.connection import Connection

DAY = 86_400_000_000
SKEWED = int(Reason.FUTURE | Reason.ABSURD_TIME)  # the sender's clock was wrong: no value to show as the present one

# Moments at which a series was observed: a walk from a link down to a start, and what came late in between. Every revision
# of a moment is in ``reading``. Its parameters are those of ``span_of``.
TIMES = """
walk(at) AS (
  SELECT CAST(? AS BIGINT)
  UNION ALL
  SELECT (SELECT r.previous FROM reading r WHERE r.observed_at = walk.at AND r.series_id = ? AND r.revision = 0)
  FROM walk WHERE walk.at >= ?
),
times(at) AS (
  SELECT at FROM walk WHERE at >= ? AND at < ?
  UNION ALL
  SELECT observed_at FROM late WHERE series_id = ? AND observed_at >= ? AND observed_at < ?
)
"""

# What is read of a key: the row heard last, unless it withdraws the key. Of two heard at one moment, the later revision. Its
# parameters are twice the moment (µs) after which nothing that was heard counts.
STANDS = (
    "r.withdrawn = 0 AND r.received_at <= ? AND NOT EXISTS (SELECT 1 FROM reading h "
    "WHERE h.observed_at = r.observed_at AND h.series_id = r.series_id AND h.received_at <= ? "
    "AND (h.received_at, h.revision) > (r.received_at, r.revision))"
)
EVER = 2**63 - 1


def span_of(head: int | None, series: int, start: int, end: int) -> tuple[int | None, ...]:
    """The parameters of ``TIMES`` for ``start`` ≤ observed < ``end`` (µs); ``head`` starts the walk."""
    return (head, series, start, start, end, series, start, end)


def head_before(connection: Connection, series: int, end: int) -> int | None:
    """Where a walk to what lies before ``end`` (µs) may start: the nearest known link after it, or the newest."""
    later = "SELECT observed_at FROM anchor WHERE series_id = ? AND day > ? ORDER BY day LIMIT 1"
    row = connection.execute(later, (series, end // DAY)).fetchone()
    if row is None:
        row = connection.execute("SELECT head FROM live WHERE series_id = ?", (series,)).fetchone()
    return row[0] if row else None


def newest_standing(
    connection: Connection, series: int, head: int | None, floor: int, before: int, skewed: int
) -> tuple[int, float | None, str | None, int, int, int, int] | None:
    """The newest reading with ``floor`` ≤ observed < ``before`` that stands and has none of the reasons ``skewed``.

    (observed_at, number, other, grade, reasons, origin, received_at), or None. ``head`` starts the walk.
    """
    columns = "r.observed_at, r.number, r.other, r.grade, r.reasons, r.origin, r.received_at"
    query = (
        f"SELECT {columns} FROM reading r WHERE r.observed_at = ? AND r.series_id = ? "  # noqa: S608 - constants only
        f"AND {STANDS} AND r.reasons & ? = 0"
    )
    chained, belated = _chain(connection, series, head, floor), _belated(connection, series, floor, before)
    link, other = next(chained, None), next(belated, None)
    while link is not None or other is not None:
        if other is None or (link is not None and link >= other):
            at, link = link, next(chained, None)
        else:
            at, other = other, next(belated, None)
        if at is None or at >= before:
            continue
        row: tuple[int, float | None, str | None, int, int, int, int] | None
        row = connection.execute(query, (at, series, EVER, EVER, skewed)).fetchone()
        if row is not None:
            return row
    return None


def _chain(connection: Connection, series: int, head: int | None, floor: int) -> Iterator[int]:
    query = "SELECT previous FROM reading WHERE observed_at = ? AND series_id = ? AND revision = 0"
    while head is not None and head >= floor:
        yield head
        row = connection.execute(query, (head, series)).fetchone()
        head = row[0] if row else None


def _belated(connection: Connection, series: int, floor: int, before: int) -> Iterator[int]:
    query = (
        "SELECT observed_at FROM late WHERE series_id = ? AND observed_at >= ? AND observed_at < ? ORDER BY observed_at DESC"
    )
    for (at,) in connection.execute(query, (series, floor, before)):
        yield at
