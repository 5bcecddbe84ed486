"""Where a thing lies to another: the relations of the geo-query language, on GeoJSON, with distances on the ground."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry
from shapely.ops import nearest_points

from dothi.data.shape import Box, box_around
from dothi.model.entity import LOCATION, Entity
from dothi.model.ground import EARTH_RADIUS
from dothi.model.problem import bad_request

Relation = Literal["near", "within", "contains", "intersects", "equals", "disjoint", "overlaps"]
MOST_POSITIONS = 10_000
MOST_MEASURED = 1_000
"""How many positions a geometry may have that entities are compared with, or that they are measured from."""
_STEP = 0.25  # degrees: GeoJSON's lines are straight in degrees (RFC 7946), so long ones are cut before they are laid flat


@dataclass(frozen=True, slots=True)
class GeoQuery:
    """What a GeoProperty of an entity must be to ``geometry`` (ETSI GS CIM 009 v1.8.1, clause 4.10), EPSG:4326.

    ``near`` has ``most`` or ``least``, metres on the ground between the nearest points. ``attribute`` is an IRI. The other
    relations are those of OGC Simple Features: the entity is within the geometry, contains it, and so on.
    """

    relation: Relation
    geometry: BaseGeometry
    attribute: str = LOCATION
    most: float | None = None
    least: float | None = None

    @property
    def box(self) -> Box | None:
        """Whatever meets the query touches this box; None if what meets it may lie anywhere."""
        if self.relation == "disjoint" or (self.relation == "near" and self.most is None):
            return None
        west, south, east, north = (float(side) for side in self.geometry.bounds)
        if self.most is None:
            return west, south, east, north
        # A circle is widest, in degrees, on the side nearer to the pole.
        boxes = [box_around(x, y, self.most) for x, y in ((west, south), (east, south), (west, north), (east, north))]
        return min(b[0] for b in boxes), min(b[1] for b in boxes), max(b[2] for b in boxes), max(b[3] for b in boxes)

    def met_by(self, value: Any) -> bool:
        """True if ``value`` (GeoJSON) stands in that relation; what is no geometry never does."""
        return self.met_by_geometry(geometry_of(value))

    def met_by_one_of(self, entity: Entity) -> bool:
        """True if one of the instances that ``entity`` has of the GeoProperty stands in that relation."""
        return any(self.met_by(one.value) for one in entity.attributes.get(self.attribute, ()))

    def met_by_geometry(self, other: BaseGeometry | None) -> bool:
        """``met_by`` for what was read already."""
        if other is None or other.is_empty:
            return False
        if self.relation == "near":
            if isinstance(other, shapely.Point):
                return bool(self.met_by_points(np.array([other.x]), np.array([other.y]))[0])
            away = ground_distance(self.geometry, other)
            return (self.most is None or away <= self.most) and (self.least is None or away >= self.least)
        return bool(getattr(other, self.relation)(self.geometry))

    def met_by_points(self, longitudes: NDArray[np.float64], latitudes: NDArray[np.float64]) -> NDArray[np.bool_]:
        """``met_by`` for many points at once."""
        if self.relation == "near":
            away = _metres_from(self.geometry, longitudes, latitudes)
            met = np.ones(len(away), np.bool_)
            if self.most is not None:
                met &= away <= self.most
            if self.least is not None:
                met &= away >= self.least
            return met
        points = shapely.points(longitudes, latitudes)
        shapely.prepare(self.geometry)
        if self.relation == "within":  # prepared geometries are asked from their own side
            return np.asarray(shapely.contains(self.geometry, points), np.bool_)
        if self.relation in ("intersects", "disjoint"):
            return np.asarray(getattr(shapely, self.relation)(self.geometry, points), np.bool_)
        return np.asarray(getattr(shapely, self.relation)(points, self.geometry), np.bool_)


def geometry_of(value: Any) -> BaseGeometry | None:
    """The geometry that GeoJSON ``value`` says, mended if it crosses itself; None for anything else."""
    if not isinstance(value, Mapping):
        return None
    try:
        found = shape(dict(value))
        if not found.is_valid:
            found = shapely.make_valid(found)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, shapely.errors.ShapelyError):
        return None
    return found if all(map(math.isfinite, found.bounds)) else None


def reference(value: Mapping[str, Any], most: int) -> BaseGeometry:
    """The geometry of a query, of GeoJSON.

    Raises Problem 400 for what is none, lies nowhere on the earth or has more than ``most`` positions.
    """
    found = geometry_of(value)
    if found is None or found.is_empty:
        raise bad_request("The geometry of this geo-query cannot be read.", "Give type and coordinates as GeoJSON does.")
    west, south, east, north = found.bounds
    if shapely.get_num_coordinates(found) > most:
        raise bad_request(f"The geometry of this geo-query may have {most} positions.", "Simplify it.")
    if not (-180 <= west <= east <= 180 and -90 <= south <= north <= 90):
        raise bad_request("These coordinates are not on Earth.", "Longitude first (−180 to 180), then latitude (−90 to 90).")
    return found


def ground_distance(one: BaseGeometry, other: BaseGeometry) -> float:
    """Great-circle metres between the nearest points of two geometries."""
    for extended, point in ((one, other), (other, one)):
        if isinstance(point, shapely.Point):
            return float(_metres_from(extended, np.array([point.x]), np.array([point.y]))[0])
    if one.intersects(other):
        return 0.0
    # Seen from a point of one of them distances are true on an azimuthal equidistant map. The point is the one of the
    # second that is nearest on a map around the one before: exact near by, where it matters.
    middle, away = other.representative_point(), math.inf
    for _ in range(3):
        here, there = (
            shapely.transform(_fine(each), lambda at, x=middle.x, y=middle.y: _flat(at, x, y)) for each in (one, other)
        )
        away = float(here.distance(there))
        near = nearest_points(there, here)[0]
        middle = shapely.Point(*_round(near.x, near.y, middle.x, middle.y))
    return away


def _metres_from(
    geometry: BaseGeometry, longitudes: NDArray[np.float64], latitudes: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Great-circle metres from the nearest point of ``geometry``, which is looked for with degrees of equal length."""
    if isinstance(geometry, shapely.Point):
        return _metres(longitudes, latitudes, geometry.x, geometry.y)
    even, short = _even(geometry)
    nearest = shapely.get_point(shapely.shortest_line(even, shapely.points(longitudes * short, latitudes)), 0)
    return _metres(longitudes, latitudes, shapely.get_x(nearest) / short, shapely.get_y(nearest))


