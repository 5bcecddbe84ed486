"""The page of one ward, for its officer outdoors: how it is now, what needs a look, how it was, and whom to ask."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import msgspec
import shapely
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from dothi.access.policy import Person
from dothi.access.routes import person_of
from dothi.devices.registry import DeviceView
from dothi.model.city import City, Ward
from dothi.model.problem import not_found
from dothi.platform.incidents.model import Question
from dothi.platform.platform import Platform
from dothi.platform.sector import Curve, Exceedance, MapPoint, Panel, Sector
from dothi.ui.language import language_of, translator
from dothi.ui.page import render
from dothi.ui.tables import csv_response
from dothi.web import view
from dothi.web.devices import agency_words, link, spoken
from dothi.web.incidents.look import Row, rows_of
from dothi.web.ward_list import feature, former_words, geojson_response

SPANS = {"24h": timedelta(hours=24), "7d": timedelta(days=7), "30d": timedelta(days=30)}
JUDGED = timedelta(days=7)
MOST_DEVICES = 100
_TABLE_ROWS = 24
_WORK = 5
_GREY, _GREY_INK = "#8a98a5", "#000000"


@dataclass(frozen=True, slots=True)
class SectorPart:
    """What one sector says about the ward; ``data`` is the curve for the chart island, ``rows`` its newest values."""

    sector: Sector
    panel: Panel
    curve: Curve | None
    data: str
    rows: list[tuple[datetime, float]]
    exceedances: list[Exceedance]


class WardPages:
    """Serves ``/wards/{code}``, its history as CSV and its ground as GeoJSON."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform

    def page(self, request: Request) -> Response:
        """One ward; a name instead of a code leads to its ward, anything unknown to a page that helps to find it."""
        platform, person, language = self.platform, person_of(request), language_of(request)
        code = request.path_params["code"]
        ward = platform.city.by_code.get(code)
        if ward is None:
            return self._missing(request, code, language)
        span = _span(request)
        devices, total = platform.devices.list(person, ward=ward.code, limit=MOST_DEVICES)
        points = _points(platform, person, language, ward, devices)
        return render(
            request,
            platform,
            "dothi.web:ward.html",
            ward=ward,
            parts=[_part(platform, person, language, one, ward, span) for one in platform.sectors if one.ward is not None],
            span=span,
            spans=_span_words(language),
            judged=JUDGED.days,
            devices=devices,
            total=total,
            quiet=sum(one.state in ("late", "silent", "never") for one in devices),
            work=self._work(person, ward, language),
            load=next((one for one in platform.incidents.load(person) if one.ward == ward.code), None),
            owners=_owners(platform, devices, language),
            map_data=_map_data(platform.city, ward, points),
            map_words=msgspec.json.encode(_map_words(language)).decode(),
            neighbours=_neighbours(platform.city, ward),
            link=partial(link, request),
            **spoken(language),
        )

    def _work(self, person: Person, ward: Ward, language: str) -> list[Row]:
        """What is worked on here, the first to run out first; nothing for who may not see incidents."""
        found = self.platform.incidents.find(person, Question(ward=ward.code, limit=_WORK))
        return rows_of(self.platform, found.incidents, language)

    def history(self, request: Request) -> Response:
        """The ward's curve of one sector (``sector``, ``span``) as CSV, times in UTC. Raises Problem 404."""
        platform, ward = self.platform, self._ward(request)
        asked = request.query_params.get("sector", "")
        sector = next((one for one in platform.sectors if one.id == asked and one.ward is not None), None)
        if sector is None or sector.ward is None or sector.ward.history is None:
            raise not_found("history", asked)
        end = platform.clock.now()
        start = end - SPANS[_span(request)]
        curve = sector.ward.history(platform, person_of(request), language_of(request), ward, start, end)
        rows = ((at.isoformat(), value) for at, value in zip(curve.at, curve.values, strict=True))
        return csv_response(f"{ward.code}-{sector.id}", ("start", curve.title), rows)

    def geojson(self, request: Request) -> Response:
        """The ward's ground and its devices as GeoJSON (RFC 7946). Raises Problem 404."""
        platform, ward = self.platform, self._ward(request)
        devices, _total = platform.devices.list(person_of(request), ward=ward.code, limit=1_000_000)
        ground = feature(shapely.to_geojson(_shape(platform.city, ward)), {"code": ward.code, "name": ward.full_name})
        placed = [one for one in devices if one.longitude is not None and one.latitude is not None]
        features = [
            feature(
                msgspec.json.encode({"type": "Point", "coordinates": [one.longitude, one.latitude]}).decode(),
                {
                    "id": one.id,
                    "name": one.name,
                    "state": one.state,
                    "lastSeen": one.last_seen.isoformat() if one.last_seen else None,
                    "owner": one.owner,
                },
            )
            for one in placed
        ]
        return geojson_response(f"ward-{ward.code}", [ground, *features])

    def _ward(self, request: Request) -> Ward:
        code = request.path_params["code"]
        ward = self.platform.city.by_code.get(code)
        if ward is None:
            raise not_found("ward", code)
        return ward

    def _missing(self, request: Request, code: str, language: str) -> Response:
        city = self.platform.city
        found = city.find(code.replace("-", " ").replace("_", " ")[:80], 12)
        exact = [one for one in found if one.exact and one.former is None]
        if len(exact) == 1:
            return RedirectResponse(f"/wards/{exact[0].ward.code}", 307)
        suggestions = [(one.ward, former_words(one, language)) for one in found]
        return render(
            request, self.platform, "dothi.web:ward-missing.html", status_code=404, code=code[:80], suggestions=suggestions
        )


