"""What may be told of personal data without opening any: the register, subjects, looks, requests."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from dothi.access.personal.model import KINDS, Consent, Entry, Look, Purpose, Record, Request, Subject
from dothi.access.personal.sealing import record_of
from dothi.access.policy import Clearance, Person, Thing, reach
from dothi.model.clock import from_micros
from dothi.model.text import Text
from dothi.store.connection import Connection

_RECORD = "id, subject, purpose, kind, created_by, created_at, until, ended_at, ended"
_SENSITIVE = ",".join(f"'{name}'" for name, kind in KINDS.items() if kind.sensitive)


def purposes(db: Connection) -> dict[str, Purpose]:
    """Every purpose by its id."""
    rows = db.execute(
        "SELECT id, title, title_en, why, why_en, basis, keep_days, law, agency FROM personal_purpose ORDER BY title, id"
    )
    return {
        one: Purpose(one, Text(title, title_en), Text(why, why_en), basis, keep, law, agency)
        for one, title, title_en, why, why_en, basis, keep, law, agency in rows
    }


def reached(db: Connection, person: Person, action: str) -> dict[str, Purpose]:
    """The purposes whose data ``person`` may do ``action`` to: those of the agencies in their scope."""
    return {one.id: one for one in purposes(db).values() if covers(person, action, one)}


def covers(person: Person, action: str, purpose: Purpose) -> bool:
    """True if ``person`` may do ``action`` to data of this purpose; a look needs the clearance for personal data."""
    found = reach(person, action)
    clearance = Clearance.PERSONAL if action == "personal.look" else Clearance.INTERNAL
    return found is not None and found.covers(Thing(clearance, agency=purpose.agency))


def register(db: Connection, person: Person, now: int) -> Sequence[Entry]:
    """What is kept for which purpose, of those ``person`` may read about."""
    counted = {
        purpose: (subjects, records, int(sensitive or 0), None if end is None else from_micros(end))
        for purpose, subjects, records, sensitive, end in db.execute(
            "SELECT purpose, count(DISTINCT subject), count(*), "  # noqa: S608 - constants
            f"sum(CASE WHEN kind IN ({_SENSITIVE}) THEN 1 ELSE 0 END), min(until) "
            "FROM personal_record WHERE ended = '' AND until > ? GROUP BY purpose",
            (now,),
        )
    }
    agreed = dict(
        db.execute(
            "SELECT purpose, count(DISTINCT subject) FROM personal_consent WHERE withdrawn_at IS NULL GROUP BY purpose"
        ).fetchall()
    )
    found = []
    for one in reached(db, person, "personal.read").values():
        subjects, records, sensitive, end = counted.get(one.id, (0, 0, 0, None))
        found.append(Entry(one, subjects, records, sensitive, agreed.get(one.id, 0), end))
    return found


def subjects(db: Connection, person: Person, text: str, limit: int, offset: int) -> tuple[Sequence[Subject], int]:
    """Of whom ``person`` may know that something is kept, newest first; ``text`` is part of an id."""
    where, values = _bounded(db, person, "s.id")
    where += " AND s.id LIKE ?"
    values.append(f"%{_literal(text)}%")
    (total,) = db.execute(f"SELECT count(*) FROM personal_subject s WHERE {where}", values).fetchone()  # noqa: S608 - ours
    rows = db.execute(
        "SELECT s.id, s.account, s.state, s.created_at, s.erased_at, (SELECT count(*) FROM personal_record r "  # noqa: S608 - ours
        f"WHERE r.subject = s.id AND r.ended = '') FROM personal_subject s WHERE {where} "
        "ORDER BY s.created_at DESC, s.id LIMIT ? OFFSET ?",
        [*values, limit, offset],
    )
    return [_subject(row) for row in rows], int(total)


def subject_of(db: Connection, subject: str) -> Subject | None:
    """One subject, whoever asks."""
    row = db.execute(
        "SELECT id, account, state, created_at, erased_at, (SELECT count(*) FROM personal_record r "
        "WHERE r.subject = s.id AND r.ended = '') FROM personal_subject s WHERE id = ?",
        (subject,),
    ).fetchone()
    return None if row is None else _subject(row)


def subject_of_account(db: Connection, account: str) -> Subject | None:
    """The subject that an account's own data belongs to."""
    row = db.execute("SELECT id FROM personal_subject WHERE account = ?", (account,)).fetchone()
    return None if row is None else subject_of(db, row[0])


def records(db: Connection, subject: str) -> Sequence[Record]:
    """Every record of a subject, the newest first, those that ended included."""
    rows = db.execute(
        f"SELECT {_RECORD} FROM personal_record WHERE subject = ? ORDER BY created_at DESC, id",  # noqa: S608 - a constant
        (subject,),
    )
    return [record_of_row(row) for row in rows]


def record_of_id(db: Connection, record: str) -> Record | None:
    """One record, whoever asks."""
    row = db.execute(f"SELECT {_RECORD} FROM personal_record WHERE id = ?", (record,)).fetchone()  # noqa: S608 - a constant
    return None if row is None else record_of_row(row)


def tokens(db: Connection, subject: str, now: int) -> dict[str, str]:
    """What is sealed of a subject and has not run out at ``now`` (µs UTC), by record."""
    rows = db.execute(
        "SELECT id, token FROM personal_record WHERE subject = ? AND ended = '' AND until > ? AND token IS NOT NULL",
        (subject, now),
    )
    return dict(rows.fetchall())


