"""Turns a template into a page: language, formats, badges and the frame that every page shares."""

from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from importlib import resources
from typing import TYPE_CHECKING, Any

from jinja2 import BaseLoader, Environment, StrictUndefined, TemplateNotFound
from starlette.requests import Request
from starlette.responses import HTMLResponse

from dothi.access.csrf import csrf_token
from dothi.access.identity import signed_of
from dothi.access.policy import STRANGER, Person, may
from dothi.access.roles import ROLES
from dothi.access.routes import person_of
from dothi.model.severity import SEVERITIES
from dothi.ui import assets, formats
from dothi.ui.badges import badges
from dothi.ui.language import HOME_PACKAGES, LANGUAGES, cookie_name, language_of, translations, translator

if TYPE_CHECKING:
    from dothi.platform.platform import Platform


class PackageTemplates(BaseLoader):
    """Finds ``name.html`` in the ui package and ``some.package:name.html`` in that package's ``templates`` folder."""

    def get_source(self, environment: Environment, template: str) -> tuple[str, str | None, Callable[[], bool] | None]:
        """The text of a template. Raises TemplateNotFound."""
        package, _, name = template.rpartition(":")
        source = resources.files(package or "dothi.ui").joinpath("templates", name)
        if not source.is_file():
            raise TemplateNotFound(template)
        return source.read_text("utf-8"), None, lambda: True


@lru_cache(maxsize=32)
def environment(language: str, packages: tuple[str, ...] = HOME_PACKAGES) -> Environment:
    """The templates in one language; ``packages`` are those whose words it knows."""
    made = Environment(
        loader=PackageTemplates(),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    words = translations(language, packages)
    made.install_gettext_callables(words.gettext, words.ngettext, newstyle=True)  # type: ignore[attr-defined]  # i18n adds it
    for name in ("number", "size", "day", "weekday", "hour", "daytime", "span"):
        made.filters[name] = partial(_in_language, getattr(formats, name), language)
    made.filters["severity_words"] = lambda level: SEVERITIES[level].in_language(language)
    made.globals.update(asset=assets.asset, styles=assets.styles, language=language)
    return made


def _in_language(function: Callable[..., str], language: str, value: Any, *more: Any) -> str:
    return function(value, language, *more)


def fill(language: str, template: str, context: Mapping[str, Any]) -> str:
    """The text of ``template`` in ``language``: for fragments that have no frame."""
    package = template.rpartition(":")[0]
    packages = HOME_PACKAGES if not package or package in HOME_PACKAGES else (*HOME_PACKAGES, package)
    return environment(language, packages).get_template(template).render(context)


def _doors(person: Person, language: str) -> list[tuple[str, str]]:
    """The pages that only some people have, for the person's own menu: address and words."""
    _ = translator(language)
    every = (
        ("people.read", "/people", _("Người dùng và quyền")),
        ("city.write", "/incidents/kinds", _("Loại sự việc")),
        ("city.write", "/message", _("Thông báo trên mọi trang")),
        ("audit.read", "/audit", _("Nhật ký kiểm toán")),
        ("mail.read", "/mail", _("Thư báo")),
        ("personal.read", "/personal", _("Dữ liệu cá nhân")),
        ("personal.own", "/personal/mine", _("Dữ liệu của tôi")),
    )
    return [(to, words) for action, to, words in every if may(person, action)]


def _public_front(platform: "Platform") -> str:
    """The first page of a sector; without one, the way in."""
    return next((to for sector in platform.sectors for to, _words in sector.links), "/sign-in")


def render(
    request: Request,
    platform: "Platform",
    template: str,
    *,
    status_code: int = 200,
    headers: Mapping[str, str] | None = None,
    **context: Any,
) -> HTMLResponse:
    """A page for a person: ``template`` filled with ``context`` and with what every page may use.

    Templates also see: ``language``, ``platform``, ``city``, ``now`` (city time, UTC), ``person``, ``badges``, ``path``,
    ``messages(audience)`` (what the city says now),
    ``csrf_token()``, ``operates`` (may see the operations pages), ``front`` (the first page that the asker may open),
    ``allows(action)``, ``relative(moment)``, ``switch(language)``, ``_``, and of who asks ``signed`` (None without a
    session), ``stranger``, ``roles_now`` and ``person_doors``.
    A language asked for in the address is remembered in a cookie.
    """
    language = language_of(request)
    request.state.language = language
    person = person_of(request)
    now = platform.clock.now()
    frame = {
        "request": request,
        "platform": platform,
        "city": platform.city,
        "now": now,
        "person": person,
        "badges": badges(platform, language),
        "messages": platform.messages.now,
        "path": request.url.path,
        "csrf_token": partial(csrf_token, request),
        "operates": may(person, "operations.read"),
        "front": "/" if may(person, "operations.read") else _public_front(platform),
        "allows": partial(may, person),
        "signed": signed_of(request),
        "stranger": person == STRANGER,
        "roles_now": list(dict.fromkeys(ROLES[one.role].title.in_language(language) for one in person.grants)),
        "person_doors": _doors(person, language),
        "relative": lambda moment: formats.relative(moment, now, language),
        "switch": lambda to: str(request.url.include_query_params(lang=to).replace(scheme="", netloc="")),
        "tongues": LANGUAGES,
    }
    page = HTMLResponse(fill(language, template, frame | context), status_code, headers)
    page.headers["content-language"] = language
    page.headers["vary"] = "accept-language, cookie"
    if frame["signed"] is not None:
        page.headers.setdefault("cache-control", "private, no-cache")  # who sits here next is somebody else
    if request.query_params.get("lang") in LANGUAGES:
        secure = request.url.scheme == "https"
        kept = cookie_name(request)
        page.set_cookie(kept, language, max_age=31_536_000, samesite="lax", httponly=True, secure=secure)
    return page
