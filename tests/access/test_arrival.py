"""From the real provider into a real city: who comes in, as whom, with which rights, and who does not."""

import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
from oidc_world import CLIENT, PASSWORD, provider, sign_in_at

from dothi.access.arrivals import groups_of, provider_of
from dothi.access.grants import Granted
from dothi.access.known import Account
from dothi.access.policy import SYSTEM
from dothi.model.problem import Problem
from dothi.settings import Settings
from dothi.testing.city import RunningCity, running_city

ADDRESSES = count(1)
GROUPS = {
    "ioc": [{"role": "operator"}],
    "khí": [{"role": "engineer", "clearance": 2, "sectors": ["air"]}],
    "quản trị": [{"role": "administrator", "clearance": 2}],
}


@dataclass
class World:
    city: RunningCity
    issuer: str

    @property
    def back(self) -> str:
        return f"{self.city.base_url}/sign-in/oidc/back"

    def browser(self) -> httpx.Client:
        # Each from an address of its own: how often one may sign in elsewhere is bounded.
        headers = {"accept": "text/html", "accept-language": "vi", "x-forwarded-for": f"203.0.113.{next(ADDRESSES)}"}
        return httpx.Client(base_url=self.city.base_url, trust_env=False, timeout=20, headers=headers)

    def come(self, browser: httpx.Client, sub: str, to: str = "/", **person: str) -> httpx.Response:
        """The whole way: to the provider, in there as ``sub``, and back; the city's last answer."""
        begun = browser.get("/sign-in/oidc", params={"to": to})
        assert begun.status_code == 303, begun.text
        answer = sign_in_at(
            browser, begun.headers["location"], self.back, **({"sub": sub, "login": sub, "name": sub} | person)
        )
        return browser.get(f"{self.back}?{urlencode(answer)}")

    def account(self, sub: str) -> Account | None:
        return self.city.platform.accounts.account_of_subject(f"{self.issuer} {sub}")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    free = socket.socket()
    free.bind(("127.0.0.1", 0))  # until the provider runs nobody else takes it
    port = free.getsockname()[1]
    told = {"oidc_client_id": CLIENT, "oidc_client_secret": PASSWORD, "oidc_groups": GROUPS, "port": port}
    told |= {"trusted_proxy": "127.0.0.1", "names": "city.example.vn"}
    with provider(f"http://127.0.0.1:{port}/sign-in/oidc/back") as issuers:
        free.close()
        with running_city(tmp_path_factory.mktemp("city"), oidc_issuer=issuers.careful, **told) as city:
            yield World(city, issuers.careful)


def test_who_is_in_a_known_group_comes_in_with_its_rights(world: World) -> None:
    browser = world.browser()
    came = world.come(browser, "u-1", "/wards?page=2", name="Nguyễn Văn An", login="An.Nguyễn", groups="ioc,khí,khác")
    assert (came.status_code, came.headers["location"]) == (303, "/wards?page=2")
    cookies = came.headers.get_list("set-cookie")
    assert any("dothi_session=" in one and "HttpOnly" in one and "SameSite=Lax" in one for one in cookies)
    assert any(one.startswith("dothi_oidc=;") and "Max-Age=0" in one for one in cookies)
    account = world.account("u-1")
    assert account is not None
    assert (account.login, account.name, account.password) == ("an.nguyen", "Nguyễn Văn An", None)
    assert account.granted == (Granted("operator"), Granted("engineer", 2, sectors=("air",)))
    assert browser.get("/wards").status_code == 200
    assert browser.get("/people").status_code in (401, 403)


def test_the_page_to_sign_in_leads_there(world: World) -> None:
    assert 'href="/sign-in/oidc?to=/wards"' in world.browser().get("/sign-in?to=/wards").text


def test_rights_follow_the_groups_at_each_sign_in(world: World) -> None:
    browser = world.browser()
    world.come(browser, "u-2", groups="ioc,khí")
    first = world.account("u-2")
    world.come(world.browser(), "u-2", groups="ioc", name="Tên khác", login="khac")
    account = world.account("u-2")
    assert first is not None
    assert account is not None
    assert (account.id, account.login, account.granted) == (first.id, first.login, (Granted("operator"),))
    # Whoever is in no group any more loses everything, also in the sessions that are open.
    assert world.come(world.browser(), "u-2", groups="khác").status_code == 403
    assert browser.get("/wards").status_code in (401, 403)


def test_who_is_in_no_known_group_gets_no_account(world: World) -> None:
    for groups in ("", "khác", "IOC", "ioc "):
        came = world.come(world.browser(), "u-3", groups=groups)
        assert came.status_code == 403
        assert "chưa có vai trò" in came.text
        assert not any("dothi_session=" in one for one in came.headers.get_list("set-cookie"))
    assert world.account("u-3") is None


def test_a_login_that_looks_like_somebody_makes_nobody_them(world: World) -> None:
    accounts = world.city.platform.accounts
    local = world.city.run(accounts.create(SYSTEM, "giam-doc", "Giám đốc", [Granted("leader", 2)]))
    world.come(world.browser(), "u-4", login="giam-doc", groups="ioc")
    account = world.account("u-4")
    assert account is not None
    assert account.id != local
    assert re.fullmatch(r"giam-doc-[0-9a-f]{6}", account.login)
    world.come(world.browser(), "u-5", login="!", groups="ioc")
    account = world.account("u-5")
    assert account is not None
    assert account.login.startswith("oidc-")


