"""The way to the next exceedance, over any length of record, against plain counting."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from dothi.access.policy import SYSTEM
from dothi.model.moment import Moment
from dothi.model.text import Text
from dothi.platform.sector import HourCell, MapLayer
from dothi.testing.clock import FixedClock
from dothi.web.moments import Way, over_the_limit

HOUR = timedelta(hours=1)
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
RECORD = 2_000  # hours: nearly three pages of a search


def _found(over: dict[int, int], seen: int, way: Way, now: int = RECORD) -> int | None:
    """The hour that is found when the hour before ``seen`` is the newest that shows; ``over`` gives severities by hour."""

    def hours(_: Any, __: Any, ___: str, moment: Moment | None = None, count: int = 24, /) -> list[HourCell]:
        end = now if moment is None else (moment.at - BEGAN) // HOUR
        return [
            HourCell(BEGAN + HOUR * hour, str(over.get(hour, 0) * 50), severity=over.get(hour, 0))
            for hour in range(end - count, end)
        ]

    platform: Any = SimpleNamespace(
        clock=FixedClock(BEGAN + HOUR * now + timedelta(minutes=20)), history=SimpleNamespace(began=lambda _: BEGAN)
    )
    layer = MapLayer("air", Text("Không khí", "Air"), "type", hours=hours)
    moment = Moment(BEGAN + HOUR * seen + timedelta(minutes=20))
    found = over_the_limit(platform, SYSTEM, "vi", [layer], moment, way)
    return None if found is None else (found.at - BEGAN) // HOUR - 1


def _counted(over: dict[int, int], seen: int, way: Way) -> int | None:
    step = -1 if way == "back" else 1
    hour = seen - 1
    while over.get(hour):  # the run that it lies in does not count
        hour += step
    while not over.get(hour):
        hour += step
        if not 0 <= hour < RECORD:
            return None
    run = []
    while over.get(hour):
        run.append(hour)
        hour += step
    worst = max(over[one] for one in run)
    return next(one for one in run if over[one] == worst)


@settings(max_examples=60, deadline=None)
@given(
    runs=st.lists(st.tuples(st.integers(0, RECORD - 1), st.integers(1, 900), st.integers(1, 4)), max_size=5),
    seen=st.integers(1, RECORD),
    way=st.sampled_from(("back", "on")),
)
def test_the_next_exceedance_is_the_one_that_counting_finds(runs: list[tuple[int, int, int]], seen: int, way: Way) -> None:
    over = {hour: severity for first, length, severity in runs for hour in range(first, min(first + length, RECORD))}
    assert _found(over, seen, way) == _counted(over, seen, way)


def test_the_exceedance_that_is_seen_is_left() -> None:
    over = dict.fromkeys(range(100, 110), 1) | {105: 3} | dict.fromkeys(range(50, 55), 2)
    assert _found(over, 106, "back") == 54
    assert _found(over, 60, "on") == 105
    assert _found(over, 110, "on") is None
