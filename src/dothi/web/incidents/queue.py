"""The queue of incidents: filters in the address, many taken at once, the table as a file, a new one by hand."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any, get_args
from urllib.parse import parse_qsl, urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from dothi.access.policy import Person, may
from dothi.access.routes import person_of
from dothi.model.problem import Problem, bad_request
from dothi.model.promise import Urgency
from dothi.model.text import Text, nfc
from dothi.platform.incidents.acts import Accept, Act, Assign
from dothi.platform.incidents.model import STATES, URGENCIES, WORKED, Draft, Incident, Order, Question, State
from dothi.platform.incidents.views import Views
from dothi.platform.platform import Platform
from dothi.ui.language import language_of, translator
from dothi.ui.page import render
from dothi.ui.tables import csv_response
from dothi.web.devices import agency_words, link, page_number
from dothi.web.incidents import look, telling
from dothi.web.incidents.spot import spot_of

PAGE = 50
MOST_IN_A_FILE = 5_000
MOST_AT_ONCE = 100
_ENDED: tuple[State, ...] = ("closed", "rejected", "merged")
TABS: dict[str, tuple[State, ...]] = {
    "open": WORKED,
    "new": ("new",),
    "doing": ("accepted", "assigned", "handling"),
    "overdue": WORKED,
    "answered": ("answered",),
    "ended": _ENDED,
}
SINCE = {"24h": timedelta(hours=24), "7d": timedelta(days=7), "30d": timedelta(days=30)}


class Queue:
    """Serves ``/incidents``, its file, its form for a new one, and what is done to many at once."""

    def __init__(self, platform: Platform) -> None:
        self.platform, self._views = platform, Views(platform)

    def page(self, request: Request) -> Response:
        """The queue as the address says. Raises Problem 400 for a filter that cannot be understood."""
        platform, person, language = self.platform, person_of(request), language_of(request)
        query = request.query_params
        page = page_number(request)
        question = replace(question_of(platform, query), limit=PAGE, offset=(page - 1) * PAGE)
        found = platform.incidents.find(person, question)
        whole = replace(question, states=WORKED, overdue=True, limit=1, offset=0)
        overdue = platform.incidents.find(person, whole).total if query.get("state") != "overdue" else found.total
        tab = query.get("state", "open")
        return render(
            request,
            platform,
            "dothi.web.incidents:queue.html",
            rows=look.rows_of(platform, found.incidents, language),
            total=found.total,
            page=page,
            size=PAGE,
            tab=tab if tab in TABS else "open",
            tabs=_tabs(found.states, overdue, language),
            asked=query,
            narrowed=any(query.get(name) for name in NARROWING),
            q=question.text,
            link=partial(link, request),
            notice=_notice(query, language),
            saved=self._views.of(person),
            may_write=may(person, "incident.write"),
            **choices(platform, person, language),
        )

    def table(self, request: Request) -> Response:
        """All that matches, at most ``MOST_IN_A_FILE``, as CSV; moments in UTC."""
        head = ("code", "kind", "title", "state", "severity", "urgency", "ward", "agency", "assignee", "address")
        more = ("longitude", "latitude", "origin", "opened", "due", "answered", "alerts", "reports", "photos")
        question = question_of(self.platform, request.query_params)
        found = self.platform.incidents.every(person_of(request), question, MOST_IN_A_FILE)
        rows = (_cells(self.platform, one) for one in found)
        return csv_response("incidents", (*head, *more), rows)

    def new(self, request: Request) -> Response:
        """The form for an incident that somebody saw or was told of."""
        return self._form(request, {}, None)

    async def open(self, request: Request) -> Response:
        """Open it; the form comes back with what is wrong. Raises Problem 403."""
        told = {name: str(value).strip() for name, value in (await request.form()).items()}
        try:
            draft = _draft(self.platform, told)
            made = await self.platform.incidents.open(person_of(request), draft, correlation=request.state.correlation)
        except Problem as problem:
            if problem.status not in (400, 404):
                raise
            return self._form(request, told, problem)
        return RedirectResponse(f"/incidents/{made.code}", 303)

    async def many(self, request: Request) -> Response:
        """Accept or assign what was ticked, each by itself: what somebody changed meanwhile stays as it is and is named."""
        form = await request.form()
        picked = [str(one).partition("@") for one in form.getlist("pick")][:MOST_AT_ONCE]
        act = _act_for_many(str(form.get("act", "")), str(form.get("unit", "")), self.platform)
        done, missed = 0, list[str]()
        for code, _at, version in picked:
            try:
                await self.platform.incidents.act(
                    person_of(request), code, act, version=_version(version), correlation=request.state.correlation
                )
                done += 1
            except Problem as problem:
                if problem.status not in (403, 404, 409):
                    raise
                missed.append(code)
        back = str(form.get("back", "")).partition("?")[2]
        told = f"done={done}&missed={'+'.join(missed[:20])}"
        return RedirectResponse(f"/incidents?{back}&{told}" if back else f"/incidents?{told}", 303)

    async def keep(self, request: Request) -> Response:
        """Keep the filter of an address under a name of one's own. Raises Problem 400, 409."""
        form = await request.form()
        asked = [(name, value) for name, value in parse_qsl(str(form.get("query", ""))) if name in FILTER]
        person, correlation = person_of(request), request.state.correlation
        await self._views.keep(person, str(form.get("title", "")), urlencode(asked), correlation=correlation)
        return RedirectResponse(f"/incidents?{urlencode(asked)}", 303)

    async def drop(self, request: Request) -> Response:
        """Drop a kept filter. Raises Problem 404."""
        await self._views.drop(person_of(request), request.path_params["number"], correlation=request.state.correlation)
        return RedirectResponse("/incidents", 303)

    def _form(self, request: Request, told: Mapping[str, str], problem: Problem | None) -> Response:
        platform, person, language = self.platform, person_of(request), language_of(request)
        return render(
            request,
            platform,
            "dothi.web.incidents:new.html",
            status_code=problem.status if problem else 200,
            told=told,
            problem=problem,
            spot=spot_of(platform, language),
            **choices(platform, person, language),
        )


