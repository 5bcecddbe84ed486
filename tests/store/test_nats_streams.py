"""What is kept and not acknowledged is known at once, though a consumer hears of it a moment later."""

import asyncio
from pathlib import Path
from typing import Any

from journal_world import eventually, fetch_all, running_journal

from dothi.store.nats_streams import not_acknowledged
from dothi.store.nats_wire import Wire

STREAM, CONSUMER = "dothi_hanoi_intake", "dothi_hanoi_ingest"


class _Behind(Wire):
    """Hears of the consumer what the server said of it ``once``: before the last message came."""

    once: dict[str, Any] | None = None

    async def api(self, subject: str, request: dict[str, Any] | None = None) -> dict[str, Any]:
        if self.once is not None and subject.startswith("CONSUMER.INFO"):
            return self.once
        return await super().api(subject, request)


def test_a_consumer_that_was_not_told_yet_hides_nothing(tmp_path: Path) -> None:
    async def nothing() -> None:
        pass

    async def scene() -> None:
        async with running_journal(tmp_path) as (journal, server):
            wire = _Behind(server.addresses, nothing)
            wire.open()
            await wire.ready.wait()

            async def left() -> int:
                return await not_acknowledged(wire, STREAM, CONSUMER)

            async def none() -> bool:
                return await left() == 0

            for count in (1, 2):  # also once something was handed out and acknowledged
                assert await left() == 0
                wire.once = await wire.api(f"CONSUMER.INFO.{STREAM}.{CONSUMER}")
                await journal.append(b"{}", source="http", device=None, content_type="application/json", correlation="c")
                assert await left() == 1
                wire.once = None
                found = await fetch_all(journal, 1)
                assert await left() == 1, f"message {count} is handed out, not acknowledged"
                await journal.acknowledge(found)
                await eventually(none)
            await wire.close()

    asyncio.run(scene())
