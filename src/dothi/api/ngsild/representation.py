"""Entities in normalized JSON-LD (ETSI GS CIM 009 v1.8.1, clauses 4.5.1 to 4.5.5), built as plain dicts for speed."""

from collections.abc import Callable
from typing import Any

from dothi.api.encoding import GRADES, ORIGINS, reasons_of
from dothi.data.terms import Terms
from dothi.model.entity import Attribute, Entity
from dothi.model.schema import EntityType

CORE_CONTEXT = "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context-v1.8.jsonld"

# How each kind of attribute names its value (clause 4.5.2 and following).
VALUE_KEYS = {
    "Relationship": "object",
    "LanguageProperty": "languageMap",
    "JsonProperty": "json",
    "VocabProperty": "vocab",
    "ListProperty": "valueList",
    "ListRelationship": "objectList",
}
_GRADES = {grade: {"type": "Property", "value": word} for grade, word in GRADES.items()}
_ORIGINS = {origin: {"type": "Property", "value": word} for origin, word in ORIGINS.items()}


def context_document(types: dict[str, EntityType]) -> dict[str, Any]:
    """The @context that gives this city's short names their meaning, on top of the core context (clause 5.5.7)."""
    names: dict[str, str] = {
        "grade": "urn:dothi:term:grade",
        "origin": "urn:dothi:term:origin",
        "reasons": "urn:dothi:term:reasons",
    }
    for one in types.values():
        names[one.name] = one.iri
        names.update({attribute.name: attribute.iri for attribute in one.attributes})
    return {"@context": [names, CORE_CONTEXT]}


def normalizer(terms: Terms) -> Callable[[Entity], dict[str, Any]]:
    """A function that turns an entity into its normalized form; it remembers the short names it met."""
    short: dict[str, str] = {}

    def compact(iri: str) -> str:
        found = short.get(iri)
        if found is None:
            found = short[iri] = terms.compact(iri)
        return found

    def normalized(entity: Entity) -> dict[str, Any]:
        answer: dict[str, Any] = {"id": entity.id, "type": compact(entity.type)}
        put(answer, entity.attributes)
        return answer

    def put(answer: dict[str, Any], attributes: dict[str, list[Attribute]]) -> None:
        for iri, instances in attributes.items():
            shown = []
            for one in instances:
                shown.append(_normal(one))
                put(shown[-1], one.sub)
            if shown:
                answer[compact(iri)] = shown[0] if len(shown) == 1 else shown

    return normalized


def _normal(attribute: Attribute) -> dict[str, Any]:
    kind = attribute.kind
    shown: dict[str, Any] = {"type": kind, VALUE_KEYS.get(kind, "value"): attribute.value}
    if attribute.unit is not None:
        shown["unitCode"] = attribute.unit
    if attribute.dataset_id is not None:
        shown["datasetId"] = attribute.dataset_id
    if attribute.observed_at is not None:
        shown["observedAt"] = attribute.observed_at  # msgspec writes aware UTC as RFC 3339 with Z
        shown["origin"] = _ORIGINS[attribute.origin]
        if attribute.grade:
            shown["grade"] = _GRADES[attribute.grade]
            shown["reasons"] = {"type": "Property", "value": reasons_of(attribute.reasons)}
    return shown
