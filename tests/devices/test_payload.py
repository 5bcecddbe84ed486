"""The published payload: what is a message, what is not and why, and that one bad item never takes the others with it."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dothi.devices.payload import MAX_ITEMS, MAX_VALUES, NDJSON, REASONS, DeviceMessage, decode, encode
from dothi.model.clock import to_micros
from dothi.store.journal import Message

AT = to_micros(datetime(2026, 5, 14, 4, 7, 24, tzinfo=UTC))


def heard(body: bytes | str, device: str | None = "d1", content_type: str = "application/json") -> Message:
    raw = body.encode() if isinstance(body, str) else body
    return Message("http", device, raw, content_type, 0, "c")


def only(body: bytes | str, device: str | None = "d1") -> DeviceMessage:
    good, bad = decode(heard(body, device))
    assert bad == []
    assert len(good) == 1
    return good[0]


def why(body: bytes | str, device: str | None = "d1") -> str:
    good, bad = decode(heard(body, device))
    assert good == []
    assert len(bad) == 1
    assert bad[0].reason in REASONS
    return bad[0].reason


@pytest.mark.parametrize(
    ("at", "micros"),
    [
        ('"2026-05-14T04:07:24Z"', AT),
        ('"2026-05-14T11:07:24+07:00"', AT),
        ('"2026-05-13T23:07:24-05:00"', AT),
        ('"2026-05-14T04:07:24.123456Z"', AT + 123_456),
        ("1778731644", AT),
        ("1778731644.5", AT + 500_000),
        ("1778731644000", AT),
        ("1778731644123", AT + 123_000),
        ("0", 0),
        ("null", None),
    ],
)
def test_a_time_in_every_form(at: str, micros: int | None) -> None:
    assert only(f'{{"at":{at},"values":{{"x":1}}}}').at == micros


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ('{"at":"2026-05-14T04:07:24","values":{"x":1}}', "naive-time"),
        ('{"at":"14/05/2026","values":{"x":1}}', "bad-time"),
        ('{"at":"1969-12-31T23:59:59Z","values":{"x":1}}', "bad-time"),
        ('{"at":-1,"values":{"x":1}}', "bad-time"),
        ('{"at":1778731644123456,"values":{"x":1}}', "bad-time"),
        ('{"at":true,"values":{"x":1}}', "bad-time"),
        ('{"values":{"x":NaN}}', "bad-number"),
        ('{"values":{"x":-Infinity}}', "bad-number"),
        ('{"values":{"x":1e999}}', "bad-number"),
        ('{"values":{"x":' + "9" * 400 + "}}", "bad-number"),
        ('{"values":{}}', "no-values"),
        ('{"values":[1]}', "bad-shape"),
        ('{"value":1}', "bad-shape"),
        ("null", "bad-shape"),
        ("17", "bad-shape"),
        ("", "not-json"),
        ("pm25=17", "not-json"),
        (b'{"values":{"x":"\xff"}}', "not-utf8"),
        ('{"values":{"x":' + "[" * 3_000 + "]" * 3_000 + "}}", "too-deep"),
        ('{"values":{"x":' + "[" * 17 + "]" * 17 + "}}", "too-deep"),
        ('{"values":{"' + "k" * 129 + '":1}}', "too-long"),
        ('{"values":{"x":"' + "y" * 10_001 + '"}}', "too-long"),
        ('{"values":{"x":1},"location":[205,21]}', "bad-shape"),
        ('{"device":"other","values":{"x":1}}', "other-device"),
        ("[]", "no-messages"),
        (json.dumps({"values": {str(key): 1 for key in range(MAX_VALUES + 1)}}), "too-many-values"),
        (json.dumps([{"values": {"x": 1}}] * (MAX_ITEMS + 1)), "too-many-items"),
    ],
)
def test_what_cannot_be_read_says_why(body: bytes | str, reason: str) -> None:
    assert why(body) == reason


@pytest.mark.parametrize("device", ["é", "a b", "", "x" * 65, "a/b", "a\n", "*"])
def test_a_device_id_with_other_signs(device: str) -> None:
    assert why(json.dumps({"device": device, "values": {"x": 1}}), None) == "bad-device"
    assert why('{"values":{"x":1}}', device) == "bad-device"


def test_nobody_sent_it() -> None:
    assert why('{"values":{"x":1}}', None) == "no-device"


def test_values_of_every_kind_and_a_place() -> None:
    values = {"a": 22.5, "b": 33, "c": "text", "d": True, "e": None, "f": {"value": 3, "unit": "GQ"}, "g": [1, {"h": 2}]}
    message = only(json.dumps({"values": values, "location": [105.8, 21.0]}))
    assert message.values == values
    assert message.location == (105.8, 21.0)


def test_one_bad_item_in_a_thousand_goes_alone_with_its_own_text() -> None:
    items = [f'{{"device":"d{number}","at":{1778731644 + number},"values":{{"x":{number}}}}}' for number in range(1_000)]
    items[500] = '{"device":"d500","values":{"x":NaN, "y":"], {"}}'
    good, bad = decode(heard("[" + ", ".join(items) + "]", None))
    assert [message.device for message in good] == [f"d{number}" for number in range(1_000) if number != 500]
    assert [(one.reason, one.device, one.raw) for one in bad] == [("bad-number", "d500", items[500].encode())]


def test_lines_are_judged_one_by_one() -> None:
    body = '{"device":"a","values":{"x":1}}\n\n{"device":"b","values":{"x":\n{"device":"c","values":{"x":3}}\n'
    good, bad = decode(heard(body, None, NDJSON))
    assert [message.device for message in good] == ["a", "c"]
    assert [(one.reason, one.device, one.raw) for one in bad] == [("not-json", "b", b'{"device":"b","values":{"x":')]


def test_lines_that_do_not_say_that_they_are() -> None:
    good, bad = decode(heard('{"values":{"x":1}}\n{"values":{"x":2}}\n'))
    assert ([message.values["x"] for message in good], bad) == ([1, 2], [])


@settings(max_examples=100)
@given(st.binary(max_size=200), st.sampled_from(["application/json", NDJSON]))
def test_no_body_breaks_the_decoder(body: bytes, content_type: str) -> None:
    good, bad = decode(heard(body, "d1", content_type))
    assert good or bad
    assert all(one.reason in REASONS for one in bad)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
MESSAGES = st.builds(
    DeviceMessage,
    st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True),
    st.none() | st.integers(0, 4 * 10**15),
    st.dictionaries(st.text(min_size=0, max_size=10), JSON, min_size=1, max_size=5),
    st.none() | st.tuples(st.floats(-180, 180), st.floats(-90, 90)),
)


@settings(max_examples=100)
@given(st.lists(MESSAGES, min_size=1, max_size=5))
def test_what_is_encoded_decodes_to_itself(messages: list[DeviceMessage]) -> None:
    body = b"\n".join(encode(message) for message in messages)
    good, bad = decode(heard(body, None, NDJSON))
    assert bad == []
    assert good == messages


@settings(max_examples=50)
@given(st.lists(st.sampled_from(["good", "nan", "naive", "shape", "utf8"]), min_size=1, max_size=30))
def test_as_many_good_as_were_sent(kinds: list[str]) -> None:
    spelled: dict[str, bytes] = {
        "good": b'{"values":{"x":"a,]"}}',
        "nan": b'{"values":{"x":NaN}}',
        "naive": b'{"at":"2026-05-14T00:00:00","values":{"x":1}}',
        "shape": b'{"values":7}',
        "utf8": b'{"values":{"x":"\xff"}}',
    }
    good, bad = decode(heard(b"[" + b",".join(spelled[kind] for kind in kinds) + b"]"))
    assert len(good) == kinds.count("good")
    assert [one.raw for one in bad] == [spelled[kind] for kind in kinds if kind != "good"]


def test_every_reason_has_words_in_both_languages() -> None:
    words: list[Any] = [text for text in REASONS.values() if not (text.vi and text.en and text.vi != text.en)]
    assert words == []
