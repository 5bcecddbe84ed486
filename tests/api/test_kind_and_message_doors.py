"""Kinds of incidents, messages of the city and its months over the API: who may, what is refused, what stands afterwards."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from dothi.access.policy import Grant, Person, Scope
from dothi.testing.city import RunningCity
from dothi.testing.people import Crowd

TITLE = {"vi": "Hố ga mất nắp", "en": "Open manhole"}
STORM = {"vi": "Bão số 9: gọi 114 khi cần cứu hộ", "en": "Storm 9: call 114 for rescue"}


@pytest.fixture(scope="module")
def officer(city: RunningCity) -> Iterator[httpx.Client]:
    """Somebody who works in one ward."""
    ward = Grant("ward_officer", Scope(wards=frozenset({"00070"})))
    headers = Crowd(city).headers(Person("officer", (ward,)))
    with httpx.Client(base_url=city.base_url, trust_env=False, timeout=30, headers=headers) as client:
        yield client


def kind(client: httpx.Client, id: str) -> dict[str, Any]:
    found: dict[str, Any] = client.get(f"/api/v1/incident-kinds/{id}").json()
    return found


def test_a_kind_is_made_changed_and_retired(client: httpx.Client) -> None:
    made = client.post("/api/v1/incident-kinds", json={"title": TITLE, "citizens": True, "name": "api ho ga"})
    assert made.status_code == 201, made.text
    one = made.json()
    assert (one["id"], one["version"], one["citizens"], one["proof"]) == ("city-api-ho-ga", 1, True, True)
    assert made.headers["location"] == "/api/v1/incident-kinds/city-api-ho-ga"
    assert one in client.get("/api/v1/incident-kinds").json()["items"]
    told = {"title": TITLE, "hint": {"vi": "Nắp vỡ", "en": "A broken lid"}, "severity": 3, "retired": True, "version": 1}
    changed = client.put("/api/v1/incident-kinds/city-api-ho-ga", json=told)
    assert (changed.status_code, changed.json()["version"], changed.json()["retired"]) == (200, 2, True), changed.text
    assert kind(client, "city-api-ho-ga") == changed.json()
    late = client.put("/api/v1/incident-kinds/city-api-ho-ga", json=told)
    assert (late.status_code, late.json()["type"]) == (409, "urn:dothi:problem:changed-meanwhile")
    opened = client.post("/api/v1/incidents", json={"kind": "city-api-ho-ga", "longitude": 105.85, "latitude": 21.03})
    assert opened.status_code == 400, "nothing new is of a retired kind"


def test_what_a_sector_brings_is_offered_to_people_or_not(client: httpx.Client) -> None:
    before = kind(client, "report-traffic")
    for citizens in (False, True):
        asked = {"citizens": citizens, "version": kind(client, "report-traffic")["version"]}
        done = client.patch("/api/v1/incident-kinds/report-traffic", json=asked)
        assert (done.status_code, done.json()["citizens"]) == (200, citizens), done.text
    assert kind(client, "report-traffic") == before | {"version": before["version"] + 2}


def test_a_message_is_said_on_every_page_until_it_is_ended(client: httpx.Client) -> None:
    made = client.post("/api/v1/messages", json={"text": STORM, "grave": True})
    assert made.status_code == 201, made.text
    one = made.json()
    assert (one["text"], one["grave"], one["audience"], one["until"]) == (STORM, True, "all", None)
    assert STORM["vi"] in client.get("/report", headers={"accept-language": "vi"}).text
    ended = client.post(f"/api/v1/messages/{one['number']}/end").json()
    assert ended["until"] is not None
    assert ended in client.get("/api/v1/messages").json()["items"]
    assert STORM["vi"] not in client.get("/report", headers={"accept-language": "vi"}).text


def test_what_is_wrong_is_said_and_nothing_is_written(client: httpx.Client) -> None:
    kinds = client.get("/api/v1/incident-kinds").json()["total"]
    for method, path, body, status in (
        ("POST", "incident-kinds", {"title": {"vi": "", "en": ""}}, 400),
        ("POST", "incident-kinds", {"title": {"vi": "x"}}, 422),
        ("POST", "incident-kinds", {"title": TITLE, "severity": 9}, 422),
        ("POST", "incident-kinds", {"title": TITLE, "hint": {"vi": "chỉ một", "en": ""}}, 400),
        ("POST", "incident-kinds", {"title": TITLE, "agency": "none-such"}, 400),
        ("PUT", "incident-kinds/report-traffic", {"title": TITLE, "version": 0}, 404),
        ("PUT", "incident-kinds/city-none", {"title": TITLE, "version": 0}, 404),
        ("PATCH", "incident-kinds/air-pollution", {"citizens": True, "version": 0}, 400),
        ("PATCH", "incident-kinds/report-traffic", {"citizens": True, "version": 10**30}, 422),
        ("GET", "incident-kinds/none-such", None, 404),
        ("POST", "messages", {"text": {"vi": "Bão", "en": ""}}, 400),
        ("POST", "messages", {"text": STORM, "audience": "martians"}, 422),
        ("POST", "messages", {"text": STORM, "until": "2026-01-01T00:00:00Z"}, 400),
        ("POST", "messages", {"text": STORM, "until": "2026-01-01T00:00:00"}, 400),
        ("POST", "messages", {"text": STORM, "start": "9999-12-31T00:00:00Z"}, 400),
        ("POST", "messages/987654/end", None, 404),
    ):
        answer = client.request(method, f"/api/v1/{path}", json=body)
        assert answer.status_code == status, (method, path, body, answer.text)
    assert client.get("/api/v1/incident-kinds").json()["total"] == kinds


def test_the_last_months_are_told_as_far_as_one_sees(client: httpx.Client, officer: httpx.Client) -> None:
    made = client.post("/api/v1/incident-kinds", json={"title": {"vi": "Tháng", "en": "Month"}, "name": "api month"}).json()
    for longitude in (105.852, 105.852, 105.8521, 105.4):
        asked = {"kind": made["id"], "longitude": longitude, "latitude": 21.029}
        assert client.post("/api/v1/incidents", json=asked).status_code == 201
    found = client.get("/api/v1/incident-months", params={"kind": made["id"]}).json()
    assert (len(found["months"]), found["months"][-1]) == (12, found["items"][0]["month"])
    assert {(one["kind"], one["opened"], one["answered"], one["minutesToAnswer"]) for one in found["items"]} == {
        (made["id"], 3, 0, None),
        (made["id"], 1, 0, None),
    }
    (spot,) = found["places"]
    assert (spot["ward"], spot["count"], spot["kinds"]) == ("00070", 3, [made["id"]])
    theirs = officer.get("/api/v1/incident-months", params={"kind": made["id"]}).json()
    assert [(one["ward"], one["opened"]) for one in theirs["items"]] == [("00070", 3)]


def test_who_may_not_is_refused(officer: httpx.Client, stranger: httpx.Client) -> None:
    doors = (
        ("GET", "messages", None),
        ("POST", "messages", {"text": STORM}),
        ("POST", "messages/1/end", None),
        ("POST", "incident-kinds", {"title": TITLE}),
        ("PUT", "incident-kinds/city-x", {"title": TITLE, "version": 1}),
        ("PATCH", "incident-kinds/report-traffic", {"citizens": False, "version": 0}),
    )
    for method, path, body in doors:
        assert officer.request(method, f"/api/v1/{path}", json=body).status_code == 403, path
        assert stranger.request(method, f"/api/v1/{path}", json=body).status_code == 401, path
    for path in ("incident-months", "incident-kinds", "incident-kinds/report-traffic"):
        assert stranger.get(f"/api/v1/{path}").status_code == 401
