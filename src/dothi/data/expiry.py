"""What is past its time is swept away (ETSI GS CIM 009, clause 4.22): reads hide it at once, its rows go a moment later."""

import asyncio
from collections.abc import Awaitable, Callable

from dothi.access.policy import SYSTEM
from dothi.data.batch import EntityChange
from dothi.data.writer import Writer
from dothi.model.clock import Clock, to_micros
from dothi.model.entity import Entity
from dothi.store.database import Database

EVERY = 1.0  # seconds
_AT_ONCE = 1_000
_DUE = "SELECT id FROM entity WHERE due_at <= ? AND due_at IS NOT NULL ORDER BY due_at LIMIT ?"


class Expiry:
    """Deletes entities and attributes whose ``expiresAt`` has come by the city's clock. ``pause`` waits real seconds."""

    def __init__(
        self,
        database: Database,
        writer: Writer,
        clock: Clock,
        *,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._database, self._writer, self._clock, self._pause = database, writer, clock, pause

    async def run(self) -> None:
        """Sweep every second until cancelled."""
        while True:
            await self.sweep()
            await self._pause(EVERY)

    async def sweep(self) -> None:
        """Take away all that is past its time now. Raises Unavailable when the disk or the server fails."""
        while True:
            now = self._clock.now()
            due = await asyncio.to_thread(self._due, to_micros(now))
            if due:
                changes = [EntityChange("expire", Entity(urn, "")) for urn in due]
                await self._writer.edit(SYSTEM, changes, at=now, correlation="expiry")
            if len(due) < _AT_ONCE:
                return

    def _due(self, now: int) -> list[str]:
        with self._database.reader() as db:
            return [urn for (urn,) in db.execute(_DUE, (now, _AT_ONCE))]
