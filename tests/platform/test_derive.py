"""Throttling of derived values: never oftener than said, never forgotten, put back when it fails."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dothi.data.news import Changes
from dothi.platform.derive import Deriver, Throttle
from dothi.platform.sector import Derivation
from dothi.testing.clock import FixedClock

NOON = datetime(2026, 5, 14, 5, tzinfo=UTC)
MINUTE = 60_000_000


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 90)), max_size=40))
def test_the_law_of_the_throttle(changes: list[tuple[str, int]]) -> None:
    clock = FixedClock(NOON)
    throttle = Throttle(clock, MINUTE)
    computed: dict[str, list[datetime]] = {}
    changed: dict[str, datetime] = {}

    def take() -> None:
        for one in throttle.take(10):
            computed.setdefault(one, []).append(clock.now())

    for name, seconds in changes:
        clock.advance(timedelta(seconds=seconds))
        throttle.changed([name])
        changed[name] = clock.now()
        take()
    clock.advance(timedelta(minutes=1))
    take()
    for name, last in changed.items():
        assert computed[name][-1] >= last  # nothing is forgotten
    for moments in computed.values():
        for earlier, later in pairwise(moments):
            assert later - earlier >= timedelta(minutes=1)  # never oftener than said


def test_a_clock_that_was_set_back_holds_nothing_up() -> None:
    clock = FixedClock(NOON)
    throttle = Throttle(clock, MINUTE)
    throttle.changed(["a"])
    assert throttle.take(10) == ["a"]
    clock.set(NOON - timedelta(days=1))
    throttle.changed(["a"])
    assert throttle.take(10) == ["a"]


def test_what_failed_is_due_again_at_once() -> None:
    async def scene() -> None:
        asked: list[list[str]] = []

        async def compute(_: object, ids: Sequence[str]) -> None:
            asked.append(list(ids))
            if len(asked) == 1:
                raise RuntimeError("the engine failed")

        platform = SimpleNamespace(clock=FixedClock(NOON))
        deriver = Deriver(platform, Derivation("x", "type:a", compute, timedelta(minutes=5)))  # type: ignore[arg-type]
        told = Changes(1, NOON, {"type:a": ["one", "two"], "type:b": ["other"]})
        with pytest.raises(RuntimeError):
            await deriver.handle(told)
        await deriver.handle(Changes(2, NOON))
        await deriver.handle(told)
        assert asked == [["one", "two"], ["one", "two"]]

    asyncio.run(scene())
