"""Kinds of incidents in the browser: an administrator adds one, people report it, a sector's is hidden from them."""

import re
from collections.abc import Iterator
from html import unescape

import httpx
import pytest
from visitor_world import Visitor

from dothi.platform.incidents.catalogue import OWN
from dothi.platform.incidents.model import Draft
from dothi.testing.city import RunningCity
from dothi.testing.people import insider


@pytest.fixture
def admin(city: RunningCity) -> Iterator[Visitor]:
    """Somebody who administers the city."""
    with Visitor(city, city.session("administrator")) as visitor:
        yield visitor


def version(page: httpx.Response) -> str:
    return re.findall(r'name="version" value="(\d+)"', page.text)[0]


COVER = {
    "title": "Mất nắp <hố> ga",
    "title_en": "Missing manhole cover",
    "severity": "3",
    "urgency": "urgent",
    "proof": "1",
    "citizens": "1",
}


def test_a_kind_is_added_changed_and_retired(city: RunningCity, admin: Visitor) -> None:
    made = admin.send_form("/incidents/kinds/new", "/incidents/kinds", COVER | {"id": "nap-ga", "because": "hay gặp"})
    assert made.headers["location"] == "/incidents/kinds?done=city-nap-ga", made.text
    listed = admin.get(made.headers["location"]).text
    assert "Mất nắp &lt;hố&gt; ga" in listed and "Đã ghi" in listed
    kind = city.platform.incidents.kind("city-nap-ga")
    assert (kind.severity, kind.urgency, kind.citizens, kind.agency) == (3, "urgent", True, "")
    one = f"/incidents/kinds/{kind.id}"
    seen = version(admin.get(one))
    hint = {"hint": "Gần trường học", "hint_en": "Near a school"}
    assert admin.send_form(one, one, COVER | hint | {"version": seen}).status_code == 303
    again = admin.send_form(one, one, COVER | {"version": seen})  # of a page that is old by now
    assert again.status_code == 409
    assert "Người khác vừa sửa loại này" in again.text and "Gần trường học" in again.text
    assert admin.send_form(one, one, COVER | {"version": version(again), "retired": "1"}).status_code == 303
    with Visitor(city, city.session("operator")) as operator:
        assert kind.id not in operator.get("/incidents/new").text
        listed = operator.get("/incidents/kinds").text
        assert "thôi dùng" in listed and one not in listed
    history = admin.get(one).text
    assert history.count("<time datetime=") >= 3
    with city.platform.database.reader() as db:
        query = "SELECT action, why FROM audit WHERE thing = ? ORDER BY seq"
        assert next(tuple(row) for row in db.execute(query, (kind.id,))) == ("kind.create", "hay gặp")


def test_what_is_wrong_comes_back_as_it_was_typed(city: RunningCity, admin: Visitor) -> None:
    before = dict(city.platform.incidents.kinds)
    for wrong in ({"title_en": ""}, {"hint": "một <b>mình</b>"}, {"severity": "9"}, {"agency": "nobody"}, {"id": "!!"}):
        answer = admin.send_form("/incidents/kinds/new", "/incidents/kinds", COVER | wrong)
        assert answer.status_code == 400, wrong
        assert "Chưa ghi được" in answer.text and "Mất nắp &lt;hố&gt; ga" in answer.text and "<b>mình" not in answer.text
    assert city.platform.incidents.kinds == before
    assert admin.get("/incidents/kinds/none").status_code == 404
    assert admin.send_form("/incidents/kinds/new", "/incidents/kinds/none", COVER).status_code == 404


def test_only_administrators_change_kinds(city: RunningCity) -> None:
    for role in ("operator", "engineer", "ward_officer", "leader"):
        with Visitor(city, city.session(role)) as visitor:
            listed = visitor.get("/incidents/kinds")
            assert listed.status_code == 200 and "Thêm loại" not in listed.text, role
            assert visitor.get("/incidents/kinds/new").status_code == 403
            token = re.findall(r'name="csrf_token" value="([^"]+)"', visitor.get("/account").text)[0]
            answer = visitor.post("/incidents/kinds", data=COVER | {"csrf_token": unescape(token)})
            assert answer.status_code == 403, role
    with Visitor(city) as stranger:
        assert stranger.get("/incidents/kinds").status_code in (302, 303, 401)


def test_people_report_the_citys_own_kind_and_no_longer_a_hidden_one(city: RunningCity, admin: Visitor) -> None:
    admin.send_form("/incidents/kinds/new", "/incidents/kinds", COVER | {"id": "ho-ga-2"})
    own, given = f"{OWN}ho-ga-2", "report-order"
    with Visitor(city) as citizen:
        page = citizen.get("/report").text
        assert page.index(f'value="{own}"') < page.index(f'value="{given}"') < page.index('value="report-other"')
        one = f"/incidents/kinds/{given}"
        form = admin.get(one)
        assert 'name="title"' not in form.text and "Loại này của lĩnh vực" in form.text
        title = city.platform.incidents.kind(given).title
        changed = admin.send_form(one, one, COVER | {"citizens": "", "version": version(form)})
        assert changed.status_code == 303
        page = citizen.get("/report").text
        assert f'value="{given}"' not in page and f'value="{own}"' in page
        assert "Phường" in citizen.get("/report", params={"kind": own, "ward": city.platform.city.wards[0].code}).text
        assert city.platform.incidents.kind(given).title == title
        opened = city.run(city.platform.incidents.open(insider(), Draft(given, ward=city.platform.city.wards[0].code)))
        assert opened.kind == given, "staff still open it"
        admin.send_form(one, one, {"citizens": "1", "version": version(admin.get(one))})
        assert f'value="{given}"' in citizen.get("/report").text
    with httpx.Client(base_url=city.base_url, trust_env=False, headers=city.operator, timeout=60) as program:
        kinds = {kind["id"]: kind for kind in program.get("/api/v1/incident-kinds").json()["items"]}
        assert (kinds[own]["citizens"], kinds[own]["retired"], kinds[own]["hint"]) == (True, False, None)
