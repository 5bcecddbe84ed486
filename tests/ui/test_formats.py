"""Numbers, spans and dates as people in Vietnam write them."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dothi.ui.formats import day, daytime, hour, number, relative, size, span, weekday

NOW = datetime(2026, 5, 14, 16, 30, tzinfo=UTC)  # 23:30 in Hanoi


@pytest.mark.parametrize(
    ("value", "decimals", "vi", "en"),
    [
        (1234.5, None, "1.234,5", "1,234.5"),
        (1234567, None, "1.234.567", "1,234,567"),
        (0.125, 2, "0,12", "0.12"),
        (-7.5, 1, "-7,5", "-7.5"),
        (22.0, 1, "22,0", "22.0"),
        (None, None, "–", "–"),
    ],
)
def test_numbers_follow_the_language(value: float | None, decimals: int | None, vi: str, en: str) -> None:
    assert number(value, "vi", decimals) == vi
    assert number(value, "en", decimals) == en


@given(st.floats(-1e9, 1e9), st.integers(0, 4))
@settings(max_examples=100)
def test_a_number_reads_back_as_itself(value: float, decimals: int) -> None:
    text = number(value, "vi", decimals).replace(".", "").replace(",", ".")
    assert float(text) == pytest.approx(value, abs=0.5001 * 10**-decimals)


def test_times_are_the_city_s_own() -> None:
    late = NOW + timedelta(hours=1)  # half past midnight there, still the day before in UTC
    assert (hour(late), day(late), weekday(late), daytime(late)) == ("00:30", "15/05/2026", "Thứ Sáu", "00:30 15/05/2026")
    assert weekday(late, "en") == "Friday"


def test_the_calendar_s_last_hours_are_told_though_the_city_s_clock_has_no_name_for_them() -> None:
    last = datetime.max.replace(tzinfo=UTC)
    assert (hour(last), day(last), weekday(last), daytime(last)) == ("23:59", "31/12/9999", "Thứ Sáu", "23:59 31/12/9999")
    assert day(datetime.min.replace(tzinfo=UTC)).startswith("01/01/")


@pytest.mark.parametrize(
    ("ago", "vi", "en"),
    [
        (5, "vừa xong", "just now"),
        (60, "1 phút trước", "1 minute ago"),
        (190, "3 phút trước", "3 minutes ago"),
        (7200, "2 giờ trước", "2 hours ago"),
        (90_000, "1 ngày trước", "1 day ago"),
    ],
)
def test_how_long_ago_is_said_in_the_largest_unit(ago: int, vi: str, en: str) -> None:
    moment = NOW - timedelta(seconds=ago)
    assert relative(moment, NOW, "vi") == vi
    assert relative(moment, NOW, "en") == en


@pytest.mark.parametrize(
    ("value", "vi", "en"),
    [
        (0, "0 byte", "0 byte"),
        (999, "999 byte", "999 byte"),
        (999.6, "1,0 kB", "1.0 kB"),
        (1_250_000_000, "1,2 GB", "1.2 GB"),
        (123_456_789, "123 MB", "123 MB"),
        (9e15, "9.000 TB", "9,000 TB"),
    ],
)
def test_sizes_are_said_in_the_largest_unit(value: float, vi: str, en: str) -> None:
    assert (size(value, "vi"), size(value, "en")) == (vi, en)


def test_a_span_can_be_said_exactly() -> None:
    assert span(5400, "vi", 2) == "1 giờ 30 phút"
    assert span(timedelta(seconds=5400), "en", 2) == "1 hour 30 minutes"
    assert span(0, "vi") == "0 giây"
    assert relative(None, NOW, "vi") == "chưa có"
