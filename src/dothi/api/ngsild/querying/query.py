"""Querying entities (ETSI GS CIM 009 v1.8.1, clauses 5.7.2, 6.4.3.2 and 6.23): GET entities, POST entityOperations/query."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from starlette.routing import BaseRoute

from dothi.api.ngsild.broker import Broker
from dothi.api.ngsild.door import Answer, Asked, door
from dothi.api.ngsild.negotiation import flag
from dothi.api.ngsild.querying.asking import (
    MOST,
    QUERY_PARAMETERS,
    USUAL,
    check_narrow,
    read_page,
    read_query,
    read_query_body,
    texts,
)
from dothi.api.ngsild.querying.linked import HEAVIEST, LINKED_PARAMETERS, joined, read_join
from dothi.api.ngsild.querying.mapped import MAP_PARAMETERS, by_map
from dothi.api.ngsild.querying.retrieve import ENTITY_SCHEMA, SHAPE_DOCUMENTED, answered, parameter
from dothi.api.ngsild.representation import collected, shaper
from dothi.api.ngsild.shape import SHAPE_PARAMETERS, read_shape
from dothi.data.context import Context, EntityQuery
from dothi.model.problem import bad_request

_PARAMETERS = QUERY_PARAMETERS | SHAPE_PARAMETERS | LINKED_PARAMETERS | MAP_PARAMETERS
_BODY_PARAMETERS = frozenset({"limit", "offset", "count", "options", "format", "local"}) | MAP_PARAMETERS
_IN_ADDRESS = "/:*.,;@!~()$"  # what may stand there as it is (RFC 3986, 3.4)

_PAGES = (
    parameter("limit", "How many at most.", type="integer", minimum=0, maximum=MOST, default=USUAL),
    parameter("offset", "How many to pass over.", type="integer", minimum=0, default=0),
    parameter("count", "Also say how many there are.", type="boolean", default=False),
)
MAP_DOCUMENTED = (
    parameter("entityMap", "Keep the ids that are found, for pages that stay those of one answer.", type="boolean"),
    parameter("entityMapLifetime", "How long they are kept at most: PT1H.", default="PT1H"),
)
_COUNTED = {"NGSILD-Results-Count": {"schema": {"type": "integer"}, "description": "With count=true."}}
_ANSWERED = {"200": answered("The entities.", {"type": "array", "items": ENTITY_SCHEMA}) | {"headers": _COUNTED}}
_QUERY = {
    "summary": "Query entities (ETSI GS CIM 009, clause 6.4.3.2)",
    "parameters": [
        parameter("type", "Entity types, short or IRI, joined by , (or), ; (and) and parentheses (clause 4.17); * is any."),
        parameter("id", "Entity ids, separated by commas."),
        parameter("idPattern", "A regular expression that is searched for in the id."),
        parameter("q", "A condition on attributes, like pm25>35;name~=^Tram (clause 4.9)."),
        parameter("georel", "near;maxDistance==metres, within, contains, intersects, equals, disjoint or overlaps."),
        parameter("geometry", "The geometry compared with: Point, Polygon …"),
        parameter("coordinates", "Its coordinates as GeoJSON writes them: [longitude,latitude]."),
        parameter("geoproperty", "The GeoProperty that is compared.", default="location"),
        parameter("scopeQ", "Scopes, like /Hanoi/Parks/# (clause 4.19)."),
        parameter("orderBy", "What to order by, like name,pm25;desc or location;dist-asc (clause 4.23)."),
        parameter("orderFrom", "[longitude,latitude] that dist-asc and dist-desc measure from."),
        parameter("collation", "How texts are ordered: a language, like vi."),
        parameter("expandValues", "Attributes whose values in q are terms of the @context."),
        parameter("jsonKeys", "Taken and without effect: values are compared as they were told."),
        parameter("csf", "Taken and without effect: this city asks no other sources."),
        *_PAGES,
        *MAP_DOCUMENTED,
        *SHAPE_DOCUMENTED,
    ],
    "responses": _ANSWERED,
}
_POST = {
    "summary": "Query entities by a body (ETSI GS CIM 009, clauses 5.2.23 and 6.23)",
    "parameters": [*_PAGES, *SHAPE_DOCUMENTED[:2], SHAPE_DOCUMENTED[-1]],
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["type"],
                    "properties": {
                        "type": {"const": "Query"},
                        "entities": {"type": "array", "items": {"type": "object"}},
                        "q": {"type": "string"},
                        "geoQ": {"type": "object"},
                        "scopeQ": {"type": "string"},
                        "ordering": {"type": "object"},
                        "attrs": {"type": "array", "items": {"type": "string"}},
                        "pick": {"type": "array", "items": {"type": "string"}},
                        "omit": {"type": "array", "items": {"type": "string"}},
                    },
                }
            }
        },
    },
    "responses": _ANSWERED,
}


def routes(broker: Broker) -> list[BaseRoute]:
    """``/ngsi-ld/v1/entities`` and ``/ngsi-ld/v1/entityOperations/query``."""
    context = broker.platform.context

    def query(asked: Asked) -> Answer:
        return _answer(context, asked, read_query(asked.query, asked.context), pages=True)

    def post(asked: Asked) -> Answer:
        return _answer(context, *_of_body(asked), pages=False)

    return [
        door(
            broker,
            "entities",
            query,
            action="entity.read",
            params=_PARAMETERS,
            geojson=True,
            operation=_QUERY,
            name="ngsild-query",
        ),
        door(
            broker,
            "entityOperations/query",
            post,
            action="entity.read",
            method="POST",
            params=_BODY_PARAMETERS,
            body="json",
            geojson=True,
            operation=_POST,
            name="ngsild-query-by-body",
        ),
    ]


def _of_body(asked: Asked) -> tuple[Asked, EntityQuery]:
    """What a Query asks, its members of the answer's shape as if they stood in the address. Raises Problem 400."""
    body = asked.body
    if not isinstance(body, dict) or body.get("type") != "Query":
        raise bad_request('The body is no Query: its type must be "Query".')
    if "temporalQ" in body:
        raise bad_request("temporalQ is for what was.", "POST it to temporal/entityOperations/query.")
    limit, offset = read_page(asked.query)
    query = replace(read_query_body(body, asked.context), limit=limit, offset=offset)
    everything = any(one.get("type") == "*" for one in body.get("entities", ()))
    if not everything and not flag(asked.query.get("local"), "local"):
        check_narrow(query)
    params = dict(asked.query)
    for name in ("attrs", "pick", "omit", "datasetId", "containedBy"):
        if name in body:
            params[name] = ",".join(texts(body, name))
    for name in ("lang", "geometryProperty", "join", "joinLevel"):
        if name in body:
            told = body[name]
            if isinstance(told, bool) or not isinstance(told, int if name == "joinLevel" else str):
                raise bad_request(f"{name} is not what it should be.", "Write it as in the address.")
            params[name] = str(told)
    return replace(asked, query=params), query


