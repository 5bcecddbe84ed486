"""A message on every page: said by an administrator, read by those it is for in their language, ended."""

import re
from datetime import timedelta

import pytest
from visitor_world import Visitor

from dothi.testing.city import RunningCity
from dothi.ui import formats

TOLD = {"text": "Bão số 3 <đang> vào", "text_en": "Storm <3> comes in", "audience": "citizens", "grave": "1"}
BAR = re.compile(r'<section class="site-messages".*?</section>', re.DOTALL)


def bar(visitor: Visitor, path: str) -> str:
    page = visitor.get(path)
    assert page.status_code == 200, path
    found = BAR.search(page.text)
    return found.group() if found else ""


def test_it_stands_on_the_pages_of_its_audience_in_their_language_until_it_is_ended(city: RunningCity) -> None:
    with Visitor(city, city.session("administrator")) as admin, Visitor(city) as citizen:
        assert 'href="/message"' in admin.get("/account").text
        said = admin.send_form("/message", "/message", TOLD | {"because": "công văn 12"})
        assert said.headers["location"] == "/message?done=say", said.text
        for path in ("/report", "/reports", "/sign-in"):
            assert "Bão số 3 &lt;đang&gt; vào" in bar(citizen, path) and "notice-grave" in bar(citizen, path)
            assert "Storm &lt;3&gt; comes in" in bar(citizen, f"{path}?lang=en")
            citizen.get(f"{path}?lang=vi")
        assert bar(admin, "/incidents") == ""
        admin.send_form("/message", "/message", TOLD | {"audience": "all", "text": "Cho mọi người", "grave": ""})
        assert "Cho mọi người" in bar(admin, "/") and "Cho mọi người" in bar(admin, "/incidents")
        assert bar(citizen, "/report").count("<p") == 2
        with city.platform.database.reader() as db:
            query = "SELECT why FROM audit WHERE action = 'message.say' ORDER BY seq"
            assert next(tuple(row) for row in db.execute(query)) == ("công văn 12",)
        for number in re.findall(r'name="end" value="(\d+)"', admin.get("/message").text):
            assert admin.send_form("/message", "/message", {"end": number}).status_code == 303
        assert bar(citizen, "/report") == bar(admin, "/") == ""
        assert "đã thôi" in admin.get("/message").text


def test_what_is_wrong_comes_back_as_it_was_typed(city: RunningCity) -> None:
    past = formats.here(city.platform.clock.now() - timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M")
    with Visitor(city, city.session("administrator")) as admin:
        for wrong in ({"text": ""}, {"text_en": " "}, {"until": past}, {"start": "bao giờ"}, {"until": "9999-12-31T23:59"}):
            answer = admin.send_form("/message", "/message", TOLD | wrong)
            assert answer.status_code == 400, wrong
            assert "Chưa ghi được" in answer.text
        assert "Storm &lt;3&gt; comes in" in answer.text
        assert admin.send_form("/message", "/message", {"end": "987654"}).status_code == 404
    assert not city.platform.messages.now("citizens")


@pytest.mark.parametrize("role", ["operator", "leader", "ward_officer", "auditor"])
def test_only_administrators_say_something(city: RunningCity, role: str) -> None:
    with Visitor(city, city.session(role)) as visitor:
        assert visitor.get("/message").status_code == 403
        assert 'href="/message"' not in visitor.get("/account").text
