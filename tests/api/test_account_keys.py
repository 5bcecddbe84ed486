"""Keys of systems over the API: made by whoever administers them, told once, ended at once; a key makes none."""

import secrets
from typing import Any

import httpx
import pytest

from dothi.access.grants import Granted
from dothi.access.policy import SYSTEM
from dothi.access.sessions import COOKIE
from dothi.testing.city import RunningCity

GRANTED = (Granted("operator", 2), Granted("engineer", 1, wards=("00004",)))


@pytest.fixture
def keys(city: RunningCity) -> str:
    """Where the keys of a new system are."""
    login = f"system-{secrets.token_hex(4)}"
    account = city.run(city.platform.accounts.create(SYSTEM, login, "Hệ thống", GRANTED, kind="system"))
    return f"/api/v1/accounts/{account}/keys"


def issue(client: httpx.Client, keys: str, **told: Any) -> dict[str, Any]:
    answer = client.post(keys, json={"label": "bảng tin", "days": 30} | told)
    assert answer.status_code == 201, answer.text
    assert answer.headers["cache-control"] == "no-store"
    made: dict[str, Any] = answer.json()
    return made


def test_a_key_is_told_once_used_and_revoked(client: httpx.Client, stranger: httpx.Client, keys: str) -> None:
    made = issue(client, keys, roles=["engineer"])
    assert (made["kind"], made["roles"], made["clearance"]) == ("key", ["engineer"], "internal")
    bearer = {"authorization": f"Bearer {made['secret']}"}
    assert stranger.get("/api/v1/devices", headers=bearer).status_code == 200
    assert stranger.post("/api/v1/sql", json={"sql": "SELECT 1"}, headers=bearer).status_code == 200
    listed = client.get(keys)
    assert made["secret"] not in listed.text
    assert [(one["id"], one["label"], one["open"]) for one in listed.json()["items"]] == [(made["id"], "bảng tin", True)]
    assert client.post(f"{keys}/{made['id']}/revoke").status_code == 200
    assert stranger.get("/api/v1/devices", headers=bearer).status_code == 401
    assert [one["open"] for one in client.get(keys).json()["items"]] == [False]
    assert client.post(f"{keys}/{made['id']}/revoke").status_code == 404


def test_a_client_trades_its_secret_for_tokens_of_what_it_was_given(
    client: httpx.Client, stranger: httpx.Client, keys: str
) -> None:
    made = issue(client, keys, kind="client", clearance="public")
    form = {"grant_type": "client_credentials"}
    answer = stranger.post("/oauth/token", data=form, auth=(made["id"], made["secret"]))
    assert answer.json()["scope"] == "engineer operator"
    assert made["clearance"] == "public"


@pytest.mark.parametrize(
    ("told", "status"),
    [
        ({"days": 31}, 400),
        ({"days": 10**30}, 400),
        ({"roles": ["steward"]}, 400),
        ({"roles": []}, 400),
        ({"clearance": "secret"}, 400),
        ({"kind": "password"}, 422),
        ({"label": ""}, 422),
        ({"label": "  "}, 400),
        ({"grants": [{"role": "system"}]}, 422),
    ],
)
def test_what_cannot_be_is_refused_in_words(client: httpx.Client, keys: str, told: dict[str, Any], status: int) -> None:
    answer = client.post(keys, json={"label": "x", "days": 30} | told)
    assert (answer.status_code, bool(answer.json()["detail"])) == (status, True), answer.text
    assert client.get(keys).json()["items"] == []


def test_nobody_makes_a_key_of_a_person_and_no_key_makes_keys(
    city: RunningCity, client: httpx.Client, stranger: httpx.Client, keys: str
) -> None:
    person = city.run(city.platform.accounts.create(SYSTEM, f"p-{secrets.token_hex(4)}", "Người", GRANTED))
    of_person = f"/api/v1/accounts/{person}/keys"
    assert client.post(of_person, json={"label": "x", "days": 30}).status_code == 404
    bearer = {"authorization": f"Bearer {issue(client, keys)['secret']}"}
    assert stranger.post(keys, json={"label": "x", "days": 30}, headers=bearer).status_code == 403
    assert stranger.get(keys, headers=bearer).status_code == 403
    assert stranger.get(keys).status_code == 401


def test_who_signed_in_long_ago_signs_in_anew_first(
    city: RunningCity, stranger: httpx.Client, keys: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed = {"cookie": f"{COOKIE}={city.session('administrator')}"}
    assert stranger.post(keys, json={"label": "x", "days": 30}, headers=signed).status_code == 201
    monkeypatch.setattr("dothi.access.accounts.RECENT", 0)
    refused = stranger.post(keys, json={"label": "x", "days": 30}, headers=signed)
    assert (refused.status_code, refused.json()["type"]) == (403, "urn:dothi:problem:sign-in-again")
