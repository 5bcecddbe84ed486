"""Reports for other cities' programs and apps: Open311 GeoReport v2 (wiki.open311.org), in JSON and XML.

Read is what a person released, and nothing else. What is sent is a report like any other: a person looks at it first, so the
answer is a token (the code to follow it by), which leads to a request id once the report is public. Pictures elsewhere
(``media_url``) are not fetched, and names, mail addresses and telephone numbers are not kept: nobody agreed to that here.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import Element, SubElement, tostring

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from dothi.access.limits import Limit, Limits, neighbourhood
from dothi.access.policy import STRANGER
from dothi.access.requests import address_of
from dothi.access.routes import page
from dothi.model.problem import Problem, bad_request, not_found
from dothi.platform.incidents.model import WORKED
from dothi.services.citizens import codes, said, store
from dothi.services.citizens.place import place_of
from dothi.services.citizens.service import Reports, Sent
from dothi.services.citizens.store import Shown
from dothi.services.citizens.words import complains, line_of, text_of
from dothi.ui import formats
from dothi.ui.language import language_of

if TYPE_CHECKING:
    from dothi.platform.platform import Platform

SHORTEST = 10  # letters of a description
MOST = 1_000  # of one answer, as the standard has it
WITHIN = timedelta(days=90)  # if no dates are asked for, as the standard has it
SENT = Limit(0.2, 30.0)
"""Reports from one address: a program of another city may send some, a robot not for long."""
LOOKED = Limit(0.2, 30.0)
"""Tokens that are nobody's, from one address."""
_CLOSED = ("answered", "closed", "rejected")
_STATES = {"open": WORKED, "closed": _CLOSED, "": (*WORKED, *_CLOSED)}
_ROUND = 3  # digits of a degree, as on the public pages
_TYPES = {"json": "application/json", "xml": "application/xml"}
Row = dict[str, str | float | bool | None]


def routes(platform: "Platform") -> Sequence[BaseRoute]:
    """``/open311/v2``."""
    doors = Open311(platform)
    return [
        _page("/services", "services.service", doors.services),
        _page("/services/{service}", "services.service", doors.service),
        _page("/requests", "service_requests.request", doors.requests),
        page(
            "/open311/v2/requests.{form}",
            doors.send,
            action="report.send",
            methods=("POST",),
            forms=False,
            name="open311-send",
        ),
        _page("/requests/{request}", "service_requests.request", doors.request),
        _page("/tokens/{token}", "service_requests.request", doors.token),
    ]


class Open311:
    """The doors of one city."""

    def __init__(self, platform: "Platform") -> None:
        self.platform, self.reports, self._limits = platform, Reports(platform), Limits()

    def services(self, request: Request) -> list[Row]:
        """What may be reported."""
        language = language_of(request)
        return [
            {
                "service_code": one.id,
                "service_name": one.title.in_language(language),
                "description": one.hint.in_language(language) if one.hint else "",
                "metadata": False,
                "type": "realtime",
                "keywords": "",
                "group": "",
            }
            for one in self.reports.kinds.values()
        ]

    def service(self, request: Request) -> list[Row]:
        """No kind asks for more than the standard's own fields. Raises Problem 404."""
        raise not_found("definition of the service", request.path_params["service"][:80])

    def requests(self, request: Request) -> list[Row]:
        """What was released: by ``service_request_id`` (several, with commas), ``service_code``, ``status``, ``start_date``,
        ``end_date``, and ``bbox`` (west,south,east,north), which the standard has not. Raises Problem 400.
        """
        query, language = request.query_params, language_of(request)
        status = query.get("status", "")
        if not set(status.split(",")) <= {"open", "closed", ""}:
            raise bad_request("There is no such status.", "Give open or closed.")
        states = tuple(state for one in set(status.split(",")) for state in _STATES[one])
        named = [one for one in query.get("service_request_id", "").split(",") if one][:50]
        if named:
            found = [row for code in named for row in self._shown(states=_STATES[""], code=code.strip()[:40], limit=1)]
        else:
            start, end = _moment(query.get("start_date")), _moment(query.get("end_date"))
            if start is None and end is None:
                start = self.platform.clock.now() - WITHIN
            box, kind = _box(query.get("bbox", "")), query.get("service_code", "")[:80]
            found = self._shown(states=states, kind=kind, since=start, until=end, box=box, limit=MOST)
        return [self._row(one, language) for one in found]

    def request(self, request: Request) -> list[Row]:
        """One released report, with its answer and a released photo. Raises Problem 404."""
        code, language = request.path_params["request"][:40], language_of(request)
        found = self._shown(states=_STATES[""], code=code, limit=1)
        if not found:
            raise not_found("request", code)
        work = self.platform.incidents.public(code)
        row = self._row(found[0], language)
        row["status_notes"] = work.answer or work.reason or row["status_notes"]
        row["media_url"] = f"{_base(request)}/reports/photos/{work.photos[0]}" if work.photos else None
        return [row]

    def token(self, request: Request) -> list[Row]:
        """The request that a sent report led to; without an id until it is public. Raises Problem 404, 429."""
        try:
            found = self.reports.follow(request.path_params["token"])
        except Problem:
            self._limits.spend(LOOKED, neighbourhood(address_of(request.scope)))
            raise
        public = self._shown(states=_STATES[""], code=found.incident.code, limit=1)
        return [{"token": request.path_params["token"], "service_request_id": found.incident.code if public else None}]

    async def send(self, request: Request) -> Response:
        """Take a report: ``service_code``, ``lat`` and ``long`` or ``address_string``, ``description``."""

        async def work(request: Request) -> list[Row]:
            form, language = await request.form(), language_of(request)
            asked = place_of(self.platform.city, form.get("address_string"), "", form.get("long"), form.get("lat"))
            if asked.place is None:
                raise bad_request(
                    "It is not known where this is.", "Give lat and long within the city, or an address with its ward."
                )
            text = text_of(form.get("description"))
            if len(text) < SHORTEST:
                raise bad_request(f"The description has less than {SHORTEST} letters.", "Say what is wrong.")
            if complains(text):
                raise bad_request("Complaints by law take another way.", f"{_base(request)}/report says which.")
            self._limits.spend(SENT, neighbourhood(address_of(request.scope)))
            sent = Sent(codes.new_form(), line_of(form.get("service_code"), 80), asked.place, text, language)
            # Whoever is signed in beside it did not fill in this form.
            received = await self.reports.send(STRANGER, sent, correlation=request.state.correlation)
            return [{"token": received.code, "service_notice": f"{_base(request)}/report/{received.code}"}]

        return await _answer(request, "service_requests.request", work, 201)

    def _shown(self, **asked: Any) -> list[Shown]:
        with self.platform.database.reader() as db:
            return store.shown(db, **asked)[0]

    def _row(self, one: Shown, language: str) -> Row:
        ward, agency = self.platform.city.by_code.get(one.ward), self.platform.city.agency(one.agency)
        return {
            "service_request_id": one.code,
            "status": "closed" if one.state in _CLOSED else "open",
            "status_notes": said.state(one.state, language),
            "service_name": self.platform.incidents.kind(one.kind).title.in_language(language),
            "service_code": one.kind,
            "description": "\n\n".join(filter(None, (one.title, one.text))),
            "agency_responsible": agency.title.in_language(language) if agency else "",
            "requested_datetime": _said(one.opened_at),
            "updated_datetime": _said(one.answered_at or one.opened_at),
            "expected_datetime": _said(one.due_at),
            "address": ward.full_name if ward else "",
            "lat": None if one.latitude is None else round(one.latitude, _ROUND),
            "long": None if one.longitude is None else round(one.longitude, _ROUND),
            "media_url": None,
        }


