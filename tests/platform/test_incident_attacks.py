"""What somebody might try with incidents: read another's by its cause, be rid of a clock, prove nothing, name nobody."""

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from incidents_world import AUDITOR, CITY, EAST, IN_EAST, MONDAY, OPERATOR, WEST, World, picture, play

from dothi.access.policy import SYSTEM
from dothi.model.problem import Problem
from dothi.model.text import Text
from dothi.platform.incidents import acts, changing, clocks, timing
from dothi.platform.incidents.acts import Act
from dothi.platform.incidents.model import ChangedMeanwhile, Incident, Question


async def refused(world: World, incident: Incident, act: Act) -> str:
    with pytest.raises(Problem) as caught:
        await world.act(incident, act)
    return caught.value.code


def test_a_cause_shows_nobody_an_incident_they_may_not_see(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        first = await world.opened(cause="sensors:7")
        assert (await world.opened(cause="sensors:7", person=WEST)).code == first.code
        with pytest.raises(Problem) as caught:
            await world.opened(cause="sensors:7", person=EAST, **IN_EAST)
        assert (caught.value.status, caught.value.code) == (409, "cause-taken")

    play(tmp_path, scene)


def test_work_is_given_to_people_who_are_here(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        one = await world.act(await world.opened("noise"), acts.Assign(assignee="chi"))
        for nobody in ("khong-ai", AUDITOR.id):
            for act in (acts.Assign(assignee=nobody), acts.Delegate(nobody), acts.AddTask("Đi xem", nobody)):
                assert await refused(world, one, act) == "bad-request"
        assert world.incidents.get(OPERATOR, one.code) == one

    play(tmp_path, scene)


def test_reports_are_tied_by_who_sends_them_only(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        one = await world.opened()
        assert await refused(world, one, acts.Tie("report", "0011223344556677")) == "bad-request"
        assert (await world.act(one, acts.Tie("report", "0011223344556677"), SYSTEM)).reports == 1

    play(tmp_path, scene)


def test_how_it_was_is_no_proof_that_it_is_solved(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        one = await world.acts(await world.opened("waste"), acts.Accept(), acts.Start())
        add = world.incidents.photos.add
        before = [
            (await add(SYSTEM, one.code, picture("red"), "report", report="0011223344556677")).number,
            (await add(OPERATOR, one.code, picture("blue"), "before")).number,
        ]
        for number in before:
            assert await refused(world, one, acts.Answer("Đã dọn sạch.", (number,))) == "bad-request"
        after = await add(OPERATOR, one.code, picture("green"), "after")
        assert (await world.act(one, acts.Answer("Đã dọn sạch.", (after.number,)))).proof == (after.number,)

    play(tmp_path, scene)


def test_a_photo_proves_one_answer_only(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        one = await world.acts(await world.opened("waste"), acts.Accept(), acts.Start())
        photos = world.incidents.photos
        first = (await photos.add(OPERATOR, one.code, picture("green"), "after")).number
        assert photos.proving(OPERATOR, one.code) == {first}
        one = await world.act(one, acts.Answer("Đã dọn sạch.", (first,)))
        one = await world.acts(one, acts.Reopen("Vẫn còn rác"), acts.Start())
        world.later(hours=-1)  # a clock that was ahead is put right
        assert photos.proving(OPERATOR, one.code) == set()
        assert await refused(world, one, acts.Answer("Đã dọn sạch.", (first,))) == "new-proof-needed"
        again = await photos.add(OPERATOR, one.code, picture("green"), "after")
        assert (again.number, photos.proving(OPERATOR, one.code)) == (first, set()), "the same picture is no new one"
        second = (await photos.add(OPERATOR, one.code, picture("blue"), "proof")).number
        assert photos.proving(OPERATOR, one.code) == {second}
        other = await world.acts(await world.opened("waste"), acts.Accept(), acts.Start())
        third = (await photos.add(OPERATOR, other.code, picture("red"), "after")).number
        await world.act(other, acts.Merge(one.code))
        assert photos.proving(OPERATOR, one.code) == {second, third}
        one = world.incidents.get(OPERATOR, one.code)
        one = await world.act(one, acts.Answer("Đã dọn lại.", (first, second)))
        assert one.proof == (first, second)
        await world.act(one, acts.Reopen("Lại có rác"))
        assert photos.proving(OPERATOR, one.code) == set(), "nor does one that came with another incident"

    play(tmp_path, scene)


def test_who_is_late_is_late_still_after_a_merge(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        late = await world.acts(await world.opened("waste", origin="report", urgency="urgent"), acts.Accept(), acts.Start())
        world.later(hours=7)
        fresh = await world.acts(
            await world.opened("waste", origin="report", urgency="urgent"), acts.Accept(), acts.Pause("Chờ xe")
        )
        await world.act(late, acts.Merge(fresh.code))
        joined = world.incidents.get(OPERATOR, fresh.code)
        assert [one.paused for one in joined.clocks if one.step == "handle"] == [True]
        joined = await world.act(joined, acts.Resume())
        assert joined.due_at == world.clock.now()  # nothing is left: it ran out before it was merged
        await world.incidents.look()
        assert [one.act for one in world.incidents.timeline(OPERATOR, fresh.code)][-1] == "overdue"
        assert world.incidents.get(OPERATOR, fresh.code).escalated == 1

    play(tmp_path, scene)


Origin = Literal["operator", "report"]


def test_a_merge_loses_no_gravity_no_task_and_no_helper(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        grave = await world.acts(await world.opened("noise"), acts.Accept(), acts.Assign(ward="00001"))
        grave = await world.acts(grave, acts.Rank(4, "urgent"), acts.AddTask("Gọi điện lực"), acts.AddTask("Rào lại"))
        grave = await world.acts(grave, acts.DoTask(2), acts.AskHelp("00002"))
        into = await world.act(await world.opened("noise"), acts.AddTask("Chụp ảnh"))
        await world.act(grave, acts.Merge(into.code))
        now = world.incidents.get(OPERATOR, into.code)
        assert (now.severity, now.version) == (4, into.version + 1)
        assert [(one.number, one.text, one.done_at) for one in now.tasks] == [
            (1, "Chụp ảnh", None),
            (2, "Gọi điện lực", None),
        ]
        assert now.help == ("00002",) and world.incidents.get(EAST, into.code).code == into.code
        assert [one.code for one in world.incidents.find(EAST, Question()).incidents] == [into.code]
        told = world.incidents.timeline(OPERATOR, into.code)[-1]
        assert told.act == "absorb" and {one.field for one in told.changes} == {"severity", "tasks", "help"}
        with pytest.raises(ChangedMeanwhile) as second:
            await world.act(into, acts.Rank(1, "normal"))
        assert [(one.field, one.after) for one in second.value.differences if one.field == "severity"] == [("severity", 4)]
        milder = await world.opened("noise")
        await world.act(milder, acts.Merge(into.code))
        again = world.incidents.get(OPERATOR, into.code)
        assert (again.severity, again.version) == (4, now.version)

    play(tmp_path, scene)


def test_the_playbook_of_what_is_split_off_begins_then(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        one = await world.opened("smog", links=(("report", "PA-1"), ("report", "PA-2")))
        one = await world.act(one, acts.Accept())
        one = await world.act(one, acts.DoStep(0))
        world.later(minutes=40)
        await world.incidents.look()
        split = await world.act(world.incidents.get(OPERATOR, one.code), acts.Split("Khác", ("PA-2",)))
        code = next(link.ref for link in world.incidents.links(OPERATOR, split.code) if link.kind == "incident")
        world.later(minutes=14)
        await world.incidents.look()
        assert "late" not in [entry.act for entry in world.incidents.timeline(OPERATOR, code)]
        world.later(minutes=1)
        await world.incidents.look()
        late = [entry.refs for entry in world.incidents.timeline(OPERATOR, code) if entry.act == "late"]
        assert late == [("0",)]

    play(tmp_path, scene)


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(*[st.sampled_from(("operator", "report"))] * 2),
    st.tuples(*[st.sampled_from(("urgent", "normal"))] * 2),
    st.integers(0, 3_000),
    st.booleans(),
)
def test_a_merge_never_leaves_anybody_more_time(
    origins: tuple[Origin, Origin], urgencies: tuple[Literal["urgent", "normal"], ...], apart: int, paused: bool
) -> None:
    def made(place: int, at: datetime, *todo: Act) -> Incident:
        one = Incident(
            code=f"SV-2605-000{place}", kind="waste", title=Text("x", "x"), text="", state="new", severity=2,
            urgency=urgencies[place], longitude=None, latitude=None, address="", ward="00001", agency="", assignee="",
            origin=origins[place], cause="", opened_at=at, state_at=at, detected_from=at, version=1,
        )  # fmt: skip
        one = timing.begun(one, CITY, None)
        for act in todo:
            one = changing.apply(one, act, changing.Scene(CITY, {}, {}, "an", at)).incident
        return one

    now = MONDAY + timedelta(minutes=apart)
    other = made(0, MONDAY, acts.Accept())
    target = made(1, now, acts.Accept(), *([acts.Pause("Chờ xe")] if paused else []))
    joined = timing.absorbed(target, other, now, CITY, None)
    for one in (*target.clocks, *other.clocks):
        if one.stopped is None:
            mine = next(clock for clock in joined.clocks if clock.step == one.step)
            assert clocks.left(mine, now, CITY.working_time) <= clocks.left(one, now, CITY.working_time)
            assert mine.paused == paused
    assert [one.step for one in joined.clocks] == list(dict.fromkeys(one.step for one in joined.clocks))


def test_more_time_is_warned_of_and_told_of_anew(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        one = await world.acts(await world.opened("waste", origin="report", urgency="urgent"), acts.Accept(), acts.Start())
        world.later(hours=7)  # four working hours
        await world.incidents.look()
        one = await world.act(world.incidents.get(OPERATOR, one.code), acts.Rank(2, "normal"))
        assert one.due_at is not None and one.due_at > world.clock.now()
        world.later(days=14)
        await world.incidents.look()
        told = [line.act for line in world.incidents.timeline(OPERATOR, one.code)]
        assert (told.count("overdue"), world.incidents.get(OPERATOR, one.code).escalated) == (2, 2)

    play(tmp_path, scene)


@pytest.mark.parametrize("hours", [-14, 0, 14])
@pytest.mark.parametrize("year", [1, 1800, 2100, 9999])
def test_a_moment_of_no_calendar_here_is_refused(tmp_path: Path, year: int, hours: int) -> None:
    async def scene(world: World) -> None:
        one = await world.act(await world.opened(), acts.Accept())
        moment = datetime(year, 12 if year == 9999 else 1, 31, 23, tzinfo=timezone(timedelta(hours=hours)))
        assert await refused(world, one, acts.AddTask("Đi xem", due_at=moment)) == "bad-request"
        assert await refused(world, one, acts.Pause("Chờ", moment)) == "bad-request"
        near = (MONDAY + timedelta(days=1)).astimezone(timezone(timedelta(hours=hours)))
        kept = await world.act(one, acts.Pause("Chờ", near))
        assert kept.paused_until == near and kept.paused_until.tzinfo is UTC

    play(tmp_path, scene)
