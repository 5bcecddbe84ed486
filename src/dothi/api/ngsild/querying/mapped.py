"""Queries whose pages go by an entity map, and what names the map (ETSI GS CIM 009 v1.9.1, clauses 5.5.9.3 and 5.7.1.4)."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from dothi.api.ngsild.door import ROOT, Asked
from dothi.api.ngsild.negotiation import flag
from dothi.api.ngsild.querying.entity_maps import MOST_IDS, USUAL, EntityMap
from dothi.api.ngsild.querying.linked import HEAVIEST
from dothi.data.context import EntityPage, EntityQuery
from dothi.data.periods import read_period
from dothi.model.problem import Problem, bad_request

MAP_PARAMETERS = frozenset({"entityMap", "entityMapLifetime"})
MAP_HEADER = "NGSILD-EntityMap"
_MONTH = timedelta(days=30)


def by_map(asked: Asked, query: EntityQuery) -> tuple[EntityPage, int, dict[str, str]] | None:
    """The page of ``query`` as an entity map has it, the status and the header to answer with.

    None where the request neither names a map nor wants one. A map that is gone is made anew.
    """
    name = asked.request.headers.get(MAP_HEADER)
    if name is None and not flag(asked.query.get("entityMap"), "entityMap"):
        return None
    maps, asker = asked.broker.maps, asked.person
    kept = maps.get(asker.id, name) if name is not None else None
    if kept is None:
        kept, status = made_of(asked, matching_ids(asked, query)), 201
        ids = kept.ids
    else:
        wanted = [one for one in kept.ids if not query.ids or one in query.ids]
        ids, status = matching_ids(asked, replace(query, ids=tuple(wanted))) if wanted else [], 200
        maps.prune(kept, {*ids, *set(kept.ids).difference(wanted)})
    last = query.offset + query.limit
    page = EntityPage([], len(ids), len(ids) > last)
    if shown := tuple(ids[query.offset : last]):
        rest = EntityQuery(ids=shown, limit=len(shown), order=query.order, collation=query.collation)
        shown_ones = replace(rest, attributes=query.attributes)
        page.entities = asked.broker.platform.context.query(asker, shown_ones, heaviest=HEAVIEST).entities
    return page, status, {MAP_HEADER: location(kept)}


def of_one(asked: Asked, urn: str) -> dict[str, str]:
    """The header that names the map of one entity that was retrieved; none where none is wanted (clause 5.7.1.4)."""
    name = asked.request.headers.get(MAP_HEADER)
    if name is None and not flag(asked.query.get("entityMap"), "entityMap"):
        return {}
    maps, owner = asked.broker.maps, asked.person.id
    kept = maps.get(owner, name) if name is not None else None
    return {MAP_HEADER: location(kept or made_of(asked, [urn]))}


def made_of(asked: Asked, ids: Sequence[str]) -> EntityMap:
    """A new map of what the asker's query found. Raises Problem 403 for more than a map holds."""
    if len(ids) > MOST_IDS:
        raise _too_many()
    return asked.broker.maps.make(asked.person.id, ids, _lifetime(asked))


def location(kept: EntityMap) -> str:
    """Its address in this city."""
    return f"{ROOT}entityMaps/{kept.id}"


def matching_ids(asked: Asked, query: EntityQuery) -> list[str]:
    """The ids of all that the query finds, in order. Raises Problem 403 for more than a map holds."""
    everything = replace(query, limit=MOST_IDS, offset=0, attributes=())
    found = asked.broker.platform.context.query(asked.person, everything)
    if found.more:
        raise _too_many()
    return [one.id for one in found.entities]


def _too_many() -> Problem:
    return Problem(403, "too-many-results", f"A map holds {MOST_IDS} entities at most.", "Ask for fewer.")


def _lifetime(asked: Asked) -> timedelta:
    told = asked.query.get("entityMapLifetime")
    if told is None:
        return USUAL
    try:
        period = read_period(told)
    except Problem as wrong:
        raise bad_request(f"entityMapLifetime {told[:40]!r} is no duration.", "Write it like PT1H or P1D.") from wrong
    return period.months * _MONTH + timedelta(microseconds=period.micros)
