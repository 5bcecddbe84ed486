"""How an NGSI-LD door comes to be: what every operation of the standard has in common is done here, once."""

import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, NoMatchFound
from starlette.types import Receive, Scope, Send

from dothi.access.ahead import packed
from dothi.access.policy import Person
from dothi.access.routes import Page, page
from dothi.api.ngsild.broker import Broker, abroad
from dothi.api.ngsild.contexts.term_map import RELATION, TermMap, absolute, link_header
from dothi.api.ngsild.negotiation import (
    GEO_JSON,
    JSON,
    LD_JSON,
    Body,
    check_parameters,
    media_type,
    read_json,
    read_members,
    sent_type,
)
from dothi.api.ngsild.not_here import not_here
from dothi.api.ngsild.problems import invalid_request, ngsild_problem
from dothi.api.ngsild.versions import NEWEST, preferred_version, told_in
from dothi.model.entity import Entity
from dothi.model.problem import Problem, bad_request

if TYPE_CHECKING:
    from dothi.api.ngsild.tenants import Tenants

ROOT = "/ngsi-ld/v1/"
# What makes a tenant that is not there yet (clause 5.5.10).
_CREATES = frozenset(
    {
        "entities",
        "entityOperations/create",
        "entityOperations/upsert",
        "temporal/entities",
        "subscriptions",
        "jsonldContexts",
    }
)
COMMON = frozenset({"local"})
"""Parameters every operation takes: this city itself is all it answers with."""

_LONGEST = 1000  # characters of a header that are looked at
_LENGTHS = frozenset({"POST", "PATCH", "PUT"})


@dataclass(slots=True)
class Asked:
    """One request, understood: who asks, with what parameters, in whose words.

    ``body`` is the JSON sent, without its @context (in a list each member keeps its own: see ``words_of``; "members" are
    still to be read: see ``read_member``); None where a door takes none. ``media`` is what the answer is to be, ``sent`` the
    media type of the body.
    """

    request: Request
    person: Person
    path: Mapping[str, str]
    query: Mapping[str, str]
    context: TermMap
    media: str
    correlation: str
    body: Any = None
    sent: str = JSON
    broker: Broker = field(kw_only=True)

    def words_for(self, entities: Iterable[Entity]) -> TermMap:
        """The context whose names an answer about ``entities`` has: the one asked with.

        Who named none is answered in the core context's, as the standard wants it, unless something of the city's own is
        among them: its short names are explained by the city's context alone.
        """
        contexts = self.broker.contexts
        if self.context is contexts.city and not any(_is_own(one, contexts.own) for one in entities):
            return contexts.core
        return self.context

    async def words_of(self, member: Any) -> tuple[TermMap, Any]:
        """The context of one member of a list that was sent, and the member without it.

        Raises Problem 400 if JSON-LD names none (or JSON names one), 504 for a context that cannot be had.
        """
        return await _words(self.broker, member, self.sent, None, self.context)


@dataclass(slots=True)
class Answer:
    """What a door answers; ``body`` is plain JSON values (times may be aware datetimes), or None for none.

    ``named`` says that the body holds names that a @context explains (``context``, or else the one asked with): it goes into
    JSON-LD and GeoJSON, and beside JSON as a Link (clause 6.3.5). ``entities`` says that it is one entity or several, which
    a client of an earlier version may want told in its way.
    """

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    named: bool = True
    context: TermMap | None = None
    entities: bool = False


def _is_own(entity: Entity, own: frozenset[str]) -> bool:
    return entity.type in own or not own.isdisjoint(entity.attributes) or not own.isdisjoint(entity.more_types)


Handle = Callable[[Asked], Answer | Awaitable[Answer]]


def door(
    broker: Broker,
    path: str,
    handle: Handle,
    *,
    action: str,
    method: str = "GET",
    params: frozenset[str] = frozenset(),
    body: Body = "none",
    geojson: bool = False,
    operation: Mapping[str, Any] | None = None,
    name: str | None = None,
) -> Page:
    """The route of one operation under ROOT: ``path`` like ``entities/{id}``, for whoever may do ``action``.

    ``handle`` is async, or plain and then run on a thread. ``params`` are the URL parameters it knows beside COMMON;
    ``body`` is what it reads ("merge-patch" takes JSON and JSON-LD too), ``geojson`` says that it can answer in GeoJSON,
    ``operation`` what OpenAPI says of it.

    Whatever is wrong is answered in problem details: 411, 415, 406, 400, NonexistentTenant, LdContextNotAvailable, and what
    ``handle`` raises.
    """
    known = params | COMMON
    run = handle if inspect.iscoroutinefunction(handle) else _on_thread(handle)

    async def served(request: Request) -> Response:
        headers = _headers(request.scope)
        echo = _echo(headers)
        try:
            asked = await _understand(broker, request, headers, known, body, geojson)
            answer = await run(asked)
            return _write(asked, answer, headers.get("prefer", ""), echo)
        except Problem as problem:
            return ngsild_problem(request, problem, echo)

    return page(
        ROOT + path,
        served,
        action=action,
        methods=[method],
        name=name or f"ngsild-{method.lower()}-{path}",
        forms=False,
        operation=operation or {"summary": (handle.__doc__ or path).split("\n", 1)[0].rstrip(".")},
    )


