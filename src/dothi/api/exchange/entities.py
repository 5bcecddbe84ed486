"""One entity as one line of normalized NGSI-LD (ETSI GS CIM 009 v1.8.1, clauses 4.5.1 to 4.5.5 and 4.8), and back.

Names are expanded, so the core context alone explains a line. What NGSI-LD has no word for (clearance, ward, owner, grade,
reasons, origin) carries names of ours, ``urn:dothi:term:…``.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from dothi.access.policy import Clearance
from dothi.api.encoding import GRADES, ORIGINS, reasons_of
from dothi.api.exchange.layout import moment_of, moment_text
from dothi.api.ngsild.contexts.bundled import CORE_URL
from dothi.api.ngsild.writing.reading import VALUE_KEYS
from dothi.data.batch import join_value
from dothi.data.document import Instance
from dothi.data.restoring import KeptEntity
from dothi.model.entity import LOCATION
from dothi.model.reading import Grade, Origin, Reason

TERM = "urn:dothi:term:"
_CLEARANCE, _WARD, _OWNER, _KEPT = (TERM + name for name in ("clearance", "ward", "owner", "kept"))
_GRADE, _REASONS, _ORIGIN = (TERM + name for name in ("grade", "reasons", "origin"))
_ENTITY_WORDS = frozenset({"id", "type", "scope", "@context", "createdAt", "modifiedAt", "deletedAt", "expiresAt"})
_OURS = frozenset({_CLEARANCE, _WARD, _OWNER, _KEPT})
_WORDS = frozenset({"type", "unitCode", "datasetId", "observedAt", "createdAt", "modifiedAt", "expiresAt", "objectType"}) | {
    _GRADE,
    _REASONS,
    _ORIGIN,
}
_VALUES = frozenset(VALUE_KEYS.values()) | {"value"}
_GRADES = {word: int(grade) for grade, word in GRADES.items()}
_ORIGINS = {word: int(origin) for origin, word in ORIGINS.items()}
_REASON_BITS = {reasons_of(one)[0]: int(one) for one in Reason if one.name and one.value}


@dataclass(slots=True)
class Shown:
    """What a series shows now; ``observed_at`` and ``received_at`` in µs UTC."""

    attribute: str
    dataset: str | None
    unit: str | None
    observed_at: int
    number: float | None
    other: str | None
    grade: int
    reasons: int
    origin: int


def line_of(entity: KeptEntity, live: Iterable[Shown]) -> dict[str, Any]:
    """The entity as NGSI-LD, its observed attributes with the value they show. Attributes come sorted by name."""
    answer: dict[str, Any] = {"id": entity.id, "type": entity.type}
    if entity.more_types:
        answer["type"] = [entity.type, *entity.more_types]
    if entity.scopes:
        answer["scope"] = list(entity.scopes)
    attributes: dict[str, list[tuple[str, dict[str, Any]]]] = {}
    kept: dict[str, list[Instance]] = {}
    shells = {(iri, one.get("d")): one for iri, instances in entity.document.items() for one in instances}
    for one in live:
        shell = shells.pop((one.attribute, one.dataset), {})
        attributes.setdefault(one.attribute, []).append((one.dataset or "", _observed(one, shell)))
        if "v" in shell or _unsaid(shell) or one.unit != shell.get("u", one.unit):
            kept.setdefault(one.attribute, []).append(shell)
    for (iri, dataset), instance in shells.items():
        if "v" in instance:
            attributes.setdefault(iri, []).append((dataset or "", _stated(instance)))
        if "v" not in instance or _unsaid(instance):
            kept.setdefault(iri, []).append(instance)
    for iri in sorted(attributes):
        instances = [shown for _, shown in sorted(attributes[iri], key=lambda pair: pair[0])]
        answer[_term(iri)] = instances[0] if len(instances) == 1 else instances
    answer[_CLEARANCE] = {"type": "Property", "value": entity.clearance.name.lower()}
    if entity.ward is not None:
        answer[_WARD] = {"type": "Property", "value": entity.ward}
    if entity.owner is not None:
        answer[_OWNER] = {"type": "Property", "value": entity.owner}
    if kept:
        by_dataset = {iri: sorted(kept[iri], key=lambda one: one.get("d", "")) for iri in sorted(kept)}
        answer[_KEPT] = {"type": "JsonProperty", "json": by_dataset}
    answer["createdAt"], answer["modifiedAt"] = moment_text(entity.created_at), moment_text(entity.modified_at)
    if entity.deleted_at is not None:
        answer["deletedAt"] = moment_text(entity.deleted_at)
    if entity.expires_at is not None:
        answer["expiresAt"] = moment_text(entity.expires_at)
    answer["@context"] = CORE_URL
    return answer


def entity_of(line: Mapping[str, Any]) -> KeptEntity:
    """The entity that ``line_of`` wrote. Raises KeyError, TypeError or ValueError if it is not one."""
    created, modified = moment_of(line["createdAt"]), moment_of(line["modifiedAt"])
    if created is None or modified is None:
        raise ValueError("an entity without a beginning")
    types = line["type"] if isinstance(line["type"], list) else [line["type"]]
    entity = KeptEntity(
        line["id"],
        types[0],
        Clearance[line[_CLEARANCE]["value"].upper()],
        line[_WARD]["value"] if _WARD in line else None,
        line[_OWNER]["value"] if _OWNER in line else None,
        created,
        modified,
        moment_of(line.get("deletedAt")),
        {},
        more_types=tuple(types[1:]),
        scopes=tuple(line.get("scope", ())),
        expires_at=moment_of(line.get("expiresAt")),
    )
    for name, said in line.items():
        if name in _ENTITY_WORDS or name in _OURS:
            continue
        iri = LOCATION if name == "location" else name
        instances = [_instance(one) for one in (said if isinstance(said, list) else [said])]
        kept = [one for one in instances if one]
        if kept:
            entity.document[iri] = kept
        if iri == LOCATION:
            first = said[0] if isinstance(said, list) else said
            entity.place = first.get("value") if "datasetId" not in first else None
    for iri, instances in line.get(_KEPT, {}).get("json", {}).items():
        told = {one.get("d"): one for one in entity.document.get(iri, [])} | {one.get("d"): one for one in instances}
        entity.document[iri] = [told[dataset] for dataset in sorted(told, key=lambda name: name or "")]
    return entity


def properties_of(line: Mapping[str, Any]) -> dict[str, Any]:
    """The default instance of each attribute as a plain value, by IRI (``location`` for the place), for GeoJSON and CSV."""
    found: dict[str, Any] = {}
    for name, said in line.items():
        if name in _ENTITY_WORDS or name in _OURS:
            continue
        first = said[0] if isinstance(said, list) else said
        key = next((one for one in first if one in _VALUES), None)
        if key is not None and "datasetId" not in first:
            found[name] = first[key]
    return found


def observed_at(line: Mapping[str, Any]) -> str | None:
    """The newest moment that any attribute of the entity was observed at, RFC 3339."""
    instances = (one for said in line.values() for one in (said if isinstance(said, list) else [said]))
    return max((one["observedAt"] for one in instances if isinstance(one, dict) and "observedAt" in one), default=None)


def facts_of(line: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Ward code and owner of a line."""
    return line.get(_WARD, {}).get("value"), line.get(_OWNER, {}).get("value")


