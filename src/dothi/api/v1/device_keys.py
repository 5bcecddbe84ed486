"""What devices prove themselves with, for those who look after them: a secret for each, and codes for new ones."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from dothi.access.device_keys import LONGEST, MAX_LABEL, Enrolment
from dothi.api.encoding import instant, json_response
from dothi.api.v1.common import DeviceWriter, new_router
from dothi.api.v1.devices import DeviceId
from dothi.platform.platform import Platform

Code = Annotated[str, Path(pattern=r"^[0-9a-f]{12}$")]


class NewEnrolment(BaseModel):
    """A code for devices that are not known yet."""

    model_config = ConfigDict(extra="forbid")
    label: str = Field("", max_length=MAX_LABEL, description="What it is for, so that people know it again.")
    days: int = Field(7, ge=1, le=LONGEST.days, description="How long it lets devices in.")


def router(platform: Platform) -> APIRouter:
    """``/api/v1/devices/{device}/secret`` and ``/api/v1/enrolments``."""
    api, door = new_router("devices"), platform.device_door

    @api.post("/devices/{device}/secret", status_code=201, summary="A new secret for a device, told only this once")
    async def issue_secret(request: Request, person: DeviceWriter, device: DeviceId) -> Response:
        secret = await door.issue(person, device, correlation=request.state.correlation)
        return _kept_nowhere(json_response({"device": device, "secret": secret}, 201))

    @api.post("/devices/{device}/secret/withdraw", summary="Take a device's secret back: it cannot send any more")
    async def withdraw_secret(request: Request, person: DeviceWriter, device: DeviceId) -> Response:
        await door.withdraw(person, device, correlation=request.state.correlation)
        return json_response({"device": device, "secret": None})

    @api.get("/enrolments", summary="Enrolment codes, those that let devices in first; never the codes themselves")
    def get_enrolments(person: DeviceWriter) -> Response:
        return json_response({"items": [enrolment_json(one, is_open) for one, is_open in door.enrolments(person)]})

    @api.post("/enrolments", status_code=201, summary="A code that lets unknown devices into the lobby, told only this once")
    async def open_enrolment(request: Request, person: DeviceWriter, wanted: NewEnrolment) -> Response:
        code, made = await door.open_enrolment(person, wanted.label, wanted.days, correlation=request.state.correlation)
        return _kept_nowhere(json_response(enrolment_json(made, True) | {"code": code}, 201))

    @api.post("/enrolments/{enrolment}/close", summary="Let nobody in with a code any more")
    async def close_enrolment(request: Request, person: DeviceWriter, enrolment: Code) -> Response:
        closed = await door.close_enrolment(person, enrolment, correlation=request.state.correlation)
        return json_response(enrolment_json(closed, False))

    return api


def enrolment_json(enrolment: Enrolment, is_open: bool) -> dict[str, Any]:
    """A code as the API shows it; moments in UTC by the machine's clock."""
    return {
        "id": enrolment.id,
        "label": enrolment.label,
        "open": is_open,
        "createdBy": enrolment.created_by,
        "createdAt": instant(enrolment.created_at),
        "expiresAt": instant(enrolment.expires_at),
        "closedAt": instant(enrolment.closed_at),
        "used": enrolment.used,
    }


def _kept_nowhere(answer: Response) -> Response:
    answer.headers["Cache-Control"] = "no-store"
    return answer
