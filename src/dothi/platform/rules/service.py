"""The rules and alerts of a running city, for people and for whoever opens incidents of them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec
import structlog

from dothi.access.policy import SYSTEM, Clearance, Person, Reach, Thing, may, reach
from dothi.model.clock import to_micros
from dothi.model.problem import Problem, bad_request, not_found
from dothi.model.text import Text
from dothi.platform.incidents.changing import checked_agency, checked_ward
from dothi.platform.incidents.listening import Listeners
from dothi.platform.incidents.model import Incident
from dothi.platform.rules import alerts, store
from dothi.platform.rules.alerts import Alert, AlertGroup, AlertQuestion, FoundGroups
from dothi.platform.rules.model import Rule, check
from dothi.platform.rules.neighbours import Neighbours
from dothi.platform.rules.preview import Preview, preview
from dothi.platform.rules.publishing import Publishing
from dothi.platform.rules.store import KeptRule, Maintenance
from dothi.platform.rules.telling import Telling
from dothi.platform.rules.watching import Watching
from dothi.platform.tasks import TaskState
from dothi.store.audit import Act
from dothi.store.connection import Connection

if TYPE_CHECKING:
    from dothi.platform.platform import Platform

Work = Callable[[Connection], set[int]]
HANDLER = "rules"
_log = structlog.get_logger("dothi.rules")
LOOK_EVERY = 1.0
LISTENS_FIRST = 10.0  # real seconds
LONGEST_WORK = timedelta(days=31)
_ENTITY = (
    "SELECT e.clearance, e.ward, e.owner, n.iri FROM entity e JOIN name n ON n.id = e.type "
    "WHERE e.id = ? AND e.deleted_at IS NULL"
)


class Rules:
    """The rules of one city. What answers at once may be asked from any thread."""

    def __init__(self, platform: "Platform") -> None:
        self._platform = platform
        self._listeners = Listeners()
        neighbours = Neighbours(platform.city)
        self.watching = Watching(platform, neighbours, self._tell)
        self._telling = Telling(platform, neighbours)
        self._publishing = Publishing(platform)

    @property
    def refused(self) -> int:
        """How often an incident did not take what its alerts had to tell, or none could be opened; the log says why."""
        return self._telling.refused

    def start(self) -> None:
        """Listen to commits and to the clock; call it before anything is dispatched."""
        self._platform.dispatcher.register(HANDLER, self.watching.handle)
        self._platform.tasks.start(HANDLER, self._run)

    async def _run(self, _: TaskState) -> None:
        await self.begin()
        await self._listen_first()
        while True:
            await self.look()
            await asyncio.sleep(LOOK_EVERY)

    async def _listen_first(self) -> None:
        """A city that just woke reads what waited for it before the clock says who is silent."""
        until = asyncio.get_running_loop().time() + LISTENS_FIRST
        while asyncio.get_running_loop().time() < until:
            await self._tell_what_came()
            await asyncio.sleep(LOOK_EVERY)

    async def look(self) -> None:
        """Look at the city's clock, open the incidents that are due, and publish the lines that changed."""
        await self.watching.tick()
        await self._tell_what_came()

    async def _tell_what_came(self) -> None:
        self._tell(await self._telling.look())
        await self._publishing.look()

    async def begin(self) -> None:
        """Take over the rules that the sectors bring along, as far as the city does not know them."""
        at = self._platform.clock.now()
        brought = [
            one if one.owner else msgspec.structs.replace(one, owner=sector.agency)
            for sector in self._platform.sectors
            for one in sector.rules
        ]
        for one in list(brought):
            try:
                check(one, self._platform.types)
            except Problem as problem:  # a rule of somebody's sector that is none takes no other rule away
                _log.error("a sector brings a rule that cannot be watched", rule=one.id, problem=str(problem))
                brought.remove(one)

        acts: list[Act] = []

        def work(db: Connection) -> None:
            known = {one.rule.id for one in store.rules(db)}
            fresh = [one for one in brought if one.id not in known]
            for one in fresh:
                store.save_rule(db, one, 1, enabled=True, by=SYSTEM.id, at=to_micros(at))
            acts.extend(Act(SYSTEM.id, "rule.create", one.id, detail="version 1") for one in fresh)

        async with self.watching.standing_still():
            await self._platform.writer.run(SYSTEM, at, work, acts)

    def _tell(self, groups: set[int]) -> None:
        self._listeners.tell(str(one) for one in groups)

    def listen(self) -> AsyncIterator[frozenset[str]]:
        """Numbers of lines of alerts that changed, from now on."""
        return self._listeners.listen()

    # Alerts

    def alerts(self, asker: Person, question: AlertQuestion) -> FoundGroups:
        """Lines of alerts as far as ``asker`` may know them, the newest first."""
        reached = reach(asker, "rule.read")
        if reached is None:
            return FoundGroups((), 0)
        with self._platform.database.reader() as db:
            return alerts.groups(db, reached, question)

    def group(self, asker: Person, number: int) -> AlertGroup:
        """One line. Raises Problem 404."""
        found = self.alerts(asker, AlertQuestion(ids=(number,), states=(), limit=1)).groups
        if not found:
            raise not_found("line of alerts", str(number))
        return found[0]

    def alerts_of(self, asker: Person, number: int, limit: int = 1_000) -> list[Alert]:
        """The alerts of a line that ``asker`` may know, the newest first."""
        reached = reach(asker, "rule.read")
        if reached is None:
            return []
        with self._platform.database.reader() as db:
            return alerts.of_group(db, reached, number, limit)

    def alerts_on(self, asker: Person, entity: str, limit: int = 20) -> list[Alert]:
        """The newest alerts of one entity."""
        reached = reach(asker, "rule.read")
        if reached is None:
            return []
        with self._platform.database.reader() as db:
            return alerts.of_subject(db, reached, entity, limit)

    def text_of(self, incident: Incident) -> Text:
        """What an incident's description says: in both languages while it is the words of an alert, else as it was written;
        for who may know of the incident.
        """
        if not incident.text or incident.origin != "alert":
            return Text(incident.text, incident.text)
        with self._platform.database.reader() as db:
            return Text(incident.text, alerts.in_english(db, incident.cause, incident.text) or incident.text)

    def open_alerts(self, asker: Person) -> dict[str, int]:
        """How many alerts of each rule are open, as far as ``asker`` may know them."""
        reached = reach(asker, "rule.read")
        if reached is None:
            return {}
        with self._platform.database.reader() as db:
            return alerts.open_by_rule(db, reached)

    async def acknowledge(self, person: Person, groups: Sequence[int], *, correlation: str = "") -> list[int]:
        """Say that somebody looks after these lines; returns those that were firing.

        Raises Problem 403 if ``person`` may not see to alerts at all; lines that are not theirs to see to are left out.
        """
        at = self._platform.clock.now()
        reached = reach(person, "incident.write")
        if reached is None:
            raise _forbidden()
        acts: list[Act] = []

        def work(db: Connection) -> list[int]:
            taken = alerts.acknowledge(db, reached, groups, person.id, to_micros(at))
            acts.extend(Act(person.id, "alert.acknowledge", f"alert-group:{one}", correlation=correlation) for one in taken)
            return taken

        taken = await self._platform.writer.run(person, at, work, acts, action="incident.write")
        self._tell(set(taken))
        return taken

    # Rules

    def rules(self, asker: Person) -> list[KeptRule]:
        """All rules in their newest version, by id; nothing for who may not read rules."""
        if reach(asker, "rule.read") is None:
            return []
        with self._platform.database.reader() as db:
            return store.rules(db)

    def rule(self, asker: Person, rule_id: str) -> KeptRule:
        """One rule in its newest version. Raises Problem 404."""
        with self._platform.database.reader() as db:
            found = store.rule(db, rule_id) if reach(asker, "rule.read") is not None else None
        if found is None:
            raise not_found("rule", rule_id)
        return found

    def versions(self, asker: Person, rule_id: str) -> list[KeptRule]:
        """Every version of a rule, the newest first. Raises Problem 404."""
        self.rule(asker, rule_id)
        with self._platform.database.reader() as db:
            return store.versions(db, rule_id)

    def may_write(self, person: Person, rule: Rule) -> bool:
        """Whether ``person`` may make or change this rule."""
        return may(person, "rule.write", _thing(rule))

    async def save(
        self, person: Person, rule: Rule, *, version: int, made_again: int | None = None, correlation: str = ""
    ) -> KeptRule:
        """Make a rule (``version`` 0) or its next version after ``version``. Its open alerts end, and it begins anew.

        Raises Problem 400 for one that cannot be watched, 403, 404, and 409 if somebody made a version meanwhile or the id
        is taken.
        """
        check(rule, self._platform.types)
        if rule.incident and rule.incident not in self._platform.incidents.kinds:
            raise bad_request("This rule opens incidents of no known kind.", "Choose one of the kinds, or none.")
        if not self.may_write(person, rule):
            raise _forbidden()
        checked_agency(self._platform.city, rule.owner)
        for ward in rule.where.wards:
            checked_ward(self._platform.city, ward)
        at = self._platform.clock.now()
        action, said = "rule.change" if version else "rule.create", f"version {version + 1}"
        acts = [Act(person.id, action, rule.id, "done", correlation, said)]

        def work(db: Connection) -> set[int]:
            known = store.rule(db, rule.id)
            if (0 if known is None else known.version) != version:
                raise Problem(
                    409,
                    "changed-meanwhile",
                    "Somebody changed this rule meanwhile." if version else "A rule has this id already.",
                    "Look at what it is now, then decide anew." if version else "Choose another.",
                )
            if known is not None and not self.may_write(person, known.rule):
                raise _forbidden()
            enabled = known is None or known.enabled
            store.save_rule(db, rule, version + 1, enabled=enabled, by=person.id, at=to_micros(at), made_again=made_again)
            return self.watching.settle(db, rule.id, to_micros(at))

        await self._write(person, at, work, acts)
        return self.rule(person, rule.id)

    async def turn(self, person: Person, rule_id: str, *, enabled: bool, correlation: str = "") -> None:
        """Switch a rule on or off; what it raised ends when it is switched off. Raises Problem 403, 404."""
        at = self._platform.clock.now()
        acts = [Act(person.id, "rule.enable" if enabled else "rule.disable", rule_id, correlation=correlation)]

        def work(db: Connection) -> set[int]:
            known = store.rule(db, rule_id)
            if known is None:
                raise not_found("rule", rule_id)
            if not self.may_write(person, known.rule):
                raise _forbidden()
            if known.enabled == enabled:
                acts.clear()
                return set()
            store.turn(db, rule_id, enabled=enabled, at=to_micros(at))
            return self.watching.settle(db, rule_id, to_micros(at))

        await self._write(person, at, work, acts)

    def preview(self, asker: Person, rule: Rule) -> Preview:
        """What ``rule`` would have done in the last 30 days, as far as ``asker`` may know them; nothing is stored.

        Looks at all the readings: ask it from a thread. Raises Problem 400 for what is no rule, 403.
        """
        if reach(asker, "rule.read") is None:
            raise _forbidden()
        return preview(self._platform, asker, rule)

    # Maintenance

    def maintenance(self, asker: Person) -> list[Maintenance]:
        """Times of maintenance that go on or are to come, the earliest first; of things that ``asker`` may know."""
        reached = reach(asker, "rule.read")
        if reached is None:
            return []
        with self._platform.database.reader() as db:
            found = store.maintenance(db, to_micros(self._platform.clock.now()))
        return [one for one in found if one.entity is None or self._known(reached, one.entity)]

    def _known(self, reached: Reach, entity: str) -> bool:
        try:
            return reached.covers(self._place(entity, ""))
        except Problem:  # it is gone
            return reached.covers(Thing(Clearance.INTERNAL))

    async def maintain(
        self,
        person: Person,
        *,
        entity: str = "",
        ward: str = "",
        start: datetime | None,
        until: datetime,
        reason: str,
        correlation: str = "",
    ) -> Maintenance:
        """Let nothing fire for an entity, a ward or (neither) the whole city, from ``start`` (None: now) until ``until``.

        Raises Problem 400 for a time, a place or a reason that is none, 403.
        """
        now = self._platform.clock.now()
        start = max(start or now, now)
        if not reason.strip():
            raise bad_request("Maintenance needs a reason.", "Say in a few words what is done.")
        if not now < until or not start < until <= start + LONGEST_WORK:
            raise bad_request("That time is none.", f"Name an end after the beginning, {LONGEST_WORK.days} days at most.")
        thing = self._place(entity, ward)
        if not may(person, "rule.write", thing):
            raise _forbidden()
        made = Maintenance(0, entity or None, ward or None, start, until, reason.strip()[:500], person.id, now)
        acts: list[Act] = []

        def work(db: Connection) -> Maintenance:
            kept = replace(made, id=store.next_number(db, "maintenance"))
            store.add_maintenance(db, kept)
            of = entity or (f"ward:{ward}" if ward else "city")
            acts.append(Act(person.id, "maintenance.begin", of, "done", correlation, str(kept.id)))
            return kept

        kept = await self._platform.writer.run(person, now, work, acts, action="rule.write")
        await self.watching.look_at_maintenance()
        return kept

    async def end_maintenance(self, person: Person, number: int, *, correlation: str = "") -> None:
        """Let things fire again, at once. Raises Problem 403, 404."""
        found = next((one for one in self.maintenance(person) if one.id == number), None)
        if found is None:
            raise not_found("maintenance", str(number))
        if not may(person, "rule.write", self._place(found.entity or "", found.ward or "")):
            raise _forbidden()
        now = self._platform.clock.now()
        acts = [Act(person.id, "maintenance.end", str(number), correlation=correlation)]
        await self._platform.writer.run(
            person, now, lambda db: store.end_maintenance(db, number, to_micros(now)), acts, action="rule.write"
        )
        await self.watching.look_at_maintenance()

    def _place(self, entity: str, ward: str) -> Thing:
        """What is worked on. Raises Problem 400 if there is no such thing."""
        if entity:
            with self._platform.database.reader() as db:
                row = db.execute(_ENTITY, (entity,)).fetchone()
            if row is None:
                raise bad_request("There is no such thing here.", "Give the URN of something in this city, or a ward.")
            clearance, of, owner, kind = row
            return Thing(Clearance(max(clearance, Clearance.INTERNAL)), of, owner, kind)
        if ward and ward not in self._platform.city.by_code:
            raise bad_request("This city has no such ward.", "Give a ward's code.")
        return Thing(Clearance.INTERNAL, ward or None)

    async def _write(self, person: Person, at: datetime, work: Work, acts: list[Act]) -> None:
        async with self.watching.standing_still():
            changed = await self._platform.writer.run(person, at, work, acts, action="rule.write")
        self._tell(changed)


def _thing(rule: Rule) -> Thing:
    """A rule of one ward is that ward's, any other the city's."""
    ward = rule.where.wards[0] if len(rule.where.wards) == 1 and not rule.where.entities else None
    return Thing(Clearance.INTERNAL, ward, rule.owner or None, rule.entity_type)


def _forbidden() -> Problem:
    return Problem(403, "not-allowed", "You may not do this.", "Ask an administrator for a role that may.")
