"""Clocks of incidents at work: they start, warn, run out and pause with what happens, and the city says so by itself."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from incidents_world import CITY, IN_EAST, MONDAY, OPERATOR, SECTOR, WEST, World, picture, play

from dothi.access.policy import SYSTEM
from dothi.model.ground import metres_apart
from dothi.model.text import Text
from dothi.platform.incidents import acts, clocks, looking
from dothi.platform.incidents.duplicates import alike
from dothi.platform.incidents.model import Draft, Incident, Question

pytestmark = pytest.mark.usefixtures("homes")


def at(day: int, hour: int, minute: int = 0) -> datetime:
    """A moment of May 2026 by Hanoi's clock."""
    return datetime(2026, 5, day, hour, minute, tzinfo=UTC) - timedelta(hours=7)


def test_the_centres_promise_counts_every_hour_from_the_opening(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        began = MONDAY - timedelta(minutes=90)
        one = await world.opened("smog", origin="alert", detected_from=began)
        detect, resolve = one.clocks
        assert (detect.step, detect.started, detect.stopped) == ("detect", began, MONDAY)
        assert clocks.used(detect, MONDAY, CITY.working_time) == 1.5  # found half an hour too late
        assert (resolve.step, resolve.due, one.due_at) == ("resolve", at(11, 13), at(11, 13))
        assert one.look_at == MONDAY + timedelta(hours=4 * 0.8)

    play(tmp_path, scene)


def test_a_report_is_accepted_and_handled_within_working_hours(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        one = await world.opened(origin="report", urgency="urgent")
        assert (one.clocks[0].step, one.due_at) == ("accept", at(12, 9))  # eight hours of work: the next morning
        world.clock.set(at(11, 16))
        one = await world.act(one, acts.Accept())
        assert [(clock.step, clock.stopped) for clock in one.clocks] == [("accept", at(11, 16)), ("handle", None)]
        assert one.due_at == at(12, 11)  # an hour on Monday, three on Tuesday
        one = await world.act(one, acts.Rank(2, "normal"))
        assert one.due_at == at(18, 16)  # forty hours
        one = await world.acts(one, acts.Start())
        world.clock.set(at(12, 9))
        photo = await world.incidents.photos.add(OPERATOR, one.code, picture(), "proof")
        one = await world.act(one, acts.Answer("Xong", (photo.number,)))
        assert (one.due_at, one.look_at) == (None, None)
        world.clock.set(at(13, 9))
        one = await world.act(one, acts.Reopen("Chưa xong"))
        assert one.due_at == at(19, 16)  # the day between does not count

    play(tmp_path, scene)


def test_a_pause_stops_the_clock_and_ends_by_itself(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        one = await world.opened("noise")
        one = await world.acts(one, acts.Accept(), acts.Pause("Chờ thợ", at(11, 11)))
        assert (one.due_at, one.paused_since, one.pause_reason) == (None, MONDAY, "Chờ thợ")
        assert "resume" in world.incidents.possible(OPERATOR, one)
        world.clock.set(at(11, 10, 59))
        await world.incidents.look()
        assert world.incidents.get(OPERATOR, one.code) == one
        world.clock.set(at(11, 11))
        await world.incidents.look()
        on = world.incidents.get(OPERATOR, one.code)
        assert (on.paused_since, on.due_at, on.version) == (None, at(11, 15), one.version + 1)
        assert [line.person for line in world.incidents.timeline(OPERATOR, one.code)][-1] == "system"

    play(tmp_path, scene)


def test_what_stays_paused_is_brought_to_mind_until_it_goes_on(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        one = await world.acts(await world.opened("noise"), acts.Accept(), acts.Pause("Chờ thợ"))
        short = await world.acts(await world.opened("noise"), acts.Accept(), acts.Pause("Chờ", MONDAY + timedelta(days=3)))

        async def said(of: Incident) -> list[str]:
            await world.incidents.look()
            return [line.words.vi for line in world.incidents.timeline(OPERATOR, of.code) if line.act == "paused"]

        world.clock.set(MONDAY + timedelta(days=3) - timedelta(seconds=1))
        assert await said(one) == []
        world.later(seconds=1)
        assert (await said(one), await said(one)) == (["Đã 3 ngày: Chờ thợ"],) * 2
        assert await said(short) == [], "it goes on by itself"
        world.clock.set(MONDAY + timedelta(days=13))
        assert await said(one) == ["Đã 3 ngày: Chờ thợ", "Đã 13 ngày: Chờ thợ"], "a city that slept says it once"
        world.clock.set(MONDAY + timedelta(days=15))
        assert len(await said(one)) == 3
        again = await world.acts(world.incidents.get(OPERATOR, one.code), acts.Resume(), acts.Pause("Chờ tiếp"))
        assert not [what for what in again.told if what.startswith("paused")]
        world.later(days=2)
        assert len(await said(one)) == 3
        world.later(days=1)
        assert (await said(one))[3:] == ["Đã 3 ngày: Chờ tiếp"]

    play(tmp_path, scene)


def test_pauses_of_before_are_brought_to_mind_from_the_next_start(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        one = await world.acts(await world.opened("noise"), acts.Accept(), acts.Pause("Chờ thợ"))
        forget = "UPDATE incident SET look_at = NULL"
        await world.writer.run(SYSTEM, world.clock.now(), lambda db: db.execute(forget), action="incident.write")
        await world.writer.run(SYSTEM, world.clock.now(), looking.ask_again, action="incident.write")
        await world.incidents.look()
        assert world.incidents.get(OPERATOR, one.code).look_at == MONDAY + timedelta(days=3)

    play(tmp_path, scene)


def test_the_city_warns_and_then_takes_it_one_level_up_once_each(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        one = await world.opened("noise")
        world.later(hours=3)
        await world.incidents.look()
        assert len(world.incidents.timeline(OPERATOR, one.code)) == 1
        world.later(minutes=12)
        for _ in range(2):
            await world.incidents.look()
        assert [line.act for line in world.incidents.timeline(OPERATOR, one.code)] == ["open", "warn"]
        world.later(minutes=48)
        for _ in range(2):
            await world.incidents.look()
        late = world.incidents.get(OPERATOR, one.code)
        assert (late.escalated, late.version, late.look_at) == (1, 1, None)
        last = world.incidents.timeline(OPERATOR, one.code)[-1]
        assert (last.act, last.words, last.refs) == (
            "overdue",
            Text("Quá hạn: giải quyết", "Overdue: resolution"),
            ("resolve",),
        )
        assert world.rows("SELECT action, person_id FROM audit ORDER BY seq DESC LIMIT 1") == [
            ("incident.escalate", "system")
        ]
        # Somebody who looked at it before may still act: nothing of theirs collides.
        assert (await world.act(one, acts.Accept())).state == "accepted"

    play(tmp_path, scene)


def test_a_city_that_slept_says_that_it_is_late_not_that_it_will_be(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        one = await world.opened("noise")
        world.later(days=2)
        await world.incidents.look()
        assert [line.act for line in world.incidents.timeline(OPERATOR, one.code)] == ["open", "overdue"]

    play(tmp_path, scene)


def test_steps_of_a_playbook_have_their_time_from_the_acceptance(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        one = await world.opened("smog")
        one = await world.acts(one, acts.Accept(), acts.DoStep(0, "PM2.5 180"))
        assert (one.steps_done[0].by, one.steps_done[0].note, one.version) == ("an", "PM2.5 180", 2)
        world.later(minutes=30)
        await world.incidents.look()
        last = world.incidents.timeline(OPERATOR, one.code)[-1]
        assert (last.act, last.words.vi, last.refs) == ("late", "Báo phường", ("1",))
        assert world.incidents.playbook(one) == SECTOR.playbooks[0]

    play(tmp_path, scene)


def test_likely_duplicates_are_near_in_place_and_time_and_alike_in_words(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        text = "Đống rác lớn cạnh hồ"
        one = await world.opened(text=text)
        world.later(hours=2)
        near = Draft("waste", text="dong rac lon CANH HO bốc mùi", longitude=105.7505, latitude=21.0)
        (found,) = world.incidents.duplicates(OPERATOR, near)
        assert (found.incident.code, found.apart) == (one.code, timedelta(hours=2))
        assert found.metres == pytest.approx(52, abs=1)
        assert found.score > 0.8
        same = await world.opened(text=text)
        assert [likely.incident.code for likely in world.incidents.duplicates(OPERATOR, same)] == [one.code]
        other = Draft("noise", text="quán hát tới khuya", longitude=105.7505, latitude=21.0)
        assert world.incidents.duplicates(OPERATOR, other) == []
        unlike = Draft("waste", text="nước thải chảy ra ngõ", longitude=105.752, latitude=21.0)
        assert world.incidents.duplicates(OPERATOR, unlike) == []
        spot = Draft("waste", text="nước thải chảy ra ngõ", longitude=105.7505, latitude=21.0)
        assert {likely.incident.code for likely in world.incidents.duplicates(OPERATOR, spot)} == {one.code, same.code}
        far = Draft("waste", text=text, **IN_EAST)
        assert world.incidents.duplicates(OPERATOR, far) == []
        world.later(days=4)
        assert world.incidents.duplicates(OPERATOR, near) == []
        await world.opened(text=text, **IN_EAST)
        assert world.incidents.duplicates(WEST, far) == []
        assert len(world.incidents.duplicates(OPERATOR, far)) == 1

    play(tmp_path, scene)


def test_words_are_compared_without_accents_and_distances_on_a_plane() -> None:
    assert alike("Rác ở hồ Tây", "rac o HO TAY") == 1
    assert alike("rác", "ồn") == alike("", "") == 0
    assert alike("rác hồ", "rác đường") == pytest.approx(1 / 3)
    assert metres_apart(105.85, 21.0, 105.85, 21.01) == pytest.approx(1112, abs=1)
    assert metres_apart(105.85, 21.0, 105.86, 21.0) == pytest.approx(1038, abs=1)


def test_the_load_of_wards_and_agencies_is_counted(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        one = await world.opened("noise")
        two = await world.opened("noise", **IN_EAST)
        three = await world.opened("smog")
        world.later(minutes=10)
        await world.act(one, acts.Accept())
        two = await world.acts(two, acts.Accept(), acts.Start())
        await world.acts(three, acts.Accept(), acts.Pause("Chờ gió"))
        world.later(minutes=20)
        await world.act(two, acts.Answer("Xong"))
        world.later(hours=4)
        told = {(load.ward, load.agency): load for load in world.incidents.load(OPERATOR)}
        assert list(told) == [("00001", ""), ("00002", ""), ("", "env"), ("", "water")]
        west, east = told["00001", ""], told["00002", ""]
        assert (west.open, west.overdue, west.paused, west.to_accept, west.to_answer) == (2, 1, 1, 10, None)
        assert (east.open, east.answered, east.to_accept, east.to_answer) == (0, 1, 10, 30)
        assert [load.ward or load.agency for load in world.incidents.load(WEST)] == ["00001", "env", "water"]
        assert world.incidents.find(OPERATOR, Question(overdue=True)).total == 1
        world.later(days=40)
        assert [load.ward or load.agency for load in world.incidents.load(OPERATOR)] == ["00001", "env", "water"]

    play(tmp_path, scene)
