"""Clocks: stored moments come back as they were; a replay starts, runs, stops and never runs backwards."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dothi.model.clock import ReplayClock, SystemClock, from_micros, to_micros

START = datetime(2026, 5, 14, tzinfo=UTC)
HOUR = timedelta(hours=1)
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


@settings(max_examples=100)
@given(st.lists(st.tuples(st.floats(0.01, 1000), st.integers(0, 10_000), st.integers(0, 500)), min_size=1, max_size=6))
def test_what_was_heard_keeps_its_moment_over_restarts(runs: list[tuple[float, int, int]]) -> None:
    hand, earlier, start, heard = Hand(), (), START, {}
    end = START + timedelta(days=60)
    for speed, seconds, rest in runs:
        clock = ReplayClock(start, speed, end, hand, earlier)
        assert {machine: clock.when(machine) for machine in heard} == heard
        assert clock.now() >= start
        for _ in range(3):
            machine = to_micros(hand.moment)
            heard[machine] = clock.when(machine)
            assert from_micros(heard[machine]) == clock.now()
            hand.move(seconds)
        start, earlier = clock.now(), clock.anchors
        hand.move(rest)
    told = [clock.when(to_micros(Hand().moment) + step * 500_000_000) for step in range(-2, 150)]
    assert told == sorted(told)
    assert told[0] == to_micros(START)


def test_between_two_runs_a_city_stood_still() -> None:
    hand = Hand()
    first = ReplayClock(START, 60, source=hand)
    hand.move(86_400)
    second = ReplayClock(START + HOUR, 60, source=hand, earlier=first.anchors)
    assert second.when(to_micros(hand.moment) - 1) == to_micros(START + HOUR)


def test_a_machine_clock_that_is_set_back_does_not_take_the_city_back() -> None:
    hand = Hand()
    first = ReplayClock(START, 60, source=hand)
    hand.move(600)
    second = ReplayClock(START + 10 * HOUR, 60, source=hand, earlier=first.anchors)
    hand.move(-300)
    assert second.now() == START + 10 * HOUR


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
