"""The audit log of a running city: refusals written down, checkpoints signed, and rows found again for its auditors."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from dothi.access.policy import SYSTEM, Clearance, Person, may
from dothi.access.refusals import Refusals
from dothi.data.writer import Writer
from dothi.model.clock import Clock, to_micros
from dothi.model.problem import Problem
from dothi.model.text import fold
from dothi.platform.schedule import SCHEDULE
from dothi.platform.tasks import TaskState
from dothi.store.audit import BROKEN, COLUMNS, Act, Row, last_seal, missing
from dothi.store.checkpoints import AuditKey, Checkpoint, beside, keep, keep_beside, latest
from dothi.store.connection import Connection, Database, DatabaseError

ROWS = 1_000  # a checkpoint at the latest after so many rows
SECONDS = 600  # or after so long, if there was any
LOOK_EVERY = 1.0
BUDGET = 2.0  # seconds of looking for one page
_WINDOW = 5_000  # rows looked at in one go
_log = structlog.get_logger("dothi.audit")


@dataclass(frozen=True, slots=True)
class Sought:
    """Which rows are sought: all ``words`` (without accents) in what a row says, who, which action, only refusals, at in
    [``start``, ``end``) (µs UTC), below row ``before``, and none of the machine's own (``people``). None and empty are any.
    """

    words: str = ""
    person: str = ""
    action: str = ""
    refused: bool = False
    people: bool = False
    start: int | None = None
    end: int | None = None
    before: int | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """Rows, the newest first. More may lie below row ``older``; None if the log was read to its end."""

    rows: list[Row]
    older: int | None


class Auditing:
    """Keeps the log provable and readable. ``clock`` is the machine's: a checkpoint is dated by it in a replay too."""

    def __init__(self, database: Database, writer: Writer, home: Path, clock: Clock) -> None:
        self._database, self._writer, self._home, self._clock = database, writer, home, clock
        self.refusals = Refusals()
        self._unwritten: list[Act] = []
        self._signed, self._signed_at, self._compared = 0, clock.now(), False
        with database.reader() as db:
            before = latest(db)
        if before is not None:
            self._signed = before.seq

    async def run(self, _: TaskState) -> None:
        """Write down refusals and sign, for as long as the city runs."""
        await self._compare()
        while True:
            await asyncio.sleep(LOOK_EVERY)
            await self.look()

    async def look(self) -> None:
        """Write down what was refused; sign what is due."""
        await self._write(self.refusals.take())
        rows = self._writer.sealed[0] - self._signed
        # A clock that was set back signs too: it would otherwise wait until the old time comes round again.
        if rows >= ROWS or (rows > 0 and abs((self._clock.now() - self._signed_at).total_seconds()) >= SECONDS):
            await self.checkpoint()

    async def close(self) -> None:
        """The last refusals and the last checkpoint of a city that stops; one that cannot write any more still stops."""
        try:
            await self._write(self.refusals.take(all=True))
            await self.checkpoint()
        except (DatabaseError, OSError, Problem) as error:
            _log.warning("the audit log could not be signed at the end", error=str(error))

    async def checkpoint(self) -> Checkpoint | None:
        """Sign the newest row; None if it is signed already."""
        await self._compare()
        key, tenant, now = await asyncio.to_thread(AuditKey.of, self._home), self._database.folder.name, self._clock.now()

        def work(db: Connection) -> Checkpoint | None:
            seq, sealed = last_seal(db)
            before = latest(db)
            if seq == (before.seq if before is not None else 0):
                return None
            made = key.sign(tenant, seq, to_micros(now), sealed)
            keep(db, [made])
            return made

        made = await self._writer.run(SYSTEM, now, work)
        if made is not None:
            self._signed, self._signed_at = made.seq, now
            await asyncio.to_thread(keep_beside, self._database.folder, made)
        return made

    async def tell(self, person: Person, act: Act) -> None:
        """Record that ``person`` looked at the log or took it along. Raises Problem 403 if they may not."""
        await self._writer.run(person, self._clock.now(), lambda _: None, [act], action=act.action)

    def find(self, person: Person, sought: Sought, words_of: Callable[[Row], str], limit: int) -> Found:
        """At most ``limit`` rows, the newest first; ``words_of`` gives what a row says in people's words beside its own.

        Looks for ``BUDGET`` seconds at most. Nothing for who may not read the log of the whole city.
        """
        if not reads_all(person):
            return Found([], None)
        wanted = fold(sought.words).split()
        until = time.monotonic() + BUDGET
        found: list[Row] = []
        with self._database.reader() as db:
            low, high = _span(db, sought)
            query, values = _query(sought)
            while high > low and len(found) < limit and time.monotonic() < until:
                floor = max(low, high - _WINDOW)
                for cells in db.execute(query, (floor, high, *values)):
                    row = Row.of(cells)
                    if _says(row, wanted, words_of):
                        found.append(row)
                        if len(found) == limit:
                            floor = row.seq - 1
                            break
                high = floor
        return Found(found, high + 1 if high > low else None)

    async def _compare(self) -> None:
        """Once, before the checkpoint beside the database is written over: record it if the log is not what that signed.

        Rows that were cut off or changed while the city stood still would be forgotten with it.
        """
        if self._compared:
            return
        act, now = await asyncio.to_thread(self._missing), self._clock.now()
        if act is not None:
            _log.error("rows of the audit log that were signed are not there", rows=act.thing)
            await self._writer.run(SYSTEM, now, lambda _: None, [act])
        self._compared = True

    def _missing(self) -> Act | None:
        try:
            kept = beside(self._database.folder)
        except Problem as problem:
            return Act(SYSTEM.id, BROKEN, "checkpoint", "found", detail=problem.title)
        if kept is None:
            return None
        with self._database.reader() as db:
            rows = missing(db, kept)
        return None if rows is None else Act(SYSTEM.id, BROKEN, rows, "found", detail=kept.message.decode())

    async def _write(self, acts: Sequence[Act]) -> None:
        # What could not be written, because the database was away, waits for the next time.
        self._unwritten = [*self._unwritten, *acts][-ROWS:]
        if self._unwritten:
            await self._writer.run(SYSTEM, self._clock.now(), lambda _: None, self._unwritten)
            self._unwritten = []

    def latest(self) -> Checkpoint | None:
        """The newest checkpoint; None before the first."""
        with self._database.reader() as db:
            return latest(db)


