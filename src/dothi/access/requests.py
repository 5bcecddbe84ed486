"""The doorkeeper: what every request passes, before any route sees it, whatever door it comes to."""

import asyncio
import re
import secrets
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from ipaddress import ip_address
from random import Random

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dothi.access.csrf import Csrf, cookie_header
from dothi.access.identity import Identity, from_here
from dothi.access.limits import ADDRESS, FILES, PERSON, SIGN_IN, Limits, neighbourhood
from dothi.access.policy import STRANGER
from dothi.access.problems import ErrorPage, problem_of, problem_response
from dothi.access.proxies import Proxies
from dothi.access.reasons import hear_header
from dothi.access.refusals import TAKEN
from dothi.access.routes import SAFE_METHODS, path_told
from dothi.model.problem import Problem
from dothi.store.audit import CAME_FROM

BODY_LIMIT = 8 * 1024 * 1024
STRANGERS_LIMIT = 256 * 1024
"""Bytes of a body that nobody answers for: more than any form to sign in holds, too little to keep the city busy."""
FILES_LIMIT = 16 * 1024 * 1024
"""Bytes of a form with pictures, a stranger's too: the largest picture and two of the usual size."""
MOST_FILES = 64
"""Forms of strangers with pictures that come in at a time: what is larger than 1 MB lies on the disk meanwhile."""
TIME_LIMIT = 60.0
Observe = Callable[[str, str, int, float], None]
"""Told of every finished request: method, route template, status, seconds."""
TakesFiles = Callable[[Scope], bool]
"""Asked whether the door that a request is for takes forms with pictures."""
Refused = Callable[[Scope, str, str], None]
"""Told of every request that was refused for who asked: its scope, the action (empty if it came to none), and the reason;
and of every table that somebody who is known took along: the action ``TAKEN``, and no reason."""

_log = structlog.get_logger("dothi.http")
_SANE_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
# Tells requests apart and keeps nothing secret: asking the system for each costs a fifth of a small request.
_CHANCE = Random(secrets.randbits(128))  # noqa: S311 - no secret is made of it
_LOCAL_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})

# What is refused because of who asks, not because of what was sent.
_REFUSED = frozenset({401, 403, 421, 429})
_TOLD = frozenset({"wrong-sign-in"})  # an act of its own, each time

_SIGN_INS = ("/sign-in", "/oauth/token")
_ELSEWHERE = "/sign-in/oidc"  # each makes the city ask the identity provider
_HSTS = b"max-age=31536000"  # a year (RFC 6797); only ever sent over TLS, where it counts

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        "img-src 'self' data: blob:",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
_SECURITY_HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=(self)"),
)
_SECURITY_NAMES = frozenset(name for name, _ in _SECURITY_HEADERS)


