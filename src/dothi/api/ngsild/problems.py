"""Errors as NGSI-LD names them (ETSI GS CIM 009 v1.8.1, clause 5.5.2 and table 6.3.2-1)."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from dothi.access.problems import MEDIA_TYPE
from dothi.model.problem import Problem

_BASE = "https://uri.etsi.org/ngsi-ld/errors/"
_TYPES = {
    400: "BadRequestData",
    404: "ResourceNotFound",
    405: "InvalidRequest",
    406: "InvalidRequest",
    413: "InvalidRequest",
    415: "InvalidRequest",
    500: "InternalError",
}


def ngsild_problem(request: Request, problem: Problem) -> Response:
    """``problem`` with the type an NGSI-LD client looks for."""
    kind = _TYPES.get(problem.status, "InvalidRequest" if problem.status < 500 else "InternalError")
    body = {
        "type": _BASE + kind,
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        "correlation": getattr(request.state, "correlation", ""),
    }
    headers = {"Cache-Control": "no-store"}
    if problem.retry_after is not None:
        headers["Retry-After"] = str(problem.retry_after)
    return Response(msgspec.json.encode(body), problem.status, headers, media_type=MEDIA_TYPE)
