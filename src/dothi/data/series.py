"""Small numbers for long names: entities, attributes and series by number, half a million of them in a few megabytes."""

import threading
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dothi.access.policy import Clearance
from dothi.data.batch import IntArray, SeriesKey
from dothi.model.problem import Problem
from dothi.store.connection import NOTHING, Connection

NEVER = NOTHING  # an integer column that holds it holds NULL in the database
_MOST_NAMES = 65_535
_NO_KEYS: IntArray = np.empty(0, np.int64)


class SeriesIndex:
    """Entity ↔ number and (entity, attribute, dataset) ↔ series number, with what a write must know of each series.

    Thread-safe. Numbers are given out in memory at once and written by the next commit of the ``Writer``; a number that was
    never written is given out again after a restart, and nothing stored refers to it. Memory per series: 40 bytes.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._names: dict[str, int] = {}
        self._iris: list[str] = [""]
        self._nums: dict[str, int] = {}
        self._urns: list[str] = [""]
        self._alive = np.zeros(1024, np.bool_)
        self._type = np.zeros(1024, np.uint16)
        self._clearance = np.zeros(1024, np.uint8)
        self._observed = np.zeros(1024, np.bool_)
        self._count = 1  # series numbers start at 1, as SQLite's do
        self._entity = np.zeros(4096, np.int32)
        self._attribute = np.zeros(4096, np.uint16)
        self._dataset = np.zeros(4096, np.uint16)
        self._unit = np.zeros(4096, np.uint16)
        self.head: IntArray = np.full(4096, NEVER, np.int64)
        self.shown: IntArray = np.full(4096, NEVER, np.int64)
        # Sorted keys with their series numbers, and the newest ones until they are worth merging.
        self._keys, self._ids = _NO_KEYS, _NO_KEYS
        self._recent: dict[int, int] = {}
        self._new_names: list[int] = []
        self._new_series: set[int] = set()
        self._undo: list[tuple[int, bool, int, int]] = []
        self.shape = 0  # goes up with every commit after which there may be other types or attributes, or elsewhere

    @classmethod
    def load(cls, connection: Connection, above: int = 0) -> "SeriesIndex":
        """The index of everything the database holds; new series are numbered above ``above``.

        A lake that is newer than a restored database has readings under numbers that the database would give out again.
        """
        index = cls()
        for number, iri in connection.execute("SELECT id, iri FROM name ORDER BY id"):
            index._iris.extend([""] * (number + 1 - len(index._iris)))
            index._iris[number] = iri
            index._names[iri] = number
        rows = connection.execute("SELECT num, id, type, clearance, deleted_at IS NULL FROM entity ORDER BY num")
        for num, urn, type_id, clearance, alive in rows:
            index._urns.extend([""] * (num + 1 - len(index._urns)))
            index._urns[num] = urn
            index._nums[urn] = num
            index._fit_entities(num)
            index._type[num], index._clearance[num], index._alive[num] = type_id, clearance, alive
        index._load_series(connection)
        index._count = max(index._count, above + 1)
        index._fit_series(index._count)
        index.fit_state()
        return index

    def _load_series(self, connection: Connection) -> None:
        columns = np.dtype([(name, np.int64) for name in ("id", "entity", "attribute", "dataset", "head", "shown")])
        query = (
            "SELECT s.id, s.entity, s.attribute, s.dataset, coalesce(l.head, ?), coalesce(l.observed_at, ?) "
            "FROM series s LEFT JOIN live l ON l.series_id = s.id"
        )
        rows = np.fromiter(connection.execute(query, (NEVER, NEVER)), columns)
        if not len(rows):
            return
        ids = rows["id"]
        self._count = int(ids.max()) + 1
        self._fit_series(self._count)
        self.fit_state()
        self._entity[ids], self._attribute[ids], self._dataset[ids] = rows["entity"], rows["attribute"], rows["dataset"]
        self.head[ids], self.shown[ids] = rows["head"], rows["shown"]
        self._observed[rows["entity"]] = True
        keys = _packed(rows["entity"], rows["attribute"], rows["dataset"])
        order = np.argsort(keys)
        self._keys, self._ids = keys[order], ids[order].copy()
        for number, unit in connection.execute("SELECT id, unit FROM series WHERE unit IS NOT NULL"):
            self._unit[number] = self._name(unit)

    # Entities

    def num(self, entity_id: str) -> int | None:
        """The number of an entity that exists; None for one that does not, or was deleted."""
        num = self._nums.get(entity_id)
        return num if num is not None and self._alive[num] else None

    def urn(self, num: int) -> str:
        """The id of entity ``num``, deleted or not. Raises IndexError for a number never given out."""
        return self._urns[num]

    def type_of(self, num: int) -> str:
        """The type IRI of entity ``num``."""
        return self._iris[int(self._type[num])]

    def of_type(self, type_iri: str) -> list[str]:
        """The ids of all entities of a type, in the order in which they were made."""
        with self._lock:
            name = self._names.get(type_iri)
            if name is None:
                return []
            return [self._urns[num] for num in np.flatnonzero(self._alive & (self._type == name)).tolist()]

    def urns(self, nums: IntArray, *, alive: bool) -> list[str]:
        """The ids of those of the entities ``nums`` that exist, or that do not."""
        return [self._urns[num] for num in nums[self._alive[nums] == alive].tolist()]

    def by_type(self, nums: IntArray) -> dict[str, list[str]]:
        """The ids of those of the entities ``nums`` that exist, by their type IRI."""
        alive = nums[self._alive[nums]]
        types = self._type[alive]
        return {self._iris[kind]: self.urns(alive[types == kind], alive=True) for kind in np.unique(types).tolist()}

    def clearance_of(self, num: int) -> Clearance:
        """How far entity ``num`` may be known."""
        return Clearance(int(self._clearance[num]))

    def known_clearance(self, entity_id: str) -> Clearance | None:
        """How far the entity with this id may be known, deleted or not; None if there never was one."""
        num = self._nums.get(entity_id)
        return None if num is None or not self._type[num] else self.clearance_of(num)

    def number_of(self, entity_id: str) -> int | None:
        """The number of an entity, deleted or not yet written too; None if none was ever given out."""
        return self._nums.get(entity_id)

    def known(self, entity_id: str) -> int | None:
        """The number of an entity that the database holds, deleted or not."""
        num = self._nums.get(entity_id)
        return num if num is not None and self._type[num] else None

    def observes(self, num: int) -> bool:
        """True if an attribute of entity ``num`` was ever observed."""
        return bool(self._observed[num])

    def entities_alive(self) -> int:
        """How many entities exist."""
        return int(np.count_nonzero(self._alive))

    # Series

    def series(
        self, entity_id: str, attribute: str, dataset_id: str | None = None, unit: str | None = None, *, ended: bool = False
    ) -> int:
        """The number of a series, given out now if it is new. ``unit`` (UN/CEFACT), if given, becomes the series' unit; an
        empty one takes it away.

        Raises KeyError if the entity does not exist (or never did, for one that may have ``ended``), Problem 507 if the city
        has too many different names.
        """
        with self._lock:
            num = self.known(entity_id) if ended else self.num(entity_id)
            if num is None:
                raise KeyError(entity_id)
            key = self._key(num, attribute, dataset_id)
            number = self._lookup(key)
            if number is None:
                number = self._count
                self._count += 1
                self._fit_series(self._count)
                self._entity[number], self._observed[num] = num, True
                self._attribute[number], self._dataset[number] = (key >> 16) & 0xFFFF, key & 0xFFFF
                self._recent[key] = number
                self._new_series.add(number)
                if len(self._recent) > max(4096, len(self._keys) // 4):
                    self._merge()
            if unit is not None and self._iris[self._unit[number]] != unit:
                self._unit[number] = self._name(unit) if unit else 0
                self._new_series.add(number)
            return number

    def resolve(
        self, keys: Sequence[SeriesKey], units: Sequence[str | None] | None = None, *, ended: bool = False
    ) -> IntArray:
        """``series`` for many. Raises KeyError with the id of an entity that does not exist."""
        stated = units or [None] * len(keys)
        numbers = (self.series(*key, unit=unit, ended=ended) for key, unit in zip(keys, stated, strict=True))
        return np.fromiter(numbers, np.int64, len(keys))

    def find(self, entity_id: str, attribute: str, dataset_id: str | None = None) -> int | None:
        """The number of a series, deleted entities included; None if it was never given out."""
        with self._lock:
            num, name = self._nums.get(entity_id), self._names.get(attribute)
            dataset = 0 if dataset_id is None else self._names.get(dataset_id)
            if num is None or name is None or dataset is None:
                return None
            return self._lookup(num << 32 | name << 16 | dataset)

    def entity_of(self, series: IntArray) -> NDArray[np.int32]:
        """Entity numbers of many series."""
        return self._entity[series]

    def owner_of(self, series: int) -> int:
        """Entity number of one series."""
        return int(self._entity[series])

    def attribute_of(self, series: int) -> str:
        """The attribute IRI of a series."""
        return self._iris[int(self._attribute[series])]

    def dataset_of(self, series: int) -> str | None:
        """The dataset id of a series; None for the default instance."""
        return self._iris[int(self._dataset[series])] or None

    def name_id(self, iri: str) -> int | None:
        """The number of a name that is in use."""
        return self._names.get(iri)

    def iri(self, name_id: int) -> str:
        """The name behind a number; empty for 0."""
        return self._iris[name_id]

    def __len__(self) -> int:
        return self._count - 1

    # For the writer: everything below runs inside its transaction.

    def reserve(self, entity_id: str) -> int:
        """The number an entity has or will have."""
        with self._lock:
            num = self._nums.get(entity_id)
            if num is None:
                num = len(self._urns)
                self._urns.append(entity_id)
                self._nums[entity_id] = num
                self._fit_entities(num)
            return num

    def set_entity(self, num: int, *, alive: bool, type_iri: str, clearance: Clearance) -> int:
        """Note an entity's state until ``settle`` or ``undo``; returns the number of its type's name."""
        with self._lock:
            self._undo.append((num, bool(self._alive[num]), int(self._type[num]), int(self._clearance[num])))
            type_id = self._name(type_iri)
            self._alive[num], self._type[num], self._clearance[num] = alive, type_id, clearance
            return type_id

    def intern(self, iri: str) -> int:
        """The number of a name, given out now if it is new. Raises Problem 507 if there are too many."""
        with self._lock:
            return self._name(iri)

    def fit_state(self) -> None:
        """Make ``head`` and ``shown`` cover every number given out. Only the writer grows them: it alone writes to them."""
        if self._count > len(self.head):
            more = self._count + self._count // 2 - len(self.head)
            self.head = np.append(self.head, np.full(more, NEVER, np.int64))
            self.shown = np.append(self.shown, np.full(more, NEVER, np.int64))

    def alive(self, series: IntArray) -> NDArray[np.bool_]:
        """Which of ``series`` belong to entities that exist."""
        return self._alive[self._entity[series]]

    @property
    def highest_clearance(self) -> Clearance:
        """The highest among all entities that are or were: who reaches it everywhere reaches every entity."""
        return Clearance(int(self._clearance.max(initial=0)))

    def strictest(self, series: IntArray) -> Clearance:
        """The highest clearance among the entities of ``series``."""
        return Clearance(int(self._clearance[self._entity[series]].max(initial=0)))

    def of_attribute(self, series: IntArray, attribute: str) -> IntArray:
        """Those of ``series`` that are of one attribute."""
        name = self._names.get(attribute)
        return series[self._attribute[series] == name] if name is not None else series[:0]

    def unwritten(self) -> tuple[list[tuple[int, str]], list[tuple[Any, ...]]]:
        """Rows of ``name`` and ``series`` that the database does not have yet."""
        with self._lock:
            names = [(number, self._iris[number]) for number in self._new_names]
            rows = [
                (
                    number,
                    int(self._entity[number]),
                    int(self._attribute[number]),
                    int(self._dataset[number]),
                    self._iris[self._unit[number]] or None,
                )
                for number in sorted(self._new_series)
                if self._type[self._entity[number]]
            ]
            return names, rows

    def unknown(self, series: IntArray, written: Collection[int]) -> bool:
        """True if a number in ``series`` was never given out, or is neither in the database nor among ``written``."""
        if not len(series):
            return False
        if int(series.min()) < 1 or int(series.max()) >= self._count:
            return True
        with self._lock:
            missing = self._new_series.difference(written)
        return bool(missing) and bool(np.isin(series, list(missing)).any())

    def settle(self, names: Collection[int], rows: Mapping[int, tuple[Any, ...]]) -> None:
        """The commit held: what ``unwritten`` returned is written, by number."""
        with self._lock:
            self._undo.clear()
            self._new_names = [number for number in self._new_names if number not in names]
            for number, *_, unit in rows.values():
                if (self._iris[self._unit[number]] or None) == unit:
                    self._new_series.discard(number)

    def undo(self) -> None:
        """The commit did not hold: entities are again what they were."""
        with self._lock:
            for num, alive, type_id, clearance in reversed(self._undo):
                self._alive[num], self._type[num], self._clearance[num] = alive, type_id, clearance
            self._undo.clear()

    def _key(self, num: int, attribute: str, dataset_id: str | None) -> int:
        return num << 32 | self._name(attribute) << 16 | (0 if dataset_id is None else self._name(dataset_id))

    def _lookup(self, key: int) -> int | None:
        found = self._recent.get(key)
        if found is not None:
            return found
        place = int(np.searchsorted(self._keys, key))
        return int(self._ids[place]) if place < len(self._keys) and self._keys[place] == key else None

    def _name(self, iri: str) -> int:
        number = self._names.get(iri)
        if number is None:
            number = len(self._iris)
            if number > _MOST_NAMES:
                raise Problem(
                    507, "too-many-names", "This city uses too many different names.", "Reuse the names there are."
                )
            self._iris.append(iri)
            self._names[iri] = number
            self._new_names.append(number)
        return number

    def _merge(self) -> None:
        fresh = np.fromiter(self._recent.keys(), np.int64, len(self._recent))
        numbers = np.fromiter(self._recent.values(), np.int64, len(self._recent))
        keys = np.concatenate([self._keys, fresh])
        order = np.argsort(keys, kind="stable")
        self._keys, self._ids = keys[order], np.concatenate([self._ids, numbers])[order]
        self._recent.clear()

    def _fit_entities(self, num: int) -> None:
        while num >= len(self._alive):
            more = len(self._alive) // 2
            self._alive = np.append(self._alive, np.zeros(more, np.bool_))
            self._type = np.append(self._type, np.zeros(more, np.uint16))
            self._clearance = np.append(self._clearance, np.zeros(more, np.uint8))
            self._observed = np.append(self._observed, np.zeros(more, np.bool_))

    def _fit_series(self, count: int) -> None:
        while count > len(self._entity):
            more = len(self._entity) // 2
            self._entity = np.append(self._entity, np.zeros(more, np.int32))
            self._attribute = np.append(self._attribute, np.zeros(more, np.uint16))
            self._dataset = np.append(self._dataset, np.zeros(more, np.uint16))
            self._unit = np.append(self._unit, np.zeros(more, np.uint16))


def _packed(entity: IntArray, attribute: IntArray, dataset: IntArray) -> IntArray:
    return entity << 32 | attribute << 16 | dataset


_NAMES = "INSERT INTO name VALUES (?,?)"
_SERIES = (
    "INSERT INTO series (id, entity, attribute, dataset, unit) VALUES (?,?,?,?,?) "
    "ON CONFLICT (entity, attribute, dataset) DO UPDATE SET unit = excluded.unit"
)


class Written:
    """Names and series that one transaction writes down, as far as they were given out and no other has."""

    def __init__(self, connection: Connection, index: SeriesIndex) -> None:
        self._db, self._index = connection, index
        self._names: dict[int, str] = {}
        self._series: dict[int, tuple[Any, ...]] = {}

    def write(self) -> None:
        """Write what was given out since it was asked for last."""
        told, given = self._index.unwritten()
        names = [one for one in told if one[0] not in self._names]
        if names:
            self._db.executemany(_NAMES, names)
            self._names.update(names)
        series = [row for row in given if self._series.get(row[0]) != row]
        if series:
            self._db.executemany(_SERIES, series)
            self._series.update((row[0], row) for row in series)

    def lack(self, series: IntArray) -> bool:
        """True if a number in ``series`` was never given out, or neither this transaction nor one before has written it."""
        return self._index.unknown(series, self._series)

    def settle(self) -> None:
        """The transaction held."""
        self._index.settle(self._names, self._series)
