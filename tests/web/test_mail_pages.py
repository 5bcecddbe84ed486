"""Mail that people asked for, from its pages to a real mail server: asked first, stopped at a wish, the dead sent again."""

import re
from collections.abc import Iterator
from html import unescape

import pytest
from visitor_world import Visitor, newcomer

from dothi.access.grants import Granted
from dothi.platform.incidents import acts
from dothi.platform.incidents.model import Draft
from dothi.platform.telling import readers
from dothi.testing.city import RunningCity, running_city, wait_until
from dothi.testing.mail import Inbox, mail_server
from dothi.testing.people import insider

WISH = {"severity": "3", "most": "6", "topic": ["assigned", "clocks"], "quiet_from": "", "quiet_until": ""}


@pytest.fixture(scope="module")
def inbox() -> Iterator[Inbox]:
    """A mail server on this machine."""
    with mail_server() as server:
        yield server


@pytest.fixture(scope="module")
def posting(tmp_path_factory: pytest.TempPathFactory, inbox: Inbox) -> Iterator[RunningCity]:
    """A city that sends by it."""
    server = f"127.0.0.1:{inbox.port}"
    folder = tmp_path_factory.mktemp("posting")
    given = {"mail_server": server, "mail_from": "Đô Thị <bao@hanoi.example>", "mail_tls": "none"}
    with pytest.MonkeyPatch.context() as patched, running_city(folder, sectors="citizens", **given) as running:
        patched.setattr(readers, "SETTLE", 0)  # nothing comes together here
        yield running


def entered(city: RunningCity, *granted: Granted) -> tuple[Visitor, str]:
    """Somebody new in a session of two steps, and their id."""
    _login, account = newcomer(city, *granted)
    cookie = city.run(city.platform.accounts.open_session(account, strong=True, address="", agent="", correlation=""))
    return Visitor(city, cookie), account


def text_of(inbox: Inbox, place: int = -1) -> str:
    body = inbox.taken[place][1].get_body(("plain",))
    assert body is not None
    return str(body.get_content())


def test_an_officer_asks_to_be_told_is_told_and_stops_it(posting: RunningCity, inbox: Inbox) -> None:
    inbox.taken.clear()
    ward = posting.platform.city.wards[0]
    officer, account = entered(posting, Granted("ward_officer", 2, wards=(ward.code,)))
    with officer, Visitor(posting) as anybody:
        assert 'name="address" type="email" required maxlength="150" autocomplete="email" value=""' in (
            officer.get("/account").text
        )
        for wrong, words in (
            ({"address": "nobody"}, "Địa chỉ thư chưa đúng"),
            ({"address": "a@example.vn", "quiet_from": "22:00"}, "cả giờ bắt đầu và giờ kết thúc"),
            ({"address": "a@example.vn", "most": "900"}, "Còn thiếu hoặc chưa đúng"),
        ):
            refused = officer.send_form("/account", "/account/telling", WISH | wrong)
            assert (refused.status_code, words in refused.text) == (400, True)
        kept = officer.send_form("/account", "/account/telling", WISH | {"address": "chi@example.vn"})
        assert kept.headers["location"] == "/account?done=asked#telling"
        wait_until(lambda: inbox.taken, "the question arrives")
        link = re.search(r"http\S+(/account/telling/confirm\?token=\S+)", text_of(inbox))
        assert link is not None and "Đã gửi thư tới chi@example.vn" in officer.get("/account").text
        token = link[1].partition("token=")[2]
        assert anybody.get(link[1]).status_code == 200
        other = token[:-1] + ("0" if token[-1] != "0" else "1")
        stale = anybody.send_form(link[1], "/account/telling/confirm", {"token": other})
        assert (stale.status_code, "không còn dùng được" in stale.text) == (404, True)
        assert "Đã xác nhận" in anybody.send_form(link[1], "/account/telling/confirm", {"token": token}).text

        incidents = posting.platform.incidents
        draft = Draft("report-order", "report", text="của bà Lê Thị B", ward=ward.code)
        opened = posting.run(incidents.open(insider(), draft))
        posting.run(incidents.act(insider(), opened.code, acts.Assign(assignee=account), version=opened.version))
        wait_until(lambda: len(inbox.taken) == 2, "they are told", 60)
        text = text_of(inbox)
        assert opened.code in text and f"/incidents/{opened.code}" in text and "Lê Thị B" not in text
        html = inbox.taken[-1][1].get_body(("html",))
        assert html is not None and "<script" not in html.get_content()
        gone = officer.send_form("/account", "/account/telling", {"act": "stop"})
        assert gone.headers["location"] == "/account?done=untold#telling"
        assert "chi@example.vn" not in officer.get("/account").text


