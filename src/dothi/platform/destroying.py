"""What of an operations centre's work may be destroyed once it is over for long enough, each by a rule of its own.

People's own words and their photos can go sooner than the incidents that they led to.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from dothi.data.retention import Kept
from dothi.data.trail import DAY
from dothi.model.text import Text
from dothi.platform.incidents import store
from dothi.platform.incidents.kinds import IncidentKind
from dothi.platform.incidents.model import Incident
from dothi.store.connection import Connection

if TYPE_CHECKING:
    from dothi.platform.platform import Platform

AT_ONCE = 200
_OVER = "i.state IN ('closed', 'rejected', 'merged') AND i.state_at < ?"
_ENDED = f"SELECT i.code FROM incident i WHERE {_OVER} ORDER BY i.state_at LIMIT {AT_ONCE}"  # noqa: S608 - constants
# What people said: in the report, with a rating, as the reason of a reopening (an official's own has the official's name).
_REOPENED = "act = 'reopen' AND person = 'system'"
_REPORTS = (
    "FROM report r JOIN incident_link l ON l.kind = 'report' AND l.ref = r.id JOIN incident i "  # noqa: S608 - constants
    f"ON i.code = l.incident WHERE {_OVER} AND (r.text <> '' "
    "OR EXISTS (SELECT 1 FROM report_rating g WHERE g.report = r.id AND g.comment <> '') "
    f"OR EXISTS (SELECT 1 FROM incident_entry e WHERE e.incident = i.code AND {_REOPENED} AND e.words <> ''))"
)
_PHOTOS = f"FROM incident_photo p JOIN incident i ON i.code = p.incident WHERE {_OVER} AND p.removed_at IS NULL"
_LINES = "FROM alert_group WHERE state = 'ended' AND to_tell = '' AND to_publish = 0 AND ended_at < ?"
_COMMANDS = "FROM command WHERE ended_at < ?"
_SHIFTS = "FROM shift WHERE taken_at < ?"  # whoever is on has been relieved by nobody
_OF_INCIDENT = ("incident_entry", "incident_link", "incident_help", "incident_photo", "report_rating", "command")


def kept_of(platform: "Platform") -> list[Kept]:
    """The rules a city can set: of whatever is over for that many days."""
    photos = platform.incidents.photos
    words = partial(_take_words, kind_of=platform.incidents.kind)
    return [
        Kept("work:words", Text("Lời người dân đã gửi", "What citizens wrote"), _days("i.state_at", _REPORTS), words),
        Kept(
            "work:photos",
            Text("Ảnh của sự việc", "Photos of incidents"),
            _days("i.state_at", _PHOTOS),
            _take_photos,
            photos.sweep,
        ),
        Kept(
            "work:incidents",
            Text("Sự việc, cùng mọi thứ thuộc về nó", "Incidents, with all that belongs to them"),
            _days("i.state_at", f"FROM incident i WHERE {_OVER}"),
            _take_incidents,
            photos.sweep,
        ),
        Kept("work:alerts", Text("Cảnh báo đã hết", "Alerts that are over"), _days("ended_at", _LINES), _take_alerts),
        Kept("work:commands", Text("Lệnh đã xong", "Commands that are done"), _days("ended_at", _COMMANDS), _take_commands),
        Kept(
            "work:shifts",
            Text("Ca trực và lời bàn giao", "Shifts and their notes"),
            _days("taken_at", _SHIFTS),
            _take_shifts,
        ),
    ]


def _days(moment: str, source: str) -> Callable[[Connection, int], Mapping[int, int]]:
    query = f"SELECT {moment} / {DAY}, count(*) {source} GROUP BY 1"

    def count(db: Connection, border: int) -> Mapping[int, int]:
        return {int(day): int(rows) for day, rows in db.execute(query, (border,))}

    return count


def _take_words(db: Connection, border: int, _now: int, *, kind_of: Callable[[str], IncidentKind]) -> bool:
    """Nothing of what somebody wrote is left: neither in the report, nor in its incident and what was said of it there."""
    rows = db.execute(f"SELECT r.id, i.code {_REPORTS} LIMIT {AT_ONCE}", (border,)).fetchall()
    reports = [report for report, _ in rows]
    _each(db, "UPDATE report SET text = '' WHERE id", reports)
    _each(db, "UPDATE report_rating SET comment = '' WHERE report", reports)
    for code in dict.fromkeys(code for _, code in rows):
        for incident in _with_merged(db, code):
            _forget_said(db, incident, kind_of(incident.kind).title)
    return bool(rows)


def _with_merged(db: Connection, code: str) -> list[Incident]:
    """An incident, and all that were merged into it: their reports are its own now, their words stayed."""
    codes, found = [code], list[Incident]()
    for one in codes:
        incident = store.fetch(db, one)
        found += [] if incident is None else [incident]
        codes += [child for (child,) in db.execute("SELECT code FROM incident WHERE parent = ?", (one,))]
    return found


def _forget_said(db: Connection, incident: Incident, title: Text) -> None:
    """Words of citizens in an incident and its timeline; a title that an official gave stays."""
    code = incident.code
    db.execute(f"UPDATE incident_entry SET words = '', words_en = '' WHERE incident = ? AND {_REOPENED}", (code,))  # noqa: S608 - ours
    rated = "SELECT number, words, words_en FROM incident_entry WHERE incident = ? AND act = 'rated'"
    for number, vi, en in db.execute(rated, (code,)).fetchall():
        scores = vi.partition(":")[0], en.partition(":")[0]
        db.execute("UPDATE incident_entry SET words = ?, words_en = ? WHERE number = ?", (*scores, number))
    if incident.origin != "report":
        return
    named = "UPDATE incident_entry SET words = ?, words_en = ? WHERE act = 'open' AND person = 'system' AND incident = ?"
    opened = "SELECT words FROM incident_entry WHERE incident = ? AND act = 'open' AND person = 'system'"
    kept = title if (incident.title.vi,) in db.execute(opened, (code,)).fetchall() else incident.title
    db.execute(named, (title.vi, title.en, code))
    absorbed = "UPDATE incident_entry SET words = ?, words_en = ? WHERE act = 'absorb' AND incident = ? AND refs = ?"
    refs = msgspec.json.encode([code]).decode()
    db.execute(absorbed, (kept.vi, kept.en, incident.parent, refs))
    store.update(db, replace(incident, text="", title=kept))
    _forget_corrections(db, code)


def _forget_corrections(db: Connection, code: str) -> None:
    for number, told in db.execute(
        "SELECT number, changes FROM incident_entry WHERE incident = ? AND act IN ('retitle', 'reclassify')", (code,)
    ).fetchall():
        changes = msgspec.json.decode(told, type=list[dict[str, Any]])
        left = [change for change in changes if change["field"] not in ("text", "title")]
        db.execute("UPDATE incident_entry SET changes = ? WHERE number = ?", (msgspec.json.encode(left).decode(), number))


def _take_photos(db: Connection, border: int, now: int) -> bool:
    """That there were photos stays in the timelines."""
    numbers = [number for (number,) in db.execute(f"SELECT p.number {_PHOTOS} LIMIT {AT_ONCE}", (border,))]
    removed = f"UPDATE incident_photo SET released_at = NULL, removed_at = {now}, removed_by = 'system' WHERE number"  # noqa: S608 - a number
    _each(db, removed, numbers)
    return bool(numbers)


def _take_incidents(db: Connection, border: int, _now: int) -> bool:
    codes = [code for (code,) in db.execute(_ENDED, (border,))]
    for some in _by(codes):
        tied = f"SELECT ref FROM incident_link WHERE kind = 'report' AND incident IN ({_marks(some)})"  # noqa: S608 - marks
        reports = [report for (report,) in db.execute(tied, some)]
        _each(db, "DELETE FROM report WHERE id", reports)
        _each(db, "DELETE FROM report_rating WHERE report", reports)
        _each(db, "DELETE FROM incident_link WHERE kind = 'incident' AND ref", some)
        for table in _OF_INCIDENT:
            _each(db, f"DELETE FROM {table} WHERE incident", some)  # noqa: S608 - names of our own
        _each(db, "DELETE FROM incident WHERE code", some)
    return bool(codes)


def _take_alerts(db: Connection, border: int, _now: int) -> bool:
    lines = [line for (line,) in db.execute(f"SELECT id {_LINES} LIMIT {AT_ONCE}", (border,))]
    _each(db, "DELETE FROM alert WHERE group_id", lines)
    _each(db, "DELETE FROM alert_group WHERE id", lines)
    return bool(lines)


def _take_commands(db: Connection, border: int, _now: int) -> bool:
    commands = [command for (command,) in db.execute(f"SELECT id {_COMMANDS} LIMIT {AT_ONCE}", (border,))]
    _each(db, "DELETE FROM command WHERE id", commands)
    return bool(commands)


def _take_shifts(db: Connection, border: int, _now: int) -> bool:
    shifts = [shift for (shift,) in db.execute(f"SELECT number {_SHIFTS} LIMIT {AT_ONCE}", (border,))]
    _each(db, "DELETE FROM shift WHERE number", shifts)
    return bool(shifts)


def _each(db: Connection, statement: str, refs: Sequence[Any]) -> None:
    for some in _by(refs):
        db.execute(f"{statement} IN ({_marks(some)})", some)


def _by(refs: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (refs[start : start + AT_ONCE] for start in range(0, len(refs), AT_ONCE))


def _marks(refs: Sequence[Any]) -> str:
    return ",".join("?" * len(refs))
