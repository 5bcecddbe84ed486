"""What kinds of things a city holds and what is told of them, counted over what whoever asks may know."""

import threading
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec

from dothi.access.policy import Reach
from dothi.data.classified import OF_ENTITY, Classified
from dothi.model.entity import LOCATION
from dothi.store.connection import Connection
from dothi.store.database import Database

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
_NOTHING: frozenset[str] = frozenset()


class _Sort(NamedTuple):
    """What entities have in common that look alike from here: ``type`` and ``live`` (attribute, dataset) by their numbers,
    ``more_types`` as stored, what may not be known of them, and of each kept instance its attribute, kind and dataset,
    whether its time is not over, and whether it has its value beside it.
    """

    type: int
    more_types: str
    hidden: frozenset[str]
    live: tuple[tuple[int, int], ...]
    told: tuple[tuple[str, str, str | None, bool, bool], ...]


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


_MOST = 64  # questions: those who may know the same ask the same
_FIRST_DUE = "SELECT min(due_at) FROM entity WHERE due_at > ? AND deleted_at IS NULL"


class Inventories:
    """Inventories that were taken, each for as long as it holds: until ``shape`` is another number, or something of it is
    past its time. Thread-safe.
    """

    def __init__(self, classified: Classified, shape: Callable[[], int] | None) -> None:
        self._classified, self._shape = classified, shape
        self._kept: OrderedDict[tuple[Reach, str | None], tuple[int, int | None, Inventory]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, database: Database, reached: Reach, now: int, kind: str | None) -> Inventory:
        """``take_inventory``, or what it found before; whoever gets it changes nothing in it."""
        if self._shape is None:
            with database.reader() as db:
                return take_inventory(db, reached, self._classified, now, kind)
        question = reached, kind
        shape = self._shape()  # before anything is read: a commit that comes meanwhile makes it be read again
        with self._lock:
            kept = self._kept.get(question)
        if kept is not None and kept[0] == shape and (kept[1] is None or now < kept[1]):
            return kept[2]
        with database.reader() as db:
            found = take_inventory(db, reached, self._classified, now, kind)
            (due,) = db.execute(_FIRST_DUE, (now,)).fetchone()
        with self._lock:
            self._kept[question] = shape, due, found
            self._kept.move_to_end(question)
            if len(self._kept) > _MOST:
                self._kept.popitem(last=False)
        return found


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
    names = dict(db.execute("SELECT id, iri FROM name"))
    for sort, count in _sorts(db, reached, classified, now, kind, names).items():
        types = (names[sort.type], *(msgspec.json.decode(sort.more_types) if sort.more_types else ()))
        attributes = _attributes(sort, names)
        for one in types:
            found.types[one] = found.types.get(one, 0) + count
            of_type = found.told.setdefault(one, {})
            for iri, kinds in attributes.items():
                of_type.setdefault(iri, set()).update(kinds)
        for iri, kinds in attributes.items():
            attribute = found.attributes.setdefault(iri, AttributeFound())
            attribute.count += len(kinds) * count
            attribute.kinds.update(kinds)
            attribute.types.update(types)
    return found


def _sorts(
    db: Connection, reached: Reach, classified: Classified, now: int, kind: str | None, names: dict[int, str]
) -> Counter[_Sort]:
    """How many entities there are of each sort: of many thousand, most are made alike."""
    condition, values = reached.where(**OF_ENTITY)
    parameters: list[Any] = [now, *values]
    of_type = ""
    if kind is not None:
        row = db.execute("SELECT id FROM name WHERE iri = ?", (kind,)).fetchone()
        if row is None:
            return Counter()
        of_type = _OF_TYPE
        parameters += [row[0], row[0]]
    shown: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for num, attribute, dataset in db.execute(_LIVE.format(reached=condition) + of_type, parameters):
        shown[num].append((attribute, dataset))
    hides, decode = classified.hides(reached), _DECODER.decode
    found: Counter[_Sort] = Counter()
    for num, name, clearance, ward, owner, more, text in db.execute(
        _ENTITIES.format(reached=condition) + of_type, parameters
    ):
        told = [
            (iri, one.k, one.d, one.e is None or one.e > now, bool(one.v))
            for iri, instances in decode(text).items()
            for one in instances
        ]
        hidden = hides(names[name], clearance, ward, owner) if hides else _NOTHING
        found[_Sort(name, more, hidden, tuple(shown.get(num, ())), tuple(told))] += 1
    return found


def _attributes(sort: _Sort, names: dict[int, str]) -> dict[str, list[str]]:
    """By attribute, the kind of each instance."""
    attributes: dict[str, list[str]] = {}
    live = {(names[attribute], names.get(dataset)) for attribute, dataset in sort.live}
    for iri, kind, dataset_id, lasts, valued in sort.told:
        if lasts and (valued or (iri, dataset_id) in live):
            attributes.setdefault(iri, []).append(kind)
    for iri, _ in live - {(iri, dataset_id) for iri, _, dataset_id, _, _ in sort.told}:
        attributes.setdefault(iri, []).append("GeoProperty" if iri == LOCATION else "Property")
    return {iri: kinds for iri, kinds in attributes.items() if iri not in sort.hidden}
