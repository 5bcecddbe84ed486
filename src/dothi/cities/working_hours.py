"""Working hours and promises as a city pack or a city's own file says them."""

import tomllib
from collections.abc import Container
from datetime import date, datetime, time, timedelta
from itertools import pairwise, product
from pathlib import Path
from typing import Annotated, get_args
from zoneinfo import ZoneInfo

import msgspec

from dothi.model.problem import Problem
from dothi.model.promise import Origin, Promise, Step, Urgency
from dothi.model.text import Text
from dothi.model.working_time import Span, WorkingTime

_WEEK = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MOST_DAYS = 60
_MOST_WEEKS = 260


class Stretch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Days off in a row, both included."""

    first: date
    last: date
    title: Text


class Instead(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A day that is worked although its weekday or a holiday says otherwise; ``hours`` like those of a weekday."""

    day: date
    hours: tuple[str, ...]


class Hours(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The table ``working_time``: hours like "08:00-12:00" of each weekday, days off, days worked instead."""

    monday: tuple[str, ...] = ()
    tuesday: tuple[str, ...] = ()
    wednesday: tuple[str, ...] = ()
    thursday: tuple[str, ...] = ()
    friday: tuple[str, ...] = ()
    saturday: tuple[str, ...] = ()
    sunday: tuple[str, ...] = ()
    yearly: dict[str, Text] = {}
    holidays: tuple[Stretch, ...] = ()
    instead: tuple[Instead, ...] = ()


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    working_time: Hours | None = None
    promises: tuple[Promise, ...] | None = None
    close_after_days: Annotated[float, msgspec.Meta(ge=0, le=3660)] | None = None


def working_time_of(said: Hours, zone: str) -> WorkingTime:
    """The working hours told, in the time zone ``zone`` (IANA). Raises ValueError for what are no hours or days."""
    week = (said.monday, said.tuesday, said.wednesday, said.thursday, said.friday, said.saturday, said.sunday)
    if not any(week):
        raise ValueError("nobody ever works: give at least one weekday its hours")
    holidays: dict[date, Text] = {}
    for one in said.holidays:
        if not 0 <= (one.last - one.first).days < _MOST_DAYS:
            raise ValueError(f"{one.first} to {one.last} are no days off in a row")
        holidays |= {one.first + timedelta(days=day): one.title for day in range((one.last - one.first).days + 1)}
    return WorkingTime(
        ZoneInfo(zone),
        tuple(map(_spans, week)),
        holidays,
        {_month_and_day(day): title for day, title in said.yearly.items()},
        {one.day: _spans(one.hours) for one in said.instead},
    )


def read_working_hours(
    path: Path, hours: Hours, promises: tuple[Promise, ...], close_after_days: float
) -> tuple[Hours, tuple[Promise, ...], float]:
    """What the file at ``path`` says in place of the others; what it leaves out stays.

    Raises Problem ``bad-working-time``.
    """
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
        said = msgspec.convert(told, _File)
        if said.working_time is not None:
            hours = _over(hours, said.working_time, told["working_time"].keys())
        promises = promises if said.promises is None else said.promises
        check_promises(working_time_of(hours, "UTC"), promises)
    except (OSError, ValueError) as error:
        advice = "Mend DOTHI_WORKING_TIME, or leave it out. docs/guides/working-hours.md says what it holds."
        raise Problem(400, "bad-working-time", f"{path} says no working hours: {error}.", advice) from error
    return hours, promises, close_after_days if said.close_after_days is None else said.close_after_days


def _over(pack: Hours, own: Hours, told: Container[str]) -> Hours:
    """``own`` with what it does not tell taken from the ``pack``: the week is one thing, each list of days another."""
    week = () if any(day in told for day in _WEEK) else _WEEK
    left = [*week, *(name for name in ("yearly", "holidays", "instead") if name not in told)]
    return msgspec.structs.replace(own, **{name: getattr(pack, name) for name in left})


def check_promises(hours: WorkingTime, promises: tuple[Promise, ...]) -> None:
    """Make sure that every promise has an end, and every incident one clock a step at most. Raises ValueError."""
    begin = datetime(2024, 1, 1, tzinfo=hours.zone)
    week = WorkingTime(hours.zone, hours.week).between(begin, begin + timedelta(weeks=1))
    for one in promises:
        if one.working and timedelta(hours=one.hours) > _MOST_WEEKS * week:
            raise ValueError(f"{one.hours:g} working hours take longer than five years of such weeks")
    for origin, urgency, step in product(get_args(Origin), get_args(Urgency), get_args(Step)):
        if sum(one.step == step and one.holds(origin, urgency) for one in promises) > 1:
            raise ValueError(f"two promises hold for the step {step} of what is {urgency} and came by {origin}")


def _spans(said: tuple[str, ...]) -> tuple[Span, ...]:
    spans = tuple(_span(one) for one in said)
    for former, later in pairwise(spans):
        if former[1] == time() or later[0] < former[1]:
            raise ValueError(f"{' and '.join(said)} overlap or are not in order")
    return spans


def _span(said: str) -> Span:
    begin, dash, end = said.partition("-")
    try:
        first = time.fromisoformat(begin.strip())
        last = time() if end.strip() == "24:00" else time.fromisoformat(end.strip())
    except ValueError:
        raise _no_hours(said) from None
    if not dash or first.tzinfo or last.tzinfo or (last <= first and end.strip() != "24:00"):
        raise _no_hours(said)
    return first, last


def _no_hours(said: str) -> ValueError:
    return ValueError(f"{said!r} are no hours: write them like 08:00-12:00")


def _month_and_day(said: str) -> tuple[int, int]:
    found = date.fromisoformat(f"2024-{said}")  # a leap year, so that every day exists
    return found.month, found.day
