"""What the pages of people and accounts share: where a form leads back to, and grants in words."""

from collections.abc import Iterable
from ipaddress import ip_address
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from dothi.access.grants import Granted
from dothi.access.passkeys import Site
from dothi.access.policy import Clearance
from dothi.access.roles import ROLES
from dothi.model.problem import Problem, bad_request
from dothi.platform.platform import Platform
from dothi.ui.language import translator
from dothi.web import view

NO_STORE = {"cache-control": "no-store"}
_MOST_ANSWER = 64 * 1024


class GrantWords(NamedTuple):
    """One grant as people read it."""

    role: str
    clearance: str
    scope: str


def local_path(text: str) -> str:
    """``text`` if it is a path of this very city, else empty: a link from elsewhere must not lead people away."""
    parts = urlsplit(text)
    ours = text.startswith("/") and not text.startswith(("//", "/\\")) and not parts.netloc and text.isprintable()
    return text[:2000] if ours and "\\" not in text else ""


def to_sign_in(request: Request, home: str) -> Response:
    """The way to sign in anew and back: to the page that was asked for, or to ``home`` where a form was sent."""
    back = request.url.path if request.method == "GET" else home
    return RedirectResponse(f"/sign-in?to={back}&done=again", 303, headers=NO_STORE)


def site_of(request: Request) -> Site | None:
    """Where passkeys of this request belong; None for a bare address, which the standard has no passkeys for."""
    host = request.headers.get("host", "").lower()
    name = urlsplit(f"//{host}").hostname or ""
    try:
        ip_address(name)
    except ValueError:
        # A proxy may have ended TLS before us: https of the same name is the same place.
        return Site(name, tuple({f"{request.url.scheme}://{host}", f"https://{host}"})) if name else None
    return None


async def json_of(request: Request) -> dict[str, Any]:
    """The JSON object that an island sent. Raises Problem 400, 415 for a form, which was read by the time it comes here."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Problem(415, "unsupported-media-type", "This door takes JSON.", "Send application/json.")
    body = await request.body()
    try:
        if len(body) > _MOST_ANSWER:
            raise ValueError("too long")
        return msgspec.json.decode(body, type=dict[str, Any])
    except (ValueError, msgspec.DecodeError):
        raise bad_request("This is no answer of a passkey.", "Reload the page and try again.") from None


def json_response(body: bytes | dict[str, Any]) -> Response:
    """What an island reads; ``body`` is JSON already or becomes it."""
    text = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return Response(text, headers=NO_STORE, media_type="application/json")


def clearance_words(clearance: int, language: str) -> str:
    """How much somebody may know, in a word."""
    _ = translator(language)
    return {
        Clearance.PUBLIC: _("công khai"),
        Clearance.INTERNAL: _("nội bộ"),
        Clearance.RESTRICTED: _("hạn chế"),
        Clearance.PERSONAL: _("cá nhân"),
    }[Clearance(clearance)]


def grant_words(platform: Platform, granted: Iterable[Granted], language: str) -> list[GrantWords]:
    """What was granted, one line each: the role, up to which clearance, over what."""
    return [
        GrantWords(
            ROLES[one.role].title.in_language(language),
            clearance_words(one.clearance, language),
            scope_words(platform, one, language),
        )
        for one in granted
    ]


def scope_words(platform: Platform, granted: Granted, language: str) -> str:
    """Over what a grant holds: wards, agencies and sectors by name, or the whole city."""
    city, _ = platform.city, translator(language)
    wards = view.ward_names(platform)
    agencies = {one.id: one.title.in_language(language) for one in city.agencies}
    sectors = {one.id: one.title.in_language(language) for one in platform.sectors}
    parts = [
        ", ".join(names.get(code, code) for code in codes)
        for names, codes in ((wards, granted.wards), (agencies, granted.agencies), (sectors, granted.sectors))
        if codes is not None
    ]
    return " · ".join(parts) or _("toàn thành phố")
