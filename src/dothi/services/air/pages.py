"""The doors of the air sector: the public page, its tables, and the sector's own JSON and CSV."""

from collections.abc import Sequence
from importlib import resources
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from dothi.access.routes import page, person_of
from dothi.model.city import City, Found, Ward
from dothi.services.air import api, public, words
from dothi.services.air.coming import coming
from dothi.services.air.process import whole_hour
from dothi.services.air.stations import city_air, seen_at
from dothi.ui.language import language_of
from dothi.ui.moments import address_of, moment_of
from dothi.ui.page import render

if TYPE_CHECKING:
    from dothi.platform.platform import Platform

_PACKAGE = "dothi.services.air"


def routes(platform: "Platform") -> Sequence[BaseRoute]:
    """Everything the air sector serves; all of it may be read by anybody."""

    def air(request: Request) -> Response:
        return _air(request, platform)

    def table(request: Request) -> Response:
        return _table(request, platform)

    def wards(request: Request) -> Response:
        return api.wards(request, platform)

    def daily(request: Request) -> Response:
        return api.daily(request, platform)

    return [
        page("/air", air, action="air.read", name="air"),
        page("/air/table", table, action="air.read", name="air-table"),
        page("/air/air.css", _style, action="air.read", name="air-style"),
        page("/api/v1/sectors/air/wards", wards, action="air.read", name="air-wards", operation=api.WARDS),
        page(
            "/api/v1/sectors/air/stations/{id}/daily",
            daily,
            action="air.read",
            name="air-station-daily",
            operation=api.DAILY,
        ),
    ]


def _air(request: Request, platform: "Platform") -> Response:
    """How is the air where I am: ``?ward=<code>``, or ``?q=<part of a name>``, or neither for the whole city.

    ``at`` and ``known`` ask how it was. Raises Problem 400 for a wrong moment.
    """
    language, asker, city = language_of(request), person_of(request), platform.city
    place, matches, asked = _wanted(request, platform.city)
    found = next((one for one in matches if place is not None and one.ward.code == place.code), None)
    moment = moment_of(request, platform)
    air, now = city_air(platform, asker, moment), seen_at(platform, moment)
    shown = air.wards[place.code].nearest or public.nearest(air.stations, place) if place is not None else None
    history = public.past(platform, asker, air.stations if place is None else [shown] if shown is not None else [], moment)
    bars = public.bars(history, whole_hour(now), language) if history else []
    near = None
    if shown is not None and place is not None and moment is None:
        near = public.near(platform, asker, shown, place, language)
    provider = near["provider"] if near is not None else public.city_source(platform, asker, air)
    title = place.full_name if place is not None else city.title.in_language(language)
    context: dict[str, Any] = {
        "t": public.phrases(language),
        "seen": None if moment is None else public.seen_words(moment, language),
        "then": {name: value for name, value in address_of(moment).items() if value},
        "asked": asked,
        "place": place,
        "matches": [(one.ward, words.former_part(one, language)) for one in matches],
        "former": words.former_words(found, language) if found is not None else "",
        "chosen": place.code if place is not None else "",
        "stations": air.stations,
        "hero": public.hero(air, place, title, now, language),
        "bars": bars,
        "bar_width": public.BAR_WIDTH,
        "bars_title": public.bars_title(shown, language),
        "bars_said": public.bars_words(shown, bars, language),
        "near": near,
        "coming": coming(platform, asker, shown, language) if shown is not None else None,
        "ranks": public.ranks(air, city.wards, language),
        "source": public.source_words(provider, language),
        "basis": public.basis(air, language),
    }
    return render(request, platform, f"{_PACKAGE}:air.html", **context)


def _wanted(request: Request, city: City) -> tuple[Ward | None, list[Found], str]:
    """The ward asked for; what a search may mean; and the words that were asked.

    A search goes to the one ward whose whole name was typed: today's name counts before a former one.
    """
    code, asked = request.query_params.get("ward", ""), request.query_params.get("q", "").strip()[:80]
    if code:
        place = city.by_code.get(code)
        return place, [], "" if place is not None else code[:80]
    matches = city.find(asked) if asked else []
    exact = [one for one in matches if one.exact]
    today = [one for one in exact if one.former is None]
    only = next((some for some in (today, exact, matches) if some), [])
    return (only[0].ward if len(only) == 1 else None), matches, asked


def _table(request: Request, platform: "Platform") -> Response:
    """Every ward and every station as tables."""
    language, now = language_of(request), platform.clock.now()
    air = city_air(platform, person_of(request))
    wards = []
    for ward in platform.city.wards:
        value = air.wards[ward.code]
        wards.append(
            {
                "code": ward.code,
                "name": ward.full_name,
                "index": "–" if value.index is None else value.index,
                "level": "–" if value.band is None else value.band.name.in_language(language),
                "distance": "–" if value.nearest_km is None else words.kilometres(value.nearest_km, language),
            }
        )
    stations = [
        {
            "name": station.name,
            "index": "–" if station.index is None else station.index,
            "level": "–" if station.band is None else station.band.name.in_language(language),
            "state": words.age_words(station, now, language),
        }
        for station in sorted(air.stations, key=lambda one: one.name)
    ]
    return render(
        request,
        platform,
        f"{_PACKAGE}:table.html",
        t=public.phrases(language),
        wards=wards,
        stations=stations,
        basis=public.basis(air, language),
    )


def _style(_: Request) -> Response:
    """The few rules of style that only these pages need."""
    text = resources.files(_PACKAGE).joinpath("static", "air.css").read_text("utf-8")
    return Response(text, media_type="text/css", headers={"cache-control": "public, max-age=3600"})
