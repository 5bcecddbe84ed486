"""Alerts as people are told of them: lines with how many they stand for, and each alert of a line."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import msgspec

from dothi.access.policy import Clearance, Reach, Thing
from dothi.model.clock import from_micros, to_micros
from dothi.model.text import Text, fold
from dothi.platform.rules.model import decode
from dothi.platform.rules.store import within
from dothi.store.connection import Connection

AlertState = Literal["firing", "acknowledged", "ended"]
STATES: dict[AlertState, Text] = {
    "firing": Text("Đang cảnh báo", "Firing"),
    "acknowledged": Text("Đã nhận biết", "Acknowledged"),
    "ended": Text("Đã hết", "Ended"),
}
_GROUP = (
    "g.id, g.rule, g.state, g.severity, min(a.began_at), g.detected_at, max(a.detected_at), g.ended_at, count(*), "
    "sum(CASE WHEN a.state <> 'ended' THEN 1 ELSE 0 END), g.incident, g.acknowledged_by, g.acknowledged_at, v.body"
)
_FROM = (
    "FROM alert_group g JOIN alert a ON a.group_id = g.id JOIN rule r ON r.id = g.rule "
    "JOIN rule_version v ON v.rule = r.id AND v.version = r.version"
)
_BY = (
    "GROUP BY g.id, g.rule, g.state, g.severity, g.detected_at, g.ended_at, g.incident, g.acknowledged_by, "
    "g.acknowledged_at, v.body"
)
_ALERT = (
    "a.id, a.group_id, a.rule, a.version, a.subject, a.entity_type, a.name, a.state, a.severity, a.began_at, a.detected_at, "
    "a.ended_at, a.value, a.threshold, a.said_vi, a.said_en, a.ward, a.acknowledged_by, a.acknowledged_at"
)

_THINGS = (
    "SELECT DISTINCT a.group_id, a.clearance, a.ward, a.owner, a.entity_type FROM {numbers} w CROSS JOIN alert a "
    "WHERE a.group_id = w.value"
)


@dataclass(frozen=True, slots=True)
class Alert:
    """A rule's statement that something is wrong with ``subject``, an entity's URN or a ward's code; moments aware UTC.

    ``began_at`` is when the condition began to hold, ``detected_at`` when the city said so. ``value`` was measured then.
    """

    id: int
    group: int
    rule: str
    version: int
    subject: str
    entity_type: str
    name: str
    state: AlertState
    severity: int
    began_at: datetime
    detected_at: datetime
    ended_at: datetime | None
    value: float | None
    threshold: float | None
    said: Text
    ward: str | None
    acknowledged_by: str | None
    acknowledged_at: datetime | None

    @property
    def goes_on(self) -> bool:
        """True until it has ended."""
        return self.state != "ended"

    @classmethod
    def _make(cls, *parts: Sequence[Any]) -> "Alert":
        return cls(*(one for part in parts for one in part))


@dataclass(frozen=True, slots=True)
class AlertGroup:
    """Alerts of one cause in one area as one line: ``count`` in all, ``open`` of them not ended. ``said`` is of the newest.

    ``wards`` are codes. ``incident`` is the code of what it opened, "" for none.
    """

    id: int
    rule: str
    title: Text
    state: AlertState
    severity: int
    began_at: datetime
    detected_at: datetime
    newest_at: datetime
    ended_at: datetime | None
    count: int
    open: int
    incident: str
    acknowledged_by: str | None
    acknowledged_at: datetime | None
    wards: tuple[str, ...]
    newest: Alert


@dataclass(frozen=True, slots=True)
class AlertQuestion:
    """Which lines are sought; what is empty is any. ``severity`` is the least; ``since`` bounds when they were found.

    ``text`` is sought without accents, every word of it in one alert of the line; ``subject`` is an entity's URN or a ward's
    code of which the line holds an alert.
    """

    states: tuple[AlertState, ...] = ("firing", "acknowledged")
    severity: int = 0
    rule: str = ""
    ward: str = ""
    since: datetime | None = None
    ids: tuple[int, ...] = ()
    text: str = ""
    subject: str = ""
    limit: int = 50
    offset: int = 0


@dataclass(frozen=True, slots=True)
class FoundGroups:
    """A page of lines, and how many there are in all."""

    groups: tuple[AlertGroup, ...]
    total: int


def groups(db: Connection, reached: Reach, question: AlertQuestion) -> FoundGroups:
    """Lines that hold an alert that is reached; they count only those."""
    condition, values = within(reached)
    conditions = [condition]
    for test, value in (
        ("g.severity >= ?", question.severity or None),
        ("g.rule = ?", question.rule or None),
        ("a.ward = ?", question.ward or None),
        ("g.newest_at >= ?", None if question.since is None else to_micros(question.since)),
    ):
        if value is not None:
            conditions.append(test)
            values.append(value)
    for column, wanted in (("g.state", question.states), ("g.id", question.ids)):
        if wanted:
            conditions.append(f"{column} IN ({','.join('?' * len(wanted))})")
            values += wanted
    sought = [("s.folded LIKE ? ESCAPE '!'", _like(word)) for word in fold(question.text).split()]
    sought += [("s.subject = ?", question.subject)] if question.subject else []
    if sought:  # in an alert that is reached: nobody finds by words what they may not read
        known, bounds = within(reached, "s")
        tests = " AND ".join(test for test, _ in sought)
        conditions.append(f"EXISTS (SELECT 1 FROM alert s WHERE s.group_id = g.id AND {known} AND {tests})")  # noqa: S608 - ours
        values += [*bounds, *(value for _, value in sought)]
    where = " AND ".join(conditions)
    (total,) = db.execute(f"SELECT count(DISTINCT g.id) {_FROM} WHERE {where}", values).fetchone()
    order = "ORDER BY CASE g.state WHEN 'ended' THEN 1 ELSE 0 END, max(a.detected_at) DESC, g.id DESC LIMIT ? OFFSET ?"
    query = f"SELECT {_GROUP} {_FROM} WHERE {where} {_BY} {order}"
    rows = db.execute(query, [*values, question.limit, question.offset]).fetchall()
    return FoundGroups(tuple(_group(db, reached, row) for row in rows), int(total))


def things(db: Connection, lines: Collection[int]) -> dict[int, list[Thing]]:
    """What the policy is asked about, to know who may be told of each of these lines."""
    found: dict[int, list[Thing]] = {}
    page = msgspec.json.encode(sorted(lines)).decode()
    for number, clearance, ward, owner, kind in db.execute(db.dialect.fill(_THINGS), (page,)):
        found.setdefault(number, []).append(Thing(Clearance(clearance), ward, owner, kind))
    return found


def of_group(db: Connection, reached: Reach, number: int, limit: int) -> list[Alert]:
    """The alerts of a line that are reached, those that go on first, then the newest."""
    return _alerts(db, reached, "a.group_id = ?", number, limit)


def of_subject(db: Connection, reached: Reach, subject: str, limit: int) -> list[Alert]:
    """The alerts of an entity or ward that are reached."""
    return _alerts(db, reached, "a.subject = ?", subject, limit)


def in_english(db: Connection, cause: str, said: str) -> str | None:
    """What an alert of the line that is a ``cause`` ("alert-group:7") said in English when it ``said`` this in Vietnamese;
    None if none of its alerts did.
    """
    _, _, number = cause.partition("alert-group:")
    query = "SELECT said_en FROM alert WHERE group_id = ? AND said_vi = ? ORDER BY id LIMIT 1"
    row = db.execute(query, (int(number), said)).fetchone() if number else None
    return None if row is None else str(row[0])


def open_by_rule(db: Connection, reached: Reach) -> dict[str, int]:
    """How many alerts of each rule that are reached go on."""
    condition, values = within(reached)
    query = f"SELECT a.rule, count(*) FROM alert a WHERE a.state <> 'ended' AND {condition} GROUP BY a.rule"  # noqa: S608 - ours
    return dict(db.execute(query, values))


def acknowledge(db: Connection, reached: Reach, numbers: Sequence[int], person: str, at: int) -> list[int]:
    """Mark the firing alerts of lines that are reached; returns the lines that were firing and are seen to now."""
    condition, values = within(reached)
    taken = []
    for number in dict.fromkeys(numbers):
        query = (
            "UPDATE alert SET state = 'acknowledged', acknowledged_by = ?, acknowledged_at = ? "  # noqa: S608 - ours
            "WHERE id IN (SELECT a.id FROM alert a WHERE a.group_id = ? AND a.state = 'firing' "
            f"AND {condition})"
        )
        if not db.execute(query, [person, at, number, *values]).rowcount:
            continue
        taken.append(number)
        db.execute("UPDATE alert_group SET to_publish = to_publish + 1 WHERE id = ?", (number,))
        db.execute(
            "UPDATE alert_group SET state = 'acknowledged', acknowledged_by = ?, acknowledged_at = ? WHERE id = ? "
            "AND state = 'firing' AND NOT EXISTS (SELECT 1 FROM alert WHERE group_id = ? AND state = 'firing')",
            (person, at, number, number),
        )
    return taken


def _like(word: str) -> str:
    return "%" + word.replace("!", "!!").replace("%", "!%").replace("_", "!_") + "%"


def _alerts(db: Connection, reached: Reach, test: str, value: Any, limit: int) -> list[Alert]:
    condition, values = within(reached)
    query = (
        f"SELECT {_ALERT} FROM alert a WHERE {test} AND {condition} "  # noqa: S608 - conditions of our own
        "ORDER BY CASE a.state WHEN 'ended' THEN 1 ELSE 0 END, a.detected_at DESC, a.id DESC LIMIT ?"
    )
    return [_alert(row) for row in db.execute(query, [value, *values, limit])]


def _group(db: Connection, reached: Reach, row: Sequence[Any]) -> AlertGroup:
    number, rule, state, severity, began, detected, newest, ended, count, opened, incident, by, at, body = row
    condition, values = within(reached)
    query = f"SELECT DISTINCT a.ward FROM alert a WHERE a.group_id = ? AND a.ward IS NOT NULL AND {condition} ORDER BY 1"  # noqa: S608 - ours
    wards = tuple(ward for (ward,) in db.execute(query, [number, *values]))
    return AlertGroup(
        number,
        rule,
        decode(body).title,
        state,
        severity,
        from_micros(began),
        from_micros(detected),
        from_micros(newest),
        _moment(ended),
        int(count),
        int(opened),
        incident,
        by,
        _moment(at),
        wards,
        of_group(db, reached, number, 1)[0],
    )


def _alert(row: Sequence[Any]) -> Alert:
    began, detected, ended, value, threshold, vi, en, ward, by, at = row[9:]
    moments = from_micros(began), from_micros(detected), _moment(ended)
    return Alert._make(row[:9], moments, (value, threshold, Text(vi, en), ward, by, _moment(at)))


def _moment(micros: int | None) -> datetime | None:
    return None if micros is None else from_micros(micros)
