"""What kinds of things a city holds and what is told of them, counted over what whoever asks may know."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from dothi.access.policy import Reach
from dothi.data.classified import OF_ENTITY, Classified
from dothi.model.entity import LOCATION
from dothi.store.connection import Connection

_THERE = "e.deleted_at IS NULL AND (e.expires_at IS NULL OR e.expires_at > ?) AND {reached}"
_OF_TYPE = " AND (e.type = ? OR e.num IN (SELECT f.entity FROM further_type f WHERE f.type = ?))"
_TYPES = f"SELECT e.type, count(*) FROM entity e WHERE {_THERE} GROUP BY e.type"  # noqa: S608 - constants only
_FURTHER = (
    "SELECT f.type, count(*) FROM further_type f JOIN entity e ON e.num = f.entity "  # noqa: S608 - constants only
    f"WHERE {_THERE} GROUP BY f.type"
)
_ENTITIES = (
    "SELECT e.num, e.type, e.clearance, e.ward, e.owner, e.more_types, e.doc FROM entity e "  # noqa: S608 - constants only
    f"WHERE {_THERE}"
)
_LIVE = (
    "SELECT s.entity, s.attribute, s.dataset FROM entity e CROSS JOIN series s CROSS JOIN live l "  # noqa: S608 - constants only
    f"WHERE s.entity = e.num AND l.series_id = s.id AND l.hidden = 0 AND {_THERE}"
)


class _Instance(msgspec.Struct):
    """What has to be known of a kept instance: all but its value is left unread."""

    k: str = ""
    v: msgspec.Raw = msgspec.Raw(b"")
    d: str | None = None
    e: int | None = None


_DECODER = msgspec.json.Decoder(dict[str, list[_Instance]])


@dataclass(slots=True)
class AttributeFound:
    """An attribute over all entities: how many instances there are, of which kinds, on entities of which types."""

    count: int = 0
    kinds: set[str] = field(default_factory=set)
    types: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Inventory:
    """Types and attributes (IRIs). ``types`` counts entities, one of several types in each; ``told`` gives by type the
    kinds of every attribute that entities of it have.
    """

    types: dict[str, int] = field(default_factory=dict)
    attributes: dict[str, AttributeFound] = field(default_factory=dict)
    told: dict[str, dict[str, set[str]]] = field(default_factory=dict)


def count_types(db: Connection, reached: Reach, now: int) -> dict[str, int]:
    """The types of all entities that are reached at ``now`` (µs), and how many there are of each."""
    condition, values = reached.where(**OF_ENTITY)
    found: dict[str, int] = {}
    for statement in (_TYPES, _FURTHER):
        rows = db.execute(statement.format(reached=condition), [now, *values])
        for name, count in rows.fetchall():
            (iri,) = db.execute("SELECT iri FROM name WHERE id = ?", (name,)).fetchone()
            found[iri] = found.get(iri, 0) + count
    return found


def take_inventory(db: Connection, reached: Reach, classified: Classified, now: int, kind: str | None) -> Inventory:
    """All that is reached at ``now`` (µs), or what there is of type ``kind`` alone."""
    found = Inventory()
    for types, attributes in _each(db, reached, classified, now, kind):
        for one in types:
            found.types[one] = found.types.get(one, 0) + 1
            of_type = found.told.setdefault(one, {})
            for iri, kinds in attributes.items():
                of_type.setdefault(iri, set()).update(kinds)
        for iri, kinds in attributes.items():
            attribute = found.attributes.setdefault(iri, AttributeFound())
            attribute.count += len(kinds)
            attribute.kinds.update(kinds)
            attribute.types.update(types)
    return found


def _each(
    db: Connection, reached: Reach, classified: Classified, now: int, kind: str | None
) -> Iterator[tuple[tuple[str, ...], dict[str, list[str]]]]:
    """Of each entity its types and, by attribute, the kind of each instance."""
    condition, values = reached.where(**OF_ENTITY)
    parameters: list[Any] = [now, *values]
    of_type = ""
    if kind is not None:
        row = db.execute("SELECT id FROM name WHERE iri = ?", (kind,)).fetchone()
        if row is None:
            return
        of_type = _OF_TYPE
        parameters += [row[0], row[0]]
    names = dict(db.execute("SELECT id, iri FROM name"))
    shown: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for num, attribute, dataset in db.execute(_LIVE.format(reached=condition) + of_type, parameters):
        shown[num].append((attribute, dataset))
    hides = classified.hides(reached)
    for num, name, clearance, ward, owner, more, text in db.execute(
        _ENTITIES.format(reached=condition) + of_type, parameters
    ):
        attributes: dict[str, list[str]] = {}
        document = _DECODER.decode(text)
        live = {(names[attribute], names.get(dataset)) for attribute, dataset in shown.get(num, ())}
        for iri, instances in document.items():
            for one in instances:
                if (one.e is None or one.e > now) and ((iri, one.d) in live or bytes(one.v)):
                    attributes.setdefault(iri, []).append(one.k)
        for iri, dataset_id in live:
            if not any(one.d == dataset_id for one in document.get(iri, ())):
                attributes.setdefault(iri, []).append("GeoProperty" if iri == LOCATION else "Property")
        unknown = hides(names[name], clearance, ward, owner) if hides else ()
        for iri in unknown:
            attributes.pop(iri, None)
        yield (names[name], *(msgspec.json.decode(more) if more else ())), attributes
