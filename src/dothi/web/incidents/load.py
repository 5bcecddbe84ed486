"""Load and lateness of each ward and agency: where help is needed, and who is waited for."""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from dothi.access.routes import person_of
from dothi.platform.incidents.model import Load
from dothi.platform.platform import Platform
from dothi.ui.formats import span
from dothi.ui.language import language_of
from dothi.ui.page import render
from dothi.ui.tables import csv_response
from dothi.web.incidents import look


@dataclass(frozen=True, slots=True)
class LoadRow:
    """One unit: ``wide`` is its bar, ``late`` the part of it that is overdue (0 to 100, of the largest)."""

    load: Load
    title: str
    to: str
    wide: float
    late: float
    to_accept: str
    to_answer: str


class LoadPages:
    """Serves ``/incidents/load`` and the same as CSV."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform

    def page(self, request: Request) -> Response:
        """Both tables, the most overdue first."""
        language = language_of(request)
        rows = self._rows(request, language)
        return render(
            request,
            self.platform,
            "dothi.web.incidents:load.html",
            wards=[one for one in rows if one.load.ward],
            agencies=[one for one in rows if one.load.agency],
        )

    def table(self, request: Request) -> Response:
        """The same, in minutes."""
        head = ("unit", "kind", "open", "overdue", "paused", "answered30d", "minutesToAccept", "minutesToAnswer")
        rows = (
            (
                row.title,
                "ward" if row.load.ward else "agency",
                row.load.open,
                row.load.overdue,
                row.load.paused,
                row.load.answered,
                row.load.to_accept,
                row.load.to_answer,
            )
            for row in self._rows(request, "vi")
        )
        return csv_response("incident-load", head, rows)

    def _rows(self, request: Request, language: str) -> list[LoadRow]:
        platform = self.platform
        found = platform.incidents.load(person_of(request))
        most = max((one.open for one in found), default=0) or 1
        rows = [
            LoadRow(
                one,
                look.unit_words(platform, one.ward or one.agency, language),
                f"/incidents?ward={one.ward}" if one.ward else f"/incidents?agency={one.agency}",
                round(100 * one.open / most, 1),
                round(100 * one.overdue / most, 1),
                _minutes(one.to_accept, language),
                _minutes(one.to_answer, language),
            )
            for one in found
        ]
        return sorted(rows, key=lambda row: (-row.load.overdue, -row.load.open, row.title))


def _minutes(value: float | None, language: str) -> str:
    return "–" if value is None else span(max(60.0, value * 60), language, 2)
