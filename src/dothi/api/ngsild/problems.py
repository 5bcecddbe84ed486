"""Errors as NGSI-LD names them (ETSI GS CIM 009 v1.8.1, clause 5.5.2 and table 6.3.2-1)."""

from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from dothi.access.problems import headers_of
from dothi.model.problem import Problem

_BASE = "https://uri.etsi.org/ngsi-ld/errors/"
# Where the status alone does not say it, the problem's code does.
_BY_CODE = {
    "invalid-request": "InvalidRequest",
    "unknown-tenant": "NonexistentTenant",
    "context-not-available": "LdContextNotAvailable",
    "too-complex": "TooComplexQuery",
    "too-many-results": "TooManyResults",
}
_BY_STATUS = {
    400: "BadRequestData",
    404: "ResourceNotFound",
    409: "AlreadyExists",
    422: "OperationNotSupported",
    501: "OperationNotSupported",
}


def invalid_request(title: str, detail: str = "") -> Problem:
    """The problem of a request that no data could mend: an unknown parameter, a body that is not JSON (InvalidRequest)."""
    return Problem(400, "invalid-request", title, detail)


def problem_details(problem: Problem) -> dict[str, Any]:
    """``problem`` as it stands in a body, alone or in the errors of a batch (clause 5.2.17)."""
    kind = _BY_CODE.get(problem.code) or _BY_STATUS.get(problem.status)
    if kind is None:
        kind = "InvalidRequest" if problem.status < 500 else "InternalError"
    return {"type": _BASE + kind, "title": problem.title, "status": problem.status, "detail": problem.detail}


def ngsild_problem(request: Request, problem: Problem, headers: Mapping[str, str] | None = None) -> Response:
    """``problem`` with the type an NGSI-LD client looks for, as plain JSON (clauses 6.3.3 and 6.3.6).

    A 411 and a 415 have no body (clause 6.3.4); of a 415 the Accept header says what is taken (RFC 9110, 15.5.16).
    """
    request.state.problem = problem.code  # a refusal is noted with its reason
    kept = headers_of(problem, headers)
    if problem.status == 415:
        kept["Accept"] = "application/json, application/ld+json"
    if problem.status in (411, 415):
        return Response(status_code=problem.status, headers=kept)
    body = problem_details(problem) | {"correlation": getattr(request.state, "correlation", "")}
    return Response(msgspec.json.encode(body), problem.status, kept, media_type="application/json")
