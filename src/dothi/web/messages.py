"""The page on which administrators say something at the top of every page, and end it."""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from dothi.access.routes import person_of
from dothi.model.problem import Problem
from dothi.model.text import Text
from dothi.platform.messages import AUDIENCES, LONGEST, Message
from dothi.platform.platform import Platform
from dothi.ui.language import language_of, translator
from dothi.ui.page import render
from dothi.web.incidents import look
from dothi.web.incidents.acts import local, text


class MessagePages:
    """Serves ``/message``."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform

    def page(self, request: Request) -> Response:
        """What is said, will be and was, and the form for one more."""
        return self._page(request, {}, None)

    async def decide(self, request: Request) -> Response:
        """Say something, or end it (``end`` is its number); what is wrong comes back as a page."""
        form, person, messages = await request.form(), person_of(request), self.platform.messages
        correlation, end = request.state.correlation, text(form, "end")
        try:
            if end:
                number = int(end) if end.isascii() and end.isdecimal() and len(end) < 16 else 0
                await messages.end(person, number, correlation=correlation)
                return RedirectResponse("/message?done=end", 303)
            wanted = text(form, "audience")
            await messages.say(
                person,
                Text(text(form, "text"), text(form, "text_en")),
                next((one for one in AUDIENCES if one == wanted), "all"),
                grave=text(form, "grave") == "1",
                start=local(form, "start"),
                until=local(form, "until"),
                correlation=correlation,
            )
        except Problem as problem:
            if problem.status not in (400, 409):
                raise
            return self._page(request, {name: value for name, value in form.items() if isinstance(value, str)}, problem)
        return RedirectResponse("/message?done=say", 303)

    def _page(self, request: Request, told: Mapping[str, str], problem: Problem | None) -> Response:
        language = language_of(request)
        _ = translator(language)
        done = {"say": _("Đã đăng thông báo."), "end": _("Thông báo đã thôi hiện.")}
        return render(
            request,
            self.platform,
            "dothi.web:message.html",
            status_code=problem.status if problem else 200,
            headers={"cache-control": "no-store"},
            rows=[self._row(one, language) for one in self.platform.messages.every()],
            audiences={name: words.in_language(language) for name, words in AUDIENCES.items()},
            longest=LONGEST,
            told=told,
            problem=problem,
            done="" if problem else done.get(request.query_params.get("done", ""), ""),
        )

    def _row(self, one: Message, language: str) -> dict[str, Any]:
        _ = translator(language)
        now = self.platform.clock.now()
        state = _("đã thôi") if one.over(now) else _("đang hiện") if one.start <= now else _("chưa tới giờ")
        return {
            "one": one,
            "audience": AUDIENCES[one.audience].in_language(language),
            "state": state,
            "over": one.over(now),
            "shown": one.start <= now and not one.over(now),
            "who": look.name_of(self.platform, one.person, language),
        }
