"""The task that seals hours into the lake, in a worker process of its own: what it takes must not be the city's memory."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import msgspec

from dothi.data.compaction import Step
from dothi.data.compaction import work as seal_step
from dothi.data.sealing import Sealer
from dothi.platform.platform import Platform
from dothi.platform.pool import Pool, name_of
from dothi.platform.tasks import TaskState

_IDLE = 60.0  # seconds after which the worker ends if nothing is due
_LONGEST_STEP = timedelta(hours=6)


def sealing(platform: Platform) -> Callable[[TaskState], Awaitable[None]]:
    """The task that seals. What it learnt of damaged days outlives its failures: one sealer, however often it is started."""
    settings, url = platform.settings, platform.settings.database
    home = {"home": str(settings.home), "tenant": platform.tenant, "url": url and url.get_secret_value()}
    workers = Pool(1, _IDLE)

    async def apart(step: Step, arguments: tuple[int, ...]) -> None:
        inputs = msgspec.json.encode({**home, "step": step, "arguments": arguments})
        await workers.run(name_of(seal_step), 0, inputs, _LONGEST_STEP, lambda _: None)

    sealer = Sealer(platform.database, platform.writer, platform.clock, platform.retention, apart)

    async def seal(_: TaskState) -> None:
        try:
            await sealer.run()
        finally:
            await workers.close()

    return seal
