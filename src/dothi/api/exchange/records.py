"""The city's other records (devices, lobby, quarantine …) as NDJSON, one row a line, and the audit log with its chain."""

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa

from dothi.access.policy import Clearance, Reach, Thing
from dothi.api.exchange.layout import AUDIT, damaged, moment_of, moment_text
from dothi.data.classified import OF_DEVICE
from dothi.store import (
    command_tables,
    incident_tables,
    invented_tables,
    kind_tables,
    message_tables,
    report_tables,
    rule_tables,
    tables,
    view_tables,
)
from dothi.store.audit import GENESIS, Row, seal, walk
from dothi.store.checkpoints import Checkpoint
from dothi.store.connection import Connection

PAGE = 2_000


@dataclass(frozen=True, slots=True)
class Record:
    """A table that leaves as it is. ``order`` are the columns that sort it; ``json`` hold JSON text; ``given`` are numbers
    that a home gives out itself: they stay behind, and the order of the lines gives them again.

    ``beside`` joins the device of a row (``d``) and what it reports on (``e``): the row leaves with who reaches those. A
    table without leaves with who reaches ``clearance`` throughout the city.
    """

    table: sa.Table
    order: tuple[str, ...]
    json: tuple[str, ...] = ()
    given: tuple[str, ...] = ()
    beside: str = ""
    clearance: Clearance = Clearance.INTERNAL

    @property
    def file(self) -> str:
        """Its file in the folder."""
        return f"{self.table.name}.ndjson"

    @property
    def columns(self) -> list[sa.Column[Any]]:
        """What of it leaves."""
        return [column for column in self.table.columns if column.name not in self.given]


