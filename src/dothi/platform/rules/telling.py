"""Lines of alerts that call for somebody: each opens one incident, or goes on in that of the line it follows, and tells it
when the last of its alerts has ended.
"""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import structlog

from dothi.access.policy import SYSTEM, Clearance
from dothi.model.clock import from_micros, to_micros
from dothi.model.problem import Problem
from dothi.model.severity import SEVERITIES
from dothi.model.text import Text
from dothi.platform.incidents.acts import Act, Rank, Reopen, Tie
from dothi.platform.incidents.model import Draft, Incident
from dothi.platform.incidents.store import fetch, whole
from dothi.platform.rules import store
from dothi.platform.rules.grouping import TOGETHER, Neighbours, around
from dothi.platform.rules.hours import CityHours
from dothi.platform.rules.model import Rule, known_after
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
_BEFORE = (
    "SELECT incident, wards FROM alert_group WHERE rule = ? AND id < ? AND incident <> '' AND ended_at >= ? ORDER BY id DESC"
)
_NAMED = 10
_AGAIN = Reopen("Cảnh báo nặng thêm hoặc lan rộng.")
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
    """Opens and tells incidents. What cannot be told now is told at the next look; how often something was ``refused`` for
    good is counted, and it is not tried again before there is more to tell.
    """

    def __init__(self, platform: "Platform", neighbours: Neighbours) -> None:
        self.refused = 0
        self._platform, self._neighbours, self._hours = platform, neighbours, CityHours.of(platform.city)

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
        incident = self._work(one.incident) if one.incident else None
        try:
            return await self._attend(one, rule, incident, now)
        except Unavailable:
            raise
        except Problem as problem:
            self.refused += 1
            _log.warning("an alert is not taken", group=one.id, rule=one.rule, incident=one.incident, problem=str(problem))
            await self._note(one, "" if incident is None else one.incident)
            return False

    async def _attend(self, one: _Waiting, rule: Rule, incident: Incident | None, now: datetime) -> bool:
        """Tell it to its ``incident``, else to one that it follows or opens. Raises Problem for what is refused."""
        quiet = rule.quiet is not None and self._hours.hold(rule.quiet, to_micros(now))
        if incident is not None:
            return await self._go_on(one, incident, quiet=quiet)
        if one.incident and one.ended is not None:
            await self._note(one, "")  # its incident was destroyed since
            return False
        if quiet:
            return False
        if rule.quiet is not None and one.ended is not None:
            await self._note(one, "")  # it came and went while nobody was to be called
            return False
        followed = self._followed(one, rule)
        if followed is not None:
            return await self._join(one, followed)
        opened = await self._platform.incidents.open(SYSTEM, self._draft(one, rule), cause=one.cause)
        await self._note(one, opened.code)
        return True

    async def _go_on(self, one: _Waiting, incident: Incident, *, quiet: bool) -> bool:
        """Tell its incident what is new of it; False if that has to be told later."""
        # It was settled as it was: as it is now, nobody has looked at it.
        again = one.ended is None and not incident.worked
        if quiet and (again or "graver" in one.to_tell):
            return False
        if again and not await self._did(incident, _AGAIN, "Its alerts grew graver or spread."):
            return False
        if "graver" in one.to_tell:
            if not await self._ranked(incident.code, one.severity):
                return False
            named = SEVERITIES[one.severity]
            await self._say(
                incident, f"Cảnh báo nặng thêm: {named.vi.lower()}.", f"Its alerts grew graver: {named.en.lower()}."
            )
        if "spread" in one.to_tell:  # who works on it may ask the further wards for help
            count, (vi, en) = len(self._names(one)), self._listed(one)
            await self._say(
                incident, f"Cảnh báo nay ở {count} phường, xã: {vi}.", f"Its alerts are now in {count} wards: {en}."
            )
        if "ended" in one.to_tell:
            await self._say(incident, "Mọi cảnh báo của sự việc đã hết.", "All its alerts have ended.")
        await self._note(one, one.incident)
        return True

    def _followed(self, one: _Waiting, rule: Rule) -> Incident | None:
        """What is still worked on of the line that ended before this one began in the same area: what comes and goes
        around a threshold is one trouble.
        """
        wards = {near for ward in self._wards(one) for near in around(self._neighbours, ward, rule.spread)}
        with self._platform.database.reader() as db:
            (strictest,) = db.execute(_STRICTEST, (one.id,)).fetchone()
            rows = db.execute(_BEFORE, (one.rule, one.id, one.began - TOGETHER)).fetchall()
        for code, before in rows:
            incident = self._work(code) if wards & set(msgspec.json.decode(before)) else None
            if incident is not None and incident.worked and incident.clearance >= strictest:
                return incident
        return None

    async def _join(self, one: _Waiting, incident: Incident) -> bool:
        """It goes on in ``incident``; False if that has to be tried again."""
        tied = await self._did(incident, Tie("alert-group", str(one.id)))
        if not tied or not await self._ranked(incident.code, one.severity):
            return False
        vi, en = self._listed(one)
        await self._say(
            incident, f"Cảnh báo trở lại{': ' if vi else ''}{vi}.", f"Its alerts came back{': ' if en else ''}{en}."
        )
        await self._note(one, incident.code)
        return True

    def _work(self, code: str) -> Incident | None:
        """The incident of this code, or what it was merged into; None if it was destroyed."""
        with self._platform.database.reader() as db:
            found = fetch(db, code)
            return None if found is None else whole(db, found)

    async def _ranked(self, code: str, severity: int) -> bool:
        """An incident that is worked on is at least as grave as this; False if somebody changed it meanwhile."""
        incident = self._work(code)
        if incident is None or not incident.worked or incident.severity >= severity:
            return True
        return await self._did(incident, Rank(severity, incident.urgency))

    async def _did(self, incident: Incident, act: Act, english: str = "") -> bool:
        """Do something to an incident; False if somebody changed it meanwhile. Raises Problem if it is refused as it is."""
        try:
            await self._platform.incidents.act(SYSTEM, incident.code, act, version=incident.version, english=english)
        except Unavailable:
            raise
        except Problem as problem:
            with self._platform.database.reader() as db:
                now = fetch(db, incident.code)
            if now is not None and now.version == incident.version:
                raise
            _log.info("somebody was faster than an alert", incident=incident.code, problem=problem.code)
            return False
        return True

    async def _say(self, incident: Incident, vi: str, en: str) -> None:
        await self._platform.incidents.note(incident.code, vi, en)

    def _listed(self, one: _Waiting) -> tuple[str, str]:
        """The wards of a line by name, in both languages; "" without any."""
        names = self._names(one)
        told, more = ", ".join(names[:_NAMED]), len(names) - _NAMED
        rest_vi, rest_en = (f" và {more} nơi khác", f" and {more} more") if more > 0 else ("", "")
        return told + rest_vi, told + rest_en

    def _wards(self, one: _Waiting) -> list[str]:
        return msgspec.json.decode(one.wards, type=list[str])

    def _names(self, one: _Waiting) -> list[str]:
        known = self._platform.city.by_code
        return [known[code].full_name for code in self._wards(one) if code in known]

    def _draft(self, one: _Waiting, rule: Rule) -> Draft:
        with self._platform.database.reader() as db:
            subject, ward, vi, longitude, latitude = db.execute(_FIRST, (one.id,)).fetchone()
            (strictest,) = db.execute(_STRICTEST, (one.id,)).fetchone()
        of_ward = None if ward is None else self._platform.city.by_code.get(ward)
        more = len(self._names(one)) - 1
        also = Text(f" và {more} nơi khác", f" and {more} more") if more > 0 else Text("", "")
        name = "" if of_ward is None else f" – {of_ward.full_name}"
        where = Text(name + also.vi, name + also.en) if name else Text("", "")
        kind = self._platform.types.get(rule.entity_type)
        if longitude is None and of_ward is not None:
            longitude, latitude = of_ward.longitude, of_ward.latitude
        return Draft(
            rule.incident,
            origin="alert",
            title=Text(rule.title.vi + where.vi, rule.title.en + where.en),
            text=vi,  # as people write: in the language of the work; by it ``Rules.text_of`` finds what was said in English
            longitude=longitude,
            latitude=latitude,
            ward=ward or "",
            severity=one.severity,
            detected_from=from_micros(one.began) + (timedelta(0) if kind is None else known_after(rule, kind)),
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