@lru_cache(maxsize=256)
def _even(geometry: BaseGeometry) -> tuple[BaseGeometry, float]:
    """``geometry`` with its longitudes as short as they are on the ground in its middle latitude, and by how much."""
    short = max(1e-6, math.cos(math.radians((geometry.bounds[1] + geometry.bounds[3]) / 2)))
    even = shapely.transform(geometry, lambda at: at * np.array([short, 1.0]))
    shapely.prepare(even)
    return even, short


@lru_cache(maxsize=256)
def _fine(geometry: BaseGeometry) -> BaseGeometry:
    return shapely.segmentize(geometry, _STEP)


def _metres(
    longitudes: NDArray[np.float64],
    latitudes: NDArray[np.float64],
    longitude: float | NDArray[np.float64],
    latitude: float | NDArray[np.float64],
) -> NDArray[np.float64]:
    there, here = np.radians(latitudes), np.radians(latitude)
    across = np.sin((there - here) / 2) ** 2
    along = np.cos(there) * np.cos(here) * np.sin(np.radians(longitudes - longitude) / 2) ** 2
    found: NDArray[np.float64] = 2 * EARTH_RADIUS * np.arcsin(np.sqrt(np.minimum(1.0, across + along)))
    return found


def _flat(at: NDArray[np.float64], longitude: float, latitude: float) -> NDArray[np.float64]:
    """Degrees to metres east and north of a point: azimuthal equidistant."""
    turned, here, there = np.radians(at[:, 0] - longitude), math.radians(latitude), np.radians(at[:, 1])
    away = _metres(at[:, 0], at[:, 1], longitude, latitude)
    east = np.cos(there) * np.sin(turned)
    north = math.cos(here) * np.sin(there) - math.sin(here) * np.cos(there) * np.cos(turned)
    length = np.hypot(east, north)
    scale = np.divide(away, length, out=np.zeros_like(away), where=length > 0)
    return np.column_stack((east * scale, north * scale))


def _round(east: float, north: float, longitude: float, latitude: float) -> tuple[float, float]:
    """The way back of ``_flat``."""
    away = math.hypot(east, north)
    if not away:
        return longitude, latitude
    turn, here = away / EARTH_RADIUS, math.radians(latitude)
    there = math.asin(math.cos(turn) * math.sin(here) + north * math.sin(turn) * math.cos(here) / away)
    along = math.atan2(
        east * math.sin(turn), away * math.cos(here) * math.cos(turn) - north * math.sin(here) * math.sin(turn)
    )
    return longitude + math.degrees(along), math.degrees(there)