def test_administration_sleeps_until_the_provider_saw_two_factors(world: World) -> None:
    one = world.browser()
    came = world.come(one, "u-6", "/people", groups="quản trị", amr="pwd")
    assert came.headers["location"] == "/account?done=asleep"
    assert one.get("/people").status_code in (401, 403)
    two = world.browser()
    came = world.come(two, "u-6", "/people", groups="quản trị", amr="pwd,mfa")
    assert came.headers["location"] == "/people"
    assert two.get("/people").status_code == 200


def test_a_disabled_account_stays_out(world: World) -> None:
    browser = world.browser()
    world.come(browser, "u-7", groups="ioc")
    account = world.account("u-7")
    assert account is not None
    world.city.run(world.city.platform.accounts.disable(SYSTEM, account.id))
    came = world.come(world.browser(), "u-7", groups="ioc")
    assert came.status_code == 403
    assert "đã ngừng" in came.text
    assert browser.get("/wards").status_code in (401, 403)


@pytest.mark.parametrize(
    "to", ["https://example.org/", "//example.org", "/\\example.org", "javascript:alert(1)", "wards", ""]
)
def test_nobody_is_led_elsewhere(world: World, to: str) -> None:
    assert world.come(world.browser(), "u-8", to, groups="ioc").headers["location"] == "/"


def test_an_answer_is_good_once_and_in_one_browser(world: World) -> None:
    browser, other = world.browser(), world.browser()
    begun = browser.get("/sign-in/oidc")
    other.get("/sign-in/oidc")
    answer = sign_in_at(browser, begun.headers["location"], world.back, sub="u-9", login="u-9", name="u-9", groups="ioc")
    kept = dict(browser.cookies)
    stolen = other.get(f"{world.back}?{urlencode(answer)}")
    assert stolen.status_code == 401
    assert "không tin được" in stolen.text
    assert browser.get(f"{world.back}?{urlencode(answer)}").status_code == 303
    browser.cookies.update(kept)
    again = browser.get(f"{world.back}?{urlencode(answer)}")
    assert again.status_code == 401
    assert not any("dothi_session=" in one for one in again.headers.get_list("set-cookie"))


def test_coming_in_anew_ends_the_session_before(world: World) -> None:
    browser = world.browser()
    world.come(browser, "u-10", groups="ioc")
    first = browser.cookies["dothi_session"]
    world.come(browser, "u-10", groups="ioc")
    assert browser.cookies["dothi_session"] != first
    account = world.account("u-10")
    assert account is not None
    assert len(world.city.platform.accounts.sessions_of(account.id)) == 1


@pytest.mark.parametrize("query", ["", "?code=x", "?state=x&code=x", "?error=access_denied", "?state=%00&code=%F0%9F%92%A9"])
def test_an_answer_that_nobody_asked_for_is_refused(world: World, query: str) -> None:
    assert world.browser().get(f"/sign-in/oidc/back{query}").status_code == 401


def test_the_browser_keeps_what_it_must_bring_back_to_itself(world: World) -> None:
    begun = world.browser().get("/sign-in/oidc")
    (cookie,) = [one for one in begun.headers.get_list("set-cookie") if one.startswith("dothi_oidc=")]
    assert {"HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=600"} <= set(cookie.split("; "))
    asked = parse_qs(urlsplit(begun.headers["location"]).query)
    assert asked["redirect_uri"] == [world.back]


def test_behind_tls_everything_is_of_that_name_and_of_tls_only(world: World) -> None:
    begun = world.browser().get("/sign-in/oidc", headers={"host": "city.example.vn", "x-forwarded-proto": "https"})
    asked = parse_qs(urlsplit(begun.headers["location"]).query)
    assert asked["redirect_uri"] == ["https://city.example.vn/sign-in/oidc/back"]
    (cookie,) = [one for one in begun.headers.get_list("set-cookie") if "dothi_oidc=" in one]
    assert cookie.startswith("__Host-dothi_oidc=")
    assert {"Secure", "HttpOnly", "SameSite=Lax", "Path=/"} <= set(cookie.split("; "))


def test_coming_in_is_in_the_audit_log_without_names(world: World) -> None:
    world.come(world.browser(), "u-secret", login="nguoi-la", name="Người Lạ", groups="ioc")
    account = world.account("u-secret")
    assert account is not None
    with world.city.platform.database.reader() as db:
        rows = [tuple(row) for row in db.execute("SELECT * FROM audit").fetchall()]
    actions = {row[3] for row in rows if account.id in row}
    assert {"account.create", "session.open"} <= actions
    for name in ("u-secret", "nguoi-la", "Người Lạ", PASSWORD):
        assert name not in repr(rows)


@pytest.mark.parametrize(
    "told",
    [
        {"ioc": [{"role": "nobody"}]},
        {"ioc": [{"role": "system"}]},
        {"ioc": [{"role": "device"}]},
        {"ioc": [{"role": "leader", "clearance": 3}]},
        {"ioc": [{"role": "operator", "wards": []}]},
        {"ioc": [{"clearance": 1}]},
        {"ioc": {"role": "operator"}},
    ],
)
def test_groups_that_make_no_sense_stop_the_start(told: dict[str, Any]) -> None:
    with pytest.raises(Problem) as refused:
        groups_of(told)
    assert refused.value.status == 400


def test_half_a_setting_stops_the_start() -> None:
    assert provider_of(Settings(), bytes(32)) is None
    for told in ({"oidc_issuer": "https://id.example.vn"}, {"oidc_issuer": "ldap://id", "oidc_client_id": "x"}):
        with pytest.raises(Problem) as refused:
            provider_of(Settings(**told), bytes(32))  # type: ignore[arg-type]  # as the environment would tell them
        assert refused.value.status == 400
