"""Lines of alerts that call for somebody: each opens one incident, and tells it when the last of its alerts has ended."""

from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import structlog

from dothi.access.policy import SYSTEM, Clearance
from dothi.model.clock import from_micros, to_micros
from dothi.model.problem import Problem
from dothi.model.severity import SEVERITIES
from dothi.model.text import Text
from dothi.platform.incidents.acts import Rank
from dothi.platform.incidents.model import ChangedMeanwhile, Draft
from dothi.platform.rules import store
from dothi.platform.rules.hours import CityHours
from dothi.platform.rules.model import Rule
from dothi.store.connection import Connection, Unavailable

if TYPE_CHECKING:
    from dothi.platform.platform import Platform

_WAITING = (
    "SELECT id, rule, severity, began_at, ended_at, to_tell, incident, wards FROM alert_group WHERE to_tell <> '' "
    "ORDER BY id"
)
_FIRST = (
    "SELECT a.subject, a.ward, a.said_vi, (e.west + e.east) / 2, (e.south + e.north) / 2 FROM alert a "
    "LEFT JOIN entity e ON e.id = a.subject WHERE a.group_id = ? ORDER BY a.id LIMIT 1"
)
_STRICTEST = "SELECT max(clearance) FROM alert WHERE group_id = ?"
_NAMED = 10
_log = structlog.get_logger("dothi.rules")


class _Waiting(NamedTuple):
    id: int
    rule: str
    severity: int
    began: int
    ended: int | None
    to_tell: str
    incident: str
    wards: str

    @property
    def cause(self) -> str:
        """By which an incident knows its line."""
        return f"alert-group:{self.id}"


class Telling:
    """Opens and tells incidents. What cannot be told now is told at the next look."""

    def __init__(self, platform: "Platform") -> None:
        self._platform, self._hours = platform, CityHours.of(platform.city)

    async def look(self) -> set[int]:
        """Tell what there is to tell; returns the lines of which something was told."""
        now = self._platform.clock.now()
        with self._platform.database.reader() as db:
            waiting = [_Waiting(*row) for row in db.execute(_WAITING)]
            rules = {one.rule: store.rule(db, one.rule) for one in waiting}
        told = set[int]()
        for one in waiting:
            kept = rules[one.rule]
            if kept is not None and await self._tell(one, kept.rule, now):
                told.add(one.id)
        return told

    async def _tell(self, one: _Waiting, rule: Rule, now: datetime) -> bool:
        quiet = rule.quiet is not None and self._hours.hold(rule.quiet, to_micros(now))
        if one.incident:
            if "graver" in one.to_tell and (quiet or not await self._follow(one)):
                return False
            if "spread" in one.to_tell:
                await self._spread(one)
            if "ended" in one.to_tell:
                await self._platform.incidents.note(
                    one.cause, "Mọi cảnh báo của sự việc đã hết.", "All its alerts have ended."
                )
            await self._note(one, one.incident)
            return True
        if quiet:
            return False
        if rule.quiet is not None and one.ended is not None:
            await self._note(one, "")  # it came and went while nobody was to be called
            return False
        try:
            opened = await self._platform.incidents.open(SYSTEM, self._draft(one, rule), cause=one.cause)
        except Unavailable:
            raise
        except Problem as problem:
            _log.warning("an alert opens no incident", group=one.id, rule=one.rule, problem=str(problem))
            await self._note(one, "")
            return False
        await self._note(one, opened.code)
        return True

    async def _follow(self, one: _Waiting) -> bool:
        """Its incident, or what that was merged into, is as grave as the line; False if that has to be tried again."""
        incidents = self._platform.incidents
        incident = incidents.get(SYSTEM, one.incident)
        while incident.parent:
            incident = incidents.get(SYSTEM, incident.parent)
        if incident.worked and incident.severity < one.severity:
            try:
                await incidents.act(SYSTEM, incident.code, Rank(one.severity, incident.urgency), version=incident.version)
            except ChangedMeanwhile:
                return False
        vi, en = SEVERITIES[one.severity].vi.lower(), SEVERITIES[one.severity].en.lower()
        await incidents.note(incident.code, f"Cảnh báo nặng thêm: {vi}.", f"Its alerts grew graver: {en}.")
        return True

    async def _spread(self, one: _Waiting) -> None:
        """Its line reached further wards: who works on it may ask them for help."""
        names = self._names(one)
        told, more = ", ".join(names[:_NAMED]), len(names) - _NAMED
        rest_vi, rest_en = (f" và {more} nơi khác", f" and {more} more") if more > 0 else ("", "")
        await self._platform.incidents.note(
            one.cause,
            f"Cảnh báo nay ở {len(names)} phường, xã: {told}{rest_vi}.",
            f"Its alerts are now in {len(names)} wards: {told}{rest_en}.",
        )

    def _names(self, one: _Waiting) -> list[str]:
        known = self._platform.city.by_code
        return [known[code].full_name for code in msgspec.json.decode(one.wards) if code in known]

    def _draft(self, one: _Waiting, rule: Rule) -> Draft:
        with self._platform.database.reader() as db:
            subject, ward, vi, longitude, latitude = db.execute(_FIRST, (one.id,)).fetchone()
            (strictest,) = db.execute(_STRICTEST, (one.id,)).fetchone()
        of_ward = None if ward is None else self._platform.city.by_code.get(ward)
        more = len(self._names(one)) - 1
        also = Text(f" và {more} nơi khác", f" and {more} more") if more > 0 else Text("", "")
        name = "" if of_ward is None else f" – {of_ward.full_name}"
        where = Text(name + also.vi, name + also.en) if name else Text("", "")
        if longitude is None and of_ward is not None:
            longitude, latitude = of_ward.longitude, of_ward.latitude
        return Draft(
            rule.incident,
            origin="alert",
            title=Text(rule.title.vi + where.vi, rule.title.en + where.en),
            text=vi,  # as people write: in the language of the work; the alert itself says it in both
            longitude=longitude,
            latitude=latitude,
            ward=ward or "",
            severity=one.severity,
            detected_from=from_micros(one.began),
            links=(("alert-group", str(one.id)), *((("entity", subject),) if subject.startswith("urn:") else ())),
            clearance=Clearance(strictest),
        )

    async def _note(self, one: _Waiting, incident: str) -> None:
        """It was told of ``incident``, or ("") of none."""

        def work(db: Connection) -> None:
            # It may have spread, grown graver or ended since it was looked at: then that is told next.
            query = "SELECT state, severity, wards FROM alert_group WHERE id = ?"
            state, severity, wards = db.execute(query, (one.id,)).fetchone()
            left = ["graver"] if severity > one.severity else []
            left += ["spread"] if wards != one.wards else []
            left += ["ended"] if state == "ended" and "ended" not in one.to_tell else []
            db.execute(
                "UPDATE alert_group SET incident = ?, to_tell = ?, to_publish = to_publish + 1 WHERE id = ?",
                (incident, " ".join(left) if incident else "", one.id),
            )

        await self._platform.writer.run(SYSTEM, self._platform.clock.now(), work)
