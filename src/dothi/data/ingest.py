"""The life of a reading, from the journal to the commit: fetch, decode, identify, check, grade, apply, acknowledge."""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import structlog

from dothi.access.personal.reading import tokens_known
from dothi.access.policy import SYSTEM
from dothi.access.secrecy import REASON as STATE_SECRET
from dothi.data.batch import Batch, Quarantined
from dothi.data.checks import Checks
from dothi.data.intake import MAX_READINGS, Draft, Intake
from dothi.data.quarantine import Quarantine
from dothi.data.writer import Writer
from dothi.devices.payload import DeviceMessage, decode, encode
from dothi.devices.registry import Registry
from dothi.model.clock import MICROSECONDS, Clock, SystemClock, to_micros
from dothi.model.reading import Grade
from dothi.model.schema import EntityType
from dothi.store.audit import Act
from dothi.store.connection import Unavailable
from dothi.store.database import Database
from dothi.store.journal import Journal, Message

GATHER = 0.05
_IDLE = 1.0
_MOST_MESSAGES = 2_000
_FIRST_WAIT, _LONGEST_WAIT = 0.1, 5.0
_LAST_COMMIT = 10.0
_log = structlog.get_logger("dothi.ingest")


@dataclass(slots=True)
class Figures:
    """What ingest has done since the city started. All but the last four only grow.

    ``readings`` counts what was committed, ``repeated`` what was known already among them; ``turned_away`` what a full
    quarantine could not hold; ``unknown`` and ``refused`` messages of devices nobody admitted, or that were refused.
    ``lag_seconds`` is how long the first message of the newest batch had been in the journal, in real time.
    ``stalled`` says why nothing can be committed at present, empty while all is well.
    """

    messages: int = 0
    readings: int = 0
    repeated: int = 0
    revisions: int = 0
    late: int = 0
    good: int = 0
    suspect: int = 0
    bad: int = 0
    quarantined: int = 0
    turned_away: int = 0
    poison: int = 0
    unknown: int = 0
    refused: int = 0
    commits: int = 0
    failures: int = 0
    commit_seconds: float = 0.0
    last_commit_seconds: float = 0.0
    last_batch: int = 0
    lag_seconds: float = 0.0
    stalled: str = ""