def _on_thread(handle: Handle) -> Callable[[Asked], Awaitable[Answer]]:
    async def run(asked: Asked) -> Answer:
        found = await run_in_threadpool(handle, asked)
        assert isinstance(found, Answer)  # noqa: S101 - a plain function has no other way to answer
        return found

    return run


def _headers(scope: Scope) -> dict[str, str]:
    """Every header by its name in lower case, decoded once: a door looks at half a dozen."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


def _echo(headers: Mapping[str, str]) -> dict[str, str]:
    tenant = headers.get("ngsild-tenant")
    return {} if tenant is None else {"NGSILD-Tenant": tenant}


async def _understand(
    broker: Broker, request: Request, headers: Mapping[str, str], known: frozenset[str], body: Body, geojson: bool
) -> Asked:
    sent = JSON
    if body != "none":
        if request.method in _LENGTHS and "content-length" not in headers:
            raise Problem(411, "length-required", "The Content-Length header is missing.")
        sent = sent_type(headers.get("content-type", "")[:_LONGEST], body)
    query: Mapping[str, str] = request.query_params if request.scope["query_string"] else {}
    if query:
        check_parameters(query, known)
    media = media_type(headers.get("accept", "")[:_LONGEST], geojson)
    found: Any = None
    context: TermMap | None = None
    if body != "none":
        found = (read_members if body == "members" else read_json)(await request.body())
        if not isinstance(found, dict | list):
            raise invalid_request("The body is neither an object nor a list.")
        if body == "context":
            context = broker.contexts.city
        elif isinstance(found, dict):
            context, found = await _words(broker, found, sent, headers.get("link"), None)
    if context is None:
        context = await broker.contexts.resolve_link(headers.get("link"))
    return Asked(
        request,
        request.state.person,
        request.path_params,
        query,
        context,
        media,
        request.state.correlation,
        found,
        sent,
        broker=broker,
    )


async def _words(broker: Broker, body: Any, sent: str, link: str | None, beside: TermMap | None) -> tuple[TermMap, Any]:
    """The context that explains ``body``, and it without (clause 6.3.5); ``beside`` is what JSON is explained by if known.

    A merge patch says by having one that it is JSON-LD.
    """
    spec = body.get("@context") if isinstance(body, dict) else None
    if sent == LD_JSON or (spec is not None and sent != JSON):
        if spec is None:
            raise bad_request("JSON-LD names its @context.", "Put @context into the body, or send application/json.")
        if link is not None and RELATION in link:
            raise bad_request("The body names an @context and so does a Link.", "Name it in one place.")
        return await broker.contexts.resolve(spec), {name: value for name, value in body.items() if name != "@context"}
    if isinstance(body, dict) and "@context" in body:
        raise bad_request("Plain JSON has no @context.", "Name it in a Link header, or send application/ld+json.")
    return beside or await broker.contexts.resolve_link(link), body


def _write(asked: Asked, answer: Answer, prefer: str, echo: Mapping[str, str]) -> Response:
    headers = {**answer.headers, **echo}
    body = answer.body
    if body is None:
        return Response(status_code=answer.status, headers=headers)
    media, status = asked.media, answer.status
    version = preferred_version(prefer) if prefer else None
    if version is not None:
        version = min(version, NEWEST)
        headers["Preference-Applied"] = f"ngsi-ld={version[0]}.{version[1]}"
        if status in (200, 206) and answer.entities and told_in(body, version) and status == 200:
            status = 203  # a part stays a part
    if answer.named:
        # GeoJSON carries its context unless the client would rather have it beside (Prefer: body=json).
        context = answer.context or asked.context
        inside = media == LD_JSON or (media == GEO_JSON and "body=json" not in _parts_of(prefer))
        if inside:
            named = absolute(context.document, _base(asked.request.scope))
            for one in body if isinstance(body, list) else (body,):
                one["@context"] = named
        else:
            pages = f", {headers['Link']}" if "Link" in headers else ""
            headers["Link"] = _link(context.link, _base(asked.request.scope)) + pages
    return Response(msgspec.json.encode(body), status, headers, media_type=media)


_link = lru_cache(maxsize=256)(link_header)


def _base(scope: Scope) -> str:
    """The city's own address, as the asker called it."""
    host = next((value for name, value in scope["headers"] if name == b"host"), b"")
    return f"{scope['scheme']}://{host.decode('latin-1')}"


