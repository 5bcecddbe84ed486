"""Incidents as people work on them: opened once, seen by who may, worked on step by step, nothing overwritten."""

import asyncio
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from incidents_world import (
    AUDITOR,
    EAST,
    ENGINEER,
    IN_EAST,
    IN_WEST,
    MONDAY,
    OPERATOR,
    OTHER,
    WEST,
    World,
    picture,
    play,
)

from dothi.access.policy import SYSTEM, Person
from dothi.model.problem import Problem
from dothi.model.text import Text
from dothi.platform.incidents import acts, flow, store
from dothi.platform.incidents.model import TOLD, ChangedMeanwhile, Draft, Near, Question

pytestmark = pytest.mark.usefixtures("homes")


def test_an_incident_is_opened_with_what_its_kind_and_place_say(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        first = await world.opened("smog", **IN_WEST, detected_from=MONDAY - timedelta(minutes=20), origin="alert")
        assert (first.code, first.state, first.version) == ("SV-2605-0001", "new", 1)
        assert (first.title, first.severity, first.urgency) == (Text("Khói mù", "Smog"), 3, "normal")
        assert (first.ward, first.agency, first.assignee) == ("00001", "env", "")
        second = await world.opened("noise", **IN_EAST, title=Text("Ồn", "Loud"), severity=1, urgency="urgent", agency="env")
        assert (second.code, second.title.en, second.severity, second.urgency) == ("SV-2605-0002", "Loud", 1, "urgent")
        assert (second.ward, second.agency) == ("00002", "env")
        assert world.incidents.get(OPERATOR, first.code) == first
        (line,) = world.incidents.timeline(OPERATOR, first.code)
        assert (line.act, line.person, line.words, line.at) == ("open", "an", first.title, MONDAY)
        assert world.rows("SELECT person_id, action, thing FROM audit ORDER BY seq") == [
            ("an", "incident.open", "SV-2605-0001"),
            ("an", "incident.open", "SV-2605-0002"),
        ]

    play(tmp_path, scene)


def test_the_month_of_a_code_is_the_citys_and_its_numbers_begin_anew(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        await world.opened()
        world.clock.set(MONDAY.replace(day=31, hour=16, minute=59))
        assert (await world.opened()).code == "SV-2605-0002"
        world.later(minutes=1)  # midnight in Hanoi, still May elsewhere
        assert (await world.opened()).code == "SV-2606-0001"

    play(tmp_path, scene)


def test_a_number_is_given_once_also_when_what_had_it_is_gone(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        first, second = await world.opened(), await world.opened()
        gone = "DELETE FROM incident WHERE code IN (?, ?)"
        both = (first.code, second.code)
        await world.writer.run(SYSTEM, world.clock.now(), lambda db: db.execute(gone, both) and None)
        assert (await world.opened()).code == "SV-2605-0003"

    play(tmp_path, scene)


def test_a_cause_opens_one_incident_however_often_it_is_told(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        drafts = [world.opened("smog", cause="alert-group:7", links=(("alert-group", "7"),)) for _ in range(5)]
        found = await asyncio.gather(*drafts)
        assert {one.code for one in found} == {"SV-2605-0001"}
        assert [one.alerts for one in found] == [1] * 5
        other = await world.opened("smog", cause="alert-group:8")
        await world.act(found[0], acts.Merge(other.code))
        assert (await world.opened("smog", cause="alert-group:7")).code == other.code
        await world.incidents.note("alert-group:8", "Hết cảnh báo", "The alert ended")
        assert world.incidents.timeline(OPERATOR, other.code)[-1].words == Text("Hết cảnh báo", "The alert ended")

    play(tmp_path, scene)


@pytest.mark.parametrize(
    "wrong",
    [
        Draft("floods"),
        Draft("waste", severity=5),
        Draft("waste", longitude=105.0),
        Draft("waste", longitude=500.0, latitude=0.0),
        Draft("waste", ward="99999"),
        Draft("waste", agency="none"),
        Draft("waste", title=Text(" ", " ")),
        Draft("waste", text="x" * 5001),
    ],
)
def test_what_makes_no_sense_is_not_opened(tmp_path: Path, wrong: Draft) -> None:
    async def scene(world: World) -> None:
        with pytest.raises(Problem) as told:
            await world.incidents.open(OPERATOR, wrong)
        assert told.value.status == 400
        assert world.rows("SELECT count(*) FROM incident") == [(0,)]

    play(tmp_path, scene)


def test_each_sees_and_changes_what_lies_in_their_reach(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        west, east = await world.opened(), await world.opened("noise", **IN_EAST)
        everything, any_state = {west.code, east.code}, Question()

        def seen(person: Person) -> set[str]:
            return {one.code for one in world.incidents.find(person, any_state).incidents}

        assert [seen(one) for one in (OPERATOR, AUDITOR)] == [everything, everything]
        assert [seen(one) for one in (WEST, EAST, ENGINEER)] == [{west.code}, {east.code}, {west.code}]
        with pytest.raises(Problem) as unknown:
            world.incidents.get(EAST, west.code)
        assert unknown.value.status == 404
        for person, status in ((EAST, 404), (AUDITOR, 403)):
            with pytest.raises(Problem) as refused:
                await world.act(west, acts.Accept(), person)
            assert refused.value.status == status
        with pytest.raises(Problem):
            await world.opened(person=EAST)
        assert world.incidents.possible(AUDITOR, west) == ()
        assert world.incidents.possible(WEST, west)[:3] == ("accept", "reject", "assign")
        assert (await world.act(west, acts.Accept(), WEST)).state == "accepted"

    play(tmp_path, scene)


def test_who_was_asked_to_help_sees_it_and_does_what_does_not_decide_it(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        one = await world.acts(await world.opened("noise"), acts.Assign(assignee="chi"))
        for person in (EAST, ENGINEER):
            assert world.incidents.find(person, Question()).total == 0
        one = await world.acts(one, acts.AskHelp("00002", "Cần xe"), acts.AskHelp("env"), acts.AskHelp("env"))
        assert one.help == ("00002", "env")
        for person in (EAST, ENGINEER):
            assert [found.code for found in world.incidents.find(person, Question()).incidents] == [one.code]
            assert world.incidents.possible(person, one) == ("ask_help", "comment", "add_task", "do_task", "do_step", "tie")
            await world.act(one, acts.Comment("Xe đang đến"), person)
            photo = await world.incidents.photos.add(person, one.code, picture(), "before")
            for refused in (
                world.act(one, acts.Start(), person),
                world.incidents.photos.release(person, photo.number),
            ):
                with pytest.raises(Problem) as told:
                    await refused
                assert told.value.status == 403
        assert world.incidents.possible(AUDITOR, one) == ()

    play(tmp_path, scene)


def test_an_incident_is_worked_on_to_its_answer(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        one = await world.opened("noise")
        one = await world.act(one, acts.Accept())
        world.later(minutes=5)
        one = await world.act(one, acts.Assign(ward="00001", assignee="chi"))
        assert (one.state, one.agency, one.assignee) == ("assigned", "water", "chi")
        one = await world.act(one, acts.Arrive(), WEST)
        assert (one.state, one.arrived_at) == ("handling", world.clock.now())
        one = await world.act(one, acts.Answer("Đã nhắc nhở quán"), WEST)
        assert (one.state, one.answer, one.answered_at) == ("answered", "Đã nhắc nhở quán", world.clock.now())
        one = await world.act(one, acts.Close())
        assert (one.state, one.version, one.accepted_at) == ("closed", 6, MONDAY)
        told = world.incidents.timeline(OPERATOR, one.code)
        assert [line.act for line in told] == ["open", "accept", "assign", "arrive", "answer", "close"]
        assert [(change.field, change.after) for change in told[2].changes] == [("state", "assigned"), ("assignee", "chi")]
        one = await world.act(one, acts.Reopen("Vẫn ồn"))
        assert (one.state, one.answer, one.answered_at, one.accepted_at) == ("accepted", "", None, MONDAY)

    play(tmp_path, scene)


def test_the_second_of_two_is_shown_the_difference_and_nothing_is_overwritten(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        seen = await world.opened()
        await world.act(seen, acts.Retitle("Rác ở hồ"), OPERATOR)
        with pytest.raises(ChangedMeanwhile) as told:
            await world.act(seen, acts.Rank(4, "urgent"), OTHER)
        problem = told.value
        assert (problem.status, problem.code, problem.now.title.vi) == (409, "changed-meanwhile", "Rác ở hồ")
        assert [(one.field, one.person, one.at) for one in problem.differences] == [("title", "an", MONDAY)]
        assert problem.differences[0].before == {"vi": "Rác thải", "en": "Waste"}
        assert world.incidents.get(OPERATOR, seen.code).severity == 2
        await world.act(seen, acts.Comment("Tôi đang đến"), OTHER)
        again = await world.act(problem.now, acts.Rank(4, "urgent"), OTHER)
        assert (again.title.vi, again.severity, again.version) == ("Rác ở hồ", 4, 3)

    play(tmp_path, scene)


def test_what_is_sent_again_is_done_once(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        seen = await world.opened()

        async def send(person: Person, act: acts.Act, once: str) -> int:
            return (await world.incidents.act(person, seen.code, act, version=seen.version, once=once)).version

        assert [await send(WEST, acts.Accept(), "a1") for _ in range(3)] == [2, 2, 2]
        for _ in range(2):
            await send(WEST, acts.Comment("Đã đến"), "a2")
            await send(OTHER, acts.Comment("Tôi cũng đến"), "a2")  # another sender's word
        told = world.incidents.timeline(OPERATOR, seen.code)
        assert [(line.act, line.person) for line in told[1:]] == [("accept", "chi"), ("comment", "chi"), ("comment", "binh")]
        assert world.rows("SELECT count(*) FROM audit") == [(4,)]
        with pytest.raises(ChangedMeanwhile):
            await send(OTHER, acts.Reject("Không"), "a1")

    play(tmp_path, scene)


def test_who_listens_is_told_what_changed(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        listening = world.incidents.listen()
        first = asyncio.ensure_future(anext(listening))
        await asyncio.sleep(0)
        one, other = await world.opened(), await world.opened()
        assert await first <= {one.code, other.code}
        await world.act(one, acts.Merge(other.code))
        async with asyncio.timeout(30):
            heard = set(await anext(listening))
            while not heard >= {one.code, other.code}:
                heard |= await anext(listening)

    play(tmp_path, scene)


def test_incidents_are_found_by_what_is_known_of_them(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        waste = await world.opened(text="Đống rác cạnh hồ Tây", address="12 Thụy Khuê", origin="report")
        world.later(minutes=1)
        noise = await world.opened("noise", **IN_EAST, severity=4, urgency="urgent")
        noise = await world.act(noise, acts.Assign(assignee="an"))
        closed = await world.opened("noise")
        closed = await world.act(closed, acts.Reject("Không thuộc thành phố"))

        def found(**question: Any) -> list[str]:
            return [one.code for one in world.incidents.find(OPERATOR, Question(**question)).incidents]

        assert found() == [noise.code, waste.code]  # the one with less time left first
        assert found(states=("rejected",)) == [closed.code]
        assert found(states=()) == [noise.code, waste.code, closed.code]
        assert found(ward="00002") == found(severity=3) == found(urgency="urgent") == found(assignee="an") == [noise.code]
        assert found(mine=True) == found(kind="noise") == found(agency="water") == [noise.code]
        assert found(text="dong rac THUY") == found(origin="report") == [waste.code]
        assert found(text="100%") == found(text="_") == []
        assert found(near=Near(105.7501, 21.0, 50)) == [waste.code]
        assert found(since=MONDAY + timedelta(seconds=1)) == [noise.code]
        assert found(order="newest") == [noise.code, waste.code]
        assert found(limit=1, offset=1) == [waste.code]
        told = world.incidents.find(OPERATOR, Question(limit=1))
        assert (told.total, told.overdue, told.states["new"], told.states["rejected"]) == (2, 0, 1, 1)
        world.later(hours=5)
        assert found(overdue=True) == [noise.code]
        assert world.incidents.find(OPERATOR, Question()).overdue == 1

    play(tmp_path, scene)


def test_a_file_of_them_has_what_the_pages_have_in_one_look(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        for number in range(7):
            one = await world.opened("smog" if number % 2 else "waste", **(IN_EAST if number % 3 else {}))
            if number == 2:
                await world.acts(one, acts.Accept(), acts.Reject("Trùng"))
            world.later(minutes=1)
        for person in (OPERATOR, WEST, AUDITOR):
            for question in (Question(), Question(states=(), order="newest"), Question(kind="smog", order="severity")):
                pages = [
                    world.incidents.find(person, replace(question, limit=2, offset=at)).incidents for at in (0, 2, 4, 6)
                ]
                assert world.incidents.every(person, question, 100) == [one for page in pages for one in page]
                assert world.incidents.every(person, replace(question, limit=1, offset=3), 2) == list(pages[0])

    play(tmp_path, scene)


def test_merging_and_splitting_keep_every_report(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        one = await world.opened(links=(("report", "PA-1"), ("report", "PA-2")), origin="report")
        two = await world.opened(links=(("report", "PA-3"),), origin="report")
        merged = await world.act(one, acts.Merge(two.code))
        assert (merged.state, merged.parent, merged.reports) == ("merged", two.code, 0)
        two = world.incidents.get(OPERATOR, two.code)
        assert two.reports == 3
        assert {(link.ref, link.first) for link in world.incidents.links(OPERATOR, two.code)} == {
            ("PA-1", one.code),
            ("PA-2", one.code),
            ("PA-3", two.code),
        }
        world.later(hours=1)
        two = await world.act(two, acts.Accept())
        two = await world.act(two, acts.Split("Khác", ("PA-2",)))
        (code,) = {link.ref for link in world.incidents.links(OPERATOR, two.code) if link.kind == "incident"}
        three = world.incidents.get(OPERATOR, code)
        assert (two.reports, three.reports, three.title.vi, three.state) == (2, 1, "Khác", "accepted")
        assert (three.opened_at, three.clocks) == (two.opened_at, two.clocks)
        with pytest.raises(Problem):
            await world.act(two, acts.Split("Lạ", ("PA-2",)))
        with pytest.raises(Problem):
            await world.act(two, acts.Merge(one.code))
        with pytest.raises(Problem):
            await world.act(two, acts.Merge(two.code))

    play(tmp_path, scene)


def test_everything_a_timeline_says_has_its_words() -> None:
    sources = Path(store.__file__).parent.glob("*.py")
    written = re.compile(r"write_entry\(\s*[\w.]+,\s*[\w.]+,\s*[\w.]+,\s*[\w.]+,\s*\"(\w+)\"", re.DOTALL)
    told = {act for path in sources for act in written.findall(path.read_text(encoding="utf-8"))}
    assert {"open", "overdue", "absorb"} <= told, "the lines are no longer found in the code"
    assert told <= TOLD.keys() | flow.TABLE.keys()
    assert TOLD.keys().isdisjoint(flow.TABLE)
