"""The pages of personal data: what is kept of people and why, who looked, who asks, and whom a breach affects."""

from datetime import datetime, timedelta
from functools import partial
from typing import Any

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from dothi.access.personal import reading
from dothi.access.personal.breach import Affected
from dothi.access.personal.export import whole
from dothi.access.personal.model import KINDS, OWN, SHORTEST_REASON, Basis, Purpose, clean
from dothi.access.policy import may
from dothi.access.routes import person_of
from dothi.model.clock import SystemClock, to_micros
from dothi.model.problem import bad_request, not_found
from dothi.model.text import Text
from dothi.platform.platform import Platform
from dothi.ui.formats import city_zone
from dothi.ui.language import language_of, translator
from dothi.ui.page import render
from dothi.ui.tables import csv_response
from dothi.web.devices import link, page_number

PAGE = 25
_PRIVATE = {"cache-control": "no-store"}
_MOMENT = "%Y-%m-%dT%H:%M"


class PersonalPages:
    """Serves ``/personal`` and what is below it, but for one's own (``OwnData``)."""

    def __init__(self, platform: Platform) -> None:
        self.platform, self.personal, self._clock = platform, platform.personal, SystemClock()

    async def index(self, request: Request) -> Response:
        """The register of purposes, open requests, the newest looks, and the subjects."""
        person, page, text = person_of(request), page_number(request), request.query_params.get("q", "")[:64].strip()
        now = self._clock.now()

        def read(db: Any) -> dict[str, Any]:
            rows, total = reading.subjects(db, person, text, PAGE, (page - 1) * PAGE)
            looks, looked = reading.looks(db, person, 10)
            return {
                "register": reading.register(db, person, to_micros(now)),
                "requests": reading.requests(db, person, "open", 100),
                "looks": looks,
                "looked": looked,
                "rows": rows,
                "total": total,
            }

        return await self._render(
            request,
            "dothi.web:personal.html",
            **await self.personal.read(read),
            q=text,
            page=page,
            size=PAGE,
            link=partial(link, request),
            may_write=may(person, "personal.write"),
            may_tell=may(person, "personal.breach"),
            may_erase=may(person, "personal.erase"),
        )

    async def looks(self, request: Request) -> Response:
        """Every look at values that the asker may know of, as CSV."""
        rows = await self.personal.looks(person_of(request), correlation=request.state.correlation)
        head = ("at", "person", "subject", "kinds", "reason")
        cells = ((one.at.isoformat(), one.person, one.subject, " ".join(one.kinds), one.reason) for one in rows)
        return csv_response("personal-looks", head, cells)

    async def purpose(self, request: Request) -> Response:
        """The form of a new purpose, or of a known one (``id``). Raises Problem 404."""
        person, wanted = person_of(request), request.query_params.get("id", "")
        mine = await self.personal.read(lambda db: reading.reached(db, person, "personal.write"))
        if wanted and wanted not in mine:
            raise not_found("purpose", wanted)
        return await self._render(request, "dothi.web:personal-purpose.html", purpose=mine.get(wanted))

    async def declare(self, request: Request) -> Response:
        """Keep what the form says. Raises Problem 400, 403, 409."""
        form = await request.form()
        days = _text(form, "days").replace(".", "")
        if not (days.isascii() and days.isdecimal() and len(days) < 7):
            raise bad_request("That is no number of days.", "Give a whole number of days.")
        basis: Basis = "law" if form.get("basis") == "law" else "consent"
        title, why = Text(_text(form, "title"), _text(form, "title_en")), Text(_text(form, "why"), _text(form, "why_en"))
        agency = _text(form, "agency") or None
        one = Purpose(_text(form, "id"), title, why, basis, int(days), _text(form, "law") if basis == "law" else "", agency)
        await self.personal.declare(person_of(request), one, correlation=request.state.correlation)
        return RedirectResponse("/personal?done=declared", 303)

    async def enrol(self, request: Request) -> Response:
        """A new subject; leads to its page."""
        subject = await self.personal.enrol(person_of(request), correlation=request.state.correlation)
        return RedirectResponse(f"/personal/subjects/{subject}", 303)

    async def subject(self, request: Request) -> Response:
        """What is kept of a subject, without the values. Raises Problem 404."""
        return await self._subject(request)

    async def look(self, request: Request) -> Response:
        """The same with the values, for the reason in the form, which goes on record first. Raises Problem 400, 403, 404."""
        form = await request.form()
        subject, reason = request.path_params["subject"], _text(form, "reason")
        told = await whole(self.personal, person_of(request), subject, reason, correlation=request.state.correlation)
        values = {one["id"]: _shown(one["value"]) if one["readable"] else None for one in told["records"]}
        return await self._subject(request, values=values, reason=reason)

    async def act(self, request: Request) -> Response:
        """What the forms of a subject's page do: consent, withdraw, seal, correct, delete. Raises Problem 400, 403, 404."""
        form, person, correlation = await request.form(), person_of(request), request.state.correlation
        subject, purpose, act = request.path_params["subject"], _text(form, "purpose"), _text(form, "act")
        if act == "consent":
            await self.personal.consent(person, subject, purpose, _text(form, "words"), correlation=correlation)
        elif act == "withdraw":
            await self.personal.withdraw(person, subject, purpose, correlation=correlation)
        elif act == "seal":
            value = _text(form, "value")
            if not value:
                raise bad_request("There is nothing to keep.", "Write the value.")
            await self.personal.seal(person, subject, purpose, _text(form, "kind"), value, correlation=correlation)
        elif act == "correct":
            await self.personal.correct(person, _text(form, "record"), _text(form, "value"), correlation=correlation)
        else:
            raise bad_request("That is nothing one can do here.", "Use the forms of the page.")
        return RedirectResponse(f"/personal/subjects/{subject}?done={act}", 303)

    async def delete(self, request: Request) -> Response:
        """Destroy one record of a subject. Raises Problem 403, 404, 410."""
        form = await request.form()
        await self.personal.delete(person_of(request), _text(form, "record"), correlation=request.state.correlation)
        return RedirectResponse(f"/personal/subjects/{request.path_params['subject']}?done=delete", 303)

    async def erase(self, request: Request) -> Response:
        """Forget a subject; asks once more, saying what is lost. Raises Problem 400, 403, 404, 410."""
        form, person, subject = await request.form(), person_of(request), request.path_params["subject"]
        found = await self.personal.subject(person, subject)
        if form.get("sure") == "yes":
            await self.personal.erase(person, subject, _text(form, "reason"), correlation=request.state.correlation)
            return RedirectResponse(f"/personal/subjects/{subject}?done=erase", 303)
        return await self._render(
            request, "dothi.web:personal-erase.html", subject=found, reason=_text(form, "reason"), least=SHORTEST_REASON
        )

    async def answer(self, request: Request) -> Response:
        """Answer a subject's request. Raises Problem 400, 403, 404."""
        form = await request.form()
        await self.personal.answer(
            person_of(request),
            request.path_params["request"],
            form.get("act") == "done",
            _text(form, "answer"),
            correlation=request.state.correlation,
        )
        return RedirectResponse("/personal?done=answered", 303)

    async def breach(self, request: Request) -> Response:
        """Whom a breach affects, and by when they must be told."""
        since, until, by, found = self._period(request)
        rows, told_by = await self.personal.affected(
            person_of(request), since, until, by, found, correlation=request.state.correlation
        )
        zone = city_zone()
        return await self._render(
            request,
            "dothi.web:personal-breach.html",
            rows=rows,
            since=since,
            until=until,
            by=by or "",
            typed=(since.astimezone(zone).strftime(_MOMENT), until.astimezone(zone).strftime(_MOMENT)),
            found=found.astimezone(zone).strftime(_MOMENT) if found else "",
            tell_by=told_by,
            sensitive=sum(one.sensitive for one in rows),
            reachable=sum(one.account is not None for one in rows),
        )

    async def breach_table(self, request: Request) -> Response:
        """The same as CSV, for the notice."""
        since, until, by, found = self._period(request)
        rows, _ = await self.personal.affected(
            person_of(request), since, until, by, found, correlation=request.state.correlation
        )
        head = ("subject", "account", "state", "kinds", "sensitive", "purposes", "records", "since", "looks", "lastLook")
        return csv_response("personal-breach", head, map(_cells, rows))

    def _period(self, request: Request) -> tuple[datetime, datetime, str | None, datetime | None]:
        """The period of the address, in the city's zone; the last day where it says nothing; by whom; when it was found.

        Raises Problem 400.
        """
        query, now = request.query_params, self._clock.now()
        try:
            given = [query.get(name, "")[:32] for name in ("since", "until", "found")]
            typed = [datetime.fromisoformat(text) if text else None for text in given]
        except ValueError:
            raise bad_request("A moment cannot be read.", "Write since, until and found like 2026-11-20T14:00.") from None
        since, until, found = (
            moment.replace(tzinfo=city_zone()) if moment is not None and moment.tzinfo is None else moment
            for moment in typed
        )
        return since or now - timedelta(days=1), until or now, clean(query.get("by", "")[:64]) or None, found

    async def _subject(self, request: Request, **more: Any) -> Response:
        person, name = person_of(request), request.path_params["subject"]
        found = await self.personal.subject(person, name)

        def read(db: Any) -> dict[str, Any]:
            return {
                "records": reading.records(db, name),
                "consents": reading.consents(db, name),
                "looks": reading.looks_at(db, name),
                "requests": reading.requests_of(db, name),
                "purposes": reading.purposes(db),
                "writable": reading.reached(db, person, "personal.write"),
                "lookable": bool(reading.reached(db, person, "personal.look")),
            }

        shown: dict[str, Any] = {"values": None, "reason": "", **await self.personal.read(read), **more}
        may_erase = may(person, "personal.erase")
        return await self._render(
            request, "dothi.web:personal-subject.html", subject=found, may_erase=may_erase, least=SHORTEST_REASON, **shown
        )

    async def _render(self, request: Request, template: str, **context: Any) -> Response:
        language = language_of(request)
        return await run_in_threadpool(
            render,
            request,
            self.platform,
            template,
            headers=_PRIVATE,
            kinds=KINDS,
            done=request.query_params.get("done", ""),
            agencies=self.platform.city.agencies,
            **({"q": ""} | context),
            **words(language),
            who=partial(_who, self.platform, language),
        )


