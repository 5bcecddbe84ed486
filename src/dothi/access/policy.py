"""The one place that decides: ``may`` for a thing at hand, ``reach`` for the same answer as the filter of a query.

A person holds grants: a role (what they may do), a scope (over what) and a clearance (how much of it they may know). What is
public anybody may read. Deny by default: an action that no role names is nobody's, what nobody classified is internal.
"""

from dataclasses import dataclass, field
from functools import lru_cache

from dothi.access.roles import ACTIONS, ROLES
from dothi.model.clearance import Clearance as Clearance
from dothi.model.problem import Problem


@dataclass(frozen=True, slots=True)
class Thing:
    """What an action is done to: its clearance, ward (code), owning agency and entity type (IRI); None belongs to none."""

    clearance: Clearance = Clearance.INTERNAL
    ward: str | None = None
    agency: str | None = None
    type: str | None = None


@dataclass(frozen=True, slots=True)
class Scope:
    """Over what a grant holds: wards (codes), agencies, entity types (IRIs; a sector is the types it declares).

    None is all of them. A thing must lie in each of the three; one that belongs to no ward lies in no list of wards.
    """

    wards: frozenset[str] | None = None
    agencies: frozenset[str] | None = None
    types: frozenset[str] | None = None

    def covers(self, thing: Thing) -> bool:
        """True if ``thing`` lies within."""
        return (
            (self.wards is None or thing.ward in self.wards)
            and (self.agencies is None or thing.agency in self.agencies)
            and (self.types is None or thing.type in self.types)
        )

    def common(self, other: "Scope") -> "Scope":
        """What lies in both."""

        def both(mine: frozenset[str] | None, theirs: frozenset[str] | None) -> frozenset[str] | None:
            if mine is None or theirs is None:
                return theirs if mine is None else mine
            return mine & theirs

        return Scope(both(self.wards, other.wards), both(self.agencies, other.agencies), both(self.types, other.types))

    @property
    def everything(self) -> bool:
        """True for a scope without bounds."""
        return self.wards is None and self.agencies is None and self.types is None


WHOLE_CITY = Scope()


@dataclass(frozen=True, slots=True)
class Grant:
    """One role, over a scope, up to a clearance."""

    role: str
    scope: Scope = WHOLE_CITY
    clearance: Clearance = Clearance.INTERNAL


@dataclass(frozen=True, slots=True)
class Person:
    """Who asks: a person or a machine, by id only, with what they were granted."""

    id: str
    grants: tuple[Grant, ...] = ()

    def __hash__(self) -> int:
        return hash(self.id)  # every question to the policy looks up what was answered before: grants take long to hash


@dataclass(frozen=True, slots=True)
class Reach:
    """What a person reaches with an action: what is public, if ``public``, and what lies in one of ``parts``."""

    public: bool
    parts: tuple[tuple[Clearance, Scope], ...] = field(default=())

    def covers(self, thing: Thing) -> bool:
        """True if ``thing`` is reached: the same answer as ``may``, and as ``where`` gives a query."""
        if self.public and thing.clearance == Clearance.PUBLIC:
            return True
        return any(thing.clearance <= clearance and scope.covers(thing) for clearance, scope in self.parts)

    def where(self, *, clearance: str, ward: str, agency: str, type: str) -> tuple[str, list[object]]:
        """The same as a condition of SQL over four expressions (``type`` one of an IRI), and its parameters."""
        whole = [most for most, scope in self.parts if scope.everything] + [Clearance.PUBLIC] * self.public
        conditions, values = list[str](), list[object]()
        if whole:
            conditions.append(f"{clearance} <= ?")
            values.append(int(max(whole)))
        for most, scope in self.parts:
            if scope.everything or (whole and most <= max(whole)):
                continue
            bounds = [f"{clearance} <= ?"]
            values.append(int(most))
            for column, wanted in ((ward, scope.wards), (agency, scope.agencies), (type, scope.types)):
                if wanted is not None:
                    bounds.append(f"{column} IN ({','.join('?' * len(wanted)) or 'NULL'})")
                    values += sorted(wanted)
            conditions.append(" AND ".join(bounds))
        return f"({' OR '.join(conditions) or '1 = 0'})", values

    def within(self, door: "Reach") -> "Reach":
        """What is reached through a ``door`` that has bounds of its own; whoever may pass it reaches what is public."""
        parts = tuple((min(mine, theirs), scope.common(bound)) for mine, scope in self.parts for theirs, bound in door.parts)
        return Reach(self.public and (door.public or bool(door.parts)), parts)

    @property
    def throughout(self) -> Clearance | None:
        """The highest clearance that is reached in the whole city; None if it is reached in parts of it only."""
        return max(
            (most for most, scope in self.parts if scope.everything), default=Clearance.PUBLIC if self.public else None
        )

    @property
    def whole(self) -> bool:
        """True if some part of it has no bounds: whole-city figures may be told."""
        return self.covers(Thing())


def may(person: Person, action: str, thing: Thing | Clearance | None = None) -> bool:
    """True if ``person`` may do ``action``: at all, without a thing; else on that thing (of no ward, for a bare clearance).

    An unknown action is refused.
    """
    reached = reach(person, action)
    if reached is None or thing is None:
        return reached is not None
    return reached.covers(Thing(thing) if isinstance(thing, Clearance) else thing)


def make_sure_of_all(person: Person, action: str) -> None:
    """Make sure that ``person`` may do ``action`` to the whole city, not in some ward of it. Raises Problem 403."""
    if not may(person, action, Thing()):
        raise Problem(403, "not-allowed", f"{person.id} may not do this for the whole city.", "Sign in as one who may.")


@lru_cache(maxsize=4096)
def reach(person: Person, action: str) -> Reach | None:
    """What ``person`` reaches with ``action``; None reaches nothing."""
    public = ACTIONS.get(action)
    if public is None:
        return None
    parts = dict[tuple[Clearance, Scope], None]()
    for grant in person.grants:
        role = ROLES.get(grant.role)  # one that was taken out of the code is nobody's any more
        if role is not None and action in role.actions:
            parts[min(grant.clearance, Clearance(role.ceiling)), grant.scope] = None
    return Reach(public, tuple(parts)) if public or parts else None


STRANGER = Person("stranger")
LOCAL_OPERATOR = Person("local-operator", (Grant("system", WHOLE_CITY, Clearance.RESTRICTED),))
SYSTEM = Person("system", (Grant("system", WHOLE_CITY, Clearance.RESTRICTED),))
