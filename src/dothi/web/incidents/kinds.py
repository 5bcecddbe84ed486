"""Kinds of incidents: what each sector brings, and what the city adds and changes itself, in the browser."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, get_args

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from dothi.access.policy import Thing, may
from dothi.access.routes import person_of
from dothi.model.problem import Problem, not_found
from dothi.model.promise import Urgency
from dothi.model.text import Text
from dothi.platform.incidents.catalogue import LONGEST_HINT, LONGEST_TITLE, OWN, WRITE, Version, Wanted
from dothi.platform.incidents.kinds import IncidentKind
from dothi.platform.platform import Platform
from dothi.ui.language import language_of
from dothi.ui.page import render
from dothi.web.devices import agency_words
from dothi.web.incidents import look
from dothi.web.incidents.acts import text
from dothi.web.incidents.queue import choices


@dataclass(frozen=True, slots=True)
class KindRow:
    """A kind in the list; ``whose`` is the sector that brings it, "" for the city's own, ``unit`` who owns what is of it."""

    kind: IncidentKind
    title: str
    hint: str
    whose: str
    unit: str


@dataclass(frozen=True, slots=True)
class Change:
    """One version of a kind's history."""

    number: int
    at: datetime
    who: str
    title: str
    citizens: bool
    retired: bool


class KindPages:
    """Serves ``/incidents/kinds`` and the form of each kind below it (``new`` for one more)."""

    def __init__(self, platform: Platform) -> None:
        self.platform, self._catalogue = platform, platform.incidents.catalogue

    def index(self, request: Request) -> Response:
        """Every kind, the city's own first."""
        language = language_of(request)
        rows = sorted(
            (self._row(one, language) for one in self._catalogue.all.values()),
            key=lambda row: (bool(row.whose), row.kind.retired, row.whose, row.title),
        )
        return render(
            request,
            self.platform,
            "dothi.web.incidents:kinds.html",
            rows=rows,
            done=request.query_params.get("done", ""),
            **self._frame(request),
        )

    def new(self, request: Request) -> Response:
        """The empty form."""
        return self._form(request, "", Wanted(Text("", "")), 0)

    def one(self, request: Request) -> Response:
        """The form of one kind as it is, with its history. Raises Problem 404."""
        kind = self._kind(request)
        versions = self._catalogue.versions(kind.id)
        return self._form(request, kind.id, _wanted(kind), versions[0].number if versions else 0)

    async def add(self, request: Request) -> Response:
        """Make a kind of the city's own."""
        form = await request.form()
        wanted, name = wanted_of(form), text(form, "id")

        async def write() -> IncidentKind:
            return await self._catalogue.add(person_of(request), name, wanted, correlation=request.state.correlation)

        return await self._write(request, write, "", wanted, 0, name)

    async def change(self, request: Request) -> Response:
        """Change a kind of the city's own; of one that a sector brings, whether people may report it. Raises Problem 404."""
        form, kind, person = await request.form(), self._kind(request), person_of(request)
        wanted, told = wanted_of(form), text(form, "version")
        version = int(told) if told.isascii() and told.isdecimal() and len(told) < 9 else -1

        async def write() -> IncidentKind:
            correlation = request.state.correlation
            if kind.id.startswith(OWN):
                return await self._catalogue.change(person, kind.id, version, wanted, correlation=correlation)
            return await self._catalogue.offer(person, kind.id, version, wanted.citizens, correlation=correlation)

        return await self._write(request, write, kind.id, wanted, version)

    async def _write(
        self,
        request: Request,
        write: Callable[[], Awaitable[IncidentKind]],
        id: str,
        wanted: Wanted,
        version: int,
        name: str = "",
    ) -> Response:
        try:
            done = await write()
        except Problem as problem:
            if problem.status not in (400, 409):
                raise
            if problem.code == "changed-meanwhile":  # shown as it is now; what was typed would overwrite it
                newest = self._catalogue.versions(id)
                wanted, version = _wanted(self._catalogue.all[id]), newest[0].number if newest else 0
            return self._form(request, id, wanted, version, problem, name)
        return RedirectResponse(f"/incidents/kinds?done={done.id}", 303)

    def _form(
        self, request: Request, id: str, wanted: Wanted, version: int, problem: Problem | None = None, name: str = ""
    ) -> Response:
        language = language_of(request)
        kind = self._catalogue.all.get(id)
        return render(
            request,
            self.platform,
            "dothi.web.incidents:kind.html",
            status_code=problem.status if problem else 200,
            headers={"cache-control": "no-store"},
            id=id,
            name=name,
            row=self._row(kind, language) if kind is not None else None,
            own=not id or id.startswith(OWN),
            wanted=wanted,
            version=version,
            problem=problem,
            history=[self._change(one, language) for one in self._catalogue.versions(id)] if id else [],
            longest=LONGEST_TITLE,
            longest_hint=LONGEST_HINT,
            prefix=OWN,
            **self._frame(request),
        )

    def _frame(self, request: Request) -> dict[str, Any]:
        person, language = person_of(request), language_of(request)
        return {"may_write": may(person, WRITE, Thing()), **choices(self.platform, person, language)}

    def _kind(self, request: Request) -> IncidentKind:
        id = request.path_params["kind"]
        found = self._catalogue.all.get(id)
        if found is None:
            raise not_found("kind of incidents", id[:60])
        return found

    def _row(self, one: IncidentKind, language: str) -> KindRow:
        brings = (sector for sector in self.platform.sectors if any(kind.id == one.id for kind in sector.incident_kinds))
        return KindRow(
            one,
            one.title.in_language(language),
            one.hint.in_language(language) if one.hint is not None else "",
            next((sector.title.in_language(language) for sector in brings), ""),
            agency_words(self.platform, one.agency, language),
        )

    def _change(self, one: Version, language: str) -> Change:
        who = look.name_of(self.platform, one.person, language)
        wanted = one.wanted
        return Change(one.number, one.at, who, wanted.title.in_language(language), wanted.citizens, wanted.retired)


def wanted_of(form: FormData) -> Wanted:
    """What a form of a kind says, unchecked but for its types."""
    severity, urgency = text(form, "severity"), text(form, "urgency")
    return Wanted(
        Text(text(form, "title"), text(form, "title_en")),
        Text(text(form, "hint"), text(form, "hint_en")),
        text(form, "agency"),
        int(severity) if severity in ("1", "2", "3", "4") else 0,
        next((one for one in get_args(Urgency) if one == urgency), "normal"),
        proof=text(form, "proof") == "1",
        citizens=text(form, "citizens") == "1",
        retired=text(form, "retired") == "1",
    )


def _wanted(kind: IncidentKind) -> Wanted:
    return Wanted(
        kind.title,
        kind.hint or Text("", ""),
        kind.agency,
        kind.severity,
        kind.urgency,
        kind.proof,
        kind.citizens,
        kind.retired,
    )
