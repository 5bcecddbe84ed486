"""The pages where keys of machines are made and ended: one's own, and those of the systems one administers."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute

from dothi.access.grants import STRONG_ROLES, Granted
from dothi.access.identity import signed_of
from dothi.access.keys import LIFETIMES, MOST, Issued, Key, Kind
from dothi.access.policy import STRANGER, Clearance
from dothi.access.routes import page, person_of
from dothi.model.clock import SystemClock
from dothi.model.problem import Problem, bad_request, not_found
from dothi.platform.platform import Platform
from dothi.ui.language import language_of, translator
from dothi.ui.page import render
from dothi.web.visitors import NO_STORE, clearance_words, grant_words, to_sign_in


class KeyPages:
    """Serves ``/account/keys`` and ``/people/{account}/keys``, which is the same for a system's."""

    def __init__(self, platform: Platform) -> None:
        self.platform, self._clock = platform, SystemClock()

    def own(self, request: Request) -> Response:
        """The keys of whoever is signed in."""
        return self._page(request, _signed_in(request))

    async def issue_own(self, request: Request) -> Response:
        """Make a key of one's own and show it, once; who signed in long ago does so anew first. Raises Problem 400, 409."""
        return await self._issue(request, _signed_in(request))

    async def revoke_own(self, request: Request) -> Response:
        """End a key of one's own. Raises Problem 404."""
        return await self._revoke(request, _signed_in(request), "/account/keys")

    def of_system(self, request: Request) -> Response:
        """The keys of a system. Raises Problem 404."""
        return self._page(request, self._system(request))

    async def issue_system(self, request: Request) -> Response:
        """Make a key or an OAuth2 client for a system and show its secret, once. Raises Problem 400, 403, 404, 409."""
        return await self._issue(request, self._system(request))

    async def revoke_system(self, request: Request) -> Response:
        """End a system's key. Raises Problem 404."""
        account = self._system(request)
        return await self._revoke(request, account, f"/people/{account}/keys")

    def _system(self, request: Request) -> str:
        """The system in the address, if the asker may know of it. Raises Problem 404."""
        account = self.platform.accounts.get(person_of(request), request.path_params["account"])
        if account.kind != "system":
            raise not_found("system", account.id)
        return account.id

    async def _issue(self, request: Request, account: str) -> Response:
        signed = signed_of(request)
        if signed is None or not self.platform.accounts.came_lately(signed):
            return to_sign_in(request, request.url.path)
        form = await request.form()
        person = person_of(request)
        kind: Kind = "secret" if account != person.id and form.get("kind") == "secret" else "key"
        days = str(form.get("days", ""))
        issued = await self.platform.keys.issue(
            person,
            account,
            kind,
            str(form.get("label", "")),
            _chosen(form, self._grants(account)),
            int(days) if days.isdecimal() and len(days) < 5 else 0,
            correlation=request.state.correlation,
        )
        return self._page(request, account, issued, kind)

    async def _revoke(self, request: Request, account: str, then: str) -> Response:
        key = request.path_params["key"]
        await self.platform.keys.revoke(person_of(request), key, account, correlation=request.state.correlation)
        return RedirectResponse(f"{then}?done=revoked", 303)

    def _grants(self, account: str) -> Sequence[Granted]:
        """What a key of the account may be given: whoever administers shows two factors, which no key can."""
        known = self.platform.accounts.account(account)
        return [one for one in known.granted if one.role not in STRONG_ROLES] if known else []

    def _page(self, request: Request, account: str, issued: Issued | None = None, kind: Kind = "key") -> Response:
        language, now = language_of(request), self._clock.now()
        known = self.platform.accounts.account(account)
        keys = self.platform.keys.list(account)
        grants = self._grants(account)
        return render(
            request,
            self.platform,
            "dothi.web:keys.html",
            headers=NO_STORE,
            account=known,
            own=account == person_of(request).id,
            here="/account/keys" if account == person_of(request).id else f"/people/{account}/keys",
            issued=issued,
            kind=kind,
            living=[self._row(one, language) for one in keys if _lives(one, now)],
            ended=[self._row(one, language) for one in keys if not _lives(one, now)],
            most=MOST,
            lifetimes=LIFETIMES,
            grants=list(enumerate(grant_words(self.platform, grants, language))),
            clearances=[
                (int(one), clearance_words(one, language))
                for one in Clearance
                if one <= max((granted.clearance for granted in grants), default=-1)
            ],
            done=request.query_params.get("done", ""),
            base=str(request.base_url).rstrip("/"),
            machine_now=now,
        )

    def _row(self, key: Key, language: str) -> dict[str, Any]:
        _ = translator(language)
        return {
            "key": key,
            "kind": _("khóa API") if key.kind == "key" else _("ứng dụng OAuth2"),
            "bounds": grant_words(self.platform, key.bounds, language),
            "ended": _("đã thu hồi") if key.revoked_at else _("hết hạn"),
        }


def key_routes(platform: Platform) -> list[BaseRoute]:
    """The routes of the pages of keys."""
    keys, post = KeyPages(platform), ("POST",)
    return [
        page("/account/keys", keys.own, action="account.own"),
        page("/account/keys", keys.issue_own, action="account.own", methods=post),
        page("/account/keys/{key}/revoke", keys.revoke_own, action="account.own", methods=post),
        page("/people/{account}/keys", keys.of_system, action="people.write"),
        page("/people/{account}/keys", keys.issue_system, action="people.write", methods=post),
        page("/people/{account}/keys/{key}/revoke", keys.revoke_system, action="people.write", methods=post),
    ]


def _signed_in(request: Request) -> str:
    """The account in whose session this request came: a key makes no keys. Raises Problem 401 for a stranger, 403."""
    signed = signed_of(request)
    if person_of(request) == STRANGER:
        raise Problem(401, "sign-in-needed", "This needs somebody who is signed in.", "Sign in and try again.")
    if signed is None:
        raise Problem(403, "session-needed", "Keys are made by people.", "Sign in with a browser; a key makes no keys.")
    return signed.account_id


def _chosen(form: FormData, offered: Sequence[Granted]) -> Sequence[Granted]:
    """The ticked ones of what was ``offered``, up to the chosen clearance. Raises Problem 400."""
    most = {str(int(one)): int(one) for one in Clearance}.get(str(form.get("clearance", "")))
    if most is None:
        raise bad_request("There is no such clearance.", "Choose one of those offered.")
    ticked = {str(one) for one in form.getlist("grant")}
    return [
        Granted(one.role, min(one.clearance, most), one.wards, one.agencies, one.sectors)
        for index, one in enumerate(offered)
        if str(index) in ticked
    ]


def _lives(key: Key, now: datetime) -> bool:
    return key.revoked_at is None and key.expires_at > now
