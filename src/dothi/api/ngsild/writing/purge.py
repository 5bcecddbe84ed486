"""Purging entities: deleting all that a query selects, or some of their attributes (ETSI GS CIM 009, clause 5.6.21)."""

from dataclasses import replace

from starlette.concurrency import run_in_threadpool
from starlette.routing import BaseRoute

from dothi.access.policy import Person
from dothi.api.ngsild.broker import Broker
from dothi.api.ngsild.door import Answer, Asked, door
from dothi.api.ngsild.negotiation import listed
from dothi.api.ngsild.querying.asking import MOST, QUERY_PARAMETERS, read_query
from dothi.api.ngsild.querying.retrieve import parameter
from dothi.api.ngsild.writing.batch import result
from dothi.api.ngsild.writing.documented import DONE, PARTLY, operation
from dothi.api.ngsild.writing.provision import made_each
from dothi.data.batch import EntityChange, EntityKind
from dothi.data.context import Context
from dothi.data.instances import SCOPE
from dothi.data.predicate import paths
from dothi.data.question import EntityQuery
from dothi.model.entity import Attribute, Entity
from dothi.model.problem import bad_request

_PARAMETERS = (
    QUERY_PARAMETERS - {"limit", "offset", "count", "join", "joinLevel", "orderBy", "orderFrom", "collation", "pick"}
) | {"keep", "drop"}
_PURGE = operation(
    "Delete the entities that a query selects, or attributes of them (ETSI GS CIM 009, clause 5.6.21)",
    parameter("type", "The types of what goes; , | ; and parentheses combine types."),
    parameter("q", 'What must hold of it, like level>5;state=="off".'),
    parameter("keep", "Attributes that stay, separated by commas: all others go, the entities stay."),
    parameter("drop", "Attributes that go, separated by commas: the entities stay."),
    answers=DONE | PARTLY,
)


def routes(broker: Broker) -> list[BaseRoute]:
    """``DELETE /entities``."""
    known = frozenset(_PARAMETERS)
    return [
        door(broker, "entities", purge, action="entity.write", method="DELETE", params=known, operation=_PURGE),
    ]


async def purge(asked: Asked) -> Answer:
    """Delete the entities that a query selects, or attributes of them (clause 5.6.21)."""
    query = _query(asked)
    kind, attributes = _what(asked)
    urns = await run_in_threadpool(_selected, asked.broker.platform.context, asked.person, query)
    made = await made_each(asked, [EntityChange(kind, Entity(urn, "", attributes)) for urn in urns])
    outcomes = [one for one in made if one.problem is None or one.problem.status != 404]  # gone by itself meanwhile
    if all(one.problem is None for one in outcomes):
        return Answer(204)
    return Answer(207, result(outcomes), named=False)


def _query(asked: Asked) -> EntityQuery:
    """What is selected. Raises Problem 400 for a query that is too wide or that leads to linked entities."""
    params = asked.query
    if any("{" in params.get(name, "") for name in ("attrs", "keep", "drop")):
        raise bad_request("Linked entities cannot be purged along.", "Name attributes of the entities themselves.")
    query = read_query(params, asked.context)
    if any(path.hops for path in paths(query.where)):
        raise bad_request("A purge does not ask linked entities.", "Ask for attributes of the entities themselves.")
    return replace(query, limit=MOST, offset=0, attributes=())


def _what(asked: Asked) -> tuple[EntityKind, dict[str, list[Attribute]]]:
    """What is done to each: deleted, or rid of these attributes, or of all others."""
    keep, drop = listed(asked.query.get("keep")), listed(asked.query.get("drop"))
    if keep and drop:
        raise bad_request("keep and drop exclude each other.", "Leave one of them out.")
    if not keep and not drop:
        return "delete", {}
    names = {SCOPE if name == "scope" else asked.context.expand(name) for name in keep or drop}
    return ("keep" if keep else "drop"), {iri: [] for iri in sorted(names)}


def _selected(context: Context, person: Person, query: EntityQuery) -> list[str]:
    """The ids of all that ``query`` selects and that ``person`` may know."""
    found: list[str] = []
    while True:
        page = context.query(person, query)
        found += [one.id for one in page.entities]
        if len(page.entities) < query.limit:
            return found
        query = replace(query, offset=query.offset + query.limit)
