"""Sunrise and sunset as almanacs have them."""

from datetime import UTC, date, datetime, time, timedelta, timezone

import pytest

from dothi.model.sun import rise_and_set

HERE = timezone(timedelta(hours=7))


@pytest.mark.parametrize(
    ("day", "longitude", "latitude", "rises", "sets"),
    [
        (date(2026, 3, 20), 105.85, 21.03, "06:01", "18:07"),
        (date(2026, 6, 21), 105.85, 21.03, "05:16", "18:41"),
        (date(2026, 12, 22), 105.85, 21.03, "06:30", "17:20"),
        (date(2026, 6, 21), 106.70, 10.78, "05:33", "18:18"),
    ],
)
def test_of_two_cities_through_the_year(day: date, longitude: float, latitude: float, rises: str, sets: str) -> None:
    for found, said in zip(rise_and_set(day, longitude, latitude), (rises, sets), strict=True):
        local = found.astimezone(HERE)
        told = datetime.combine(day, time.fromisoformat(said), HERE)
        assert abs(local - told) <= timedelta(seconds=90)


def test_where_it_does_not_set_or_not_rise() -> None:
    rises, sets = rise_and_set(date(2026, 6, 21), 0.0, 80.0)
    assert sets - rises == timedelta(days=1)
    rises, sets = rise_and_set(date(2026, 12, 21), 0.0, 80.0)
    assert rises == sets and rises.tzinfo == UTC
