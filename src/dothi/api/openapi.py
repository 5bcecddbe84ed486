"""The OpenAPI 3.1 document of every door for machines, the plain routes of the hot path included."""

from collections.abc import Sequence
from typing import Any

from fastapi.openapi.utils import get_openapi
from starlette.routing import BaseRoute

from dothi import __version__
from dothi.api.encoding import ORIGINS
from dothi.api.ngsild.entities import MAX_LIMIT

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
_REFUSALS = {
    "4XX": {
        "description": "What is wrong with the request (RFC 9457).",
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    },
    "5XX": {
        "description": "What failed here (RFC 9457).",
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    },
}
_MESSAGE = {
    "type": "object",
    "title": "Message",
    "required": ["values"],
    "properties": {
        "device": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"},
        "at": {
            "description": "RFC 3339 with an offset or Z, or epoch seconds or milliseconds; without it, when it was heard.",
            "anyOf": [{"type": "string", "format": "date-time"}, {"type": "number"}],
        },
        "values": {
            "type": "object",
            "minProperties": 1,
            "maxProperties": 200,
            "additionalProperties": True,
            "description": 'key → value, or key → {"value": …, "unit": …}',
        },
        "location": {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2},
    },
    "example": {
        "device": "tram-01",
        "at": "2026-05-14T04:07:24Z",
        "values": {"pm25": 22.0, "pm10": {"value": 33, "unit": "GQ"}},
    },
}
_ACCEPTED = {
    "type": "object",
    "title": "Accepted",
    "required": ["accepted", "correlation"],
    "properties": {
        "accepted": {"type": "integer", "description": "Messages that could be read; they are durable."},
        "quarantined": {
            "type": "integer",
            "description": "Messages of the batch that could not be read; an operator sees them.",
        },
        "firstReason": {"type": "string"},
        "correlation": {"type": "string"},
    },
}


def document(routes: Sequence[BaseRoute]) -> dict[str, Any]:
    """The whole document; ``routes`` are the application's."""
    made = get_openapi(title="Đô Thị", version=__version__, openapi_version="3.1.0", description=_DESCRIPTION, routes=routes)
    schemas = made.setdefault("components", {}).setdefault("schemas", {})
    schemas |= {"Problem": _PROBLEM, "Message": _MESSAGE, "Accepted": _ACCEPTED}
    for operations in made["paths"].values():
        for operation in operations.values():
            operation["responses"].pop("422", None)  # 4XX covers it, as problem details
    schemas.pop("HTTPValidationError", None)
    schemas.pop("ValidationError", None)
    made["paths"] |= _readings() | _ngsild() | _health()
    return made


def _readings() -> dict[str, Any]:
    def door(summary: str, parameters: list[dict[str, Any]]) -> dict[str, Any]:
        message = {"$ref": "#/components/schemas/Message"}
        content = {
            "application/json": {"schema": {"anyOf": [message, {"type": "array", "items": message, "maxItems": 10_000}]}},
            "application/x-ndjson": {"schema": {"type": "string"}},
        }
        return {
            "post": {
                "tags": ["readings"],
                "summary": summary,
                "parameters": [*parameters, origin],
                "requestBody": {"required": True, "content": content},
                "responses": {
                    "202": _json("Kept for good.", {"$ref": "#/components/schemas/Accepted"}),
                    **_REFUSALS,
                },
            }
        }

    origin = {
        "name": "origin",
        "in": "query",
        "description": "What the readings are, if not measured.",
        "schema": {"type": "string", "enum": list(ORIGINS.values())},
    }
    device = {
        "name": "device",
        "in": "path",
        "required": True,
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"},
    }
    return {
        "/api/v1/readings": door("Readings of many devices", []),
        "/api/v1/devices/{device}/readings": door("Readings of one device", [device]),
    }


def _ngsild() -> dict[str, Any]:
    def parameter(name: str, words: str, schema: dict[str, Any]) -> dict[str, Any]:
        return {"name": name, "in": "query", "description": words, "schema": schema}

    entity = {
        "type": "object",
        "required": ["id", "type"],
        "properties": {"id": {"type": "string"}, "type": {"type": "string"}},
    }
    urn = {"name": "urn", "in": "path", "required": True, "schema": {"type": "string", "format": "uri"}}
    asked = [
        parameter("type", "Entity types, short or IRI, separated by commas.", {"type": "string"}),
        parameter("id", "Entity ids, separated by commas.", {"type": "string"}),
        parameter("attrs", "Attributes, separated by commas.", {"type": "string"}),
        parameter("georel", "near;maxDistance==metres", {"type": "string"}),
        parameter("geometry", "Point", {"type": "string", "enum": ["Point"]}),
        parameter("coordinates", "[longitude,latitude]", {"type": "string"}),
        parameter("limit", "How many at most.", {"type": "integer", "minimum": 0, "maximum": MAX_LIMIT, "default": 20}),
        parameter("offset", "How many to pass over.", {"type": "integer", "minimum": 0, "default": 0}),
        parameter("count", "Also say how many there are.", {"type": "boolean", "default": False}),
    ]
    found = _json("The entities, normalized.", {"type": "array", "items": entity})
    found["headers"] = {"NGSILD-Results-Count": {"schema": {"type": "integer"}, "description": "With count=true."}}
    return {
        "/ngsi-ld/v1/entities": {
            "get": {
                "tags": ["ngsi-ld"],
                "summary": "Query entities (ETSI GS CIM 009, clause 6.4.3.2)",
                "parameters": asked,
                "responses": {"200": found, **_REFUSALS},
            }
        },
        "/ngsi-ld/v1/entities/{urn}": {
            "get": {
                "tags": ["ngsi-ld"],
                "summary": "Retrieve one entity (clause 6.5.3.1)",
                "parameters": [urn],
                "responses": {"200": _json("The entity, normalized.", entity), **_REFUSALS},
            }
        },
    }


def _health() -> dict[str, Any]:
    def door(summary: str) -> dict[str, Any]:
        return {
            "get": {
                "tags": ["health"],
                "summary": summary,
                "responses": {"200": _json("It works.", {"type": "object"}), **_REFUSALS},
            }
        }

    broken = _json("Journal, database or ingest fails.", {"type": "object"})
    health = door("Whether the city works: journal, database and ingest")
    health["get"]["responses"]["503"] = broken
    return {"/health/live": door("Whether the process serves"), "/health": health}


def _json(words: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": words, "content": {"application/json": {"schema": schema}}}
