"""What happened becomes notes: timelines, alerts and commands are read from where they were last heard, each thing once.

Notes and how far it was heard are written in one transaction: whatever ends us, nothing is told twice or not at all.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from dothi.access.policy import Clearance, Person, Thing, may
from dothi.model.text import Text
from dothi.platform.commands.model import WORDS as COMMAND_WORDS
from dothi.platform.incidents import store as incident_rows
from dothi.platform.incidents.model import TOLD, Change
from dothi.platform.incidents.sight import sees
from dothi.platform.telling import store, wishes
from dothi.platform.telling.model import Happening, Note
from dothi.platform.telling.wishes import Wish
from dothi.store.connection import Connection

if TYPE_CHECKING:
    from dothi.platform.platform import Platform

AT_ONCE = 500
_ROWS = 1_000  # of the audit log
ENTRIES, ALERTS, COMMANDS = "incident-entry", "alert", "command"
_ENTRIES = (
    "SELECT number, incident, person, act, words, words_en, changes, refs FROM incident_entry WHERE number > ? "
    "ORDER BY number LIMIT ?"
)
_ALERTS = (
    "SELECT id, group_id, severity, ward, owner, clearance, entity_type, said_vi, said_en FROM alert WHERE id > ? "
    "ORDER BY id LIMIT ?"
)
# The log alone says in which order commands failed: their own moments are of before their commits.
_COMMANDS = (
    "SELECT c.id, c.ward, c.agency, c.entity_type, c.clearance FROM audit a JOIN command c ON c.id = a.thing "
    "WHERE a.seq > ? AND a.seq <= ? AND a.action = 'command.failed' ORDER BY a.seq"
)
_NEWEST = {
    ENTRIES: "SELECT max(number) FROM incident_entry",
    ALERTS: "SELECT max(id) FROM alert",
    COMMANDS: "SELECT max(seq) FROM audit",
}
_GIVEN = Text("Được giao", "Given")
_REOPENED = Text("Mở lại", "Reopened")
_HELP = Text("Được xin hỗ trợ", "Help is asked for")
_GRAVER = Text("Nặng thêm", "It grows graver")
_STILL_PAUSED = TOLD["paused"]
_RETURNED = Text("Trả lại trung tâm", "Given back to the centre")
_ESCALATED = Text("Chuyển cấp trên", "Escalated")


class Heard(NamedTuple):
    """What is to be told, and up to where each source was heard."""

    notes: list[Note]
    marks: dict[str, int]


class Hearing:
    """Reads what happened for everybody who wants to hear of it."""

    def __init__(self, platform: "Platform") -> None:
        self._platform = platform

    def look(self, db: Connection, now: int) -> Heard:
        """What happened since it was last looked, at most ``AT_ONCE`` of each source. ``now`` is the machine's moment (µs).

        A source that was never heard is heard from now on: nobody is told of what was before.
        """
        marks = {source: store.mark_of(db, source) for source in _NEWEST}
        new = {source: _newest(db, source) for source, mark in marks.items() if mark is None}
        wanted = [(one, person) for one in wishes.confirmed(db) if (person := self._person(one)) is not None]
        units = {unit for (unit,) in db.execute("SELECT unit FROM telling_unit")}
        heard = Heard([], {})
        for source, mark in marks.items():
            if mark is None:
                heard.marks[source] = new[source]
                continue
            read = {ENTRIES: self._entries, ALERTS: self._alerts, COMMANDS: self._commands}[source]
            until = read(db, mark, now, wanted, units, heard.notes)
            if until > mark:
                heard.marks[source] = until
        return heard

    def _person(self, wish: Wish) -> Person | None:
        return self._platform.accounts.person_of(wish.account)

    def _entries(self, db: Connection, mark: int, now: int, wanted: "Wanted", units: set[str], notes: list[Note]) -> int:
        for number, code, person, act, vi, en, changes, refs in db.execute(_ENTRIES, (mark, AT_ONCE)).fetchall():
            mark = int(number)
            incident = incident_rows.fetch(db, code)
            if incident is None:
                continue
            told = Happening(
                mark,
                act,
                person,
                Text(vi, en),
                msgspec.json.decode(changes, type=tuple[Change, ...]),
                msgspec.json.decode(refs, type=tuple[str, ...]),
                incident,
            )
            for audience in self._platform.telling.audiences:
                notes.extend(audience.hear(db, told, now))
            found = _topic(told)
            if found is None:
                continue
            topic, words = found
            about, what = f"incident:{code}", f"entry:{mark}"
            receivers = _receivers(told, topic, wanted, units)
            notes.extend(Note(one, what, topic, about, words, incident.severity, now) for one in receivers)
        return mark

    def _alerts(self, db: Connection, mark: int, now: int, wanted: "Wanted", _: set[str], notes: list[Note]) -> int:
        for id_, line, severity, ward, owner, clearance, type_, vi, en in db.execute(_ALERTS, (mark, AT_ONCE)):
            mark, thing = int(id_), Thing(Clearance(clearance), ward, owner, type_)
            for wish, person in wanted:
                if "alerts" in wish.topics and severity >= wish.severity and may(person, "rule.read", thing):
                    what, about = f"line:{line}:{severity}", f"alerts:{line}"
                    notes.append(Note(_to(wish), what, "alerts", about, Text(vi, en), severity, now))
        return mark

    def _commands(self, db: Connection, mark: int, now: int, wanted: "Wanted", _: set[str], notes: list[Note]) -> int:
        newest, heard = min(_newest(db, COMMANDS), mark + _ROWS), False
        for id_, ward, agency, type_, clearance in db.execute(_COMMANDS, (mark, newest)):
            heard, thing = True, Thing(Clearance(clearance), ward, agency, type_)
            for wish, person in wanted:
                if "commands" in wish.topics and may(person, "command.read", thing):
                    note = Note(_to(wish), f"command:{id_}", "commands", f"command:{id_}", COMMAND_WORDS["failed"], 3, now)
                    notes.append(note)
        # Every batch of readings is a row of the log: the mark need not be written for each.
        return newest if heard or newest - mark >= _ROWS else mark


Wanted = Sequence[tuple[Wish, Person]]


def _newest(db: Connection, source: str) -> int:
    row = db.execute(_NEWEST[source]).fetchone()
    return int(row[0]) if row is not None and row[0] is not None else 0


def _to(wish: Wish) -> str:
    return f"account:{wish.account}"


def _topic(told: Happening) -> tuple[str, Text] | None:
    """What a line of a timeline is to those who want to hear of such things, and how it is said."""
    if told.act in ("warn", "overdue"):
        return "clocks", told.words
    if told.act == "paused":
        return "clocks", _STILL_PAUSED
    if told.act == "escalate":
        return "escalated", _ESCALATED
    if told.act == "return":
        return "escalated", _RETURNED
    if any(one.field == "severity" and one.after > one.before for one in told.changes):
        return "escalated", _GRAVER
    if told.act == "ask_help":
        return "assigned", _HELP
    if told.act == "reopen":
        return "assigned", _REOPENED
    if told.incident.worked and (told.act == "open" or told.changed("assignee", "agency", "ward")):
        return "assigned", _GIVEN
    return None


def _receivers(told: Happening, topic: str, wanted: Wanted, units: Iterable[str]) -> Iterator[str]:
    """Everybody who is told: of their own deeds nobody; of one's own deed a unit's box, which is somebody else."""
    incident = told.incident
    for wish, person in wanted:
        # Who hears of time that runs out hears of what an overdue clock does, too.
        asked = topic in wish.topics or (told.act == "overdue" and "escalated" in wish.topics)
        if not asked or told.person == wish.account or not sees(person, incident):
            continue
        given = any(one.field == "assignee" and one.after == wish.account for one in told.changes)
        given = given or (told.act == "reopen" and incident.assignee == wish.account)
        if topic != "assigned" or given or _unit_of(person, told):
            yield _to(wish)
    if topic == "assigned" or told.act == "overdue":
        named = told.refs if told.act == "ask_help" else (incident.agency, incident.ward)
        yield from (f"unit:{unit}" for unit in named if unit in units)


def _unit_of(person: Person, told: Happening) -> bool:
    """True if it was given to the unit of this person: to a ward or an agency that their work is bounded to."""
    bounded = [grant for grant in person.grants if not grant.scope.everything]
    if told.act == "ask_help":
        asked = frozenset(told.refs)
        bounded = [
            one for one in bounded if asked & ((one.scope.wards or frozenset()) | (one.scope.agencies or frozenset()))
        ]
    elif told.incident.assignee:
        return False  # it is somebody's
    of_unit = Person(f"{person.id} of a unit", tuple(bounded))
    things = told.incident.helping if told.act == "ask_help" else (told.incident.thing,)
    return any(may(of_unit, "incident.write", thing) for thing in things)