def _answer(context: Context, asked: Asked, query: EntityQuery, *, pages: bool) -> Answer:
    shape = read_shape(asked)
    join = read_join(asked.query, shape.projection)
    count = flag(asked.query.get("count"), "count")
    attributes = shape.projection.attributes
    if attributes is not None and shape.geojson:
        attributes = (*attributes, shape.geometry)
    query = replace(query, attributes=attributes)
    mapped = by_map(asked, query)
    if mapped is None:
        found, status, headers = context.query(asked.person, query, count=count, heaviest=HEAVIEST), 200, dict[str, str]()
    else:
        found, status, headers = mapped
    if join is None:
        terms = asked.words_for(found.entities)
        show = shaper(terms, shape)
        shown = [show(one) for one in found.entities]
    else:
        shown, terms = joined(asked.person, context, found.entities, asked.words_for, shape, join)
    if count:
        headers["NGSILD-Results-Count"] = str(found.total)
    if pages and (links := page_links(asked.request.url.path.rstrip("/"), asked.query, query, found.more)):
        headers["Link"] = links
    body: Any = collected(shown) if shape.geojson else shown
    return Answer(status, body, headers, context=terms, entities=True)


def page_links(path: str, params: Mapping[str, str], query: EntityQuery, more: bool) -> str:
    """The Link header that leads to the pages before and after (clause 6.3.10)."""
    if query.limit == 0:
        return ""
    found = []
    for relation, there, offset in (
        ("prev", query.offset > 0, max(0, query.offset - query.limit)),
        ("next", more, query.offset + query.limit),
    ):
        if there:
            told = sorted({**params, "limit": str(query.limit), "offset": str(offset)}.items())
            found.append(f'<{path}?{urlencode(told, safe=_IN_ADDRESS)}>; rel="{relation}"; type="application/json"')
    return ", ".join(found)
