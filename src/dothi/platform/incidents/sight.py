"""Who may see an incident, and who may change it: asked inside the transaction or the read that it is for."""

from dothi.access.policy import Person, may
from dothi.model.problem import Problem, not_found
from dothi.platform.incidents import store
from dothi.platform.incidents.model import Incident
from dothi.store.connection import Connection

READ, WRITE = "incident.read", "incident.write"


def seen(db: Connection, asker: Person, code: str) -> Incident:
    """An incident that ``asker`` may know of. Raises Problem 404."""
    found = store.fetch(db, code)
    if found is None or not may(asker, READ, found.thing):
        raise not_found("incident", code)
    return found


def changeable(db: Connection, person: Person, code: str) -> Incident:
    """An incident that ``person`` may change. Raises Problem 404 and 403."""
    incident = seen(db, person, code)
    if not may(person, WRITE, incident.thing):
        raise forbidden(person)
    return incident


def forbidden(person: Person) -> Problem:
    """The problem of somebody who may not change an incident."""
    return Problem(403, "not-allowed", f"{person.id} may not change this incident.", "Ask the operations centre.")
