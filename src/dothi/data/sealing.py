"""Sealed hours go into the lake, days become compact, old days leave the recent table; any kill may come in between.

1. In one transaction ``sealing_until`` moves to the end of a stretch of whole hours. From that commit on the Recorder notes
   every key that gets a row before it (``unsealed``, ``dirty_day``).
2. The rows of the stretch are appended to the lake, one commit a table with the stretch's end as application transaction. If
   the table has it already, that was done before a kill.
3. In one transaction ``sealed_until`` follows, and the days that are whole now are marked to be compacted.
4. A marked day is compacted: its rows in the lake and those of its unsealed keys, each statement once, take the place of the
   partition in one commit. Then, in one transaction and only if no row came meanwhile, its marks are cleared.
5. ``recent_from`` moves on; days before it that are not marked leave the recent table bit by bit.
6. What is older than its dataset is kept is destroyed (``data/retention.py``), and files nobody lists any more are removed.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import NamedTuple

from dothi.access.policy import SYSTEM
from dothi.data.compaction import STEPS, Step
from dothi.data.past import Marks, believed, marks_of, next_stop
from dothi.data.retention import Retention
from dothi.data.trail import DAY
from dothi.data.writer import Writer
from dothi.model.clock import Clock, to_micros
from dothi.store.connection import HAS_SEALED, Connection
from dothi.store.database import Database

Apart = Callable[[Step, tuple[int, ...]], Awaitable[None]]

HOUR = DAY // 24
SETTLE = timedelta(minutes=5)  # of city time: how long after its end an hour waits for what comes late
AHEAD = 31  # days past what senders tell that the clock may be believed: sealing early costs work, not data
RECENT_DAYS = 3  # whole days before today that stay in the recent table
PAUSE = 15.0  # seconds between two rounds
_REST = 600.0  # seconds until a day is compacted again for what came late; or 20 times as long as that took
_TIDY = 3_600.0
_INLINE = 100_000  # rows up to which a step is done on a thread: a process of its own costs a second and 150 MB
_BITE = 20_000  # rows that leave the recent table in one transaction

_DIRTY = "INSERT INTO dirty_day VALUES (?,1) ON CONFLICT (day) DO UPDATE SET mark = dirty_day.mark + 1"
_KEYS = (
    "INSERT INTO unsealed (observed_at, series_id) SELECT DISTINCT observed_at, series_id FROM reading "
    "WHERE observed_at >= ? AND observed_at < ? ON CONFLICT DO NOTHING"
)
_FIRST = "SELECT min(observed_at) FROM reading WHERE observed_at >= ? AND observed_at < ?"
_BITTEN = "SELECT observed_at FROM reading WHERE observed_at >= ? AND observed_at < ? ORDER BY observed_at LIMIT 1 OFFSET ?"


class Stretch(NamedTuple):
    """Whole hours to seal: ``start`` ≤ observed < ``end`` (µs UTC). ``ahead``: the lake has some of it from another life of
    this city, because its database is a backup's."""

    start: int
    end: int
    ahead: bool


