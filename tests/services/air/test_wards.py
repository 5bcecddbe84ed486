"""Interpolation: distances that can be checked by hand, and what an honest approximation must do."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dothi.services.air.wards import FARTHEST_KM, MOST_LEFT_OUT, distances_km, interpolate, leave_one_out, over_time

HERE = (105.85, 21.03)
KM_OF_LATITUDE = 6371.0088 * math.pi / 180

spot = st.tuples(st.floats(105.6, 106.0), st.floats(20.9, 21.2))
reading = st.tuples(spot, st.floats(0, 500))


def north(kilometres: float) -> tuple[float, float]:
    return HERE[0], HERE[1] + kilometres / KM_OF_LATITUDE


def test_distance_along_a_meridian_and_a_parallel() -> None:
    found = distances_km(np.array([HERE]), np.array([north(10), (HERE[0] + 1, HERE[1])]))
    assert found[0, 0] == pytest.approx(10, rel=1e-6)
    assert found[0, 1] == pytest.approx(KM_OF_LATITUDE * math.cos(math.radians(HERE[1])), rel=1e-3)


def test_twice_as_near_weighs_four_times_as_much() -> None:
    found = interpolate([north(1), north(-2)], [100.0, 50.0], [HERE])
    assert found.values[0] == pytest.approx((4 * 100 + 50) / 5, rel=1e-4)
    assert found.nearest_km[0] == pytest.approx(1, rel=1e-4)
    assert found.nearest[0] == 0


def test_far_from_every_station_there_is_no_value() -> None:
    near, far = north(FARTHEST_KM - 0.1), north(FARTHEST_KM + 0.1)
    found = interpolate([HERE], [80.0], [near, far])
    assert found.values[0] == pytest.approx(80)
    assert math.isnan(found.values[1])
    assert found.nearest_km[1] == pytest.approx(FARTHEST_KM + 0.1, rel=1e-4)


def test_stations_on_one_coordinate_count_once() -> None:
    twice = interpolate([north(1), north(1), north(-1)], [100.0, 60.0, 20.0], [HERE])
    assert twice.values[0] == pytest.approx((80 + 20) / 2)


def test_without_stations_nothing_is_claimed() -> None:
    found = interpolate([], [], [HERE])
    assert math.isnan(found.values[0]) and math.isinf(found.nearest_km[0])
    assert leave_one_out([], []) is None
    assert leave_one_out([HERE, north(1)], [1.0, 2.0]) is None
    assert leave_one_out([HERE, HERE, HERE], [1.0, 2.0, 3.0]) is None, "three devices on one spot are one place"


def test_the_error_by_hand() -> None:
    error = leave_one_out([north(0), north(1), north(2)], [10.0, 20.0, 60.0])
    assert error is not None
    ends = [abs((20 + 60 / 4) / (1 + 1 / 4) - 10), abs((10 + 60) / 2 - 20), abs((20 + 10 / 4) / (1 + 1 / 4) - 60)]
    assert error.interpolated == pytest.approx(sum(ends) / 3, rel=1e-4)
    assert error.naive == pytest.approx((30 + 15 + 45) / 3)
    assert error.places == 3
    assert error.better is (error.interpolated < error.naive)


@settings(max_examples=100)
@given(st.lists(reading, min_size=1, max_size=8), spot)
def test_a_value_lies_between_its_inputs(
    readings: list[tuple[tuple[float, float], float]], place: tuple[float, float]
) -> None:
    places, values = [one for one, _ in readings], [value for _, value in readings]
    found = interpolate(places, values, [place]).values[0]
    assert math.isnan(found) or min(values) - 1e-6 <= found <= max(values) + 1e-6


@settings(max_examples=50)
@given(st.lists(spot, min_size=3, max_size=8, unique=True), st.floats(0, 500))
def test_the_same_air_everywhere_has_no_error(places: list[tuple[float, float]], value: float) -> None:
    error = leave_one_out(places, [value] * len(places))
    assert (
        error is not None and error.interpolated == pytest.approx(0, abs=1e-6) and error.naive == pytest.approx(0, abs=1e-6)
    )


def test_the_error_over_many_places_costs_little_and_is_about_the_same() -> None:
    places = [(105 + column / 100, 21 + row / 100) for column in range(30) for row in range(30)]
    values = [50 + 40 * (longitude - 105) + 30 * (latitude - 21) for longitude, latitude in places]
    many = leave_one_out(places, values)
    assert many is not None
    assert many.places == MOST_LEFT_OUT
    assert many.interpolated < 2.0 < many.naive


@given(st.lists(reading, min_size=1, max_size=12), spot, st.data())
@settings(max_examples=60, deadline=None)
def test_each_hour_of_the_past_is_made_as_the_present_is(
    found: list[tuple[tuple[float, float], float]], place: tuple[float, float], data: st.DataObject
) -> None:
    places = [one for one, _ in found]
    hours = data.draw(st.lists(st.lists(st.booleans(), min_size=len(found), max_size=len(found)), min_size=1, max_size=4))
    values = np.array([[value if here else np.nan for here, (_, value) in zip(row, found, strict=True)] for row in hours])
    told = over_time(places, values, place)
    for row, one in zip(hours, told, strict=True):
        there = [(where, value) for here, (where, value) in zip(row, found, strict=True) if here]
        expected = interpolate([where for where, _ in there], [value for _, value in there], [place]).values[0]
        assert one == pytest.approx(expected, nan_ok=True)


def test_without_stations_the_past_is_empty_too() -> None:
    assert np.isnan(over_time([], np.empty((3, 0)), HERE)).tolist() == [True] * 3
