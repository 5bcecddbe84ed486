"""People for tests: somebody who may do everything, up to a clearance."""

from dothi.access.policy import WHOLE_CITY, Clearance, Grant, Person


def insider(id: str = "keeper", clearance: Clearance = Clearance.PERSONAL) -> Person:
    """Somebody who may do every action on the whole city, up to ``clearance``."""
    return Person(id, (Grant("system", WHOLE_CITY, clearance),))