def grade_word(grade: int) -> str:
    """'good', 'suspect' or 'bad'."""
    return GRADES[Grade(grade)]


def origin_word(origin: int) -> str:
    """'measured', 'modelled', 'simulated' or 'replayed'."""
    return ORIGINS[Origin(origin)]


def reasons_word(reasons: int) -> str:
    """The reasons by name, with spaces between; empty for none."""
    return " ".join(reasons_of(reasons))


def grade_number(word: str) -> int:
    """What ``grade_word`` wrote. Raises KeyError."""
    return _GRADES[word]


def origin_number(word: str) -> int:
    """What ``origin_word`` wrote. Raises KeyError."""
    return _ORIGINS[word]


def reasons_number(words: str) -> int:
    """What ``reasons_word`` wrote. Raises KeyError."""
    return sum(_REASON_BITS[word] for word in words.split())


def _term(iri: str) -> str:
    return "location" if iri == LOCATION else iri


def _unsaid(kept: Instance) -> bool:
    """True if a sub-attribute bears a name that a line needs for itself: then it is kept beside, as it is."""
    return any(name in _WORDS or name in _VALUES for name in kept.get("x", ()))


def _subs(kept: Instance) -> dict[str, Any]:
    """The attributes of an attribute itself, but for those ``_unsaid``."""
    found = {name: said for name, said in kept.get("x", {}).items() if name not in _WORDS and name not in _VALUES}
    return {name: [_stated(one) for one in said] for name, said in found.items()}


