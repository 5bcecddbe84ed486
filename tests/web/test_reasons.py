"""Why people do what they do: said in a form or a header, it stands in the audit log with the act."""

from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from test_people_pages import _administrator
from visitor_world import newcomer

from dothi.access.reasons import LONGEST
from dothi.access.refusals import TAKEN
from dothi.model.reason import HEADER
from dothi.store.audit import Row, walk
from dothi.testing.city import RunningCity, wait_until

TEMPLATES = Path(__file__).parents[2] / "src" / "dothi" / "web" / "templates"


def acts(city: RunningCity, action: str, thing: str) -> list[Row]:
    with city.platform.database.reader() as db:
        return [row for row in walk(db) if row.action == action and row.thing == thing]


def test_a_form_tells_why(city: RunningCity) -> None:
    _login, account = newcomer(city)
    with _administrator(city) as admin:
        page = f"/people/{account}"
        assert 'name="because"' in admin.get(page).text
        given = {"role.0": "operator", "clearance.0": "1", "because": "Nhận ca trực\n từ tháng 12"}
        assert admin.send_form(page, f"{page}/grants", given).status_code == 303
        assert admin.send_form(page, f"{page}/disable", {"because": "Nghỉ việc, quyết định 17"}).status_code == 303
        assert admin.send_form(page, f"{page}/enable").status_code == 303
    assert [row.why for row in acts(city, "account.grant", account)] == ["Nhận ca trực từ tháng 12"]
    assert [row.why for row in acts(city, "account.disable", account)] == ["Nghỉ việc, quyết định 17"]
    assert [row.why for row in acts(city, "account.enable", account)] == [""], "a reason is of one request"
    found = httpx.get(
        f"{city.base_url}/audit",
        params={"q": "quyet dinh 17"},
        cookies={"dothi_session": city.session("auditor")},
        timeout=60,
    )
    assert "Vì: Nghỉ việc, quyết định 17" in found.text


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        (quote("Mất điện thoại"), "Mất điện thoại"),
        ("plain words", "plain words"),
        ("a%0Ab%00%FF", "a b\N{SYMBOL FOR NULL}\N{REPLACEMENT CHARACTER}"),
        (quote("dài " * LONGEST), ("dài " * LONGEST)[:LONGEST]),
    ],
)
def test_a_program_tells_why(city: RunningCity, told: str, kept: str) -> None:
    _login, account = newcomer(city)
    headers = {**city.operator, HEADER: told}
    path = f"{city.base_url}/api/v1/accounts/{account}/disable"
    assert httpx.post(path, headers=headers, json={}, timeout=60).status_code == 200
    assert [row.why for row in acts(city, "account.disable", account)] == [kept]


@pytest.mark.parametrize("name", ["admit", "device", "discard", "keys", "person", "personal-subject", "retention"])
def test_the_pages_of_grave_acts_ask_why(name: str) -> None:
    assert "{{ because() }}" in (TEMPLATES / f"{name}.html").read_text(encoding="utf-8")


def test_whoever_takes_a_table_along_is_known_and_a_stranger_is_not_followed(city: RunningCity) -> None:
    known = {"dothi_session": city.session("operator")}
    taken = ("/devices.csv", "/map/layers/air.csv")
    city.run(city.platform.auditing.look())  # what other tests took is written down
    before = {path: len(acts(city, TAKEN, path)) for path in taken}
    assert httpx.get(f"{city.base_url}/devices.csv", cookies=known, timeout=60).status_code == 200
    assert httpx.get(f"{city.base_url}/map/layers/air.csv", cookies=known, timeout=60).status_code == 200
    assert httpx.get(f"{city.base_url}/devices", cookies=known, timeout=60).status_code == 200
    assert (
        httpx.get(f"{city.base_url}/audit.csv", cookies={"dothi_session": city.session("auditor")}, timeout=60).status_code
        == 200
    )
    assert httpx.get(f"{city.base_url}/map/layers/air.csv", timeout=60).status_code == 200
    wait_until(
        lambda: all(len(acts(city, TAKEN, path)) > before[path] for path in taken), "the tables that were taken are written"
    )
    (row,) = acts(city, TAKEN, "/devices.csv")[before["/devices.csv"] :]
    assert (row.result, row.source, row.person != "stranger") == ("done", "127.0.0.1", True)
    assert len(acts(city, TAKEN, "/map/layers/air.csv")) == before["/map/layers/air.csv"] + 1
    assert acts(city, TAKEN, "/devices") + acts(city, TAKEN, "/audit.csv") == []
    with city.platform.database.reader() as db:
        assert not [one for one in walk(db) if one.action == TAKEN and one.person == "stranger"]
