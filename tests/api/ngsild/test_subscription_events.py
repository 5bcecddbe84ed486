"""What is told of a change is what it changed to, however much was changed since and however commits were merged."""

import asyncio
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from subscription_world import World, iri, said, world_in

from dothi.access.policy import SYSTEM, Clearance
from dothi.api.ngsild.subscriptions.events import Event, Moments, as_of, attribute_from, events_of
from dothi.data.batch import EntityChange, decode_changed
from dothi.data.classified import Classified
from dothi.data.context import Context
from dothi.data.writer import Writer
from dothi.model.entity import Entity
from dothi.model.schema import AttributeType, EntityType
from dothi.model.text import Text
from dothi.store.sqlite import SqliteDatabase
from dothi.testing.homes import empty_database

NOW = datetime(2026, 5, 14, 4, 0, tzinfo=UTC)
URNS = tuple(f"urn:ngsi-ld:Building:{number}" for number in range(2))
# (entity, attribute, whether it is written or removed); without an attribute the entity is deleted.
STEPS = st.lists(st.tuples(st.sampled_from(URNS), st.sampled_from(["a", "b", ""]), st.booleans()), min_size=1, max_size=8)
Told = tuple[str, str, Any]


@settings(max_examples=40)
@given(commits=st.lists(STEPS, min_size=1, max_size=6), told=st.integers(1, 6))
def test_what_is_told_is_what_it_was_changed_to(commits: list[list[tuple[str, str, bool]]], told: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        database = SqliteDatabase(Path(folder))
        database.path.write_bytes(empty_database())
        writer = Writer(database, locate=lambda *_: None)
        writer.keep_before = lambda _: True
        states: dict[str, set[str]] = {}
        expected: list[list[Told]] = []
        for number, steps in enumerate(commits):
            changes: list[EntityChange] = []
            row: list[Told] = []
            for place, step in enumerate(steps):
                _step(states, changes, row, *step, number * 100 + place)
            if changes:
                asyncio.run(writer.edit(SYSTEM, changes, at=NOW))
                expected.append(row)
        context, moments = Context(database, ()), Moments()
        with database.reader() as db:
            stored = [(at, decode_changed(data)) for at, data in db.execute("SELECT at, payload FROM outbox ORDER BY seq")]
        everything = frozenset(range(len(URNS) + 1))
        found = [
            [one for event in events for one in _told(event, context, moments)]
            for events in events_of(stored[:told], [one for _, one in stored[told:]], writer.index, everything)
        ]
        assert [sorted(row, key=str) for row in found] == [sorted(row, key=str) for row in expected[:told]]
        writer.close()
        database.close()


def _step(
    states: dict[str, set[str]], changes: list[EntityChange], row: list[Told], urn: str, name: str, written: bool, value: int
) -> None:
    """Add one change to ``changes``, and what is to be told of it to ``row``; every value is another one."""
    state = states.get(urn)
    if not name:
        if state is not None:
            del states[urn]
            changes.append(EntityChange("delete", Entity(urn, "")))
            row.append((urn, "", None))
    elif written:
        changes.append(EntityChange("upsert", Entity(urn, iri("Building"), {iri(name): [said(value)]})))
        states.setdefault(urn, set()).add(name)
        row.append((urn, iri(name), value))
    elif state is not None and name in state:
        state.remove(name)
        changes.append(EntityChange("merge", Entity(urn, iri("Building"), {iri(name): []})))
        row.append((urn, iri(name), None))


def _told(event: Event, context: Context, moments: Moments) -> list[Told]:
    if event.deleted is not None:
        return [(event.urn, "", None)]
    base = context.get(SYSTEM, event.urn)
    if event.ended is not None:
        kept = {name: [attribute_from(one, moments) for one in several] for name, several in event.ended.items()}
        base = Entity(event.urn, event.type, kept)  # type: ignore[arg-type]  # values of this test are all kept
    left = as_of(event, base, frozenset(), moments)
    assert left is not None
    return [
        (event.urn, edit.attribute, None if edit.trigger == "attributeDeleted" else left.attributes[edit.attribute][0].value)
        for edit in event.edits
    ]


SECRET = EntityType(
    "Vault",
    iri("Vault"),
    Text("Kho", "Vault"),
    (
        AttributeType("level", iri("level"), Text("Mức", "Level")),
        AttributeType("code", iri("code"), Text("Mã", "Code"), clearance=Clearance.RESTRICTED),
    ),
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world_in(tmp_path_factory.mktemp("secrets"), sectors="weather") as world:
        world.city.platform.context._classified = Classified([SECRET])
        world.service.matcher._classified = Classified([SECRET])
        yield world


def test_what_a_receiver_may_not_know_neither_wakes_nor_fills_what_it_is_told(world: World) -> None:
    """The open door reaches internal things: of this one everything but its code."""
    assert world.service.subscribers.all() == []
    world.subscribe("Vault", notification={"showChanges": True})
    world.subscribe("Vault", notificationTrigger=["attributeDeleted", "entityDeleted"], notification={"showChanges": True})
    urn = world.urn()
    world.change("create", urn, "Vault", level=1, code="a")
    world.change("merge", urn, "Vault", code="b")
    world.change("merge", urn, "Vault", level=2, code="c")
    world.change("merge", urn, "Vault", code=[])
    world.change("merge", urn, "Vault", code="d")
    world.change("delete", urn, "")
    told = world.receiver.wait(3)
    (deleted,) = (one for one in told if "deletedAt" in one)  # of another subscription: it may come before or between
    created, updated = (one for one in told if one is not deleted)
    assert created["level"]["value"] == 1
    assert (updated["level"]["value"], updated["level"]["previousValue"]) == (2, 1)
    assert deleted["level"]["previousValue"] == 2
    for one in told:
        assert not any("code" in name for name in one), one
    world.city.run(world.city.platform.dispatcher.settled())
    assert world.receiver.bodies == []
    world.clean()
