"""Coming in and going out over HTTP, without a script."""

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from pyotp import TOTP
from visitor_world import PASSWORD, Visitor, newcomer

from dothi.access.demo import DEMO_ROLES
from dothi.access.grants import Granted
from dothi.access.sessions import COOKIE
from dothi.store.connection import Unavailable
from dothi.testing.city import RunningCity, running_city
from dothi.testing.people import insider
from dothi.web.visitors import local_path

OPERATOR = Granted("operator", 1)


def _place(answer: httpx.Response) -> str:
    assert answer.status_code == 303, answer.text[:2000]
    return answer.headers["location"]


def _with_app(visitor: Visitor) -> tuple[str, list[str]]:
    """Turn the second step on; the app's secret and the recovery codes."""
    page = visitor.get("/account/totp").text
    secret = re.sub(r"\s", "", re.search(r"account-secret\">([^<]+)<", page)[1])  # type: ignore[index]  # or it fails
    sealed = re.search(r'name="sealed" value="([0-9a-f]+)"', page)
    assert sealed is not None
    answer = visitor.send_form("/account/totp", "/account/totp", {"sealed": sealed[1], "code": TOTP(secret).now()})
    assert answer.status_code == 200
    return secret, re.findall(r"<code>([a-z2-7-]{27})</code>", answer.text)


def _next_code(secret: str) -> str:
    """A code that was not used yet: of the step to come, which a phone that runs ahead shows."""
    return TOTP(secret).at(datetime.now(UTC) + timedelta(seconds=30))


def _pending(answer: httpx.Response) -> str:
    found = re.search(r'name="pending" value="([^"]+)"', answer.text)
    assert found is not None, answer.text[:2000]
    return unescape(found[1])


def test_a_first_start_offers_demo_people_until_somebody_real_is_there(tmp_path: Path) -> None:
    with running_city(tmp_path) as city, Visitor(city) as demo, Visitor(city) as first:
        page = demo.get("/sign-in").text
        assert re.findall(r'name="role" value="(\w+)"', page) == list(DEMO_ROLES)
        assert "TRÌNH DIỄN" in page
        carried = httpx.get(
            f"{city.base_url}/sign-in", headers={"x-forwarded-for": "203.0.113.9"}, trust_env=False, timeout=60
        )
        assert carried.status_code == 200 and 'name="role"' not in carried.text, "a proxy may bring anybody"
        assert _place(demo.send_form("/sign-in", "/sign-in/demo", {"role": "administrator", "to": "/wards"})) == "/wards"
        assert "TRÌNH DIỄN" in demo.get("/wards").text
        assert demo.get("/account").status_code == 200
        assert demo.get("/account/totp").status_code == 403, "a demo person keeps nothing"
        assert demo.send_form("/sign-in", "/sign-in/demo", {"role": "system"}).status_code == 401

        link = f"/sign-in/link?token={city.run(city.platform.accounts.first_link())}"
        token = parse_qs(urlsplit(link).query)["token"][0]
        told = {"token": token, "name": "Nguyễn Thị Lan", "login": "lan", "password": PASSWORD, "again": PASSWORD}
        for wrong in ({"login": "ủy ban"}, {"name": " "}, {"password": "matkhau", "again": "matkhau"}, {"again": "khác"}):
            assert first.send_form(link, "/sign-in/link", told | wrong).status_code == 400, wrong
        assert _place(first.send_form(link, "/sign-in/link", told)) == "/account?done=asleep"
        assert "đang chờ xác thực hai bước" in first.get("/account").text
        assert first.get("/people").status_code == 403, "the role sleeps"
        assert first.get(link).status_code == 404
        assert "Liên kết đã hết hiệu lực" in first.get(link).text
        _with_app(first)
        assert "Nguyễn Thị Lan" in first.get("/people", params={"q": "nguyen thi"}).text

        assert 'name="role"' not in demo.get("/sign-in").text
        assert _place(demo.get("/account")).startswith("/sign-in"), "the demo is over"


def test_the_same_words_for_whoever_does_not_come_in(city: RunningCity) -> None:
    login, _account = newcomer(city, OPERATOR)
    shut, other = newcomer(city, OPERATOR)
    city.run(city.platform.accounts.disable(insider(), other))
    with Visitor(city) as visitor:
        refused = [
            visitor.sign_in(login, "not the password"),
            visitor.sign_in("nobody-here"),
            visitor.sign_in(shut),
            visitor.sign_in(""),
        ]
        assert {one.status_code for one in refused} == {401}
        assert len({re.sub(r'value="[^"]*"|\d\d:\d\d', "", one.text.split("<main")[1]) for one in refused[1:3]}) == 1
        assert COOKIE not in visitor.cookies
        assert _place(visitor.sign_in(login.upper(), to="/wards?q=ba")) == "/wards?q=ba"
        assert "Người mới" in visitor.get("/").text
        cookie = visitor.cookies[COOKIE]
        assert _place(visitor.sign_in(login, to="https://evil.example/")) == "/", "only to a page of ours"
        assert visitor.cookies[COOKIE] != cookie
        with Visitor(city, cookie) as old:
            assert _place(old.get("/account")).startswith("/sign-in"), "one browser has one session"
        assert _place(visitor.send_form("/account", "/sign-out")) == "/sign-in?done=out"
        assert COOKIE not in visitor.cookies
        assert "Đã đăng xuất" in visitor.get("/sign-in?done=out").text


