"""The city's post: what waits becomes letters at each receiver's pace, and letters are tried until the server said yes.

A letter is in the database before it is tried and ends there in the moment after the server answered: what was killed
between the two goes once more, under the same Message-ID; nothing goes not at all.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import structlog

from dothi.access.policy import SYSTEM
from dothi.data.writer import Writer
from dothi.model.clock import MICROSECONDS, Clock, from_micros, to_micros
from dothi.platform.telling import store
from dothi.platform.telling.mail import Line, Mail, NotTaken, Postman, ServerFails
from dothi.platform.telling.model import DAY, HOUR, MINUTE, Correspondent, Letter, Note, State, Written
from dothi.platform.telling.pacing import free_at
from dothi.store.audit import Act
from dothi.store.connection import Connection, Database

_log = structlog.get_logger("dothi.telling")
FIRST_WAIT, LONGEST_WAIT = MINUTE, HOUR
"""Between two tries of one letter that the server did not take."""
SERVER_FIRST, SERVER_LONGEST = 5 * MICROSECONDS, 5 * MINUTE
"""Between two tries of a server that cannot be used."""
GIVE_UP = 3 * DAY
"""So long a letter is tried before it is a dead one."""
KEEP = 30 * DAY
"""So long ended letters are kept."""
AT_ONCE = 50
_TIDY_EVERY = HOUR


@dataclass(slots=True)
class ServerState:
    """How the server is doing: since when it fails and why (one of ``mail.FAULTS``), and when it is tried again."""

    failing_since: int | None = None
    fault: str = ""
    failures: int = 0
    next_at: int = 0


class Post:
    """Makes and sends letters. ``clock`` is the machine's; ``correspondents`` write to each kind of receivers."""

    def __init__(
        self,
        database: Database,
        writer: Writer,
        clock: Clock,
        zone: ZoneInfo,
        postman: Postman | None,
        correspondents: Mapping[str, Correspondent],
        label: str,
    ) -> None:
        self._database, self._writer, self._clock, self._zone = database, writer, clock, zone
        self.postman, self._correspondents, self._label = postman, correspondents, label
        self.server = ServerState()
        self._tidied = 0

    def now(self) -> int:
        """The machine's present moment."""
        return to_micros(self._clock.now())

    async def look(self) -> None:
        """Make the letters that may be made by now, and send what is due."""
        await self._make()
        while not 0 < self.server.next_at - self.now() <= SERVER_LONGEST and await self._send():
            pass
        if self.now() - self._tidied > _TIDY_EVERY:
            self._tidied = self.now()
            await self._run(lambda db: store.clear(db, self._tidied - KEEP))

    def correspondent(self, recipient: str) -> tuple[Correspondent | None, str]:
        """Who writes to this receiver, and its id there."""
        kind, _, ref = recipient.partition(":")
        return self._correspondents.get(kind), ref

    # Letters out of notes

    async def _make(self) -> None:
        now = self.now()
        made, dropped = await asyncio.to_thread(self._ready, now)
        if not made and not dropped:
            return

        def work(db: Connection) -> None:
            for recipient in made:
                store.make_letter(db, recipient, now)
            for recipient in dropped:
                store.forget_waiting(db, recipient)

        await self._run(work)

    def _ready(self, now: int) -> tuple[list[str], list[str]]:
        """The receivers who may be written to by now, and those to whom nobody writes any more."""
        made, dropped = list[str](), list[str]()
        with self._database.reader() as db:
            for recipient, first, severity in store.waiting(db):
                correspondent, ref = self.correspondent(recipient)
                pace = None if correspondent is None else correspondent.pace(ref)
                if pace is None:
                    dropped.append(recipient)
                    continue
                # What waits since a moment to come was heard under a clock that was ahead: it waited long enough.
                since = first if first <= now else now - pace.settle
                sent = store.sent_between(db, recipient, now - HOUR, now)
                if free_at(pace, sent, since, severity, self._zone) <= now:
                    made.append(recipient)
        return made, dropped

    # Letters on their way

    async def _send(self) -> bool:
        """Try what is due, as much as one look takes; True if there may be more."""
        if self.postman is None:
            return False
        letters = await asyncio.to_thread(self._due)
        if not letters:
            return False
        async with AsyncExitStack() as stack:
            line: Line | None = None
            for letter in letters:
                written = await self._written(letter)
                if written is None:
                    continue
                try:
                    if line is None:
                        line = await stack.enter_async_context(self.postman.line())
                    await line.send(self._mail(letter, written))
                except ServerFails as error:
                    await self._server_fails(error.why, letter)
                    return False
                except NotTaken as error:
                    await self._not_taken(letter, error.why, final=error.final)
                else:
                    self.server = ServerState()
                    await self._end(letter, "sent")
        return len(letters) == AT_ONCE

    def _due(self) -> list[Letter]:
        with self._database.reader() as db:
            return store.due(db, self.now(), LONGEST_WAIT, AT_ONCE)

    async def _written(self, letter: Letter) -> Written | None:
        """What a letter says at this moment; None, and it is ended, if it cannot or need not be said."""
        correspondent, ref = self.correspondent(letter.recipient)
        try:
            notes = await asyncio.to_thread(self._notes, letter)
            written = None if correspondent is None else await correspondent.write(ref, notes)
        except Exception as error:  # a fault with one letter keeps no other from being sent
            _log.exception("a letter cannot be written", letter=letter.id, error=str(error))
            await self._not_taken(letter, "cannot-be-written", final=False)
            return None
        if written is None:
            await self._run(lambda db: store.remove(db, letter.id))
        return written

    def _notes(self, letter: Letter) -> Sequence[Note]:
        with self._database.reader() as db:
            return store.notes_of(db, letter.id)

    def _mail(self, letter: Letter, written: Written) -> Mail:
        number = f"{self._label}.{letter.id}.{letter.made_at}"
        at = from_micros(letter.made_at)
        return Mail(number, written.to, written.subject, written.text, written.html, written.language, at, written.stop)

    async def _server_fails(self, why: str, letter: Letter) -> None:
        state, now = self.server, self.now()
        wait = min(SERVER_FIRST * 2 ** min(state.failures, 10), SERVER_LONGEST)
        since = now if state.failing_since is None else state.failing_since
        self.server = ServerState(since, why, state.failures + 1, now + wait)
        if state.fault != why:
            _log.warning("the mail server cannot be used", why=why)
        if now - letter.made_at > GIVE_UP:
            await self._end(letter, "dead", why)

    async def _not_taken(self, letter: Letter, why: str, *, final: bool) -> None:
        now = self.now()
        if final or now - letter.made_at > GIVE_UP:
            await self._end(letter, "dead", why)
            return
        at = now + min(FIRST_WAIT * 2 ** min(letter.attempts, 10), LONGEST_WAIT)
        await self._run(lambda db: store.later(db, letter.id, at, why))

    async def _end(self, letter: Letter, state: State, error: str = "") -> None:
        now = self.now()
        act = Act(
            SYSTEM.id,
            "telling.send" if state == "sent" else "telling.give_up",
            letter.recipient,
            detail=f"letter {letter.id}, {letter.notes} told" + (f", {error}" if error else ""),
        )
        # Whatever ends us: the server has said yes, so it is written down that it did.
        ending = asyncio.ensure_future(self._run(lambda db: store.ended(db, letter.id, state, now, error), [act]))
        try:
            await asyncio.shield(ending)
        except asyncio.CancelledError:
            with suppress(Exception):
                await ending
            raise

    async def _run(self, work: store.Work, acts: Sequence[Act] = ()) -> None:
        await self._writer.run(SYSTEM, self._clock.now(), work, acts)
