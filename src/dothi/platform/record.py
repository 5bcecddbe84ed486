"""The record of one tenant, opened: the database, the one writer, and what reads, tells, keeps and proves it."""

from collections.abc import Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from dothi.data.classified import Classified
from dothi.data.context import Context
from dothi.data.dispatch import Dispatcher
from dothi.data.editing import Locate
from dothi.data.evolution import Evolution
from dothi.data.expiry import Expiry
from dothi.data.history import History
from dothi.data.retention import Retention
from dothi.data.sealed_only import SealedOnly
from dothi.data.stored import Bookkeeper
from dothi.data.writer import Writer
from dothi.model.city import City
from dothi.model.clock import Clock, SystemClock
from dothi.model.schema import EntityType
from dothi.platform.auditing import Auditing
from dothi.platform.platform import Platform
from dothi.platform.sealing import sealing
from dothi.platform.tasks import Supervisor
from dothi.store.database import Database


@dataclass(frozen=True, slots=True)
class Record:
    """What every tenant has of its own."""

    database: Database
    writer: Writer
    dispatcher: Dispatcher
    context: Context
    history: History
    retention: Retention
    stored: Bookkeeper
    auditing: Auditing


def open_record(
    stack: AsyncExitStack, database: Database, city: City, clock: Clock, types: dict[str, EntityType], home: Path
) -> Record:
    """The record in a migrated ``database``; ``stack`` closes what is opened. ``city`` says in which ward a place lies."""

    kinds: Iterable[EntityType] = types.values()
    writer = Writer(database, locate=ward_codes(city), sealed_only=SealedOnly(kinds), classified=Classified(kinds))
    stack.callback(writer.close)
    writer.on_edit(Evolution(writer.index).note)
    auditing = Auditing(database, writer, home, SystemClock())
    stack.push_async_callback(auditing.close)
    return Record(
        database,
        writer,
        Dispatcher(database, writer, clock),
        Context(database, kinds, clock, lambda: writer.index.shape),
        History(database, kinds),
        Retention(database, writer, clock, types),
        Bookkeeper(database, writer, clock),
        auditing,
    )


def ward_codes(city: City) -> Locate:
    """What gives the code of the ward in which a place (longitude, latitude) lies, None outside of all."""

    def locate(longitude: float, latitude: float) -> str | None:
        ward = city.locate(longitude, latitude)
        return ward.code if ward else None

    return locate


def start_record(tasks: Supervisor, platform: Platform) -> None:
    """Begin what works beside the doors of every tenant: telling, sealing, counting, expiring, signing."""
    tasks.start("dispatch", lambda _: platform.dispatcher.run())
    tasks.start("sealing", sealing(platform))
    tasks.start("stored", lambda _: platform.stored.run())
    tasks.start("expiry", lambda _: Expiry(platform.database, platform.writer, platform.clock).run())
    tasks.start("audit", platform.auditing.run)
