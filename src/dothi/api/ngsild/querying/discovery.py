"""Discovery of the types and attributes there are (ETSI GS CIM 009 v1.8.1, clauses 5.7.5 to 5.7.10 and 6.25 to 6.28)."""

from typing import Any
from uuid import uuid4

from starlette.routing import BaseRoute

from dothi.api.ngsild.broker import Broker
from dothi.api.ngsild.contexts.term_map import TermMap
from dothi.api.ngsild.door import Answer, Asked, door
from dothi.api.ngsild.negotiation import JSON, LD_JSON, flag
from dothi.api.ngsild.projection import CORE_MEMBERS
from dothi.api.ngsild.querying.retrieve import parameter
from dothi.model.problem import not_found

_LISTED = frozenset({"details", "count"})
_PARAMETERS = [
    parameter("details", "Say of each what it goes with.", type="boolean", default=False),
    parameter("count", "Also say how many there are.", type="boolean", default=False),
    parameter("local", "Only what this city itself keeps, which is all it answers with.", type="boolean"),
]


def routes(broker: Broker) -> list[BaseRoute]:
    """``types``, ``types/{type}``, ``attributes`` and ``attributes/{attribute}``."""
    context = broker.platform.context

    def types(asked: Asked) -> Answer:
        terms = asked.context
        if not flag(asked.query.get("details"), "details"):
            return _list("EntityTypeList", "typeList", context.types(asked.person), asked)
        told = context.inventory(asked.person).told
        body = [
            {"id": iri, "type": "EntityType", "typeName": terms.compact(iri), "attributeNames": _short(told[iri], terms)}
            for iri in sorted(told)
        ]
        return Answer(body=body, headers=_counted(len(told), asked))

    def one_type(asked: Asked) -> Answer:
        name, terms = asked.path["type"], asked.context
        iri = _expanded(name, terms, "entity type")
        found = context.inventory(asked.person, iri)
        if iri not in found.types:
            raise not_found("entity type", name)
        details = [
            {"id": one, "type": "Attribute", "attributeName": terms.compact(one), "attributeTypes": sorted(kinds)}
            for one, kinds in sorted(found.told[iri].items())
        ]
        body = {"id": iri, "type": "EntityTypeInfo", "typeName": terms.compact(iri), "entityCount": found.types[iri]}
        return Answer(body=body | {"attributeDetails": details})

    def attributes(asked: Asked) -> Answer:
        found, terms = context.inventory(asked.person).attributes, asked.context
        if not flag(asked.query.get("details"), "details"):
            return _list("AttributeList", "attributeList", found, asked)
        body = [
            {"id": iri, "type": "Attribute", "attributeName": terms.compact(iri), "typeNames": _short(one.types, terms)}
            for iri, one in sorted(found.items())
        ]
        return Answer(body=body, headers=_counted(len(found), asked))

    def one_attribute(asked: Asked) -> Answer:
        name, terms = asked.path["attribute"], asked.context
        iri = _expanded(name, terms, "attribute")
        found = context.inventory(asked.person).attributes.get(iri)
        if found is None:
            raise not_found("attribute", name)
        body = {
            "id": iri,
            "type": "Attribute",
            "attributeName": terms.compact(iri),
            "attributeCount": found.count,
            "attributeTypes": sorted(found.kinds),
            "typeNames": _short(found.types, terms),
        }
        return Answer(body=body)

    return [
        door(
            broker,
            path,
            handle,
            action="entity.read",
            params=known,
            operation={"summary": f"{words} (ETSI GS CIM 009, clause {clause})", "parameters": told, "responses": _ANSWERED},
            name=f"ngsild-{path.split('/')[0]}{'-one' if '{' in path else ''}",
        )
        for path, handle, known, told, words, clause in (
            ("types", types, _LISTED, _PARAMETERS, "The types of entities there are", "6.25.3.1"),
            ("types/{type}", one_type, frozenset[str](), _PARAMETERS[2:], "One type of entities", "6.26.3.1"),
            ("attributes", attributes, _LISTED, _PARAMETERS, "The attributes there are", "6.27.3.1"),
            ("attributes/{attribute}", one_attribute, frozenset[str](), _PARAMETERS[2:], "One attribute", "6.28.3.1"),
        )
    ]


_ANSWERED = {"200": {"description": "What there is.", "content": {media: {"schema": {}} for media in (JSON, LD_JSON)}}}


def _expanded(name: str, terms: TermMap, what: str) -> str:
    """The IRI of a name; members of entities are no attributes. Raises Problem 404 or 400."""
    if name in CORE_MEMBERS:
        raise not_found(what, name)
    return terms.expand(name)


def _short(iris: Any, terms: TermMap) -> list[str]:
    return sorted(terms.compact(iri) for iri in iris)


def _list(kind: str, member: str, iris: Any, asked: Asked) -> Answer:
    names = _short(iris, asked.context)
    body = {"id": f"urn:ngsi-ld:{kind}:{uuid4()}", "type": kind, member: names}
    return Answer(body=body, headers=_counted(len(names), asked))


def _counted(total: int, asked: Asked) -> dict[str, str]:
    return {"NGSILD-Results-Count": str(total)} if flag(asked.query.get("count"), "count") else {}
