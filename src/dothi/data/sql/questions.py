"""Questions about the record from the city's side: who may ask, how many at once, for how long, and who asked what."""

import asyncio
import shutil
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import cast

import structlog
from pydantic import SecretStr

from dothi.access.policy import SYSTEM, Person, may
from dothi.data.sql.answer import Answer, Ask, Form, Limits, Refusal, Refused, World, decode_reply, encode
from dothi.data.sql.catalogue import Table, visible
from dothi.data.sql.faults import too_long, too_much_memory
from dothi.data.sql.worker import HEADER, READY
from dothi.data.writer import Writer
from dothi.model.city import City
from dothi.model.clock import Clock, to_micros
from dothi.model.problem import Problem
from dothi.model.schema import EntityType
from dothi.store.audit import Act

_log = structlog.get_logger("dothi.sql")
_START = 30.0  # seconds a process may take to come up, on a machine that is busy with something else
_IDLE = 60.0  # seconds after which a process without questions ends


class Questions:
    """Asks on behalf of people, in processes of their own; ``close`` it when the city stops.

    ``home`` holds the city, ``url`` leads to its database where that is not a file. ``cache`` is a folder for what questions
    write to disk while they run; what lies there is lost.
    """

    def __init__(
        self,
        home: Path,
        tenant: str,
        url: SecretStr | None,
        cache: Path,
        city: City,
        clock: Clock,
        types: Iterable[EntityType],
        writer: Writer,
        limits: Limits | None = None,
    ) -> None:
        self.limits = limits or Limits()
        self._clock, self._writer = clock, writer
        self._types = list(types)
        self._world = World(
            str(home.absolute()),
            tenant,
            None if url is None else url.get_secret_value(),
            city.time_zone,
            self._types,
            list(city.wards),
            self.limits,
        )
        self._cache = cache / "sql"
        self._free = asyncio.Semaphore(self.limits.at_once)
        self._inside = 0
        self._idle: list[_Worker] = []
        self._told: set[asyncio.Task[None]] = set()
        shutil.rmtree(self._cache, ignore_errors=True)

    def tables(self, asker: Person) -> dict[str, Table]:
        """What ``asker`` may read, by name."""
        return visible(asker, self._types)

    async def ask(
        self, asker: Person, text: str, *, rows: int | None = None, form: Form = "rows", correlation: str = ""
    ) -> Answer:
        """The answer to ``text``, with at most ``rows`` rows. Every question is audited, answered or not.

        Cancelling this stops the question. Raises Refused for a question that has no answer (its ``position`` is the letter
        to blame), Problem 403 for an asker who may not, 429 and 503 when too many ask at once.
        """
        try:
            if not may(asker, "sql.ask"):
                raise Problem(403, "forbidden", f"{asker.id} may not ask in SQL.", "Sign in as one who may.")
            most = self.limits.rows if rows is None else min(rows, self.limits.rows)
            question = Ask(self._world, text, asker, to_micros(self._clock.now()), most, form)
            answer = await self._answered(encode(question))
        except Problem as problem:
            await self._audit(asker, text, f"refused: {problem.code}", correlation)
            raise
        except asyncio.CancelledError:
            # The asker has gone and waits for nothing; the act is written all the same.
            telling = asyncio.create_task(self._audit(asker, text, "cancelled", correlation))
            self._told.add(telling)
            telling.add_done_callback(self._told.discard)
            raise
        left = " and more" if answer.more else ""
        await self._audit(asker, text, f"answered: {answer.count} rows{left}", correlation)
        return answer

    async def close(self) -> None:
        """End every process and write what is still to be told."""
        if self._told:
            await asyncio.wait(self._told)
        for worker in self._idle:
            await worker.end()
        self._idle.clear()
        shutil.rmtree(self._cache, ignore_errors=True)

    async def _answered(self, question: bytes) -> Answer:
        async with self._turn():
            worker = self._idle.pop() if self._idle else await _Worker.start(self._cache, self.limits)
            worker.rest(None)
            try:
                async with asyncio.timeout(self.limits.seconds):
                    reply = await worker.ask(question)
            except TimeoutError:
                await worker.end()
                raise too_long(self.limits) from None
            except (asyncio.IncompleteReadError, OSError):
                await worker.end()
                _log.warning("a question ended its process", code=worker.process.returncode)
                told = too_much_memory(self.limits)
                raise Refused(told.status, told.code, told.title, told.detail) from None
            except BaseException:
                await asyncio.shield(worker.end())
                raise
            self._idle.append(worker)
            worker.rest(lambda: self._retire(worker))
        if isinstance(reply, Refusal):
            raise Refused(reply.status, reply.code, reply.title, reply.detail, reply.position)
        return reply

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """One of the places. Raises Refused when too many wait already, or none came free in time."""
        limits, soon = self.limits, max(1, round(self.limits.seconds / 2))
        if self._inside >= limits.at_once + limits.waiting:
            raise Refused(429, "sql-too-many", "Many questions wait already.", "Ask again in a moment.", retry_after=soon)
        self._inside += 1
        try:
            try:
                async with asyncio.timeout(limits.patience):
                    await self._free.acquire()
            except TimeoutError:
                words = "Other questions take their time."
                raise Refused(503, "sql-busy", words, "Ask again in a moment.", retry_after=soon) from None
            try:
                yield
            finally:
                self._free.release()
        finally:
            self._inside -= 1

    async def _audit(self, asker: Person, text: str, result: str, correlation: str) -> None:
        kept = text[: self.limits.text]
        thing = f"sql:{sha256(text.encode(errors='surrogatepass')).hexdigest()}"
        act = Act(asker.id, "sql.ask", thing, result, correlation, kept.encode(errors="replace").decode())
        await self._writer.run(SYSTEM, self._clock.now(), lambda _: None, [act], action="sql.ask")

    def _retire(self, worker: "_Worker") -> None:
        if worker in self._idle:
            self._idle.remove(worker)
            telling = asyncio.ensure_future(worker.end())
            self._told.add(telling)
            telling.add_done_callback(self._told.discard)


