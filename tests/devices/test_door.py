"""The door of devices: who may send for which device, by MQTT and by HTTP, and what that is worth once somebody decides."""

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from shapely import box

from dothi.access.device_keys import DEVICE, DeviceKeys
from dothi.access.identity import Identity
from dothi.access.policy import LOCAL_OPERATOR, STRANGER, Clearance, Grant, Person, Scope, may
from dothi.access.refusals import Refusals
from dothi.data.writer import Writer
from dothi.devices.door import DeviceDoor
from dothi.devices.lobby import MAX_READINGS
from dothi.devices.payload import DeviceMessage
from dothi.devices.registry import DeviceSpec, Registry
from dothi.model.city import City, Ward
from dothi.model.clock import to_micros
from dothi.model.problem import Problem
from dothi.model.schema import EntityType
from dothi.model.text import Text
from dothi.store.audit import verify
from dothi.store.database import Database, migrate
from dothi.store.journal import Message
from dothi.store.nats_gate import EVERY_DEVICE, Pass, Visitor
from dothi.testing.clock import FixedClock
from dothi.testing.homes import open_city

pytestmark = pytest.mark.usefixtures("homes")

AIR = EntityType("Station", "https://example.org/Station", Text("Trạm", "Station"), ())
CITY = City("01", "hanoi", Text("Hà Nội", "Hanoi"), [Ward("00001", "Tây", "phường", 105.75, 21.0)], [box(105, 20, 106, 22)])
NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
LOCAL_KEY = "the key of the home folder"


class Line:
    """Remembers who was sent away."""

    def __init__(self) -> None:
        self.expelled: list[str] = []

    async def expel(self, names: Collection[str]) -> None:
        self.expelled += sorted(names)


class World:
    def __init__(self, database: Database, writer: Writer) -> None:
        self.database, self.writer = database, writer
        self.clock, self.machine, self.line = FixedClock(NOW - timedelta(days=200)), FixedClock(NOW), Line()
        self.identity = Identity(LOCAL_KEY)
        self.registry = Registry(database, CITY, self.clock, {AIR.iri: AIR}, writer)
        self.registry.decided = self.line.expel
        self.keys = DeviceKeys(database, writer, self.machine)
        self.door = DeviceDoor(self.registry, self.keys, self.line, self.identity, self.clock, self.machine)
        self.door.refusals = self.refusals = Refusals()

    async def known(self, *devices: str) -> None:
        await self.registry.register_many(LOCAL_OPERATOR, [DeviceSpec(one, "Station", cadence_s=60) for one in devices])
        self.line.expelled.clear()

    async def knock(self, user: str, password: str, client: str = "") -> Pass | None:
        return await self.door.admits(Visitor(user, password, client, "127.0.0.1"))

    async def http(self, scheme: str, credential: str) -> Person:
        headers = [(b"authorization", f"{scheme} {credential}".encode())]
        return await self.identity.of({"client": ("198.51.100.7", 1), "headers": headers, "state": {}}, headers)

    async def basic(self, user: str, password: str) -> Person:
        return await self.http("Basic", base64.b64encode(f"{user}:{password}".encode()).decode())

    def refusal(self, person: Person, *devices: str) -> str:
        try:
            self.door.check(person, devices)
        except Problem as problem:
            assert problem.status == 403
            return problem.code
        return ""

    async def said(self, device: str, messages: int, values: int = 1) -> int:
        item = DeviceMessage(device, None, {f"k{number}": 1.0 for number in range(values)})
        heard = [(item, Message("mqtt", device, b"{}", "application/json", 0, "c"))] * messages
        return await self.registry.unknown(heard, to_micros(self.clock.now()))


def play(folder: Path, scene: Callable[[World], Awaitable[None]]) -> None:
    @asynccontextmanager
    async def opened() -> AsyncIterator[World]:
        database = open_city(folder)
        migrate(database)
        writer = Writer(database, locate=lambda _lon, _lat: None)
        try:
            yield World(database, writer)
        finally:
            writer.close()
            database.close()

    async def run() -> None:
        async with opened() as world:
            await scene(world)

    asyncio.run(run())


async def refused(work: Awaitable[Any]) -> int:
    with pytest.raises(Problem) as problem:
        await work
    return problem.value.status


