"""People for tests: somebody who may do everything, up to a clearance, and anybody at all at the doors of a running city."""

import secrets
from typing import TYPE_CHECKING

from dothi.access.policy import WHOLE_CITY, Clearance, Grant, Person

if TYPE_CHECKING:
    from starlette.types import Scope

    from dothi.testing.city import RunningCity


def insider(id: str = "keeper", clearance: Clearance = Clearance.PERSONAL) -> Person:
    """Somebody who may do every action on the whole city, up to ``clearance``."""
    return Person(id, (Grant("system", WHOLE_CITY, clearance),))


class Crowd:
    """Whoever a test makes up, known to ``city`` by a bearer token of their own."""

    def __init__(self, city: "RunningCity") -> None:
        self._known: dict[str, Person] = {}
        city.platform.identity.accept("bearer", self._find)

    def headers(self, person: Person) -> dict[str, str]:
        """The headers of this person's requests."""
        token = f"test-{secrets.token_hex(8)}"
        self._known[token] = person
        return {"authorization": f"Bearer {token}"}

    async def _find(self, credential: str, _: "Scope") -> Person | None:
        return self._known.get(credential)
