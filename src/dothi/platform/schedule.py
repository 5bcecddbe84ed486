"""When a process with ``every`` is due: at each full period of the city's clock once, as often as the machine can bear."""

import asyncio
import time
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

from dothi.access.policy import SYSTEM, Person
from dothi.model.clock import to_micros
from dothi.platform import run_records as records

if TYPE_CHECKING:
    from dothi.platform.platform import Platform

SCHEDULE = Person("schedule", SYSTEM.grants)
"""Who asks for what runs by the clock."""

REST = 3.0  # a process rests this many times as long as it took: a fast replay leaves the city its machine


class Schedule:
    """Remembers for which period each process was last asked. Periods are whole multiples of ``every`` since 1970 (UTC).

    What is missed, because the city was down or a fast replay outran its processes, is skipped, not made up for.
    ``machine`` tells seconds of the machine's time.
    """

    def __init__(self, platform: "Platform", machine: Callable[[], float] = time.monotonic) -> None:
        self._platform, self._machine = platform, machine
        self._asked: dict[str, int | None] = {}
        self._resting: dict[str, float] = {}

    async def due(self, process_id: str, every: timedelta) -> bool:
        """True once in each period, unless the process rests; at once if a run of this period was cut short by a restart."""
        if self._machine() < self._resting.get(process_id, 0.0):
            return False
        length = every // timedelta(microseconds=1)
        if process_id not in self._asked:
            self._asked[process_id] = await asyncio.to_thread(self._last, process_id, length)
        period = to_micros(self._platform.clock.now()) // length
        if self._asked[process_id] == period:
            return False
        self._asked[process_id] = period
        return True

    def rest(self, process_id: str, seconds: float) -> None:
        """A scheduled run of this process is over; it took ``seconds`` of the machine's time."""
        self._resting[process_id] = self._machine() + REST * seconds

    def _last(self, process_id: str, length: int) -> int | None:
        with self._platform.database.reader() as connection:
            last = records.last_scheduled(connection, process_id, SCHEDULE.id)
        return None if last is None else last // length
