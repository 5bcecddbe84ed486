"""Shifts: one is on, hands over with a note that was drafted for them, and the next one takes it."""

from datetime import timedelta
from pathlib import Path

import pytest
from incidents_world import AUDITOR, EAST, MONDAY, OPERATOR, OTHER, WEST, World, play

from dothi.model.problem import Problem
from dothi.platform.incidents import acts

pytestmark = pytest.mark.usefixtures("homes")


def test_a_shift_is_taken_handed_over_and_acknowledged(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        shifts = world.incidents.shifts
        assert shifts.current(OPERATOR) is None
        first = await shifts.take(OPERATOR, after=0)
        assert (first.person, first.ward, first.began_at, first.taken_at) == ("an", "", MONDAY, None)
        world.later(hours=8)
        await shifts.hand_over(OPERATOR, "Bàn giao")
        handed = await shifts.hand_over(OPERATOR, "Bàn giao hai sự việc")
        assert (handed.note, handed.handed_at) == ("Bàn giao hai sự việc", world.clock.now())
        world.later(minutes=5)
        second = await shifts.take(OTHER, after=first.number)
        assert shifts.current(AUDITOR) == second
        ended = shifts.past(OPERATOR)[1]
        assert (ended.taken_by, ended.taken_at, ended.note) == ("binh", MONDAY + timedelta(hours=8, minutes=5), handed.note)
        assert world.rows("SELECT person_id, action, thing FROM audit ORDER BY seq") == [
            ("an", "shift.take", "shift:centre"),
            ("an", "shift.hand", "shift:centre"),
            ("an", "shift.hand", "shift:centre"),
            ("binh", "shift.take", "shift:centre"),
        ]

    play(tmp_path, scene)


def test_two_do_not_take_over_from_one_and_nobody_hands_over_anothers(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        shifts = world.incidents.shifts
        first = await shifts.take(OPERATOR, after=0)
        for person, after, code in ((OTHER, 0, "changed-meanwhile"), (OPERATOR, first.number, "already-on")):
            with pytest.raises(Problem) as refused:
                await shifts.take(person, after=after)
            assert refused.value.code == code
        with pytest.raises(Problem) as refused:
            await shifts.hand_over(OTHER, "Không phải ca của tôi")
        assert refused.value.code == "not-your-shift"
        with pytest.raises(Problem) as refused:
            await shifts.hand_over(OPERATOR, "  ")
        assert refused.value.status == 400
        assert (await shifts.take(OTHER, after=first.number)).person == "binh"  # relieved without a note

    play(tmp_path, scene)


def test_each_ward_has_shifts_of_its_own(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        shifts = world.incidents.shifts
        assert (await shifts.take(WEST, "00001", after=0)).ward == "00001"
        assert (await shifts.take(EAST, "00002", after=0)).person == "dung"
        assert shifts.current(OPERATOR) is None
        for person, ward in ((WEST, ""), (WEST, "00002"), (AUDITOR, "00001")):
            with pytest.raises(Problem) as refused:
                await shifts.take(person, ward, after=0)
            assert refused.value.status == 403
        with pytest.raises(Problem) as refused:
            shifts.draft(WEST)
        assert refused.value.status == 403
        with pytest.raises(Problem) as refused:
            await shifts.take(OPERATOR, "99999", after=0)
        assert refused.value.status == 400

    play(tmp_path, scene)


def test_the_note_is_drafted_from_what_is_open_late_paused_and_grave(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        shifts = world.incidents.shifts
        before = await world.opened("noise")
        world.later(hours=1)
        await shifts.take(OPERATOR, after=0)
        grave = await world.opened("smog")
        paused = await world.acts(await world.opened("noise"), acts.Accept(), acts.Pause("Chờ thợ"))
        done = await world.acts(await world.opened("noise"), acts.Accept(), acts.Start(), acts.Answer("Xong"))
        world.later(hours=3, minutes=30)
        told = shifts.draft(OPERATOR)
        assert told.vi.splitlines() == [
            "Từ 10:00 11/05: 3 sự việc mới, 1 đã trả lời. Còn 3 đang mở, 1 quá hạn.",
            "",
            "Quá hạn:",
            f"- {before.code} Tiếng ồn (mới): hạn 13:00 11/05",
            "",
            "Tạm dừng:",
            f"- {paused.code} Tiếng ồn (đã tiếp nhận): Chờ thợ",
            "",
            "Nghiêm trọng, còn hạn:",
            f"- {grave.code} Khói mù (mới): hạn 14:00 11/05",
        ]
        assert told.en.splitlines()[0] == "Since 10:00 11/05: 3 new, 1 answered. 3 open, 1 overdue."
        assert done.code not in told.vi

    play(tmp_path, scene)
