"""The OpenAPI 3.1 document of every door for machines, the plain routes of the hot path included."""

from collections.abc import Sequence
from typing import Any

from fastapi.openapi.utils import get_openapi
from starlette.routing import BaseRoute

from dothi import __version__
from dothi.access.routes import Page
from dothi.api.v1.readings import ACCEPTED, MESSAGE

_DESCRIPTION = """Everything the city's own pages show, for programs.

Times are RFC 3339 in UTC; coordinates EPSG:4326, longitude first; units UN/CEFACT codes. Errors are problem details
(RFC 9457) with a correlation id. A city that replays or simulates says so in `/api/v1/city`."""

_PROBLEM = {
    "type": "object",
    "title": "Problem",
    "description": "What is wrong, and what to do about it (RFC 9457).",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string", "description": "A stable name, urn:dothi:problem:…"},
        "title": {"type": "string", "description": "What is wrong."},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What to do about it."},
        "instance": {"type": "string"},
        "correlation": {"type": "string", "description": "Quote it when you ask for help."},
        "errors": {"type": "array", "items": {"type": "object"}},
    },
}
_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "An API key, or an access token of /oauth/token."},
    "client": {
        "type": "oauth2",
        "flows": {"clientCredentials": {"tokenUrl": "/oauth/token", "scopes": {}}},
        "description": "An OAuth2 client of a system: RFC 6749, section 4.4.",
    },
}


def _refusals(*media: str) -> dict[str, Any]:
    content = {one: {"schema": {"$ref": "#/components/schemas/Problem"}} for one in media}
    return {
        "4XX": {"description": "What is wrong with the request (RFC 9457).", "content": content},
        "5XX": {"description": "What failed here (RFC 9457).", "content": content},
    }


_REFUSALS = _refusals("application/problem+json")
# NGSI-LD names errors as plain JSON (clause 6.3.3), two with no word (6.3.4); before its doors are reached the city speaks
# as everywhere.
_NGSI_LD_REFUSALS = {
    "411": {"description": "The Content-Length header is missing."},
    "415": {"description": "The Accept header says which kinds of body are taken."},
    **_refusals("application/json", "application/problem+json"),
}


def document(routes: Sequence[BaseRoute]) -> dict[str, Any]:
    """The whole document of an application's ``routes``: FastAPI's, and every page that brings an operation."""
    made = get_openapi(title="Đô Thị", version=__version__, openapi_version="3.1.0", description=_DESCRIPTION, routes=routes)
    schemas = made.setdefault("components", {}).setdefault("schemas", {})
    schemas |= {"Problem": _PROBLEM, "Message": MESSAGE, "Accepted": ACCEPTED}
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    made["components"]["securitySchemes"] = _SCHEMES
    made["security"] = [{}, {"bearer": []}]
    for operations in made["paths"].values():
        for operation in operations.values():
            operation["responses"].pop("422", None)  # 4XX covers it, as problem details
    for route in (inner for one in routes for inner in getattr(one, "routes", (one,))):
        if isinstance(route, Page) and route.operation is not None:
            methods = sorted((route.methods or set()) - {"HEAD"})
            made["paths"].setdefault(route.path, {}).update({method.lower(): _operation(route) for method in methods})
    return made


def _operation(route: Page) -> dict[str, Any]:
    """What ``route`` says of itself, with the path's parameters and the answers that every door may give."""
    told = dict(route.operation or {})
    parameters = list(told.get("parameters", ()))
    known = {one["name"] for one in parameters}
    parameters += [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in route.param_convertors
        if name not in known
    ]
    good = {"200": {"description": "The answer.", "content": {"application/json": {"schema": {}}}}}
    refusals = _NGSI_LD_REFUSALS if route.path.startswith("/ngsi-ld/") else _REFUSALS
    responses = told.get("responses", good) | refusals
    return {"tags": [route.path.split("/")[1]], **told, "parameters": parameters, "responses": responses}
