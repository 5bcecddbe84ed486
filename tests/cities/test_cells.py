"""Approximate cells: a tiling of the land by the nearest centre, whose edges lie where the neighbours begin."""

from functools import cache

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from dothi.cities.cells import cells_around
from dothi.cities.units import read_country

COUNTRY = read_country()
EVERYTHING = [unit for units in COUNTRY.units.values() for unit in units]
KM2 = 111.32**2


@cache
def cells(province: str) -> list[shapely.Geometry]:
    return cells_around(COUNTRY.units[province], EVERYTHING)


def square_kilometres(shape: shapely.Geometry, latitude: float) -> float:
    return float(shapely.area(shape) * KM2 * np.cos(np.radians(latitude)))


# Inland, at the sea, at a national border, with areas ten times too large (33, 37), with islands far out (48, 56).
@pytest.mark.parametrize("province", ["01", "25", "11", "33", "37", "48", "56", "96"])
def test_every_unit_lies_in_its_own_cell_and_cells_do_not_overlap(province: str) -> None:
    units = COUNTRY.units[province]
    assert len(cells(province)) == len(units)
    for unit, cell in zip(units, cells(province), strict=True):
        assert cell.is_valid
        assert shapely.intersects_xy(cell, unit.longitude, unit.latitude), unit
    together, apart = shapely.union_all(cells(province)).area, sum(cell.area for cell in cells(province))
    assert apart == pytest.approx(together, rel=1e-4)


@pytest.mark.parametrize(
    ("province", "official_km2"),
    # Areas of the provinces since 2025-07-01: what the cells must come near though they know only centres.
    [("01", 3359.84), ("25", 9361.38), ("22", 6207.93), ("38", 11114.71), ("79", 6772.59), ("37", 3942.62), ("96", 7942.39)],
)
def test_a_province_comes_out_about_as_large_as_it_is(province: str, official_km2: float) -> None:
    latitude = float(np.mean([unit.latitude for unit in COUNTRY.units[province]]))
    size = square_kilometres(shapely.union_all(cells(province)), latitude)
    assert size == pytest.approx(official_km2, rel=0.08)


def test_provinces_share_their_edge() -> None:
    """A point near the edge of Hanoi is Hanoi's or Phú Thọ's, never both's and never nobody's."""
    hanoi, phu_tho = shapely.union_all(cells("01")), shapely.union_all(cells("25"))
    assert shapely.intersection(hanoi, phu_tho).area * KM2 < 0.5
    assert shapely.distance(hanoi, phu_tho) < 1e-5


@pytest.mark.parametrize("province", ["01", "25", "96"])
def test_nobody_in_the_middle_of_a_province_belongs_nowhere(province: str) -> None:
    whole = shapely.union_all(shapely.buffer(cells(province), 1e-6))
    assert sum(len(part.interiors) for part in shapely.get_parts(whole)) == 0


def test_islands_stay_islands() -> None:
    by_name = {unit.name: cell for unit, cell in zip(COUNTRY.units["56"], cells("56"), strict=True)}
    assert square_kilometres(by_name["Trường Sa"], 9.7) < 20
    by_name = {unit.name: cell for unit, cell in zip(COUNTRY.units["48"], cells("48"), strict=True)}
    assert 100 < square_kilometres(by_name["Hoàng Sa"], 16.5) < 600


@settings(max_examples=100, deadline=None)
@given(st.floats(105.35, 105.95), st.floats(20.65, 21.3))
def test_a_point_falls_to_a_near_unit(longitude: float, latitude: float) -> None:
    """To the nearest centre, but for the weight of a larger neighbour: never to one more than twice as far away."""
    point = np.array([longitude, latitude])
    owners = [index for index, cell in enumerate(cells("01")) if shapely.intersects_xy(cell, *point)]
    away = np.linalg.norm(np.array([(unit.longitude, unit.latitude) for unit in EVERYTHING]) - point, axis=1)
    for owner in owners:
        unit = COUNTRY.units["01"][owner]
        reach = np.linalg.norm(np.array([unit.longitude, unit.latitude]) - point)
        assert reach <= max(2 * away.min(), 0.09)
