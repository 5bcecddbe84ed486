"""Entities as clients read them: normalized, concise, simplified, GeoJSON (ETSI GS CIM 009 v1.8.1, clauses 4.5.1 to 4.5.17).

Plain dicts, made by functions that are put together once for each context and shape: thousands a second go through here.
"""

from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import Any

from dothi.api.encoding import GRADES, ORIGINS, reasons_of
from dothi.api.ngsild.checks import is_geometry
from dothi.api.ngsild.contexts.term_map import TermMap
from dothi.api.ngsild.languages import served
from dothi.api.ngsild.projection import WHOLE, Projection
from dothi.api.ngsild.shape import Shape
from dothi.api.ngsild.writing.reading import BARE, VALUE_KEYS, is_instances
from dothi.model.entity import Attribute, Entity
from dothi.model.reading import Origin

Shown = dict[str, Any]
_TERM = "urn:dothi:term:"
_GRADE, _ORIGIN, _REASONS = _TERM + "grade", _TERM + "origin", _TERM + "reasons"
_EXACT = 2.0**53  # beyond it floats are no longer every whole number


def shaper(context: TermMap, shape: Shape) -> Callable[[Entity], Shown]:
    """A function that shows an entity in ``shape`` and in the names of ``context``."""
    usual = shape.projection is WHOLE and shape.datasets is None and not shape.languages
    return _usual(context, shape) if usual else _shaper(context, shape)


def _shaper(context: TermMap, shape: Shape) -> Callable[[Entity], Shown]:
    members = _members(context, shape, shape.projection)
    if not shape.geojson:
        return members
    geometry_of = _geometry(shape)

    def feature(entity: Entity) -> Shown:
        properties = members(entity)
        properties.pop("id", None)
        return {"id": entity.id, "type": "Feature", "geometry": geometry_of(entity), "properties": properties}

    return feature


# Few, because each keeps its context alive; the shapes that vary without end are put together anew.
_usual = lru_cache(maxsize=64)(_shaper)


def collected(features: list[Shown]) -> Shown:
    """Several features as one document (clause 4.5.16.3)."""
    return {"type": "FeatureCollection", "features": features}


def instance_shaper(context: TermMap, shape: Shape) -> Callable[[list[Attribute]], Any]:
    """A function that shows the instances of one attribute: one alone, or a list of them."""
    return _simple(context, shape) if shape.format == "keyValues" else _full(context, shape)


def _members(context: TermMap, shape: Shape, projection: Projection) -> Callable[[Entity], Shown]:
    compact, instances_of = context.compact, instance_shaper(context, shape)
    shows = None if projection.pick is None and not projection.omit else projection.shows
    sys_attrs, datasets = shape.sys_attrs, shape.datasets

    def show(entity: Entity) -> Shown:
        named: Shown = {"id": entity.id, "type": compact(entity.type)}
        if entity.more_types:
            named["type"] = [named["type"], *map(compact, entity.more_types)]
        if entity.scopes:
            named["scope"] = entity.scopes[0] if len(entity.scopes) == 1 else list(entity.scopes)
        if sys_attrs:
            _put_moments(named, entity.created_at, entity.modified_at, entity.expires_at)
        if shows is not None:
            named = {name: value for name, value in named.items() if shows(name)}
        for iri, instances in entity.attributes.items():
            if shows is not None and not shows(iri):
                continue
            if datasets is not None:
                instances = [one for one in instances if (one.dataset_id or "@none") in datasets]
            if instances:
                named[compact(iri)] = instances_of(instances)
        return named

    return show