FILTER = ("q", "state", "ward", "agency", "kind", "severity", "urgency", "since", "mine", "order")
NARROWING = ("q", "ward", "agency", "kind", "severity", "urgency", "since", "mine")


def question_of(platform: Platform, query: Mapping[str, str]) -> Question:
    """What an address asks: ``state`` (a tab), ``q``, ``ward``, ``agency``, ``kind``, ``severity``, ``urgency``, ``since``,
    ``mine``, ``order``. Values that mean nothing are left out: a shared link outlives them.
    """
    tab = query.get("state", "open")
    severity, since = query.get("severity", ""), SINCE.get(query.get("since", ""))
    urgency, order = query.get("urgency", ""), query.get("order", "")
    return Question(
        states=TABS.get(tab, WORKED),
        overdue=tab == "overdue",
        ward=query.get("ward", "")[:20],
        agency=query.get("agency", "")[:60],
        kind=query.get("kind", "")[:60],
        severity=int(severity) if severity in ("1", "2", "3", "4") else 0,
        urgency=next((one for one in get_args(Urgency) if one == urgency), None),
        mine=query.get("mine") == "1",
        text=query.get("q", "").strip()[:100],
        since=platform.clock.now() - since if since else None,
        order=next((one for one in get_args(Order) if one == order), "left"),
    )


def choices(platform: Platform, person: Person, language: str) -> dict[str, Any]:
    """What the selects of filters and forms offer."""
    offered = platform.incidents.catalogue.offered()
    kinds = sorted(((one.id, one.title.in_language(language)) for one in offered), key=lambda pair: pair[1])
    return {
        "wards": {ward.code: ward.full_name for ward in platform.city.wards},
        "agencies": {one.id: one.title.in_language(language) for one in platform.city.agencies},
        "kinds": dict(kinds),
        "urgencies": {name: words.in_language(language) for name, words in URGENCIES.items()},
        "states": {name: words.in_language(language) for name, words in STATES.items()},
        "severities": telling.severity_words(language),
    }


