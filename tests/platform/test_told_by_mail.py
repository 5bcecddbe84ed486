"""Who hears of what by mail: their own choice, on ground they may see when it is sent, and nobody's private words."""

from pathlib import Path

import pytest
from incidents_world import EAST, ENGINEER, IN_EAST, OPERATOR, OTHER, WEST, someone
from telling_world import World, play, text_of

from dothi.access.policy import Clearance
from dothi.model.problem import Problem
from dothi.platform.commands import store as command_rows
from dothi.platform.commands.model import Command
from dothi.platform.commands.service import Commands
from dothi.platform.incidents import acts
from dothi.platform.telling.model import Quiet
from dothi.platform.telling.wishes import Wish
from dothi.store.audit import Act
from dothi.testing.mail import Inbox
from dothi.testing.people import insider

pytestmark = pytest.mark.usefixtures("homes")
KEEPER = insider("keeper")


def test_an_address_is_asked_before_it_is_written_to(tmp_path: Path) -> None:
    async def scene(world: World, inbox: Inbox) -> None:
        await world.telling.look()
        await world.telling.want(WEST, Wish("", "chi@example.vn"))
        await world.act(await world.opened(), acts.Assign(assignee=WEST.id))
        await world.look(minutes=1)
        assert inbox.receivers == ["chi@example.vn"]
        text = text_of(inbox)
        wish = world.telling.wish(WEST.id)
        assert wish is not None and wish.confirmed_at is None
        token = world.telling.token(wish)
        assert f"https://city.example/account/telling/confirm?token={token}" in text and "SV-" not in text
        with pytest.raises(Problem, match="question"):
            await world.telling.confirm(token[:-1] + ("0" if token[-1] != "0" else "1"))
        await world.telling.confirm(token)
        await world.look(hours=1)
        assert len(inbox.taken) == 1  # what was before is not told
        await world.act(await world.opened(), acts.Assign(assignee=WEST.id))
        await world.look(minutes=1)
        assert len(inbox.taken) == 2 and "SV-2605-0002" in text_of(inbox)
        await world.telling.want(WEST, Wish("", "another@example.vn"))
        await world.act(await world.opened(), acts.Assign(assignee=WEST.id))
        await world.look(hours=1)
        assert inbox.receivers[2:] == ["another@example.vn"] and "SV-" not in text_of(inbox)
        with pytest.raises(Problem, match="question"):
            await world.telling.confirm(token)
        await world.telling.unwant(WEST)
        assert world.telling.wish(WEST.id) is None

    play(tmp_path, scene)


def test_nobodys_box_is_filled_with_questions(tmp_path: Path) -> None:
    async def scene(world: World, inbox: Inbox) -> None:
        for number in range(20):
            await world.telling.want(WEST, Wish("", f"victim{number % 2}@example.vn"))
            await world.look(minutes=1)
            if number % 3 == 0:
                await world.telling.unwant(WEST)
        assert 1 <= len(inbox.taken) <= 3

    play(tmp_path, scene)


def test_people_hear_of_what_is_given_to_them_or_their_unit(tmp_path: Path) -> None:
    async def scene(world: World, inbox: Inbox) -> None:
        for one in (OPERATOR, OTHER, WEST, EAST, ENGINEER):
            await world.wants(one, "assigned")
        inbox.taken.clear()
        first = await world.opened()  # in the west, of the agency "env"
        await world.look(minutes=1)
        assert sorted(inbox.receivers) == ["chi@example.vn", "giang@example.vn"]
        inbox.taken.clear()
        first = await world.act(first, acts.Assign(assignee=OTHER.id))
        await world.act(await world.opened(person=WEST), acts.Assign(assignee=OPERATOR.id))  # by himself: no news to him
        await world.look(minutes=10)
        assert inbox.receivers == ["binh@example.vn"]  # what is somebody's is no news to the unit
        inbox.taken.clear()
        await world.act(first, acts.AskHelp(unit="00002"))
        await world.look(minutes=30)
        assert inbox.receivers == ["dung@example.vn"] and "hỗ trợ" in text_of(inbox)

    play(tmp_path, scene)


def test_what_is_reopened_is_work_again(tmp_path: Path) -> None:
    async def scene(world: World, inbox: Inbox) -> None:
        for one in (OTHER, WEST, EAST):
            await world.wants(one, "assigned")
        done = (acts.Accept(), acts.Start(), acts.Answer("Đã dọn"))
        somebodys = await world.acts(await world.opened("noise"), acts.Assign(assignee=OTHER.id), *done[1:])
        nobodys = await world.acts(await world.opened("noise"), *done)
        await world.look(minutes=30)
        inbox.taken.clear()
        await world.act(somebodys, acts.Reopen("Vẫn còn ồn"))
        await world.act(nobodys, acts.Reopen("Vẫn còn ồn"))
        await world.look(minutes=30)
        told = {to: text_of(inbox, place) for place, to in enumerate(inbox.receivers)}
        assert set(told) == {"binh@example.vn", "chi@example.vn"}
        assert "Mở lại" in told["binh@example.vn"] and somebodys.code in told["binh@example.vn"]
        assert nobodys.code in told["chi@example.vn"] and somebodys.code not in told["chi@example.vn"]

    play(tmp_path, scene)


