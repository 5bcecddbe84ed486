"""What stands of everything that was said: readings of many series from the recent table and the lake, each key once.

Where they lie: the recent table holds everything observed from ``recent_from`` on, the lake everything observed before
``sealed_until`` except the keys listed in ``unsealed``, which got a row after their hour was sealed; those rows are in the
recent table. Both moments are kept in ``meta`` and only grow.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dothi.data.subjects import MOST_IN, marks
from dothi.data.trail import DAY, EVER, SKEWED
from dothi.store.connection import Connection
from dothi.store.database import Database
from dothi.store.delta import LakeFile

if TYPE_CHECKING:
    import polars as pl

MOST_ROWS = 1_000_000  # held in memory at once, by a question as by sealing

# The small columns come as one: each value that crosses from the database into Python costs a fifth of a microsecond.
_PACKED = (
    "r.series_id, r.observed_at, r.number, r.received_at, "
    "(((CAST(r.revision AS BIGINT) * 2 + r.withdrawn) * 32768 + r.reasons) * 8 + r.grade) * 8 + r.origin"
)
_PACK = np.dtype([("series", np.int64), ("at", np.int64), ("number", np.float64), ("heard", np.int64), ("rest", np.int64)])
_OTHERS = "r.series_id, r.observed_at, r.revision, r.other"
KEY = ("series", "observed_at")
_SAID = ("number", "other", "withdrawn")
_HEARD_LAST = "SELECT observed_at FROM live WHERE hidden = 0 AND observed_at IS NOT NULL ORDER BY received_at DESC LIMIT 101"
_NEXT = "SELECT min(observed_at) FROM reading WHERE observed_at >= ? AND observed_at < ?"


class Marks(NamedTuple):
    """How far sealing is (µs UTC; 0 before it ever began). Whole hours; ``recent_from`` is the beginning of a UTC day."""

    sealing_until: int = 0
    sealed_until: int = 0
    recent_from: int = 0


@dataclass(frozen=True, slots=True)
class Wanted:
    """Readings with ``first`` ≤ observed < ``last`` that were heard by ``heard_by`` (all µs UTC).

    ``attributes`` are IRIs, None for all; ``series`` the numbers of the only series wanted, None for all; ``types`` the
    IRIs of the lake's tables to look into, None for all. ``columns`` are those of the answer beside series and
    observed_at.
    """

    first: int
    last: int
    heard_by: int
    attributes: tuple[str, ...] | None = None
    series: tuple[int, ...] | None = None
    types: tuple[str, ...] | None = None
    columns: tuple[str, ...] = ("revision", "number", "other", "grade", "reasons", "origin", "received_at")


def marks_of(db: Connection) -> Marks:
    """The marks as this connection sees them."""
    query = f"SELECT key, value FROM meta WHERE key IN ({marks(Marks._fields)})"  # noqa: S608 - placeholders only
    found = dict(db.execute(query, Marks._fields))
    return Marks(*(int(found.get(name, 0)) for name in Marks._fields))


def believed(db: Connection, now: int, days: int) -> int:
    """The present (µs UTC) to go by where a wrong clock would do harm: ``now``, at most ``days`` past what senders tell.

    What they tell is the median moment of the values heard last: neither one sender whose clock runs ahead nor the city's
    own clock, set wrong, makes the record older than it is. A city that hears nothing stays where it is.
    """
    told = sorted(at for (at,) in db.execute(_HEARD_LAST))
    return min(now, told[len(told) // 2] + days * DAY) if told else now


def schema() -> dict[str, Any]:
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


def settled(statements: "pl.DataFrame") -> "pl.DataFrame":
    """Every statement once, sorted by series and moment, its revisions numbered in the order in which they were heard.

    Takes the rows of the lake first, then those of the recent table, each in the order of their revisions: of two heard at
    one moment the later stands, and where a statement is told twice, its first place counts. What only repeats the one
    before it is not a revision.
    """
    import polars as pl

    ordered = _by_key(statements)
    again = pl.all_horizontal(pl.col(name) == pl.col(name).shift(1) for name in KEY).fill_null(False)
    several = ordered.select(again | again.shift(-1, fill_value=False)).to_series()
    ordered = ordered.with_columns(revision=pl.lit(0, pl.Int32))
    if not several.any():
        return ordered
    told = (*KEY, "received_at", *_SAID)
    once = ordered.filter(several).unique(told, keep="first", maintain_order=True)
    rank = pl.int_range(pl.len(), dtype=pl.Int32).over(KEY)
    heard = _by_key(once.sort("received_at", maintain_order=True))
    repeated = pl.all_horizontal(pl.col(name).eq_missing(pl.col(name).shift(1)) for name in (*KEY, *_SAID))
    heard = heard.filter(~repeated | (pl.int_range(pl.len()) == 0)).with_columns(revision=rank)
    return _by_key(pl.concat([ordered.filter(~several), heard]))


def _by_key(rows: "pl.DataFrame") -> "pl.DataFrame":
    """Rows sorted by series, then moment, those of a key as they came. Twice by one column is faster than by two."""
    return rows.sort("observed_at", maintain_order=True).sort("series", maintain_order=True)


def standing(statements: "pl.DataFrame") -> "pl.DataFrame":
    """What stands of settled statements, in the order of ``settled`` or of the lake's files.

    It is the last row of each key, unless that withdraws it.
    """
    import polars as pl

    superseded = pl.all_horizontal(pl.col(name) == pl.col(name).shift(-1) for name in KEY).fill_null(False)
    return statements.filter(~superseded & ~pl.col("withdrawn"))


class Past:
    """Readings that stand, from the recent table and the lake."""

    def __init__(self, database: Database) -> None:
        self._database, self._lake = database, database.lake

    def pieces(self, wanted: Wanted) -> "Iterator[pl.DataFrame]":
        """The readings that stand, each key once, in frames of at most about two times ``MOST_ROWS``; no order is promised.

        Raises Problem 503 ``lake-damaged``.
        """
        with self._database.reader() as db:
            border = max(wanted.first, min(wanted.last, marks_of(db).sealed_until))
            names = _numbers(db, wanted)
            days = "SELECT day FROM dirty_day WHERE day >= ? AND day <= ? ORDER BY day"
            added = {}
            for (day,) in db.execute(days, (wanted.first // DAY, border // DAY)).fetchall():
                rows = recent(db, wanted, max(wanted.first, day * DAY), min(border, (day + 1) * DAY), unsealed=True)
                if len(rows):
                    added[day] = rows
        yield from self._sealed(wanted, border, names, added)
        start = border
        while start < wanted.last:
            with self._database.reader() as db:
                left = marks_of(db).recent_from > start
                if not left:
                    end = next_stop(db, start, wanted.last)
                    rows = recent(db, wanted, start, end)
            if left:  # sealed and taken out of the recent table since the first look
                yield from self.pieces(replace(wanted, first=start))
                return
            if len(rows):
                yield _answer(wanted, standing(settled(rows)))
            start = end

    def statements(self, db: Connection, series: int, first: int, last: int, heard_by: int = EVER) -> "pl.DataFrame":
        """All that was said by ``heard_by`` of one series with ``first`` ≤ observed < ``last`` ≤ ``recent_from``; settled.

        Raises Problem 503 ``lake-damaged``.
        """
        import polars as pl

        wanted = Wanted(first, last, heard_by, series=(series,), types=tuple(self._lake.types_of((series,))))
        whole = tuple(schema())
        frames = [self._lake_rows(wanted, last, None, some, whole) for some in _batches(self._files(wanted, last, None))]
        return settled(pl.concat([*frames, recent(db, wanted, first, last, unsealed=True)]))

    def backwards(
        self, db: Connection, series: int, first: int, last: int, heard_by: int = EVER
    ) -> "Iterator[pl.DataFrame]":
        """What stands of one series from ``last`` back to ``first`` (µs), as far as it lies before ``recent_from``.

        The newest day, then ever longer stretches, each sorted by time. Raises Problem 503 ``lake-damaged``.
        """
        last = min(last, marks_of(db).recent_from)
        if last <= first:
            return
        types = self._lake.types_of((series,))
        begun = [file.first for type in types for file in self._lake.files(type, first, last)]
        (belated,) = db.execute("SELECT min(observed_at) FROM unsealed").fetchone()
        first = max(first, min([last, *begun, *([] if belated is None else [belated])]))
        days = 1
        while last > first:
            start = max(first, last - days * DAY)
            yield standing(self.statements(db, series, start, last, heard_by)).sort("observed_at")
            last, days = start, days * 4

    def newest(self, db: Connection, series: int, before: int) -> "tuple[Any, ...] | None":
        """The newest reading of a series that stands, observed before ``before`` and ``recent_from`` (µs), of a sender
        whose clock was right: (observed_at, number, other, grade, reasons, origin, received_at), or None.

        Raises Problem 503 ``lake-damaged``.
        """
        import polars as pl

        columns = ("observed_at", "number", "other", "grade", "reasons", "origin", "received_at")
        for rows in self.backwards(db, series, 0, before):
            found = rows.filter(pl.col("reasons") & SKEWED == 0).select(columns)
            if len(found):
                return found.row(-1)
        return None

    def oldest(self) -> int | None:
        """The moment (µs UTC) of the lake's oldest reading; None if it is empty. Raises Problem 503 ``lake-damaged``."""
        return min((file.first for type in self._lake.types() for file in self._lake.files(type, 0, EVER)), default=None)

    def days(self, first: int, last: int) -> list[int]:
        """The UTC days (since 1970) with ``first`` ≤ observed < ``last`` (µs) on which there may be a reading, in order."""
        found = {day for type in self._lake.types() for file in self._lake.files(type, first, last) for day in (file.day,)}
        with self._database.reader() as db:
            at = first
            while (row := db.execute(_NEXT, (at, last)).fetchone())[0] is not None:
                found.add(row[0] // DAY)
                at = (row[0] // DAY + 1) * DAY
        return sorted(found)

    def _sealed(
        self, wanted: Wanted, border: int, names: list[int] | None, added: "dict[int, pl.DataFrame]"
    ) -> "Iterator[pl.DataFrame]":
        import polars as pl

        files = self._files(wanted, border, names) if wanted.first < border else []
        for some in _batches([file for file in files if file.day not in added]):
            yield _answer(
                wanted, standing(self._lake_rows(wanted, border, names, some, (*KEY, "withdrawn", *wanted.columns)))
            )
        for day, rows in added.items():
            keys, held = rows.select(KEY).unique(), []
            for some in _batches([file for file in files if file.day == day]):
                found = self._lake_rows(wanted, border, names, some, tuple(schema()))
                held.append(found.join(keys, on=KEY, how="semi", maintain_order="left"))
                yield _answer(wanted, standing(found.join(keys, on=KEY, how="anti")))
            yield _answer(wanted, standing(settled(pl.concat([*held, rows]))))

    def _files(self, wanted: Wanted, border: int, names: list[int] | None) -> list[LakeFile]:
        types = self._lake.types() if wanted.types is None else wanted.types
        files = [file for type in types for file in self._lake.files(type, wanted.first, border)]
        if names is not None:
            files = [file for file in files if any(file.attributes[0] <= name <= file.attributes[1] for name in names)]
        if wanted.series is not None:
            series = sorted(wanted.series)
            files = [file for file in files if bisect_left(series, file.series[0]) < bisect_right(series, file.series[1])]
        return sorted(files, key=lambda file: file.day)

    def _lake_rows(
        self, wanted: Wanted, border: int, names: list[int] | None, files: Sequence[LakeFile], columns: tuple[str, ...]
    ) -> "pl.DataFrame":
        """Statements in ``files`` that may be part of the answer, in the files' order."""
        import polars as pl

        conditions = []
        if names is not None and any(file.attributes != (names[0], names[0]) for file in files):
            conditions.append(_one_of("attribute", names))
        if wanted.series is not None:
            conditions.append(_one_of("series", wanted.series))
        if any(file.first < wanted.first for file in files):
            conditions.append(pl.col("observed_at") >= wanted.first)
        if any(file.last >= border for file in files):
            conditions.append(pl.col("observed_at") < border)
        if wanted.heard_by != EVER:
            conditions.append(pl.col("received_at") <= wanted.heard_by)

        def question(rows: "pl.LazyFrame") -> "pl.LazyFrame":
            return (rows.filter(*conditions) if conditions else rows).select(columns)

        return self._lake.read(files, question)


def recent(db: Connection, wanted: Wanted, first: int, last: int, *, unsealed: bool = False) -> "pl.DataFrame":
    """Statements of the recent table with ``first`` ≤ observed < ``last``, in the order of their revisions; with
    ``unsealed`` only those of keys that the lake does not hold whole."""

    source = "reading r"
    if unsealed:
        source = "unsealed u JOIN reading r ON r.observed_at = u.observed_at AND r.series_id = u.series_id"
    time = "u" if unsealed else "r"
    where = f"FROM {source} WHERE {time}.observed_at >= ? AND {time}.observed_at < ? AND r.received_at <= ?"
    values: list[Any] = [first, last, wanted.heard_by]
    if wanted.attributes is not None:
        names = f"SELECT id FROM name WHERE iri IN ({marks(wanted.attributes)})"  # noqa: S608 - placeholders only
        where += f" AND r.series_id IN (SELECT id FROM series WHERE attribute IN ({names}))"  # noqa: S608 - as above
        values += wanted.attributes
    few = wanted.series is not None and len(wanted.series) <= MOST_IN
    if wanted.series is not None and few:
        where += f" AND r.series_id IN ({marks(wanted.series)})"
        values += wanted.series
    frame = fetch(db, where, values)
    return frame if wanted.series is None or few else frame.filter(_one_of("series", wanted.series))


def fetch(db: Connection, where: str, values: Sequence[Any]) -> "pl.DataFrame":
    """Rows of ``reading r`` as statements, in the order of their revisions; ``where`` begins with FROM."""
    import polars as pl

    order = "ORDER BY r.observed_at, r.series_id, r.revision"
    rows = np.fromiter(db.execute(f"SELECT {_PACKED} {where} {order}", values), _PACK)
    rest = rows["rest"]
    frame = pl.DataFrame(
        {
            "series": rows["series"],
            "observed_at": rows["at"],
            "revision": rest >> 22,
            "number": pl.Series(rows["number"], nan_to_null=True),
            "other": pl.Series([None], dtype=pl.String).new_from_index(0, len(rows)),
            "grade": rest >> 3 & 7,
            "reasons": rest >> 6 & 32_767,
            "origin": rest & 7,
            "received_at": rows["heard"],
            "withdrawn": rest >> 21 & 1,
        }
    ).cast(pl.Schema(schema()))
    others = db.execute(f"SELECT {_OTHERS} {where} AND r.other IS NOT NULL", values).fetchall()
    if not others:
        return frame
    key = (*KEY, "revision")
    told = pl.DataFrame(others, schema={name: schema()[name] for name in (*key, "other")}, orient="row")
    return frame.drop("other").join(told, on=key, how="left", maintain_order="left").select(list(schema()))


def next_stop(db: Connection, first: int, last: int) -> int:
    """Where to stop on the way from ``first`` to ``last`` (µs) so that at most about ``MOST_ROWS`` rows lie in between."""
    query = (
        "SELECT observed_at FROM reading WHERE observed_at >= ? AND observed_at < ? ORDER BY observed_at LIMIT 1 OFFSET ?"
    )
    found = db.execute(query, (first, last, MOST_ROWS)).fetchone()
    return last if found is None else max(found[0], first + 1)


def _numbers(db: Connection, wanted: Wanted) -> list[int] | None:
    if wanted.attributes is None:
        return None
    query = f"SELECT id FROM name WHERE iri IN ({marks(wanted.attributes)})"  # noqa: S608 - placeholders only
    return [number for (number,) in db.execute(query, wanted.attributes)]


def _one_of(column: str, values: Sequence[int]) -> "pl.Expr":
    import polars as pl

    if len(values) == 1:
        return pl.col(column) == values[0]
    # The bounds let whole row groups be passed over.
    return pl.col(column).is_between(min(values, default=0), max(values, default=0)) & pl.col(column).is_in(list(values))


def _batches(files: Sequence[LakeFile]) -> Iterator[list[LakeFile]]:
    """Files that are read together: never more than two times ``MOST_ROWS`` rows, unless one alone is larger."""
    batch: list[LakeFile] = []
    for file in files:
        if batch and sum(one.rows for one in batch) + file.rows > 2 * MOST_ROWS:
            yield batch
            batch = []
        batch.append(file)
    if batch:
        yield batch


def _answer(wanted: Wanted, rows: "pl.DataFrame") -> "pl.DataFrame":
    return rows.select(*KEY, *wanted.columns)
