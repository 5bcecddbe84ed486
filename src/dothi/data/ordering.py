"""Entities in the order a query asks for (ETSI GS CIM 009 v1.9.1, clause 4.23)."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from dothi.data.collation import collator
from dothi.data.geometry import geometry_of, ground_distance
from dothi.data.predicate import Moment, scalars, targets
from dothi.data.question import Order
from dothi.model.entity import Entity
from dothi.model.problem import Problem

MOST_ORDERED = 100_000
"""How many found entities are put in order at most: more are refused, not cut off."""


def in_order(found: Sequence[Entity], order: Sequence[Order], collation: str | None) -> list[Entity]:
    """``found`` in order; what is equal keeps its place, what has no value comes last whatever the direction.

    Numbers come before texts, objects, lists, truths and moments (clause 4.23.2). Raises Problem 400 for a collation that
    is not known, 403 for more than MOST_ORDERED.
    """
    collate = collator(collation)
    if len(found) > MOST_ORDERED:
        raise too_many()
    result = list(found)
    for level in reversed(order):
        keys = [_key(one, level, collate) for one in result]
        told = [place for place, key in enumerate(keys) if key is not None]
        told.sort(key=keys.__getitem__, reverse=level.descending)  # type: ignore[arg-type]  # None was left out above
        result = [result[place] for place in told] + [one for one, key in zip(result, keys, strict=True) if key is None]
    return result


def too_many() -> Problem:
    """The problem of a list that is too long to be put in order."""
    return Problem(
        403,
        "too-many-results",
        f"More than {MOST_ORDERED} entities are found, too many to put in order.",
        "Ask for fewer: by type, place or value.",
    )


def _key(entity: Entity, level: Order, collate: Callable[[str], object]) -> tuple[int, Any] | None:
    if level.by.attribute == "id":
        return 1, collate(entity.id)
    if level.by.attribute == "type":
        return 1, collate(entity.type)
    if level.by.attribute == "scope":
        return (1, collate(entity.scopes[0])) if entity.scopes else None
    kind, value = next(targets(level.by, entity), ("", None))
    if level.place is not None:
        there = geometry_of(value)
        return None if there is None or there.is_empty else (0, ground_distance(level.place, there))
    if isinstance(value, Moment):
        return 5, value
    if kind == "LanguageProperty" or (isinstance(value, dict) and "@value" in value):
        value = next(iter(scalars(kind, value)), None)
    if value is None:
        return None
    if isinstance(value, bool):
        return 4, value
    if isinstance(value, int | float):
        return 0, value
    if isinstance(value, str):
        return 1, collate(value)
    return 3 if isinstance(value, list) else 2, msgspec.json.encode(value, order="deterministic")