class Ingest:
    """Takes the journal's messages into the city. One per tenant; ``run`` it under supervision.

    Decoding, checking and committing run on one thread of their own, beside the event loop; the next messages are
    fetched meanwhile. A message is acknowledged after its commit, never before. When the database cannot commit (locked,
    disk full) nothing is acknowledged and the same messages are tried again, with growing ``pause``s in real seconds.
    A message that makes every commit fail is found by halving and goes to quarantine alone.
    """

    def __init__(
        self,
        journal: Journal,
        registry: Registry,
        writer: Writer,
        quarantine: Quarantine,
        types: Mapping[str, EntityType],
        clock: Clock,
        database: Database,
        *,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._journal, self._registry, self._writer, self._quarantine = journal, registry, writer, quarantine
        self._clock, self._database, self._pause = clock, database, pause
        self._checks = Checks()
        self._intake = Intake(registry, types, writer.index, self._checks, self._tokens_known)
        self._per_message = 5.0
        self._heard: dict[str, None] = {}
        self._unknown: list[tuple[DeviceMessage, Message]] = []
        self.figures = Figures()

    async def run(self) -> None:
        """Ingest until cancelled; a commit that is under way is finished first."""
        work: asyncio.Task[None] | None = None
        thread = ThreadPoolExecutor(1, thread_name_prefix="ingest")
        try:
            await asyncio.get_running_loop().run_in_executor(thread, self._remember)
            while True:
                messages = await self._gather()
                if work is not None:
                    await asyncio.wait({work})  # unlike awaiting it, this leaves a commit alone when we are cancelled
                    work.result()
                    work = None
                if messages:
                    work = asyncio.create_task(self._take(messages, thread), name="ingest-commit")
        finally:
            if work is not None and not work.done():
                await asyncio.wait({work}, timeout=0.0 if self.figures.stalled else _LAST_COMMIT)
                work.cancel()
            await asyncio.to_thread(thread.shutdown)

    async def _gather(self) -> list[Message]:
        """Messages of about ``MAX_READINGS`` readings, or of what came within ``GATHER`` seconds after the first.

        From here on they were received at the city's time, not the machine's.
        """
        messages = await self._journal.fetch(self._room(0), _IDLE)
        loop = asyncio.get_running_loop()
        until = loop.time() + GATHER
        while messages and self._room(len(messages)) and (left := until - loop.time()) > 0:
            messages += await self._journal.fetch(self._room(len(messages)), left)
        if messages:
            self.figures.lag_seconds = (to_micros(SystemClock().now()) - messages[0].received_at) / MICROSECONDS
        for message in messages:
            message.received_at = self._clock.when(message.received_at)
        return messages

    def _room(self, messages: int) -> int:
        most = min(_MOST_MESSAGES, max(1, round(MAX_READINGS / self._per_message)))
        return max(0, most - messages)

    async def _take(self, messages: Sequence[Message], thread: ThreadPoolExecutor) -> None:
        """Commit ``messages``, however often that has to be tried, then acknowledge them."""
        figures, wait = self.figures, _FIRST_WAIT
        while True:
            try:
                await asyncio.get_running_loop().run_in_executor(thread, self._commit, messages)
                if await self._tell_registry():
                    break
                continue
            except Exception as error:
                figures.failures += 1
                figures.stalled = f"{type(error).__name__}: {error}"
                _log.error("cannot commit, trying again", again_in=wait, messages=len(messages), exc_info=error)
            await self._pause(wait)
            wait = min(wait * 2, _LONGEST_WAIT)
        figures.stalled = ""
        self._quarantine.settle()
        figures.messages += len(messages)
        await self._journal.acknowledge(messages)

    async def _tell_registry(self) -> bool:
        """Who was heard, and who waits in the lobby. False if a device was admitted meanwhile: its messages count now."""
        now = to_micros(self._clock.now())
        self._registry.seen(self._heard, now)
        self._heard.clear()
        if any(self._registry.lookup(item.device) is not None for item, _ in self._unknown):
            return False
        if self._unknown:
            await self._registry.unknown(self._unknown, now)
            self.figures.unknown += len(self._unknown)
        return True

    # On the thread

    def _remember(self) -> None:
        """The last known values, so that stuck and jump are judged over a restart."""
        with self._database.reader() as connection:
            rows = np.fromiter(
                connection.execute(
                    "SELECT series_id, observed_at, number FROM live "
                    "WHERE observed_at IS NOT NULL AND number IS NOT NULL AND grade < ?",
                    (int(Grade.BAD),),
                ),
                np.dtype([("series", np.int64), ("at", np.int64), ("value", np.float64)]),
            )
        self._checks.remember(rows["series"], rows["at"], rows["value"])

    def _commit(self, messages: Sequence[Message]) -> None:
        self._unknown.clear()
        try:
            self._commit_all(messages)
        except Unavailable:
            raise  # the database's trouble, not the messages'
        except Exception as error:
            _log.warning("a message cannot be stored, looking for it", messages=len(messages), exc_info=error)
            self._isolate(messages, error)

    def _commit_all(self, messages: Sequence[Message]) -> None:
        now = self._clock.now()
        rows, unknown = 0, []
        told = {message.correlation for message in messages}
        correlation = next(iter(told)) if len(told) == 1 else f"ingest-{secrets.token_hex(8)}"
        for draft in self._intake.draft(messages, to_micros(now)):
            held = self._quarantine.admit(draft.quarantine)
            began = time.perf_counter()
            try:
                if len(draft.readings) or held:
                    acts = [_refusal(one) for one in held if one.reason == STATE_SECRET]
                    batch = Batch(SYSTEM, "ingest", correlation, now, draft.readings, quarantine=held, acts=acts)
                    applied = self._writer.apply(batch)
                    self.figures.repeated += applied.repeated
                    self.figures.revisions += applied.revisions
                    self.figures.late += applied.late
                    self.figures.commits += 1
            except BaseException:
                self._quarantine.release(held)
                raise
            self._checks.keep(draft.judged)
            self._heard.update(dict.fromkeys(draft.heard))
            rows += len(draft.readings)
            unknown += draft.unknown
            self._count(draft, held, time.perf_counter() - began)
        self._unknown += unknown
        _log.debug("committed", correlation=correlation, readings=rows, doors=sorted(told))
        self._per_message += (max(rows / len(messages), 1.0) - self._per_message) / 4

    def _isolate(self, messages: Sequence[Message], error: Exception) -> None:
        """Commit all but what cannot be: halves, then the items of one body, then quarantine."""
        if len(messages) == 1:
            message = messages[0]
            items, undecodable = decode(message)
            pieces = [encode(item) for item in items] + [bad.raw for bad in undecodable]
            if len(pieces) < 2:
                self._hold_poison(message, error)
                return
            messages = [replace(message, body=piece, content_type="application/json") for piece in pieces]
        middle = len(messages) // 2
        for half in (messages[:middle], messages[middle:]):
            try:
                self._commit_all(half)
            except Unavailable:
                raise
            except Exception as trouble:
                self._isolate(half, trouble)

    def _tokens_known(self, found: Sequence[object]) -> set[object]:
        with self._database.reader() as db:
            return tokens_known(db, found)

    def _hold_poison(self, message: Message, error: Exception) -> None:
        row = Quarantined(
            message.source,
            message.device,
            "poison",
            f"{type(error).__name__}: {error}"[:500],
            b"" if self._intake.tells_of_persons(message) else message.body,
            message.content_type,
            message.correlation,
            message.received_at,
            message.origin,
            message.stored_at,
        )
        held = self._quarantine.admit([row])
        try:
            self._writer.apply(Batch(SYSTEM, "ingest", message.correlation, self._clock.now(), quarantine=held))
        except BaseException:
            self._quarantine.release(held)
            raise
        self.figures.poison += len(held)
        self.figures.quarantined += len(held)
        self.figures.turned_away = self._quarantine.turned_away

    def _count(self, draft: Draft, held: Sequence[Quarantined], seconds: float) -> None:
        figures = self.figures
        good, suspect, bad = np.bincount(draft.readings.grade, minlength=3).tolist()
        figures.readings += len(draft.readings)
        figures.good += good
        figures.suspect += suspect
        figures.bad += bad
        figures.quarantined += len(held)
        figures.turned_away = self._quarantine.turned_away
        figures.refused += draft.refused
        figures.commit_seconds += seconds
        figures.last_commit_seconds = seconds
        figures.last_batch = len(draft.readings)


def _refusal(held: Quarantined) -> Act:
    """The act that says a state secret came and was refused; its body is kept nowhere."""
    return Act(held.device or held.source, "reading.write", held.source, "refused", held.correlation, STATE_SECRET)
