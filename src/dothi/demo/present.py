"""What goes on in the neighbourhood now: smog raises a real alert, somebody works on it, two commands are under way."""

import asyncio
from datetime import datetime

import structlog

from dothi.access.policy import SYSTEM, Person
from dothi.demo.past import SOURCE
from dothi.demo.stations import InventedStations
from dothi.model.problem import Problem
from dothi.platform.incidents.acts import Accept, Act, Assign, DoStep
from dothi.platform.incidents.model import Incident
from dothi.platform.platform import Platform
from dothi.platform.rules.alerts import AlertQuestion
from dothi.services.air.simulated import simulated_stations
from dothi.store.audit import CAME_FROM

_LOOK_EVERY = 1.0
_RESTART, _ZERO_CHECK = "air.restart", "air.zero-check"
_WAITING = "waiting"  # the page of the story that is told last
_PREFERRED = "air-index-bad"  # the rule whose line opens an incident
_log = structlog.get_logger("dothi.demo")


class Present:
    """Goes on with the story from the moment the city runs. ``now`` is when it was told."""

    def __init__(self, platform: Platform, now: datetime) -> None:
        self._platform, self._invented = platform, platform.invented
        self._air = InventedStations(platform, now)
        self._made_up = {one.device for one in simulated_stations(platform.city.wards)}
        self._made_up |= {one.device for one in self._air.stations}

    async def run(self) -> None:
        """Until the story is over; then all of it is taken away, if it has not been."""
        CAME_FROM.set(SOURCE)
        try:
            async with self._invented.turn:
                await self._air.begin()
            while not self._becomes_real():
                async with self._invented.turn:
                    if self._invented.begun_at is None:
                        break
                    await self._air.speak()
                    await self._follow_alerts()
                    await self._propose_again()
                await asyncio.sleep(_LOOK_EVERY)
        finally:
            self._air.close()
        if self._invented.begun_at is not None:
            await self._invented.remove(SYSTEM)

    def _becomes_real(self) -> bool:
        """True once somebody real is to work here, or something real is heard: made-up work must not mix with theirs."""
        others = self._platform.devices.tally(SYSTEM, lambda one: one.id in self._made_up).get(False, {})
        heard = any(count for state, count in others.items() if state != "refused")
        return heard or not self._platform.accounts.offers_demo

    async def _follow_alerts(self) -> None:
        """Mark the lines of alerts that the stations raise, and see to the incident of the first."""
        numbers = {
            alert.group
            for one in self._air.stations
            for alert in await asyncio.to_thread(self._platform.rules.alerts_on, SYSTEM, one.entity)
        }
        fresh = [one for one in sorted(numbers) if not self._invented.holds("alert-group", one)]
        await self._invented.note("alert-group", *fresh)
        if self._topic(_WAITING) or not numbers:
            return
        found = await asyncio.to_thread(
            self._platform.rules.alerts, SYSTEM, AlertQuestion(ids=tuple(sorted(numbers)), states=())
        )
        for line in found.groups:
            if line.incident and not self._invented.holds("incident", line.incident):
                await self._invented.note("incident", line.incident)
            if line.incident and line.rule == _PREFERRED:
                await self._see_to(line.id, line.incident)

    async def _see_to(self, line: int, code: str) -> None:
        operator, leader = await self._person("operator"), await self._person("leader")
        incident = self._platform.incidents.get(SYSTEM, code)
        for act in (Accept(), Assign(agency=incident.agency, ward=incident.ward), DoStep(0), DoStep(1)):
            incident = await self._act(operator, incident, act)
        await self._invented.note("page", f"alert /alerts?group={line}", f"smog /incidents/{code}")
        await self._invented.note("page", f"rule /rules/{_PREFERRED}")
        first, second = self._air.stations[:2]
        known = self._platform.commands.kinds
        if _RESTART in known:
            because = "Xác nhận số đo của trạm trước khi báo người dân"
            made = await self._propose(operator, _RESTART, first.entity, {}, because, code)
            if made:
                await self._invented.note("page", f"verified /commands/{made}")
                try:
                    await self._platform.commands.approve(leader, made, correlation=SOURCE)
                except Problem as problem:  # a visitor was faster
                    _log.info("demo.command-moved-on", command=made, problem=problem.code)
        if _ZERO_CHECK in known:
            await self._let_wait(operator, second.entity, code)

    async def _let_wait(self, operator: Person, entity: str, incident: str) -> None:
        """A proposal that waits for whoever looks."""
        because = "Số đo cao bất thường so với trạm bên cạnh"
        made = await self._propose(operator, _ZERO_CHECK, entity, {"minutes": "10"}, because, incident)
        # One like it may wait already: a visitor was faster.
        await self._invented.note("page", f"{_WAITING} /commands/{made}" if made else f"{_WAITING} /commands")

    async def _propose_again(self) -> None:
        """What nobody decided about in its hour is proposed anew: whoever comes later finds something to decide, too."""
        page = self._topic(_WAITING)
        _, _, command = page.partition("/commands/")
        if not command:
            return
        found, _ = await asyncio.to_thread(self._platform.commands.find, SYSTEM, id=command, limit=1)
        if found and found[0].state == "expired":
            await self._let_wait(await self._person("operator"), found[0].entity, found[0].incident)
            await self._invented.drop_command(found[0].id, page)

    async def _act(self, person: Person, incident: Incident, act: Act) -> Incident:
        """Do it, unless a visitor was faster."""
        incidents = self._platform.incidents
        try:
            return await incidents.act(person, incident.code, act, version=incident.version, correlation=SOURCE)
        except Problem as problem:
            _log.info("demo.act-passed", incident=incident.code, problem=problem.code)
            return incidents.get(SYSTEM, incident.code)

    async def _propose(
        self, person: Person, kind: str, entity: str, said: dict[str, str], because: str, incident: str
    ) -> str:
        """The id of a proposal; "" if there is one like it."""
        try:
            made = await self._platform.commands.propose(
                person, kind, entity, said, because=because, incident=incident, correlation=SOURCE
            )
        except Problem as problem:
            _log.info("demo.proposal-passed", kind=kind, problem=problem.code)
            return ""
        await self._invented.note("command", made.id)
        return made.id

    async def _person(self, role: str) -> Person:
        found = self._platform.accounts.person_of(await self._platform.demo.account(role))
        assert found is not None, "it is there, or was made a moment ago"  # noqa: S101 - narrows a type
        return found

    def _topic(self, name: str) -> str:
        """This page of the story, "" while it is not there."""
        return next((ref for ref in self._invented.refs("page") if ref.startswith(f"{name} ")), "")
