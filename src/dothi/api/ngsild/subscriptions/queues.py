"""What waits to be sent: one durable queue for each endpoint, so that a dead one delays nobody and nothing is lost.

A notification is in the database before anybody is told that it was made, and leaves it after its receiver said yes: over a
crash it may be sent twice, never not at all. A receiver that fails is tried again after growing waits; what it never takes
stays as a dead letter that an operator can send again.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import count

import msgspec
import structlog

from dothi.access.policy import SYSTEM
from dothi.api.ngsild.subscriptions.kept import Kept, Subscribers
from dothi.api.ngsild.subscriptions.taking import NotTaken, Target
from dothi.data.writer import Writer
from dothi.model.clock import MICROSECONDS, from_micros
from dothi.model.problem import Problem
from dothi.store.connection import Connection, Database, Unavailable

WAITING, DEAD, RESTING = 0, 1, 2
"""States of a kept notification: to be sent; no longer tried; waiting for its subscription to go on."""

FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0  # seconds between two tries of one endpoint
MOST_REFUSALS = 8
"""So often a receiver may answer a notification with no before it is a dead letter."""
GIVE_UP = 24 * 3600 * MICROSECONDS
"""So long (µs) a notification waits for a receiver that does not answer before it is a dead letter."""
MOST_WAITING = 100_000  # of one endpoint; beyond, the oldest are dead letters
MOST_DEAD = 20_000  # of one subscription; beyond, the oldest are let go
_HELD = 2_000  # of one endpoint in memory
_BATCH = 32
_AT_ONCE = 8  # of a batch; as many as there are connections to one origin
_FLUSH_EVERY = 0.05
_TIDY_EVERY = 30.0
_IDLE = 600.0  # seconds after which an empty line is forgotten

_DONE = "DELETE FROM notification WHERE id IN (SELECT w.value FROM {numbers} w)"
_INSERT = "INSERT INTO notification (id, subscription, endpoint, at, told, body) VALUES (?,?,?,?,?,?)"
_READ = (
    "SELECT id, subscription, endpoint, at, told, body, attempts FROM notification "
    "WHERE dead = 0 AND endpoint = ? AND id > ? ORDER BY id LIMIT ?"
)
_log = structlog.get_logger("dothi.subscriptions")

Send = Callable[[Target, bytes], Awaitable[None]]
Allowed = Callable[[Sequence["Letter"]], Awaitable[list[bytes | Problem | None]]]


@dataclass(slots=True)
class Letter:
    """One notification that waits. ``at`` is µs UTC of the machine's clock; ``told`` says (JSON) what it tells of."""

    id: int
    subscription: str
    endpoint: str
    at: int
    told: str
    body: bytes
    attempts: int = 0


@dataclass(slots=True)
class _Line:
    """The queue of one endpoint. ``last`` is the highest id that was taken into memory; ``more`` says that others follow,
    ``puts`` counts those that came and ``looks`` how often it was to be read anew.
    """

    endpoint: str
    letters: deque[Letter] = field(default_factory=deque)
    last: int = 0
    more: bool = True
    puts: int = 0
    looks: int = 0
    failures: int = 0
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    task: "asyncio.Task[None] | None" = None


@dataclass(slots=True)
class _Ended:
    """What became of letters since it was last written down."""

    done: list[int] = field(default_factory=list)
    tried: dict[int, tuple[int, str]] = field(default_factory=dict)
    dead: list[tuple[int, str, int]] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.done or self.tried or self.dead)

    def write(self, db: Connection) -> None:
        if self.done:
            db.execute(db.dialect.fill(_DONE), (msgspec.json.encode(self.done).decode(),))
        tried = [(attempts, error, id_) for id_, (attempts, error) in self.tried.items()]
        db.executemany("UPDATE notification SET attempts = ?, error = ? WHERE id = ?", tried)
        db.executemany(
            f"UPDATE notification SET dead = {DEAD}, attempts = ?, error = ? WHERE id = ?",  # noqa: S608 - a constant
            [(attempts, error, id_) for id_, error, attempts in self.dead],
        )


