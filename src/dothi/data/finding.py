"""The answer to an entity query, as numbers of entities: SQL finds who may be meant, Python looks where SQL is not sure.

Rows come in the order in which entities were first created, and no more of them than a page needs, unless they have to be
counted or put in another order.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np

from dothi.data.compiling import Question
from dothi.data.ordering import MOST_ORDERED, in_order, too_many
from dothi.data.predicate import Path, meets, paths, searcher
from dothi.data.question import EntityQuery
from dothi.model.entity import LOCATION, Entity
from dothi.model.problem import Problem
from dothi.store.connection import Connection

MOST_LOOKED_AT = 250_000
"""How many entities one query looks at one by one: what would need more is refused."""
_FIRST, _LARGEST = 64, 2048  # rows taken at a time: a page is found in few, a count in many
Row = tuple[Any, ...]
Build = Callable[[Sequence[int], tuple[str, ...] | None], list[Entity]]
"""Makes the entities with these numbers, in their order, with no attributes but these, as whoever asks may know them."""


@dataclass(slots=True)
class Found:
    """The numbers of the entities on the page, in order; ``total`` of all pages if it was asked for; ``more`` follow."""

    nums: list[int]
    total: int | None = None
    more: bool = False


@dataclass(slots=True)
class Looker:
    """How entities are looked at one by one: ``build`` makes them by number, ``lookup`` those with these ids."""

    build: Build
    lookup: Callable[[Iterable[str]], list[Entity]]
    known: dict[str, Entity | None] = field(default_factory=dict)
    looked_at: int = 0

    def find(self, urn: str) -> Entity | None:
        """What a Relationship leads to."""
        self.fetch([urn])
        return self.known[urn]

    def fetch(self, urns: Iterable[str]) -> None:
        """Look many up at once, so that ``find`` knows them."""
        unknown = {urn for urn in urns if urn not in self.known}
        if unknown:
            self.known.update(dict.fromkeys(unknown))
            self.known.update((one.id, one) for one in self.lookup(sorted(unknown)))


def find(db: Connection, query: EntityQuery, question: Question, looker: Looker, *, count: bool) -> Found:
    """The page of ``query``, which ``question`` says in SQL. Raises Problem 400 or 403 for an order that cannot be had."""
    if query.order:
        return _ordered(query, _hits(db, query, question, looker), looker)
    last = query.offset + query.limit
    if question.sure is None and query.geo is None and query.id_pattern is None:
        statement = f"SELECT e.num {question.sql} ORDER BY e.num LIMIT ? OFFSET ?"
        rows = [num for (num,) in db.execute(statement, [*question.values, query.limit + 1, query.offset])]
        total = db.execute(f"SELECT count(*) {question.sql}", question.values).fetchone()[0] if count else None
        return Found(rows[: query.limit], total, len(rows) > query.limit)
    with closing(_hits(db, query, question, looker)) as hits:
        nums = list(islice(hits, None if count else last + 1))
    return Found(nums[query.offset : last], len(nums) if count else None, len(nums) > last)


def _ordered(query: EntityQuery, hits: Iterator[int], looker: Looker) -> Found:
    nums = list(islice(hits, MOST_ORDERED + 1))
    if len(nums) > MOST_ORDERED:
        raise too_many()
    entities = looker.build(nums, tuple({one.by.attribute for one in query.order}))
    number = {one.id: num for one, num in zip(entities, nums, strict=True)}
    last = query.offset + query.limit
    page = [number[one.id] for one in in_order(entities, query.order, query.collation)[query.offset : last]]
    return Found(page, len(nums), len(nums) > last)


def _hits(db: Connection, query: EntityQuery, question: Question, looker: Looker) -> Generator[int]:
    """The numbers of all that is found, in order."""
    sure = question.sure
    statement = (
        f"SELECT e.num, e.id, {sure.text if sure else '1 = 1'}, e.west, e.south, e.east, e.north {question.sql} "
        "ORDER BY e.num"
    )
    cursor = iter(db.execute(statement, [*(sure.values if sure else ()), *question.values]))
    search = None if query.id_pattern is None else searcher(query.id_pattern)
    size = _FIRST
    while rows := list(islice(cursor, size)):
        kept = rows if search is None else [row for row in rows if search(row[1])]
        if kept:
            yield from _looked_at(query, kept, looker)
        size = min(size * 2, _LARGEST)


def _looked_at(query: EntityQuery, rows: list[Row], looker: Looker) -> list[int]:
    """The numbers of those ``rows`` that are found after all."""
    lies = _lies(query, rows)
    unsure = [row[0] for row, here in zip(rows, lies, strict=True) if here is not False and not (here and row[2])]
    looked: dict[int, bool] = {}
    looker.looked_at += len(unsure)
    if looker.looked_at > MOST_LOOKED_AT:
        raise Problem(
            403, "too-many-results", "Too many entities would have to be looked at.", "Ask by type, id or place too."
        )
    if unsure:
        attributes = {path.attribute for path in paths(query.where)} | ({query.geo.attribute} if query.geo else set())
        entities = looker.build(unsure, tuple(attributes))
        for path in paths(query.where):
            _fetch_linked(path, entities, looker)
        for num, entity in zip(unsure, entities, strict=True):
            looked[num] = _meets(query, entity, looker)
    return [row[0] for row, here in zip(rows, lies, strict=True) if looked.get(row[0], here is not False)]


def _lies(query: EntityQuery, rows: list[Row]) -> list[bool | None]:
    """Whether each of ``rows`` lies as the query wants; None where its box does not tell."""
    geo = query.geo
    if geo is None:
        return [True] * len(rows)
    lies: list[bool | None] = [None] * len(rows)
    if geo.attribute == LOCATION:
        points = [place for place, row in enumerate(rows) if row[3] == row[5] and row[4] == row[6]]
        longitudes = np.array([rows[place][3] for place in points], np.float64)
        latitudes = np.array([rows[place][4] for place in points], np.float64)
        for place, met in zip(points, geo.met_by_points(longitudes, latitudes).tolist(), strict=True):
            lies[place] = met
    return lies


def _meets(query: EntityQuery, entity: Entity, looker: Looker) -> bool:
    if not all(one is None or meets(one, entity, looker.find) for one in (query.which, query.where)):
        return False
    return query.geo is None or query.geo.met_by_one_of(entity)


def _fetch_linked(path: Path, entities: Iterable[Entity], looker: Looker) -> None:
    """Look up all that ``path`` leads to, hop by hop."""
    if path.linked is None:
        return
    urns: set[str] = set()
    for entity in entities:
        found = entity.attributes.get(path.attribute, ())
        for name in path.of_it:
            found = [sub for one in found for sub in one.sub.get(name, ())]
        for one in found:
            urns.update(urn for urn in (one.value if isinstance(one.value, list) else (one.value,)) if isinstance(urn, str))
    looker.fetch(urns)
    _fetch_linked(path.linked, [there for urn in urns if (there := looker.known[urn]) is not None], looker)