@pytest.mark.parametrize(
    ("granted", "home"),
    [
        ([Granted("developer", 1)], "/data/sql"),
        ([Granted("leader", 2)], "/"),
        ([Granted("ward_officer", 2, wards=("00070",))], "/mine"),
        ([Granted("leader", 2, wards=("00070",))], "/wards/00070"),
        ([Granted("steward", 3)], "/data"),
        ([Granted("ward_officer", 2, wards=("00070", "00082"))], "/"),
        ([Granted("ward_officer", 2, wards=("00070",)), Granted("leader", 1)], "/"),
        ([Granted("auditor", 2)], "/audit"),
        ([Granted("auditor", 1)], "/"),
        ([], "/account"),
    ],
)
def test_the_front_page_that_was_asked_for_is_each_ones_own(city: RunningCity, granted: list[Granted], home: str) -> None:
    login, _account = newcomer(city, *granted)
    with Visitor(city) as visitor:
        assert _place(visitor.get("/")) == "/sign-in?to=/"
        assert _place(visitor.sign_in(login, to="/")) == home
        assert visitor.get(home).status_code == 200


def test_the_second_step_by_app_and_by_recovery_code(city: RunningCity) -> None:
    login, _account = newcomer(city, OPERATOR)
    with Visitor(city) as elsewhere, Visitor(city) as visitor:
        elsewhere.sign_in(login)
        visitor.sign_in(login)
        wrong = visitor.get("/account/totp").text
        sealed = re.search(r'name="sealed" value="([0-9a-f]+)"', wrong)[1]  # type: ignore[index]  # or it fails
        again = visitor.send_form("/account/totp", "/account/totp", {"sealed": sealed, "code": "000000"})
        assert (again.status_code, sealed in again.text) == (400, True), "the same QR code stays"
        assert visitor.send_form("/account/totp", "/account/totp", {"sealed": "ab" * 40, "code": "1"}).status_code == 400
        secret, codes = _with_app(visitor)
        assert len(codes) == 8
        assert "đã qua bước hai" in visitor.get("/account").text, "this session became a strong one"
        assert _place(elsewhere.get("/account")).startswith("/sign-in"), "the others ended"

        visitor.send_form("/account", "/sign-out")
        asked = visitor.sign_in(login, to="/wards")
        assert COOKIE not in visitor.cookies, "a password alone opens nothing now"
        told = {"pending": _pending(asked), "to": "/wards"}
        assert visitor.send_form("/sign-in", "/sign-in/code", told | {"code": "000000"}).status_code == 401
        assert visitor.send_form("/sign-in", "/sign-in/code", told | {"pending": "p-1.9.x"}).status_code == 401
        code = _next_code(secret)
        assert _place(visitor.send_form("/sign-in", "/sign-in/code", told | {"code": code})) == "/wards"
        told["pending"] = _pending(visitor.sign_in(login))
        assert visitor.send_form("/sign-in", "/sign-in/code", told | {"code": code}).status_code == 401, "once"
        assert _place(visitor.send_form("/sign-in", "/sign-in/code", told | {"code": codes[0].upper()})) == "/wards"
        told["pending"] = _pending(visitor.sign_in(login))
        assert visitor.send_form("/sign-in", "/sign-in/code", told | {"code": codes[0]}).status_code == 401, "once"
        assert "còn 7 mã" in visitor.get("/account").text


def test_what_one_signs_in_with_changes_only_just_after_signing_in(city: RunningCity) -> None:
    login, account = newcomer(city, OPERATOR)
    with Visitor(city) as visitor:
        visitor.sign_in(login)
        _secret, codes = _with_app(visitor)
        renewed = visitor.send_form("/account", "/account/codes")
        assert set(re.findall(r"<code>([a-z2-7-]{27})</code>", renewed.text)).isdisjoint(codes)
        (session,) = city.platform.accounts.sessions_of(account)
        session.created_at -= 16 * 60 * 1_000_000
        assert _place(visitor.get("/account/totp")) == "/sign-in?to=/account/totp&done=again"
        for path in ("/account/totp/remove", "/account/codes", "/account/passkeys/abc/remove"):
            assert _place(visitor.send_form("/account", path)) == "/sign-in?to=/account&done=again", path
        assert city.platform.accounts.factors(account) == {"totp", "recovery"}
        session.created_at += 16 * 60 * 1_000_000
        accounts = city.platform.accounts
        elsewhere = city.run(accounts.open_session(account, strong=True, address="", agent="", correlation=""))
        assert _place(visitor.send_form("/account", "/account/totp/remove")) == "/account?done=totp-removed"
        with Visitor(city, elsewhere) as other:
            assert _place(other.get("/account")).startswith("/sign-in"), "the other sessions end with it"
        assert city.platform.accounts.factors(account) == set()


