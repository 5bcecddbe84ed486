"""A small map of one place as plain SVG: streets, water and the ward's edge around it, for a phone without a line."""

import gzip
from dataclasses import dataclass
from math import cos, radians

import numpy as np
import shapely

from dothi.model.ground import METRES_OF_DEGREE
from dothi.platform.platform import BaseLayers, Platform

WIDTH, HEIGHT = 360, 132
_ACROSS = 1_600.0  # metres that the picture is wide
_LAYERS = ("water", "roads-minor", "roads-main")


@dataclass(frozen=True, slots=True)
class PlacePicture:
    """Paths in units of ``WIDTH`` by ``HEIGHT``, the place in the middle; ``bounds`` are west, south, east, north (°).

    ``areas`` are water, ``lines`` (class, path) the rest, the widest last.
    """

    areas: str
    lines: tuple[tuple[str, str], ...]
    bounds: tuple[float, float, float, float]


class Ground:
    """Draws places of a city. Its streets are read once, when the first place is asked for, off the event loop."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self._kept: tuple[BaseLayers, dict[str, shapely.STRtree]] | None = None

    def picture(self, longitude: float, latitude: float) -> PlacePicture:
        """The surroundings of a point (EPSG:4326)."""
        narrow = cos(radians(latitude))
        east = _ACROSS / 2 / METRES_OF_DEGREE / narrow
        north = _ACROSS / 2 / METRES_OF_DEGREE * HEIGHT / WIDTH
        bounds = (longitude - east, latitude - north, longitude + east, latitude + north)
        scale = (WIDTH / (2 * east), -HEIGHT / (2 * north))
        frame = shapely.box(*bounds)
        found: dict[str, str] = {}
        areas = ""
        for name, tree in self._streets().items():
            near = tree.geometries.take(tree.query(frame))
            parts = shapely.get_parts(shapely.intersection(near, frame))
            kinds = shapely.get_type_id(parts)
            areas += "".join(_path(one, bounds, scale, closed=True) for one in parts[kinds == shapely.GeometryType.POLYGON])
            lines = parts[kinds == shapely.GeometryType.LINESTRING]
            found[name] = "".join(_path(one, bounds, scale) for one in lines)
        city = self.platform.city
        edges = [shape.boundary for shape in city.shapes if shapely.intersects(shape, frame)]
        cut = shapely.get_parts(shapely.intersection(np.array(edges, dtype=object), frame)) if edges else []
        found["edge"] = "".join(_path(one, bounds, scale) for one in cut if one.geom_type == "LineString")
        return PlacePicture(areas, tuple((name, path) for name, path in found.items() if path), bounds)

    def _streets(self) -> dict[str, shapely.STRtree]:
        ground = self.platform.basemap
        if ground is None:
            return {}
        if self._kept is None or self._kept[0] is not ground:
            self._kept = ground, {name: _tree(ground.layer(name)) for name in _LAYERS}
        return self._kept[1]


def _tree(packed: bytes | None) -> shapely.STRtree:
    if packed is None:
        return shapely.STRtree([])
    collection = shapely.from_geojson(gzip.decompress(packed))
    return shapely.STRtree(shapely.get_parts(collection))


def _path(
    one: shapely.Geometry, bounds: tuple[float, float, float, float], scale: tuple[float, float], *, closed: bool = False
) -> str:
    ring = shapely.get_exterior_ring(one) if closed else one
    points = np.round((shapely.get_coordinates(ring) - (bounds[0], bounds[3])) * scale, 1)
    if len(points) < 2:  # what only touches the frame
        return ""
    return "M" + "L".join(f"{x:g} {y:g}" for x, y in points) + ("Z" if closed else "")
