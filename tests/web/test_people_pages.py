"""Administering people over HTTP: invited, granted, seen, shut out; nobody beyond what they administer."""

import re
from html import unescape

import httpx
import pytest
from visitor_world import PASSWORD, Visitor, newcomer

from dothi.access.grants import Granted
from dothi.access.policy import Clearance, Scope, Thing, may
from dothi.testing.city import RunningCity


def _administrator(city: RunningCity, *granted: Granted) -> Visitor:
    """Somebody who administers, in a session of two steps."""
    accounts = city.platform.accounts
    _login, account = newcomer(city, *(granted or (Granted("administrator", int(Clearance.RESTRICTED)),)))
    return Visitor(city, city.run(accounts.open_session(account, strong=True, address="", agent="", correlation="")))


def _place(answer: httpx.Response) -> str:
    assert answer.status_code == 303, answer.text[:2000]
    return answer.headers["location"]


def _link(answer: httpx.Response) -> str:
    found = re.search(r"http[^<]+/sign-in/link\?token=[\w-]+", answer.text)
    assert found is not None, answer.text[:2000]
    return unescape(found[0])


def _wards(city: RunningCity, count: int) -> list[str]:
    return [one.code for one in city.platform.city.wards[:count]]


def test_somebody_is_invited_comes_in_and_has_what_was_granted(city: RunningCity) -> None:
    wards = _wards(city, 3)
    told = {"name": "Đỗ Thị Hòa", "login": "hoa.dt", "role.0": "ward_officer", "clearance.0": "1", "ward.0": wards[:2]}
    with _administrator(city) as admin, Visitor(city) as invited:
        refused = admin.send_form("/people/new", "/people/new", told | {"clearance.0": "3"})
        assert (refused.status_code, 'value="hoa.dt"' in refused.text, "Chưa lưu được" in refused.text) == (400, True, True)
        assert admin.send_form("/people/new", "/people/new", told | {"login": "x"}).status_code == 400
        link = _link(admin.send_form("/people/new", "/people/new", told))
        assert admin.send_form("/people/new", "/people/new", told).status_code == 409, "the login is taken"
        assert "đã mời, chưa đặt mật khẩu" in admin.get("/people", params={"q": "do thi hoa"}).text
        token = link.partition("token=")[2]
        chosen = {"token": token, "password": PASSWORD, "again": PASSWORD}
        assert _place(invited.send_form(link, "/sign-in/link", chosen)) == "/"
        account = city.platform.accounts.account_of_login("hoa.dt")
        assert account is not None
        person = city.platform.accounts.person_of(account.id)
        assert person is not None
        assert may(person, "operations.read", Thing(Clearance.INTERNAL, wards[0]))
        assert not may(person, "operations.read", Thing(Clearance.INTERNAL, wards[2]))
        assert "Cán bộ phường, xã" in invited.get("/account").text
        assert invited.get("/people").status_code == 403
        assert invited.send_form("/account", "/people/new", told | {"login": "mine"}).status_code == 403

        page = f"/people/{account.id}"
        assert 'value="ward_officer" selected' in admin.get(page).text
        given = {"role.0": "operator", "clearance.0": "2", "role.1": "", "sector.0": ["air"]}
        assert _place(admin.send_form(page, f"{page}/grants", given)) == f"{page}?done=granted"
        changed = city.platform.accounts.person_of(account.id)
        assert changed is not None
        assert [(one.role, one.clearance) for one in changed.grants] == [("operator", Clearance.RESTRICTED)]
        assert changed.grants[0].scope == Scope(types=city.platform.accounts.types_of_sector["air"])
        assert "Trực ban" in invited.get("/account").text, "at once, in the session that is open"
        table = admin.get("/people.csv", params={"q": "hoa.dt"}).text
        assert "hoa.dt,Đỗ Thị Hòa,person,active,operator,restricted,,,air," in table

        assert _place(admin.send_form(page, f"{page}/disable")) == f"{page}?done=disabled"
        assert _place(invited.get("/account")).startswith("/sign-in")
        assert invited.sign_in("hoa.dt").status_code == 401
        assert "đã khóa" in admin.get("/people", params={"q": "hoa.dt"}).text
        assert _place(admin.send_form(f"{page}?done=disabled", f"{page}/enable")) == f"{page}?done=enabled"
        assert _place(invited.sign_in("hoa.dt")) == "/"
        assert invited.get(_link(admin.send_form(page, f"{page}/link"))).status_code == 200
        assert _place(admin.send_form(page, f"{page}/factors")) == f"{page}?done=factors"
        assert _place(invited.get("/account")).startswith("/sign-in"), "who loses the second step signs in anew"


