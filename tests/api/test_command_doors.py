"""Commands over the API: proposed, decided, listed; and every wrong way answered in words."""

import httpx

URN = "urn:ngsi-ld:AirQualityObserved:hanoi:cmd-api"
DEVICE = {"id": "cmd-api", "type": "AirQualityObserved", "name": "Trạm API", "longitude": 105.85, "latitude": 21.03}
TOLD = {"kind": "air.restart", "entity": URN, "because": "đứng hình"}


def test_a_command_is_proposed_listed_refused_and_withdrawn(client: httpx.Client) -> None:
    client.post("/api/v1/devices", json=DEVICE).raise_for_status()
    kinds = {one["id"]: one for one in client.get("/api/v1/command-kinds").json()["items"]}
    assert kinds["air.zero-check"]["twoPeople"] is True
    assert kinds["air.zero-check"]["parameters"][0]["maximum"] == 60
    made = client.post("/api/v1/commands", json=TOLD)
    assert made.status_code == 201, made.text
    place, told = made.headers["location"], made.json()
    assert place == f"/api/v1/commands/{told['id']}"
    assert (told["state"], told["device"], told["incident"]) == ("proposed", "cmd-api", None)
    assert client.post("/api/v1/commands", json=TOLD).json()["type"].endswith("command-waits")
    assert [one["id"] for one in client.get(f"/api/v1/commands?entity={URN}").json()["items"]] == [told["id"]]
    assert client.post(f"{place}/refuse", json={"because": ""}).status_code == 422
    assert client.post(f"{place}/refuse", json={"because": "chưa cần"}).json()["state"] == "refused"
    assert client.post(f"{place}/approve").json()["type"].endswith("command-moved-on")
    again = client.post("/api/v1/commands", json=TOLD).headers["location"]
    assert client.post(f"{again}/withdraw").json()["state"] == "withdrawn"
    assert client.get(again).json()["endedAt"] is not None


def test_wrong_commands_are_answered_in_words(client: httpx.Client) -> None:
    for wrong, status in (
        ({"kind": "air.dance"}, 400),
        ({"entity": "urn:ngsi-ld:AirQualityObserved:hanoi:nobody"}, 404),
        ({"because": ""}, 422),
        ({"colour": "red"}, 422),
        ({"kind": "air.zero-check", "parameters": {"minutes": 0}}, 400),
        ({"kind": "air.zero-check", "parameters": {"minutes": "NaN"}}, 400),
        ({"kind": "air.zero-check"}, 400),
    ):
        answer = client.post("/api/v1/commands", json=TOLD | wrong)
        assert answer.status_code == status, answer.text
        assert answer.json()["detail"] or answer.json()["errors"]
    assert client.get("/api/v1/commands/L-2611-9999").status_code == 404
    assert client.get("/api/v1/commands?state=lost").status_code == 422
    stranger = httpx.Client(base_url=client.base_url, trust_env=False, timeout=60)
    assert stranger.get("/api/v1/commands").status_code == 401
    assert stranger.post("/api/v1/commands", json=TOLD).status_code == 401
