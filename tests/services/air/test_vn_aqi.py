"""VN_AQI against the decision's own numbers, its table, and the laws any index must obey."""

import math
import timeit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dothi.services.air import vn_aqi
from dothi.services.air.bands import BANDS, band_of, contrast, ink_on

concentration = st.floats(0, 10_000, allow_nan=False)
hour = st.one_of(st.none(), st.floats(0, 600, allow_nan=False))


def test_the_published_vectors() -> None:
    day = vn_aqi.daily({"pm25": [55.7] * 24, "no2": [20.0] * 23 + [118.7]})
    assert day is not None
    assert day.parts == {"pm25": 110, "no2": 59}
    assert (day.value, day.dominant, day.beyond_scale) == (110, "pm25", False)


@pytest.mark.parametrize("row", vn_aqi.BREAKPOINTS)
def test_every_breakpoint_gives_its_index(row: str) -> None:
    for points, index in zip(vn_aqi.BREAKPOINTS[row], vn_aqi.INDEX_STEPS, strict=False):
        assert vn_aqi.sub_index(row, points) == pytest.approx(index)


@pytest.mark.parametrize(
    ("row", "value", "index"),
    [
        ("pm25", 37.5, 75),
        ("pm10", 300, 175),
        ("co", 75_000, 250),
        ("so2", 237.5, 75),
        ("o3_1h", 1100, 450),
        ("o3_8h", 305, 250),
    ],
)
def test_between_breakpoints_the_index_is_a_straight_line(row: str, value: float, index: float) -> None:
    assert vn_aqi.sub_index(row, value) == pytest.approx(index)


def test_above_the_last_breakpoint_it_is_500_and_says_so() -> None:
    assert vn_aqi.sub_index("pm25", 500.1) == 500
    worst = vn_aqi.hourly({"pm25": [600.0] * 12})
    assert worst is not None and (worst.value, worst.beyond_scale) == (500, True)
    edge = vn_aqi.hourly({"pm25": [500.0] * 12})
    assert edge is not None and (edge.value, edge.beyond_scale) == (500, False)


def test_eight_hour_ozone_above_400_is_left_to_the_one_hour_row() -> None:
    assert vn_aqi.sub_index("o3_8h", 400.1) is None
    high = vn_aqi.daily({"pm25": [10.0] * 24, "o3": [500.0] * 24})
    assert high is not None and high.parts["o3"] == round(200 + 100 / 400 * 100)
    eight = vn_aqi.daily({"pm25": [10.0] * 24, "o3": [119.0] * 24})
    assert eight is not None and (eight.parts["o3"], eight.dominant) == (98, "o3"), "119 is 37 by the hour, 98 by 8 hours"


@pytest.mark.parametrize("wrong", [-0.1, math.nan, -math.inf])
def test_what_is_no_concentration_is_refused(wrong: float) -> None:
    with pytest.raises(ValueError, match="no concentration"):
        vn_aqi.sub_index("pm25", wrong)


def test_nowcast_weighs_steady_air_evenly_and_changing_air_by_halves() -> None:
    assert vn_aqi.nowcast([50.0] * 12) == pytest.approx(50)
    ratio = 0.8
    steady = [40.0, 50.0, 45.0]
    expected = (40 + ratio * 50 + ratio**2 * 45) / (1 + ratio + ratio**2)
    assert vn_aqi.nowcast(steady) == pytest.approx(expected)
    changing = [100.0, 20.0, 40.0, 10.0, 0.0, 5.0, 7.0, 30.0, 12.0, 8.0, 60.0, 25.0]
    assert vn_aqi.nowcast(changing) == pytest.approx(sum(0.5 ** (i + 1) * c for i, c in enumerate(changing)))


def test_nowcast_gives_a_missing_hour_no_weight() -> None:
    ratio = 45 / 50
    assert vn_aqi.nowcast([45.0, None, 50.0, None]) == pytest.approx((45 + ratio**2 * 50) / (1 + ratio**2))
    assert vn_aqi.nowcast([None, 80.0, 20.0]) == pytest.approx(0.25 * 80 + 0.125 * 20), (
        "the decision does not divide at w = ½"
    )


def test_nowcast_wants_two_of_the_newest_three() -> None:
    assert vn_aqi.nowcast([10.0, None, None, *[10.0] * 9]) is None
    assert vn_aqi.nowcast([None, 10.0, 10.0]) == pytest.approx(10)
    assert vn_aqi.nowcast([]) is None


