"""Runs: what computes long is asked for here, waits in a fair and bounded queue, and is kept with all that made it.

A run is queued, then gathers its inputs in the city, then runs in a worker process (``pool.py``), then its results are
written back. Every change of state is one commit with an entry in the audit log.
"""

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import msgspec
import structlog

from dothi.access.policy import SYSTEM, Person, may
from dothi.model.clock import to_micros
from dothi.model.problem import Problem, bad_request, not_found
from dothi.model.text import Text, fold
from dothi.platform import run_records as records
from dothi.platform.pool import MAX_JSON, Pool, RunError, name_of
from dothi.platform.run_records import ASKERS, ERRORS, STATES, Run, RunState
from dothi.platform.run_sight import RunSight
from dothi.platform.schedule import SCHEDULE, Schedule
from dothi.platform.sector import Process
from dothi.platform.worker import line_of
from dothi.store.audit import Act
from dothi.store.connection import Connection

if TYPE_CHECKING:
    from dothi.platform.platform import Platform
    from dothi.platform.tasks import TaskState

__all__ = ["ASKERS", "ERRORS", "STATES", "Run", "RunState", "Runs"]

QUEUE = 64  # runs that may wait
SHARE = QUEUE // 2  # of them, one asker's
MAX_OPTIONS = 65_536  # bytes
LOOK_EVERY = 0.5  # seconds between two looks at the schedule
_SEED_BITS = 32
_log = structlog.get_logger("dothi.runs")


@dataclass(slots=True, eq=False)
class _Ticket:
    """A run that is not over. ``began`` is the machine's time (s) since when it has the worker's attention, 0 before."""

    id: str
    process: str
    requested_by: str
    seed: int
    options: str
    repeats: str | None
    began: float = 0.0
    progress: float = 0.0
    keeping: bool = False
    cancelled_by: str = ""
    task: asyncio.Task[None] | None = None

    @classmethod
    def of(cls, run: Run) -> "_Ticket":
        return cls(run.id, run.process, run.requested_by, run.seed, run.options, run.repeats)

    def advance(self, fraction: float) -> None:
        self.progress = max(self.progress, fraction)


