"""The quarantine page: what could not be taken, why, and the two ways out: send again or drop for good."""

from functools import partial

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from dothi.access.policy import Person
from dothi.access.routes import person_of
from dothi.data.quarantine import MAX_AT_ONCE, REASONS
from dothi.model.problem import bad_request
from dothi.platform.platform import Platform
from dothi.ui.language import language_of
from dothi.ui.page import render
from dothi.web.devices import link, notice_words, page_number
from dothi.web.lobby import raw

PAGE = 25


class QuarantinePages:
    """Serves ``/devices/quarantine`` and what is decided there."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform

    def index(self, request: Request) -> Response:
        """Reasons with their counts, and the newest rows with their raw text."""
        person, language, page = person_of(request), language_of(request), page_number(request)
        quarantine = self.platform.quarantine
        reason = _reason(request.query_params.get("reason"))
        rows, total = quarantine.list(person, reason, PAGE, (page - 1) * PAGE)
        return render(
            request,
            self.platform,
            "dothi.web:quarantine.html",
            reason=reason,
            counts=quarantine.counts(person),
            rows=[(row, raw(quarantine.get(person, row.id)[1])) for row in rows],
            total=total,
            page=page,
            size=PAGE,
            most=MAX_AT_ONCE,
            turned_away=quarantine.turned_away,
            senders=list(quarantine.senders(person).items())[:5],
            notice=notice_words(request.query_params.get("done", ""), language),
            reason_title=partial(_title, language=language),
            link=partial(link, request),
        )

    async def decide(self, request: Request) -> Response:
        """Replay or discard the chosen rows; discarding asks once more, saying how many. Raises Problem 400."""
        person = person_of(request)
        form = await request.form()
        act = form.get("act")
        reason = _reason(str(form.get("reason", "")) or None)
        chosen = [*map(str, form.getlist("id")), *str(form.get("ids", "")).split(",")]
        ids = [int(text) for text in chosen if text.isdecimal() and len(text) < 19]
        if form.get("scope") == "all":
            ids = await run_in_threadpool(self._every, person, reason)
        back = f"/devices/quarantine?reason={reason}&" if reason else "/devices/quarantine?"
        if not ids:
            return RedirectResponse(f"{back}done=none", 303)
        if act == "replay":
            result = await self.platform.quarantine.replay(person, ids)
            return RedirectResponse(f"{back}done=replayed:{len(result.replayed)}", 303)
        if act == "discard" and form.get("sure") == "yes":
            dropped = await self.platform.quarantine.discard(person, ids)
            return RedirectResponse(f"{back}done=discarded:{len(dropped)}", 303)
        if act == "discard":
            return await run_in_threadpool(
                render, request, self.platform, "dothi.web:discard.html", ids=ids, reason=reason, back=back.rstrip("?&")
            )
        raise bad_request("That is nothing one can do here.", "Choose replay or discard.")

    def _every(self, person: Person, reason: str | None) -> list[int]:
        return [row.id for row in self.platform.quarantine.list(person, reason, MAX_AT_ONCE)[0]]


def _reason(asked: str | None) -> str | None:
    return asked if asked in REASONS else None


def _title(reason: str, language: str) -> str:
    return REASONS[reason].in_language(language) if reason in REASONS else reason
