"""What the city keeps of the one who asks: to see, take along, correct, take back. Nobody else's."""

from typing import Any

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from dothi.access.personal import reading
from dothi.access.personal.export import whole
from dothi.access.personal.model import KINDS
from dothi.access.policy import STRANGER, Person
from dothi.access.routes import person_of
from dothi.model.problem import Problem, bad_request, not_found
from dothi.platform.platform import Platform
from dothi.ui.language import language_of, translator
from dothi.ui.page import render
from dothi.web.personal import words

_PRIVATE = {"cache-control": "no-store"}


class OwnData:
    """Serves ``/personal/mine``, ``/personal/mine.json`` and its forms."""

    def __init__(self, platform: Platform) -> None:
        self.platform, self.personal = platform, platform.personal

    async def page(self, request: Request) -> Response:
        """Everything kept of whoever is signed in, with the values; leads a stranger to signing in."""
        person, language = person_of(request), language_of(request)
        if person == STRANGER:
            return RedirectResponse("/sign-in?to=/personal/mine", 303)
        found = await self.personal.own(person)
        told: dict[str, Any] | None = None
        if found is not None:
            told = await whole(self.personal, person, found.id, correlation=request.state.correlation)
        purposes = await self.personal.read(reading.purposes)
        agreed = {one["purpose"] for one in (told or {}).get("consents", ()) if one["withdrawn"] is None}
        return await run_in_threadpool(
            render,
            request,
            self.platform,
            "dothi.web:personal-mine.html",
            headers=_PRIVATE,
            told=told,
            purposes=purposes,
            agreed=sorted(one for one in agreed if one in purposes),
            offered=[one for one in purposes.values() if one.basis == "consent"],
            kinds=KINDS,
            q="",
            done=request.query_params.get("done", ""),
            consent_words=lambda one: consent_words(
                one.title.in_language(language), one.why.in_language(language), language
            ),
            **words(language),
        )

    async def file(self, request: Request) -> Response:
        """The same as a JSON file to take along. Raises Problem 404 if nothing is kept."""
        person = _known(request)
        found = await self.personal.own(person)
        if found is None:
            raise not_found("subject", person.id)
        told = await whole(self.personal, person, found.id, correlation=request.state.correlation)
        body = msgspec.json.format(msgspec.json.encode(told), indent=2)
        headers = _PRIVATE | {"content-disposition": 'attachment; filename="my-data.json"'}
        return Response(body, media_type="application/json", headers=headers)

    async def act(self, request: Request) -> Response:
        """What the forms do: keep (with consent), correct, delete, withdraw, ask. Raises Problem 400, 401, 404, 409."""
        person, form, correlation = _known(request), await request.form(), request.state.correlation
        act, purpose, value = (str(form.get(name, "")).strip()[:10_000] for name in ("act", "purpose", "value"))
        record = str(form.get("record", ""))[:64]
        if act == "keep":
            await self._keep(request, person, purpose, str(form.get("kind", "")), value, form.get("agree") == "yes")
        elif act == "correct":
            if not value:
                raise bad_request("There is nothing to keep.", "Write the right value, or delete the entry.")
            await self.personal.correct(person, record, value, correlation=correlation)
        elif act == "delete":
            await self.personal.delete(person, record, correlation=correlation)
        elif act == "withdraw":
            found = await self.personal.own(person)
            if found is None:
                raise not_found("subject", person.id)
            await self.personal.withdraw(person, found.id, purpose, correlation=correlation)
        elif act in ("ask-erase", "ask-correct"):
            await self.personal.ask(person, act.removeprefix("ask-"), correlation=correlation)
        else:
            raise bad_request("That is nothing one can do here.", "Use the forms of the page.")
        return RedirectResponse(f"/personal/mine?done={act}", 303)

    async def _keep(self, request: Request, person: Person, purpose: str, kind: str, value: str, agreed: bool) -> None:
        known = (await self.personal.read(reading.purposes)).get(purpose)
        if known is None or known.basis != "consent":
            raise not_found("purpose", purpose)
        if not agreed:
            raise bad_request("Nothing was kept: you did not agree.", "Tick the box if you agree.")
        if not value or kind not in KINDS:
            raise bad_request("There is nothing to keep.", "Choose what it is and write it.")
        language, correlation = language_of(request), request.state.correlation
        told = consent_words(known.title.in_language(language), known.why.in_language(language), language)
        subject = await self.personal.enrol(person, person.id, correlation=correlation)
        await self.personal.consent(person, subject, purpose, told, correlation=correlation)
        await self.personal.seal(person, subject, purpose, kind, value, correlation=correlation)


def consent_words(title: str, why: str, language: str) -> str:
    """The sentence a subject agrees to; it is kept as they read it."""
    _ = translator(language)
    return _("Tôi đồng ý cho thành phố giữ thông tin này để: {title}. {why}").format(title=title, why=why)


def _known(request: Request) -> Person:
    person = person_of(request)
    if person == STRANGER:
        raise Problem(401, "sign-in-needed", "This needs somebody who is known here.", "Sign in and try again.")
    return person
