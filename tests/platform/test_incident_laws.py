"""Laws of incidents: whatever people do in whatever order, only what the table allows happens, and nothing is lost."""

import asyncio
import tempfile
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from incidents_world import CITY, IN_EAST, MONDAY, OPERATOR, OTHER, SECTOR, World

from dothi.model.city import City
from dothi.model.problem import Problem
from dothi.model.promise import Promise
from dothi.model.text import Text
from dothi.platform.incidents import acts, changing, clocks, flow, timing
from dothi.platform.incidents.acts import Act, tag_of
from dothi.platform.incidents.changing import Scene
from dothi.platform.incidents.model import STATES, WORKED, ChangedMeanwhile, Incident, Question
from dothi.testing.homes import clear_city

# Written down a second time, by hand: the table must not come to allow more than was meant.
PATHS = {
    "new": {"accepted", "rejected", "assigned", "merged"},
    "accepted": {"rejected", "assigned", "handling", "merged"},
    "assigned": {"accepted", "handling", "merged"},
    "handling": {"accepted", "assigned", "answered", "merged"},
    "answered": {"closed", "accepted"},
    "closed": {"accepted"},
    "rejected": {"accepted"},
    "merged": set(),
}
KINDS = {one.id: one for one in SECTOR.incident_kinds}
PLAYBOOKS = {one.id: one for one in SECTOR.playbooks}
_REASON = st.just("lý do")
ACTS: st.SearchStrategy[Act] = st.one_of(
    st.builds(acts.Accept),
    st.builds(acts.Reject, _REASON),
    st.builds(acts.Assign, st.sampled_from(["", "env", "water"]), st.sampled_from(["", "00001", "00002"]), st.just("chi")),
    st.builds(acts.Delegate, st.sampled_from(["chi", "dung"])),
    st.builds(acts.Return, _REASON),
    st.builds(acts.Start),
    st.builds(acts.Arrive),
    st.builds(acts.AskHelp, st.sampled_from(["env", "00002", "nobody"])),
    st.builds(acts.Escalate, _REASON),
    st.builds(acts.Pause, _REASON),
    st.builds(acts.Resume),
    st.builds(acts.Answer, st.sampled_from(["xong", ""])),
    st.builds(acts.Close),
    st.builds(acts.Reopen, _REASON),
    st.builds(acts.Reclassify, st.sampled_from(["smog", "waste", "noise", "nothing"])),
    st.builds(acts.Rank, st.integers(0, 5), st.sampled_from(["urgent", "normal", "complex"])),
    st.builds(acts.Move, st.floats(105.6, 106.0), st.floats(20.8, 21.2)),
    st.builds(acts.Retitle, st.sampled_from(["Tên", ""])),
    st.builds(acts.Merge, st.just("SV-2605-9999")),
    st.builds(acts.Comment, st.just("lời")),
    st.builds(acts.AddTask, st.just("việc")),
    st.builds(acts.DoTask, st.integers(1, 3)),
    st.builds(acts.DoStep, st.integers(0, 3)),
)


def new(kind: str, origin: Any) -> Incident:
    made = Incident(
        code="SV-2605-0001", kind=kind, title=Text("x", "x"), text="", state="new", severity=2, urgency="normal",
        longitude=105.75, latitude=21.0, address="", ward="00001", agency="env", assignee="", origin=origin, cause="",
        opened_at=MONDAY, state_at=MONDAY, detected_from=MONDAY, version=1,
    )  # fmt: skip
    return timing.begun(made, CITY, PLAYBOOKS.get(KINDS[kind].playbook))


def check(one: Incident, now: Any) -> None:
    """What holds of every incident at every moment."""
    running = [clock for clock in one.clocks if clock.running]
    assert one.due_at == min((clock.due for clock in running if clock.due is not None), default=None)
    assert (one.paused_since is None) or one.state in ("accepted", "assigned", "handling")
    assert one.paused_since is None or not running
    assert one.worked or all(clock.stopped is not None for clock in one.clocks)
    assert one.look_at is None or one.worked
    assert (one.accepted_at is not None) or one.state in ("new", "rejected", "merged")
    assert (one.state == "answered" or one.state == "closed") <= (one.answered_at is not None and one.answer != "")
    assert (one.state == "merged") == (one.parent != "")
    assert one.severity in (1, 2, 3, 4)
    assert len({clock.step for clock in one.clocks}) == len(one.clocks)
    for clock in one.clocks:
        assert clocks.spent(clock, now, CITY.working_time) >= timedelta()


