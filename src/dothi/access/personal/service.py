"""Personal data of a city: sealed under a key of its own, opened only with a reason, forgotten by destroying the key."""

import asyncio
import math
import secrets
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import structlog

from dothi.access.personal import reading, sealing
from dothi.access.personal.breach import Affected, affected, due
from dothi.access.personal.keys import Claim, Keys
from dothi.access.personal.model import OWN, Opened, Purpose, Record, Sealed, checked_kind, checked_reason, gone
from dothi.access.personal.subjects import AGREED, Subjects, action_of, forbidden, living
from dothi.access.policy import SYSTEM, Person, reach
from dothi.access.sessions import Writes
from dothi.model.clock import Clock, from_micros, to_micros
from dothi.model.problem import Problem, bad_request
from dothi.store.audit import Act
from dothi.store.connection import Connection, Database

_log = structlog.get_logger("dothi.personal")
SWEEP_EVERY = 600.0  # seconds between two looks for what has run out
MOST_AHEAD = timedelta(days=2)  # of the last look: a clock further ahead was set, or the city stood still
DOUBTED_FOR = 86_400.0  # seconds until such a clock is believed
MOST_BYTES = 65_536  # of one value as JSON
MOST_OWN = 100  # records that a subject may come to have by own hand
_RECORD = (
    "INSERT INTO personal_record (id, subject, purpose, kind, token, created_by, created_at, until) VALUES (?,?,?,?,?,?,?,?)"
)
_LOOKED = "personal_looked"  # when it was last looked for what has run out (µs UTC)
_LOOK = "INSERT INTO meta (key, value) VALUES (?,?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
_END = "UPDATE personal_record SET ended = ? WHERE ended = '' AND "
_COUNT = "SELECT count(*) FROM personal_record WHERE subject = ? AND ended = ''"
_GONE = "UPDATE personal_record SET token = NULL, ended_at = ? WHERE id = ?"
_TAKEN_BACK = "UPDATE personal_consent SET withdrawn_at = ? WHERE subject = ? AND purpose = ? AND withdrawn_at IS NULL"
_UNFINISHED = "SELECT id FROM personal_record WHERE token IS NOT NULL AND ended <> ''"


