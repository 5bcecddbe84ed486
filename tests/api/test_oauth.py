"""The token door as systems meet it: client credentials by the letter of RFC 6749, and the token at other doors."""

import base64
import secrets
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote_plus

import httpx
import pytest

from dothi.access.grants import Granted
from dothi.access.policy import SYSTEM
from dothi.testing.city import RunningCity, running_city

GRANT = {"grant_type": "client_credentials"}


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCity]:
    """A city of its own: how often an address may ask for a token is bounded, and here all come from one."""
    with running_city(tmp_path_factory.mktemp("oauth")) as one:
        yield one


@pytest.fixture
def client_of(city: RunningCity) -> tuple[str, str]:
    """An OAuth2 client of a new system that may do what an engineer and a leader may: its id and secret."""
    keys, accounts = city.platform.keys, city.platform.accounts
    granted = [Granted("engineer", 2), Granted("leader", 1)]

    async def make() -> tuple[str, str]:
        login = f"he-thong-{secrets.token_hex(4)}"
        account = await accounts.create(SYSTEM, login, "Hệ thống thử", granted, kind="system")
        issued = await keys.issue(SYSTEM, account, "secret", "thử", granted, 30)
        return issued.id, issued.secret

    return city.run(make())


def ask(stranger: httpx.Client, form: dict[str, Any], **options: Any) -> httpx.Response:
    return stranger.post("/oauth/token", data=form, **options)


def bearer(answer: httpx.Response) -> dict[str, str]:
    return {"authorization": f"Bearer {answer.json()['access_token']}"}


def test_a_system_gets_a_token_and_comes_in_with_it(stranger: httpx.Client, client_of: tuple[str, str]) -> None:
    answer = ask(stranger, GRANT, auth=client_of)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert (told["token_type"], told["expires_in"], told["scope"]) == ("Bearer", 600, "engineer leader")
    assert (answer.headers["cache-control"], answer.headers["pragma"]) == ("no-store", "no-cache")
    assert stranger.get("/api/v1/devices").status_code in (401, 403)
    assert stranger.get("/api/v1/devices", headers=bearer(answer)).status_code == 200
    assert stranger.get("/metrics", headers=bearer(answer)).status_code == 403


def test_a_scope_makes_a_lesser_token(stranger: httpx.Client, client_of: tuple[str, str]) -> None:
    answer = ask(stranger, GRANT | {"scope": "leader"}, auth=client_of)
    assert answer.json()["scope"] == "leader"
    assert stranger.get("/api/v1/devices", headers=bearer(answer)).status_code == 403
    refused = ask(stranger, GRANT | {"scope": "administrator"}, auth=client_of)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_scope")


def test_the_secret_may_stand_in_the_form(stranger: httpx.Client, client_of: tuple[str, str]) -> None:
    form = GRANT | dict(zip(("client_id", "client_secret"), client_of, strict=True))
    assert ask(stranger, form).status_code == 200
    both = ask(stranger, form, auth=client_of)
    assert (both.status_code, both.json()["error"]) == (400, "invalid_request")


def test_the_header_is_form_encoded_inside(stranger: httpx.Client, client_of: tuple[str, str]) -> None:
    pair = ":".join(f"%{ord(one[0]):02X}{quote_plus(one[1:])}" for one in client_of)
    header = {"authorization": f"basic {base64.b64encode(pair.encode()).decode()}"}
    assert ask(stranger, GRANT, headers=header).status_code == 200


