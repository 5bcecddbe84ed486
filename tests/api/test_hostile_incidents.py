"""Hostile requests about incidents: moments of no calendar, numbers without an end, causes of the city's own."""

from typing import Any

import httpx
import pytest
from test_incident_doors import KIND, do, opened

from dothi.testing.city import RunningCity

MOMENTS = ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "9999-12-31T23:59:59Z"]


@pytest.fixture(autouse=True, scope="module")
def kind(city: RunningCity) -> None:
    """A kind whose answers need no photo, in the city they all share."""
    city.platform.incidents.kinds[KIND.id] = KIND


@pytest.mark.parametrize("moment", MOMENTS)
def test_no_moment_makes_an_incident_that_cannot_be_shown(client: httpx.Client, moment: str) -> None:
    one = do(client, opened(client), "accept").json()
    path = f"/api/v1/incidents/{one['code']}"
    assert do(client, one, "add_task", text="Đi xem", due_at=moment).status_code == 400
    assert do(client, one, "pause", reason="Chờ", until=moment).status_code == 400
    assert client.get("/api/v1/incidents", params={"since": moment}).status_code in (200, 400)
    photo = client.post(f"{path}/photos", params={"phase": "after", "takenAt": moment}, content=b"x")
    assert photo.status_code in (400, 415)
    assert client.get(path).json()["version"] == one["version"]
    assert client.get("/api/v1/incidents", params={"order": "newest"}).status_code == 200


def test_a_program_opens_nothing_in_the_name_of_an_alert_or_a_report(client: httpx.Client) -> None:
    for cause in ("alert-group:1", "report:0011223344556677"):
        answer = client.post("/api/v1/incidents", json={"kind": "test.leak", "ward": "00004", "cause": cause})
        assert answer.status_code == 400, answer.text


def test_who_pages_by_the_limit_they_asked_for_misses_nothing(client: httpx.Client) -> None:
    made = {opened(client, title="Lật trang")["code"] for _ in range(205)}
    found = client.get("/api/v1/incidents", params={"q": "lat trang", "limit": 1000}).json()
    assert {one["code"] for one in found["items"]} == made
    assert (found["total"], found["limit"]) == (205, 1000)


def test_rules_are_bounded_and_of_this_city(client: httpx.Client) -> None:
    good = client.get("/api/v1/rules").json()["items"][0]["rule"]
    wrong: list[dict[str, Any]] = [
        {"title": {"vi": "x" * 151, "en": "x"}},
        {"note": "x" * 1_001},
        {"owner": "nobody-of-this-name"},
        {"where": {"wards": ["99999"]}},
        {"where": {"entities": ["urn:x:1"] * 1_001}},
        {"where": {"entities": ["x" * 501]}},
    ]
    for told in wrong:
        answer = client.put("/api/v1/rules/bounded", json={"version": 0, "rule": good | told})
        assert answer.status_code == 400, told
    assert client.get("/api/v1/rules/bounded").status_code == 404


@pytest.mark.parametrize(
    "act",
    [
        {"type": "answer", "text": "a", "proof": [10**30]},
        {"type": "do_task", "task": 10**30},
        {"type": "rank", "severity": 10**30, "urgency": "urgent"},
        {"type": "comment", "text": "\0"},
        {"type": "delegate", "assignee": "nobody-of-this-name"},
        {"type": "tie", "kind": "report", "ref": "0011223344556677"},
    ],
)
def test_what_no_form_sends_is_refused_in_words(client: httpx.Client, act: dict[str, Any]) -> None:
    one = opened(client)
    answer = client.post(f"/api/v1/incidents/{one['code']}/acts", json={"act": act, "version": one["version"]})
    assert answer.status_code in (400, 409), answer.text
    assert client.get(f"/api/v1/incidents/{one['code']}").json()["version"] == one["version"]
