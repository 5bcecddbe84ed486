"""Mail that people asked for: their own choice of it, the question whether an address is theirs, and the city's post."""

from dataclasses import replace
from typing import Any

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from dothi.access.identity import signed_of
from dothi.access.routes import person_of
from dothi.model.clock import from_micros
from dothi.model.problem import Problem, bad_request
from dothi.platform.platform import Platform
from dothi.platform.telling.model import Letter, Quiet
from dothi.platform.telling.service import WRITE
from dothi.platform.telling.wishes import TOPICS, Wish
from dothi.ui.language import language_of, translator
from dothi.ui.page import render
from dothi.web.account import AccountPages
from dothi.web.visitors import NO_STORE


class MailPages:
    """Serves ``/account/telling``, which stands on ``/account``, and ``/mail``."""

    def __init__(self, platform: Platform, own: AccountPages) -> None:
        self.platform, self.telling, self.own = platform, platform.telling, own

    async def change(self, request: Request) -> Response:
        """Keep what somebody wants to be told, or nothing any more; the page comes back with what is wrong."""
        form, person, signed = await request.form(), person_of(request), signed_of(request)
        if signed is None:
            raise Problem(401, "sign-in-needed", "This needs somebody who is signed in.", "Sign in and try again.")
        if signed.demo:
            raise Problem(403, "demo", "Nobody writes to a demo person.", "Make an account of your own.")
        correlation = request.state.correlation
        if form.get("act") == "stop":
            await self.telling.unwant(person, correlation=correlation)
            return RedirectResponse("/account?done=untold#telling", 303, headers=NO_STORE)
        try:
            kept = await self.telling.want(person, _wish_of(form, language_of(request)), correlation=correlation)
        except Problem as problem:
            if problem.status not in (400, 409):
                raise
            return await self.own.again(request, _wrong(problem, language_of(request)), problem.status)
        done = "told" if kept.confirmed_at is not None else "asked"
        return RedirectResponse(f"/account?done={done}#telling", 303, headers=NO_STORE)

    def ask(self, request: Request) -> Response:
        """The page that a question in a mail leads to."""
        token = request.query_params.get("token", "")[:200]
        return render(request, self.platform, "dothi.web:mail-confirm.html", headers=NO_STORE, token=token, state="ask")

    async def confirm(self, request: Request) -> Response:
        """Yes, it is mine."""
        token = str((await request.form()).get("token", ""))[:200]
        try:
            await self.telling.confirm(token, correlation=request.state.correlation)
            state, status = "done", 200
        except Problem as problem:
            if problem.status != 404:
                raise
            state, status = "stale", 404
        return render(
            request,
            self.platform,
            "dothi.web:mail-confirm.html",
            status_code=status,
            headers=NO_STORE,
            token=token,
            state=state,
        )

    def desk(self, request: Request, wrong: str = "", status: int = 200) -> Response:
        """How the post is doing: the server, what waits, what could not be sent, the boxes of units."""
        language, person = language_of(request), person_of(request)
        desk = self.telling.desk(person)
        city = self.platform.city
        units = [(one.id, one.title.in_language(language)) for one in city.agencies]
        units += [(one.code, one.full_name) for one in city.wards]
        return render(
            request,
            self.platform,
            "dothi.web:mail.html",
            status_code=status,
            wrong=wrong,
            desk=desk,
            server=_server(desk.server.fault, language),
            failing=None if desk.server.failing_since is None else from_micros(desk.server.failing_since),
            last=None if desk.last is None else from_micros(desk.last),
            machine_now=self.platform.accounts.clock.now(),
            dead=[self._row(one, language) for one in desk.dead],
            waiting=[self._row(one, language) for one in desk.waiting],
            units=[one for one in units if self.telling.reaches(person, WRITE, one[0])],
            boxes=[(unit, dict(units).get(unit, unit), box) for unit, box in desk.units.items()],
            done=_done(request.query_params.get("done", ""), language),
        )

    async def decide(self, request: Request) -> Response:
        """Send dead letters again, or set the box of a unit. Raises Problem 400 for anything else."""
        form, person, correlation = await request.form(), person_of(request), request.state.correlation
        act = form.get("act")
        if act == "resend":
            wanted = [int(one) for one in map(str, form.getlist("letter")) if one.isdecimal() and len(one) < 19]
            count = await self.telling.resend(person, wanted, correlation=correlation)
            return RedirectResponse(f"/mail?done=resent:{count}", 303)
        if act != "box":
            raise bad_request("That is nothing one can do here.", "Choose resend or box.")
        try:
            unit, address = str(form.get("unit", "")), str(form.get("address", ""))
            await self.telling.set_box(person, unit, address, correlation=correlation)
        except Problem as problem:
            if problem.status != 400:
                raise
            return self.desk(request, _wrong(problem, language_of(request)), 400)
        return RedirectResponse("/mail?done=box", 303)

    def _row(self, one: Letter, language: str) -> dict[str, Any]:
        kind = one.recipient.partition(":")[0]
        correspondent, ref = self.telling.post.correspondent(one.recipient)
        _ = translator(language)
        kinds = {
            "account": _("người dùng"),
            "confirm": _("hỏi địa chỉ"),
            "unit": _("đơn vị"),
            "report": _("người gửi phản ánh"),
        }
        return {
            "id": one.id,
            "kind": kinds.get(kind, kind),
            "name": ref if correspondent is None else correspondent.name(ref, language),
            "made": from_micros(one.made_at),
            "notes": one.notes,
            "attempts": one.attempts,
            "next": from_micros(one.next_at),
            "error": _error(one.error, language),
        }


