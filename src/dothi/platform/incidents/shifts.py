"""Shifts: who is on, what they hand over, and who takes it. The note is drafted from what is open, late and changed."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from dothi.access.policy import Person, Reach, Thing, may, reach
from dothi.model.clock import from_micros, to_micros
from dothi.model.problem import Problem
from dothi.model.text import Text
from dothi.platform.incidents import store
from dothi.platform.incidents.changing import LONGEST_TEXT, checked_ward, said
from dothi.platform.incidents.model import STATES, Incident, Question
from dothi.platform.incidents.sight import READ, WRITE, forbidden
from dothi.store.audit import Act
from dothi.store.connection import Connection

if TYPE_CHECKING:
    from dothi.platform.platform import Platform

_LISTED = 20  # incidents of one sort in a note
_SELECT = "SELECT number, ward, person, began_at, note, handed_at, taken_by, taken_at FROM shift"


@dataclass(frozen=True, slots=True)
class Shift:
    """One shift at the centre (``ward`` "") or in a ward. ``handed_at`` is when its note was written, ``taken_at`` when the
    next one (``taken_by``) took over and it ended.
    """

    number: int
    ward: str
    person: str
    began_at: datetime
    note: str
    handed_at: datetime | None
    taken_by: str
    taken_at: datetime | None


class Shifts:
    """The shifts of one city."""

    def __init__(self, platform: "Platform") -> None:
        self._platform = platform
        self._zone = ZoneInfo(platform.city.time_zone)

    def current(self, asker: Person, ward: str = "") -> Shift | None:
        """Who is on now, or was the last; None before the first shift. Raises Problem 403."""
        self._check(asker, READ, ward)
        with self._platform.database.reader() as db:
            return _last(db, ward)

    def past(self, asker: Person, ward: str = "", limit: int = 20) -> list[Shift]:
        """Shifts with their notes, the newest first. Raises Problem 403."""
        self._check(asker, READ, ward)
        with self._platform.database.reader() as db:
            rows = db.execute(f"{_SELECT} WHERE ward = ? ORDER BY number DESC LIMIT ?", (ward, min(limit, 200)))
            return [_shift(row) for row in rows]

    def draft(self, asker: Person, ward: str = "") -> Text:
        """What a note may say: what came, what was answered, what is late, what waits, what is grave. Raises Problem 403."""
        self._check(asker, READ, ward)
        now = self._platform.clock.now()
        reached = reach(asker, READ) or Reach(public=False)
        with self._platform.database.reader() as db:
            shift = _last(db, ward)
            began = now if shift is None else shift.began_at
            opened = store.search(db, Question(states=(), ward=ward, since=began, limit=1), reached, "", now).total
            answered = store.answered_since(db, ward, began, reached)
            found = store.search(db, Question(ward=ward, limit=200), reached, "", now)
        late = [one for one in found.incidents if one.due_at is not None and one.due_at < now]
        paused = [one for one in found.incidents if one.paused_since is not None]
        grave = [one for one in found.incidents if one.severity >= 3 and one not in late and one not in paused]
        since = self._time(began)
        vi = [
            f"Từ {since}: {opened} sự việc mới, {answered} đã trả lời. Còn {found.total} đang mở, {found.overdue} quá hạn."
        ]
        en = [f"Since {since}: {opened} new, {answered} answered. {found.total} open, {found.overdue} overdue."]
        for title, some in (
            (Text("Quá hạn", "Overdue"), late),
            (Text("Tạm dừng", "Paused"), paused),
            (Text("Nghiêm trọng, còn hạn", "Serious, still in time"), grave),
        ):
            if some:
                vi += ["", f"{title.vi}:", *self._lines(some, "vi")]
                en += ["", f"{title.en}:", *self._lines(some, "en")]
        return Text("\n".join(vi), "\n".join(en))

    async def hand_over(self, person: Person, note: str, ward: str = "", *, correlation: str = "") -> Shift:
        """Write the note of one's own shift; until somebody takes over it may be written anew.

        Raises Problem 403, 400 for a note that says nothing, 409 if it is not one's own shift.
        """
        told = said(note, "note", LONGEST_TEXT)
        now = self._platform.clock.now()

        def work(db: Connection) -> Shift:
            shift = _last(db, ward)
            if shift is None or shift.person != person.id or shift.taken_at is not None:
                raise Problem(409, "not-your-shift", "You are not on shift here.", "Take over first.")
            db.execute("UPDATE shift SET note = ?, handed_at = ? WHERE number = ?", (told, to_micros(now), shift.number))
            return _known(db, ward)

        return await self._write(person, ward, work, Act(person.id, "shift.hand", _thing(ward), "done", correlation))

    async def take(self, person: Person, ward: str = "", *, after: int, correlation: str = "") -> Shift:
        """Begin one's shift, and with it acknowledge the note of the one before, whose number is ``after`` (0: there was
        none). Who was on is relieved, with or without a note.

        Raises Problem 403, 409 if somebody else took over meanwhile, or one is on already.
        """
        now = self._platform.clock.now()

        def work(db: Connection) -> Shift:
            before = _last(db, ward)
            if (before.number if before else 0) != after:
                raise Problem(409, "changed-meanwhile", "Somebody took over meanwhile.", "Look at who is on now.")
            if before is not None and before.person == person.id:
                raise Problem(409, "already-on", "You are on already.", "Hand over at the end of your shift.")
            if before is not None:
                taken = (person.id, to_micros(now), before.number)
                db.execute("UPDATE shift SET taken_by = ?, taken_at = ? WHERE number = ?", taken)
            db.execute("INSERT INTO shift (ward, person, began_at) VALUES (?,?,?)", (ward, person.id, to_micros(now)))
            return _known(db, ward)

        return await self._write(person, ward, work, Act(person.id, "shift.take", _thing(ward), "done", correlation))

    async def _write(self, person: Person, ward: str, work: Callable[[Connection], Shift], act: Act) -> Shift:
        self._check(person, WRITE, ward)
        checked_ward(self._platform.city, ward)
        return await self._platform.writer.run(person, self._platform.clock.now(), work, [act], action=WRITE)

    def _check(self, person: Person, action: str, ward: str) -> None:
        if not may(person, action, Thing(ward=ward or None)):
            raise forbidden(person)

    def _lines(self, incidents: Iterable[Incident], language: str) -> list[str]:
        return [f"- {self._line(one, language)}" for one in list(incidents)[:_LISTED]]

    def _line(self, one: Incident, language: str) -> str:
        told = f"{one.code} {one.title.in_language(language)} ({STATES[one.state].in_language(language).lower()})"
        if one.pause_reason:
            return f"{told}: {one.pause_reason}"
        if one.due_at is None:
            return told
        return f"{told}: {Text('hạn', 'due').in_language(language)} {self._time(one.due_at)}"

    def _time(self, moment: datetime) -> str:
        return f"{moment.astimezone(self._zone):%H:%M %d/%m}"


def _last(db: Connection, ward: str) -> Shift | None:
    row = db.execute(f"{_SELECT} WHERE ward = ? ORDER BY number DESC LIMIT 1", (ward,)).fetchone()
    return _shift(row) if row else None


def _known(db: Connection, ward: str) -> Shift:
    """The last shift, where there is one."""
    row = db.execute(f"{_SELECT} WHERE ward = ? ORDER BY number DESC LIMIT 1", (ward,)).fetchone()
    return _shift(row)


def _thing(ward: str) -> str:
    return f"shift:{ward or 'centre'}"


def _shift(row: Any) -> Shift:
    number, ward, person, began, note, handed, taken_by, taken = row
    return Shift(
        number,
        ward,
        person,
        from_micros(began),
        note,
        None if handed is None else from_micros(handed),
        taken_by,
        None if taken is None else from_micros(taken),
    )
