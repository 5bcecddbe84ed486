"""Throttling of derived values: never oftener than said, never forgotten, put back when it fails."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from dothi.data.news import Changes
from dothi.platform.derive import Deriver, Throttle
from dothi.platform.sector import Derivation
from dothi.platform.tasks import Supervisor
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


class Told:
    """A derivation's computation that remembers what it was asked, and fails as often as it is told to."""

    def __init__(self, failures: int = 0) -> None:
        self.asked: list[list[str]] = []
        self._failures = failures
        self._more = asyncio.Condition()

    async def compute(self, _: object, ids: Sequence[str]) -> None:
        async with self._more:
            self.asked.append(list(ids))
            self._more.notify_all()
        if len(self.asked) <= self._failures:
            raise RuntimeError("the engine failed")

    async def times(self, count: int) -> None:
        async with asyncio.timeout(20), self._more:
            await self._more.wait_for(lambda: len(self.asked) >= count)


def deriver(told: Told, clock: FixedClock, standing: Sequence[str] = ()) -> Deriver:
    index = SimpleNamespace(of_type=lambda iri: list(standing) if iri == "type:a" else [])
    platform: Any = SimpleNamespace(clock=clock, writer=SimpleNamespace(index=index))
    return Deriver(platform, Derivation("x", "type:a", told.compute, timedelta(minutes=5)))


@asynccontextmanager
async def at_work(one: Deriver) -> AsyncIterator[None]:
    tasks = Supervisor()
    tasks.start("derive", one.run)
    try:
        yield
    finally:
        await tasks.stop()


def test_what_failed_is_due_again() -> None:
    async def scene() -> None:
        told = Told(failures=1)
        one = deriver(told, FixedClock(NOON))
        await one.handle(Changes(1, NOON, {"type:a": ["one", "two"], "type:b": ["other"]}))
        async with at_work(one):
            await told.times(2)
        assert told.asked == [["one", "two"], ["one", "two"]]

    asyncio.run(scene())


def test_what_had_to_wait_when_the_city_was_killed_is_computed_after_the_start() -> None:
    async def scene() -> None:
        clock, before = FixedClock(NOON), Told()
        killed = deriver(before, clock, ["one", "two"])
        async with at_work(killed):
            await before.times(1)
            await killed.handle(Changes(1, NOON, {"type:a": ["two"]}))  # passed by the dispatcher, and throttled
        assert before.asked == [["one", "two"]]
        after = Told()
        async with at_work(deriver(after, clock, ["one", "two"])):
            await after.times(1)
        assert after.asked == [["one", "two"]]

    asyncio.run(scene())
