"""Every error of every door in one shape: problem details (RFC 9457), or a page where a browser asks."""

from collections.abc import Callable, Mapping
from http import HTTPStatus

import msgspec
import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from dothi.model.problem import Problem

_log = structlog.get_logger("dothi.http")
MEDIA_TYPE = "application/problem+json"
TYPE_BASE = "urn:dothi:problem:"

ErrorPage = Callable[[Request, Problem], Response]
"""Draws a problem for people; ``request.state.correlation`` is the number to quote."""

_WORDS: dict[int, tuple[str, str, str]] = {
    400: ("bad-request", "The request cannot be understood.", "Check it against /docs."),
    401: ("sign-in-needed", "This needs somebody who is known here.", "Sign in and try again."),
    403: ("not-allowed", "You may not do this.", "Ask an administrator for a role that may."),
    404: ("not-found", "Nothing is at this address.", "Check the address; /docs lists what there is."),
    405: ("method-not-allowed", "This address does not know this method.", "The Allow header lists the methods it knows."),
    406: ("not-acceptable", "No representation of this fits the Accept header.", "Ask for application/json."),
    408: ("too-slow", "The request took too long to arrive.", "Send it again, in smaller parts."),
    413: ("too-large", "The body is too large.", "Send at most 8 MB at once; split the batch."),
    415: ("unsupported-media-type", "This kind of body is not understood here.", "Send application/json."),
    422: ("not-valid", "Some values are not valid.", "Mend the fields listed in errors."),
    500: ("internal-error", "Something failed here.", "Try again; if it stays, report the correlation id."),
    503: ("not-ready", "The city cannot take this now.", "Try again after the seconds in Retry-After."),
}


def problem_of(error: Exception) -> Problem:
    """The problem that ``error`` stands for; an unforeseen one becomes a 500 without its inner words."""
    if isinstance(error, Problem):
        return error
    status = error.status_code if isinstance(error, HTTPException) else 500
    code, title, detail = _WORDS.get(status, (f"http-{status}", _phrase(status), ""))
    if isinstance(error, HTTPException) and error.detail and error.detail != _phrase(status):
        detail = f"{error.detail} {detail}".strip()
    return Problem(status, code, title, detail)


def problem_json(request: Request, problem: Problem, headers: dict[str, str] | None = None, **more: object) -> Response:
    """``problem`` as application/problem+json with the correlation id; ``more`` are extension members (clause 3.2)."""
    body: dict[str, object] = {
        "type": TYPE_BASE + problem.code,
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        "instance": request.url.path,
        "correlation": getattr(request.state, "correlation", ""),
        **more,
    }
    return Response(msgspec.json.encode(body), problem.status, headers_of(problem, headers), media_type=MEDIA_TYPE)


def wants_page(request: Request) -> bool:
    """True if a browser asks to read: text/html comes before any JSON in the Accept header."""
    accept = request.headers.get("accept", "")
    html, json = accept.find("text/html"), accept.find("json")
    return html >= 0 and (json < 0 or html < json)


def problem_response(
    request: Request, problem: Problem, page: ErrorPage | None, headers: dict[str, str] | None = None, **more: object
) -> Response:
    """``problem`` as the asker reads it: a page drawn by ``page`` for a browser, problem+json for everything else.

    A door whose standard names errors otherwise says how in ``request.state.problem_as``.
    """
    request.state.problem = problem.code  # a refusal is noted with its reason
    problem_as: Callable[..., Response] | None = getattr(request.state, "problem_as", None)
    if problem_as is not None:
        return problem_as(request, problem, headers)
    if page is None or not wants_page(request) or request.url.path.startswith(("/api/", "/ngsi-ld/")):
        return problem_json(request, problem, headers, **more)
    try:
        response = page(request, problem)
    except Exception:  # whatever broke the page may have broken this one too; the answer must not be lost with it
        _log.exception("the error page cannot be drawn")
        return problem_json(request, problem, headers, **more)
    response.status_code = problem.status
    response.headers.update(headers_of(problem, headers))
    return response


def headers_of(problem: Problem, headers: Mapping[str, str] | None = None) -> dict[str, str]:
    """``headers`` and those that an answer with ``problem`` has besides, whatever its body is."""
    kept = dict(headers or {}) | {"Cache-Control": "no-store"}
    if problem.retry_after is not None:
        kept["Retry-After"] = str(problem.retry_after)
    if problem.status == 401:
        kept["WWW-Authenticate"] = "Bearer"  # RFC 9110, 11.6.1: a 401 says how to do better
    return kept


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "The request failed."
