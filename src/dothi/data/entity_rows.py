"""Rows of entities as a transaction sees them: many read at once, changed in memory, many written at once."""

from collections.abc import Iterable
from typing import Any

import msgspec

from dothi.access.policy import Clearance
from dothi.data.batch import join_value
from dothi.data.document import Document, Instance, read_document, shell_of, write_document
from dothi.data.instances import Said, find, is_observed, soonest
from dothi.data.series import SeriesIndex
from dothi.data.shape import Box
from dothi.model.entity import LOCATION
from dothi.store.connection import Connection

_COLUMNS = (
    "e.num, e.id, e.type, e.clearance, e.ward, e.owner, e.west, e.south, e.east, e.north, e.created_at, e.modified_at, "
    "e.deleted_at, e.more_types, e.scopes, e.expires_at, e.due_at, e.doc"
)
_ONE = f"SELECT {_COLUMNS} FROM entity e WHERE e.num = ?"  # noqa: S608 - constants only
_SOME = f"SELECT {_COLUMNS} FROM {{numbers}} w CROSS JOIN entity e WHERE e.num = w.value"  # noqa: S608 - constants only
_LIVE = (
    "SELECT s.entity, s.attribute, s.dataset, s.unit, l.observed_at, l.number, l.other, l.grade, l.reasons, l.origin, "
    "l.received_at FROM {numbers} w CROSS JOIN series s CROSS JOIN live l "
    "WHERE s.entity = w.value AND l.series_id = s.id AND l.hidden = 0"
)
_SAVE = (
    "INSERT INTO entity (num, id, type, clearance, ward, owner, west, south, east, north, created_at, modified_at, "
    "deleted_at, more_types, scopes, expires_at, due_at, doc) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?) "
    "ON CONFLICT (num) DO UPDATE SET type = excluded.type, "
    "clearance = excluded.clearance, ward = excluded.ward, owner = excluded.owner, west = excluded.west, "
    "south = excluded.south, east = excluded.east, north = excluded.north, created_at = excluded.created_at, "
    "modified_at = excluded.modified_at, deleted_at = excluded.deleted_at, more_types = excluded.more_types, "
    "scopes = excluded.scopes, expires_at = excluded.expires_at, due_at = excluded.due_at, doc = excluded.doc"
)
# The same where nothing but the document changed: no index is touched.
_SAVE_DOCUMENT = (
    "UPDATE entity SET modified_at = w.column1, doc = w.column2 "
    "FROM (VALUES (CAST(? AS bigint), CAST(? AS text), CAST(? AS integer))) w WHERE num = w.column3"
)
_CLEARANCES = tuple(Clearance)
_NOTHING_SAID = Said(("",))
_NO_CORNERS = (None, None, None, None)


class State(msgspec.Struct):
    """What an entity is, or was before it was deleted; ``num`` 0 is none. Moments in µs."""

    num: int = 0
    id: str = ""
    alive: bool = False
    clearance: Clearance = Clearance.INTERNAL
    ward: str | None = None
    owner: str | None = None
    box: Box | None = None
    created_at: int | None = None
    modified_at: int = 0
    said: Said = msgspec.field(default_factory=Said)
    due_at: int | None = None

    @property
    def expires_at(self) -> int | None:
        """When it is gone."""
        return self.said.expires_at

    def ended(self, at: int) -> "State":
        """The same after it was deleted at ``at``."""
        said = Said(self.said.types)
        return State(self.num, self.id, False, self.clearance, self.ward, self.owner, self.box, self.created_at, at, said)


