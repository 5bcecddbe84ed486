"""Geometry for the map: simplified in metres, written as small, compressed GeoJSON."""

import gzip
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

_METRES_PER_DEGREE = 111_320.0
_DECIMALS = 5  # about a metre


@dataclass(frozen=True, slots=True)
class Plane:
    """A flat picture of the country around one latitude, in metres: good to a percent within a province."""

    latitude: float

    @property
    def _scale(self) -> NDArray[np.float64]:
        return np.array([math.cos(math.radians(self.latitude)) * _METRES_PER_DEGREE, _METRES_PER_DEGREE])

    def metres(self, shapes: Any) -> NDArray[np.object_]:
        """``shapes`` (EPSG:4326) in metres."""
        return np.asarray(shapely.transform(np.asarray(shapes, dtype=object), lambda pairs: pairs * self._scale))

    def degrees(self, shapes: Any) -> NDArray[np.object_]:
        """``shapes`` back in EPSG:4326, rounded for the map; polygons stay valid."""
        turned = shapely.transform(np.asarray(shapes, dtype=object), lambda pairs: np.round(pairs / self._scale, _DECIMALS))
        return np.array([_valid(shape) for shape in np.atleast_1d(turned)], dtype=object)


def _valid(shape: BaseGeometry) -> BaseGeometry:
    """Rounding can make a ring touch itself; whatever polygons remain are the shape."""
    if shape.is_valid or shape.geom_type not in ("Polygon", "MultiPolygon"):
        return shape
    parts = shapely.get_parts(shapely.make_valid(shape))
    return shapely.union_all([part for part in parts if part.geom_type in ("Polygon", "MultiPolygon")])


@dataclass(slots=True)
class Collection:
    """A FeatureCollection in the making. ``about`` becomes its foreign member ``properties`` (RFC 7946, section 6.1)."""

    about: dict[str, Any]
    features: list[dict[str, Any]] = field(default_factory=list)

    def add(self, shapes: Iterable[tuple[BaseGeometry, dict[str, Any]]]) -> "Collection":
        """Adds (shape in EPSG:4326, properties) pairs; empty shapes are passed over."""
        for shape, properties in shapes:
            if not shape.is_empty:
                geometry = msgspec.Raw(shapely.to_geojson(shape).encode())
                self.features.append({"type": "Feature", "properties": properties, "geometry": geometry})
        return self

    def packed(self) -> bytes:
        """The collection as gzip-compressed JSON, the same bytes for the same content; b'' if it holds nothing."""
        if not self.features:
            return b""
        whole = {"type": "FeatureCollection", "properties": self.about, "features": self.features}
        return gzip.compress(msgspec.json.encode(whole), compresslevel=9, mtime=0)
