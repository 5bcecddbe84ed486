"""The doors of devices that speak HTTP: plain routes on the hot path, answered once the journal has it for good."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from dothi.access.policy import SYSTEM
from dothi.access.routes import page, person_of
from dothi.access.secrecy import REASON as STATE_SECRET
from dothi.access.secrecy import refused
from dothi.api.encoding import ORIGINS, json_response
from dothi.devices.payload import DEVICE_ID, MAX_ITEMS, NDJSON, decode
from dothi.model.clock import to_micros
from dothi.model.problem import Problem
from dothi.model.reading import Origin
from dothi.platform.platform import Platform
from dothi.store.audit import Act
from dothi.store.journal import Message

_JSON = "application/json"
_DEVICE = r"^[A-Za-z0-9_-]{1,64}$"

MESSAGE = {
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
ACCEPTED = {
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


def routes(platform: Platform) -> list[BaseRoute]:
    """``POST /api/v1/readings`` (many devices) and ``POST /api/v1/devices/{id}/readings`` (one).

    The body is one message, an array of them, or NDJSON (docs/reference/devices.md). 202 means durable. What cannot be
    read at all is refused with 400 and not kept; single bad messages of a readable batch go to quarantine. A body in which
    anything is marked as a state secret is refused whole, with 403; that it came is recorded. So is one with a device that
    the sender may not speak for.
    """

    async def accept(request: Request, device: str | None) -> Response:
        refusal = platform.watch.refusal()
        if refusal is not None:
            raise refusal
        origin = _origin(request.query_params.get("origin"))
        body = await request.body()
        content_type = NDJSON if request.headers.get("content-type", "").startswith(NDJSON) else _JSON
        correlation: str = request.state.correlation
        heard = Message("http", device, body, content_type, to_micros(platform.clock.now()), correlation)
        good, bad = decode(heard)
        if any(one.reason == STATE_SECRET for one in bad):
            # Whole, and before the journal, which would keep it.
            act = Act(person_of(request).id, "reading.write", device or "http", "refused", correlation, STATE_SECRET)
            await platform.writer.run(SYSTEM, platform.clock.now(), lambda _: None, [act], action="reading.write")
            raise refused()
        if bad and platform.quarantine.refuses(device or "http"):
            raise Problem(503, "quarantine-full", "What cannot be read finds no room.", "Mend the messages first.", 60)
        if not good:
            raise _unreadable(bad[0].reason, bad[0].detail)
        platform.device_door.check(person_of(request), {one.device for one in good})
        if platform.devices.turns_away([one.device for one in good]):
            words = "Ask the operator of this city to admit or refuse some of them."
            raise Problem(503, "lobby-full", "Too many unknown devices wait to be admitted.", words, 60)
        await platform.journal.append(
            body, source="http", device=device, content_type=content_type, correlation=correlation, origin=origin
        )
        answer: dict[str, object] = {"accepted": len(good), "correlation": correlation}
        if bad:
            answer["quarantined"] = len(bad)
            answer["firstReason"] = f"{bad[0].reason}: {bad[0].detail}"
        return json_response(answer, 202)

    async def post_readings(request: Request) -> Response:
        return await accept(request, None)

    async def post_device_readings(request: Request) -> Response:
        device: str = request.path_params["device"]
        if DEVICE_ID.fullmatch(device) is None:
            raise _unreadable("bad-device", "letters without accents, digits, _ and -, at most 64")
        return await accept(request, device)

    doors = (("/api/v1/readings", post_readings), ("/api/v1/devices/{device}/readings", post_device_readings))
    return [
        page(path, door, action="reading.write", methods=("POST",), forms=False, operation=_operation(path))
        for path, door in doors
    ]


def _operation(path: str) -> dict[str, Any]:
    """What OpenAPI says of a device door."""
    message = {"$ref": "#/components/schemas/Message"}
    device = {"name": "device", "in": "path", "required": True, "schema": {"type": "string", "pattern": _DEVICE}}
    origin = {
        "name": "origin",
        "in": "query",
        "description": "What the readings are, if not measured.",
        "schema": {"type": "string", "enum": list(ORIGINS.values())},
    }
    bodies = {
        _JSON: {"schema": {"anyOf": [message, {"type": "array", "items": message, "maxItems": MAX_ITEMS}]}},
        NDJSON: {"schema": {"type": "string"}},
    }
    accepted = {"description": "Kept for good.", "content": {_JSON: {"schema": {"$ref": "#/components/schemas/Accepted"}}}}
    return {
        "tags": ["readings"],
        "summary": "Readings of one device" if "{device}" in path else "Readings of many devices",
        "parameters": [device, origin] if "{device}" in path else [origin],
        "requestBody": {"required": True, "content": bodies},
        "responses": {"202": accepted},
    }


def _origin(declared: str | None) -> Origin | None:
    """What the sender says its readings are; None leaves it to ingest (measured)."""
    if declared is None:
        return None
    if declared.upper() not in Origin.__members__:
        raise _unreadable("bad-origin", f"origin is one of {', '.join(ORIGINS.values())}")
    return Origin[declared.upper()]


def _unreadable(reason: str, detail: str) -> Problem:
    return Problem(400, reason, f"The body cannot be read: {detail}.", "Nothing of it was kept; see /docs for the shape.")
