"""The lobby: devices that send but nobody knows yet, each with its last message, to be admitted or refused."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from dothi.access.routes import person_of
from dothi.devices.lobby import MAX_WAITING, LobbyView
from dothi.devices.specs import DeviceSpec, MappingRule
from dothi.model.problem import Problem, bad_request, not_found
from dothi.model.schema import EntityType
from dothi.platform.platform import Platform
from dothi.ui.language import language_of
from dothi.ui.page import render
from dothi.ui.tables import csv_response
from dothi.web.devices import held_count, link, notice_words, page_number, spoken

PAGE = 25
RAW = 2_000
_CADENCES = (60, 300, 600, 1800, 3600, 21600, 86400)


class LobbyPages:
    """Serves ``/devices/lobby``, ``/devices/lobby.csv``, the form of one waiting device and the two decisions."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform

    def index(self, request: Request) -> Response:
        """Who waits, the last heard first."""
        page = page_number(request)
        rows, total = self.platform.devices.lobby(person_of(request), PAGE, (page - 1) * PAGE)
        language = language_of(request)
        return render(
            request,
            self.platform,
            "dothi.web:lobby.html",
            rows=rows,
            total=total,
            page=page,
            size=PAGE,
            held=held_count(self.platform, person_of(request)),
            turned_away=self.platform.devices.lobby_refused,
            notice=notice_words(request.query_params.get("done", ""), language),
            raw=raw,
            link=partial(link, request),
            **spoken(language),
        )

    def table(self, request: Request) -> Response:
        """All who wait, with their last message, as CSV."""
        rows, _total = self.platform.devices.lobby(person_of(request), MAX_WAITING)
        head = ("device", "source", "firstSeen", "lastSeen", "count", "keys", "body")
        return csv_response(
            "lobby",
            head,
            (
                (
                    row.device,
                    row.source,
                    row.first_seen.isoformat(),
                    row.last_seen.isoformat(),
                    row.count,
                    " ".join(row.keys),
                    row.body.decode("utf-8", "replace"),
                )
                for row in rows
            ),
        )

    def form(self, request: Request) -> Response:
        """What must be said about a device before it is admitted. Raises Problem 404."""
        return self._form(request, self._waiting(request), {}, None)

    async def admit(self, request: Request) -> Response:
        """Admit the device as the form describes it; the form comes back with what is wrong. Raises Problem 404."""
        waiting = self._waiting(request)
        form = await request.form()
        try:
            spec = _spec(waiting, form)
            await self.platform.devices.admit(
                person_of(request), waiting.device, spec, correlation=request.state.correlation
            )
        except Problem as problem:
            if problem.status != 400:
                raise
            return self._form(request, waiting, {key: str(value) for key, value in form.items()}, problem)
        return RedirectResponse(f"/devices/{waiting.device}?done=admitted", 303)

    async def refuse(self, request: Request) -> Response:
        """Refuse the device: what it sends is counted and not kept. Raises Problem 404."""
        waiting = self._waiting(request)
        await self.platform.devices.refuse(person_of(request), waiting.device, correlation=request.state.correlation)
        return RedirectResponse("/devices/lobby?done=refused", 303)

    def _waiting(self, request: Request) -> LobbyView:
        """The waiting device of the address; a refused one that was never described can still be admitted."""
        name, person = request.path_params["device"], person_of(request)
        waiting = self.platform.devices.waiting(person, name)
        if waiting is not None:
            return waiting
        known = self.platform.devices.get(person, name)
        if known is None or known.state != "refused":
            raise not_found("waiting device", name)
        seen = known.last_seen or known.created_at
        return LobbyView(name, "", known.created_at, seen, 0, b"", tuple(known.mapping))

    def _form(self, request: Request, waiting: LobbyView, given: Mapping[str, str], problem: Problem | None) -> Response:
        language = language_of(request)
        kinds = [one for one in self.platform.types.values() if one.reported]
        asked = given.get("type") or request.query_params.get("type")
        kind = next((one for one in kinds if one.name == asked), kinds[0] if kinds else None)
        return render(
            request,
            self.platform,
            "dothi.web:admit.html",
            status_code=400 if problem else 200,
            waiting=waiting,
            given=given,
            problem=problem,
            kinds=kinds,
            kind=kind,
            keys=[_key_row(key, kind, given) for key in waiting.keys],
            cadences=_CADENCES,
            raw=raw,
            **spoken(language),
        )


def raw(body: bytes) -> str:
    """A payload as text for people to read, cut after ``RAW`` letters."""
    text = body[: RAW * 4].decode("utf-8", "replace")
    return text if len(text) <= RAW else text[:RAW] + " …"


def _key_row(key: str, kind: EntityType | None, given: Mapping[str, str]) -> dict[str, Any]:
    own = kind.attribute(key) if kind else None
    return {
        "key": key,
        "chosen": given.get(f"attribute:{key}", own.name if own else ""),
        "unit": given.get(f"unit:{key}", ""),
    }


def _spec(waiting: LobbyView, form: FormData) -> DeviceSpec:
    """The description a form gives. Raises Problem 400."""

    def text(name: str) -> str:
        return str(form.get(name, "")).strip()

    mapping = {
        key: MappingRule(text(f"attribute:{key}"), text(f"unit:{key}") or None)
        for key in waiting.keys
        if text(f"attribute:{key}")
    }
    return DeviceSpec(
        id=waiting.device,
        entity_type=text("type"),
        name=text("name"),
        owner=text("owner") or None,
        cadence_s=_number(text("cadence") or "600", "cadence"),
        longitude=_number(text("longitude"), "longitude") if text("longitude") else None,
        latitude=_number(text("latitude"), "latitude") if text("latitude") else None,
        mapping=mapping,
    )


def _number(text: str, name: str) -> float:
    try:
        return float(text.replace(",", "."))
    except ValueError:
        raise bad_request(f"{name} is not a number.", "Write digits, for example 21.03.") from None
