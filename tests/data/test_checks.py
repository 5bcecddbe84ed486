"""The vectorised checks against a slow one that judges row after row, and each check by hand."""

import math
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dothi.data.checks import ABSURD_AHEAD, ABSURD_BEHIND, FUTURE_AFTER, HOUR, Checks, Judged, believable_times
from dothi.model.reading import BAD_REASONS, Grade, Reason, grade_of
from dothi.model.schema import AttributeType
from dothi.model.text import Text

NOW = 1_780_000_000_000_000
MINUTE = HOUR // 60
PM25 = AttributeType(
    "pm25",
    "urn:pm25",
    Text("Bụi mịn", "Fine dust"),
    unit="GQ",
    minimum=0.0,
    maximum=1_000.0,
    max_change_per_hour=200.0,
    stuck_after=timedelta(hours=6),
)
TEMPERATURE = AttributeType("temperature", "urn:t", Text("Nhiệt độ", "Temperature"), minimum=-10.0, maximum=60.0)
FREE = AttributeType("count", "urn:count", Text("Số đếm", "Count"))

Row = tuple[int, int, float, Reason]  # series, observed at, value, what is known already


def run(checks: Checks, rows: list[Row], now: int = NOW) -> list[tuple[Reason, Grade]]:
    """The checks over rows, answered row by row."""
    judged = judge(checks, rows, now)
    checks.keep(judged)
    return [(Reason(int(reason)), Grade(int(grade))) for reason, grade in zip(judged.reasons, judged.grades, strict=True)]


def judge(checks: Checks, rows: list[Row], now: int = NOW) -> Judged:
    """The checks over rows, with nothing remembered yet."""
    return checks.run(
        np.array([row[0] for row in rows], np.int64),
        np.array([row[1] for row in rows], np.int64),
        np.array([row[2] for row in rows], np.float64),
        np.array([row[3] for row in rows], np.int64),
        now,
    )


def checks_of(*attributes: AttributeType) -> Checks:
    """Checks whose series 0, 1, … have these attributes."""
    checks = Checks()
    for series, attribute in enumerate(attributes):
        checks.declare(series, attribute)
    return checks


@dataclass
class Oracle:
    """One series, judged one reading at a time, as the docstring of ``Checks.run`` says it in words."""

    attribute: AttributeType
    value: float | None = None
    at: int = 0
    since: int = 0

    def judge(self, at: int, value: float, known: Reason, now: int) -> Reason:
        kind, reasons = self.attribute, known
        if kind.minimum is not None and value < kind.minimum:
            reasons |= Reason.RANGE
        if kind.maximum is not None and value > kind.maximum:
            reasons |= Reason.RANGE
        if math.isinf(value):
            reasons |= Reason.TYPE
        if at > now + FUTURE_AFTER:
            reasons |= Reason.FUTURE
        if reasons & BAD_REASONS or math.isnan(value):
            return reasons
        if self.value is not None:
            if at <= self.at:
                return reasons
            allowed = math.inf if kind.max_change_per_hour is None else kind.max_change_per_hour
            if abs(value - self.value) > allowed * max((at - self.at) / HOUR, 1.0):
                reasons |= Reason.JUMP
        if value != self.value:
            self.since = at
        if kind.stuck_after is not None and at - self.since >= kind.stuck_after / timedelta(microseconds=1):
            reasons |= Reason.STUCK
        self.value, self.at = value, at
        return reasons


values = st.one_of(
    st.sampled_from([0.0, 20.0, 20.0, 20.0, 21.0, 150.0, 450.0, 5_000.0, -1.0, math.nan, math.inf, -math.inf]),
    st.floats(-50, 2_000),
)
times = st.integers(-40, 4).map(lambda step: NOW + step * 30 * MINUTE)
known = st.sampled_from([Reason.NONE, Reason.NONE, Reason.NONE, Reason.UNIT, Reason.TYPE, Reason.SHARED_PLACE])
batches = st.lists(st.lists(st.tuples(st.integers(0, 2), times, values, known), max_size=40), min_size=1, max_size=5)


@settings(max_examples=100, deadline=None)
@given(batches)
def test_columns_judge_as_row_after_row(sent: list[list[Row]]) -> None:
    attributes = (PM25, TEMPERATURE, FREE)
    checks, oracles = checks_of(*attributes), [Oracle(one) for one in attributes]
    for batch in sent:
        expected: dict[int, Reason] = {}
        for index in sorted(range(len(batch)), key=lambda index: batch[index][1]):
            series, at, value, reasons = batch[index]
            expected[index] = oracles[series].judge(at, value, reasons, NOW)
        assert run(checks, batch) == [(expected[i], grade_of(expected[i])) for i in range(len(batch))]


