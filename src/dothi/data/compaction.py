"""The heavy half of sealing: rows of the recent table into files of the lake, the files of a day into few. Each function may
run in a process of its own: it writes nothing but the lake, and done twice it is done once.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pydantic import SecretStr

from dothi.data.past import MOST_ROWS, Wanted, fetch, next_stop, recent, schema, settled
from dothi.data.subjects import MOST_IN, marks, pieces
from dothi.data.trail import DAY, EVER
from dothi.store.connection import Connection
from dothi.store.database import Database, open_database
from dothi.store.delta import LakeFile, Made
from dothi.store.lake import Lake

if TYPE_CHECKING:
    import polars as pl

HOUR = DAY // 24
_NAMED = (
    "SELECT s.id, e.id, a.iri, d.iri, s.unit, t.iri, s.attribute FROM series s JOIN entity e ON e.num = s.entity "
    "JOIN name a ON a.id = s.attribute JOIN name t ON t.id = e.type LEFT JOIN name d ON d.id = s.dataset"
)
_ADDED = (
    "FROM unsealed u JOIN reading r ON r.observed_at = u.observed_at AND r.series_id = u.series_id "
    "WHERE u.observed_at >= ? AND u.observed_at < ?"
)


class Home(NamedTuple):
    """Where a series lies in the lake: in the table of a type, sorted under the number of an attribute."""

    type: str
    attribute: int


def append_stretch(database: Database, start: int, end: int) -> None:
    """Bring what the recent table holds of ``start`` ≤ observed < ``end`` (µs UTC, whole hours) into the lake, once.

    Memory holds ``MOST_ROWS`` rows at a time. Raises OSError if the disk fails; then nothing was done.
    """
    with database.lake.writing():
        _append(database, start, end)


def _append(database: Database, start: int, end: int) -> None:
    lake, made, at = database.lake, defaultdict[str, list[Made]](list), start
    with _all_or_none(lake, made):
        while at < end:
            with database.reader() as db:
                stop = next_stop(db, at, end)
                rows = recent(db, Wanted(at, stop, EVER), at, stop)
                homes = _homes(db, lake, rows["series"].unique().to_list())
            for type, of_type in _by_type(rows, homes):
                for day in of_type["day"].unique().sort().to_list():
                    made[type].append(lake.write(type, day, of_type.filter(of_type["day"] == day)))
            at = stop
    for type, files in sorted(made.items()):
        lake.append(type, end // HOUR, files)


@contextmanager
def _all_or_none(lake: Lake, made: Mapping[str, Sequence[Made]]) -> Iterator[None]:
    """If not every file can be made, none stays: a full disk would only get fuller with every attempt."""
    try:
        yield
    except BaseException:
        for type, files in made.items():
            lake.discard(type, files)
        raise


def compact_day(database: Database, day: int) -> None:
    """Write a day's partitions anew: what they hold and the rows of unsealed keys, each statement once, in few files.

    Raises Problem 503 ``lake-damaged`` if a file of the day is, OSError if the disk fails; then the day is as it was.
    """
    with database.lake.writing():
        _compact(database, day)


def _compact(database: Database, day: int) -> None:
    lake, span = database.lake, (day * DAY, (day + 1) * DAY)
    with database.reader() as db:
        added = dict(db.execute(f"SELECT u.series_id, count(*) {_ADDED} GROUP BY u.series_id", span).fetchall())
        homes = _homes(db, lake, list(added))
    for type in sorted({*lake.types(), *(home.type for home in homes.values())}):
        files = lake.files(type, *span)
        news = {one: rows for one, rows in added.items() if homes[one].type == type}
        if len(files) > 1 or news:
            made: dict[str, list[Made]] = {type: []}
            with _all_or_none(lake, made):
                for rows in _merged(database, day, files, news, homes):
                    made[type].append(lake.write(type, day, rows))
            lake.replace(type, [day], made[type])


Step = Literal["append", "compact"]
STEPS: dict[Step, Callable[..., None]] = {"append": append_stretch, "compact": compact_day}


def work(inputs: dict[str, Any], _context: object) -> None:
    """One of ``STEPS`` in a process of its own, on a database that is opened for it."""
    url = inputs["url"]
    database = open_database(Path(inputs["home"]), inputs["tenant"], None if url is None else SecretStr(url))
    try:
        STEPS[inputs["step"]](database, *inputs["arguments"])
    finally:
        database.close()


def _merged(
    database: Database, day: int, files: Sequence[LakeFile], news: Mapping[int, int], homes: Mapping[int, Home]
) -> "Iterator[pl.DataFrame]":
    """The rows of a day of one type, settled, some neighbouring series at a time."""
    import polars as pl

    kinds = pl.Schema({"attribute": pl.Int32, "series": pl.Int32, "rows": pl.Int64})
    counts = pl.DataFrame([(homes[one].attribute, one, rows) for one, rows in news.items()], schema=kinds, orient="row")
    if files:
        found = database.lake.read(files, lambda rows: rows.group_by("attribute", "series").agg(rows=pl.len()))
        counts = pl.concat([counts, found.select(list(kinds)).cast(kinds)])
    counts = counts.group_by("attribute", "series").agg(pl.col("rows").sum()).sort("attribute", "series")
    for part in _parts(counts):
        attribute, low, high = part["attribute"].unique(), part["series"].min(), part["series"].max()
        inside = pl.col("attribute").is_in(attribute.to_list()) & pl.col("series").is_between(low, high)
        among = partial(_inside, inside if len(part) < len(counts) else pl.lit(True))
        frames = [database.lake.read(files, among)] if files else []
        fresh = [one for one in part["series"].to_list() if one in news]
        if fresh:
            frames.append(_added(database, day, fresh).join(part.select("series"), on="series", how="semi"))
        rows = pl.concat(frames)
        # What the lake holds is settled already: only what comes in anew has to find its place.
        yield (settled(rows) if fresh else rows).join(part.select("series", "attribute"), on="series")


def _inside(condition: "pl.Expr", rows: "pl.LazyFrame") -> "pl.LazyFrame":
    return rows.filter(condition).select(list(schema()))


def _parts(counts: "pl.DataFrame") -> "Iterator[pl.DataFrame]":
    """All series at once if they have few rows; else runs of neighbours of one attribute with ``MOST_ROWS`` rows or so."""
    import polars as pl

    if counts["rows"].sum() <= MOST_ROWS:
        yield counts
        return
    of_attribute = pl.col("rows").cum_sum().over("attribute") // MOST_ROWS
    yield from counts.with_columns(part=of_attribute).partition_by("attribute", "part", maintain_order=True)


def _added(database: Database, day: int, series: Sequence[int]) -> "pl.DataFrame":
    """Statements about unsealed keys of a day, of at least these series, in the order of their revisions."""

    span = (day * DAY, (day + 1) * DAY, min(series), max(series))
    with database.reader() as db:
        return fetch(db, f"{_ADDED} AND u.series_id >= ? AND u.series_id <= ?", span)


def _by_type(rows: "pl.DataFrame", homes: Mapping[int, Home]) -> "Iterator[tuple[str, pl.DataFrame]]":
    """Settled rows of each type, with their attribute and day."""
    import polars as pl

    types = sorted({home.type for home in homes.values()})
    listed = [(one, home.attribute, types.index(home.type)) for one, home in homes.items()]
    known = pl.DataFrame(listed, schema={"series": pl.Int32, "attribute": pl.Int32, "type": pl.Int32}, orient="row")
    placed = settled(rows).join(known, on="series").with_columns(day=pl.col("observed_at") // DAY)
    for number, type in enumerate(types):
        yield type, placed.filter(pl.col("type") == number)


def _homes(db: Connection, lake: Lake, series: Sequence[int]) -> dict[int, Home]:
    """Where these series lie or will lie; the lake's dictionary is told of those it does not know."""
    if len(series) > 10 * MOST_IN:
        wanted = set(series)
        found = [row for row in db.execute(_NAMED) if row[0] in wanted]
    else:
        found = []
        for some in pieces(series):
            found += db.execute(f"{_NAMED} WHERE s.id IN ({marks(some)})", some).fetchall()
    types = lake.describe([row[:6] for row in found])
    return {row[0]: Home(types[row[0]], row[6]) for row in found}
