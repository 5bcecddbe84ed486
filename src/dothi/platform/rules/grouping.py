"""Storms: alerts of one rule in one area within a time are one line, however many they are. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from dothi.model.clock import MICROSECONDS

TOGETHER = 6 * 3_600 * MICROSECONDS
"""An alert joins a line to which something was added no longer ago than this (µs)."""
NOWHERE = ""

Neighbours = Callable[[str], frozenset[str]]
"""The wards that touch a ward, by code."""


@dataclass(slots=True)
class Group:
    """A line that is not over: the wards (codes, NOWHERE for none) of its alerts, and when the newest was found (µs)."""

    id: int
    rule: str
    newest: int
    wards: set[str] = field(default_factory=set)


class Groups:
    """The lines to which an alert may still be added. ``number`` gives out the number of a new one."""

    def __init__(self, neighbours: Neighbours) -> None:
        self._neighbours = neighbours
        self._by_rule: dict[str, list[Group]] = {}

    def add(self, group: Group) -> None:
        """One that was kept."""
        self._by_rule.setdefault(group.rule, []).append(group)

    def drop(self, rule: str, number: int) -> None:
        """One that is over."""
        self._by_rule[rule] = [one for one in self._by_rule.get(rule, ()) if one.id != number]

    def get(self, rule: str, number: int) -> Group | None:
        """One that is not over."""
        return next((one for one in self._by_rule.get(rule, ()) if one.id == number), None)

    def place(
        self, rule: str, wards: Sequence[str], now: int, number: Callable[[], int], spread: int = 1
    ) -> dict[str, Group]:
        """For each of the ``wards`` of new alerts the group they belong to, an old one or a new one.

        Wards no more than ``spread`` steps apart hang together.
        """
        found: dict[str, Group] = {}
        near = {ward: around(self._neighbours, ward, spread) for ward in wards}
        for area in _areas(near):
            reached = area.union(*(near[ward] for ward in area))
            group = next(
                (one for one in self._by_rule.get(rule, ()) if now - one.newest <= TOGETHER and one.wards & reached), None
            )
            if group is None:
                group = Group(number(), rule, now)
                self.add(group)
            group.newest = now
            group.wards |= area
            found.update(dict.fromkeys(area, group))
        return found


def around(neighbours: Neighbours, ward: str, spread: int) -> frozenset[str]:
    """A ward and those no more than ``spread`` steps from it; NOWHERE is by itself."""
    near = frozenset({ward})
    for _ in range(spread if ward else 0):
        near = near.union(*(neighbours(one) for one in near))
    return near


def _areas(near: Mapping[str, frozenset[str]]) -> list[set[str]]:
    """Wards that hang together, of those that each has ``near``."""
    left = dict.fromkeys(near)
    areas = []
    while left:
        area, edge = set[str](), [next(iter(left))]
        while edge:
            ward = edge.pop()
            if ward not in left:
                continue
            del left[ward]
            area.add(ward)
            edge += [one for one in near[ward] if one in left]
        areas.append(area)
    return areas
