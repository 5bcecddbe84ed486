"""Whatever comes to the doors: an answer that is no failure of ours, and each accepted message is found again, exactly."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from fault_world import DOOR, RawMqtt, figures, operator
from hostile import GHOSTS, KNOWN, Expected, Piece, check, held_count, held_of, lobby_count, pieces, prepare, settle
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dothi.testing.city import RunningCity, running_city, wait_until

EXAMPLES = [100, pytest.param(3_000, marks=[pytest.mark.long, pytest.mark.timeout(1_800)])]
JSON, NDJSON = "application/json", "application/x-ndjson"


def easy(examples: int) -> settings:
    return settings(max_examples=examples, database=None, suppress_health_check=list(HealthCheck))


@pytest.fixture
def city(tmp_path: Path) -> Iterator[RunningCity]:
    empty = tmp_path / "no-data"
    empty.mkdir()
    with running_city(tmp_path, data=empty) as running:
        yield running


@pytest.fixture
def client(city: RunningCity) -> Iterator[httpx.Client]:
    with operator(city) as client:
        yield client


@pytest.mark.parametrize("examples", EXAMPLES)
def test_http_takes_each_piece_or_says_why_not(city: RunningCity, client: httpx.Client, examples: int) -> None:
    prepare(client)
    expected = Expected()

    @easy(examples)
    @given(st.lists(pieces, min_size=1, max_size=5), st.sampled_from(["one", "array", "lines", "by path"]))
    def ask(sent: list[Piece], shape: str) -> None:
        path, kind = DOOR, NDJSON if shape == "lines" else JSON
        if shape in ("one", "by path"):
            sent = sent[:1]
        if shape == "by path" and sent[0].kind != "broken":
            path = f"/api/v1/devices/{sent[0].device}/readings"
        written = [expected.write(piece, named=shape != "by path") for piece in sent]
        body = b"[" + b", ".join(written) + b"]" if shape == "array" else b"\n".join(written)
        answer = client.post(path, content=body, headers={"Content-Type": kind})
        good = sum(piece.kind != "broken" for piece in sent)
        if good == 0:
            assert answer.status_code == 400, (answer.text, body)
            assert answer.json()["detail"]
            return
        assert answer.status_code == 202, (answer.text, body)
        told = answer.json()
        assert (told["accepted"], told.get("quarantined", 0)) == (good, len(sent) - good), body
        expected.keep(sent)

    ask()
    assert expected.count.keys() >= {"known", "strange", "ghost", "absurd", "broken"}
    check(expected, city, client)


SEED = b'{"device":"ghost-0","at":"2026-05-14T04:07:24Z","values":{"pm25":22.0,"pm10":{"value":33,"unit":"GQ"}}}'


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A good body with a few wounds, or no body at all."""
    if draw(st.integers(0, 4)) == 0:
        return draw(st.binary(max_size=200))
    raw = draw(st.sampled_from([SEED, b"[" + SEED + b"," + SEED + b"]", SEED + b"\n" + SEED]))
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(raw)))
        length = draw(st.integers(0, 6))
        raw = (
            raw[:start]
            + draw(st.binary(max_size=4) | st.sampled_from([b'"', b"}", b"\xff", b"NaN", b"\x00"]))
            + raw[start + length :]
        )
    return raw


@pytest.mark.parametrize("examples", EXAMPLES)
def test_wounded_bodies_by_http_are_answered_and_counted(city: RunningCity, client: httpx.Client, examples: int) -> None:
    accepted, held = 0, Counter[str]()

    @easy(examples)
    @given(mutated(), st.sampled_from([JSON, NDJSON, "text/plain", ""]))
    def ask(body: bytes, kind: str) -> None:
        nonlocal accepted
        answer = client.post(DOOR, content=body, headers={"Content-Type": kind})
        assert answer.status_code in (202, 400), (answer.text, body)
        if answer.status_code == 202:
            accepted += answer.json()["accepted"]
            held[answer.json()["correlation"]] += answer.json().get("quarantined", 0)

    ask()
    held = +held

    def heard() -> float:
        return lobby_count(client) + figures(client)["dothi_lobby_refused_total"]

    settle(city, client, lambda: heard() >= accepted and held_of(client).keys() >= held.keys())
    assert accepted and heard() == accepted, "nobody here is known: whoever is accepted waits in the lobby, up to its bound"
    assert held_of(client).keys() == held.keys()
    assert held_of(client) <= held, "the same text twice in one body may be held once"


