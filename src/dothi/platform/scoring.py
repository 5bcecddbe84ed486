"""Tells forecasts what came, hour by hour and again when readings come late; has them made for a recorded past."""

import asyncio
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from dothi.access.policy import SYSTEM
from dothi.model.clock import from_micros, to_micros
from dothi.platform.forecasts import HOUR, KEEP, WINDOW
from dothi.platform.sector import Process, Target
from dothi.store.audit import Act
from dothi.store.connection import Connection

if TYPE_CHECKING:
    from dothi.platform.platform import Platform
    from dothi.platform.tasks import TaskState

SETTLE = timedelta(minutes=5)  # city time after the end of an hour in which its last readings arrive
AGAIN = timedelta(hours=48)  # hours that are looked at again every hour
EVERYTHING = timedelta(hours=24)  # how often everything that is kept is looked at again
CASES = 3_000  # forecasts that one run of a hindcast makes: its results fit into a run's outputs
_LOOK_EVERY = 1.0  # machine seconds
_PORTION = 2_000
_NEW = 1e-6  # a mean that differs by less is the same mean

_HOURS = (
    "SELECT series_id, target_at, max(actual), count(actual) FROM forecast WHERE process = ? AND target_at >= ? "
    "AND target_at < ? GROUP BY series_id, target_at"
)
_TELL = "UPDATE forecast SET actual = ?, scored_at = ? WHERE process = ? AND series_id = ? AND target_at = ?"
_FIRST = "SELECT min(target_at) FROM forecast WHERE process = ?"
_FORGET = "DELETE FROM forecast WHERE process = ? AND target_at < ?"
_MADE = "SELECT value FROM meta WHERE key = ?"
_MARK = "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"