@settings(max_examples=60)
@given(
    st.sampled_from(sorted(KINDS)),
    st.sampled_from(["alert", "report", "operator"]),
    st.lists(st.tuples(ACTS, st.integers(0, 600)), max_size=25),
)
def test_no_act_ever_leads_to_a_state_that_is_not_allowed(kind: str, origin: str, done: list[tuple[Act, int]]) -> None:
    one, now = new(kind, origin), MONDAY
    for act, minutes in done:
        now += timedelta(minutes=minutes)
        possible = flow.possible(one.state, one.paused_since is not None)
        try:
            after = changing.apply(one, act, Scene(CITY, KINDS, PLAYBOOKS, "an", now)).incident
        except Problem as problem:
            assert (problem.code == "not-in-this-state") == (tag_of(act) not in possible)
            continue
        assert tag_of(act) in possible
        assert after.state == one.state or after.state in PATHS[one.state]
        assert (after.state != one.state) <= (after.state_at == now)
        check(after, now)
        one = after


@given(ACTS, st.sampled_from(sorted(STATES)), st.booleans())
def test_what_is_possible_is_what_the_table_takes(act: Act, state: Any, paused: bool) -> None:
    paused = paused and state in ("accepted", "assigned", "handling")
    try:
        led = flow.next_state(act, state, paused)
    except Problem as problem:
        assert (problem.status, tag_of(act) in flow.possible(state, paused)) == (409, False)
        assert problem.detail.startswith("Possible now")
    else:
        assert led == state or led in PATHS[state]
        assert tag_of(act) in flow.possible(state, paused)


def test_every_act_and_every_state_has_its_place_in_the_table() -> None:
    assert set(flow.TABLE) == {tag_of(one) for one in acts.AnyAct.__args__}
    led = {(state, rule.to) for rule in flow.TABLE.values() for state in rule.states if rule.to not in (None, state)}
    assert led == {(state, to) for state, reached in PATHS.items() for to in reached}
    assert set(PATHS) == set(STATES)
    assert {state for state, reached in PATHS.items() if "merged" in reached} == set(WORKED)


@settings(max_examples=60)
@given(st.lists(st.tuples(st.sampled_from(["pause", "resume", "warn"]), st.integers(1, 300)), max_size=12))
def test_what_comes_about_by_itself_is_told_once_and_never_early(done: list[tuple[str, int]]) -> None:
    scene = Scene(CITY, KINDS, PLAYBOOKS, "an", MONDAY)
    one, now, heard = changing.apply(new("smog", "operator"), acts.Accept(), scene).incident, MONDAY, list[str]()
    for what, minutes in done:
        now += timedelta(minutes=minutes)
        scene = replace(scene, at=now)
        if what != "warn":
            act = acts.Pause("x") if one.paused_since is None else acts.Resume()
            one = changing.apply(one, act, scene).incident
            continue
        playbook = PLAYBOOKS["smog"]
        for told in timing.happened(one, now, CITY, playbook):
            if told.endswith(":due"):
                (clock,) = (clock for clock in one.clocks if clock.step == "resolve")
                assert clocks.left(clock, now, CITY.working_time) <= timedelta()
            heard.append(told)
            one = replace(one, told=(*one.told, told))
        one = timing.looked_after(one, CITY, playbook)
        assert one.look_at is None or one.look_at > now
    assert len(heard) == len(set(heard))


@pytest.mark.usefixtures("homes")
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.data())
def test_merges_and_splits_keep_every_report_once(data: st.DataObject) -> None:
    async def scene(world: World) -> None:
        reports = [f"PA-{number}" for number in range(6)]
        codes = [(await world.opened(links=(("report", one),))).code for one in reports]
        for _ in range(8):
            one = world.incidents.get(OPERATOR, data.draw(st.sampled_from(codes)))
            held = [link.ref for link in world.incidents.links(OPERATOR, one.code) if link.kind == "report"]
            try:
                if data.draw(st.booleans()):
                    await world.act(one, acts.Merge(data.draw(st.sampled_from(codes))))
                elif held:
                    taken = tuple(data.draw(st.lists(st.sampled_from(held), unique=True)))
                    before = set(world.incidents.links(OPERATOR, one.code))
                    await world.act(one, acts.Split("Tách", taken))
                    codes += [
                        link.ref
                        for link in world.incidents.links(OPERATOR, one.code)
                        if link.kind == "incident" and link not in before and link.ref not in codes
                    ]
            except Problem:
                continue
            every = world.rows("SELECT ref FROM incident_link WHERE kind = 'report' ORDER BY ref")
            assert [ref for (ref,) in every] == reports
            for report in reports:
                found = world.incidents.find(OPERATOR, Question(states=(), linked=("report", report))).incidents
                assert [one.state for one in found] == ["new"]

    _example(scene)


