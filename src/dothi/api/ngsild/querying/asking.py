"""A query of entities, from URL parameters or a body, as the city's context takes it (clauses 5.2.23, 5.7.2.4, 6.4.3.2)."""

from collections.abc import Mapping
from typing import Any

from dothi.api.ngsild.checks import uri
from dothi.api.ngsild.contexts.term_map import TermMap
from dothi.api.ngsild.negotiation import flag, listed, whole
from dothi.api.ngsild.projection import CORE_MEMBERS
from dothi.api.ngsild.querying.geo_query import GEO_PARAMETERS, parse_geo, read_geometry
from dothi.api.ngsild.querying.linked import DEEPEST_JOIN
from dothi.api.ngsild.querying.query_language import parse_q, parse_scope_q, parse_types, read_path
from dothi.data.collation import collator
from dothi.data.predicate import Exists, HasId, IdMatches, OfType, Or, Path, Predicate, both, leaves, paths, searcher
from dothi.data.question import EntityQuery, Order
from dothi.model.problem import bad_request

MOST = 5000
USUAL = 20
QUERY_PARAMETERS = GEO_PARAMETERS | frozenset(
    {"id", "type", "idPattern", "q", "scopeQ", "csf", "attrs", "pick", "expandValues", "jsonKeys", "join", "joinLevel"}
    | {"local", "limit", "offset", "count", "orderBy", "orderFrom", "collation"}
)
"""The URL parameters that ``read_query`` reads."""

_MOST_IDS = 10_000
_MOST_SELECTORS = 100


def read_query(params: Mapping[str, str], context: TermMap) -> EntityQuery:
    """The query that URL parameters ask.

    Raises Problem 400 for what makes no sense, and for one that names neither type, attribute, q, place nor local=true.
    """
    kinds = params.get("type")
    if kinds == "*" and params.get("local") == "false":
        raise bad_request("type=* is for what this city itself keeps.", "Leave local out, or set it to true.")
    limit, offset = read_page(params)
    query = EntityQuery(
        ids=tuple(dict.fromkeys(uri(one, "The id") for one in listed(params.get("id")))),
        id_pattern=_pattern(params.get("idPattern")),
        which=both(
            parse_types(kinds, context) if kinds is not None and kinds != "*" else None,
            parse_scope_q(params["scopeQ"]) if "scopeQ" in params else None,
        ),
        where=_where(params, context, listed(params.get("expandValues"))),
        geo=parse_geo(params, context),
        limit=limit,
        offset=offset,
        order=_orders(listed(params.get("orderBy")), context, _point(params.get("orderFrom"))),
        collation=_collation(params.get("collation")),
    )
    if kinds != "*" and not flag(params.get("local"), "local"):
        check_narrow(query)
    return query


def read_page(params: Mapping[str, str]) -> tuple[int, int]:
    """The limit and the offset that URL parameters ask for (clause 5.5.9). Raises Problem 400."""
    limit = whole(params.get("limit"), "limit", USUAL, MOST)
    if limit == 0 and not flag(params.get("count"), "count"):
        raise bad_request("limit=0 only makes sense with count=true.")
    return limit, whole(params.get("offset"), "offset", 0, 10_000_000)


def read_query_body(body: Mapping[str, Any], context: TermMap) -> EntityQuery:
    """The entities, q, geoQ, scopeQ and ordering of a body: a Query (clause 5.2.23), or what a subscription is about.

    ``limit`` and ``offset`` are not in it, nor is asked that it names enough: see ``check_narrow``. Raises Problem 400.
    """
    for name in ("q", "scopeQ", "csf"):
        if name in body and not isinstance(body[name], str):
            raise bad_request(f"{name} must be text.")
    geo = body.get("geoQ")
    if geo is not None and not isinstance(geo, dict):
        raise bad_request("geoQ must be an object.", "Give it georel, geometry and coordinates.")
    ids, pattern, which = _selectors(body["entities"], context) if "entities" in body else ((), None, None)
    scope = parse_scope_q(body["scopeQ"]) if "scopeQ" in body else None
    order, collation = _ordering(body.get("ordering"), context)
    return EntityQuery(
        ids=ids,
        id_pattern=pattern,
        which=both(which, scope),
        where=_where(body, context, texts(body, "expandValues")),
        geo=parse_geo(geo, context) if geo is not None else None,
        order=order,
        collation=collation,
    )


def check_narrow(query: EntityQuery) -> None:
    """Raises Problem 400 for a query that names no type, attribute, q or place (clause 5.7.2.4)."""
    typed = query.which is not None and any(isinstance(one, OfType) for one in leaves(query.which))
    valued = any(path.attribute not in CORE_MEMBERS for path in paths(query.where))
    if not (typed or valued or query.geo is not None):
        raise bad_request("The query is too wide.", "Give type, attrs, q or georel, or local=true for all this city keeps.")


