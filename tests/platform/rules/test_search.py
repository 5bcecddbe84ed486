"""Alerts are found by words without accents and by thing, by who may read them; whoever looks is told what changed."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from rules_world import OPERATOR, World, rule, run, someone, urn, world

from dothi.access.policy import SYSTEM, Person
from dothi.model.text import Text
from dothi.platform.rules.alerts import AlertQuestion, things
from dothi.web.live import View

pytestmark = pytest.mark.usefixtures("homes")


def found(one: World, asker: Person = OPERATOR, **asked: Any) -> list[tuple[str, int]]:
    """(rule, how many of its alerts are counted) of each line."""
    told = one.rules.alerts(asker, AlertQuestion(states=(), **asked))
    assert told.total == len(told.groups)
    return sorted((line.rule, line.count) for line in told.groups)


def test_words_and_things_find_the_line_with_all_its_alerts(tmp_path: Path) -> None:
    async def scene() -> None:
        rain = rule("rain", title=Text("Mưa 100% lớn_", "Heavy rain"), spread=0)
        async with world(tmp_path, rule(), rain, stations=("00000", "00001")) as one:
            await one.hear((0, 90.0), (1, 91.0))
            assert found(one, text="bui vuot TRAM") == [("dust", 2)]
            assert found(one, text="phường giữa") == [("dust", 2), ("rain", 1)]  # the ward of one of them
            assert found(one, text="heavy") == [("rain", 1), ("rain", 1)]
            assert found(one, text="91") == [("dust", 2), ("rain", 1)]
            assert found(one, text="90 91") == []  # no single alert says both
            assert found(one, text="100%") == found(one, text="lon_") == [("rain", 1), ("rain", 1)]
            assert found(one, text="1%0") == found(one, text="l_n") == found(one, text="'; --") == []
            assert found(one, subject=urn(1)) == [("dust", 2), ("rain", 1)]
            assert found(one, subject=urn(1), text="mua") == [("rain", 1)]
            await one.hear((1, 9.0))
            assert found(one, subject=urn(1)) == [("dust", 2), ("rain", 1)]  # also what is over

    run(scene)


def test_nobody_finds_by_what_they_may_not_read(tmp_path: Path) -> None:
    async def scene() -> None:
        async with world(tmp_path, rule(), stations=("00000", "00001")) as one:
            await one.hear((0, 90.0), (1, 91.0))
            west = someone("west", "ward_officer", wards=frozenset({"00000"}))
            assert found(one, west) == found(one, west, text="90") == found(one, west, subject=urn(0)) == [("dust", 1)]
            assert found(one, west, text="91") == found(one, west, subject=urn(1)) == []
            with one.database.reader() as db:
                changed = things(db, [1, 999])
            heard = []
            for person in (west, someone("far", "ward_officer", wards=frozenset({"00003"})), Person("nobody")):
                watched = View(one.platform, person, "vi", [])
                queue: asyncio.Queue[bytes | None] = asyncio.Queue()
                watched.watchers.add(queue)
                watched.tell_alerts(changed)
                heard.append(queue.get_nowait() if queue.qsize() else None)
            assert heard == [b'event: alerts\ndata: {"lines":[1]}\n\n', None, None]

    run(scene)


def test_alerts_of_before_are_found_too(tmp_path: Path) -> None:
    async def scene() -> None:
        async with world(tmp_path, rule()) as one:
            await one.hear((0, 90.0))
            for line in (
                "ALTER TABLE alert DROP COLUMN folded",
                "UPDATE alembic_version SET version_num = '0022'",
            ):
                await one.writer.run(SYSTEM, one.clock.now(), lambda db, line=line: db.execute(line))  # type: ignore[misc] # a line
        async with world(tmp_path, rule()) as one:
            assert found(one, text="bui tram") == [("dust", 1)]

    run(scene)
