"""Entity changes into tables: what is not observed is a document beside the entity, what is observed becomes readings."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from dothi.access.policy import Clearance, Person, Thing, may
from dothi.access.secrecy import is_marked, refused
from dothi.data.batch import EntityChange, ReadingRow, join_value
from dothi.data.document import Document, instance_of, read_document, write_document
from dothi.data.series import SeriesIndex
from dothi.data.shape import Box, box_of
from dothi.model.entity import LOCATION, Attribute, Entity
from dothi.model.problem import Problem, not_found
from dothi.store.connection import Connection

Locate = Callable[[float, float], str | None]

_SAVE = (
    "INSERT INTO entity (num, id, type, clearance, ward, owner, west, south, east, north, created_at, modified_at, "
    "deleted_at, doc) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,NULL,?) ON CONFLICT (num) DO UPDATE SET type = excluded.type, "
    "clearance = excluded.clearance, ward = excluded.ward, owner = excluded.owner, west = excluded.west, "
    "south = excluded.south, east = excluded.east, north = excluded.north, created_at = excluded.created_at, "
    "modified_at = excluded.modified_at, deleted_at = NULL, doc = excluded.doc"
)


@dataclass(slots=True)
class _State:
    """What an entity is before a change; all empty for a new one."""

    type: str = ""
    clearance: Clearance = Clearance.INTERNAL
    ward: str | None = None
    owner: str | None = None
    box: Box | None = None
    created_at: int | None = None
    document: Document = field(default_factory=dict)


@dataclass(slots=True)
class Edited:
    """What changes did: numbers of entities by outcome, and the readings they carried."""

    created: list[int] = field(default_factory=list)
    changed: list[int] = field(default_factory=list)
    deleted: list[int] = field(default_factory=list)
    rows: list[ReadingRow] = field(default_factory=list)


class Editor:
    """Writes entity changes on the writer's connection, inside its transaction."""

    def __init__(self, connection: Connection, index: SeriesIndex, locate: Locate) -> None:
        self._db, self._index, self._locate = connection, index, locate

    def edit(self, change: EntityChange, person: Person, at: int, done: Edited, action: str = "entity.write") -> None:
        """Apply one change at ``at`` (µs).

        Raises Problem 403 for what is marked as a state secret, and if ``person`` may not do ``action`` to what the entity
        was, to what it is to be, or to what it was before it was deleted (its history comes back with it); 404 or 409 if
        the entity is absent or present against the kind of change, 400 for a location that is no geometry.
        """
        entity, kind = change.entity, change.kind
        if is_marked(_told(entity)):
            raise refused()
        exists = self._index.num(entity.id) is not None
        if kind == "create" and exists:
            raise Problem(409, "already-exists", f"{entity.id} exists already.", "Merge into it, or choose another id.")
        if kind in ("merge", "replace", "delete") and not exists:
            raise not_found("entity", entity.id)
        num = self._index.reserve(entity.id)
        former = self._state(num)
        before = former if exists and former is not None else _State()
        if kind == "replace":
            before = replace(before, document={}, box=None, ward=None)
        clearance = (former or before).clearance if change.clearance is None else change.clearance
        box, ward = self._placed(before, entity)
        things = [Thing(clearance, ward, entity.owner or before.owner, entity.type or before.type)]
        if former is not None:
            things.append(Thing(former.clearance, former.ward, former.owner, former.type))
        if not all(may(person, action, thing) for thing in things):
            raise Problem(403, "forbidden", f"{person.id} may not change {entity.id}.", "Ask the agency that owns it.")
        if kind == "delete":
            self._delete(num, before, at)
            done.deleted.append(num)
            return
        if not (entity.type or before.type):
            raise Problem(400, "bad-request", f"{entity.id} has no type.", "Say what kind of thing it is.")
        if kind == "replace":
            self._hide_all(num)
        self._save(num, before, entity, (clearance, box, ward), at, done)
        (done.changed if exists else done.created).append(num)

    def move(self, series: Iterable[int]) -> None:
        """Take the shown value of location ``series`` over as the place of their entities."""
        for number in series:
            row = self._db.execute("SELECT other FROM live WHERE series_id = ? AND hidden = 0", (number,)).fetchone()
            if row is None:
                continue
            try:
                box = box_of(join_value(None, row[0]))
            except Problem:
                continue  # the reading stands as it was told; a place that is none moves nothing
            ward = self._locate((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
            num = self._index.owner_of(number)
            self._db.execute(
                "UPDATE entity SET west = ?, south = ?, east = ?, north = ?, ward = ? WHERE num = ?", (*box, ward, num)
            )
            self._place(num, box)

    def _placed(self, before: _State, entity: Entity) -> tuple[Box | None, str | None]:
        """Where the entity will be: the ward of its place, whatever ward it claims. Raises Problem 400 for no geometry."""
        box, ward = before.box, entity.ward or before.ward
        told = entity.attributes.get(LOCATION)
        if told is not None and not told:
            box, ward = None, entity.ward
        for attribute in told or ():
            if attribute.observed_at is None and attribute.dataset_id is None:
                box = box_of(attribute.value)
        if box is not None and box != before.box:
            ward = self._locate((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
        return box, ward

    def _state(self, num: int) -> _State | None:
        """What an entity is, or was before it was deleted; None if there never was one."""
        columns = "type, clearance, ward, owner, west, south, east, north, created_at, doc"
        row = self._db.execute(f"SELECT {columns} FROM entity WHERE num = ?", (num,)).fetchone()  # noqa: S608 - constants
        if row is None:
            return None
        box = None if row[4] is None else (row[4], row[5], row[6], row[7])
        return _State(self._index.iri(row[0]), Clearance(row[1]), row[2], row[3], box, row[8], read_document(row[9]))

    def _save(
        self,
        num: int,
        before: _State,
        entity: Entity,
        after: tuple[Clearance, Box | None, str | None],
        at: int,
        done: Edited,
    ) -> None:
        document, (clearance, box, ward) = before.document, after
        for iri, instances in entity.attributes.items():
            if not instances:
                self._remove(entity.id, document, iri)
            for attribute in instances:
                self._keep(entity.id, document, iri, attribute, at, done)
        type_iri = entity.type or before.type
        type_id = self._index.set_entity(num, alive=True, type_iri=type_iri, clearance=clearance)
        owner = entity.owner or before.owner
        created = at if before.created_at is None else before.created_at
        corners = box or (None, None, None, None)
        text = write_document(document)
        self._db.execute(_SAVE, (num, entity.id, type_id, int(clearance), ward, owner, *corners, created, at, text))
        if box != before.box or before.created_at is None:
            self._place(num, box)

    def _keep(self, entity_id: str, document: Document, iri: str, attribute: Attribute, at: int, done: Edited) -> None:
        kept = document.setdefault(iri, [])
        slot = next((i for i, one in enumerate(kept) if one.get("d") == attribute.dataset_id), None)
        instance = instance_of(attribute, at, None if slot is None else kept[slot])
        if slot is not None:
            kept[slot] = instance
        else:
            kept.append(instance)
            kept.sort(key=lambda one: one.get("d", ""))
        series = self._index.find(entity_id, iri, attribute.dataset_id)
        observed = attribute.observed_at is not None
        if series is not None:
            self._db.execute(
                "UPDATE live SET hidden = ? WHERE series_id = ? AND observed_at IS NOT NULL", (int(not observed), series)
            )
        if attribute.observed_at is not None:
            done.rows.append(
                ReadingRow(
                    entity_id,
                    iri,
                    attribute.observed_at,
                    attribute.value,
                    attribute.origin,
                    attribute.unit,
                    attribute.dataset_id,
                    grade=attribute.grade,
                    reasons=attribute.reasons,
                )
            )

    def _remove(self, entity_id: str, document: Document, iri: str) -> None:
        document.pop(iri, None)
        num, name = self._index.num(entity_id), self._index.name_id(iri)
        if num is not None and name is not None:
            query = (
                "UPDATE live SET hidden = 1 WHERE series_id IN (SELECT id FROM series WHERE entity = ? AND attribute = ?)"
            )
            self._db.execute(query, (num, name))

    def _delete(self, num: int, before: _State, at: int) -> None:
        self._hide_all(num)
        self._db.execute("UPDATE entity SET deleted_at = ?, modified_at = ?, doc = '{}' WHERE num = ?", (at, at, num))
        self._place(num, None)
        self._index.set_entity(num, alive=False, type_iri=before.type, clearance=before.clearance)

    def _hide_all(self, num: int) -> None:
        query = "UPDATE live SET hidden = 1 WHERE series_id IN (SELECT id FROM series WHERE entity = ?)"
        self._db.execute(query, (num,))

    def _place(self, num: int, box: Box | None) -> None:
        if box is None:
            self._db.execute("DELETE FROM place WHERE num = ?", (num,))
        else:
            self._db.execute(self._db.dialect.save_place, (num, *box))


def _told(entity: Entity) -> dict[str, list[dict[str, object]]]:
    """All that is said about an entity, by name."""
    return _said(entity.attributes)


def _said(attributes: dict[str, list[Attribute]]) -> dict[str, list[dict[str, object]]]:
    return {iri: [{"value": one.value, **_said(one.sub)} for one in instances] for iri, instances in attributes.items()}
