"""Every role against every action, scope, clearance and thing: what the policy answers is what the generated page says."""

from itertools import product
from pathlib import Path

import pytest

from dothi.access.policy import WHOLE_CITY, Clearance, Grant, Person, Scope, Thing, may, reach
from dothi.access.roles import ACTIONS, ROLES

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "access.md"
WARDS, AGENCIES, TYPES = (frozenset({f"{name}-mine"}) for name in ("ward", "agency", "type"))
SCOPES = {
    "whole city": WHOLE_CITY,
    "a ward": Scope(wards=WARDS),
    "an agency": Scope(agencies=AGENCIES),
    "a sector": Scope(types=TYPES),
    "a ward's sector": Scope(wards=WARDS, types=TYPES),
    "nothing": Scope(wards=frozenset()),
}
# Ward, agency and type of things, and in which scopes each lies: written down by hand, not asked of the policy.
PLACES = {
    ("ward-mine", "agency-mine", "type-mine"): {"whole city", "a ward", "an agency", "a sector", "a ward's sector"},
    ("ward-other", "agency-mine", "type-mine"): {"whole city", "an agency", "a sector"},
    ("ward-mine", "agency-other", "type-mine"): {"whole city", "a ward", "a sector", "a ward's sector"},
    ("ward-mine", "agency-mine", "type-other"): {"whole city", "a ward", "an agency"},
    ("ward-other", "agency-other", "type-other"): {"whole city"},
    (None, None, None): {"whole city"},
}


def _table() -> tuple[dict[str, Clearance], dict[str, set[str]]]:
    """The page as people read it: each role's ceiling, and who may do each action (``anybody`` on public things)."""
    ceilings: dict[str, Clearance] = {}
    actions: dict[str, set[str]] = {}
    head: list[str] = []
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip().strip("`") for cell in line.strip("|").split("|")]
        if cells[0] == "action":
            head = cells[1:]
        elif line.startswith("| `") and head:
            actions[cells[0]] = {who for who, mark in zip(head, cells[1:], strict=True) if mark}
        elif line.startswith("| `"):
            ceilings[cells[0]] = Clearance[cells[3].upper()]
    return ceilings, actions


CEILINGS, MAY = _table()


def test_the_page_names_every_role_and_every_action() -> None:
    assert {name: Clearance(role.ceiling) for name, role in ROLES.items()} == CEILINGS
    assert MAY.keys() == ACTIONS.keys()


@pytest.mark.parametrize("role", sorted(ROLES))
def test_the_policy_answers_what_the_page_says(role: str) -> None:
    for (name, scope), level in product(SCOPES.items(), Clearance):
        person = Person(f"{role} of {name}", (Grant(role, scope, level),))
        for action, who in MAY.items():
            assert may(person, action) == (role in who or "anybody" in who), (role, action)
            reached = reach(person, action)
            for (place, lies_in), clearance in product(PLACES.items(), Clearance):
                thing = Thing(clearance, *place)
                expected = (role in who and name in lies_in and clearance <= min(level, CEILINGS[role])) or (
                    "anybody" in who and clearance == Clearance.PUBLIC
                )
                assert (reached is not None and reached.covers(thing)) == expected, (role, name, level, action, thing)


def test_a_stranger_may_what_anybody_may() -> None:
    for (action, who), clearance in product(MAY.items(), Clearance):
        assert may(Person("stranger"), action, clearance) == ("anybody" in who and clearance == Clearance.PUBLIC)


def test_grants_add_up_and_none_widens_another() -> None:
    """One's own ward with a high clearance and the whole city with a low one do not make the whole city with a high one."""
    grants = (Grant("operator", Scope(wards=WARDS), Clearance.RESTRICTED), Grant("leader", WHOLE_CITY, Clearance.INTERNAL))
    person = Person("two hats", grants)
    assert may(person, "entity.read", Thing(Clearance.RESTRICTED, "ward-mine"))
    assert may(person, "entity.read", Thing(Clearance.INTERNAL, "ward-other"))
    assert not may(person, "entity.read", Thing(Clearance.RESTRICTED, "ward-other"))
    assert not may(person, "operations.write", Thing(Clearance.INTERNAL, "ward-other"))