def test_nobody_changes_their_own_rights_or_reaches_beyond_their_own(city: RunningCity) -> None:
    agency = city.platform.city.agencies[0].id
    bounded = Granted("administrator", int(Clearance.INTERNAL), agencies=(agency,))
    _stranger, outside = newcomer(city, Granted("operator"), name="Ở ngoài")
    _own, inside = newcomer(city, Granted("engineer", agencies=(agency,)), name="Ở trong")
    with _administrator(city, bounded) as admin:
        listed = admin.get("/people").text
        assert "Ở trong" in listed
        assert "Ở ngoài" not in listed
        assert outside not in admin.get("/people.csv").text
        assert admin.get(f"/people/{outside}").status_code == 404
        for way in ("grants", "disable", "enable", "link", "factors"):
            assert admin.send_form("/people/new", f"/people/{outside}/{way}", {"role.0": "leader"}).status_code == 404, way
        for beyond in ({"role.0": "operator"}, {"role.0": "engineer", "clearance.0": "2", "agency.0": [agency]}):
            answer = admin.send_form(f"/people/{inside}", f"/people/{inside}/grants", {"clearance.0": "1"} | beyond)
            assert answer.status_code == 403
            assert "rộng hơn phần bạn quản trị" in answer.text
        told = {"name": "Ai đó", "login": "ai-do", "role.0": "administrator", "clearance.0": "1"}
        assert admin.send_form("/people/new", "/people/new", told).status_code == 403
        own = re.search(r'href="(/people/p-\w+)">Người mới<', listed)
        assert own is not None
        assert "Không ai tự đổi quyền của mình" in admin.get(own[1]).text
        assert admin.send_form("/people/new", f"{own[1]}/grants", {"role.0": "leader"}).status_code == 403


@pytest.mark.parametrize("role", ["operator", "auditor", "security_officer"])
def test_who_may_look_but_not_change(city: RunningCity, role: str) -> None:
    _login, account = newcomer(city, Granted("engineer"))
    with Visitor(city, city.session(role)) as visitor:
        looks = role != "operator"
        assert visitor.get("/people").status_code == (200 if looks else 403)
        assert visitor.get(f"/people/{account}").status_code == (200 if looks else 403)
        assert ("/people/new" in visitor.get("/people").text) is False
        assert visitor.get("/people/new").status_code == 403
        for way in ("grants", "disable", "enable", "link", "factors"):
            assert visitor.send_form("/account", f"/people/{account}/{way}").status_code == 403, way
        assert ('href="/people"' in visitor.get("/account").text) is looks, "the menu shows the way only to those who may go"


def test_a_system_is_made_without_a_link(city: RunningCity) -> None:
    with _administrator(city) as admin:
        told = {"name": "Trạm tổng hợp", "login": "tram-th", "kind": "system", "role.0": "device", "clearance.0": "1"}
        page = _place(admin.send_form("/people/new", "/people/new", told))
        assert page.endswith("?done=created")
        shown = admin.get(page).text
        assert "hệ thống" in shown
        assert f'href="{page.partition("?")[0]}/keys"' in shown
        assert admin.get(f"{page.partition('?')[0]}/keys").status_code == 200
        assert admin.send_form(page, f"{page.partition('?')[0]}/link").status_code == 400
