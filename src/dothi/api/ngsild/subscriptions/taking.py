"""What it means that a receiver took a notification, or did not; both ways of sending speak in these words."""

from dataclasses import dataclass, field
from typing import Any


class NotTaken(Exception):  # noqa: N818 - named for what happened
    """A receiver did not take what was sent. ``refused`` says that it answered, and its answer was no."""

    def __init__(self, why: str, *, refused: bool = False) -> None:
        super().__init__(why)
        self.refused = refused


def unreached(error: Exception) -> NotTaken:
    """What a failed connection means, in words for whoever looks after it."""
    if isinstance(error, ConnectionRefusedError):
        return NotTaken("nothing listens at this address")
    if isinstance(error, ConnectionError):
        return NotTaken("the receiver hung up before it answered")
    return NotTaken(f"the connection failed: {error}"[:300])


@dataclass(frozen=True, slots=True)
class Target:
    """Where and how to send. ``headers`` go along as they are; ``notifier`` is what the sender itself is asked to do.

    ``timeout`` and ``cooldown`` are seconds. ``link`` is the Link header's value, empty where the body has its @context.
    """

    uri: str
    media: str
    link: str
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)  # they may be credentials
    notifier: tuple[tuple[str, str], ...] = ()
    timeout: float = 10.0
    cooldown: float = 0.0


def target_of(endpoint: dict[str, Any], link: str, tenant: str, timeout: float, longest: float) -> Target:
    """The target an endpoint (clause 5.2.15) describes; it is waited for ``timeout`` seconds unless it says otherwise.

    A further ``tenant`` is named beside what its endpoint asks for (clause 6.3.14).
    """

    def pairs(name: str) -> tuple[tuple[str, str], ...]:
        return tuple((one["key"], one["value"]) for one in endpoint.get(name, ()))

    media = endpoint.get("accept", "application/json")
    return Target(
        endpoint["uri"],
        media,
        "" if media == "application/ld+json" else link,
        (*pairs("receiverInfo"), *((("NGSILD-Tenant", tenant),) if tenant else ())),
        pairs("notifierInfo"),
        min(endpoint.get("timeout", timeout * 1000) / 1000, longest),
        endpoint.get("cooldown", 0) / 1000,
    )
