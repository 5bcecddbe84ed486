"""Who is known here and what they may do: the administrators' pages, and the list that an access review goes through."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from dothi.access.admitting import LINK_PATH
from dothi.access.grants import NOT_FOR_PEOPLE, STRONG_ROLES, Granted
from dothi.access.known import IDLE_DAYS, Account
from dothi.access.policy import Clearance, may
from dothi.access.roles import ROLES, Role
from dothi.access.routes import person_of
from dothi.model.clock import from_micros
from dothi.model.problem import Problem
from dothi.platform.platform import Platform
from dothi.ui.language import language_of, translator
from dothi.ui.page import render
from dothi.ui.tables import csv_response
from dothi.web import view
from dothi.web.devices import link, page_number
from dothi.web.visitors import NO_STORE, clearance_words, grant_words

PAGE = 50
EVERYTHING = 1_000_000
_MOST_GRANTS = 12


class People:
    """Serves ``/people`` and below. Whom the asker does not administer, they do not see."""

    def __init__(self, platform: Platform) -> None:
        self.platform, self.accounts = platform, platform.accounts

    def index(self, request: Request) -> Response:
        """The list, searched by name or login without accents."""
        person, page, q = person_of(request), page_number(request), _asked(request)
        rows, total = self.accounts.list(person, q, limit=PAGE, offset=(page - 1) * PAGE)
        language = language_of(request)
        return render(
            request,
            self.platform,
            "dothi.web:people.html",
            headers=NO_STORE,
            q=q,
            rows=[self._row(one, language) for one in rows],
            total=total,
            page=page,
            size=PAGE,
            link=partial(link, request),
            idle_days=IDLE_DAYS,
            may_write=may(person, "people.write"),
            machine_now=self.accounts.clock.now(),
        )

    def table(self, request: Request) -> Response:
        """The same list, whole, one line a grant, as CSV: what an access review signs."""
        rows, _total = self.accounts.list(person_of(request), _asked(request), limit=EVERYTHING)
        head = ("account", "login", "name", "kind", "state", "role", "clearance", "wards", "agencies", "sectors")
        return csv_response(
            "people",
            (*head, "factors", "created", "lastSeen"),
            (self._line(one, granted) for one in rows for granted in one.granted or (None,)),
        )

    def new(self, request: Request) -> Response:
        """The form for somebody new."""
        return self._new(request, {}, [_BLANK], None)

    async def create(self, request: Request) -> Response:
        """Make the account and show the link it is invited by; the form comes back with what is wrong."""
        form, person = await request.form(), person_of(request)
        told = {name: _text(form, name) for name in ("login", "name", "kind")}
        kind = "system" if told["kind"] == "system" else "person"
        granted = granted_in(form)
        try:
            account_id = await self.accounts.create(
                person, told["login"], told["name"], granted, kind=kind, correlation=request.state.correlation
            )
        except Problem as problem:
            if problem.status not in (400, 403, 409):
                raise
            return self._new(request, told, granted or [_BLANK], problem)
        if kind == "system":
            return _done(account_id, "created")
        token = await self.accounts.reset_link(person, account_id, correlation=request.state.correlation)
        return self._link(request, account_id, token, invited=True)

    def show(self, request: Request) -> Response:
        """One account and what may be changed about it. Raises Problem 404."""
        return self._show(request, self._account(request), None, None)

    async def grant(self, request: Request) -> Response:
        """Give the account exactly the grants of the form, which comes back with what is wrong. Raises Problem 404."""
        account, form = self._account(request), await request.form()
        granted = granted_in(form)
        try:
            await self.accounts.change_grants(person_of(request), account.id, granted, correlation=request.state.correlation)
        except Problem as problem:
            if problem.status not in (400, 403, 409):
                raise
            return self._show(request, account, granted, problem)
        return _done(account.id, "granted")

    async def disable(self, request: Request) -> Response:
        """Shut the account out. Raises Problem 403, 404, 409 for the last administrator."""
        account = self._account(request)
        return await self._changed(request, account, self.accounts.disable, "disabled")

    async def enable(self, request: Request) -> Response:
        """Let the account in again. Raises Problem 403, 404."""
        account = self._account(request)
        return await self._changed(request, account, self.accounts.enable, "enabled")

    async def forget_factors(self, request: Request) -> Response:
        """Take back the second factors of somebody who lost them. Raises Problem 403, 404."""
        account = self._account(request)
        return await self._changed(request, account, self.accounts.forget_factors, "factors")

    async def reset(self, request: Request) -> Response:
        """Show a new one-time link; earlier ones die. Raises Problem 403, 404."""
        account = self._account(request)
        try:
            token = await self.accounts.reset_link(person_of(request), account.id, correlation=request.state.correlation)
        except Problem as problem:
            if problem.status not in (400, 403):
                raise
            return self._show(request, account, None, problem)
        return self._link(request, account.id, token, invited=not account.password)

    async def _changed(self, request: Request, account: Account, change: Any, done: str) -> Response:
        try:
            await change(person_of(request), account.id, correlation=request.state.correlation)
        except Problem as problem:
            if problem.status not in (403, 409):
                raise
            return self._show(request, account, None, problem)
        return _done(account.id, done)

    def _account(self, request: Request) -> Account:
        return self.accounts.get(person_of(request), request.path_params["account"])

    def _new(self, request: Request, told: Mapping[str, str], granted: list[Granted], problem: Problem | None) -> Response:
        return self._render(request, "person-new.html", problem, told=told, **self._editor(request, granted))

    def _show(self, request: Request, account: Account, granted: list[Granted] | None, problem: Problem | None) -> Response:
        account = self.accounts.account(account.id) or account
        person, language = person_of(request), language_of(request)
        own = person.id == account.id
        return self._render(
            request,
            "person.html",
            problem,
            row=self._row(account, language),
            own=own,
            may_write=may(person, "people.write") and not own,
            idle_days=IDLE_DAYS,
            machine_now=self.accounts.clock.now(),
            sessions=len(self.accounts.sessions_of(account.id)),
            done=request.query_params.get("done", ""),
            **self._editor(request, [*(account.granted if granted is None else granted), _BLANK], account.kind),
        )

    def _link(self, request: Request, account_id: str, token: str, *, invited: bool) -> Response:
        account = self.accounts.account(account_id)
        address = f"{str(request.base_url).rstrip('/')}{LINK_PATH}?token={token}"
        return self._render(request, "person-link.html", None, account=account, address=address, invited=invited)

    def _editor(self, request: Request, granted: list[Granted], kind: str | None = None) -> dict[str, Any]:
        """What the fields of grants are made of."""
        language = language_of(request)
        return {
            "granted": granted[:_MOST_GRANTS],
            "roles": [(id, one.title.in_language(language), id in STRONG_ROLES) for id, one in _given_roles(kind).items()],
            "clearances": [(int(one), clearance_words(one, language)) for one in Clearance],
            "wards": view.ward_names(self.platform),
            "agencies": {one.id: one.title.in_language(language) for one in self.platform.city.agencies},
            "sectors": {one.id: one.title.in_language(language) for one in self.platform.sectors},
        }

    def _row(self, account: Account, language: str) -> dict[str, Any]:
        factors = self.accounts.factors(account.id)
        return {
            "account": account,
            "grants": grant_words(self.platform, account.granted, language),
            "factors": [words for kind, words in _factor_words(language).items() if kind in factors],
            "asleep": account.strong_role and not factors & {"totp", "passkey"} and not (account.subject or account.demo),
            "over": account.active and not self.accounts.welcome(account),
            "seen": from_micros(account.last_seen) if account.last_seen is not None else None,
            "created": from_micros(account.created_at),
            "locked": account.locked(self.accounts.now()),
            "unused": account.active and account.unused(self.accounts.now()),
        }

    def _line(self, account: Account, granted: Granted | None) -> tuple[object, ...]:
        bounds = [" ".join(one) if one is not None else "" for one in _bounds(granted)]
        seen = from_micros(account.last_seen).isoformat() if account.last_seen is not None else None
        return (
            account.id,
            account.login,
            account.name,
            account.kind,
            account.state,
            granted.role if granted is not None else None,
            Clearance(granted.clearance).name.lower() if granted is not None else None,
            *bounds,
            " ".join(sorted(self.accounts.factors(account.id))),
            from_micros(account.created_at).isoformat(),
            seen,
        )

    def _render(self, request: Request, template: str, problem: Problem | None, **context: Any) -> Response:
        return render(
            request,
            self.platform,
            f"dothi.web:{template}",
            status_code=problem.status if problem is not None else 200,
            headers=NO_STORE,
            problem=problem,
            wrong=_words(problem, language_of(request)),
            **context,
        )


_BLANK = Granted("", int(Clearance.INTERNAL))


def granted_in(form: FormData) -> list[Granted]:
    """The grants that a form holds: fields ``role.0``, ``clearance.0``, ``ward.0`` …; a row without a role is none."""
    found = []
    for row in range(_MOST_GRANTS + 1):
        role, clearance = _text(form, f"role.{row}"), _text(form, f"clearance.{row}")
        if role:
            bounds = (
                tuple(sorted({str(one) for one in form.getlist(f"{name}.{row}")})) for name in ("ward", "agency", "sector")
            )
            level = int(clearance) if clearance.isdecimal() and len(clearance) < 3 else int(Clearance.INTERNAL)
            found.append(Granted(role, level, *(bound or None for bound in bounds)))
    return found


def _given_roles(kind: str | None) -> dict[str, Role]:
    """The roles that an account of ``kind`` may hold; all that are given at all before it is known."""
    return {id: role for id, role in ROLES.items() if id != "system" and (kind != "person" or id not in NOT_FOR_PEOPLE)}


def _bounds(granted: Granted | None) -> tuple[tuple[str, ...] | None, ...]:
    return (None, None, None) if granted is None else (granted.wards, granted.agencies, granted.sectors)


def _factor_words(language: str) -> dict[str, str]:
    _ = translator(language)
    return {"totp": _("ứng dụng tạo mã"), "passkey": _("khóa truy cập"), "recovery": _("mã khôi phục")}


def _words(problem: Problem | None, language: str) -> str:
    """What an administrator can do about a refusal; empty for one that needs its technical words."""
    _ = translator(language)
    return {
        "taken": _("Tên đăng nhập này đã có người dùng. Chọn tên khác."),
        "beyond-reach": _("Quyền này rộng hơn phần bạn quản trị. Nhờ quản trị hệ thống của thành phố."),
        "own-account": _("Không ai tự đổi quyền của mình. Nhờ một quản trị viên khác."),
        "last-administrator": _("Đây là quản trị viên cuối cùng. Thêm một quản trị viên khác trước."),
    }.get(problem.code if problem is not None else "", "")


def _asked(request: Request) -> str:
    return request.query_params.get("q", "")[:100].strip()


def _text(form: FormData, name: str) -> str:
    value = form.get(name, "")
    return value.strip() if isinstance(value, str) else ""


def _done(account_id: str, what: str) -> Response:
    return RedirectResponse(f"/people/{account_id}?done={what}", 303, headers=NO_STORE)
