"""A small city with rules for tests: real database, writer, dispatcher and incidents, four wards, a clock in the hand."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from shapely import box

from dothi.access.policy import SYSTEM, Clearance, Grant, Person, Scope
from dothi.data.batch import Batch, EntityChange, ReadingRow, readings_of
from dothi.data.context import Context
from dothi.data.dispatch import Dispatcher
from dothi.data.history import History
from dothi.data.writer import Writer
from dothi.model.city import Agency, City, Ward
from dothi.model.entity import LOCATION, Attribute, Entity
from dothi.model.reading import Grade, Origin, Reason
from dothi.model.schema import AttributeType, EntityType
from dothi.model.text import Text
from dothi.platform.forecasts import Forecasts, Issued
from dothi.platform.incidents.kinds import IncidentKind
from dothi.platform.incidents.service import Incidents
from dothi.platform.record import ward_codes
from dothi.platform.rules.keeping import NAME
from dothi.platform.rules.model import Compare, Rule
from dothi.platform.rules.service import Rules
from dothi.platform.sector import Process, Sector, Target
from dothi.platform.tasks import Supervisor
from dothi.store.audit import verify
from dothi.store.database import migrate
from dothi.testing.clock import FixedClock
from dothi.testing.homes import open_city

NOW = datetime(2026, 5, 11, 2, tzinfo=UTC)  # Monday, nine in the morning in Hanoi
TYPE = "https://example.org/Station"
PM = "https://example.org/pm25"
LIMIT = "https://example.org/limit"
NOTE = "https://example.org/note"
OPEN = "https://example.org/open"
INDEX = "https://example.org/index"
STATION = EntityType(
    "Station",
    TYPE,
    Text("Trạm", "Station"),
    (
        AttributeType("pm25", PM, Text("Bụi mịn PM2.5", "Fine particles PM2.5"), unit="GQ"),
        AttributeType("limit", LIMIT, Text("Ngưỡng riêng", "Own limit"), unit="GQ"),
        AttributeType("note", NOTE, Text("Ghi chú", "Note"), value="text"),
        AttributeType("open", OPEN, Text("Cửa mở", "Door open"), value="boolean"),
        AttributeType("index", INDEX, Text("Chỉ số giờ", "Hourly index"), speaks_for=timedelta(hours=1)),
    ),
)
CITY = City(
    "01",
    "hanoi",
    Text("Hà Nội", "Hanoi"),
    [Ward(f"0000{n}", name, "phường", 105.75 + n / 10, 21.0) for n, name in enumerate(("Tây", "Giữa", "Đông", "Xa"))],
    [box(105.7 + west, 20.9, 105.8 + west, 21.1) for west in (0, 0.1, 0.2, 0.9)],  # the last lies apart
    agencies=[Agency(one, Text(one, one), Text("", "")) for one in ("env", "water")],
)
FORECAST = Process(
    "dust-ahead",
    Text("Dự báo bụi", "Dust forecast"),
    "1",
    run=lambda _inputs, _context: None,
    gather=lambda _platform, _options: asyncio.sleep(0),
    target=Target(TYPE, PM, lambda value: value > 0),
)
WHERE = {"00000": 105.75, "00001": 105.85, "00002": 105.95, "00003": 106.65}


def someone(id: str, role: str, **scope: Any) -> Person:
    return Person(id, (Grant(role, Scope(**scope), Clearance.RESTRICTED),))


OPERATOR = someone("operator", "operator")


def rule(id: str = "dust", **more: Any) -> Rule:
    """PM2.5 above 45, unless said otherwise."""
    told: dict[str, Any] = {
        "id": id,
        "title": Text("Bụi vượt ngưỡng", "Dust over the limit"),
        "entity_type": TYPE,
        "any_of": ((Compare(attribute=PM, op=">", value=45.0),),),
        "severity": 3,
        "owner": "env",
    }
    return Rule(**{**told, **more})


def urn(number: int) -> str:
    return f"urn:ngsi-ld:Station:hanoi:{number}"


class World:
    """What a test holds in its hand."""

    def __init__(self, folder: Path, rules: Sequence[Rule]) -> None:
        self.clock = FixedClock(NOW)
        self.database = open_city(folder)
        migrate(self.database)
        self.writer = Writer(self.database, locate=ward_codes(CITY))
        self.dispatcher = Dispatcher(self.database, self.writer, self.clock)
        kinds = (IncidentKind("smog", Text("Khói mù", "Smog"), severity=3),)
        sector = Sector(
            *("air", Text("Không khí", "Air"), "env", (STATION,)),
            rules=tuple(rules),
            incident_kinds=kinds,
            processes=(FORECAST,),
        )
        platform: Any = SimpleNamespace(
            clock=self.clock,
            city=CITY,
            database=self.database,
            writer=self.writer,
            dispatcher=self.dispatcher,
            sectors=(sector,),
            types={TYPE: STATION},
            tasks=Supervisor(),
            history=History(self.database, [STATION]),
            context=Context(self.database, [STATION], self.clock),
        )
        platform.forecasts = Forecasts(platform)
        self.incidents = platform.incidents = Incidents(platform)
        self.platform = platform
        self.rules = Rules(platform)
        self.dispatcher.register("rules", self.rules.watching.handle)

    def make(self, number: int, ward: str | None = "00000") -> None:
        """A station."""
        attributes = {NAME: [Attribute("Property", f"Trạm {number}")]}
        if ward is not None:
            point = {"type": "Point", "coordinates": [WHERE[ward], 21.0]}
            attributes[LOCATION] = [Attribute("GeoProperty", point)]
        change = EntityChange("create", Entity(urn(number), TYPE, attributes))
        self.writer.apply(Batch(SYSTEM, "test", "c", self.clock.now(), entities=[change]))

    async def hear(self, *readings: tuple[int, Any], attribute: str = PM, bad: bool = False, ago: float = 0) -> None:
        """Readings (station, value) observed now, or so many minutes ago, judged before this returns."""
        at = self.clock.now() - timedelta(minutes=ago)
        grade = {"grade": Grade.BAD, "reasons": Reason.RANGE} if bad else {}
        rows = [ReadingRow(urn(number), attribute, at, value, Origin.MEASURED, **grade) for number, value in readings]
        await self.writer.write(Batch(SYSTEM, "test", "c", self.clock.now(), readings_of(rows)))
        await self.dispatcher.settled()

    async def hear_at_once(self, number: int, *told: tuple[float, Any]) -> None:
        """Readings of one station in one commit, each (minutes ago, value)."""
        now = self.clock.now()
        rows = [ReadingRow(urn(number), PM, now - timedelta(minutes=ago), value, Origin.MEASURED) for ago, value in told]
        await self.writer.write(Batch(SYSTEM, "test", "c", now, readings_of(rows)))
        await self.dispatcher.settled()

    async def withdraw(self, number: int) -> None:
        """The reading of this moment was none."""
        at = self.clock.now()
        row = ReadingRow(urn(number), PM, at, None, Origin.MEASURED, withdrawn=True)
        await self.writer.write(Batch(SYSTEM, "test", "c", at, readings_of([row])))
        await self.dispatcher.settled()

    async def foresee(self, number: int, *values: float) -> None:
        """A forecast of the hours that follow the present one's beginning."""
        issued = self.clock.now().replace(minute=0, second=0, microsecond=0)
        told = Issued(urn(number), issued, "model", values, None, None, None, [None] * len(values))
        await self.platform.forecasts.store(FORECAST, "run", [told])

    async def later(self, minutes: float) -> None:
        """Time passes, and the rules look at the clock."""
        self.clock.advance(timedelta(minutes=minutes))
        await self.rules.look()


@asynccontextmanager
async def world(folder: Path, *rules: Rule, stations: Sequence[str] = ("00000",)) -> AsyncIterator[World]:
    """A city at work whose stations lie in these wards; its audit log holds at the end."""
    one = World(folder, rules)
    made = one.writer.index.num(urn(0)) is not None
    for number, ward in enumerate(() if made else stations):
        one.make(number, ward)
    task = asyncio.create_task(one.dispatcher.run())
    try:
        await one.rules.begin()
        await one.rules.look()
        yield one
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await one.platform.tasks.stop()
        one.writer.close()
        with one.database.reader() as db:
            assert verify(db).intact
        one.database.close()


def run(scene: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Play a scene."""
    asyncio.run(scene())
