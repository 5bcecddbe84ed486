"""What a drill is: a TOML file with stations and what they measure, people, and the steps that have to happen.

docs/guides/drills.md says how to write one.
"""

import re
import tomllib
from collections.abc import Container
from datetime import datetime
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec

from dothi.model.problem import Problem
from dothi.model.text import Text

_LONGEST = 24 * 60.0
_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


class Station(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A device of the drill. ``values`` maps a key of its messages to points (minute, value), straight lines between them.

    It sends every ``every`` minutes; what lies before minute 0 it tells at once. ``answers`` is what it says to commands:
    accepted, refused, or "" for nothing.
    """

    device: str
    type: str
    name: str
    longitude: float
    latitude: float
    values: dict[str, tuple[tuple[float, float], ...]]
    every: float = 5.0
    answers: Literal["", "accepted", "refused"] = ""

    @property
    def first(self) -> float:
        """The minute of its first message."""
        return min(points[0][0] for points in self.values.values())

    def at(self, minute: float) -> dict[str, float]:
        """What it measures at a minute of the drill."""
        return {key: round(_between(points, minute), 2) for key, points in self.values.items()}


class Player(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody who works in the drill, with one role; a ward officer's ``ward`` is a code."""

    id: str
    name: str
    role: str
    ward: str = ""


class _Move(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="is"):
    pass


class Do(_Move, frozen=True, tag="act"):
    """An act on the incident, as POST /api/v1/incidents/{code}/acts takes it."""

    act: dict[str, Any]


class Photograph(_Move, frozen=True, tag="photo"):
    """A photo of the incident: before, after or proof."""

    phase: Literal["before", "after", "proof"]


class Report(_Move, frozen=True, tag="report"):
    """A citizen's report from the public form; nobody is signed in."""

    category: str
    text: str
    longitude: float
    latitude: float


class Rate(_Move, frozen=True, tag="rate"):
    """The citizen's opinion of the answer."""

    rating: Literal["satisfied", "acceptable", "unsatisfied"]


class Propose(_Move, frozen=True, tag="propose"):
    """A command to the device of a station, proposed for the incident."""

    kind: str
    device: str
    because: str
    parameters: dict[str, float | str] = {}


class Approve(_Move, frozen=True, tag="approve"):
    """The approval of the command that was proposed last."""


Move = Do | Photograph | Report | Rate | Propose | Approve


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something that has to happen ``within`` minutes after the step ``after`` (the beginning, if none is named).

    ``sees`` says how it is noticed: "incident:ORIGIN", "act:TAG", "photo:PHASE", "command:STATE", "told" (the
    citizen's page shows the answer) or "rated". ``incident`` is the step that found the incident it is about. A scripted
    player ``by`` makes the move ``do``, ``delay`` minutes after; without a move the city itself has to bring it about.
    """

    id: str
    title: Text
    sees: str
    within: float
    after: str = ""
    incident: str = ""
    by: str = ""
    delay: float = 0.0
    do: Move | None = None


class Script(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A whole drill. ``begins`` is the moment (with an offset) at which its clock starts, ``trouble`` the minute at
    which what is to be detected begins; ``detected``, ``accepted`` and ``solved`` name the steps its times are taken from.
    """

    id: str
    title: Text
    about: Text
    city: str
    begins: datetime
    minutes: float
    trouble: float
    speed: float
    steps: tuple[Step, ...]
    detected: str
    accepted: str
    solved: str
    stations: tuple[Station, ...] = ()
    people: tuple[Player, ...] = ()


def read_script(name: str) -> Script:
    """The drill that comes with the product under this name, or that stands in the file. Raises Problem 400 or 404."""
    bundled = files("dothi.cli.drill") / "scripts"
    known = sorted(one.name.removesuffix(".toml") for one in bundled.iterdir() if one.name.endswith(".toml"))
    path = bundled / f"{name}.toml" if name in known else Path(name)
    if not path.is_file():
        raise Problem(404, "no-drill", f"There is no drill {name!r}.", f"Known: {', '.join(known)}; or name a TOML file.")
    try:
        script = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), Script)
        _check(script)
    except (OSError, ValueError) as error:
        advice = "docs/guides/drills.md says what it holds."
        raise Problem(400, "bad-drill", f"{name} is no drill: {error}.", advice) from error
    return script


def _check(script: Script) -> None:
    # Its name becomes a folder that is emptied and a city that is forgotten, whose own name has 63 letters at most.
    if not _ID.fullmatch(script.id):
        raise ValueError(f"the id {script.id!r} is none; use small letters, digits and hyphens, 40 at most")
    if script.begins.tzinfo is None:
        raise ValueError("begins has no offset; write it like 2026-11-20T07:00:00+07:00")
    if not 0 < script.minutes <= _LONGEST or not 0 <= script.trouble < script.minutes:
        raise ValueError(f"minutes is from 1 to {_LONGEST:g}, and the trouble begins before its end")
    ids = [one.id for one in script.steps]
    if len(set(ids)) < len(ids) or len({one.id for one in script.people}) < len(script.people):
        raise ValueError("two steps, or two people, have one id")
    people, seen = {one.id for one in script.people}, set[str]()
    for step in script.steps:
        for named in filter(None, (step.after, step.incident)):
            if named not in seen:
                raise ValueError(f"{step.id} waits for {named}, which is no earlier step")
        if step.do is not None and step.by not in people and not isinstance(step.do, Report | Rate):
            raise ValueError(f"{step.id} is done by nobody: {step.by!r} is none of the people")
        if not _noticed(step.sees):
            raise ValueError(f"{step.id} would never be noticed: {step.sees!r} is nothing that is looked for")
        if step.delay >= step.within:
            raise ValueError(f"{step.id} would be done after its time")
        seen.add(step.id)
    for name in (script.detected, script.accepted, script.solved):
        if name not in seen:
            raise ValueError(f"{name} is none of the steps")
    for station in script.stations:
        for points in station.values.values():
            if not points or any(later[0] <= former[0] for former, later in pairwise(points)):
                raise ValueError(f"the points of {station.device} are not in the order of their minutes")


def _noticed(sees: str) -> bool:
    from dothi.model.promise import Origin  # commands that play no drill need none of these
    from dothi.platform.commands.model import State
    from dothi.platform.incidents.flow import TABLE
    from dothi.platform.incidents.model import TOLD
    from dothi.platform.incidents.photos import Phase

    what, colon, which = sees.partition(":")
    known: dict[str, Container[str]] = {
        "incident": get_args(Origin),
        "act": {*TABLE, *TOLD},
        "photo": get_args(Phase),
        "command": get_args(State),
    }
    return which in known.get(what, ()) if colon else what in ("told", "rated")


def _between(points: tuple[tuple[float, float], ...], minute: float) -> float:
    if minute <= points[0][0]:
        return points[0][1]
    for (before, low), (after, high) in pairwise(points):
        if minute <= after:
            return low + (high - low) * (minute - before) / (after - before)
    return points[-1][1]
