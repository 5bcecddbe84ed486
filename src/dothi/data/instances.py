"""The instances of an entity's attributes, one by one: found, put, taken, merged; pure, for ``data/fragments.py``.

Clauses are those of ETSI GS CIM 009. Documents here are whole: what is observed carries its value and its moment ("t").
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from dothi.data.batch import EntityChange
from dothi.data.document import Document, Instance, instance_of
from dothi.model.clock import to_micros
from dothi.model.entity import NO_MOMENT, NULL, UNSAID, Attribute
from dothi.model.problem import bad_request

SCOPE = "https://uri.etsi.org/ngsi-ld/scope"
_NO_LANGUAGE = "@none"
_NULL = b'"' + NULL.encode() + b'"'
_PLAIN = frozenset({int, float, bool})
_encode = msgspec.json.Encoder().encode
_GEOMETRIES = frozenset(
    {"Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon", "GeometryCollection"}
)


class Said(msgspec.Struct, frozen=True):
    """All that is said of an entity beside who owns it and how far it may be known; ``expires_at`` in µs."""

    types: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    expires_at: int | None = None
    document: Document = {}


class Step(msgspec.Struct, frozen=True):
    """One instance as it was and as it is then, whole; None where there was or is none. SCOPE stands for the scopes."""

    attribute: str
    dataset: str | None
    before: Instance | None
    after: Instance | None


class Turned(msgspec.Struct):
    """What a change makes of an entity, step by step, and what it leaves as it is (attribute IRI, reason)."""

    document: Document
    types: tuple[str, ...]
    scopes: tuple[str, ...]
    expires_at: int | None
    steps: list[Step] = []
    not_updated: list[tuple[str, str]] = []

    @property
    def said(self) -> Said:
        """What is said of the entity now."""
        return Said(self.types, self.scopes, self.expires_at, self.document)


def is_null(attribute: Attribute) -> bool:
    """True if a fragment says that this instance is to go."""
    value = attribute.value
    if isinstance(value, str):
        return value == NULL
    return isinstance(value, dict) and len(value) == 1 and value.get(_NO_LANGUAGE) == NULL


def soonest(document: Document, first: int | None = None) -> int | None:
    """When (µs) the first of these attributes, or of theirs, is past its time, or ``first`` comes; None for never."""
    for instances in document.values():
        for one in instances:
            if "e" in one and (first is None or one["e"] < first):
                first = one["e"]
            if "x" in one:
                first = soonest(one["x"], first)
    return first


def is_observed(document: Document) -> bool:
    """True if an instance of these attributes is observed."""
    for instances in document.values():
        for one in instances:
            if "t" in one:
                return True
    return False


def without_expired(document: Document, now: int) -> Document:
    """``document`` without what was past its time at ``now`` (µs)."""
    kept: Document = {}
    for iri, instances in document.items():
        there = [_shed(one, now) for one in instances if one.get("e", now + 1) > now]
        if there:
            kept[iri] = there
    return kept


def find(instances: Iterable[Instance], dataset: str | None) -> Instance | None:
    """The instance of a dataset; None is the default one."""
    for one in instances:
        if one.get("d") == dataset:
            return one
    return None


def is_there(one: Instance | None) -> bool:
    """An instance that has no value is the shell of readings that were all withdrawn."""
    return one is not None and "v" in one


def put(done: Turned, iri: str, attribute: Attribute, at: int, before: Instance | None = None) -> None:
    """An instance in place of the one of its dataset, or a new one."""
    if before is None and iri in done.document:
        before = find(done.document[iri], attribute.dataset_id)
    set_instance(done, iri, before, instance_of(attribute, at, before))


def set_instance(done: Turned, iri: str, before: Instance | None, after: Instance) -> None:
    """``after`` in place of ``before``."""
    dataset = after.get("d")
    former = done.document.get(iri)
    if not former:
        done.document[iri] = [after]
    elif any(one.get("d") == dataset for one in former):
        done.document[iri] = [after if one.get("d") == dataset else one for one in former]
    else:
        done.document[iri] = sorted([*former, after], key=lambda one: one.get("d", ""))
    done.steps.append(Step(iri, dataset, before if is_there(before) else None, after))


def take(done: Turned, iri: str, dataset: str | None) -> bool:
    """Let one instance go; False if there is none."""
    former = done.document.get(iri, ())
    before = find(former, dataset)
    if before is None:
        return False
    left = [one for one in former if one is not before]
    if left:
        done.document[iri] = left
    else:
        del done.document[iri]
    if is_there(before):
        done.steps.append(Step(iri, dataset, before, None))
    return is_there(before)


def take_all(done: Turned, iri: str) -> bool:
    """Let all instances of an attribute go; False if there is none."""
    former = [one for one in done.document.pop(iri, ()) if "v" in one]
    done.steps += [Step(iri, one.get("d"), one, None) for one in former]
    return bool(former)


def demand_whole(attribute: Attribute) -> None:
    """Refuse what only a fragment may leave out."""
    value = attribute.value
    kind = type(value)
    if kind in _PLAIN or (kind is str and value != NULL):  # most are one of these
        return
    if value is UNSAID:
        raise bad_request("An attribute needs a value.", "Say its value, object, languageMap, json, vocab or list.")
    if is_null(attribute):
        raise bad_request("An attribute cannot be null here.", "Leave it out, or delete it.")
    _demand_no_null(attribute.kind, value)


def _demand_no_null(kind: str, value: Any) -> None:
    """Clause 5.5.4: inside a value, null has a meaning in a merge alone."""
    composed = type(value) is dict or type(value) is list
    if composed and kind != "JsonProperty" and _NULL in _encode(value):
        raise bad_request("Null inside a value takes nothing away here.", "Leave the key out, or merge the entity.")


def of_some_kind(attribute: Attribute, lang: str | None) -> Attribute:
    """An attribute that is new to its entity, of the kind that its value looks like where none is told."""
    demand_whole(attribute)
    if attribute.kind:
        return attribute
    value = attribute.value
    geometry = isinstance(value, dict) and value.get("type") in _GEOMETRIES
    kind = "GeoProperty" if geometry else "LanguageProperty" if lang and isinstance(value, str) else "Property"
    return _with(attribute, kind, {lang: value} if kind == "LanguageProperty" else value)


def _with(attribute: Attribute, kind: str, value: Any) -> Attribute:
    return Attribute(
        kind,
        value,
        attribute.observed_at,
        attribute.unit,
        attribute.dataset_id,
        attribute.grade,
        attribute.reasons,
        attribute.origin,
        sub=attribute.sub,
        expires_at=attribute.expires_at,
        object_type=attribute.object_type,
    )


def merged(before: Instance, fragment: Attribute, at: int, change: EntityChange, *, deep: bool) -> Instance:
    """What a fragment of an attribute makes of an instance; ``deep`` merges values and sub-attributes too."""
    after = {**before, "m": at}
    if fragment.value is not UNSAID:
        value = fragment.value
        if not fragment.kind and before["k"] == "LanguageProperty" and isinstance(value, str):
            value = {change.lang or _NO_LANGUAGE: value}
        if not deep:
            _demand_no_null(before["k"], value)
        mergeable = deep and before["k"] in ("Property", "LanguageProperty", "JsonProperty")
        after["v"] = _merged_value(before["v"], value) if mergeable else value
        for key, said in (("g", fragment.grade), ("r", fragment.reasons), ("o", fragment.origin)):
            _say(after, key, int(said) or None)
    if fragment.unit is not None:
        _say(after, "u", None if fragment.unit == NULL else fragment.unit)
    if fragment.object_type is not None:
        _say(after, "y", None if fragment.object_type == NULL else fragment.object_type)
    observed = fragment.observed_at
    if observed is None and deep and "t" in before:
        observed = change.observed_at
    for key, moment in (("t", observed), ("e", fragment.expires_at)):
        if moment is not None:
            _say(after, key, None if moment == NO_MOMENT else to_micros(moment))
    if fragment.sub:
        _say(after, "x", _merged_subs(before.get("x", {}), fragment.sub, at, change, deep=deep) or None)
    return after


def _merged_subs(
    former: Document, told: dict[str, list[Attribute]], at: int, change: EntityChange, *, deep: bool
) -> Document:
    subs = Turned(dict(former), (), (), None)
    for iri, instances in told.items():
        for attribute in instances:
            before = find(subs.document.get(iri, ()), attribute.dataset_id)
            if is_null(attribute):
                take(subs, iri, attribute.dataset_id)
            elif deep and before is not None and attribute.kind in ("", before["k"]):
                set_instance(subs, iri, before, merged(before, attribute, at, change, deep=True))
            else:
                put(subs, iri, of_some_kind(attribute, None), at, before)
    return subs.document


def _merged_value(former: Any, told: Any) -> Any:
    """RFC 7396, with NGSI-LD's null."""
    if not isinstance(told, dict):
        return told
    merged = dict(former) if isinstance(former, dict) else {}
    for key, value in told.items():
        if value == NULL:
            merged.pop(key, None)
        else:
            merged[key] = _merged_value(merged.get(key), value)
    return merged


def _say(instance: Instance, key: str, value: Any) -> None:
    if value is None:
        instance.pop(key, None)
    else:
        instance[key] = value


def _shed(one: Instance, now: int) -> Instance:
    if "x" not in one:
        return one
    left = without_expired(one["x"], now)
    kept = {key: said for key, said in one.items() if key != "x"}
    return {**kept, "x": left} if left else kept
