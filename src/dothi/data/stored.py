"""What is stored, how fresh and how good it is: counted beside the city, a little at a time, so that no page ever counts."""

import asyncio
import os
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import msgspec

from dothi.access.policy import SYSTEM
from dothi.data.history import HOUR
from dothi.data.past import Marks, marks_of
from dothi.data.trail import DAY
from dothi.data.writer import Writer
from dothi.model.clock import Clock, from_micros, to_micros
from dothi.model.reading import Grade
from dothi.store.connection import Connection
from dothi.store.database import Database

PERIOD = 10.0  # seconds between two looks
SHARE = 0.03  # of one processor at most
BUDGET = 1.0  # seconds of counting in one look
KEPT_DAYS = 60  # of the size of the home folder
Row = tuple[int, int, int]
_JUDGED = 24  # hours whose quality is told
_SIZES = "sizes"  # the key in ``meta``: JSON {day: bytes}

_HOUR = "SELECT series_id, grade, count(*) FROM reading WHERE observed_at >= ? AND observed_at < ? GROUP BY series_id, grade"
# What came after its hour was sealed: in the recent table only, until its day is compacted.
_LATE = (
    f"SELECT r.series_id, u.observed_at / {DAY}, count(*) FROM unsealed u "  # noqa: S608 - constants only
    "JOIN reading r ON r.observed_at = u.observed_at AND r.series_id = u.series_id GROUP BY 1, 2"
)
_OLDER = "SELECT max(observed_at) FROM reading WHERE observed_at < ?"
_TYPES = "SELECT s.id, n.iri FROM series s JOIN entity e ON e.num = s.entity JOIN name n ON n.id = e.type"


def _ends(table: str, key: str) -> str:
    """The first and last moment (µs) of a table whose rows are numbered as they come."""
    at = f"(SELECT at FROM {table} ORDER BY {key}"  # noqa: S608 - constants only
    return f"{at} LIMIT 1), {at} DESC LIMIT 1)"


def _span(table: str, key: str) -> str:
    """How many numbers a table spans from its first row to its last: its rows, where none goes from the middle."""
    first, last = f"coalesce(min({key}), 1)", f"coalesce(max({key}), 0)"
    return f"(SELECT {last} FROM {table}) - (SELECT {first} FROM {table}) + 1"  # noqa: S608 - names of our own


# Rows, first and last moment (µs).
_TABLES = {
    "entity": "SELECT count(*), min(created_at), max(modified_at) FROM entity WHERE deleted_at IS NULL",
    "quarantine": f"SELECT (SELECT count(*) FROM quarantine), {_ends('quarantine', 'id')}",  # noqa: S608 - constants only
    "outbox": f"SELECT {_span('outbox', 'seq')}, {_ends('outbox', 'seq')}",
    "audit": f"SELECT {_span('audit', 'seq')}, {_ends('audit', 'seq')}",
    "run": "SELECT count(*), min(requested_at), max(requested_at) FROM run",
    "forecast": "SELECT count(*), min(target_at), max(target_at) FROM forecast",
}


@dataclass(frozen=True, slots=True)
class TypeStored:
    """The readings of one entity type (its IRI). ``rows`` are those of the lake and what it does not hold yet (``fresh``).

    ``days`` gives rows by UTC day since 1970; ``grades`` the readings of the last 24 hours graded good, suspect and bad.
    """

    type: str
    rows: int
    fresh: int
    lake_rows: int
    lake_bytes: int
    lake_files: int
    oldest: datetime | None
    newest: datetime | None
    days: dict[int, int]
    grades: tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class TableStored:
    """The rows of another table, and the first and last moment in it."""

    rows: int
    oldest: datetime | None
    newest: datetime | None