def test_nowcast_of_clean_air_is_zero() -> None:
    assert vn_aqi.nowcast([0.0] * 12) == 0
    clean = vn_aqi.hourly({"pm25": [0.0] * 12})
    assert clean is not None and clean.value == 0


def test_there_is_no_index_without_particles() -> None:
    assert vn_aqi.hourly({"no2": [100.0], "o3": [100.0], "co": [100.0], "so2": [100.0]}) is None
    assert vn_aqi.daily({"no2": [100.0] * 24, "pm25": [10.0] * 17 + [None] * 7}) is None
    only_pm10 = vn_aqi.hourly({"pm10": [50.0, 50.0]})
    assert only_pm10 is not None and (only_pm10.value, only_pm10.dominant) == (50, "pm10")


def test_hourly_gases_use_the_newest_hour_alone() -> None:
    index = vn_aqi.hourly({"pm25": [10.0, 10.0], "o3": [160.0, 999.0], "no2": [None, 999.0]})
    assert index is not None and index.parts == {"pm25": 20, "o3": 50}


@settings(max_examples=100)
@given(st.sampled_from([row for row in vn_aqi.BREAKPOINTS if row != "o3_8h"]), concentration, concentration)
def test_more_of_a_pollutant_never_lowers_the_index(row: str, one: float, other: float) -> None:
    low, high = sorted((one, other))
    lower, higher = vn_aqi.sub_index(row, low), vn_aqi.sub_index(row, high)
    assert lower is not None and higher is not None and 0 <= lower <= higher <= 500


@settings(max_examples=100)
@given(st.lists(st.floats(0, 600), min_size=12, max_size=12))
def test_nowcast_of_twelve_hours_lies_between_them(hours: list[float]) -> None:
    found = vn_aqi.nowcast(list(hours))
    assert found is not None
    assert min(hours) - 1e-6 <= found <= max(hours) + 1e-6


@settings(max_examples=100)
@given(st.lists(hour, max_size=14))
def test_nowcast_with_gaps_is_never_above_the_worst_hour(hours: list[float | None]) -> None:
    found = vn_aqi.nowcast(hours)
    known = [value for value in hours[:12] if value is not None]
    assert (found is None) == (sum(value is not None for value in hours[:3]) < 2)
    if found is not None:
        assert 0 <= found <= max(known) + 1e-6
        if min(known) > max(known) / 2:
            assert found >= min(known) - 1e-6


@settings(max_examples=100)
@given(
    st.dictionaries(st.sampled_from(["pm25", "pm10", "no2", "so2", "co", "o3"]), st.lists(hour, min_size=12, max_size=12))
)
def test_the_index_is_the_largest_of_its_parts(hours: dict[str, list[float | None]]) -> None:
    index = vn_aqi.hourly(hours)
    if index is not None:
        assert index.value == max(index.parts.values()) == index.parts[index.dominant]
        assert band_of(index.value).low <= index.value <= band_of(index.value).high


def test_ten_thousand_stations_are_no_burden() -> None:
    hours = {name: [20.0 + place for place in range(12)] for name in ("pm25", "pm10", "no2", "so2", "co", "o3")}
    fastest = min(timeit.repeat(lambda: vn_aqi.hourly(hours), number=200, repeat=5)) / 200
    assert fastest < 50e-6 * 4, f"{fastest * 1e6:.0f} µs a station (50 µs wanted, four times that on a busy machine)"


def test_the_bands_cover_the_scale_in_the_official_colours() -> None:
    assert [(band.low, band.high) for band in BANDS] == [(0, 50), (51, 100), (101, 150), (151, 200), (201, 300), (301, 500)]
    assert [band.name.vi for band in BANDS] == ["Tốt", "Trung bình", "Kém", "Xấu", "Rất xấu", "Nguy hại"]
    rgb = [tuple(int(band.colour[at : at + 2], 16) for at in (1, 3, 5)) for band in BANDS]
    assert rgb == [(0, 228, 0), (255, 255, 0), (255, 126, 0), (255, 0, 0), (143, 63, 151), (126, 0, 35)]
    assert all(contrast(band.colour, band.ink) >= 4.5 for band in BANDS)
    assert (ink_on("#ffffff"), ink_on("#000000")) == ("#000000", "#ffffff")
    for off in (-1, 501, 500.5):
        with pytest.raises(ValueError, match="scale"):
            band_of(off)