class Doorkeeper:
    """Pure ASGI, outermost: correlation id, person, host check, cross-site check, limits, security headers, last resort.

    ``host`` is the address the city listens on, ``names`` (comma-separated) what people call it beside that; ``proxies``
    speak for others. ``limits`` bounds what one asks for, but not this machine itself. ``identity`` says who asks.
    ``secret`` signs form tokens. ``page`` draws problems for browsers. ``observe`` is told of every finished request, and
    ``refused`` of those that were refused. A body beyond ``body_limit`` bytes, a stranger's beyond ``STRANGERS_LIMIT``, is
    refused with 413, a request without an answer after ``time_limit`` seconds with 408 or 503. Where ``takes_files`` says
    so, anybody may send ``FILES_LIMIT``.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        host: str,
        names: str = "",
        proxies: Proxies | None = None,
        limits: Limits | None = None,
        identity: Identity,
        secret: bytes,
        page: ErrorPage | None = None,
        observe: Observe | None = None,
        refused: Refused | None = None,
        takes_files: TakesFiles | None = None,
        body_limit: int = BODY_LIMIT,
        time_limit: float = TIME_LIMIT,
    ) -> None:
        self.app, self.page, self.observe = app, page, observe
        self.identity, self.body_limit, self.time_limit = identity, body_limit, time_limit
        self.csrf = Csrf(secret)
        self.hosts = allowed_hosts(host, names)
        self.proxies, self.limits = proxies or Proxies(), limits or Limits()
        self.refused, self.takes_files, self._files = refused, takes_files, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; lifespan and anything else passes through."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()
        self.proxies.look_through(scope)
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        visit = _Visit(self, scope, receive, send)
        state = scope.setdefault("state", {})
        state["correlation"] = visit.correlation = _correlation(headers)
        state["person"] = STRANGER
        state["csrf_signer"] = self.csrf
        structlog.contextvars.bind_contextvars(correlation=visit.correlation)
        CAME_FROM.set(address_of(scope))
        hear_header(headers)
        try:
            refusal = self.refusal(scope, headers)
            if refusal is not None:
                raise refusal
            bound = not from_here(scope, headers)
            if bound:
                self._count_address(scope)
            person = state["person"] = await self.identity.of(scope, headers)
            visit.limit = self.body_limit if person is not STRANGER else min(self.body_limit, STRANGERS_LIMIT)
            if self._sends_files(scope, headers, person is STRANGER):
                small = 0 < declared(headers) <= visit.limit
                visit.limit = max(self.body_limit, FILES_LIMIT)
                if bound and person is STRANGER:
                    self._count_files(scope, visit, small=small)
            if declared(headers) > visit.limit:
                raise too_large(visit.limit)
            if bound and person is not STRANGER:
                self.limits.spend(PERSON, person.id)
            async with asyncio.timeout(self.time_limit) as visit.deadline:
                await self.app(scope, visit.receive, visit.send)
        except Exception as error:  # the last resort: whatever nobody foresaw becomes an answer and a log line
            await visit.fail(error)
        finally:
            self._files -= visit.files
            route = getattr(scope.get("route"), "path", "(none)")
            seconds = time.perf_counter() - began
            if self.observe is not None:
                self.observe(scope["method"], route, visit.status, seconds)
            problem = state.get("problem", str(visit.status))
            if self.refused is not None and visit.status in _REFUSED and problem not in _TOLD:
                self.refused(scope, state.get("action", ""), problem)
            _log.debug(
                "request", method=scope["method"], path=path_told(scope), status=visit.status, ms=round(seconds * 1000, 1)
            )

    def _sends_files(self, scope: Scope, headers: Iterable[tuple[bytes, bytes]], stranger: bool) -> bool:
        """True for a form with pictures, where such are taken; asked of those only whom another bound would stop."""
        if scope["method"] != "POST" or self.takes_files is None:
            return False
        return (stranger or declared(headers) > self.body_limit) and self.takes_files(scope)

    def _count_files(self, scope: Scope, visit: "_Visit", *, small: bool) -> None:
        """Let a stranger's form in where pictures are taken, if there is room; a ``small`` one, which any door would take,
        needs none. Raises Problem 429 or 503.
        """
        self.limits.spend(FILES, neighbourhood(address_of(scope)))
        if small:
            return
        if self._files >= MOST_FILES:
            raise Problem(503, "busy", "Too many pictures are coming in.", "Send it again in a minute.", retry_after=30)
        self._files += 1
        visit.files = True

    def _count_address(self, scope: Scope) -> None:
        """Take a token of the address that asks, and one more if it signs in. Raises Problem 429."""
        address = neighbourhood(address_of(scope))
        self.limits.spend(ADDRESS, address)
        if scope["path"].startswith(_SIGN_INS if scope["method"] == "POST" else _ELSEWHERE):
            self.limits.spend(SIGN_IN, address)

    def refusal(self, scope: Scope, headers: Iterable[tuple[bytes, bytes]]) -> Problem | None:
        """Why this request is turned away at the door, or None."""
        watched = [(name, value) for name, value in headers if name in _WATCHED]
        found = dict(watched)
        if len(found) != len(watched):  # whoever stands before us may have looked at the other one (RFC 9112, 3.2)
            return Problem(400, "bad-request", "A header came twice.", "Send Host, Origin and Content-Length once each.")
        host = found.get(b"host", b"").decode("latin-1").lower()
        if self.hosts is not None and _without_port(host) not in self.hosts:
            return Problem(
                421,
                "unknown-host",
                f"This city does not answer to the name {host[:80]!r}.",
                "Use http://127.0.0.1 or the set host.",
            )
        if scope["method"] not in SAFE_METHODS and not _same_origin(found, host, scope["scheme"]):
            return Problem(
                403, "cross-site", "Another site may not change this city.", "Open the page of this city and act there."
            )
        length = found.get(b"content-length", b"0")
        if not length.isdigit():
            return Problem(
                400, "bad-request", "The Content-Length header is not a number.", "Send the body's size in bytes."
            )
        return None


class _Visit:
    """One request on its way: counts what comes in, marks what goes out."""

    __slots__ = (
        "_keeper",
        "_receive",
        "_scope",
        "_send",
        "_taken",
        "_whole",
        "correlation",
        "deadline",
        "files",
        "limit",
        "started",
        "status",
    )

    def __init__(self, keeper: Doorkeeper, scope: Scope, receive: Receive, send: Send) -> None:
        self._keeper, self._scope, self._receive, self._send = keeper, scope, receive, send
        self._taken, self._whole = 0, False
        self.correlation, self.status, self.started = "", 500, False
        self.deadline: asyncio.Timeout | None = None
        self.limit, self.files = keeper.body_limit, False

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._taken += len(message.get("body", b""))
            self._whole = not message.get("more_body", False)
            if self._taken > self.limit:
                raise too_large(self.limit)
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            self.status = message["status"]
            if self.deadline is not None:
                self.deadline.reschedule(None)  # a stream may go on for as long as its reader stays
            headers = list(message.get("headers", ()))
            self._note_taken(headers)
            given = {name for name, _ in headers}
            if given.isdisjoint(_SECURITY_NAMES):
                headers += _SECURITY_HEADERS
            else:
                headers += [pair for pair in _SECURITY_HEADERS if pair[0] not in given]
            if b"cache-control" not in given and self._scope["state"]["person"] is not STRANGER:
                headers.append((b"cache-control", b"no-store"))  # what somebody who is known was told is theirs alone
            secure = self._scope.get("scheme") == "https"
            if secure:
                headers.append((b"strict-transport-security", _HSTS))
            headers.append((b"x-request-id", self.correlation.encode()))
            nonce = self._scope["state"].get("csrf_nonce")
            if nonce is not None:
                headers.append((b"set-cookie", cookie_header(nonce, secure=secure).encode()))
            message = {**message, "headers": headers}
        await self._send(message)

    async def fail(self, error: Exception) -> None:
        """Answer with what went wrong, if nothing was sent yet."""
        if isinstance(error, ClientDisconnect):  # nothing failed here, and nobody is left to be answered
            self.status = 400
            return
        if isinstance(error, TimeoutError) and self.deadline is not None and self.deadline.expired():
            error = self._too_slow()
        self.deadline = None  # what follows is this answer, however late
        problem = problem_of(error)
        if problem.status >= 500 and not isinstance(error, Problem):
            _log.error("request failed", method=self._scope["method"], path=path_told(self._scope), exc_info=error)
        if self.started:
            return
        response = problem_response(Request(self._scope), problem, self._keeper.page)
        await response(self._scope, self._receive, self.send)

    def _note_taken(self, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """Tell of a file that somebody who is known here takes along."""
        if self.status != 200 or self._keeper.refused is None or self._scope["state"]["person"] is STRANGER:
            return
        if getattr(self._scope.get("route"), "action", None) in _OWN_RECORD:
            return
        if any(name == b"content-disposition" and value.startswith(b"attachment") for name, value in headers):
            self._keeper.refused(self._scope, TAKEN, "")

    def _too_slow(self) -> Problem:
        bodiless = not any(name in (b"content-length", b"transfer-encoding") for name, _ in self._scope["headers"])
        if not (self._whole or bodiless):
            return Problem(408, "too-slow", "The request took too long to arrive.", "Send it again, in smaller parts.")
        return Problem(
            503, "too-long", "The answer took too long.", "Ask for less at once, or try again later.", retry_after=10
        )


def declared(headers: Iterable[tuple[bytes, bytes]]) -> int:
    """The size that a request says its body has; 0 if it says none."""
    return next((int(value) for name, value in headers if name == b"content-length"), 0)


def too_large(limit: int) -> Problem:
    """The problem of a body beyond ``limit`` bytes."""
    return Problem(
        413,
        "too-large",
        f"The body is larger than {f'{limit >> 20} MB' if limit >= 1 << 20 else f'{limit >> 10} KB'}.",
        "Split it into smaller batches, or say who you are: strangers may send less.",
    )


def address_of(scope: Scope) -> str:
    """The address a request came from; empty where nobody knows."""
    client = scope.get("client")
    return str(client[0]) if client else ""


def allowed_hosts(host: str, names: str = "") -> frozenset[str] | None:
    """The names a city that listens on ``host`` answers to, against DNS rebinding: ``names`` (comma-separated) among them.

    None where it listens on every address and no name is given: then it cannot know.
    """
    given = frozenset(name.strip().lower() for name in names.split(",") if name.strip())
    with suppress(ValueError):
        if ip_address(host).is_unspecified:
            return _LOCAL_NAMES | given if given else None
    return _LOCAL_NAMES | given | {f"[{host}]" if ":" in host else host.lower()}


_OWN_RECORD = frozenset({"audit.export", "personal.read", "personal.breach", "personal.own", "sql.ask"})
"""Actions whose doors write down themselves what was taken along."""
_WATCHED = frozenset({b"host", b"origin", b"sec-fetch-site", b"content-length"})


def _same_origin(found: dict[bytes, bytes], host: str, scheme: str) -> bool:
    """True for a write from this city's own pages or from a program that is no browser (Fetch Metadata, W3C)."""
    site = found.get(b"sec-fetch-site")
    if site is not None and site not in (b"same-origin", b"none"):
        return False
    origin = found.get(b"origin")
    return origin is None or origin.decode("latin-1").lower() == f"{scheme}://{host}"


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0]


def _correlation(headers: Iterable[tuple[bytes, bytes]]) -> str:
    for name, value in headers:
        if name == b"x-request-id":
            given = value.decode("latin-1")
            if _SANE_ID.fullmatch(given):
                return given
            break
    return f"{_CHANCE.getrandbits(64):016x}"
