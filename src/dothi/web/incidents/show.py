"""One incident: what it is, how long is left, what to do next, who did what; complete without a script."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from dothi.access.csrf import csrf_token
from dothi.access.policy import Person
from dothi.access.routes import person_of
from dothi.model.problem import Problem
from dothi.platform.incidents import timing
from dothi.platform.incidents.duplicates import Likely
from dothi.platform.incidents.flow import TABLE
from dothi.platform.incidents.model import Entry, Incident, Link
from dothi.platform.platform import Platform
from dothi.ui.language import language_of
from dothi.ui.page import fill, render
from dothi.web.incidents import look, telling
from dothi.web.incidents.commands import IncidentCommands, Offer
from dothi.web.incidents.look import ClockLook
from dothi.web.incidents.queue import choices
from dothi.web.incidents.spot import spot_of
from dothi.web.panel import panel_context

_CHARTS = 2


@dataclass(frozen=True, slots=True)
class StepDone:
    """A step of the playbook: ``clock`` is its timer, None if it has none or is done; ``command`` leads to the form of the
    command prepared for it, "" if there is none for whoever looks.
    """

    number: int
    text: str
    done_at: datetime | None
    by: str
    clock: ClockLook | None
    command: str


@dataclass(frozen=True, slots=True)
class TaskLook:
    """A task beside the playbook."""

    number: int
    text: str
    who: str
    due_at: datetime | None
    done_at: datetime | None
    by: str


class Show:
    """Serves ``/incidents/{code}`` and ``/incidents/{code}/panel``, the same for the drawer of the operations page."""

    def __init__(self, platform: Platform) -> None:
        self.platform, self._commands = platform, IncidentCommands(platform)

    def page(self, request: Request) -> Response:
        """The whole page. Raises Problem 404."""
        return self._page(request, None)

    def refused(self, request: Request, problem: Problem) -> Response:
        """The same page after an act that was refused, saying why."""
        return self._page(request, problem)

    def panel(self, request: Request) -> Response:
        """What the drawer shows, as HTML without a frame. Raises Problem 404."""
        language = language_of(request)
        context = self.drawer(request, request.path_params["code"])
        headers = {"cache-control": "no-store"}
        return HTMLResponse(fill(language, "dothi.web.incidents:panel.html", context), headers=headers)

    def drawer(self, request: Request, code: str) -> dict[str, Any]:
        """What the drawer's template needs. Raises Problem 404."""
        person, language = person_of(request), language_of(request)
        incident = self.platform.incidents.get(person, code)
        return {
            **self._parts(person, incident, language),
            "platform": self.platform,
            "now": self.platform.clock.now(),
            "token": csrf_token(request),
            "asked": "",
        }

    def _page(self, request: Request, problem: Problem | None) -> Response:
        platform, person, language = self.platform, person_of(request), language_of(request)
        code = request.path_params["code"]
        incident = platform.incidents.get(person, code)
        entries = platform.incidents.timeline(person, code)
        possible = platform.incidents.possible(person, incident)
        return render(
            request,
            platform,
            "dothi.web.incidents:show.html",
            status_code=problem.status if problem else 200,
            problem=problem,
            refusal=telling.refusal(problem, language) if problem else "",
            lines=telling.lines_of(platform, entries, language),
            people=[(one.id, one.name) for one in platform.accounts.able("incident.write", incident.thing)],
            token="",
            once=secrets.token_hex(8),
            asked="",
            titles={tag: rule.title.in_language(language) for tag, rule in TABLE.items()},
            duplicates=self._duplicates(person, incident, language),
            photos=platform.incidents.photos.of(person, code),
            proving=platform.incidents.photos.proving(person, code),
            commands=self._commands.of(person, code, language),
            closes_at=timing.closes_at(incident, platform.city),
            spot=spot_of(platform, language, incident.longitude, incident.latitude),
            reports=_refs(platform.incidents.links(person, code), "report"),
            **(self._parts(person, incident, language, entries, possible) | choices(platform, person, language)),
        )

    def _parts(
        self,
        person: Person,
        incident: Incident,
        language: str,
        entries: Sequence[Entry] | None = None,
        possible: tuple[str, ...] | None = None,
    ) -> dict[str, Any]:
        """What page and drawer have in common."""
        platform = self.platform
        if entries is None:
            entries = platform.incidents.timeline(person, incident.code)
        if possible is None:
            possible = platform.incidents.possible(person, incident)
        links = platform.incidents.links(person, incident.code)
        main = look.main_act(incident, possible, person.id)
        offers = self._commands.offered(person, incident, _refs(links, "entity"), language)
        return {
            "offers": offers,
            "one": incident,
            "about": platform.rules.text_of(incident).in_language(language),
            "row": look.row_of(platform, incident, language),
            "steps": look.steps_of(platform, incident, look.states_at(entries), language),
            "possible": possible,
            "main": main,
            "main_words": TABLE[main].title.in_language(language) if main else "",
            "playbook": platform.incidents.playbook(incident),
            "playbook_steps": self._playbook(incident, language, offers),
            "tasks": self._tasks(incident, language),
            "charts": self._charts(person, links, language),
            "links": links,
            "again": telling.again(platform, entries, language),
            "helpers": [look.unit_words(platform, unit, language) for unit in incident.help],
        }

    def _playbook(self, incident: Incident, language: str, offers: Sequence[Offer]) -> list[StepDone]:
        playbook = self.platform.incidents.playbook(incident)
        done = {one.step: one for one in incident.steps_done}
        found = []
        for number, step in enumerate(playbook.steps if playbook else ()):
            ended = done.get(number)
            clock = None
            if ended is None and step.minutes is not None and incident.playbook_at is not None and incident.worked:
                clock = self._timer(incident.playbook_at, timedelta(minutes=step.minutes), language)
            by = look.name_of(self.platform, ended.by, language) if ended else ""
            prepared = next((one.to for one in offers if ended is None and one.kind == step.command), "")
            text, at = step.text.in_language(language), ended.at if ended else None
            found.append(StepDone(number, text, at, by, clock, prepared))
        return found

    def _timer(self, began: datetime, length: timedelta, language: str) -> ClockLook:
        total = length.total_seconds()
        left = (began + length - self.platform.clock.now()).total_seconds()
        state = "over" if left <= 0 else "last" if left / total <= 1 / 5 else "on"
        return ClockLook("step", left, total, state, True, False, look.left_words(left, language), "")

    def _tasks(self, incident: Incident, language: str) -> list[TaskLook]:
        name = look.name_of
        return [
            TaskLook(
                one.number,
                one.text,
                name(self.platform, one.assignee, language),
                one.due_at,
                one.done_at,
                name(self.platform, one.done_by, language),
            )
            for one in incident.tasks
        ]

    def _charts(self, person: Person, links: Sequence[Link], language: str) -> list[tuple[str, str, Any]]:
        """(address, title, chart) of what is measured where it came from: the first chart of each linked entity."""
        found = []
        for urn in _refs(links, "entity")[:_CHARTS]:
            context = panel_context(self.platform, person, language, urn, None)
            if context is not None and context["charts"]:
                found.append((urn, context["panel"].title, context["charts"][0]))
        return found

    def _duplicates(self, person: Person, incident: Incident, language: str) -> list[tuple[look.Row, Likely]]:
        """What may be the same trouble, the likeliest first."""
        if not incident.worked:
            return []
        found = self.platform.incidents.duplicates(person, incident)
        return [(look.row_of(self.platform, one.incident, language), one) for one in found]


def _refs(links: Sequence[Link], kind: str) -> list[str]:
    return [one.ref for one in links if one.kind == kind]
