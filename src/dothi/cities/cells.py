"""Approximate ward shapes where no boundaries are at hand: a cell around the centre of every unit of the country."""

import math
from collections.abc import Sequence

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from dothi.model.ward import Ward

VERSION = "3"  # of the method: part of the cache's key
_KM_PER_DEGREE = 111.32
_TYPICAL_AREA = 30.0  # km², for the few units whose area is unknown
_WEIGHT = 0.9  # below 1, so that every centre lies inside its own cell
_REACH = 1.25  # how far land goes on around a centre, in radii of the unit's area
_CLOSING = 3.0  # km: gaps narrower than twice this between the discs are land
_MARGIN = 60.0  # km around the province within which other units can matter


def cells_around(wards: Sequence[Ward], country: Sequence[Ward]) -> list[BaseGeometry]:
    """One polygon (EPSG:4326) for each of ``wards``, which must be among ``country``, all units of the country.

    A point belongs to the unit with the smallest d² - w: d its distance to the centre, w from the unit's area (a power
    diagram, Aurenhammer 1987), so that large communes get large cells and the province's edge falls between its outermost
    units and their neighbours. At the sea and the national border land ends ``_REACH`` radii from the centres. Against
    Hanoi's real boundaries 78 % of the area falls to the right ward (74 % without weights).
    """
    middle = math.radians(sum(ward.latitude for ward in wards) / len(wards))
    scale = np.array([math.cos(middle) * _KM_PER_DEGREE, _KM_PER_DEGREE])
    own = {ward.code for ward in wards}
    points = np.array([(ward.longitude, ward.latitude) for ward in country]) * scale
    inner = points[[ward.code in own for ward in country]]
    near = np.flatnonzero(((points >= inner.min(0) - _MARGIN) & (points <= inner.max(0) + _MARGIN)).all(1))
    points, units = points[near], [country[position] for position in near.tolist()]
    radii = _radii(points, units)
    land = shapely.union_all(shapely.buffer(shapely.points(points), _REACH * radii, quad_segs=8))
    land = land.buffer(_CLOSING, quad_segs=4).buffer(-_CLOSING, quad_segs=4).union(land)
    land = shapely.union_all(
        [shapely.Polygon(part.exterior) for part in shapely.get_parts(land)]
    )  # the country has no holes
    shapely.prepare(land)
    position_of = {unit.code: position for position, unit in enumerate(units)}
    weights = _WEIGHT * radii**2
    size = float(np.ptp(points, axis=0).max()) + _MARGIN
    cells = [_power_cell(position_of[ward.code], points, weights, size).intersection(land) for ward in wards]
    return [shapely.transform(cell, lambda pairs: np.round(pairs / scale, 6)) for cell in cells]


def _radii(points: NDArray[np.float64], units: Sequence[Ward]) -> NDArray[np.float64]:
    """Radius in km of a disc as large as each unit, but never beyond the nearest centre: some areas of the source are ten
    times too large."""
    areas = np.array([unit.area_km2 or _TYPICAL_AREA for unit in units])
    nearest = np.empty(len(points))
    for start in range(0, len(points), 256):  # in slices, so that the distances of all pairs never stand in memory at once
        apart = np.hypot(*(points[start : start + 256, None] - points[None]).transpose(2, 0, 1))
        apart[apart == 0] = np.inf
        nearest[start : start + 256] = apart.min(1)
    return np.minimum(np.sqrt(areas / math.pi), nearest)


def _power_cell(which: int, points: NDArray[np.float64], weights: NDArray[np.float64], size: float) -> shapely.Polygon:
    """The convex region whose power distance to ``which`` is the smallest, cut out of a square by one line per neighbour."""
    apart = points - points[which]
    away = np.hypot(apart[:, 0], apart[:, 1])
    # How far from the centre each neighbour's line runs, at the least: past the farthest corner no line cuts any more.
    reach = (away**2 + weights[which] - weights.max()) / (2 * np.maximum(away, 1e-9))
    order = np.argsort(away, kind="stable")
    ring = [(-size, -size), (size, -size), (size, size), (-size, size)]
    farthest = 2 * size
    for other in order[order != which].tolist():
        if reach[other] > farthest:
            break
        a, b = (2 * apart[other]).tolist()
        cut = _half(ring, a, b, float(away[other] ** 2 + weights[which] - weights[other]))
        if cut is not ring:
            ring, farthest = cut, max(math.hypot(x, y) for x, y in cut)
    return shapely.Polygon(np.array(ring) + points[which])


def _half(ring: list[tuple[float, float]], a: float, b: float, c: float) -> list[tuple[float, float]]:
    """The part of a convex ring where a·x + b·y ≤ c."""
    sides = [a * x + b * y - c for x, y in ring]
    if max(sides) <= 0:
        return ring
    kept = []
    for position, (x, y) in enumerate(ring):
        side, before = sides[position], sides[position - 1]
        if (side < 0) != (before < 0):
            part = before / (before - side)
            px, py = ring[position - 1]
            kept.append((px + part * (x - px), py + part * (y - py)))
        if side <= 0:
            kept.append((x, y))
    return kept
