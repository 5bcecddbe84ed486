"""The next 24 hours as the public page tells them: in four lines, or why it tells nothing."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from dothi.access.policy import Person
from dothi.model.text import Text
from dothi.services.air import forecast_process
from dothi.services.air.bands import band_of
from dothi.services.air.process import believable, index_at, whole_hour
from dothi.services.air.stations import HOUR, Station
from dothi.services.air.vn_aqi import HOURS
from dothi.ui import formats

if TYPE_CHECKING:
    from dothi.platform.forecasts import Forecast
    from dothi.platform.platform import Platform

STRETCH = 6  # hours in a line
_LATE = timedelta(hours=3)
_TITLE = Text("24 giờ tới", "The next 24 hours")
_HIDDEN = {
    "none": Text("chưa có dự báo mới cho trạm gần nhất", "there is no fresh forecast for the nearest station"),
    "few": Text(
        "chưa đủ để so sánh mô hình với dự báo đơn giản",
        "too little is known yet to compare the model with a naive forecast",
    ),
    "loses": Text(
        "mấy ngày nay mô hình không hơn cách đoán đơn giản ở trạm gần nhất",
        "these days the model is no better than a naive guess at the nearest station",
    ),
}


def coming(platform: "Platform", asker: Person, station: Station, language: str) -> dict[str, Any]:
    """``lines`` (hours, range of the index, level, colour, ink) and ``note`` with both errors; without lines the note says
    why nothing is shown. The index is made of PM2.5 alone, of what was measured and what is forecast.
    """
    now = platform.clock.now()
    title = _TITLE.in_language(language)
    found = platform.forecasts.latest(asker, forecast_process.ID, station.id, forecast_process.PM25)
    if found is None or found.method != "model" or now - found.issued_at > _LATE:
        return {"title": title, "lines": [], "note": _hidden("none", language)}
    score = platform.forecasts.score_of(asker, forecast_process.ID, station.id, forecast_process.PM25)
    if score.verdict != "better":
        return {"title": title, "lines": [], "note": _hidden(score.verdict, language)}
    model, naive = (formats.number(value, language, 2) for value in (score.model, score.naive))
    note = (
        f"Modelled: VN_AQI of PM2.5 alone at the nearest station, without gases. Error over the last 7 days ±{model} µg/m³;"
        f" a naive guess ±{naive}."
        if language == "en"
        else f"Mô hình tính: VN_AQI theo PM2.5 ở trạm gần nhất, không kể các khí. Sai số 7 ngày qua ±{model} µg/m³;"
        f" đoán đơn giản ±{naive}."
    )
    return {"title": title, "lines": _lines(index_ahead(platform, asker, found), language), "note": note}


def index_ahead(platform: "Platform", asker: Person, found: "Forecast") -> dict[datetime, int]:
    """The hourly VN_AQI by PM2.5 alone of the hours that are still to come, from measured and forecast hourly means."""
    start = found.issued_at - HOUR * HOURS
    known = platform.history.hourly(asker, [found.entity], found.attribute, start, found.issued_at)
    means = believable("pm25", known.get(found.entity, {})) | {one.at: one.value for one in found.points}
    now = whole_hour(platform.clock.now())
    hours = [one.at for one in found.points if one.at >= now]
    indexes = {hour: index_at({"pm25": means}, hour) for hour in hours}
    return {hour: index.value for hour, index in indexes.items() if index is not None}


def _lines(indexes: dict[datetime, int], language: str) -> list[dict[str, Any]]:
    hours = sorted(indexes)
    lines = []
    for start in range(0, len(hours), STRETCH):
        part = hours[start : start + STRETCH]
        values = [indexes[hour] for hour in part]
        low, high = min(values), max(values)
        band = band_of(high)
        lines.append(
            {
                "hours": f"{formats.hour(part[0])}–{formats.hour(part[-1] + HOUR)}",
                "range": str(high) if low == high else f"{low}–{high}",
                "level": band.name.in_language(language),
                "value": high,
                "colour": band.colour,
                "ink": band.ink,
            }
        )
    return lines


def _hidden(why: str, language: str) -> str:
    reason = _HIDDEN[why].in_language(language)
    return f"Not shown: {reason}." if language == "en" else f"Không hiện dự báo: {reason}."
