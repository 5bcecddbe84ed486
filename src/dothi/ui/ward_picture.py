"""The city's wards as a small drawing: plain SVG, so that a list of 126 wards has its map without a script."""

from dataclasses import dataclass
from math import cos, radians

import numpy as np
import shapely

from dothi.model.city import City

WIDTH = 640
_FINEST = 0.6  # an edge keeps what is larger than this part of a unit


@dataclass(frozen=True, slots=True)
class WardShape:
    """One ward as an SVG path."""

    code: str
    name: str
    path: str


@dataclass(frozen=True, slots=True)
class CityPicture:
    """All wards in the units of an SVG ``WIDTH`` wide and ``height`` high; north is up, distances true in the middle.

    ``west`` and ``north`` are its upper left corner (EPSG:4326), ``per_longitude`` and ``per_latitude`` units of a degree.
    """

    height: int
    shapes: tuple[WardShape, ...]
    west: float
    north: float
    per_longitude: float
    per_latitude: float

    def at(self, longitude: float, latitude: float) -> tuple[float, float]:
        """Where a point (EPSG:4326) lies in the drawing."""
        return (longitude - self.west) * self.per_longitude, (self.north - latitude) * self.per_latitude


def draw(city: City) -> CityPicture:
    """The picture of a city; takes about a tenth of a second, so keep it."""
    west, south, east, north = city.bounds
    narrow = cos(radians((south + north) / 2))
    scale = WIDTH / ((east - west) * narrow)
    simple = shapely.coverage_simplify(np.array(city.shapes, dtype=object), _FINEST / scale)
    shapes = []
    for ward, shape in zip(city.wards, simple, strict=True):
        rings = []
        for polygon in shapely.get_parts(shape):
            for ring in (polygon.exterior, *polygon.interiors):
                points = np.round((np.asarray(ring.coords)[:, :2] - (west, north)) * (scale * narrow, -scale), 1)
                rings.append("M" + "L".join(f"{x:g} {y:g}" for x, y in points[:-1]) + "Z")
        shapes.append(WardShape(ward.code, ward.full_name, "".join(rings)))
    return CityPicture(round((north - south) * scale), tuple(shapes), west, north, scale * narrow, scale)
