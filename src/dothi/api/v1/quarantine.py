"""What could not be taken, and what could not be told: seen here, sent on or dropped by an operator."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Query
from pydantic import Field
from starlette.responses import Response

from dothi.api.encoding import ORIGINS, instant, json_response
from dothi.api.v1.common import (
    Limit,
    Offset,
    OperationsReader,
    OperationsWriter,
    QuarantineReader,
    QuarantineWriter,
    new_router,
    paged,
)
from dothi.data.quarantine import REASONS, Held
from dothi.platform.platform import Platform

Row = Annotated[int, Field(ge=1, le=2**62)]
Rows = Annotated[list[Row], Body(embed=True, min_length=1, max_length=1000)]
_SHOWN = 65_536


def router(platform: Platform) -> APIRouter:
    """``/api/v1/quarantine`` (messages) and ``/api/v1/parked`` (changes a handler failed on)."""
    api = new_router("quarantine")
    quarantine, dispatcher = platform.quarantine, platform.dispatcher

    @api.get("/quarantine", summary="Messages that could not be taken, newest first, with the reason")
    def get_quarantine(
        person: QuarantineReader,
        reason: Annotated[str | None, Query(max_length=60)] = None,
        limit: Limit = 50,
        offset: Offset = 0,
    ) -> Response:
        rows, total = quarantine.list(person, reason, limit, offset)
        page = dict(paged([held_json(row) for row in rows], total, limit, offset))
        page["reasons"] = quarantine.counts(person)
        return json_response(page)

    @api.get("/quarantine/{row}", summary="One message, with its raw text")
    def get_quarantined(person: QuarantineReader, row: Annotated[int, Path(ge=1, le=2**62)]) -> Response:
        held, body = quarantine.get(person, row)
        return json_response(held_json(held) | {"body": body[:_SHOWN].decode("utf-8", "replace"), "cut": len(body) > _SHOWN})

    @api.post("/quarantine/replay", summary="Send messages through ingest again, once the cause is mended")
    async def replay_quarantined(person: QuarantineWriter, ids: Rows) -> Response:
        result = await quarantine.replay(person, ids)
        return json_response({"replayed": result.replayed, "missing": result.missing})

    @api.post("/quarantine/discard", summary="Drop messages for good")
    async def discard_quarantined(person: QuarantineWriter, ids: Rows) -> Response:
        return json_response({"discarded": await quarantine.discard(person, ids)})

    @api.get("/parked", summary="Changes that a handler failed to take")
    def get_parked(person: OperationsReader) -> Response:
        rows = [
            {
                "id": one.id,
                "handler": one.handler,
                "seq": one.seq,
                "at": instant(one.at),
                "error": one.error,
                "attempts": one.attempts,
            }
            for one in dispatcher.parked(person)
        ]
        return json_response(paged(rows, len(rows), len(rows), 0))

    @api.post("/parked/resend", summary="Tell the handlers again")
    async def resend_parked(person: OperationsWriter, ids: Rows) -> Response:
        return json_response({"resent": await dispatcher.resend(person, ids)})

    return api


def held_json(held: Held) -> dict[str, Any]:
    """A quarantined message as the API shows it, without its body."""
    words = REASONS.get(held.reason)
    return {
        "id": held.id,
        "at": instant(held.at),
        "receivedAt": instant(held.received_at),
        "source": held.source,
        "device": held.device,
        "reason": held.reason,
        "words": {"vi": words.vi, "en": words.en} if words else None,
        "detail": held.detail,
        "size": held.size,
        "contentType": held.content_type,
        "correlation": held.correlation,
        "origin": ORIGINS[held.origin] if held.origin is not None else None,
    }
