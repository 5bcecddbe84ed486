"""Which members of an entity are shown: attrs, pick and omit (ETSI GS CIM 009 v1.8.1, clause 4.21)."""

import re
from dataclasses import dataclass
from typing import NamedTuple

from dothi.api.ngsild.contexts.term_map import TermMap
from dothi.model.problem import Problem, bad_request

CORE_MEMBERS = frozenset({"id", "type", "scope", "createdAt", "modifiedAt", "deletedAt", "expiresAt"})
_TOKENS = re.compile(r"[{},|]|[^{},|]+")
_UNFIT = re.compile(r"[\s;\"'<>()=\\^`]")
_LONGEST = 8192
_DEEPEST = 8


class Member(NamedTuple):
    """One member that a projection names, and what of the entities it leads to."""

    name: str
    inner: "tuple[Member, ...] | None"


@dataclass(frozen=True, slots=True)
class Projection:
    """``pick`` None is everything, ``omit`` takes away; both hold core members by name and attributes by IRI."""

    pick: tuple[Member, ...] | None = None
    omit: tuple[Member, ...] = ()

    @property
    def attributes(self) -> tuple[str, ...] | None:
        """The attributes that are shown at most; None for all."""
        return None if self.pick is None else tuple(one.name for one in self.pick if one.name not in CORE_MEMBERS)

    @property
    def dropped(self) -> frozenset[str]:
        """The members that are never shown."""
        return frozenset(one.name for one in self.omit if one.inner is None)

    @property
    def nested(self) -> bool:
        """Whether it says anything of linked entities."""
        return any(one.inner is not None for one in (*(self.pick or ()), *self.omit))

    @property
    def depth(self) -> int:
        """How many relationships away the entities are that it says anything of."""
        inner = [one.inner for one in (*(self.pick or ()), *self.omit) if one.inner is not None]
        return max((1 + Projection(one).depth for one in inner), default=0)

    def shows(self, name: str) -> bool:
        """Whether member ``name`` is shown."""
        picked = self.pick is None or any(one.name == name for one in self.pick)
        return picked and name not in self.dropped

    def within(self, name: str) -> "Projection":
        """What of the entities that attribute ``name`` leads to is shown."""
        pick = next((one.inner for one in self.pick or () if one.name == name), None)
        omit = next((one.inner for one in self.omit if one.name == name), None)
        return Projection(pick, omit or ())


WHOLE = Projection()


def read_projection(attrs: str | None, pick: str | None, omit: str | None, context: TermMap) -> Projection:
    """The projection that the three parameters ask for together. Raises Problem 400."""
    if attrs is not None and (pick is not None or omit is not None):
        raise bad_request("attrs cannot stand beside pick or omit.", "Use pick and omit.")
    if attrs is not None:
        named = tuple(Member(name, None) for name in ("id", "type", "scope", "createdAt", "modifiedAt", "expiresAt"))
        return Projection(named + _members(attrs, context, core=False))
    if pick is None and omit is None:
        return WHOLE
    picked = None if pick is None else _members(pick, context)
    omitted = () if omit is None else _members(omit, context)
    twice = {one.name for one in picked or () if one.inner is None} & {one.name for one in omitted if one.inner is None}
    if twice:
        raise bad_request(f"{context.compact(min(twice))!r} is in pick and in omit.", "Name it in one of them.")
    return Projection(picked, omitted)


def _members(text: str, context: TermMap, *, core: bool = True) -> tuple[Member, ...]:
    if len(text) > _LONGEST:
        raise bad_request(f"A projection may have {_LONGEST} characters.")
    tokens = _TOKENS.findall(text)
    found, place = _level(tokens, 0, context, core, 0)
    if place < len(tokens):
        raise _wrong(text)
    return found


def _level(tokens: list[str], place: int, context: TermMap, core: bool, deep: int) -> tuple[tuple[Member, ...], int]:
    """The members from ``place`` to the end of this level, and where it ends."""
    found = []
    while True:
        name = tokens[place].strip() if place < len(tokens) else ""
        if not name or name in "{},|" or _UNFIT.search(name):
            raise _wrong("".join(tokens))
        expanded = name if core and name in CORE_MEMBERS else context.expand(name)
        place, inner = place + 1, None
        if place < len(tokens) and tokens[place] == "{":
            if deep == _DEEPEST or not core:
                raise _wrong("".join(tokens))
            inner, place = _level(tokens, place + 1, context, core, deep + 1)
            if place >= len(tokens) or tokens[place] != "}":
                raise _wrong("".join(tokens))
            place += 1
        found.append(Member(expanded, inner))
        if place >= len(tokens) or tokens[place] not in ",|":
            return tuple(found), place
        place += 1


def _wrong(text: str) -> Problem:
    return bad_request(f"{text[:80]!r} names no members.", "Write them like id,name,locatedAt{name}.")
