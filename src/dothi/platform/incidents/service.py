"""The incidents of a running city: opened, worked on, found again, and told to whoever watches.

Every change is one transaction with its line in the timeline and its row in the audit log.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from dothi.access.policy import SYSTEM, Person, Reach, may, reach
from dothi.model.problem import Problem, bad_request
from dothi.model.text import Text
from dothi.platform.incidents import acts, changing, flow, looking, store, timing
from dothi.platform.incidents.acts import Act, tag_of
from dothi.platform.incidents.catalogue import Catalogue
from dothi.platform.incidents.changing import Done, Scene
from dothi.platform.incidents.duplicates import Likely, likely
from dothi.platform.incidents.kinds import IncidentKind, Playbook
from dothi.platform.incidents.listening import Listeners
from dothi.platform.incidents.load import load_of
from dothi.platform.incidents.model import (
    WORKED,
    ChangedMeanwhile,
    Difference,
    Draft,
    Entry,
    Found,
    Incident,
    Link,
    Load,
    PublicIncident,
    Question,
)
from dothi.platform.incidents.months import Months, months_of
from dothi.platform.incidents.photos import DONE, Photos, photos_of, proving
from dothi.platform.incidents.public import public_of
from dothi.platform.incidents.shifts import Shifts
from dothi.platform.incidents.sight import READ, WRITE, changeable, forbidden, helps, owns, seen, sees
from dothi.store.audit import Act as Recorded
from dothi.store.connection import Connection

if TYPE_CHECKING:
    from dothi.platform.platform import Platform
    from dothi.platform.tasks import TaskState

_OLDEST = timedelta(days=366)
LOOK_EVERY = 1.0  # seconds between two looks at what is due
_NOTHING = Reach(public=False)


class Incidents:
    """The incidents of one city. ``get``, ``find`` and what else answers at once may be asked from any thread."""

    def __init__(self, platform: "Platform") -> None:
        self._platform = platform
        self._zone = ZoneInfo(platform.city.time_zone)
        self._listeners = Listeners()
        self.photos = Photos(platform, self._listeners)
        self.shifts = Shifts(platform)
        self.catalogue = Catalogue(platform)
        self.playbooks = {one.id: one for sector in platform.sectors for one in sector.playbooks}

    @property
    def kinds(self) -> dict[str, IncidentKind]:
        """Every kind by its id, those that are offered no more among them."""
        return self.catalogue.all

    def kind(self, id: str) -> IncidentKind:
        """The kind of this id; one of a sector that is not installed any more is called by its id."""
        return self.kinds.get(id) or IncidentKind(id, Text(id, id))

    def playbook(self, incident: Incident) -> Playbook | None:
        """What is to be done about it; None if its kind has no playbook."""
        return self.playbooks.get(self.kind(incident.kind).playbook)

    # What is done

    async def open(self, person: Person, draft: Draft, *, cause: str = "", correlation: str = "") -> Incident:
        """Open an incident. A ``cause`` ("alert-group:7", "report:PA-…") opens one only once: asked again, it gives that
        one, or what it was merged into.

        Raises Problem 400 for a kind, place or unit that is none, 403 for who may not write where it lies, 409 for a cause
        whose incident they may not know of.
        """
        at = self._platform.clock.now()
        begun = self._begun(draft, cause, at)
        if not may(person, WRITE, begun.thing):
            raise forbidden(person)
        recorded: list[Recorded] = []

        def work(db: Connection) -> Incident:
            known = store.caused(db, cause) if cause else None
            if known is not None:
                if not sees(person, known):
                    raise Problem(409, "cause-taken", "This cause opened an incident already.", "Ask the operations centre.")
                return known
            month = f"{at.astimezone(self._zone):%y%m}"
            number = store.next_number(db, month)
            opened = replace(begun, code=f"SV-{month}-{number:04d}")
            opened = timing.begun(opened, self._platform.city, self.playbook(opened))
            store.insert(db, opened, month, number)
            for kind, ref in draft.links:
                store.tie(db, opened.code, kind, changing.said(ref, "link", changing.LONGEST_TITLE), at)
            refs = tuple(f"{kind}:{ref}" for kind, ref in draft.links)
            store.write_entry(db, opened, at, person.id, "open", opened.title, (), refs)
            recorded.append(Recorded(person.id, "incident.open", opened.code, "done", correlation, opened.kind))
            return _stored(db, opened.code)

        opened = await self._platform.writer.run(person, at, work, recorded, action=WRITE)
        if recorded:
            self._listeners.tell({opened.code})
        return opened

    async def act(
        self, person: Person, code: str, act: Act, *, version: int, once: str = "", correlation: str = "", english: str = ""
    ) -> Incident:
        """Do something to an incident and return it as it stands then. ``version`` is that of the incident that was looked
        at; acts that do not collide (a comment, a task, a photo) do not mind it. What is sent again with the same ``once``
        (any word of its sender's, a phone whose line dropped) is not done again. ``english`` says the same as the act's
        words where they are the city's own; what a person wrote has none.

        Raises Problem 404, 403, 400 for what makes no sense, 409 if the state does not allow it, and ChangedMeanwhile (409)
        if somebody changed it since ``version``.
        """
        at = self._platform.clock.now()
        tag, called = tag_of(act), changing.said(once, "name of the sending", changing.LONGEST_TITLE, needed=False)
        if isinstance(act, acts.Assign | acts.Delegate | acts.AddTask) and act.assignee:
            await asyncio.to_thread(self._make_sure_of, act.assignee)
        recorded: list[Recorded] = []
        touched = {code}

        def work(db: Connection) -> Incident:
            before = changeable(db, person, code, helping=not flow.TABLE[tag].collides)
            if called and store.done_once(db, code, person.id, called):
                return before
            if flow.TABLE[tag].collides and before.version != version:
                raise ChangedMeanwhile(before, _differences(db, code, version))
            done = changing.apply(before, act, self._scene(person, at))
            after = done.incident
            if flow.TABLE[tag].collides:
                after = replace(after, version=before.version + 1)
            done = self._beside(db, person, before, replace(done, incident=after), act, at, recorded)
            store.update(db, done.incident)
            changed = changing.changes(before, done.incident)
            words = replace(done.words, en=english or done.words.en)
            store.write_entry(db, done.incident, at, person.id, tag, words, changed, done.refs, called)
            touched.update(one for one in done.refs if one.startswith("SV-"))
            recorded.append(Recorded(person.id, f"incident.{tag}", code, "done", correlation, " ".join(done.refs)))
            return _stored(db, code)

        incident = await self._platform.writer.run(person, at, work, recorded, action=WRITE)
        if recorded:
            self._listeners.tell(touched)
        return incident

    async def note(self, code_or_cause: str, text_vi: str, text_en: str, *, act: str = "note", once: str = "") -> None:
        """The city's own line in a timeline, or, as the ``act`` "rated", what a citizen said; nothing happens if there is no
        such incident. What is called by the same ``once`` (any word) is said once.
        """
        at = self._platform.clock.now()
        told = list[str]()

        def work(db: Connection) -> None:
            incident = store.fetch(db, code_or_cause) or store.caused(db, code_or_cause)
            if incident is None or (once and store.done_once(db, incident.code, SYSTEM.id, once)):
                return
            store.write_entry(db, incident, at, SYSTEM.id, act, Text(text_vi, text_en), once=once)
            told.append(incident.code)

        await self._platform.writer.run(SYSTEM, at, work, action=WRITE)
        self._listeners.tell(told)

    async def run(self, _: "TaskState") -> None:
        """Warn, escalate, end pauses and close as time goes by, for as long as the city runs."""
        await self._platform.writer.run(SYSTEM, self._platform.clock.now(), looking.ask_again, action=WRITE)
        while True:
            await asyncio.sleep(LOOK_EVERY)
            await self.look()

    async def look(self) -> None:
        """Write down what came about by now."""
        at = self._platform.clock.now()
        while codes := await asyncio.to_thread(self._due, at):
            recorded: list[Recorded] = []
            scene = self._scene(SYSTEM, at)

            def work(
                db: Connection, codes: list[str] = codes, scene: Scene = scene, recorded: list[Recorded] = recorded
            ) -> None:
                for code in codes:
                    looking.look_at(db, code, scene, recorded)

            await self._platform.writer.run(SYSTEM, at, work, recorded, action=WRITE)
            self._listeners.tell(codes)

    def _due(self, at: datetime) -> list[str]:
        with self._platform.database.reader() as db:
            return looking.due(db, at)

    # What is asked

    def get(self, asker: Person, code: str) -> Incident:
        """One incident. Raises Problem 404 if there is none, or the asker may not know of it."""
        with self._platform.database.reader() as db:
            return seen(db, asker, code)

    def find(self, asker: Person, question: Question) -> Found:
        """The incidents that match and the asker may see, a page of them (at most 1,000), with counts."""
        reached = reach(asker, READ) or _NOTHING
        with self._platform.database.reader() as db:
            return store.search(db, question, reached, asker.id, self._platform.clock.now())

    def every(self, asker: Person, question: Question, most: int) -> list[Incident]:
        """All that match and the asker may see, at most ``most``, as they stand at one moment: for a file."""
        reached = reach(asker, READ) or _NOTHING
        with self._platform.database.reader() as db:
            return store.every(db, question, reached, asker.id, self._platform.clock.now(), most)

    def timeline(self, asker: Person, code: str) -> list[Entry]:
        """Everything that happened to an incident, oldest first. Raises Problem 404."""
        with self._platform.database.reader() as db:
            seen(db, asker, code)
            return store.entries(db, code)

    def links(self, asker: Person, code: str) -> list[Link]:
        """What an incident is tied to, oldest first. Raises Problem 404."""
        with self._platform.database.reader() as db:
            seen(db, asker, code)
            return store.links(db, code)

    def possible(self, asker: Person, incident: Incident) -> tuple[str, ...]:
        """The tags of the acts that ``asker`` may do to it as it stands, in the order in which pages offer them."""
        if not helps(asker, incident):
            return ()
        possible = flow.possible(incident.state, incident.paused_since is not None)
        return possible if owns(asker, incident) else tuple(one for one in possible if not flow.TABLE[one].collides)

    def duplicates(self, asker: Person, about: Incident | Draft) -> list[Likely]:
        """What may be the same trouble as an incident or a draft, the likeliest first: at most five."""
        with self._platform.database.reader() as db:
            return likely(db, about, self._platform.clock.now(), reach(asker, READ) or _NOTHING)

    def load(self, asker: Person) -> list[Load]:
        """What every ward, then every agency, has to do, as far as the asker may see."""
        with self._platform.database.reader() as db:
            return load_of(db, reach(asker, READ) or _NOTHING, self._platform.clock.now())

    def months(self, asker: Person, kind: str = "", ward: str = "") -> Months:
        """What the last twelve months brought, as far as the asker may see; of one kind or ward if they are given."""
        reached = reach(asker, READ) or _NOTHING
        with self._platform.database.reader() as db:
            return months_of(db, reached, asker.id, self._platform.clock.now(), self._zone, kind, ward)

    def public(self, code: str) -> PublicIncident:
        """What anybody may know of an incident, or of what it was merged into; for who was given its code, or the code of a
        report that led to it. Raises Problem 404.
        """
        with self._platform.database.reader() as db:
            return public_of(db, code)

    def listen(self) -> AsyncIterator[frozenset[str]]:
        """The codes that changed, from now on: not durable; what a slow reader missed comes in one."""
        return self._listeners.listen()

    # Parts

    def _begun(self, draft: Draft, cause: str, at: datetime) -> Incident:
        """What ``draft`` becomes, without a code."""
        city = self._platform.city
        kind = changing.checked_kind(self.kinds, draft.kind, retired=draft.origin == "alert")
        longitude, latitude = draft.longitude, draft.latitude
        ward = changing.checked_ward(city, draft.ward)
        if (longitude is None) != (latitude is None):
            raise bad_request("Half a point is none.", "Give longitude and latitude, or neither.")
        if longitude is not None and latitude is not None:
            longitude, latitude = changing.checked_point(longitude, latitude)
            place = city.locate(longitude, latitude)
            ward = ward or (place.code if place is not None else "")
        title = draft.title or kind.title
        limit = changing.LONGEST_TITLE
        return Incident(
            code="",
            kind=kind.id,
            title=Text(changing.said(title.vi, "title", limit), changing.said(title.en, "title", limit)),
            text=changing.said(draft.text, "description", needed=False),
            state="new",
            severity=changing.checked_severity(kind.severity if draft.severity is None else draft.severity),
            urgency=draft.urgency or kind.urgency,
            longitude=longitude,
            latitude=latitude,
            address=changing.said(draft.address, "address", limit, needed=False),
            ward=ward,
            agency=changing.checked_agency(city, draft.agency) or changing.agency_of(city, kind),
            assignee="",
            origin=draft.origin,
            cause=cause,
            opened_at=at,
            state_at=at,
            detected_from=_began(draft.detected_from, at),
            version=1,
            clearance=draft.clearance,
        )

    def _make_sure_of(self, account: str) -> None:
        """Work is given to somebody who is here. Raises Problem 400."""
        found = self._platform.accounts.account(account)
        if found is None or not found.active:
            raise bad_request(f"There is nobody {account[:60]!r} here to give work to.", "Choose one of the city's people.")

    def _scene(self, person: Person, at: datetime) -> Scene:
        return Scene(self._platform.city, self.kinds, self.playbooks, person.id, at)

    def _beside(
        self,
        db: Connection,
        person: Person,
        before: Incident,
        done: Done,
        act: Act,
        at: datetime,
        recorded: list[Recorded],
    ) -> Done:
        """What ``act`` does to other rows than the incident's own."""
        match act:
            case acts.Tie(kind=kind):
                if kind == "report" and person is not SYSTEM:
                    raise bad_request("Reports come with who sent them.", "Merge their incident into this one instead.")
                store.tie(db, before.code, kind, done.refs[1], at)
            case acts.AskHelp(unit=unit):
                store.ask(db, before.code, unit)
            case acts.Merge(into=into):
                target = changeable(db, person, into)
                if into == before.code or target.state not in WORKED:
                    raise bad_request(
                        f"{before.code} cannot be merged into {into}.", "Choose another that is being worked on."
                    )
                store.move_belongings(db, before.code, into)
                whole = changing.taken_in(target, before)
                whole = timing.absorbed(whole, before, at, self._platform.city, self.playbook(target))
                store.update(db, whole)
                for unit in whole.help:
                    store.ask(db, into, unit)
                changed = changing.changes(target, whole)
                store.write_entry(db, whole, at, person.id, "absorb", before.title, changed, (before.code,))
                recorded.append(Recorded(person.id, "incident.absorb", into, "done", "", before.code))
            case acts.Answer(proof=proof):
                shown = {photo.number for photo in photos_of(db, before.code) if photo.phase in DONE}
                if not shown.issuperset(proof):
                    raise bad_request(
                        "Some of these photos do not belong to it, or show it as it was.", "Choose among those taken after."
                    )
                if self.kind(before.kind).proof:
                    _make_sure_of_proof(db, before.code, proof)
            case acts.Split():
                return self._split(db, person, done, act, at, recorded)
            case _:
                pass
        return done

    def _split(
        self, db: Connection, person: Person, done: Done, act: acts.Split, at: datetime, recorded: list[Recorded]
    ) -> Done:
        """Open another incident for some of the reports: what was promised to those who reported goes on from their day."""
        old = done.incident
        known = {link.ref for link in store.links(db, old.code) if link.kind == "report"}
        if not known.issuperset(act.reports):
            raise bad_request("Some of these reports do not belong to it.", "Choose among its reports.")
        title = changing.said(act.title, "title", changing.LONGEST_TITLE)
        month = f"{at.astimezone(self._zone):%y%m}"
        number = store.next_number(db, month)
        new = replace(
            old,
            code=f"SV-{month}-{number:04d}",
            title=Text(title, title),
            text=changing.said(act.text, "description", needed=False),
            state="new" if old.state == "new" else "accepted",
            state_at=at,
            version=1,
            cause="",
            assignee="",
            arrived_at=None,
            escalated=0,
            help=(),
            tasks=(),
            # Its playbook begins now: nobody is late with what was not to be done before.
            playbook_at=None if old.playbook_at is None else at,
            steps_done=(),
            told=tuple(one for one in old.told if not one.startswith("step:")),
        )
        new = timing.looked_after(new, self._platform.city, self.playbook(new))
        store.insert(db, new, month, number)
        store.move_belongings(db, old.code, new.code, act.reports)
        store.tie(db, new.code, "incident", old.code, at)
        store.tie(db, old.code, "incident", new.code, at)
        store.write_entry(db, new, at, person.id, "open", new.title, (), (old.code, *act.reports))
        recorded.append(Recorded(person.id, "incident.open", new.code, "done", "", old.code))
        return replace(done, words=new.title, refs=(new.code, *act.reports))


def _began(told: datetime | None, at: datetime) -> datetime:
    """When the trouble began, as far as anybody may say at ``at``. Raises Problem 400."""
    if told is None:
        return at
    if told.tzinfo is None:
        raise bad_request("The trouble began at a time without an offset.", "Write 2026-05-14T11:00:00+07:00 or …Z.")
    if at - told > _OLDEST:
        raise bad_request("The trouble began more than a year ago.", "Leave it out, and say it in the text.")
    return min(told, at)


def _make_sure_of_proof(db: Connection, code: str, proof: tuple[int, ...]) -> None:
    """An answer is proved by a photo of its own. Raises Problem 400."""
    if not proof:
        raise Problem(400, "proof-needed", "An answer about this needs a photo that proves it.", "Add one, then choose it.")
    if proving(db, code).isdisjoint(proof):
        raise Problem(
            400,
            "new-proof-needed",
            "These photos were taken before it was reopened: they prove the answer that did not hold.",
            "Add a photo taken since, then choose it.",
        )


def _stored(db: Connection, code: str) -> Incident:
    found = store.fetch(db, code)
    assert found is not None, "it was written in this transaction"  # noqa: S101 - narrows a type, nothing hangs on it
    return found


def _differences(db: Connection, code: str, version: int) -> tuple[Difference, ...]:
    return tuple(
        Difference(change.field, change.before, change.after, entry.person, entry.at)
        for entry in store.entries(db, code, version)
        for change in entry.changes
    )