def test_refusals_are_those_of_the_standard(stranger: httpx.Client, client_of: tuple[str, str]) -> None:
    id, secret = client_of
    for credentials in ((id, "wrong"), ("nobody", secret), (id, "")):
        wrong = ask(stranger, GRANT, auth=credentials)
        assert (wrong.status_code, wrong.json()["error"]) == (401, "invalid_client")
        assert wrong.headers["www-authenticate"].startswith("Basic ")
        assert wrong.headers["cache-control"] == "no-store"
    assert ask(stranger, GRANT).json()["error"] == "invalid_client"
    for header in ("Basic", "Basic !", "Basic " + base64.b64encode(b"no colon").decode()):
        unreadable = ask(stranger, GRANT, headers={"authorization": header})
        assert (unreadable.status_code, unreadable.json()["error"]) == (401, "invalid_client"), header
    for form, error in (
        ({}, "invalid_request"),
        ({"grant_type": "password", "username": "a", "password": "b"}, "unsupported_grant_type"),
        ({"grant_type": ["client_credentials", "client_credentials"]}, "invalid_request"),
        (GRANT | {"client_id": "another"}, "invalid_request"),
    ):
        refused = ask(stranger, form, auth=client_of)
        assert (refused.status_code, refused.json()["error"]) == (400, error)
    json = stranger.post("/oauth/token", json=GRANT, auth=client_of)
    assert (json.status_code, json.json()["error"]) == (400, "invalid_request")
    assert stranger.get("/oauth/token", params=GRANT, auth=client_of).status_code == 405


def test_a_clients_secret_opens_no_other_door(stranger: httpx.Client, client_of: tuple[str, str]) -> None:
    id, secret = client_of
    assert stranger.get("/api/v1/devices", auth=client_of).status_code == 401
    for credential in (secret, id, f"dothi_{id}_{secret}", "a.b.c", "dothi_", "é"):
        header = {"authorization": f"Bearer {credential}".encode()}
        refused = stranger.get("/api/v1/city", headers=header)  # type: ignore[arg-type]  # bytes, as they go over the wire
        assert refused.status_code == 401, credential
        assert refused.headers["content-type"] == "application/problem+json"


def test_a_token_ends_with_its_client(city: RunningCity, stranger: httpx.Client, client_of: tuple[str, str]) -> None:
    answer = ask(stranger, GRANT, auth=client_of)
    system = city.platform.keys.person_of(client_of[0])
    assert system is not None
    city.run(city.platform.keys.revoke(SYSTEM, client_of[0], system.id))
    assert stranger.get("/api/v1/devices", headers=bearer(answer)).status_code == 401
    assert ask(stranger, GRANT, auth=client_of).status_code == 401


def test_every_token_is_in_the_audit_log(city: RunningCity, stranger: httpx.Client, client_of: tuple[str, str]) -> None:
    correlation = f"audit-{secrets.token_hex(4)}"
    assert ask(stranger, GRANT, auth=client_of, headers={"x-request-id": correlation}).status_code == 200
    with city.platform.database.reader() as db:
        rows = db.execute("SELECT action, thing, result FROM audit WHERE correlation = ?", (correlation,)).fetchall()
    assert [tuple(row) for row in rows] == [("token.issue", f"credential:{client_of[0]}", "done")]


def test_an_api_key_comes_in_too(city: RunningCity, stranger: httpx.Client) -> None:
    async def make() -> str:
        account = await city.platform.accounts.create(SYSTEM, f"k-{secrets.token_hex(4)}", "K", [Granted("leader", 1)])
        person = city.platform.accounts.person_of(account)
        assert person is not None
        return (await city.platform.keys.issue(person, account, "key", "thử", [Granted("leader", 1)], 30)).secret

    header = {"authorization": f"Bearer {city.run(make())}"}
    assert stranger.get("/api/v1/city", headers=header).status_code == 200
    assert stranger.get("/api/v1/devices", headers=header).status_code == 403
    # A key makes no keys: whoever finds one could otherwise stay for ever.
    assert stranger.get("/account/keys", headers=header).status_code == 403


def test_the_api_says_how_to_come_in(stranger: httpx.Client) -> None:
    document = stranger.get("/openapi.json").json()
    assert set(document["components"]["securitySchemes"]) == {"bearer", "client"}
    assert document["paths"]["/oauth/token"]["post"]["security"] == [{"client": []}]