class _Worker:
    """One process, asked one question at a time."""

    def __init__(self, process: Process, folder: Path) -> None:
        self.process, self._folder = process, folder
        self._alarm: asyncio.TimerHandle | None = None

    @classmethod
    async def start(cls, cache: Path, limits: Limits) -> "_Worker":
        """A process that is ready. Raises Problem 503 if it does not come up."""
        folder = await asyncio.to_thread(_new_folder, cache)
        command = ("-m", "dothi.data.sql.worker", str(folder), str(limits.process))
        worker = cls(await asyncio.create_subprocess_exec(sys.executable, *command, stdin=PIPE, stdout=PIPE), folder)
        try:
            async with asyncio.timeout(_START):
                await worker._read(len(READY))
        except (TimeoutError, asyncio.IncompleteReadError):
            await worker.end()
            raise Problem(503, "sql-no-process", "Questions cannot be answered now.", "Ask again later.", 30) from None
        except BaseException:
            await asyncio.shield(worker.end())
            raise
        return worker

    async def ask(self, question: bytes) -> Answer | Refusal:
        """What the process says. Raises IncompleteReadError or OSError if it is gone."""
        into = cast(asyncio.StreamWriter, self.process.stdin)
        into.write(len(question).to_bytes(HEADER, "little") + question)
        await into.drain()
        size = int.from_bytes(await self._read(HEADER), "little")
        return await asyncio.to_thread(decode_reply, await self._read(size))

    async def _read(self, size: int) -> bytes:
        return await cast(asyncio.StreamReader, self.process.stdout).readexactly(size)

    def rest(self, then: Callable[[], None] | None) -> None:
        """Do ``then`` once nothing was asked for a while; None forgets it."""
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = asyncio.get_running_loop().call_later(_IDLE, then) if then else None

    async def end(self) -> None:
        """Kill it, whatever it does, and take away what it wrote."""
        self.rest(None)
        with suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()
        await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)


def _new_folder(cache: Path) -> Path:
    cache.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(dir=cache))
