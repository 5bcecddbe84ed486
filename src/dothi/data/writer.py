"""The one way in: every change of a city goes through ``apply``, in one transaction, on one thread."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import TypeVar

from dothi.access.policy import SYSTEM, Clearance, Person, may
from dothi.data.batch import (
    Applied,
    Batch,
    EntityChange,
    EntityKind,
    IntArray,
    Outcome,
    Quarantined,
    Told,
    read_told,
    readings_of,
)
from dothi.data.classified import Classified
from dothi.data.editing import Edited, Editor, Evolve, Locate
from dothi.data.news import Telling
from dothi.data.past import Marks, Past
from dothi.data.recording import Recorded, Recorder
from dothi.data.sealed_only import SealedOnly
from dothi.data.series import SeriesIndex, Written
from dothi.data.waiting import Request, Waiting, answer
from dothi.model.clock import to_micros
from dothi.model.entity import LOCATION, Entity
from dothi.model.problem import Problem
from dothi.store.audit import CAME_FROM, Act, last_seal, record
from dothi.store.connection import Conflict, Connection, InDoubt, Unavailable
from dothi.store.database import Database

T = TypeVar("T")
Also = Callable[[Connection], None]

_QUARANTINE = (
    "INSERT INTO quarantine (key, at, source, device, reason, detail, body, content_type, correlation, received_at, origin) "
    "VALUES (?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT (key) DO NOTHING"
)
_MARK = "INSERT INTO meta (key, value) VALUES (?,?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
_OUTBOX = "INSERT INTO outbox (at, payload) VALUES (?,?) RETURNING seq"
# Changes that are made together: so few that what is made of them is let go of before it has left the processor's cache.
# Measured: of a thousand in one go, a sixth of the writer's time went into letting go.
PIECE = 50


@dataclass(slots=True)
class _Doubt:
    """A commit whose end is not known: the audit's last seal before it, and what follows if it held."""

    mark: str
    sealed: tuple[int, bytes]
    settle: Callable[[], None] | None