class Personal(Subjects):
    """The values as well: sealed, looked at, corrected, ended. The keys lie in the folder ``home``."""

    def __init__(
        self, database: Database, writer: Writes, clock: Clock, home: Path, seconds: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(database, writer, clock)
        self.keys, self._seconds, self._doubted = Keys(home), seconds, -1.0

    async def withdraw(self, person: Person, subject: str, purpose: str, *, correlation: str = "") -> int:
        """Take a consent back: what was kept by it is destroyed at once. Returns how many records."""
        own = await self._entitled(person, "personal.write", subject, purpose)
        now = self._clock.now()

        def work(db: Connection) -> int:
            db.execute(_TAKEN_BACK, (to_micros(now), subject, purpose))
            if reading.purposes(db)[purpose].basis != "consent":
                return 0
            return db.execute(f"{_END} subject = ? AND purpose = ?", ("withdrawn", subject, purpose)).rowcount

        act = Act(person.id, "personal.withdraw", subject, correlation=correlation, detail=purpose)
        count = await self._writer.run(person, now, work, [act], action=action_of("personal.write", own))
        await asyncio.to_thread(self.keys.note, subject, purpose, to_micros(now))
        await self._finish()
        return count

    async def seal(
        self, person: Person, subject: str, purpose: str, kind: str, value: Any, *, correlation: str = ""
    ) -> Sealed:
        """Keep ``value`` (JSON, at most 64 KiB) of ``subject``. Its token may go where the value would have gone.

        Raises Problem 400 for an unknown kind or a value too large, 403 without the consent that the purpose needs, 404 for
        no such purpose, 410 for a subject that was erased, 503 where the keys cannot be used.
        """
        own = await self._entitled(person, "personal.write", subject, purpose)
        return await self._sealed(person, own, subject, purpose, checked_kind(kind), value, None, correlation)

    async def correct(self, person: Person, record: str, value: Any, *, correlation: str = "") -> Sealed:
        """Keep ``value`` in place of what ``record`` held, which is destroyed. Raises Problem 404, 410 if it is gone."""
        old = await self._record(record)
        own = await self._entitled(person, "personal.write", old.subject, old.purpose)
        sealed = await self._sealed(person, own, old.subject, old.purpose, old.kind, value, old, correlation)
        await self._finish()
        return sealed

    async def delete(self, person: Person, record: str, *, correlation: str = "") -> None:
        """Destroy one record. Raises Problem 404, 410 if it is gone, 409 where a law keeps it and its own subject asks."""
        old = await self._record(record)
        own = await self._entitled(person, "personal.erase", old.subject, old.purpose)
        if own:
            _free((await self._purpose(old.purpose)).basis)
        act = Act(person.id, "personal.delete", old.subject, correlation=correlation, detail=f"{old.purpose} {old.kind}")

        def work(db: Connection) -> None:
            if db.execute(f"{_END} id = ?", ("deleted", record)).rowcount == 0:
                raise gone()

        await self._writer.run(person, self._clock.now(), work, [act], action=action_of("personal.erase", own))
        await self._finish()

    async def open(self, person: Person, token: str, reason: str, *, correlation: str = "") -> Any:
        """The value of a token, after the look is on record. Raises Problem 400 without a reason, 410 if the key is gone."""
        record = sealing.record_of(token)
        if record is None:
            raise bad_request("This is no sealed value.", "A token begins with dtp1.")
        why = checked_reason(reason)
        found = await asyncio.to_thread(self.keys.find, [record])
        if record not in found:
            raise gone()
        claim, key = found[record]
        if claim.until <= to_micros(self._clock.now()):
            raise gone()
        own = await self._entitled(person, "personal.look", claim.subject, claim.purpose)
        value = sealing.unseal(key, token, claim.subject, claim.purpose)
        kinds = [one.kind for one in await self.read(lambda db: reading.records(db, claim.subject)) if one.id == record]
        await self._looked(person, own, claim.subject, kinds, OWN if own else why, correlation)
        return value

    async def look(self, person: Person, subject: str, reason: str = "", *, correlation: str = "") -> Sequence[Opened]:
        """Every value kept of ``subject`` for purposes that ``person`` may see, after the look is on record.

        A subject needs no ``reason`` for their own. Raises Problem 400 without a reason.
        """
        own = await self._entitled(person, "personal.look", subject, None)
        why = OWN if own else checked_reason(reason)

        def read(db: Connection) -> list[tuple[Record, str]]:
            mine = reading.purposes(db) if own else reading.reached(db, person, "personal.look")
            tokens = reading.tokens(db, subject, to_micros(self._clock.now()))
            return [
                (one, tokens[one.id]) for one in reading.records(db, subject) if one.id in tokens and one.purpose in mine
            ]

        kept = await self.read(read)
        found = await asyncio.to_thread(self.keys.find, [record.id for record, _ in kept])
        opened = [
            Opened(record, sealing.unseal(found[record.id][1], token, subject, record.purpose))
            if record.id in found
            else Opened(record, None, False)
            for record, token in kept
        ]
        await self._looked(person, own, subject, [one.record.kind for one in opened], why, correlation)
        return opened

    async def erase(self, person: Person, subject: str, reason: str, *, correlation: str = "") -> None:
        """Forget a subject for good: keys first, then what the database holds. Nothing brings it back, no backup either.

        Killed in between, the next sweep goes on. Raises Problem 400 without a reason.
        """
        why = checked_reason(reason)
        await self._entitled(person, "personal.erase", subject, None, own=False)
        whole = reach(person, "personal.erase")
        if whole is None or not whole.whole:
            raise forbidden(person)  # other agencies keep something of them too, perhaps
        now = self._clock.now()

        def begin(db: Connection) -> None:
            living(db, subject)
            db.execute("UPDATE personal_subject SET state = 'erasing' WHERE id = ?", (subject,))

        act = Act(person.id, "personal.erase", subject, "begun", correlation, why=why)
        await self._writer.run(person, now, begin, [act], action="personal.erase")
        await self._forget(person, subject, correlation)

    async def affected(
        self,
        person: Person,
        since: datetime,
        until: datetime,
        by: str | None = None,
        found: datetime | None = None,
        *,
        correlation: str = "",
    ) -> tuple[Sequence[Affected], datetime]:
        """Whose data could be read from ``since`` to ``until``, see ``breach.affected``, and by when they must be told.

        That it was asked is on record. Raises Problem 400 for a period that is none, or ``found`` in the future.
        """
        told_by = due(found, self._clock.now())
        rows = await self.read(lambda db: affected(db, person, since, until, by))
        period = f"{since.isoformat()} to {until.isoformat()}, by {by or 'anybody'}"
        detail = f"{period}: {len(rows)}, to be told by {told_by.isoformat()}"
        act = Act(person.id, "personal.breach", "personal", correlation=correlation, detail=detail)
        await self._writer.run(person, self._clock.now(), lambda _: None, [act], action="personal.breach")
        return rows, told_by

    async def believes(self) -> bool:
        """False while the clock is so far ahead of the last look that what it takes to be over had better not be destroyed.

        Nothing brings a destroyed key back, and a clock is set wrong more easily than a law is broken by a day.
        """
        now = self._clock.now()
        last = await self.read(lambda db: db.execute("SELECT value FROM meta WHERE key = ?", (_LOOKED,)).fetchone())
        before = now if last is None else from_micros(int(last[0]))
        if now - before > MOST_AHEAD:
            if self._doubted < 0:
                self._doubted = self._seconds()
                _log.error("the clock is far ahead of the last look for what has run out", clock=str(now), last=str(before))
            if self._seconds() - self._doubted < DOUBTED_FOR:
                return False
        self._doubted = -1.0
        if last is None or abs(now - before) > timedelta(hours=1):
            await self._writer.run(SYSTEM, now, lambda db: db.execute(_LOOK, (_LOOKED, str(to_micros(now)))))
        return True

    async def sweep(self, *, expire: bool = True) -> int:
        """Destroy what has run out (with ``expire``), finish what a stop cut short, and forget again what an older backup
        brought back.

        Returns how many records ran out.
        """
        now = self._clock.now()
        over_at = to_micros(now) if expire else 0
        notes = await asyncio.to_thread(self.keys.notes)

        def due(db: Connection) -> tuple[bool, list[str]]:
            over = db.execute("SELECT 1 FROM personal_record WHERE ended = '' AND until <= ? LIMIT 1", (over_at,))
            states = db.execute("SELECT id, state FROM personal_subject WHERE state <> 'erased'").fetchall()
            return over.fetchone() is not None, [one for one, state in states if state == "erasing" or (one, "") in notes]

        def withdrawn(db: Connection) -> list[tuple[str, str, int]]:
            rows = db.execute("SELECT subject, purpose, given_at FROM personal_consent WHERE withdrawn_at IS NULL")
            return [(one, purpose, notes[one, purpose]) for one, purpose, at in rows if notes.get((one, purpose), 0) >= at]

        def end(db: Connection) -> int:
            for subject, purpose, at in again:
                db.execute(_TAKEN_BACK, (at, subject, purpose))
                db.execute(f"{_END} subject = ? AND purpose = ?", ("withdrawn", subject, purpose))
            return db.execute(f"{_END} until <= ?", ("expired", over_at)).rowcount

        (over, unfinished), again = await self.read(due), await self.read(withdrawn)
        await asyncio.to_thread(self.keys.destroy_ended, over_at)
        for subject in unfinished:
            await self._forget(SYSTEM, subject, "")
        acts = [Act(SYSTEM.id, "personal.expire", "personal")]
        count = await self._writer.run(SYSTEM, now, end, acts) if over or again else 0
        await self._finish()
        return count

    async def run(self, purposes: Sequence[Purpose] = ()) -> None:
        """Begin with the ``purposes`` of sectors, then sweep for as long as the city runs."""
        await self.begin_with(purposes)
        while True:
            await self.sweep(expire=await self.believes())
            await asyncio.sleep(SWEEP_EVERY)

    async def _sealed(
        self,
        person: Person,
        own: bool,
        subject: str,
        purpose: str,
        kind: str,
        value: Any,
        old: Record | None,
        correlation: str,
    ) -> Sealed:
        try:
            size = len(msgspec.json.encode(_finite(value)))
        except (TypeError, ValueError, RecursionError) as error:
            raise bad_request("This value cannot be kept.", "Send what JSON can carry: text, numbers, lists.") from error
        if size > MOST_BYTES:
            raise Problem(
                413, "too-large", f"A value is at most {MOST_BYTES // 1024} KiB.", "Keep less, or keep it in parts."
            )
        kept, now = await self._purpose(purpose), self._clock.now()
        if own:
            _free(kept.basis)
        until = now + timedelta(days=kept.keep_days)
        claim = Claim(sealing.new_record(), subject, purpose, to_micros(until))
        key = await asyncio.to_thread(self.keys.make, claim)
        token = sealing.seal(key, claim.record, subject, purpose, value)

        def work(db: Connection) -> None:
            living(db, subject)
            if kept.basis == "consent" and db.execute(AGREED, (subject, purpose)).fetchone() is None:
                raise Problem(
                    403,
                    "no-consent",
                    "The person has not agreed to this.",
                    "Ask them first; keep nothing until they say yes.",
                )
            if own and db.execute(_COUNT, (subject,)).fetchone()[0] >= MOST_OWN:
                raise Problem(409, "too-many", f"No more than {MOST_OWN} entries are kept here.", "Delete some first.")
            if old is not None and db.execute(f"{_END} id = ?", ("corrected", old.id)).rowcount == 0:
                raise gone()
            row = (claim.record, subject, purpose, kind, token, person.id, to_micros(now), claim.until)
            db.execute(_RECORD, row)

        name = "personal.seal" if old is None else "personal.correct"
        act = Act(person.id, name, subject, correlation=correlation, detail=f"{purpose} {kind}")
        try:
            await self._writer.run(person, now, work, [act], action=action_of("personal.write", own))
        except BaseException:
            await asyncio.to_thread(self.keys.destroy, [claim.record])
            raise
        return Sealed(token, claim.record, until)

    async def _finish(self) -> None:
        """Destroy what is marked as ended: keys first, so that a stop in between leaves the mark for the next sweep."""
        records = await self.read(lambda db: [row[0] for row in db.execute(_UNFINISHED)])
        if not records:
            return
        await asyncio.to_thread(self.keys.destroy, records)
        now = self._clock.now()

        def work(db: Connection) -> None:
            db.executemany(_GONE, [(to_micros(now), one) for one in records])

        await self._writer.run(SYSTEM, now, work)

    async def _forget(self, person: Person, subject: str, correlation: str) -> None:
        now = to_micros(self._clock.now())
        await asyncio.to_thread(self.keys.erase, subject, now)

        def work(db: Connection) -> None:
            db.execute(f"{_END} subject = ?", ("erased", subject))
            db.execute(
                "UPDATE personal_record SET token = NULL, ended_at = coalesce(ended_at, ?) WHERE subject = ?", (now, subject)
            )
            db.execute(
                "UPDATE personal_consent SET words = '', withdrawn_at = coalesce(withdrawn_at, ?) WHERE subject = ?",
                (now, subject),
            )
            db.execute("UPDATE personal_look SET reason = '' WHERE subject = ?", (subject,))
            db.execute(
                "UPDATE personal_request SET answer = '', state = CASE state WHEN 'open' THEN 'done' ELSE state END, "
                "answered_at = coalesce(answered_at, ?) WHERE subject = ?",
                (now, subject),
            )
            db.execute(
                "UPDATE personal_subject SET state = 'erased', account = NULL, erased_at = ? WHERE id = ?", (now, subject)
            )

        act = Act(person.id, "personal.erase", subject, correlation=correlation)
        await self._writer.run(SYSTEM, from_micros(now), work, [act])

    async def _looked(
        self, person: Person, own: bool, subject: str, kinds: Sequence[str], why: str, correlation: str
    ) -> None:
        now, told = self._clock.now(), sorted(set(kinds))

        def work(db: Connection) -> None:
            db.execute(
                "INSERT INTO personal_look (id, at, person, subject, kinds, reason) VALUES (?,?,?,?,?,?)",
                (secrets.token_hex(12), to_micros(now), person.id, subject, msgspec.json.encode(told).decode(), why),
            )

        act = Act(person.id, "personal.look", subject, correlation=correlation, detail=", ".join(told), why=why)
        await self._writer.run(person, now, work, [act], action=action_of("personal.look", own))


def _finite(value: Any) -> Any:
    """``value`` itself. Raises ValueError if it holds a number without an end, which JSON would keep as nothing at all."""
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("a number without an end")
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ():
        _finite(inner)
    return value


def _free(basis: str) -> None:
    """Subjects change by themselves what they agreed to. Raises Problem 409 for what a law keeps."""
    if basis == "law":
        raise Problem(
            409, "kept-by-law", "A law keeps this until its time is over.", "Ask that it be corrected or erased instead."
        )
