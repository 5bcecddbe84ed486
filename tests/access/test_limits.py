"""How much anybody may ask for, with a clock that stands still until it is told to go."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dothi.access import limits
from dothi.access.limits import Limit, Limits, neighbourhood
from dothi.model.problem import Problem

SLOW = Limit(rate=0.5, burst=3)


class Time:
    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def refused(buckets: Limits, key: str = "a") -> Problem | None:
    try:
        buckets.spend(SLOW, key)
    except Problem as problem:
        return problem
    return None


def test_a_burst_passes_then_one_every_two_seconds() -> None:
    time = Time()
    buckets = Limits(time)
    assert [refused(buckets) is None for _ in range(4)] == [True, True, True, False]
    problem = refused(buckets)
    assert problem is not None
    assert (problem.status, problem.retry_after) == (429, 2)
    assert refused(buckets, "b") is None, "another's bucket is another's"
    time.seconds += 2
    assert [refused(buckets) is None for _ in range(2)] == [True, False]
    time.seconds += 3600
    assert [refused(buckets) is None for _ in range(4)] == [True, True, True, False], "no more than the burst is saved up"
    assert buckets.refused == 4


def test_memory_is_bounded_and_who_asks_often_is_not_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "_MOST", 100)
    buckets = Limits(Time())
    for _ in range(3):
        buckets.spend(SLOW, "greedy")
    for number in range(250):
        buckets.spend(SLOW, f"passer-by-{number}")
        if number < 60:
            assert refused(buckets, "greedy") is not None
    assert len(buckets._young) + len(buckets._old) <= 200


@settings(max_examples=60)
@given(st.lists(st.floats(0, 10), max_size=60), st.floats(0.1, 5), st.integers(1, 10))
def test_no_more_pass_than_the_burst_and_the_rate(pauses: list[float], rate: float, burst: int) -> None:
    time, passed, limit = Time(), 0, Limit(rate, burst)
    buckets = Limits(time)
    for pause in pauses:
        time.seconds += pause
        try:
            buckets.spend(limit, "a")
            passed += 1
        except Problem as problem:
            assert problem.retry_after
    assert passed <= burst + rate * (time.seconds - 100.0) + 1e-6


def test_an_address_stands_for_its_neighbourhood() -> None:
    assert neighbourhood("203.0.113.7") == neighbourhood("::ffff:203.0.113.7") == "203.0.113.7"
    assert neighbourhood("2001:db8:1:2::1") == neighbourhood("2001:db8:1:2:ffff::9") != neighbourhood("2001:db8:1:3::1")
    assert neighbourhood("testclient") == "testclient"