class Writer:
    """The single writer of a tenant. ``locate`` gives the ward code of a point (longitude, latitude; EPSG:4326);
    ``sealed_only`` knows which attributes are personal, ``classified`` which may be known less far than what they are of.

    Open it after ``migrate``; close it when the city stops.
    """

    def __init__(
        self,
        database: Database,
        *,
        locate: Locate,
        sealed_only: SealedOnly | None = None,
        classified: Classified | None = None,
    ) -> None:
        self._db = database.connect_writer()
        self.index = SeriesIndex.load(self._db, database.lake.highest_series())
        self._sealed = last_seal(self._db)
        self._recorder = Recorder(self._db, self.index, Past(database))
        self._editor = Editor(self._db, self.index, locate, classified)
        self._sealed_only = sealed_only or SealedOnly()
        self._lock = threading.Lock()
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="writer")
        self._doubt: _Doubt | None = None
        self._reshapes = False  # what is written now may change which types and attributes there are
        self._waiting = Waiting()
        self.keep_before: Callable[[str], bool] = _nothing  # asked with a type: is what was before told too?
        self.after_commit: list[Callable[[], None]] = []  # called on the committing thread once an outbox row is on disk

    def clearance_of(self, entity_id: str) -> Clearance | None:
        """How far the entity with this id may be known, deleted or not; None if there never was one. Memory only."""
        return self.index.known_clearance(entity_id)

    def highest_clearance(self) -> Clearance:
        """The strictest that anything is or was held to."""
        return self.index.highest_clearance

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

    def on_edit(self, evolve: Evolve) -> None:
        """Have ``evolve`` called with every step of every change of entities, on the writer's thread, in its transaction."""
        self._editor.evolve = evolve

    async def edit(
        self,
        person: Person,
        changes: Sequence[Told],
        *,
        at: datetime,
        correlation: str = "",
        action: str = "entity.write",
    ) -> list[Outcome]:
        """Make each of ``changes`` by itself, in their order, and return once all is on disk what became of each.

        Those that are still to be read are read on the writer's thread. One that cannot be made has its Problem in its
        outcome and hinders no other. Whoever else waits shares the commit.
        Raises Unavailable when the disk or the server fails, Problem 503 if too much waits; nothing is changed then.
        """
        done = asyncio.get_running_loop().create_future()
        request = Request(person, changes, to_micros(at), correlation, action, done)
        if self._waiting.add(request):
            self._executor.submit(self._serve)
        return await request.done

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
                self._reshapes = bool(acts)  # whoever changes what is kept says so
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

    def _serve(self) -> None:
        """Commit what waits, or as much of it as one commit takes; what is left comes after what others handed in."""
        requests = self._waiting.take()
        answers: list[tuple[Request, list[Outcome] | BaseException]] = []
        try:
            with self._lock:
                outcomes = self._commit_together(requests)
            answers = list(zip(requests, outcomes, strict=True))
        except Exception as error:
            if len(requests) == 1 or isinstance(error, Unavailable):
                answers = [(request, error) for request in requests]
            else:
                answers = [self._alone(request) for request in requests]
        answer(answers)
        if self._waiting.more():
            try:
                self._executor.submit(self._serve)
            except RuntimeError:  # the city stops: what was handed in is finished first
                self._serve()

    def _alone(self, request: Request) -> "tuple[Request, list[Outcome] | BaseException]":
        """One of several requests that could not be committed together: whichever of them it was, the others go on."""
        try:
            with self._lock:
                return request, self._commit_together([request])[0]
        except Exception as error:
            return request, error

    def _commit_together(self, requests: Sequence[Request]) -> list[list[Outcome]]:
        try:
            return self._commit_requests(requests, careful=False)
        except Conflict:
            return self._commit_requests(requests, careful=True)

    def _commit_requests(self, requests: Sequence[Request], *, careful: bool) -> list[list[Outcome]]:
        written, telling = Written(self._db, self.index), Telling(self.index, self.keep_before)
        self._reshapes = False
        at = max(request.at for request in requests)
        waiting = [(request, told) for request in requests for told in request.changes]

        def work() -> list[list[Outcome]]:
            made: list[Outcome] = []
            for start in range(0, len(waiting), PIECE):
                some = [(request, read_told(told)) for request, told in waiting[start : start + PIECE]]
                edited = self._editor.begin(change for _, change in some if isinstance(change, EntityChange))
                outcomes = [self._outcome(change, request) for request, change in some]
                telling.add(self._store(edited, None, written, at, careful=careful, insist=True), edited)
                acts = [
                    request.act_of(change.kind, outcome.id)
                    for (request, change), outcome in zip(some, outcomes, strict=True)
                    if outcome.state != "unchanged" and isinstance(change, EntityChange)
                ]
                if acts:
                    self._sealed = record(self._db, acts, at, self._sealed)
                made += outcomes
            if telling:
                self._tell(telling, at)
            following = iter(made)
            return [list(islice(following, len(request.changes))) for request in requests]

        outcomes = self._transaction(work, written.settle)
        if telling:
            for tell in self.after_commit:
                tell()
        return outcomes

    def _outcome(self, change: EntityChange | Outcome, request: Request) -> Outcome:
        if isinstance(change, Outcome):
            return change
        try:
            self._sealed_only.check(self._db, self.index, (change,), None)
            return self._editor.edit(change, request.person, request.at, request.action)
        except Problem as problem:
            return Outcome(change.entity.id, problem=problem)

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
        if self._reshapes or doubt.mark:
            self.index.shape += 1
        if doubt.settle is not None:
            doubt.settle()

    def _undo(self, doubt: "_Doubt") -> None:
        self._sealed = doubt.sealed
        self.index.undo()
        self._recorder.undo()

    def _commit(self, batch: Batch, *, careful: bool, also: Also | None = None) -> Applied:
        self._reshapes = False
        at = to_micros(batch.at)
        written = Written(self._db, self.index)

        def work() -> Applied:
            edited = self._editor.begin(batch.entities)
            for change in batch.entities:
                self._editor.edit(change, batch.person, at, batch.action)
            self._sealed_only.check(self._db, self.index, batch.entities, None)
            recorded = self._store(edited, batch, written, at, careful=careful)
            held = self._hold(batch.quarantine, at)
            if also is not None:
                also(self._db)
            return self._conclude(batch, edited, recorded, held, at)

        applied = self._transaction(work, written.settle)
        if applied.seq is not None:
            for tell in self.after_commit:
                tell()
        return applied

    def _store(
        self,
        edited: Edited,
        batch: Batch | None,
        written: Written,
        at: int,
        *,
        careful: bool,
        insist: bool = False,
    ) -> list[Recorded]:
        """Write entities, then the readings of ``batch`` and those the changes of entities carried, and what is shown.

        Those of changes are what is shown then, if ``insist``, though something newer may be known.
        """
        index = self.index
        self._editor.write()
        told = batch.readings if batch is not None and batch.readings else None
        if told is not None and told.keys is not None:
            told.series = index.resolve(told.keys, told.units)
        carried = readings_of(edited.rows) if edited.rows else None
        if carried is not None and carried.keys is not None:
            carried.series = index.resolve(carried.keys, carried.units, ended=True)
        index.fit_state()
        written.write()
        if batch is not None and told is not None:
            self._sealed_only.check(self._db, index, (), told)
            self._allow(batch.person, told.series)
        recorded = []
        for part in (told, carried):
            if part is not None:
                if written.lack(part.series):
                    raise ValueError("readings of a series that was not given out")
                recorded.append(self._recorder.record(part, at, careful=careful))
        if insist and carried is not None:
            self._recorder.insist(carried, at, recorded[-1])
        self._editor.finish()
        for one in recorded:
            moved = index.of_attribute(one.live, LOCATION).tolist()
            self._editor.move(moved)
            self._reshapes |= one.reshapes or bool(moved)
        self._reshapes |= bool(edited.edits)
        return recorded

    def _tell(self, telling: Telling, at: int) -> int:
        """Note for others what was changed; the number of the note."""
        ((seq,),) = self._db.execute(_OUTBOX, (at, telling.encode())).fetchall()
        return int(seq)

    def _allow(self, person: Person, series: IntArray) -> None:
        if not may(person, "reading.write", max(Clearance.INTERNAL, self.index.strictest(series))):
            raise Problem(403, "forbidden", f"{person.id} may not write these readings.", "Sign in as one who may.")

    def _hold(self, messages: Sequence[Quarantined], at: int) -> int:
        """How many were not held before."""
        return self._db.executemany(_QUARANTINE, [one.row(at) for one in messages]).rowcount if messages else 0

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
            telling = Telling(index, self.keep_before)
            telling.add(recorded, edited)
            applied.seq = self._tell(telling, at)
        return applied


def _nothing(_: str) -> bool:
    return False
