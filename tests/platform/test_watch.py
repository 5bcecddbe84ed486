"""The watch: when the city stops accepting, and what it says then."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dothi.model.text import Text
from dothi.platform.metrics import Metrics
from dothi.platform.watch import Leap, Watch
from dothi.store.journal import JournalDown
from dothi.testing.clock import FixedClock


class Lag:
    """The journal's lag, and whether it is closed, and nothing else of it."""

    def __init__(self, lag: int | None) -> None:
        self.value = lag
        self.closed: Text | None = None

    def refusal(self) -> Text | None:
        return self.closed

    async def lag(self) -> int:
        if self.value is None:
            raise JournalDown("down", "wait")
        return self.value


def watched(lag: int | None, home: Path, floor: float = 0.0, waited: float = 0.0) -> Watch:
    watch = Watch(Lag(lag), home, floor, lambda: waited, bound=10)  # type: ignore[arg-type]  # nothing else is asked
    asyncio.run(watch.look())
    return watch


@pytest.mark.parametrize(("lag", "refused"), [(0, None), (10, None), (11, "behind"), (None, None)])
def test_a_lag_beyond_the_bound_refuses(tmp_path: Path, lag: int | None, refused: str | None) -> None:
    watch = watched(lag, tmp_path)
    refusal = watch.refusal()
    assert watch.lag == lag
    assert (refusal and refusal.code) == refused
    if refusal is not None:
        assert refusal.status == 503
        assert refusal.retry_after


@pytest.mark.parametrize(("lag", "waited", "refused"), [(1, 21.0, True), (1, 19.0, False), (0, 99.0, False)])
def test_few_messages_that_wait_long_refuse_too(tmp_path: Path, lag: int, waited: float, refused: bool) -> None:
    refusal = watched(lag, tmp_path, waited=waited).refusal()
    assert (refusal is not None and refusal.code == "behind") is refused


def test_a_closed_journal_refuses_in_its_own_words(tmp_path: Path) -> None:
    watch = watched(0, tmp_path)
    watch._journal.closed = Text("Nhật ký không trả lời", "The journal does not answer")
    refusal = watch.refusal()
    assert refusal is not None
    assert (refusal.status, refusal.code, refusal.title) == (503, "journal-closed", "The journal does not answer.")
    assert refusal.retry_after


def test_a_full_disk_refuses(tmp_path: Path) -> None:
    watch = watched(0, tmp_path, floor=0.9999999)
    refusal = watch.refusal()
    assert watch.disk_full
    assert refusal is not None
    assert refusal.code == "disk-full"


def test_a_clock_that_leaps_is_told_for_a_day(tmp_path: Path) -> None:
    clock, seconds = FixedClock(datetime(2026, 5, 11, 2, tzinfo=UTC)), 1_000.0
    watch = Watch(Lag(0), tmp_path, 0.0, lambda: 0.0, machine=clock, steady=lambda: seconds)  # type: ignore[arg-type]  # as above
    day = timedelta(days=1)

    def look(passed: float, leap: timedelta = timedelta()) -> Leap | None:
        nonlocal seconds
        clock.advance(timedelta(seconds=passed) + leap)
        seconds += passed
        asyncio.run(watch.look())
        return watch.leap

    assert look(0.5) is None
    assert look(10, timedelta(seconds=59)) is None  # put right by little
    assert look(60, timedelta(seconds=-59)) is None
    assert look(1, day) == (clock.now(), day)
    assert look(1, -day) == (clock.now(), -day)
    assert look(24 * 3_600 - 1) is not None
    assert look(2) is None


def test_figures_are_counted_apart_for_each_city() -> None:
    one, other = Metrics(), Metrics()
    one.observe("GET", "/api/v1/city", 200, 0.01)
    one.watch("dothi_thing", "A thing.", lambda: 7)
    one.watch_each("dothi_kinds", "Kinds.", "kind", lambda: {"a": 1, "b": 2})
    text = one.text().decode()
    assert 'dothi_http_seconds_count{method="GET",route="/api/v1/city",status="2xx"} 1.0' in text
    assert "dothi_thing 7.0" in text
    assert 'dothi_kinds{kind="b"} 2.0' in text
    assert "dothi_thing" not in other.text().decode()
