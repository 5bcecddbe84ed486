"""The list of wards: how each one is, what stands in it, and whether that is heard."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec
import shapely
from starlette.requests import Request
from starlette.responses import Response

from dothi.access.policy import Person, may
from dothi.access.routes import person_of
from dothi.model.city import Found, Ward
from dothi.model.text import fold
from dothi.platform.incidents.model import Load
from dothi.platform.platform import Platform
from dothi.platform.sector import MapArea, MapLayer
from dothi.ui.language import language_of, translator
from dothi.ui.page import render
from dothi.ui.tables import csv_response
from dothi.ui.ward_picture import WIDTH, CityPicture, draw
from dothi.web import view, words
from dothi.web.devices import link

SORTS = ("value", "name", "devices", "late", "work")
_HEARD = ("live", "late", "silent", "never")


@dataclass(frozen=True, slots=True)
class WardRow:
    """One ward of the list. ``area`` is its value of the first layer that has one; ``former`` says why it was found;
    ``load`` what it has to do, None if nothing or untold.
    """

    ward: Ward
    area: MapArea | None
    counts: dict[str, int]
    former: str = ""
    load: Load | None = None

    @property
    def devices(self) -> int:
        """How many devices stand in it, refused ones left out."""
        return sum(self.counts.get(state, 0) for state in _HEARD)


class Wards:
    """Serves ``/wards`` and the same as CSV and GeoJSON. The address holds the search ``q`` and the order ``sort``."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self._picture: CityPicture | None = None

    def page(self, request: Request) -> Response:
        """The list with its picture; complete without a script."""
        platform, language = self.platform, language_of(request)
        layer, rows = self._rows(request)
        if self._picture is None:
            self._picture = draw(platform.city)
        return render(
            request,
            platform,
            "dothi.web:wards.html",
            q=_asked(request),
            sort=_sort(request),
            layer=layer,
            rows=rows,
            total=len(platform.city.wards),
            shown={row.ward.code: row for row in rows},
            picture=self._picture,
            width=WIDTH,
            link=partial(link, request),
            state_words=partial(words.state_words, language=language),
            late=sum(row.counts.get("late", 0) + row.counts.get("silent", 0) for row in rows),
        )

    def table(self, request: Request) -> Response:
        """The list as it is filtered and sorted, as CSV; codes are those of the General Statistics Office. Devices are
        counted only for who may see any: nothing said is not none."""
        layer, rows = self._rows(request)
        told = may(person_of(request), "device.read")
        works = may(person_of(request), "incident.read")
        value = layer.id if layer else "value"
        head = ("code", "name", "kind", value, "basis", "openIncidents", "overdueIncidents", *_HEARD)
        body = (
            (
                row.ward.code,
                row.ward.name,
                row.ward.kind,
                row.area.label if row.area else None,
                row.area.detail if row.area else None,
                (row.load.open if row.load else 0) if works else None,
                (row.load.overdue if row.load else 0) if works else None,
                *(row.counts.get(state, 0) if told else None for state in _HEARD),
            )
            for row in rows
        )
        return csv_response("wards", head, body)

    def geojson(self, request: Request) -> Response:
        """The same with the wards' ground: GeoJSON (RFC 7946), as a download."""
        layer, rows = self._rows(request)
        told = may(person_of(request), "device.read")
        shapes = {ward.code: shape for ward, shape in zip(self.platform.city.wards, self.platform.city.shapes, strict=True)}
        features = [
            feature(
                shapely.to_geojson(shapes[row.ward.code]),
                {
                    "code": row.ward.code,
                    "name": row.ward.full_name,
                    layer.id if layer else "value": row.area.label if row.area else None,
                    "basis": row.area.detail if row.area else None,
                    **{state: row.counts.get(state, 0) if told else None for state in _HEARD},
                },
            )
            for row in rows
        ]
        return geojson_response("wards", features)

    def _rows(self, request: Request) -> tuple[MapLayer | None, list[WardRow]]:
        platform, person, language = self.platform, person_of(request), language_of(request)
        layer, areas = ward_values(platform, person, language)
        counts = platform.devices.tally(person, lambda one: one.ward)
        works = may(person, "incident.read")
        loads = {one.ward: one for one in platform.incidents.load(person) if one.ward} if works else {}
        asked = _asked(request)
        found = platform.city.find(asked, len(platform.city.wards)) if asked else [Found(one) for one in platform.city.wards]
        rows = [
            WardRow(
                one.ward,
                areas.get(one.ward.code),
                {str(state): count for state, count in counts.get(one.ward.code, {}).items()},
                former_words(one, language),
                loads.get(one.ward.code),
            )
            for one in found
        ]
        return layer, rows if asked and "sort" not in request.query_params else sorted(rows, key=_order(_sort(request)))


def ward_values(platform: Platform, person: Person, language: str) -> tuple[MapLayer | None, dict[str, MapArea]]:
    """The first layer that gives wards a value, and those values by ward code."""
    for layer in view.chosen_layers(platform, None):
        if layer.areas is not None:
            return layer, {area.ward: area for area in view.areas(platform, person, language, layer)}
    return None, {}


def former_words(found: Found, language: str) -> str:
    """What the name that was typed has become, where it was a former commune's."""
    _ = translator(language)
    if found.former is None:
        return ""
    said = _("{former} cũ") if found.whole else _("một phần {former} cũ")
    return said.format(former=found.former)


def feature(geometry: str, properties: dict[str, Any]) -> dict[str, Any]:
    """A GeoJSON feature around an encoded geometry."""
    return {"type": "Feature", "geometry": msgspec.Raw(geometry.encode()), "properties": properties}


def geojson_response(name: str, features: Sequence[dict[str, Any]]) -> Response:
    """A download called ``name``.geojson."""
    body = msgspec.json.encode({"type": "FeatureCollection", "features": features})
    headers = {"content-disposition": f'attachment; filename="{name}.geojson"', "cache-control": "no-store"}
    return Response(body, media_type="application/geo+json", headers=headers)


def _asked(request: Request) -> str:
    return request.query_params.get("q", "").strip()[:80]


def _sort(request: Request) -> str:
    asked = request.query_params.get("sort", "")
    return asked if asked in SORTS else SORTS[0]


def _order(sort: str) -> Any:
    def key(row: WardRow) -> tuple[float, float, str]:
        name = fold(row.ward.name)
        if sort == "devices":
            return -row.devices, 0, name
        if sort == "late":
            return -row.counts.get("silent", 0), -row.counts.get("late", 0), name
        if sort == "work":
            return (-row.load.overdue, -row.load.open, name) if row.load else (1, 0, name)
        return (0, 0, name) if sort == "name" else (-row.area.rank if row.area else 1, 0, name)

    return key
