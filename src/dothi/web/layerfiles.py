"""What the map and its time bar show, as files for other programs: a layer as GeoJSON or CSV, its hours as CSV."""

from collections.abc import Iterator
from typing import Any

import msgspec
import shapely
from starlette.requests import Request
from starlette.responses import Response

from dothi.access.routes import person_of
from dothi.model.problem import not_found
from dothi.platform.platform import Platform
from dothi.platform.sector import MapLayer, MapPoint
from dothi.ui.language import language_of
from dothi.ui.moments import moment_of
from dothi.ui.tables import csv_response
from dothi.web import moments, view


class LayerFiles:
    """Serves ``/map/layers/{layer}.geojson``, ``.csv`` and ``/map/hours/{layer}.csv``; each takes ``at`` and ``known``."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform

    def geojson(self, request: Request) -> Response:
        """Points and ward fills as a FeatureCollection (RFC 7946, EPSG:4326). Raises Problem 404, 400 for a wrong moment."""
        layer = self._layer(request)
        body = msgspec.json.encode({"type": "FeatureCollection", "features": list(self._features(request, layer))})
        headers = {"content-disposition": f'attachment; filename="{layer.id}.geojson"', "cache-control": "no-store"}
        return Response(body, headers=headers, media_type="application/geo+json")

    def table(self, request: Request) -> Response:
        """The points as a table, in the map's own words. Raises Problem 404, 400 for a wrong moment."""
        layer = self._layer(request)
        head = ("id", "title", "value", "detail", "ward", "freshness", "doubt", "longitude", "latitude")
        rows = (
            (one.id, one.title, one.label, one.detail, one.ward, one.freshness, one.doubt, one.longitude, one.latitude)
            for one in self._points(request, layer)
        )
        return csv_response(layer.id, head, rows)

    def hours(self, request: Request) -> Response:
        """The hours of the time bar's window (``span``) as a table. Raises Problem 404, 400 for a wrong moment."""
        layer, moment = self._layer(request), moment_of(request, self.platform)
        count = moments.SPANS.get(request.query_params.get("span", ""), 24)
        cells = view.hours(self.platform, person_of(request), language_of(request), [layer], moment, count)
        rows = ((cell.at.isoformat(), cell.label, cell.detail) for cell in cells)
        return csv_response(f"{layer.id}-hours", ("at", "value", "detail"), rows)

    def _layer(self, request: Request) -> MapLayer:
        layer = view.layers(self.platform).get(request.path_params["layer"])
        if layer is None:
            raise not_found("layer", request.path_params["layer"])
        return layer

    def _points(self, request: Request, layer: MapLayer) -> list[MapPoint]:
        moment = moment_of(request, self.platform)
        return view.points(self.platform, person_of(request), language_of(request), layer, None, moment)

    def _features(self, request: Request, layer: MapLayer) -> Iterator[dict[str, Any]]:
        for one in self._points(request, layer):
            told = {"title": one.title, "value": one.label, "detail": one.detail, "ward": one.ward}
            told |= {"freshness": one.freshness, "doubt": one.doubt, "colour": one.colour}
            place = {"type": "Point", "coordinates": [one.longitude, one.latitude]}
            yield {"type": "Feature", "id": one.id, "geometry": place, "properties": told}
        moment = moment_of(request, self.platform)
        city = self.platform.city
        shapes = {ward.code: shape for ward, shape in zip(city.wards, city.shapes, strict=True)}
        for area in view.areas(self.platform, person_of(request), language_of(request), layer, moment):
            ward = city.by_code.get(area.ward)
            if ward is not None:
                told = {"title": ward.full_name, "value": area.label, "detail": area.detail, "ward": area.ward}
                shape = msgspec.json.decode(shapely.to_geojson(shapes[area.ward]))
                yield {
                    "type": "Feature",
                    "id": f"ward-{area.ward}",
                    "geometry": shape,
                    "properties": told | {"colour": area.colour},
                }