def test_what_is_given_back_is_told_to_the_centre_and_not_to_who_gave_it(tmp_path: Path) -> None:
    async def scene(world: World, inbox: Inbox) -> None:
        await world.telling.set_box(KEEPER, "00001", "phuong@example.vn")
        await world.wants(OTHER, "escalated")
        await world.wants(WEST, "assigned")
        one = await world.acts(await world.opened("noise"), acts.Accept(), acts.Assign(ward="00001"))
        await world.look(minutes=30)
        inbox.taken.clear()
        await world.act(one, acts.Return("Không phải việc của phường"))
        await world.look(minutes=30)
        assert inbox.receivers == ["binh@example.vn"] and "Trả lại trung tâm" in text_of(inbox)

    play(tmp_path, scene)


def test_clocks_and_escalation_reach_those_who_see_the_ground(tmp_path: Path) -> None:
    async def scene(world: World, inbox: Inbox) -> None:
        await world.wants(WEST, "clocks")
        await world.wants(EAST, "clocks")
        await world.wants(OTHER, "escalated", language="en")
        inbox.taken.clear()
        one = await world.opened("smog", **IN_EAST)
        world.later(hours=5)
        await world.incidents.look()
        await world.look(minutes=1)
        assert sorted(inbox.receivers) == ["binh@example.vn", "dung@example.vn"]
        texts = {to: text_of(inbox, place) for place, to in enumerate(inbox.receivers)}
        assert "Quá hạn: giải quyết" in texts["dung@example.vn"] and "Phường Đông" in texts["dung@example.vn"]
        assert "Overdue: resolution" in texts["binh@example.vn"] and "Smog" in texts["binh@example.vn"]
        inbox.taken.clear()
        await world.act(world.incidents.get(OPERATOR, one.code), acts.Escalate("too slow"))
        await world.look(minutes=20)
        assert inbox.receivers == ["binh@example.vn"]
        inbox.taken.clear()
        await world.act(world.incidents.get(OPERATOR, one.code), acts.Rank(2, "urgent"))
        await world.act(world.incidents.get(OPERATOR, one.code), acts.Rank(4, "urgent"))
        await world.look(minutes=30)
        assert inbox.receivers == ["binh@example.vn"] and "It grows graver" in text_of(inbox)

    play(tmp_path, scene)


def test_a_command_that_failed_is_told_loudly(tmp_path: Path) -> None:
    async def scene(world: World, inbox: Inbox) -> None:
        world.platform.commands = Commands(world.platform, [])
        await world.wants(OTHER, "commands")
        await world.wants(EAST, "commands")
        inbox.taken.clear()
        at = world.clock.now()
        told = ("open-valve", "urn:x", "https://example.org/Valve", "valve-1", {}, "failed", OPERATOR.id, at, "flood", "")
        west = ("00001", "env", Clearance.INTERNAL)
        for number in (1, 2):  # in one moment: a mark that is passed loses neither
            one = Command(f"L-{number}", *told, *west, ended_at=at, reason="thiết bị không trả lời")
            log = [Act(KEEPER.id, "command.failed", one.id)]
            await world.writer.run(
                KEEPER, at, lambda db, number=number, one=one: command_rows.add(db, "2605", number, one), log
            )
            await world.look(minutes=5)
        await world.look(hours=1)
        assert inbox.receivers == ["binh@example.vn", "binh@example.vn"]
        for place in (0, 1):
            text = text_of(inbox, place)
            assert f"/commands/L-{place + 1}" in text and "thiết bị không trả lời" in text

    play(tmp_path, scene)


def test_rights_are_asked_again_when_a_mail_goes(tmp_path: Path) -> None:
    async def scene(world: World, inbox: Inbox) -> None:
        await world.wants(WEST, "assigned")
        await world.wants(EAST, "assigned")
        inbox.taken.clear()
        await world.opened()
        await world.opened(**IN_EAST)
        await world.telling.look()
        world.accounts.now[WEST.id] = EAST  # another ward's from now on
        world.accounts.gone.add(EAST.id)
        await world.look(hours=1)
        assert inbox.taken == [] and world.rows("SELECT * FROM telling_note") == []

    play(tmp_path, scene)


