"""Who may do what: the answer for one thing and the filter for many are the same, and nothing is open by accident."""

import sqlite3
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from dothi.access.policy import (
    LOCAL_OPERATOR,
    STRANGER,
    WHOLE_CITY,
    Clearance,
    Grant,
    Person,
    Scope,
    Thing,
    may,
    reach,
)
from dothi.access.roles import ACTIONS, ROLES

_FEW = st.none() | st.frozensets(st.sampled_from(["east", "west", "south"]))
SCOPES = st.just(WHOLE_CITY) | st.builds(Scope, _FEW, _FEW, _FEW)
GRANTS = st.builds(Grant, st.sampled_from(sorted(ROLES)), SCOPES, st.sampled_from(Clearance))
PERSONS = st.sampled_from([STRANGER, LOCAL_OPERATOR]) | st.builds(
    Person, st.text(max_size=5), st.lists(GRANTS, max_size=3).map(tuple)
)
_ONE = st.none() | st.sampled_from(["east", "west", "south"])
THINGS = st.builds(Thing, st.sampled_from(Clearance), _ONE, _ONE, _ONE)
KNOWN = st.sampled_from(sorted(ACTIONS))
# Known ones, ones that differ from a known one by little, and any text at all.
ANY_ACTION = KNOWN | KNOWN.map(str.upper) | KNOWN.map(lambda name: name + " ") | st.text(max_size=20)


@given(person=PERSONS, action=ANY_ACTION, things=st.lists(THINGS, min_size=1, max_size=8))
def test_the_filter_lets_through_exactly_what_may_be_done(person: Person, action: str, things: list[Thing]) -> None:
    reached = reach(person, action)
    allowed = [may(person, action, thing) for thing in things]
    if reached is None:
        assert not any(allowed)
        return
    assert [reached.covers(thing) for thing in things] == allowed
    condition, values = reached.where(clearance="c", ward="w", agency="a", type="t")
    rows = [(number, int(thing.clearance), thing.ward, thing.agency, thing.type) for number, thing in enumerate(things)]
    with sqlite3.connect(":memory:") as db:
        db.execute("CREATE TABLE thing (n, c, w, a, t)")
        db.executemany("INSERT INTO thing VALUES (?,?,?,?,?)", rows)
        found = {number for (number,) in db.execute("SELECT n FROM thing WHERE " + condition, values)}  # noqa: S608 - under test
    assert [number in found for number in range(len(things))] == allowed


@given(person=PERSONS, door=KNOWN, action=KNOWN, thing=THINGS)
def test_through_a_door_nobody_reaches_more_than_without(person: Person, door: str, action: str, thing: Thing) -> None:
    asked, read = reach(person, door), reach(person, action)
    if asked is None or read is None:
        return
    if read.within(asked).covers(thing):
        assert read.covers(thing)
        assert asked.covers(thing) or thing.clearance == Clearance.PUBLIC


@given(person=PERSONS, action=ANY_ACTION, thing=THINGS)
def test_nothing_is_open_that_nobody_opened(person: Person, action: str, thing: Thing) -> None:
    if not may(person, action, thing):
        return
    assert action in ACTIONS
    granted = any(
        action in ROLES[one.role].actions and thing.clearance <= one.clearance and one.scope.covers(thing)
        for one in person.grants
    )
    assert granted or (ACTIONS[action] and thing.clearance == Clearance.PUBLIC)


@given(person=PERSONS, more=GRANTS, action=KNOWN, thing=THINGS)
def test_who_is_granted_more_may_not_do_less(person: Person, more: Grant, action: str, thing: Thing) -> None:
    if may(person, action, thing):
        assert may(replace(person, grants=(*person.grants, more)), action, thing)


@given(action=KNOWN)
def test_a_thing_nobody_classified_is_no_strangers_business(action: str) -> None:
    assert not may(STRANGER, action, Thing())
    assert may(LOCAL_OPERATOR, action, Thing())
    assert not may(LOCAL_OPERATOR, action, Clearance.PERSONAL)


def test_a_stranger_changes_nothing_and_reads_public_things_only() -> None:
    for action, public in ACTIONS.items():
        assert may(STRANGER, action) == public
        assert may(STRANGER, action, Clearance.PUBLIC) == public
        assert not may(STRANGER, action, Clearance.INTERNAL)
        if action.endswith(".write"):
            assert not public


def test_every_action_is_somebodys_and_roles_name_only_actions_there_are() -> None:
    people = {name: role for name, role in ROLES.items() if name != "system"}
    assert set().union(*(role.actions for role in people.values())) - ACTIONS.keys() == set()
    assert ROLES["system"].actions == ACTIONS.keys()
