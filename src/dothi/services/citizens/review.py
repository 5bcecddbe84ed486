"""The officials' page: reports to be released without names, kept from the public, or taken back from it."""

import asyncio
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from dothi.access.policy import Reach, reach
from dothi.access.reasons import FIELD
from dothi.access.routes import person_of
from dothi.model.problem import Problem
from dothi.services.citizens import said, store
from dothi.services.citizens.public import photo
from dothi.services.citizens.releasing import decides
from dothi.services.citizens.service import Reports
from dothi.services.citizens.store import Report
from dothi.services.citizens.words import PACKAGE, PACKAGES, line_of, text_of
from dothi.ui import formats
from dothi.ui.language import language_of, translator
from dothi.ui.page import render

_AT_A_TIME = 10


class ReviewPages:
    """``/reports/review``, for who may change the incidents behind the reports."""

    def __init__(self, reports: Reports) -> None:
        self.reports, self.platform = reports, reports.platform

    def index(self, request: Request) -> Response:
        """The oldest of them, each with its words and photos; of one ``incident`` also those that somebody decided about."""
        language, person = language_of(request), person_of(request)
        _ = translator(language, PACKAGES)
        reached = reach(person, "incident.write") or Reach(public=False)
        code = line_of(request.query_params.get("incident"), 40)
        with self.platform.database.reader() as db:
            found, total = store.undecided(db, reached, _AT_A_TIME, code)
            decided = [(one, code) for one in store.of_incident(db, code) if one.decided_at is not None and not one.same]
        try:
            known = bool(code) and decides(person, self.platform.incidents.get(person, code))
        except Problem:
            known = False
        done = {
            "release": _("Đã công bố."),
            "withhold": _("Không công bố."),
            "withdraw": _("Đã rút khỏi công khai."),
        }
        return render(
            request,
            self.platform,
            f"{PACKAGE}:review.html",
            headers={"cache-control": "no-store"},
            rows=[
                self._row(request, report, incident, language) for report, incident in [*found, *(decided if known else ())]
            ],
            incident=code,
            total=formats.number(total, language),
            said=done.get(request.query_params.get("done", ""), ""),
        )

    async def decide(self, request: Request) -> Response:
        """Release with the words and photos that were left, keep it from the public, or take it back (``decision``)."""
        form, person, report = await request.form(), person_of(request), request.path_params["report"][:40]
        correlation, releases = request.state.correlation, self.reports.releases
        match form.get("decision"):
            case "release":
                title, text = line_of(form.get("title"), 120), text_of(form.get("shown"))
                said = [one for one in form.getlist("photo")[:50] if isinstance(one, str)]
                photos = {int(one) for one in said if one.isascii() and one.isdecimal() and len(one) <= 9}
                await releases.release(person, report, title, text, photos, correlation=correlation)
                return RedirectResponse("/reports/review?done=release", 303)
            case "withdraw":
                _, incident = await asyncio.to_thread(releases.changeable, person, report)
                await releases.withdraw(person, report, line_of(form.get(FIELD), 500), correlation=correlation)
                return RedirectResponse(f"/reports/review?incident={incident.code}&done=withdraw", 303)
            case _:
                await releases.withhold(person, report, correlation=correlation)
                return RedirectResponse("/reports/review?done=withhold", 303)

    async def photo(self, request: Request) -> Response:
        """A photo nobody released yet, for who decides: as everybody would see it."""
        return await photo(self.reports, person_of(request), request, {"cache-control": "no-store"})

    def _row(self, request: Request, report: Report, incident: str, language: str) -> dict[str, Any]:
        _ = translator(language, PACKAGES)
        person, now = person_of(request), self.platform.clock.now()
        found = self.platform.incidents.get(person, incident)
        kind = self.platform.incidents.kind(found.kind).title.in_language(language)
        place = said.where(self.platform, found.ward, "", language)
        photos = [one for one in self.platform.incidents.photos.of(person, incident) if one.report == report.id]
        return {
            "id": report.id,
            "incident": incident,
            "kind": kind,
            "about": " · ".join(filter(None, (place, found.address, formats.relative(report.at, now, language)))),
            "text": report.text,
            "title": report.title if report.released else f"{kind}, {place}",
            "shown": report.shown if report.released else report.text,
            "released": report.released,
            "decided": "" if report.decided_at is None else formats.daytime(report.decided_at, language),
            "subject": report.subject,
            "photos": [
                {
                    "number": one.number,
                    "words": _("Ảnh {number}").format(number=place),
                    "released": one.released,
                    "hidden": len(one.boxes),
                }
                for place, one in enumerate(photos, 1)
            ],
        }
