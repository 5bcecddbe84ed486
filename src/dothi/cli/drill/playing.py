"""A drill as it goes on: stations measure, people act, and every step is looked for in the city's own record."""

import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from dothi.cli.client import Client
from dothi.cli.drill.citizen import Citizen
from dothi.cli.drill.people import Person
from dothi.cli.drill.script import Rate, Report, Script, Step
from dothi.cli.drill.stations import Stations
from dothi.model.problem import Problem

_LOOK_EVERY = 0.1  # seconds of the machine
_STATES = ("new", "accepted", "assigned", "handling", "answered", "closed", "rejected", "merged")
_ALL = "&".join(f"state={one}" for one in _STATES)
_MOMENTS = {"proposed": "proposedAt", "sent": "sentAt", "acknowledged": "acknowledgedAt"}


class Play:
    """One drill. ``scripted`` False leaves every move to people; ``seen`` is when each step happened, by the city's clock.

    ``troubles`` is what the city said no to, by step.
    """

    def __init__(self, client: Client, script: Script, stations: Stations, *, scripted: bool) -> None:
        self._client, self._script, self._stations, self._scripted = client, script, stations, scripted
        self._people = {one.id: Person(client, one) for one in script.people} if scripted else {}
        self._citizen = Citizen(client.url)
        self._incidents: dict[str, dict[str, Any]] = {}
        self._codes: dict[str, str] = {}
        self._made = set[str]()
        self.seen: dict[str, datetime] = {}
        self.troubles: dict[str, str] = {}

    def run(self, tell: Callable[[Step, datetime], None]) -> None:
        """Play until every step happened, or the drill's time is over; ``tell`` hears of each step."""
        end = self._script.begins + timedelta(minutes=self._script.minutes)
        try:
            while len(self.seen) < len(self._script.steps):
                now = datetime.fromisoformat(self._client.get("/api/v1/city")["time"])
                self._stations.send((now - self._script.begins) / timedelta(minutes=1))
                self._look()
                for step in self._script.steps:
                    self._advance(step, now, tell)
                if now >= end:
                    return
                time.sleep(_LOOK_EVERY)
        finally:
            self._citizen.close()
            self._stations.close()

    def _advance(self, step: Step, now: datetime, tell: Callable[[Step, datetime], None]) -> None:
        if step.id in self.seen or (step.after and step.after not in self.seen):
            return
        at = self._happened(step, now)
        if at is not None:
            self.seen[step.id] = at
            tell(step, at)
            return
        begun = self.seen[step.after] if step.after else self._script.begins
        if step.do is not None and step.id not in self._made and now >= begun + timedelta(minutes=step.delay):
            self._move(step)

    def _move(self, step: Step) -> None:
        """Make the step's move; what the city refuses is tried again until the step's time is over."""
        try:
            if isinstance(step.do, Report):
                self._citizen.report(step.do)
            elif isinstance(step.do, Rate):
                self._citizen.rate(step.do)
            elif step.do is not None and self._scripted:
                self._people[step.by].make(step.do, self._script, self._about(step))
        except Problem as problem:
            self.troubles[step.id] = str(problem)
            return
        self._made.add(step.id)

    def _look(self) -> None:
        """What incidents there are now."""
        found = self._client.get(f"/api/v1/incidents?{_ALL}&order=newest&limit=200")["items"]
        self._incidents = {one["code"]: one for one in found}

    def _about(self, step: Step) -> dict[str, Any]:
        return self._incidents.get(self._codes.get(step.incident, ""), {"code": "", "version": 0})

    def _happened(self, step: Step, now: datetime) -> datetime | None:
        what, _colon, which = step.sees.partition(":")
        incident = self._about(step)
        if what == "incident":
            return self._opened(step, which)
        if what == "told":
            return now if 'id="rp-answer"' in self._citizen.read() else None
        if what == "rated":
            return now if self._rated() else None
        if not incident["code"]:
            return None
        place = f"/api/v1/incidents/{incident['code']}"
        if what == "act":
            return _first(self._client.get(f"{place}/timeline")["items"], "act", which, "at")
        if what == "photo":
            return _first(self._client.get(f"{place}/photos")["items"], "phase", which, "addedAt")
        commands = self._client.get("/api/v1/commands", incident=incident["code"])["items"]
        field = _MOMENTS.get(which, "endedAt")
        reached = [one for one in commands if one[field] and (which in _MOMENTS or one["state"] == which)]
        return _moment(reached[0][field]) if reached else None

    def _opened(self, step: Step, origin: str) -> datetime | None:
        taken = set(self._codes.values())
        fresh = [one for one in self._incidents.values() if one["origin"] == origin and one["code"] not in taken]
        if not fresh:
            return None
        first = min(fresh, key=lambda one: str(one["openedAt"]))
        self._codes[step.id] = first["code"]
        return _moment(first["openedAt"])

    def _rated(self) -> bool:
        lines = self._client.download("/reports/ratings.csv").decode().splitlines()
        return len(lines) > 1


def _first(rows: list[Mapping[str, Any]], field: str, wanted: str, moment: str) -> datetime | None:
    return next((_moment(one[moment]) for one in rows if one[field] == wanted), None)


def _moment(said: str) -> datetime:
    return datetime.fromisoformat(said)
