"""State secrets have no place here: what is marked as one is recognised, and nothing of it is decoded."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dothi.access.secrecy import REASON, is_marked
from dothi.devices.payload import NDJSON, decode
from dothi.store.journal import Message

MARKS = ["state-secret", "Mật", "MẬT", "tối mật", "Tuyệt mật", "toi mat", " bí mật nhà nước "]


@pytest.mark.parametrize("mark", MARKS)
def test_a_mark_is_seen_wherever_it_stands(mark: str) -> None:
    for told in (
        {"classification": mark},
        {"classification": {"type": "Property", "value": mark}},
        {"values": {"pm25": {"value": 1, "classification": mark}}},
        {"https://example.org/terms#classification": [{"value": mark}]},
        [{"a": [{"classification": mark}]}],
    ):
        assert is_marked(told), told


@pytest.mark.parametrize("other", ["public", "internal", "mật độ", "mật ong", "secret garden", "", None, 3, ["good"]])
def test_what_is_no_degree_is_no_mark(other: object) -> None:
    assert not is_marked({"classification": other, "note": "tuyệt mật"})


_JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=10,
)


@given(value=_JSON, mark=st.sampled_from(MARKS), deep=st.integers(0, 12))
def test_of_a_marked_message_nothing_is_decoded_and_its_neighbours_are(value: object, mark: str, deep: int) -> None:
    marked: object = {"x": value, "classification": mark}
    for _ in range(deep):
        marked = [marked]
    items = [{"device": "d-1", "values": {"a": 1}}, {"device": "d-2", "values": {"a": marked}}, {"values": {"b": 2}}]
    for body, kind in (
        (msgspec.json.encode(items), "application/json"),
        (b"\n".join(map(msgspec.json.encode, items)), NDJSON),
    ):
        good, bad = decode(Message("http", None, body, kind, 0, "c"))
        assert [one.device for one in good] == ["d-1"]
        assert [(one.reason, one.raw, one.device) for one in bad if one.reason == REASON] == [(REASON, b"", "d-2")]


def test_a_key_of_that_name_may_say_something_else() -> None:
    body = msgspec.json.encode({"device": "d", "values": {"classification": "ổn định"}})
    good, bad = decode(Message("mqtt", "d", body, "application/json", 0, "c"))
    assert (len(good), bad) == (1, [])