def _observed(one: Shown, shell: Instance) -> dict[str, Any]:
    kind = shell.get("k") or ("GeoProperty" if one.attribute == LOCATION else "Property")
    shown: dict[str, Any] = _subs(shell)
    shown |= {"type": kind, VALUE_KEYS.get(kind, "value"): join_value(one.number, one.other)}
    if one.unit is not None:
        shown["unitCode"] = one.unit
    if one.dataset is not None:
        shown["datasetId"] = one.dataset
    shown["observedAt"] = moment_text(one.observed_at)
    _judged(shown, one.grade, one.reasons, one.origin)
    _lasts(shown, shell)
    return shown


def _stated(instance: Instance) -> dict[str, Any]:
    kind = instance["k"]
    shown: dict[str, Any] = _subs(instance)
    shown |= {"type": kind, VALUE_KEYS.get(kind, "value"): instance["v"]}
    if "u" in instance:
        shown["unitCode"] = instance["u"]
    if "d" in instance:
        shown["datasetId"] = instance["d"]
    if "t" in instance:
        shown["observedAt"] = moment_text(instance["t"])
    _judged(shown, instance.get("g", 0), instance.get("r", 0), instance.get("o", 0))
    _lasts(shown, instance)
    return shown


def _lasts(shown: dict[str, Any], kept: Instance) -> None:
    if "y" in kept:
        shown["objectType"] = kept["y"]
    if "e" in kept:
        shown["expiresAt"] = moment_text(kept["e"])
    if "c" in kept:
        shown["createdAt"], shown["modifiedAt"] = moment_text(kept["c"]), moment_text(kept["m"])


def _judged(shown: dict[str, Any], grade: int, reasons: int, origin: int) -> None:
    if grade:
        shown[_GRADE] = {"type": "Property", "value": grade_word(grade)}
    if reasons:
        shown[_REASONS] = {"type": "ListProperty", "valueList": reasons_of(reasons)}
    if origin:
        shown[_ORIGIN] = {"type": "Property", "value": origin_word(origin)}


def _instance(shown: Mapping[str, Any], *, below: bool = False) -> Instance:
    """What is kept beside the entity of one instance; nothing of one that only its readings know.

    One that lies ``below`` another keeps its moment itself.
    """
    kind = shown["type"]
    kept: Instance = {"k": kind}
    if below and "observedAt" in shown:
        kept["t"] = moment_of(shown["observedAt"])
    if below or "observedAt" not in shown:
        kept["v"] = shown[VALUE_KEYS.get(kind, "value")]
        if _GRADE in shown:
            kept["g"] = grade_number(shown[_GRADE]["value"])
        if _REASONS in shown:
            kept["r"] = reasons_number(" ".join(shown[_REASONS]["valueList"]))
        if _ORIGIN in shown:
            kept["o"] = origin_number(shown[_ORIGIN]["value"])
    elif "createdAt" not in shown:
        return {}
    if "unitCode" in shown:
        kept["u"] = shown["unitCode"]
    if "datasetId" in shown:
        kept["d"] = shown["datasetId"]
    if "objectType" in shown:
        kept["y"] = shown["objectType"]
    if "expiresAt" in shown:
        kept["e"] = moment_of(shown["expiresAt"])
    subs = {name: said for name, said in shown.items() if name not in _WORDS and name not in _VALUES}
    if subs:
        kept["x"] = {name: [_instance(one, below=True) for one in said] for name, said in subs.items()}
    kept["c"], kept["m"] = moment_of(shown["createdAt"]), moment_of(shown["modifiedAt"])
    return kept


def encode(line: Mapping[str, Any]) -> bytes:
    """A line of NDJSON."""
    return msgspec.json.encode(line) + b"\n"
