"""Derived values: a sector's ``Derivation`` as a dispatch handler that recomputes each entity no oftener than said."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from dothi.model.clock import Clock, to_micros
from dothi.platform.sector import Derivation

if TYPE_CHECKING:
    from dothi.data.news import Changes
    from dothi.platform.platform import Platform
    from dothi.platform.tasks import TaskState

_BATCH = 500
_LOOK_EVERY = 0.5


class Throttle:
    """Which entities are due. One that changed within ``every`` of its last computation waits, and is not forgotten.

    ``every_us`` is in µs of city time, so a replay at 60 × computes 60 × as often by the wall clock.
    """

    def __init__(self, clock: Clock, every_us: int) -> None:
        self._clock, self._every = clock, every_us
        self._computed: dict[str, int] = {}
        self._waiting: dict[str, None] = {}

    def changed(self, ids: Sequence[str]) -> None:
        """These have new readings."""
        self._waiting.update(dict.fromkeys(ids))

    def take(self, most: int) -> list[str]:
        """Up to ``most`` entities that are due now, the longest waiting first; they no longer wait."""
        now = to_micros(self._clock.now())
        due: list[str] = []
        for one in self._waiting:
            last = self._computed.get(one)
            if last is None or now - last >= self._every or now < last:
                due.append(one)
                if len(due) == most:
                    break
        for one in due:
            del self._waiting[one]
            self._computed[one] = now
        return due

    def put_back(self, ids: Sequence[str]) -> None:
        """Their computation failed: they are due again at once."""
        for one in ids:
            self._computed.pop(one, None)
        self.changed(ids)


class Deriver:
    """Runs one derivation: ``handle`` notes what each commit changed, ``run`` computes beside it.

    What waits is in memory only, so every entity of the type is due once when the city starts.
    """

    def __init__(self, platform: "Platform", derivation: Derivation) -> None:
        self._platform, self._derivation = platform, derivation
        self._throttle = Throttle(platform.clock, int(derivation.every.total_seconds() * 1_000_000))
        self._changed = asyncio.Event()

    async def handle(self, changes: "Changes") -> None:
        """A dispatch handler. It never waits for a computation, however many entities there are."""
        touched = changes.by_type.get(self._derivation.entity_type)
        if touched:
            self._throttle.changed(touched)
            self._changed.set()

    async def run(self, state: "TaskState") -> None:
        """Compute what is due until cancelled. Raises what the computation raises; what it was of stays due."""
        self._throttle.changed(self._platform.writer.index.of_type(self._derivation.entity_type))
        while True:
            self._changed.clear()
            await self._compute_due()
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_EVERY):  # wait_for of 3.11 loses a cancellation that meets a change
                    await self._changed.wait()

    async def _compute_due(self) -> None:
        compute: Callable[[object, Sequence[str]], Awaitable[None]] = self._derivation.compute
        while due := self._throttle.take(_BATCH):
            try:
                await compute(self._platform, due)
            except BaseException:
                self._throttle.put_back(due)
                raise
