"""The air of one ward for its own page: now, over time, and when a limit was passed."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dothi.access.policy import Person, reach
from dothi.data.context import EntityQuery
from dothi.model.ward import Ward
from dothi.platform.sector import Credit, Curve, Exceedance, Panel, Threshold
from dothi.services.air import public, qcvn05, view, words
from dothi.services.air.bands import BANDS, GREY, GREY_INK
from dothi.services.air.model import INDEX, PROVIDER
from dothi.services.air.process import hourly_means, whole_hour
from dothi.services.air.stations import HOUR, CityAir, Station, WardAir, city_air, stations
from dothi.services.air.wards import FARTHEST_KM, distances_km, over_time
from dothi.ui import formats

if TYPE_CHECKING:
    from dothi.platform.platform import Platform

_PAGE = 500
_JUDGED_DAYS = 31  # an exceedance is looked for in this many days at most


def panel(platform: "Platform", asker: Person, language: str, ward: Ward) -> Panel:
    """The ward's index, how it is known, what it asks of people, and what the stations in the ward itself say."""
    air = city_air(platform, asker)
    value, now = air.wards[ward.code], platform.clock.now()
    band = value.band
    title = words.TITLE.in_language(language)
    own = [station for station in air.stations if station.ward == ward.code]
    facts = [
        (station.name, f"{words.index_words(station, language)} · {words.age_words(station, now, language)}")
        for station in own
    ]
    if value.nearest is not None and value.nearest not in own:
        facts.append((_nearest_title(language), f"{value.nearest.name} · {words.index_words(value.nearest, language)}"))
    if band is None:
        hero = public.hero(air, ward, ward.full_name, now, language)
        return Panel(title, str(hero["note"]), "–", GREY, GREY_INK, str(hero["title"]), facts=tuple(facts), link=_link(ward))
    return Panel(
        title,
        _known(air, value, own, language),
        str(value.index),
        band.colour,
        band.ink,
        f"{band.name.in_language(language)} · VN_AQI",
        view.advice(band, language),
        tuple(facts),
        method=f"{words.METHOD.in_language(language)} {words.INTERPOLATION.in_language(language)}",
        link=_link(ward),
    )


def history(platform: "Platform", asker: Person, language: str, ward: Ward, start: datetime, end: datetime) -> Curve:
    """The ward's hourly VN_AQI, made for each hour as the present one is made: from the stations that had an index."""
    first, last = whole_hour(start), whole_hour(end)
    question = ("air-hours", reach(asker, "history.read"), first, last)
    places, values = platform.memo.answer(question, lambda: _all_hours(platform, asker, first, last))
    found = over_time(places, values, (ward.longitude, ward.latitude))
    known = np.flatnonzero(np.isfinite(found))
    bounds = tuple(Threshold(band.low, band.name.in_language(language), band.colour, band.ink) for band in BANDS[1:])
    basis = (
        "Each hour interpolated from the stations that had an index; approximate."
        if language == "en"
        else "Mỗi giờ nội suy từ các trạm có chỉ số trong giờ đó; gần đúng."
    )
    return Curve(
        "VN_AQI",
        "",
        tuple(first + HOUR * int(hour) for hour in known),
        tuple(round(float(found[hour]), 1) for hour in known),
        basis,
        bounds,
    )


def exceedances(
    platform: "Platform", asker: Person, language: str, ward: Ward, start: datetime, end: datetime
) -> list[Exceedance]:
    """What passed the 24 h limits of QCVN 05:2023 on finished days, newest first: at the stations of the ward, or at the
    nearest one if it has none and that is near enough."""
    every = stations(platform, asker)
    judged = [station for station in every if station.ward == ward.code] or _near(every, ward)
    zone = formats.city_zone()
    midnight = end.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    days = min((end - start).days, _JUDGED_DAYS)
    if not judged or days < 1:
        return []
    first = whole_hour(midnight - timedelta(days=days))
    means = hourly_means(platform, asker, [station.id for station in judged], first, whole_hour(midnight))
    found = []
    for station in judged:
        for back in range(days):
            over = midnight - timedelta(days=back)
            day = over - timedelta(days=1)
            for name, series in means[station.id].items():
                for verdict in qcvn05.judge(name, series, whole_hour(over), day.date(), only="24h"):
                    if verdict.mean is not None and verdict.exceeded:
                        mean, limit = (formats.number(one, language, 1) for one in (verdict.mean, verdict.limit.value))
                        said = f"{mean} µg/m³, {'limit' if language == 'en' else 'giới hạn'} {limit}"
                        what = f"{words.pollutant(name)}, {words.limit_words('24h', language)}"
                        found.append(Exceedance(whole_hour(day), station.name, what, said))
    return sorted(found, key=lambda one: (-one.at.timestamp(), one.place, one.what))


def credits(platform: "Platform", asker: Person, language: str) -> Sequence[Credit]:
    """Who provides the readings of the stations, each provider once."""
    ids = [station.id for station in stations(platform, asker)]
    told: dict[str, int] = {}
    for start in range(0, len(ids), _PAGE):
        query = EntityQuery(ids=tuple(ids[start : start + _PAGE]), attributes=(PROVIDER,), limit=_PAGE)
        for provider in platform.context.table(asker, query).values[PROVIDER]:
            if provider is not None:
                told[str(provider)] = told.get(str(provider), 0) + 1
    each = "stations" if language == "en" else "trạm"
    title = words.TITLE.in_language(language)
    return [Credit(f"{title}: {formats.number(count, language)} {each}", name) for name, count in sorted(told.items())]


def _all_hours(
    platform: "Platform", asker: Person, first: datetime, last: datetime
) -> tuple[list[tuple[float, float]], NDArray[np.float64]]:
    every = stations(platform, asker)
    found = platform.history.hourly(asker, [station.id for station in every], INDEX, first, last) if every else {}
    values = np.full((max(0, int((last - first) / HOUR)), len(every)), np.nan)
    for column, station in enumerate(every):
        for hour, value in found.get(station.id, {}).items():
            values[int((hour - first) / HOUR), column] = value
    return [(station.longitude, station.latitude) for station in every], values


def _near(every: Sequence[Station], ward: Ward) -> list[Station]:
    station = public.nearest(every, ward)
    if station is None:
        return []
    here, there = np.array([[ward.longitude, ward.latitude]]), np.array([[station.longitude, station.latitude]])
    return [station] if distances_km(here, there)[0, 0] <= FARTHEST_KM else []


def _known(air: CityAir, value: WardAir, own: Sequence[Station], language: str) -> str:
    """How the value is known: whether stations stand in the ward, how far the nearest is, and how wrong that is now."""
    said = view.distance_words(value.nearest_km or 0.0, language)
    here = sum(station.current for station in own)
    if here:
        measured = (
            f"{here} {'station in the ward' if here == 1 else 'stations in the ward'}"
            if language == "en"
            else f"{here} trạm trong địa bàn"
        )
        said = f"{measured}; {said}"
    return f"{said[:1].upper()}{said[1:]}. {words.error_words(air.error, language)}"


def _nearest_title(language: str) -> str:
    return "Nearest station" if language == "en" else "Trạm gần nhất"


def _link(ward: Ward) -> str:
    return f"/air?ward={ward.code}"
