"""Reading entities by NGSI-LD: query (clause 6.4.3.2) and retrieve (6.5.3.1) of ETSI GS CIM 009 v1.8.1."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from dothi.access.routes import Endpoint, page
from dothi.api.ngsild.problems import ngsild_problem
from dothi.api.ngsild.representation import context_document, normalizer
from dothi.data.context import EntityQuery
from dothi.data.terms import Terms
from dothi.model.problem import Problem, bad_request, not_found
from dothi.platform.platform import Platform

MAX_LIMIT = 5000
CONTEXT_PATH = "/ngsi-ld/context.jsonld"
_LD_JSON = "application/ld+json"
_KNOWN = frozenset({"type", "id", "attrs", "georel", "geometry", "coordinates", "limit", "offset", "count", "local"})
_NEAR = re.compile(r"near;maxDistance==([0-9]+(?:\.[0-9]+)?)")


def _parameter(name: str, words: str, **schema: Any) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": words, "schema": {"type": "string"} | schema}


def _answered(words: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"description": words, "content": {media: {"schema": schema} for media in ("application/json", _LD_JSON)}}


_ENTITY = {
    "type": "object",
    "required": ["id", "type"],
    "properties": {"id": {"type": "string"}, "type": {"type": "string"}},
}
_COUNTED = {"NGSILD-Results-Count": {"schema": {"type": "integer"}, "description": "With count=true."}}
_QUERY = {
    "summary": "Query entities (ETSI GS CIM 009, clause 6.4.3.2)",
    "parameters": [
        _parameter("type", "Entity types, short or IRI, separated by commas."),
        _parameter("id", "Entity ids, separated by commas."),
        _parameter("attrs", "Attributes, separated by commas."),
        _parameter("georel", "near;maxDistance==metres"),
        _parameter("geometry", "The shape the distance is measured from.", enum=["Point"]),
        _parameter("coordinates", "[longitude,latitude]"),
        _parameter("limit", "How many at most.", type="integer", minimum=0, maximum=MAX_LIMIT, default=20),
        _parameter("offset", "How many to pass over.", type="integer", minimum=0, default=0),
        _parameter("count", "Also say how many there are.", type="boolean", default=False),
        _parameter("local", "Only what this city itself keeps, which is all it answers with.", type="boolean"),
    ],
    "responses": {"200": _answered("The entities.", {"type": "array", "items": _ENTITY}) | {"headers": _COUNTED}},
}
_RETRIEVE = {
    "summary": "Retrieve one entity (clause 6.5.3.1)",
    "responses": {"200": _answered("The entity.", _ENTITY)},
}


def routes(platform: Platform) -> list[BaseRoute]:
    """``/ngsi-ld/v1/entities``, one entity, and the @context that explains the short names."""
    terms = Terms(platform.types)
    normalized = normalizer(terms)
    context = msgspec.json.encode(context_document(platform.types))

    def query(request: Request) -> Response:
        media = _media_type(request)
        asked = request.query_params
        unknown = set(asked) - _KNOWN
        if unknown:
            raise bad_request(
                f"The parameter {min(unknown)[:40]!r} is not known here.", f"Known: {', '.join(sorted(_KNOWN))}."
            )
        if not any(asked.get(name) for name in ("type", "id", "attrs", "georel", "local")):
            raise bad_request("The query names nothing to look for.", "Give type, attrs, id, georel or local=true.")
        count = asked.get("count", "false")
        if count not in ("true", "false"):
            raise bad_request("count is true or false.")
        limit = _whole(asked.get("limit"), "limit", 20, MAX_LIMIT)
        if limit == 0 and count == "false":
            raise bad_request("limit=0 only makes sense with count=true.")
        names = tuple(terms.expand(name) for name in _listed(asked.get("attrs")))
        found = platform.context.query(
            request.state.person,
            EntityQuery(
                type=tuple(terms.expand(name) for name in _listed(asked.get("type"))) or None,
                ids=_listed(asked.get("id")),
                near=_near(asked),
                limit=limit,
                offset=_whole(asked.get("offset"), "offset", 0, 10_000_000),
                attributes=names or None,
            ),
            count=count == "true",
        )
        headers = {"NGSILD-Results-Count": str(found.total)} if count == "true" else {}
        return _answer(request, media, [normalized(one) for one in found.entities], headers)

    def retrieve(request: Request) -> Response:
        media = _media_type(request)
        urn = request.path_params["urn"]
        if ":" not in urn:
            raise bad_request(f"{urn[:80]!r} is not a URI.", "Entity ids look like urn:ngsi-ld:Type:city:local.")
        entity = platform.context.get(request.state.person, urn)
        if entity is None:
            raise not_found("entity", urn)
        return _answer(request, media, normalized(entity), {})

    async def context_file(_: Request) -> Response:
        return Response(context, media_type=_LD_JSON, headers={"Cache-Control": "public, max-age=3600"})

    return [
        page("/ngsi-ld/v1/entities", _with_problems(query), action="entity.read", name="ngsild-query", operation=_QUERY),
        page(
            "/ngsi-ld/v1/entities/{urn}",
            _with_problems(retrieve),
            action="entity.read",
            name="ngsild-retrieve",
            operation=_RETRIEVE,
        ),
        page(CONTEXT_PATH, context_file, action="city.read", name="ngsild-context"),
    ]


def _with_problems(door: Any) -> Endpoint:
    """``door`` on a thread, its problems in NGSI-LD's words."""

    async def guarded(request: Request) -> Response:
        try:
            answer: Response = await run_in_threadpool(door, request)
        except Problem as problem:
            return ngsild_problem(request, problem)
        return answer

    return guarded


def _answer(request: Request, media: str, found: Any, headers: Mapping[str, str]) -> Response:
    link = f"{request.base_url}".rstrip("/") + CONTEXT_PATH
    if media == _LD_JSON:
        for one in found if isinstance(found, list) else (found,):
            one["@context"] = link
        return Response(msgspec.json.encode(found), headers=dict(headers), media_type=_LD_JSON)
    relation = f'<{link}>; rel="http://www.w3.org/ns/json-ld#context"; type="{_LD_JSON}"'
    return Response(msgspec.json.encode(found), headers={**headers, "Link": relation}, media_type="application/json")


def _media_type(request: Request) -> str:
    """What the asker reads (clause 6.3.4): JSON unless JSON-LD is named first. Raises Problem 406."""
    accept = request.headers.get("accept", "*/*").lower()
    found = [(accept.find(name), name) for name in ("application/json", _LD_JSON) if name in accept]
    if found:
        return min(found)[1]
    if "*/*" in accept or "application/*" in accept or "text/html" in accept:
        return "application/json"
    raise Problem(
        406,
        "not-acceptable",
        "No representation fits the Accept header.",
        "Ask for application/ld+json or application/json.",
    )


def _listed(text: str | None) -> tuple[str, ...]:
    return tuple(part for part in (text or "").split(",") if part)


def _whole(text: str | None, name: str, default: int, largest: int) -> int:
    if text is None:
        return default
    if re.fullmatch(r"[0-9]{1,9}", text) is None or int(text) > largest:
        raise bad_request(f"{name} must be a whole number.", f"At most {largest}.")
    return int(text)


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
