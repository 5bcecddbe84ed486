"""What OpenAPI says of the doors that write entities: their parameters, bodies and answers."""

from collections.abc import Mapping
from typing import Any

from dothi.api.ngsild.negotiation import JSON
from dothi.api.ngsild.querying.retrieve import parameter

_ID = {"type": "string", "format": "uri"}
ENTITY = {"type": "object", "required": ["id", "type"], "properties": {"id": _ID, "type": {"type": "string"}}}
FRAGMENT = {"type": "object"}
ENTITIES = {"type": "array", "items": ENTITY, "minItems": 1}
FRAGMENTS = {"type": "array", "items": {"type": "object", "required": ["id"], "properties": {"id": _ID}}, "minItems": 1}
IDS = {"type": "array", "items": _ID, "minItems": 1}

TYPES = parameter("type", "Only if the entity is of this type; , | ; and parentheses combine types.")
OPTIONS = {
    "append": parameter("options", "noOverwrite leaves what is there.", enum=["noOverwrite"]),
    "upsert": parameter("options", "What happens to entities that are there.", enum=["replace", "update"]),
    "merge": parameter("options", "How the fragment is written.", enum=["normalized", "concise", "keyValues", "simplified"]),
}
_RESULT = {
    "type": "object",
    "required": ["success", "errors"],
    "properties": {
        "success": {"type": "array", "items": {"type": "string"}},
        "errors": {
            "type": "array",
            "items": {"type": "object", "properties": {"entityId": {"type": "string"}, "error": {"type": "object"}}},
        },
    },
}
_UPDATED = {
    "type": "object",
    "required": ["updated", "notUpdated"],
    "properties": {
        "updated": {"type": "array", "items": {"type": "string"}},
        "notUpdated": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"attributeName": {"type": "string"}, "reason": {"type": "string"}},
            },
        },
    },
}
DONE = {"204": {"description": "Done."}}
CREATED = {"201": {"description": "Created; Location says where."}}
CREATED_MANY = {"201": {"description": "The ids of those that were created.", "content": {JSON: {"schema": IDS}}}}
PARTLY = {"207": {"description": "What became of each entity.", "content": {JSON: {"schema": _RESULT}}}}
PARTLY_UPDATED = {"207": {"description": "What was updated and what was not.", "content": {JSON: {"schema": _UPDATED}}}}


def operation(
    summary: str,
    *parameters: Mapping[str, Any],
    body: Mapping[str, Any] | None = None,
    answers: Mapping[str, Any] = DONE,
) -> dict[str, Any]:
    """One operation; ``body`` is the schema of what is sent."""
    told: dict[str, Any] = {"summary": summary, "parameters": list(parameters), "responses": dict(answers)}
    if body is not None:
        told["requestBody"] = {"required": True, "content": {JSON: {"schema": body}}}
    return told
