"""A city small enough for a test of the data floor: real database, writer, registry and, where asked for, real journal."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from shapely import box

from dothi.access.policy import LOCAL_OPERATOR, SYSTEM
from dothi.data.history import History
from dothi.data.ingest import Ingest
from dothi.data.quarantine import Quarantine
from dothi.data.sealed_only import SealedOnly
from dothi.data.writer import Writer
from dothi.devices.registry import DeviceSpec, MappingRule, Registry
from dothi.model.city import City, Ward
from dothi.model.clock import SystemClock, to_micros
from dothi.model.reading import Origin
from dothi.model.schema import AttributeType, EntityType
from dothi.model.text import Text
from dothi.settings import Settings
from dothi.store.database import Database, migrate
from dothi.store.journal import Message
from dothi.store.nats_journal import NatsJournal, open_journal
from dothi.testing.clock import FixedClock
from dothi.testing.homes import open_city

IRI = "https://example.org/air/"
TENANT = "hanoi"


def _attribute(name: str, **limits: Any) -> AttributeType:
    return AttributeType(name, IRI + name, Text(name, name), **limits)


STATION = EntityType(
    "Station",
    IRI + "Station",
    Text("Trạm", "Station"),
    (
        _attribute(
            "pm25", unit="GQ", minimum=0.0, maximum=1_000.0, max_change_per_hour=200.0, stuck_after=timedelta(hours=6)
        ),
        _attribute("temperature", unit="CEL", minimum=-10.0, maximum=60.0),
        _attribute("index"),
        _attribute("note", value="text"),
        _attribute("open", value="boolean"),
        _attribute("setup", value="json"),
        _attribute("area", value="geometry"),
    ),
)
TYPES = {STATION.iri: STATION}


def hanoi() -> City:
    """Two wards, side by side."""
    wards = [Ward("00001", "Tây", "phường", 105.75, 21.0), Ward("00002", "Đông", "phường", 105.85, 21.0)]
    shapes = [box(105.7, 20.9, 105.8, 21.1), box(105.8, 20.9, 105.9, 21.1)]
    return City("01", "hanoi", Text("Hà Nội", "Hanoi"), wards, shapes)


@dataclass
class World:
    """What a test holds in its hands."""

    home: Path
    clock: FixedClock
    database: Database
    writer: Writer
    registry: Registry
    history: History
    journal: NatsJournal
    quarantine: Quarantine
    ingest: Ingest
    pauses: list[float] = field(default_factory=list)
    on_pause: Callable[[], Awaitable[None]] | None = None

    @property
    def now(self) -> datetime:
        return self.clock.now()

    async def device(
        self, name: str, mapping: dict[str, MappingRule] | None = None, place: tuple[float, float] | None = None
    ) -> str:
        """Admit a station; returns its entity's id."""
        longitude, latitude = place or (105.75 + len(name) / 1000, 21.0)
        spec = DeviceSpec(name, "Station", longitude=longitude, latitude=latitude, mapping=mapping or {})
        return (await self.registry.admit(LOCAL_OPERATOR, name, spec)).entity_id

    async def send(
        self, body: bytes | object, *, device: str | None = None, correlation: str = "test", kind: str = "json"
    ) -> None:
        """Put a body into the journal as a door does."""
        raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
        await self.journal.append(
            raw, source="http", device=device, content_type=f"application/{kind}", correlation=correlation, origin=None
        )

    async def drained(self) -> None:
        """Wait until everything in the journal is committed and acknowledged."""
        await until(lambda: self.journal.lag(), 0)

    def values(self, entity: str, name: str) -> list[tuple[Any, int, int]]:
        """(value, grade, reasons) of a series, oldest first."""
        end = self.now + timedelta(days=2)
        rows = self.history.series(SYSTEM, entity, IRI + name, self.now - timedelta(days=3_000), end)
        return [(v, int(g), int(r)) for v, g, r in zip(rows.values, rows.grades, rows.reasons, strict=True)]

    def reasons(self) -> dict[str, int]:
        """What is in quarantine, by reason."""
        return self.quarantine.counts(SYSTEM)


async def until(read: Callable[[], Awaitable[Any]], wanted: Any) -> None:
    """Wait until ``read`` answers ``wanted``: a fault, not a busy machine, takes longer (the slowest works for 12 s)."""
    async with asyncio.timeout(150):
        while await read() != wanted:  # noqa: ASYNC110 - what is waited for is in another process or thread
            await asyncio.sleep(0.01)


@contextmanager
def opened(home: Path) -> Iterator[tuple[Database, Writer]]:
    """A migrated database and its writer."""
    database = open_city(home, TENANT)
    migrate(database)
    city = hanoi()

    def locate(longitude: float, latitude: float) -> str | None:
        ward = city.locate(longitude, latitude)
        return ward.code if ward else None

    writer = Writer(database, locate=locate, sealed_only=SealedOnly(TYPES.values()))
    try:
        yield database, writer
    finally:
        writer.close()
        database.close()


@asynccontextmanager
async def world(home: Path, *, run: bool = True, **bounds: int) -> AsyncIterator[World]:
    """A whole intake under ``home``; with ``run`` the ingest works already. ``bounds`` are the quarantine's."""
    clock = FixedClock(SystemClock().now().replace(microsecond=0))
    journal = open_journal(Settings(home=home, mqtt_port=0, disk_floor=0.0), TENANT)
    with opened(home) as (database, writer):
        registry = Registry(database, hanoi(), clock, TYPES, writer)
        await journal.start()
        quarantine = Quarantine(database, journal, writer, clock, **bounds)
        made: list[World] = []

        async def pause(seconds: float) -> None:
            made[0].pauses.append(seconds)
            if made[0].on_pause is not None:
                await made[0].on_pause()

        ingest = Ingest(journal, registry, writer, quarantine, TYPES, clock, database, pause=pause)
        made.append(World(home, clock, database, writer, registry, History(database, ()), journal, quarantine, ingest))
        try:
            if run:
                async with ingesting(ingest):
                    yield made[0]
            else:
                yield made[0]
        finally:
            await journal.stop()


@asynccontextmanager
async def ingesting(ingest: Ingest) -> AsyncIterator[None]:
    """The ingest at work."""
    task = asyncio.create_task(ingest.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def message(body: bytes | object, now: datetime, device: str | None = None) -> Message:
    """A body as the journal hands it out."""
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return Message("http", device, raw, "application/json", to_micros(now), "test", Origin.MEASURED)
