"""The one place that decides: ``may`` for a thing at hand, ``reach`` for the same answer as a query filter.

Until accounts exist the policy is "open on loopback": whoever sits at the machine is the operator of a city that
listens only there; everybody else reads what is public and nothing more. Deny by default.
"""

from dataclasses import dataclass
from enum import IntEnum


class Clearance(IntEnum):
    """How far a thing may be known. What nobody classified is internal."""

    PUBLIC = 0
    INTERNAL = 1
    RESTRICTED = 2
    PERSONAL = 3


@dataclass(frozen=True, slots=True)
class Person:
    """Who asks: a person or a machine, by id only."""

    id: str
    clearance: Clearance = Clearance.PUBLIC
    operator: bool = False


STRANGER = Person("stranger")
LOCAL_OPERATOR = Person("local-operator", Clearance.RESTRICTED, operator=True)
SYSTEM = Person("system", Clearance.RESTRICTED, operator=True)

# Every action a route may declare, and whether a stranger may do it on public things.
ACTIONS: dict[str, bool] = {
    "page.read": True,
    "city.read": True,
    "entity.read": True,
    "history.read": True,
    "health.read": True,
    "air.read": True,
    "operations.read": False,
    "operations.write": False,
    "metrics.read": False,
    "device.read": False,
    "device.write": False,
    "quarantine.read": False,
    "quarantine.write": False,
    "forecast.read": True,
    "run.read": False,
    "run.start": False,
    "run.cancel": False,
    "sql.ask": False,
    "sql.save": False,
    "retention.read": False,
    "retention.write": False,
    "reading.write": False,
    "entity.write": False,
    "city.export": False,
    "city.import": False,
}


def may(person: Person, action: str, clearance: Clearance = Clearance.INTERNAL) -> bool:
    """True if ``person`` may do ``action`` on a thing of this ``clearance``. An unknown action is refused."""
    public = ACTIONS.get(action)
    if public is None:
        return False
    if not (person.operator or public):
        return False
    return clearance <= person.clearance


def reach(person: Person, action: str) -> Clearance | None:
    """The highest clearance ``person`` reaches with ``action``: the filter a query applies. None reaches nothing."""
    allowed = [clearance for clearance in Clearance if may(person, action, clearance)]
    return max(allowed) if allowed else None
