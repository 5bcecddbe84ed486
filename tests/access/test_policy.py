"""Who may do what: the answer for one thing and the filter for many are the same, and nothing is open by accident."""

from hypothesis import given
from hypothesis import strategies as st

from dothi.access.policy import ACTIONS, LOCAL_OPERATOR, STRANGER, Clearance, Person, may, reach

PERSONS = st.sampled_from([STRANGER, LOCAL_OPERATOR]) | st.builds(
    Person, st.text(max_size=5), st.sampled_from(Clearance), st.booleans()
)
KNOWN = st.sampled_from(sorted(ACTIONS))
# Known ones, ones that differ from a known one by little, and any text at all.
ANY_ACTION = KNOWN | KNOWN.map(str.upper) | KNOWN.map(lambda name: name + " ") | st.text(max_size=20)
CLEARANCES = st.sampled_from(Clearance)


@given(person=PERSONS, action=ANY_ACTION, clearance=CLEARANCES)
def test_the_filter_lets_through_exactly_what_may_be_done(person: Person, action: str, clearance: Clearance) -> None:
    reached = reach(person, action)
    assert may(person, action, clearance) == (reached is not None and clearance <= reached)


@given(person=PERSONS, action=ANY_ACTION, clearance=CLEARANCES)
def test_nothing_is_open_that_nobody_opened(person: Person, action: str, clearance: Clearance) -> None:
    if may(person, action, clearance):
        assert action in ACTIONS
        assert clearance <= person.clearance
        assert person.operator or ACTIONS[action]


@given(person=PERSONS, action=KNOWN, clearance=CLEARANCES)
def test_who_is_trusted_more_may_not_do_less(person: Person, action: str, clearance: Clearance) -> None:
    for more in (level for level in Clearance if level >= person.clearance):
        for operator in {person.operator, True}:
            if may(person, action, clearance):
                assert may(Person(person.id, more, operator), action, clearance)


@given(action=KNOWN)
def test_a_thing_nobody_classified_is_no_strangers_business(action: str) -> None:
    assert not may(STRANGER, action)
    assert may(LOCAL_OPERATOR, action)
    assert not may(LOCAL_OPERATOR, action, Clearance.PERSONAL)


def test_a_stranger_changes_nothing_and_reads_public_things_only() -> None:
    for action in ACTIONS:
        assert reach(STRANGER, action) in ({Clearance.PUBLIC} if ACTIONS[action] else {None})
        if action.endswith(".write"):
            assert reach(STRANGER, action) is None
