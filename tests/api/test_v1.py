"""API v1: what it shows, how it is asked, and what it says to a wrong question."""

from typing import Any

import httpx
import pytest

from dothi.testing.city import wait_until


def test_the_city_says_what_it_is_and_how_true_its_data_is(client: httpx.Client) -> None:
    city = client.get("/api/v1/city").json()
    assert (city["code"], city["id"], city["tenant"]) == ("01", "hanoi", "hanoi")
    assert city["name"] == {"vi": "Hà Nội", "en": "Hanoi"}
    assert city["simulated"] is True
    assert city["approximate"] is True
    assert city["replay"] is None
    assert city["wards"] == 126
    west, south, east, north = city["bounds"]
    assert west < 105.85 < east
    assert south < 21.03 < north


def test_wards_are_found_blind_to_accents(client: httpx.Client) -> None:
    found = client.get("/api/v1/wards", params={"q": "dong da"}).json()
    assert found["items"][0]["name"] == "Đống Đa"
    assert client.get("/api/v1/wards").json()["total"] == 126


def test_a_point_has_a_ward_or_lies_outside(client: httpx.Client) -> None:
    ward = client.get("/api/v1/wards/locate", params={"longitude": 105.85, "latitude": 21.03}).json()
    assert ward["code"]
    outside = client.get("/api/v1/wards/locate", params={"longitude": 0, "latitude": 0})
    assert (outside.status_code, outside.json()["type"]) == (404, "urn:dothi:problem:outside")


def test_entities_by_type_place_value_and_ward(client: httpx.Client, device: str) -> None:
    client.post(f"/api/v1/devices/{device}/readings", json={"values": {"pm25": 171.25}})

    def found(**query: Any) -> list[str]:
        answer = client.get("/api/v1/entities", params={"limit": 1000, **query})
        assert answer.status_code == 200, answer.text
        return [one["id"] for one in answer.json()["items"]]

    urn = client.get(f"/api/v1/devices/{device}").json()["entity"]
    wait_until(lambda: urn in found(q="pm25==171.25"), "the value can be asked for")
    ward = client.get("/api/v1/wards/locate", params={"longitude": 105.85, "latitude": 21.03}).json()["code"]
    assert urn in found(type="AirQualityObserved")
    assert urn in found(id=urn, bbox="105.8,21.0,105.9,21.1", near="105.85,21.03,500", ward=ward, q="pm25>=171")
    assert urn not in found(bbox="105.3,20.6,105.4,20.7")
    assert urn not in found(near="105.3,20.6,500")
    assert urn not in found(q="pm25<171")
    assert urn not in found(type="Nothing")
    one = client.get(f"/api/v1/entities/{urn}").json()
    assert one["ward"] == ward
    assert one["location"] == {"type": "Point", "coordinates": [105.85, 21.03]}
    page = client.get("/api/v1/entities", params={"limit": 1, "count": True}).json()
    assert len(page["items"]) == 1 <= page["total"]
    only = client.get("/api/v1/entities", params={"id": urn, "attribute": "pm25"}).json()["items"][0]
    assert set(only["attributes"]) == {"pm25"}
    columns = client.get("/api/v1/entities", params={"id": urn, "attribute": "pm25", "format": "columns"}).json()
    assert (columns["id"], columns["ward"], columns["point"]) == ([urn], [ward], [[105.85, 21.03]])
    assert columns["attributes"]["pm25"]["value"] == [only["attributes"]["pm25"]["value"]]
    assert columns["attributes"]["pm25"]["observedAt"] == [only["attributes"]["pm25"]["observedAt"]]


