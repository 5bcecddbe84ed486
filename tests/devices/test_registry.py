"""The registry: who is admitted and how, who is heard in time, and what waits in the lobby."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from shapely import box

from dothi.access.policy import LOCAL_OPERATOR, STRANGER
from dothi.data.context import Context
from dothi.data.writer import Writer
from dothi.devices.lobby import Lobby
from dothi.devices.payload import DeviceMessage
from dothi.devices.registry import Device, DeviceSpec, MappingRule, Registry
from dothi.devices.specs import NAME
from dothi.model.city import City, Ward
from dothi.model.clock import to_micros
from dothi.model.problem import Problem
from dothi.model.schema import AttributeType, EntityType
from dothi.model.text import Text
from dothi.store.audit import verify
from dothi.store.connection import Connection, Unavailable
from dothi.store.database import Database, migrate
from dothi.store.journal import Message
from dothi.testing.clock import FixedClock
from dothi.testing.homes import open_city

pytestmark = pytest.mark.usefixtures("homes")

IRI = "https://example.org/"
AIR = EntityType(
    "Station",
    IRI + "Station",
    Text("Trạm", "Station"),
    (
        AttributeType("pm25", IRI + "pm25", Text("Bụi", "Dust"), unit="GQ"),
        AttributeType("temperature", IRI + "temperature", Text("Nhiệt độ", "Temperature"), unit="CEL"),
    ),
)
CAMERA = EntityType("Camera", IRI + "Camera", Text("Máy ảnh", "Camera"), ())
MADE = EntityType("Made", IRI + "Made", Text("Tự viết", "Made here"), (), reported=False)
TYPES = {one.iri: one for one in (AIR, CAMERA, MADE)}
CITY = City(
    "01",
    "hanoi",
    Text("Hà Nội", "Hanoi"),
    [Ward("00001", "Tây", "phường", 105.75, 21.0), Ward("00002", "Đông", "phường", 105.85, 21.0)],
    [box(105.7, 20.9, 105.8, 21.1), box(105.8, 20.9, 105.9, 21.1)],
)


class World:
    def __init__(self, database: Database, writer: Writer, clock: FixedClock) -> None:
        self.database, self.writer, self.clock = database, writer, clock
        self.registry = Registry(database, CITY, clock, TYPES, writer)
        self.context = Context(database, ())

    def again(self) -> Registry:
        """The registry as it is after a restart."""
        return Registry(self.database, CITY, self.clock, TYPES, self.writer)

    def state(self, device: str) -> str:
        view = self.registry.get(LOCAL_OPERATOR, device)
        assert view is not None
        return view.state

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        with self.database.reader() as connection:
            return connection.execute(statement).fetchall()


@asynccontextmanager
async def world(home: Path) -> AsyncIterator[World]:
    database = open_city(home)
    migrate(database)
    writer = Writer(database, locate=lambda x, y: ward.code if (ward := CITY.locate(x, y)) else None)
    try:
        yield World(database, writer, FixedClock(datetime(2026, 5, 14, 4, tzinfo=UTC)))
    finally:
        writer.close()
        database.close()


def play(home: Path, scene: Callable[[World], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        async with world(home) as found:
            await scene(found)

    asyncio.run(run())


def spec(device: str = "a", x: float | None = 105.75, y: float | None = 21.0, **other: Any) -> DeviceSpec:
    return DeviceSpec(device, other.pop("entity_type", "Station"), longitude=x, latitude=y, **other)


def test_an_admitted_device_is_known_and_so_is_what_it_reports_on(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        rules = {"dust": MappingRule("pm25", "mg/m³"), "other": MappingRule(IRI + "x", None, "urn:ngsi-ld:Dataset:h:2")}
        made = await world.registry.register(
            LOCAL_OPERATOR, spec(name=" Trạm Đống Đa ", owner="Sở TNMT", cadence_s=60, mapping=rules), correlation="c1"
        )
        device = world.registry.lookup("a")
        assert device is made
        assert (device.entity_id, device.entity_type, device.ward) == ("urn:ngsi-ld:Station:hanoi:a", AIR.iri, "00001")
        assert device.name == "Trạm Đống Đa"
        assert device.mapping == {
            "dust": MappingRule(IRI + "pm25", "GP"),
            "other": MappingRule(IRI + "x", None, "urn:ngsi-ld:Dataset:h:2"),
        }
        entity = world.context.get(LOCAL_OPERATOR, device.entity_id)
        assert entity is not None
        assert (entity.point, entity.ward, entity.owner) == ((105.75, 21.0), "00001", "Sở TNMT")
        name = entity.first(NAME)
        assert name is not None
        assert name.value == "Trạm Đống Đa"
        assert ("local-operator", "device.write", "a", "c1", "registered") in world.rows(
            "SELECT person_id, action, thing, correlation, detail FROM audit"
        )
        with world.database.reader() as connection:
            assert verify(connection).intact

    play(tmp_path, scene)


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"device": "có dấu"}, "id"),
    ({"entity_type": "Bus"}, "Station"),
    ({"entity_type": "Made"}, "Station"),
    ({"cadence_s": 0.0}, "cadence"),
    ({"cadence_s": float("nan")}, "cadence"),
    ({"cadence_s": 1e12}, "cadence"),
    ({"x": None}, "both"),
    ({"x": 200.0}, "EPSG:4326"),
    ({"y": float("nan")}, "EPSG:4326"),
    ({"entity_id": "trạm 1"}, "URN"),
    ({"name": "n" * 201}, "200"),
    ({"mapping": {"k": MappingRule("dust")}}, "pm25, temperature"),
    ({"mapping": {"k": MappingRule("pm25", "bananas")}}, "UN/CEFACT"),
    ({"mapping": {"k": MappingRule("temperature", "GQ")}}, "does not measure"),
    ({"mapping": {"k": MappingRule("pm25", None, "second")}}, "URI"),
    ({"mapping": {"": MappingRule("pm25")}}, "letters"),
]


@pytest.mark.parametrize(("fields", "words"), WRONG)
def test_a_wrong_description_says_what_to_write(tmp_path: Path, fields: dict[str, Any], words: str) -> None:
    async def scene(world: World) -> None:
        with pytest.raises(Problem, match=words) as refusal:
            await world.registry.register_many(LOCAL_OPERATOR, [spec("fine"), spec(**fields)])
        assert (refusal.value.status, bool(refusal.value.detail)) == (400, True)
        assert world.registry.lookup("fine") is None
        assert world.rows("SELECT * FROM device") == []

    play(tmp_path, scene)


def test_freshness_follows_the_citys_clock(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        await world.registry.register_many(LOCAL_OPERATOR, [spec("a", cadence_s=60), spec("b", 105.76, cadence_s=600)])
        assert (world.state("a"), world.registry.state_of("b"), world.registry.state_of("c")) == ("never", "never", None)
        world.registry.seen(["a", "b"], to_micros(world.clock.now()))
        found = []
        for step in (0, 90, 1, 89, 1, 719, 1):
            world.clock.advance(timedelta(seconds=step))
            found.append((world.state("a"), world.state("b")))
        fresh = [("live", "live")] * 2 + [("late", "live")] * 2 + [("silent", "live")] * 2 + [("silent", "late")]
        assert found == fresh
        counts = world.registry.counts(LOCAL_OPERATOR)
        assert counts == {"live": 0, "late": 1, "silent": 1, "never": 0, "lobby": 0, "refused": 0}
        await world.registry.flush()
        view = world.again().get(LOCAL_OPERATOR, "a")
        assert view is not None
        assert (view.state, view.last_seen) == ("silent", world.clock.now() - timedelta(seconds=901))

    play(tmp_path, scene)


def test_who_is_heard_is_written_down_when_the_task_ends(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        await world.registry.register(LOCAL_OPERATOR, spec())
        work = asyncio.create_task(world.registry.run())
        await asyncio.sleep(0)
        world.registry.seen(["a"], 7)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        assert world.rows("SELECT last_seen FROM device") == [(7,)]

    play(tmp_path, scene)


def test_the_worst_come_first_and_filters_hold(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        registry = world.registry
        await registry.register_many(
            LOCAL_OPERATOR,
            [
                spec("live", name="Đống Đa", cadence_s=600),
                spec("late", 105.85, name="Cầu Giấy", cadence_s=60, owner="Công ty 100%"),
                spec("silent", 105.76, name="Ba Đình", cadence_s=10),
                spec("never", None, None, name="Hà Đông"),
            ],
        )
        registry.seen(["live", "late", "silent"], to_micros(world.clock.now()))
        world.clock.advance(timedelta(seconds=100))

        def ids(**wanted: Any) -> list[str]:
            views, total = registry.list(LOCAL_OPERATOR, **wanted)
            assert total >= len(views)
            return [view.id for view in views]

        assert ids() == ["silent", "late", "never", "live"]
        assert ids(limit=2, offset=1) == ["late", "never"]
        assert registry.list(LOCAL_OPERATOR, limit=1)[1] == 4
        assert ids(ward="00002") == ["late"]
        assert ids(state="never") == ["never"]
        assert ids(text="đ") == ["silent", "never", "live"]
        assert ids(text="dong") == ["never", "live"]
        assert ids(text="100%") == ["late"]
        assert ids(text="%%") == []

    play(tmp_path, scene)


def test_devices_that_claim_one_coordinate(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        def flagged() -> set[str]:
            stored = {row[0] for row in world.rows("SELECT id FROM device WHERE flags LIKE '%shared-place%'")}
            held = {one for (one,) in world.rows("SELECT id FROM device") if _device(world, one).flags == ("shared-place",)}
            assert stored == held
            return held

        registry = world.registry
        metre = 1 / 111_320
        await registry.register(LOCAL_OPERATOR, spec("a"))
        before = _device(world, "a")
        await registry.register(LOCAL_OPERATOR, spec("camera", entity_type="Camera"))
        await registry.register(LOCAL_OPERATOR, spec("same-thing", entity_id=before.entity_id))
        await registry.register(LOCAL_OPERATOR, spec("near", 105.75, 21.0 + 1.5 * metre))
        assert flagged() == set()
        assert _device(world, "a") is before
        await registry.register(LOCAL_OPERATOR, spec("b", 105.75, 21.0 + 0.7 * metre))
        assert flagged() == {"a", "b", "near", "same-thing"}
        assert _device(world, "a") is not before
        await registry.admit(LOCAL_OPERATOR, "b", spec("b", 105.76))
        assert flagged() == set()
        await registry.register_many(LOCAL_OPERATOR, [spec("c", 105.77), spec("d", 105.77), spec("e", 105.77)])
        assert flagged() == {"c", "d", "e"}
        await registry.refuse(LOCAL_OPERATOR, "c")
        assert flagged() == {"d", "e"}
        await registry.refuse(LOCAL_OPERATOR, "d")
        assert flagged() == set()

    play(tmp_path, scene)


def _device(world: World, device: str) -> Device:
    found = world.registry.lookup(device)
    assert found is not None
    return found


def test_a_device_outside_the_city_is_flagged(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        device = await world.registry.register(LOCAL_OPERATOR, spec(x=106.5))
        assert (device.flags, device.ward) == (("outside",), None)

    play(tmp_path, scene)


def heard(device: str, number: int = 1) -> tuple[DeviceMessage, Message]:
    item = DeviceMessage(device, None, {"pm25": float(number)})
    return item, Message("mqtt", device, b"{}", "application/json", 0, "c")


def test_a_stranger_waits_until_somebody_decides(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        registry, now = world.registry, to_micros(world.clock.now())
        assert await registry.unknown([heard("new", 1), heard("new", 2), heard("bad")], now) == 0
        assert await registry.unknown([heard("new", 3)], now + 1_000_000) == 0
        waiting, total = registry.lobby(LOCAL_OPERATOR)
        assert total == 2
        first = waiting[0]
        assert (first.device, first.count, first.keys, first.source) == ("new", 3, ("pm25",), "mqtt")
        assert first.body == b'{"device":"new","values":{"pm25":3.0}}'
        assert first.last_seen - first.first_seen == timedelta(seconds=1)
        assert registry.lookup("new") is None

        await registry.admit(LOCAL_OPERATOR, "new", spec("new"))
        refused = await registry.refuse(LOCAL_OPERATOR, "bad")
        assert refused.state == "refused"
        assert registry.lobby(LOCAL_OPERATOR) == ([], 0)
        assert registry.counts(LOCAL_OPERATOR)["refused"] == 1
        # A message that was under way while somebody decided does not bring the device back into the lobby.
        await registry.unknown([heard("new")], now)
        assert world.rows("SELECT device FROM lobby") == []

        again = world.again()
        assert [again.lookup(one).state for one in ("new", "bad")] == ["admitted", "refused"]  # type: ignore[union-attr] # None fails too
        await registry.admit(LOCAL_OPERATOR, "bad", spec("bad", 105.78))
        assert _device(world, "bad").state == "admitted"

    play(tmp_path, scene)


def test_decisions_about_what_is_not_there(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        registry = world.registry
        await registry.register(LOCAL_OPERATOR, spec())
        for status, work in (
            (409, registry.register(LOCAL_OPERATOR, spec())),
            (404, registry.refuse(LOCAL_OPERATOR, "nobody")),
            (400, registry.refuse(LOCAL_OPERATOR, "có dấu")),
            (400, registry.admit(LOCAL_OPERATOR, "a", spec("b"))),
            (400, registry.register_many(LOCAL_OPERATOR, [spec("b"), spec("b")])),
        ):
            with pytest.raises(Problem) as refusal:
                await work
            assert refusal.value.status == status

    play(tmp_path, scene)


def test_a_stranger_may_neither_see_nor_decide(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        registry = world.registry
        device = await registry.register(LOCAL_OPERATOR, spec())
        assert registry.get(STRANGER, "a") is None
        assert registry.list(STRANGER) == ([], 0)
        assert set(registry.counts(STRANGER).values()) == {0}
        assert registry.lobby(STRANGER) == ([], 0)
        assert registry.waiting(STRANGER, "a") is None
        assert registry.last_heard(STRANGER) is None
        for work in (registry.register(STRANGER, spec("b")), registry.refuse(STRANGER, "a")):
            with pytest.raises(Problem, match="may not"):
                await work
        assert registry.of_entity(STRANGER, device.entity_id) == []
        assert [view.id for view in registry.of_entity(LOCAL_OPERATOR, device.entity_id)] == ["a"]
        assert registry.lookup("b") is None

    play(tmp_path, scene)


def test_a_thing_that_was_there_before_keeps_its_name_and_place(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        first = await world.registry.register(LOCAL_OPERATOR, spec("a", name="Trạm"))
        await world.registry.register(LOCAL_OPERATOR, spec("b", 105.85, name="Máy dự phòng", entity_id=first.entity_id))
        entity = world.context.get(LOCAL_OPERATOR, first.entity_id)
        assert entity is not None
        name = entity.first(NAME)
        assert name is not None
        assert (name.value, entity.point) == ("Trạm", (105.75, 21.0))
        await world.registry.admit(LOCAL_OPERATOR, "a", spec("a", 105.81, name="Trạm mới"))
        entity = world.context.get(LOCAL_OPERATOR, first.entity_id)
        assert entity is not None
        assert (entity.point, entity.ward) == ((105.81, 21.0), "00002")

    play(tmp_path, scene)


def test_when_the_commit_fails_nothing_is_decided(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        def fail(*_: object, **__: object) -> None:
            raise Unavailable("disk I/O error")

        world.writer.save = fail  # type: ignore[method-assign, assignment] # a disk cannot be made to fail here
        with pytest.raises(Unavailable):
            await world.registry.register(LOCAL_OPERATOR, spec())
        assert world.registry.lookup("a") is None

    play(tmp_path, scene)


def test_the_lobby_is_bounded(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        lobby = Lobby(world.database, bound=3)

        async def transact(work: Callable[[Connection], None]) -> None:
            await world.writer.run(LOCAL_OPERATOR, world.clock.now(), work)

        assert await lobby.hear([heard(f"d{number}") for number in range(5)], 1, transact) == 2
        assert await lobby.hear([heard("d0"), heard("d9")], 2, transact) == 1
        assert (len(lobby), lobby.refused) == (3, 3)
        assert {one.device: one.count for one in lobby.page(10, 0)} == {"d0": 2, "d1": 1, "d2": 1}
        assert len(Lobby(world.database, bound=3)) == 3

    play(tmp_path, scene)


def test_thousands_at_once(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        rules = {"x": MappingRule("pm25")}
        specs = [
            spec(f"d{number}", 105.71 + number % 100 * 0.001, 20.91 + number // 100 * 0.001, mapping=dict(rules))
            for number in range(3_000)
        ]
        made = await world.registry.register_many(LOCAL_OPERATOR, specs)
        assert len(made) == 3_000
        assert len({id(device.mapping) for device in made}) == 1
        assert not any(device.flags for device in made)
        assert world.rows("SELECT count(*) FROM entity") == [(3_000,)]
        assert len(world.again().list(LOCAL_OPERATOR, limit=5_000)[0]) == 3_000

    play(tmp_path, scene)
