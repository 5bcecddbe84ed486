"""How the air is shown on the operations page: tile, map layer and drawer, as plain data."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from dothi.access.policy import Person
from dothi.model.clock import from_micros
from dothi.model.entity import Attribute, Entity
from dothi.model.moment import Moment
from dothi.model.schema import AttributeType
from dothi.model.unit import UNITS
from dothi.platform.sector import Band as LegendBand
from dothi.platform.sector import Chart, HourCell, MapArea, MapPoint, Panel, Threshold, Tile
from dothi.services.air import forecast_process, open_meteo, qcvn05, words
from dothi.services.air.bands import BANDS, GREY, GREY_INK, Band, band_of
from dothi.services.air.model import (
    AIR_QUALITY_OBSERVED,
    INDEX,
    NAME,
    POLLUTANT_TITLES,
    POLLUTANTS,
    AirQualityObserved,
    iri,
)
from dothi.services.air.process import hourly_means, whole_hour
from dothi.services.air.stations import HOUR, Station, city_air, seen_at, stations
from dothi.ui import formats

if TYPE_CHECKING:
    from dothi.platform.platform import Platform

LEGEND = tuple(LegendBand(band.colour, band.ink, f"{band.low}–{band.high}", band.name) for band in BANDS)
_MEASURED = (*POLLUTANTS, "temperature", "relativeHumidity")
_SHOWN_LIMIT: dict[str, qcvn05.Averaging] = {"pm25": "24h", "pm10": "24h", "no2": "1h", "so2": "1h", "o3": "1h", "co": "1h"}


def tile(platform: "Platform", asker: Person, language: str, moment: Moment | None = None) -> Tile:
    """The environment bottleneck: the stations' median VN_AQI and how many of them are poor or worse."""
    air = city_air(platform, asker, moment)
    every = air.stations
    if not every:
        missing = words.NO_STATION if moment is None else words.NO_STATION_THEN
        return Tile(None, words.TITLE.in_language(language), missing=missing.in_language(language))
    current, middle = air.current, air.median
    if middle is None:
        waiting = "no station has a fresh VN_AQI yet" if language == "en" else "chưa trạm nào có VN_AQI mới"
        return Tile("–", f"{waiting} ({len(every)})")
    poor = sum(1 for station in current if station.band is not None and station.band.severity >= 1)
    level = band_of(middle)
    if language == "en":
        said = f"{level.name.en}, VN_AQI median · {poor} of {len(current)} stations poor or worse"
    else:
        said = f"{level.name.vi}, VN_AQI trung vị · {poor}/{len(current)} trạm kém trở lên"
    worst = max(station.band.severity for station in current if station.band is not None)
    return Tile(formats.number(middle, language), said, severity=max(level.severity, worst - 1))


def points(
    platform: "Platform",
    asker: Person,
    language: str,
    ids: Sequence[str] | None = None,
    moment: Moment | None = None,
) -> list[MapPoint]:
    """The stations as markers: the index in its official colour, grey when it is late, silent or missing."""
    now = seen_at(platform, moment)
    whole = moment is not None and ids is None  # its fills and its tile are asked for together with it
    found = city_air(platform, asker, moment).stations if whole else stations(platform, asker, ids, moment)
    return [_point(station, now, language) for station in found]


def _point(station: Station, now: datetime, language: str) -> MapPoint:
    band = station.band
    colour, ink = (band.colour, band.ink) if band is not None and station.current else (GREY, GREY_INK)
    return MapPoint(
        station.id,
        station.longitude,
        station.latitude,
        station.name,
        "–" if station.index is None else str(station.index),
        colour,
        ink,
        f"{words.level_words(station, language)} · {words.short_age(station, now, language)}",
        station.ward,
        station.freshness,
        band.severity if band is not None and station.current else 0,
        float(station.index or 0) if station.current else -1.0,
        words.reasons_in_words(station.reasons, language),
    )


def areas(platform: "Platform", asker: Person, language: str, moment: Moment | None = None) -> list[MapArea]:
    """The wards in the official colours of their interpolated index; one too far from every station is left out."""
    air = city_air(platform, asker, moment)
    return [
        MapArea(
            ward.code,
            str(ward.index),
            ward.band.colour,
            ward.band.ink,
            distance_words(ward.nearest_km or 0.0, language),
            float(ward.index),
        )
        for ward in air.wards.values()
        if ward.index is not None and ward.band is not None
    ]