def _part(platform: Platform, person: Person, language: str, sector: Sector, ward: Ward, span: str) -> SectorPart:
    """What a sector says; a part that fails is left out and logged, the others stay."""
    _ = translator(language)
    told, now = sector.ward, platform.clock.now()
    title = sector.title.in_language(language)
    if told is None:
        return SectorPart(sector, Panel(title, ""), None, "", [], [])
    failed = Panel(title, _("Không tính được lúc này; phần còn lại vẫn dùng được."), badge="–", badge_colour=_GREY)
    panel = view.guarded(partial(told.panel, platform, person, language, ward), failed, f"ward of {sector.id}")
    start, curve, passed = now - SPANS[span], None, list[Exceedance]()
    if told.history is not None:
        empty = Curve(title, "", (), ())
        curve = view.guarded(
            partial(told.history, platform, person, language, ward, start, now), empty, f"ward of {sector.id}"
        )
    if told.exceedances is not None:
        ask = partial(told.exceedances, platform, person, language, ward, now - JUDGED, now)
        passed = view.guarded(ask, [], f"ward of {sector.id}")
    rows = list(zip(curve.at, curve.values, strict=True))[-_TABLE_ROWS:][::-1] if curve else []
    return SectorPart(sector, panel, curve, _chart_data(curve, start, now, language) if curve else "", rows, passed)


def _chart_data(curve: Curve, start: datetime, end: datetime, language: str) -> str:
    data = {
        "t": [int(at.timestamp()) for at in curve.at],
        "v": list(curve.values),
        "from": int(start.timestamp()),
        "to": int(end.timestamp()),
        "unit": curve.unit,
        "title": curve.title,
        "thresholds": curve.thresholds,
        "language": language,
    }
    return embedded(data)


def embedded(data: Any) -> str:
    """JSON for a script element: "<" would end it."""
    return msgspec.json.encode(data).decode().replace("<", "\\u003c")


def _points(platform: Platform, person: Person, language: str, ward: Ward, devices: list[DeviceView]) -> list[MapPoint]:
    """The markers of the ward: what its sectors show there, and devices that no layer shows."""
    layers = view.chosen_layers(platform, None)
    points = [one for layer in layers for one in view.points(platform, person, language, layer) if one.ward == ward.code]
    shown = {one.id for one in points}
    return points + [
        MapPoint(one.entity_id, one.longitude, one.latitude, one.name, "–", _GREY, _GREY_INK, freshness="silent")
        for one in devices
        if one.entity_id not in shown and one.longitude is not None and one.latitude is not None
    ]


def _map_data(city: City, ward: Ward, points: list[MapPoint]) -> str:
    west, south, east, north = (float(edge) for edge in shapely.bounds(_shape(city, ward)))
    return embedded({"points": points, "areas": [], "bounds": [west, south, east, north], "ward": ward.code})


def _shape(city: City, ward: Ward) -> shapely.Geometry:
    return city.shapes[city.wards.index(ward)]


def _neighbours(city: City, ward: Ward) -> list[Ward]:
    """The wards that touch this one, by name."""
    near = shapely.dwithin(_shape(city, ward), list(city.shapes), 0.0005)
    return sorted(
        (one for one, here in zip(city.wards, near, strict=True) if here and one is not ward), key=lambda one: one.name
    )


def _owners(platform: Platform, devices: list[DeviceView], language: str) -> list[tuple[str, int]]:
    """Who owns the devices, the most first; devices nobody owns are counted under an empty name."""
    found: dict[str, int] = {}
    for one in devices:
        name = agency_words(platform, one.owner, language)
        found[name] = found.get(name, 0) + 1
    return sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))


def _span(request: Request) -> str:
    asked = request.query_params.get("span", "")
    return asked if asked in SPANS else next(iter(SPANS))


def _span_words(language: str) -> dict[str, str]:
    _ = translator(language)
    return {"24h": _("24 giờ"), "7d": _("7 ngày"), "30d": _("30 ngày")}


def _map_words(language: str) -> dict[str, str]:
    _ = translator(language)
    return {
        "map": _("Bản đồ"),
        "map_failed": _("Không tải được bản đồ; danh sách vẫn dùng được."),
        "map_fingers": _("Dùng hai ngón tay để di chuyển bản đồ"),
        "map_wheel": _("Giữ Ctrl và cuộn để thu phóng bản đồ"),
        "map_wheel_mac": _("Giữ ⌘ và cuộn để thu phóng bản đồ"),
        "map_preparing": _("Đang chuẩn bị nền bản đồ"),
        "group": _("{count} trạm, cao nhất {label}"),
        "late": _("chậm cập nhật"),
        "silent": _("mất tín hiệu"),
    }
