"""The frame as each role sees it: it names the way to every page that is theirs, and leads nobody to a closed door."""

import re
from html import unescape

import pytest
from visitor_world import Visitor

from dothi.access.demo import DEMO_ROLES
from dothi.access.policy import may
from dothi.access.roles import ROLES
from dothi.testing.city import RunningCity

WAYS = {
    "operations.read": ("/", "/wards", "/data", "/wall"),
    "device.read": ("/devices",),
    "sql.ask": ("/data/sql",),
    "forecast.read": ("/forecasts",),
    "run.read": ("/runs",),
    "people.read": ("/people",),
    "audit.read": ("/audit",),
}


@pytest.mark.parametrize("role", DEMO_ROLES)
def test_each_role_finds_the_pages_it_may_open_and_no_others(city: RunningCity, role: str) -> None:
    with Visitor(city, city.session(role)) as visitor:
        page = visitor.get("/forecasts")
        assert page.status_code == 200
        assert ROLES[role].title.vi in page.text
        ways = {unescape(one) for one in re.findall(r'href="(/[^"?#]*)"', page.text) if not one.startswith("/static/")}
        for action, paths in WAYS.items():
            allowed = action in ROLES[role].actions
            assert {path for path in paths if path in ways} == (set(paths) if allowed else set()), action
        for way in sorted(ways):
            assert visitor.get(way).status_code == 200, way


@pytest.mark.parametrize(("role", "own"), [("steward", "/data"), ("security_officer", "/audit"), ("ward_officer", "/mine")])
def test_a_phone_shows_without_more_where_a_role_begins(city: RunningCity, role: str, own: str) -> None:
    with Visitor(city, city.session(role)) as visitor:
        at_hand, more = visitor.get("/wards").text.split('<nav class="rail"')[1].split('class="rail-open"')
        assert f'href="{own}"' in at_hand and f'href="{own}"' not in more
        assert at_hand.count("<a ") <= 4


def test_a_stranger_finds_public_pages_and_the_way_in(city: RunningCity) -> None:
    with Visitor(city) as visitor:
        front = visitor.get("/")
        assert (front.status_code, front.headers["location"].partition("?")[0]) == (303, "/sign-in")
        for path in ("/devices", "/people", "/account/../people", "/runs?state=done"):
            page = visitor.get(path)
            assert page.status_code in (401, 403), path
            assert "Cần đăng nhập" in page.text
            assert 'href="/sign-in?to=/' in page.text
            assert 'class="me-open"' not in page.text
        assert 'href="/sign-in?to=/runs%3Fstate%3Ddone"' in visitor.get("/runs?state=done").text
        ways = set(re.findall(r'href="(/[^"?#]*)"', visitor.get("/forecasts").text))
        assert not ways & {path for action, paths in WAYS.items() if action != "forecast.read" for path in paths}
        for way in sorted(one for one in ways if not one.startswith("/static/")):
            assert visitor.get(way).status_code == 200, way


def test_who_is_signed_in_but_may_not_is_told_so(city: RunningCity) -> None:
    with Visitor(city, city.session("developer")) as visitor:
        page = visitor.get("/devices")
        assert page.status_code == 403
        assert "Không được xem trang này" in page.text
        assert "/sign-in" not in page.text
        person = city.platform.accounts.account_of_login("test-devel")
        assert person is not None
        known = city.platform.accounts.person_of(person.id)
        assert known is not None and not may(known, "device.read")
        assert visitor.get("/forecasts").headers["cache-control"] == "private, no-cache"
