"""Devices in the database: rows out of decisions, and decisions out of rows."""

import sys
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from dothi.devices.specs import Device, MappingRule
from dothi.model.text import fold
from dothi.store.connection import Connection
from dothi.store.database import Database

_SAVE = """
INSERT INTO device (id, entity_id, entity_type, name, owner, cadence_s, longitude, latitude, ward, state, created_at,
mapping, flags, folded) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)
ON CONFLICT (id) DO UPDATE SET entity_id = excluded.entity_id, entity_type = excluded.entity_type, name = excluded.name,
owner = excluded.owner, cadence_s = excluded.cadence_s, longitude = excluded.longitude, latitude = excluded.latitude,
ward = excluded.ward, state = excluded.state, mapping = excluded.mapping, flags = excluded.flags, folded = excluded.folded
"""
_LOAD = """
SELECT id, entity_id, entity_type, name, owner, cadence_s, longitude, latitude, ward, state, created_at, mapping, flags,
last_seen FROM device
"""

Mapping = dict[str, MappingRule]
_mapping = msgspec.json.Decoder(Mapping)
_flags = msgspec.json.Decoder(tuple[str, ...])


class Mappings:
    """One dict for all devices with the same mapping: thousands of the same make have it."""

    def __init__(self) -> None:
        self._known: dict[frozenset[tuple[str, MappingRule]], Mapping] = {}

    def one(self, mapping: Mapping) -> Mapping:
        """The dict equal to ``mapping`` that was seen first."""
        return self._known.setdefault(frozenset(mapping.items()), mapping)


def save_devices(connection: Connection, devices: Iterable[Device]) -> None:
    """Write devices down, and take them out of the lobby."""
    listed = list(devices)
    connection.executemany(
        _SAVE,
        [
            (
                one.id,
                one.entity_id,
                one.entity_type,
                one.name,
                one.owner,
                one.cadence_s,
                one.longitude,
                one.latitude,
                one.ward,
                one.state,
                one.created_at,
                msgspec.json.encode(one.mapping).decode(),
                msgspec.json.encode(one.flags).decode(),
                fold(f"{one.id} {one.name} {one.owner or ''}"),
            )
            for one in listed
        ],
    )
    connection.executemany("DELETE FROM lobby WHERE device = ?", [(one.id,) for one in listed])


def save_seen(connection: Connection, rows: Sequence[tuple[int, str]]) -> None:
    """Write down when devices were heard: (µs UTC, device)."""
    connection.executemany("UPDATE device SET last_seen = ? WHERE id = ?", rows)


def load_devices(database: Database, mappings: Mappings) -> Iterator[tuple[Device, int | None]]:
    """Every device with the moment it was last heard (µs UTC)."""
    cadences: dict[float, float] = {}
    with database.reader() as connection:
        for row in connection.execute(_LOAD):
            (
                one,
                entity_id,
                kind,
                name,
                owner,
                cadence,
                longitude,
                latitude,
                ward,
                state,
                created_at,
                mapping,
                flags,
                seen,
            ) = row
            # The same few owners, types, wards and cadences come again and again: one object each.
            device = Device(
                id=one,
                entity_id=entity_id,
                entity_type=sys.intern(kind),
                name=name,
                owner=sys.intern(owner) if owner else None,
                cadence_s=cadences.setdefault(cadence, cadence),
                longitude=longitude,
                latitude=latitude,
                ward=sys.intern(ward) if ward else None,
                mapping=mappings.one(_mapping.decode(mapping)),
                state=sys.intern(state),
                created_at=created_at,
                flags=_flags.decode(flags),
            )
            yield device, seen


def find_matching(database: Database, text: str) -> set[str]:
    """Ids of devices whose id, name or owner contains ``text``, blind to accents and case."""
    wanted = fold(text.strip()).replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    with database.reader() as connection:
        rows = connection.execute("SELECT id FROM device WHERE folded LIKE ? ESCAPE '\\'", (f"%{wanted}%",))
        return {row[0] for row in rows}
