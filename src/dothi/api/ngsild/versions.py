"""Answers for clients of an earlier version of the standard (ETSI GS CIM 009 v1.9.1, clause 4.3.6.8; RFC 7240)."""

import re
from typing import Any

from dothi.api.ngsild.writing.reading import SEVERAL_KEYS, VALUE_KEYS

# The version that brought each kind of attribute; before it, it is told as a Property.
_SINCE = {
    "LanguageProperty": (1, 4),
    "VocabProperty": (1, 8),
    "JsonProperty": (1, 8),
    "ListProperty": (1, 8),
    "ListRelationship": (1, 8),
}
_KEYS = {VALUE_KEYS[kind]: kind for kind in _SINCE}
_VALUES = frozenset(VALUE_KEYS.values())
_OVER_TIME = {key: (kind, wrap) for kind, (key, wrap) in SEVERAL_KEYS.items() if kind in _SINCE}
_NO_ATTRIBUTES = frozenset({"id", "type", "scope", "@context", "createdAt", "modifiedAt", "expiresAt"})
_PREFERRED = re.compile(r"(?:^|,)\s*ngsi-ld\s*=\s*\"?([0-9])\.([0-9]{1,2})\"?\s*(?:[,;]|$)", re.IGNORECASE)


def preferred_version(prefer: str) -> tuple[int, int] | None:
    """The version that a Prefer header asks answers to conform to; None if it asks for none."""
    found = _PREFERRED.search(prefer)
    return (int(found[1]), int(found[2])) if found else None


def told_in(body: Any, version: tuple[int, int]) -> bool:
    """Change entities as they are shown into what ``version`` knows; True if anything had to be."""
    late = frozenset(kind for kind, since in _SINCE.items() if since > version)
    if not late:
        return False
    changed = False
    for one in body if isinstance(body, list) else (body,):
        for entity in one["features"] if one.get("type") == "FeatureCollection" else (one,):
            members = entity["properties"] if entity.get("type") == "Feature" else entity
            changed |= _members(members, late, _NO_ATTRIBUTES)
    return changed


def _members(holder: dict[str, Any], late: frozenset[str], passed: frozenset[str]) -> bool:
    changed = False
    for name, said in holder.items():
        if name not in passed:
            for one in said if isinstance(said, list) else (said,):
                if isinstance(one, dict):
                    changed |= _instance(one, late)
    return changed


def _instance(one: dict[str, Any], late: frozenset[str]) -> bool:
    """An instance of an attribute, normalized or concise, and its own attributes."""
    key = next((key for key in one if key in _VALUES), None)
    if key is None:
        return _over_time(one, late)
    kind = one.get("type") or _KEYS.get(key)
    changed = kind in late
    if changed:
        value = one.pop(key)
        one["value"] = (
            [each["object"] if isinstance(each, dict) else each for each in value] if key == "objectList" else value
        )
        if "type" in one:
            one["type"] = "Property"
    return _members(one, late, _VALUES | {"type"}) or changed


def _over_time(one: dict[str, Any], late: frozenset[str]) -> bool:
    """The values of an attribute over time, each with its moment."""
    key = next((key for key in one if key in _OVER_TIME), None)
    if key is None or _OVER_TIME[key][0] not in late:
        return False
    wrap = _OVER_TIME[key][1]
    told = one.pop(key)
    one["type"] = "Property"
    one["values"] = [[value[wrap] if isinstance(value, dict) and wrap in value else value, at] for value, at in told]
    return True
