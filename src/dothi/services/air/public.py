"""What the public air page says, worked out before any template sees it: the same words for a phone and a screen reader."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from dothi.access.policy import Person
from dothi.model.city import Ward
from dothi.model.entity import Entity
from dothi.model.moment import Moment
from dothi.model.text import Text
from dothi.services.air import view, words
from dothi.services.air.bands import GREY, GREY_INK, Band, band_of
from dothi.services.air.model import INDEX, PROVIDER
from dothi.services.air.process import whole_hour
from dothi.services.air.stations import HOUR, CityAir, Station, WardAir, seen_at
from dothi.services.air.wards import FARTHEST_KM, distances_km
from dothi.ui import formats

if TYPE_CHECKING:
    from dothi.platform.platform import Platform

BARS = 12
_BAR_STEP, _BAR_HEIGHT = 100 / BARS, 52  # % of the width, pixels
BAR_WIDTH = 6.6  # % of the width
PHRASES = {
    "heading": words.TITLE,
    "title": Text("Không khí quanh bạn", "The air around you"),
    "find": Text("Tìm phường, xã của bạn", "Your ward or commune"),
    "show": Text("Xem", "Show"),
    "which": Text("Bạn muốn xem nơi nào?", "Which one do you mean?"),
    "unknown": Text(
        "Không có phường, xã nào tên như vậy trong thành phố. Bạn thử gõ một phần tên, không cần dấu.",
        "No ward or commune of this city has such a name. Try a part of the name; accents do not matter.",
    ),
    "empty": Text("Chưa có trạm quan trắc không khí nào", "No air quality station yet"),
    "empty_how": Text(
        "Trang này sẽ cho bạn biết chất lượng không khí nơi bạn ở khi thành phố có trạm gửi số đo.",
        "This page will tell the air quality where you are once the city has stations that send readings.",
    ),
    "ranks": Text("Nơi nào tốt, nơi nào xấu", "Where it is good, where it is bad"),
    "best": Text("Tốt nhất lúc này", "Best now"),
    "worst": Text("Xấu nhất lúc này", "Worst now"),
    "to_now": Text("Về bây giờ", "Back to now"),
    "all": Text("Tất cả, từ tốt nhất đến xấu nhất", "All, from best to worst"),
    "past": Text("12 giờ qua ở trạm gần nhất", "The last 12 hours at the nearest station"),
    "past_city": Text("12 giờ qua, trung vị các trạm", "The last 12 hours, median of the stations"),
    "table": Text("Xem dạng bảng, tải CSV", "See as tables, download CSV"),
    "method": Text("Cách tính và nguồn", "Method and source"),
    "table_title": Text("Không khí theo phường, xã và trạm", "The air by ward, commune and station"),
    "back": Text("Về trang không khí quanh bạn", "Back to the air around you"),
    "csv": Text("Tải CSV", "Download CSV"),
    "by_ward": Text("Theo phường, xã", "By ward and commune"),
    "by_station": Text("Theo trạm", "By station"),
}
WARD_HEADS = (
    Text("Phường, xã", "Ward or commune"),
    Text("VN_AQI", "VN_AQI"),
    Text("Mức", "Level"),
    Text("Trạm gần nhất", "Nearest station"),
)
STATION_HEADS = (
    Text("Trạm", "Station"),
    Text("VN_AQI", "VN_AQI"),
    Text("Mức", "Level"),
    Text("Cập nhật", "State"),
)


def phrases(language: str) -> dict[str, Any]:
    """The fixed words of both pages in one language."""
    said: dict[str, Any] = {key: text.in_language(language) for key, text in PHRASES.items()}
    said["ward_heads"] = [text.in_language(language) for text in WARD_HEADS]
    said["station_heads"] = [text.in_language(language) for text in STATION_HEADS]
    return said


def basis(air: CityAir, language: str) -> dict[str, str]:
    """Method, approximation with its present error, in words."""
    return {
        "method": words.METHOD.in_language(language),
        "interpolation": words.INTERPOLATION.in_language(language),
        "error": words.error_words(air.error, language),
    }


def seen_words(moment: Moment, language: str) -> str:
    """Which past moment a page shows: 'Đang xem lúc 14:00 20/05/2026, như biết bây giờ'."""
    at = formats.daytime(moment.at, language)
    if language == "en":
        return f"This is how it was at {at}, as known {moment.known}"
    return f"Đang xem lúc {at}, như biết {'bây giờ' if moment.known == 'now' else 'lúc đó'}"


def hero(air: CityAir, place: Ward | None, title: str, now: datetime, language: str) -> dict[str, Any]:
    """The answer itself: figure, colour, level, advice, and a note on how it was made or why there is none."""
    english = language == "en"
    if place is None:
        middle = air.median
        note = (
            f"Median of {len(air.current)} stations. Choose your ward or commune for the air near you."
            if english
            else f"Trung vị của {len(air.current)} trạm. Bạn chọn phường, xã để xem nơi mình ở."
        )
        if middle is not None:
            return _answer(middle, band_of(middle), title, note, language)
        return _no_answer(title, _newest(air.stations), now, language)
    ward = air.wards[place.code]
    if ward.index is not None and ward.band is not None:
        return _answer(ward.index, ward.band, title, _made(ward, language), language)
    if ward.nearest_km is not None:
        far = words.kilometres(ward.nearest_km, language)
        note = (
            f"The nearest station is {far} away, farther than {FARTHEST_KM:.0f} km: too far to speak for this place."
            if english
            else f"Trạm gần nhất cách {far}, xa hơn {FARTHEST_KM:.0f} km nên không đủ căn cứ cho nơi này."
        )
        return _blank("–", title, "No value for this place" if english else "Chưa có số liệu cho nơi này", note)
    return _no_answer(title, nearest(air.stations, place), now, language)


def nearest(stations: Sequence[Station], place: Ward) -> Station | None:
    """The station nearest to a ward's centre, fresh or not."""
    if not stations:
        return None
    where = np.array([(one.longitude, one.latitude) for one in stations])
    return stations[int(np.argmin(distances_km(np.array([[place.longitude, place.latitude]]), where)[0]))]


