"""The locator must answer exactly as asking every shape would, for single points and for many."""

import math

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry.base import BaseGeometry

from dothi.model.locator import Locator

coordinates = st.floats(104.9, 106.1, allow_nan=False) | st.sampled_from([105.0, 105.25, 105.5, 106.0])


def patchwork(seed: int, count: int = 40) -> list[BaseGeometry]:
    """Irregular neighbours that share edges, one of them in two parts with a hole, one lying over others."""
    points = np.random.default_rng(seed).uniform((105.0, 20.5), (106.0, 21.5), (count, 2))
    frame = shapely.box(105.0, 20.5, 106.0, 21.5)
    cells = shapely.get_parts(shapely.voronoi_polygons(shapely.MultiPoint(points), extend_to=frame))
    cells = shapely.intersection(cells, frame).tolist()
    holed = shapely.union_all(
        [cells[0].difference(cells[0].centroid.buffer(0.01)), shapely.box(105.91, 20.51, 105.95, 20.55)]
    )
    return [*cells[1:], holed, shapely.Point(105.5, 21.0).buffer(0.1)]


def by_asking_all(shapes: list[BaseGeometry], x: float, y: float) -> int:
    return next((position for position, shape in enumerate(shapes) if shapely.intersects_xy(shape, x, y)), -1)


SHAPES = patchwork(7)
LOCATOR = Locator(SHAPES)


@settings(max_examples=100)
@given(coordinates, st.floats(20.4, 21.6))
def test_it_answers_like_asking_every_shape(x: float, y: float) -> None:
    assert LOCATOR.at(x, y) == by_asking_all(SHAPES, x, y)


def test_it_answers_like_asking_every_shape_on_edges_and_corners() -> None:
    corners = shapely.get_coordinates(SHAPES)
    middles = (corners[1:] + corners[:-1]) / 2
    for x, y in np.concatenate([corners, middles]).tolist():
        assert LOCATOR.at(x, y) == by_asking_all(SHAPES, x, y)


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_many_points_get_the_answers_of_single_ones(seed: int) -> None:
    points = np.random.default_rng(seed).uniform((104.9, 20.4), (106.1, 21.6), (200, 2))
    points = np.concatenate([points, shapely.get_coordinates(SHAPES)[:: 1 + seed % 7], [[math.nan, 21.0], [math.inf, 0.0]]])
    found = LOCATOR.at_many(points[:, 0], points[:, 1])
    assert found.dtype == np.int32
    assert found.tolist() == [LOCATOR.at(x, y) for x, y in points.tolist()]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 1e300])
def test_what_is_no_coordinate_lies_nowhere(bad: float) -> None:
    assert LOCATOR.at(bad, 21.0) == -1
    assert LOCATOR.at(105.5, bad) == -1


def test_no_points_are_no_answers() -> None:
    assert LOCATOR.at_many([], []).tolist() == []


def test_unequal_lists_are_refused() -> None:
    with pytest.raises(ValueError, match="equally long"):
        LOCATOR.at_many([105.0, 105.1], [21.0])


def test_an_empty_shape_covers_nothing() -> None:
    locator = Locator([shapely.Polygon(), shapely.box(0, 0, 1, 1)])
    assert locator.at(0.5, 0.5) == 1


def test_no_extent_is_refused() -> None:
    with pytest.raises(ValueError, match="extent"):
        Locator([shapely.Polygon()])
