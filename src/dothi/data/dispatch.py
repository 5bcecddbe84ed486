"""Commit, then tell: the outbox reaches every handler at least once, each at its own pace, and open pages live."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

import structlog

from dothi.access.policy import SYSTEM, Person, Thing, may
from dothi.data.news import Changes, News
from dothi.data.writer import Writer
from dothi.model.clock import Clock, from_micros, to_micros
from dothi.model.problem import Problem
from dothi.store.audit import Act
from dothi.store.connection import Connection, Unavailable
from dothi.store.database import Database

ATTEMPTS = 6
FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0
HANDLER_TIMEOUT = 300.0
MOST_PARKED = 100
_ROWS, _ALL = 500, 20_000
_LOOK_EVERY = 1.0  # though every commit wakes us: after a crash, or should another process write
_REST = 0.02  # seconds after a round: what is committed meanwhile is told in one, for the price of one
_SAVE_EVERY = 1.0

Handler = Callable[[Changes], Awaitable[None]]
_log = structlog.get_logger("dothi.dispatch")


@dataclass(slots=True)
class HandlerState:
    """How a handler is doing. ``seq`` is the last outbox row it has passed; ``failures`` counts all failed attempts."""

    name: str
    seq: int = 0
    failures: int = 0
    failing: bool = False
    last_error: str = ""
    parked: int = 0


@dataclass(frozen=True, slots=True)
class Parked:
    """Changes that a handler failed to take ``attempts`` times, up to outbox row ``seq``. ``at`` is aware UTC."""

    id: int
    handler: str
    seq: int
    at: datetime
    error: str
    attempts: int


class Dispatcher:
    """Reads the outbox after each commit and tells the handlers.

    Register the handlers, then ``run`` it on the event loop. A handler is told everything at least once, in order of
    commits; one that is behind is told several commits in one. A failing one is tried ``ATTEMPTS`` times with growing
    waits, then what it failed on is parked and it goes on; until it succeeds again each further try takes everything
    there is, so neither outbox nor parked rows grow with the time it is dead. ``pause`` waits real seconds.
    """

    def __init__(
        self,
        database: Database,
        writer: Writer,
        clock: Clock,
        *,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._database, self._writer, self._clock, self._pause = database, writer, clock, pause
        self._handlers: dict[str, Handler] = {}
        self.states: dict[str, HandlerState] = {}
        self._turns: dict[str, asyncio.Lock] = {}
        # From now on, not from when it runs: what is committed in between reaches the live views too.
        with database.reader() as connection:
            last = connection.execute(connection.dialect.last_outbox).fetchone()
        self._newest: int = last[0] if last else 0
        self._latest: tuple[int, News | None] = (-1, None)  # what was read last, and behind which row
        self._moved = asyncio.Condition()
        self._committed = asyncio.Event()
        self._listeners: set[_Listener] = set()
        self._saved: dict[str, int] = {}
        self._pruned = 0

    def register(self, name: str, handler: Handler) -> None:
        """Tell ``handler`` of every commit under a name that stays the same over restarts. ValueError if it is taken."""
        if name in self._handlers:
            raise ValueError(f"a handler {name!r} is registered already")
        self._handlers[name] = handler
        self.states[name] = HandlerState(name)
        self._turns[name] = asyncio.Lock()

    async def run(self) -> None:
        """Dispatch until cancelled; what was committed before a crash and not yet told is told first."""
        try:
            await asyncio.to_thread(self._begin)
            await self._save()
            await self._serve_all()
        finally:
            for listener in self._listeners:
                listener.close()

    async def _serve_all(self) -> None:
        loop = asyncio.get_running_loop()

        def wake() -> None:
            loop.call_soon_threadsafe(self._committed.set)

        self._writer.after_commit.append(wake)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._watch())
                tasks.create_task(self._keep_saving())
                for name, handler in self._handlers.items():
                    tasks.create_task(self._serve(self.states[name], handler))
        finally:
            self._writer.after_commit.remove(wake)
            with suppress(Unavailable):
                await asyncio.shield(self._save())

    async def listen(self) -> AsyncIterator[Changes]:
        """Every change from now on, for a live view: not durable; what a slow reader missed it gets merged into one."""
        listener = _Listener()
        self._listeners.add(listener)
        try:
            while (news := await listener.next()) is not None:
                yield news.told(self._writer.index)
        finally:
            self._listeners.discard(listener)

    async def settled(self) -> None:
        """Return once every handler has been told of, or has parked, all that is committed at this moment."""
        newest = await asyncio.to_thread(self._last)
        async with self._moved:
            await self._moved.wait_for(lambda: all(state.seq >= newest for state in self.states.values()))

    def parked(self, asker: Person) -> list[Parked]:
        """What handlers failed on, newest first; nothing for an asker who may not see the operation of the whole city."""
        if not may(asker, "operations.read", Thing()):
            return []
        with self._database.reader() as connection:
            rows = connection.execute("SELECT id, handler, seq, at, error, attempts FROM parked ORDER BY id DESC").fetchall()
        return [Parked(id_, handler, seq, from_micros(at), *rest) for id_, handler, seq, at, *rest in rows]

    async def resend(self, asker: Person, ids: Sequence[int]) -> list[int]:
        """Tell the handlers again what was parked; returns the ids that were taken, which are parked no longer.

        Raises Problem 403. Unknown ids, and those of handlers that are not there now, are left as they are.
        """
        if not may(asker, "operations.write", Thing()):
            raise Problem(403, "not-allowed", "You may not send parked changes again.", "Ask the operator of this city.")
        taken: list[int] = []
        for number in dict.fromkeys(ids):
            row = await asyncio.to_thread(self._parked_row, number)
            if row is None or row[0] not in self._handlers:
                continue
            name, outbox_row = row[0], row[1:]
            news = News.read([outbox_row], self._writer.index)
            if news is not None and await self._tell(self.states[name], self._handlers[name], news):
                taken.append(number)
        if taken:
            act = Act(asker.id, "operations.write", "parked", "sent again", detail=",".join(map(str, taken)))
            await self._writer.run(
                asker,
                self._clock.now(),
                lambda connection: connection.executemany("DELETE FROM parked WHERE id = ?", [(one,) for one in taken]),
                [act],
                action="operations.write",
            )
            await asyncio.to_thread(self._count_parked)
        return taken

    # One handler

    async def _serve(self, state: HandlerState, handler: Handler) -> None:
        attempts, wait, width = 0, FIRST_WAIT, _ROWS
        while True:
            async with self._moved:
                await self._moved.wait_for(lambda: self._newest > state.seq)
            newest, (after, latest) = self._newest, self._latest
            if after == state.seq and width == _ROWS:  # who keeps up need not read again what the watch just read
                news = latest
            else:
                news = await asyncio.to_thread(self._read, state.seq, width)
            if news is None:  # passed by everybody while this handler was not registered
                await self._pass(state, newest)
                continue
            if await self._tell(state, handler, news):
                attempts, wait, width = 0, FIRST_WAIT, _ROWS
                state.failing = False
                await self._pass(state, news.seq)
                continue
            attempts += 1
            if state.failing or attempts >= ATTEMPTS:
                await self._park(state, news, attempts)
                attempts, wait, width, state.failing = 0, LONGEST_WAIT, _ALL, True
            else:
                width = 1  # the next attempt is with the first alone, so that only what cannot be taken is parked
            await self._pause(wait)
            wait = min(wait * 2, LONGEST_WAIT)

    async def _tell(self, state: HandlerState, handler: Handler, news: News) -> bool:
        try:
            async with self._turns[state.name], asyncio.timeout(HANDLER_TIMEOUT):
                await handler(news.told(self._writer.index))
        except Exception as error:
            state.failures += 1
            state.last_error = f"{type(error).__name__}: {error}"[:500]
            _log.warning("handler failed", handler=state.name, seq=news.seq, exc_info=error)
            return False
        return True

    async def _pass(self, state: HandlerState, seq: int) -> None:
        async with self._moved:
            state.seq = seq
            self._moved.notify_all()

    async def _park(self, state: HandlerState, news: News, attempts: int) -> None:
        """Put what failed where an operator sees it, and the cursor behind it, in one transaction."""
        at = to_micros(self._clock.now())

        def park(connection: Connection) -> None:
            kept = news
            held = connection.execute(
                "SELECT id, seq, at, payload FROM parked WHERE handler = ? ORDER BY id DESC LIMIT ?",
                (state.name, MOST_PARKED),
            ).fetchall()
            if len(held) == MOST_PARKED:
                number, *row = held[0]
                connection.execute("DELETE FROM parked WHERE id = ?", (number,))
                earlier = News.read([(row[0], row[1], row[2])], self._writer.index)
                kept = earlier.merged(news) if earlier is not None else news
            connection.execute(
                "INSERT INTO parked (handler, seq, at, error, attempts, payload) VALUES (?,?,?,?,?,?)",
                (state.name, kept.seq, at, state.last_error, attempts, kept.encode()),
            )
            _set_cursor(connection, state.name, kept.seq)

        act = Act(SYSTEM.id, "operations.write", f"handler:{state.name}", "parked", detail=f"seq {news.seq}")
        await self._writer.run(SYSTEM, self._clock.now(), park, [act])
        await asyncio.to_thread(self._count_parked)
        await self._pass(state, news.seq)

    # The outbox

    def _begin(self) -> None:
        with self._database.reader() as connection:
            oldest = connection.execute("SELECT coalesce(min(seq), 1) - 1 FROM outbox").fetchone()[0]
            cursors = dict(connection.execute("SELECT handler, seq FROM dispatch_cursor"))
            waiting = connection.execute("SELECT count(*) FROM outbox").fetchone()[0]
        start = oldest if waiting else self._newest
        for name, state in self.states.items():
            state.seq = cursors.get(name, start)
        self._pruned = start
        self._count_parked()

    def _last(self) -> int:
        with self._database.reader() as connection:
            row = connection.execute("SELECT max(seq) FROM outbox").fetchone()
        return row[0] or 0

    def _read(self, after: int, most: int) -> News | None:
        with self._database.reader() as connection:
            rows = connection.execute(
                "SELECT seq, at, payload FROM outbox WHERE seq > ? ORDER BY seq LIMIT ?", (after, most)
            ).fetchall()
        return News.read(rows, self._writer.index)

    def _parked_row(self, number: int) -> tuple[str, int, int, bytes] | None:
        with self._database.reader() as connection:
            row: tuple[str, int, int, bytes] | None
            row = connection.execute("SELECT handler, seq, at, payload FROM parked WHERE id = ?", (number,)).fetchone()
        return row

    def _count_parked(self) -> None:
        with self._database.reader() as connection:
            counts = dict(connection.execute("SELECT handler, count(*) FROM parked GROUP BY handler"))
        for name, state in self.states.items():
            state.parked = counts.get(name, 0)

    async def _watch(self) -> None:
        """See new outbox rows, wake the handlers, and hand the listeners what is new."""
        while True:
            self._committed.clear()
            after = self._newest
            news = await asyncio.to_thread(self._read, after, _ROWS)
            if news is None:
                with suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK_EVERY):  # wait_for of 3.11 loses a cancellation that meets a commit
                        await self._committed.wait()
                continue
            for listener in self._listeners:
                listener.add(news)
            async with self._moved:
                self._newest, self._latest = news.seq, (after, news)
                self._moved.notify_all()
            await asyncio.sleep(_REST)

    async def _keep_saving(self) -> None:
        while True:
            await asyncio.sleep(_SAVE_EVERY)
            with suppress(Unavailable):  # a full or locked disk: ingest says so, cursors wait
                await self._save()

    async def _save(self) -> None:
        """Write the cursors that moved, and drop from the outbox what everybody has passed."""
        cursors = {name: state.seq for name, state in self.states.items()}
        passed = min([self._newest, *cursors.values()])
        if cursors == self._saved and passed <= self._pruned:
            return

        def save(connection: Connection) -> None:
            for name, seq in cursors.items():
                _set_cursor(connection, name, seq)
            connection.execute("DELETE FROM outbox WHERE seq <= ?", (passed,))

        await self._writer.run(SYSTEM, self._clock.now(), save)
        self._saved, self._pruned = cursors, passed


class _Listener:
    """What one live view has not read yet: at most one merged piece of news."""

    def __init__(self) -> None:
        self._news: News | None = None
        self._closed = False
        self._ready = asyncio.Event()

    def add(self, news: News) -> None:
        self._news = news if self._news is None else self._news.merged(news)
        self._ready.set()

    def close(self) -> None:
        self._closed = True
        self._ready.set()

    async def next(self) -> News | None:
        await self._ready.wait()
        if self._closed:
            return None
        self._ready.clear()
        news, self._news = self._news, None
        return news


def _set_cursor(connection: Connection, handler: str, seq: int) -> None:
    connection.execute(
        "INSERT INTO dispatch_cursor VALUES (?, ?) ON CONFLICT (handler) DO UPDATE SET seq = excluded.seq "
        "WHERE excluded.seq > dispatch_cursor.seq",
        (handler, seq),
    )
