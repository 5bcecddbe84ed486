"""What of work is over goes after as long as a city says: counted before, recorded, and nothing that is still needed."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from incidents_world import IN_WEST, MONDAY, OPERATOR, OTHER, WEST, World, picture, play

from dothi.access.policy import SYSTEM
from dothi.data.retention import Retention
from dothi.data.trail import DAY
from dothi.model.clock import to_micros
from dothi.model.problem import Problem
from dothi.model.text import Text
from dothi.platform.destroying import kept_of
from dothi.platform.incidents import acts
from dothi.platform.incidents.model import Draft, Incident

pytestmark = pytest.mark.usefixtures("homes")


def keeping(world: World) -> Retention:
    """The rules of the world's city."""
    made = Retention(world.database, world.writer, world.clock, {})
    world.platform.incidents = world.incidents
    for one in kept_of(world.platform):
        made.keep(one)
    return made


def write(world: World, statement: str, *values: Any) -> Any:
    return world.writer.run(SYSTEM, world.clock.now(), lambda db: db.execute(statement, values) and None)


async def reported(world: World, report: str, photo: str = "red") -> Incident:
    """An incident that a report led to, answered and closed, with a photo of its sender's."""
    told = "Ông Nguyễn Văn A, số 7, đổ rác"
    one = await world.opened("noise", origin="report", text=told, links=(("report", report),))
    at = to_micros(world.clock.now())
    await write(
        world,
        "INSERT INTO report (id, code, incident, same, at, language, text, title, shown, released) "
        "VALUES (?,?,?,0,?,'vi',?,'Rác','Có rác',1)",
        *(report, report, one.code, at, told),
    )
    await write(
        world,
        "INSERT INTO report_rating (report, answered_at, incident, kind, ward, agency, score, comment, at) "
        "VALUES (?,?,?,'noise','00001','water',3,'Tôi ở số 7',?)",
        *(report, at, one.code, at),
    )
    await world.incidents.photos.add(SYSTEM, one.code, picture(photo), "report", report=report)
    one = await world.acts(one, acts.Retitle("Rác", told + ", sửa"), acts.Accept(), acts.Start(), acts.Answer("Đã dọn"))
    return await world.act(one, acts.Close())


def files(world: World) -> int:
    return sum(path.is_file() for path in (world.database.folder / "files").rglob("*"))


def everything(world: World) -> str:
    """All that the city's database says, as text."""
    tables = ("incident", "incident_entry", "report", "report_rating")
    return " ".join(str(row) for table in tables for row in world.rows(f"SELECT * FROM {table}"))  # noqa: S608 - ours


