"""The device doors: what is accepted becomes visible, what cannot be read is refused at once and clearly."""

import json

import httpx
import pytest

from dothi.testing.city import RunningCity, wait_until

DOOR = "/api/v1/readings"


def entity_of(client: httpx.Client, device: str) -> str:
    return str(client.get(f"/api/v1/devices/{device}").json()["entity"])


def value_of(client: httpx.Client, urn: str, attribute: str) -> object:
    found = client.get(f"/api/v1/entities/{urn}").json()["attributes"].get(attribute)
    return found and found["value"]


@pytest.mark.parametrize("shape", ["one", "array", "ndjson", "by-path"])
def test_an_accepted_reading_is_soon_the_citys_value(client: httpx.Client, device: str, shape: str) -> None:
    message = {"device": device, "values": {"pm25": 41.5, "pm10": {"value": 80, "unit": "µg/m³"}}}
    if shape == "by-path":
        answer = client.post(f"/api/v1/devices/{device}/readings", json={"values": message["values"]})
    elif shape == "ndjson":
        answer = client.post(DOOR, content=json.dumps(message) + "\n", headers={"Content-Type": "application/x-ndjson"})
    else:
        answer = client.post(DOOR, json=[message] if shape == "array" else message)
    assert answer.status_code == 202
    assert answer.json() == {"accepted": 1, "correlation": answer.headers["x-request-id"]}
    urn = entity_of(client, device)
    wait_until(lambda: value_of(client, urn, "pm25") == 41.5, "the value is shown")
    assert value_of(client, urn, "pm10") == 80


def test_the_declared_origin_follows_the_value(client: httpx.Client, device: str) -> None:
    client.post(f"/api/v1/devices/{device}/readings?origin=replayed", json={"values": {"pm25": 7}})
    urn = entity_of(client, device)
    wait_until(lambda: value_of(client, urn, "pm25") == 7, "the value is shown")
    assert client.get(f"/api/v1/entities/{urn}").json()["attributes"]["pm25"]["origin"] == "replayed"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not-json"),
        (b"{", "not-json"),
        (b"[]", "no-messages"),
        (b"null", "bad-shape"),
        (b'"text"', "bad-shape"),
        (b"12", "bad-shape"),
        (b"[1, 2]", "bad-shape"),
        (b"{}", "bad-shape"),
        (b'{"values": {}}', "no-device"),
        (b'{"device": "a", "values": {}}', "no-values"),
        (b'{"device": "a", "values": [1]}', "bad-shape"),
        (b'{"device": "a", "values": {"pm25": NaN}}', "bad-number"),
        (b'{"device": "a", "values": {"pm25": 1e999}}', "bad-number"),
        (b'{"device": "a", "values": {"pm25": 123456789012345678901234567890}}', "bad-number"),
        (b'{"device": "a", "values": {"pm25": "\xff\xfe"}}', "not-utf8"),
        (b'{"device": "kh\xc3\xb4ng", "values": {"pm25": 1}}', "bad-device"),
        (b'{"device": "a", "at": "2026-05-14T04:07:24", "values": {"pm25": 1}}', "naive-time"),
        (b'{"device": "a", "at": "tomorrow", "values": {"pm25": 1}}', "bad-time"),
        (b'{"device": "a", "values": {"pm25": ' + b"[" * 5000 + b"]" * 5000 + b"}}", "too-deep"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_reason(client: httpx.Client, body: bytes, reason: str) -> None:
    answer = client.post(DOOR, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400, answer.text
    problem = answer.json()
    assert problem["type"] == f"urn:dothi:problem:{reason}"
    assert problem["detail"]


def test_one_bad_message_does_not_take_the_batch_with_it(client: httpx.Client, device: str) -> None:
    good = {"device": device, "values": {"no2": 12.5}}
    answer = client.post(DOOR, json=[good, {"device": device, "values": "none"}, 7])
    assert answer.status_code == 202
    told = answer.json()
    assert (told["accepted"], told["quarantined"]) == (1, 2)
    urn = entity_of(client, device)
    wait_until(lambda: value_of(client, urn, "no2") == 12.5, "the good one is shown")
    correlation = told["correlation"]

    def held() -> int:
        rows = client.get("/api/v1/quarantine?limit=1000").json()["items"]
        return sum(row["correlation"] == correlation for row in rows)

    wait_until(lambda: held() == 2, "the bad ones are held")


def test_a_body_that_is_too_large_is_refused(client: httpx.Client) -> None:
    answer = client.post(DOOR, content=b" " * (8 * 1024 * 1024 + 1))
    assert answer.status_code == 413
    assert "8 MB" in answer.json()["title"]


def test_wrong_paths_methods_and_origins(client: httpx.Client) -> None:
    assert client.get(DOOR).status_code == 405
    assert client.get(DOOR).headers["allow"] == "POST"
    assert client.post("/api/v1/devices/không/readings", json={"values": {"a": 1}}).status_code == 400
    assert client.post(f"{DOOR}?origin=invented", json={"device": "a", "values": {"a": 1}}).status_code == 400


def test_a_page_of_another_site_cannot_send_readings(client: httpx.Client) -> None:
    answer = client.post(DOOR, json={"device": "a", "values": {"a": 1}}, headers={"Origin": "http://evil.example"})
    assert answer.status_code == 403


def test_a_stranger_cannot_send_readings(stranger: httpx.Client) -> None:
    assert stranger.post(DOOR, json={"device": "a", "values": {"a": 1}}).status_code == 401


def test_a_city_that_is_behind_asks_to_wait(city: RunningCity, client: httpx.Client) -> None:
    watch = city.platform.watch
    bound, watch.bound = watch.bound, -1
    try:
        answer = client.post(DOOR, json={"device": "a", "values": {"a": 1}})
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert answer.json()["type"].endswith("behind")
        assert client.get("/health").json()["works"]["ingest"] is False
        assert client.get("/api/v1/city").status_code == 200
    finally:
        watch.bound = bound


def test_a_device_nobody_knows_waits_in_the_lobby_until_it_is_admitted(client: httpx.Client) -> None:
    client.post(DOOR, json={"device": "newcomer-1", "values": {"pm25": 3}})

    def waits() -> bool:
        return any(one["device"] == "newcomer-1" for one in client.get("/api/v1/lobby?limit=1000").json()["items"])

    wait_until(waits, "it waits")
    admitted = client.post("/api/v1/devices/newcomer-1/admit", json={"type": "AirQualityObserved", "name": "Mới"})
    assert admitted.status_code == 200
    assert not waits()
    refused = client.post("/api/v1/devices/newcomer-1/refuse")
    assert refused.json()["state"] == "refused"
