"""Questions that are kept: found blind to accents, changed by their owner only, deleted with a way back."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from city_world import NOW, City

from dothi.access.policy import LOCAL_OPERATOR, STRANGER, Clearance
from dothi.data.sql.saved import SavedQueries
from dothi.model.problem import Problem
from dothi.testing.clock import FixedClock
from dothi.testing.people import insider

OTHER = insider("colleague", Clearance.RESTRICTED)


@pytest.fixture
def city(homes: object, tmp_path: Path) -> Iterator[City]:
    world = City(tmp_path, stations=0)
    yield world
    world.close()


def test_a_question_is_kept_found_changed_and_run_by_its_number(city: City) -> None:
    kept = SavedQueries(city.database, city.writer, FixedClock(NOW))
    number = asyncio.run(kept.save(LOCAL_OPERATOR, "  Bụi ở  Đống Đa ", "SELECT 1", "map"))
    asyncio.run(kept.save(LOCAL_OPERATOR, "100 % khác", "SELECT 2"))
    assert [one.title for one in kept.list(OTHER, "dong da BUI")] == ["Bụi ở Đống Đa"]
    assert [one.title for one in kept.list(OTHER, "%")] == ["100 % khác"]
    assert [one.title for one in kept.list(OTHER, "select")] == ["100 % khác", "Bụi ở Đống Đa"]
    found = kept.get(OTHER, number)
    assert (found.title, found.sql, found.view, found.owner, found.modified_at) == (
        "Bụi ở Đống Đa",
        "SELECT 1",
        "map",
        LOCAL_OPERATOR.id,
        NOW,
    )
    asyncio.run(kept.change(LOCAL_OPERATOR, number, "Mới", "SELECT 3", "chart"))
    assert (kept.get(OTHER, number).sql, kept.list(OTHER, "dong da")) == ("SELECT 3", [])


def test_deleting_can_be_undone_for_a_day(city: City) -> None:
    clock = FixedClock(NOW)
    kept = SavedQueries(city.database, city.writer, clock)
    first, second = (asyncio.run(kept.save(LOCAL_OPERATOR, title, "SELECT 1")) for title in ("a", "b"))
    asyncio.run(kept.delete(LOCAL_OPERATOR, first))
    assert [one.title for one in kept.list(OTHER)] == ["b"]
    asyncio.run(kept.restore(LOCAL_OPERATOR, first))
    assert kept.get(OTHER, first).title == "a"
    asyncio.run(kept.delete(LOCAL_OPERATOR, first))
    clock.advance(timedelta(days=2))
    asyncio.run(kept.delete(LOCAL_OPERATOR, second))
    with pytest.raises(Problem) as gone:
        asyncio.run(kept.restore(LOCAL_OPERATOR, first))
    assert gone.value.status == 404
    asyncio.run(kept.restore(LOCAL_OPERATOR, second))


def test_only_the_owner_changes_and_only_who_may_ask_sees(city: City) -> None:
    kept = SavedQueries(city.database, city.writer, FixedClock(NOW))
    number = asyncio.run(kept.save(LOCAL_OPERATOR, "a", "SELECT 1"))
    for work in (
        kept.change(OTHER, number, "b", "SELECT 2"),
        kept.delete(OTHER, number),
        kept.save(STRANGER, "c", "SELECT 1"),
    ):
        with pytest.raises(Problem) as caught:
            asyncio.run(work)
        assert caught.value.status == 403
    assert kept.list(STRANGER) == []
    with pytest.raises(Problem):
        kept.get(STRANGER, number)
    assert kept.get(LOCAL_OPERATOR, number).title == "a"
    with city.database.reader() as db:
        told = db.execute("SELECT person_id, result FROM audit WHERE action = 'sql.save'").fetchall()
    assert told == [(LOCAL_OPERATOR.id, "saved")]


@pytest.mark.parametrize(("title", "text", "view"), [(" ", "SELECT 1", "table"), ("a", " ", "table"), ("a", "b", "globe")])
def test_what_is_no_question_is_not_kept(city: City, title: str, text: str, view: str) -> None:
    kept = SavedQueries(city.database, city.writer, FixedClock(NOW))
    with pytest.raises(Problem) as caught:
        asyncio.run(kept.save(LOCAL_OPERATOR, title, text, view))
    assert caught.value.status == 400