def distance_words(kilometres: float, language: str) -> str:
    """How an interpolated value was made: 'nội suy, gần đúng; trạm gần nhất 1,2 km'."""
    said = words.kilometres(kilometres, language)
    return (
        f"interpolated, approximate; nearest station {said}"
        if language == "en"
        else f"nội suy, gần đúng; trạm gần nhất {said}"
    )


def hours(
    platform: "Platform", asker: Person, language: str, moment: Moment | None = None, count: int = 24
) -> list[HourCell]:
    """The city's median VN_AQI of each of the last ``count`` finished hours, oldest first."""
    import polars as pl

    end = whole_hour(seen_at(platform, moment))
    start = end - HOUR * count
    heard_by = None if moment is None else moment.heard_by
    every = platform.history.windows(
        asker, INDEX, start, end, every=HOUR, functions=("mean",), type=AIR_QUALITY_OBSERVED, heard_by=heard_by
    )
    value = pl.col("mean")
    figures = every.frame.group_by("start").agg(value.median(), value.max().alias("worst"), pl.len())
    found = {
        from_micros(at): _cell(from_micros(at), middle, worst, heard, language)
        for at, middle, worst, heard in figures.iter_rows()
    }
    return [found.get(at, HourCell(at)) for at in (start + HOUR * number for number in range(count))]


def _cell(at: datetime, middle: float, highest: float, count: int, language: str) -> HourCell:
    value, worst = int(middle + 0.5), int(highest + 0.5)
    band, worst_band = band_of(value), band_of(worst)
    detail = f"{words.hour_span(at, language)}: {value} AQI, {band.name.in_language(language)}, {count}"
    detail += " stations" if language == "en" else " trạm"
    if worst_band.severity:
        name = worst_band.name.in_language(language)
        detail += f"; worst {worst} AQI, {name}" if language == "en" else f"; cao nhất {worst} AQI, {name}"
    return HourCell(at, str(value), band.colour, band.ink, detail, worst_band.severity)


def panel(platform: "Platform", asker: Person, language: str, entity: Entity, moment: Moment | None = None) -> Panel:
    """The drawer of one station: index, advice, every parameter with unit, time, grade and origin, method and source."""
    if entity.type == open_meteo.AIR_QUALITY_FORECAST:
        return open_meteo.panel(platform, asker, language, entity, moment)
    station = next(iter(stations(platform, asker, [entity.id], moment)), None)
    now = seen_at(platform, moment)
    name = entity.first(NAME)
    title = str(name.value) if name is not None else entity.id
    ward = platform.city.by_code.get(entity.ward or "")
    if station is None:
        return Panel(
            title,
            "No place on the map" if language == "en" else "Chưa có vị trí trên bản đồ",
            facts=values_of(entity, language),
        )
    band = station.band if station.current else None
    place = [ward.full_name] if ward is not None else []
    return Panel(
        title,
        " · ".join([*place, words.age_words(station, now, language)]),
        badge="–" if station.index is None else str(station.index),
        badge_colour=band.colour if band is not None else GREY,
        badge_ink=band.ink if band is not None else GREY_INK,
        headline=_headline(station, language),
        advice="" if band is None else advice(band, language),
        facts=(
            *_about(station, language),
            *values_of(entity, language),
            *_exceedances(platform, asker, station, language, moment),
        ),
        charts=_charts(now, language, entity),
        method=words.METHOD.in_language(language),
        link=f"/air?ward={ward.code}" if ward is not None else "/air",
    )


def advice(band: Band, language: str) -> str:
    """What a band asks of everybody and of sensitive people."""
    return f"{band.everyone.in_language(language)} {band.sensitive.in_language(language)}"


def _headline(station: Station, language: str) -> str:
    said = words.index_words(station, language)
    if station.index is not None and station.dominant:
        mainly = "mainly" if language == "en" else "chủ yếu do"
        said = f"{said}, {mainly} {words.pollutant(station.dominant)}"
    return said


