"""Lines of alerts: every alert has one, those of one area share it, and no line joins what does not touch."""

from hypothesis import given, settings
from hypothesis import strategies as st
from rules_world import CITY

from dothi.platform.rules.grouping import TOGETHER, Groups
from dothi.platform.rules.neighbours import Neighbours

ROW = [f"{number:02d}" for number in range(12)]  # wards in a row: each touches the next


def beside(ward: str) -> frozenset[str]:
    place = ROW.index(ward)
    return frozenset(ROW[one] for one in (place - 1, place + 1) if 0 <= one < len(ROW))


@settings(max_examples=60)
@given(st.lists(st.tuples(st.sets(st.sampled_from([*ROW, ""]), min_size=1), st.integers(0, 5)), min_size=1, max_size=8))
def test_the_law_of_lines(storms: list[tuple[set[str], int]]) -> None:
    groups, now, given_out = Groups(beside), 0, iter(range(1, 1_000))
    newest: dict[int, int] = {}
    held: dict[int, set[str]] = {}
    for wards, hours in storms:
        now += hours * TOGETHER // 4
        placed = groups.place("rule", sorted(wards), now, lambda: next(given_out))
        assert placed.keys() == wards
        for ward, group in placed.items():
            assert ward in group.wards
            near = {ward} | (beside(ward) if ward else frozenset())
            for other in wards & near:
                assert placed[other].id == group.id  # what touches shares a line
        for group in {group.id: group for group in placed.values()}.values():
            before = held.get(group.id, set())
            if before:
                assert now - newest[group.id] <= TOGETHER
            whole = group.wards - {""}
            reached, edge = set[str](), [min(whole)] if whole else []
            while edge:
                one = edge.pop()
                if one not in reached:
                    reached.add(one)
                    edge += beside(one) & whole
            assert reached == whole and ("" not in group.wards or not whole)  # a line is one area
            newest[group.id], held[group.id] = now, set(group.wards)
    assert groups.get("other", 1) is None
    groups.drop("rule", 1)
    assert groups.get("rule", 1) is None


def test_how_far_apart_alerts_of_one_line_may_be() -> None:
    told = ["00", "02", "05", ""]

    def lines(spread: int) -> int:
        numbers = iter(range(1, 10))
        return len({group.id for group in Groups(beside).place("rule", told, 0, lambda: next(numbers), spread).values()})

    assert [lines(spread) for spread in (0, 1, 2, 3)] == [4, 4, 3, 2]


def test_wards_that_touch_are_neighbours() -> None:
    around = Neighbours(CITY)
    assert around("00001") == {"00000", "00002"}
    assert around("00003") == around("nowhere") == frozenset()
