"""Subscriptions as those who keep the city running see them: who is told what, whether it arrives, and what to do."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from dothi.access.policy import Person


@dataclass(frozen=True, slots=True)
class SubscriptionState:
    """One subscription and how it is doing; moments are aware UTC of the machine's clock.

    ``about`` are names of types and attributes, ``endpoint`` is an address without secrets. ``status`` is active, paused,
    expired or failed (its receiver does not take what is sent); ``held`` says why the city paused it: "owner-gone",
    "owner-lost-rights", "key-ended", "secret-lost" or nothing. ``waiting`` notifications are tried again, ``dead`` ones only
    says so. ``tenant`` names the further tenant it is of; empty for the city itself.
    """

    id: str
    name: str
    owner: str
    about: tuple[str, ...]
    endpoint: str
    status: str
    held: str
    created_at: datetime
    times_sent: int
    times_failed: int
    last_success: datetime | None
    last_failure: datetime | None
    last_error: str
    waiting: int
    dead: int
    tenant: str = ""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A notification that is not tried any more: of how many entities, made ``at`` (aware UTC, the machine's clock), tried
    so often, and why (English).
    """

    at: datetime
    entities: int
    attempts: int
    error: str


class Subscribing(Protocol):
    """The subscriptions of a running city."""

    def states(self, asker: Person) -> Sequence[SubscriptionState]:
        """All of them for who may see the operation of the city, else one's own; the oldest first, each tenant by itself."""
        ...

    def of(self, tenant: str) -> "Subscribing":
        """Those of a further tenant alone (empty for the city itself). Raises Problem 404 for an unknown one."""
        ...

    def dead(self, asker: Person, id: str, most: int) -> Sequence[DeadLetter]:
        """The newest dead notifications of a subscription, ``most`` at most. Raises Problem 404."""
        ...

    async def pause(self, asker: Person, id: str, *, correlation: str = "") -> None:
        """Send nothing until ``resume``; what waits is kept. Raises Problem 403, 404."""
        ...

    async def resume(self, asker: Person, id: str, *, correlation: str = "") -> None:
        """Send again. Raises Problem 403, 404, 409 if its owner may not have it any more."""
        ...

    async def resend(self, asker: Person, id: str, *, correlation: str = "") -> int:
        """Try the dead notifications of a subscription again; how many there are. Raises Problem 403, 404."""
        ...
