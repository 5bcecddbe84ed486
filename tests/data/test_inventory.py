"""Inventories that are kept are those that would be taken now, whatever was written in between."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from city_world import NAME, NOW, PM, TYPE, City, at, row, urn

from dothi.access.policy import STRANGER, SYSTEM
from dothi.data.batch import EntityChange
from dothi.data.context import Context
from dothi.model.clearance import Clearance
from dothi.model.entity import LOCATION, Attribute, Entity
from dothi.testing.clock import FixedClock

pytestmark = pytest.mark.usefixtures("homes")


@pytest.fixture
def city(tmp_path: Path) -> Iterator[City]:
    one = City(tmp_path)
    yield one
    one.close()


def change(city: City, kind: Any, number: int, attributes: Any = None, **more: Any) -> None:
    said = Entity(urn(number), more.pop("type", TYPE), attributes or {}, expires_at=more.pop("expires_at", None))
    (outcome,) = asyncio.run(city.writer.edit(SYSTEM, [EntityChange(kind, said, **more)], at=NOW))
    assert outcome.problem is None


def test_what_is_kept_is_what_would_be_found(city: City) -> None:
    clock = FixedClock(NOW)
    kept = Context(city.database, (), clock, lambda: city.writer.index.shape)
    fresh = Context(city.database, (), clock)

    def agree() -> None:
        for asker in (SYSTEM, STRANGER):
            for kind in (None, TYPE, "urn:x:Other"):
                assert kept.inventory(asker, kind) == fresh.inventory(asker, kind)

    soon = NOW + timedelta(minutes=3)
    steps = [
        lambda: change(city, "append", 0, {NAME: [Attribute("Property", "a")]}),
        lambda: change(city, "append", 0, {NAME: [Attribute("LanguageProperty", {"vi": "a"})]}),
        lambda: city.write(row(1, 1, 5.0)),
        lambda: city.write(row(1, 2, 6.0)),
        lambda: city.write(row(1, 2, 6.0, heard=3, withdrawn=True), row(1, 1, 6.0, heard=3, withdrawn=True)),
        lambda: change(city, "append", 2, clearance=Clearance.PUBLIC),
        lambda: change(city, "create", 9, {PM: [Attribute("Property", 1, at(1))]}, type="urn:x:Other"),
        lambda: change(city, "append", 2, {NAME: [Attribute("Property", "b", expires_at=soon)]}),
        lambda: clock.advance(timedelta(minutes=4)),
        lambda: change(city, "delete", 9),
        lambda: change(city, "drop", 0, {NAME: []}),
    ]
    agree()
    for step in steps:
        step()
        agree()


def test_readings_of_what_is_known_leave_it_kept(city: City) -> None:
    place = {"type": "Point", "coordinates": [105.85, 21.03]}
    city.write(row(0, 1, 5.0))
    shape = city.writer.index.shape
    city.write(row(0, 2, 6.0))
    asyncio.run(city.writer.run(SYSTEM, NOW, lambda db: db.execute("DELETE FROM outbox WHERE seq < 0")))
    assert city.writer.index.shape == shape
    change(city, "append", 0, {LOCATION: [Attribute("GeoProperty", place)]})
    assert city.writer.index.shape == shape + 1
