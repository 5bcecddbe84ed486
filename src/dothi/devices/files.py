"""Recorded files as a door: their rows go into the journal as if their devices had just sent them, at their own times."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol
from uuid import uuid4

from dothi.devices.file_mapping import FileMapping, check_mapping, device_id_of, load_mapping
from dothi.devices.file_rows import BadRow, Chunk, read_chunks
from dothi.devices.payload import NDJSON, DeviceMessage, encode
from dothi.model.clock import MICROSECONDS, from_micros
from dothi.model.problem import bad_request
from dothi.model.reading import Origin
from dothi.store.journal import JournalDown, JournalFull

__all__ = ["BadRow", "FileMapping", "FileReport", "Sink", "check_mapping", "device_id_of", "load_mapping", "send_file"]

BATCH = 1_000  # messages in one body
KEPT_BAD = 100  # bad rows that are named; all are counted

Progress = Callable[[int, int | None], None]


class Sink(Protocol):
    """Where messages go: the city's journal, or a door that leads to it."""

    async def append(
        self,
        body: bytes,
        *,
        source: str,
        device: str | None,
        content_type: str,
        correlation: str,
        origin: Origin | None = None,
    ) -> None:
        """Keep a body. Raises JournalFull or JournalDown if it should be tried again later."""
        ...


@dataclass(slots=True)
class FileReport:
    """What became of a file. ``bad`` rows are all counted, the first in ``bad_rows``; ``first`` and ``last`` are UTC."""

    rows: int = 0
    messages: int = 0
    values: int = 0
    bad: int = 0
    bad_rows: list[BadRow] = field(default_factory=list)
    devices: set[str] = field(default_factory=set)
    first: datetime | None = None
    last: datetime | None = None


async def send_file(
    path: Path,
    mapping: FileMapping | None,
    sink: Sink,
    *,
    speed: float | None = None,
    origin: Origin = Origin.REPLAYED,
    progress: Progress | None = None,
) -> FileReport:
    """Send every row of a file, each at its own time of observation; returns once all are kept.

    ``speed`` is seconds of observation per real second (the rows must then be in order of time), None as fast as the
    journal takes them. ``mapping`` None is for NDJSON in the devices' own payload. ``progress`` hears how much is done of
    how much: bytes, or rows of a Parquet file. A few thousand rows are in memory at a time. A full or absent journal is
    waited for. May be cancelled at any time: what was sent stays. Raises Problem 400 for a file or mapping that cannot be
    used.
    """
    if speed is not None and not speed > 0:
        raise bad_request("The speed must be above 0.", "Leave it out to send as fast as possible.")
    report, sender = FileReport(), _Sender(sink, origin, speed)
    with closing(read_chunks(path, mapping)) as chunks:
        while (chunk := await _next(chunks)) is not None:
            _count(report, chunk)
            for message in chunk.messages:
                await sender.put(message)
            if progress is not None:
                progress(chunk.done, chunk.total)
    await sender.flush()
    return report


async def _next(chunks: Iterator[Chunk]) -> Chunk | None:
    """The next chunk, read on another thread, which is waited for even when we are cancelled: the file must be closed."""
    reading = asyncio.ensure_future(asyncio.to_thread(next, chunks, None))
    try:
        return await asyncio.shield(reading)
    except asyncio.CancelledError:
        await asyncio.wait({reading})
        raise


def _count(report: FileReport, chunk: Chunk) -> None:
    report.rows += chunk.rows
    report.bad += len(chunk.bad)
    report.bad_rows += chunk.bad[: KEPT_BAD - len(report.bad_rows)]
    report.messages += len(chunk.messages)
    report.values += sum(len(message.values) for message in chunk.messages)
    report.devices.update(message.device for message in chunk.messages)
    if times := [message.at for message in chunk.messages if message.at is not None]:
        first, last = from_micros(min(times)), from_micros(max(times))
        report.first = first if report.first is None else min(report.first, first)
        report.last = last if report.last is None else max(report.last, last)


class _Sender:
    """Gathers messages into bodies, and holds them back until their time where a speed is set."""

    def __init__(self, sink: Sink, origin: Origin, speed: float | None) -> None:
        self._sink, self._origin, self._speed = sink, origin, speed
        self._lines: list[bytes] = []
        self._correlation = f"file-{uuid4().hex}"
        self._began: tuple[float, int] | None = None

    async def put(self, message: DeviceMessage) -> None:
        """Send a message, now or together with those that follow."""
        if self._speed is not None and message.at is not None:
            now = asyncio.get_running_loop().time()
            began, first = self._began = self._began or (now, message.at)
            due = began + (message.at - first) / MICROSECONDS / self._speed
            if due > now:
                await self.flush()
                await asyncio.sleep(due - asyncio.get_running_loop().time())
        self._lines.append(encode(message))
        if len(self._lines) >= BATCH:
            await self.flush()

    async def flush(self) -> None:
        """Send what was gathered, waiting for the journal as long as it asks."""
        if not self._lines:
            return
        body, self._lines = b"\n".join(self._lines), []
        while True:
            try:
                await self._sink.append(
                    body,
                    source="file",
                    device=None,
                    content_type=NDJSON,
                    correlation=self._correlation,
                    origin=self._origin,
                )
                return
            except (JournalFull, JournalDown) as refusal:
                await asyncio.sleep(1 if refusal.retry_after is None else refusal.retry_after)
