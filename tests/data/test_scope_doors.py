"""Scope and clearance through the doors that are not entities: devices, the lobby, quarantine and what they write."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ingest_world import IRI, STATION, TYPES, hanoi, opened

from dothi.access.policy import LOCAL_OPERATOR, STRANGER, WHOLE_CITY, Clearance, Grant, Person, Scope, Thing, may
from dothi.data.batch import Batch, EntityChange, Quarantined
from dothi.data.quarantine import Quarantine
from dothi.data.writer import Writer
from dothi.devices.payload import DeviceMessage
from dothi.devices.registry import DeviceSpec, Registry
from dothi.model.clock import SystemClock, to_micros
from dothi.model.entity import LOCATION, Attribute, Entity
from dothi.model.problem import Problem
from dothi.store.database import Database
from dothi.store.journal import Message
from dothi.testing.clock import FixedClock
from dothi.testing.people import insider

NOW = SystemClock().now().replace(microsecond=0)
WEST, EAST = "00001", "00002"
COUNT = 12


class World:
    """Devices of two wards, two owners and every clearance; each has a message in quarantine, and one waits."""

    def __init__(self, database: Database, writer: Writer) -> None:
        self.database, self.writer = database, writer
        self.registry = Registry(database, hanoi(), FixedClock(NOW), TYPES, writer)
        self.quarantine = Quarantine(database, None, writer, FixedClock(NOW))  # type: ignore[arg-type]  # nothing is sent
        self.things: dict[str, Thing] = {}
        asyncio.run(self._fill())

    async def _fill(self) -> None:
        held = []
        for number in range(COUNT):
            name, owner = f"d{number}", f"agency-{number % 2}"
            longitude = 105.75 if number % 3 else 105.85
            spec = DeviceSpec(name, "Station", owner=owner, longitude=longitude, latitude=21.0)
            device = await self.registry.register(LOCAL_OPERATOR, spec)
            clearance = Clearance(number % 4)
            change = EntityChange("merge", Entity(device.entity_id, ""), clearance)
            self.writer.apply(Batch(insider(), "test", "c", NOW, entities=[change]))
            self.things[name] = Thing(clearance, WEST if number % 3 else EAST, owner, STATION.iri)
            held.append(Quarantined("http", name, "not-json", "x", name.encode(), correlation=name))
        held.append(Quarantined("http", "unheard-of", "not-json", "x", b"nobody's", correlation="nobody"))
        self.writer.apply(Batch(LOCAL_OPERATOR, "test", "c", NOW, quarantine=self.quarantine.admit(held)))
        heard = Message("http", "waiting", b"{}", "application/json", to_micros(NOW), "c")
        await self.registry.unknown([(DeviceMessage("waiting", None, {"pm25": 1.0}), heard)], to_micros(NOW))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, homes_of_module: object) -> Iterator[World]:
    with opened(tmp_path_factory.mktemp("scope")) as (database, writer):
        yield World(database, writer)


_SCOPES = st.sampled_from(
    [
        WHOLE_CITY,
        Scope(wards=frozenset({EAST})),
        Scope(agencies=frozenset({"agency-1"})),
        Scope(types=frozenset({STATION.iri})),
        Scope(types=frozenset({"https://example.org/Other"})),
        Scope(wards=frozenset({WEST}), agencies=frozenset({"agency-0"})),
    ]
)
_ROLES = st.sampled_from(["engineer", "operator", "leader", "steward", "system"])
ASKERS = st.builds(
    Person,
    st.just("somebody"),
    st.lists(st.builds(Grant, _ROLES, _SCOPES, st.sampled_from(Clearance)), max_size=2).map(tuple),
)


@settings(max_examples=40)
@given(asker=ASKERS)
def test_devices_are_seen_and_counted_as_the_policy_says(world: World, asker: Person) -> None:
    seen = {name for name, thing in world.things.items() if may(asker, "device.read", thing)}
    registry = world.registry
    listed, total = registry.list(asker, limit=100)
    assert {one.id for one in listed} == seen
    assert total == len(seen)
    assert {one.id for one in registry.list(asker, text="d", limit=100)[0]} == seen
    assert {name for name in world.things if registry.get(asker, name) is not None} == seen
    assert {
        one.id for name in world.things for one in registry.of_entity(asker, f"urn:ngsi-ld:Station:hanoi:{name}")
    } == seen
    counts = registry.counts(asker)
    throughout = may(asker, "device.read", Thing())
    assert counts["never"] == len(seen)
    assert counts["lobby"] == int(throughout)
    assert registry.tally(asker, lambda one: one.id).keys() == seen
    assert registry.lobby(asker)[1] == len(registry.lobby(asker)[0]) == int(throughout)
    assert (registry.waiting(asker, "waiting") is not None) == throughout


@settings(max_examples=40)
@given(asker=ASKERS)
def test_quarantine_is_seen_and_decided_about_as_the_policy_says(world: World, asker: Person) -> None:
    things = world.things | {"unheard-of": Thing()}
    seen = {name for name, thing in things.items() if may(asker, "quarantine.read", thing)}
    quarantine = world.quarantine
    listed, total = quarantine.list(asker, limit=100)
    assert {one.device for one in listed} == seen
    assert total == len(seen)
    assert quarantine.list(asker, "not-json", limit=1)[1] == len(seen)
    assert quarantine.counts(asker) == ({"not-json": len(seen)} if seen else {})
    decidable = set()
    for held in quarantine.list(insider(), limit=100)[0]:
        try:
            assert quarantine.get(asker, held.id)[0].device in seen
        except Problem as problem:
            assert problem.status == 404
            assert held.device not in seen
        if quarantine._decidable(asker, [held.id]):
            decidable.add(held.device)
    assert decidable == {name for name, thing in things.items() if may(asker, "quarantine.write", thing)}


@settings(max_examples=40)
@given(asker=ASKERS, number=st.integers(0, COUNT - 1), longitude=st.sampled_from([105.76, 105.86]), owner=st.integers(0, 1))
def test_nobody_decides_about_a_device_beyond_their_reach(
    world: World, asker: Person, number: int, longitude: float, owner: int
) -> None:
    """To change a device one must be allowed what it was and what it is to be; else nothing changes."""
    name = f"d{number}"
    was = world.things[name]
    to_be = Thing(was.clearance, WEST if longitude < 105.8 else EAST, f"agency-{owner}", STATION.iri)
    before = world.registry.lookup(name)
    assert before is not None
    spec = DeviceSpec(name, "Station", owner=f"agency-{owner}", longitude=longitude, latitude=21.0)
    allowed = may(asker, "device.write", was) and may(asker, "device.write", to_be)
    try:
        asyncio.run(world.registry.admit(asker, name, spec))
    except Problem as problem:
        assert problem.status == 403
        assert not allowed
        assert world.registry.lookup(name) is before
    else:
        assert allowed
        world.things[name] = to_be
    try:
        asyncio.run(world.registry.refuse(asker, name))
    except Problem as problem:
        assert problem.status == 403
        assert not may(asker, "device.write", world.things[name])
    else:
        assert may(asker, "device.write", world.things[name])
        restored = world.registry.lookup(name)
        assert restored is not None
        again = DeviceSpec(name, "Station", owner=restored.owner, longitude=restored.longitude, latitude=restored.latitude)
        asyncio.run(world.registry.admit(insider(), name, again))


ENGINEER = Person("engineer", (Grant("engineer", Scope(wards=frozenset({WEST})), Clearance.INTERNAL),))


def test_an_engineer_admits_devices_of_their_own_ward(tmp_path: Path) -> None:
    with opened(tmp_path) as (database, writer):
        registry = Registry(database, hanoi(), FixedClock(NOW), TYPES, writer)
        device = asyncio.run(registry.register(ENGINEER, DeviceSpec("mine", "Station", longitude=105.75, latitude=21.0)))
        assert registry.get(ENGINEER, device.id) is not None
        with pytest.raises(Problem, match="may not"):
            asyncio.run(registry.register(ENGINEER, DeviceSpec("theirs", "Station", longitude=105.85, latitude=21.0)))
        with pytest.raises(Problem, match="may not"):
            asyncio.run(registry.register(ENGINEER, DeviceSpec("nowhere", "Station")))
        with pytest.raises(Problem, match="may not"):
            asyncio.run(registry.register(STRANGER, DeviceSpec("mine-too", "Station", longitude=105.75, latitude=21.0)))


def test_a_device_speaks_only_for_things_its_admitter_may_decide_about(tmp_path: Path) -> None:
    """Else whoever may admit devices in one ward could write the readings of another."""
    with opened(tmp_path) as (database, writer):
        registry = Registry(database, hanoi(), FixedClock(NOW), TYPES, writer)
        other = asyncio.run(registry.register(LOCAL_OPERATOR, DeviceSpec("o", "Station", longitude=105.85, latitude=21.0)))
        spec = DeviceSpec("mine", "Station", entity_id=other.entity_id, longitude=105.75, latitude=21.0)
        with pytest.raises(Problem, match="may not"):
            asyncio.run(registry.register(ENGINEER, spec))
        assert registry.lookup("mine") is None


def test_a_claimed_ward_is_not_the_place_and_a_deleted_thing_keeps_its_secrets(tmp_path: Path) -> None:
    writer_of_west = Person("steward", (Grant("steward", Scope(wards=frozenset({WEST})), Clearance.INTERNAL),))
    east = {LOCATION: [Attribute("GeoProperty", {"type": "Point", "coordinates": [105.85, 21]})]}
    with opened(tmp_path) as (_database, writer):

        def write(person: Person, kind: str, entity: Entity, clearance: Clearance | None = None) -> None:
            change = EntityChange(kind, entity, clearance)  # type: ignore[arg-type]  # one of the kinds
            writer.apply(Batch(person, "test", "c", NOW, entities=[change]))

        with pytest.raises(Problem, match="may not change"):
            write(writer_of_west, "create", Entity("urn:t:1", IRI + "Station", east, ward=WEST))
        write(writer_of_west, "create", Entity("urn:t:2", IRI + "Station", ward=WEST))
        for kind in ("merge", "replace"):
            with pytest.raises(Problem, match="may not change"):
                write(writer_of_west, kind, Entity("urn:t:2", IRI + "Station", east, ward=WEST))
        write(insider(), "create", Entity("urn:t:3", IRI + "Station", ward=WEST), Clearance.PERSONAL)
        write(insider(), "delete", Entity("urn:t:3", ""))
        for clearance in (None, Clearance.PUBLIC):
            with pytest.raises(Problem, match="may not change"):
                write(writer_of_west, "create", Entity("urn:t:3", IRI + "Station", ward=WEST), clearance)
        write(insider(), "create", Entity("urn:t:3", IRI + "Station", ward=WEST))
        assert writer.clearance_of("urn:t:3") == Clearance.PERSONAL


def test_a_state_secret_is_written_nowhere(tmp_path: Path) -> None:
    with opened(tmp_path) as (database, writer):
        for attribute in (
            Attribute("Property", "Mật"),
            Attribute("Property", "plan", sub={"classification": [Attribute("Property", "tối mật")]}),
        ):
            name = "https://example.org/classification" if attribute.value == "Mật" else IRI + "note"
            change = EntityChange("create", Entity("urn:t:1", IRI + "Station", {name: [attribute]}))
            with pytest.raises(Problem, match="state secret"):
                writer.apply(Batch(LOCAL_OPERATOR, "test", "c", NOW, entities=[change]))
        with database.reader() as db:
            assert db.execute("SELECT count(*) FROM entity").fetchone() == (0,)
