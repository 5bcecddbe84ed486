"""The page of maintenance: where nothing fires for now, since when, until when and why."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from dothi.access.policy import may
from dothi.access.routes import person_of
from dothi.model.problem import Problem, bad_request
from dothi.model.text import nfc
from dothi.platform.platform import Platform
from dothi.ui.page import render
from dothi.web.view import ward_names

_FARTHEST = timedelta(days=366)
HOURS = (1, 4, 8, 24, 72, 168)
WHOLE_CITY = "city"  # has to be chosen: nobody silences every rule by leaving a field empty


class MaintenancePages:
    """Serves ``/rules/maintenance``."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform

    def index(self, request: Request) -> Response:
        """What goes on and what is to come, and the form for a new one."""
        entity = request.query_params.get("entity", "")[:200]
        return self._page(request, {"entity": entity, "ward": request.query_params.get("ward", "")[:20]}, None)

    async def decide(self, request: Request) -> Response:
        """Begin one as the form says, or end one; the form comes back with what is wrong. Raises Problem 403, 404."""
        form = {name: nfc(str(value)).strip() for name, value in (await request.form()).items()}
        person, correlation = person_of(request), request.state.correlation
        try:
            if form.get("end", "").isdecimal() and len(form["end"]) < 16:
                await self.platform.rules.end_maintenance(person, int(form["end"]), correlation=correlation)
            else:
                ward, entity = form.get("ward", ""), form.get("entity", "")
                if not ward and not entity:
                    raise bad_request("Maintenance is somewhere.", "Choose a ward, a thing, or the whole city.")
                start = self._moment(form.get("start", ""))
                now = self.platform.clock.now()
                if start is not None and start - now > _FARTHEST:
                    raise bad_request("That is too far away.", "Begin within a year.")
                hours = form.get("hours", "")
                length = timedelta(hours=int(hours) if hours.isdecimal() and len(hours) < 5 else 0)
                await self.platform.rules.maintain(
                    person,
                    entity=entity,
                    ward="" if ward == WHOLE_CITY or entity else ward,
                    start=start,
                    until=(start or now) + length,
                    reason=form.get("reason", ""),
                    correlation=correlation,
                )
        except Problem as problem:
            if problem.status != 400:
                raise
            return self._page(request, form, problem)
        return RedirectResponse("/rules/maintenance", 303)

    def _moment(self, told: str) -> datetime | None:
        if not told:
            return None
        try:
            return datetime.fromisoformat(told).replace(tzinfo=ZoneInfo(self.platform.city.time_zone)).astimezone(UTC)
        except (ValueError, OverflowError):
            raise bad_request("That is no moment.", "Give a date and a time of day, or leave it empty for now.") from None

    def _page(self, request: Request, told: dict[str, str], problem: Problem | None) -> Response:
        person = person_of(request)
        names = ward_names(self.platform)

        def person_name(account: str) -> str:
            known = self.platform.accounts.account(account)
            return account if known is None else known.name

        more: dict[str, Any] = {"ward_name": lambda code: names.get(code or "", code), "person_name": person_name}
        return render(
            request,
            self.platform,
            "dothi.web.rules:maintenance.html",
            status_code=problem.status if problem else 200,
            rows=self.platform.rules.maintenance(person),
            told=told,
            problem=problem,
            hours=HOURS,
            whole_city=WHOLE_CITY,
            wards={ward.code: ward.full_name for ward in self.platform.city.wards},
            may_write=may(person, "rule.write"),
            **more,
        )