def test_administrators_see_what_died_and_send_it_again(posting: RunningCity, inbox: Inbox) -> None:
    admin, _ = entered(posting, Granted("administrator", 3))
    ward, other = (one.code for one in posting.platform.city.wards[1:3])
    inbox.taken.clear()
    inbox.answer = lambda to: "550 no such user here" if to == "cu@example.vn" else ""
    with admin:
        assert 'href="/mail"' in admin.get("/account").text
        wrong = admin.send_form("/mail", "/mail", {"act": "box", "unit": ward, "address": "nowhere"})
        assert (wrong.status_code, "Địa chỉ thư chưa đúng" in wrong.text) == (400, True)
        assert admin.send_form("/mail", "/mail", {"act": "sing"}).status_code == 400
        for unit, address in ((ward, "cu@example.vn"), (other, "moi@example.vn")):
            set_ = admin.send_form("/mail", "/mail", {"act": "box", "unit": unit, "address": address})
            assert set_.headers["location"] == "/mail?done=box"
        posting.run(posting.platform.incidents.open(insider(), Draft("report-order", ward=ward)))
        wait_until(lambda: "Máy chủ thư trả lời 550" in admin.get("/mail").text, "it is seen")
        page = admin.get("/mail").text
        assert posting.platform.city.by_code[ward].full_name in page and "no such user" not in page
        number = re.search(r'name="letter" value="(\d+)"', page)
        assert number is not None
        inbox.answer = lambda _: ""
        sent = admin.send_form("/mail", "/mail", {"act": "resend", "letter": [number[1], "99999", "x"]})
        assert unescape(sent.headers["location"]) == "/mail?done=resent:1"
        wait_until(lambda: inbox.receivers == ["cu@example.vn"], "it goes")
        wait_until(lambda: 'name="letter"' not in admin.get("/mail").text, "it is dead no more")
        with posting.platform.database.reader() as db:
            told = {action for (action,) in db.execute("SELECT action FROM audit WHERE action LIKE 'telling.%'")}
        assert told >= {"telling.box", "telling.give_up", "telling.resend", "telling.send"}


def test_the_post_is_not_everybodys(posting: RunningCity) -> None:
    officer, _ = entered(posting, Granted("ward_officer", 2, wards=(posting.platform.city.wards[0].code,)))
    with officer, Visitor(posting) as stranger:
        assert officer.get("/mail").status_code == 403
        assert stranger.get("/mail").status_code in (303, 401)
        assert officer.send_form("/account", "/mail", {"act": "box", "unit": "x", "address": ""}).status_code == 403


def test_a_city_without_a_server_says_so(city: RunningCity) -> None:
    admin, _ = entered(city, Granted("administrator", 3))
    with admin:
        assert "Chưa nối máy chủ thư" in admin.get("/mail").text
        page = admin.get("/account").text
        assert "chưa nối máy chủ thư" in page and 'action="/account/telling"' not in page
        refused = admin.send_form("/account", "/account/telling", WISH | {"address": "a@example.vn"})
        assert refused.status_code == 409
        assert "No mail server" in admin.get("/mail", headers={"accept-language": "en"}).text