def test_what_people_wrote_and_what_is_restricted_stays_here(tmp_path: Path) -> None:
    async def scene(world: World, inbox: Inbox) -> None:
        await world.wants(WEST, "assigned")
        await world.telling.set_box(KEEPER, "00001", "hop.thu@phuong.example")
        inbox.taken.clear()
        said = "Ông Nguyễn Văn A, 0912345678"
        await world.opened(origin="report", text=said, address="12 Hàng Bạc", title=None)
        await world.opened(text=said, clearance=Clearance.RESTRICTED, kind="noise")
        await world.look(minutes=2)
        texts = {to: text_of(inbox, place) for place, to in enumerate(inbox.receivers)}
        box, own = texts["hop.thu@phuong.example"], texts["chi@example.vn"]
        assert "Nguyễn" not in box + own and "0912345678" not in box + own
        assert "12 Hàng Bạc" in box and "21.00000, 105.75000" in box and "Rác thải" in box
        assert "SV-2605-0002" in own and "Tiếng ồn" not in own and "SV-2605-0002" not in box

    play(tmp_path, scene)


def test_boxes_are_an_administrators(tmp_path: Path) -> None:
    async def scene(world: World, inbox: Inbox) -> None:
        with pytest.raises(Problem, match="may not"):
            await world.telling.set_box(OPERATOR, "env", "a@example.vn")
        for unit, address in (("nobody", "a@example.vn"), ("env", "nowhere"), ("env", "a@example.vn\r\nBcc: b@example.vn")):
            with pytest.raises(Problem, match=r"No unit|no address"):
                await world.telling.set_box(KEEPER, unit, address)
        bounded = someone("khoa", "administrator", wards=frozenset({"00001"}))
        await world.telling.set_box(bounded, "00001", "tay@example.vn")
        for unit in ("00002", "env"):
            with pytest.raises(Problem, match="may not"):
                await world.telling.set_box(bounded, unit, "a@example.vn")
        with pytest.raises(Problem, match="may not"):
            await world.telling.resend(bounded, [1])
        await world.telling.set_box(KEEPER, "00001", "")
        await world.telling.set_box(KEEPER, "env", "a@example.vn")
        assert world.telling.desk(bounded).units == {}
        assert world.telling.desk(KEEPER).units == {"env": "a@example.vn"}
        await world.telling.look()
        await world.opened()
        await world.telling.look()
        await world.telling.set_box(KEEPER, "env", "")
        await world.look(hours=1)
        assert inbox.taken == [] and world.telling.desk(KEEPER).units == {}

    play(tmp_path, scene)


def test_quiet_hours_hold_all_but_what_is_critical(tmp_path: Path) -> None:
    async def scene(world: World, inbox: Inbox) -> None:
        await world.wants(WEST, "assigned", quiet=Quiet(8 * 60, 12 * 60))  # it is nine
        inbox.taken.clear()
        await world.opened()
        await world.look(hours=1)
        assert inbox.taken == []
        await world.opened(severity=4)
        await world.look(minutes=1)
        assert inbox.receivers == ["chi@example.vn"] and inbox.taken[0][1]["Subject"] == "2 tin mới"

    play(tmp_path, scene)


def test_killed_between_hearing_and_sending_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    async def scene(world: World, inbox: Inbox) -> None:
        await world.wants(WEST, "assigned")
        inbox.taken.clear()
        for _ in range(5):
            await world.opened()
            await world.telling.look()
            world.restart()
            await world.look(minutes=7)
            world.restart()
        await world.look(hours=1)
        codes = [code for place in range(len(inbox.taken)) for code in text_of(inbox, place).split() if "SV-2605-" in code]
        assert sorted(code.strip(":").rpartition("/")[2] for code in codes if "/incidents/" in code) == [
            f"SV-2605-000{number}" for number in range(1, 6)
        ]
        assert len(inbox.ids) == len(set(inbox.ids))

    play(tmp_path, scene)


def test_without_a_server_nothing_is_kept_to_be_told(tmp_path: Path) -> None:
    async def scene(world: World, _: Inbox) -> None:
        assert not world.telling.configured
        with pytest.raises(Problem, match="sends no mail"):
            await world.telling.want(WEST, Wish("", "chi@example.vn"))
        await world.opened()
        state = None
        await world.telling.run(state)  # type: ignore[arg-type]  # a task that ends at once asks nothing of its state
        assert world.rows("SELECT * FROM telling_note") == world.rows("SELECT * FROM telling_mark") == []
        assert world.telling.desk(KEEPER).configured is False

    play(tmp_path, scene, mail=False)


@pytest.mark.parametrize(
    "wish",
    [
        Wish("", "nobody"),
        Wish("", "phở@example.vn"),
        Wish("", "a@example.vn", topics=("gossip",)),
        Wish("", "a@example.vn", severity=9),
        Wish("", "a@example.vn", most=0),
        Wish("", "a@example.vn", quiet=Quiet(-1, 5)),
    ],
)
def test_a_wish_that_makes_no_sense_is_refused(tmp_path: Path, wish: Wish) -> None:
    async def scene(world: World, _: Inbox) -> None:
        with pytest.raises(Problem):
            await world.telling.want(WEST, wish)
        assert world.telling.wish(WEST.id) is None

    play(tmp_path, scene)