@settings(max_examples=50, deadline=None)
@given(batches)
def test_where_batches_are_cut_does_not_matter_for_readings_in_order(sent: list[list[Row]]) -> None:
    rows = sorted((row for batch in sent for row in batch), key=lambda row: row[1])
    cuts = np.cumsum([len(batch) for batch in sent])[:-1]
    whole, parts = checks_of(PM25, TEMPERATURE, FREE), checks_of(PM25, TEMPERATURE, FREE)
    pieces = [rows[start:end] for start, end in zip([0, *cuts], [*cuts, len(rows)], strict=True)]
    assert run(whole, rows) == [answer for piece in pieces for answer in run(parts, piece)]


def test_range_is_bad_beyond_the_bounds_and_only_there() -> None:
    for value, reason in ((-0.1, Reason.RANGE), (0.0, Reason.NONE), (1_000.0, Reason.NONE), (1_000.1, Reason.RANGE)):
        assert run(checks_of(PM25), [(0, NOW, value, Reason.NONE)]) == [(reason, grade_of(reason))]


def test_what_was_not_kept_leaves_no_trace() -> None:
    checks = checks_of(PM25)
    run(checks, [(0, NOW - HOUR, 20.0, Reason.NONE)])
    again = [(0, NOW, 900.0, Reason.NONE)]
    first = judge(checks, again)
    assert run(checks, again) == [(Reason.JUMP, Grade.SUSPECT)]
    assert first.reasons.tolist() == [Reason.JUMP]


@pytest.mark.parametrize(("ahead", "reason"), [(5 * MINUTE, Reason.NONE), (5 * MINUTE + 1, Reason.FUTURE)])
def test_future_begins_five_minutes_ahead_of_the_citys_clock(ahead: int, reason: Reason) -> None:
    assert run(checks_of(PM25), [(0, NOW + ahead, 20.0, Reason.NONE)]) == [(reason, grade_of(reason))]


def test_believable_times_reach_ten_years_back_and_a_day_ahead() -> None:
    assert believable_times(NOW) == (NOW - ABSURD_BEHIND, NOW + ABSURD_AHEAD)
    assert ABSURD_BEHIND // (24 * HOUR) == 3_650


def test_stuck_from_the_moment_the_limit_is_reached_and_over_batches() -> None:
    checks = checks_of(PM25)
    start = NOW - 9 * HOUR
    first = run(checks, [(0, start + hour * HOUR, 17.0, Reason.NONE) for hour in range(4)])
    then = run(checks, [(0, start + hour * HOUR, 17.0, Reason.NONE) for hour in range(4, 8)])
    moved = run(checks, [(0, start + 8 * HOUR, 18.0, Reason.NONE)])
    assert [reason for reason, _ in first + then + moved] == [Reason.NONE] * 6 + [Reason.STUCK] * 2 + [Reason.NONE]


def test_a_jump_is_judged_over_the_time_it_took() -> None:
    slow, fast = checks_of(PM25), checks_of(PM25)
    assert run(slow, [(0, NOW - 3 * HOUR, 20.0, Reason.NONE), (0, NOW, 600.0, Reason.NONE)])[1][0] == Reason.NONE
    assert run(fast, [(0, NOW - 2 * HOUR, 20.0, Reason.NONE), (0, NOW, 600.0, Reason.NONE)])[1] == (
        Reason.JUMP,
        Grade.SUSPECT,
    )


def test_noise_between_two_close_readings_is_no_jump() -> None:
    rows = [(0, NOW - 1_000_000, 20.0, Reason.NONE), (0, NOW, 30.0, Reason.NONE)]
    assert [reason for reason, _ in run(checks_of(PM25), rows)] == [Reason.NONE, Reason.NONE]


def test_a_late_or_bad_reading_leaves_no_trace() -> None:
    checks = checks_of(PM25)
    run(checks, [(0, NOW - HOUR, 20.0, Reason.NONE)])
    run(checks, [(0, NOW - 2 * HOUR, 900.0, Reason.NONE), (0, NOW - MINUTE, 4_000.0, Reason.NONE)])
    assert run(checks, [(0, NOW, 21.0, Reason.NONE)]) == [(Reason.NONE, Grade.GOOD)]


def test_what_is_remembered_from_before_a_restart_counts() -> None:
    checks = checks_of(PM25)
    checks.remember(np.array([0]), np.array([NOW - HOUR]), np.array([20.0]))
    checks.remember(np.array([0]), np.array([NOW - 2 * HOUR]), np.array([700.0]))
    assert run(checks, [(0, NOW, 700.0, Reason.NONE)]) == [(Reason.JUMP, Grade.SUSPECT)]


def test_a_series_nobody_declared_has_no_limits() -> None:
    assert run(Checks(), [(7, NOW, 1e12, Reason.NONE)]) == [(Reason.NONE, Grade.GOOD)]


def test_an_empty_batch_is_an_empty_answer() -> None:
    assert run(Checks(), []) == []


def test_half_a_million_series_need_little_memory() -> None:
    checks = Checks()
    checks.declare(499_999, PM25)
    assert checks.nbytes <= 20_000_000