@pytest.mark.parametrize("examples", EXAMPLES)
def test_mqtt_keeps_each_piece_it_acknowledges(city: RunningCity, client: httpx.Client, examples: int) -> None:
    prepare(client)
    expected, device = Expected(), RawMqtt(city)

    @easy(examples)
    @given(st.lists(pieces, min_size=1, max_size=4), st.booleans(), st.booleans())
    def publish(sent: list[Piece], array: bool, named: bool) -> None:
        if not array:
            sent = sent[:1]
        name = next((piece.device for piece in sent if piece.kind != "broken"), KNOWN)
        sent = [piece for piece in sent if piece.kind == "broken" or piece.device == name]
        written = [expected.write(piece, named=named) for piece in sent]
        body = b"[" + b",".join(written) + b"]" if array else written[0]
        assert device.publish(f"hanoi/devices/{name}/readings", body)
        expected.keep(sent)

    publish()
    device.close()
    check(expected, city, client)


LEVEL = st.text(st.characters(codec="utf-8") | st.sampled_from(" \t\r\n\x00\x0b\x0c.*>$#+/\x85\u2028"), max_size=12)
HEARD = st.one_of(
    st.sampled_from(GHOSTS),
    LEVEL.filter(lambda level: "/" not in level),
    st.binary(min_size=1, max_size=20).filter(lambda level: b"/" not in level),
)
ELSEWHERE = st.lists(LEVEL, min_size=1, max_size=5).map("/".join) | st.sampled_from(
    ["$SYS/x", "$MQTT/sess/x", "$JS/API/STREAM/DELETE/$MQTT_msgs", "hanoi/intake", "other/devices/a/readings"]
)


@pytest.mark.parametrize("examples", EXAMPLES)
def test_a_device_of_any_name_is_refused_or_its_messages_are_found_again(
    city: RunningCity, client: httpx.Client, examples: int
) -> None:
    device = RawMqtt(city)
    kept = 0

    @easy(examples)
    @given(HEARD, mutated())
    def publish(name: str | bytes, body: bytes) -> None:
        nonlocal kept
        raw = name.encode() if isinstance(name, str) else name
        kept += device.publish(b"hanoi/devices/" + raw + b"/readings", body)

    publish()
    device.close()
    settle(city, client, lambda: held_of(client).total() + lobby_count(client) >= kept)
    assert 0 < len(held_of(client)) <= kept


@pytest.mark.parametrize("examples", EXAMPLES)
def test_no_topic_reaches_what_is_not_a_devices(city: RunningCity, client: httpx.Client, examples: int) -> None:
    device = RawMqtt(city)

    @easy(examples)
    @given(ELSEWHERE, mutated())
    def publish(topic: str, body: bytes) -> None:
        device.publish(topic, body)

    publish()
    device.close()
    last = RawMqtt(city)
    topic, body = "hanoi/devices/ghost-last/readings", SEED.replace(b"ghost-0", b"ghost-last")
    wait_until(lambda: last.publish(topic, body), "devices may speak as before")
    last.close()
    settle(city, client, lambda: lobby_count(client) == 1)
    assert held_count(client) == 0
    wait_until(lambda: figures(client)["dothi_journal_turned_away_total"] > 0, "what was refused is counted")


def test_bodies_beyond_the_bound_are_refused_whole_and_the_rest_goes_on(city: RunningCity, client: httpx.Client) -> None:
    much = b'{"device":"ghost-0","values":{"pm25":' + b" " * 10_000_000 + b"1}}"
    assert client.post(DOOR, content=much).status_code == 413
    answer = client.post(DOOR, content=iter([much]))  # in chunks, with no word of its size
    assert answer.status_code == 413
    assert answer.headers["content-type"].startswith("application/problem+json")
    device = RawMqtt(city)
    assert not device.publish("hanoi/devices/ghost-0/readings", much)
    assert client.post(DOOR, content=SEED).status_code == 202
    settle(city, client, lambda: lobby_count(client) == 1)
    assert (lobby_count(client), held_count(client)) == (1, 0)