@dataclass(frozen=True, slots=True)
class Stored:
    """One look at what a city keeps, by its clock (``at``). ``whole`` is False while older hours wait to be counted.

    ``bytes`` tells the parts of the city's folder: database, lake, journal, files, backups. ``sizes`` are the sums of
    earlier days (UTC days since 1970). ``free`` and ``disk`` are bytes of the disk that holds them.
    """

    at: datetime
    whole: bool
    types: list[TypeStored]
    tables: dict[str, TableStored]
    bytes: dict[str, int]
    sizes: dict[int, int]
    free: int
    disk: int
    marks: Marks
    dirty: int

    @property
    def growth(self) -> float | None:
        """Bytes a day, over the last seven days that are known; None before a second day."""
        days = sorted(self.sizes)[-8:]
        return (self.sizes[days[-1]] - self.sizes[days[0]]) / (days[-1] - days[0]) if len(days) > 1 else None


@dataclass(slots=True)
class _Counts:
    """What was counted so far: hour since 1970 → (type, grade) → rows."""

    hours: dict[int, dict[tuple[str, int], int]] = field(default_factory=dict)
    types: dict[int, str] = field(default_factory=dict)
    whole: bool = False


class Bookkeeper:
    """Looks at what is stored, now and then; ``latest`` is None before the first look has ended.

    Hours that the lake does not hold are counted one by one, the newest first; the newest two are counted again each time.
    """

    def __init__(
        self, database: Database, writer: Writer, clock: Clock, seconds: Callable[[], float] = time.monotonic
    ) -> None:
        self._database, self._writer, self._clock, self._seconds = database, writer, clock, seconds
        self._counts = _Counts()
        self._sizes: dict[int, int] | None = None
        self._saved_hour = -1
        self.latest: Stored | None = None

    async def run(self) -> None:
        """Look until cancelled, at rest for most of the time."""
        while True:
            began = self._seconds()
            await self.look()
            spent = self._seconds() - began
            await asyncio.sleep(max(spent / SHARE, PERIOD if self._counts.whole else 1.0))

    async def look(self) -> Stored:
        """Look once, and write down the day's size once an hour."""
        found = await asyncio.to_thread(self._look)
        self.latest = found
        hour = to_micros(found.at) // HOUR
        if hour != self._saved_hour:
            kept = {str(day): size for day, size in found.sizes.items()}
            text = msgspec.json.encode(kept).decode()
            query = "INSERT INTO meta (key, value) VALUES (?,?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
            await self._writer.run(SYSTEM, found.at, lambda db: db.execute(query, (_SIZES, text)), action="operations.write")
            self._saved_hour = hour
        return found

    def _look(self) -> Stored:
        now = self._clock.now()
        with self._database.reader() as db:
            marks = marks_of(db)
            newest = self._count(db, marks, to_micros(now))
            late = self._late(db)
            tables = {name: _table(db, query) for name, query in _TABLES.items()}
            (dirty,) = db.execute("SELECT count(*) FROM dirty_day").fetchone()
            if self._sizes is None:
                row = db.execute("SELECT value FROM meta WHERE key = ?", (_SIZES,)).fetchone()
                self._sizes = {int(day): size for day, size in msgspec.json.decode(row[0]).items()} if row else {}
        folder = self._database.folder
        sizes = {name: _size(folder / name) for name in ("lake", "journal", "files", "backups")}
        sizes["database"] = self._database.size()
        today = to_micros(now) // DAY
        self._sizes[today] = sum(sizes.values())
        self._sizes = {day: size for day, size in self._sizes.items() if today - KEPT_DAYS < day <= today}
        usage = shutil.disk_usage(folder)
        types = self._types(marks, now, newest, late)
        return Stored(
            now, self._counts.whole, types, tables, sizes, dict(self._sizes), usage.free, usage.total, marks, dirty
        )

    def _count(self, db: Connection, marks: Marks, now: int) -> int | None:
        """Count hours, the newest first, as far as the budget goes; returns the newest moment of observation."""
        counts, began = self._counts, self._seconds()
        (newest,) = db.execute("SELECT max(observed_at) FROM reading").fetchone()
        oldest = min(marks.sealed_until, now - _JUDGED * HOUR)
        recount = {now // HOUR, now // HOUR - 1}
        counts.hours = {hour: found for hour, found in counts.hours.items() if (hour + 1) * HOUR > oldest}
        counts.whole = True
        at = newest
        while at is not None and at >= oldest:
            hour = at // HOUR
            if hour not in counts.hours or hour in recount:
                if self._seconds() - began > BUDGET:
                    counts.whole = False
                    break
                counts.hours[hour] = self._hour(db, hour)
            (at,) = db.execute(_OLDER, (hour * HOUR,)).fetchone()
        return int(newest) if newest is not None else None

    def _late(self, db: Connection) -> dict[str, dict[int, int]]:
        """Readings that the lake still has to take in, by type and UTC day."""
        found: dict[str, dict[int, int]] = {}
        for series, day, count in self._typed(db, db.execute(_LATE).fetchall()):
            days = found.setdefault(self._counts.types.get(series, ""), {})
            days[day] = days.get(day, 0) + count
        return found

    def _typed(self, db: Connection, rows: list[Row]) -> list[Row]:
        """``rows``, which begin with a series whose type is known from here on."""
        if any(row[0] not in self._counts.types for row in rows):
            self._counts.types = dict(db.execute(_TYPES))
        return rows

    def _hour(self, db: Connection, hour: int) -> dict[tuple[str, int], int]:
        rows = self._typed(db, db.execute(_HOUR, (hour * HOUR, (hour + 1) * HOUR)).fetchall())
        found: dict[tuple[str, int], int] = {}
        for series, grade, count in rows:
            key = self._counts.types.get(series, ""), grade
            found[key] = found.get(key, 0) + count
        return found

    def _types(self, marks: Marks, now: datetime, newest: int | None, late: dict[str, dict[int, int]]) -> list[TypeStored]:
        lake = {one.type: one for one in self._database.lake.figures()}
        judged = to_micros(now) // HOUR - _JUDGED
        names = sorted({*lake, *late, *(name for found in self._counts.hours.values() for name, _ in found)})
        result = []
        for name in names:
            kept, days, fresh, heard, grades = lake.get(name), dict[int, int](), 0, list[int](), [0, 0, 0]
            for file in self._database.lake.files(name, 0, to_micros(now) + DAY) if kept else ():
                days[file.day] = days.get(file.day, 0) + file.rows
            for day, count in late.get(name, {}).items():
                days[day] = days.get(day, 0) + count
                fresh += count
            for hour, found in self._counts.hours.items():
                rows = {grade: count for (one, grade), count in found.items() if one == name}
                if rows and hour * HOUR >= marks.sealed_until:
                    fresh += sum(rows.values())
                    heard.append(hour)
                    days[hour * HOUR // DAY] = days.get(hour * HOUR // DAY, 0) + sum(rows.values())
                if hour >= judged:
                    for grade, count in rows.items():
                        grades[grade] += count
            starts = [kept.oldest] if kept else []
            starts += [from_micros(min(heard) * HOUR)] if heard else []
            starts += [from_micros(min(late[name]) * DAY)] if name in late else []
            oldest = min(starts, default=None)
            latest = from_micros(min((max(heard) + 1) * HOUR - 1, newest or 0)) if heard else kept.newest if kept else None
            result.append(
                TypeStored(
                    name,
                    fresh + (kept.rows if kept else 0),
                    fresh,
                    kept.rows if kept else 0,
                    kept.bytes if kept else 0,
                    kept.files if kept else 0,
                    oldest,
                    latest,
                    dict(sorted(days.items())),
                    (grades[Grade.GOOD], grades[Grade.SUSPECT], grades[Grade.BAD]),
                )
            )
        return result


def _table(db: Connection, query: str) -> TableStored:
    rows, first, last = db.execute(query).fetchone()
    return TableStored(
        rows, None if first is None else from_micros(int(first)), None if last is None else from_micros(int(last))
    )


def _size(folder: Path) -> int:
    """Bytes of all files below ``folder``; what goes away meanwhile counts nothing."""
    total = 0
    for parent, _folders, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                total += (Path(parent) / name).stat(follow_symlinks=False).st_size
    return total
