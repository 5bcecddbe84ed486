"""Tells the past of the story through the services that real work goes through, under a clock that is held at each moment.

Everything is noted as made up before it is done, stands in the audit log with "mô phỏng" as where it came from, and was told
before the city begins to look at its clocks by itself: nobody warns of a deadline that the next line of the story meets.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from hashlib import sha256
from math import cos, degrees, radians

from dothi.access.grants import Granted
from dothi.access.policy import SYSTEM, Person
from dothi.access.roles import ROLES
from dothi.demo.drawings import drawn
from dothi.demo.script import (
    Aged,
    Answered,
    Deed,
    Doubted,
    Given,
    Helped,
    Joined,
    Met,
    Paused,
    Plot,
    Published,
    Rated,
    Shown,
    Who,
    Withheld,
)
from dothi.demo.story import PLOTS
from dothi.model.city import City, Ward
from dothi.model.clock import from_micros, to_micros
from dothi.model.ground import EARTH_RADIUS
from dothi.model.promise import Urgency
from dothi.model.text import Text
from dothi.platform.home import secret_of
from dothi.platform.incidents import acts, clocks
from dothi.platform.incidents.model import Draft
from dothi.platform.incidents.service import Incidents
from dothi.platform.platform import Platform
from dothi.services.citizens import codes
from dothi.services.citizens.place import Place
from dothi.services.citizens.service import Reports, Sent
from dothi.store.audit import CAME_FROM

Line = tuple[datetime, Callable[[], Awaitable[None]]]
SOURCE = "mô phỏng"
_LONGEST = timedelta(days=14)
_SHIFTS: tuple[tuple[float, Who], ...] = ((17 * 60, "operator"), (9 * 60, "night"))  # minutes ago, who began then
_HANDED_AGO = 20.0  # minutes


class HeldClock:
    """Stands at ``moment`` until it is moved."""

    def __init__(self, moment: datetime) -> None:
        self.moment = moment

    def now(self) -> datetime:
        """The moment it stands at."""
        return self.moment

    def when(self, machine: int) -> int:
        """The machine's time as it is."""
        return machine


