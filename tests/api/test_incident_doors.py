"""Incidents over HTTP: opened, found, worked on by the same rules as in the pages; photos in and out."""

import io
from typing import Any

import httpx
import pytest
from PIL import Image

from dothi.access.policy import Clearance, Grant, Person, Scope
from dothi.model.text import Text
from dothi.platform.incidents.kinds import IncidentKind
from dothi.testing.city import RunningCity
from dothi.testing.people import Crowd

KIND = IncidentKind("test.leak", Text("Rò rỉ", "Leak"), severity=3, proof=False)


@pytest.fixture(autouse=True, scope="module")
def kind(city: RunningCity) -> None:
    """A kind of these tests' own, in the city they all share."""
    city.platform.incidents.kinds[KIND.id] = KIND


def opened(client: httpx.Client, **more: Any) -> dict[str, Any]:
    told = {"kind": KIND.id, "longitude": 105.85, "latitude": 21.03} | more
    answer = client.post("/api/v1/incidents", json=told)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    assert answer.headers["location"] == f"/api/v1/incidents/{found['code']}"
    return found


def do(client: httpx.Client, one: dict[str, Any], kind: str, **more: Any) -> httpx.Response:
    told = {"act": {"type": kind, **more}, "version": one["version"]}
    return client.post(f"/api/v1/incidents/{one['code']}/acts", json=told)


def test_an_incident_is_opened_found_and_worked_on(client: httpx.Client) -> None:
    one = opened(client, title="Vỡ ống nước ngầm")
    assert (one["state"], one["severity"], one["title"]["en"]) == ("new", 3, "Vỡ ống nước ngầm")
    assert one["ward"] is not None
    done = do(client, one, "accept").json()
    assert (done["state"], done["version"]) == ("accepted", 2)
    found = client.get("/api/v1/incidents", params={"q": "vo ong nuoc ngam", "kind": KIND.id}).json()
    assert [row["code"] for row in found["items"]] == [one["code"]]
    assert (found["total"], found["states"]["accepted"]) == (1, 1)
    assert client.get("/api/v1/incidents", params={"q": "vo ong nuoc ngam", "state": "closed"}).json()["total"] == 0
    whole = client.get(f"/api/v1/incidents/{one['code']}").json()
    assert "start" in whole["possible"]
    assert "accept" not in whole["possible"]
    timeline = client.get(f"/api/v1/incidents/{one['code']}/timeline").json()["items"]
    assert [line["act"] for line in timeline] == ["open", "accept"]
    assert timeline[1]["changes"] == [{"field": "state", "before": "new", "after": "accepted"}]


def test_the_same_cause_opens_nothing_new(client: httpx.Client) -> None:
    first = opened(client, cause="elsewhere:42")
    assert opened(client, cause="elsewhere:42")["code"] == first["code"]


def test_who_comes_second_is_told_what_is_different(client: httpx.Client) -> None:
    one = opened(client)
    assert do(client, one, "retitle", title="Khác").status_code == 200
    late = do(client, one, "accept")
    assert (late.status_code, late.headers["content-type"]) == (409, "application/problem+json")
    told = late.json()
    assert (told["type"], told["now"]["version"]) == ("urn:dothi:problem:changed-meanwhile", 2)
    assert [(one["field"], one["after"]["vi"]) for one in told["differences"]] == [("title", "Khác")]
    assert do(client, one, "comment", text="Đã xem").status_code == 200
    assert do(client, told["now"], "accept").status_code == 200


@pytest.mark.parametrize(
    ("told", "status"),
    [
        ({"type": "reject", "reason": ""}, 400),
        ({"type": "reject"}, 400),
        ({"type": "explode"}, 400),
        ({"type": "close"}, 409),
        ({"type": "assign"}, 400),
        ({"type": "add_task", "text": "Đi", "due_at": "2026-05-14T11:00:00"}, 400),
        ({"type": "merge", "into": "SV-0000-0001"}, 404),
        ({"type": "move", "longitude": 0, "latitude": 0}, 400),
    ],
)
def test_an_act_that_makes_no_sense_is_refused(client: httpx.Client, told: dict[str, Any], status: int) -> None:
    one = opened(client)
    answer = client.post(f"/api/v1/incidents/{one['code']}/acts", json={"act": told, "version": 1})
    assert answer.status_code == status, answer.text
    assert client.get(f"/api/v1/incidents/{one['code']}").json()["version"] == 1


def test_kinds_load_and_duplicates_are_told(client: httpx.Client) -> None:
    one, other = opened(client, title="Cống tắc"), opened(client, title="Cống tắc")
    listed = {row["id"]: row for row in client.get("/api/v1/incident-kinds").json()["items"]}
    assert (listed[KIND.id]["title"]["vi"], listed[KIND.id]["playbook"]) == ("Rò rỉ", None)
    likely = client.get(f"/api/v1/incidents/{other['code']}/duplicates").json()["items"]
    assert one["code"] in [row["incident"]["code"] for row in likely]
    loads = client.get("/api/v1/incident-load").json()["items"]
    assert [row["open"] >= 2 for row in loads if row["ward"] == one["ward"]] == [True]


def test_photos_go_in_and_come_out_for_who_may(client: httpx.Client, stranger: httpx.Client) -> None:
    one = opened(client)
    written = io.BytesIO()
    Image.new("RGB", (20, 10), "green").save(written, "PNG")
    path = f"/api/v1/incidents/{one['code']}/photos"
    added = client.post(path, params={"phase": "after"}, content=written.getvalue(), headers={"content-type": "image/png"})
    assert added.status_code == 201, added.text
    number = added.json()["number"]
    assert [(row["number"], row["phase"]) for row in client.get(path).json()["items"]] == [(number, "after")]
    picture = client.get(f"/api/v1/photos/{number}", params={"size": "small"})
    assert (picture.status_code, picture.headers["content-type"]) == (200, "image/jpeg")
    assert stranger.get(f"/api/v1/photos/{number}").status_code == 404
    assert stranger.post(f"/api/v1/photos/{number}/release").status_code == 401
    assert client.post(f"/api/v1/photos/{number}/release").json()["releasedAt"] is not None
    assert stranger.get(f"/api/v1/photos/{number}").status_code == 200
    assert client.post(f"/api/v1/photos/{number}/withdraw").json()["releasedAt"] is None
    assert stranger.get(f"/api/v1/photos/{number}").status_code == 404
    assert client.delete(f"/api/v1/photos/{number}").status_code == 204
    assert client.get(f"/api/v1/photos/{number}").status_code == 404


def test_nobody_sees_or_touches_what_is_not_theirs(city: RunningCity, client: httpx.Client, stranger: httpx.Client) -> None:
    one = opened(client)
    elsewhere = next(ward.code for ward in city.platform.city.wards if ward.code != one["ward"])
    grant = Grant("ward_officer", Scope(wards=frozenset({elsewhere})), Clearance.INTERNAL)
    headers = Crowd(city).headers(Person("officer-elsewhere", (grant,)))
    assert stranger.get("/api/v1/incidents").status_code == 401
    for path in ("", "/timeline", "/photos", "/duplicates"):
        assert stranger.get(f"/api/v1/incidents/{one['code']}{path}", headers=headers).status_code == 404
    assert stranger.get("/api/v1/incidents", headers=headers, params={"kind": KIND.id}).json()["total"] == 0
    acted = {"act": {"type": "accept"}, "version": 1}
    assert stranger.post(f"/api/v1/incidents/{one['code']}/acts", headers=headers, json=acted).status_code == 404
