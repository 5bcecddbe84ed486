"""The one way in: every change of a city goes through ``apply``, in one transaction, on one thread."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import numpy as np

from dothi.access.policy import SYSTEM, Clearance, Person, may
from dothi.data.batch import (
    Applied,
    Batch,
    Changed,
    EntityChange,
    EntityKind,
    IntArray,
    Quarantined,
    Readings,
    pack,
    readings_of,
)
from dothi.data.editing import Edited, Editor, Locate
from dothi.data.past import Marks, Past
from dothi.data.recording import Recorded, Recorder
from dothi.data.sealed_only import SealedOnly
from dothi.data.series import SeriesIndex
from dothi.model.clock import to_micros
from dothi.model.entity import LOCATION, Entity
from dothi.model.problem import Problem
from dothi.store.audit import CAME_FROM, Act, last_seal, record
from dothi.store.connection import Conflict, Connection, InDoubt
from dothi.store.database import Database

T = TypeVar("T")
Also = Callable[[Connection], None]

_QUARANTINE = (
    "INSERT INTO quarantine (key, at, source, device, reason, detail, body, content_type, correlation, received_at, origin) "
    "VALUES (?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT (key) DO NOTHING"
)
_MARK = "INSERT INTO meta (key, value) VALUES (?,?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
_OUTBOX = "INSERT INTO outbox (at, payload) VALUES (?,?) RETURNING seq"
_SERIES = (
    "INSERT INTO series (id, entity, attribute, dataset, unit) VALUES (?,?,?,?,?) "
    "ON CONFLICT (entity, attribute, dataset) DO UPDATE SET unit = excluded.unit"
)


@dataclass(slots=True)
class _Doubt:
    """A commit whose end is not known: the audit's last seal before it, and what follows if it held."""

    mark: str
    sealed: tuple[int, bytes]
    settle: Callable[[], None] | None