class Past:
    """One telling of the story. ``now`` is the moment that it leads up to."""

    def __init__(self, platform: Platform, now: datetime) -> None:
        self._platform, self._now = platform, now
        self._clock = HeldClock(now)
        view = replace(platform, clock=self._clock)
        view.incidents = self._incidents = Incidents(view)
        view.invented = self._invented = platform.invented
        self._reports = Reports(view)
        self._secret = secret_of(platform.settings.home)
        self._codes: dict[str, str] = {}  # of incidents, by plot
        self._people: dict[Who, Person] = {}

    async def tell(self) -> None:
        """Tell it all."""
        came = CAME_FROM.set(SOURCE)
        try:
            for who in ("operator", "officer", "night"):
                self._people[who] = await self._person(who)
            await self._invented.note("story", "begun")
            lines = [line for plot in PLOTS if plot.kind in self._incidents.kinds for line in self._lines(plot)]
            for moment, do in sorted([*lines, *self._shifts()], key=lambda line: line[0]):
                await self._pass_time(moment)
                await do()
            await self._pass_time(self._now)
            await self._invented.note("story", "whole")
        finally:
            CAME_FROM.reset(came)

    async def _person(self, who: Who) -> Person:
        accounts = self._platform.accounts
        if who != "night":
            account_id = await self._platform.demo.account("ward_officer" if who == "officer" else "operator")
        else:
            known = accounts.account_of_login("demo-night")
            granted = [Granted("operator", ROLES["operator"].ceiling)]
            name = "Trực ban ca đêm"
            account_id = known.id if known else await accounts.create(SYSTEM, "demo-night", name, granted, demo=True)
        person = accounts.person_of(account_id)
        assert person is not None, "it was made a moment ago"  # noqa: S101 - narrows a type, nothing hangs on it
        return person

    async def _pass_time(self, moment: datetime) -> None:
        """Come to ``moment``, and let the city do on the way what it does by itself."""
        query = "SELECT min(look_at) FROM incident WHERE look_at <= ?"
        while True:
            with self._platform.database.reader() as db:
                (due,) = db.execute(query, (to_micros(moment),)).fetchone()
            if due is None:
                break
            self._clock.moment = from_micros(due)
            await self._incidents.look()
        self._clock.moment = moment

    def _lines(self, plot: Plot) -> list[Line]:
        opens = opened_at(plot, self._platform.city, self._now, self._incidents.kind(plot.kind).urgency)
        deeds = [(self._ago(deed.ago), partial(self._do, plot, deed)) for deed in plot.deeds]
        return [(opens, partial(self._open, plot)), *deeds]

    def _ago(self, minutes: float) -> datetime:
        return self._now - timedelta(minutes=minutes)

    async def _open(self, plot: Plot) -> None:
        place = place_of(self._platform.city, plot)
        photos = [drawn(plot.scene, mended=False)] if plot.scene is not None else []
        if plot.origin == "report":
            sent = Sent(_form(plot.id), plot.kind, place, plot.text, "vi", photos)
            report, code = self._report(plot.id)
            await self._invented.note("report", report)
            await self._invented.note("cause", f"report:{report}")
            await self._invented.note("follow", f"/report/{code}")
            await self._invented.note("page", f"{plot.id}:follow /report/{code}")
            await self._reports.send(SYSTEM, sent, correlation=SOURCE)
            self._codes[plot.id] = self._reports.follow(code).incident.code
        else:
            cause = f"demo:{plot.id}"
            await self._invented.note("cause", cause)
            draft = Draft(
                plot.kind,
                plot.origin,
                title=Text(plot.title, plot.title),
                text=plot.text,
                longitude=place.longitude,
                latitude=place.latitude,
                address=plot.address,
                ward=place.ward.code,
            )
            opened = await self._incidents.open(self._people["operator"], draft, cause=cause, correlation=SOURCE)
            self._codes[plot.id] = opened.code
            for body in photos:
                await self._incidents.photos.add(self._people["operator"], opened.code, body, "before", correlation=SOURCE)
        await self._invented.note("incident", self._codes[plot.id])
        await self._invented.note("page", f"{plot.id} /incidents/{self._codes[plot.id]}")

    def _report(self, mark: str) -> tuple[str, str]:
        """Id and code of the report that the form of ``mark`` makes."""
        made = codes.report_of(self._secret, _form(mark))
        assert made is not None, "its form is one"  # noqa: S101 - narrows a type, nothing hangs on it
        return made

    async def _do(self, plot: Plot, deed: Deed) -> None:
        code, what = self._codes[plot.id], deed.what
        if deed.who == "citizen":
            await self._say(plot, deed)
            return
        person = self._people[deed.who]
        match what:
            case Shown(scene=scene, phase=phase, mended=mended):
                body = drawn(scene, mended=mended)
                await self._incidents.photos.add(person, code, body, phase, taken_at=self._clock.now(), correlation=SOURCE)
            case Published(title=title):
                report, _code = self._report(plot.id)
                photos = self._incidents.photos.of(person, code)
                sent = [one.number for one in photos if one.report == report]
                await self._reports.releases.release(person, report, title, plot.text, sent, correlation=SOURCE)
                for photo in photos:
                    if photo.report != report and not photo.released:
                        await self._incidents.photos.release(person, photo.number, correlation=SOURCE)
            case Withheld():
                await self._reports.releases.withhold(person, self._report(plot.id)[0], correlation=SOURCE)
            case _:
                act = self._act(person, plot, deed)
                version = self._incidents.get(person, code).version
                await self._incidents.act(person, code, act, version=version, correlation=SOURCE)

    def _act(self, person: Person, plot: Plot, deed: Deed) -> acts.Act:
        """The act of an incident that a deed comes to."""
        city, code = self._platform.city, self._codes[plot.id]
        match deed.what:
            case acts.Act() as act:
                return act
            case Given(agency=agency) if agency:
                known = agency if city.agency(agency) is not None else ""
                return acts.Assign(agency=known, ward=ward_of(city, plot.ward).code)
            case Given():
                return acts.Assign(ward=ward_of(city, plot.ward).code, assignee=self._people["officer"].id)
            case Answered(text=text):
                shown = self._incidents.photos.of(person, code)
                return acts.Answer(text, tuple(one.number for one in shown if one.phase in ("after", "proof")))
            case Joined(into=into):
                return acts.Merge(self._codes[into])
            case Helped(note=note):
                return acts.AskHelp(ward_of(city, 1).code, note)
            case Paused(reason=reason, hours=hours):
                return acts.Pause(reason, self._now + timedelta(hours=hours))
            case other:
                raise ValueError(f"{plot.id}: nobody on the work does {other!r}")

    async def _say(self, plot: Plot, deed: Deed) -> None:
        """What citizens do."""
        code = self._report(plot.id)[1]
        match deed.what:
            case Rated(score=score, comment=comment):
                await self._reports.rate(SYSTEM, code, score, comment, correlation=SOURCE)
            case Doubted(reason=reason):
                await self._reports.reopen(SYSTEM, code, reason, correlation=SOURCE)
            case Met():
                mark = f"{plot.id} again"
                await self._invented.note("report", self._report(mark)[0])
                await self._reports.same(SYSTEM, _form(mark), self._codes[plot.id], "vi", correlation=SOURCE)
            case other:
                raise ValueError(f"{plot.id}: no citizen does {other!r}")

    def _shifts(self) -> list[Line]:
        takes = [(self._ago(ago), partial(self._take, who)) for ago, who in _SHIFTS]
        return [*takes, (self._ago(_HANDED_AGO), self._hand_over)]

    async def _take(self, who: Who) -> None:
        shifts, person = self._incidents.shifts, self._people[who]
        before = shifts.current(person)
        if before is not None:
            note = shifts.draft(self._people["operator"]).vi
            await shifts.hand_over(self._people["operator"], note, correlation=SOURCE)
        taken = await shifts.take(person, after=before.number if before else 0, correlation=SOURCE)
        await self._invented.note("shift", taken.number)

    async def _hand_over(self) -> None:
        person = self._people["night"]
        await self._incidents.shifts.hand_over(person, self._incidents.shifts.draft(person).vi, correlation=SOURCE)


