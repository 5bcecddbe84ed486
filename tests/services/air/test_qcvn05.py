"""QCVN 05:2023: the table, the change of 2026, and when a mean may be judged."""

from datetime import UTC, date, datetime, timedelta

import pytest

from dothi.services.air.qcvn05 import Averaging, judge, limits

END = datetime(2026, 5, 20, 17, tzinfo=UTC)
TODAY = date(2026, 5, 21)


def table(pollutant: str, on: date) -> dict[Averaging, float]:
    return {limit.averaging: limit.value for limit in limits(pollutant, on)}


def hours(values: list[float | None]) -> dict[datetime, float]:
    """Hourly values that end at END, the newest last."""
    count = len(values)
    return {END - timedelta(hours=count - place): value for place, value in enumerate(values) if value is not None}


def test_the_table() -> None:
    assert table("so2", TODAY) == {"1h": 350, "24h": 125, "year": 50}
    assert table("co", TODAY) == {"1h": 30_000, "8h": 10_000}
    assert table("no2", TODAY) == {"1h": 200, "24h": 100, "year": 40}
    assert table("o3", TODAY) == {"1h": 200, "8h": 120}
    assert table("tsp", TODAY) == {"1h": 300, "24h": 200, "year": 100}
    assert table("pm10", TODAY) == {"24h": 100, "year": 50}
    assert limits("radon", TODAY) == ()


def test_fine_dust_became_stricter_with_2026() -> None:
    assert table("pm25", date(2025, 12, 31)) == {"24h": 50, "year": 25}
    assert table("pm25", date(2026, 1, 1)) == {"24h": 45, "year": 25}


@pytest.mark.parametrize(("mean", "exceeded"), [(45.0, False), (45.1, True)])
def test_a_mean_exceeds_only_above_the_limit(mean: float, exceeded: bool) -> None:
    day, year = judge("pm25", hours([mean] * 24), END, TODAY)
    assert day.mean == pytest.approx(mean)
    assert (day.exceeded, day.capture) == (exceeded, 1.0)
    assert year.exceeded is None, "a day is not a year"


def test_three_quarters_of_the_hours_are_needed() -> None:
    enough = judge("pm25", hours([60.0] * 18 + [None] * 6), END, TODAY)[0]
    too_few = judge("pm25", hours([60.0] * 17 + [None] * 7), END, TODAY)[0]
    assert (enough.exceeded, too_few.exceeded, too_few.mean) == (True, None, None)


def test_only_the_period_before_the_end_counts() -> None:
    one, eight = judge("o3", hours([500.0, *[100.0] * 7, 190.0]), END, TODAY)
    assert (one.mean, one.exceeded) == (190.0, False)
    assert eight.mean == pytest.approx((700 + 190) / 8)
    later = judge("o3", {END: 500.0}, END, TODAY)
    assert [verdict.exceeded for verdict in later] == [None, None], "the hour that begins at the end is not over yet"


def test_one_period_can_be_asked_alone() -> None:
    day = hours([60.0] * 24)
    (only,) = judge("pm25", day, END, TODAY, only="24h")
    assert only == next(one for one in judge("pm25", day, END, TODAY) if one.limit.averaging == "24h")
    assert only.exceeded
    assert judge("pm25", day, END, TODAY, only="8h") == ()
