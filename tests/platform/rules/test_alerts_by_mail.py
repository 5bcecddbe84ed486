"""A new line of alerts goes by mail to who asked for such, on ground they may see, once for each line."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rules_world import World, rule, run, world

from dothi.access.policy import Clearance, Grant, Person, Scope
from dothi.platform.telling.service import Telling
from dothi.platform.telling.wishes import Wish
from dothi.settings import Settings
from dothi.testing.clock import FixedClock
from dothi.testing.mail import Inbox, mail_server

pytestmark = pytest.mark.usefixtures("homes")


def officer(id: str, ward: str) -> Person:
    return Person(id, (Grant("ward_officer", Scope(wards=frozenset({ward})), Clearance.RESTRICTED),))


PEOPLE = {one.id: one for one in (officer("chi", "00000"), officer("dung", "00003"), officer("em", "00000"))}


class Post:
    """Somebody tells these people by ``inbox``."""

    def __init__(self, one: World, home: Path, inbox: Inbox) -> None:
        server: dict[str, Any] = {
            "mail_server": f"127.0.0.1:{inbox.port}",
            "mail_from": "a@hanoi.example",
            "mail_tls": "none",
        }
        accounts = SimpleNamespace(person_of=PEOPLE.get, account=lambda id: SimpleNamespace(name=id))
        more = {"settings": Settings(home=home, **server), "accounts": accounts, "tenant": "hanoi", "replay": None}
        self.clock = FixedClock(one.clock.now())
        platform = SimpleNamespace(**(vars(one.platform) | more), simulated=False, rules=one.rules)
        self.telling = platform.telling = Telling(platform, self.clock)  # type: ignore[arg-type]  # what it needs of one

    async def wants(self, who: str, severity: int) -> None:
        await self.telling.want(PEOPLE[who], replace(Wish("", f"{who}@example.vn"), topics=("alerts",), severity=severity))
        kept = self.telling.wish(who)
        assert kept is not None
        await self.telling.confirm(self.telling.token(kept))
        await self.telling.look()

    async def look(self) -> None:
        await self.telling.look()
        self.clock.advance(timedelta(minutes=30))
        await self.telling.look()


def test_a_line_is_told_once_to_those_of_its_ground_and_severity(tmp_path: Path) -> None:
    async def scene() -> None:
        with mail_server() as inbox:
            async with world(tmp_path, rule(), stations=("00000", "00001", "00003")) as one:
                post = Post(one, tmp_path, inbox)
                await post.wants("chi", 3)
                await post.wants("dung", 3)
                await post.wants("em", 4)
                inbox.taken.clear()
                await one.hear((0, 90.0))
                await one.later(1)
                await post.look()
                assert inbox.receivers == ["chi@example.vn"]
                mail = inbox.taken[0][1]
                assert mail["Subject"] == "Cảnh báo: Bụi vượt ngưỡng"
                text = mail.get_body(("plain",))
                assert text is not None and "Phường Tây" in text.get_content() and "/alerts?group=" in text.get_content()
                await one.hear((1, 91.0))  # next door: the same line
                await one.later(1)
                await post.look()
                assert inbox.receivers == ["chi@example.vn"]
                await one.hear((2, 92.0))
                await one.later(1)
                await post.look()
                assert inbox.receivers == ["chi@example.vn", "dung@example.vn"]

    run(scene)
