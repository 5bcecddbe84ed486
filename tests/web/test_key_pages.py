"""The pages of keys: shown once, used at once, ended at once; nobody sees or ends another's."""

import re
import secrets
from collections.abc import Callable

import httpx
import pytest

from dothi.access.grants import Granted
from dothi.access.policy import SYSTEM
from dothi.access.sessions import COOKIE
from dothi.testing.city import RunningCity

Visitor = Callable[..., httpx.Client]


@pytest.fixture
def visitor(city: RunningCity) -> Visitor:
    """A browser in which somebody new with these grants is signed in; without any, a stranger."""

    def visitor(*granted: Granted, language: str = "vi") -> httpx.Client:
        headers = {"accept": "text/html", "accept-language": language, "x-forwarded-for": "203.0.113.9"}
        client = httpx.Client(base_url=city.base_url, trust_env=False, timeout=30, headers=headers)
        if granted:
            client.cookies.set(COOKIE, city.run(_session(city, granted)))
        return client

    return visitor


async def _session(city: RunningCity, granted: tuple[Granted, ...]) -> str:
    accounts = city.platform.accounts
    account = await accounts.create(SYSTEM, f"t-{secrets.token_hex(6)}", "Người thử", granted)
    return await accounts.open_session(account, strong=True, address="127.0.0.1", agent="test", correlation="test")


def _token(client: httpx.Client, path: str) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', client.get(path).text)
    assert found
    return found[1]


def _issue(client: httpx.Client, path: str = "/account/keys", **changed: str) -> httpx.Response:
    form = {"label": "bảng tin", "grant": "0", "clearance": "1", "days": "30", "csrf_token": _token(client, path)}
    return client.post(path, data=form | changed)


def _secret(page: httpx.Response) -> str:
    found = re.search(r"dothi_[0-9a-f]{16}_[A-Za-z0-9_-]{43}", page.text)
    assert found
    return found[0]


ENGINEER = Granted("engineer", 2, sectors=("air",))


def test_a_key_is_made_shown_once_used_and_revoked(city: RunningCity, visitor: Visitor) -> None:
    browser = visitor(ENGINEER, Granted("leader", 1))
    empty = browser.get("/account/keys")
    assert "Chưa có khóa nào" in empty.text
    made = _issue(browser)
    assert (made.status_code, made.headers["cache-control"]) == (200, "no-store")
    secret = _secret(made)
    listed = browser.get("/account/keys").text
    assert secret not in listed
    assert "bảng tin" in listed
    assert "Kỹ sư cơ quan" in listed
    with httpx.Client(
        base_url=city.base_url, trust_env=False, headers={"authorization": f"Bearer {secret}"}, timeout=60
    ) as program:
        assert program.get("/api/v1/devices").status_code == 200
        id = secret.split("_")[1]
        gone = browser.post(f"/account/keys/{id}/revoke", data={"csrf_token": _token(browser, "/account/keys")})
        assert gone.headers["location"] == "/account/keys?done=revoked"
        assert program.get("/api/v1/devices").status_code == 401
    assert "Đã thu hồi khóa" in browser.get("/account/keys?done=revoked").text


