"""Rows of incidents: written and read; whoever calls decides who may."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from math import cos, radians
from typing import Any

import msgspec

from dothi.access.policy import Clearance, Reach
from dothi.model.clock import from_micros, to_micros
from dothi.model.ground import METRES_OF_DEGREE
from dothi.model.text import Text, fold
from dothi.platform import numbers
from dothi.platform.incidents.clocks import ClockState
from dothi.platform.incidents.model import (
    STATES,
    Change,
    DoneStep,
    Entry,
    Found,
    Incident,
    Link,
    Near,
    Question,
    State,
    Task,
)
from dothi.store.connection import Connection

_PLAIN = (
    "code", "kind", "state", "severity", "urgency", "longitude", "latitude", "address", "assignee", "origin", "version",
    "pause_reason", "escalated", "parent", "answer", "text",
)  # fmt: skip
_MOMENTS = (
    "opened_at", "state_at", "detected_from", "accepted_at", "answered_at", "arrived_at", "paused_since", "paused_until",
    "playbook_at", "due_at", "look_at",
)  # fmt: skip
_OR_NULL = ("ward", "agency", "cause")
_JSON: dict[str, Any] = {
    "help": tuple[str, ...],
    "proof": tuple[int, ...],
    "tasks": tuple[Task, ...],
    "steps_done": tuple[DoneStep, ...],
    "clocks": tuple[ClockState, ...],
    "told": tuple[str, ...],
}
_NAMES = (*_PLAIN, *_MOMENTS, *_OR_NULL, *_JSON, "title", "title_en", "clearance")
_COUNTS = (
    "(SELECT count(*) FROM incident_link l WHERE l.incident = i.code AND l.kind IN ('alert', 'alert-group')), "
    "(SELECT count(*) FROM incident_link l WHERE l.incident = i.code AND l.kind = 'report'), "
    "(SELECT count(*) FROM incident_photo p WHERE p.incident = i.code AND p.removed_at IS NULL)"
)
_SELECT = f"SELECT {', '.join(f'i.{name}' for name in _NAMES)}, {_COUNTS} FROM incident i"  # noqa: S608 - names of our own
_ORDERS = {
    # PostgreSQL and SQLite disagree about where NULL comes.
    "left": "CASE WHEN i.due_at IS NULL THEN 1 ELSE 0 END, i.due_at, i.severity DESC, i.state_at DESC, i.code",
    "newest": "i.opened_at DESC, i.code DESC",
    "severity": "i.severity DESC, CASE WHEN i.due_at IS NULL THEN 1 ELSE 0 END, i.due_at, i.code",
}
WHERE_OF = {"clearance": "i.clearance", "ward": "i.ward", "agency": "i.agency", "type": "CAST(NULL AS TEXT)"}
"""What ``Reach.where`` asks of a row ``i`` of the table incident."""
_PAGES = 1_000  # the most incidents of one answer


def values_of(incident: Incident) -> dict[str, Any]:
    """``incident`` as the columns of its row, but those that only a new one has."""
    row: dict[str, Any] = {name: getattr(incident, name) for name in _PLAIN}
    row |= {name: _micros(getattr(incident, name)) for name in _MOMENTS}
    row |= {name: getattr(incident, name) or None for name in _OR_NULL}
    row |= {name: msgspec.json.encode(getattr(incident, name)).decode() for name in _JSON}
    row |= {"title": incident.title.vi, "title_en": incident.title.en, "clearance": int(incident.clearance)}
    row["folded"] = fold(" ".join((incident.code, incident.title.vi, incident.title.en, incident.text, incident.address)))
    return row


def insert(db: Connection, incident: Incident, month: str, number: int) -> None:
    """Store a new one."""
    row = values_of(incident) | {"month": month, "number": number}
    marks = ",".join("?" * len(row))
    query = f"INSERT INTO incident ({', '.join(row)}) VALUES ({marks})"  # noqa: S608 - names of our own
    db.execute(query, tuple(row.values()))


def update(db: Connection, incident: Incident) -> None:
    """Store one that changed."""
    row = values_of(incident)
    code = row.pop("code")
    query = f"UPDATE incident SET {', '.join(f'{name} = ?' for name in row)} WHERE code = ?"  # noqa: S608 - names of our own
    db.execute(query, (*row.values(), code))


def next_number(db: Connection, month: str) -> int:
    """Take the number of the next incident in ``month`` (yymm)."""
    (last,) = db.execute("SELECT max(number) FROM incident WHERE month = ?", (month,)).fetchone()
    return numbers.take(db, f"SV-{month}", int(last or 0))


def fetch(db: Connection, code: str) -> Incident | None:
    """One incident; None if there is none of this code."""
    row = db.execute(f"{_SELECT} WHERE i.code = ?", (code,)).fetchone()
    return incident_of(row) if row else None


def caused(db: Connection, cause: str) -> Incident | None:
    """The incident that ``cause`` opened, or the one it was merged into."""
    row = db.execute(f"{_SELECT} WHERE i.cause = ?", (cause,)).fetchone()
    return whole(db, incident_of(row)) if row else None


def whole(db: Connection, incident: Incident) -> Incident:
    """What ``incident`` was merged into, at the end of the line; itself if it was not."""
    while incident.state == "merged":
        parent = fetch(db, incident.parent)
        if parent is None:
            return incident
        incident = parent
    return incident


def write_entry(
    db: Connection,
    incident: Incident,
    at: datetime,
    person: str,
    act: str,
    words: Text,
    changes: Sequence[Change] = (),
    refs: Sequence[str] = (),
    once: str = "",
) -> None:
    """Add a line to the timeline; ``once`` is what its sender calls it by."""
    db.execute(
        "INSERT INTO incident_entry (incident, at, person, act, words, words_en, changes, refs, version, once) "
        "VALUES (?,?,?,?,?,?,?,?,?,?)",
        (
            incident.code,
            to_micros(at),
            person,
            act,
            words.vi,
            words.en,
            msgspec.json.encode(changes).decode(),
            msgspec.json.encode(refs).decode(),
            incident.version,
            once,
        ),
    )


def done_once(db: Connection, code: str, person: str, once: str) -> bool:
    """True if what ``person`` calls by ``once`` was done to an incident already."""
    query = "SELECT 1 FROM incident_entry WHERE incident = ? AND person = ? AND once = ?"
    return db.execute(query, (code, person, once)).fetchone() is not None


def entries(db: Connection, code: str, after_version: int | None = None) -> list[Entry]:
    """The timeline, oldest first; only what made a version beyond ``after_version``, if that is given."""
    rows = db.execute(
        "SELECT number, at, person, act, words, words_en, changes, refs, version FROM incident_entry "
        "WHERE incident = ? AND version > ? ORDER BY number",
        (code, -1 if after_version is None else after_version),
    )
    return [
        Entry(
            number,
            from_micros(at),
            person,
            act,
            Text(vi, en),
            msgspec.json.decode(changes, type=tuple[Change, ...]),
            msgspec.json.decode(refs, type=tuple[str, ...]),
            version,
        )
        for number, at, person, act, vi, en, changes, refs, version in rows
    ]


def tie(db: Connection, code: str, kind: str, ref: str, at: datetime) -> None:
    """Link an incident to something; nothing happens if it is linked already."""
    db.execute(
        "INSERT INTO incident_link (incident, kind, ref, at, first) VALUES (?,?,?,?,?) ON CONFLICT DO NOTHING",
        (code, kind, ref, to_micros(at), code),
    )


def ask(db: Connection, code: str, unit: str) -> None:
    """Let another unit (a ward's code, an agency's id) see an incident; nothing happens if it does already."""
    db.execute("INSERT INTO incident_help (incident, unit) VALUES (?,?) ON CONFLICT DO NOTHING", (code, unit))


def move_belongings(db: Connection, code: str, to: str, reports: Sequence[str] | None = None) -> None:
    """Tie to another incident what is tied to this one, with its photos; only some ``reports`` and theirs, if given."""
    condition, values = "incident = ?", [code]
    if reports is not None:
        marks = ",".join("?" * len(reports)) or "NULL"
        condition += f" AND kind = 'report' AND ref IN ({marks})"
        values += reports
    db.execute(
        "INSERT INTO incident_link (incident, kind, ref, at, first) "  # noqa: S608 - parts of our own
        f"SELECT CAST(? AS TEXT), kind, ref, at, first FROM incident_link WHERE {condition} ON CONFLICT DO NOTHING",
        (to, *values),
    )
    db.execute(f"DELETE FROM incident_link WHERE {condition}", values)  # noqa: S608 - parts of our own
    if reports is None:
        db.execute("UPDATE incident_photo SET incident = ? WHERE incident = ?", (to, code))
    else:
        db.executemany(
            "UPDATE incident_photo SET incident = ? WHERE incident = ? AND report = ?", [(to, code, one) for one in reports]
        )


def links(db: Connection, code: str) -> list[Link]:
    """What an incident is tied to, oldest first."""
    query = "SELECT kind, ref, at, first FROM incident_link WHERE incident = ? ORDER BY at, kind, ref"
    return [Link(kind, ref, from_micros(at), first) for kind, ref, at, first in db.execute(query, (code,))]


def linked(db: Connection, kind: str, ref: str) -> list[str]:
    """The codes of the incidents tied to something, oldest tie first."""
    query = "SELECT incident FROM incident_link WHERE kind = ? AND ref = ? ORDER BY at, incident"
    return [code for (code,) in db.execute(query, (kind, ref))]


def search(db: Connection, question: Question, reached: Reach, asker: str, now: datetime) -> Found:
    """One page of what matches and may be seen, with its counts."""
    conditions, values = _conditions(question, reached, asker, now)
    everywhere = " AND ".join(conditions)
    counted = db.execute(
        f"SELECT i.state, count(*) FROM incident i WHERE {everywhere} GROUP BY i.state",  # noqa: S608 - parts of our own
        values,
    )
    states: dict[State, int] = dict.fromkeys(STATES, 0) | dict(counted)
    wanted = question.states or tuple(STATES)
    narrowed, values = _narrowed(question, everywhere, values)
    (overdue,) = db.execute(
        f"SELECT count(*) FROM incident i WHERE {narrowed} AND i.due_at < ?",  # noqa: S608 - parts of our own
        (*values, to_micros(now)),
    ).fetchone()
    rows = _ordered(db, question, narrowed, values, max(1, min(question.limit, _PAGES)))
    total = sum(states[one] for one in wanted)
    return Found(tuple(rows), total, overdue, states)


def every(db: Connection, question: Question, reached: Reach, asker: str, now: datetime, most: int) -> list[Incident]:
    """All that matches and may be seen, at most ``most``, whatever page was asked for: one statement, so that nothing that
    changes meanwhile is told twice or not at all.
    """
    conditions, values = _conditions(question, reached, asker, now)
    narrowed, values = _narrowed(question, " AND ".join(conditions), values)
    return _ordered(db, replace(question, offset=0), narrowed, values, most)


def _narrowed(question: Question, everywhere: str, values: list[Any]) -> tuple[str, list[Any]]:
    """The states that are wanted, beside what else bounds incidents."""
    wanted = question.states or tuple(STATES)
    return f"{everywhere} AND i.state IN ({','.join('?' * len(wanted))})", [*values, *wanted]


def _ordered(db: Connection, question: Question, narrowed: str, values: list[Any], limit: int) -> list[Incident]:
    query = f"{_SELECT} WHERE {narrowed} ORDER BY {_ORDERS[question.order]} LIMIT ? OFFSET ?"
    return [incident_of(row) for row in db.execute(query, (*values, limit, max(0, question.offset))).fetchall()]


def several(db: Connection, codes: Iterable[str]) -> list[Incident]:
    """The incidents of these codes, in no order; those that are none are left out."""
    wanted, found = list(codes), list[Incident]()
    for start in range(0, len(wanted), _PAGES):
        some = wanted[start : start + _PAGES]
        rows = db.execute(f"{_SELECT} WHERE i.code IN ({','.join('?' * len(some))})", some).fetchall()
        found += map(incident_of, rows)
    return found


def wherever(reached: Reach) -> list[Clearance]:
    """How secret an incident may be that somebody is given outside their wards and agencies."""
    return [most for most, scope in reached.parts if scope.types is None]


def seen_by(reached: Reach, asker: str) -> tuple[str, list[object]]:
    """The condition over a row ``i`` that it is reached, as it is, by who was asked to help, or by ``asker`` (an account),
    whom it was given to; and its parameters.
    """
    own, values = reached.where(**WHERE_OF)
    if all(scope.everything for _, scope in reached.parts):
        return own, values  # another unit makes no difference
    given = wherever(reached)
    if asker and given:
        own, values = f"({own} OR i.assignee = ? AND i.clearance <= ?)", [*values, asker, int(max(given))]
    as_ward, of_ward = reached.where(**WHERE_OF | {"ward": "h.unit"})
    as_agency, of_agency = reached.where(**WHERE_OF | {"agency": "h.unit"})
    helping = f"SELECT 1 FROM incident_help h WHERE h.incident = i.code AND ({as_ward} OR {as_agency})"  # noqa: S608 - ours
    return f"({own} OR EXISTS ({helping}))", [*values, *of_ward, *of_agency]


def answered_since(db: Connection, ward: str, since: datetime, reached: Reach) -> int:
    """How many were answered since a moment, in one ward or ("") in all that is reached."""
    conditions, values = _conditions(Question(ward=ward), reached, "", since)
    query = f"SELECT count(*) FROM incident i WHERE {' AND '.join(conditions)} AND i.answered_at >= ?"  # noqa: S608 - ours
    (count,) = db.execute(query, (*values, to_micros(since))).fetchone()
    return int(count)


def _conditions(question: Question, reached: Reach, asker: str, now: datetime) -> tuple[list[str], list[Any]]:
    """What of a question bounds incidents in any state."""
    where, values = seen_by(reached, asker)
    conditions, given = [where], list[Any](values)
    for column in ("ward", "agency", "assignee", "kind", "origin", "urgency"):
        wanted = getattr(question, column)
        if wanted:
            conditions.append(f"i.{column} = ?")
            given.append(wanted)
    if question.severity > 0:
        conditions.append("i.severity >= ?")
        given.append(question.severity)
    if question.mine:
        conditions.append("i.assignee = ?")
        given.append(asker)
    if question.overdue:
        conditions.append("i.due_at < ?")
        given.append(to_micros(now))
    if question.since is not None:
        conditions.append("i.opened_at >= ?")
        given.append(to_micros(question.since))
    if question.linked is not None:
        conditions.append("EXISTS (SELECT 1 FROM incident_link l WHERE l.incident = i.code AND l.kind = ? AND l.ref = ?)")
        given += question.linked
    if question.near is not None:
        condition, bounds = _around(question.near)
        conditions.append(condition)
        given += bounds
    for word in fold(question.text).split():
        conditions.append("i.folded LIKE ? ESCAPE '!'")
        given.append("%" + word.replace("!", "!!").replace("%", "!%").replace("_", "!_") + "%")
    return conditions, given


def _around(near: Near) -> tuple[str, list[Any]]:
    """Within a circle on a plane, which a city is small enough for."""
    wide = METRES_OF_DEGREE * max(cos(radians(near.latitude)), 1e-6)
    metres = "(i.longitude - ?) * (i.longitude - ?) * ? + (i.latitude - ?) * (i.latitude - ?) * ? <= ?"
    return f"i.longitude IS NOT NULL AND {metres}", [
        near.longitude, near.longitude, wide**2, near.latitude, near.latitude, METRES_OF_DEGREE**2, near.metres**2,
    ]  # fmt: skip


def incident_of(row: Iterable[Any]) -> Incident:
    """An incident from its row, as ``_SELECT`` gives it."""
    cells = list(row)
    told = dict(zip(_NAMES, cells, strict=False))
    title = Text(told.pop("title"), told.pop("title_en"))
    for name in _MOMENTS:
        told[name] = None if told[name] is None else from_micros(told[name])
    for name in _OR_NULL:
        told[name] = told[name] or ""
    for name, kind in _JSON.items():
        told[name] = msgspec.json.decode(told[name], type=kind)
    told["clearance"] = Clearance(told["clearance"])
    alerts, reports, photos = cells[len(_NAMES) :]
    return Incident(**told, title=title, alerts=alerts, reports=reports, photos=photos)


def _micros(moment: datetime | None) -> int | None:
    return None if moment is None else to_micros(moment)
