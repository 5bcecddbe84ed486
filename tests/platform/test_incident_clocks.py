"""Clocks of incidents against a slow oracle: what passes while neither paused nor stopped is what is used."""

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from dothi.cities.pack import read_pack
from dothi.cities.units import read_country
from dothi.cities.working_hours import working_time_of
from dothi.model.promise import Promise
from dothi.model.text import Text
from dothi.platform.incidents import clocks
from dothi.platform.incidents.clocks import ClockState

PACK = read_pack(read_country().province("01"))
OFFICE = working_time_of(PACK.working_time, PACK.time_zone)
MINUTE = timedelta(minutes=1)
START = datetime(2026, 11, 20, 6, tzinfo=UTC)  # Friday, 13:00 in Hanoi

moves = st.lists(
    st.tuples(st.integers(1, 2000), st.sampled_from(["pause", "resume", "stop", "again"])), min_size=0, max_size=8
)


def promise(hours: float, working: bool) -> Promise:
    return Promise("handle", hours, working, Text("", ""))


@settings(max_examples=60, deadline=None)
@given(moves, st.booleans(), st.integers(1, 30), st.integers(0, 2000))
def test_what_is_used_is_what_passed_while_it_ran(made: list[tuple[int, str]], working: bool, hours: int, rest: int) -> None:
    clock = clocks.started(promise(hours, working), START, OFFICE)
    at, used, running, stopped = START, timedelta(), True, False
    for minutes, move in made:
        used += _passed(at, minutes, working) if running else timedelta()
        at += minutes * MINUTE
        clock = _moved(clock, move, at)
        if move == "stop":
            running, stopped = False, True
        elif move == "again" and stopped:
            running, stopped = True, False
        elif not stopped and move in ("pause", "resume"):
            running = move == "resume"
    used += _passed(at, rest, working) if running else timedelta()
    now = at + rest * MINUTE
    assert clocks.spent(clock, now, OFFICE) == used
    assert clocks.left(clock, now, OFFICE) == timedelta(hours=hours) - used
    assert (clock.running, clock.stopped is not None) == (running, stopped)
    if clock.running:
        assert clock.due is not None
        if clock.due > now:
            assert clocks.left(clock, clock.due, OFFICE) == timedelta()
        warns = clocks.warns_at(clock, OFFICE)
        assert warns is not None
        assert warns <= clock.due


def test_the_decisions_eight_hours_pass_over_a_weekend() -> None:
    (accept,) = [one for one in PACK.promises if one.step == "accept"]
    clock = clocks.started(accept, START, OFFICE)
    assert clock.due == datetime(2026, 11, 23, 5, tzinfo=UTC)
    assert clocks.used(clock, datetime(2026, 11, 22, tzinfo=UTC), OFFICE) == 0.5
    assert clocks.warns_at(clock, OFFICE) == datetime(2026, 11, 23, 3, 24, tzinfo=UTC)


def test_a_pause_moves_the_deadline_and_its_second_one_too() -> None:
    clock = clocks.started(promise(4, False), START, OFFICE)
    held = clocks.paused(clock, START + timedelta(hours=1))
    assert (held.due, held.running, clocks.paused(held, START + timedelta(hours=2))) == (None, False, held)
    on = clocks.resumed(held, START + timedelta(hours=3), OFFICE)
    assert on.due == START + timedelta(hours=6)
    late = clocks.resumed(clocks.paused(on, START + timedelta(hours=7)), START + timedelta(hours=8), OFFICE)
    assert late.due == START + timedelta(hours=8), "it was overdue before the pause, and is at once again"


def test_promises_hold_for_their_origins_and_levels() -> None:
    def steps(origin: str, urgency: str) -> set[tuple[str, float]]:
        return {(one.step, one.hours) for one in PACK.promises if one.holds(origin, urgency)}  # type: ignore[arg-type]  # literals

    assert steps("report", "urgent") == {("accept", 8), ("handle", 4)}
    assert steps("alert", "normal") == {("detect", 1), ("resolve", 4)}
    assert steps("operator", "complex") == {("resolve", 4)}


def _passed(at: datetime, minutes: int, working: bool) -> timedelta:
    if not working:
        return minutes * MINUTE
    return sum((MINUTE for one in range(minutes) if OFFICE.works_at(at + one * MINUTE)), timedelta())


def _moved(clock: ClockState, move: str, at: datetime) -> ClockState:
    if move == "pause":
        return clocks.paused(clock, at)
    if move == "resume":
        return clocks.resumed(clock, at, OFFICE)
    return clocks.stopped(clock, at) if move == "stop" else clocks.again(clock, at, OFFICE)
