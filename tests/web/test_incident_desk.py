"""What a desk does beside single incidents: handing over, seeing who has too much to do, finding what is the same."""

import csv
import io
import re
from collections.abc import Iterator
from html import unescape
from urllib.parse import quote

import pytest
from incident_world import does, opened, with_kinds
from visitor_world import Visitor, newcomer

from dothi.access.grants import Granted
from dothi.access.policy import SYSTEM
from dothi.platform.incidents import acts
from dothi.platform.incidents.model import Question
from dothi.testing.city import RunningCity
from dothi.testing.people import insider

WARD = "00070"  # Hoàn Kiếm


@pytest.fixture(scope="module")
def worked(city: RunningCity) -> RunningCity:
    return with_kinds(city)


@pytest.fixture
def desk(worked: RunningCity) -> Iterator[Visitor]:
    """An operator at the desk."""
    with Visitor(worked, worked.session("operator")) as visitor:
        yield visitor


def test_a_shift_is_handed_over_with_a_note_that_the_next_one_reads(worked: RunningCity, desk: Visitor) -> None:
    one = does(worked, opened(worked, "Cây đổ bàn giao"), acts.Accept(), acts.Pause("Chờ xe cẩu"))
    page = "/incidents/shift"
    assert "Chưa có ai nhận ca" in desk.get(page).text
    assert desk.send_form(page, page, {"do": "take", "after": "0"}).status_code == 303
    mine = desk.get(page).text
    assert one.code in mine, "the draft names what waits"
    assert desk.send_form(page, page, {"do": "hand", "note": "Để ý Hàng Bạc <b>"}).status_code == 303
    with Visitor(worked, worked.session("engineer")) as next_one:
        read = next_one.get(page).text
        assert "Để ý Hàng Bạc &lt;b&gt;" in read
        assert "Đã đọc, nhận ca" in read
        after = re.search(r'name="after" value="(\d+)"', read)
        assert after is not None
        assert next_one.send_form(page, page, {"do": "take", "after": "0"}).status_code == 409, "somebody was on meanwhile"
        assert next_one.send_form(page, page, {"do": "take", "after": after[1]}).status_code == 303
        assert "Để ý Hàng Bạc" in next_one.get(page).text, "what was handed over stays to be read"
    refused = desk.send_form(page, page, {"do": "hand", "note": "còn nữa"})
    assert refused.status_code == 409
    assert "không phải của bạn" in refused.text
    assert desk.get(f"{page}?ward=99999").status_code == 404


def test_a_ward_officer_has_the_shift_of_the_ward(worked: RunningCity) -> None:
    login, _account = newcomer(worked, Granted("ward_officer", 1, wards=(WARD,)))
    with Visitor(worked) as officer:
        assert officer.sign_in(login).status_code == 303
        assert "Phường Hoàn Kiếm" in officer.get("/incidents/shift").text
        assert officer.get("/incidents/shift?ward=00004").status_code == 403
        assert officer.get("/incidents").status_code == 200


def test_load_names_what_is_late_first_and_leaves_as_a_table(worked: RunningCity, desk: Visitor) -> None:
    does(worked, opened(worked), acts.Accept(), acts.Assign(agency="so-nong-nghiep-moi-truong"))
    text = desk.get("/incidents/load").text
    assert f'href="/incidents?ward={WARD}"' in text
    assert "Sở Nông nghiệp và Môi trường" in text
    rows = list(csv.DictReader(io.StringIO(desk.get("/incidents/load.csv").text.removeprefix("\ufeff"))))
    (here,) = [row for row in rows if row["unit"] == "Phường Hoàn Kiếm"]
    listed = worked.platform.incidents.load(insider())
    (load,) = [one for one in listed if one.ward == WARD]
    assert (int(here["open"]), int(here["overdue"])) == (load.open, load.overdue)


def test_what_may_be_the_same_is_proposed_and_merged_by_a_person(worked: RunningCity, desk: Visitor) -> None:
    first = opened(worked, "Cây xà cừ đổ chắn phố Đinh Lễ")
    second = opened(worked, "Xà cừ đổ ở Đinh Lễ")
    page = f"/incidents/{second.code}"
    text = desk.get(page).text
    assert "Có thể trùng" in text
    assert f'<input type="hidden" name="into" value="{first.code}">' in text
    merged = desk.send_form(page, f"{page}/act", {"act": "merge", "version": str(second.version), "into": first.code})
    assert merged.status_code == 303
    assert f'href="/incidents/{first.code}"' in desk.get(page).text
    assert worked.platform.incidents.get(insider(), second.code).state == "merged"


def test_wards_say_what_is_open_and_late(worked: RunningCity, desk: Visitor) -> None:
    one = opened(worked, "Cây đổ của phường")
    assert re.search(rf'href="/incidents\?ward={WARD}"[^>]*>\d+ đang mở', desk.get("/wards").text)
    page = desk.get(f"/wards/{WARD}").text
    assert 'id="work-title"' in page
    assert one.code in page or "Xem tất cả sự việc ở đây" in page  # the first few stand there
    table = list(csv.DictReader(io.StringIO(desk.get("/wards.csv").text.removeprefix("\ufeff"))))
    (row,) = [row for row in table if row["code"] == WARD]
    assert int(row["openIncidents"]) >= 1
    with Visitor(worked, worked.session("developer")) as developer:
        assert developer.get("/wards").status_code == 403