def test_history_as_json_and_csv(client: httpx.Client, device: str) -> None:
    day = "2026-05-14T{:02}:00:00Z"
    for hour in range(3):
        client.post(f"/api/v1/devices/{device}/readings", json={"at": day.format(hour), "values": {"pm25": 20 + hour}})
    urn = client.get(f"/api/v1/devices/{device}").json()["entity"]
    query = {"attribute": "pm25", "from": day.format(0), "to": day.format(23)}

    def series() -> dict[str, Any]:
        answer = client.get(f"/api/v1/entities/{urn}/history", params=query)
        return dict(answer.json())

    wait_until(lambda: len(series()["values"]) == 3, "three readings are kept")
    told = series()
    assert told["values"] == [20, 21, 22]
    assert told["observedAt"] == [day.format(hour) for hour in range(3)]
    assert (told["unit"], told["origins"]) == ("GQ", ["measured"] * 3)
    table = client.get(f"/api/v1/entities/{urn}/history", params={**query, "format": "csv"})
    lines = table.text.removeprefix("\ufeff").splitlines()
    assert lines[0] == "observedAt,value,grade,reasons,origin,revision"
    assert lines[1].startswith("2026-05-14T00:00:00Z,20")
    assert table.headers["content-disposition"].endswith('-pm25.csv"')
    recent = client.get(f"/api/v1/entities/{urn}/history", params={"attribute": "pm25"}).json()
    assert recent["values"] == []


def test_the_state_at_a_past_moment_as_known_then_and_now(client: httpx.Client, device: str) -> None:
    day = "2026-05-14T{:02}:00:00Z"
    urn = client.get(f"/api/v1/devices/{device}").json()["entity"]
    for hour, value in ((0, 20.0), (2, 22.0)):
        client.post(f"/api/v1/devices/{device}/readings", json={"at": day.format(hour), "values": {"pm25": value}})
    query = {"id": urn, "attribute": "pm25", "format": "columns", "count": True}

    def pm25(hour: int, known: str) -> object:
        told = client.get("/api/v1/entities", params={**query, "at": day.format(hour), "known": known})
        assert told.status_code == 200, told.text
        return told.json()["attributes"].get("pm25", {}).get("value")

    wait_until(lambda: pm25(3, "now") == [22.0], "both readings are kept")
    assert pm25(1, "now") == [20.0]
    assert pm25(1, "then") in ([], [None]), "the city heard of it only today"
    history = {"attribute": "pm25", "from": day.format(0), "to": day.format(5)}
    told = client.get(f"/api/v1/entities/{urn}/history", params={**history, "known": "then"}).json()
    assert told["values"] == []
    assert client.get(f"/api/v1/entities/{urn}/history", params=history).json()["values"] == [20, 22]


