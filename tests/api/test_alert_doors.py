"""Alerts and rules over the API: a rule is made, moved, changed and switched off; what it raises is listed and seen to."""

import httpx

from dothi.testing.city import wait_until

AIR = "https://smartdatamodels.org/dataModel.Environment/AirQualityObserved"
PM25 = "https://smartdatamodels.org/dataModel.Environment/pm25"
RULE = {
    "title": {"vi": "Bụi qua API", "en": "Dust by API"},
    "entity_type": AIR,
    "any_of": [[{"is": "compare", "attribute": PM25, "op": ">", "value": 900}]],
    "severity": 3,
}


def test_a_rule_is_made_fires_is_seen_to_changed_and_switched_off(client: httpx.Client, device: str) -> None:
    urn = f"urn:ngsi-ld:AirQualityObserved:hanoi:{device}"
    here = RULE | {"where": {"entities": [urn]}}
    made = client.put("/api/v1/rules/api-dust", json={"rule": here})
    assert (made.status_code, made.json()["version"], made.json()["enabled"]) == (201, 1, True), made.text
    told = client.get("/api/v1/rules/api-dust").json()
    moved = client.put("/api/v1/rules/api-dust-moved", json={"rule": told["rule"]}).json()
    assert moved["rule"] == told["rule"] | {"id": "api-dust-moved"}
    assert client.patch("/api/v1/rules/api-dust-moved", json={"enabled": False}).json()["enabled"] is False

    sent = client.post(f"/api/v1/devices/{device}/readings", json={"values": {"pm25": 950}})
    assert sent.status_code == 202, sent.text

    def lines() -> list[dict[str, object]]:
        return list(client.get("/api/v1/alerts?rule=api-dust").json()["items"])

    wait_until(lines, "the rule fires")
    line = lines()[0]
    assert (line["state"], line["severity"], line["count"], line["incident"]) == ("firing", 3, 1, None)
    assert client.get("/api/v1/alerts?rule=api-dust&severity=4").json()["total"] == 0
    assert client.get("/api/v1/alerts?rule=api-dust&state=ended").json()["total"] == 0
    alerts = client.get(f"/api/v1/alerts/{line['id']}").json()["alerts"]
    assert [(one["subject"], one["value"], one["threshold"]) for one in alerts] == [(urn, 950.0, 900.0)]
    assert client.get("/api/v1/entity-alerts", params={"entity": urn}).json()["items"] == alerts
    seen = client.post(f"/api/v1/alerts/{line['id']}/acknowledge").json()
    assert seen["state"] == "acknowledged" and seen["acknowledgedAt"]

    late = client.put("/api/v1/rules/api-dust", json={"rule": here, "version": 0})
    assert late.status_code == 409 and late.json()["type"].endswith("changed-meanwhile")
    assert client.patch("/api/v1/rules/api-dust", json={"enabled": False}).status_code == 200
    assert lines() == []
    assert client.get(f"/api/v1/alerts/{line['id']}").json()["state"] == "ended"
    again = client.put("/api/v1/rules/api-dust", json={"rule": here | {"severity": 2}, "version": 1})
    assert (again.status_code, again.json()["version"], again.json()["enabled"]) == (200, 2, False)
    assert client.get("/api/v1/rules/api-dust?version=1").json()["rule"]["severity"] == 3
    assert client.get("/api/v1/rules/api-dust?version=9").status_code == 404
    assert {"api-dust", "air-index-bad"} <= {one["rule"]["id"] for one in client.get("/api/v1/rules").json()["items"]}


def test_what_is_wrong_with_a_rule_is_said(client: httpx.Client, stranger: httpx.Client) -> None:
    for wrong, status in (
        ({"rule": {}}, 400),
        ({"rule": RULE | {"colour": "red"}}, 400),
        ({"rule": RULE | {"any_of": []}}, 400),
        ({"rule": RULE | {"entity_type": "https://example.org/Cloud"}}, 400),
        ({"rule": RULE | {"incident": "dance"}}, 400),
        ({"rule": RULE, "version": 3}, 409),
        ({"rule": RULE, "more": 1}, 422),
    ):
        answer = client.put("/api/v1/rules/api-wrong", json=wrong)
        assert answer.status_code == status, answer.text
        assert answer.json()["detail"] or answer.json()["errors"]
    assert client.get("/api/v1/rules/api-wrong").status_code == 404
    assert client.patch("/api/v1/rules/api-wrong", json={"enabled": True}).status_code == 404
    assert client.get("/api/v1/alerts/987654").status_code == 404
    assert client.post("/api/v1/alerts/987654/acknowledge").status_code == 404
    for asked in (
        stranger.get("/api/v1/alerts"),
        stranger.get("/api/v1/rules"),
        stranger.post("/api/v1/alerts/1/acknowledge"),
    ):
        assert asked.status_code == 401