def bars(values: Mapping[datetime, float], end: datetime, language: str) -> list[dict[str, Any]]:
    """The last twelve finished hours before ``end`` as bars, oldest first; no height: no value.

    ``left`` and ``middle`` are percentages of the drawing's width, ``height`` is in pixels.
    """
    top = max([50.0, *values.values()])
    drawn = []
    for place in range(BARS):
        hour = end - HOUR * (BARS - place)
        span = words.hour_span(hour, language)
        middle = (place + 0.5) * _BAR_STEP
        bar: dict[str, Any] = {
            "left": round(middle - BAR_WIDTH / 2, 2),
            "middle": round(middle, 2),
            "hour": formats.hour(hour + HOUR),
            "height": 0,
        }
        if hour in values:
            value = int(values[hour] + 0.5)
            band = band_of(value)
            bar["height"] = max(4, round(min(value, top) / top * _BAR_HEIGHT))
            bar |= {"colour": band.colour, "label": value, "said": f"{span}: {value} · {band.name.in_language(language)}"}
        else:
            bar["said"] = f"{span}: –"
        drawn.append(bar)
    return drawn


def past(
    platform: "Platform", asker: Person, stations: Sequence[Station], moment: Moment | None = None
) -> dict[datetime, float]:
    """The median VN_AQI of these stations for each of the last twelve finished hours, of now or of ``moment``, with one."""
    end = whole_hour(seen_at(platform, moment))
    heard_by = None if moment is None else moment.heard_by
    ids = [one.id for one in stations]
    found = platform.history.hourly(asker, ids, INDEX, end - HOUR * BARS, end, heard_by=heard_by)
    hours = (end - HOUR * back for back in range(1, BARS + 1))
    series = {hour: [one[hour] for one in found.values() if hour in one] for hour in hours}
    return {hour: median(values) for hour, values in series.items() if values}


def near(platform: "Platform", asker: Person, station: Station, place: Ward, language: str) -> dict[str, Any] | None:
    """The nearest station: how far, where, how fresh, and every parameter it gives."""
    entity = platform.context.get(asker, station.id)
    if entity is None:
        return None
    away = float(
        distances_km(np.array([[place.longitude, place.latitude]]), np.array([[station.longitude, station.latitude]]))[0, 0]
    )
    distance = words.kilometres(away, language)
    about = [
        f"{distance} from its middle" if language == "en" else f"Cách trung tâm phường, xã {distance}",
        words.age_words(station, platform.clock.now(), language),
        words.coordinates(station.longitude, station.latitude, language),
    ]
    if station.index is not None:
        about.insert(1, words.index_words(station, language))
    if station.dominant:
        about.insert(2, f"{'mainly' if language == 'en' else 'chủ yếu do'} {words.pollutant(station.dominant)}")
    rows, common = _rows(entity, language)
    title = f"Nearest station: {station.name}" if language == "en" else f"Trạm gần nhất: {station.name}"
    provider = entity.first(PROVIDER)
    return {
        "title": title,
        "about": " · ".join(about),
        "rows": rows,
        "common": common,
        "provider": str(provider.value) if provider is not None else None,
    }


