"""What of the reports everybody may read: released in a person's words, kept from the public, or taken back again."""

import asyncio
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from dothi.access.policy import Person, reach
from dothi.model.problem import Problem, bad_request, not_found
from dothi.platform.incidents.model import Incident
from dothi.services.citizens import store
from dothi.services.citizens.store import Report
from dothi.store.audit import Act
from dothi.store.connection import Connection

if TYPE_CHECKING:
    from dothi.platform.platform import Platform

SHORTEST_TITLE, SHORTEST_REASON = 5, 5  # letters


class Releases:
    """Decisions of officials about what the public sees; ``incident_of`` says where a report is worked on now.

    ``turn`` counts them: an answer that was worked out before the last of them is not given after it.
    """

    def __init__(self, platform: "Platform", incident_of: Callable[[Report], Incident]) -> None:
        self._platform, self._incident_of = platform, incident_of
        self.turn = 0

    async def release(
        self,
        person: Person,
        report: str,
        title: str,
        text: str,
        photos: Collection[int] = (),
        *,
        correlation: str = "",
    ) -> None:
        """Let everybody read a report in these words and see these of its photos; again, to put others in their place.

        Raises Problem 404 for one whose incident ``person`` may not write to, 400 without a title.
        """
        _, incident = await asyncio.to_thread(self.changeable, person, report)
        if len(title) < SHORTEST_TITLE:
            raise bad_request("A title is missing.", "Say in a few words what it is about.")
        act = Act(person.id, "report.release", incident.code, correlation=correlation)
        await self._decide(person, report, (title, text), act)
        await self._show(person, report, incident, photos, correlation)

    async def withhold(self, person: Person, report: str, *, correlation: str = "") -> None:
        """Decide that a report is not for everybody. Raises Problem 404 as ``release``."""
        _, incident = await asyncio.to_thread(self.changeable, person, report)
        await self._decide(person, report, None, Act(person.id, "report.withhold", incident.code, correlation=correlation))

    async def withdraw(self, person: Person, report: str, reason: str, *, correlation: str = "") -> None:
        """Take a released report back from the public, its words and its photos; pages, list, feed and CSV follow at once.

        Raises Problem 404 as ``release``, 400 without a reason, 409 for one that is not public.
        """
        found, incident = await asyncio.to_thread(self.changeable, person, report)
        if len(reason) < SHORTEST_REASON:
            raise bad_request("A reason is missing.", "Say in a few words why it is taken back.")
        if not found.released:
            raise Problem(409, "not-released", "This report is not public.", "Look at it again: somebody was faster.")
        # The photos first: whoever is interrupted between finds the report still public, and takes it back again.
        await self._show(person, report, incident, (), correlation)
        await self._decide(person, report, None, Act(person.id, "report.withdraw", incident.code, correlation=correlation))
        await self._platform.incidents.note(
            incident.code,
            f"Đã rút phản ánh khỏi trang công khai. Lý do: {reason}",
            f"A report was taken back from the public. Reason: {reason}",
        )

    def changeable(self, person: Person, report: str) -> tuple[Report, Incident]:
        """A report that ``person`` may decide about, and its incident. Raises Problem 404."""
        with self._platform.database.reader() as db:
            found = store.of_id(db, report)
        if found is None:
            raise not_found("report", report[:40])
        incident = self._incident_of(found)
        if not decides(person, incident):
            raise not_found("report", report[:40])
        return found, incident

    async def _show(
        self, person: Person, report: str, incident: Incident, wanted: Collection[int], correlation: str
    ) -> None:
        """Let everybody see these photos of a report, and no others of it."""
        photos = self._platform.incidents.photos
        for photo in await asyncio.to_thread(photos.of, person, incident.code):
            if photo.report == report and photo.released != (photo.number in wanted):
                turn = photos.withdraw if photo.released else photos.release
                await turn(person, photo.number, correlation=correlation)

    async def _decide(self, person: Person, report: str, shown: tuple[str, str] | None, act: Act) -> None:
        now = self._platform.clock.now()

        def work(db: Connection) -> bool:
            return store.decide(db, report, person.id, now, shown)

        await self._platform.writer.run(person, now, work, [act], action="incident.write")
        self.turn += 1


def decides(person: Person, incident: Incident) -> bool:
    """True if ``person`` may say what the public sees of the reports behind ``incident``."""
    reached = reach(person, "incident.write")
    return reached is not None and reached.covers(incident.thing)