def _parts_of(prefer: str) -> list[str]:
    return [part.strip() for part in prefer.split(",")]


class Doors(BaseRoute):
    """All doors below ROOT in one look: the path's parts lead through a tree, whatever is escaped in them.

    What the standard has and this broker has not is a 501, an unknown path a 404, an unknown method a 405 with Allow, all in
    the standard's problem details; a slash at the end changes nothing.
    """

    path = ""

    def __init__(self, routes: Sequence[Page], tenants: "Tenants | None" = None) -> None:
        self.routes, self._tenants = list(routes), tenants
        self._tree: dict[str, Any] = {}
        for route in self.routes:
            node = self._tree
            for part in _parts(route.path):
                node = node.setdefault("{}" if part.startswith("{") else part, {})
            methods = node.setdefault("", {})
            names = [part[1:-1] for part in _parts(route.path) if part.startswith("{")]
            for method in (route.methods or set()) - {"HEAD"}:
                methods[method] = (route, names)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Everything below ROOT is a match."""
        if scope["type"] != "http" or not scope["path"].startswith(ROOT):
            return Match.NONE, {}
        raw = scope.get("raw_path")
        # An id that is missing between two slashes is an empty one, which its door refuses in words.
        parts = (raw.decode("latin-1") if raw else scope["path"]).strip("/").split("/")
        node = self._tree
        values = []
        for part in parts:
            inner = node.get(part) if part else None
            if inner is None:
                inner = node.get("{}")
                values.append(unquote(part))
            if inner is None:
                return Match.FULL, {"endpoint": None, "path_params": {}}
            node = inner
        methods = node.get("", {})
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        if method not in methods:
            return Match.FULL, {"endpoint": None, "path_params": {}, "allowed": tuple(methods)}
        route, names = methods[method]
        return Match.FULL, {"endpoint": route.endpoint, "path_params": dict(zip(names, values, strict=True)), "route": route}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve what ``matches`` found."""
        request = Request(scope, receive, send)
        request.state.problem_as = ngsild_problem
        tenant = next((value for name, value in scope["headers"] if name == b"ngsild-tenant"), None)
        try:
            if tenant is not None and self._tenants is not None and tenant.decode("latin-1") != self._tenants.default:
                response = await self._elsewhere(request, tenant.decode("latin-1"), self._tenants)
            else:
                endpoint = scope["endpoint"]
                response = _nothing(request) if endpoint is None else await endpoint(request)
        except Problem as problem:  # who may not come in is told so in the standard's words too
            response = ngsild_problem(request, problem, _echo(_headers(scope)))
        await packed(response)(scope, receive, send)

    async def _elsewhere(self, request: Request, tenant: str, tenants: "Tenants") -> Response:
        """What the same door of another tenant answers (clauses 5.5.10 and 6.3.14)."""
        scope, state = request.scope, request.state
        creates = scope["method"] == "POST" and scope["path"].removeprefix(ROOT).strip("/") in _CREATES
        try:
            refused = await tenants.refused(tenant, request) if creates else None
            if refused is not None:
                return refused
            _match, found = (await tenants.doors(tenant, state.person, creates=creates)).matches(scope)
        except Problem as problem:
            return ngsild_problem(request, problem, {"NGSILD-Tenant": tenant[:80]})
        state.person = abroad(state.person)
        scope.update(found)
        return _nothing(request) if found["endpoint"] is None else await found["endpoint"](request)

    def url_path_for(self, name: str, /, **path_params: Any) -> Any:
        """No address is made from these: the standard says what they are. Raises NoMatchFound."""
        raise NoMatchFound(name, path_params)


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part]


def _nothing(request: Request) -> Response:
    headers = _headers(request.scope)
    echo = _echo(headers)
    parts = _parts(request.scope["path"])
    missing = not_here(parts[2]) if len(parts) > 2 else None
    if missing is not None:
        try:
            media_type(headers.get("accept", "")[:_LONGEST], False)
        except Problem as unfit:
            missing = unfit
        return ngsild_problem(request, missing, echo)
    allowed = request.scope.get("allowed")
    if not allowed:
        return ngsild_problem(
            request, Problem(404, "not-found", "Nothing is at this address.", "Check it; /docs lists what there is."), echo
        )
    allow = ", ".join(sorted({*allowed, *(("HEAD",) if "GET" in allowed else ())}))
    problem = Problem(405, "method-not-allowed", "This address does not know this method.", f"It knows {allow}.")
    return ngsild_problem(request, problem, {**echo, "Allow": allow})
