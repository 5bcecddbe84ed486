"""Who is known, over the API: admitted, changed and shut out by those who may, and no secret told but the link."""

from typing import Any

import httpx

from dothi.access.sessions import COOKIE
from dothi.testing.city import RunningCity

PASSWORD = "con mèo trèo cây cau 7"


def admit(client: httpx.Client, login: str, *grants: dict[str, Any]) -> dict[str, Any]:
    answer = client.post("/api/v1/accounts", json={"login": login, "name": "Người thử", "grants": list(grants)})
    assert answer.status_code == 201, answer.text
    told: dict[str, Any] = answer.json()
    return told


def test_somebody_is_admitted_changed_and_shut_out(city: RunningCity, client: httpx.Client, stranger: httpx.Client) -> None:
    made = admit(client, "lan", {"role": "operator", "wards": ["00004"]})
    assert made["link"].startswith("/sign-in/link?token=")
    page = stranger.get(made["link"])
    assert (page.status_code, page.headers["cache-control"]) == (200, "no-store")
    token = made.pop("link").partition("=")[2]
    cookie = city.run(city.platform.accounts.redeem(token, PASSWORD, address="", agent="", correlation=""))
    signed = {"cookie": f"{COOKIE}={cookie}"}
    assert stranger.get("/api/v1/devices", headers=signed).status_code == 200
    assert stranger.get("/api/v1/accounts", headers=signed).status_code == 403
    changed = client.put(f"/api/v1/accounts/{made['id']}/grants", json=[{"role": "leader"}])
    assert [one["role"] for one in changed.json()["grants"]] == ["leader"]
    assert stranger.get("/api/v1/devices", headers=signed).status_code == 403
    assert client.post(f"/api/v1/accounts/{made['id']}/disable").json()["state"] == "disabled"
    assert stranger.get("/api/v1/runs", headers=signed).status_code == 401
    assert client.post(f"/api/v1/accounts/{made['id']}/enable").json()["state"] == "active"
    assert "link" in client.post(f"/api/v1/accounts/{made['id']}/reset-link").json()
    whole = client.get("/api/v1/accounts", params={"q": "LAN"}).text
    assert '"lan"' in whole
    assert not any(secret in whole for secret in ("argon2", "password", "totp", token))


def test_what_cannot_be_is_refused_in_words(client: httpx.Client, stranger: httpx.Client) -> None:
    for body, status in (
        ({"login": "a b", "name": "x"}, 400),
        ({"login": "mai", "name": ""}, 400),
        ({"login": "mai", "name": "Mai", "grants": [{"role": "system"}]}, 400),
        ({"login": "mai", "name": "Mai", "grants": [{"role": "leader", "clearance": "secret"}]}, 400),
        ({"login": "mai", "name": "Mai", "kind": "robot"}, 422),
        ({"login": "mai", "name": "Mai", "password": "x"}, 422),
    ):
        answer = client.post("/api/v1/accounts", json=body)
        assert (answer.status_code, bool(answer.json()["detail"])) == (status, True), body
    for path in ("/api/v1/accounts", "/api/v1/roles", "/api/v1/accounts/p-00000000000000000000"):
        assert stranger.get(path).status_code == 401
    assert client.get("/api/v1/accounts/p-00000000000000000000").status_code == 404
    assert stranger.post("/api/v1/accounts", json={"login": "mai", "name": "Mai"}).status_code == 401


def test_the_roles_say_what_they_may(client: httpx.Client) -> None:
    roles = {one["role"]: one for one in client.get("/api/v1/roles").json()["items"]}
    assert "system" not in roles
    assert "people.write" in roles["administrator"]["actions"]
    assert (roles["administrator"]["secondFactor"], roles["leader"]["secondFactor"]) == (True, False)