class Queues:
    """Keeps and sends notifications. ``allowed`` gives what of a letter may be told at this moment: None if nothing, a
    Problem if nobody can say it any more, which makes it a dead letter.

    ``pause`` waits real seconds. Must be used from one event loop, but ``counts``.
    """

    def __init__(
        self,
        database: Database,
        writer: Writer,
        subscribers: Subscribers,
        send: Send,
        allowed: Allowed,
        *,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._database, self._writer, self._subscribers = database, writer, subscribers
        self._send, self._allowed, self._pause = send, allowed, pause
        self._lines: dict[str, _Line] = {}
        self._ended = _Ended()
        self._out: set[int] = set()  # taken out of their line, and not written down yet what became of them
        self._numbers = count(1)
        self._wrote_at = 0.0  # by the event loop's clock
        self._tasks: asyncio.TaskGroup | None = None

    def load(self) -> None:
        """Find out where numbering goes on. Call it once, before the city works."""
        with self._database.reader() as db:
            self._numbers = count(1 + (db.execute("SELECT max(id) FROM notification").fetchone()[0] or 0))

    async def put(self, letters: Iterable[tuple[str, str, str, bytes]]) -> None:
        """Keep (subscription, endpoint, told, body) durably, then send; what ``flush`` writes is written with it."""
        at = self._subscribers.machine_now()
        made = [Letter(next(self._numbers), of, endpoint, at, told, body) for of, endpoint, told, body in letters]
        await self._write(made)
        for letter in made:
            line = self._line(letter.endpoint)
            line.puts += 1
            if line.more or len(line.letters) >= _HELD:
                line.more = True
            elif letter.id > line.last:
                line.letters.append(letter)
                line.last = letter.id
            line.wake.set()

    async def run(self) -> None:
        """Send until cancelled; what was kept before is sent first."""
        endpoints = await asyncio.to_thread(self._endpoints)
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                self._out = {*self._ended.done, *(id_ for id_, _, _ in self._ended.dead)}
                for line in self._lines.values():
                    line.task = None
                for endpoint in {*self._lines, *endpoints}:
                    self.look_again(endpoint)
                    self._begin(self._line(endpoint))
                tasks.create_task(self._keep_flushing())
                tasks.create_task(self._keep_tidy())
        finally:
            self._tasks = None
            with suppress(Unavailable):
                await asyncio.shield(self.flush())

    def look_again(self, endpoint: str, *, mended: bool = True) -> None:
        """Read the queue of ``endpoint`` anew: what waits there was changed in the database. Its receiver is tried at once
        if it may be ``mended``.
        """
        line = self._line(endpoint)
        line.letters.clear()
        line.last, line.more = 0, True
        line.looks += 1
        if mended:
            line.failures = 0
        line.wake.set()

    async def rest(self, kept: Kept) -> None:
        """Let what waits for a subscription that is paused lie, so that it delays nobody."""
        await self._move(kept, "dead = ? WHERE subscription = ? AND dead = ?", (RESTING, kept.id, WAITING))

    async def go_on(self, kept: Kept) -> None:
        """Send what lay while a subscription was paused, to where it notifies now."""
        await self._move(
            kept,
            "dead = ?, endpoint = ? WHERE subscription = ? AND dead IN (?, ?)",
            (WAITING, kept.endpoint, kept.id, RESTING, WAITING),
        )

    async def resend(self, kept: Kept) -> int:
        """Send the dead letters of a subscription again; how many there were."""
        return await self._move(
            kept,
            "dead = ?, endpoint = ?, attempts = 0, at = ? WHERE subscription = ? AND dead = ?",
            (WAITING, kept.endpoint, self._subscribers.machine_now(), kept.id, DEAD),
        )

    def counts(self) -> dict[str, tuple[int, int]]:
        """Of each subscription that has any: how many wait (or rest), how many are dead."""
        query = (
            "SELECT subscription, sum(CASE WHEN dead = 1 THEN 0 ELSE 1 END), sum(CASE WHEN dead = 1 THEN 1 ELSE 0 END) "
            "FROM notification GROUP BY subscription"
        )
        with self._database.reader() as db:
            return {id_: (int(waiting), int(dead)) for id_, waiting, dead in db.execute(query)}

    async def flush(self) -> None:
        """Write down what was sent, tried or given up, and how the subscriptions are doing."""
        if self._ended or self._subscribers.marked:
            await self._write(())

    async def _write(self, made: Sequence[Letter]) -> None:
        """Keep letters and write down what became of earlier ones in one transaction: each is a wait for the disk."""
        ended, self._ended = self._ended, _Ended()
        marked: list[str] = []
        rows = [(one.id, one.subscription, one.endpoint, one.at, one.told, one.body) for one in made]

        def work(db: Connection) -> None:
            db.executemany(_INSERT, rows)
            ended.write(db)
            marked.extend(self._subscribers.save(db))

        self._wrote_at = asyncio.get_running_loop().time()
        try:
            await self._writer.run(SYSTEM, from_micros(self._subscribers.machine_now()), work)
        except BaseException:
            self._ended.done += ended.done
            self._ended.tried = {**ended.tried, **self._ended.tried}
            self._ended.dead += ended.dead
            self._subscribers.mark(*marked)
            raise
        self._out.difference_update(ended.done)
        self._out.difference_update(id_ for id_, _, _ in ended.dead)

    # One endpoint

    def _line(self, endpoint: str) -> _Line:
        line = self._lines.get(endpoint)
        if line is None:
            line = self._lines[endpoint] = _Line(endpoint)
            self._begin(line)
        return line

    def _begin(self, line: _Line) -> None:
        if self._tasks is not None and line.task is None:
            line.task = self._tasks.create_task(self._serve(line))

    async def _serve(self, line: _Line) -> None:
        while True:
            if not line.letters and line.more:
                await self._refill(line)
            if not line.letters:
                if line.more:
                    continue
                line.wake.clear()
                try:
                    async with asyncio.timeout(_IDLE):
                        await line.wake.wait()
                except TimeoutError:
                    if not (line.letters or line.more):
                        del self._lines[line.endpoint]
                        return
                continue
            failed = await self._work(line)
            if failed is None:
                line.failures = 0
                continue
            line.failures += 1
            await self._pause(max(min(FIRST_WAIT * 2 ** min(line.failures - 1, 10), LONGEST_WAIT), failed))

    async def _refill(self, line: _Line) -> None:
        puts, looks, out = line.puts, line.looks, set(self._out)
        letters = await asyncio.to_thread(self._read, line.endpoint, line.last)
        if looks != line.looks:
            return
        line.more = len(letters) == _HELD or puts != line.puts
        if letters:
            line.last = letters[-1].id
            out |= self._out  # another endpoint's line may have sent one of these since it was read
            line.letters.extend(one for one in letters if one.id not in out)

    async def _work(self, line: _Line) -> float | None:
        """Send some letters; the seconds that must at least pass before the next try if one was not taken."""
        some = [line.letters.popleft() for _ in range(1 if line.failures else min(_BATCH, len(line.letters)))]
        looks = line.looks
        self._out.update(one.id for one in some)
        left: list[Letter] = []
        groups, paused = self._sorted_out(some, await self._allowed(some))
        shared = iter(groups)
        tries = await asyncio.gather(*(self._send_next(shared, left) for _ in range(min(len(groups), _AT_ONCE))))
        resting = {kept.id for kept in paused}
        self._out.difference_update(one.id for one in [*left, *(one for one in some if one.subscription in resting)])
        if looks == line.looks:
            line.letters.extendleft(sorted(left, key=lambda one: -one.id))
        else:  # what was moved to another endpoint meanwhile may have been passed over there
            for endpoint in {kept.endpoint for one in left if (kept := self._subscribers.get(one.subscription))}:
                self.look_again(endpoint, mended=False)
        for kept in paused:
            await self.rest(kept)
        return max((one for one in tries if one is not None), default=None)

    def _sorted_out(
        self, letters: list[Letter], bodies: list[bytes | Problem | None]
    ) -> tuple[list[list[tuple[Letter, bytes]]], list[Kept]]:
        """What is sent one after the other, and the subscriptions whose letters must lie.

        Of one entity a subscription is told in order. What tells of several stands in order with all of its subscription.
        """
        groups: dict[tuple[str, str], list[tuple[Letter, bytes]]] = {}
        paused: dict[str, Kept] = {}
        several = {one.subscription for one in letters if one.told.count(":[") > 1}
        now = self._subscribers.now()
        for letter, body in zip(letters, bodies, strict=True):
            kept = self._subscribers.get(letter.subscription)
            if kept is not None and kept.status(now) != "active":
                paused[kept.id] = kept
            elif kept is None or body is None:
                self._ended.done.append(letter.id)
            elif isinstance(body, Problem):
                self._subscribers.cannot(kept, body)
                self._give_up(letter, str(body))
            else:
                of = "" if letter.subscription in several else letter.told
                groups.setdefault((letter.subscription, of), []).append((letter, body))
        return list(groups.values()), list(paused.values())

    async def _send_next(self, groups: Iterator[list[tuple[Letter, bytes]]], left: list[Letter]) -> float | None:
        """Send the letters of whichever group is next, until none is; those that must be sent later go to ``left``."""
        longest: float | None = None
        for group in groups:
            for place, (letter, body) in enumerate(group):
                wait = await self._send_one(letter, body)
                if wait is not None:
                    left.extend(one for one, _ in group[place:] if one.attempts >= 0)
                    longest = max(wait, longest or 0.0)
                    break
        return longest

    async def _send_one(self, letter: Letter, body: bytes) -> float | None:
        """Send one letter; None if it was taken, else its endpoint's cooldown in seconds."""
        kept = self._subscribers.get(letter.subscription)
        if kept is None:
            return None
        doing = kept.doing
        doing.times_sent += 1
        doing.last_notification = self._subscribers.machine_now()
        self._subscribers.mark(kept.id)
        cooldown = 0.0
        try:
            target = self._subscribers.target(kept)
            cooldown = target.cooldown
            await self._send(target, body)
        except (NotTaken, Problem) as why:
            self._failed(kept, letter, str(why), refused=isinstance(why, NotTaken) and why.refused)
            return cooldown
        except Exception as why:  # a fault of our own, which must not stop all others: this becomes a dead letter
            _log.exception("a notification cannot be sent", subscription=kept.id)
            self._failed(kept, letter, f"it cannot be sent: {why}"[:300], refused=True)
            return cooldown
        doing.last_success = self._subscribers.machine_now()
        self._ended.done.append(letter.id)
        return None

    def _failed(self, kept: Kept, letter: Letter, why: str, *, refused: bool) -> None:
        now, doing = self._subscribers.machine_now(), kept.doing
        doing.times_failed += 1
        doing.last_failure, doing.last_error = now, why
        letter.attempts += 1
        if (refused and letter.attempts >= MOST_REFUSALS) or now - letter.at > GIVE_UP:
            self._give_up(letter, why)
        else:
            self._ended.tried[letter.id] = (letter.attempts, why)

    def _give_up(self, letter: Letter, why: str) -> None:
        self._ended.tried.pop(letter.id, None)
        self._ended.dead.append((letter.id, why, letter.attempts))
        letter.attempts = -1
        _log.warning("a notification was given up", subscription=letter.subscription, why=why)

    # The database

    def _endpoints(self) -> list[str]:
        with self._database.reader() as db:
            return [one for (one,) in db.execute("SELECT DISTINCT endpoint FROM notification WHERE dead = 0")]

    def _read(self, endpoint: str, after: int) -> list[Letter]:
        with self._database.reader() as db:
            rows = db.execute(_READ, (endpoint, after, _HELD)).fetchall()
        return [Letter(id_, of, to, at, told, bytes(body), attempts) for id_, of, to, at, told, body, attempts in rows]

    async def _move(self, kept: Kept, change: str, values: tuple[object, ...]) -> int:
        await self.flush()
        query = f"UPDATE notification SET {change}"  # noqa: S608 - constants only

        def work(db: Connection) -> tuple[int, list[str]]:
            before = db.execute("SELECT DISTINCT endpoint FROM notification WHERE subscription = ?", (kept.id,)).fetchall()
            return db.execute(query, values).rowcount, [one for (one,) in before]

        moved, touched = await self._writer.run(SYSTEM, from_micros(self._subscribers.machine_now()), work)
        for endpoint in {*touched, kept.endpoint} if moved else ():
            self.look_again(endpoint)
        return moved

    async def _keep_flushing(self) -> None:
        while True:
            await asyncio.sleep(_FLUSH_EVERY)
            if asyncio.get_running_loop().time() - self._wrote_at < _FLUSH_EVERY:
                continue  # where letters keep coming, they take it along
            with suppress(Unavailable):  # a full or locked disk: ingest says so
                await self.flush()

    async def _keep_tidy(self) -> None:
        """Keep what waits and what is dead within bounds."""
        while True:
            await asyncio.sleep(_TIDY_EVERY)
            with suppress(Unavailable):
                failing = [line.endpoint for line in self._lines.values() if line.failures]
                now = from_micros(self._subscribers.machine_now())
                touched = await self._writer.run(SYSTEM, now, partial(self._tidy, failing=failing))
                for endpoint in touched:
                    self.look_again(endpoint, mended=False)

    def _tidy(self, db: Connection, *, failing: Sequence[str]) -> list[str]:
        """The endpoints of which something was given up."""
        touched = []
        too_old = self._subscribers.machine_now() - GIVE_UP
        for endpoint in failing:
            query = f"UPDATE notification SET dead = {DEAD} WHERE dead = 0 AND endpoint = ? AND attempts = 0 AND at < ?"  # noqa: S608 - a constant
            if db.execute(query, (endpoint, too_old)).rowcount:
                touched.append(endpoint)
        too_many = "SELECT endpoint, count(*) FROM notification WHERE dead = 0 GROUP BY endpoint HAVING count(*) > ?"
        for endpoint, many in db.execute(too_many, (MOST_WAITING,)).fetchall():
            oldest = "SELECT id FROM notification WHERE dead = 0 AND endpoint = ? ORDER BY id LIMIT ?"
            db.execute(
                f"UPDATE notification SET dead = {DEAD}, error = 'too many waited' WHERE id IN ({oldest})",  # noqa: S608 - constants
                (endpoint, many - MOST_WAITING),
            )
            touched.append(endpoint)
        too_many = "SELECT subscription, count(*) FROM notification WHERE dead = 1 GROUP BY subscription HAVING count(*) > ?"
        for subscription, many in db.execute(too_many, (MOST_DEAD,)).fetchall():
            oldest = "SELECT id FROM notification WHERE dead = 1 AND subscription = ? ORDER BY id LIMIT ?"
            db.execute(f"DELETE FROM notification WHERE id IN ({oldest})", (subscription, many - MOST_DEAD))  # noqa: S608 - constants
        return touched
