"""Rows of reports and ratings: written and read; whoever calls decides who may.

What is released is joined to its incident here, because the public list filters by both: one question instead of hundreds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dothi.access.policy import Reach
from dothi.model.clock import from_micros, to_micros
from dothi.platform.incidents.model import WORKED
from dothi.store.connection import Connection

_NAMES = (
    "id", "code", "incident", "same", "at", "language", "text", "subject", "reopened", "photos", "title", "shown",
    "released", "decided_at", "decided_by",
)  # fmt: skip
_SELECT = f"SELECT {', '.join(f'r.{name}' for name in _NAMES)} FROM report r"  # noqa: S608 - names of our own
_NOW = (
    "JOIN incident_link l ON l.kind = 'report' AND l.ref = r.id "
    "JOIN incident i ON i.code = l.incident AND i.state <> 'merged'"
)
_OF_INCIDENT = {"clearance": "i.clearance", "ward": "i.ward", "agency": "i.agency", "type": "CAST(NULL AS TEXT)"}
_SHOWN_NAMES = (
    "i.code, r.title, r.shown, i.kind, i.state, i.ward, i.agency, i.longitude, i.latitude, i.opened_at, i.answered_at, "
    "i.due_at, i.paused_since"
)
_SHOWN = f"SELECT {_SHOWN_NAMES} FROM report r {_NOW} WHERE r.released = 1 AND r.same = 0"  # noqa: S608 - parts of our own
_FIRST = (
    " AND NOT EXISTS (SELECT 1 FROM report e JOIN incident_link k ON k.kind = 'report' AND k.ref = e.id WHERE "
    "k.incident = i.code AND e.released = 1 AND e.same = 0 AND (e.at < r.at OR (e.at = r.at AND e.id < r.id)))"
)


@dataclass(frozen=True, slots=True)
class Report:
    """One report. ``incident`` is what it began or joined (``same``), ``subject`` its sender in the vault, "" for nobody.

    ``title`` and ``shown`` are what everybody may read if it was ``released``; moments are aware UTC.
    """

    id: str
    code: str
    incident: str
    same: bool
    at: datetime
    language: str
    text: str
    subject: str = ""
    reopened: int = 0
    photos: int = 0
    title: str = ""
    shown: str = ""
    released: bool = False
    decided_at: datetime | None = None
    decided_by: str = ""


@dataclass(frozen=True, slots=True)
class Shown:
    """What anybody may know of a released report and the work it began; ``rough`` points are a ward's centre."""

    code: str
    title: str
    text: str
    kind: str
    state: str
    ward: str
    agency: str
    longitude: float | None
    latitude: float | None
    opened_at: datetime
    answered_at: datetime | None
    due_at: datetime | None
    paused: bool


@dataclass(frozen=True, slots=True)
class Rating:
    """How one report's sender rated one answer: 3 satisfied, 2 acceptable, 1 not satisfied."""

    report: str
    answered_at: datetime
    incident: str
    kind: str
    ward: str
    agency: str
    score: int
    comment: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Tally:
    """Ratings of one kind, agency or ward (``of``): how many of each score."""

    of: str
    satisfied: int
    acceptable: int
    unsatisfied: int

    @property
    def count(self) -> int:
        """How many there are in all."""
        return self.satisfied + self.acceptable + self.unsatisfied


def insert(db: Connection, report: Report) -> bool:
    """Store a new report; False if this form made one already."""
    row = (
        report.id, report.code, report.incident, int(report.same), to_micros(report.at), report.language, report.text,
    )  # fmt: skip
    query = "INSERT INTO report (id, code, incident, same, at, language, text) VALUES (?,?,?,?,?,?,?) ON CONFLICT DO NOTHING"
    return db.execute(query, row).rowcount == 1


def of_code(db: Connection, code: str) -> Report | None:
    """The report that is followed by the code with this hash."""
    return _one(db, "r.code = ?", code)


def of_id(db: Connection, report: str) -> Report | None:
    """One report."""
    return _one(db, "r.id = ?", report)


def received_since(db: Connection, since: datetime) -> tuple[int, int]:
    """How many reports came since a moment, and how many photos with them."""
    query = "SELECT count(*), coalesce(sum(photos), 0) FROM report WHERE at >= ?"
    count, photos = db.execute(query, (to_micros(since),)).fetchone()
    return int(count), int(photos)