def test_the_wall_shows_the_three_worst_incidents(worked: RunningCity, desk: Visitor) -> None:
    grave = [does(worked, opened(worked), acts.Rank(4, "urgent")) for _ in range(3)]
    text = desk.get("/wall").text
    shown = re.findall(r'<li class="wall-place wall-work" data-code="([^"]+)"', text)
    assert len(shown) == 3
    worst = [worked.platform.incidents.get(insider(), code) for code in shown]
    assert [one.severity for one in worst] == [4, 4, 4]
    assert {one.code for one in grave} & set(shown) or len(grave) < 3


def test_a_filter_is_kept_under_a_name_by_each_for_themselves(worked: RunningCity, desk: Visitor) -> None:
    opened(worked)
    page = f"/incidents?ward={WARD}&severity=1"
    kept = desk.send_form(page, "/incidents/views", {"title": "Hoàn Kiếm", "query": f"ward={WARD}&severity=1&evil=%22%3E"})
    assert (kept.status_code, kept.headers["location"]) == (303, page)
    text = desk.get("/incidents").text
    found = re.search(rf'href="/incidents\?ward={WARD}&amp;severity=1"[^>]*>Hoàn Kiếm</a>', text)
    assert found is not None
    drop = re.search(r'action="(/incidents/views/\d+/drop)"', text)
    assert drop is not None
    with Visitor(worked, worked.session("engineer")) as other:
        assert "/incidents/views/" not in other.get("/incidents").text
        assert other.send_form("/incidents/new", drop[1]).status_code == 404, "nobody drops another's"
    assert desk.send_form(page, "/incidents/views", {"title": " ", "query": "ward=1"}).status_code == 400
    assert desk.send_form("/incidents", drop[1]).status_code == 303
    assert "/incidents/views/" not in desk.get("/incidents").text


def test_a_command_is_proposed_from_the_incident_it_is_for(worked: RunningCity, desk: Visitor) -> None:
    told = {
        "id": "told-station",
        "type": "AirQualityObserved",
        "name": "Trạm nghe lệnh",
        "longitude": 105.85,
        "latitude": 21.03,
    }
    assert desk.post("/api/v1/devices", json=told, headers=worked.operator).status_code == 201
    device = worked.platform.devices.get(insider(), "told-station")
    assert device is not None
    one = opened(worked, links=(("entity", device.entity_id),))
    page = desk.get(f"/incidents/{one.code}").text
    found = re.search(r'href="(/commands/new\?[^"]+)">([^<]+)…</a>', page)
    assert found is not None
    assert "Trạm nghe lệnh" in found[2]
    form = desk.get(unescape(found[1]))
    assert form.status_code == 200
    assert one.code in form.text
    with Visitor(worked, worked.session("leader")) as leader:
        assert "/commands/new" not in leader.get(f"/incidents/{one.code}").text


def test_an_incident_shows_what_is_measured_where_it_came_from(worked: RunningCity, desk: Visitor) -> None:
    station = desk.get("/map/layers/air.json").json()["points"][0]["id"]
    one = opened(worked, links=(("entity", station),))
    for path in (f"/incidents/{one.code}", f"/incidents/{one.code}/panel", f"/?chosen={one.code}"):
        text = desk.get(path).text
        assert '<dt-chart class="chart"><script type="application/json">{' in text, path
        assert f"/panel/{quote(station)}/history.csv" in text, path


def test_months_are_charts_a_map_and_a_file(worked: RunningCity, desk: Visitor) -> None:
    for _ in range(3):
        opened(worked, "Cây đổ cùng một chỗ")
    page = desk.get("/incidents/months")
    assert page.status_code == 200
    assert page.text.count('class="months-ward') == len(worked.platform.city.wards)
    assert "months-shade-5" in page.text
    assert "months-spot" in page.text
    narrowed = desk.get("/incidents/months", params={"kind": "test-tree", "ward": "00070"}).text
    assert 'value="test-tree" selected' in narrowed
    assert 'aria-label="Cây đổ, từng tháng: 0, ' in narrowed
    quiet = next(
        ward.code
        for ward in reversed(worked.platform.city.wards)
        if not worked.platform.incidents.find(SYSTEM, Question(states=(), ward=ward.code)).incidents
    )
    assert "Chưa có sự việc nào trong 12 tháng" in desk.get("/incidents/months", params={"ward": quiet}).text
    rows = list(csv.DictReader(io.StringIO(desk.get("/incidents/months.csv?kind=test-tree").text.removeprefix("\ufeff"))))
    assert {row["kind"] for row in rows} == {"test-tree"}
    assert sum(int(row["opened"]) for row in rows) >= 3
    assert 'href="/incidents/months"' in desk.get("/incidents/load").text
