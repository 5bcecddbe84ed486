"""Who is a subject, what they agreed to and ask for, and what personal data is kept for: everything but the values."""

import asyncio
import secrets
from collections.abc import Callable, Sequence
from typing import TypeVar

import structlog

from dothi.access.personal import reading
from dothi.access.personal.model import Look, Purpose, Record, Request, Subject, checked, checked_reason, clean, gone
from dothi.access.policy import STRANGER, SYSTEM, Person, may
from dothi.access.sessions import Writes
from dothi.model.clock import Clock, to_micros
from dothi.model.problem import Problem, bad_request, not_found
from dothi.store.audit import Act
from dothi.store.connection import Connection, Database

T = TypeVar("T")
_DECLARE = (
    "INSERT INTO personal_purpose (id, title, title_en, why, why_en, basis, law, keep_days, agency, changed_by, changed_at) "
    "VALUES (?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT (id) DO UPDATE SET title = excluded.title, title_en = excluded.title_en, "
    "why = excluded.why, why_en = excluded.why_en, law = excluded.law, keep_days = excluded.keep_days, "
    "agency = excluded.agency, changed_by = excluded.changed_by, changed_at = excluded.changed_at"
)
_log = structlog.get_logger("dothi.personal")
EVERYTHING = 1_000_000
AGREED = "SELECT 1 FROM personal_consent WHERE subject = ? AND purpose = ? AND withdrawn_at IS NULL"