def set_subject(db: Connection, report: str, subject: str) -> None:
    """Say who of the vault of personal data sent a report; "" for nobody any more."""
    db.execute("UPDATE report SET subject = ? WHERE id = ?", (subject, report))


def count_photos(db: Connection, report: str) -> None:
    """Count the photos that came with a report; those that were taken out count, too."""
    query = "UPDATE report SET photos = (SELECT count(*) FROM incident_photo WHERE report = ?) WHERE id = ?"
    db.execute(query, (report, report))


def count_reopening(db: Connection, report: str, most: int) -> bool:
    """Count one more reopening; False if there were ``most``."""
    query = "UPDATE report SET reopened = reopened + 1 WHERE id = ? AND reopened < ?"
    return db.execute(query, (report, most)).rowcount == 1


def reopened_by_joined(db: Connection, incident: str) -> int:
    """How often an incident (code) was reopened by those who only joined what others had reported."""
    query = (
        "SELECT coalesce(sum(r.reopened), 0) FROM incident_link l JOIN report r ON r.id = l.ref "
        "WHERE l.kind = 'report' AND l.incident = ? AND r.same = 1"
    )
    (count,) = db.execute(query, (incident,)).fetchone()
    return int(count)


def decide(db: Connection, report: str, person: str, at: datetime, shown: tuple[str, str] | None) -> bool:
    """Release a report with these words (title, text), or, with None, keep it from the public. False for no such report."""
    title, text = shown or ("", "")
    query = "UPDATE report SET released = ?, title = ?, shown = ?, decided_at = ?, decided_by = ? WHERE id = ?"
    return db.execute(query, (int(shown is not None), title, text, to_micros(at), person, report)).rowcount == 1


def undecided(db: Connection, reached: Reach, limit: int, incident: str = "") -> tuple[list[tuple[Report, str]], int]:
    """Reports nobody decided about yet whose incidents are reached, oldest first, each with its incident; and how many.

    ``incident`` (code) asks for those of one only.
    """
    where, values = reached.where(**_OF_INCIDENT)
    condition = f"{_NOW} WHERE r.decided_at IS NULL AND r.same = 0 AND {where}"
    if incident:
        condition, values = f"{condition} AND i.code = ?", [*values, incident]
    (count,) = db.execute(f"SELECT count(*) FROM report r {condition}", values).fetchone()  # noqa: S608 - parts of our own
    query = _SELECT.replace(" FROM", ", i.code FROM") + f" {condition} ORDER BY r.at, r.id LIMIT ?"
    rows = [tuple(row) for row in db.execute(query, (*values, limit))]
    return [(_report(row[:-1]), row[-1]) for row in rows], int(count)


def of_incident(db: Connection, incident: str) -> list[Report]:
    """The reports that an incident has now, oldest first."""
    query = f"{_SELECT} JOIN incident_link l ON l.kind = 'report' AND l.ref = r.id WHERE l.incident = ? ORDER BY r.at, r.id"
    return [_report(tuple(row)) for row in db.execute(query, (incident,))]


def shown(
    db: Connection,
    *,
    states: Sequence[str],
    kind: str = "",
    ward: str = "",
    code: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
    box: tuple[float, float, float, float] | None = None,
    limit: int = 50,
    offset: int = 0,
) -> tuple[list[Shown], int]:
    """One page of what was released, the newest first, and how many match: opened from ``since`` up to ``until``, within a
    ``box`` (west, south, east, north, EPSG:4326).
    """
    conditions, values = [f"i.state IN ({','.join('?' * len(states))})"], list[Any](states)
    for column, wanted in (("kind", kind), ("ward", ward), ("code", code)):
        if wanted:
            conditions.append(f"i.{column} = ?")
            values.append(wanted)
    for sign, moment in ((">=", since), ("<=", until)):
        if moment is not None:
            conditions.append(f"i.opened_at {sign} ?")
            values.append(to_micros(moment))
    if box is not None:
        conditions.append("i.longitude >= ? AND i.latitude >= ? AND i.longitude <= ? AND i.latitude <= ?")
        values += box
    query = f"{_SHOWN}{_FIRST} AND {' AND '.join(conditions)}"
    (count,) = db.execute(f"SELECT count(*) FROM ({query}) AS found", values).fetchone()  # noqa: S608 - parts of our own
    rows = db.execute(f"{query} ORDER BY i.opened_at DESC, i.code DESC LIMIT ? OFFSET ?", (*values, limit, offset))
    return [_shown(row) for row in rows], int(count)


