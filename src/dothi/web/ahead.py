"""What a forecast says in words and in a chart: its band, its recent error, the naive one's beside it, and when it loses."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from dothi.access.policy import Person
from dothi.model.moment import Moment
from dothi.platform.forecasts import ENOUGH, Forecast, Score
from dothi.platform.platform import Platform
from dothi.platform.sector import Chart
from dothi.ui.formats import day, hour, number
from dothi.ui.language import translator

HOUR = timedelta(hours=1)
_HALF = timedelta(minutes=30)  # a mean of an hour is drawn in its middle
_LATE = timedelta(hours=3)


@dataclass(frozen=True, slots=True)
class HourAhead:
    """One row of the table behind a forecast's line."""

    at: Any
    value: str
    band: str
    actual: str


@dataclass(frozen=True, slots=True)
class Ahead:
    """What stands under a chart about the hours to come. ``points`` is what the island draws, None without a forecast;
    ``badge`` is not empty when the model loses, or is no model.
    """

    points: dict[str, Any] | None
    rows: list[HourAhead]
    said: list[str]
    badge: str = ""
    link: str = ""


def ahead(
    platform: Platform, person: Person, language: str, urn: str, chart: Chart, moment: Moment | None = None
) -> Ahead | None:
    """The forecast that was the newest at ``moment`` (now without it), with the error of the week before; None where the
    chart names no process.
    """
    if not chart.forecast:
        return None
    _ = translator(language)
    now = platform.clock.now() if moment is None else moment.at
    found = platform.forecasts.latest(person, chart.forecast, urn, chart.attribute, now)
    if found is None or found.points[-1].at + HOUR <= now:
        return Ahead(None, [], [_("Chưa có dự báo cho lúc này: cần số đo trong 6 giờ gần đây.")])
    score = platform.forecasts.score_of(person, chart.forecast, urn, chart.attribute, until=now)
    said = [issued_words(found, language)]
    if now - found.issued_at > _LATE:
        said.append(_("Dự báo mới hơn chưa có, bản này đã chậm."))
    if found.method != "model":
        said.append(method_words(found.method, language))
    said.append(error_words(score, chart.unit, language))
    badge = ""
    if found.method != "model":
        badge = _("Không phải mô hình")
    elif score.loses:
        badge = _("Mô hình đang thua dự báo đơn giản")
    link = f"/forecasts?process={found.process}&entity={urn}"
    return Ahead(points_of(found, language), rows_of(found, language), said, badge, link)


def points_of(found: Forecast, language: str) -> dict[str, Any]:
    """A forecast as the chart island takes it: seconds, in the middle of each hour."""
    _ = translator(language)
    return {
        "t": [int((point.at + _HALF).timestamp()) for point in found.points],
        "v": [point.value for point in found.points],
        "low": [point.low for point in found.points],
        "high": [point.high for point in found.points],
        "now": int(found.issued_at.timestamp()),
        "word": _("dự báo"),
    }


def rows_of(found: Forecast, language: str) -> list[HourAhead]:
    """A forecast as a table: hour, value, band, what came."""
    return [
        HourAhead(
            point.at,
            number(point.value, language, 1),
            "–"
            if point.low is None or point.high is None
            else f"{number(point.low, language, 1)}–{number(point.high, language, 1)}",
            number(point.actual, language, 1),
        )
        for point in found.points
    ]


def issued_words(found: Forecast, language: str) -> str:
    """When it was issued, and that it was made afterwards if it was."""
    _ = translator(language)
    said = _("Dự báo phát lúc {when}, dải 80 %.").format(when=f"{hour(found.issued_at)} {day(found.issued_at)}")
    if found.hindcast:
        said += " " + _("Tính lại cho quá khứ, chỉ từ số đo có trước lúc đó.")
    return said


def method_words(method: str, language: str) -> str:
    """Why there is no model behind a forecast."""
    _ = translator(language)
    if method == "stuck":
        return _("Cảm biến đứng yên từ 12 giờ, nên chỉ giữ nguyên số đo cuối.")
    return _("Trạm có chưa đủ 24 giờ số đo hoặc thành phố chưa đủ 2 ngày, nên chỉ giữ nguyên số đo cuối.")


def naive_words(score: Score, language: str) -> str:
    """Which naive forecast is the better one."""
    _ = translator(language)
    return _("giữ nguyên số đo cuối") if score.persistence <= score.yesterday else _("lấy cùng giờ hôm qua")


def error_words(score: Score, unit: str, language: str) -> str:
    """The recent error beside the better naive one's, and over how many cases; says so while there are too few."""
    _ = translator(language)
    if score.verdict == "few":
        return _("Chưa đủ để so sánh với dự báo đơn giản: mới có {count} giờ đã biết kết quả, cần {needed}.").format(
            count=number(score.cases, language), needed=number(ENOUGH, language)
        )
    digits = 1 if round(score.model, 1) != round(score.naive, 1) else 2
    said = _("Sai số 7 ngày qua ±{model} {unit}; dự báo đơn giản ({which}) ±{naive}; {count} lần so sánh.").format(
        model=number(score.model, language, digits),
        unit=unit,
        which=naive_words(score, language),
        naive=number(score.naive, language, digits),
        count=number(score.cases, language),
    )
    if score.hindcasts:
        said += " " + _("{count} lần là tính lại cho quá khứ.").format(count=number(score.hindcasts, language))
    return said
