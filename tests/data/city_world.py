"""A small city for tests of the data floor: a database with its writer and readers, and short ways to fill it."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from dothi.access.policy import SYSTEM, Person
from dothi.data.batch import Applied, Batch, EntityChange, ReadingRow, readings_of
from dothi.data.context import Context
from dothi.data.history import History
from dothi.data.writer import Writer
from dothi.model.clock import to_micros
from dothi.model.entity import Attribute, Entity
from dothi.model.reading import Origin
from dothi.model.schema import EntityType
from dothi.store.database import Database
from dothi.store.sqlite import SqliteDatabase
from dothi.store.tables import METADATA
from dothi.testing.homes import empty_database, open_city

NOW = datetime(2026, 5, 14, 4, 0, tzinfo=UTC)
TYPE = "https://example.org/Station"
PM = "https://example.org/pm25"
NAME = "https://example.org/name"


def urn(number: int) -> str:
    return f"urn:ngsi-ld:Station:hanoi:{number}"


def station(number: int, **attributes: Attribute) -> Entity:
    return Entity(urn(number), TYPE, {f"https://example.org/{name}": [value] for name, value in attributes.items()})


def point(longitude: float, latitude: float) -> Attribute:
    return Attribute("GeoProperty", {"type": "Point", "coordinates": [longitude, latitude]})


def at(minutes: float) -> datetime:
    return NOW + timedelta(minutes=minutes)


def row(number: int, minutes: float, value: Any, heard: float = 0, **more: Any) -> ReadingRow:
    return ReadingRow(urn(number), PM, at(minutes), value, Origin.MEASURED, received_at=at(heard), **more)


class City:
    """A database with a writer and its readers, in a temporary folder."""

    def __init__(self, home: Path, stations: int = 3, types: Sequence[EntityType] = ()) -> None:
        self.types = types
        self.database: Database = open_city(home)
        if isinstance(self.database, SqliteDatabase) and not self.database.exists():
            self.database.path.write_bytes(empty_database())
        self.open()
        if stations and self.writer.index.num(urn(0)) is None:
            self.write(entities=[EntityChange("create", station(number)) for number in range(stations)])

    def open(self) -> None:
        self.writer = Writer(self.database, locate=lambda longitude, _latitude: "east" if longitude > 105.8 else None)
        self.context, self.history = Context(self.database, self.types), History(self.database, self.types)

    def reopen(self) -> None:
        self.writer.close()
        self.open()

    def write(self, *rows: ReadingRow, person: Person = SYSTEM, now: datetime = NOW, **more: Any) -> Applied:
        return self.writer.apply(Batch(person, "test", "c-1", now, readings=readings_of(rows) if rows else None, **more))

    def read(self, number: int, **more: Any) -> dict[float, Any]:
        start, end = at(-100_000), at(100_000)
        rows = self.history.series(SYSTEM, urn(number), PM, start, end, **more)
        return {(moment - to_micros(NOW)) / 60e6: value for moment, value in zip(rows.observed_at, rows.values, strict=True)}

    def live(self, number: int) -> Attribute | None:
        entity = self.context.get(SYSTEM, urn(number))
        assert entity is not None
        return entity.first(PM)

    def dump(self) -> list[Any]:
        """Every row of every table, to compare before and after."""
        with self.database.reader() as db:
            tables = [*METADATA.tables, "place"]
            return [sorted(db.execute("SELECT * FROM " + name).fetchall(), key=str) for name in tables]  # noqa: S608 - ours

    def close(self) -> None:
        self.writer.close()
        self.database.close()
