"""What was answered is closed by itself once nobody asked to reopen it for as long as the city says, by its own clock."""

from copy import copy
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from incidents_world import CITY, MONDAY, OPERATOR, World, play

from dothi.platform.incidents import acts, looking, timing
from dothi.platform.incidents.model import Incident

pytestmark = pytest.mark.usefixtures("homes")
WEEK = timedelta(days=7)


def closing_after(world: World, span: timedelta | None) -> None:
    """The same city, with another promise to close."""
    city: Any = copy(CITY)
    city.close_after = span
    world.platform.city = city


async def answered(world: World) -> Incident:
    return await world.acts(await world.opened("noise"), acts.Accept(), acts.Start(), acts.Answer("Đã nhắc nhở"))


def told(world: World, one: Incident) -> list[str]:
    return [line.act for line in world.incidents.timeline(OPERATOR, one.code)][4:]


def test_it_is_said_before_and_written_down_with_the_audit_log(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        closing_after(world, WEEK)
        one = await answered(world)
        assert (timing.closes_at(one, world.platform.city), one.due_at) == (MONDAY + WEEK, None)
        world.later(days=5, hours=14)
        await world.incidents.look()
        assert told(world, one) == []
        world.later(hours=1)
        await world.incidents.look()
        assert told(world, one) == ["closing"]
        world.clock.set(MONDAY + WEEK - timedelta(seconds=1))
        await world.incidents.look()
        world.later(seconds=1)
        await world.incidents.look()
        await world.incidents.look()
        closed = world.incidents.get(OPERATOR, one.code)
        assert (closed.state, closed.state_at, closed.version) == ("closed", MONDAY + WEEK, one.version + 1)
        assert (closed.answer, closed.look_at, told(world, one)) == (one.answer, None, ["closing", "close"])
        assert world.rows("SELECT person_id, action FROM audit ORDER BY seq")[-1] == ("system", "incident.close")
        assert (await world.act(closed, acts.Reopen("Vẫn ồn"))).state == "accepted"

    play(tmp_path, scene)


def test_reopened_and_answered_again_it_waits_as_long_again(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        closing_after(world, WEEK)
        one = await answered(world)
        world.later(days=6)
        await world.incidents.look()
        one = await world.acts(
            world.incidents.get(OPERATOR, one.code), acts.Reopen("Vẫn ồn"), acts.Start(), acts.Answer("Đã phạt")
        )
        world.later(days=6)
        await world.incidents.look()
        assert (world.incidents.get(OPERATOR, one.code).state, told(world, one).count("closing")) == ("answered", 2)
        world.later(days=1)
        await world.incidents.look()
        assert world.incidents.get(OPERATOR, one.code).state == "closed"

    play(tmp_path, scene)


def test_a_city_that_slept_closes_without_a_warning_that_comes_too_late(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        closing_after(world, WEEK)
        one = await answered(world)
        world.later(days=20)
        await world.incidents.look()
        assert told(world, one) == ["close"]

    play(tmp_path, scene)


def test_what_was_answered_under_another_promise_follows_the_one_of_the_next_start(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        one = await answered(world)  # nothing is closed by itself here
        assert one.look_at is None
        world.later(days=30)
        await world.incidents.look()
        assert told(world, one) == []
        closing_after(world, timedelta(days=40))
        await world.writer.run(OPERATOR, world.clock.now(), looking.ask_again, action="incident.write")
        await world.incidents.look()
        assert world.incidents.get(OPERATOR, one.code).look_at == MONDAY + timedelta(days=32)
        world.later(days=10)
        await world.incidents.look()
        assert world.incidents.get(OPERATOR, one.code).state == "closed"

    play(tmp_path, scene)
