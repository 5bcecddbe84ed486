"""From a reading to an alert and its end, over restarts and failures; storms are one line; who may see what."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from rules_world import NOTE, NOW, OPERATOR, PM, World, rule, run, someone, urn, world

from dothi.access.policy import STRANGER
from dothi.model.problem import Problem
from dothi.platform.rules.alerts import AlertGroup, AlertQuestion
from dothi.platform.rules.model import Compare, Where, Window

ALL = AlertQuestion(states=())
pytestmark = pytest.mark.usefixtures("homes")


def lines(one: World, question: AlertQuestion = ALL) -> list[AlertGroup]:
    return list(one.rules.alerts(OPERATOR, question).groups)


def test_a_reading_over_the_limit_is_an_alert_until_it_is_not(tmp_path: Path) -> None:
    async def scene() -> None:
        async with world(tmp_path, rule()) as one:
            await one.hear((0, 44.0))
            assert lines(one) == []
            await one.later(1)
            await one.hear((0, 57.25))
            (line,) = lines(one)
            assert (line.state, line.severity, line.count, line.open, line.wards) == ("firing", 3, 1, 1, ("00000",))
            (alert,) = one.rules.alerts_of(OPERATOR, line.id)
            assert (alert.subject, alert.value, alert.threshold, alert.version) == (urn(0), 57.25, 45.0, 1)
            assert alert.said.vi == "Trạm 0: 57,2 µg/m³ (Bụi mịn PM2.5 trên 45 µg/m³)"
            assert alert.said.en == "Trạm 0: 57.2 µg/m³ (Fine particles PM2.5 above 45 µg/m³)"
            assert alert.began_at == alert.detected_at == one.clock.now()
            await one.later(1)
            await one.hear((0, 60.0))
            assert len(lines(one)) == 1
            await one.later(1)
            await one.hear((0, 45.0))
            (line,) = lines(one)
            assert (line.state, line.count, line.open, line.ended_at) == ("ended", 1, 0, one.clock.now())

    run(scene)


def test_bad_readings_and_other_things_fire_nothing(tmp_path: Path) -> None:
    async def scene() -> None:
        only = rule("one", where=Where(entities=(urn(1),)))
        async with world(tmp_path, rule(where=Where(wards=("00001",))), only, stations=("00000", "00001")) as one:
            await one.hear((0, 99.0))
            await one.hear((1, 99.0), bad=True)
            assert lines(one) == []
            await one.later(1)
            await one.hear((1, 99.0))
            assert {(line.rule, line.newest.subject) for line in lines(one)} == {("dust", urn(1)), ("one", urn(1))}

    run(scene)


def test_texts_are_compared(tmp_path: Path) -> None:
    async def scene() -> None:
        said = rule(any_of=((Compare(attribute=NOTE, op="=", value="fire"),),))
        async with world(tmp_path, said) as one:
            await one.hear((0, "calm"), attribute=NOTE)
            assert lines(one) == []
            await one.later(1)
            await one.hear((0, "fire"), attribute=NOTE)
            assert [line.state for line in lines(one)] == ["firing"]
            await one.later(1)
            await one.hear((0, "calm"), attribute=NOTE)
            assert [line.state for line in lines(one)] == ["ended"]

    run(scene)


def test_what_waits_and_what_fires_survives_a_restart(tmp_path: Path) -> None:
    async def scene() -> None:
        slow = rule("slow", for_minutes=10)
        async with world(tmp_path, slow, rule()) as one:
            await one.hear((0, 50.0))
            assert [line.rule for line in lines(one)] == ["dust"]
        async with world(tmp_path, slow, rule()) as one:
            one.clock.set(NOW)
            await one.later(9)
            assert [line.rule for line in lines(one)] == ["dust"]
            await one.later(1)
            assert {line.rule: line.newest.began_at for line in lines(one)} == {"dust": NOW, "slow": NOW}
            await one.hear((0, 20.0))
            assert {line.state for line in lines(one)} == {"ended"}

    run(scene)


def test_windows_are_whole_again_after_a_restart(tmp_path: Path) -> None:
    async def scene() -> None:
        mean = rule(any_of=((Window(attribute=PM, statistic="mean", minutes=60, op=">", value=45.0, least=4),),))
        async with world(tmp_path, mean) as one:
            for value in (50.0, 60.0, 55.0):
                await one.hear((0, value))
                await one.hear((0, 9_000.0), bad=True, ago=-1)
                await one.later(10)
            assert lines(one) == []
        async with world(tmp_path, mean) as one:
            one.clock.set(NOW + timedelta(minutes=35))
            await one.hear((0, 40.0))
            (line,) = lines(one)
            assert line.newest.value == (50 + 60 + 55 + 40) / 4

    run(scene)


def test_a_storm_is_one_line_for_each_area(tmp_path: Path) -> None:
    async def scene() -> None:
        stations = ["00000", "00001", "00002"] * 50 + ["00003"] * 10
        async with world(tmp_path, rule(), stations=stations) as one:
            await one.hear(*((number, 90.0) for number in range(len(stations))))
            assert sorted((line.count, line.wards) for line in lines(one)) == [
                (10, ("00003",)),
                (150, ("00000", "00001", "00002")),
            ]
            await one.later(5)
            one.make(500, "00002")
            await one.hear((500, 91.0))
            assert max(line.count for line in lines(one)) == 151
            await one.hear(*((number, 9.0) for number in range(150)), ago=-1)
            assert sorted((line.open, line.state) for line in lines(one)) == [(1, "firing"), (10, "firing")]

    run(scene)


def test_who_sees_alerts_and_who_sees_to_them(tmp_path: Path) -> None:
    async def scene() -> None:
        async with world(tmp_path, rule(), stations=("00000", "00001", "00001")) as one:
            await one.hear((0, 90.0), (1, 91.0), (2, 92.0))
            (line,) = lines(one)
            assert (line.count, line.newest.value) == (3, 92.0)
            west = someone("west", "ward_officer", wards=frozenset({"00000"}))
            (mine,) = one.rules.alerts(west, ALL).groups
            assert (mine.count, mine.wards, mine.newest.value) == (1, ("00000",), 90.0)
            assert one.rules.alerts(STRANGER, ALL).groups == ()
            assert one.rules.alerts(someone("far", "ward_officer", wards=frozenset({"00003"})), ALL).total == 0
            assert await one.rules.acknowledge(west, [line.id]) == [line.id]
            assert lines(one)[0].state == "firing"  # those of the other ward are nobody's yet
            assert await one.rules.acknowledge(OPERATOR, [line.id, 99]) == [line.id]
            (line,) = lines(one)
            assert (line.state, line.acknowledged_by) == ("acknowledged", "operator")
            assert await one.rules.acknowledge(OPERATOR, [line.id]) == []
            with pytest.raises(Problem, match="may not"):
                await one.rules.acknowledge(someone("dev", "developer"), [line.id])
            await one.later(1)
            await one.hear((0, 9.0), (1, 9.0), (2, 9.0))
            assert lines(one)[0].state == "ended"

    run(scene)


def test_a_failed_write_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        async with world(tmp_path, rule()) as one:
            write, failures = one.writer.run, [1]

            async def failing(person: Any, at: Any, work: Any, acts: Any = (), **more: Any) -> Any:
                if failures and any(act.action == "alert.raise" for act in acts):
                    failures.pop()
                    raise OSError("the disk is full")
                return await write(person, at, work, acts, **more)

            monkeypatch.setattr(one.writer, "run", failing)
            await one.hear((0, 50.0))
            assert [line.count for line in lines(one)] == [1]

    run(scene)


def test_what_is_a_day_old_when_it_is_heard_raises_nothing(tmp_path: Path) -> None:
    async def scene() -> None:
        mean = Window(attribute=PM, statistic="mean", minutes=2_880, op=">", value=45.0, least=3)
        async with world(tmp_path, rule(), rule("mean", any_of=((mean,),))) as one:
            await one.hear_at_once(0, (60 * 30, 90.0), (60 * 29, 91.0), (60 * 28, 92.0))
            await one.hear_at_once(0, (60 * 27, 93.0), (60 * 26, 94.0))
            assert lines(one) == []
            await one.hear_at_once(0, (60 * 25, 95.0), (1, 2.0))
            assert [line.rule for line in lines(one)] == ["mean"]  # it counts in the window all the same

    run(scene)


def test_what_was_corrected_or_withdrawn_is_judged_as_it_stands(tmp_path: Path) -> None:
    async def scene() -> None:
        async with world(tmp_path, rule()) as one:
            await one.hear((0, 10.0))
            await one.later(5)
            await one.hear((0, 90.0))
            assert [line.state for line in lines(one)] == ["firing"]
            await one.hear((0, 20.0))  # of the same moment
            assert [line.state for line in lines(one)] == ["ended"]
            await one.hear((0, 95.0))
            assert [line.state for line in lines(one)] == ["firing", "ended"]
            await one.withdraw(0)
            assert [line.state for line in lines(one)] == ["ended", "ended"]

    run(scene)


def test_peaks_within_one_commit_are_seen(tmp_path: Path) -> None:
    async def scene() -> None:
        async with world(tmp_path, rule()) as one:
            await one.hear((0, 1.0))
            await one.later(10)
            await one.hear_at_once(0, (5, 90.0), (4, 2.0), (3, 91.0), (2, 3.0))
            (first, second) = lines(one)
            assert [(line.state, line.newest.value) for line in (first, second)] == [("ended", 91.0), ("ended", 90.0)]

    run(scene)
