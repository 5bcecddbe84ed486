"""The officials' page: reports nobody decided about yet, to be released without names, or kept from the public."""

from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from dothi.access.policy import Reach, reach
from dothi.access.routes import person_of
from dothi.services.citizens import said, store
from dothi.services.citizens.public import photo
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
        """The oldest of them, or those of one ``incident``, each with its words and photos."""
        language, person = language_of(request), person_of(request)
        _ = translator(language, PACKAGES)
        reached = reach(person, "incident.write") or Reach(public=False)
        with self.platform.database.reader() as db:
            found, total = store.undecided(db, reached, _AT_A_TIME, line_of(request.query_params.get("incident"), 40))
        done = {"release": _("Đã công bố."), "withhold": _("Không công bố.")}
        return render(
            request,
            self.platform,
            f"{PACKAGE}:review.html",
            headers={"cache-control": "no-store"},
            rows=[self._row(request, report, incident, language) for report, incident in found],
            total=formats.number(total, language),
            said=done.get(request.query_params.get("done", ""), ""),
        )

    async def decide(self, request: Request) -> Response:
        """Release with the words and photos that were left, or keep it from the public."""
        form, person, report = await request.form(), person_of(request), request.path_params["report"][:40]
        correlation = request.state.correlation
        if form.get("decision") != "release":
            await self.reports.decide(person, report, None, correlation=correlation)
            return RedirectResponse("/reports/review?done=withhold", 303)
        shown = line_of(form.get("title"), 120), text_of(form.get("shown"))
        await self.reports.decide(person, report, shown, correlation=correlation)
        for number in form.getlist("photo")[:50]:
            if isinstance(number, str) and number.isdecimal() and len(number) <= 9:
                await self.platform.incidents.photos.release(person, int(number), correlation=correlation)
        return RedirectResponse("/reports/review?done=release", 303)

    async def photo(self, request: Request) -> Response:
        """A photo nobody released yet, for who decides."""
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
            "title": f"{kind}, {place}",
            "subject": report.subject,
            "photos": [
                {"number": one.number, "words": _("Ảnh {number}").format(number=place)}
                for place, one in enumerate(photos, 1)
            ],
        }
