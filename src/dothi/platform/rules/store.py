"""Rows of rules, alerts and maintenance: written and read; whoever calls decides who may."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from dothi.access.policy import Reach
from dothi.model.clock import from_micros, to_micros
from dothi.platform.rules.model import Rule, decode, encode
from dothi.platform.rules.state import Cell, Phase
from dothi.store.connection import Connection

OPEN = ("firing", "acknowledged")
_WARD = "ward:"
_SAVE_CELL = (
    "INSERT INTO rule_cell (rule, subject, phase, since_at, alert) VALUES (?,?,?,?,?) ON CONFLICT (rule, subject) DO UPDATE "
    "SET phase = excluded.phase, since_at = excluded.since_at, alert = excluded.alert"
)
_RULE_COLUMNS = "r.id, r.version, r.enabled, r.changed_at, v.body, v.made_by, v.made_at, v.made_again"
_RULES = f"SELECT {_RULE_COLUMNS} FROM rule r JOIN rule_version v ON v.rule = r.id AND v.version = r.version"  # noqa: S608 - ours


@dataclass(frozen=True, slots=True)
class KeptRule:
    """A rule as it stands in one version. Moments are aware UTC; ``made_again`` is the older version that it repeats."""

    rule: Rule
    version: int
    enabled: bool
    changed_at: datetime
    made_by: str
    made_at: datetime
    made_again: int | None = None


@dataclass(frozen=True, slots=True)
class Maintenance:
    """A time in which nothing fires for an entity, a ward, or (both None) the whole city; aware UTC."""

    id: int
    entity: str | None
    ward: str | None
    start: datetime
    until: datetime
    reason: str
    made_by: str
    made_at: datetime


class KeptCell(msgspec.Struct, frozen=True):
    """How far a rule ("id"), or a step of it ("id#2"), is with a subject, an entity's URN or a ward's code, and the alert it
    raised.
    """

    rule: str
    subject: str
    ward: bool
    cell: Cell
    alert: int | None


def rules(db: Connection) -> list[KeptRule]:
    """All rules in their newest version, by id."""
    return [_rule(row) for row in db.execute(f"{_RULES} ORDER BY r.id")]


def rule(db: Connection, rule_id: str) -> KeptRule | None:
    """One rule in its newest version."""
    row = db.execute(f"{_RULES} WHERE r.id = ?", (rule_id,)).fetchone()
    return None if row is None else _rule(row)


def versions(db: Connection, rule_id: str) -> list[KeptRule]:
    """Every version of a rule, the newest first."""
    query = (
        f"SELECT {_RULE_COLUMNS.replace('r.version', 'v.version')} FROM rule r JOIN rule_version v ON v.rule = r.id "  # noqa: S608 - ours
        "WHERE r.id = ? ORDER BY v.version DESC"
    )
    return [_rule(row) for row in db.execute(query, (rule_id,))]


def save_rule(
    db: Connection, rule: Rule, version: int, *, enabled: bool, by: str, at: int, made_again: int | None = None
) -> None:
    """A new version of a rule, or its first, which is the one in force from now on."""
    db.execute(
        "INSERT INTO rule (id, version, enabled, owner, entity_type, changed_at) VALUES (?,?,?,?,?,?) ON CONFLICT (id) DO "
        "UPDATE SET version = excluded.version, enabled = excluded.enabled, owner = excluded.owner, "
        "entity_type = excluded.entity_type, changed_at = excluded.changed_at",
        (rule.id, version, int(enabled), rule.owner or None, rule.entity_type, at),
    )
    db.execute(
        "INSERT INTO rule_version (rule, version, body, made_by, made_at, made_again) VALUES (?,?,?,?,?,?)",
        (rule.id, version, encode(rule), by, at, made_again),
    )


def turn(db: Connection, rule_id: str, *, enabled: bool, at: int) -> None:
    """Switch a rule on or off."""
    db.execute("UPDATE rule SET enabled = ?, changed_at = ? WHERE id = ?", (int(enabled), at, rule_id))


def cells(db: Connection) -> list[KeptCell]:
    """Every cell that is not at rest."""
    return [
        KeptCell(of, subject.removeprefix(_WARD), subject.startswith(_WARD), Cell(Phase(phase), since), alert)
        for of, subject, phase, since, alert in db.execute("SELECT rule, subject, phase, since_at, alert FROM rule_cell")
    ]


def save_cells(db: Connection, kept: Sequence[KeptCell], gone: Iterable[tuple[str, str, bool]]) -> None:
    """Cells as they stand now; ``gone`` are (rule, subject, is it a ward) that are at rest again."""
    if kept:
        db.executemany(
            _SAVE_CELL,
            [(one.rule, _named(one.subject, one.ward), int(one.cell.phase), one.cell.since, one.alert) for one in kept],
        )
    rows = [(of, _named(subject, ward)) for of, subject, ward in gone]
    if rows:
        db.executemany("DELETE FROM rule_cell WHERE rule = ? AND subject = ?", rows)


def forget_cells(db: Connection, rule_id: str) -> None:
    """Where a rule and its steps stood: its new version begins anew."""
    db.execute("DELETE FROM rule_cell WHERE rule = ? OR rule LIKE ?", (rule_id, f"{rule_id}#%"))


def next_number(db: Connection, table: str) -> int:
    """The next number of ``table``, asked by its only writer."""
    return int(db.execute(f"SELECT coalesce(max(id), 0) + 1 FROM {table}").fetchone()[0])  # noqa: S608 - names of our own


def maintenance(db: Connection, after: int) -> list[Maintenance]:
    """Those that end after ``after`` (µs), the earliest first."""
    query = (
        "SELECT id, entity, ward, from_at, until_at, reason, made_by, made_at FROM maintenance WHERE until_at > ? "
        "ORDER BY from_at, id"
    )
    return [
        Maintenance(number, entity, ward, from_micros(start), from_micros(until), reason, by, from_micros(at))
        for number, entity, ward, start, until, reason, by, at in db.execute(query, (after,))
    ]


def add_maintenance(db: Connection, one: Maintenance) -> None:
    """Keep one."""
    db.execute(
        "INSERT INTO maintenance (id, entity, ward, from_at, until_at, reason, made_by, made_at) VALUES (?,?,?,?,?,?,?,?)",
        (
            *(one.id, one.entity, one.ward, to_micros(one.start), to_micros(one.until), one.reason, one.made_by),
            to_micros(one.made_at),
        ),
    )


def end_maintenance(db: Connection, number: int, at: int) -> bool:
    """End one at ``at`` (µs); False if it is over already, or was never there."""
    query = "UPDATE maintenance SET until_at = ?, from_at = CASE WHEN from_at > ? THEN ? ELSE from_at END "
    return db.execute(f"{query} WHERE id = ? AND until_at > ?", (at, at, at, number, at)).rowcount > 0


def within(reached: Reach, alias: str = "a") -> tuple[str, list[Any]]:
    """The condition under which an alert may be known."""
    names = {"clearance": "clearance", "ward": "ward", "agency": "owner", "type": "entity_type"}
    return reached.where(**{what: f"{alias}.{column}" for what, column in names.items()})


def _named(subject: str, ward: bool) -> str:
    return _WARD + subject if ward else subject


def _rule(row: Sequence[Any]) -> KeptRule:
    _, version, enabled, changed_at, body, by, at, again = row
    return KeptRule(decode(body), version, bool(enabled), from_micros(changed_at), by, from_micros(at), again)
