"""The page of alerts: lines that each stand for a storm, what is seen to, and every alert of a line."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from dothi.access.policy import Person, may
from dothi.access.routes import person_of
from dothi.model.problem import Problem
from dothi.platform.platform import Platform
from dothi.platform.rules.alerts import STATES, Alert, AlertQuestion, AlertState
from dothi.ui.language import language_of
from dothi.ui.page import render
from dothi.ui.tables import csv_response
from dothi.web.devices import link, page_number
from dothi.web.view import ward_names

PAGE = 50
MOST_ALERTS = 500
MOST_IN_A_FILE = 5_000
MOST_AT_ONCE = 200
TABS: dict[str, tuple[AlertState, ...]] = {
    "open": ("firing", "acknowledged"),
    "firing": ("firing",),
    "acknowledged": ("acknowledged",),
    "ended": ("ended",),
    "all": (),
}
SINCE = {"24h": timedelta(hours=24), "7d": timedelta(days=7), "30d": timedelta(days=30)}
_HEAD = ("line", "alert", "rule", "version", "subject", "name", "ward", "state", "severity", "value", "threshold")
_MORE = ("began", "detected", "ended", "acknowledged_by", "acknowledged", "said")


class AlertPages:
    """Serves ``/alerts`` and ``/alerts.csv``; ``group`` in the address is one line."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform

    def index(self, request: Request) -> Response:
        """Lines, the newest first; or one line with its alerts. Raises Problem 404."""
        group = request.query_params.get("group", "")
        if group.isdecimal() and len(group) < 16:
            return self._line(request, int(group))
        person, language, page = person_of(request), language_of(request), page_number(request)
        question = replace(self._question(request), limit=PAGE, offset=(page - 1) * PAGE)
        found = self.platform.rules.alerts(person, question)
        tab, query = request.query_params.get("state", "open"), request.query_params
        return render(
            request,
            self.platform,
            "dothi.web.rules:alerts.html",
            rows=found.groups,
            total=found.total,
            page=page,
            size=PAGE,
            tab=tab if tab in TABS else "open",
            asked=query,
            narrowed=any(query.get(name) for name in ("ward", "severity", "rule", "since", "q", "thing")),
            thing_name=self._thing(person, question.subject),
            rules={one.rule.id: one.rule.title.in_language(language) for one in self.platform.rules.rules(person)},
            wards={ward.code: ward.full_name for ward in self.platform.city.wards},
            done=query.get("done", "") if query.get("done", "").isdecimal() else "",
            link=partial(link, request),
            **self._spoken(request),
        )

    async def acknowledge(self, request: Request) -> Response:
        """See to the lines that were ticked. Raises Problem 403."""
        form = await request.form()
        picked = [int(str(one)) for one in form.getlist("pick") if str(one).isdecimal() and len(str(one)) < 16]
        done = await self.platform.rules.acknowledge(
            person_of(request), picked[:MOST_AT_ONCE], correlation=request.state.correlation
        )
        back = str(form.get("back", ""))
        query = back.partition("?")[2] if back.startswith("/alerts") else ""
        return RedirectResponse(f"/alerts?{query}&done={len(done)}" if query else f"/alerts?done={len(done)}", 303)

    def table(self, request: Request) -> Response:
        """Every alert of the lines that match, at most ``MOST_IN_A_FILE`` of them, as CSV; moments in UTC."""
        return csv_response("alerts", (*_HEAD, *_MORE), self._cells(request))

    def _cells(self, request: Request) -> Iterator[tuple[object, ...]]:
        person, language = person_of(request), language_of(request)
        question, left = replace(self._question(request), limit=PAGE), MOST_IN_A_FILE
        for offset in range(0, MOST_IN_A_FILE, PAGE):
            found = self.platform.rules.alerts(person, replace(question, offset=offset))
            for group in found.groups:
                for one in self.platform.rules.alerts_of(person, group.id, left):
                    left -= 1
                    yield _cells(one, language)
            if offset + PAGE >= found.total or left <= 0:
                return

    def _line(self, request: Request, number: int) -> Response:
        person, language = person_of(request), language_of(request)
        line = self.platform.rules.group(person, number)
        return render(
            request,
            self.platform,
            "dothi.web.rules:line.html",
            line=line,
            alerts=self.platform.rules.alerts_of(person, number, MOST_ALERTS),
            most=MOST_ALERTS,
            incident_title=self._incident(request, line.incident, language),
            **self._spoken(request),
        )

    def _incident(self, request: Request, code: str, language: str) -> str:
        """What its incident is called; "" for who may not know of that."""
        try:
            return self.platform.incidents.get(person_of(request), code).title.in_language(language) if code else ""
        except Problem:
            return ""

    def _question(self, request: Request) -> AlertQuestion:
        query = request.query_params
        since, severity, group = SINCE.get(query.get("since", "")), query.get("severity", ""), query.get("group", "")
        ids = (int(group),) if group.isdecimal() and len(group) < 16 else ()
        return AlertQuestion(
            states=() if ids else TABS.get(query.get("state", "open"), TABS["open"]),
            severity=int(severity) if severity in ("1", "2", "3", "4") else 0,
            rule=query.get("rule", "")[:64],
            ward=query.get("ward", "")[:20],
            since=self.platform.clock.now() - since if since else None,
            ids=ids,
            text=query.get("q", "").strip()[:100],
            subject=query.get("thing", "").strip()[:500],
        )

    def _thing(self, person: Person, subject: str) -> str:
        """What to call what the list is narrowed to."""
        if not subject:
            return ""
        known = self.platform.rules.alerts_on(person, subject, 1)
        return known[0].name if known else subject.rpartition(":")[2]

    def _spoken(self, request: Request) -> dict[str, Any]:
        language = language_of(request)
        names = ward_names(self.platform)

        def person_name(account: str | None) -> str:
            known = self.platform.accounts.account(account or "")
            return (account or "") if known is None else known.name

        return {
            "state_words": lambda state: STATES[state].in_language(language),
            "ward_name": lambda code: names.get(code or "", ""),
            "person_name": person_name,
            "may_see_to": may(person_of(request), "incident.write"),
        }


def _cells(one: Alert, language: str) -> tuple[object, ...]:
    moments = (one.began_at, one.detected_at, one.ended_at)
    began, detected, ended = (moment.isoformat() if moment else "" for moment in moments)
    seen = one.acknowledged_at.isoformat() if one.acknowledged_at else ""
    first = (one.group, one.id, one.rule, one.version, one.subject, one.name, one.ward, one.state, one.severity)
    last = (began, detected, ended, one.acknowledged_by or "", seen, one.said.in_language(language))
    return (*first, one.value, one.threshold, *last)