class EntityRows:
    """Reads and writes on the writer's connection, inside its transaction."""

    def __init__(self, connection: Connection, index: SeriesIndex) -> None:
        self._db, self._index = connection, index
        self._before: dict[int, State] = {}
        self._now: dict[int, State] = {}

    def load(self, urns: Iterable[str]) -> None:
        """Read the entities with these ids, with what they are observed to be; what was read before is forgotten."""
        self._before, self._now = {}, {}
        nums = [num for num in map(self._index.known, urns) if num is not None]
        if not nums:
            return
        if len(nums) == 1:
            rows = self._db.execute(_ONE, nums).fetchall()
        else:
            rows = self._db.execute(self._db.dialect.fill(_SOME), (_json(nums),)).fetchall()
        documents = {row[0]: read_document(row[-1]) for row in rows}
        observing = [num for num in documents if self._index.observes(num)]
        if observing:
            self._observe(documents, observing)
        for row in rows:
            self._before[row[0]] = self._state(row, documents[row[0]])

    def state(self, urn: str) -> State | None:
        """What the entity is at this point of the transaction; None if there never was one."""
        num = self._index.number_of(urn)
        return None if num is None else self._now.get(num) or self._before.get(num)

    def put(self, state: State) -> None:
        """This is what an entity is now."""
        self._now[state.num] = state

    def write(self) -> None:
        """Write what was put."""
        whole, documents, unplaced, placed = [], [], [], []
        for num, state in self._now.items():
            before = self._before.get(num)
            document = state.said.document
            text = write_document(document)
            # Where not even the letters of a key are found, nothing of it need be looked for.
            state.due_at = soonest(document, state.said.expires_at) if '"e":' in text else state.said.expires_at
            if '"t":' in text and is_observed(document):
                text = write_document({iri: [shell_of(one) for one in many] for iri, many in document.items()})
            if before is not None and _same_beside_document(before, state):
                documents.append((state.modified_at, text, num))
                continue
            whole.append(self._row(state, text))
            box = state.box if state.alive else None
            if before is None or not before.alive or box != before.box:
                if box is not None:
                    placed.append((num, *box))
                elif before is not None:
                    unplaced.append((num,))
        if documents:
            self._db.executemany(_SAVE_DOCUMENT, documents)
        if whole:
            self._db.executemany(_SAVE, whole)
            self._save_lists()
        if unplaced:
            self._db.executemany("DELETE FROM place WHERE num = ?", unplaced)
        if placed:
            self._db.executemany(self._db.dialect.save_place, placed)

    def move(self, num: int, box: Box, ward: str | None) -> None:
        """An entity is somewhere else."""
        self._db.execute(
            "UPDATE entity SET west = ?, south = ?, east = ?, north = ?, ward = ? WHERE num = ?", (*box, ward, num)
        )
        self._db.execute(self._db.dialect.save_place, (num, *box))

    def _observe(self, documents: dict[int, Document], nums: list[int]) -> None:
        """Put what is observed into the documents: an instance that is shown, in place of its shell."""
        index = self._index
        for num, name, dataset, unit, at, number, other, grade, reasons, origin, heard in self._db.execute(
            self._db.dialect.fill(_LIVE), (_json(nums),)
        ):
            iri, dataset_id = index.iri(name), index.iri(dataset) or None
            instances = documents[num].get(iri, [])
            shell = find(instances, dataset_id)
            live: Instance = {"k": "GeoProperty" if iri == LOCATION else "Property", "c": heard, **(shell or {})}
            live |= {"v": number if other is None else join_value(number, other), "t": at, "m": heard}
            for key, value in (("u", unit), ("d", dataset_id), ("g", grade), ("r", reasons), ("o", origin)):
                if value:
                    live[key] = value
                else:
                    live.pop(key, None)
            left = [one for one in instances if one is not shell]
            documents[num][iri] = sorted([*left, live], key=lambda one: one.get("d", ""))

    def _state(self, row: tuple[Any, ...], document: Document) -> State:
        num, urn, type_id, clearance, ward, owner, west, south, east, north, *rest, _ = row
        created, modified, deleted, more, scopes, expires, due = rest
        types = (self._index.iri(type_id), *(msgspec.json.decode(more) if more else ()))
        said = Said(types, tuple(msgspec.json.decode(scopes)) if scopes else (), expires, document)
        box = None if west is None else (west, south, east, north)
        return State(num, urn, deleted is None, _CLEARANCES[clearance], ward, owner, box, created, modified, said, due)

    def _row(self, state: State, text: str) -> tuple[Any, ...]:
        said = state.said
        type_id = self._index.set_entity(state.num, alive=state.alive, type_iri=said.types[0], clearance=state.clearance)
        return (
            state.num,
            state.id,
            type_id,
            int(state.clearance),
            state.ward,
            state.owner,
            *(state.box or _NO_CORNERS),
            state.created_at,
            state.modified_at,
            None if state.alive else state.modified_at,
            _json(said.types[1:]) if len(said.types) > 1 else None,
            _json(said.scopes) if said.scopes else None,
            said.expires_at,
            state.due_at,
            text,
        )

    def _save_lists(self) -> None:
        """Further types and scopes, where they changed, so that they are found."""
        types, scopes, cleared_types, cleared_scopes = [], [], [], []
        for num, state in self._now.items():
            former = self._before.get(num)
            before = former.said if former is not None and former.alive else _NOTHING_SAID
            now = state.said if state.alive else _NOTHING_SAID
            if len(now.types) + len(before.types) > 2 and now.types[1:] != before.types[1:]:
                cleared_types.append((num,))
                types += [(num, self._index.intern(iri)) for iri in now.types[1:]]
            if now.scopes != before.scopes:
                cleared_scopes.append((num,))
                scopes += [(num, path) for path in dict.fromkeys(now.scopes)]
        for statement, rows in (
            ("DELETE FROM further_type WHERE entity = ?", cleared_types),
            ("INSERT INTO further_type (entity, type) VALUES (?,?)", types),
            ("DELETE FROM scope WHERE entity = ?", cleared_scopes),
            ("INSERT INTO scope (entity, path) VALUES (?,?)", scopes),
        ):
            if rows:
                self._db.executemany(statement, rows)


def _same_beside_document(one: State, other: State) -> bool:
    said, told = one.said, other.said
    return (
        one.alive == other.alive
        and one.clearance == other.clearance
        and one.ward == other.ward
        and one.owner == other.owner
        and one.box == other.box
        and one.created_at == other.created_at
        and said.types == told.types
        and said.scopes == told.scopes
        and said.expires_at == told.expires_at
        and one.due_at == other.due_at
    )


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
