"""Which work here is made up (``dothi.demo`` does it): marked on every page, never mixed with real work, gone in one go."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from dothi.access.policy import SYSTEM, Person, make_sure_of_all
from dothi.data.batch import Batch, EntityChange
from dothi.data.context import EntityQuery
from dothi.model.clock import from_micros, to_micros
from dothi.model.entity import Entity
from dothi.model.urn import local_part
from dothi.platform.rules.alerts import AlertQuestion
from dothi.platform.rules.publishing import ALERT
from dothi.store.audit import Act
from dothi.store.connection import Connection

if TYPE_CHECKING:
    from dothi.platform.platform import Platform

Kind = Literal[
    "story", "page", "incident", "cause", "report", "follow", "alert-group", "command", "shift", "device", "entity"
]
"""What may be made up. ``cause`` is that of an incident, noted before it is opened; ``follow`` the address of a report's
page; ``page`` something to look at ("pothole /incidents/SV-…"); ``story`` how far the telling is: "begun", "whole", "over".
"""

_OF_INCIDENT = (
    ("incident_entry", "incident"),
    ("incident_link", "incident"),
    ("incident_help", "incident"),
    ("incident_photo", "incident"),
    ("report_rating", "incident"),
    ("report", "incident"),
    ("command", "incident"),
    ("incident", "code"),
)
_OF_ITSELF: tuple[tuple[Kind, str, str], ...] = (
    ("command", "command", "id"),
    ("report", "report", "id"),
    ("alert-group", "alert", "group_id"),
    ("alert-group", "alert_group", "id"),
    ("shift", "shift", "number"),
    ("entity", "rule_cell", "subject"),
)
REMOVE = "retention.write"
"""The action that taking it away is."""
_MOST_LINES = 1_000
_NUMBERS = frozenset({"alert-group", "shift"})


@dataclass(frozen=True, slots=True)
class _Gone:
    """What a removal destroyed: how many incidents, and the files of their photos."""

    incidents: int
    files: tuple[str, ...]


class Invented:
    """What of one city is made up. ``holds`` may be asked from any thread, a thousand times a page.

    ``turn`` is held while the story goes on by a step, and while it is taken away.
    """

    def __init__(self, platform: "Platform") -> None:
        self._platform = platform
        self._refs: dict[str, dict[str, datetime]] = {}
        self.turn = asyncio.Lock()
        with platform.database.reader() as db:
            for kind, ref, at in db.execute("SELECT kind, ref, at FROM invented"):
                self._refs.setdefault(kind, {})[ref] = from_micros(at)

    def holds(self, kind: Kind, ref: object) -> bool:
        """True if this one is made up."""
        return str(ref) in self._refs.get(kind, ())

    def refs(self, kind: Kind) -> list[str]:
        """All that is made up of a kind, in the order in which it was."""
        return list(self._refs.get(kind, ()))

    @property
    def begun_at(self) -> datetime | None:
        """When the story was told, which is the "now" of what is made up; None if there is none, or no longer."""
        story = self._refs.get("story", {})
        return None if "over" in story else story.get("begun")

    @property
    def whole(self) -> bool:
        """True once all of the story's past was told."""
        return self.holds("story", "whole")

    @property
    def over(self) -> bool:
        """True once it was taken away: it does not come back by itself."""
        return self.holds("story", "over")

    async def note(self, kind: Kind, *refs: object) -> None:
        """Remember that these are made up; what is noted already stays as it was."""
        at = self._platform.clock.now()
        fresh = [str(ref) for ref in refs if not self.holds(kind, ref)]
        rows = [(kind, ref, to_micros(at)) for ref in fresh]

        def work(db: Connection) -> None:
            for row in rows:
                db.execute("INSERT INTO invented (kind, ref, at) VALUES (?,?,?)", row)

        if rows:
            await self._platform.writer.run(SYSTEM, at, work)
            self._refs.setdefault(kind, {}).update(dict.fromkeys(fresh, at))

    async def drop_command(self, command: str, page: str) -> None:
        """Destroy a made-up command (its id) that lapsed, and what led to it (``page``): another takes its place."""
        gone: tuple[tuple[Kind, str], ...] = (("command", command), ("page", page))

        def work(db: Connection) -> None:
            db.execute("DELETE FROM command WHERE id = ?", (command,))
            for one in gone:
                db.execute("DELETE FROM invented WHERE kind = ? AND ref = ?", one)

        await self._platform.writer.run(SYSTEM, self._platform.clock.now(), work)
        for kind, ref in gone:
            self._refs[kind].pop(ref, None)

    async def remove(self, person: Person, *, again: bool = False, correlation: str = "") -> int:
        """Destroy all that is made up, and say so in the audit log; returns how many incidents that were.

        ``again`` lets the story be told anew. Raises Problem 403 for who may not do so to the whole city.
        """
        make_sure_of_all(person, REMOVE)
        async with self.turn:
            if not again:
                await self._note_lines()
                await self._close_stations()
            gone = await self._remove_rows(person, again, correlation)
            await self._platform.incidents.photos.forget(gone.files)
        return gone.incidents

    async def _remove_rows(self, person: Person, again: bool, correlation: str) -> _Gone:
        at = self._platform.clock.now()
        acts: list[Act] = []

        def work(db: Connection) -> _Gone:
            gone = self._destroy(db)
            said = f"{gone.incidents} incidents"
            acts.append(Act(person.id, "demo.remove", "invented", correlation=correlation, detail=said))
            db.execute("DELETE FROM invented WHERE kind <> 'device' AND kind <> 'entity'")
            if not again:
                db.execute("INSERT INTO invented (kind, ref, at) VALUES ('story','over',?)", (to_micros(at),))
            return gone

        gone = await self._platform.writer.run(person, at, work, acts, action=REMOVE)
        self._refs = {kind: refs for kind, refs in self._refs.items() if kind in ("device", "entity")}
        if not again:
            self._refs["story"] = {"over": at}
        return gone

    async def _note_lines(self) -> None:
        """What the stations that were made up raised since somebody last looked: lines of alerts, and their incidents."""
        rules = self._platform.rules
        for entity in self.refs("entity"):
            found = await asyncio.to_thread(rules.alerts_on, SYSTEM, entity)
            await self.note("alert-group", *dict.fromkeys(one.group for one in found))
        if lines := tuple(int(ref) for ref in self.refs("alert-group")):
            asked = AlertQuestion(ids=lines, states=(), limit=_MOST_LINES)
            known = await asyncio.to_thread(rules.alerts, SYSTEM, asked)
            await self.note("incident", *dict.fromkeys(one.incident for one in known.groups if one.incident))

    async def _close_stations(self) -> None:
        """Let nothing in from the stations that were made up any more, and take what they reported on off the map."""
        platform = self._platform
        for device in self.refs("device"):
            if platform.devices.lookup(device) is not None:
                await platform.devices.refuse(SYSTEM, device)
        lines = set(self.refs("alert-group"))
        published = await asyncio.to_thread(platform.context.query, SYSTEM, EntityQuery(type=ALERT, limit=_MOST_LINES))
        told = [one.id for one in published.entities if local_part(one.id).partition("-")[0] in lines]
        gone = [EntityChange("delete", Entity(one, "")) for one in [*self.refs("entity"), *told]]
        known = [one for one in gone if platform.context.get(SYSTEM, one.entity.id) is not None]
        if known:
            await platform.writer.write(Batch(SYSTEM, "demo", "demo", platform.clock.now(), entities=known))

    def _destroy(self, db: Connection) -> _Gone:
        codes = set(self.refs("incident"))
        for cause in self.refs("cause"):
            codes.update(code for (code,) in db.execute("SELECT code FROM incident WHERE cause = ?", (cause,)))
        for code in sorted(codes):  # what was split off from them; real work that was only linked to them stays
            split = "SELECT incident FROM incident_entry WHERE act = 'open' AND refs LIKE ?"
            codes.update(other for (other,) in db.execute(split, (f'["{code}"%',)))
        files = list[str]()
        for some in _by(sorted(codes)):
            marks = ",".join("?" * len(some))
            of = f"FROM incident_photo WHERE incident IN ({marks}) AND removed_at IS NULL"
            photos = f"SELECT hash, small, shown, shown_small {of}"
            files += [name for row in db.execute(photos, some) for name in row]
            for table, column in _OF_INCIDENT:
                db.execute(f"DELETE FROM {table} WHERE {column} IN ({marks})", some)  # noqa: S608 - names of our own
            links = f"DELETE FROM incident_link WHERE kind = 'incident' AND ref IN ({marks})"  # noqa: S608 - marks only
            db.execute(links, some)
        for kind, table, column in _OF_ITSELF:
            refs = self.refs(kind)
            for part in _by([int(ref) for ref in refs] if kind in _NUMBERS else refs):
                marks = ",".join("?" * len(part))
                db.execute(f"DELETE FROM {table} WHERE {column} IN ({marks})", part)  # noqa: S608 - names of our own
        return _Gone(len(codes), tuple(files))


def _by(refs: Sequence[object], most: int = 500) -> Iterable[Sequence[object]]:
    """``refs`` in parts that one statement takes."""
    return (refs[start : start + most] for start in range(0, len(refs), most))