class Subjects:
    """Purposes, subjects, consents and requests. ``clock`` is the machine's: the law knows no other.

    Whoever asks for their own (their account is a subject's) may do so without a role. Every method raises Problem 403 for
    who may not, 404 for a subject that the asker may not know of.
    """

    def __init__(self, database: Database, writer: Writes, clock: Clock) -> None:
        self._database, self._writer, self._clock = database, writer, clock

    async def declare(self, person: Person, purpose: Purpose, *, correlation: str = "") -> Purpose:
        """Say what personal data is kept for, or say it anew; a new time to keep holds for what is sealed from then on.

        Raises Problem 400 for one that makes no sense, 409 for a known one with another basis: who agreed did not agree to
        that.
        """
        one, now = checked(purpose), self._clock.now()
        if not reading.covers(person, "personal.write", one):
            raise forbidden(person)

        def work(db: Connection) -> None:
            known = reading.purposes(db).get(one.id)
            if known is not None and known.basis != one.basis:
                raise Problem(
                    409, "other-basis", "This purpose has another basis.", "Declare a purpose of its own for this."
                )
            if known is not None and not reading.covers(person, "personal.write", known):
                raise forbidden(person)
            row = (one.id, one.title.vi, one.title.en, one.why.vi, one.why.en, one.basis, one.law, one.keep_days, one.agency)
            db.execute(_DECLARE, (*row, person.id, to_micros(now)))

        act = Act(person.id, "personal.declare", one.id, correlation=correlation, detail=f"keep {one.keep_days} days")
        await self._writer.run(person, now, work, [act], action="personal.write")
        return one

    async def begin_with(self, purposes: Sequence[Purpose]) -> None:
        """Declare what sectors keep personal data for, where nobody has: what stewards declared or changed stays."""
        known = await self.read(reading.purposes)
        for one in purposes:
            if one.id not in known:
                await self.declare(SYSTEM, one)
            elif known[one.id].basis != one.basis:
                _log.error("a sector's purpose has another basis than the city's", purpose=one.id)

    async def enrol(self, person: Person, account: str | None = None, *, correlation: str = "") -> str:
        """The id of a new subject; of the one there is already, for an account that has one."""
        own = account is not None and account == person.id and person != STRANGER
        if not own and not may(person, "personal.write"):
            raise forbidden(person)
        known = None if account is None else await self.read(lambda db: reading.subject_of_account(db, account))
        if known is not None:
            return known.id
        subject, now = f"s-{secrets.token_hex(10)}", self._clock.now()

        def work(db: Connection) -> None:
            db.execute(
                "INSERT INTO personal_subject (id, account, state, created_at) VALUES (?,?,?,?)",
                (subject, account, "active", to_micros(now)),
            )

        act = Act(person.id, "personal.enrol", subject, correlation=correlation)
        await self._writer.run(person, now, work, [act], action=action_of("personal.write", own))
        return subject

    async def consent(self, person: Person, subject: str, purpose: str, words: str, *, correlation: str = "") -> None:
        """Write down that ``subject`` agreed to ``purpose``, in the ``words`` they were asked with.

        Raises Problem 400 without words, 404 for no such purpose, 410 for a subject that was erased.
        """
        told, now = clean(words), self._clock.now()
        if not 10 <= len(told) <= 5_000:
            raise bad_request("What was agreed to?", "Give the sentence that the person agreed to.")
        own = await self._entitled(person, "personal.write", subject, purpose)

        def work(db: Connection) -> None:
            living(db, subject)
            known = db.execute(AGREED, (subject, purpose)).fetchone()
            if known is None:
                db.execute(
                    "INSERT INTO personal_consent (subject, purpose, given_at, words, given_by) VALUES (?,?,?,?,?)",
                    (subject, purpose, to_micros(now), told, person.id),
                )

        act = Act(person.id, "personal.consent", subject, correlation=correlation, detail=purpose)
        await self._writer.run(person, now, work, [act], action=action_of("personal.write", own))

    async def ask(self, person: Person, kind: str, *, correlation: str = "") -> str:
        """A subject asks, of their own, that somebody erase or correct what a law keeps. Returns the request's id."""
        subject = await self._mine(person)
        if kind not in ("erase", "correct"):
            raise bad_request("One can ask to erase or to correct.", "Choose one of them.")
        request, now = f"q-{secrets.token_hex(6)}", self._clock.now()

        def work(db: Connection) -> str:
            for one in reading.requests_of(db, subject.id):
                if one.state == "open" and one.kind == kind:
                    return one.id
            db.execute(
                "INSERT INTO personal_request (id, subject, kind, state, asked_at, asked_by) VALUES (?,?,?,?,?,?)",
                (request, subject.id, kind, "open", to_micros(now), person.id),
            )
            return request

        act = Act(person.id, "personal.ask", subject.id, correlation=correlation, detail=kind)
        return await self._writer.run(person, now, work, [act], action="personal.own")

    async def answer(self, person: Person, request: str, done: bool, answer: str, *, correlation: str = "") -> Request:
        """Close a request: done, or refused, with words the subject will read. Raises Problem 404 for no open one."""
        told = checked_reason(answer)
        found = await self.read(lambda db: [one for one in reading.requests(db, person, "open", 1_000) if one.id == request])
        if not found:
            raise not_found("request", request)
        await self._entitled(person, "personal.erase", found[0].subject, None, own=False)
        now, state = self._clock.now(), "done" if done else "refused"

        def work(db: Connection) -> None:
            db.execute(
                "UPDATE personal_request SET state = ?, answered_at = ?, answered_by = ?, answer = ? WHERE id = ?",
                (state, to_micros(now), person.id, told, request),
            )

        act = Act(person.id, "personal.answer", found[0].subject, state, correlation, found[0].kind)
        await self._writer.run(person, now, work, [act], action="personal.erase")
        return found[0]

    async def looks(self, person: Person, *, correlation: str = "") -> Sequence[Look]:
        """Every look at values that ``person`` may know of, to take along: that they were is on record."""
        found, total = await self.read(lambda db: reading.looks(db, person, EVERYTHING))
        act = Act(person.id, "personal.export", "looks", correlation=correlation, detail=f"{total} looks")
        await self._writer.run(person, self._clock.now(), lambda _: None, [act], action="personal.read")
        return found

    async def own(self, person: Person) -> Subject | None:
        """The subject that ``person`` is, if anything was ever kept of them."""
        return await self.read(lambda db: reading.subject_of_account(db, person.id))

    async def subject(self, person: Person, subject: str) -> Subject:
        """A subject that ``person`` may know of. Raises Problem 404."""
        await self._entitled(person, "personal.read", subject, None)
        found = await self.read(lambda db: reading.subject_of(db, subject))
        if found is None:
            raise not_found("subject", subject)
        return found

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Ask one of the questions of ``reading``, each of which filters by who asks."""

        def ask() -> T:
            with self._database.reader() as db:
                return work(db)

        return await asyncio.to_thread(ask)

    async def _entitled(self, person: Person, action: str, subject: str, purpose: str | None, *, own: bool = True) -> bool:
        """True if it is their own data; False if their role lets them. Raises Problem 403 or 404."""

        def read(db: Connection) -> bool:
            found = reading.subject_of(db, subject)
            if purpose is not None and purpose not in reading.purposes(db):
                raise not_found("purpose", purpose)
            if own and found is not None and found.account is not None and found.account == person.id:
                return True
            if not may(person, action):
                raise forbidden(person)
            reached = reading.reached(db, person, action)
            if (purpose is not None and purpose not in reached) or (action == "personal.look" and not reached):
                raise forbidden(person)
            if found is None or (purpose is None and not reading.knows(db, person, subject)):
                raise not_found("subject", subject)
            return False

        return await self.read(read)

    async def _mine(self, person: Person) -> Subject:
        found = await self.own(person)
        if found is None:
            raise not_found("subject", person.id)
        return found

    async def _purpose(self, purpose: str) -> Purpose:
        found = (await self.read(reading.purposes)).get(purpose)
        if found is None:
            raise not_found("purpose", purpose)
        return found

    async def _record(self, record: str) -> Record:
        found = await self.read(lambda db: reading.record_of_id(db, record))
        if found is None:
            raise not_found("record", record)
        return found


def living(db: Connection, subject: str) -> None:
    """Raises Problem 404 for no such subject, 410 for one that was erased."""
    row = db.execute("SELECT state FROM personal_subject WHERE id = ?", (subject,)).fetchone()
    if row is None:
        raise not_found("subject", subject)
    if row[0] != "active":
        raise gone()


def action_of(action: str, own: bool) -> str:
    return "personal.own" if own else action


def forbidden(person: Person) -> Problem:
    return Problem(403, "forbidden", f"{person.id} may not do this.", "Sign in as one who may.")
