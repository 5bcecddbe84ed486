"""What the city says to all at the top of every page until it is over; what is mailed to those who asked is ``telling``."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal, get_args

from dothi.access.policy import Person, make_sure_of_all
from dothi.model.clock import from_micros, to_micros
from dothi.model.problem import Problem, bad_request, not_found
from dothi.model.text import Text
from dothi.platform.incidents.changing import said
from dothi.store.audit import Act
from dothi.store.connection import Connection

if TYPE_CHECKING:
    from dothi.platform.platform import Platform

Audience = Literal["all", "citizens", "staff"]
AUDIENCES: dict[Audience, Text] = {
    "all": Text("Mọi người", "Everybody"),
    "citizens": Text("Người dân", "Citizens"),
    "staff": Text("Cán bộ", "Staff"),
}
WRITE = "city.write"
LONGEST = 300  # letters, in either language
MOST = 5  # at the same time: more are read by nobody
KEPT = 50  # of the past that are listed
_FARTHEST = timedelta(days=366)
_NAMES = "number, text, text_en, grave, audience, from_at, until_at, at, person"


@dataclass(frozen=True, slots=True)
class Message:
    """One message: from ``start`` until ``until`` (None: until somebody ends it), both of the city's clock; ``grave`` ones
    are said as a warning. ``at`` is when ``person`` wrote it.
    """

    number: int
    text: Text
    grave: bool
    audience: Audience
    start: datetime
    until: datetime | None
    at: datetime
    person: str

    def over(self, at: datetime) -> bool:
        """True if it is said no more."""
        return self.until is not None and self.until <= at


class Messages:
    """The messages of one city. Every page asks ``now``, which asks nothing of the database."""

    def __init__(self, platform: "Platform") -> None:
        self._platform = platform
        with platform.database.reader() as db:
            self._every = _rows(db)

    def now(self, audience: Audience) -> list[Message]:
        """What is said now on the pages of ``audience``, the gravest first, then the newest."""
        at = self._platform.clock.now()
        said_now = [one for one in self._every if one.audience in ("all", audience) and one.start <= at and not one.over(at)]
        return sorted(said_now, key=lambda one: (not one.grave, -one.number))

    def every(self) -> list[Message]:
        """Those that are said or will be, and the newest of the past, the newest first."""
        return self._every

    async def say(
        self,
        person: Person,
        text: Text,
        audience: Audience,
        *,
        grave: bool = False,
        start: datetime | None = None,
        until: datetime | None = None,
        correlation: str = "",
    ) -> Message:
        """Say something from ``start`` (None: now) until ``until``.

        Raises Problem 400 for words or times that are none, 403, 409 for more than ``MOST`` that are not over.
        """
        make_sure_of_all(person, WRITE)
        now = self._platform.clock.now()
        begin = max(start or now, now)
        vi, en = (said(one, "message", LONGEST) for one in (text.vi, text.en))
        if audience not in get_args(Audience):
            raise bad_request(f"There is no audience {audience!r}.", f"Give one of {', '.join(AUDIENCES)}.")
        if until is not None and until <= begin:
            raise bad_request("It would end before it begins.", "Give a later end, or none.")
        if max(begin, until or begin) - now > _FARTHEST:
            raise bad_request("This is more than a year away.", "Say it when the time has come.")

        def work(db: Connection) -> int:
            if sum(not one.over(now) for one in _rows(db)) >= MOST:
                raise Problem(409, "too-many", f"There are {MOST} messages already.", "End one first.")
            row = db.execute(
                f"INSERT INTO site_message ({_NAMES.partition(', ')[2]}) VALUES (?,?,?,?,?,?,?,?) RETURNING number",  # noqa: S608 - ours
                (
                    vi, en, int(grave), audience, to_micros(begin), None if until is None else to_micros(until),
                    to_micros(now), person.id,
                ),
            ).fetchone()  # fmt: skip
            return int(row[0])

        act = Act(person.id, "message.say", audience, correlation=correlation, detail=vi)
        number = await self._platform.writer.run(person, now, work, [act], action=WRITE)
        return self._read(number)

    async def end(self, person: Person, number: int, *, correlation: str = "") -> Message:
        """Say a message no more; nothing happens to one that is over. Raises Problem 403, 404."""
        make_sure_of_all(person, WRITE)
        now, recorded = self._platform.clock.now(), list[Act]()

        def work(db: Connection) -> None:
            found = next((one for one in _rows(db) if one.number == number), None)
            if found is None:
                raise not_found("message", str(number))
            if not found.over(now):
                end = to_micros(max(now, found.start))  # one that has not begun never does
                db.execute("UPDATE site_message SET until_at = ? WHERE number = ?", (end, number))
                recorded.append(Act(person.id, "message.end", found.audience, correlation=correlation, detail=found.text.vi))

        await self._platform.writer.run(person, now, work, recorded, action=WRITE)
        return self._read(number)

    def _read(self, number: int) -> Message:
        """Every message as they are now, and of them this one."""
        with self._platform.database.reader() as db:
            self._every = _rows(db)
        return next(one for one in self._every if one.number == number)


def _rows(db: Connection) -> list[Message]:
    query = f"SELECT {_NAMES} FROM site_message ORDER BY number DESC LIMIT {KEPT}"  # noqa: S608 - names of our own
    return [
        Message(
            number,
            Text(text, text_en),
            bool(grave),
            audience,
            from_micros(start),
            None if until is None else from_micros(until),
            from_micros(at),
            person,
        )
        for number, text, text_en, grave, audience, start, until, at, person in db.execute(query)
    ]