def rate(db: Connection, rating: Rating) -> None:
    """Keep a rating; another of the same answer by the same report takes its place."""
    db.execute(
        "INSERT INTO report_rating (report, answered_at, incident, kind, ward, agency, score, comment, at) "
        "VALUES (?,?,?,?,?,?,?,?,?) ON CONFLICT (report, answered_at) DO UPDATE SET score = excluded.score, "
        "comment = excluded.comment, at = excluded.at",
        (
            rating.report, to_micros(rating.answered_at), rating.incident, rating.kind, rating.ward, rating.agency,
            rating.score, rating.comment, to_micros(rating.at),
        ),
    )  # fmt: skip


def rating_of(db: Connection, report: str, answered_at: datetime) -> Rating | None:
    """How a report rated an answer."""
    found = _ratings(db, "WHERE g.report = ? AND g.answered_at = ?", (report, to_micros(answered_at)))
    return found[0] if found else None


def comments(db: Connection, reached: Reach, limit: int) -> list[Rating]:
    """The newest ratings with a comment, of incidents that are reached."""
    where, values = reached.where(**_OF_INCIDENT)
    condition = (
        f"JOIN incident i ON i.code = g.incident WHERE g.comment <> '' AND {where} ORDER BY g.at DESC, g.report LIMIT ?"
    )
    return _ratings(db, condition, (*values, limit))


def tallies(db: Connection, by: str, since: datetime) -> list[Tally]:
    """Ratings since a moment by ``kind``, ``agency`` or ``ward``, most ratings first. Raises KeyError for anything else."""
    column = {"kind": "kind", "agency": "agency", "ward": "ward"}[by]
    sums = ", ".join(f"sum(CASE WHEN score = {score} THEN 1 ELSE 0 END)" for score in (3, 2, 1))
    query = f"SELECT {column}, {sums} FROM report_rating WHERE at >= ? GROUP BY {column}"  # noqa: S608 - one of three columns
    found = [Tally(of, int(good), int(fair), int(bad)) for of, good, fair, bad in db.execute(query, (to_micros(since),))]
    return sorted(found, key=lambda one: (-one.count, one.of))


def titles(db: Connection, incidents: Sequence[str]) -> dict[str, str]:
    """The released title of each of these incidents that has one."""
    found: dict[str, str] = {}
    for incident in incidents:
        rows, _ = shown(db, states=WORKED, code=incident, limit=1)
        found |= {one.code: one.title for one in rows}
    return found


def _ratings(db: Connection, where: str, values: Sequence[Any]) -> list[Rating]:
    names = "g.report, g.answered_at, g.incident, g.kind, g.ward, g.agency, g.score, g.comment, g.at"
    query = f"SELECT {names} FROM report_rating g {where}"  # noqa: S608 - parts of our own
    return [
        Rating(report, from_micros(answered), incident, kind, ward, agency, score, comment, from_micros(at))
        for report, answered, incident, kind, ward, agency, score, comment, at in db.execute(query, values)
    ]


def _one(db: Connection, where: str, value: str) -> Report | None:
    row = db.execute(f"{_SELECT} WHERE {where}", (value,)).fetchone()
    return None if row is None else _report(tuple(row))


def _report(row: Sequence[Any]) -> Report:
    told = dict(zip(_NAMES, row, strict=True))
    told |= {"same": bool(told["same"]), "released": bool(told["released"]), "at": from_micros(told["at"])}
    told["decided_at"] = None if told["decided_at"] is None else from_micros(told["decided_at"])
    return Report(**told)


def _shown(row: Sequence[Any]) -> Shown:
    cells = list(row)
    for place in (9, 10, 11):
        cells[place] = None if cells[place] is None else from_micros(cells[place])
    cells[12] = cells[12] is not None
    cells[5:7] = [cell or "" for cell in cells[5:7]]
    return Shown(*cells)
