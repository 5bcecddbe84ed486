"""Filters that people keep for their own queue of incidents."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dothi.access.policy import Person
from dothi.model.clock import to_micros
from dothi.model.problem import Problem, not_found
from dothi.platform.incidents.changing import said
from dothi.platform.incidents.photos import LARGEST_NUMBER
from dothi.platform.incidents.sight import READ
from dothi.store.audit import Act
from dothi.store.connection import Connection

if TYPE_CHECKING:
    from dothi.platform.platform import Platform

MOST = 30  # of one person
LONGEST_TITLE, LONGEST_QUERY = 60, 600


@dataclass(frozen=True, slots=True)
class View:
    """A kept filter: ``query`` is the part of the queue's address behind "?"."""

    number: int
    title: str
    query: str


class Views:
    """The kept filters of a city's people; everybody has their own."""

    def __init__(self, platform: "Platform") -> None:
        self._platform = platform

    def of(self, owner: Person) -> list[View]:
        """All that ``owner`` keeps, the oldest first."""
        with self._platform.database.reader() as db:
            return _of(db, owner)

    async def keep(self, owner: Person, title: str, query: str, *, correlation: str = "") -> None:
        """Keep one. Raises Problem 400 for a title or query that is empty or too long, 409 for one too many."""
        named, asked = said(title, "title", LONGEST_TITLE), said(query, "filter", LONGEST_QUERY)
        now = self._platform.clock.now()

        def work(db: Connection) -> None:
            if len(_of(db, owner)) >= MOST:
                raise Problem(409, "too-many", f"There are {MOST} kept filters already.", "Drop one first.")
            values = (owner.id, named, asked, to_micros(now))
            db.execute("INSERT INTO incident_view (owner, title, query, at) VALUES (?,?,?,?)", values)

        await self._platform.writer.run(owner, now, work, [self._act(owner, named, correlation)], action=READ)

    async def drop(self, owner: Person, number: int, *, correlation: str = "") -> None:
        """Drop one of one's own. Raises Problem 404."""

        def work(db: Connection) -> None:
            row = db.execute(
                "DELETE FROM incident_view WHERE number = ? AND owner = ? RETURNING number",
                (min(number, LARGEST_NUMBER), owner.id),
            ).fetchone()
            if row is None:
                raise not_found("kept filter", str(number))

        act = self._act(owner, f"incident_view:{number}", correlation)
        await self._platform.writer.run(owner, self._platform.clock.now(), work, [act], action=READ)

    def _act(self, owner: Person, thing: str, correlation: str) -> Act:
        return Act(owner.id, "incident.view", thing, "done", correlation)


def _of(db: Connection, owner: Person) -> list[View]:
    rows = db.execute("SELECT number, title, query FROM incident_view WHERE owner = ? ORDER BY number", (owner.id,))
    return [View(*row) for row in rows]
