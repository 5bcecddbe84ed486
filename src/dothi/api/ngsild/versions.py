"""Answers for clients of an earlier version of the standard (ETSI GS CIM 009 v1.9.1, clause 4.3.6.8; RFC 7240)."""

import re
from typing import Any

from dothi.api.ngsild.writing.reading import SEVERAL_KEYS, VALUE_KEYS
from dothi.model.problem import bad_request

Version = tuple[int, int]
NEWEST: Version = (1, 9)
"""The version that answers conform to."""

# The version that brought each kind of attribute, and what it is told as before that (tables 4.3.6.8-1).
_SINCE = {
    "LanguageProperty": ((1, 4), "Property"),
    "VocabProperty": ((1, 8), "Property"),
    "JsonProperty": ((1, 8), "Property"),
    "ListProperty": ((1, 8), "Property"),
    "ListRelationship": ((1, 8), "Relationship"),
}
# The version that brought a member of an entity, and of an attribute: before it, it is left out (tables 4.3.6.8-1 to -3).
_OF_ENTITY: dict[str, Version] = {"scope": (1, 4), "expiresAt": (1, 9)}
_OF_ATTRIBUTE: dict[str, Version] = {
    "datasetId": (1, 3),
    "observedAt": (1, 3),
    "unitCode": (1, 3),
    "objectType": (1, 8),
    "expiresAt": (1, 9),
    "valueType": (1, 9),
}
_SEVERAL = (1, 3)  # since then an entity has several types, an attribute several instances
_KEYS = {VALUE_KEYS[kind]: kind for kind in _SINCE}
_VALUES = frozenset(VALUE_KEYS.values())
_OVER_TIME = {key: (kind, wrap) for kind, (key, wrap) in SEVERAL_KEYS.items() if kind in _SINCE}
_NO_ATTRIBUTES = frozenset({"id", "type", "scope", "@context", "createdAt", "modifiedAt", "deletedAt", "expiresAt"})
_PREFERRED = re.compile(r"(?:^|,)\s*ngsi-ld\s*=\s*\"?([0-9])\.([0-9]{1,2})\"?\s*(?:[,;]|$)", re.IGNORECASE)
_VERSION = re.compile(r"([0-9])\.([0-9]{1,2})")


def preferred_version(prefer: str) -> Version | None:
    """The version that a Prefer header asks answers to conform to; None if it asks for none."""
    found = _PREFERRED.search(prefer)
    return (int(found[1]), int(found[2])) if found else None


def version_of(text: Any) -> Version:
    """The version of the standard that ``text`` names. Raises Problem 400."""
    found = _VERSION.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise bad_request(f"{text!r:.40} is no version of the standard.", "Write it like 1.5.")
    return int(found[1]), int(found[2])


def told_in(body: Any, version: Version) -> bool:
    """Change entities as they are shown into what ``version`` knows; True if anything had to be."""
    late = _Late(version)
    if not late:
        return False
    changed = False
    for one in body if isinstance(body, list) else (body,):
        for entity in one["features"] if one.get("type") == "FeatureCollection" else (one,):
            members = entity["properties"] if entity.get("type") == "Feature" else entity
            changed |= late.out_of_entity(members)
    return changed


class _Late:
    """What came into the standard after ``version``, and how it is told to who knows no more than that."""

    def __init__(self, version: Version) -> None:
        self._kinds = {kind: told for kind, (since, told) in _SINCE.items() if since > version}
        self._of_entity = [name for name, since in _OF_ENTITY.items() if since > version]
        self._of_attribute = [name for name, since in _OF_ATTRIBUTE.items() if since > version]
        self._alone = version < _SEVERAL

    def __bool__(self) -> bool:
        return bool(self._kinds or self._of_entity or self._of_attribute)

    def out_of_entity(self, members: dict[str, Any]) -> bool:
        """Change an entity; True if anything had to be."""
        changed = _without(members, self._of_entity)
        if self._alone and isinstance(members.get("type"), list):
            members["type"] = members["type"][0]
            changed = True
        return self._out_of(members, _NO_ATTRIBUTES) or changed

    def _out_of(self, holder: dict[str, Any], passed: frozenset[str]) -> bool:
        changed = False
        for name, said in holder.items():
            if name in passed:
                continue
            one = self._first(said) if self._alone else None
            if one is not None:
                holder[name] = said = one
                changed = True
            for each in said if isinstance(said, list) else (said,):
                if isinstance(each, dict):
                    changed |= self._out_of_instance(each)
        return changed

    def _first(self, said: Any) -> Any:
        """Of several instances at one time the default one, or else the first; None of anything else."""
        if not isinstance(said, list) or not all(_is_instance(one) and "instanceId" not in one for one in said):
            return None
        return next((one for one in said if "datasetId" not in one), said[0] if said else None)

    def _out_of_instance(self, one: dict[str, Any]) -> bool:
        """An instance of an attribute, normalized or concise, and its own attributes."""
        changed = _is_instance(one) and _without(one, self._of_attribute)
        key = next((key for key in one if key in _VALUES), None)
        if key is None:
            return self._over_time(one) or changed
        told = self._kinds.get(one.get("type") or _KEYS.get(key, ""))
        if told is not None:
            value = one.pop(key)
            if key == "objectList":
                value = [each["object"] if isinstance(each, dict) else each for each in value]
            one[VALUE_KEYS[told]] = value
            if "type" in one:
                one["type"] = told
            changed = True
        return self._out_of(one, _VALUES | _OF_ATTRIBUTE.keys() | {"type"}) or changed

    def _over_time(self, one: dict[str, Any]) -> bool:
        """The values of an attribute over time, each with its moment."""
        key = next((key for key in one if key in _OVER_TIME), None)
        told = None if key is None else self._kinds.get(_OVER_TIME[key][0])
        if key is None or told is None:
            return False
        wrap = _OVER_TIME[key][1]
        values = one.pop(key)
        one["type"] = told
        one[SEVERAL_KEYS[told][0]] = [
            [value[wrap] if isinstance(value, dict) and wrap in value else value, at] for value, at in values
        ]
        return True


def _is_instance(one: Any) -> bool:
    return isinstance(one, dict) and (one.get("type") in VALUE_KEYS or not _VALUES.isdisjoint(one))


def _without(holder: dict[str, Any], names: list[str]) -> bool:
    """Leave ``names`` out of ``holder``; True if one of them was there."""
    return [holder.pop(name) for name in names if name in holder] != []
