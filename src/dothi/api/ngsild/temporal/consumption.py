"""Asking for the past of entities (ETSI GS CIM 009 v1.8.1, clauses 5.7.3, 5.7.4, 6.18.3.2, 6.19.3.1 and 6.24)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from starlette.routing import BaseRoute

from dothi.api.ngsild.broker import Broker
from dothi.api.ngsild.checks import uri
from dothi.api.ngsild.contexts.term_map import TermMap
from dothi.api.ngsild.door import Answer, Asked, door
from dothi.api.ngsild.negotiation import JSON, LD_JSON, flag
from dothi.api.ngsild.projection import CORE_MEMBERS
from dothi.api.ngsild.querying.asking import (
    MOST,
    QUERY_PARAMETERS,
    check_narrow,
    read_page,
    read_query,
    read_query_body,
    texts,
)
from dothi.api.ngsild.querying.mapped import MAP_HEADER, MAP_PARAMETERS, location, made_of, of_one
from dothi.api.ngsild.querying.query import page_links
from dothi.api.ngsild.querying.retrieve import ENTITY_SCHEMA, parameter
from dothi.api.ngsild.temporal.asking import TEMPORAL_PARAMETERS, Temporal, params_of_body, read_temporal
from dothi.api.ngsild.temporal.shown import cut, figures_of_cells, figures_of_columns, figures_of_instances, latest, shower
from dothi.data.evolution import Kind
from dothi.data.evolved import Cells, Column, Evolved, Told
from dothi.data.evolving import Evolutions, Page
from dothi.data.instances import SCOPE
from dothi.data.predicate import InScope, leaves, meets, paths, searcher
from dothi.data.question import EntityQuery
from dothi.data.sums import SUMMED
from dothi.data.trail import EVER
from dothi.model.entity import Entity
from dothi.model.problem import Problem, bad_request, not_found

_QUERY_PARAMETERS = (QUERY_PARAMETERS | TEMPORAL_PARAMETERS) - {
    "join",
    "joinLevel",
    "orderFrom",
    "collation",
} | MAP_PARAMETERS
_BODY_PARAMETERS = frozenset({"limit", "offset", "count", "options", "format", "local"})

_NOBODY = "urn:ngsi-ld:null"  # the id of no entity
Parts = Sequence[Column | Cells] | None
"""What figures are made of: readings in bulk, or None where instances are looked at one by one."""

_DOCUMENTED = (
    parameter("timerel", "before, after (from then on) or between.", enum=["before", "after", "between"]),
    parameter("timeAt", "The moment it starts from, in UTC: 2026-11-21T08:30:00Z."),
    parameter("endTimeAt", "Where between ends; it does not count any more."),
    parameter("timeproperty", "The time that counts.", enum=["observedAt", "createdAt", "modifiedAt", "deletedAt"]),
    parameter("lastN", "Only the newest so many instances of each attribute.", type="integer", minimum=1),
    parameter("format", "normalized, temporalValues or aggregatedValues."),
    parameter("options", "sysAttrs shows when things came to be and changed; a format may stand here too."),
    parameter("aggrMethods", "totalCount, distinctCount, sum, avg, min, max, stddev, sumsq, separated by commas."),
    parameter("aggrPeriodDuration", "How long a period is: PT1H, P1D, P1M … All the time there is, if left out."),
    parameter("attrs", "Attributes that are shown, separated by commas."),
    parameter("pick", "Members that are shown."),
    parameter("omit", "Members that are not shown."),
    parameter("datasetId", "Instances that are shown, separated by commas; @none is the default one."),
    parameter("lang", "Languages of texts, the preferred first."),
)
_PAGED = {"Content-Range": {"schema": {"type": "string"}, "description": "Of a page: the time it covers."}}


def _answers(schema: Mapping[str, Any]) -> dict[str, Any]:
    content = {media: {"schema": schema} for media in (JSON, LD_JSON)}
    return {
        "200": {"description": "All of it.", "content": content},
        "206": {"description": "A page of it, by time.", "content": content, "headers": _PAGED},
    }


_RETRIEVE = {
    "summary": "Retrieve the past of an entity (ETSI GS CIM 009, clause 6.19.3.1)",
    "parameters": list(_DOCUMENTED),
    "responses": _answers(ENTITY_SCHEMA),
}
_QUERY = {
    "summary": "Query the past of entities (ETSI GS CIM 009, clause 6.18.3.2)",
    "parameters": [
        parameter("type", "Entity types, short or IRI, joined by , (or), ; (and) and parentheses."),
        parameter("id", "Entity ids, separated by commas."),
        parameter("q", "A condition that an instance of the time must meet."),
        parameter("limit", "How many entities at most.", type="integer", minimum=0, maximum=MOST),
        parameter("offset", "How many to pass over.", type="integer", minimum=0),
        parameter("count", "Also say how many there are.", type="boolean"),
        *_DOCUMENTED,
    ],
    "responses": _answers({"type": "array", "items": ENTITY_SCHEMA}),
}


def routes(broker: Broker) -> list[BaseRoute]:
    """``/ngsi-ld/v1/temporal/entities``, one entity of them, and ``temporal/entityOperations/query``."""
    past, page = broker.evolutions, broker.platform.settings.temporal_page

    def retrieve(asked: Asked) -> Answer:
        urn = uri(asked.path["id"], "The id")
        told = read_temporal(asked, asked.query, needed=False)
        return _one(past, asked, told, urn, page)

    def query(asked: Asked) -> Answer:
        return _several(past, asked, read_query(asked.query, asked.context), asked.query, page)

    def post(asked: Asked) -> Answer:
        query, params = _of_body(asked)
        return _several(past, asked, query, params, page)

    return [
        door(
            broker,
            "temporal/entities/{id}",
            retrieve,
            action="history.read",
            params=TEMPORAL_PARAMETERS | MAP_PARAMETERS,
            operation=_RETRIEVE,
            name="ngsild-retrieve-past",
        ),
        door(
            broker,
            "temporal/entities",
            query,
            action="history.read",
            params=_QUERY_PARAMETERS,
            operation=_QUERY,
            name="ngsild-query-past",
        ),
        door(
            broker,
            "temporal/entityOperations/query",
            post,
            action="history.read",
            method="POST",
            params=_BODY_PARAMETERS,
            body="json",
            operation={**_QUERY, "summary": "Query the past of entities by a body (ETSI GS CIM 009, clause 6.24)"},
            name="ngsild-query-past-by-body",
        ),
    ]


def _one(past: Evolutions, asked: Asked, told: Temporal, urn: str, page: int) -> Answer:
    query = EntityQuery(ids=(urn,))
    if _in_columns(query, told):
        for evolved, parts in _loaded_parts(past, asked, query, told):
            shown = [one for one in parts if told.projection.shows(one.attribute)]
            terms = _words(asked, [(evolved, shown)])
            return Answer(body=_figures(evolved, shown, told, terms), context=terms)
        raise not_found("entity", urn)
    bounds = Page(page, told.last) if told.datasets is None and told.format != "aggregatedValues" else None
    found = past.of(asked.person, urn, told.window, _loaded(told), page=bounds)
    if found is None or (found.deleted_at is not None and not told.window.bounded and _is_empty(past, asked, urn)):
        raise not_found("entity", urn)
    _narrow(found, told)
    _check_left(found, told, asked)
    answer = _answer(asked, [found], told, page, alone=True)
    answer.headers |= of_one(asked, urn)
    return answer


def _is_empty(past: Evolutions, asked: Asked, urn: str) -> bool:
    """True of an entity that was deleted and whose past was too."""
    there = past.of(asked.person, urn, read_temporal(asked, {}, needed=False).window)
    return there is None or not there.instances


def _several(past: Evolutions, asked: Asked, query: EntityQuery, params: Mapping[str, str], page: int) -> Answer:
    told = read_temporal(asked, params, needed=True)
    for order in query.order:
        if order.by.attribute != "id" or not order.by.plain or order.place is not None:
            raise bad_request("The past is ordered by id or not at all.", "Write orderBy=id or orderBy=id;desc.")
    count, ends = flag(asked.query.get("count"), "count"), query.offset + query.limit
    name = asked.request.headers.get(MAP_HEADER)
    mapped = name is not None or flag(asked.query.get("entityMap"), "entityMap")
    kept = asked.broker.maps.get(asked.person.id, name) if name is not None else None
    if kept is not None:
        query = replace(query, ids=tuple(one for one in kept.ids if not query.ids or one in query.ids) or (_NOBODY,))
    found: list[Any] = []
    for one in matching(past, asked, query, told):
        found.append(one)
        if len(found) > ends and not (count or query.order or mapped):
            break
    for order in query.order:
        found.sort(key=lambda one: one[0].id, reverse=order.descending)
    shown = found[query.offset : ends]
    headers = {"NGSILD-Results-Count": str(len(found))} if count else {}
    if mapped:
        made = made_of(asked, [one.id for one, _ in found]) if kept is None else kept
        headers[MAP_HEADER] = location(made)
    if links := page_links(asked.request.url.path, asked.query, query, len(found) > ends):
        headers["Link"] = links
    if told.format == "aggregatedValues":
        terms = _words(asked, shown)
        answer = Answer(body=[_figures(one, parts, told, terms) for one, parts in shown], context=terms)
    else:
        answer = _answer(asked, [one for one, _ in shown], told, page, alone=False)
    answer.headers |= headers
    if mapped and kept is None and answer.status == 200:
        answer.status = 201
    return answer


def _figures(evolved: Evolved, parts: Parts, told: Temporal, context: TermMap) -> dict[str, Any]:
    """The figures of an entity, from whatever they were loaded as."""
    if parts is None:
        return figures_of_instances(evolved, told, context)
    cells = [one for one in parts if isinstance(one, Cells)]
    if cells:
        return figures_of_cells(evolved, cells, told, context)
    return figures_of_columns(evolved, [one for one in parts if isinstance(one, Column)], told, context)


def _loaded_parts(
    past: Evolutions, asked: Asked, query: EntityQuery, told: Temporal
) -> Iterable[tuple[Evolved, Sequence[Column | Cells]]]:
    """Readings in bulk: summed up where they lie if that is enough, else as columns."""
    loaded, window = _loaded(told, query), told.window
    if window.first == told.start and not told.period.months and SUMMED.issuperset(told.figures):
        length = told.period.micros or window.last - window.first
        if told.period.micros or window.last != EVER:
            found = past.cells(asked.person, query, window, loaded, length, told.figures)
            if found is not None:
                return found
    return past.columns(asked.person, query, told.window, loaded)


def matching(past: Evolutions, asked: Asked, query: EntityQuery, told: Temporal) -> Iterator[tuple[Evolved, Parts]]:
    """The entities that the query is about, each with what of its past counts, as far as the asker may know it."""
    person, loaded = asked.person, _loaded(told, query)
    if _in_columns(query, told):
        for evolved, parts in _loaded_parts(past, asked, query, told):
            kept = [one for one in parts if told.projection.shows(one.attribute)]
            if kept and _is_meant(evolved, query):
                yield evolved, kept
        return
    for evolved in past.find(person, query, told.window, loaded):
        if not evolved.instances or not _is_meant(evolved, query, scopes=False):
            continue
        if _scoped(query) and not _within_scope(evolved, query, told):
            continue
        if query.where is not None and not meets(query.where, _entity(evolved)):
            continue
        if query.geo is not None and not any(
            query.geo.met_by(one.attribute.value) for one in evolved.instances.get(query.geo.attribute, ())
        ):
            continue
        _narrow(evolved, told, attributes="attrs" in asked.query)
        if any(evolved.instances.values()):
            yield evolved, None


def _in_columns(query: EntityQuery, told: Temporal) -> bool:
    """True where nothing but figures of readings is asked for."""
    plain = query.where is None and query.geo is None and not _scoped(query)
    return told.format == "aggregatedValues" and told.window.by == "observedAt" and plain and told.datasets is None


def _loaded(told: Temporal, query: EntityQuery | None = None) -> tuple[str, ...] | None:
    """The attributes that have to be looked at; None for all."""
    shown = told.projection.attributes
    if shown is None:
        return None
    if query is None:
        return shown
    needed = {one.attribute for one in paths(query.where)} - CORE_MEMBERS
    if query.geo is not None:
        needed.add(query.geo.attribute)
    # What is picked beside members of the entity may be nothing at all: then any instance counts.
    return tuple({*shown, *needed}) if shown else None


def _is_meant(evolved: Evolved, query: EntityQuery, *, scopes: bool = True) -> bool:
    if query.id_pattern is not None and not searcher(query.id_pattern)(evolved.id):
        return False
    if query.which is None or (not scopes and _scoped(query)):
        return True
    return meets(query.which, Entity(evolved.id, evolved.type, more_types=evolved.more_types))


def _scoped(query: EntityQuery) -> bool:
    return query.which is not None and any(isinstance(one, InScope) for one in leaves(query.which))


def _within_scope(evolved: Evolved, query: EntityQuery, told: Temporal) -> bool:
    """Keep what was told while the scopes met the query (clause 4.18); False if they never did in the time asked for."""
    assert query.which is not None  # noqa: S101 - asked for by the caller
    stood = [one for one in evolved.instances.get(SCOPE, ()) if one.kind is not Kind.GONE]
    spans = []
    for place, one in enumerate(stood):
        ends = stood[place + 1].at if place + 1 < len(stood) else EVER
        scopes = tuple(one.attribute.value)
        entity = Entity(evolved.id, evolved.type, more_types=evolved.more_types, scopes=scopes)
        if meets(query.which, entity) and one.at < told.window.last and ends > told.window.first:
            spans.append((one.at, ends))
    for iri, many in evolved.instances.items():
        if iri != SCOPE:
            evolved.instances[iri] = [one for one in many if any(first <= one.at < last for first, last in spans)]
    return bool(spans)


def _entity(evolved: Evolved) -> Entity:
    """The instances of the time as if they stood side by side: one that meets a condition is enough."""
    attributes = {
        iri: there
        for iri, many in evolved.instances.items()
        if iri != SCOPE and (there := [one.attribute for one in many if one.kind is not Kind.GONE])
    }
    return Entity(
        evolved.id,
        evolved.type,
        attributes,
        created_at=evolved.created_at,
        modified_at=evolved.modified_at,
        more_types=evolved.more_types,
    )


def _narrow(evolved: Evolved, told: Temporal, *, attributes: bool = False) -> None:
    """Keep the datasets asked for, the newest of lastN, and with ``attributes`` only those that are shown."""
    kept: dict[str, list[Told]] = {}
    for iri, many in evolved.instances.items():
        if attributes and not told.projection.shows("scope" if iri == SCOPE else iri):
            continue
        if told.datasets is not None:
            many = [one for one in many if (one.attribute.dataset_id or "@none") in told.datasets]
        if many or told.datasets is None:
            kept[iri] = many
    evolved.instances = kept
    if told.last is not None:
        latest(evolved, told.last)


def _check_left(found: Evolved, told: Temporal, asked: Asked) -> None:
    """Raises Problem 404 if nothing of what is asked for is there."""
    projection = told.projection
    if projection.pick is None and not projection.omit:
        return
    there: Iterable[str] = (
        [iri for iri in found.instances if iri != SCOPE] if "attrs" in asked.query else [*found.instances, "id", "type"]
    )
    if not any(projection.shows("scope" if name == SCOPE else name) for name in there):
        raise Problem(404, "not-found", f"The entity {found.id!r} has nothing of that.", "Ask for other members.")


def _answer(asked: Asked, found: list[Evolved], told: Temporal, page: int, *, alone: bool) -> Answer:
    terms = _words(asked, [(one, None) for one in found])
    if told.format == "aggregatedValues":
        shown = [figures_of_instances(one, told, terms) for one in found]
        return Answer(body=shown[0] if alone else shown, context=terms)
    for one in found:
        one.instances = {iri: many for iri, many in one.instances.items() if told.projection.shows(_member(iri))}
    part = cut(found, told, page)
    shown = list(map(shower(terms, told), found))
    headers = {} if part is None else {"Content-Range": part.header}
    return Answer(200 if part is None else 206, shown[0] if alone else shown, headers, context=terms, entities=True)


def _words(asked: Asked, found: Iterable[tuple[Evolved, Parts]]) -> TermMap:
    """The context whose names an answer about ``found`` has."""

    def named(evolved: Evolved, parts: Parts) -> Entity:
        attributes = evolved.instances if parts is None else [one.attribute for one in parts]
        return Entity(evolved.id, evolved.type, {iri: [] for iri in attributes}, more_types=evolved.more_types)

    return asked.words_for(named(*one) for one in found)


def _member(iri: str) -> str:
    return "scope" if iri == SCOPE else iri


def _of_body(asked: Asked) -> tuple[EntityQuery, dict[str, str]]:
    """A Query with its temporalQ. Raises Problem 400."""
    body = asked.body
    if not isinstance(body, dict) or body.get("type") != "Query":
        raise bad_request('The body is no Query: its type must be "Query".')
    limit, offset = read_page(asked.query)
    query = replace(read_query_body(body, asked.context), limit=limit, offset=offset)
    if not flag(asked.query.get("local"), "local"):
        check_narrow(query)
    params = params_of_body(body, asked.query)
    for name in ("attrs", "pick", "omit", "datasetId"):
        if name in body:
            params[name] = ",".join(texts(body, name))
    if isinstance(body.get("lang"), str):
        params["lang"] = body["lang"]
    return query, params