class Scoring:
    """Works beside the city: ``run`` scores forecasts, ``look_back`` has them made for a past the city began with."""

    def __init__(self, platform: "Platform") -> None:
        self._platform = platform
        self._seen: datetime | None = None
        self._whole: datetime | None = None

    async def run(self, _: "TaskState") -> None:
        """Score until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(_LOOK_EVERY)

    async def look(self) -> None:
        """Score what an hour that ended since the last look made known; now and then everything, and let go what is old."""
        end = _whole_hour(self._platform.clock.now() - SETTLE)
        if self._seen == end:
            return
        whole = self._whole is None or not timedelta() <= end - self._whole < EVERYTHING
        span = KEEP + EVERYTHING if whole else AGAIN
        for process, target in self._platform.forecasts.processes().values():
            if whole:
                await self._forget(process, end - KEEP)
            await self.score(process, target, end - span, end)
        self._seen = end
        if whole:
            self._whole = end

    async def score(self, process: Process, target: Target, start: datetime, end: datetime) -> int:
        """Write the hourly means in [start, end) beside the forecasts of those hours; returns how many had changed.

        An hour that has lost its readings has no truth any more.
        """
        changes = await asyncio.to_thread(self._changes, process, target, start, end)
        now = self._platform.clock.now()
        for portion in range(0, len(changes), _PORTION):
            part = changes[portion : portion + _PORTION]
            await self._platform.writer.run(SYSTEM, now, _telling(process.id, to_micros(now), part))
        if changes:
            self._platform.forecasts.changed()
        return len(changes)

    def _changes(
        self, process: Process, target: Target, start: datetime, end: datetime
    ) -> list[tuple[float | None, int, int]]:
        """(truth, series, hour) where it is not what is written."""
        with self._platform.database.reader() as db:
            written = db.execute(_HOURS, (process.id, to_micros(start), to_micros(end))).fetchall()
        if not written:
            return []
        index = self._platform.writer.index
        owner = {series: index.urn(index.owner_of(series)) for series in {row[0] for row in written}}
        first = from_micros(min(row[1] for row in written))
        means = self._platform.history.hourly(SYSTEM, sorted(owner.values()), target.attribute, first, end)
        found: list[tuple[float | None, int, int]] = []
        for series, at, actual, _count in written:
            truth = means.get(owner[series], {}).get(from_micros(at))
            if truth is not None and not target.believable(truth):
                truth = None
            same = truth is None if actual is None else truth is not None and abs(truth - actual) < _NEW
            if not same:
                found.append((truth, series, at))
        return found

    async def _forget(self, process: Process, before: datetime) -> None:
        now, last = self._platform.clock.now(), to_micros(before)
        while (oldest := await asyncio.to_thread(self._oldest, process)) is not None and oldest < last:
            upto = min(last, oldest + int(EVERYTHING.total_seconds()) * 1_000_000)
            act = Act(SYSTEM.id, "forecast.expire", process.id, detail=f"before {from_micros(upto).isoformat()}")
            await self._platform.writer.run(SYSTEM, now, _forgetting(process.id, upto), [act])

    def _oldest(self, process: Process) -> int | None:
        with self._platform.database.reader() as db:
            found: int | None = db.execute(_FIRST, (process.id,)).fetchone()[0]
        return found

    async def look_back(self, state: "TaskState") -> None:
        """Have forecasts made for the past that a city begins with, once for each process; the work is done as runs."""
        for process, target in self._platform.forecasts.processes().values():
            key = f"hindcast:{process.id}"
            if await asyncio.to_thread(self._made, key):
                continue
            await self._settled()
            whole = True
            for begin, last, every in await asyncio.to_thread(list, self._stretches(target)):
                run = await self._platform.runs.submit(SYSTEM, process.id, _options(begin, last, every))
                whole = await self._done(run) and whole
                state.advance(state.done + 1, None)
            now = self._platform.clock.now()
            if whole:
                await self._platform.writer.run(SYSTEM, now, _marking(key, now.isoformat()))
            await self.score(process, target, now - KEEP, _whole_hour(now - SETTLE))

    def _made(self, key: str) -> bool:
        with self._platform.database.reader() as db:
            return db.execute(_MADE, (key,)).fetchone() is not None

    async def _settled(self) -> None:
        """Wait until the feeds have brought what they have of the past, and ingest has taken it."""
        feeds = [state for name, state in self._platform.tasks.states.items() if name.startswith("feed:")]
        quiet = 0
        while quiet < 3:
            busy = any(one.total is not None and one.done < one.total for one in feeds)
            busy = busy or self._platform.ingest.figures.lag_seconds > 1
            began = await asyncio.to_thread(self._platform.history.began, SYSTEM)
            quiet = 0 if busy or began is None else quiet + 1
            await asyncio.sleep(_LOOK_EVERY)

    def _stretches(self, target: Target) -> Iterator[tuple[datetime, datetime, timedelta]]:
        """First and last issue of each run that is needed and the time between issues, oldest first: the week that errors
        are told of as densely as if the city had lived it, what lies before more thinly.
        """
        began = self._platform.history.began(SYSTEM)
        last = _whole_hour(self._platform.clock.now()) - HOUR
        if began is None:
            return
        at = max(_whole_hour(began) + HOUR + target.hindcast_after, last - KEEP)
        most = max(1, CASES // max(1, len(self._platform.writer.index.of_type(target.entity_type))))
        while at <= last:
            recent = at >= last - WINDOW
            every, until = (HOUR, last) if recent else (target.hindcast_every, last - WINDOW)
            end = min(at + every * (most - 1), at + every * int((until - at) / every))
            yield at, end, every
            at = end + every

    async def _done(self, run: str) -> bool:
        while True:
            found = await asyncio.to_thread(self._platform.runs.get, SYSTEM, run)
            if found is None or found.over:
                return found is not None and found.state == "done"
            await asyncio.sleep(_LOOK_EVERY / 4)


def _options(begin: datetime, last: datetime, every: timedelta) -> dict[str, Any]:
    return {"from": begin.isoformat(), "to": last.isoformat(), "every_hours": int(every / HOUR)}


def _telling(process: str, at: int, rows: Sequence[tuple[float | None, int, int]]) -> Any:
    def work(db: Connection) -> None:
        db.executemany(_TELL, [(truth, at, process, series, hour) for truth, series, hour in rows])

    return work


def _forgetting(process: str, before: int) -> Any:
    def work(db: Connection) -> None:
        db.execute(_FORGET, (process, before))

    return work


def _marking(key: str, value: str) -> Any:
    def work(db: Connection) -> None:
        db.execute(_MARK, (key, value))

    return work


def _whole_hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)
