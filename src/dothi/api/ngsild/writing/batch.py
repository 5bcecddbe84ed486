"""Writing many entities in one request, each by itself (ETSI GS CIM 009, clauses 5.6.7 to 5.6.10 and 5.6.20)."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from msgspec import Raw
from starlette.routing import BaseRoute

from dothi.api.ngsild.broker import Broker
from dothi.api.ngsild.checks import uri
from dothi.api.ngsild.contexts.term_map import RELATION, TermMap
from dothi.api.ngsild.door import Answer, Asked, door
from dothi.api.ngsild.negotiation import LD_JSON, check_member, listed, read_member
from dothi.api.ngsild.problems import problem_details
from dothi.api.ngsild.writing.attributes import NO_OVERWRITE
from dothi.api.ngsild.writing.documented import CREATED_MANY, DONE, ENTITIES, FRAGMENTS, IDS, OPTIONS, PARTLY, operation
from dothi.api.ngsild.writing.provision import is_simplified, made_each
from dothi.api.ngsild.writing.reading import read_entity, read_fragment
from dothi.data.batch import EntityChange, EntityKind, Outcome, Told
from dothi.model.entity import Entity
from dothi.model.problem import Problem, bad_request

MOST_MEMBERS = 10_000
_BREATHE = 100  # members between which others get their turn
Read = Callable[[Any, TermMap], Entity]
_OPERATIONS = {
    "create": operation(
        "Create many entities (ETSI GS CIM 009, clause 5.6.7)", body=ENTITIES, answers=CREATED_MANY | PARTLY
    ),
    "upsert": operation(
        "Create many entities, or replace or update those that are there (clause 5.6.8)",
        OPTIONS["upsert"],
        body=ENTITIES,
        answers=CREATED_MANY | DONE | PARTLY,
    ),
    "update": operation("Update many entities (clause 5.6.9)", OPTIONS["append"], body=FRAGMENTS, answers=DONE | PARTLY),
    "merge": operation(
        "Merge fragments into many entities (clause 5.6.20)", OPTIONS["merge"], body=FRAGMENTS, answers=DONE | PARTLY
    ),
    "delete": operation("Delete many entities (clause 5.6.10)", body=IDS, answers=DONE | PARTLY),
}


def routes(broker: Broker) -> list[BaseRoute]:
    """``/entityOperations/create``, ``upsert``, ``update``, ``merge`` and ``delete``."""

    def at(name: str, handle: Any, *params: str) -> BaseRoute:
        return door(
            broker,
            f"entityOperations/{name}",
            handle,
            action="entity.write",
            method="POST",
            params=frozenset(params),
            body="members",
            operation=_OPERATIONS[name],
        )

    return [
        at("create", create),
        at("upsert", upsert, "options"),
        at("update", update, "options"),
        at("merge", merge, "options", "format"),
        at("delete", delete),
    ]


async def create(asked: Asked) -> Answer:
    """Create many entities (clause 5.6.7)."""
    outcomes = await _each(asked, "create", read_entity)
    return _failed(outcomes) or Answer(201, [one.id for one in outcomes], named=False)


async def upsert(asked: Asked) -> Answer:
    """Create many entities, or replace or update those that are there (clause 5.6.8)."""
    option = _option(asked, "replace", "update")
    outcomes = await _each(asked, "add" if option == "update" else "put", read_entity)
    created = [one.id for one in outcomes if one.state == "created"]
    return _failed(outcomes) or (Answer(201, created, named=False) if created else Answer(204))


async def update(asked: Asked) -> Answer:
    """Update many entities (clause 5.6.9)."""
    kind: EntityKind = "append_new" if _option(asked, NO_OVERWRITE) else "append"
    outcomes = await _each(asked, kind, _named_fragment)
    for one in outcomes:
        if one.not_updated and one.problem is None:
            one.problem = bad_request(
                "Not everything was updated.", "; ".join(f"{iri}: {why}" for iri, why in one.not_updated)
            )
    return _failed(outcomes) or Answer(204)


async def merge(asked: Asked) -> Answer:
    """Merge fragments into many entities (clause 5.6.20)."""
    simplified = is_simplified(asked.query)

    def read(member: Any, context: TermMap) -> Entity:
        return _named_fragment(member, context, simplified=simplified)

    outcomes = await _each(asked, "merge_patch", read)
    return _failed(outcomes) or Answer(204)


async def delete(asked: Asked) -> Answer:
    """Delete many entities (clause 5.6.10)."""
    outcomes = await _each(asked, "delete", lambda member, _: Entity(uri(member, "The id"), ""))
    return _failed(outcomes) or Answer(204)


def result(outcomes: Iterable[Outcome]) -> dict[str, Any]:
    """What became of each entity (clause 5.2.16)."""
    listed_outcomes = list(outcomes)
    errors = [
        {"entityId": one.id, "error": problem_details(one.problem)} for one in listed_outcomes if one.problem is not None
    ]
    return {"success": list(dict.fromkeys(one.id for one in listed_outcomes if one.problem is None)), "errors": errors}


def _failed(outcomes: Sequence[Outcome]) -> Answer | None:
    if all(one.problem is None for one in outcomes):
        return None
    return Answer(207, result(outcomes), named=False)


async def _each(asked: Asked, kind: EntityKind, read: Read) -> list[Outcome]:
    """Read each member and make what it says; outcomes in their order. Raises Problem 400 for what is no batch."""
    members = asked.body
    if not isinstance(members, list) or not members:
        raise bad_request("A batch is a list with at least one member.", "Send a list.")
    if len(members) > MOST_MEMBERS:
        raise Problem(413, "too-many", f"A batch may have {MOST_MEMBERS} members.", "Send several batches.")
    if asked.sent == LD_JSON and RELATION in asked.request.headers.get("link", ""):
        raise bad_request("JSON-LD names its @context itself.", "Leave the Link out, or send application/json.")
    plain = asked.sent != LD_JSON
    changes: list[Told] = []
    for number, raw in enumerate(members, 1):
        check_member(raw)
        context = asked.context if plain else await _context_of(raw, asked)
        changes.append(partial(_change, kind, read, raw, context, plain))
        if number % _BREATHE == 0:
            await asyncio.sleep(0)
    return await made_each(asked, changes)


async def _context_of(raw: Raw, asked: Asked) -> TermMap | Problem:
    """The context of a member of JSON-LD, or why there is none; an id needs none."""
    try:
        member = read_member(raw)
        return (await asked.words_of(member))[0] if isinstance(member, dict) else asked.context
    except Problem as problem:
        return problem


def _change(kind: EntityKind, read: Read, raw: Raw, context: TermMap | Problem, plain: bool) -> EntityChange | Outcome:
    """What a member says, or why it says nothing."""
    member = None
    try:
        member = read_member(raw)
        if isinstance(context, Problem):
            raise context
        if plain and isinstance(member, dict) and "@context" in member:
            raise bad_request("Plain JSON has no @context.", "Name it in a Link header, or send application/ld+json.")
        return EntityChange(kind, read(member, context))
    except Problem as problem:
        return Outcome(_id_of(member), problem=problem)


def _named_fragment(member: Any, context: TermMap, *, simplified: bool = False) -> Entity:
    entity = read_fragment(member, context, simplified=simplified)
    if not entity.id:
        raise bad_request("A member of the batch has no id.", "Say which entity it is of.")
    return entity


def _id_of(member: Any) -> str:
    told = member.get("id", member.get("@id")) if isinstance(member, dict) else member
    return told if isinstance(told, str) else ""


def _option(asked: Asked, *known: str) -> str | None:
    """The one option that is asked for. Raises Problem 400 for an unknown one."""
    options = listed(asked.query.get("options"))
    if not options:
        return None
    if len(options) > 1 or options[0] not in known:
        raise bad_request(f"{options[-1][:40]!r} is no option here.", f"Known: {', '.join(known)}.")
    return options[0]
