"""Querying entities by NGSI-LD (clause 6.4.3.2 of ETSI GS CIM 009 v1.8.1)."""

import re
from collections.abc import Mapping

import msgspec
from starlette.routing import BaseRoute

from dothi.api.ngsild.broker import Broker
from dothi.api.ngsild.door import Answer, Asked, door
from dothi.api.ngsild.negotiation import flag, listed, whole
from dothi.api.ngsild.representation import collected, shaper
from dothi.api.ngsild.retrieve import ENTITY_SCHEMA, SHAPE_DOCUMENTED, answered, parameter
from dothi.api.ngsild.shape import SHAPE_PARAMETERS, read_shape
from dothi.data.context import EntityQuery
from dothi.model.problem import bad_request

MAX_LIMIT = 5000
_PARAMETERS = SHAPE_PARAMETERS | {"type", "id", "georel", "geometry", "coordinates", "limit", "offset", "count"}
_NEAR = re.compile(r"near;maxDistance==([0-9]+(?:\.[0-9]+)?)")
_COUNTED = {"NGSILD-Results-Count": {"schema": {"type": "integer"}, "description": "With count=true."}}
_QUERY = {
    "summary": "Query entities (ETSI GS CIM 009, clause 6.4.3.2)",
    "parameters": [
        parameter("type", "Entity types, short or IRI, separated by commas."),
        parameter("id", "Entity ids, separated by commas."),
        parameter("georel", "near;maxDistance==metres"),
        parameter("geometry", "The shape the distance is measured from.", enum=["Point"]),
        parameter("coordinates", "[longitude,latitude]"),
        parameter("limit", "How many at most.", type="integer", minimum=0, maximum=MAX_LIMIT, default=20),
        parameter("offset", "How many to pass over.", type="integer", minimum=0, default=0),
        parameter("count", "Also say how many there are.", type="boolean", default=False),
        *SHAPE_DOCUMENTED,
    ],
    "responses": {"200": answered("The entities.", {"type": "array", "items": ENTITY_SCHEMA}) | {"headers": _COUNTED}},
}


def routes(broker: Broker) -> list[BaseRoute]:
    """``/ngsi-ld/v1/entities``."""
    context = broker.platform.context

    def query(asked: Asked) -> Answer:
        given, terms = asked.query, asked.context
        if not any(given.get(name) for name in ("type", "id", "attrs", "georel", "local")):
            raise bad_request("The query names nothing to look for.", "Give type, attrs, id, georel or local=true.")
        count = flag(given.get("count"), "count")
        limit = whole(given.get("limit"), "limit", 20, MAX_LIMIT)
        if limit == 0 and not count:
            raise bad_request("limit=0 only makes sense with count=true.")
        shape = read_shape(asked)
        found = context.query(
            asked.person,
            EntityQuery(
                type=tuple(terms.expand(name) for name in listed(given.get("type"))) or None,
                ids=listed(given.get("id")),
                near=_near(given),
                limit=limit,
                offset=whole(given.get("offset"), "offset", 0, 10_000_000),
                attributes=shape.projection.attributes,
            ),
            count=count,
        )
        shown = [shaper(terms, shape)(one) for one in found.entities]
        headers = {"NGSILD-Results-Count": str(found.total)} if count else {}
        return Answer(body=collected(shown) if shape.geojson else shown, headers=headers)

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
        )
    ]


def _near(asked: Mapping[str, str]) -> tuple[float, float, float] | None:
    """The geo-query (clause 4.10): ``georel=near;maxDistance==metres``, around a Point. Raises Problem 400."""
    relation = asked.get("georel")
    if relation is None:
        return None
    found = _NEAR.fullmatch(relation)
    if found is None or asked.get("geometry") != "Point":
        raise bad_request(
            "This geo-query is not known here.",
            "Use georel=near;maxDistance==2000&geometry=Point&coordinates=[105.85,21.03].",
        )
    try:
        longitude, latitude = msgspec.json.decode(asked.get("coordinates", ""), type=tuple[float, float])
    except msgspec.DecodeError:
        raise bad_request("coordinates cannot be read.", "Write coordinates=[longitude,latitude].") from None
    if not (-180 <= longitude <= 180 and -90 <= latitude <= 90):
        raise bad_request("coordinates lie nowhere on the earth.", "Write [longitude,latitude] in degrees.")
    return longitude, latitude, float(found.group(1))