def _rows(entity: Entity, language: str) -> tuple[list[tuple[str, str]], str]:
    """Every parameter as a row; what most of them share (time and origin) is said once, not in each."""
    listed = view.parameters(entity)
    whens = [view.when_words(value, language) for _, value in listed]
    common = max(whens, key=whens.count, default="")
    rows = []
    for (kind, value), when in zip(listed, whens, strict=True):
        said = [view.value_words(kind, value, language), "" if when == common else when, view.doubt_words(value, language)]
        rows.append((kind.title.in_language(language), " · ".join(one for one in said if one)))
    lead = "Readings of" if language == "en" else "Số đo lúc"
    return rows, f"{lead} {common}" if common else ""


def ranks(air: CityAir, wards: Sequence[Ward], language: str) -> list[dict[str, Any]]:
    """The wards that have a value, the best first."""
    listed = []
    for ward in wards:
        value = air.wards[ward.code]
        if value.index is not None and value.band is not None:
            listed.append(
                {
                    "code": ward.code,
                    "name": ward.full_name,
                    "index": value.index,
                    "level": value.band.name.in_language(language),
                    "colour": value.band.colour,
                    "ink": value.band.ink,
                }
            )
    return sorted(listed, key=lambda one: (one["index"], one["name"]))


def city_source(platform: "Platform", asker: Person, air: CityAir) -> str | None:
    """Who provides the readings, as the station says that speaks for the whole city: the newest heard."""
    newest = _newest(air.stations)
    entity = platform.context.get(asker, newest.id) if newest is not None else None
    provider = entity.first(PROVIDER) if entity is not None else None
    return str(provider.value) if provider is not None else None


def bars_title(station: Station | None, language: str) -> str:
    """Whose hours the bars are."""
    return PHRASES["past_city" if station is None else "past"].in_language(language)


def bars_words(station: Station | None, drawn: Sequence[Mapping[str, Any]], language: str) -> str:
    """The bars read aloud: whose they are, then each hour."""
    return f"{bars_title(station, language)}. " + "; ".join(str(bar["said"]) for bar in drawn)


def source_words(provider: str | None, language: str) -> str:
    """Where the readings come from."""
    if provider is None:
        return "Source: the stations of this city." if language == "en" else "Nguồn: các trạm của thành phố."
    return f"{'Source' if language == 'en' else 'Nguồn'}: {provider}."


def _answer(value: int, band: Band, title: str, note: str, language: str) -> dict[str, Any]:
    name = band.name.in_language(language)
    return {
        "figure": value,
        "colour": band.colour,
        "ink": band.ink,
        "said": f"VN_AQI {value}, {name}",
        "place": title,
        "title": f"Air: {name.lower()}" if language == "en" else f"Không khí: {name.lower()}",
        "advice": (band.everyone.in_language(language), band.sensitive.in_language(language)),
        "note": note,
    }


def _made(ward: WardAir, language: str) -> str:
    """How a ward's value came to be: the hour it speaks for, what dominates at the nearest station, how far that is."""
    said = _sentence(view.distance_words(ward.nearest_km or 0.0, language))
    station = ward.nearest
    if station is None or station.hour is None:
        return said
    hour = words.hour_span(station.hour, language)
    mainly = words.pollutant(station.dominant)
    if language == "en":
        return f"VN_AQI of {hour}, mainly {mainly}. {said}"
    return f"VN_AQI của giờ {hour}, chủ yếu do {mainly}. {said}"


def _no_answer(title: str, last: Station | None, now: datetime, language: str) -> dict[str, Any]:
    """Nothing fresh: the last known figure, greyed, and since when."""
    waiting = "Waiting for fresh readings" if language == "en" else "Đang chờ số đo mới"
    if last is None or last.index is None:
        return _blank("–", title, waiting, _sentence(words.NO_INDEX.in_language(language)))
    said = f"{last.name}: {words.index_words(last, language)}, {words.age_words(last, now, language)}."
    return _blank(str(last.index), title, waiting, said)


def _blank(figure: str, title: str, headline: str, note: str) -> dict[str, Any]:
    return {
        "figure": figure,
        "colour": GREY,
        "ink": GREY_INK,
        "said": headline,
        "place": title,
        "title": headline,
        "advice": (),
        "note": note,
    }


def _newest(stations: Sequence[Station]) -> Station | None:
    known = [(one.heard, one) for one in stations if one.heard is not None]
    return max(known, key=lambda pair: pair[0])[1] if known else None


def _sentence(said: str) -> str:
    return said[:1].upper() + said[1:] + "."
