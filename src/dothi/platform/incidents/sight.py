"""Who may see an incident, and who may change it: asked inside the transaction or the read that it is for."""

from collections.abc import Iterable

from dothi.access.policy import Person, Reach, may, reach
from dothi.model.problem import Problem, not_found
from dothi.platform.incidents import store
from dothi.platform.incidents.model import Incident
from dothi.store.connection import Connection

READ, WRITE = "incident.read", "incident.write"


def sees(person: Person, incident: Incident) -> bool:
    """True if ``person`` may know of it: it is theirs, was given to them, or they were asked to help."""
    return bool(seen_among(person, [incident]))


def seen_among(person: Person, incidents: Iterable[Incident]) -> list[Incident]:
    """Those that ``person`` may know of, as ``sees``."""
    reached = reach(person, READ)
    if reached is None:
        return []
    return [
        one
        for one in incidents
        if _given(person, reached, one) or any(reached.covers(thing) for thing in (one.thing, *one.helping))
    ]


def owns(person: Person, incident: Incident) -> bool:
    """True if ``person`` may do everything to it that its state allows: it lies within their reach, or was given to them."""
    reached = reach(person, WRITE)
    return reached is not None and (_given(person, reached, incident) or reached.covers(incident.thing))


def helps(person: Person, incident: Incident) -> bool:
    """True if ``person`` may do to it what does not decide it: comment, work on tasks, add photos."""
    return owns(person, incident) or any(may(person, WRITE, thing) for thing in incident.helping)


def _given(person: Person, reached: Reach, incident: Incident) -> bool:
    """True if it was assigned to ``person``, wherever it lies, and is not more secret than what is ``reached``: the same
    answer as ``store.seen_by`` gives a query.
    """
    return incident.assignee == person.id and any(most >= incident.clearance for most in store.wherever(reached))


def seen(db: Connection, asker: Person, code: str) -> Incident:
    """An incident that ``asker`` may know of. Raises Problem 404."""
    found = store.fetch(db, code)
    if found is None or not sees(asker, found):
        raise not_found("incident", code)
    return found


def changeable(db: Connection, person: Person, code: str, *, helping: bool = False) -> Incident:
    """An incident that ``person`` may change, or ``helping`` do what does not decide it. Raises Problem 404 and 403."""
    incident = seen(db, person, code)
    if not (helps if helping else owns)(person, incident):
        raise forbidden(person)
    return incident


def forbidden(person: Person) -> Problem:
    """The problem of somebody who may not change an incident."""
    return Problem(403, "not-allowed", f"{person.id} may not change this incident.", "Ask the operations centre.")
