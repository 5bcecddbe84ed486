"""A small city with incidents for tests: a real database and writer, two wards, kinds, a playbook, a clock in the hand."""

import asyncio
import io
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

from PIL import Image
from shapely import box

from dothi.access.policy import Clearance, Grant, Person, Scope
from dothi.data.writer import Writer
from dothi.model.city import Agency, City, Ward
from dothi.model.promise import Promise
from dothi.model.text import Text
from dothi.model.working_time import WorkingTime
from dothi.platform.incidents.acts import Act
from dothi.platform.incidents.kinds import IncidentKind, Playbook, PlaybookStep
from dothi.platform.incidents.model import Draft, Incident
from dothi.platform.incidents.service import Incidents
from dothi.platform.sector import Sector
from dothi.store.audit import verify
from dothi.store.database import Database, migrate
from dothi.testing.clock import FixedClock
from dothi.testing.homes import open_city

MONDAY = datetime(2026, 5, 11, 2, tzinfo=UTC)  # nine in the morning in Hanoi
_OPEN = ((time(8), time(12)), (time(13), time(17)))
WORKING = WorkingTime(ZoneInfo("Asia/Ho_Chi_Minh"), (_OPEN,) * 5 + ((),) * 2)
_NONE = Text("không", "none")
PROMISES = (
    Promise("detect", 1, False, _NONE, origins=("alert",)),
    Promise("resolve", 4, False, _NONE, origins=("alert", "operator")),
    Promise("accept", 8, True, _NONE, origins=("report",)),
    Promise("handle", 4, True, _NONE, origins=("report",), urgencies=("urgent",)),
    Promise("handle", 40, True, _NONE, origins=("report",), urgencies=("normal",)),
)
CITY = City(
    "01",
    "hanoi",
    Text("Hà Nội", "Hanoi"),
    [Ward("00001", "Tây", "phường", 105.75, 21.0), Ward("00002", "Đông", "phường", 105.85, 21.0)],
    [box(105.7, 20.9, 105.8, 21.1), box(105.8, 20.9, 105.9, 21.1)],
    agencies=[Agency(one, Text(one.upper(), one.upper()), Text("", "")) for one in ("env", "water")],
    working_time=WORKING,
    promises=PROMISES,
)
SECTOR = Sector(
    "air",
    Text("Không khí", "Air"),
    "env",
    (),
    incident_kinds=(
        IncidentKind("smog", Text("Khói mù", "Smog"), severity=3, playbook="smog"),
        IncidentKind("waste", Text("Rác thải", "Waste"), citizens=True),
        IncidentKind("noise", Text("Tiếng ồn", "Noise"), agency="water", proof=False),
    ),
    playbooks=(
        Playbook(
            "smog",
            Text("Khói mù", "Smog"),
            (
                PlaybookStep(Text("Xem lại số đo", "Look at the readings"), 15),
                PlaybookStep(Text("Báo phường", "Tell the ward"), 30),
                PlaybookStep(Text("Ghi lại", "Write it down")),
            ),
        ),
    ),
)


def someone(id: str, role: str, clearance: Clearance = Clearance.RESTRICTED, **scope: Any) -> Person:
    return Person(id, (Grant(role, Scope(**scope), clearance),))


OPERATOR = someone("an", "operator")
OTHER = someone("binh", "operator")
WEST = someone("chi", "ward_officer", wards=frozenset({"00001"}))
EAST = someone("dung", "ward_officer", wards=frozenset({"00002"}))
ENGINEER = someone("giang", "engineer", agencies=frozenset({"env"}))
AUDITOR = someone("hoa", "auditor")
ACCOUNTS = {one.id: SimpleNamespace(active=one is not AUDITOR) for one in (OPERATOR, OTHER, WEST, EAST, ENGINEER, AUDITOR)}
IN_WEST = {"longitude": 105.75, "latitude": 21.0}
IN_EAST = {"longitude": 105.85, "latitude": 21.0}


def picture(colour: str = "red", side: int = 900) -> bytes:
    written = io.BytesIO()
    exif = Image.Exif()
    exif[0x010F] = "Nha lam may anh"
    Image.new("RGB", (side, side // 2), colour).save(written, "JPEG", exif=exif)
    return written.getvalue()


class World:
    """What Incidents need of a platform, and short ways to ask them."""

    def __init__(self, home: Path) -> None:
        self.database: Database = open_city(home)
        migrate(self.database)
        self.writer = Writer(self.database, locate=lambda *_: None)
        self.clock = FixedClock(MONDAY)
        self.platform: Any = SimpleNamespace(
            database=self.database,
            writer=self.writer,
            clock=self.clock,
            city=CITY,
            sectors=(SECTOR,),
            accounts=SimpleNamespace(account=ACCOUNTS.get),
        )
        self.incidents = Incidents(self.platform)

    async def opened(self, kind: str = "waste", cause: str = "", **draft: Any) -> Incident:
        person = draft.pop("person", OPERATOR)
        return await self.incidents.open(person, Draft(kind, **(IN_WEST | draft)), cause=cause)

    async def act(self, incident: Incident, act: Act, person: Person = OPERATOR) -> Incident:
        return await self.incidents.act(person, incident.code, act, version=incident.version)

    async def acts(self, incident: Incident, *acts: Act) -> Incident:
        for one in acts:
            incident = await self.act(incident, one)
        return incident

    def later(self, **span: float) -> None:
        self.clock.advance(timedelta(**span))

    def rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        with self.database.reader() as db:
            return [tuple(row) for row in db.execute(statement, values)]

    def close(self) -> None:
        self.writer.close()
        self.database.close()


@asynccontextmanager
async def world(home: Path) -> AsyncIterator[World]:
    made = World(home)
    try:
        yield made
        with made.database.reader() as db:
            assert verify(db).intact
    finally:
        made.close()


def play(home: Path, scene: Callable[[World], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        async with world(home) as made:
            await scene(made)

    asyncio.run(run())
