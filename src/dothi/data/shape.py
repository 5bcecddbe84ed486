"""Where things are, in numbers a query can use: the box of a geometry, and of a circle on the ground."""

import math
from collections.abc import Mapping
from typing import Any

import shapely
from shapely.geometry import shape

from dothi.model.ground import EARTH_RADIUS
from dothi.model.problem import Problem, bad_request

Box = tuple[float, float, float, float]


def box_of(geometry: Any) -> Box:
    """(west, south, east, north) of a GeoJSON geometry (RFC 7946), EPSG:4326. Raises Problem 400 if it is not one."""
    if type(geometry) is not dict and not isinstance(geometry, Mapping):
        raise _no_geometry()
    try:
        if geometry.get("type") == "Point":
            longitude, latitude = (float(value) for value in geometry["coordinates"][:2])
            box = (longitude, latitude, longitude, latitude)
        else:
            west, south, east, north = shape(dict(geometry)).bounds
            box = (float(west), float(south), float(east), float(north))
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, shapely.errors.ShapelyError) as error:
        raise _no_geometry() from error
    if not (-180 <= box[0] <= box[2] <= 180 and -90 <= box[1] <= box[3] <= 90):
        raise bad_request("These coordinates are not on Earth.", "Longitude first (−180 to 180), then latitude (−90 to 90).")
    return box


def _no_geometry() -> Problem:
    return bad_request("This is not a GeoJSON geometry.", "Give type and coordinates, longitude before latitude.")


def box_around(longitude: float, latitude: float, distance: float) -> Box:
    """A box that holds every point within ``distance`` metres of a point; the whole width near the poles."""
    high = math.degrees(distance / EARTH_RADIUS) * 1.001
    south, north = max(-90.0, latitude - high), min(90.0, latitude + high)
    if south <= -90 or north >= 90:
        return -180.0, south, 180.0, north
    # The circle is widest, in degrees, on the side nearer to the pole.
    ratio = math.sin(math.radians(high)) / math.cos(math.radians(latitude))
    wide = math.degrees(math.asin(min(1.0, ratio))) * 1.001
    return longitude - wide, south, longitude + wide, north
