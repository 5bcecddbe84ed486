"""Clocks of an incident: what was promised, what is left of it, and what stops it. Pure; moments are aware UTC.

Steps and levels are those of Decision 1207/QĐ-UBND (Hanoi, 2025-02-28); the centre's own promise (found within 1 h, solved
within 4 h) is the city's plan of April 2026. Which of them hold, and how long they are, is the city pack's.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from dothi.model.promise import Promise, Step
from dothi.model.working_time import WorkingTime, around_the_clock

WARN_AT = 0.8
"""The part of the time after which a clock warns: its last fifth (screens.md)."""

_ALWAYS = around_the_clock()


@dataclass(frozen=True, slots=True)
class Pause:
    """A stretch that does not count; ``ended`` None goes on."""

    began: datetime
    ended: datetime | None = None


@dataclass(frozen=True, slots=True)
class ClockState:
    """One clock. ``due`` is when its time is up if nothing pauses it any more; while it is paused, None."""

    step: Step
    hours: float
    working: bool
    started: datetime
    due: datetime | None
    stopped: datetime | None = None
    pauses: tuple[Pause, ...] = ()

    @property
    def running(self) -> bool:
        """True if time passes on it."""
        return self.stopped is None and not self.paused

    @property
    def paused(self) -> bool:
        """True if it waits to go on."""
        return self.stopped is None and bool(self.pauses) and self.pauses[-1].ended is None


def started(promise: Promise, at: datetime, working_time: WorkingTime) -> ClockState:
    """The clock of ``promise``, started ``at``."""
    due = _measure(promise.working, working_time).add(at, timedelta(hours=promise.hours))
    return ClockState(promise.step, promise.hours, promise.working, at, due)


def paused(clock: ClockState, at: datetime) -> ClockState:
    """The clock, paused ``at``; one that does not run stays as it is."""
    return replace(clock, due=None, pauses=(*clock.pauses, Pause(at))) if clock.running else clock


def resumed(clock: ClockState, at: datetime, working_time: WorkingTime) -> ClockState:
    """The clock, going on ``at``: due when what was left at the pause is used up. One that is not paused stays as it is."""
    if not clock.paused:
        return clock
    on = replace(clock, pauses=(*clock.pauses[:-1], Pause(clock.pauses[-1].began, at)))
    return replace(on, due=_due(on, at, working_time))


def stopped(clock: ClockState, at: datetime) -> ClockState:
    """The clock, stopped for good ``at``; the first time counts."""
    if clock.stopped is not None:
        return clock
    pauses = clock.pauses
    if clock.paused:
        pauses = (*pauses[:-1], Pause(pauses[-1].began, at))
    return replace(clock, stopped=at, pauses=pauses)


def again(clock: ClockState, at: datetime, working_time: WorkingTime) -> ClockState:
    """A stopped clock that goes on ``at``: the time in between does not count. One that was not stopped stays as it is."""
    if clock.stopped is None:
        return clock
    on = replace(clock, stopped=None, pauses=(*clock.pauses, Pause(clock.stopped, at)))
    return replace(on, due=_due(on, at, working_time))


def spent(clock: ClockState, now: datetime, working_time: WorkingTime) -> timedelta:
    """How much of its time was used until ``now``, or until it stopped: working time if it counts such, without pauses."""
    measure = _measure(clock.working, working_time)
    end = min(now, clock.stopped) if clock.stopped is not None else now
    begin, total = clock.started, timedelta()
    for pause in clock.pauses:
        total += measure.between(begin, min(pause.began, end))
        begin = end if pause.ended is None else pause.ended
    return total + measure.between(begin, end)


def left(clock: ClockState, now: datetime, working_time: WorkingTime) -> timedelta:
    """What is left of its time; negative once it is overdue."""
    return timedelta(hours=clock.hours) - spent(clock, now, working_time)


def used(clock: ClockState, now: datetime, working_time: WorkingTime) -> float:
    """The part of its time that is used: 1 is all of it, more is overdue."""
    return spent(clock, now, working_time) / timedelta(hours=clock.hours)


def warns_at(clock: ClockState, working_time: WorkingTime) -> datetime | None:
    """When its last fifth begins if nothing pauses it any more; None if it does not run."""
    if not clock.running:
        return None
    measure = _measure(clock.working, working_time)
    last = clock.pauses[-1].ended if clock.pauses else clock.started
    begin = clock.started if last is None else last
    rest = timedelta(hours=clock.hours * WARN_AT) - spent(clock, begin, working_time)
    return begin if rest <= timedelta() else measure.add(begin, rest)


def _due(clock: ClockState, at: datetime, working_time: WorkingTime) -> datetime:
    """When the time of a clock that goes on ``at`` is up: at once, if there was nothing left."""
    rest = left(clock, at, working_time)
    measure = _measure(clock.working, working_time)
    return measure.add(at, rest) if rest > timedelta() else at


def _measure(working: bool, working_time: WorkingTime) -> WorkingTime:
    return working_time if working else _ALWAYS
