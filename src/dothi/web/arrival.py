"""Signing in at the identity provider that the settings name: the way there, and back."""

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute

from dothi.access.arrivals import Provider, admit
from dothi.access.cookies import named
from dothi.access.identity import address_of, signed_of
from dothi.access.oidc import COOKIE, PATIENCE
from dothi.access.routes import page
from dothi.access.sessions import cookie_header
from dothi.model.problem import Problem, not_found
from dothi.platform.platform import Platform
from dothi.ui.language import language_of, translator
from dothi.ui.page import render
from dothi.web.visitors import local_path

BEGIN = "/sign-in/oidc"
BACK = "/sign-in/oidc/back"


class ArrivalPages:
    """Serves ``/sign-in/oidc`` and what it comes back to."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform

    async def begin(self, request: Request) -> Response:
        """Send the browser to the provider; ``to`` in the query is where it goes when it is back. Raises Problem 404."""
        oidc = self._provider().oidc
        to = local_path(request.query_params.get("to", "")) or "/"
        try:
            url, cookie = await oidc.begin(_back(request), to)
        except Problem as problem:
            return await self._failed(request, problem)
        response = RedirectResponse(url, 303)
        response.headers.append("set-cookie", _cookie(request, cookie, PATIENCE))
        return response

    async def finish(self, request: Request) -> Response:
        """Open the session of whoever came back, or say why not. Raises Problem 404."""
        oidc, groups = self._provider()
        correlation, address = request.state.correlation, address_of(request)
        cookie = request.cookies.get(_cookie_name(request), "")
        try:
            arrived = await oidc.finish(_back(request), cookie, dict(request.query_params))
            account = await admit(self.platform.accounts, groups, arrived, correlation=correlation)
            session = await self.platform.accounts.open_session(
                account,
                strong=arrived.strong,
                address=address,
                agent=request.headers.get("user-agent", ""),
                correlation=correlation,
            )
        except Problem as problem:
            return await self._failed(request, problem)
        before = signed_of(request)
        if before is not None:  # a session that was open in this browser ends with the new one
            await self.platform.accounts.sign_out(before, correlation=correlation)
        response = RedirectResponse(await self._after(session, arrived.to), 303)
        response.headers.append("set-cookie", cookie_header(session, secure=request.url.scheme == "https"))
        response.headers.append("set-cookie", _cookie(request, "", 0))
        return response

    async def _after(self, session: str, to: str) -> str:
        """Where somebody goes who came in: those whose role needs a second factor that nobody saw are told so first."""
        signed = await self.platform.accounts.session_person(session)
        account = self.platform.accounts.account(signed.account_id) if signed is not None else None
        asleep = signed is not None and account is not None and account.strong_role and not signed.strong
        return "/account?done=asleep" if asleep else to

    def _provider(self) -> Provider:
        if self.platform.provider is None:
            raise not_found("identity provider", "oidc")
        return self.platform.provider

    async def _failed(self, request: Request, problem: Problem) -> Response:
        """The page that says why somebody did not come in and what they can do."""
        title, advice = _words(problem.code, language_of(request))
        request.state.problem = problem.code  # why, for the audit log
        failed = await run_in_threadpool(
            render,
            request,
            self.platform,
            "dothi.web:arrival.html",
            status_code=problem.status,
            title=title,
            advice=advice,
            correlation=request.state.correlation,
        )
        failed.headers.append("set-cookie", _cookie(request, "", 0))
        return failed


def arrival_routes(platform: Platform) -> list[BaseRoute]:
    """The routes of signing in elsewhere."""
    arrival = ArrivalPages(platform)
    return [page(BEGIN, arrival.begin, action="page.read"), page(BACK, arrival.finish, action="page.read")]


def _back(request: Request) -> str:
    """Where the provider sends people back to: it must be registered there, to the letter."""
    return str(request.base_url).rstrip("/") + BACK


def _cookie_name(request: Request) -> str:
    return named(COOKIE, secure=request.url.scheme == "https")


def _cookie(request: Request, value: str, seconds: int) -> str:
    # Lax: it must come along when the provider sends the browser back.
    kept = f"{_cookie_name(request)}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}"
    return f"{kept}; Secure" if request.url.scheme == "https" else kept


def _words(code: str, language: str) -> tuple[str, str]:
    _ = translator(language)
    ask = _("Nhờ người quản trị thành phố gán vai trò cho nhóm của bạn.")
    return {
        "sign-in-refused": (
            _("Nơi xác thực không cho đăng nhập"),
            _("Thử lại, hoặc đăng nhập bằng tài khoản của thành phố."),
        ),
        "no-role-here": (_("Đã xác thực, nhưng chưa có vai trò ở đây"), ask),
        "account-disabled": (_("Tài khoản này đã ngừng"), _("Nhờ người quản trị thành phố mở lại.")),
        "wrong-sign-in": (_("Tài khoản này đã ngừng"), _("Nhờ người quản trị thành phố mở lại.")),
        "provider-unreachable": (
            _("Không kết nối được nơi xác thực"),
            _("Đăng nhập bằng tài khoản của thành phố, hoặc thử lại sau."),
        ),
        "provider-unusable": (
            _("Nơi xác thực trả lời không dùng được"),
            _("Đăng nhập bằng tài khoản của thành phố; báo người quản trị."),
        ),
    }.get(
        code, (_("Lần đăng nhập này không tin được"), _("Bắt đầu lại từ trang này, trong cùng trình duyệt, trong 10 phút."))
    )
