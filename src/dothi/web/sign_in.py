"""Coming in and going out: by password and second step, passkey, one-time link, or as one of the demo people."""

from contextlib import suppress
from typing import Any

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from dothi.access.accounts import NeedsSecond, wrong
from dothi.access.admitting import Ticket, checked_login, checked_name, stale_link
from dothi.access.factors import Factors
from dothi.access.identity import address_of, from_here, signed_of
from dothi.access.policy import Person, may
from dothi.access.roles import ROLES
from dothi.access.sessions import Signed, cookie_header
from dothi.model.problem import Problem, not_found
from dothi.platform.auditing import reads_all
from dothi.platform.platform import Platform
from dothi.store.connection import Unavailable
from dothi.ui.language import language_of, translator
from dothi.ui.page import render
from dothi.web.visitors import NO_STORE, json_of, json_response, local_path, site_of


class SignIn:
    """Serves ``/sign-in`` with its ways in, and ``/sign-out``. Nothing here says whether a login exists."""

    def __init__(self, platform: Platform, factors: Factors) -> None:
        self.platform, self.accounts, self.factors = platform, platform.accounts, factors

    def page(self, request: Request) -> Response:
        """The form, the passkey's button, and in a demo the people to try."""
        return self._form(request, to=request.query_params.get("to", ""))

    async def enter(self, request: Request) -> Response:
        """By login and password: a session, or the page for the second step. The form comes back if they do not fit."""
        form = await request.form()
        try:
            came = await self.accounts.sign_in(_text(form, "login"), _text(form, "password"), **_visit(request))
        except Problem as problem:
            return self._again(request, form, problem)
        return await self._in(request, came, _text(form, "to"))

    async def code(self, request: Request) -> Response:
        """The second step: the app's code or a recovery code."""
        form = await request.form()
        pending = _text(form, "pending")
        try:
            cookie = await self.accounts.second_factor(pending, _text(form, "code"), **_visit(request))
        except Problem as problem:
            if problem.status != 401:
                raise
            account = self.accounts.pending_account(pending)
            if account is None:
                return self._again(request, form, problem)
            return self._second(request, NeedsSecond(pending, self.accounts.factors(account.id)), _text(form, "to"), problem)
        return await self._in(request, cookie, _text(form, "to"))

    def link(self, request: Request) -> Response:
        """What a one-time link opens: a password to choose, for the first administrator a login and a name too."""
        token = request.query_params.get("token", "")
        ticket = self.accounts.ticket(token)
        return self._stale(request) if ticket is None else self._choose(request, ticket, token, {}, "")

    async def redeem(self, request: Request) -> Response:
        """The password that was chosen. Raises Problem 409 for a first administrator where there is one."""
        form = await request.form()
        told = {name: _text(form, name) for name in ("login", "name")}
        token, password = _text(form, "token"), _text(form, "password")
        ticket = self.accounts.ticket(token)
        if ticket is None:
            return self._stale(request)
        try:
            wrong = _wrong_words(ticket, told, password, _text(form, "again"), language_of(request))
            if wrong:
                return self._choose(request, ticket, token, told, wrong)
            came = await self.accounts.redeem(token, password, **told, **_visit(request))
        except Problem as problem:
            if problem.status == 404:
                return self._stale(request)
            words = redeem_words(problem, language_of(request))
            if not words:
                raise
            return self._choose(request, ticket, token, told, words)
        return await self._in(request, came, "")

    async def demo(self, request: Request) -> Response:
        """In as the demo person of a role. Raises Problem 401 where no demo is offered."""
        form = await request.form()
        role = _text(form, "role")
        if role not in self._demo_roles(request):
            raise wrong()
        cookie = await self.platform.demo.sign_in(role, **_visit(request))
        return await self._in(request, cookie, _text(form, "to"))

    def _demo_roles(self, request: Request) -> tuple[str, ...]:
        """The demo people there are for this request: none for one that a proxy carried, which may come from anywhere."""
        return self.platform.demo.roles if from_here(request.scope, request.scope["headers"]) else ()

    async def passkey_options(self, request: Request) -> Response:
        """What the browser needs to ask for a passkey. Raises Problem 404 under an address that has none."""
        site = site_of(request)
        if site is None:
            raise not_found("passkey", "address")
        return json_response(self.factors.passkeys.ask(site))

    async def passkey(self, request: Request) -> Response:
        """In by the passkey's answer: JSON ``{"answer": …, "to": …}``, answered by where to go. Raises Problem 400, 401."""
        site, told = site_of(request), await json_of(request)
        if site is None or not isinstance(answer := told.get("answer"), dict):
            raise not_found("passkey", "address")
        account = await self.factors.passkeys.recognise(answer, site)
        cookie = await self.accounts.open_session(account, strong=True, **_visit(request))
        response = await self._in(request, cookie, str(told.get("to", "")))
        went = json_response({"to": response.headers["location"]})
        went.headers["set-cookie"] = response.headers["set-cookie"]
        return went

    async def leave(self, request: Request) -> Response:
        """Sign out: the session ends here and on the server; here at least, if the server cannot write it down."""
        signed = signed_of(request)
        if signed is not None:
            with suppress(Unavailable):
                await self.accounts.sign_out(signed, correlation=request.state.correlation)
        response = RedirectResponse("/sign-in?done=out", 303, headers=NO_STORE)
        _set_cookie(request, response, "")
        return response

    async def _in(self, request: Request, came: str | NeedsSecond, to: str) -> Response:
        """A session begins; one that was open in this browser ends with it."""
        if isinstance(came, NeedsSecond):
            return self._second(request, came, to, None)
        before, now = signed_of(request), await self.accounts.session_person(came)
        if before is not None:
            await self.accounts.sign_out(before, correlation=request.state.correlation)
        response = RedirectResponse(self._after(now, local_path(to)), 303, headers=NO_STORE)
        _set_cookie(request, response, came)
        return response

    def _after(self, signed: Signed | None, to: str) -> str:
        """Where somebody goes who came in: to the second step they still need, where they wanted, or home."""
        account = self.accounts.account(signed.account_id) if signed is not None else None
        if signed is None or account is None:
            return "/sign-in"
        if account.strong_role and not signed.strong and not signed.demo:
            return "/account?done=asleep"
        return _home(signed.person) if to in ("", "/") else to  # the front page is each one's own

    def _again(self, request: Request, form: FormData, problem: Problem) -> Response:
        if problem.status != 401:
            raise problem
        return self._form(request, to=_text(form, "to"), login=_text(form, "login")[:64], problem=problem)

    def _form(self, request: Request, *, to: str, login: str = "", problem: Problem | None = None) -> Response:
        language, signed = language_of(request), signed_of(request)
        known = self.accounts.account(signed.account_id) if signed is not None and not signed.demo else None
        return self._render(
            request,
            "sign-in.html",
            problem,
            to=local_path(to),
            login=login or (known.login if known is not None else ""),
            known=known is not None,
            done=request.query_params.get("done", ""),
            demo=[(role, ROLES[role].title.in_language(language)) for role in self._demo_roles(request)],
            site=site_of(request),
            here=_named_address(request),
        )

    def _second(self, request: Request, needs: NeedsSecond, to: str, problem: Problem | None) -> Response:
        return self._render(request, "sign-in-code.html", problem, needs=needs, to=local_path(to), site=site_of(request))

    def _choose(self, request: Request, ticket: Ticket, token: str, told: dict[str, str], wrong: str) -> Response:
        account = self.accounts.account(ticket.account) if ticket.account else None
        return self._render(
            request,
            "sign-in-link.html",
            None,
            status_code=400 if wrong else 200,
            ticket=ticket,
            token=token,
            told=told,
            wrong=wrong,
            account=account,
        )

    def _stale(self, request: Request) -> Response:
        return self._render(request, "sign-in-stale.html", stale_link())

    def _render(self, request: Request, template: str, problem: Problem | None, **context: Any) -> Response:
        status = context.pop("status_code", problem.status if problem is not None else 200)
        return render(
            request,
            self.platform,
            f"dothi.web:{template}",
            status_code=status,
            headers=NO_STORE,
            problem=problem,
            **context,
        )