def _full(context: TermMap, shape: Shape) -> Callable[[list[Attribute]], Any]:
    """Normalized or concise."""
    compact, languages, sys_attrs = context.compact, shape.languages, shape.sys_attrs
    concise = shape.format == "concise"

    def instances_of(instances: list[Attribute]) -> Any:
        return one_of(instances[0]) if len(instances) == 1 else [one_of(one, alone=False) for one in instances]

    def one_of(one: Attribute, *, alone: bool = True) -> Any:
        kind, value = one.kind, plain_value(one)
        key = VALUE_KEYS[kind]
        language = None
        if kind == "LanguageProperty" and languages and isinstance(value, dict):
            found = served(value, languages)
            if found is not None:
                kind, key, (language, value) = "Property", "value", found
        elif kind == "VocabProperty":
            value = _compacted(value, compact)
        elif kind == "ListRelationship" and not concise:
            value = [{"object": urn} for urn in value]
        shown: Shown = {key: value} if concise else {"type": kind, key: value}
        if concise and kind == "Property" and is_geometry(value):
            shown = {"type": kind, key: value}  # without its kind it would be read as a GeoProperty
        if language is not None and language != "@none":
            shown["lang"] = language
        if one.unit is not None:
            shown["unitCode"] = one.unit
        if one.dataset_id is not None:
            shown["datasetId"] = one.dataset_id
        if one.object_type is not None:
            shown["objectType"] = _compacted(one.object_type, compact)
        if one.observed_at is not None:
            shown["observedAt"] = one.observed_at
            _put_trust(shown, one)
        if sys_attrs:
            _put_moments(shown, one.created_at, one.modified_at, one.expires_at)
        for iri, instances in one.sub.items():
            if iri in BARE:
                shown[BARE[iri]] = instances[0].value
            else:
                shown[compact(iri)] = instances_of(instances)
        return value if concise and alone and len(shown) == 1 and _plain(kind, value) else shown

    def _put_trust(shown: Shown, one: Attribute) -> None:
        # What is measured and good says nothing of it; everything else says how it came to be and how far it may be trusted.
        if one.origin != Origin.MEASURED:
            shown[compact(_ORIGIN)] = ours(ORIGINS[one.origin])
        if one.grade:
            shown[compact(_GRADE)] = ours(GRADES[one.grade])
            shown[compact(_REASONS)] = ours(reasons_of(one.reasons))

    def ours(value: Any) -> Any:
        return value if concise else {"type": "Property", "value": value}

    return instances_of


def plain_value(one: Attribute) -> Any:
    """The value; a reading's, which is kept as a float, without the fraction that it has not."""
    value = one.value
    if type(value) is float and one.observed_at is not None and value.is_integer() and abs(value) < _EXACT:
        return int(value)
    return value


def _plain(kind: str, value: Any) -> bool:
    """Whether a value alone says in concise form what kind of attribute it is of."""
    if kind == "GeoProperty":
        return True
    if kind != "Property" or isinstance(value, dict):
        return False
    return not (isinstance(value, list) and is_instances(value))


def _simple(context: TermMap, shape: Shape) -> Callable[[list[Attribute]], Any]:
    """Simplified, which is called keyValues too (clause 4.5.4)."""
    compact, languages = context.compact, shape.languages

    def instances_of(instances: list[Attribute]) -> Any:
        if len(instances) == 1:
            return value_of(instances[0])
        return {"dataset": {one.dataset_id or "@none": value_of(one) for one in instances}}

    def value_of(one: Attribute) -> Any:
        kind, value = one.kind, plain_value(one)
        if kind == "LanguageProperty":
            found = served(value, languages) if languages and isinstance(value, dict) else None
            return {"languageMap": value} if found is None else found[1]
        if kind == "VocabProperty":
            return {"vocab": _compacted(value, compact)}
        return {"json": value} if kind == "JsonProperty" else value

    return instances_of


def _geometry(shape: Shape) -> Callable[[Entity], Any]:
    iri, datasets = shape.geometry, shape.datasets

    def geometry_of(entity: Entity) -> Any:
        instances = entity.attributes.get(iri, ())
        if datasets is not None:
            instances = [one for one in instances if (one.dataset_id or "@none") in datasets]
        one = next((one for one in instances if one.dataset_id is None), instances[0] if instances else None)
        return one.value if one is not None and one.kind == "GeoProperty" and is_geometry(one.value) else None

    return geometry_of


def _compacted(value: Any, compact: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return compact(value)
    return [compact(one) if isinstance(one, str) else one for one in value]


def _put_moments(shown: Shown, created: datetime | None, modified: datetime | None, expires: datetime | None) -> None:
    if created is not None:
        shown["createdAt"] = created  # msgspec writes aware UTC as RFC 3339 with Z
    if modified is not None:
        shown["modifiedAt"] = modified
    if expires is not None:
        shown["expiresAt"] = expires