def test_words_and_photos_go_before_the_incident_does(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        rules = keeping(world)
        old = await reported(world, "PA-1")
        world.later(days=100)
        young = await reported(world, "PA-2", "blue")
        world.later(days=1)
        assert await rules.doomed(SYSTEM, "work:words", 90) == {to_micros(MONDAY) // DAY: 1}
        assert await rules.doomed(SYSTEM, "work:words", 200) == {}
        for dataset in ("work:words", "work:photos"):
            await rules.change(SYSTEM, dataset, 90)
        before, said = files(world), everything(world).count("Nguyễn Văn A")
        await rules.destroy()
        assert everything(world).count("Nguyễn Văn A") == said / 2 > 0
        assert world.rows("SELECT id, text, shown FROM report ORDER BY id") == [
            ("PA-1", "", "Có rác"),
            ("PA-2", "Ông Nguyễn Văn A, số 7, đổ rác", "Có rác"),
        ]
        kept = world.incidents.get(OPERATOR, old.code)
        assert (kept.text, kept.title.vi, kept.state, kept.photos) == ("", "Rác", "closed", 0)
        assert "số 7" not in str(world.incidents.timeline(OPERATOR, old.code))
        assert (world.incidents.get(OPERATOR, young.code).photos, files(world)) == (1, before - 2)
        told = world.rows("SELECT thing, result, detail FROM audit WHERE action = 'retention.destroy' ORDER BY seq")
        assert [(thing, result) for thing, result, _ in told] == [
            ("work:words", "begun"), ("work:words", "done"), ("work:photos", "begun"), ("work:photos", "done")
        ]  # fmt: skip
        assert told[0][2] == "days 2026-05-11 to 2026-05-11 (1), rows 1"
        await rules.destroy()
        assert len(world.rows("SELECT 1 FROM audit WHERE action = 'retention.destroy'")) == 4

    play(tmp_path, scene)


def test_no_word_of_anybody_stays_in_titles_ratings_reopenings_and_merges(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        rules = keeping(world)
        said = Text("Tiếng ồn: quán của ông Văn A", "Noise: quán của ông Văn A")
        found = list[Incident]()
        for report in ("PA-1", "PA-2"):
            one = Draft("noise", "report", title=said, text="quán của ông Văn A", links=(("report", report),), **IN_WEST)
            found.append(await world.incidents.open(SYSTEM, one))
            row = "INSERT INTO report (id, code, incident, same, at, language, text) VALUES (?,?,?,0,0,'vi',?)"
            await write(world, row, report, report, found[-1].code, "quán của ông Văn A" if report == "PA-1" else "")
        merged, kept = found
        await world.act(merged, acts.Merge(kept.code))
        kept = await world.acts(
            world.incidents.get(OPERATOR, kept.code), acts.Accept(), acts.Start(), acts.Answer("Đã nhắc")
        )
        await world.incidents.note(kept.code, "Chưa hài lòng: vẫn ông Văn A", "Not satisfied: vẫn ông Văn A", act="rated")
        again = acts.Reopen("Tối qua quán ông Văn A lại ồn")
        kept = await world.incidents.act(SYSTEM, kept.code, again, version=kept.version)
        kept = await world.acts(kept, acts.Start(), acts.Answer("Đã phạt"), acts.Reopen("Phạt chưa đủ"), acts.Start())
        kept = await world.acts(kept, acts.Answer("Đã xong"), acts.Close())
        world.later(days=100)
        await rules.change(SYSTEM, "work:words", 90)
        await rules.destroy()
        assert "Văn A" not in everything(world) and "van a" not in everything(world)
        told = [(one.act, one.words.vi) for one in world.incidents.timeline(OPERATOR, kept.code) if one.words.vi]
        assert ("rated", "Chưa hài lòng") in told and ("reopen", "Phạt chưa đủ") in told
        assert told[0] == ("open", "Tiếng ồn") and ("absorb", "Tiếng ồn") in told
        assert world.incidents.get(OPERATOR, merged.code).title.en == "Noise"
        assert await rules.doomed(SYSTEM, "work:words", 90) == {}

    play(tmp_path, scene)


def test_an_incident_goes_with_all_that_is_its_own_and_nothing_else(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        rules = keeping(world)
        old = await reported(world, "PA-1")
        merged = await world.opened("noise", links=(("report", "PA-9"),))
        living = await world.opened("noise")
        await world.act(merged, acts.Merge(living.code))  # its report is the living one's now
        answered = await world.acts(await world.opened("noise"), acts.Accept(), acts.Start(), acts.Answer("Xong"))
        world.later(days=400)
        await rules.change(SYSTEM, "work:incidents", 365)
        await rules.destroy()
        left = [code for (code,) in world.rows("SELECT code FROM incident ORDER BY code")]
        assert left == [living.code, answered.code]
        for table in ("incident_entry", "incident_link", "incident_help", "incident_photo"):
            codes = {code for (code,) in world.rows(f"SELECT incident FROM {table}")}  # noqa: S608 - names of our own
            assert codes <= set(left)
        assert world.rows("SELECT count(*) FROM report") == world.rows("SELECT count(*) FROM report_rating") == [(0,)]
        assert world.incidents.links(OPERATOR, living.code)[0].ref == "PA-9"
        assert files(world) == 0
        new = await world.opened("noise")
        assert new.code not in {old.code, merged.code, *left}, "no code is ever given twice"

    play(tmp_path, scene)


def test_who_was_killed_in_between_goes_on(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        rules = keeping(world)
        await reported(world, "PA-1")
        world.later(days=100)
        await rules.change(SYSTEM, "work:photos", 40)
        sweep, real = asyncio.Event(), rules._kept["work:photos"]

        async def killed() -> None:
            sweep.set()
            raise SystemError

        rules.keep(type(real)(real.dataset, real.title, real.count, real.take, killed))
        with pytest.raises(SystemError):
            await rules.destroy()
        assert sweep.is_set()
        assert (world.rows("SELECT count(*) FROM incident_photo WHERE removed_at IS NULL"), files(world) > 0) == (
            [(0,)],
            True,
        )
        await keeping(world).destroy()
        assert files(world) == 0
        results = world.rows("SELECT result FROM audit WHERE action = 'retention.destroy' ORDER BY seq")
        assert results == [("begun",), ("done",)]

    play(tmp_path, scene)


def test_ended_alerts_and_commands_go_and_open_ones_stay(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        rules = keeping(world)
        at = to_micros(MONDAY)
        for id, state, ended in ((1, "ended", at), (2, "firing", None), (3, "ended", at + 90 * DAY)):
            await write(
                world,
                "INSERT INTO alert_group (id, rule, state, severity, began_at, detected_at, newest_at, ended_at, wards) "
                "VALUES (?,'r',?,2,?,?,?,?,'[]')",
                *(id, state, at, at, at, ended),
            )
        world.later(days=100)
        await rules.change(SYSTEM, "work:alerts", 40)
        await rules.change(SYSTEM, "work:commands", 40)
        await rules.destroy()
        assert [id for (id,) in world.rows("SELECT id FROM alert_group ORDER BY id")] == [2, 3]

    play(tmp_path, scene)


def test_shifts_go_once_they_are_over_and_who_is_on_stays(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        rules, shifts = keeping(world), world.incidents.shifts
        await shifts.take(OPERATOR, after=0)
        await shifts.take(WEST, "00001", after=0)
        world.later(days=1)
        await shifts.hand_over(OPERATOR, "Máy bơm phường Tây còn hỏng")
        second = await shifts.take(OTHER, after=1)
        world.later(days=100)
        third = await shifts.take(OPERATOR, after=second.number)
        world.later(days=40)
        assert await rules.doomed(SYSTEM, "work:shifts", 90) == {to_micros(MONDAY) // DAY + 1: 1}
        await rules.change(SYSTEM, "work:shifts", 90)
        await rules.destroy()
        assert [one.number for one in shifts.past(OPERATOR)] == [third.number, second.number]
        assert [one.person for one in shifts.past(OPERATOR, "00001")] == [WEST.id], "nobody relieved them"
        fourth = await shifts.take(OTHER, after=third.number)
        assert fourth.number > third.number, "numbers go on"

    play(tmp_path, scene)


def test_a_month_is_the_least_and_for_ever_what_nobody_chose(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        rules = keeping(world)
        assert {(one.days, one.default) for one in rules.list(SYSTEM) if one.rows} == {(None, None)}
        for days in (0, 1, 31, 40_000):
            with pytest.raises(Problem) as told:
                await rules.change(SYSTEM, "work:incidents", days)
            assert told.value.status == 400
        await reported(world, "PA-1")
        world.later(days=3_000)
        await rules.destroy()
        assert world.rows("SELECT count(*) FROM incident") == [(1,)]

    play(tmp_path, scene)