class Runs:
    """The runs of one city. Register processes, then have ``run`` supervised; use it from the city's event loop.

    ``get``, ``list`` and ``counts`` may be asked from any thread.
    """

    def __init__(self, platform: "Platform", pool: Pool | None = None) -> None:
        self._platform, self._pool = platform, pool or Pool()
        self.processes: dict[str, Process] = {}
        self._sight = RunSight(platform, self.processes)
        self._functions: dict[str, str] = {}
        self._queue: dict[str, _Ticket] = {}
        self._active: dict[str, _Ticket] = {}
        self._coming: Counter[str] = Counter()
        self._served: dict[str, int] = {}
        self._schedule = Schedule(platform)
        self._wake = asyncio.Event()

    @property
    def waiting(self) -> int:
        """How many are queued."""
        return len(self._queue)

    @property
    def running(self) -> int:
        """How many are being worked on."""
        return len(self._active)

    @property
    def pool(self) -> Pool:
        """The worker processes."""
        return self._pool

    def register(self, process: Process) -> None:
        """Let ``process`` be asked for. Raises Problem for an id that is taken and a function no worker could find."""
        if process.id in self.processes:
            raise Problem(500, "bad-process", f"Two processes are called {process.id!r}.", "Rename one of them.")
        try:
            self._functions[process.id] = name_of(process.run)
        except ValueError as error:
            raise Problem(500, "bad-process", f"{error}.", "Make it a plain function of a module.") from error
        self.processes[process.id] = process

    # For who asks

    async def submit(
        self,
        asker: Person,
        process_id: str,
        options: Mapping[str, Any] | None = None,
        *,
        seed: int | None = None,
        correlation: str = "",
    ) -> str:
        """Queue a run of ``process_id`` and return its id once that is on disk. Without ``seed`` one is drawn.

        Raises Problem: 403, 404 for a process that is not here, 400 for options that are no JSON or too large, 429 when the
        queue, or the asker's share of it, is full.
        """
        try:
            told = msgspec.json.encode(options or {})
        except (TypeError, ValueError, RecursionError) as error:
            raise bad_request(f"The options are no JSON: {error}.", "Give an object of plain values.") from error
        if len(told) > MAX_OPTIONS:
            raise bad_request(
                f"The options have {len(told)} bytes.", f"At most {MAX_OPTIONS}; let the process look up more."
            )
        number = secrets.randbits(_SEED_BITS) if seed is None else seed
        return await self._submit(asker, process_id, number, told.decode(), None, correlation)

    async def repeat(self, asker: Person, run_id: str, *, correlation: str = "") -> str:
        """Queue a run with the inputs and the seed of an earlier one, to see whether the outputs are equal; returns its id.

        Its results are compared, not written back. Raises Problem as ``submit``, 404 for an unknown run and 409 if its
        inputs are not kept (any more).
        """
        earlier = await asyncio.to_thread(self.get, asker, run_id)
        if earlier is None:
            raise not_found("run", run_id)
        if earlier.withheld:
            raise Problem(403, "not-allowed", "You may not see what this run computed with.", "Ask somebody who may.")
        if not earlier.inputs:
            raise Problem(409, "no-inputs", "The inputs of this run are not kept.", "Start a new run of the process.")
        return await self._submit(asker, earlier.process, earlier.seed, earlier.options, run_id, correlation)

    async def _submit(
        self, asker: Person, process_id: str, seed: int, options: str, repeats: str | None, correlation: str
    ) -> str:
        process = self.processes.get(process_id)
        if not self._sight.allows(asker, "run.start", process_id):
            raise Problem(403, "not-allowed", "You may not start this.", "Ask the operator of this city.")
        if process is None:
            raise not_found("process", process_id)
        if not -(2**63) <= seed < 2**63:
            raise bad_request(f"The seed {seed} is too large.", "Give a whole number of 64 bits.")
        self._check_room(asker)
        now = self._platform.clock.now()
        run = Run(
            id=records.new_id(),
            process=process_id,
            version=process.version,
            seed=seed,
            state="queued",
            requested_by=asker.id,
            requested_at=now,
            repeats=repeats,
            options=options,
        )
        act = Act(asker.id, "run.start", f"run:{run.id}", "queued", correlation, process_id)
        self._coming[asker.id] += 1
        try:
            await self._platform.writer.run(asker, now, lambda db: records.insert(db, run), [act], action="run.start")
        finally:
            self._coming[asker.id] -= 1
        self._queue.setdefault(run.id, _Ticket.of(run))
        self._wake.set()
        return run.id

    def _check_room(self, asker: Person) -> None:
        if asker is SCHEDULE:
            return  # never more than one of each process
        own = self._coming[asker.id] + sum(one.requested_by == asker.id for one in self._queue.values())
        if own >= SHARE or len(self._queue) + self._coming.total() >= QUEUE:
            raise Problem(429, "queue-full", "Too many runs wait already.", "Wait for some to end, or cancel them.", 30)

    async def cancel(self, asker: Person, run_id: str, *, correlation: str = "") -> None:
        """End a run that is queued or running, at once; returns when it is on disk.

        Raises Problem: 403, 404, 409 for one that is over or whose results are just being written.
        """
        open_one = self._queue.get(run_id) or self._active.get(run_id)
        if not (may(asker, "run.cancel") if open_one is None else self._sight.allows(asker, "run.cancel", open_one.process)):
            raise Problem(403, "not-allowed", "You may not cancel this run.", "Ask the operator of this city.")
        ticket = self._queue.pop(run_id, None)
        if ticket is not None:
            try:
                await self._end(ticket, "cancelled", asker=asker, correlation=correlation)
            except BaseException:
                self._queue[run_id] = ticket
                raise
            return
        ticket = self._active.get(run_id)
        if ticket is None or ticket.task is None:
            if await asyncio.to_thread(self.get, asker, run_id) is None:
                raise not_found("run", run_id)
            raise Problem(409, "run-over", "This run is over.", "Only what is queued or running can be cancelled.")
        if ticket.keeping:
            raise Problem(409, "run-keeping", "The results of this run are being written.", "It is done in a moment.")
        if not ticket.cancelled_by:
            ticket.cancelled_by = asker.id
            ticket.task.cancel()
        await asyncio.wait({ticket.task})

    def get(self, asker: Person, run_id: str) -> Run | None:
        """One run, None if there is none or the asker may not see it; with what went in and came out for who may know it."""
        found = self._fetched(run_id)
        if found is None or not self._sight.allows(asker, "run.read", found.process):
            return None
        return self._live(self._sight.shown(asker, [found])[0])

    def _fetched(self, run_id: str) -> Run | None:
        with self._platform.database.reader() as db:
            return records.fetch(db, run_id)

    def list(
        self,
        asker: Person,
        *,
        process: str | None = None,
        state: str | None = None,
        text: str = "",
        limit: int = 50,
        offset: int = 0,
    ) -> tuple[Sequence[Run], int]:
        """Runs newest first, without inputs and outputs, and how many match, as far as ``asker`` may see them.

        ``text``, whatever its accents, is part of a run's id, of its process's title in either language, or of who asked.
        """
        titles = {one.id: one.title for one in self.processes.values()}
        folded = fold(text)
        search = records.Search(folded, _named(titles, folded), _named(ASKERS, folded)) if folded else None
        with self._platform.database.reader() as db:
            found, total = records.fetch_page(db, self._sight.processes(asker), process, state, search, limit, offset)
        return [self._live(one) for one in self._sight.shown(asker, found)], total

    def counts(self, asker: Person) -> dict[str, int]:
        """How many runs are in each state; empty for an asker who may not see them."""
        if not may(asker, "run.read"):
            return {}
        with self._platform.database.reader() as db:
            return records.count_states(db, self._sight.processes(asker))

    def _live(self, run: Run) -> Run:
        """``run`` with what is known only here: how far it is and since how many seconds it runs."""
        ticket = self._active.get(run.id)
        if ticket is None or run.state != "running":
            return run
        return replace(run, progress=ticket.progress, seconds=time.monotonic() - ticket.began if ticket.began else 0.0)

    # The work itself

    async def run(self, state: "TaskState") -> None:
        """Work off the queue and the schedule until cancelled. A run that is cut off is told so at the next start."""
        await self._recover()
        try:
            while True:
                self._wake.clear()
                await self._look_at_the_clock()
                while self._queue and len(self._active) < self._pool.size:
                    self._begin(self._next())
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_EVERY):
                        await self._wake.wait()
                self._reap()
        finally:
            tasks = [one.task for one in self._active.values() if one.task is not None]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._active.clear()
            await self._pool.close()

    async def _recover(self) -> None:
        """What ran when the city ended came to nothing; what waited still waits."""
        now = self._platform.clock.now()
        acts: list[Act] = []

        def mark(db: Connection) -> Sequence[Run]:
            found = records.fetch_open(db)
            for one in found:
                if one.state == "running":
                    records.change(db, one.id, state="failed", ended_at=to_micros(now), error="city-stopped")
                    acts.append(Act(SCHEDULE.id, "run.start", f"run:{one.id}", "failed", detail="city-stopped"))
            return [one for one in found if one.state == "queued"]

        waiting = await self._platform.writer.run(SCHEDULE, now, mark, acts, action="run.start")
        for one in waiting:
            self._queue.setdefault(one.id, _Ticket.of(one))
        self._schedule = Schedule(self._platform)

    async def _look_at_the_clock(self) -> None:
        """Queue what is due, never while another of its kind is open."""
        for process in [*self.processes.values()]:
            if process.every is None or self._is_open(process.id):
                continue
            if await self._schedule.due(process.id, process.every):
                await self.submit(SCHEDULE, process.id)

    def _is_open(self, process_id: str) -> bool:
        return any(one.process == process_id for one in (*self._queue.values(), *self._active.values()))

    def _next(self) -> _Ticket:
        """Whose asker was served longest ago; of one asker's, the first that was asked for."""
        chosen = min(self._queue.values(), key=lambda one: self._served.get(one.requested_by, -1))
        del self._queue[chosen.id]
        self._served[chosen.requested_by] = max(self._served.values(), default=0) + 1
        if not self._queue:
            self._served.clear()
        return chosen

    def _begin(self, ticket: _Ticket) -> None:
        self._active[ticket.id] = ticket
        ticket.task = asyncio.create_task(self._execute(ticket), name=f"run {ticket.id}")
        ticket.task.add_done_callback(lambda _: self._wake.set())

    def _reap(self) -> None:
        """Forget what is over. Raises what kept a run's end from being written: the supervisor starts all anew then."""
        for ticket in [one for one in self._active.values() if one.task is not None and one.task.done()]:
            del self._active[ticket.id]
            assert ticket.task is not None  # noqa: S101 - chosen by it
            if not ticket.task.cancelled():
                ticket.task.result()

    async def _execute(self, ticket: _Ticket) -> None:
        began = time.monotonic()
        try:
            outputs = await self._work(ticket)
        except asyncio.CancelledError:
            if not ticket.cancelled_by:
                raise
            await self._end(ticket, "cancelled", asker=replace(SCHEDULE, id=ticket.cancelled_by))
        except RunError as error:
            await self._end(ticket, "expired" if error.code == "time-limit" else "failed", error=str(error))
        else:
            await self._end(ticket, "done", outputs=outputs)
        if ticket.requested_by == SCHEDULE.id:
            self._schedule.rest(ticket.process, time.monotonic() - began)

    async def _work(self, ticket: _Ticket) -> bytes:
        process = self.processes.get(ticket.process)
        if process is None:
            raise RunError("no-process")
        inputs = await self._inputs(ticket, process)
        ticket.began = time.monotonic()
        now = self._platform.clock.now()
        await self._write(
            ticket,
            "running",
            SCHEDULE,
            version=process.version,
            started_at=to_micros(now),
            inputs=inputs.decode(),
            inputs_digest=records.digest(inputs),
        )
        function = self._functions[process.id]
        outputs = await self._pool.run(function, ticket.seed, inputs, process.time_limit, ticket.advance)
        if process.keep is not None and ticket.repeats is None:
            ticket.keeping = True
            try:
                async with asyncio.timeout(process.time_limit.total_seconds()):
                    await process.keep(self._platform, ticket.id, msgspec.json.decode(inputs), msgspec.json.decode(outputs))
            except Exception as error:
                _log.warning("results of a run cannot be kept", run=ticket.id, process=process.id, exc_info=error)
                raise RunError("keep-failed", _words(error)) from error
        return outputs

    async def _inputs(self, ticket: _Ticket, process: Process) -> bytes:
        if ticket.repeats is not None:
            earlier = await asyncio.to_thread(self._fetched, ticket.repeats)
            if earlier is None or not earlier.inputs:
                raise RunError("gather-failed", f"inputs of {ticket.repeats}")
            return earlier.inputs.encode()
        try:
            async with asyncio.timeout(process.time_limit.total_seconds()):
                gathered = await process.gather(self._platform, msgspec.json.decode(ticket.options))
        except Exception as error:
            _log.warning("inputs of a run cannot be gathered", run=ticket.id, process=process.id, exc_info=error)
            raise RunError("gather-failed", _words(error)) from error
        try:
            inputs = msgspec.json.encode(gathered, order="sorted")
        except (TypeError, ValueError, RecursionError) as error:
            raise RunError("bad-inputs", _words(error)) from error
        if len(inputs) > MAX_JSON:
            raise RunError("bad-inputs", f"{len(inputs)} > {MAX_JSON} B")
        return inputs

    async def _end(
        self,
        ticket: _Ticket,
        state: RunState,
        *,
        outputs: bytes = b"",
        error: str = "",
        asker: Person = SCHEDULE,
        correlation: str = "",
    ) -> None:
        seconds = time.monotonic() - ticket.began if ticket.began else None
        values: dict[str, Any] = {"seconds": seconds, "progress": 1.0 if state == "done" else ticket.progress}
        if outputs:
            values |= {"outputs": outputs.decode(), "outputs_digest": records.digest(outputs)}
        if state == "cancelled":
            values["ended_by"] = asker.id
        ended = to_micros(self._platform.clock.now())
        await self._write(ticket, state, asker, correlation, ended_at=ended, error=error, **values)
        self._platform.metrics.runs.labels(ticket.process, state).observe(seconds or 0.0)

    async def _write(self, ticket: _Ticket, state: RunState, asker: Person, correlation: str = "", **values: Any) -> None:
        """Write a change of state, with its act, in one transaction; at the end of a run old ones make room."""
        now = self._platform.clock.now()

        action = "run.cancel" if state == "cancelled" else "run.start"
        detail = f"{ticket.process} {values.get('error', '')}".rstrip()
        acts = [Act(asker.id, action, f"run:{ticket.id}", state, correlation, detail)]

        def work(db: Connection) -> None:
            records.change(db, ticket.id, state=state, **values)
            if state != "running" and (gone := records.let_go(db, ticket.process, now)):
                acts.append(Act(SYSTEM.id, "run.destroy", f"process:{ticket.process}", detail=f"{gone} old runs"))

        await self._platform.writer.run(asker, now, work, acts, action=action)


def _named(titles: Mapping[str, Text], folded: str) -> Sequence[str]:
    return [one for one, words in titles.items() if folded in fold(words.vi) or folded in fold(words.en)]


def _words(error: Exception) -> str:
    """What is said of a failure, on one line."""
    return line_of(str(error) if isinstance(error, Problem) else f"{type(error).__name__}: {error}")
