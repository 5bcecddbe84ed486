"""What months brought: each incident in the month it was opened by the city's clock, and places where it comes back."""

from collections import Counter
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from incidents_world import EAST, IN_EAST, MONDAY, OPERATOR, World, play

from dothi.model.ground import metres_apart
from dothi.platform.incidents import acts, months
from dothi.platform.incidents.model import Question

pytestmark = pytest.mark.usefixtures("homes")


def test_each_counts_in_the_month_it_was_opened_by_the_citys_clock(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        world.clock.set(MONDAY.replace(month=4, day=30, hour=16, minute=59))  # 23:59 in Hanoi
        await world.opened("noise")
        world.later(minutes=1)
        one = await world.acts(await world.opened("noise"), acts.Accept(), acts.Start())
        world.later(minutes=90)
        await world.act(one, acts.Answer("Xong"))
        gone, kept = await world.opened("smog", **IN_EAST), await world.opened("smog", **IN_EAST)
        await world.act(gone, acts.Merge(kept.code))
        world.later(hours=5)
        await world.incidents.look()
        found = world.incidents.months(OPERATOR)
        assert found.months[-2:] == (date(2026, 4, 1), date(2026, 5, 1))
        assert (len(found.months), found.months[0]) == (12, date(2025, 6, 1))
        assert [(one.opened, one.answered, one.late, one.to_answer) for one in found.whole()][-2:] == [
            (1, 0, 1, None),
            (2, 1, 1, 90.0),
        ]
        assert found.totals(1) == [("noise", 2), ("smog", 1)]
        assert found.by(2, "00002")[-2:] == [0, 1]
        assert world.incidents.months(EAST).totals(1) == [("smog", 1)], "each counts what they may see"
        assert world.incidents.months(OPERATOR, kind="noise").totals(2) == [("00001", 2)]
        assert world.incidents.months(OPERATOR, ward="00002").totals(1) == [("smog", 1)]
        world.later(days=400)
        assert world.incidents.months(OPERATOR).figures == {}

    play(tmp_path, scene)


def test_a_place_is_where_three_lie_close_together(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        near = [(105.7500 + step / 100_000, 21.0005) for step in range(3)]
        for longitude, latitude in [*near, (105.78, 21.05), (105.78, 21.06)]:
            await world.opened("waste", longitude=longitude, latitude=latitude)
        await world.opened("noise", longitude=near[0][0], latitude=near[0][1])
        (spot,) = world.incidents.months(OPERATOR).spots
        assert (spot.count, spot.ward, spot.kinds) == (4, "00001", ("waste", "noise"))
        assert metres_apart(spot.longitude, spot.latitude, *near[1]) < 2

    play(tmp_path, scene)


@settings(max_examples=60)
@given(st.floats(105.2, 106.1), st.floats(20.5, 21.4), st.floats(-1, 1), st.floats(-1, 1))
def test_what_lies_in_one_square_lies_near(longitude: float, latitude: float, east: float, north: float) -> None:
    other = longitude + east * 0.003, latitude + north * 0.003
    if months._cell(longitude, latitude) == months._cell(*other):
        assert metres_apart(longitude, latitude, *other) <= months.CELL * 2**0.5 + 1


@given(st.dates(date(2000, 1, 1), date(2100, 1, 1)))
def test_the_months_follow_each_other_up_to_today(today: date) -> None:
    found = months._months(today)
    assert found[-1] == today.replace(day=1)
    assert all(
        (later - earlier) in {timedelta(days=days) for days in (28, 29, 30, 31)} for earlier, later in pairwise(found)
    )
    assert Counter(one.day for one in found) == {1: 12}


def test_counting_reads_the_index_and_not_the_rows(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        await world.opened("noise")
        assert world.incidents.find(OPERATOR, Question()).total == 1
        if world.database.__class__.__name__ != "SqliteDatabase":
            return
        asked = "EXPLAIN QUERY PLAN SELECT i.state, count(*) FROM incident i WHERE (i.clearance <= ?) GROUP BY i.state"
        assert "COVERING INDEX incident_tally" in str(world.rows(asked, 2))

    play(tmp_path, scene)
