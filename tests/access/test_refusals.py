"""Refusals are written down in batches: a flood at the door leaves a few rows, and every one of it is counted."""

from hypothesis import given
from hypothesis import strategies as st

from dothi.access.policy import STRANGER
from dothi.access.refusals import TAKEN, WINDOW, WINDOW_OF_STRANGERS, Refusals


class Seconds:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_one_row_a_second_with_a_count() -> None:
    seconds = Seconds()
    refusals = Refusals(seconds)
    for number in range(40):
        refusals.note("p-an", "device.write", f"/devices/{number}", "not-allowed", source="203.0.113.9", correlation="c-9")
    (act,) = refusals.take()
    assert (act.person_id, act.action, act.thing) == ("p-an", "device.write", "/devices/39")
    assert (act.result, act.detail, act.source, act.correlation) == (
        "refused: not-allowed",
        "40 times",
        "203.0.113.9",
        "c-9",
    )
    refusals.note("p-an", "device.write", "/devices/1", "not-allowed")
    assert refusals.take() == [], "within the same second"
    seconds.now += WINDOW
    assert [one.detail for one in refusals.take()] == [""]
    assert refusals.take(all=True) == []


def test_what_was_done_is_a_row_for_each_thing() -> None:
    refusals = Refusals(lambda: 5.0)
    for thing in ("/devices.csv", "/people.csv", "/devices.csv"):
        refusals.note("p-an", TAKEN, thing, "", source="203.0.113.9")
    refusals.note("p-an", TAKEN, "/devices.csv", "not-allowed")
    told = [(act.thing, act.result, act.detail, act.source) for act in refusals.take()]
    assert told == [
        ("/devices.csv", "done", "2 times", "203.0.113.9"),
        ("/people.csv", "done", "", "203.0.113.9"),
        ("/devices.csv", "refused: not-allowed", "", ""),
    ]


def test_strangers_leave_a_row_a_minute_that_names_a_few_of_their_addresses() -> None:
    seconds = Seconds()
    refusals = Refusals(seconds)
    refusals.note(STRANGER.id, "page.read", "/", "sign-in-needed", source="192.0.2.1")
    assert len(refusals.take()) == 1
    for number in range(9):
        refusals.note(STRANGER.id, "page.read", "/" * 900, "not-allowed", source=f"192.0.2.{number}")
    seconds.now += WINDOW_OF_STRANGERS - 1
    assert refusals.take() == []
    seconds.now += 1
    (act,) = refusals.take()
    assert act.detail == "9 times"
    assert act.source == "192.0.2.0, 192.0.2.1, 192.0.2.2, 192.0.2.3, 192.0.2.4 …"
    assert len(act.thing) == 200


@given(st.lists(st.tuples(st.integers(0, 2000), st.sampled_from(("a", "b"))), max_size=1500))
def test_none_is_lost_and_memory_is_bounded(noted: list[tuple[int, str]]) -> None:
    refusals = Refusals(Seconds())
    for person, action in noted:
        refusals.note(str(person), action, "", "not-allowed")
    acts = refusals.take()
    assert len(acts) <= 501
    assert sum(int(act.detail.split()[0]) if act.detail else 1 for act in acts) == len(noted)
