"""How the city itself is doing: what lags, what is full, what failed. It decides when to refuse new readings."""

import asyncio
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import structlog

from dothi.model.clock import Clock, SystemClock
from dothi.model.problem import Problem
from dothi.platform.tasks import TaskState
from dothi.store.disk import free_share

if TYPE_CHECKING:
    from dothi.store.journal import Journal

LAG_BOUND = 100_000  # messages heard and not yet committed
WAIT_BOUND = 20.0  # seconds a message may wait for its commit; a body of a thousand readings is one message
EVERY = 0.5
LEAP = timedelta(minutes=1)  # more than a clock that is put right by little goes in between two looks
LEAP_TOLD = 24 * 3600.0  # seconds
_PATIENCE = 5.0
_log = structlog.get_logger("dothi.watch")


class Leap(NamedTuple):
    """The machine's clock went ``by`` more than time did (negative: it was set back), and showed ``to`` (UTC) then."""

    to: datetime
    by: timedelta


class Watch:
    """Samples the journal's lag and the disk twice a second. ``lag`` is None while the journal does not answer.

    ``waited`` tells how many seconds the messages now being committed had to wait. ``machine`` is the clock on the machine's
    wall, ``steady`` counts seconds that nobody sets.
    """

    def __init__(
        self,
        journal: "Journal",
        home: Path,
        disk_floor: float,
        waited: Callable[[], float],
        bound: int = LAG_BOUND,
        *,
        machine: Clock | None = None,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._journal, self._home, self._floor, self._waited, self.bound = journal, home, disk_floor, waited, bound
        self._machine, self._steady = machine or SystemClock(), steady
        self._seen = self._machine.now(), steady()
        self._leap: tuple[Leap, float] | None = None
        self.lag: int | None = None
        self.free = 1.0

    async def run(self, state: TaskState) -> None:
        """Sample until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(EVERY)

    async def look(self) -> None:
        """Sample once."""
        self._look_at_clock()
        try:
            async with asyncio.timeout(_PATIENCE):  # wait_for of 3.11 loses a cancellation that meets the answer
                self.lag = await self._journal.lag()
        except (Problem, TimeoutError):
            self.lag = None
        self.free = await asyncio.to_thread(free_share, self._home)

    @property
    def leap(self) -> Leap | None:
        """The machine's clock leapt less than a day ago, or the machine slept: what was timed then may be timed wrongly."""
        if self._leap is None or self._steady() - self._leap[1] > LEAP_TOLD:
            return None
        return self._leap[0]

    def _look_at_clock(self) -> None:
        now, seconds = self._machine.now(), self._steady()
        (before, then), self._seen = self._seen, (now, seconds)
        by = now - before - timedelta(seconds=seconds - then)
        if abs(by) >= LEAP:
            self._leap = Leap(now, by), seconds
            _log.warning("the machine's clock leapt", seconds=round(by.total_seconds()))

    @property
    def disk_full(self) -> bool:
        """True once less of the disk is free than the set floor."""
        return self.free < self._floor

    def refusal(self) -> Problem | None:
        """Why no more readings are taken for now, or None. Costs nothing: asked for every message."""
        if self.free < self._floor:
            return Problem(
                503,
                "disk-full",
                "The disk of this city is nearly full.",
                "Free some space; readings are refused until then.",
                60,
            )
        if (closed := self._journal.refusal()) is not None:
            return Problem(503, "journal-closed", f"{closed.en}.", "Send again after a while.", 5)
        if self.lag is not None and self.lag > self.bound:
            return Problem(503, "behind", f"{self.lag} messages wait to be committed.", "Send again after a while.", 5)
        if self.lag and (waited := self._waited()) > WAIT_BOUND:
            return Problem(503, "behind", f"Messages wait {waited:.0f} s to be committed.", "Send again after a while.", 5)
        return None