class Writer:
    """The single writer of a tenant. ``locate`` gives the ward code of a point (longitude, latitude; EPSG:4326);
    ``sealed_only`` knows which attributes are personal.

    Open it after ``migrate``; close it when the city stops.
    """

    def __init__(self, database: Database, *, locate: Locate, sealed_only: SealedOnly | None = None) -> None:
        self._db = database.connect_writer()
        self.index = SeriesIndex.load(self._db, database.lake.highest_series())
        self._sealed = last_seal(self._db)
        self._recorder = Recorder(self._db, self.index, Past(database))
        self._editor = Editor(self._db, self.index, locate)
        self._sealed_only = sealed_only or SealedOnly()
        self._lock = threading.Lock()
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="writer")
        self._doubt: _Doubt | None = None
        self.after_commit: list[Callable[[], None]] = []  # called on the committing thread once an outbox row is on disk

    def clearance_of(self, entity_id: str) -> Clearance | None:
        """How far the entity with this id may be known, deleted or not; None if there never was one. Memory only."""
        return self.index.known_clearance(entity_id)

    @property
    def sealed(self) -> tuple[int, bytes]:
        """Number and hash of the audit log's newest row."""
        return self._sealed

    def close(self) -> None:
        """Finish what was handed in, then close the connection."""
        self._executor.shutdown()
        self._db.close()

    def apply(self, batch: Batch) -> Applied:
        """Commit a batch whole or not at all: entities first, then readings, with quarantine, audit and outbox.

        Blocks until it is on disk. Raises Problem (403 not allowed, 404 or 409 for an entity, 400 for a place that is
        none or a personal value that is not sealed), KeyError for readings of an entity that does not exist, ValueError for
        numbers that are not finite or series that were not given out, Unavailable when the disk or the server fails;
        nothing is changed then.
        """
        with self._lock:
            try:
                return self._commit(batch, careful=False)
            except Conflict:
                # A reading taken to be new was not: a clock that runs ahead had told of that moment before.
                return self._commit(batch, careful=True)

    async def write(self, batch: Batch) -> Applied:
        """``apply`` on the writer's own thread."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, copy_context().run, self.apply, batch)

    async def save(
        self,
        person: Person,
        kind: EntityKind,
        entity: Entity | Sequence[Entity],
        *,
        at: datetime,
        correlation: str = "",
        acts: Sequence[Act] = (),
        also: Also | None = None,
        clearance: Clearance | None = None,
        action: str = "entity.write",
    ) -> None:
        """Write one entity or several, to which ``person`` must be allowed ``action``; ``also`` runs further statements in
        the same transaction. Raises as ``apply``.
        """
        changes = [EntityChange(kind, one, clearance) for one in ([entity] if isinstance(entity, Entity) else entity)]
        batch = Batch(person, "entity", correlation, at, entities=changes, acts=list(acts), action=action)

        def work() -> None:
            with self._lock:
                self._commit(batch, careful=True, also=also)

        await asyncio.get_running_loop().run_in_executor(self._executor, copy_context().run, work)

    async def run(
        self,
        person: Person,
        at: datetime,
        work: Callable[[Connection], T],
        acts: Sequence[Act] = (),
        *,
        action: str = "entity.write",
    ) -> T:
        """Run other statements (devices, lobby, quarantine, cursors) and record ``acts``, in one transaction.

        Raises Problem 403 if ``person`` may not do ``action``, and whatever ``work`` raises; nothing is changed then.
        """
        if not may(person, action):
            raise Problem(403, "forbidden", f"{person.id} may not do this.", "Sign in as one who may.")

        def transact() -> T:
            with self._lock:
                return self._transaction(lambda: self._work(work, acts, to_micros(at)))

        return await asyncio.get_running_loop().run_in_executor(self._executor, copy_context().run, transact)

    async def mark(self, at: datetime, marks: Marks, also: Also) -> None:
        """Move the marks of sealing and run ``also`` in the same transaction; every later commit goes by them."""

        def work(connection: Connection) -> None:
            rows = [(name, str(value)) for name, value in marks._asdict().items()]
            connection.executemany(_MARK, rows)
            also(connection)
            # Before the commit, so that none comes between; should it fail, keys are noted that need not have been.
            self._recorder.marks = marks

        await self.run(SYSTEM, at, work)

    def _work(self, work: Callable[[Connection], T], acts: Sequence[Act], at: int) -> T:
        result = work(self._db)
        self._sealed = record(self._db, acts, at, self._sealed)
        return result

    def _transaction(self, work: Callable[[], T], settle: Callable[[], None] | None = None) -> T:
        """``work`` in a transaction; what is kept in memory follows it, and ``settle`` runs, only if it holds."""
        self._resolve_doubt()
        doubt = _Doubt("", self._sealed, settle)
        try:
            with self._db.transaction():
                result = work()
        except InDoubt as error:
            doubt.mark = error.mark
            self._doubt = doubt
            raise
        except BaseException:
            self._undo(doubt)
            raise
        self._settle(doubt)
        return result

    def _resolve_doubt(self) -> None:
        """Find out whether the commit held during which the server went away, before anything else is written."""
        doubt = self._doubt
        if doubt is not None:
            held = self._db.held(doubt.mark)
            self._doubt = None
            if held:
                self._settle(doubt)
            else:
                self._undo(doubt)

    def _settle(self, doubt: "_Doubt") -> None:
        self._recorder.settle()
        if doubt.settle is not None:
            doubt.settle()

    def _undo(self, doubt: "_Doubt") -> None:
        self._sealed = doubt.sealed
        self.index.undo()
        self._recorder.undo()

    def _commit(self, batch: Batch, *, careful: bool, also: Also | None = None) -> Applied:
        at = to_micros(batch.at)
        written: list[tuple[list[tuple[int, str]], list[tuple[int, int, int, int, str | None]]]] = []

        def work() -> Applied:
            edited = Edited()
            for change in batch.entities:
                self._editor.edit(change, batch.person, at, edited, batch.action)
            parts = [self._resolved(readings) for readings in (batch.readings, readings_of(edited.rows)) if readings]
            self.index.fit_state()
            names, series = self.index.unwritten()
            written.append((names, series))
            self._db.executemany("INSERT INTO name VALUES (?,?)", names)
            self._db.executemany(_SERIES, series)
            self._sealed_only.check(self._db, self.index, batch.entities, batch.readings)
            if batch.readings:
                self._allow(batch.person, batch.readings.series)
            recorded = []
            for part in parts:
                if self.index.unknown(part.series, series):
                    raise ValueError("readings of a series that was not given out")
                recorded.append(self._recorder.record(part, at, careful=careful))
            held = self._hold(batch.quarantine, at)
            if also is not None:
                also(self._db)
            return self._conclude(batch, edited, recorded, held, at)

        applied = self._transaction(work, lambda: self.index.settle(*written[0]))
        if applied.seq is not None:
            for tell in self.after_commit:
                tell()
        return applied

    def _resolved(self, readings: Readings) -> Readings:
        if readings.keys is not None:
            readings.series = self.index.resolve(readings.keys, readings.units)
        return readings

    def _allow(self, person: Person, series: IntArray) -> None:
        if not may(person, "reading.write", max(Clearance.INTERNAL, self.index.strictest(series))):
            raise Problem(403, "forbidden", f"{person.id} may not write these readings.", "Sign in as one who may.")

    def _hold(self, messages: Sequence[Quarantined], at: int) -> int:
        """How many were not held before."""
        rows = [
            (
                one.key,
                at,
                one.source,
                one.device,
                one.reason,
                one.detail,
                one.body,
                one.content_type,
                one.correlation,
                one.received_at,
                None if one.origin is None else int(one.origin),
            )
            for one in messages
        ]
        return self._db.executemany(_QUARANTINE, rows).rowcount if rows else 0

    def _conclude(self, batch: Batch, edited: Edited, recorded: list[Recorded], held: int, at: int) -> Applied:
        """Outbox and audit of what was done; nothing of either if nothing was."""
        index = self.index
        applied = Applied(
            stored=sum(one.stored for one in recorded),
            revisions=sum(one.revisions for one in recorded),
            late=sum(one.late for one in recorded),
            repeated=sum(one.repeated for one in recorded),
            live=sum(len(one.live) for one in recorded),
            created=[index.urn(num) for num in edited.created],
            changed=[index.urn(num) for num in edited.changed],
            deleted=[index.urn(num) for num in edited.deleted],
            quarantined=held,
        )
        for one in recorded:
            self._editor.move(index.of_attribute(one.live, LOCATION).tolist())
        acts = list(batch.acts)
        who, correlation = batch.person.id, batch.correlation
        acts += (Act(who, f"entity.{one.kind}", one.entity.id, correlation=correlation) for one in batch.entities)
        if applied.stored or applied.quarantined:
            detail = f"stored {applied.stored}, revisions {applied.revisions}, quarantined {applied.quarantined}"
            source = CAME_FROM.get() or batch.source
            acts.append(Act(who, "reading.write", batch.source, "done", correlation, detail, source))
        if acts:
            self._sealed = record(self._db, acts, at, self._sealed)
        if applied.stored or batch.entities:
            series = np.concatenate([one.series for one in recorded]) if recorded else np.empty(0, np.int64)
            changed = Changed(pack(series), pack(edited.changed), pack(edited.created), pack(edited.deleted))
            ((applied.seq,),) = self._db.execute(_OUTBOX, (at, changed.encode())).fetchall()
        return applied
