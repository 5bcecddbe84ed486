"""Clocks: stored moments come back as they were; a replay starts, runs, stops and never runs backwards."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dothi.model.clock import ReplayClock, SystemClock, from_micros, to_micros

START = datetime(2026, 5, 14, tzinfo=UTC)
offsets = st.integers(-12 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
moments = st.datetimes(START.replace(year=1900, tzinfo=None), START.replace(year=2200, tzinfo=None), timezones=offsets)


class Hand:
    """A source of time that a test moves by hand."""

    def __init__(self) -> None:
        self.moment = datetime(2030, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.moment

    def move(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


@settings(max_examples=100)
@given(moments)
def test_a_stored_moment_comes_back(moment: datetime) -> None:
    back = from_micros(to_micros(moment))
    assert back == moment
    assert back.utcoffset() == timedelta(0)


@settings(max_examples=100)
@given(st.integers(-(2**50), 2**52))
def test_micros_come_back(micros: int) -> None:
    assert to_micros(from_micros(micros)) == micros


@settings(max_examples=100)
@given(moments, moments)
def test_stored_moments_keep_their_order(one: datetime, other: datetime) -> None:
    assert (to_micros(one) < to_micros(other)) == (one < other)


def test_the_epoch_is_zero() -> None:
    assert to_micros(datetime(1970, 1, 1, 7, tzinfo=timezone(timedelta(hours=7)))) == 0


def test_a_naive_moment_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        to_micros(datetime(2026, 5, 14))  # noqa: DTZ001 - a naive moment is what is tested


def test_the_system_clock_is_aware_and_runs() -> None:
    first, second = SystemClock().now(), SystemClock().now()
    assert first.utcoffset() == timedelta(0)
    assert first <= second


@settings(max_examples=100)
@given(st.floats(0.01, 1000), st.lists(st.floats(0, 10_000), max_size=10))
def test_a_replay_runs_speed_times_as_fast_and_never_back(speed: float, steps: list[float]) -> None:
    hand = Hand()
    clock = ReplayClock(START, speed, source=hand)
    assert clock.now() == START
    before, passed = clock.now(), 0.0
    for step in steps:
        hand.move(step)
        passed += step
        now = clock.now()
        assert now >= before
        assert (now - START).total_seconds() == pytest.approx(passed * speed, abs=0.001 * max(speed, 1))
        before = now


@settings(max_examples=100)
@given(st.floats(0.01, 1000), st.floats(0, 100_000))
def test_a_replay_stands_still_at_its_end(speed: float, passed: float) -> None:
    hand = Hand()
    end = START + timedelta(hours=1)
    clock = ReplayClock(START, speed, end, hand)
    hand.move(passed)
    assert clock.now() <= end
    assert clock.finished == (clock.now() == end)
    hand.move(3600 / speed + 1)
    assert clock.finished
    assert clock.now() == end


def test_a_replay_without_an_end_never_finishes() -> None:
    hand = Hand()
    clock = ReplayClock(START, source=hand)
    hand.move(1e9)
    assert not clock.finished


def test_a_replay_tells_utc_whatever_the_start_was_written_in() -> None:
    local = START.astimezone(timezone(timedelta(hours=7)))
    assert ReplayClock(local, source=Hand()).now().utcoffset() == timedelta(0)


@pytest.mark.parametrize("speed", [0, -1, float("nan")])
def test_a_speed_that_is_not_positive_is_refused(speed: float) -> None:
    with pytest.raises(ValueError, match="speed"):
        ReplayClock(START, speed)


def test_naive_replay_times_are_refused() -> None:
    naive = START.replace(tzinfo=None)
    with pytest.raises(ValueError, match="aware"):
        ReplayClock(naive)
    with pytest.raises(ValueError, match="aware"):
        ReplayClock(START, end=naive)
