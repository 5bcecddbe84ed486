"""Subscriptions for those who keep the city running: whether what is told arrives, and what to do when it does not."""

from typing import Annotated, Any

from fastapi import APIRouter, Body
from starlette.requests import Request
from starlette.responses import Response

from dothi.api.encoding import instant, json_response
from dothi.api.v1.common import OperationsReader, OperationsWriter, new_router, paged
from dothi.platform.platform import Platform
from dothi.platform.subscribing import SubscriptionState

Id = Annotated[str, Body(embed=True, min_length=1, max_length=2048)]
Tenant = Annotated[
    str, Body(embed=True, max_length=60, description="The further tenant it is of; none for the city itself.")
]


def router(platform: Platform) -> APIRouter:
    """``/api/v1/subscriptions``: those of NGSI-LD, which are made and changed there."""
    api = new_router("subscriptions")
    desk = platform.subscriptions

    @api.get("/subscriptions", summary="Subscriptions with how sending goes: what waits, what was given up, and why")
    def get_subscriptions(person: OperationsReader) -> Response:
        rows = [_shown(one) for one in desk.states(person)]
        return json_response(paged(rows, len(rows), len(rows), 0))

    @api.post("/subscriptions/resend", summary="Send again what a receiver never took")
    async def resend_notifications(request: Request, person: OperationsWriter, id: Id, tenant: Tenant = "") -> Response:
        return json_response({"resent": await desk.of(tenant).resend(person, id, correlation=request.state.correlation)})

    @api.post("/subscriptions/pause", summary="Send nothing for a subscription until it is resumed; what waits is kept")
    async def pause_subscription(request: Request, person: OperationsWriter, id: Id, tenant: Tenant = "") -> Response:
        await desk.of(tenant).pause(person, id, correlation=request.state.correlation)
        return json_response({"paused": id})

    @api.post("/subscriptions/resume", summary="Send again for a subscription that was paused, what waited first")
    async def resume_subscription(request: Request, person: OperationsWriter, id: Id, tenant: Tenant = "") -> Response:
        await desk.of(tenant).resume(person, id, correlation=request.state.correlation)
        return json_response({"resumed": id})

    return api


def _shown(one: SubscriptionState) -> dict[str, Any]:
    return {
        "id": one.id,
        "tenant": one.tenant or None,
        "name": one.name,
        "owner": one.owner,
        "about": one.about,
        "endpoint": one.endpoint,
        "status": one.status,
        "held": one.held or None,
        "createdAt": instant(one.created_at),
        "timesSent": one.times_sent,
        "timesFailed": one.times_failed,
        "lastSuccess": instant(one.last_success),
        "lastFailure": instant(one.last_failure),
        "lastError": one.last_error or None,
        "waiting": one.waiting,
        "dead": one.dead,
    }
