"""Figures of periods agree with the plainest arithmetic; durations are those of ISO 8601."""

from datetime import UTC, datetime
from statistics import pstdev
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dothi.data.periods import METHODS, WHOLE_TIME, Period, of_numbers, of_values, read_methods, read_period
from dothi.model.clock import to_micros
from dothi.model.problem import Problem

SECOND = 1_000_000
DAY = 86_400 * SECOND
START = to_micros(datetime(2026, 1, 31, 10, tzinfo=UTC))


@pytest.mark.parametrize(
    ("text", "period"),
    [
        ("PT0S", WHOLE_TIME),
        ("PT1H", Period(0, 3_600 * SECOND)),
        ("P1D", Period(0, DAY)),
        ("P2W", Period(0, 14 * DAY)),
        ("P1Y2M", Period(14, 0)),
        ("P1DT1H30M0.5S", Period(0, DAY + 5_400 * SECOND + SECOND // 2)),
    ],
)
def test_durations(text: str, period: Period) -> None:
    assert read_period(text) == period


@pytest.mark.parametrize(
    "text", ["", "P", "PT", "1H", "P1H", "PT-1H", "P1.5D", "PT1S1M", "P99999999Y", "P" + "1" * 50 + "D", "p1d"]
)
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(Problem, match="aggrPeriodDuration"):
        read_period(text)


def test_methods() -> None:
    assert read_methods(["avg", "max", "avg"]) == ("avg", "max")
    for wrong in ([], ["median"]):
        with pytest.raises(Problem, match="aggrMethods"):
            read_methods(wrong)


def test_months_are_the_calendars() -> None:
    days = [START, START + 20 * DAY, START + 40 * DAY]
    found = of_numbers(np.array(days), np.array([1.0, 2.0, 4.0]), ("sum",), Period(1), START, START)
    assert found["sum"] == [
        [3.0, datetime(2026, 1, 31, 10, tzinfo=UTC), datetime(2026, 2, 28, 10, tzinfo=UTC)],
        [4.0, datetime(2026, 2, 28, 10, tzinfo=UTC), datetime(2026, 3, 31, 10, tzinfo=UTC)],
    ]


@pytest.mark.parametrize("period", [Period(1), Period(0, DAY)])
def test_a_period_ends_with_the_calendar_at_the_latest(period: Period) -> None:
    last = datetime.max.replace(tzinfo=UTC)
    at = np.array([to_micros(last)])
    found = of_numbers(at, np.array([1.0]), ("sum",), period, to_micros(last.replace(hour=1)), 0)
    assert found["sum"] == [[1.0, last.replace(hour=1), last]]


POINTS = st.lists(st.tuples(st.integers(0, 50), st.integers(-100, 100).map(float)), min_size=1, max_size=30).map(sorted)


@given(points=POINTS, length=st.integers(1, 20), whole=st.booleans())
def test_figures_are_those_of_the_plainest_arithmetic(points: list[Any], length: int, whole: bool) -> None:
    period = WHOLE_TIME if whole else Period(0, length * SECOND)
    at = [START + second * SECOND for second, _ in points]
    numbers = [value for _, value in points]
    end = START + 60 * SECOND
    fast = of_numbers(np.array(at, np.int64), np.array(numbers), METHODS, period, START, end)
    slow = of_values(zip(at, numbers, strict=True), METHODS, period, START, end)
    groups: dict[int, list[float]] = {}
    for second, value in points:
        groups.setdefault(0 if whole else second // length, []).append(value)
    spans = [
        (START, end) if whole else (START + place * length * SECOND, START + (place + 1) * length * SECOND)
        for place in groups
    ]
    for found in (fast, slow):
        assert [(to_micros(begin), to_micros(stop)) for _, begin, stop in found["avg"]] == spans
        for place, values in enumerate(groups.values()):
            expected = {
                "totalCount": len(values),
                "distinctCount": len(set(values)),
                "sum": sum(values),
                "avg": sum(values) / len(values),
                "min": min(values),
                "max": max(values),
                "stddev": pstdev(values),
                "sumsq": sum(value * value for value in values),
            }
            assert {name: found[name][place][0] for name in METHODS} == pytest.approx(expected)


def test_values_that_are_no_numbers() -> None:
    def figures(*values: Any) -> dict[str, Any]:
        found = of_values([(START, value) for value in values], METHODS, WHOLE_TIME, START, START)
        return {name: told[0][0] for name, told in found.items() if told}

    assert figures("b", "a", "b") == {"totalCount": 3, "distinctCount": 2, "min": "a", "max": "b"}
    assert figures({"a": 1, "b": 2}, {"b": 2, "a": 1}) == {"totalCount": 2, "distinctCount": 1}
    assert figures(True, False)["avg"] == 0.5
    assert figures([1, 2], ["x"])["max"] == 2.0
    assert figures(1, "x") == {"totalCount": 2, "distinctCount": 2}