_REPORTS_ON = "LEFT JOIN entity e ON e.id = d.entity_id"
RECORDS = (
    Record(tables.device, ("id",), ("mapping", "flags"), beside=f"LEFT JOIN device d ON d.id = r.id {_REPORTS_ON}"),
    Record(tables.lobby, ("device",)),
    Record(tables.quarantine, ("id",), given=("id",), beside=f"LEFT JOIN device d ON d.id = r.device {_REPORTS_ON}"),
    Record(tables.retention, ("dataset",)),
    Record(tables.saved_query, ("id",), ("display",), given=("id",)),
    Record(tables.jsonld_context, ("id",), ("body",)),
    # What an entity was may be all that it is, hidden attributes too.
    Record(tables.evolution, ("entity", "attribute", "dataset", "at", "kind"), ("body",), clearance=Clearance.RESTRICTED),
    # Who is assigned, what was said about whom, photos nobody released: with who may know the most.
    Record(
        incident_tables.incident,
        ("month", "number"),
        ("help", "proof", "tasks", "steps_done", "clocks", "told"),
        clearance=Clearance.RESTRICTED,
    ),
    Record(
        incident_tables.incident_entry, ("number",), ("changes", "refs"), given=("number",), clearance=Clearance.RESTRICTED
    ),
    # Answers and timelines name photos by their numbers, so these travel; the pictures are in photos/.
    Record(incident_tables.incident_photo, ("number",), ("boxes",), clearance=Clearance.RESTRICTED),
    Record(incident_tables.incident_link, ("incident", "kind", "ref"), clearance=Clearance.RESTRICTED),
    Record(command_tables.command, ("month", "number"), ("parameters", "value"), clearance=Clearance.RESTRICTED),
    Record(incident_tables.incident_help, ("incident", "unit"), clearance=Clearance.RESTRICTED),
    Record(incident_tables.shift, ("number",), given=("number",), clearance=Clearance.RESTRICTED),
    # Without whom to ask: that is in the vault, which stays.
    Record(report_tables.report, ("at", "id"), given=("subject",), clearance=Clearance.RESTRICTED),
    Record(report_tables.report_rating, ("report", "answered_at"), clearance=Clearance.RESTRICTED),
    Record(invented_tables.invented, ("kind", "ref")),
    Record(view_tables.incident_view, ("number",), given=("number",)),
    Record(kind_tables.incident_kind, ("id", "version")),
    Record(message_tables.site_message, ("number",), given=("number",)),
    Record(rule_tables.rule, ("id",)),
    Record(rule_tables.rule_version, ("rule", "version"), ("body",)),
    Record(rule_tables.rule_cell, ("rule", "subject")),
    Record(rule_tables.alert_group, ("id",), ("wards",), clearance=Clearance.RESTRICTED),
    Record(rule_tables.alert, ("id",), clearance=Clearance.RESTRICTED),
    Record(rule_tables.maintenance, ("id",)),
    # What went into a run may be all that the city itself reads.
    Record(tables.run, ("requested_at", "id"), ("options", "inputs", "outputs"), clearance=Clearance.RESTRICTED),
    Record(tables.audit_checkpoint, ("seq",), clearance=Clearance.RESTRICTED),
)
_CHECKPOINT = RECORDS[-1]
# Everything else a city's database holds, and where it is in an export.
ELSEWHERE = {
    "entity": "entities.ndjson and entities-deleted.ndjson",
    "further_type": "entities.ndjson",
    "scope": "entities.ndjson",
    "reading": "readings/",
    "series": "series.parquet",
    "live": "series.parquet",
    "name": "names are written out wherever they are used",
    "forecast": "forecasts/",
    "audit": "audit.ndjson",
    "meta": "where a replay stood, in the manifest; the rest is of this home only",
    "account": "who may sign in is each home's own",
    "credential": "who may sign in is each home's own",
    "session": "who may sign in is each home's own",
    "ticket": "who may sign in is each home's own",
    "device_credential": "secrets of devices are each home's own",
    "enrolment": "secrets of devices are each home's own",
    "personal_purpose": "personal data never leaves with a city",
    "personal_subject": "personal data never leaves with a city",
    "personal_consent": "personal data never leaves with a city",
    "personal_record": "personal data never leaves with a city",
    "personal_look": "personal data never leaves with a city",
    "personal_request": "personal data never leaves with a city",
    "anchor": "made again from the readings",
    "late": "made again from the readings",
    "subscription": "whom a home tells, with their secrets, is each home's own",
    "notification": "whom a home tells, with their secrets, is each home's own",
    "telling_wish": "whom a home writes to is each home's own",
    "telling_unit": "whom a home writes to is each home's own",
    "telling_mark": "whom a home writes to is each home's own",
    "telling_stop": "whom a home writes to is each home's own",
    "telling_note": "whom a home writes to is each home's own",
    "telling_letter": "whom a home writes to is each home's own",
    "outbox": "what this home still has to tell its own pages and rules",
    "dispatch_cursor": "what this home still has to tell its own pages and rules",
    "parked": "what this home still has to tell its own pages and rules",
    "dirty_day": "what this home's lake still has to take in",
    "unsealed": "what this home's lake still has to take in",
}


def rows_of(db: Connection, record: Record, reached: Reach) -> Iterator[dict[str, Any]]:
    """Every row that ``reached`` lets leave, as it is written, in order; a page of them in memory at a time."""
    columns = record.columns
    wanted = dict.fromkeys([*(column.name for column in columns), *record.order])
    after: tuple[Any, ...] | None = None
    if record.beside:
        condition, values = reached.where(**OF_DEVICE)
    else:
        condition, values = ("1 = 1", []) if reached.covers(Thing(record.clearance)) else ("1 = 0", [])
    source = f"FROM {record.table.name} r {record.beside} WHERE {condition}"
    while True:
        key = ", ".join(f"r.{name}" for name in record.order)
        where = "" if after is None else f"AND ({key}) > ({', '.join('?' * len(after))}) "
        query = f"SELECT {', '.join(f'r.{name}' for name in wanted)} {source} {where}ORDER BY {key} LIMIT {PAGE}"
        rows = db.execute(query, [*values, *(after or ())]).fetchall()
        for row in rows:
            yield {column.name: _out(record, column, cell) for column, cell in zip(columns, row, strict=False)}
        if len(rows) < PAGE:
            return
        places = list(wanted)
        after = tuple(rows[-1][places.index(name)] for name in record.order)


