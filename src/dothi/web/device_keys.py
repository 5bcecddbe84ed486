"""The pages where devices get what they prove themselves with: a secret for one, codes for those that are not known yet."""

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute

from dothi.access.device_keys import LONGEST, MAX_LABEL
from dothi.access.policy import Thing, may
from dothi.access.routes import page, person_of
from dothi.model.problem import Problem, not_found
from dothi.platform.platform import Platform
from dothi.ui.language import language_of
from dothi.ui.page import render
from dothi.web.devices import held_count, spoken

DAYS = (1, 7, 30, 90)
_NOT_KEPT = {"Cache-Control": "no-store"}


class DeviceKeyPages:
    """Serves ``/devices/codes`` and the decisions about codes and about the secret of one device."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform

    def codes(self, request: Request) -> Response:
        """The enrolment codes, those that let devices in first."""
        return self._codes(request)

    async def open(self, request: Request) -> Response:
        """Make a code and show it, once. The form comes back with what is wrong."""
        form = await request.form()
        days = str(form.get("days", ""))
        try:
            code, _ = await self.platform.device_door.open_enrolment(
                person_of(request),
                str(form.get("label", ""))[: MAX_LABEL + 1],
                int(days) if days.isdecimal() and len(days) < 5 else 0,
                correlation=request.state.correlation,
            )
        except Problem as problem:
            if problem.status not in (400, 409):
                raise
            return self._codes(request, problem=problem)
        return self._codes(request, code=code)

    async def close(self, request: Request) -> Response:
        """Let nobody in with a code any more. Raises Problem 404."""
        code: str = request.path_params["code"]
        await self.platform.device_door.close_enrolment(person_of(request), code, correlation=request.state.correlation)
        return RedirectResponse("/devices/codes?done=closed", 303)

    async def issue(self, request: Request) -> Response:
        """Make a secret for a device and show it, once. Raises Problem 403, 404."""
        platform, person = self.platform, person_of(request)
        device = platform.devices.get(person, request.path_params["device"])
        if device is None:
            raise not_found("device", request.path_params["device"])
        secret = await platform.device_door.issue(person, device.id, correlation=request.state.correlation)
        answer = render(
            request,
            platform,
            "dothi.web:device-secret.html",
            device=device,
            secret=secret,
            base=str(request.base_url).rstrip("/"),
            mqtt=getattr(platform.journal, "mqtt_port", None) or platform.settings.mqtt_port,
            topic=f"{platform.tenant}/devices/{device.id}/readings",
        )
        answer.headers.update(_NOT_KEPT)
        return answer

    async def withdraw(self, request: Request) -> Response:
        """Take a device's secret back. Raises Problem 403, 404."""
        device: str = request.path_params["device"]
        await self.platform.device_door.withdraw(person_of(request), device, correlation=request.state.correlation)
        return RedirectResponse(f"/devices/{device}?done=withdrawn", 303)

    def _codes(self, request: Request, *, code: str = "", problem: Problem | None = None) -> Response:
        platform, person = self.platform, person_of(request)
        answer = render(
            request,
            platform,
            "dothi.web:codes.html",
            status_code=200 if problem is None else problem.status,
            code=code,
            problem=problem,
            codes=platform.device_door.enrolments(person),
            maker=self._maker,
            makes=may(person, "device.write", Thing()),
            days=DAYS,
            longest=LONGEST.days,
            most_letters=MAX_LABEL,
            held=held_count(platform, person),
            done=request.query_params.get("done", ""),
            **spoken(language_of(request)),
        )
        answer.headers.update(_NOT_KEPT)
        return answer

    def _maker(self, account_id: str) -> str:
        """What somebody who made a code is called."""
        account = self.platform.accounts.account(account_id)
        return account_id if account is None else account.name


def device_key_routes(platform: Platform) -> Sequence[BaseRoute]:
    """The routes of these pages; they come before that of one device, whose id could be any word."""
    pages = DeviceKeyPages(platform)
    return [
        page("/devices/codes", pages.codes, action="device.write"),
        page("/devices/codes", pages.open, action="device.write", methods=("POST",)),
        page("/devices/codes/{code}/close", pages.close, action="device.write", methods=("POST",)),
        page("/devices/{device}/secret", pages.issue, action="device.write", methods=("POST",)),
        page("/devices/{device}/secret/withdraw", pages.withdraw, action="device.write", methods=("POST",)),
    ]
