"""Retrieving one entity (ETSI GS CIM 009 v1.8.1, clauses 5.7.1 and 6.5.3.1)."""

from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.routing import BaseRoute

from dothi.api.ngsild.broker import Broker
from dothi.api.ngsild.checks import uri
from dothi.api.ngsild.door import Answer, Asked, door
from dothi.api.ngsild.negotiation import GEO_JSON, JSON, LD_JSON, listed
from dothi.api.ngsild.projection import CORE_MEMBERS
from dothi.api.ngsild.querying.linked import LINKED_PARAMETERS, joined, read_join
from dothi.api.ngsild.querying.mapped import MAP_PARAMETERS, of_one
from dothi.api.ngsild.representation import collected, shaper
from dothi.api.ngsild.shape import SHAPE_PARAMETERS, Shape, read_shape
from dothi.model.entity import Entity
from dothi.model.problem import Problem, not_found

_PARAMETERS = SHAPE_PARAMETERS | LINKED_PARAMETERS | MAP_PARAMETERS | {"type"}


def parameter(name: str, words: str, **schema: Any) -> dict[str, Any]:
    """A URL parameter as OpenAPI says it."""
    return {"name": name, "in": "query", "description": words, "schema": {"type": "string"} | schema}


SHAPE_DOCUMENTED = (
    parameter("format", "How entities are shown.", enum=["normalized", "concise", "keyValues", "simplified"]),
    parameter("options", "sysAttrs shows when things came to be and changed; a format may stand here too."),
    parameter("attrs", "Attributes that are shown, separated by commas; entities without any are left out."),
    parameter("pick", "Members that are shown, like id,name,locatedAt{name}."),
    parameter("omit", "Members that are not shown."),
    parameter("lang", "Languages of texts, the preferred first (RFC 4647), like vi,en;q=0.8."),
    parameter("datasetId", "Instances that are shown, separated by commas; @none is the default one."),
    parameter("geometryProperty", "The GeoProperty that becomes the geometry in GeoJSON."),
    parameter("join", "Show linked entities inside (inline) or after (flat) those that lead to them."),
    parameter("joinLevel", "How far to go.", type="integer", minimum=1, default=1),
    parameter("containedBy", "Ids of entities that are not shown again, separated by commas."),
    parameter("local", "Only what this city itself keeps, which is all it answers with.", type="boolean"),
)
ENTITY_SCHEMA = {
    "type": "object",
    "properties": {"id": {"type": "string"}, "type": {"type": "string"}},
}


def answered(words: str, schema: dict[str, Any]) -> dict[str, Any]:
    """A 200 as OpenAPI says it, in every representation of entities."""
    return {"description": words, "content": {media: {"schema": schema} for media in (JSON, LD_JSON, GEO_JSON)}}


_RETRIEVE = {
    "summary": "Retrieve one entity (ETSI GS CIM 009, clause 6.5.3.1)",
    "parameters": [*SHAPE_DOCUMENTED, parameter("type", "Types it must have one of, separated by commas.")],
    "responses": {"200": answered("The entity.", ENTITY_SCHEMA)},
}


def routes(broker: Broker) -> list[BaseRoute]:
    """``/ngsi-ld/v1/entities/{id}``."""
    context = broker.platform.context

    async def retrieve(asked: Asked) -> Answer:
        urn = uri(asked.path["id"], "The id")
        shape = read_shape(asked)
        join = read_join(asked.query, shape.projection)
        entity = await context.fetch(asked.person, urn)
        if entity is None or not _is_one_of(entity, asked):
            raise not_found("entity", urn)
        check_shown(entity, shape, asked)
        headers = of_one(asked, urn)
        if join is None:
            terms = asked.words_for((entity,))
            return Answer(200, shaper(terms, shape)(entity), headers, context=terms, entities=True)
        shown, terms = await run_in_threadpool(joined, asked.person, context, [entity], asked.words_for, shape, join)
        if len(shown) == 1:
            return Answer(200, shown[0], headers, context=terms, entities=True)
        return Answer(200, collected(shown) if shape.geojson else shown, headers, context=terms, entities=True)

    return [
        door(
            broker,
            "entities/{id}",
            retrieve,
            action="entity.read",
            params=_PARAMETERS,
            geojson=True,
            operation=_RETRIEVE,
            name="ngsild-retrieve",
        )
    ]


def check_shown(entity: Entity, shape: Shape, asked: Asked) -> None:
    """Raises Problem 404 if nothing of ``entity`` is left to show, or none of the attributes asked for (clause 5.7.1.4)."""
    projection = shape.projection
    if projection.pick is None and not projection.omit:
        return
    present = {iri for iri, instances in entity.attributes.items() if instances}
    if "attrs" in asked.query:
        left = any(iri in present for iri in projection.attributes or ())
    else:
        members = present | {"id", "type"} | ({"scope"} if entity.scopes else set())
        members |= CORE_MEMBERS - {"scope", "deletedAt"} if shape.sys_attrs else set()
        left = any(projection.shows(name) for name in members)
    if not left:
        raise Problem(
            404, "not-found", f"The entity {entity.id!r} has nothing of that.", "Ask for other members, or for all of them."
        )


def _is_one_of(entity: Entity, asked: Asked) -> bool:
    wanted = listed(asked.query.get("type"))
    if not wanted:
        return True
    types = {entity.type, *entity.more_types}
    return any(asked.context.expand(name) in types for name in wanted)
