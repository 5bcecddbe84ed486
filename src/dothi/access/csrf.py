"""Forms that only our own pages can send: a signed double-submit token, masked anew in every page.

The cookie carries a random nonce, the form a token that proves this city signed that nonce (OWASP CSRF Prevention
Cheat Sheet, signed double-submit cookie). The mask keeps a compressed page from leaking the token (BREACH).
"""

import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256

from starlette.requests import Request

from dothi.access.cookies import named
from dothi.model.problem import Problem

COOKIE = "dothi_csrf"
FIELD = "csrf_token"
HEADER = "X-CSRF-Token"
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data", "text/plain")


class Csrf:
    """Signs and checks form tokens with this installation's ``secret``."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def _signature(self, nonce: str) -> bytes:
        return hmac.new(self._secret, b"csrf:" + nonce.encode(), sha256).digest()

    def token(self, nonce: str) -> str:
        """A masked token for ``nonce``; a new one each time, all of them valid."""
        signature = self._signature(nonce)
        mask = secrets.token_bytes(len(signature))
        return urlsafe_b64encode(mask + _xor(mask, signature)).decode()

    def valid(self, nonce: str | None, token: object) -> bool:
        """True if ``token`` was made for ``nonce`` with this secret."""
        if not nonce or not isinstance(token, str):
            return False
        try:
            raw = urlsafe_b64decode(token.encode())
        except ValueError:
            return False
        mask, masked = raw[:32], raw[32:]
        return len(raw) == 64 and hmac.compare_digest(_xor(mask, masked), self._signature(nonce))


def csrf_token(request: Request) -> str:
    """The token for a form of this page: ``<input type="hidden" name="csrf_token" value="…">``.

    The doorkeeper sets the cookie that belongs to it. Raises RuntimeError outside a running city.
    """
    csrf = getattr(request.state, "csrf_signer", None)
    if csrf is None:
        raise RuntimeError("forms need the doorkeeper in front of the application")
    nonce = request.cookies.get(_cookie_name(request)) or getattr(request.state, "csrf_nonce", None)
    if nonce is None or not nonce.isalnum() or len(nonce) > 64:
        nonce = secrets.token_hex(16)
        request.state.csrf_nonce = nonce
    return str(csrf.token(nonce))


async def check_csrf(request: Request) -> None:
    """Refuse a form without its token. A body that no form can send (JSON) needs none: its sender is checked by origin.

    Raises Problem 403.
    """
    content_type = _content_type(request)
    if content_type and content_type not in _FORMS:
        return
    csrf = getattr(request.state, "csrf_signer", None)
    token: object = request.headers.get(HEADER)
    if token is None and is_form(request):
        token = (await request.form()).get(FIELD)
    if csrf is None or not csrf.valid(request.cookies.get(_cookie_name(request)), token):
        raise Problem(403, "stale-form", "This form is no longer valid.", "Reload the page and send it again.")


def is_form(request: Request) -> bool:
    """True if the body is a form with fields."""
    return _content_type(request) in _FORMS[:2]


def _content_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def cookie_header(nonce: str, *, secure: bool) -> str:
    """The Set-Cookie header of the nonce that a form's token belongs to."""
    kept = f"{named(COOKIE, secure=secure)}={nonce}; Path=/; HttpOnly; SameSite=Strict"
    return f"{kept}; Secure" if secure else kept


def _cookie_name(request: Request) -> str:
    return named(COOKIE, secure=request.url.scheme == "https")


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=False))
