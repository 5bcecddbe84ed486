"""What an account was granted, as it is written down, and who may grant it: nobody gives more than they hold."""

from collections.abc import Iterable, Mapping

import msgspec

from dothi.access.policy import Clearance, Grant, Person, Scope, reach
from dothi.access.roles import ROLES
from dothi.model.problem import Problem, bad_request

NOT_FOR_PEOPLE = frozenset({"system", "device"})
STRONG_ROLES = frozenset({"administrator", "security_officer"})
"""Roles that sleep in a session until a second factor was shown (multi-factor for administrators, all security levels)."""


class Granted(msgspec.Struct, frozen=True, omit_defaults=True):
    """One grant as kept and as sent: a role, a clearance (number), and bounds; None is without bounds.

    ``sectors`` are ids of sectors: it covers the entity types they declare.
    """

    role: str
    clearance: int = int(Clearance.INTERNAL)
    wards: tuple[str, ...] | None = None
    agencies: tuple[str, ...] | None = None
    sectors: tuple[str, ...] | None = None

    def grant(self, types_of_sector: Mapping[str, frozenset[str]]) -> Grant:
        """The same as the policy has it. A sector that is not installed covers nothing."""
        types = None
        if self.sectors is not None:
            types = frozenset[str]().union(*(types_of_sector.get(one, frozenset()) for one in self.sectors))
        wards = None if self.wards is None else frozenset(self.wards)
        agencies = None if self.agencies is None else frozenset(self.agencies)
        return Grant(self.role, Scope(wards, agencies, types), Clearance(self.clearance))


def decode(text: str) -> tuple[Granted, ...]:
    """The grants of an account's row; one whose role this version does not know holds nothing."""
    return tuple(one for one in msgspec.json.decode(text, type=tuple[Granted, ...]) if one.role in ROLES)


def encode(granted: Iterable[Granted]) -> str:
    """The grants as a row keeps them."""
    return msgspec.json.encode(tuple(granted)).decode()


def check(granted: Iterable[Granted], kind: str) -> None:
    """Refuse grants that nobody of ``kind`` ("person" or "system") may hold. Raises Problem 400."""
    for one in granted:
        role = ROLES.get(one.role)
        if role is None or one.role == "system" or (kind == "person" and one.role in NOT_FOR_PEOPLE):
            raise bad_request(f"There is no role {one.role!r} to give.", "GET /api/v1/roles lists them.")
        if not 0 <= one.clearance <= role.ceiling:
            raise bad_request(
                f"The role {one.role} reaches at most {Clearance(role.ceiling).name.lower()}.", "Choose a lower clearance."
            )
        if any(bound is not None and not bound for bound in (one.wards, one.agencies, one.sectors)):
            raise bad_request("A grant over nothing gives nothing.", "Leave the bound out, or name what it covers.")


def require_within(by: Person, grants: Iterable[Grant]) -> None:
    """Refuse if ``by`` does not administer all that ``grants`` reach. Raises Problem 403.

    The city itself, and who has the key of its home, administer everybody: also who may know what they may not.
    """
    if any(one.role == "system" and one.scope.everything for one in by.grants):
        return
    reached = reach(by, "people.write")
    parts = reached.parts if reached is not None else ()
    for grant in grants:
        if not any(grant.clearance <= most and inside(grant.scope, scope) for most, scope in parts):
            raise Problem(
                403, "beyond-reach", "This reaches further than what you administer.", "Ask an administrator of the city."
            )


def inside(inner: Scope, outer: Scope) -> bool:
    """True if everything in ``inner`` lies in ``outer``."""
    pairs = ((inner.wards, outer.wards), (inner.agencies, outer.agencies), (inner.types, outer.types))
    return all(bound is None or (mine is not None and mine <= bound) for mine, bound in pairs)
