"""One's own account: password, second factors, passkeys, recovery codes, and where one is signed in."""

from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from dothi.access.accounts import Account
from dothi.access.factors import Factors
from dothi.access.identity import address_of, signed_of
from dothi.access.sessions import Session, Signed, cookie_header
from dothi.access.totp import enrolment_uri, qr_svg
from dothi.model.clock import MICROSECONDS, from_micros
from dothi.model.problem import Problem, not_found
from dothi.platform.platform import Platform
from dothi.ui.language import language_of, translator
from dothi.ui.page import render
from dothi.web.mail_card import card
from dothi.web.sign_in import redeem_words
from dothi.web.visitors import NO_STORE, grant_words, json_of, json_response, site_of, to_sign_in

_BROWSERS = (("Edg/", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari"))
_SYSTEMS = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS", "macOS"),
    ("Linux", "Linux"),
)


class AccountPages:
    """Serves ``/account``. Everything here is the asker's own; who is not signed in is led to ``/sign-in``."""

    def __init__(self, platform: Platform, factors: Factors) -> None:
        self.platform, self.accounts, self.factors = platform, platform.accounts, factors

    async def page(self, request: Request) -> Response:
        """All of it on one page."""
        signed = signed_of(request)
        return to_sign_in(request, "/account") if signed is None else await self._page(request, signed)

    async def password(self, request: Request) -> Response:
        """Change the password; the other sessions end. The form comes back with what is wrong."""
        signed, form = self._signed(request), await request.form()
        old, new, again = (str(form.get(name, "")) for name in ("old", "new", "again"))
        _ = translator(language_of(request))
        if new != again:
            return await self._page(request, signed, _("Hai lần gõ mật khẩu không giống nhau."), 400)
        try:
            await self.accounts.change_password(signed, old, new, correlation=request.state.correlation)
        except Problem as problem:
            words = redeem_words(problem, language_of(request))
            if problem.status == 401:
                words = _("Mật khẩu hiện tại không đúng.")
            if not words:
                raise
            return await self._page(request, signed, words, problem.status)
        return _done("password")

    def totp(self, request: Request) -> Response:
        """The QR code for the app, and the form for the code it shows."""
        signed = self._trusted(request)
        return self._offer_totp(request, signed) if isinstance(signed, Signed) else signed

    async def keep_totp(self, request: Request) -> Response:
        """Ask for the app's code from now on; this session becomes a strong one, the others end. Shows recovery codes."""
        signed, form = self._trusted(request), await request.form()
        if not isinstance(signed, Signed):
            return signed
        try:
            offered = self.factors.offered_totp(signed.account_id, str(form.get("sealed", "")))
            codes = await self.factors.keep_totp(signed.person, offered, str(form.get("code", "")), **_told(request))
        except Problem as problem:
            if problem.status != 400:
                raise
            return self._offer_totp(request, signed, str(form.get("sealed", "")), problem)
        return await self._strengthen(request, signed, self._codes(request, signed, codes))

    async def drop_totp(self, request: Request) -> Response:
        """Ask for the app's code no more; the other sessions end."""
        signed = self._trusted(request)
        if not isinstance(signed, Signed):
            return signed
        await self.factors.drop_totp(signed.person, **_told(request))
        await self._end_others(request, signed)
        return _done("totp-removed")

    async def codes(self, request: Request) -> Response:
        """New recovery codes, shown this once."""
        signed = self._trusted(request)
        if not isinstance(signed, Signed):
            return signed
        if not self.accounts.factors(signed.account_id) & {"totp", "passkey"}:
            return _done("")
        return self._codes(request, signed, await self.factors.renew_codes(signed.person, **_told(request)))

    def passkey_options(self, request: Request) -> Response:
        """What the browser needs to make a passkey. Raises Problem 401, 403 if the sign-in is too long ago."""
        signed, site = self._trusted(request), site_of(request)
        if not isinstance(signed, Signed) or site is None:
            raise _too_old()
        account, city = self._account(signed), self.platform.city.title.vi
        return json_response(
            self.factors.passkeys.offer(signed.account_id, account.login, account.name, f"Đô Thị · {city}", site)
        )

    async def add_passkey(self, request: Request) -> Response:
        """Keep the passkey the browser made: JSON ``{"answer": …, "label": …}``, answered by where to go.

        Raises Problem 400, 409 for one too many.
        """
        signed, site, told = self._trusted(request), site_of(request), await json_of(request)
        if not isinstance(signed, Signed) or site is None:
            raise _too_old()
        answer, label = told.get("answer"), str(told.get("label", "")).strip()
        if not isinstance(answer, dict):
            raise Problem(400, "bad-request", "This is no answer of a passkey.", "Begin again.")
        label = label or _device(request.headers.get("user-agent", ""), language_of(request))
        await self.factors.passkeys.register(signed.person, answer, label, site, **_told(request))
        return await self._strengthen(request, signed, json_response({"to": "/account?done=passkey"}))

    async def remove_passkey(self, request: Request) -> Response:
        """Forget one passkey; the other sessions end. Raises Problem 404."""
        signed = self._trusted(request)
        if not isinstance(signed, Signed):
            return signed
        await self.factors.passkeys.remove(signed.person, request.path_params["passkey"], **_told(request))
        await self._end_others(request, signed)
        return _done("passkey-removed")

    async def end_sessions(self, request: Request) -> Response:
        """End one other session, or all others. Raises Problem 404 for one that is none of them."""
        signed, form = self._signed(request), await request.form()
        only = str(form.get("session", "")) or None
        if only is not None and only not in {one.id for one in self.accounts.sessions_of(signed.account_id)}:
            raise not_found("session", only[:20])
        await self.accounts.end_sessions(
            signed.account_id,
            only=only,
            but=None if only else signed.session_id,
            correlation=request.state.correlation,
        )
        return _done("ended")

    async def again(self, request: Request, wrong: str, status: int) -> Response:
        """The page with what is wrong with a form that stands on it. Raises Problem 401."""
        return await self._page(request, self._signed(request), wrong, status)

    async def _page(self, request: Request, signed: Signed, wrong: str = "", status: int = 200) -> Response:
        account, language = self._account(signed), language_of(request)
        sessions = self.accounts.sessions_of(account.id)
        return render(
            request,
            self.platform,
            "dothi.web:account.html",
            status_code=status,
            headers=NO_STORE,
            account=account,
            grants=grant_words(self.platform, account.granted, language),
            asleep=account.strong_role and not signed.strong and not signed.demo,
            recent=self.accounts.came_lately(signed),
            codes_left=await self.factors.codes_left(account.id),
            passkeys=self.factors.passkeys.of(account.id),
            sessions=[_shown(one, signed, language) for one in sessions],
            site=site_of(request),
            machine_now=self.accounts.clock.now(),
            telling=card(self.platform, account.id, language),
            wrong=wrong,
            done=request.query_params.get("done", ""),
        )

    def _offer_totp(self, request: Request, signed: Signed, sealed: str = "", problem: Problem | None = None) -> Response:
        account = self._account(signed)
        if problem is not None and problem.code == "wrong-code":
            offered = self.factors.offered_totp(account.id, sealed)
        else:
            offered, sealed = self.factors.begin_totp(account.id)
        uri = enrolment_uri(offered, account.login, f"Đô Thị {self.platform.city.title.vi}")
        return render(
            request,
            self.platform,
            "dothi.web:account-totp.html",
            status_code=200 if problem is None else 400,
            headers=NO_STORE,
            problem=problem,
            sealed=sealed,
            secret=" ".join(offered.secret[at : at + 4] for at in range(0, len(offered.secret), 4)),
            uri=uri,
            picture=qr_svg(uri),
        )

    def _codes(self, request: Request, signed: Signed, codes: list[str]) -> Response:
        return render(
            request,
            self.platform,
            "dothi.web:account-codes.html",
            headers=NO_STORE,
            codes=codes,
            account=self._account(signed),
        )

    async def _strengthen(self, request: Request, signed: Signed, response: Response) -> Response:
        """A session in two steps in the place of all that were opened without the new one."""
        cookie = await self.accounts.open_session(
            signed.account_id,
            strong=True,
            address=address_of(request),
            agent=request.headers.get("user-agent", ""),
            correlation=request.state.correlation,
        )
        now = await self.accounts.session_person(cookie)
        await self.accounts.end_sessions(
            signed.account_id, but=now.session_id if now is not None else None, correlation=request.state.correlation
        )
        response.headers.append("set-cookie", cookie_header(cookie, secure=request.url.scheme == "https"))
        return response

    async def _end_others(self, request: Request, signed: Signed) -> None:
        await self.accounts.end_sessions(signed.account_id, but=signed.session_id, correlation=request.state.correlation)

    def _signed(self, request: Request) -> Signed:
        signed = signed_of(request)
        if signed is None:
            raise Problem(401, "sign-in-needed", "This needs somebody who is signed in.", "Sign in and try again.")
        return signed

    def _trusted(self, request: Request) -> Signed | Response:
        """Who is signed in, if they signed in a moment ago; else the way to do so. Raises Problem 401, 403."""
        signed = self._signed(request)
        if signed.demo:
            raise Problem(403, "demo", "A demo person keeps nothing to sign in with.", "Make an account of your own.")
        return signed if self.accounts.came_lately(signed) else to_sign_in(request, "/account")

    def _account(self, signed: Signed) -> Account:
        account = self.accounts.account(signed.account_id)
        if account is None:
            raise Problem(401, "sign-in-needed", "This account is gone.", "Sign in again.")
        return account


def _told(request: Request) -> dict[str, str]:
    return {"correlation": request.state.correlation, "source": address_of(request)}


def _done(what: str) -> Response:
    return RedirectResponse(f"/account?done={what}" if what else "/account", 303, headers=NO_STORE)


def _too_old() -> Problem:
    return Problem(403, "sign-in-again", "The sign-in is too long ago for this.", "Sign in again, then repeat it.")


def _shown(session: Session, signed: Signed, language: str) -> dict[str, Any]:
    return {
        "id": session.id,
        "here": session.id == signed.session_id,
        "device": _device(session.agent, language),
        "address": session.address,
        "strong": session.strong,
        "began": from_micros(session.created_at),
        "seen": from_micros(session.seen_at // MICROSECONDS * MICROSECONDS),
    }


def _device(agent: str, language: str) -> str:
    """A browser and its machine in two words, from a User-Agent header."""
    _ = translator(language)
    found = [next((words for mark, words in kinds if mark in agent), "") for kinds in (_BROWSERS, _SYSTEMS)]
    return " · ".join(one for one in found if one) or _("thiết bị không rõ")
