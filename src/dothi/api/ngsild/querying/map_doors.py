"""Doors of entity maps (ETSI GS CIM 009 v1.9.1, clauses 5.14, 6.32 and 6.34)."""

from itertools import islice

from starlette.routing import BaseRoute

from dothi.api.ngsild.broker import Broker
from dothi.api.ngsild.checks import moment, uri
from dothi.api.ngsild.door import Answer, Asked, door
from dothi.api.ngsild.querying.asking import QUERY_PARAMETERS, read_query
from dothi.api.ngsild.querying.entity_maps import MOST_IDS, EntityMap
from dothi.api.ngsild.querying.mapped import MAP_HEADER, MAP_PARAMETERS, location, made_of, matching_ids
from dothi.api.ngsild.querying.query import MAP_DOCUMENTED
from dothi.api.ngsild.temporal.asking import TEMPORAL_PARAMETERS, read_temporal
from dothi.api.ngsild.temporal.consumption import matching
from dothi.model.problem import bad_request, not_found

_ANSWERED = {"200": {"description": "The entity map.", "content": {"application/json": {"schema": {"type": "object"}}}}}


def routes(broker: Broker) -> list[BaseRoute]:
    """``entityMaps`` makes one of a query, ``entityMaps/{id}`` is one."""
    maps = broker.maps

    def make(asked: Asked) -> Answer:
        query = read_query(asked.query, asked.context)
        kept = made_of(asked, matching_ids(asked, query))
        return Answer(201, _shown(asked, kept), {MAP_HEADER: location(kept)}, named=False)

    def make_of_past(asked: Asked) -> Answer:
        query, told = read_query(asked.query, asked.context), read_temporal(asked, asked.query, needed=True)
        found = islice(matching(broker.evolutions, asked, query, told), MOST_IDS + 1)
        kept = made_of(asked, [one.id for one, _ in found])
        return Answer(201, _shown(asked, kept), {MAP_HEADER: location(kept)}, named=False)

    def retrieve(asked: Asked) -> Answer:
        return Answer(body=_shown(asked, _named(asked)), named=False)

    def update(asked: Asked) -> Answer:
        kept = _named(asked)
        if not isinstance(asked.body, dict):
            raise bad_request("The body is no entity map.", 'Write {"expiresAt": "…"}: nothing else of it can change.')
        if "expiresAt" in asked.body:
            maps.prolong(kept, moment(asked.body["expiresAt"], "expiresAt"))
        return Answer(204)

    def delete(asked: Asked) -> Answer:
        maps.drop(_named(asked))
        return Answer(204)

    made = {
        "summary": "Make an entity map of a query (ETSI GS CIM 009, clause 6.34.3.1)",
        "parameters": [MAP_DOCUMENTED[1]],
        "responses": {"201": {"description": "The entity map."}},
    }
    one = "entityMaps/{id}"
    return [
        door(
            broker,
            "entityMaps",
            make,
            action="entity.read",
            params=(QUERY_PARAMETERS | MAP_PARAMETERS) - {"limit", "offset", "count"},
            operation=made,
            name="ngsild-make-map",
        ),
        door(
            broker,
            "temporal/entityMaps",
            make_of_past,
            action="history.read",
            params=((QUERY_PARAMETERS | TEMPORAL_PARAMETERS) - {"limit", "offset", "count"}) | {"entityMapLifetime"},
            operation={**made, "summary": "Make an entity map of a temporal query (ETSI GS CIM 009, clause 6.35.3.1)"},
            name="ngsild-make-map-of-past",
        ),
        *(
            door(
                broker,
                one,
                handle,
                action="entity.read",
                method=method,
                body="merge-patch" if method == "PATCH" else "none",
                operation={"summary": f"{words} (clause {clause})", "responses": answers},
                name=f"ngsild-map-{method.lower()}",
            )
            for method, handle, words, clause, answers in (
                ("GET", retrieve, "One entity map", "6.32.3.1", _ANSWERED),
                ("PATCH", update, "Say how long an entity map is kept", "6.32.3.2", {"204": {"description": "Done."}}),
                ("DELETE", delete, "Let go of an entity map", "6.32.3.3", {"204": {"description": "Gone."}}),
            )
        ),
    ]


def _named(asked: Asked) -> EntityMap:
    urn = uri(asked.path["id"], "The id")
    found = asked.broker.maps.get(asked.person.id, urn)
    if found is None:
        raise not_found("entity map", urn)
    return found


def _shown(asked: Asked, kept: EntityMap) -> dict[str, object]:
    """The map as the standard writes it, with what its owner may still know: all of it is kept here."""
    known = asked.broker.platform.context.known(asked.person, kept.ids)
    local = {one: ["@none"] for one in kept.ids if one in known}
    return {"id": kept.id, "type": "EntityMap", "expiresAt": kept.expires_at, "entityMap": local}