@pytest.mark.usefixtures("homes")
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 3), st.booleans()), min_size=4, max_size=14))
def test_of_two_who_edit_one_incident_neither_overwrites_the_other(done: list[tuple[bool, int, bool]]) -> None:
    async def scene(world: World) -> None:
        first = await world.opened()
        looked = {OPERATOR.id: first, OTHER.id: first}
        wanted: dict[str, Any] = {}
        changed = 0
        for mine, what, again in done:
            person = OPERATOR if mine else OTHER
            act: Act = (
                acts.Retitle(f"Tên {changed}"),
                acts.Rank(1 + changed % 4, "urgent"),
                acts.Move(105.75 + changed / 10_000, 21.0),
                acts.Comment(f"Lời {changed}"),
            )[what]
            try:
                told = await world.incidents.act(person, first.code, act, version=looked[person.id].version)
            except ChangedMeanwhile as problem:
                assert looked[person.id].version < problem.now.version
                assert {one.field for one in problem.differences} >= _fields(looked[person.id], problem.now)
                if again:
                    looked[person.id] = problem.now
                continue
            changed += what != 3
            wanted[("title", "severity", "longitude", "words")[what]] = act
            looked[person.id] = told
        now = world.incidents.get(OPERATOR, first.code)
        assert now.version == 1 + changed
        if "title" in wanted:
            assert now.title.vi == wanted["title"].title
        if "severity" in wanted:
            assert now.severity == wanted["severity"].severity
        if "longitude" in wanted:
            assert now.longitude == wanted["longitude"].longitude

    _example(scene)


def _fields(before: Incident, after: Incident) -> set[str]:
    return {change.field for change in changing.changes(before, after)}


def _example(scene: Any) -> None:
    async def run() -> None:
        with tempfile.TemporaryDirectory() as folder:
            world = World(Path(folder))
            try:
                await scene(world)
            finally:
                world.close()

    clear_city()
    asyncio.run(run())


def test_an_incident_in_another_ward_moves_with_its_point() -> None:
    scene = Scene(CITY, KINDS, PLAYBOOKS, "an", MONDAY)
    moved = changing.apply(new("waste", "report"), acts.Move(IN_EAST["longitude"], IN_EAST["latitude"]), scene).incident
    assert (moved.ward, moved.longitude) == ("00002", 105.85)


def _worked(moment: datetime) -> bool:
    """Office hours of the test city, told by hand."""
    local = moment + timedelta(hours=7)
    return local.weekday() < 5 and (8 <= local.hour < 12 or 13 <= local.hour < 17)


_TURNS: st.SearchStrategy[Act] = st.one_of(
    *(st.builds(one) for one in (acts.Accept, acts.Start, acts.Resume)),
    *(st.builds(one, _REASON) for one in (acts.Pause, acts.Return, acts.Reopen, acts.Reject, acts.Answer)),
    st.builds(acts.Rank, st.just(2), st.sampled_from(["urgent", "normal"])),
)


@settings(max_examples=40)
@given(st.lists(st.tuples(_TURNS, st.integers(0, 500)), max_size=14), st.integers(0, 3000))
def test_clocks_of_an_incident_count_as_a_minute_by_minute_count_does(done: list[tuple[Act, int]], after: int) -> None:
    """Accept while it is new, handle and resolve while it is worked on and not paused; hours of work where they count."""
    promises = (*CITY.promises, Promise("resolve", 4, False, Text("", ""), origins=("report",)))
    city = City(
        "01", "x", CITY.title, CITY.wards, CITY.shapes, CITY.agencies, working_time=CITY.working_time, promises=promises
    )
    one = timing.begun(replace(new("waste", "report"), clocks=()), city, None)
    now, counted = MONDAY, dict.fromkeys(("accept", "handle", "resolve"), 0)

    def pass_by(minutes: int) -> datetime:
        end, moment = now + timedelta(minutes=minutes), now
        while moment < end:
            on = one.worked and one.paused_since is None
            counted["accept"] += one.state == "new" and _worked(moment)
            counted["handle"] += on and one.state != "new" and _worked(moment)
            counted["resolve"] += on
            moment += timedelta(minutes=1)
        return end

    for act, minutes in done:
        now = pass_by(minutes)
        try:
            one = changing.apply(one, act, Scene(city, KINDS, PLAYBOOKS, "an", now)).incident
        except Problem:
            continue
    now = pass_by(after)
    for clock in one.clocks:
        assert clocks.spent(clock, now, city.working_time) == timedelta(minutes=counted[clock.step])
        if clock.due is not None and clock.running:
            assert (clock.due <= now) == (clocks.left(clock, now, city.working_time) <= timedelta())
