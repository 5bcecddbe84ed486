"""A small city to ask in SQL: things of every clearance, corrections, and questions answered in this process."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import polars as pl
from city_world import NOW, City, at, point

from dothi.access.policy import LOCAL_OPERATOR, Clearance, Person
from dothi.data.batch import EntityChange, ReadingRow
from dothi.data.sql.answer import Answer, Ask, Limits, Refusal, World
from dothi.data.sql.engine import answer
from dothi.model.clock import to_micros
from dothi.model.entity import LOCATION, Attribute, Entity
from dothi.model.reading import Grade, Origin
from dothi.model.schema import AttributeType, EntityType
from dothi.model.text import Text
from dothi.model.ward import Ward
from dothi.store.delta import COLUMNS
from dothi.testing.homes import chosen

KEEPER = Person("keeper", Clearance.PERSONAL, operator=True)
KIND = EntityType(
    "AirStation",
    "https://example.org/AirStation",
    Text("Trạm đo", "Station"),
    (
        AttributeType("pm25", "https://example.org/pm25", Text("Bụi mịn", "Fine particles"), unit="GQ"),
        AttributeType("co", "https://example.org/co", Text("Cacbon mônôxít", "Carbon monoxide"), unit="GQ"),
        AttributeType("level", "https://example.org/level", Text("Mức", "Level"), value="text"),
    ),
)
PM, CO, LEVEL = (one.iri for one in KIND.attributes)
NAME = "https://smartdatamodels.org/name"
WARDS = [Ward("east", "Đông", "phường", 105.9, 21.0, 1.5, 12_000), Ward("west", "Tây", "xã", 105.7, 21.0)]


def urn(name: str) -> str:
    return f"urn:ngsi-ld:AirStation:hanoi:{name}"


DAY = 86_400_000_000
HOUR = DAY // 24


class Asked:
    """A city of stations, each with a clearance, and how to ask it."""

    def __init__(self, home: Path, stations: Iterable[tuple[str, Clearance]] = (), limits: Limits | None = None) -> None:
        self.home, self.city = home, City(home, stations=0)
        url = chosen()
        self.world = World(
            str(home),
            "hanoi",
            url and url.get_secret_value(),
            "Asia/Ho_Chi_Minh",
            [KIND],
            WARDS,
            limits or Limits(threads=1, memory=256),
        )
        for number, (name, clearance) in enumerate(stations):
            self.add(name, clearance, 105.81 + number / 100)

    def add(self, name: str, clearance: Clearance = Clearance.INTERNAL, longitude: float = 105.85) -> None:
        attributes = {NAME: [Attribute("Property", f"Trạm {name}")], LOCATION: [point(longitude, 21.0)]}
        change = EntityChange("create", Entity(urn(name), KIND.iri, attributes), clearance)
        self.city.write(entities=[change], person=KEEPER)

    def tell(self, name: str, minutes: float, value: Any, iri: str = PM, heard: float = 0, **more: Any) -> None:
        told = ReadingRow(urn(name), iri, at(minutes), value, Origin.MEASURED, unit="GQ", received_at=at(heard), **more)
        self.city.write(told, person=KEEPER)

    def bad(self, name: str, minutes: float, value: Any) -> None:
        self.tell(name, minutes, value, grade=Grade.BAD)

    def reply(self, text: str, who: Person = LOCAL_OPERATOR, rows: int = 1_000, **more: Any) -> Answer | Refusal:
        temporary = self.home / "cache"
        temporary.mkdir(exist_ok=True)
        return answer(Ask(self.world, text, who, to_micros(NOW), rows, **more), self.city.database, temporary)

    def rows(self, text: str, who: Person = LOCAL_OPERATOR, **more: Any) -> list[list[Any]]:
        reply = self.reply(text, who, **more)
        assert isinstance(reply, Answer), reply
        return reply.rows

    def refused(self, text: str, who: Person = LOCAL_OPERATOR) -> Refusal:
        reply = self.reply(text, who)
        assert isinstance(reply, Refusal), reply
        return reply

    def close(self) -> None:
        self.city.close()


def seal(world: Asked, until: int) -> None:
    """Move everything observed before ``until`` (µs) into the lake, as sealing and a compaction leave it."""
    lake = world.city.database.lake
    db = world.city.writer._db
    series = db.execute(
        "SELECT s.id, e.id, a.iri, NULL, s.unit, t.iri FROM series s JOIN entity e ON e.num = s.entity "
        "JOIN name a ON a.id = s.attribute JOIN name t ON t.id = e.type"
    ).fetchall()
    rows = db.execute(
        f"SELECT (SELECT attribute FROM series WHERE id = series_id), series_id, {', '.join(COLUMNS[2:])} FROM reading "  # noqa: S608 - constants
        "WHERE observed_at < ?",
        (until,),
    ).fetchall()
    kinds: dict[str, Any] = dict(zip(COLUMNS, [pl.Int32, pl.Int32, pl.Int64, pl.Int32, pl.Float64, pl.String], strict=False))
    kinds |= {"grade": pl.Int8, "reasons": pl.Int16, "origin": pl.Int8, "received_at": pl.Int64, "withdrawn": pl.Boolean}
    frame = pl.DataFrame(rows, kinds, orient="row").with_columns(day=pl.col("observed_at") // DAY)
    lake.describe(series)
    pieces = [(day, some.drop("day")) for (day,), some in frame.group_by("day", maintain_order=True)]
    assert lake.append(KIND.iri, until // HOUR, pieces)
    with db.transaction():
        db.execute("DELETE FROM reading WHERE observed_at < ?", (until,))
        for name in ("sealing_until", "sealed_until"):
            db.execute(
                "INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", (name, str(until))
            )


def late(world: Asked, name: str, minutes: float, value: Any, heard: float, iri: str = PM, **more: Any) -> None:
    """A reading for a moment that the lake has already: kept in the recent table, its key marked."""
    world.tell(name, minutes, value, iri, heard=heard, **more)
    db = world.city.writer._db
    with db.transaction():
        moment = (to_micros(at(minutes)),)
        found = db.execute("SELECT observed_at, series_id FROM reading WHERE observed_at = ?", moment).fetchall()
        for key in found:
            db.execute("INSERT INTO unsealed VALUES (?, ?) ON CONFLICT DO NOTHING", key)
        day = to_micros(at(minutes)) // DAY
        db.execute("INSERT INTO dirty_day VALUES (?, 1) ON CONFLICT (day) DO UPDATE SET mark = dirty_day.mark + 1", (day,))