def redeem_words(problem: Problem, language: str) -> str:
    """What is wrong with a password that was chosen, or with the login beside it; empty for any other problem."""
    _ = translator(language)
    if problem.code == "taken":
        return _("Tên đăng nhập này đã có người dùng. Chọn tên khác.")
    if problem.status == 400:
        return _("Mật khẩu cần 12 đến 128 ký tự và khó đoán: không chỉ gồm từ thông dụng, tên riêng, năm hay dãy phím.")
    return ""


def _wrong_words(ticket: Ticket, told: dict[str, str], password: str, again: str, language: str) -> str:
    """What is wrong with the form itself, before its password is looked at; empty if nothing is."""
    _ = translator(language)
    if ticket.purpose == "first":
        try:
            checked_login(told["login"])
        except Problem:
            return _("Tên đăng nhập gồm 3 đến 64 chữ cái không dấu, chữ số và các dấu . _ @ + -")
        try:
            checked_name(told["name"])
        except Problem:
            return _("Cần họ tên, tối đa 120 ký tự.")
    return "" if password == again else _("Hai lần gõ mật khẩu không giống nhau.")


def _text(form: FormData, name: str) -> str:
    value = form.get(name, "")
    return value if isinstance(value, str) else ""


def _visit(request: Request) -> dict[str, str]:
    return {
        "address": address_of(request),
        "agent": request.headers.get("user-agent", ""),
        "correlation": request.state.correlation,
    }


def _set_cookie(request: Request, response: Response, value: str) -> None:
    response.headers["set-cookie"] = cookie_header(value, secure=request.url.scheme == "https")


def _named_address(request: Request) -> str:
    """This page under the machine's name, where it was opened by its number on the machine itself: passkeys need a name."""
    url = request.url
    return str(url.replace(hostname="localhost")) if url.hostname in ("127.0.0.1", "::1") else ""


def _home(person: Person) -> str:
    """Where people begin who came in without a wish: the log for its auditors, what is late or wrong for who answers for the
    data; whoever has one ward begins at their own work there, or at the ward; else the first page that they may open."""
    if reads_all(person):
        return "/audit"
    if may(person, "operations.read"):
        wards = {grant.scope.wards for grant in person.grants}
        mine = next(iter(wards)) if len(wards) == 1 else None
        if mine is not None and len(mine) == 1:
            return "/mine" if may(person, "incident.write") else f"/wards/{next(iter(mine))}"
        return "/data" if may(person, "history.write") else "/"
    return "/data/sql" if may(person, "sql.ask") else "/account"
