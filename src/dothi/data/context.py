"""What the city is now: entities with their live values, by id, type, value and place. Every question says who asks."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from dothi.access.policy import Clearance, Person, Reach, Thing, reach
from dothi.data.batch import join_value
from dothi.data.classified import Classified
from dothi.data.compiling import compile_query
from dothi.data.document import Document, Instance, attribute_of, by_dataset, read_document, subs_of
from dothi.data.finding import Found, Looker, find
from dothi.data.instances import without_expired
from dothi.data.inventory import Inventories, Inventory, count_types
from dothi.data.question import MOST, EntityQuery
from dothi.data.subjects import subjects
from dothi.model.clock import Clock, SystemClock, from_micros, to_micros
from dothi.model.entity import LOCATION, Attribute, Entity
from dothi.model.problem import Problem
from dothi.model.reading import Grade, Origin, Reason
from dothi.model.schema import EntityType
from dothi.store.connection import Connection
from dothi.store.database import Database

__all__ = ["Context", "EntityPage", "EntityQuery"]

_COLUMNS = (
    "e.num, e.id, e.type, e.clearance, e.ward, e.owner, e.created_at, e.modified_at, e.more_types, e.scopes, e.expires_at, "
    "e.due_at, e.doc"
)
# Over the numbers of a page, which come first: then each entity is looked up by its key.
_ENTITIES = f"SELECT {_COLUMNS} FROM {{numbers}} w CROSS JOIN entity e WHERE e.num = w.value"  # noqa: S608 - constants only
_ENTITY = f"SELECT {_COLUMNS} FROM entity e WHERE e.id = ? AND e.deleted_at IS NULL"  # noqa: S608 - constants only
_SHORT = 65_536  # characters of a document that is read without a thread
_LIVE = (
    "SELECT s.entity, s.attribute, s.dataset, s.unit, l.observed_at, l.number, l.other, l.grade, l.reasons, l.origin, "
    "l.received_at FROM {numbers} w CROSS JOIN series s CROSS JOIN live l "
    "WHERE s.entity = w.value AND l.series_id = s.id AND l.hidden = 0"
)
_OF_ATTRIBUTES = " AND s.attribute IN (SELECT id FROM name WHERE iri IN (SELECT value FROM {texts} a))"
_ROWS = (
    "SELECT e.num, e.id, e.type, e.clearance, e.ward, e.owner, (e.west + e.east) / 2, (e.south + e.north) / 2 "
    "FROM {numbers} w CROSS JOIN entity e WHERE e.num = w.value"
)
_KEPT = "SELECT e.num, e.doc FROM {numbers} w CROSS JOIN entity e WHERE e.num = w.value AND {holds}"
_NAMES = "SELECT id, iri FROM name WHERE iri IN (SELECT value FROM {texts} a)"
_LIVE_DEFAULT = (
    "SELECT s.entity, s.attribute, l.observed_at, l.number, l.other, l.grade, l.reasons FROM {numbers} w "
    "CROSS JOIN {numbers} a CROSS JOIN series s CROSS JOIN live l WHERE s.entity = w.value AND s.attribute = a.value "
    "AND s.dataset = 0 AND l.series_id = s.id AND l.hidden = 0"
)
_GRADES = tuple(Grade)
_ORIGINS = tuple(Origin)


@dataclass(slots=True)
class EntityPage:
    """Entities in the order asked for; ``total`` counts all pages if that was asked for, ``more`` says that some follow."""

    entities: list[Entity]
    total: int | None = None
    more: bool = False


@dataclass(slots=True)
class EntityTable:
    """The same answer as columns of one length, for maps, lists and figures: a fifth of the time of entities.

    ``points`` are (longitude, latitude) of the middle of each place. ``values``, ``observed_at`` (µs UTC), ``grades`` and
    ``reasons`` (flags of model.reading.Reason) hold one column for each attribute of the query's ``attributes``: the
    default instance, None where there is none.
    """

    ids: list[str]
    types: list[str]
    wards: list[str | None]
    points: list[tuple[float, float] | None]
    values: dict[str, list[Any]]
    observed_at: dict[str, list[int | None]]
    grades: dict[str, list[Grade | None]]
    reasons: dict[str, list[int | None]]
    total: int | None = None

    def __len__(self) -> int:
        return len(self.ids)


class Context:
    """The live state of a city, as whoever asks may know it; what is past its time by ``clock`` is not there.

    ``shape`` gives a number that changes with every commit that may change which types and attributes there are; without it
    they are counted anew each time.
    """

    def __init__(
        self,
        database: Database,
        types: Iterable[EntityType],
        clock: Clock | None = None,
        shape: Callable[[], int] | None = None,
    ) -> None:
        self._database, self._classified, self._clock = database, Classified(types), clock or SystemClock()
        self._inventories = Inventories(self._classified, shape)
        self._iris: dict[int, str] = {}

    def get(self, asker: Person, urn: str) -> Entity | None:
        """The entity with this id; None if there is none or ``asker`` may not read it."""
        with self._database.reader() as db:
            return self._get(db, asker, urn, None)

    async def fetch(self, asker: Person, urn: str) -> Entity | None:
        """``get`` for the event loop: at once where that takes less time than to ask a thread, on one where it may not."""
        if self._database.near:
            with suppress(TimeoutError, _Long), self._database.reader(wait=0) as db:
                return self._get(db, asker, urn, _SHORT)
        return await asyncio.to_thread(self.get, asker, urn)

    def _get(self, db: Connection, asker: Person, urn: str, longest: int | None) -> Entity | None:
        reached = reach(asker, "entity.read")
        row = None if reached is None else db.execute(_ENTITY, (urn,)).fetchone()
        if reached is None or row is None:
            return None
        _, _, kind, clearance, ward, owner, _, _, _, _, ends, _, text = row
        thing = Thing(Clearance(clearance), ward, owner, self._iri(db, kind))
        if not reached.covers(thing) or (ends is not None and ends <= self._now()):
            return None
        if longest is not None and len(text) > longest:
            raise _Long
        return self._built(db, reached, [row], None)[0]

    def known(self, asker: Person, urns: Iterable[str]) -> set[str]:
        """Those of ``urns`` that are, or were before they were deleted, things that ``asker`` may read."""
        reached = reach(asker, "entity.read")
        if reached is None:
            return set()
        with self._database.reader() as db:
            return {one.urn for one in subjects(db, reached, self._classified, urns=list(urns))}

    def query(self, asker: Person, query: EntityQuery, *, count: bool = False, heaviest: int | None = None) -> EntityPage:
        """The entities that meet ``query`` and that ``asker`` may read, at one moment; ``count`` asks for the total too.

        Raises Problem 400 for a query that makes no sense, 403 for a page of which more than ``heaviest`` letters are kept.
        """
        reached = reach(asker, "entity.read")
        if reached is None:
            return EntityPage([], 0 if count else None)
        with self._database.reader() as db:
            found = self._find(db, reached, query, count)
            entities = self._build(db, reached, found.nums, query.attributes, heaviest)
            return EntityPage(entities, found.total, found.more)

    def table(self, asker: Person, query: EntityQuery, *, count: bool = False) -> EntityTable:
        """What ``query`` answers, as columns; ``attributes`` of the query (none if it names none) become the columns.

        Raises Problem 400 for a query that makes no sense.
        """
        wanted, reached = query.attributes or (), reach(asker, "entity.read")
        with self._database.reader() as db:
            found = Found([], 0 if count else None) if reached is None else self._find(db, reached, query, count)
            page = _json(found.nums)
            by_num = {row[0]: row for row in db.execute(db.dialect.fill(_ROWS), (page,))}
            rows = [by_num[num] for num in found.nums]
            hides = None if reached is None else self._classified.hides(reached)
            hidden: dict[int, frozenset[str]] = {}
            if hides is not None:
                for row in rows:
                    if unknown := hides(self._iri(db, row[2]), row[3], row[4], row[5]):
                        hidden[row[0]] = unknown
            unplaced = {num for num, unknown in hidden.items() if LOCATION in unknown}
            table = EntityTable(
                [row[1] for row in rows],
                [self._iri(db, row[2]) for row in rows],
                [None if row[0] in unplaced else row[4] for row in rows],
                [None if row[6] is None or row[0] in unplaced else (row[6], row[7]) for row in rows],
                {iri: [None] * len(rows) for iri in wanted},
                {iri: [None] * len(rows) for iri in wanted},
                {iri: [None] * len(rows) for iri in wanted},
                {iri: [None] * len(rows) for iri in wanted},
                found.total,
            )
            names = dict(db.execute(db.dialect.fill(_NAMES), (_json(wanted),)))
            places = {row[0]: place for place, row in enumerate(rows)}
            for iri in wanted:
                for num, text in db.execute(db.dialect.fill(_KEPT), (page, _json(iri))):
                    if iri not in hidden.get(num, ()):
                        fill_kept(table, places[num], iri, text)
            for num, name, observed_at, number, other, grade, reasons in db.execute(
                db.dialect.fill(_LIVE_DEFAULT), (page, _json(list(names)))
            ):
                iri, place = names[name], places[num]
                if hidden and iri in hidden.get(num, ()):
                    continue
                table.values[iri][place] = number if other is None else join_value(number, other)
                table.observed_at[iri][place] = observed_at
                table.grades[iri][place] = _GRADES[grade]
                table.reasons[iri][place] = reasons
            return table

    def types(self, asker: Person) -> dict[str, int]:
        """The types (IRIs) of the entities that ``asker`` may read, and how many there are of each."""
        reached = reach(asker, "entity.read")
        if reached is None:
            return {}
        with self._database.reader() as db:
            return count_types(db, reached, self._now())

    def inventory(self, asker: Person, kind: str | None = None) -> Inventory:
        """What is told of the entities that ``asker`` may read, as far as they may know it; of type ``kind``, or of all."""
        reached = reach(asker, "entity.read")
        if reached is None:
            return Inventory()
        return self._inventories.take(self._database, reached, self._now(), kind)

    def _find(self, db: Connection, reached: Reach, query: EntityQuery, count: bool) -> Found:
        question = compile_query(query, reached, self._classified, db)
        question.add("(e.expires_at IS NULL OR e.expires_at > ?)", self._now())

        def build(nums: Sequence[int], attributes: tuple[str, ...] | None) -> list[Entity]:
            return self._build(db, reached, nums, attributes)

        def lookup(urns: Iterable[str]) -> list[Entity]:
            wanted = EntityQuery(ids=tuple(urns), limit=MOST)
            return build(self._find(db, reached, wanted, False).nums, None)

        return find(db, query, question, Looker(build, lookup), count=count)

    def _build(
        self,
        db: Connection,
        reached: Reach,
        nums: Sequence[int],
        attributes: tuple[str, ...] | None,
        heaviest: int | None = None,
    ) -> list[Entity]:
        rows, weight = [], 0
        for row in db.execute(db.dialect.fill(_ENTITIES), (_json(nums),)):
            weight += len(row[-1])
            if heaviest is not None and weight > heaviest:
                raise Problem(403, "too-many-results", "These entities are too large for one answer.", "Ask for fewer.")
            rows.append(row)
        found = {row[0]: entity for row, entity in zip(rows, self._built(db, reached, rows, attributes), strict=True)}
        return [found[num] for num in nums]

    def _built(
        self, db: Connection, reached: Reach, rows: Sequence[Sequence[Any]], attributes: tuple[str, ...] | None
    ) -> list[Entity]:
        """Entities of ``rows`` with kept and live attributes joined, as far as they are reached."""
        entities: dict[int, Entity] = {}
        documents: dict[int, Document] = {}
        hidden: dict[int, frozenset[str]] = {}
        hides = self._classified.hides(reached)
        moments = _Moments()
        page = _json([row[0] for row in rows])
        now, gone = self._now(), set[tuple[int, str, str | None]]()
        for num, urn, type_id, clearance, ward, owner, created, modified, more, scopes, ends, due, text in rows:
            document = read_document(text)
            if due is not None and due <= now:
                gone |= {
                    (num, iri, one.get("d"))
                    for iri, many in document.items()
                    for one in many
                    if one.get("e", now + 1) <= now
                }
                document = without_expired(document, now)
            unknown = hides(self._iri(db, type_id), clearance, ward, owner) if hides else None
            if unknown:
                hidden[num] = unknown
                document = {iri: instances for iri, instances in document.items() if iri not in unknown}
            if attributes is not None:
                document = {iri: instances for iri, instances in document.items() if iri in attributes}
            documents[num] = document
            kept: dict[str, list[Attribute]] = {}
            for iri, instances in document.items():
                valued = [attribute_of(one, moments) for one in instances if "v" in one]
                if valued:
                    kept[iri] = valued
            type_iri = self._iri(db, type_id)
            seen_in = None if unknown and LOCATION in unknown else ward
            entity = entities[num] = Entity(urn, type_iri, kept, seen_in, owner, moments[created], moments[modified])
            if more is not None:
                entity.more_types = tuple(msgspec.json.decode(more))
            if scopes is not None:
                entity.scopes = tuple(msgspec.json.decode(scopes))
            if ends is not None:
                entity.expires_at = moments[ends]
        statement, values = db.dialect.fill(_LIVE), [page]
        if attributes is not None:
            statement += db.dialect.fill(_OF_ATTRIBUTES)
            values.append(_json(attributes))
        reasons_of = {0: Reason.NONE}
        for num, name, dataset, unit, observed, number, other, grade, reasons, origin, received in db.execute(
            statement, values
        ):
            iri = self._iri(db, name)
            if hidden and iri in hidden.get(num, ()):
                continue
            dataset_id = self._iri(db, dataset) if dataset else None
            if gone and (num, iri, dataset_id) in gone:
                continue
            shell = _shell(documents[num].get(iri, ()), dataset_id)
            why = reasons_of.get(reasons)
            if why is None:
                why = reasons_of[reasons] = Reason(reasons)
            live = Attribute(
                shell.get("k") or ("GeoProperty" if iri == LOCATION else "Property"),
                number if other is None else join_value(number, other),
                moments[observed],
                unit,
                dataset_id,
                _GRADES[grade],
                why,
                _ORIGINS[origin],
                moments[shell["c"]] if "c" in shell else None,
                moments[received],
                subs_of(shell, moments),
                moments[shell["e"]] if "e" in shell else None,
                shell.get("y"),
            )
            _put(entities[num].attributes, iri, live)
        return list(entities.values())

    def _now(self) -> int:
        return to_micros(self._clock.now())

    def _iri(self, db: Connection, name_id: int) -> str:
        iri = self._iris.get(name_id)
        if iri is None:
            iri = self._iris[name_id] = db.execute("SELECT iri FROM name WHERE id = ?", (name_id,)).fetchone()[0]
        return iri


class _Long(Exception):  # noqa: N818 - it is no error, and never leaves this file
    """An entity whose document is too long to be read between two other requests."""


class _Moments(dict[int, datetime]):
    """Moments of one answer: the same few come again and again."""

    def __missing__(self, micros: int) -> datetime:
        moment = self[micros] = from_micros(micros)
        return moment


_NO_SHELL: Instance = {}


def _shell(kept: Sequence[Instance], dataset_id: str | None) -> Instance:
    """What is kept beside a live value: its kind, sub-attributes and when it was created."""
    return next((one for one in kept if one.get("d") == dataset_id), _NO_SHELL)


def _put(attributes: dict[str, list[Attribute]], iri: str, live: Attribute) -> None:
    """Let a live instance stand in place of the kept one of its dataset."""
    instances = attributes.get(iri)
    if instances is None:
        attributes[iri] = [live]
        return
    for place, one in enumerate(instances):
        if one.dataset_id == live.dataset_id:
            instances[place] = live
            return
    instances.append(live)
    instances.sort(key=by_dataset)


def fill_kept(table: EntityTable, place: int, iri: str, text: str) -> None:
    """Put the kept value of attribute ``iri`` in document ``text``, if it has one, at ``place`` of the columns."""
    kept = _shell(read_document(text).get(iri, ()), None)
    if "v" in kept:
        table.values[iri][place] = kept["v"]
        table.grades[iri][place] = _GRADES[kept.get("g", 0)]


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