def test_a_device_sends_for_itself_and_for_nobody_else(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        await world.known("a", "b")
        secret = await world.door.issue(LOCAL_OPERATOR, "a")
        other = await world.door.issue(LOCAL_OPERATOR, "b")
        assert await world.knock("a", secret) == Pass("a", "a")
        for user, password in (("b", secret), ("a", other), ("a", ""), ("", secret), ("a", secret[:-1]), ("ghost", secret)):
            assert await world.knock(user, password) is None
        assert world.door.refused == 6
        (noted,) = world.refusals.take(all=True)
        assert (noted.person_id, noted.action, noted.source) == ("stranger", "reading.write", "mqtt 127.0.0.1")
        assert noted.detail == "6 times"
        assert secret not in str(noted)

        for person in (await world.basic("a", secret), await world.http("Bearer", secret)):
            assert person.id == DEVICE + "a"
            assert world.refusal(person, "a") == ""
            assert world.refusal(person, "a", "b") == "other-device"
            assert world.refusal(person, "ghost") == "other-device"
            assert may(person, "reading.write")
            assert not may(person, "reading.write", Clearance.PUBLIC), "no other door takes it for one that covers anything"
            assert not may(person, "device.read")
        for scheme, credential in (("Basic", "x"), ("Basic", "YTpi"), ("Bearer", "a"), ("Bearer", ""), ("Digest", secret)):
            assert await refused(world.http(scheme, credential)) == 401
        assert await refused(world.basic("b", secret)) == 401

    play(tmp_path, scene)


def test_a_client_id_of_another_device_is_refused_because_it_would_end_its_session(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        await world.known("a", "b")
        secret = await world.door.issue(LOCAL_OPERATOR, "a")
        assert await world.knock("a", secret, "a") is not None
        assert await world.knock("a", secret, "mosq-123") is not None
        assert await world.knock("a", secret, "b") is None
        assert await world.knock("anything", LOCAL_KEY, "b") is None

    play(tmp_path, scene)


def test_a_new_secret_ends_the_old_one_also_after_a_restart(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        await world.known("a")
        assert not world.door.has_secret("a")
        first = await world.door.issue(LOCAL_OPERATOR, "a")
        second = await world.door.issue(LOCAL_OPERATOR, "a")
        assert world.line.expelled == ["a", "a"]
        assert await world.knock("a", first) is None
        assert await world.knock("a", second) is not None
        again = DeviceKeys(world.database, world.writer, world.machine)
        assert again.sender(first) is None
        assert again.sender(second, "a") is not None
        await world.door.withdraw(LOCAL_OPERATOR, "a")
        assert world.line.expelled == ["a", "a", "a"]
        assert await world.knock("a", second) is None
        assert not world.door.has_secret("a")
        assert await refused(world.door.withdraw(LOCAL_OPERATOR, "a")) == 404
        with world.database.reader() as connection:
            told = str(connection.execute("SELECT person_id, thing, detail FROM audit").fetchall())
            assert verify(connection).intact
        assert "secret issued" in told
        assert "secret withdrawn" in told
        assert first not in told
        assert second not in told

    play(tmp_path, scene)


def test_a_refused_device_is_sent_away_with_its_secret(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        await world.known("a")
        secret = await world.door.issue(LOCAL_OPERATOR, "a")
        person = await world.basic("a", secret)
        world.line.expelled.clear()
        await world.registry.refuse(LOCAL_OPERATOR, "a")
        assert world.line.expelled == ["a"]
        assert await world.knock("a", secret) is None
        assert world.refusal(person, "a") == "device-refused"
        assert await refused(world.door.issue(LOCAL_OPERATOR, "a")) == 404

    play(tmp_path, scene)


def test_a_stranger_gets_as_far_as_the_lobby_with_a_code_and_no_further(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        await world.known("a")
        code, made = await world.door.open_enrolment(LOCAL_OPERATOR, "Lắp ở Hoàn Kiếm", 7)
        day = int((NOW + timedelta(days=1)).timestamp())
        assert await world.knock("new", code) == Pass("new", "new", day), "a connection ends before the code is forgotten"
        assert await world.knock("new", code.lower().replace("-", " ")) is not None
        assert await world.knock("a", code) is None, "who is known needs a secret"
        assert await world.knock("có dấu", code) is None
        person = await world.basic("new", code)
        assert world.refusal(person, "new", "newer") == ""
        assert world.refusal(person, "new", "a") == "device-known"
        assert not may(person, "reading.write", Clearance.PUBLIC)

        # Admitted: what came with the code is sent away, and the code is worth nothing for it from here on.
        await world.registry.admit(LOCAL_OPERATOR, "new", DeviceSpec("new", "Station"))
        assert world.line.expelled == ["new"]
        assert world.refusal(person, "new") == "device-known"

        await world.knock("other", code)
        closed = await world.door.close_enrolment(LOCAL_OPERATOR, made.id)
        assert closed.closed_at == NOW
        assert world.line.expelled == ["new", "new", "other"]
        assert await world.knock("other", code) is None
        assert await refused(world.basic("other", code)) == 401

    play(tmp_path, scene)


def test_a_code_ends_by_itself_and_is_remembered_without_itself(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        code, made = await world.door.open_enrolment(LOCAL_OPERATOR, "", 2)
        world.machine.advance(timedelta(days=1, hours=12))
        ends = int((NOW + timedelta(days=2)).timestamp())
        assert await world.knock("new", code) == Pass("new", "new", ends)
        await world.keys.flush()
        again = DeviceKeys(world.database, world.writer, world.machine)
        assert [one.used for one in again.enrolments(LOCAL_OPERATOR)] == [1]
        world.machine.advance(timedelta(hours=12))
        assert await world.knock("new", code) is None
        assert [is_open for _, is_open in world.door.enrolments(LOCAL_OPERATOR)] == [False]
        with world.database.reader() as connection:
            kept = str(connection.execute("SELECT * FROM enrolment").fetchall())
        assert code not in kept
        assert made.created_by == LOCAL_OPERATOR.id
        for label, days in (("x" * 101, 1), ("", 0), ("", 367)):
            assert await refused(world.door.open_enrolment(LOCAL_OPERATOR, label, days)) == 400
        assert await refused(world.door.close_enrolment(LOCAL_OPERATOR, "0" * 12)) == 404

    play(tmp_path, scene)


def test_a_thousand_readings_then_a_stranger_is_refused_and_counted(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        code, _ = await world.door.open_enrolment(LOCAL_OPERATOR, "", 7)
        person = await world.basic("chatty", code)
        assert await world.said("chatty", MAX_READINGS // 100 - 1, values=100) == 0
        assert world.refusal(person, "chatty") == ""
        assert await world.said("chatty", 5, values=100) == 4
        assert world.registry.lobby_refused == 4
        assert world.refusal(person, "chatty") == "lobby-limit"
        assert await world.knock("chatty", code) is None
        assert await world.knock("quiet", code) is not None
        (waiting,), _ = world.registry.lobby(LOCAL_OPERATOR)
        assert waiting.count == MAX_READINGS // 100
        again = Registry(world.database, CITY, world.clock, {AIR.iri: AIR}, world.writer)
        assert not again.has_room("chatty")
        assert again.has_room("quiet")

    play(tmp_path, scene)


def test_a_system_shows_its_key_and_speaks_for_what_its_scope_covers(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        await world.known("a")
        hour = int((NOW + timedelta(hours=1)).timestamp())
        assert await world.knock("gateway", LOCAL_KEY) == Pass(f"system:{LOCAL_OPERATOR.id}", EVERY_DEVICE, hour)
        assert await world.knock("gateway", LOCAL_KEY + "x") is None
        whole = Person("p-1", (Grant("device"),))
        types = Person("p-2", (Grant("device", Scope(types=frozenset({AIR.iri}))),))
        elsewhere = Person("p-3", (Grant("device", Scope(wards=frozenset({"00009"}))),))
        assert world.refusal(whole, "a", "ghost") == ""
        assert world.refusal(types, "a") == ""
        assert world.refusal(types, "ghost") == "outside-scope"
        assert world.refusal(elsewhere, "a") == "outside-scope"
        assert world.refusal(STRANGER, "a") == "outside-scope"

    play(tmp_path, scene)


def test_only_who_may_change_devices_hands_out_and_takes_back(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        await world.known("a")
        await world.door.issue(LOCAL_OPERATOR, "a")
        _, made = await world.door.open_enrolment(LOCAL_OPERATOR, "", 7)
        for person in (STRANGER, Person("o", (Grant("operator"),)), Person(DEVICE + "a", (Grant("device"),))):
            for work in (
                world.door.issue(person, "a"),
                world.door.withdraw(person, "a"),
                world.door.open_enrolment(person, "", 7),
                world.door.close_enrolment(person, made.id),
            ):
                assert await refused(work) == 403
            assert world.door.enrolments(person) == []

    play(tmp_path, scene)
