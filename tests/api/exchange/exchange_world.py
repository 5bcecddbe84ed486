"""A small city to take along: a database with its writer, ways to fill it, and what can be seen of it from outside."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from dothi.access.policy import LOCAL_OPERATOR, SYSTEM
from dothi.api.exchange import layout, records
from dothi.api.exchange.export import About, Wanted, export_city
from dothi.api.exchange.importing import import_city
from dothi.data.batch import Batch, EntityChange, ReadingRow, readings_of
from dothi.data.context import Context, EntityQuery
from dothi.data.history import History
from dothi.data.writer import Writer
from dothi.model.clock import to_micros
from dothi.model.entity import Attribute, Entity
from dothi.model.reading import Origin
from dothi.store.database import Database, open_database
from dothi.store.sqlite import SqliteDatabase
from dothi.testing.homes import empty_database, open_city

NOW = datetime(2026, 5, 14, 4, 0, tzinfo=UTC)
STATION, CAMERA = "https://example.org/Station", "https://example.org/other/Station"
PM, NAME = "https://example.org/pm25", "https://example.org/name"


def urn(number: int) -> str:
    return f"urn:ngsi-ld:Station:hanoi:{number}"


def at(minutes: float) -> datetime:
    return NOW + timedelta(minutes=minutes)


def row(number: int, minutes: float, value: Any, heard: float = 0, **more: Any) -> ReadingRow:
    return ReadingRow(urn(number), PM, at(minutes), value, Origin.MEASURED, received_at=at(heard), **more)


class Town:
    """A database with its one writer: a file of SQLite, or with ``chosen`` the home that the test runs in."""

    def __init__(self, home: Path, stations: int = 0, *, chosen: bool = False) -> None:
        self.home = home
        self.database: Database = open_city(home) if chosen else open_database(home, "hanoi")
        path = self.database.folder / "city.db"
        if isinstance(self.database, SqliteDatabase) and not path.exists():
            path.write_bytes(empty_database())
        self.writer: Writer | None = None
        if stations:
            named = [Entity(urn(one), STATION, {NAME: [Attribute("Property", f"Trạm {one}")]}) for one in range(stations)]
            self.write(entities=[EntityChange("create", one) for one in named])

    def write(self, *rows: ReadingRow, now: datetime = NOW, **more: Any) -> None:
        if self.writer is None:
            self.writer = Writer(self.database, locate=lambda longitude, _latitude: "00070" if longitude > 105.8 else None)
        self.writer.apply(Batch(SYSTEM, "test", "c-1", now, readings=readings_of(rows) if rows else None, **more))

    def execute(self, sql: str, *values: Any) -> None:
        """Fill a table that has no writer of its own here."""
        self.rest()
        connection = self.database.connect_writer()
        with connection.transaction():
            connection.execute(sql, values)
        connection.close()

    def rest(self) -> None:
        """Let the writer go, as when the city stops."""
        if self.writer is not None:
            self.writer.close()
            self.writer = None

    def close(self) -> None:
        self.rest()
        self.database.close()

    def export(self, target: Path, progress: layout.Progress = lambda *_: None, **wanted: Any) -> layout.Manifest:
        city = {"code": "01", "id": "hanoi", "vi": "Hà Nội", "en": "Hanoi"}
        about = About("hanoi", city, ("OpenStreetMap",), NOW, NOW, ())
        return export_city(self.database, target, LOCAL_OPERATOR, about, Wanted(**wanted), progress)

    def take(self, folder: Path, progress: layout.Progress = lambda *_: None) -> None:
        """Import ``folder``, as ``dothi import`` does."""
        self.rest()
        manifest = layout.read_manifest(folder)
        layout.verify(folder, manifest, progress)
        import_city(self.database, folder, manifest, LOCAL_OPERATOR, to_micros(NOW), progress)

    def seen(self) -> Any:
        """Every entity as it stands, and its history as it is known now and as it was known at several moments."""
        entities = {one.id: one for one in Context(self.database, ()).query(SYSTEM, EntityQuery(limit=5_000)).entities}
        history = History(self.database, ())
        moments = [None, *(at(minutes) for minutes in (-30, 0, 5, 12, 60))]
        ask: Callable[..., Any] = history.series
        past = [
            [ask(SYSTEM, urn(number), PM, at(-90_000), at(90_000), heard_by=moment) for moment in moments]
            for number in range(4)
        ]
        return entities, [
            [(one.observed_at, one.values, one.grades, one.reasons, one.origins) for one in each] for each in past
        ]


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of an export but those that tell of the export itself."""
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return {name: body for name, body in found.items() if name not in (layout.MANIFEST, layout.AUDIT)}


def acts(folder: Path) -> list[dict[str, Any]]:
    """The audit log of an export."""
    return list(records.lines(folder / layout.AUDIT))
