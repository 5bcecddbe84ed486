"""The sector's own JSON and CSV: the air of every ward now, and a station's daily index."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from dothi.access.policy import Person
from dothi.access.routes import person_of
from dothi.model.problem import bad_request, not_found
from dothi.services.air import qcvn05, words
from dothi.services.air.bands import band_of
from dothi.services.air.model import AIR_QUALITY_OBSERVED
from dothi.services.air.process import day_hours, day_index, hourly_means
from dothi.services.air.stations import city_air
from dothi.services.air.wards import FARTHEST_KM
from dothi.ui.formats import city_zone
from dothi.ui.tables import csv_response

if TYPE_CHECKING:
    from dothi.platform.platform import Platform

MOST_DAYS = 31
_FORMAT = {"name": "format", "in": "query", "schema": {"type": "string", "enum": ["json", "csv"]}}
_DAYS = {"name": "days", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": MOST_DAYS, "default": 7}}
_ANSWER = {"200": {"description": "As format says.", "content": {"application/json": {}, "text/csv": {}}}}
WARDS = {"summary": "VN_AQI of every ward, interpolated", "parameters": [_FORMAT], "responses": _ANSWER}
DAILY = {
    "summary": "Daily VN_AQI of a station, the newest day first",
    "parameters": [_DAYS, _FORMAT],
    "responses": _ANSWER,
}


def wards(request: Request, platform: "Platform") -> Response:
    """VN_AQI of every ward, interpolated; ``?format=csv`` for a table. Codes are those of the General Statistics Office."""
    air = city_air(platform, person_of(request))
    rows = []
    for ward in platform.city.wards:
        value = air.wards[ward.code]
        station = value.nearest
        rows.append(
            {
                "ward": ward.code,
                "name": ward.full_name,
                "airQualityIndex": value.index,
                "airQualityLevel": value.band.key if value.band is not None else None,
                "nearestStation": station.id if station is not None else None,
                "nearestStationKm": None if value.nearest_km is None else round(value.nearest_km, 2),
                "origin": "modelled",
            }
        )
    if _wants_csv(request):
        return _csv("wards", rows)
    error = air.error
    return _json(
        {
            "at": platform.clock.now(),
            "approximate": True,
            "method": words.INTERPOLATION.en,
            "farthestKm": FARTHEST_KM,
            "error": None
            if error is None
            else {
                "meanAbsolute": round(error.interpolated, 2),
                "naiveMeanAbsolute": round(error.naive, 2),
                "places": error.places,
            },
            "wards": rows,
        }
    )


def daily(request: Request, platform: "Platform") -> Response:
    """Daily VN_AQI of a station for the last ``?days=`` finished days (1–31, default 7) of the city's zone, newest first.

    Raises Problem 404 for a station the asker does not know, 400 for other days.
    """
    asker, station = person_of(request), request.path_params["id"]
    entity = platform.context.get(asker, station)
    if entity is None or entity.type != AIR_QUALITY_OBSERVED:
        raise not_found("air quality station", station)
    text = request.query_params.get("days", "7")
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MOST_DAYS:
        raise bad_request("days is not a whole number in range.", f"Ask for 1 to {MOST_DAYS} days.")
    today = platform.clock.now().astimezone(city_zone()).date()
    rows = daily_rows(platform, asker, station, [today - timedelta(days=back) for back in range(1, int(text) + 1)])
    if _wants_csv(request):
        return _csv("daily", [{key: value for key, value in row.items() if key != "exceedances"} for row in rows])
    return _json({"station": station, "method": words.METHOD.en, "timeZone": "Asia/Ho_Chi_Minh", "days": rows})


def daily_rows(platform: "Platform", asker: Person, station: str, days: Sequence[date]) -> list[dict[str, Any]]:
    """One row a day: its VN_AQI, how many hours of PM2.5 it stands on, and what exceeded QCVN 05:2023 by its 24 h mean."""
    spans = {day: day_hours(day, city_zone()) for day in days}
    first = min(hours[0] for hours in spans.values())
    last = max(hours[-1] for hours in spans.values()) + timedelta(hours=1)
    means = hourly_means(platform, asker, [station], first, last)[station]
    rows = []
    for day, hours in spans.items():
        index = day_index(means, hours)
        rows.append(
            {
                "date": day,
                "airQualityIndex": index.value if index is not None else None,
                "airQualityLevel": band_of(index.value).key if index is not None else None,
                "dominantPollutant": index.dominant if index is not None else None,
                "beyondScale": index.beyond_scale if index is not None else None,
                "hoursPm25": sum(hour in means.get("pm25", {}) for hour in hours),
                "hoursPm10": sum(hour in means.get("pm10", {}) for hour in hours),
                "exceedances": _exceedances(means, hours[-1] + timedelta(hours=1), day),
            }
        )
    return rows


def _exceedances(means: dict[str, dict[datetime, float]], end: datetime, day: date) -> list[dict[str, Any]]:
    return [
        {"pollutant": name, "mean": round(verdict.mean, 1), "limit": verdict.limit.value}
        for name, hours in means.items()
        for verdict in qcvn05.judge(name, hours, end, day, only="24h")
        if verdict.mean is not None and verdict.exceeded
    ]


def _wants_csv(request: Request) -> bool:
    return request.query_params.get("format") == "csv"


def _json(content: Any) -> Response:
    return Response(msgspec.json.encode(content), media_type="application/json")


def _csv(name: str, rows: Sequence[dict[str, Any]]) -> Response:
    return csv_response(name, tuple(rows[0]) if rows else (), (tuple(row.values()) for row in rows))
