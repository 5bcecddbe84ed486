"""Who reported and left an address of e-mail hears of each step, of the answer and of how to rate it, until they say stop.

The address stays sealed: it is opened for each mail, by the city itself, and each time that is on record.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING
from urllib.parse import quote

from dothi.access.personal import reading
from dothi.access.policy import WHOLE_CITY, Clearance, Grant, Person
from dothi.model.clock import to_micros
from dothi.model.problem import Problem
from dothi.model.text import Text
from dothi.platform.telling.model import MINUTE, Happening, Note, Pace, Written
from dothi.platform.telling.readers import Reader
from dothi.platform.telling.words import Frame, Item, mail_of
from dothi.services.citizens import codes, store
from dothi.services.citizens.service import ARRIVED, Following, Reports
from dothi.services.citizens.store import Report
from dothi.store.connection import Connection

if TYPE_CHECKING:
    from dothi.platform.platform import Platform

KIND = "report"
STEPS: dict[str, Text] = {
    "received": ARRIVED,
    "accepted": Text("Phản ánh của bạn đã được tiếp nhận", "Your report was accepted"),
    "assigned": Text("Phản ánh của bạn đã được phân công", "Your report was assigned"),
    "handling": Text("Phản ánh của bạn đang được xử lý", "Your report is being handled"),
    "answered": Text("Đã có trả lời cho phản ánh của bạn", "Your report was answered"),
    "rejected": Text("Phản ánh của bạn không được tiếp nhận", "Your report was not accepted"),
    "reopened": Text("Phản ánh của bạn đã được mở lại", "Your report was reopened"),
}
RESULTS = ("answered", "rejected")
"""What a consent covers that was given before anybody was told of each step."""
WHY = "Gửi thư báo về phản ánh cho người gửi"
SETTLE = MINUTE  # who accepts, assigns and begins at once causes one mail
_MOST = 4  # an hour
_OPENER = Person("system", (Grant("system", WHOLE_CITY, Clearance.PERSONAL),))
_OF_INCIDENT = (
    "SELECT r.id FROM incident_link l JOIN report r ON r.id = l.ref WHERE l.incident = ? AND l.kind = 'report' "
    "AND r.subject <> '' AND NOT EXISTS (SELECT 1 FROM telling_stop s WHERE s.recipient = 'report:' || r.id)"
)
_TO_COME = Text("chưa", "still to come")
_ANSWER = Text("Trả lời: {answer}", "The answer: {answer}")
_REASON = Text("Lý do: {reason}", "The reason: {reason}")
_RATE = Text(
    "Bạn thấy kết quả thế nào? Mở trang theo dõi để đánh giá, hoặc mở lại trong 7 ngày nếu việc chưa xong.",
    "Is it good? Rate it on the page below, or reopen it within 7 days if it is not done.",
)
_FOLLOW = Text("Mở trang theo dõi", "Open the page to follow it")
_BY_CODE = Text("Theo dõi bằng mã đã nhận khi gửi", "Follow it by the code you were given")
_SUBJECT = Text("Phản ánh: {kind}", "Report: {kind}")
_FOR = Text(
    "Bạn nhận thư này vì đã để lại địa chỉ khi gửi phản ánh tới {city}. Đừng trả lời thư này.",
    "You have this because you left your address when you reported to {city}. Do not answer this mail.",
)


class Told(Reader):
    """Senders of reports as receivers of mail; their ids are those of reports."""

    kind = KIND

    def __init__(self, platform: "Platform") -> None:
        super().__init__(platform)
        self.reports = Reports(platform)

    def hear(self, db: Connection, told: Happening, now: int) -> Iterable[Note]:
        """Everybody who reported what this is about and may be written to, of a step that was taken."""
        step = _step_of(told)
        if step is None:
            return []
        about = f"incident:{told.incident.code}"
        rows = db.execute(_OF_INCIDENT, (told.incident.code,)).fetchall()
        return [
            Note(f"{KIND}:{report}", f"{step}:{told.number}", step, about, STEPS[step], told.incident.severity, now)
            for (report,) in rows
        ]

    def pace(self, ref: str) -> Pace | None:
        """The same for all; None for who left no contact, took it back or said stop."""
        report = self._report(ref)
        if report is None or not report.subject or self.platform.telling.stopped(f"{KIND}:{ref}"):
            return None
        return Pace(_MOST, SETTLE)

    async def write(self, ref: str, notes: Sequence[Note]) -> Written | None:
        """How the report stands, and what is new of it."""
        report = self._report(ref)
        if report is None or self.pace(ref) is None:
            return None
        sealed = self._sealed(report)
        if "email" not in sealed:
            return None
        steps = [one.topic for one in notes if "other" in sealed or one.topic in RESULTS]
        if not steps:
            return None
        try:
            personal = self.platform.personal
            address = str(await personal.open(_OPENER, sealed["email"], WHY))
            veiled = str(await personal.open(_OPENER, sealed["other"], WHY)) if "other" in sealed else ""
        except Problem as problem:
            if problem.status != 410:
                raise
            return None
        code = codes.veiled(self.reports.secret, report.id, veiled.removeprefix(codes.VEILED)) if veiled else ""
        return self._written(report, self.reports.of_report(report), steps[-1], address, code)

    def name(self, ref: str, language: str) -> str:
        """The incident that the report is of: nobody who looks after the post learns whose it is."""
        report = self._report(ref)
        return ref if report is None else report.incident

    def writes_to(self, report: Report) -> bool:
        """True if an address of its sender is kept."""
        return "email" in self._sealed(report)

    def stop_token(self, ref: str) -> str:
        """What the link holds by which a sender can have no more mails."""
        return f"{ref}.{self.platform.telling.sign('stop', ref)}"

    def _written(self, report: Report, found: Following, step: str, address: str, code: str) -> Written:
        language, work = report.language, found.work
        kind = self.platform.incidents.kind(work.kind).title.in_language(language)
        lines = [
            f"{one.title.in_language(language)}: {_TO_COME.in_language(language) if one.at is None else self.moment(one.at)}"
            for one in work.steps
        ]
        if work.reason:
            lines.append(_REASON.in_language(language).format(reason=work.reason))
        if work.answer:
            lines.append(_ANSWER.in_language(language).format(answer=work.answer))
            if found.rating is None and work.state in ("answered", "closed"):
                lines.append(_RATE.in_language(language))
        link = self.link(f"/report/{code}" if code else "/report")
        stop = self.link(f"/report/mail?token={quote(self.stop_token(report.id))}")
        why = _FOR.in_language(language).format(city=self.city(language))
        item = Item(
            _SUBJECT.in_language(language).format(kind=kind),
            tuple(lines),
            link,
            (_FOLLOW if code else _BY_CODE).in_language(language),
        )
        frame = Frame(address, language, self.mark(language), why, stop)
        return mail_of(frame, [item], STEPS[step].in_language(language))

    def _report(self, ref: str) -> Report | None:
        with self.platform.database.reader() as db:
            return store.of_id(db, ref)

    def _sealed(self, report: Report) -> dict[str, str]:
        """What is kept of a sender, still sealed, by its kind."""
        now = to_micros(self.platform.accounts.clock.now())
        with self.platform.database.reader() as db:
            tokens = reading.tokens(db, report.subject, now)
            return {one.kind: tokens[one.id] for one in reading.records(db, report.subject) if one.id in tokens}


def _step_of(told: Happening) -> str | None:
    if told.act == "reopen":
        return "reopened"
    if told.act == "return":  # between those who work on it; it was accepted before
        return None
    state = next((one.after for one in told.changes if one.field == "state"), None)
    return state if state in STEPS else None
