"""What this broker does not do: say so, and why, in the standard's words (ETSI GS CIM 009 v1.8.1, clause 6.3.2)."""

from dothi.model.problem import Problem

_NOT_HERE = {
    "csourceRegistrations": "context source registrations and distributed operations: it answers with what it keeps itself",
    "csourceSubscriptions": "subscriptions to context source registrations, because it keeps no registrations",
    "snapshots": "snapshots: the temporal interface says what was at any moment",
}


def not_here(resource: str) -> Problem | None:
    """Problem 501 for a resource of the standard that is not built; None for any other."""
    what = _NOT_HERE.get(resource)
    if what is None:
        return None
    return Problem(501, "not-here", f"This broker does not offer {resource}.", f"It has no {what}.")
