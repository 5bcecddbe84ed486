"""Which language a page speaks, and its words: Vietnamese is the source, English is in each package's ``locale/en.po``."""

import gettext
from collections.abc import Callable, Iterable
from copy import copy
from functools import lru_cache
from importlib import resources
from io import BytesIO

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from starlette.requests import Request

from dothi.access.cookies import named

LANGUAGES = ("vi", "en")
_COOKIE = "lang"
HOME_PACKAGES = ("dothi.ui", "dothi.web", "dothi.web.incidents", "dothi.web.rules")


def negotiate(asked: str | None, remembered: str | None, accepted: str | None) -> str:
    """The language of a page: what the address asks for, else the cookie, else the browser's first choice, else Vietnamese.

    ``accepted`` is an Accept-Language header (RFC 9110, 12.5.4); ranges are compared by primary subtag.
    """
    for wish in (asked, remembered):
        if wish in LANGUAGES:
            return str(wish)
    ranked: list[tuple[float, int, str]] = []
    for place, part in enumerate((accepted or "").split(",")):
        tag, _, quality = part.strip().partition(";q=")
        primary = tag.strip().lower().split("-")[0]
        try:
            weight = float(quality) if quality else 1.0
        except ValueError:
            continue
        if primary in LANGUAGES and weight > 0:
            ranked.append((-weight, place, primary))
    return min(ranked)[2] if ranked else LANGUAGES[0]


def language_of(request: Request) -> str:
    """The language this request is to be answered in."""
    remembered = request.cookies.get(cookie_name(request))
    return negotiate(request.query_params.get("lang"), remembered, request.headers.get("accept-language"))


def cookie_name(request: Request) -> str:
    """What the cookie is called that remembers the language of whoever sends this request."""
    return named(_COOKIE, secure=request.url.scheme == "https")


# Not cached: a fallback is chained into the object itself, so two chains must never share one.
def _catalogue(package: str, language: str) -> gettext.NullTranslations:
    if language == LANGUAGES[0]:
        return gettext.NullTranslations()
    source = resources.files(package).joinpath("locale", f"{language}.po")
    if not source.is_file():
        return gettext.NullTranslations()
    with source.open("rb") as file:
        words = read_po(file, locale=language)
    compiled = BytesIO()
    write_mo(compiled, words)
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


@lru_cache(maxsize=64)
def translations(language: str, packages: tuple[str, ...] = HOME_PACKAGES) -> gettext.NullTranslations:
    """The words of ``packages`` in ``language``; the first package that knows a string wins."""
    head = gettext.NullTranslations()
    for package in packages:
        head.add_fallback(copy(_catalogue(package, language)))  # a copy: chaining changes what is chained
    return head


def translator(language: str, packages: Iterable[str] = HOME_PACKAGES) -> Callable[[str], str]:
    """A function that turns a Vietnamese source string into ``language``, for words made in Python."""
    return translations(language, tuple(packages)).gettext