def test_who_signed_in_long_ago_signs_in_anew_first(visitor: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = visitor(ENGINEER)
    monkeypatch.setattr("dothi.access.accounts.RECENT", 0)
    refused = _issue(browser)
    assert (refused.status_code, refused.headers["location"]) == (303, "/sign-in?to=/account/keys&done=again")
    assert "Chưa có khóa nào" in browser.get("/account/keys").text


def test_nobody_ends_the_key_of_another(visitor: Visitor) -> None:
    one, other = visitor(ENGINEER), visitor(ENGINEER)
    id = _secret(_issue(one)).split("_")[1]
    refused = other.post(f"/account/keys/{id}/revoke", data={"csrf_token": _token(other, "/account/keys")})
    assert refused.status_code == 404
    assert id not in other.get("/account/keys").text
    assert f"/account/keys/{id}/revoke" in one.get("/account/keys").text


@pytest.mark.parametrize("changed", [{"days": "9" * 5_000}, {"days": "²"}, {"clearance": "9" * 5_000}, {"clearance": "४"}])
def test_numbers_that_are_none_are_refused_in_words(visitor: Visitor, changed: dict[str, str]) -> None:
    assert _issue(visitor(ENGINEER), **changed).status_code == 400


def test_a_form_without_its_token_makes_nothing(visitor: Visitor) -> None:
    browser = visitor(ENGINEER)
    assert _issue(browser, csrf_token="x").status_code == 403
    assert "Chưa có khóa nào" in browser.get("/account/keys").text


@pytest.mark.parametrize(
    "changed",
    [{"grant": "1"}, {"grant": "-1"}, {"grant": ""}, {"clearance": "9"}, {"clearance": ""}, {"days": "9999"}, {"label": ""}],
)
def test_what_was_not_offered_is_refused(visitor: Visitor, changed: dict[str, str]) -> None:
    assert _issue(visitor(ENGINEER), **changed).status_code == 400


def test_whoever_administers_gives_that_to_no_key(visitor: Visitor) -> None:
    browser = visitor(Granted("administrator", 2))
    page = browser.get("/account/keys")
    assert "luôn cần người đăng nhập hai bước" in page.text
    assert 'name="grant"' not in page.text


def test_strangers_and_machines_have_no_keys_to_look_at(city: RunningCity, visitor: Visitor) -> None:
    assert visitor().get("/account/keys").status_code == 401
    secret = _secret(_issue(visitor(ENGINEER)))
    with httpx.Client(
        base_url=city.base_url, trust_env=False, headers={"authorization": f"Bearer {secret}"}, timeout=60
    ) as program:
        assert program.get("/account/keys").status_code == 403


def test_an_administrator_makes_a_client_for_a_system(city: RunningCity, visitor: Visitor) -> None:
    accounts = city.platform.accounts
    granted = [Granted("engineer", 2), Granted("leader", 1)]
    system = city.run(accounts.create(SYSTEM, f"s-{secrets.token_hex(6)}", "Bảng tin", granted, kind="system"))
    path = f"/people/{system}/keys"
    assert visitor(ENGINEER).get(path).status_code == 403
    browser = visitor(Granted("administrator", 2), language="en")
    made = _issue(browser, path, kind="secret", grant="1")
    found = re.search(
        r"<dt>client_id</dt><dd><code>(\w+)</code></dd><dt>client_secret</dt><dd><code>([\w-]+)</code>", made.text
    )
    assert found
    assert "shown only this once" in made.text
    with httpx.Client(base_url=city.base_url, trust_env=False, timeout=60) as program:
        answer = program.post("/oauth/token", data={"grant_type": "client_credentials"}, auth=(found[1], found[2]))
        assert answer.json()["scope"] == "leader"
    browser.post(f"{path}/{found[1]}/revoke", data={"csrf_token": _token(browser, path)})
    assert f"/{found[1]}/revoke" not in browser.get(path).text


def test_nobody_makes_a_key_of_a_person(city: RunningCity, visitor: Visitor) -> None:
    person = city.run(city.platform.accounts.create(SYSTEM, f"p-{secrets.token_hex(6)}", "An", [Granted("leader", 1)]))
    browser = visitor(Granted("administrator", 2))
    assert browser.get(f"/people/{person}/keys").status_code == 404
    token = _token(browser, "/account/keys")
    form = {"label": "x", "grant": "0", "clearance": "1", "days": "30", "csrf_token": token}
    assert browser.post(f"/people/{person}/keys", data=form).status_code == 404


def test_an_address_without_a_provider_leads_nowhere(visitor: Visitor) -> None:
    assert "/sign-in/oidc" not in visitor().get("/sign-in").text
    assert visitor().get("/sign-in/oidc").status_code == 404
    assert visitor().get("/sign-in/oidc/back?state=x&code=x").status_code == 404
