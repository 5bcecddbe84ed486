"""Grades follow from reasons: one bad reason makes a value bad, any other makes it suspect, none leaves it good."""

from functools import reduce
from operator import or_

from hypothesis import given, settings
from hypothesis import strategies as st

from dothi.model.reading import BAD_REASONS, Grade, Origin, Reason, grade_of

reasons = st.lists(st.sampled_from(list(Reason)), max_size=4).map(lambda some: reduce(or_, some, Reason.NONE))


@settings(max_examples=100)
@given(reasons)
def test_the_worst_reason_decides(given_reasons: Reason) -> None:
    grade = grade_of(given_reasons)
    assert (grade is Grade.BAD) == any(reason in BAD_REASONS for reason in given_reasons)
    assert (grade is Grade.GOOD) == (given_reasons == Reason.NONE)


@settings(max_examples=100)
@given(reasons, reasons)
def test_another_reason_never_makes_a_value_better(one: Reason, other: Reason) -> None:
    assert grade_of(one | other) >= grade_of(one)


def test_each_reason() -> None:
    bad = {Reason.TYPE, Reason.RANGE, Reason.FUTURE, Reason.ABSURD_TIME}
    suspect = {Reason.UNIT, Reason.STUCK, Reason.JUMP, Reason.SHARED_PLACE}
    assert {reason for reason in Reason if grade_of(reason) is Grade.BAD} == bad
    assert {reason for reason in Reason if grade_of(reason) is Grade.SUSPECT} == suspect


def test_stored_numbers_never_change() -> None:
    """They are in every history table: a change would turn old readings into something else."""
    assert {one.name: int(one) for one in Origin} == {"MEASURED": 0, "MODELLED": 1, "SIMULATED": 2, "REPLAYED": 3}
    assert {one.name: int(one) for one in Grade} == {"GOOD": 0, "SUSPECT": 1, "BAD": 2}
    assert {one.name: int(one) for one in Reason} == {
        "TYPE": 1,
        "RANGE": 2,
        "UNIT": 4,
        "FUTURE": 8,
        "ABSURD_TIME": 16,
        "STUCK": 32,
        "JUMP": 64,
        "SHARED_PLACE": 128,
    }
