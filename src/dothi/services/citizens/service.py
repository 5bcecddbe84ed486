"""Reports of citizens: sent, followed, rated, reopened; and what of them everybody may read, once a person said so."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from textwrap import shorten
from typing import TYPE_CHECKING, TypeVar

import structlog

from dothi.access.policy import SYSTEM, Person
from dothi.access.uploads import LARGEST, kind_of
from dothi.model.ground import metres_apart
from dothi.model.problem import Problem, bad_request, not_found
from dothi.model.text import Text
from dothi.platform.home import secret_of
from dothi.platform.incidents import acts
from dothi.platform.incidents.kinds import IncidentKind
from dothi.platform.incidents.model import Draft, Incident, Near, PublicIncident, Question
from dothi.platform.incidents.store import linked
from dothi.services.citizens import codes, store
from dothi.services.citizens.contact import Contact, keep
from dothi.services.citizens.kinds import offered
from dothi.services.citizens.place import Place
from dothi.services.citizens.releasing import Releases
from dothi.services.citizens.store import Rating, Report
from dothi.store.audit import Act
from dothi.store.connection import Connection
from dothi.ui import formats

if TYPE_CHECKING:
    from dothi.platform.platform import Platform

T = TypeVar("T")
_log = structlog.get_logger("dothi.citizens")
MOST_A_DAY = 20_000  # reports, and photos; Hanoi had 23,910 in the whole of November 2024
AT_ONCE, MOST_PHOTOS = 3, 6  # photos of one form, of one report
NEARBY = 300.0  # metres within which the same trouble is looked for
MOST_NEARBY = 5
_TITLE = 60  # letters of what people wrote, in the name of their incident among those who work on it
ARRIVED = Text("Đã nhận phản ánh của bạn", "Your report has arrived")
REOPEN_WITHIN = timedelta(days=7)
MOST_REOPENINGS = 2  # by one report, and by all that joined an incident together: anybody may join what is open
SCORES = {
    3: Text("Hài lòng", "Satisfied"),
    2: Text("Chấp nhận được", "Acceptable"),
    1: Text("Chưa hài lòng", "Not satisfied"),
}
"""Ratings of an answer, the best first."""
_LATE, _OLD = timedelta(minutes=2), timedelta(days=7)  # between writing a report without a line and sending it
_DECODED_AT_A_TIME = 2  # photos: each takes up to a second of a core


@dataclass(frozen=True, slots=True)
class Sent:
    """What somebody reports. ``form`` marks the form it came with: the same form again is the same report. ``made`` is when
    it was written, if it waited for a line (aware); None if it came at once.
    """

    form: str
    kind: str
    place: Place
    text: str
    language: str
    photos: Sequence[bytes] = ()
    contact: Contact | None = None
    made: datetime | None = None


@dataclass(frozen=True, slots=True)
class Joined:
    """Somebody met the same trouble ("me too"); ``form`` as of ``Sent``."""

    form: str
    language: str


@dataclass(frozen=True, slots=True)
class Received:
    """A report that was taken: the code to follow it by, and how many of its photos could not be read."""

    code: str
    unread: int = 0
    contact_kept: bool = True


@dataclass(frozen=True, slots=True)
class Following:
    """What the holder of a code sees: their report, the work, how they rated its answer, until when they may reopen it."""

    report: Report
    work: PublicIncident
    incident: Incident
    rating: Rating | None
    reopen_until: datetime | None


@dataclass(frozen=True, slots=True)
class Nearby:
    """An open incident near a place: its released ``title`` ("" if nobody released one) and how far it is, if both know."""

    incident: Incident
    title: str
    metres: float | None


class Reports:
    """The reports of one city; strangers reach it through ``pages``, which bounds what they may send."""

    def __init__(self, platform: "Platform") -> None:
        self.platform = platform
        self.secret = secret_of(platform.settings.home)
        self._sending: dict[str, asyncio.Lock] = {}
        self._decoding = asyncio.Semaphore(_DECODED_AT_A_TIME)
        self.releases = Releases(platform, self._incident)

    @property
    def kinds(self) -> dict[str, IncidentKind]:
        """Every kind that people may report now, by id, as they are shown."""
        return offered(self.platform.incidents.catalogue.all.values())

    async def send(self, person: Person, sent: Sent, *, correlation: str = "") -> Received:
        """Take a report: it begins an incident. Sent again, it is the same report.

        Raises Problem 400 for an unknown kind or a form without its mark, 413 or 415 for what is no picture, 503 once the
        city has taken ``MOST_A_DAY``.
        """
        if sent.kind not in self.kinds:
            raise bad_request(f"There is no kind {sent.kind[:40]!r} to report.", "Choose one of those on the page.")
        check_photos(sent.photos)
        place = sent.place
        kind = self.kinds[sent.kind].title
        about = shorten(sent.text, _TITLE, placeholder=" …")
        draft = Draft(
            sent.kind,
            "report",
            title=Text(f"{kind.vi}: {about}", f"{kind.en}: {about}") if about else None,
            text=sent.text,
            longitude=None if place.rough else place.longitude,
            latitude=None if place.rough else place.latitude,
            address=place.address,
            ward=place.ward.code,
        )

        async def begin(report: str) -> Incident:
            linked = replace(draft, links=(("report", report),))
            return await self.platform.incidents.open(SYSTEM, linked, cause=f"report:{report}", correlation=correlation)

        return await self._take(person, sent, begin, correlation)

    async def same(self, person: Person, form: str, incident: str, language: str, *, correlation: str = "") -> Received:
        """Somebody else met the same trouble: one more report of ``incident`` (code), with a code of its own.

        Raises Problem 404 for none that is open and was reported.
        """
        found = await asyncio.to_thread(self._open_report, incident)
        if found is None:
            raise not_found("report", incident[:40])

        async def join(report: str) -> Incident:
            tie = acts.Tie("report", report)
            return await self.platform.incidents.act(SYSTEM, incident, tie, version=found.version, correlation=correlation)

        return await self._take(person, Joined(form, language), join, correlation)

    async def _take(
        self, person: Person, sent: Sent | Joined, begin: Callable[[str], Awaitable[Incident]], correlation: str
    ) -> Received:
        made = codes.report_of(self.secret, sent.form)
        if made is None:
            raise bad_request("This form was not made here.", "Open the page again and fill it in.")
        report, code = made
        lock = self._sending.setdefault(report, asyncio.Lock())
        try:
            async with lock:
                known = await self._read(lambda db: store.of_id(db, report))
                if known is not None:
                    return await self._completed(known, sent, code, correlation)
                await self._make_sure_of_room(not isinstance(sent, Joined) and bool(sent.photos))
                now = self.platform.clock.now()
                incident = await begin(report)
                same, text = isinstance(sent, Joined), "" if isinstance(sent, Joined) else sent.text
                row = Report(report, codes.hash_of(code), incident.code, same, now, sent.language, text)
                act = Act(person.id, "report.send", incident.code, correlation=correlation, detail=f"report {report}")
                work = partial(store.insert, report=row)
                await self.platform.writer.run(person, now, work, [act], action="report.send")
                if isinstance(sent, Sent) and sent.made is not None:
                    await self._say_late(incident.code, sent.made)
                return await self._completed(row, sent, code, correlation)
        finally:
            if not lock.locked():
                self._sending.pop(report, None)

    async def _say_late(self, incident: str, made: datetime) -> None:
        """Say in the timeline that a report was written at ``made`` without a line, if long enough ago to matter."""
        if not _LATE <= self.platform.accounts.clock.now() - made < _OLD:
            return
        told = formats.daytime(made, "vi"), formats.daytime(made, "en")
        await self.platform.incidents.note(
            incident,
            f"Người gửi viết lúc {told[0]} khi mất mạng, nay mới gửi được.",
            f"Written at {told[1]} without a line, sent only now.",
        )

    async def _completed(self, report: Report, sent: Sent | Joined, code: str, correlation: str) -> Received:
        """Keep what came with a report and is not kept yet: all of it, but for a form that is sent again because the city
        stopped half-way.
        """
        if isinstance(sent, Joined):
            return Received(code)
        photos = sent.photos if report.photos < len(sent.photos) else ()
        unread = sum([not await self._photo(report, body) for body in photos])
        kept = sent.contact is None or bool(report.subject) or await self._contact(report, sent.contact, code, correlation)
        return Received(code, unread, kept)

    async def _make_sure_of_room(self, photos: bool) -> None:
        """Raises Problem 503 once the city has taken ``MOST_A_DAY`` reports, or no more ``photos`` for now."""
        since = self.platform.clock.now() - timedelta(days=1)
        reports, pictures = await self._read(lambda db: store.received_since(db, since))
        if reports >= MOST_A_DAY:
            raise Problem(
                503,
                "too-many-reports",
                "The city has more reports today than it can take.",
                "Call the city's hotline; for an emergency call 113, 114 or 115.",
                retry_after=3600,
            )
        if photos and (pictures >= MOST_A_DAY or self.platform.watch.disk_full):
            raise Problem(503, "no-room", "The city takes no photos for now.", "Send it without photos.", retry_after=3600)

    async def _photo(self, report: Report, body: bytes) -> bool:
        """Keep a photo with its report; False if it could not be read. The report stands either way."""
        try:
            async with self._decoding:
                await self.platform.incidents.photos.add(SYSTEM, report.incident, body, phase="report", report=report.id)
        except Problem as problem:
            _log.info("a photo of a report could not be kept", report=report.id, problem=problem.code)
            return False
        now = self.platform.clock.now()
        await self.platform.writer.run(SYSTEM, now, lambda db: store.count_photos(db, report.id))
        return True

    async def _contact(self, report: Report, contact: Contact, code: str, correlation: str) -> bool:
        """Keep how to reach the sender in the vault; False if it cannot be kept there. The report stands either way."""
        try:
            veiled = codes.VEILED + codes.veiled(self.secret, report.id, code)
            subject = await keep(self.platform.personal, contact, veiled, correlation)
        except Problem as problem:
            _log.warning("the contact of a report could not be kept", report=report.id, problem=problem.code)
            return False
        now = self.platform.clock.now()
        await self.platform.writer.run(SYSTEM, now, lambda db: store.set_subject(db, report.id, subject))
        if contact.mail:
            await self.platform.telling.tell(f"report:{report.id}", "received", f"incident:{report.incident}", ARRIVED)
        return True

    def follow(self, code: str) -> Following:
        """What the holder of a code sees. Raises Problem 404 for a code that is nobody's."""
        written = codes.read(code)
        report = None if written is None else self._read_now(lambda db: store.of_code(db, codes.hash_of(written)))
        if report is None:
            raise not_found("report", "")
        return self.of_report(report)

    def of_report(self, report: Report) -> Following:
        """What the holder of this report's code sees."""
        incident = self._incident(report)
        answered = incident.answered_at
        rating = None if answered is None else self._read_now(lambda db: store.rating_of(db, report.id, answered))
        return Following(
            report,
            self.platform.incidents.public(incident.code),
            incident,
            rating,
            self._reopen_until(report, incident),
        )

    def _incident(self, report: Report) -> Incident:
        """Where a report is worked on now: a merge or a split takes it along."""
        codes = self._read_now(lambda db: linked(db, "report", report.id))
        found = (self.platform.incidents.get(SYSTEM, code) for code in [*codes, report.incident])
        return next((one for one in found if one.state != "merged"), self.platform.incidents.get(SYSTEM, report.incident))

    def _reopen_until(self, report: Report, incident: Incident) -> datetime | None:
        if incident.state not in ("answered", "closed", "rejected") or report.reopened >= MOST_REOPENINGS:
            return None
        if report.same and self._read_now(lambda db: store.reopened_by_joined(db, incident.code)) >= MOST_REOPENINGS:
            return None
        since = incident.state_at if incident.state == "rejected" else incident.answered_at or incident.state_at
        until = since + REOPEN_WITHIN
        return until if self.platform.clock.now() < until else None

    async def rate(self, person: Person, code: str, score: int, comment: str, *, correlation: str = "") -> None:
        """Say how good the answer is (3 satisfied, 2 acceptable, 1 not satisfied); again, to change one's mind.

        Raises Problem 404 for a code that is nobody's, 400 for another score, 409 where there is no answer.
        """
        found = await asyncio.to_thread(self.follow, code)
        incident, answered = found.incident, found.incident.answered_at
        if score not in SCORES:
            raise bad_request("This is no rating.", "Choose one of the three.")
        if answered is None or incident.state not in ("answered", "closed"):
            raise Problem(409, "not-answered", "There is no answer to rate yet.", "Come back when there is.")
        if found.rating is not None and (found.rating.score, found.rating.comment) == (score, comment):
            return  # a form that is sent again says nothing new
        now = self.platform.clock.now()
        rating = Rating(
            found.report.id, answered, incident.code, incident.kind, incident.ward, incident.agency, score, comment, now
        )
        act = Act(person.id, "report.rate", incident.code, correlation=correlation, detail=f"score {score}")
        await self.platform.writer.run(person, now, lambda db: store.rate(db, rating), [act], action="report.send")
        said, after = SCORES[score], f": {comment}" if comment else ""
        await self.platform.incidents.note(incident.code, said.vi + after, said.en + after, act="rated")

    async def reopen(self, person: Person, code: str, reason: str, *, correlation: str = "") -> None:
        """Say that the answer does not hold. Raises Problem 404, 400 without a reason, 409 once it is too late."""
        found = await asyncio.to_thread(self.follow, code)
        if len(reason) < 10:
            raise bad_request("A reason is missing.", "Say in ten letters or more what is still wrong.")
        if found.reopen_until is None:
            raise Problem(409, "too-late", "This can no longer be reopened.", "Send a new report; it is quickly done.")
        now, report, incident = self.platform.clock.now(), found.report, found.incident
        act = Act(person.id, "report.reopen", incident.code, correlation=correlation, detail=f"report {report.id}")
        await self.platform.incidents.act(
            SYSTEM, incident.code, acts.Reopen(reason), version=incident.version, correlation=correlation
        )
        await self.platform.writer.run(
            person, now, lambda db: store.count_reopening(db, report.id, MOST_REOPENINGS), [act], action="report.send"
        )
        await self.platform.incidents.note(incident.code, "Người gửi phản ánh đã mở lại.", "Its sender reopened it.")

    async def add_photos(self, person: Person, code: str, photos: Sequence[bytes], *, correlation: str = "") -> int:
        """Send further photos; how many could not be read. Raises Problem 404, 409 for too many or a finished report."""
        report = (await asyncio.to_thread(self.follow, code)).report.id
        check_photos(photos)
        await self._make_sure_of_room(bool(photos))
        async with self._sending.setdefault(report, asyncio.Lock()):  # of two forms at once the second counts the first's
            return await self._add_photos(person, code, photos, correlation)

    async def _add_photos(self, person: Person, code: str, photos: Sequence[bytes], correlation: str) -> int:
        found = await asyncio.to_thread(self.follow, code)
        if not found.incident.worked or found.report.photos + len(photos) > MOST_PHOTOS:
            raise Problem(409, "no-more-photos", "This report takes no more photos.", f"There is room for {MOST_PHOTOS}.")
        act = Act(
            person.id, "report.photo", found.incident.code, correlation=correlation, detail=f"report {found.report.id}"
        )
        now = self.platform.clock.now()
        await self.platform.writer.run(person, now, lambda _: None, [act], action="report.send")
        row = replace(found.report, incident=found.incident.code)
        return sum([not await self._photo(row, body) for body in photos])

    async def forget_contact(self, person: Person, code: str, *, correlation: str = "") -> None:
        """Destroy how to reach whoever sent a report. Raises Problem 404."""
        report = (await asyncio.to_thread(self.follow, code)).report
        if report.subject:
            await self.platform.personal.withdraw(SYSTEM, report.subject, "phan-anh", correlation=correlation)
            act = Act(person.id, "report.forget", report.id, correlation=correlation)
            now = self.platform.clock.now()
            await self.platform.writer.run(
                person, now, lambda db: store.set_subject(db, report.id, ""), [act], action="report.send"
            )
            await self.platform.telling.forget(f"report:{report.id}")

    def nearby(self, kind: str, place: Place) -> list[Nearby]:
        """Open reports that may be of the same trouble, the same kind first, then the newest."""
        question = Question(origin="report", order="newest", limit=20)
        if place.rough:
            question = replace(question, ward=place.ward.code, kind=kind)
        else:
            question = replace(question, near=Near(place.longitude, place.latitude, NEARBY))
        found = self.platform.incidents.find(SYSTEM, question).incidents
        likely = sorted((one for one in found if one.kind in self.kinds), key=lambda one: one.kind != kind)[:MOST_NEARBY]
        titles = self._read_now(lambda db: store.titles(db, [one.code for one in likely]))
        return [Nearby(one, titles.get(one.code, ""), _metres(place, one)) for one in likely]

    def _open_report(self, code: str) -> Incident | None:
        try:
            found = self.platform.incidents.get(SYSTEM, code)
        except Problem:
            return None
        return found if found.worked and found.origin == "report" and found.kind in self.kinds else None

    async def _read(self, work: Callable[[Connection], T]) -> T:
        return await asyncio.to_thread(self._read_now, work)

    def _read_now(self, work: Callable[[Connection], T]) -> T:
        with self.platform.database.reader() as db:
            return work(db)


def _metres(place: Place, incident: Incident) -> float | None:
    if place.rough or incident.longitude is None or incident.latitude is None:
        return None
    there = incident.longitude, incident.latitude
    return metres_apart(place.longitude, place.latitude, *there)


def check_photos(photos: Sequence[bytes]) -> None:
    """Refuse what is no picture before anything is kept. Raises Problem 413 or 415."""
    if len(photos) > AT_ONCE:
        raise Problem(413, "too-many", f"These are {len(photos)} photos.", f"Send at most {AT_ONCE} at a time.")
    for body in photos:
        if len(body) > LARGEST:
            raise Problem(413, "too-large", f"A photo has more than {LARGEST // 1024**2} MB.", "Send a smaller one.")
        if kind_of(body) is None:
            raise Problem(415, "no-picture", "One of these files is no photo.", "Send JPEG, PNG or WebP.")