def test_a_new_password_ends_the_other_sessions(city: RunningCity) -> None:
    login, _account = newcomer(city, OPERATOR)
    with Visitor(city) as visitor, Visitor(city) as elsewhere:
        elsewhere.sign_in(login)
        visitor.sign_in(login)
        new = "bốn con vịt lội qua sông"
        told = {"old": PASSWORD, "new": new, "again": new}
        assert visitor.send_form("/account", "/account/password", told | {"old": "wrong"}).status_code == 401
        assert visitor.send_form("/account", "/account/password", told | {"again": "x"}).status_code == 400
        weak = {"new": "matkhau123456", "again": "matkhau123456"}
        assert "khó đoán" in visitor.send_form("/account", "/account/password", told | weak).text
        assert elsewhere.get("/account").status_code == 200
        assert _place(visitor.send_form("/account", "/account/password", told)) == "/account?done=password"
        assert _place(elsewhere.get("/account")).startswith("/sign-in")
        assert visitor.get("/account").status_code == 200
        assert elsewhere.sign_in(login).status_code == 401
        assert _place(elsewhere.sign_in(login, new)) == "/"
        assert "phiên này" in visitor.get("/account").text
        for strange in ("zz", "0" * 64, "x" * 5_000, "é"):
            assert visitor.send_form("/account", "/account/sessions/end", {"session": strange}).status_code == 404
        assert elsewhere.get("/account").status_code == 200
        assert _place(visitor.send_form("/account", "/account/sessions/end")) == "/account?done=ended"
        assert _place(elsewhere.get("/account")).startswith("/sign-in")


def test_who_leaves_a_desk_leaves_it_also_while_nothing_can_be_written(
    city: RunningCity, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: object, **__: object) -> None:
        raise Unavailable("disk is full")

    with Visitor(city, city.session("leader")) as visitor:
        token = visitor.get("/account").text.partition('name="csrf_token" value="')[2].partition('"')[0]
        monkeypatch.setattr(city.platform.accounts, "end_sessions", full)
        answer = visitor.post("/sign-out", data={"csrf_token": token})
        assert _place(answer) == "/sign-in?done=out"
        assert f"{COOKIE}=;" in answer.headers["set-cookie"]


def test_people_begin_at_a_page_of_theirs(city: RunningCity) -> None:
    for granted, home in ((OPERATOR, "/"), (Granted("developer", 0), "/data/sql"), (None, "/account")):
        login, _account = newcomer(city, *([granted] if granted else []))
        with Visitor(city) as visitor:
            assert _place(visitor.sign_in(login)) == home
            assert visitor.get(home).status_code == 200
    elsewhere = city.session("leader")
    with Visitor(city, elsewhere) as visitor:
        assert "/account/totp" not in visitor.get("/account").text, "no password, so no second step after it"


def test_a_stranger_has_no_account_and_is_shown_the_way_in(city: RunningCity) -> None:
    with Visitor(city) as visitor:
        assert _place(visitor.get("/account")) == "/sign-in?to=/account&done=again"
        assert visitor.send_form("/sign-in", "/account/password", {"old": "x"}).status_code == 401
        assert visitor.send_form("/sign-in", "/account/sessions/end").status_code == 401
        assert visitor.post("/sign-in", data={"login": "lan", "password": PASSWORD}).status_code == 403, "no token, no form"
        assert visitor.post("/account/passkeys", json={"answer": {}}).status_code in (401, 403)
        assert visitor.send_form("/sign-in", "/sign-in/passkey", {"answer": "{}"}).status_code == 415, "a form is no JSON"
        answer = visitor.get("/sign-in")
        assert answer.headers["cache-control"] == "no-store"
        for body in (b"[]", b"{", b'{"answer": 1}', b"x" * 70_000):
            sent = visitor.post("/sign-in/passkey", content=body, headers={"content-type": "application/json"})
            assert 400 <= sent.status_code < 500, body[:20]


@pytest.mark.parametrize(
    "text",
    ["//evil", "https://evil", "/\\evil", "\\\\evil", "javascript:x", "/a\nb", "/a\tb", "/x\\y", "evil", "", " /x"],
)
def test_a_way_back_is_a_path_of_ours(text: str) -> None:
    assert local_path(text) == ""
    assert local_path("/wards?q=a%20b#x") == "/wards?q=a%20b#x"