def _wish_of(form: FormData, language: str) -> Wish:
    """What the form says. Raises Problem 400 for what it cannot say."""
    quiet = str(form.get("quiet_from", "")), str(form.get("quiet_until", ""))
    if bool(quiet[0]) != bool(quiet[1]):
        raise bad_request("Quiet hours have a beginning and an end.", "Write both, or neither.")
    wish = Wish("", str(form.get("address", "")).strip()[:200], language=language)
    return replace(
        wish,
        topics=tuple(one for one in TOPICS if one in form.getlist("topic")),
        severity=_number(form.get("severity")),
        most=_number(form.get("most")),
        quiet=Quiet(_minute(quiet[0]), _minute(quiet[1])) if quiet[0] else None,
    )


def _number(said: object) -> int:
    return int(said) if isinstance(said, str) and said.isascii() and said.isdigit() and len(said) < 4 else -1


def _minute(said: str) -> int:
    """The minute of the day that "22:00" is; -1 for none."""
    hour, _, minute = said.partition(":")
    return _number(hour) * 60 + _number(minute) if _number(hour) in range(24) and _number(minute) in range(60) else -1


def _wrong(problem: Problem, language: str) -> str:
    _ = translator(language)
    if problem.code == "no-mail-server":
        return _("Thành phố này chưa nối máy chủ thư, nên chưa gửi được thư nào.")
    if problem.title.startswith("This is no address"):
        return _("Địa chỉ thư chưa đúng. Viết như ten@example.vn.")
    if problem.title.startswith("Quiet hours"):
        return _("Giờ yên tĩnh cần cả giờ bắt đầu và giờ kết thúc.")
    return _("Còn thiếu hoặc chưa đúng. Xem lại rồi lưu.")


def _done(done: str, language: str) -> str:
    _ = translator(language)
    what, _colon, count = done.partition(":")
    if what == "resent" and count.isdecimal():
        return _("Đang gửi lại {count} thư.").format(count=count[:9])
    return {"box": _("Đã lưu hộp thư của đơn vị.")}.get(what, "")


def _server(fault: str, language: str) -> str:
    """Why the server cannot be used."""
    _ = translator(language)
    return {
        "unreachable": _("Không nối được tới máy chủ thư."),
        "silent": _("Máy chủ thư không trả lời."),
        "not-trusted": _("Chứng chỉ TLS của máy chủ thư không tin được."),
        "no-tls": _("Máy chủ thư không nói được TLS; xem DOTHI_MAIL_TLS."),
        "sign-in": _("Máy chủ thư không nhận tài khoản của thành phố; xem DOTHI_MAIL_USER."),
        "sender-refused": _("Máy chủ thư không nhận người gửi; xem DOTHI_MAIL_FROM."),
        "hung-up": _("Máy chủ thư ngắt kết nối."),
    }.get(fault, "")


def _error(error: str, language: str) -> str:
    """Why a letter was not taken."""
    _ = translator(language)
    if error.startswith("answered "):
        return _("Máy chủ thư trả lời {code}.").format(code=error.removeprefix("answered "))
    if error == "cannot-be-written":
        return _("Không soạn được thư; xem nhật ký của máy chủ.")
    return _server(error, language)