def test_devices_are_registered_listed_and_described(client: httpx.Client, device: str) -> None:
    page = client.get("/api/v1/devices", params={"q": device}).json()
    assert [one["id"] for one in page["items"]] == [device]
    assert page["items"][0]["state"] == "never"
    assert page["counts"]["never"] >= 1
    again = client.post("/api/v1/devices", json={"id": device, "type": "AirQualityObserved"})
    assert again.status_code == 409
    bulk = [{"id": f"{device}"[:50] + f"-{number}", "type": "AirQualityObserved"} for number in range(3)]
    assert client.post("/api/v1/devices/bulk", json=bulk).json() == {"registered": 3}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/v1/entities?bbox=1,2,3", 400),
        ("/api/v1/entities?bbox=nan,0,1,1", 400),
        ("/api/v1/entities?bbox=10,10,0,0", 400),
        ("/api/v1/entities?near=105,21", 400),
        ("/api/v1/entities?near=105,21,-5", 400),
        ("/api/v1/entities?q=%3E5", 400),
        ("/api/v1/entities?limit=0", 422),
        ("/api/v1/entities?limit=many", 422),
        ("/api/v1/entities?limit=9999999", 422),
        ("/api/v1/entities/urn:ngsi-ld:None:hanoi:x", 404),
        ("/api/v1/entities/urn:ngsi-ld:None:hanoi:x/history?attribute=pm25", 404),
        ("/api/v1/entities/urn:x:y/history", 422),
        ("/api/v1/entities/urn:x:y/history?attribute=a&from=2026-01-01T00:00:00", 400),
        ("/api/v1/entities/urn:x:y/history?attribute=a&from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", 400),
        ("/api/v1/entities/urn:x:y/history?attribute=a&from=yesterday", 422),
        ("/api/v1/entities?at=2026-05-14T00:00:00Z", 400),
        ("/api/v1/entities?at=2026-05-14T00:00:00&format=columns&attribute=pm25", 400),
        ("/api/v1/entities?at=2126-05-14T00:00:00Z&format=columns&attribute=pm25", 400),
        ("/api/v1/entities?at=2026-05-14T00:00:00Z&format=columns&attribute=pm25&q=pm25>3", 400),
        ("/api/v1/entities?at=2026-05-14T00:00:00Z&format=columns&attribute=pm25&known=maybe", 422),
        ("/api/v1/devices?state=asleep", 400),
        ("/api/v1/devices/nobody", 404),
        ("/api/v1/devices/không", 422),
        ("/api/v1/wards/locate?longitude=inf&latitude=0", 422),
        ("/api/v1/quarantine/999999", 404),
        ("/api/v1/nothing", 404),
    ],
)
def test_a_wrong_question_gets_a_problem_that_says_what_to_do(client: httpx.Client, path: str, status: int) -> None:
    answer = client.get(path, headers={"Accept": "text/html"})
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert problem["title"]
    assert problem["detail"]
    assert problem["correlation"] == answer.headers["x-request-id"]
    if status == 422:
        assert problem["errors"][0]["where"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'{"id": "a b", "type": "AirQualityObserved"}',
        b'{"id": "ab"}',
        b'{"id": "ab", "type": "AirQualityObserved", "cadence": "often"}',
        b'{"id": "ab", "type": "AirQualityObserved", "longitude": 999, "latitude": 1}',
        b'{"id": "ab", "type": "AirQualityObserved", "unknown": 1}',
        b'{"id": "ab", "type": "Unheard"}',
        b'{"id": "ab", "type": "AirQualityObserved", "longitude": 105.8}',
        b'{"id": "ab", "type": "AirQualityObserved", "mapping": {"t": {"attribute": "nothing"}}}',
        b'{"id": "\xff", "type": "AirQualityObserved"}',
    ],
)
def test_a_wrong_description_of_a_device_is_refused(client: httpx.Client, body: bytes) -> None:
    answer = client.post("/api/v1/devices", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422), answer.text
    assert answer.headers["content-type"] == "application/problem+json"


def test_quarantined_messages_are_seen_replayed_and_discarded(client: httpx.Client, device: str) -> None:
    told = client.post(f"/api/v1/devices/{device}/readings", json={"values": {"unheard_of": 5}})
    assert told.status_code == 202

    def held() -> list[dict[str, object]]:
        rows = client.get("/api/v1/quarantine", params={"limit": 1000}).json()["items"]
        return [row for row in rows if row["device"] == device]

    wait_until(held, "it is held")
    row = held()[0]
    assert row["reason"] == "unmapped-key"
    whole = client.get(f"/api/v1/quarantine/{row['id']}").json()
    assert "unheard_of" in whole["body"]
    assert client.post("/api/v1/quarantine/replay", json={"ids": [row["id"]]}).json()["replayed"] == [row["id"]]
    wait_until(lambda: held() and held()[0]["id"] != row["id"], "it came back as a new row")
    second = held()[0]["id"]
    assert client.post("/api/v1/quarantine/discard", json={"ids": [second]}).json() == {"discarded": [second]}
    assert not held()
    assert client.post("/api/v1/quarantine/discard", json={"ids": []}).status_code == 422


def test_parked_changes_are_listed(client: httpx.Client) -> None:
    assert client.get("/api/v1/parked").json()["items"] == []
    assert client.post("/api/v1/parked/resend", json={"ids": [1]}).json() == {"resent": []}


def test_a_stranger_reads_what_is_public_and_nothing_more(stranger: httpx.Client) -> None:
    assert stranger.get("/api/v1/city").status_code == 200
    assert "devices" not in stranger.get("/health").json()
    for path in ("/api/v1/devices", "/api/v1/lobby", "/api/v1/quarantine", "/api/v1/parked", "/metrics"):
        refused = stranger.get(path)
        assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
