"""A small city whose people are told by mail: incidents as everywhere, accounts without a password, a real mail server."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from incidents_world import AUDITOR, EAST, ENGINEER, OPERATOR, OTHER, WEST
from incidents_world import World as Incidents

from dothi.access.policy import Person
from dothi.platform.telling.service import Telling
from dothi.platform.telling.wishes import Wish
from dothi.settings import Settings
from dothi.testing.clock import FixedClock
from dothi.testing.mail import Inbox, mail_server

PEOPLE = (OPERATOR, OTHER, WEST, EAST, ENGINEER, AUDITOR)


class Accounts:
    """Everybody above, by id; who is in ``gone`` is let in no more, ``now`` replaces what somebody may."""

    def __init__(self) -> None:
        self.gone = set[str]()
        self.now = {one.id: one for one in PEOPLE}

    def person_of(self, account: str) -> Person | None:
        return None if account in self.gone else self.now.get(account)

    def account(self, account: str) -> Any:
        return SimpleNamespace(name=account.capitalize()) if account in self.now else None


class World(Incidents):
    """``machine`` is the clock that people live by."""

    def __init__(self, home: Path, port: int) -> None:
        super().__init__(home)
        server = {"mail_server": f"127.0.0.1:{port}", "mail_from": "bao@hanoi.example", "mail_tls": "none"} if port else {}
        settings = Settings(home=home, url="https://city.example", **server)  # type: ignore[arg-type]  # texts, as pydantic reads
        self.accounts = Accounts()
        self.machine = FixedClock(self.clock.now())
        more = {"settings": settings, "accounts": self.accounts, "tenant": "hanoi", "replay": None, "simulated": False}
        self.platform = SimpleNamespace(**(vars(self.platform) | more), incidents=self.incidents)
        self.restart()

    def restart(self) -> None:
        self.telling = Telling(self.platform, self.machine)
        self.platform.telling = self.telling

    async def wants(self, person: Person, *topics: str, **wish: Any) -> None:
        """``person`` confirmed that they want to hear of these."""
        wanted = Wish(person.id, f"{person.id}@example.vn", topics=topics)
        await self.telling.want(person, replace(wanted, **wish))
        kept = self.telling.wish(person.id)
        assert kept is not None
        await self.telling.confirm(self.telling.token(kept))
        await self.telling.look()

    async def look(self, **span: float) -> None:
        """Hear what happened, let time pass for both clocks, then send."""
        await self.telling.look()
        self.later(**span)
        self.machine.advance(timedelta(**span))
        await self.telling.look()


def play(home: Path, scene: Callable[[World, Inbox], Coroutine[Any, Any, None]], *, mail: bool = True) -> None:
    with mail_server() as inbox:
        world = World(home, inbox.port if mail else 0)
        try:
            asyncio.run(scene(world, inbox))
        finally:
            world.close()


def text_of(inbox: Inbox, place: int = -1) -> str:
    body = inbox.taken[place][1].get_body(("plain",))
    assert body is not None
    return str(body.get_content())