def reads_all(person: Person) -> bool:
    """True for who may read the log: it tells of things of every ward and clearance, so of who may know them all."""
    return may(person, "audit.read", Clearance.RESTRICTED)


def _span(db: Connection, sought: Sought) -> tuple[int, int]:
    """The rows (above the first number, up to the second) among which those sought lie."""
    conditions = [f"at {sign} ?" for sign, value in ((">=", sought.start), ("<", sought.end)) if value is not None]
    values = [value for value in (sought.start, sought.end) if value is not None]
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    first, last = db.execute(f"SELECT min(seq), max(seq) FROM audit{where}", values).fetchone()  # noqa: S608 - ours
    if first is None:
        return 0, 0
    return first - 1, last if sought.before is None else min(last, sought.before - 1)


def _query(sought: Sought) -> tuple[str, list[object]]:
    conditions: list[tuple[str, object]] = [
        (condition, value)
        for condition, value in (
            ("at >= ?", sought.start),
            ("at < ?", sought.end),
            ("person_id = ?", sought.person or None),
            ("action = ?", sought.action or None),
            ("result LIKE ?", "refused%" if sought.refused else None),
        )
        if value is not None
    ]
    conditions += [("person_id <> ?", one.id) for one in (SYSTEM, SCHEDULE) if sought.people]
    where = "".join(f" AND {condition}" for condition, _ in conditions)
    query = f"SELECT {COLUMNS} FROM audit WHERE seq > ? AND seq <= ?{where} ORDER BY seq DESC"  # noqa: S608 - ours
    return query, [value for _, value in conditions]


def _says(row: Row, wanted: Sequence[str], words_of: Callable[[Row], str]) -> bool:
    if not wanted:
        return True
    own = " ".join(row[2:10])
    said = f"{own.lower() if own.isascii() else fold(own)} {words_of(row)}"
    return all(word in said for word in wanted)