class Sealer:
    """The lake's only writer. Steps are methods, so that a test can stop between any two.

    ``apart`` does a step of ``data.compaction.STEPS`` in another process: reading millions of rows would hold up whatever
    else Python does in this one.
    """

    def __init__(self, database: Database, writer: Writer, clock: Clock, retention: Retention, apart: Apart) -> None:
        self._database, self._writer, self._clock = database, writer, clock
        self._retention, self._apart = retention, apart
        self._rested: dict[int, float] = {}  # when a day may be compacted again, in the machine's seconds
        self._tidied = 0.0

    async def run(self) -> None:
        """Work until cancelled. Raises what a step raises: the disk is full, the lake is damaged."""
        while True:
            await asyncio.sleep(PAUSE)
            await self.round()

    async def round(self) -> None:
        """Everything that is due by the city's clock."""
        while (stretch := await asyncio.to_thread(self.next_stretch)) is not None:
            await self.begin(stretch)
            await self.append(stretch)
            await self.conclude(stretch)
        await self.move_on()
        failed: Exception | None = None
        for day, mark in await asyncio.to_thread(self.due):
            try:
                await self.compact(day)
                await self.clear(day, mark)
            except Exception as error:  # a damaged day holds up no other
                failed = error
                self._rested[day] = time.monotonic() + _REST
        await self.release()
        await self._retention.destroy()
        if time.monotonic() - self._tidied > _TIDY:
            await asyncio.to_thread(self._database.lake.tidy)
            self._tidied = time.monotonic()
        if failed is not None:
            raise failed

    # Sealing

    def next_stretch(self) -> Stretch | None:
        """The next whole hours to seal, some million rows at most unless one hour has more; None if nothing is due."""
        with self._database.reader() as db:
            due = (believed(db, to_micros(self._clock.now()), AHEAD) - SETTLE // timedelta(microseconds=1)) // HOUR * HOUR
            marks = marks_of(db)
            start = marks.sealed_until
            if marks.sealing_until > start:
                return Stretch(start, marks.sealing_until, False)
            if due <= start:
                return None
            end = next_stop(db, start, due) // HOUR * HOUR
            (first,) = db.execute(_FIRST, (start, due)).fetchone()
        lake = self._database.lake
        sealed = max((lake.sealed(type) for type in lake.types()), default=0) * HOUR
        if sealed > start:
            return Stretch(start, min(due, sealed), True)
        return Stretch(start, end if first is None or end > first else (first // HOUR + 1) * HOUR, False)

    async def begin(self, stretch: Stretch) -> None:
        """Step 1. What the lake has from another life is not appended: its keys are noted for compaction."""

        def work(db: Connection) -> None:
            if stretch.ahead:
                db.execute(_KEYS, (stretch.start, stretch.end))
                _mark_days(db, stretch.start, stretch.end)

        await self._mark(lambda marks: marks._replace(sealing_until=stretch.end), work)

    async def append(self, stretch: Stretch) -> None:
        """Step 2."""
        if not stretch.ahead:
            await self._do("append", stretch.start, stretch.end)

    async def conclude(self, stretch: Stretch) -> None:
        """Step 3."""
        types = await asyncio.to_thread(self._database.lake.types)

        def work(db: Connection) -> None:
            if types:
                db.execute("INSERT INTO meta (key, value) VALUES (?, '1') ON CONFLICT (key) DO NOTHING", (HAS_SEALED,))
            _mark_days(db, stretch.start // DAY * DAY, stretch.end // DAY * DAY)

        await self._mark(lambda marks: marks._replace(sealed_until=stretch.end), work)

    # Compaction

    def due(self) -> list[tuple[int, int]]:
        """Marked days that are sealed whole and have rested since they were compacted last, with their marks."""
        with self._database.reader() as db:
            last = marks_of(db).sealed_until // DAY
            marked = db.execute("SELECT day, mark FROM dirty_day WHERE day < ? ORDER BY day", (last,)).fetchall()
        now = time.monotonic()
        return [(day, mark) for day, mark in marked if self._rested.get(day, now) <= now]

    async def compact(self, day: int) -> None:
        """Step 4, first half."""
        began = time.monotonic()
        await self._do("compact", day)
        took = time.monotonic() - began
        self._rested[day] = began + took + max(_REST, 20 * took)

    async def clear(self, day: int, mark: int) -> bool:
        """Step 4, second half: False if rows came meanwhile and the day stays marked."""

        def work(db: Connection) -> bool:
            if db.execute("DELETE FROM dirty_day WHERE day = ? AND mark = ?", (day, mark)).rowcount == 0:
                return False
            db.execute("DELETE FROM unsealed WHERE observed_at >= ? AND observed_at < ?", (day * DAY, (day + 1) * DAY))
            return True

        return await self._writer.run(SYSTEM, self._clock.now(), work)

    # What is in the lake leaves the recent table

    async def move_on(self) -> None:
        """Step 5, first half."""
        with self._database.reader() as db:
            today = believed(db, to_micros(self._clock.now()), AHEAD) // DAY
            marks = marks_of(db)
        border = min(marks.sealed_until // DAY, today - RECENT_DAYS) * DAY
        if border > marks.recent_from:
            await self._mark(lambda marks: marks._replace(recent_from=border), lambda _: None)

    async def release(self) -> None:
        """Step 5, second half. A day that gets a row meanwhile stays until it was compacted again."""
        with self._database.reader() as db:
            border = marks_of(db).recent_from
        at = 0
        while at < border:
            at = await self._writer.run(SYSTEM, self._clock.now(), partial(_bite, start=at, border=border))

    async def _do(self, step: Step, *arguments: int) -> None:
        if await asyncio.to_thread(self._small, step, arguments):
            await asyncio.to_thread(STEPS[step], self._database, *arguments)
        else:
            await self._apart(step, arguments)

    def _small(self, step: Step, arguments: tuple[int, ...]) -> bool:
        if step == "append":
            with self._database.reader() as db:
                return db.execute(_BITTEN, (*arguments, _INLINE)).fetchone() is None
        lake, day = self._database.lake, arguments[0]
        return sum(file.rows for type in lake.types() for file in lake.files(type, day * DAY, (day + 1) * DAY)) <= _INLINE

    async def _mark(self, move: Callable[[Marks], Marks], also: Callable[[Connection], None]) -> None:
        with self._database.reader() as db:
            marks = marks_of(db)
        await self._writer.mark(self._clock.now(), move(marks), also)


def _mark_days(db: Connection, at: int, last: int) -> None:
    """Mark the days with a row in ``at`` ≤ observed < ``last``."""
    while (first := db.execute(_FIRST, (at, last)).fetchone()[0]) is not None:
        db.execute(_DIRTY, (first // DAY,))
        at = (first // DAY + 1) * DAY


def _bite(db: Connection, *, start: int, border: int) -> int:
    """Take some rows of one day that the lake holds whole out of the recent table; returns where to go on."""
    first: int | None = db.execute(_FIRST, (start, border)).fetchone()[0]
    if first is None:
        return border
    day, end = first // DAY, (first // DAY + 1) * DAY
    if db.execute("SELECT 1 FROM dirty_day WHERE day = ?", (day,)).fetchone() is not None:
        return end
    stop = db.execute(_BITTEN, (first, end, _BITE)).fetchone()
    until: int = end if stop is None else max(stop[0], first + 1)
    db.execute("DELETE FROM reading WHERE observed_at >= ? AND observed_at < ?", (first, until))
    if until == end:
        db.execute("DELETE FROM anchor WHERE day = ?", (day,))
        db.execute("DELETE FROM late WHERE observed_at >= ? AND observed_at < ?", (day * DAY, end))
    return until
