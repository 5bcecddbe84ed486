"""What a key of a device's message means: which attribute it is, in which unit, and what may stand there."""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from dothi.devices.registry import MappingRule
from dothi.model.entity import LOCATION
from dothi.model.reading import Reason
from dothi.model.schema import AttributeType, EntityType
from dothi.model.text import Text
from dothi.model.unit import conversion, find_unit

_PLACE = AttributeType("location", LOCATION, Text("Vị trí", "Place"), "geometry")
_MAX_SHAPES = 4_096
_STATED = frozenset(("value", "unit"))
_GEOMETRIES = frozenset(
    ("Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon", "GeometryCollection")
)


@dataclass(frozen=True, slots=True)
class Field:
    """Where the values of one key go. A number without a stated unit becomes ``value * factor + offset``.

    ``unit`` is the declared one (UN/CEFACT), ``type`` None for an attribute its entity type does not declare; ``wrong``
    is UNIT when the mapping names a unit that does not measure the attribute.
    """

    attribute: str
    dataset_id: str | None = None
    unit: str | None = None
    type: AttributeType | None = None
    factor: float = 1.0
    offset: float = 0.0
    wrong: Reason = Reason.NONE

    @property
    def takes_numbers(self) -> bool:
        """True if a bare number is a value of this attribute."""
        return self.type is None or self.type.value in ("number", "json")


class Template:
    """The fields of all devices of one type and mapping: ``positions`` finds the field of a key, ``first`` numbers them.

    ``place`` is the field of where the device says it is. ``personal`` (attributes, by IRI)
    take nothing but sealed values; so do the keys that lead to them.
    """

    def __init__(
        self, kind: EntityType | None, mapping: Mapping[str, MappingRule], first: int, personal: Set[str] = frozenset()
    ) -> None:
        declared = {one.name: Field(one.iri, unit=one.unit, type=one) for one in (kind.attributes if kind else ())}
        mapped = {key: _mapped(kind, rule) for key, rule in mapping.items()}
        chosen = declared | mapped
        self.fields = (*chosen.values(), Field(LOCATION, type=_PLACE))
        self.positions = {key: position for position, key in enumerate(chosen)}
        self.personal = frozenset(key for key, one in chosen.items() if one.attribute in personal)
        self.place = len(chosen)
        self.first = first
        self._shapes: dict[tuple[str, ...], tuple[int, ...]] = {}

    def shape(self, keys: tuple[str, ...]) -> tuple[int, ...] | None:
        """The position of each of ``keys``; None if one of them has no field."""
        shape = self._shapes.get(keys)
        if shape is None:
            if not all(key in self.positions for key in keys):
                return None
            shape = tuple(self.positions[key] for key in keys)
            if len(self._shapes) < _MAX_SHAPES:
                self._shapes[keys] = shape
        return shape


class FieldColumns:
    """The fields of all templates, one after the other, so that a row only carries a number."""

    def __init__(self) -> None:
        self.all: list[Field] = []
        self.add(())

    def add(self, fields: tuple[Field, ...]) -> None:
        """Append a template's fields."""
        self.all.extend(fields)
        self.factor = np.array([one.factor for one in self.all], np.float64)
        self.offset = np.array([one.offset for one in self.all], np.float64)
        self.wrong = np.array([one.wrong for one in self.all], np.int64)
        self.takes_numbers = np.array([one.takes_numbers for one in self.all], np.bool_)


def read_stated(field: Field, cell: Any) -> tuple[Any, Reason]:
    """The value of a cell that is no bare number, in the declared unit, and what is wrong with it (TYPE, UNIT).

    A number whose stated unit does not measure the attribute is kept as it is: the declared unit is assumed.
    """
    factor, offset, wrong = field.factor, field.offset, field.wrong
    value = cell
    if isinstance(cell, dict) and "value" in cell and cell.keys() <= _STATED:
        value = cell["value"]
        stated = cell.get("unit")
        if stated is not None:
            factor, offset, wrong = _conversion(stated if isinstance(stated, str) else "", field.unit)
    if not _fits(field.type, value):
        wrong |= Reason.TYPE
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value * factor + offset, wrong
    return value, wrong


def _fits(kind: AttributeType | None, value: Any) -> bool:
    if value is None:
        return False
    if kind is None or kind.value == "json":
        return True
    if kind.value == "number":
        return isinstance(value, int | float) and not isinstance(value, bool)
    if kind.value == "text":
        return isinstance(value, str)
    if kind.value == "boolean":
        return isinstance(value, bool)
    return isinstance(value, dict) and value.get("type") in _GEOMETRIES and isinstance(value.get("coordinates"), list)


def _mapped(kind: EntityType | None, rule: MappingRule) -> Field:
    declared = kind.attribute(rule.attribute) if kind else None
    unit = declared.unit if declared else None
    factor, offset, wrong = (1.0, 0.0, Reason.NONE) if rule.unit is None else _conversion(rule.unit, unit)
    if declared is None and rule.unit is not None:
        found = find_unit(rule.unit)  # nobody declared a unit: the mapping's is the one values are kept in
        unit, factor, offset, wrong = (found.code if found else None), 1.0, 0.0, Reason.NONE
    return Field(declared.iri if declared else rule.attribute, rule.dataset_id, unit, declared, factor, offset, wrong)


@lru_cache(1_024)
def _conversion(stated: str, declared: str | None) -> tuple[float, float, Reason]:
    """Factor and offset from a stated unit to the declared one; UNIT if they do not measure the same."""
    source, target = find_unit(stated), find_unit(declared or "C62")
    found = conversion(source, target) if source and target else None
    if found is None or (declared is None and source is not target):
        return 1.0, 0.0, Reason.UNIT
    return *found, Reason.NONE
