"""A small city to ask in SQL: things of every clearance, corrections, and questions answered in this process."""

import asyncio
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

from city_world import NOW, City, at, point

from dothi.access.policy import LOCAL_OPERATOR, Clearance, Person
from dothi.data.batch import EntityChange, ReadingRow
from dothi.data.compaction import STEPS, Step
from dothi.data.retention import Retention
from dothi.data.sealing import SETTLE, Sealer
from dothi.data.sql.answer import Answer, Ask, Limits, Refusal, World
from dothi.data.sql.engine import answer
from dothi.model.clock import to_micros
from dothi.model.entity import LOCATION, Attribute, Entity
from dothi.model.reading import Grade, Origin
from dothi.model.schema import AttributeType, EntityType
from dothi.model.text import Text
from dothi.model.ward import Ward
from dothi.testing.clock import FixedClock
from dothi.testing.homes import chosen
from dothi.testing.people import insider

KEEPER = insider("keeper", Clearance.PERSONAL)
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

    def seal(self, until: datetime) -> None:
        """Seal everything observed before ``until`` (a whole hour), compact its days, empty the recent table of old ones."""
        database, writer, clock = self.city.database, self.city.writer, FixedClock(until + SETTLE)

        async def apart(step: Step, arguments: tuple[int, ...]) -> None:
            STEPS[step](database, *arguments)

        asyncio.run(Sealer(database, writer, clock, Retention(database, writer, clock, {}), apart).round())

    def close(self) -> None:
        self.city.close()
