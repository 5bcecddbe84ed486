"""What the page says when all is well, late, far away or missing."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from dothi.model.city import Ward
from dothi.model.reading import Reason
from dothi.services.air import public, words
from dothi.services.air.bands import BANDS, GREY
from dothi.services.air.stations import CityAir, Station, WardAir, freshness
from dothi.services.air.wards import InterpolationError

NOW = datetime(2026, 5, 20, 12, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)
WARD = Ward("00103", "Tây Hồ", "phường", 105.82, 21.06)
STATION = Station(
    "urn:ngsi-ld:AirQualityObserved:hanoi:one",
    "Trạm Một",
    105.82,
    21.05,
    "00103",
    160,
    False,
    "pm25",
    NOW.replace(minute=0) - HOUR,
    NOW - timedelta(minutes=10),
    "fresh",
    Reason.NONE,
)


def air(station: Station | None, index: int | None = None, away: float | None = None) -> CityAir:
    near = station if station is not None and station.current else None
    return CityAir({WARD.code: WardAir(WARD.code, index, away, near)}, [station] if station else [], None)


def test_a_ward_says_its_level_what_to_do_and_how_it_is_known() -> None:
    said = public.hero(air(STATION, 160, 1.23), WARD, "Phường Tây Hồ", NOW, "vi")
    assert (said["figure"], said["colour"], said["title"]) == (160, "#ff0000", "Không khí: xấu")
    assert said["advice"] == (BANDS[3].everyone.vi, BANDS[3].sensitive.vi)
    assert said["note"] == (
        "VN_AQI của giờ 18:00–19:00 20/05/2026, chủ yếu do PM2.5. Nội suy, gần đúng; trạm gần nhất 1,2 km."
    )


def test_too_far_from_every_station_nothing_is_claimed() -> None:
    said = public.hero(air(STATION, None, 20.0), WARD, "Phường Tây Hồ", NOW, "vi")
    assert (said["figure"], said["colour"], said["advice"]) == ("–", GREY, ())
    assert "20,0 km" in said["note"] and "15 km" in said["note"]


@pytest.mark.parametrize("place", [WARD, None])
def test_late_air_keeps_its_last_figure_in_grey_and_says_since_when(place: Ward | None) -> None:
    late = replace(STATION, freshness="late", heard=NOW - 2 * HOUR)
    said = public.hero(air(late), place, "Phường Tây Hồ", NOW, "vi")
    assert (said["figure"], said["colour"], said["title"]) == ("160", GREY, "Đang chờ số đo mới")
    assert "chậm cập nhật, lần cuối 17:30 20/05/2026" in said["note"]


def test_a_station_that_never_had_an_index_has_no_figure() -> None:
    blank = replace(STATION, index=None, freshness="silent", heard=None, hour=None)
    said = public.hero(air(blank), WARD, "Phường Tây Hồ", NOW, "en")
    assert (said["figure"], said["note"]) == ("–", "Not enough readings for a VN_AQI.")


def test_bars_show_twelve_hours_and_where_there_are_none() -> None:
    end = NOW.replace(minute=0)
    drawn = public.bars({end - HOUR: 200.0, end - 3 * HOUR: 50.4}, end, "vi")
    assert len(drawn) == 12
    assert [bar["height"] > 0 for bar in drawn[-3:]] == [True, False, True]
    assert drawn[-1]["height"] == 4 * drawn[-3]["height"] == 52
    assert (drawn[-1]["colour"], drawn[-3]["colour"], drawn[-1]["hour"]) == ("#ff0000", "#00e400", "19:00")
    assert drawn[-2]["said"] == "17:00–18:00 20/05/2026: –"


@pytest.mark.parametrize(
    ("heard_ago", "hour_ago", "expected"),
    [
        (timedelta(minutes=89), HOUR, "fresh"),
        (timedelta(minutes=91), HOUR, "late"),
        (timedelta(minutes=181), HOUR, "silent"),
        (timedelta(0), 3 * HOUR, "fresh"),
        (timedelta(0), 3 * HOUR + timedelta(minutes=1), "late"),
        (timedelta(0), 5 * HOUR + timedelta(minutes=1), "silent"),
        (timedelta(0), None, "fresh"),
        (None, HOUR, "silent"),
    ],
)
def test_freshness(heard_ago: timedelta | None, hour_ago: timedelta | None, expected: str) -> None:
    heard = None if heard_ago is None else NOW - heard_ago
    hour = None if hour_ago is None else NOW - hour_ago
    assert freshness(NOW, heard, hour, HOUR) == expected


def test_an_interpolation_that_loses_says_so() -> None:
    assert words.error_words(InterpolationError(3.21, 2.5, 40), "vi").endswith(
        "nội suy không hơn trung bình toàn thành phố."
    )
    won = words.error_words(InterpolationError(2.0, 2.5, 40), "vi")
    assert "±2,0 AQI" in won and "±2,5 AQI" in won and "không hơn" not in won
    assert "Quá ít trạm" in words.error_words(None, "vi")


def test_beyond_the_scale_is_said() -> None:
    assert words.index_words(replace(STATION, index=500, beyond_scale=True), "vi") == "500 AQI · Nguy hại (vượt thang)"
    assert words.reasons_in_words(Reason.UNIT | Reason.SHARED_PLACE, "vi") == "sai đơn vị, trùng tọa độ với trạm khác"
    assert set(words.REASONS) == set(Reason) - {Reason.NONE}, "every reason has words"