def _about(station: Station, language: str) -> list[tuple[str, str]]:
    english = language == "en"
    facts = [
        (
            "Coordinates" if english else "Tọa độ",
            words.coordinates(station.longitude, station.latitude, language),
        )
    ]
    if station.hour is not None:
        facts.append(("VN_AQI of the hour" if english else "VN_AQI của giờ", words.hour_span(station.hour, language)))
    if station.reasons:
        facts.append(("Doubts" if english else "Điểm nghi ngờ", words.reasons_in_words(station.reasons, language)))
    return facts


def values_of(entity: Entity, language: str) -> tuple[tuple[str, str], ...]:
    """Every parameter of a station in words: name, and value with unit, time, origin and doubts."""
    return tuple(
        (kind.title.in_language(language), " · ".join([value_words(kind, value, language), *_about_value(value, language)]))
        for kind, value in parameters(entity)
    )


def parameters(entity: Entity) -> list[tuple[AttributeType, Attribute]]:
    """What a station measures, in the order in which it is told."""
    found = []
    for name in _MEASURED:
        kind, value = AirQualityObserved.attribute(name), entity.first(iri(name))
        if kind is not None and value is not None:
            found.append((kind, value))
    return found


def value_words(kind: AttributeType, value: Attribute, language: str) -> str:
    """A value with its unit: '23,0 µg/m³'."""
    unit = UNITS.get(value.unit or kind.unit or "")
    number = value.value
    is_number = isinstance(number, int | float) and not isinstance(number, bool)
    return (
        f"{formats.number(number, language, kind.decimals) if is_number else number} {unit.symbol if unit else ''}".strip()
    )


def when_words(value: Attribute, language: str) -> str:
    """When a value was observed and how it came to be: '13:05 21/05/2026 · phát lại'."""
    origin = words.ORIGINS[value.origin].in_language(language)
    return origin if value.observed_at is None else f"{formats.daytime(value.observed_at, language)} · {origin}"


def doubt_words(value: Attribute, language: str) -> str:
    """Why a value is not graded good, with its grade; empty for a good one."""
    if not value.reasons:
        return ""
    return f"{words.GRADES[value.grade].in_language(language)}: {words.reasons_in_words(value.reasons, language)}"


def _about_value(value: Attribute, language: str) -> list[str]:
    return [said for said in (when_words(value, language), doubt_words(value, language)) if said]


def _exceedances(
    platform: "Platform", asker: Person, station: Station, language: str, moment: Moment | None
) -> list[tuple[str, str]]:
    end = whole_hour(seen_at(platform, moment))
    today = end.astimezone(formats.city_zone()).date()
    heard_by = None if moment is None else moment.heard_by
    means = hourly_means(platform, asker, [station.id], end - timedelta(hours=24), end, heard_by)[station.id]
    facts = []
    for name, series in means.items():
        for verdict in qcvn05.judge(name, series, end, today):
            if verdict.mean is None or not verdict.exceeded:
                continue
            over = "over the limit" if language == "en" else "vượt giới hạn"
            mean, limit = (formats.number(value, language, 1) for value in (verdict.mean, verdict.limit.value))
            facts.append(
                (f"QCVN 05:2023, {words.pollutant(name)} {verdict.limit.averaging}", f"{mean} > {limit} µg/m³ · {over}")
            )
    return facts


def _charts(now: datetime, language: str, entity: Entity) -> tuple[Chart, ...]:
    today = now.astimezone(formats.city_zone()).date()
    bounds = tuple(Threshold(band.low, band.name.in_language(language), band.colour, band.ink) for band in BANDS[1:])
    charts = [Chart(INDEX, "VN_AQI", "", bounds)]
    for name in POLLUTANTS:
        if entity.first(iri(name)) is None:
            continue
        limits = [limit for limit in qcvn05.limits(name, today) if limit.averaging == _SHOWN_LIMIT[name]]
        lines = tuple(Threshold(limit.value, words.limit_words(limit.averaging, language)) for limit in limits)
        foreseen = forecast_process.ID if iri(name) == forecast_process.PM25 else ""
        charts.append(Chart(iri(name), POLLUTANT_TITLES[name].in_language(language), "µg/m³", lines, forecast=foreseen))
    return tuple(charts)
