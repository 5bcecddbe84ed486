"""Commands in the database: rows out of commands, and commands out of rows."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from dothi.access.policy import Clearance, Reach
from dothi.model.clock import from_micros, to_micros
from dothi.platform import numbers
from dothi.platform.commands.model import Command, State
from dothi.store.connection import Connection

_COLUMNS = (
    "id, kind, entity, entity_type, device, parameters, state, proposed_by, proposed_at, because, incident, ward, agency, "
    "clearance, decided_by, decided_at, sent_at, sends, acknowledged_at, ended_at, reason, value"
)
_INSERT = (
    f"INSERT INTO command (month, number, {_COLUMNS}) "  # noqa: S608 - constants only
    "VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
)
_MOVE = (
    "UPDATE command SET state = ?, decided_by = ?, decided_at = ?, sent_at = ?, sends = ?, acknowledged_at = ?, "
    "ended_at = ?, reason = ?, value = ? WHERE id = ? AND state = ?"
)
_HIGHEST = "SELECT coalesce(max(number), 0) FROM command WHERE month = ?"
_encode = msgspec.json.Encoder().encode


def next_number(db: Connection, month: str) -> int:
    """Take the next number of a month (yymm)."""
    return numbers.take(db, f"L-{month}", int(db.execute(_HIGHEST, (month,)).fetchone()[0]))


def add(db: Connection, month: str, number: int, one: Command) -> None:
    """Write a new command down."""
    db.execute(_INSERT, (month, number, *_row(one)))


def move(db: Connection, before: State, now: Command) -> bool:
    """Write down what became of a command; False, and nothing is written, if it is not in the state ``before`` any more."""
    row = _row(now)
    return db.execute(_MOVE, (now.state, *row[14:], now.id, before)).rowcount == 1


def load(db: Connection, states: Sequence[State]) -> list[Command]:
    """All commands in one of ``states``, oldest first."""
    marks = ",".join("?" * len(states))
    query = f"SELECT {_COLUMNS} FROM command WHERE state IN ({marks}) ORDER BY proposed_at, id"  # noqa: S608 - placeholders only
    return [_command(row) for row in db.execute(query, tuple(states))]


def find(
    db: Connection, reached: Reach, conditions: Sequence[tuple[str, Any]], limit: int, offset: int = 0
) -> tuple[list[Command], int]:
    """Commands that are reached and for which every condition (SQL with one placeholder, value) holds, newest first; how
    many there are in all.
    """
    where, values = reached.where(clearance="clearance", ward="ward", agency="agency", type="entity_type")
    for condition, value in conditions:
        where += f" AND {condition}"
        values.append(value)
    count = f"SELECT count(*) FROM command WHERE {where}"  # noqa: S608 - our own words and placeholders
    page = (
        f"SELECT {_COLUMNS} FROM command WHERE {where} "  # noqa: S608 - our own words and placeholders
        "ORDER BY proposed_at DESC, id DESC LIMIT ? OFFSET ?"
    )
    rows = db.execute(page, (*values, limit, offset)).fetchall()
    return [_command(row) for row in rows], int(db.execute(count, tuple(values)).fetchone()[0])


def _row(one: Command) -> tuple[Any, ...]:
    return (
        one.id,
        one.kind,
        one.entity,
        one.entity_type,
        one.device,
        _encode(one.parameters).decode(),
        one.state,
        one.proposed_by,
        to_micros(one.proposed_at),
        one.because,
        one.incident,
        one.ward,
        one.agency,
        int(one.clearance),
        one.decided_by,
        _micros(one.decided_at),
        _micros(one.sent_at),
        one.sends,
        _micros(one.acknowledged_at),
        _micros(one.ended_at),
        one.reason,
        None if one.value is None else _encode(one.value).decode(),
    )


def _command(row: tuple[Any, ...]) -> Command:
    (
        id_,
        kind,
        entity,
        entity_type,
        device,
        parameters,
        state,
        proposed_by,
        proposed_at,
        because,
        incident,
        ward,
        agency,
        clearance,
        decided_by,
        decided_at,
        sent_at,
        sends,
        acknowledged_at,
        ended_at,
        reason,
        value,
    ) = row
    return Command(
        id_,
        kind,
        entity,
        entity_type,
        device,
        msgspec.json.decode(parameters),
        state,
        proposed_by,
        from_micros(proposed_at),
        because,
        incident,
        ward,
        agency,
        Clearance(clearance),
        decided_by,
        _moment(decided_at),
        _moment(sent_at),
        sends,
        _moment(acknowledged_at),
        _moment(ended_at),
        reason,
        None if value is None else msgspec.json.decode(value),
    )


def _micros(moment: datetime | None) -> int | None:
    return None if moment is None else to_micros(moment)


def _moment(micros: int | None) -> datetime | None:
    return None if micros is None else from_micros(micros)
