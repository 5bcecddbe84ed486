"""Entities that others lead to, shown with them (linked entity retrieval, ETSI GS CIM 009 v1.8.1, clause 4.5.23)."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any, Literal

from dothi.access.policy import Person
from dothi.api.ngsild.contexts.term_map import TermMap
from dothi.api.ngsild.negotiation import listed, whole
from dothi.api.ngsild.projection import Projection
from dothi.api.ngsild.representation import Shown, shaper
from dothi.api.ngsild.shape import Shape
from dothi.data.context import Context, EntityQuery
from dothi.model.entity import Attribute, Entity
from dothi.model.problem import Problem, bad_request

LINKED_PARAMETERS = frozenset({"join", "joinLevel", "containedBy"})
"""The URL parameters ``read_join`` reads."""
DEEPEST_JOIN = 8
MOST_LINKED = 1000
"""Entities that one answer brings beside those that were asked for."""
HEAVIEST = 64 * 1024 * 1024
"""So many letters may be kept of the entities in one answer, which takes some eight times as much memory."""
MOST_COPIES = 10_000
"""How often one answer shows such entities inside others: one to which many ways lead is shown on each of them."""


@dataclass(frozen=True, slots=True)
class Join:
    """``how`` linked entities come: inside those that lead to them, or beside; ``level`` is how far to go.

    What is ``contained_by`` the caller already is not brought again.
    """

    how: Literal["inline", "flat"]
    level: int = 1
    contained_by: frozenset[str] = frozenset()


def read_join(query: Mapping[str, str], projection: Projection) -> Join | None:
    """The join that a request asks for; None if it asks for none. Raises Problem 400."""
    how, level = query.get("join"), whole(query.get("joinLevel"), "joinLevel", 1, DEEPEST_JOIN, least=1)
    if how in (None, "@none"):
        if projection.nested or "joinLevel" in query:
            raise bad_request("This asks for linked entities without join.", "Add join=inline or join=flat.")
        return None
    if projection.depth > level:
        raise bad_request("This asks for more of linked entities than joinLevel reaches.", "Give a larger joinLevel.")
    if how not in ("inline", "flat"):
        raise bad_request(f"There is no join {str(how)[:40]!r}.", "It is inline, flat or @none.")
    return Join("inline" if how == "inline" else "flat", level, frozenset(listed(query.get("containedBy"))))


def joined(
    asker: Person,
    context: Context,
    entities: Sequence[Entity],
    words: Callable[[Iterable[Entity]], TermMap],
    shape: Shape,
    join: Join,
) -> tuple[list[Shown], TermMap]:
    """``entities`` with what they lead to, as far as ``asker`` may know it: shown inside them, or after them, in the names
    that ``words`` gives for all of these.

    Raises Problem 403 (TooManyResults) if they lead to more than MOST_LINKED, or would be shown more than MOST_COPIES times.
    """
    linked = _linked(asker, context, entities, shape.projection, join)
    terms = words(linked.values())
    if join.how == "flat":
        return _flat(entities, linked, terms, shape, join), terms
    copies, within = count(), join.contained_by
    shown = [_inline(one, linked, terms, shape, join.level, within | {one.id}, copies) for one in entities]
    return shown, terms


def _linked(
    asker: Person, context: Context, entities: Sequence[Entity], projection: Projection, join: Join
) -> dict[str, Entity]:
    found: dict[str, Entity] = {}
    met = {one.id for one in entities} | join.contained_by
    level = [(one, projection) for one in entities]
    found_here = {one.id: one for one in entities}
    for _ in range(join.level):
        ways: dict[str, Projection] = {}
        for one, shown in level:
            for iri, urn in _objects(one, shown):
                ways.setdefault(urn, shown.within(iri))
        wanted = [urn for urn in ways if urn not in met]
        if len(found) + len(wanted) > MOST_LINKED:
            raise _too_many(f"These lead to more than {MOST_LINKED} entities.")
        if not wanted:
            break
        page = context.query(asker, EntityQuery(ids=tuple(wanted), limit=len(wanted)), heaviest=HEAVIEST)
        met.update(wanted)
        found |= {one.id: one for one in page.entities}
        level = [(one, ways[one.id]) for one in page.entities]
    return found_here | found


def _objects(entity: Entity, projection: Projection) -> list[tuple[str, str]]:
    """(attribute, URN) of everything that the shown relationships of ``entity`` lead to."""
    return [
        (iri, urn)
        for iri, instances in entity.attributes.items()
        if projection.shows(iri)
        for one in instances
        for urn in _urns(one)
    ]


def _urns(one: Attribute) -> list[str]:
    if one.kind not in ("Relationship", "ListRelationship"):
        return []
    return one.value if isinstance(one.value, list) else [one.value]


def _too_many(title: str) -> Problem:
    return Problem(403, "too-many-results", title, "Ask for fewer, or go less far.")


def _inline(
    entity: Entity,
    linked: Mapping[str, Entity],
    terms: TermMap,
    shape: Shape,
    level: int,
    above: frozenset[str],
    copies: Iterator[int],
) -> Shown:
    shown = shaper(terms, shape)(entity)
    if level == 0:
        return shown
    holder = shown["properties"] if shape.geojson else shown
    inner = replace(shape, geojson=False)
    for iri, instances in entity.attributes.items():
        name = terms.compact(iri)
        if name not in holder:
            continue
        below = replace(inner, projection=shape.projection.within(iri))
        kept = [one for one in instances if shape.datasets is None or (one.dataset_id or "@none") in shape.datasets]
        for place, one in enumerate(kept):
            found = {
                urn: _inline(linked[urn], linked, terms, below, level - 1, above | {urn}, copies)
                for urn in _urns(one)
                if urn in linked and urn not in above and _counted(copies)
            }
            if found:
                _put(holder, name, place if len(kept) > 1 else None, one, found, shape)
    return shown


def _counted(copies: Iterator[int]) -> bool:
    if next(copies) >= MOST_COPIES:
        raise _too_many(f"Entities would be shown inside others more than {MOST_COPIES} times.")
    return True


def _put(holder: Shown, name: str, place: int | None, one: Attribute, found: Mapping[str, Shown], shape: Shape) -> None:
    several = isinstance(one.value, list)
    if shape.format == "keyValues":
        entities: Any = [found.get(urn, urn) for urn in one.value] if several else found[one.value]
        if place is None:
            holder[name] = entities
        else:
            holder[name]["dataset"][one.dataset_id or "@none"] = entities
        return
    shown = holder[name] if place is None else holder[name][place]
    shown["entityList" if one.kind == "ListRelationship" else "entity"] = (
        list(found.values()) if several else found[one.value]
    )


def _flat(entities: Sequence[Entity], linked: Mapping[str, Entity], terms: TermMap, shape: Shape, join: Join) -> list[Shown]:
    """The entities asked for, then the others in the order in which they are met, each once."""
    answer, met = [], {one.id for one in entities}
    level = [(one, shape.projection) for one in entities]
    answer = [shaper(terms, shape)(one) for one in entities]
    for _ in range(join.level):
        following = []
        for one, projection in level:
            for iri, urn in _objects(one, projection):
                if urn in linked and urn not in met and urn not in join.contained_by:
                    met.add(urn)
                    within = projection.within(iri)
                    following.append((linked[urn], within))
                    answer.append(shaper(terms, replace(shape, projection=within))(linked[urn]))
        level = following
    return answer
