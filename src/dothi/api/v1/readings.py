"""The doors of devices that speak HTTP: plain routes on the hot path, answered once the journal has it for good."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from dothi.access.routes import page
from dothi.api.encoding import ORIGINS, json_response
from dothi.devices.payload import DEVICE_ID, NDJSON, decode
from dothi.model.clock import to_micros
from dothi.model.problem import Problem
from dothi.model.reading import Origin
from dothi.platform.platform import Platform
from dothi.store.journal import Message

_JSON = "application/json"


def routes(platform: Platform) -> list[BaseRoute]:
    """``POST /api/v1/readings`` (many devices) and ``POST /api/v1/devices/{id}/readings`` (one).

    The body is one message, an array of them, or NDJSON (docs/reference/devices.md). 202 means durable. What cannot be
    read at all is refused with 400 and not kept; single bad messages of a readable batch go to quarantine.
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
        if bad and platform.quarantine.refuses(device or "http"):
            raise Problem(503, "quarantine-full", "What cannot be read finds no room.", "Mend the messages first.", 60)
        if not good:
            raise _unreadable(bad[0].reason, bad[0].detail) if bad else _unreadable("no-messages", "the batch is empty")
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
    return [page(path, door, action="reading.write", methods=("POST",), forms=False) for path, door in doors]


def _origin(declared: str | None) -> Origin | None:
    """What the sender says its readings are; None leaves it to ingest (measured)."""
    if declared is None:
        return None
    if declared.upper() not in Origin.__members__:
        raise _unreadable("bad-origin", f"origin is one of {', '.join(ORIGINS.values())}")
    return Origin[declared.upper()]


def _unreadable(reason: str, detail: str) -> Problem:
    return Problem(400, reason, f"The body cannot be read: {detail}.", "Nothing of it was kept; see /docs for the shape.")
