"""Distances on the ground, for every floor that measures one."""

import math

EARTH_RADIUS = 6_371_008.8  # metres, mean radius (IUGG 1980)
METRES_OF_DEGREE = math.radians(EARTH_RADIUS)  # of latitude; of longitude at the equator


def metres(longitude: float, latitude: float, west: float, south: float, east: float, north: float) -> float:
    """Great-circle metres (haversine) from a point to the nearest point of a box, all EPSG:4326."""
    other_longitude = min(max(longitude, west), east)
    other_latitude = min(max(latitude, south), north)
    here, there = math.radians(latitude), math.radians(other_latitude)
    across = math.sin((there - here) / 2) ** 2
    along = math.cos(here) * math.cos(there) * math.sin(math.radians(other_longitude - longitude) / 2) ** 2
    return 2 * EARTH_RADIUS * math.asin(math.sqrt(min(1.0, across + along)))


def metres_apart(longitude: float, latitude: float, other_longitude: float, other_latitude: float) -> float:
    """Great-circle metres between two points, EPSG:4326."""
    return metres(longitude, latitude, other_longitude, other_latitude, other_longitude, other_latitude)