def ward_of(city: City, number: int) -> Ward:
    """The demo ward officer's ward (0), or the so-manieth nearest to it."""
    own = city.wards[0]
    near = sorted(city.wards, key=lambda one: (one.longitude - own.longitude) ** 2 + (one.latitude - own.latitude) ** 2)
    return near[min(number, len(near) - 1)]


def place_of(city: City, plot: Plot) -> Place:
    """Where a plot lies: its metres from the centre of its ward, or the centre if that is another ward's ground."""
    ward = ward_of(city, plot.ward)
    for share in (1.0, 0.5, 0.2):
        latitude = ward.latitude + degrees(plot.north * share / EARTH_RADIUS)
        longitude = ward.longitude + degrees(plot.east * share / EARTH_RADIUS / cos(radians(ward.latitude)))
        found = city.locate(longitude, latitude)
        if found is not None and found.code == ward.code:
            return Place(ward, round(longitude, 6), round(latitude, 6), plot.address)
    return Place(ward, ward.longitude, ward.latitude, plot.address)


def opened_at(plot: Plot, city: City, now: datetime, urgency: Urgency) -> datetime:
    """When a plot begins."""
    if not isinstance(plot.opens, Aged):
        return now - timedelta(minutes=plot.opens)
    wanted = plot.opens
    promised = (one for one in city.promises if one.step == wanted.step and one.holds(plot.origin, urgency))
    promise = next(promised, None)
    if promise is None:
        return now - timedelta(hours=8 * wanted.used)
    early, late = now - _LONGEST, now
    while late - early > timedelta(minutes=1):  # the later it began, the less of its time is gone
        middle = early + (late - early) / 2
        begun = clocks.started(promise, middle, city.working_time)
        early, late = (middle, late) if clocks.used(begun, now, city.working_time) >= wanted.used else (early, middle)
    return early


def _form(mark: str) -> str:
    return sha256(f"demo {mark}".encode()).hexdigest()[:32]
