"""What anybody may know of an incident: the four steps with their times, the answer, what was released; never a name."""

from datetime import datetime

from dothi.model.problem import not_found
from dothi.platform.incidents import store
from dothi.platform.incidents.model import STEPS, PublicIncident, PublicStep, State
from dothi.platform.incidents.photos import photos_of
from dothi.store.connection import Connection


def public_of(db: Connection, code: str) -> PublicIncident:
    """What may be told of the incident of this code, or of what it was merged into. Raises Problem 404."""
    found = store.fetch(db, code)
    if found is None:
        raise not_found("incident", code)
    incident = store.whole(db, found)
    order = [state for state, _ in STEPS]
    entered: dict[State, datetime] = {}
    reason = ""
    for entry in store.entries(db, incident.code):
        if entry.act == "reopen":
            entered = {"accepted": incident.accepted_at or entry.at}
        for change in entry.changes:
            if change.field == "state":
                if change.after in order:  # given back or to others, what came after has not been done yet
                    entered = {one: at for one, at in entered.items() if one in order[: order.index(change.after) + 1]}
                entered.setdefault(change.after, entry.at)
        if entry.act == "reject":
            reason = entry.words.vi
    if incident.accepted_at is not None:
        entered.setdefault("accepted", incident.accepted_at)
    latest = max((order.index(state) for state in entered if state in order), default=-1)
    # Who goes on without assigning or starting has done both by the time of the next step.
    for place in range(latest - 1, -1, -1):
        entered.setdefault(order[place], entered[order[place + 1]])
    return PublicIncident(
        code=incident.code,
        kind=incident.kind,
        state=incident.state,
        steps=tuple(PublicStep(state, title, entered.get(state)) for state, title in STEPS),
        ward=incident.ward,
        agency=incident.agency,
        opened_at=incident.opened_at,
        due_at=incident.due_at,
        paused=incident.paused_since is not None,
        answer=incident.answer,
        reason=reason if incident.state == "rejected" else "",
        photos=tuple(photo.number for photo in photos_of(db, incident.code) if photo.released),
    )
