"""A real journal in a temporary folder, and an MQTT client so plain that every PUBACK can be counted."""

import asyncio
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from dothi.store.journal import Message
from dothi.store.nats_gate import EVERY_DEVICE, Pass, Visitor
from dothi.store.nats_journal import NatsJournal
from dothi.store.nats_server import NatsServer

MIB = 1024 * 1024
TOPIC = "hanoi/devices/{}/readings"
PASSWORD = "let me in"


class Disk:
    """A disk whose free share the test decides."""

    def __init__(self) -> None:
        self.free = 0.5

    def __call__(self) -> float:
        return self.free


async def everybody(visitor: Visitor) -> Pass | None:
    """A gate for those who know the password: a gateway speaks for every device, anybody else for the one of their name."""
    if visitor.password != PASSWORD:
        return None
    return Pass(visitor.user, EVERY_DEVICE if visitor.user == "gateway" else visitor.user)


def new_journal(folder: Path, *, max_bytes: int = 64 * MIB, disk: Disk | None = None) -> tuple[NatsJournal, NatsServer]:
    server = NatsServer(folder, "hanoi", "127.0.0.1", 0, store_bytes=1024 * MIB)
    journal = NatsJournal(
        "hanoi",
        server=server,
        addresses=server.addresses,
        free_share=disk or Disk(),
        disk_floor=0.05,
        max_bytes=max_bytes,
        disk_every=0.02,
    )
    journal.guard(everybody)
    return journal, server


@asynccontextmanager
async def running_journal(folder: Path, **options: Any) -> AsyncIterator[tuple[NatsJournal, NatsServer]]:
    journal, server = new_journal(folder, **options)
    await journal.start()
    try:
        yield journal, server
    finally:
        await journal.stop()


async def fetch_all(journal: NatsJournal, count: int, patience: float = 60.0) -> list[Message]:
    """Messages until ``count`` have come; nothing is acknowledged."""
    found: list[Message] = []
    async with asyncio.timeout(patience):
        while len(found) < count:
            found += await journal.fetch(2_000, 0.5)
    return found


async def eventually(true: Callable[[], Awaitable[bool]], patience: float = 60.0) -> None:
    """Return as soon as a condition holds."""
    async with asyncio.timeout(patience):
        while not await true():  # noqa: ASYNC110 - what is waited for lies in another process
            await asyncio.sleep(0.01)


async def emptied(journal: NatsJournal) -> None:
    """Return once what was acknowledged has left the streams too: that comes a moment after nothing lags any more."""

    async def empty() -> bool:
        streams = [await journal._wire.api(f"STREAM.INFO.{one.name}") for one in (journal._mqtt, journal._http)]
        return all(one["state"]["messages"] == 0 for one in streams)

    await eventually(empty)


def text(body: str | bytes) -> bytes:
    raw = body.encode() if isinstance(body, str) else body
    return struct.pack("!H", len(raw)) + raw


def packet(kind: int, body: bytes) -> bytes:
    length, rest = b"", len(body)
    while True:
        rest, digit = divmod(rest, 128)[0], rest % 128
        length += bytes([digit | (0x80 if rest else 0)])
        if not rest:
            return bytes([kind]) + length + body


class Mqtt:
    """MQTT 3.1.1 by hand: one connection that never comes back by itself."""

    def __init__(self, port: int, client: str = "tester", *, user: str = "gateway", password: str = PASSWORD) -> None:
        self.port, self.client, self.acked = port, client, set[int]()
        self._login = user, password
        self.closed = asyncio.Event()
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._listening: asyncio.Task[None] | None = None

    async def connect(self) -> int:
        """Sign in; returns the CONNACK code, or -1 if the connection was refused or closed."""
        try:
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self.port)
            who = b"".join(text(word) for word in (self.client, *self._login))
            self._writer.write(packet(0x10, b"\x00\x04MQTT\x04\xc2\x00\x3c" + who))
            async with asyncio.timeout(20):
                answer = await self._reader.readexactly(4)
        except (OSError, asyncio.IncompleteReadError, TimeoutError):
            return -1
        self._listening = asyncio.create_task(self._listen())
        return answer[3]

    def publish(
        self, number: int, body: bytes, device: str = "a", qos: int = 1, retain: bool = False, topic: str = ""
    ) -> None:
        head = text(topic or TOPIC.format(device)) + (struct.pack("!H", number) if qos else b"")
        assert self._writer is not None
        self._writer.write(packet(0x30 | qos << 1 | retain, head + body))

    async def settle(self, numbers: set[int], patience: float = 60.0) -> set[int]:
        """Wait until all ``numbers`` are acknowledged or the connection is closed; returns those acknowledged."""

        async def done() -> bool:
            return numbers <= self.acked or self.closed.is_set()

        await eventually(done, patience)
        return numbers & self.acked

    async def close(self) -> None:
        if self._listening is not None:
            self._listening.cancel()
        if self._writer is not None:
            self._writer.close()

    async def _listen(self) -> None:
        assert self._reader is not None
        try:
            while True:
                kind, length = await self._reader.readexactly(2)
                body = await self._reader.readexactly(length)
                if kind >> 4 == 4:
                    self.acked.add(struct.unpack("!H", body[:2])[0])
        except (OSError, asyncio.IncompleteReadError):
            self.closed.set()