def _page(path: str, names: str, work: Callable[[Request], list[Row]]) -> BaseRoute:
    async def look(request: Request) -> list[Row]:
        return await asyncio.to_thread(work, request)

    endpoint = partial(_answer, names=names, work=look)
    name = f"open311-{work.__name__}"
    untold = "token" if "{token}" in path else ""

    async def door(request: Request) -> Response:
        return await endpoint(request)

    return page(f"/open311/v2{path}.{{form}}", door, action="report.read", name=name, untold=untold)


async def _answer(
    request: Request, names: str, work: Callable[[Request], Awaitable[list[Row]]], status: int = 200
) -> Response:
    """What ``work`` gives in the format asked for; what went wrong as the standard says it. Raises Problem 404 for another
    format.
    """
    form = request.path_params["form"]
    if form not in _TYPES:
        raise not_found("format", form[:20])
    headers = {"cache-control": "no-store"}
    try:
        wanted = request.query_params.get("jurisdiction_id", "")
        if wanted and wanted != request.app.state.platform.city.slug:
            raise not_found("jurisdiction", wanted[:80])
        rows = await work(request)
    except Problem as problem:
        names, status = "errors.error", problem.status
        rows = [{"code": problem.status, "description": f"{problem.title} {problem.detail}"}]
        if problem.retry_after is not None:
            headers["retry-after"] = str(problem.retry_after)
    body = msgspec.json.encode(rows) if form == "json" else _xml(names, rows)
    return Response(body, status, headers, media_type=_TYPES[form])


def _xml(names: str, rows: Sequence[Row]) -> bytes:
    whole, _, each = names.partition(".")
    root = Element(whole)
    for row in rows:
        one = SubElement(root, each)
        for name, value in row.items():
            said_of = str(value).lower() if isinstance(value, bool) else str(value)
            SubElement(one, name).text = None if value is None else said_of
    return bytes(tostring(root, "utf-8", xml_declaration=True))


def _moment(told: str | None) -> datetime | None:
    """A moment as W3C writes it, with its offset. Raises Problem 400."""
    if not told:
        return None
    try:
        found = datetime.fromisoformat(told.replace(" ", "+").replace("Z", "+00:00"))
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise bad_request("That is no moment.", "Write 2026-05-14T11:00:00Z or …+07:00.")
    return found


def _box(told: str) -> tuple[float, float, float, float] | None:
    """West, south, east, north. Raises Problem 400."""
    if not told:
        return None
    try:
        west, south, east, north = map(float, told.split(","))
    except ValueError:
        raise bad_request("That is no box.", "Give west,south,east,north in degrees.") from None
    return west, south, east, north


def _said(at: datetime | None) -> str | None:
    return None if at is None else formats.here(at).isoformat(timespec="seconds")


def _base(request: Request) -> str:
    return str(request.base_url).rstrip("/")