def values_of(record: Record, row: Mapping[str, Any]) -> tuple[Any, ...]:
    """The row to store of a line that ``rows_of`` wrote. Raises KeyError, TypeError or ValueError if it is not one."""
    return tuple(_in(record, column, row[column.name]) for column in record.columns)


def insert_of(record: Record) -> str:
    """The statement that stores ``values_of``."""
    names = [column.name for column in record.columns]
    return f"INSERT INTO {record.table.name} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"  # noqa: S608 - ours


def lines(path: Path, start: int = 0) -> Iterator[dict[str, Any]]:
    """The rows of an NDJSON file from line ``start`` on. Raises msgspec.DecodeError for a line that is no object."""
    with path.open("rb") as stream:
        for number, line in enumerate(stream):
            if number >= start:
                yield msgspec.json.decode(line, type=dict[str, Any])


def acts_of(db: Connection) -> Iterator[dict[str, Any]]:
    """The audit log, oldest first, each act with its seal: SHA-256 over the seal before it and the act as a JSON array."""
    for row in walk(db):
        yield {**row._asdict(), "hash": row.hash.hex()}  # "at" in µs, as it is sealed


def verified_acts(folder: Path, head: str) -> Iterator[Row]:
    """The rows of an exported audit log.

    Raises Problem 400 at the first act that does not follow from the one before, or is not the one a checkpoint signed.
    """
    signed = _checkpoints(folder)
    previous = GENESIS
    for count, line in enumerate(lines(folder / AUDIT), 1):
        told = (*(line[name] for name in Row._fields[:8]), line.get("source", ""), line.get("why", ""))
        previous = seal(previous, told)
        if line["seq"] != count or line["hash"] != previous.hex():
            raise damaged(folder, f"act {count} of its audit log does not follow from the one before")
        if count in signed and signed.pop(count).hash != previous:
            raise damaged(folder, f"act {count} of its audit log is not the one that was signed")
        yield Row._make((*told, previous))
    if previous.hex() != head or signed:
        raise damaged(folder, "its audit log does not end where its manifest says")


def _checkpoints(folder: Path) -> dict[int, Checkpoint]:
    """The checkpoints of an exported audit log by the act they sign. Raises Problem 400 for one that nobody signed."""
    path = folder / _CHECKPOINT.file
    found = [Checkpoint(*values_of(_CHECKPOINT, line)) for line in lines(path)] if path.is_file() else []
    for one in found:
        if not one.signed():
            raise damaged(folder, f"the checkpoint at act {one.seq} of its audit log is not what was signed")
    return {one.seq: one for one in found}


def _out(record: Record, column: sa.Column[Any], cell: Any) -> Any:
    if cell is None:
        return None
    if isinstance(column.type, sa.LargeBinary):
        return base64.b64encode(bytes(cell)).decode()
    if _is_moment(column):
        return moment_text(cell)
    # Empty text stands for nothing there, and for nothing here.
    return (msgspec.json.decode(cell) if cell else None) if column.name in record.json else cell


def _in(record: Record, column: sa.Column[Any], said: Any) -> Any:
    if column.name in record.json:
        return "" if said is None else msgspec.json.encode(said).decode()
    if said is None:
        return None
    if isinstance(column.type, sa.LargeBinary):
        return base64.b64decode(said, validate=True)
    return moment_of(said) if _is_moment(column) else said


def _is_moment(column: sa.Column[Any]) -> bool:
    return column.name in ("at", "first_seen", "last_seen") or column.name.endswith("_at")