def words(language: str) -> dict[str, Any]:
    """The word functions that the templates of personal data use."""
    _ = translator(language)

    def kind_words(kind: str) -> str:
        return KINDS[kind].title.in_language(language) if kind in KINDS else kind

    def ended_words(ended: str) -> str:
        return {
            "expired": _("hết thời hạn"),
            "withdrawn": _("rút đồng ý"),
            "corrected": _("đã sửa"),
            "deleted": _("đã xóa"),
            "erased": _("đã xóa hết"),
        }.get(ended, ended)

    def reason_words(reason: str) -> str:
        return _("Xem dữ liệu của chính mình") if reason == OWN else reason

    def request_words(kind: str) -> str:
        return {"erase": _("Xóa mọi dữ liệu"), "correct": _("Sửa dữ liệu sai")}.get(kind, kind)

    return {
        "kind_words": kind_words,
        "ended_words": ended_words,
        "reason_words": reason_words,
        "request_words": request_words,
    }


def _who(platform: Platform, language: str, person: str) -> str:
    """Somebody's name as long as their account is here; the id, which the audit log has too, once it is not."""
    _ = translator(language)
    account = platform.accounts.account(person)
    own = {"system": _("Hệ thống"), "local-operator": _("Người vận hành tại máy")}
    return account.name if account is not None else own.get(person, person)


def _text(form: FormData, name: str) -> str:
    value = form.get(name, "")
    return value.strip()[:100_000] if isinstance(value, str) else ""


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _cells(one: Affected) -> tuple[Any, ...]:
    return (
        one.subject,
        one.account,
        one.state,
        " ".join(one.kinds),
        one.sensitive,
        " ".join(one.purposes),
        one.records,
        one.since.isoformat(),
        one.looks,
        one.last_look.isoformat() if one.last_look else "",
    )
