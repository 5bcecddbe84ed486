"""The post against a real mail server: nothing is lost, nothing goes twice where the server answered, the dead are seen."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from dothi.data.writer import Writer
from dothi.model.text import Text
from dothi.platform.telling import store
from dothi.platform.telling.mail import Postman
from dothi.platform.telling.model import MINUTE, Note, Pace, Written
from dothi.platform.telling.posting import KEEP, Post
from dothi.settings import Settings
from dothi.store.database import migrate
from dothi.testing.clock import FixedClock
from dothi.testing.homes import open_city
from dothi.testing.mail import Inbox, mail_server
from dothi.testing.people import insider

pytestmark = pytest.mark.usefixtures("homes")
NOON = datetime(2026, 5, 11, 5, tzinfo=UTC)


class Readers:
    """Everybody whose id is a name is written to at that name; who is in ``gone`` is not any more."""

    def __init__(self) -> None:
        self.gone = set[str]()
        self.fail = False

    def pace(self, ref: str) -> Pace | None:
        return None if ref in self.gone else Pace(3, MINUTE // 2)

    async def write(self, ref: str, notes: Sequence[Note]) -> Written | None:
        if self.fail:
            raise RuntimeError("no words")
        told = ", ".join(one.words.vi for one in notes)
        return None if ref in self.gone else Written(f"{ref}@example.vn", told, told, f"<p>{told}</p>", "vi")

    def name(self, ref: str, language: str) -> str:
        return ref


class World:
    def __init__(self, home: Path, port: int) -> None:
        self.database = open_city(home)
        migrate(self.database)
        self.writer = Writer(self.database, locate=lambda *_: None)
        self.clock = FixedClock(NOON)
        self.readers = Readers()
        self.port = port
        self.post = self.begun()

    def begun(self) -> Post:
        """The post as a process that starts has it."""
        sent_by = Settings(mail_server=f"127.0.0.1:{self.port}", mail_from="a@hanoi.example", mail_tls="none").mail
        assert sent_by is not None
        zone = ZoneInfo("Asia/Ho_Chi_Minh")
        return Post(self.database, self.writer, self.clock, zone, Postman(sent_by), {"account": self.readers}, "hanoi")

    async def tell(self, *told: tuple[str, str], severity: int = 1) -> None:
        at = self.post.now()
        notes = [Note(f"account:{who}", what, "test", "", Text(what, what), severity, at) for who, what in told]
        await self.writer.run(insider(), self.clock.now(), lambda db: store.add_notes(db, notes))

    async def later(self, **span: float) -> None:
        self.clock.advance(timedelta(**span))
        await self.post.look()

    def letters(self, state: Any) -> list[tuple[str, str, int]]:
        with self.database.reader() as db:
            return [(one.recipient, one.error, one.attempts) for one in store.letters(db, state, 100)]

    def acts(self) -> list[str]:
        with self.database.reader() as db:
            query = "SELECT action FROM audit WHERE action LIKE 'telling.%' ORDER BY seq"
            return [action for (action,) in db.execute(query)]


def play(home: Path, scene: Callable[[World, Inbox], Coroutine[Any, Any, None]]) -> None:
    with mail_server() as inbox:
        world = World(home, inbox.port)
        try:
            asyncio.run(scene(world, inbox))
        finally:
            world.writer.close()
            world.database.close()


def test_what_comes_together_is_one_mail_and_is_told_once(tmp_path: Path) -> None:
    async def scene(world: World, inbox: Inbox) -> None:
        await world.tell(("an", "một"), ("an", "hai"), ("binh", "ba"))
        await world.post.look()
        assert inbox.taken == []
        await world.tell(("an", "một"))
        await world.later(seconds=30)
        told = {to: str(mail["Subject"]) for to, mail in inbox.taken}
        assert told == {"an@example.vn": "một, hai", "binh@example.vn": "ba"}
        assert inbox.connections == 1
        assert world.acts() == ["telling.send", "telling.send"]
        await world.tell(("an", "hai"))
        await world.later(hours=2)
        assert len(inbox.taken) == 2 and world.letters("waiting") == []

    play(tmp_path, scene)


def test_a_storm_is_few_mails_and_the_rest_is_in_one(tmp_path: Path) -> None:
    async def scene(world: World, inbox: Inbox) -> None:
        for minute in range(60):
            await world.tell(*(("an", f"{minute}.{one}") for one in range(10)))
            await world.later(minutes=1)
        assert len(inbox.taken) == 3
        await world.later(hours=1)
        assert len(inbox.taken) == 4
        texts = [body.get_content() for _, mail in inbox.taken if (body := mail.get_body(("plain",))) is not None]
        assert sum(len(text.split(",")) for text in texts) == 600

    play(tmp_path, scene)


def test_a_dead_server_loses_nothing_and_a_refusal_is_no_ones_else(tmp_path: Path) -> None:
    async def scene(world: World, inbox: Inbox) -> None:
        taken, inbox.answer = inbox.answer, lambda to: "550 nobody" if to.startswith("an") else "451 later"
        await world.tell(("an", "một"), ("binh", "hai"))
        await world.later(minutes=1)
        assert world.letters("dead") == [("account:an", "answered 550", 1)]
        assert world.letters("waiting") == [("account:binh", "answered 451", 1)]
        inbox.answer = taken
        await world.later(seconds=30)
        assert inbox.taken == []  # it waits before it is tried again
        await world.later(seconds=40)
        assert inbox.receivers == ["binh@example.vn"]
        with world.database.reader() as db:
            (dead,) = store.letters(db, "dead", 10)
        resent = await world.writer.run(
            insider(), world.clock.now(), lambda db: store.again(db, [dead.id, dead.id, 99], world.post.now())
        )
        assert resent == ["account:an"]
        await world.later(seconds=1)
        assert inbox.receivers == ["binh@example.vn", "an@example.vn"]
        assert world.acts() == ["telling.give_up", "telling.send", "telling.send"]

    play(tmp_path, scene)


def test_after_a_clock_that_was_ahead_people_are_told_as_before(tmp_path: Path) -> None:
    async def scene(world: World, inbox: Inbox) -> None:
        taken = inbox.answer
        world.clock.advance(timedelta(days=2))
        for minute in range(4):  # one is sent, one waits for its turn, one is tried again later
            await world.tell(("an", f"an {minute}"), ("binh", f"binh {minute}"))
            inbox.answer = (lambda to: "451 later") if minute == 3 else taken
            await world.later(minutes=1)
        world.post.server.next_at = world.post.now() + 5 * MINUTE
        ahead = len(inbox.taken)
        inbox.answer = taken
        await world.later(days=-2)
        await world.tell(("an", "nay"), ("binh", "nay"))
        await world.later(minutes=1)
        await world.later(hours=1)
        assert len(inbox.taken) > ahead and world.letters("waiting") == []
        told = " ".join(str(mail["Subject"]) for _, mail in inbox.taken)
        assert all(f"{who} {minute}" in told for who in ("an", "binh") for minute in range(4)) and told.count("nay") == 2

    play(tmp_path, scene)


def test_a_server_that_is_gone_is_tried_ever_rarer_by_whoever_runs(tmp_path: Path) -> None:
    with mail_server() as gone:
        port = gone.port
    world = World(tmp_path, port)

    async def scene() -> None:
        await world.tell(("an", "một"), ("binh", "hai"))
        await world.later(minutes=1)
        state = world.post.server
        assert (state.fault, state.failures, state.next_at - world.post.now()) == ("unreachable", 1, 5_000_000)
        for _ in range(20):
            await world.later(seconds=30)
        assert 4 < world.post.server.failures < 12
        assert world.letters("waiting") == [("account:binh", "", 0), ("account:an", "", 0)]
        world.post = world.begun()  # killed, and started again
        with mail_server(port=port) as inbox:
            await world.post.look()
            assert sorted(inbox.receivers) == ["an@example.vn", "binh@example.vn"]
            assert world.post.server.fault == ""
            await world.later(hours=1)
            assert len(set(inbox.ids)) == len(inbox.ids) == 2
        await world.tell(("an", "ba"))
        await world.later(minutes=1)
        await world.later(days=4)
        assert world.letters("dead") == [("account:an", "unreachable", 1)]

    try:
        asyncio.run(scene())
    finally:
        world.writer.close()
        world.database.close()


def test_who_is_gone_is_told_nothing_and_a_fault_of_ours_stops_nobody(tmp_path: Path) -> None:
    async def scene(world: World, inbox: Inbox) -> None:
        await world.tell(("an", "một"), ("nobody", "hai"))
        world.readers.gone.add("nobody")
        await world.later(minutes=1)
        assert inbox.receivers == ["an@example.vn"]
        world.readers.fail = True
        await world.tell(("an", "ba"))
        await world.later(hours=1)
        assert world.letters("waiting") == [("account:an", "cannot-be-written", 1)]
        world.readers.fail = False
        world.readers.gone.add("an")  # between the letter and its next try
        await world.later(hours=1)
        assert (inbox.receivers, world.letters("waiting")) == (["an@example.vn"], [])
        world.post._tidied = 0
        await world.later(days=KEEP // (24 * 3600 * 1_000_000) + 1)
        assert world.letters("sent") == []

    play(tmp_path, scene)
