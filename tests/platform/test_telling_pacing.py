"""How often somebody is written to: bounded within any hour, nothing lost, quiet kept but for what is critical."""

from datetime import datetime
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from dothi.model.clock import from_micros, to_micros
from dothi.platform.telling.model import CRITICAL, HOUR, MINUTE, Pace, Quiet
from dothi.platform.telling.pacing import free_at

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
NOON = to_micros(datetime(2026, 5, 11, 12, tzinfo=ZONE))
STEP = MINUTE // 2


def minute_of(at: int) -> int:
    local = from_micros(at).astimezone(ZONE)
    return local.hour * 60 + local.minute


def play(pace: Pace, come: list[tuple[int, int]]) -> list[tuple[int, list[int]]]:
    """When mails go, and what each tells, of notes that come (minutes after noon, severity); looked at each half minute."""
    left = sorted((NOON + minutes * MINUTE, severity) for minutes, severity in come)
    at, held, gone = NOON, list[tuple[int, int]](), list[tuple[int, list[int]]]()
    while left or held:
        while left and left[0][0] <= at:
            held.append(left.pop(0))
        if held:
            sent = [one for one, _ in gone]
            if free_at(pace, sent, held[0][0], max(severity for _, severity in held), ZONE) <= at:
                gone.append((at, [severity for _, severity in held]))
                held.clear()
        at += STEP
    return gone


@settings(max_examples=60)
@given(
    st.integers(1, 8),
    st.one_of(st.none(), st.builds(Quiet, st.integers(0, 1439), st.integers(0, 1439))),
    st.lists(st.tuples(st.integers(0, 300), st.integers(1, 4)), min_size=1, max_size=60),
)
def test_the_laws_of_the_post(most: int, quiet: Quiet | None, come: list[tuple[int, int]]) -> None:
    gone = play(Pace(most, STEP, quiet), come)
    assert sum(len(told) for _, told in gone) == len(come)
    moments = [at for at, _ in gone]
    for at in moments:
        assert sum(at - HOUR < one <= at for one in moments) <= most
    for at, told in gone:
        if quiet is not None and max(told) < CRITICAL:
            assert not quiet.holds(minute_of(at))


def test_what_comes_alone_goes_at_once_and_a_storm_in_few() -> None:
    assert [at - NOON for at, _ in play(Pace(6, STEP), [(0, 1)])] == [STEP]
    storm = play(Pace(6, STEP), [(minute, 2) for minute in range(60) for _ in range(10)])
    assert [(at - NOON) // MINUTE for at, _ in storm] == [0, 1, 3, 7, 15, 31, 60]
    assert len(storm[-1][1]) > 200


def test_what_is_critical_waits_for_no_quiet_hours() -> None:
    quiet = Quiet(11 * 60, 6 * 60)
    assert [at - NOON for at, _ in play(Pace(6, STEP, quiet), [(5, 4)])] == [5 * MINUTE + STEP]
    ((at, _),) = play(Pace(6, STEP, quiet), [(5, 3)])
    assert minute_of(at) == 6 * 60