def _tabs(states: Mapping[State, int], overdue: int, language: str) -> list[tuple[str, str, int]]:
    _ = translator(language)
    words = {
        "open": _("Đang mở"),
        "new": _("Chờ tiếp nhận"),
        "doing": _("Đang làm"),
        "overdue": _("Quá hạn"),
        "answered": _("Đã trả lời"),
        "ended": _("Đã đóng"),
    }
    return [
        (tab, words[tab], overdue if tab == "overdue" else sum(states.get(state, 0) for state in wanted))
        for tab, wanted in TABS.items()
    ]


def _draft(platform: Platform, told: Mapping[str, str]) -> Draft:
    """The incident a form describes. Raises Problem 400."""
    title = nfc(told.get("title", ""))[:200]
    kind = told.get("kind", "")
    if kind not in platform.incidents.kinds:
        raise bad_request("There is no such kind.", "Choose what it is from the list.")
    longitude, latitude = point_of(told)
    ward = told.get("ward", "")
    if longitude is None and not ward:
        raise bad_request("It has no place.", "Choose a ward, or give a point.")
    severity, urgency = told.get("severity", ""), told.get("urgency", "")
    return Draft(
        kind=kind,
        origin="operator",
        title=Text(title, title) if title else None,
        text=nfc(told.get("text", ""))[:4000],
        longitude=longitude,
        latitude=latitude,
        address=nfc(told.get("address", ""))[:200],
        ward=ward,
        severity=int(severity) if severity in ("1", "2", "3", "4") else None,
        urgency=next((one for one in get_args(Urgency) if one == urgency), None),
    )


def point_of(told: Mapping[str, str]) -> tuple[float | None, float | None]:
    """The point of a form as (longitude, latitude): of its one field "lat, lon" as maps copy it. Raises Problem 400."""
    text = told.get("point", "").strip()
    if not text:
        return None, None
    try:
        latitude, longitude = (float(part) for part in text.replace(";", ",").split(",", 1))
    except ValueError:
        raise bad_request("That is no point.", "Write it as maps copy it: 21.0285, 105.8542.") from None
    return longitude, latitude


def _act_for_many(name: str, unit: str, platform: Platform) -> Act:
    if name == "accept":
        return Accept()
    if name == "assign" and unit:
        return Assign(ward=unit) if unit in platform.city.by_code else Assign(agency=unit)
    raise bad_request("That is nothing one can do to many.", "Choose accept, or assign with an agency or a ward.")


def _version(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 10 else -1


def _notice(query: Mapping[str, str], language: str) -> str:
    _ = translator(language)
    done, missed = query.get("done", ""), query.get("missed", "").split()
    if not done.isdecimal() or len(done) > 4:
        return ""
    said = _("Xong {count} sự việc.").format(count=done)
    if missed:
        named = ", ".join(code for code in missed if code.replace("-", "").isalnum())
        said += " " + _("Để nguyên vì đã đổi trong lúc đó hoặc không còn cho phép: {codes}.").format(codes=named)
    return said


def _cells(platform: Platform, one: Incident) -> tuple[object, ...]:
    return (
        one.code,
        one.kind,
        one.title.vi,
        one.state,
        one.severity,
        one.urgency,
        look.ward_words(platform, one.ward),
        agency_words(platform, one.agency, "vi"),
        one.assignee,
        one.address,
        one.longitude,
        one.latitude,
        one.origin,
        one.opened_at.isoformat(),
        one.due_at and one.due_at.isoformat(),
        one.answered_at and one.answered_at.isoformat(),
        one.alerts,
        one.reports,
        one.photos,
    )
