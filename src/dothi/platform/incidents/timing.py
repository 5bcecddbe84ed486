"""Which clocks of an incident start, stop and pause with what happens to it, and when the city looks at it by itself."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from dothi.model.city import City
from dothi.model.promise import Step
from dothi.platform.incidents import clocks
from dothi.platform.incidents.clocks import ClockState
from dothi.platform.incidents.kinds import Playbook
from dothi.platform.incidents.model import WORKED, Incident

REMIND_EVERY = timedelta(days=3)
"""How long a pause goes on before the city says again that it does: nobody looks at clocks that stand still."""
_REMINDED = "paused:"
_UNTIL_ANSWERED: tuple[Step, ...] = ("handle", "resolve")


def begun(incident: Incident, city: City, playbook: Playbook | None) -> Incident:
    """A new incident with its clocks; the time until it was found is over."""
    made = list[ClockState]()
    for promise in city.promises:
        if promise.step == "handle" or not promise.holds(incident.origin, incident.urgency):
            continue
        if promise.step == "detect":
            found = clocks.started(promise, incident.detected_from, city.working_time)
            made.append(clocks.stopped(found, incident.opened_at))
        else:
            made.append(clocks.started(promise, incident.opened_at, city.working_time))
    return looked_after(replace(incident, clocks=tuple(made)), city, playbook)


def followed(before: Incident, after: Incident, at: datetime, city: City, playbook: Playbook | None) -> Incident:
    """``after`` with clocks that follow what happened to it ``at``."""
    time = city.working_time
    if (after.origin, after.urgency) != (before.origin, before.urgency):
        measured = tuple(_measured(one, after, at, city) for one in after.clocks)
        longer = tuple(
            new.step
            for old, new in zip(after.clocks, measured, strict=True)
            if new != old and clocks.left(new, at, time) > timedelta()
        )
        told = tuple(one for one in after.told if not one.startswith(longer))
        after = replace(after, clocks=measured, told=told)
    if before.paused_since is not None and after.paused_since is None:
        told = tuple(one for one in after.told if not one.startswith(_REMINDED))
        after = replace(after, clocks=tuple(clocks.resumed(one, at, time) for one in after.clocks), told=told)
    if before.state == "new" != after.state:
        after = _stop(after, ("accept",), at)
    if after.state not in WORKED:
        after = _stop(after, ("accept", *_UNTIL_ANSWERED), at)
    elif before.state not in WORKED:
        going = (clocks.again(one, at, time) if one.step in _UNTIL_ANSWERED else one for one in after.clocks)
        told = tuple(one for one in after.told if not one.startswith((*_UNTIL_ANSWERED, "closing")))
        after = replace(after, clocks=tuple(going), told=told)
    if after.state in ("accepted", "assigned", "handling"):
        after = replace(after, clocks=(*after.clocks, *_handling(after, at, city)))
    if before.paused_since is None and after.paused_since is not None:
        after = replace(after, clocks=tuple(clocks.paused(one, at) for one in after.clocks))
    return looked_after(after, city, playbook)


def absorbed(incident: Incident, other: Incident, at: datetime, city: City, playbook: Playbook | None) -> Incident:
    """``incident`` with ``other`` merged into it: of each step the clock with less time left goes on, so that nobody who
    reported waits longer for it.
    """
    time = city.working_time
    kept = {one.step: one for one in incident.clocks}
    for theirs in other.clocks:
        own = kept.get(theirs.step)
        accepted = theirs.step == "accept" and incident.state != "new"
        if theirs.stopped is not None or accepted or (own is not None and own.stopped is not None):
            continue
        if own is None or clocks.left(theirs, at, time) < clocks.left(own, at, time):
            on = clocks.resumed(theirs, at, time)
            kept[theirs.step] = on if incident.paused_since is None else clocks.paused(on, at)
    return looked_after(replace(incident, clocks=tuple(kept.values())), city, playbook)


def looked_after(incident: Incident, city: City, playbook: Playbook | None) -> Incident:
    """``incident`` with the moment its first clock runs out, and when the city looks at it again."""
    due = min((one.due for one in incident.clocks if one.running and one.due is not None), default=None)
    look = min((at for at, _ in _ahead(incident, city, playbook)), default=None)
    return replace(incident, due_at=due, look_at=look)


def happened(incident: Incident, at: datetime, city: City, playbook: Playbook | None) -> list[str]:
    """What is to be told of by ``at``: "accept:warn", "accept:due", "step:2" (that step is late), "paused" (still),
    "resume", "closing" (soon by itself) or "close".
    """
    return [what for when, what in sorted(_ahead(incident, city, playbook)) if when <= at]


def reminded(incident: Incident, at: datetime) -> Incident:
    """A paused incident of which it was said ``at`` that it still is: however long the city slept, once."""
    assert incident.paused_since is not None, "only what is paused is brought to mind"  # noqa: S101 - narrows a type
    told = (one for one in incident.told if not one.startswith(_REMINDED))
    return replace(incident, told=(*told, f"{_REMINDED}{(at - incident.paused_since) // REMIND_EVERY}"))


def closes_at(incident: Incident, city: City) -> datetime | None:
    """When an answered incident is closed by itself; None if it is not."""
    if incident.state != "answered" or incident.answered_at is None or city.close_after is None:
        return None
    return incident.answered_at + city.close_after


def _ahead(incident: Incident, city: City, playbook: Playbook | None) -> Iterator[tuple[datetime, str]]:
    """What comes about by itself, and when."""
    closes = closes_at(incident, city)
    if closes is not None and incident.answered_at is not None:
        if "closing" not in incident.told:
            yield incident.answered_at + (closes - incident.answered_at) * clocks.WARN_AT, "closing"
        yield closes, "close"
    if not incident.worked:
        return
    for clock in incident.clocks:
        warns = clocks.warns_at(clock, city.working_time)
        if warns is not None and clock.due is not None:
            for when, what in ((warns, f"{clock.step}:warn"), (clock.due, f"{clock.step}:due")):
                if what not in incident.told:
                    yield when, what
    if incident.paused_since is not None:
        ends = incident.paused_until
        reminder = incident.paused_since + REMIND_EVERY * (_reminders(incident) + 1)
        if ends is None or reminder < ends:
            yield reminder, "paused"
        if ends is not None:
            yield ends, "resume"
    if playbook is not None and incident.playbook_at is not None and incident.paused_since is None:
        done = {one.step for one in incident.steps_done}
        for number, step in enumerate(playbook.steps):
            if step.minutes is not None and number not in done and f"step:{number}" not in incident.told:
                yield incident.playbook_at + timedelta(minutes=step.minutes), f"step:{number}"


def _reminders(incident: Incident) -> int:
    return next((int(one.removeprefix(_REMINDED)) for one in incident.told if one.startswith(_REMINDED)), 0)


def _stop(incident: Incident, steps: tuple[str, ...], at: datetime) -> Incident:
    return replace(incident, clocks=tuple(clocks.stopped(one, at) if one.step in steps else one for one in incident.clocks))


def _handling(incident: Incident, at: datetime, city: City) -> list[ClockState]:
    """The clock of the handling, if it has not started yet."""
    if any(one.step == "handle" for one in incident.clocks):
        return []
    promises = (one for one in city.promises if one.step == "handle" and one.holds(incident.origin, incident.urgency))
    return [clocks.started(one, at, city.working_time) for one in promises]


def _measured(clock: ClockState, incident: Incident, at: datetime, city: City) -> ClockState:
    """A clock that is still on, by what is promised for the incident's urgency now."""
    promised = next(
        (one for one in city.promises if one.step == clock.step and one.holds(incident.origin, incident.urgency)), None
    )
    if promised is None or clock.stopped is not None:
        return clock
    changed = replace(clock, hours=promised.hours, working=promised.working)
    # A pause of no length: what is due is worked out anew from what is left.
    return clocks.resumed(clocks.paused(changed, at), at, city.working_time) if changed.running else changed
