"""The past of what was said for a time only: it is no more once that is over, and an entity's own past outlives it."""

from pathlib import Path
from typing import Any

import pytest
from evolution_world import OWNER, SINCE, SPEED, TYPE, URN, Town, micros, moment, thing

from dothi.access.policy import SYSTEM
from dothi.data.evolved import Window
from dothi.data.evolving import Page
from dothi.data.question import EntityQuery
from dothi.model.entity import Attribute, Entity


@pytest.fixture
def town(tmp_path: Path, homes: object) -> Any:
    made = Town(tmp_path, stations=0)
    yield made
    made.close()


def test_what_is_past_its_time_is_no_more(town: Town) -> None:
    def told(value: float, minute: int | None, ends: int | None, **more: Any) -> Attribute:
        seen = None if minute is None else moment(minute)
        return Attribute("Property", value, seen, expires_at=None if ends is None else moment(ends), **more)

    town.change("create", thing(speed=told(1, -30, 60), owner=told(5, None, 60)))
    town.change("merge", thing(speed=told(2, -20, None, dataset_id="urn:d:1"), owner=told(6, None, 90)))
    town.change("append", thing(speed=told(3, -10, 90, sub={SINCE: [told(9, None, 61)]})))

    def speeds(page: Page | None = None) -> list[tuple[float, list[str]]]:
        found = town.past.of(SYSTEM, URN, Window(), page=page)
        assert found is not None
        return [(one.attribute.value, sorted(one.attribute.sub)) for one in found.instances.get(SPEED, ())]

    def figures(**more: Any) -> list[float]:
        ((_, columns),) = town.past.columns(SYSTEM, EntityQuery(), Window(), [SPEED], **more)
        return sorted(value for one in columns for value in one.frame["number"].to_list())

    def cells() -> Any:
        window = Window(micros(-60), micros(60), bounded=True)
        return town.past.cells(SYSTEM, EntityQuery(), window, None, 60_000_000, ("max",))

    found = town.found()
    assert found is not None
    assert [one.attribute.expires_at for one in found.instances[SPEED]] == [moment(60), moment(90), None]
    assert speeds() == [(1, []), (3, [SINCE]), (2, [])]
    assert cells() is not None
    town.clock.set(moment(60))
    assert speeds() == [(3, [SINCE]), (2, [])]
    assert speeds(Page(1)) == [(3, [SINCE]), (2, [])], "what is no more takes no place on a page"
    assert town.seen()[OWNER] == [(2, 6, "Property", False, [])]
    town.clock.set(moment(61))
    assert speeds() == [(3, []), (2, [])]
    assert (figures(), figures(expired=True)) == ([2, 3], [1, 2, 3])
    assert cells() is None, "what is summed up where it lies is not told one from the other"
    town.clock.set(moment(90))
    assert speeds() == [(2, [])]
    assert OWNER not in town.seen()


def test_the_past_of_an_entity_outlives_it(town: Town) -> None:
    town.change("create", Entity(URN, TYPE, {SPEED: [Attribute("Property", 1.0)]}, expires_at=moment(60)))
    for minute in (60, 61):
        town.clock.set(moment(minute))
        found = town.found()
        assert found is not None
        known = (moment(60), None) if minute == 60 else (None, moment(61))
        assert (found.expires_at, found.deleted_at) == known
        assert [one.attribute.value for one in found.instances[SPEED]] == [1]
        if minute == 60:
            town.now = 60
            town.change("expire", Entity(URN, ""))
