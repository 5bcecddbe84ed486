"""How a route comes to be: only with the action it performs, so that no door is ever open by accident."""

import inspect
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from dothi.access.csrf import check_csrf, is_form
from dothi.access.policy import STRANGER, Person, may
from dothi.access.reasons import hear_form
from dothi.access.roles import ACTIONS
from dothi.model.problem import Problem

Endpoint = Callable[[Request], Response | Awaitable[Response]]
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def person_of(request: Request) -> Person:
    """Who asks, as the doorkeeper found; a stranger where nobody looked."""
    person = getattr(request.state, "person", None)
    return person if isinstance(person, Person) else STRANGER


def enforce(request: Request, action: str) -> Person:
    """The asker, if they may do ``action`` at all; what they may see of it, ``reach`` filters.

    Raises Problem 401 for a stranger, 403 for somebody known who may not.
    """
    person = person_of(request)
    request.state.action = action  # whoever is refused, the log says what
    if not may(person, action):
        if person == STRANGER:
            raise Problem(401, "sign-in-needed", "This needs somebody who is known here.", "Sign in and try again.")
        raise Problem(403, "not-allowed", "You may not do this.", "Ask an administrator for a role that may.")
    request.state.person = person
    return person


class Page(Route):
    """A route that knows the ``action`` it performs, and what the API's document says of it."""

    action: str
    operation: Mapping[str, Any] | None
    files: bool
    untold: str

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """As Starlette matches, and says which route it was: metrics count by its template."""
        match, found = super().matches(scope)
        return match, {**found, "route": self}


class GuardedMount(Mount):
    """A mounted application that is reached only by those who may do ``action``."""

    action: str

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """As Starlette matches, and says which mount it was."""
        match, found = super().matches(scope)
        return match, {**found, "route": self}


def page(
    path: str,
    endpoint: Endpoint,
    *,
    action: str,
    methods: Sequence[str] = ("GET",),
    name: str | None = None,
    forms: bool = True,
    operation: Mapping[str, Any] | None = None,
    files: bool = False,
    untold: str = "",
) -> Page:
    """A route that serves only who may do ``action``.

    The endpoint takes a Request with ``request.state.person`` and ``request.state.correlation`` set, and may be
    async or plain (then it runs on a thread). With ``forms`` (the default) an unsafe method takes a form only with its
    CSRF token; doors for machines, which never read forms, switch that off. ``operation`` is what OpenAPI says of a door for
    machines (an Operation Object; responses and path parameters are added where missing). ``files`` says that its forms
    carry pictures, so that the doorkeeper lets larger ones through; ``untold`` names a parameter of the path
    that whoever knows it may act by: no log shows it. Raises ValueError for an unknown action.
    """
    _known(action)
    plain = not inspect.iscoroutinefunction(endpoint)

    async def guarded(request: Request) -> Response:
        enforce(request, action)
        if forms and request.method not in SAFE_METHODS:
            await check_csrf(request)
            if is_form(request):
                hear_form(await request.form())
        if plain:
            answer = await run_in_threadpool(endpoint, request)
        else:
            answer = endpoint(request)
        return await answer if inspect.isawaitable(answer) else answer

    route = Page(path, guarded, methods=list(methods), name=name or getattr(endpoint, "__name__", path))
    route.action, route.operation, route.files, route.untold = action, operation, files, untold
    return route


def guarded_mount(path: str, app: ASGIApp, *, action: str, name: str | None = None) -> GuardedMount:
    """Mount ``app`` (static files, for instance) under ``path`` for those who may do ``action``."""
    _known(action)

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            enforce(Request(scope), action)
        await app(scope, receive, send)

    mount = GuardedMount(path, guarded, name=name)
    mount.action = action
    return mount


class Requires:
    """The FastAPI side of ``page``: ``person: Person = Depends(requires("entity.read"))``."""

    def __init__(self, action: str) -> None:
        _known(action)
        self.action = action

    async def __call__(self, request: Request) -> Person:
        """The asker, if they may. Raises Problem 403."""
        return enforce(request, self.action)


def requires(action: str) -> Requires:
    """A FastAPI dependency that gives the Person and enforces ``action``. Raises ValueError for an unknown action."""
    return Requires(action)


def takes_files(routes: Iterable[BaseRoute], scope: Scope) -> bool:
    """True if the route that will answer this request takes forms with pictures."""
    return any(isinstance(one, Page) and one.files and one.matches(scope)[0] is Match.FULL for one in routes)


def path_told(scope: Scope) -> str:
    """The path of a request as logs may show it: without what its route leaves ``untold``."""
    path, untold = str(scope["path"]), getattr(scope.get("route"), "untold", "")
    kept = scope.get("path_params", {}).get(untold) if untold else None
    return path.replace(kept, "…") if kept else path


class Declared(NamedTuple):
    """One route and the action it declares; None means it declares none, which a test forbids."""

    path: str
    methods: tuple[str, ...]
    action: str | None


def declared_actions(routes: Iterable[BaseRoute], prefix: str = "") -> Iterator[Declared]:
    """Every route below ``routes`` with its action, mounted applications included."""
    for route in routes:
        path = prefix + getattr(route, "path", "")
        action = getattr(route, "action", None) or _dependency_action(getattr(route, "dependant", None))
        inner = getattr(route, "routes", None)
        if action is None and inner:
            yield from declared_actions(inner, path)
        else:
            yield Declared(path, tuple(sorted(getattr(route, "methods", None) or ())), action)


def _dependency_action(dependant: Any) -> str | None:
    for inner in getattr(dependant, "dependencies", ()):
        call = getattr(inner, "call", None)
        if isinstance(call, Requires):
            return call.action
        found = _dependency_action(inner)
        if found:
            return found
    return None


def _known(action: str) -> None:
    if action not in ACTIONS:
        raise ValueError(f"no action {action!r}: declare it in access/policy.py first")