def tokens_known(db: Connection, found: Sequence[object]) -> set[object]:
    """Those of ``found`` that are tokens this city gave out and has not forgotten; whose they are is not told."""
    known = set[object]()
    by_record = {record: one for one in found if (record := record_of(one)) is not None}
    for record, one in by_record.items():
        row = db.execute("SELECT token FROM personal_record WHERE id = ? AND ended = ''", (record,)).fetchone()
        if row is not None and row[0] == one:
            known.add(one)
    return known


def knows(db: Connection, person: Person, subject: str) -> bool:
    """True if ``person`` may know that something is kept of ``subject``."""
    where, values = _bounded(db, person, "s.id")
    row = db.execute(f"SELECT 1 FROM personal_subject s WHERE {where} AND s.id = ?", [*values, subject]).fetchone()  # noqa: S608 - ours
    return row is not None


def consents(db: Connection, subject: str) -> Sequence[Consent]:
    """What a subject agreed to, the newest first, what was withdrawn included."""
    rows = db.execute(
        "SELECT subject, purpose, words, given_at, given_by, withdrawn_at FROM personal_consent WHERE subject = ? "
        "ORDER BY given_at DESC, purpose",
        (subject,),
    )
    return [
        Consent(one, purpose, words, from_micros(at), by, _moment(withdrawn))
        for one, purpose, words, at, by, withdrawn in rows
    ]


def looks(db: Connection, person: Person, limit: int, offset: int = 0) -> tuple[Sequence[Look], int]:
    """The newest looks at values of subjects that ``person`` may know of."""
    where, values = _bounded(db, person, "l.subject")
    (total,) = db.execute(f"SELECT count(*) FROM personal_look l WHERE {where}", values).fetchone()  # noqa: S608 - ours
    rows = db.execute(
        f"SELECT at, person, subject, kinds, reason FROM personal_look l WHERE {where} "  # noqa: S608 - ours
        "ORDER BY at DESC, id LIMIT ? OFFSET ?",
        [*values, limit, offset],
    )
    return [_look(row) for row in rows], int(total)


def looks_at(db: Connection, subject: str) -> Sequence[Look]:
    """Every look at values of one subject, the newest first."""
    rows = db.execute(
        "SELECT at, person, subject, kinds, reason FROM personal_look WHERE subject = ? ORDER BY at DESC, id", (subject,)
    )
    return [_look(row) for row in rows]


def requests(db: Connection, person: Person, state: str, limit: int) -> Sequence[Request]:
    """What subjects asked for, of those that ``person`` may know of, the oldest first."""
    where, values = _bounded(db, person, "q.subject")
    rows = db.execute(
        "SELECT id, subject, kind, state, asked_at, asked_by, answered_at, answered_by, answer FROM personal_request q "  # noqa: S608 - ours
        f"WHERE {where} AND q.state = ? ORDER BY asked_at, id LIMIT ?",
        [*values, state, limit],
    )
    return [_request(row) for row in rows]


def requests_of(db: Connection, subject: str) -> Sequence[Request]:
    """What one subject asked for, the newest first."""
    rows = db.execute(
        "SELECT id, subject, kind, state, asked_at, asked_by, answered_at, answered_by, answer FROM personal_request "
        "WHERE subject = ? ORDER BY asked_at DESC, id",
        (subject,),
    )
    return [_request(row) for row in rows]


def record_of_row(row: Sequence[Any]) -> Record:
    """A row of the columns that ``records`` selects."""
    one, subject, purpose, kind, by, created, until, ended_at, ended = row
    return Record(one, subject, purpose, kind, by, from_micros(created), from_micros(until), _moment(ended_at), ended)


def _bounded(db: Connection, person: Person, column: str) -> tuple[str, list[object]]:
    """Which subjects ``person`` may know of: all, with the whole city in reach, else those of purposes in reach."""
    found = reach(person, "personal.read")
    if found is not None and found.whole:
        return "1 = 1", []
    mine = sorted(reached(db, person, "personal.read"))
    marks = ",".join("?" * len(mine)) or "NULL"
    kept = f"SELECT subject FROM personal_record WHERE purpose IN ({marks})"  # noqa: S608 - question marks
    agreed = f"SELECT subject FROM personal_consent WHERE purpose IN ({marks})"  # noqa: S608 - question marks
    return f"{column} IN ({kept} UNION {agreed})", [*mine, *mine]


def _literal(text: str) -> str:
    return "".join(letter for letter in text if letter.isalnum() or letter == "-")[:64]


def _subject(row: Sequence[Any]) -> Subject:
    one, account, state, created, erased, count = row
    return Subject(one, account, state, from_micros(created), _moment(erased), int(count))


def _look(row: Sequence[Any]) -> Look:
    at, person, subject, kinds, reason = row
    return Look(from_micros(at), person, subject, msgspec.json.decode(kinds, type=list[str]), reason)


def _request(row: Sequence[Any]) -> Request:
    one, subject, kind, state, asked, by, answered, answered_by, answer = row
    return Request(one, subject, kind, state, from_micros(asked), by, _moment(answered), answered_by, answer)


def _moment(micros: int | None) -> datetime | None:
    return None if micros is None else from_micros(micros)
