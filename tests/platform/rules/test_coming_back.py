"""What comes and goes around a threshold is one incident; what was settled and then grows is somebody's again."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from rules_world import OPERATOR, World, rule, run, world
from structlog.testing import capture_logs

from dothi.access.policy import SYSTEM
from dothi.model.text import Text
from dothi.platform.incidents import acts
from dothi.platform.incidents.model import Draft, Incident, Question
from dothi.platform.rules.alerts import AlertQuestion
from dothi.platform.rules.model import Graver, Schedule

pytestmark = pytest.mark.usefixtures("homes")


def worked(one: World) -> tuple[Incident, ...]:
    return one.incidents.find(OPERATOR, Question()).incidents


def notes(one: World, code: str) -> list[str]:
    return [entry.words.en for entry in one.incidents.timeline(OPERATOR, code) if entry.act == "note"]


async def comes_and_goes(one: World, station: int = 0, minutes: float = 2) -> None:
    await one.hear((station, 90.0))
    await one.later(minutes)
    await one.hear((station, 9.0))
    await one.later(minutes)


def test_what_comes_and_goes_is_one_incident(tmp_path: Path) -> None:
    async def scene() -> None:
        async with world(tmp_path, rule(incident="smog"), stations=("00000", "00001", "00003")) as one:
            for _ in range(3):
                await comes_and_goes(one)
            (only,) = worked(one)
            assert only.alerts == 3
            assert notes(one, only.code).count("Its alerts came back: Phường Tây.") == 2
            lines = one.rules.alerts(OPERATOR, AlertQuestion(states=("ended",))).groups
            assert {line.incident for line in lines} == {only.code} and len(lines) == 3
            await comes_and_goes(one, 1)  # next door
            assert [found.code for found in worked(one)] == [only.code]
            await comes_and_goes(one, 2)  # far away
            assert len(worked(one)) == 2
            await one.later(6 * 60 + 1)
            await comes_and_goes(one)  # long after
            assert len(worked(one)) == 3

    run(scene)


def test_what_comes_back_is_as_grave_as_it_is_now_and_follows_a_merge(tmp_path: Path) -> None:
    async def scene() -> None:
        dust = rule(incident="smog", severity=2, graver=(Graver(4, 150.0),))
        async with world(tmp_path, dust) as one:
            await comes_and_goes(one)
            (first,) = worked(one)
            draft = Draft("smog", longitude=105.75, latitude=21.0, severity=1)
            into = await one.incidents.open(OPERATOR, draft)
            await one.incidents.act(OPERATOR, first.code, acts.Merge(into.code), version=first.version)
            await one.hear((0, 200.0))
            await one.later(1)
            await one.later(1)
            (left,) = worked(one)
            assert (left.code, left.severity, left.alerts) == (into.code, 4, 2)

    run(scene)


def test_after_an_answer_another_line_is_another_incident(tmp_path: Path) -> None:
    async def scene() -> None:
        async with world(tmp_path, rule(incident="smog")) as one:
            await comes_and_goes(one)
            (first,) = worked(one)
            await one.incidents.act(OPERATOR, first.code, acts.Reject("Báo động giả"), version=first.version)
            await comes_and_goes(one)
            assert [found.code for found in worked(one)] != [first.code]
            assert one.incidents.get(OPERATOR, first.code).state == "rejected"

    run(scene)


def test_what_was_settled_and_grows_is_reopened(tmp_path: Path) -> None:
    async def scene() -> None:
        dust = rule(incident="smog", graver=(Graver(4, 150.0),))
        async with world(tmp_path, dust, stations=("00000", "00001")) as one:
            await one.hear((0, 90.0))
            await one.later(1)
            (first,) = worked(one)
            await one.incidents.act(OPERATOR, first.code, acts.Reject("Báo động giả"), version=first.version)
            await one.hear((0, 200.0))
            await one.later(1)
            (again,) = worked(one)
            assert (again.code, again.state, again.severity) == (first.code, "accepted", 4)
            assert notes(one, first.code) == ["Its alerts grew graver: very serious."]
            (why,) = (entry.words for entry in one.incidents.timeline(OPERATOR, first.code) if entry.act == "reopen")
            assert why == Text("Cảnh báo nặng thêm hoặc lan rộng.", "Its alerts grew graver or spread.")
            await one.incidents.act(OPERATOR, first.code, acts.Reject("Vẫn giả"), version=again.version)
            await one.hear((1, 90.0))
            await one.later(1)
            assert [found.state for found in worked(one)] == ["accepted"]
            (now,) = worked(one)
            await one.incidents.act(OPERATOR, first.code, acts.Reject("Giả"), version=now.version)
            await one.hear((0, 9.0), (1, 9.0))
            await one.later(1)
            assert worked(one) == () and notes(one, first.code)[-1] == "All its alerts have ended."

    run(scene)


def test_nothing_is_reopened_before_quiet_hours_are_over(tmp_path: Path) -> None:
    async def scene() -> None:
        quiet = Schedule(start=9 * 60 + 30, end=10 * 60)  # it is nine in the morning
        dust = rule(incident="smog", quiet=quiet, graver=(Graver(4, 150.0),))
        async with world(tmp_path, dust, stations=("00000", "00001")) as one:
            await one.hear((0, 90.0))
            await one.later(1)
            (first,) = worked(one)
            await one.incidents.act(OPERATOR, first.code, acts.Reject("Báo động giả"), version=first.version)
            await one.later(30)
            await one.hear((1, 90.0))
            await one.later(1)
            assert worked(one) == ()
            await one.later(30)
            assert [found.code for found in worked(one)] == [first.code]

    run(scene)


def test_a_line_outlives_its_incident(tmp_path: Path) -> None:
    async def scene() -> None:
        async with world(tmp_path, rule(incident="smog"), stations=("00000", "00001")) as one:
            await one.hear((0, 90.0))
            await one.later(1)
            (first,) = worked(one)
            await one.writer.run(SYSTEM, one.clock.now(), lambda db: db.execute("DELETE FROM incident") and None)
            await one.hear((1, 90.0))
            await one.later(1)
            (second,) = worked(one)
            assert second.cause == first.cause
            await one.writer.run(SYSTEM, one.clock.now(), lambda db: db.execute("DELETE FROM incident") and None)
            await one.hear((0, 9.0), (1, 9.0))
            await one.later(1)
            await one.later(1)
            assert worked(one) == ()

    run(scene)


@asynccontextmanager
async def under_way(folder: Path) -> AsyncIterator[tuple[World, Incident]]:
    """A city whose alert, which may grow graver, has opened an incident."""
    async with world(folder, rule(incident="smog", graver=(Graver(4, 150.0),))) as one:
        await one.hear((0, 90.0))
        await one.later(1)
        (first,) = worked(one)
        yield one, first


def test_what_its_incident_refuses_for_good_is_counted_and_not_tried_again(tmp_path: Path) -> None:
    async def scene() -> None:
        async with under_way(tmp_path) as (one, first):
            into = await one.incidents.open(OPERATOR, Draft("smog", longitude=105.75, latitude=21.0))
            await one.incidents.act(OPERATOR, first.code, acts.Merge(into.code), version=first.version)
            gone = "DELETE FROM incident WHERE code = ?", (into.code,)
            await one.writer.run(SYSTEM, one.clock.now(), lambda db: db.execute(*gone) and None)
            await one.hear((0, 200.0))
            with capture_logs() as said:
                await one.later(1)
                await one.later(1)
            told = [entry for entry in said if entry["log_level"] == "warning"]
            assert [entry["event"] for entry in told] == ["an alert is not taken"] and one.rules.refused == 1
            assert told[0]["incident"] == first.code and "Merged" in told[0]["problem"]

    run(scene)


def test_whoever_is_faster_is_followed_at_the_next_look(tmp_path: Path) -> None:
    async def scene() -> None:
        async with under_way(tmp_path) as (one, first):
            act = one.incidents.act

            async def overtaken(*told: Any, **more: Any) -> Incident:
                one.incidents.act = act  # type: ignore[method-assign]  # once
                await act(OPERATOR, first.code, acts.Accept(), version=first.version)
                return await act(*told, **more)

            one.incidents.act = overtaken  # type: ignore[method-assign]  # somebody acts between the look and the act
            await one.hear((0, 200.0))
            await one.later(0)
            assert one.incidents.get(OPERATOR, first.code).severity == first.severity
            await one.later(0)
            now = one.incidents.get(OPERATOR, first.code)
            assert (now.state, now.severity, one.rules.refused) == ("accepted", 4, 0)

    run(scene)
