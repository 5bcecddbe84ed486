"""What somebody got wrong at first is corrected, by rules: the kind of an incident, and who has it wherever it lies."""

from datetime import timedelta
from pathlib import Path

import pytest
from incidents_world import AUDITOR, EAST, ENGINEER, MONDAY, OPERATOR, OTHER, WEST, World, picture, play, someone

from dothi.access.policy import Clearance, Person
from dothi.model.problem import Problem
from dothi.model.text import Text
from dothi.platform.incidents import acts
from dothi.platform.incidents.model import Question
from dothi.platform.incidents.sight import owns, sees

pytestmark = pytest.mark.usefixtures("homes")


def test_what_the_old_kind_gave_becomes_what_the_new_one_gives(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        one = await world.opened("noise")
        assert (one.agency, one.title, one.severity) == ("water", Text("Tiếng ồn", "Noise"), 2)
        one = await world.acts(one, acts.Accept(), acts.Reclassify("smog"))
        assert (one.kind, one.agency, one.title, one.severity) == ("smog", "env", Text("Khói mù", "Smog"), 3)
        assert (one.state, one.version) == ("accepted", 3)
        told = world.incidents.timeline(OPERATOR, one.code)[-1]
        assert (told.act, told.refs) == ("reclassify", ("noise", "smog"))
        changed = {change.field: (change.before, change.after) for change in told.changes}
        assert (changed["kind"], changed["agency"], changed["severity"]) == (("noise", "smog"), ("water", "env"), (2, 3))
        assert world.rows("SELECT action, detail FROM audit ORDER BY seq")[-1] == ("incident.reclassify", "noise smog")
        assert world.incidents.find(ENGINEER, _kind("smog")).total == 1
        assert world.incidents.find(OPERATOR, _kind("noise")).total == 0

    play(tmp_path, scene)


def test_what_somebody_decided_stays(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        one = await world.opened("waste")
        one = await world.acts(
            one, acts.Rank(4, "urgent"), acts.Retitle("Khói ở bãi rác"), acts.Assign("water", assignee="chi")
        )
        one = await world.act(one, acts.Reclassify("smog"))
        assert (one.kind, one.severity, one.urgency, one.title.vi) == ("smog", 4, "urgent", "Khói ở bãi rác")
        assert (one.agency, one.assignee, one.state) == ("water", "chi", "assigned")

    play(tmp_path, scene)


def test_the_new_playbook_begins_with_nothing_done_and_nothing_late(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        one = await world.opened("noise", origin="report")
        one = await world.act(one, acts.Accept())
        clocks = one.clocks
        world.later(hours=3)
        one = await world.act(one, acts.Reclassify("smog"))
        assert one.clocks == clocks  # urgency did not change, so what is left did not either
        assert (one.playbook_at, one.steps_done) == (MONDAY + timedelta(hours=3), ())
        await world.incidents.look()
        assert [line.act for line in world.incidents.timeline(OPERATOR, one.code)] == ["open", "accept", "reclassify"]
        one = await world.act(world.incidents.get(OPERATOR, one.code), acts.DoStep(0))
        world.later(minutes=31)
        await world.incidents.look()
        late = [line for line in world.incidents.timeline(OPERATOR, one.code) if line.act == "late"]
        assert [line.refs for line in late] == [("1",)]
        one = await world.act(world.incidents.get(OPERATOR, one.code), acts.Reclassify("noise"))
        assert (one.steps_done, [what for what in one.told if what.startswith("step")]) == ((), [])
        with pytest.raises(Problem):
            await world.act(one, acts.DoStep(0))

    play(tmp_path, scene)


def test_whether_an_answer_needs_a_photo_follows_the_kind(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        one = await world.acts(await world.opened("noise"), acts.Accept(), acts.Start(), acts.Reclassify("waste"))
        with pytest.raises(Problem) as told:
            await world.act(one, acts.Answer("Đã dọn"))
        assert told.value.code == "proof-needed"
        photo = await world.incidents.photos.add(OPERATOR, one.code, picture(), "after")
        assert (await world.act(one, acts.Answer("Đã dọn", (photo.number,)))).state == "answered"

    play(tmp_path, scene)


def test_a_kind_that_is_none_or_the_same_is_refused_and_two_collide(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        one = await world.opened("waste")
        for kind in ("waste", "floods", ""):
            with pytest.raises(Problem) as told:
                await world.act(one, acts.Reclassify(kind))
            assert told.value.status == 400
        await world.act(one, acts.Reclassify("noise"))
        with pytest.raises(Problem) as second:
            await world.act(one, acts.Reclassify("smog"), OTHER)
        assert (second.value.status, second.value.code) == (409, "changed-meanwhile")

    play(tmp_path, scene)


def test_who_is_given_it_has_it_although_it_lies_in_another_ward(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        one = await world.acts(await world.opened("noise", agency="env"), acts.Assign(assignee=EAST.id))
        photo = await world.incidents.photos.add(OPERATOR, one.code, picture(), "before")
        assert [found.code for found in world.incidents.find(EAST, Question(mine=True)).incidents] == [one.code]
        assert world.incidents.get(EAST, one.code).code == one.code
        assert world.incidents.photos.read(EAST, photo.number).body
        one = await world.act(one, acts.Arrive(), EAST)
        assert "answer" in world.incidents.possible(EAST, one)
        one = await world.act(one, acts.Delegate(WEST.id), EAST)
        for person, count in ((EAST, 0), (WEST, 1)):
            assert world.incidents.find(person, Question()).total == count
        with pytest.raises(Problem) as gone:
            world.incidents.get(EAST, one.code)
        assert gone.value.status == 404

    play(tmp_path, scene)


@pytest.mark.parametrize("given", [True, False])
@pytest.mark.parametrize("clearance", list(Clearance)[:3])
@pytest.mark.parametrize(
    "person",
    [
        EAST,
        AUDITOR,
        someone(EAST.id, "ward_officer", Clearance.INTERNAL, wards=frozenset({"00002"})),
        someone(EAST.id, "engineer", agencies=frozenset({"water"})),
        someone(EAST.id, "ward_officer", types=frozenset({"urn:x"})),
        Person(EAST.id),
    ],
    ids=["officer", "auditor", "internal", "agency", "types", "nobody"],
)
def test_a_list_shows_what_a_look_at_one_shows(person: Person, clearance: Clearance, given: bool, tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        one = await world.opened("noise", agency="env", clearance=clearance)
        if given:
            one = await world.act(one, acts.Assign(assignee=EAST.id))
        listed = world.incidents.find(person, Question()).total == 1
        assert listed == sees(person, one)
        assert owns(person, one) <= listed
        if person.id == EAST.id and person.grants and clearance > Clearance.PUBLIC:
            role_reaches = person.grants[0].clearance >= clearance and person.grants[0].scope.types is None
            assert listed == (given and role_reaches)

    play(tmp_path, scene)


def _kind(kind: str) -> Question:
    return Question(kind=kind)