def texts(body: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """A member that is a list of texts, or one text whose parts commas divide. Raises Problem 400 for an empty list."""
    told = body.get(name)
    if told is None:
        return ()
    parts = listed(told) if isinstance(told, str) else told
    if not isinstance(parts, list | tuple) or not parts or not all(isinstance(one, str) and one for one in parts):
        raise bad_request(f"{name} must be a list of names, with at least one.")
    return tuple(parts)


def _where(told: Mapping[str, Any], context: TermMap, expanded: tuple[str, ...]) -> Predicate | None:
    """The condition of q, and of attrs and pick, which want one of theirs to be there (clause 5.7.2.4)."""
    where = parse_q(told["q"], context, expanded) if "q" in told else None
    if "csf" in told:  # about other sources of context, of which this city asks none
        parse_q(told["csf"], context)
    hops = max((path.hops for path in paths(where)), default=0)
    level = told.get("joinLevel", 1) if told.get("join") in ("flat", "inline") else 0
    if hops and hops > (whole(str(level), "joinLevel", 1, DEEPEST_JOIN) if level else 0):
        raise bad_request("q asks for linked entities that are not joined.", "Give join, and joinLevel deep enough.")
    return both(where, _one_of("attrs", told, context), _one_of("pick", told, context))


def _one_of(name: str, told: Mapping[str, Any], context: TermMap) -> Predicate | None:
    if name not in told:
        return None
    names = [one.partition("{")[0].strip() for one in _level(texts(told, name))]
    if name == "pick" and any(one in CORE_MEMBERS for one in names):
        return None  # every entity has something to show
    wanted = tuple(
        Exists(Path(one if one in CORE_MEMBERS - {"id", "type", "scope"} else context.expand(one))) for one in names
    )
    return wanted[0] if len(wanted) == 1 else Or(wanted)


def _level(names: tuple[str, ...]) -> list[str]:
    """``names`` without what stands in braces behind them: parts that commas inside had divided are joined again."""
    found: list[str] = []
    depth = 0
    for one in names:
        if depth == 0:
            found.append(one)
        depth += one.count("{") - one.count("}")
    return found


def _pattern(text: str | None) -> str | None:
    if text is not None:
        searcher(text)
    return text


def _selectors(told: Any, context: TermMap) -> tuple[tuple[str, ...], str | None, Predicate | None]:
    """The ids, id pattern and further conditions of entities that meet one of several selectors (clause 5.2.33)."""
    if not isinstance(told, list) or not 0 < len(told) <= _MOST_SELECTORS:
        raise bad_request("entities must be a list with at least one selector.", f"At most {_MOST_SELECTORS}.")
    found = [_selector(one, context) for one in told]
    if len(found) == 1:
        return found[0]
    parts = [
        both(HasId(ids) if ids else None, IdMatches(pattern) if pattern is not None else None, kinds)
        for ids, pattern, kinds in found
    ]
    named = tuple(one for one in parts if one is not None)
    return (), None, Or(named) if len(named) == len(parts) else None


def _selector(told: Any, context: TermMap) -> tuple[tuple[str, ...], str | None, Predicate | None]:
    kinds = told.get("type") if isinstance(told, dict) else None
    if not isinstance(kinds, str):
        raise bad_request("A selector of entities has no type.", 'Write {"type": "AirQualityObserved"}.')
    which = None if kinds == "*" else parse_types(kinds, context)
    ids, pattern = told.get("id"), told.get("idPattern")
    if ids is not None:  # takes precedence
        several = ids if isinstance(ids, list) else [ids]
        if not 0 < len(several) <= _MOST_IDS:
            raise bad_request("A selector's id must be one URI or several.")
        return tuple(dict.fromkeys(uri(one, "The id") for one in several)), None, which
    if pattern is not None and not isinstance(pattern, str):
        raise bad_request("idPattern must be text.")
    return (), _pattern(pattern), which


def _ordering(told: Any, context: TermMap) -> tuple[tuple[Order, ...], str | None]:
    """The ``ordering`` of a body (clause 5.2.43)."""
    if told is None:
        return (), None
    if not isinstance(told, dict):
        raise bad_request("ordering must be an object.")
    kind, coordinates = told.get("geometry", "Point"), told.get("coordinates")
    if not isinstance(kind, str) or (coordinates is not None and not isinstance(coordinates, list)):
        raise bad_request("The place of ordering must be a geometry.", "Give geometry as text, coordinates as a list.")
    place = None if coordinates is None else read_geometry(kind, coordinates)
    collation = told.get("collation")
    if collation is not None and not isinstance(collation, str):
        raise bad_request("collation must be text.")
    return _orders(texts(told, "orderBy"), context, place), _collation(collation)


def _orders(told: tuple[str, ...], context: TermMap, place: Any) -> tuple[Order, ...]:
    found = []
    for one in told:
        name, _, style = one.partition(";")
        if style not in ("", "asc", "desc", "dist-asc", "dist-desc"):
            raise bad_request(f"{one[:60]!r} is no order.", "Write name;asc, name;desc, name;dist-asc or name;dist-desc.")
        if style.startswith("dist") and place is None:
            raise bad_request("An order by distance needs a place.", "Give orderFrom=[longitude,latitude].")
        path = Path(name) if name in CORE_MEMBERS else read_path(name, context)
        found.append(Order(path, style.endswith("desc"), place if style.startswith("dist") else None))
    return tuple(found)


def _point(text: str | None) -> Any:
    return None if text is None else read_geometry("Point", text)


def _collation(tag: str | None) -> str | None:
    collator(tag)
    return tag
