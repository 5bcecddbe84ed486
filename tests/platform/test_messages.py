"""What the city says on every page: to whom, from when until when, a few at a time, written down."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from incidents_world import MONDAY, OPERATOR, World, play, someone

from dothi.model.problem import Problem
from dothi.model.text import Text
from dothi.platform.messages import LONGEST, MOST, Messages

pytestmark = pytest.mark.usefixtures("homes")
ADMIN = someone("minh", "administrator")
WORDS = Text("Bảo trì lúc 22 giờ", "Works at 22:00")


def test_it_is_said_to_its_audience_from_its_time_until_its_end(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        messages = Messages(world.platform)
        begin, end = MONDAY + timedelta(hours=1), MONDAY + timedelta(hours=3)
        await messages.say(ADMIN, WORDS, "citizens", start=begin, until=end)
        await messages.say(ADMIN, Text("Bão", "Storm"), "all", grave=True)
        await messages.say(ADMIN, Text("Giao ban", "Briefing"), "staff")

        def heard() -> tuple[list[str], list[str]]:
            return [one.text.en for one in messages.now("citizens")], [one.text.en for one in messages.now("staff")]

        assert heard() == (["Storm"], ["Storm", "Briefing"])
        world.later(hours=1)
        assert heard() == (["Storm", "Works at 22:00"], ["Storm", "Briefing"])
        storm = next(one for one in messages.every() if one.grave)
        await messages.end(ADMIN, storm.number)
        await messages.end(ADMIN, storm.number)  # pressed twice
        assert heard() == (["Works at 22:00"], ["Briefing"])
        world.later(hours=2)
        assert heard() == ([], ["Briefing"])
        assert Messages(world.platform).every() == messages.every()
        told = world.rows("SELECT person_id, action, thing, detail FROM audit WHERE action LIKE 'message.%' ORDER BY seq")
        assert told == [
            ("minh", "message.say", "citizens", WORDS.vi),
            ("minh", "message.say", "all", "Bão"),
            ("minh", "message.say", "staff", "Giao ban"),
            ("minh", "message.end", "all", "Bão"),
        ]

    play(tmp_path, scene)


def test_who_is_bounded_to_a_ward_says_nothing_to_the_city(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        messages = Messages(world.platform)
        await messages.say(ADMIN, WORDS, "all")
        local = someone("lan", "administrator", wards=frozenset({"00001"}))
        for work in (messages.say(local, WORDS, "all"), messages.end(local, messages.every()[0].number)):
            with pytest.raises(Problem) as caught:
                await work
            assert caught.value.status == 403
        assert len(messages.now("citizens")) == 1

    play(tmp_path, scene)


def test_one_that_was_ended_before_its_time_never_comes(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        messages = Messages(world.platform)
        await messages.say(ADMIN, WORDS, "all", start=MONDAY + timedelta(hours=1))
        await messages.end(ADMIN, messages.every()[0].number)
        for _ in range(3):
            assert messages.now("staff") == []
            world.later(minutes=40)

    play(tmp_path, scene)


def test_what_is_no_message_is_refused(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        messages = Messages(world.platform)
        before = MONDAY - timedelta(hours=1)
        wrong: list[tuple[Text, str, datetime | None, datetime | None]] = [
            (Text("", "x"), "all", None, None),
            (Text("x", " "), "all", None, None),
            (Text("x" * (LONGEST + 1), "x"), "all", None, None),
            (WORDS, "nobody", None, None),
            (WORDS, "all", None, before),
            (WORDS, "all", MONDAY + timedelta(hours=2), MONDAY + timedelta(hours=2)),
            (WORDS, "all", MONDAY + timedelta(days=400), None),
        ]
        for text, audience, start, until in wrong:
            with pytest.raises(Problem) as refused:
                await messages.say(ADMIN, text, audience, start=start, until=until)  # type: ignore[arg-type]  # what forms send
            assert refused.value.status == 400
        with pytest.raises(Problem) as nobody:
            await messages.say(OPERATOR, WORDS, "all")
        assert nobody.value.status == 403
        with pytest.raises(Problem) as lost:
            await messages.end(ADMIN, 99)
        assert lost.value.status == 404
        for _ in range(MOST):
            await messages.say(ADMIN, WORDS, "all", start=before, until=MONDAY + timedelta(minutes=5))
        with pytest.raises(Problem) as full:
            await messages.say(ADMIN, WORDS, "all")
        assert full.value.status == 409
        world.later(minutes=5)
        await messages.say(ADMIN, WORDS, "all")
        assert len(messages.now("staff")) == 1

    play(tmp_path, scene)
