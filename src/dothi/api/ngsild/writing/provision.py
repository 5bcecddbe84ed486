"""Creating, replacing, merging and deleting single entities (ETSI GS CIM 009, clauses 5.6.1, 5.6.6, 5.6.17 and 5.6.18)."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from starlette.routing import BaseRoute

from dothi.api.ngsild.broker import Broker
from dothi.api.ngsild.checks import moment, part_of_path, uri
from dothi.api.ngsild.door import ROOT, Answer, Asked, door
from dothi.api.ngsild.languages import language
from dothi.api.ngsild.negotiation import listed
from dothi.api.ngsild.problems import invalid_request
from dothi.api.ngsild.querying.query_language import parse_types
from dothi.api.ngsild.querying.retrieve import parameter
from dothi.api.ngsild.writing.documented import CREATED, ENTITY, FRAGMENT, OPTIONS, TYPES, operation
from dothi.api.ngsild.writing.reading import read_entity, read_fragment
from dothi.data.batch import EntityChange, Outcome, Told
from dothi.data.predicate import meets
from dothi.data.waiting import MOST_CHANGES
from dothi.model.entity import Entity
from dothi.model.problem import bad_request

_MERGING = frozenset({"type", "options", "format", "observedAt", "lang"})
_SIMPLIFIED = frozenset({"keyValues", "simplified"})
_FORMATS = _SIMPLIFIED | {"normalized", "concise"}
_CREATE = operation("Create an entity (ETSI GS CIM 009, clause 5.6.1)", body=ENTITY, answers=CREATED)
_REPLACE = operation("Replace all that is said of an entity (clause 5.6.18)", TYPES, body=FRAGMENT)
_MERGE = operation(
    "Merge a fragment into an entity (clauses 5.6.17 and 5.5.12)",
    TYPES,
    OPTIONS["merge"],
    parameter("observedAt", "When merged values that were observed before were observed now.", format="date-time"),
    parameter("lang", "The language of a text that is merged into a language map."),
    body=FRAGMENT,
)
_DELETE = operation("Delete an entity (clause 5.6.6)", TYPES)


def routes(broker: Broker) -> list[BaseRoute]:
    """``POST /entities``, and ``PUT``, ``PATCH`` and ``DELETE`` of one."""

    def at(method: str, handle: Any, told: Any, path: str = "entities/{id}", **more: Any) -> BaseRoute:
        return door(broker, path, handle, action="entity.write", method=method, operation=told, **more)

    selected = frozenset({"type"})
    nameless = operation("Refused: the entity's id is missing")
    return [
        at("POST", create, _CREATE, "entities", body="json"),
        at("PUT", nobody, nameless, "entities"),
        at("PATCH", nobody, nameless, "entities"),
        at("PUT", replace, _REPLACE, body="json", params=selected),
        at("PATCH", merge, _MERGE, body="merge-patch", params=_MERGING),
        at("DELETE", delete, _DELETE, params=selected),
    ]


async def create(asked: Asked) -> Answer:
    """Create an entity (clause 5.6.1)."""
    if not isinstance(asked.body, dict):
        raise invalid_request("An entity is an object.", "Send one entity at a time, or use a batch.")
    entity = read_entity(asked.body, asked.context)
    await made(asked, EntityChange("create", entity))
    return Answer(201, headers={"Location": ROOT + "entities/" + part_of_path(entity.id)})


async def replace(asked: Asked) -> Answer:
    """Replace all that is said of an entity (clause 5.6.18)."""
    urn, body = target(asked), fragment_of(asked)
    entity = read_entity({"type": "Entity", **body, "id": urn}, asked.context)
    if "type" not in body:
        entity.type, entity.more_types = "", ()
    await made(asked, EntityChange("replace", entity, only=only(asked)))
    return Answer(204)


async def merge(asked: Asked) -> Answer:
    """Merge a fragment into an entity (clauses 5.6.17 and 5.5.12)."""
    urn, body = target(asked), fragment_of(asked)
    entity = read_fragment(body, asked.context, simplified=is_simplified(asked.query))
    entity.id = urn
    observed = asked.query.get("observedAt")
    change = EntityChange("merge_patch", entity, only=only(asked), lang=language(asked.query.get("lang")))
    if observed is not None:
        change.observed_at = moment(observed, "observedAt")
    await made(asked, change)
    return Answer(204)


async def delete(asked: Asked) -> Answer:
    """Delete an entity (clause 5.6.6)."""
    await made(asked, EntityChange("delete", Entity(target(asked), ""), only=only(asked)))
    return Answer(204)


async def nobody(_: Asked) -> Answer:
    """Say that an entity's id is missing (clauses 5.6.17.4 and 5.6.18.4)."""
    raise bad_request("The entity's id is missing.", "Put it behind /entities/.")


async def made(asked: Asked, change: EntityChange) -> Outcome:
    """Make one change and wait for the disk. Raises its Problem."""
    (outcome,) = await made_each(asked, (change,))
    if outcome.problem is not None:
        raise outcome.problem
    return outcome


async def made_each(asked: Asked, changes: Sequence[Told]) -> list[Outcome]:
    """Make each change by itself, so many in one commit that nobody else waits long."""
    platform = asked.broker.platform
    outcomes: list[Outcome] = []
    for start in range(0, len(changes), MOST_CHANGES):
        some = changes[start : start + MOST_CHANGES]
        outcomes += await platform.writer.edit(asked.person, some, at=platform.clock.now(), correlation=asked.correlation)
    return outcomes


def target(asked: Asked) -> str:
    """The id of the entity that the path names. Raises Problem 400 if it is no URI."""
    return uri(asked.path["id"], "The id")


def fragment_of(asked: Asked) -> Mapping[str, Any]:
    """The body, which may name the id that the path names. Raises Problem 400."""
    body = asked.body
    if not isinstance(body, dict):
        raise bad_request("A fragment of an entity is an object.", "Send one entity at a time, or use a batch.")
    for name in ("id", "@id"):
        if name in body and body[name] != asked.path["id"]:
            raise bad_request(
                "The body is of another entity than the path.", "Name the same id in both, or none in the body."
            )
    return body


def only(asked: Asked) -> Callable[[tuple[str, ...]], bool] | None:
    """The test of ``?type=`` over an entity's types (clause 4.17); None if it is not asked for. Raises Problem 400."""
    wanted = asked.query.get("type")
    if wanted is None:
        return None
    selection = parse_types(wanted, asked.context)
    return lambda types: meets(selection, Entity("", types[0], more_types=types[1:]))


def is_simplified(query: Mapping[str, str]) -> bool:
    """Whether a fragment is simplified: ``format`` or ``options`` say so. Raises Problem 400 for an unknown format."""
    said = {*listed(query.get("format")), *listed(query.get("options"))}
    if said - _FORMATS:
        raise bad_request(f"{min(said - _FORMATS)[:40]!r} is no format here.", f"Known: {', '.join(sorted(_FORMATS))}.")
    return bool(said & _SIMPLIFIED)
