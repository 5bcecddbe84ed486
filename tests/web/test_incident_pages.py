"""The queue of incidents and the page of one, without a script: everything people do there is a link or a form."""

import asyncio
import csv
import io
import json
import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from incident_world import HOAN_KIEM, OPERATOR, PIXEL, does, officer, opened, with_kinds
from visitor_world import Visitor

from dothi.access.policy import SYSTEM, Grant, Person, Scope
from dothi.model.text import fold
from dothi.platform.incidents import acts
from dothi.platform.incidents.store import several
from dothi.testing.city import RunningCity
from dothi.testing.people import insider
from dothi.web.incidents.look import left_words
from dothi.web.live import View


@pytest.fixture(scope="module")
def worked(city: RunningCity) -> RunningCity:
    return with_kinds(city)


@pytest.fixture
def desk(worked: RunningCity) -> Iterator[Visitor]:
    """An operator at the desk."""
    with Visitor(worked, worked.session("operator")) as visitor:
        yield visitor


def codes(text: str) -> list[str]:
    return re.findall(r'<tr data-code="(SV-\d{4}-\d{4,})"', text)


@pytest.mark.parametrize(
    ("seconds", "vi", "en"),
    [
        (0, "00:00", "00:00"),
        (760, "12:40", "12:40"),
        (19_200, "5:20:00", "5:20:00"),
        (-65.4, "01:05", "01:05"),
        (86_400, "1 ngày", "1 d"),
        (180_000, "2 ngày 2 giờ", "2 d 2 h"),
    ],
)
def test_a_clock_says_how_much_is_left(seconds: float, vi: str, en: str) -> None:
    assert (left_words(seconds, "vi"), left_words(seconds, "en")) == (vi, en)


def test_the_queue_is_sorted_by_what_is_left_and_found_without_accents(worked: RunningCity, desk: Visitor) -> None:
    one = opened(worked, "Đèn đường tắt phố Hàng Gà")
    listed = codes(desk.get("/incidents").text)
    assert one.code in listed
    clocks = [worked.platform.incidents.get(insider(), code).due_at for code in listed]
    running = [moment for moment in clocks if moment is not None]
    assert running == sorted(running)
    assert codes(desk.get("/incidents", params={"q": "den duong hang ga"}).text) == [one.code]
    assert codes(desk.get("/incidents", params={"q": "den duong hang ga", "ward": "00004"}).text) == []
    empty = desk.get("/incidents", params={"q": "không có đâu"}).text
    assert "Không có sự việc nào khớp bộ lọc" in empty


def test_the_queue_leaves_as_a_table(worked: RunningCity, desk: Visitor) -> None:
    one = opened(worked, "=HYPERLINK, cây đổ")
    text = desk.get("/incidents.csv", params={"q": one.code}).text.removeprefix("\ufeff")
    (row,) = csv.DictReader(io.StringIO(text))
    assert (row["code"], row["state"], row["ward"]) == (one.code, "new", "Phường Hoàn Kiếm")
    assert row["title"].startswith("'="), "a spreadsheet runs nothing of it"


def test_one_is_opened_by_hand(worked: RunningCity, desk: Visitor) -> None:
    told = {"kind": "test-tree", "title": "Cây gãy Tràng Tiền", "point": "21.029, 105.852", "text": "Chắn một làn."}
    made = desk.send_form("/incidents/new", "/incidents", told)
    assert made.status_code == 303
    page = desk.get(made.headers["location"]).text
    assert "<h1>Cây gãy Tràng Tiền</h1>" in page
    assert "Phường Hoàn Kiếm" in page
    for wrong in ({"kind": "none"}, {"point": "ở kia"}, {"point": "", "ward": ""}):
        refused = desk.send_form("/incidents/new", "/incidents", told | wrong)
        assert refused.status_code == 400, wrong
        assert "Cây gãy Tràng Tiền" in refused.text, "what was written is not lost"


def test_an_incident_goes_through_its_four_steps_by_forms(worked: RunningCity, desk: Visitor) -> None:
    one = opened(worked, kind="test-smog")
    person = officer(worked, "Cán bộ Bình")
    page = f"/incidents/{one.code}"

    def act(tag: str, **fields: str) -> int:
        found = re.search(r'name="version" value="(\d+)"', desk.get(page).text)
        assert found is not None
        return desk.send_form(page, f"{page}/act", {"act": tag, "version": found[1], **fields}).status_code

    assert 'aria-current="step"><b>Tiếp nhận</b>' in desk.get(page).text
    assert act("accept") == 303
    assert act("assign", unit="ward:00070", assignee=person) == 303
    assert "Cán bộ Bình" in desk.get(page).text
    assert act("arrive") == 303
    assert act("do_step", step="0") == 303
    text = desk.get(page).text
    assert 'aria-current="step"><b>Xử lý</b>' in text
    assert "1/2" in text
    assert act("comment", text="Đã rào lối đi") == 303
    assert act("answer", text="Đã dập đám khói") == 400, "its kind needs a photo as proof"
    refused = desk.send_form(page, f"{page}/act", {"act": "answer", "version": str(_version(worked, one.code)), "text": "x"})
    assert "cần ảnh chứng minh" in refused.text
    states = [entry.act for entry in worked.platform.incidents.timeline(insider(), one.code)]
    assert states[:5] == ["open", "accept", "assign", "arrive", "do_step"]


def _version(city: RunningCity, code: str) -> int:
    return city.platform.incidents.get(insider(), code).version


def test_the_second_of_two_is_shown_the_difference_and_overwrites_nothing(worked: RunningCity, desk: Visitor) -> None:
    one = opened(worked)
    page = f"/incidents/{one.code}"
    does(worked, one, acts.Rank(4, "urgent"))
    stale = {"act": "rank", "version": str(one.version), "severity": "1", "urgency": "normal", "because": "nhầm"}
    answer = desk.send_form(page, f"{page}/act", stale)
    assert answer.status_code == 409
    assert "Có người vừa đổi sự việc này" in answer.text
    shown = re.sub(r"\s+", " ", answer.text)
    assert "<s>Cần chú ý</s>" in shown
    assert "<b>Rất nghiêm trọng</b>" in shown
    assert worked.platform.incidents.get(insider(), one.code).severity == 4
    again = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', answer.text)
    kept = {name: value for name, value in again if name in ("act", "severity", "urgency", "version")}
    assert desk.send_form(page, f"{page}/act", kept).status_code == 303, "who insists has seen what was there"
    assert worked.platform.incidents.get(insider(), one.code).severity == 1


def test_an_act_the_state_does_not_allow_says_so(worked: RunningCity, desk: Visitor) -> None:
    one = opened(worked)
    page = f"/incidents/{one.code}"
    answer = desk.send_form(page, f"{page}/act", {"act": "close", "version": str(one.version)})
    assert answer.status_code == 409
    assert "sang trạng thái khác" in answer.text
    assert desk.send_form(page, f"{page}/act", {"act": "fly", "version": "1"}).status_code == 400


def test_the_kind_is_corrected_and_the_timeline_says_from_what_to_what(worked: RunningCity, desk: Visitor) -> None:
    one = opened(worked)
    page = f"/incidents/{one.code}"
    assert "Sửa loại" in desk.get(page).text
    told = {"act": "reclassify", "version": str(one.version), "kind": "test-smog"}
    assert desk.send_form(page, f"{page}/act", told).status_code == 303
    shown = desk.get(page).text
    assert "Loại: <s>Cây đổ</s> Khói bụi" in shown
    assert "Xác nhận tại chỗ" in shown, "the playbook is that of the new kind"


def test_a_script_is_answered_in_json_and_late_sending_is_said(worked: RunningCity, desk: Visitor) -> None:
    one = opened(worked)
    page = f"/incidents/{one.code}"
    made = worked.platform.accounts.clock.now() - timedelta(minutes=40)
    desk.headers["accept"] = "application/json"
    token = desk.get("/incidents/new", headers={"accept": "text/html"}).text
    found = re.search(r'name="csrf_token" value="([^"]+)"', token)
    assert found is not None
    told = {"csrf_token": found[1], "act": "accept", "version": str(one.version), "made_at": made.isoformat(), "once": "a1"}
    for _again in range(2):  # its answer was lost on the way
        answer = desk.post(f"{page}/act", data=told)
        assert answer.json() == {"code": one.code, "state": "accepted", "version": one.version + 1}
    photo = {"csrf_token": found[1], "phase": "after", "made_at": made.isoformat()}
    for _again in range(2):
        assert desk.post(f"{page}/photos", data=photo, files={"photo": ("a.png", PIXEL, "image/png")}).status_code == 200
    stale = desk.post(f"{page}/act", data=told | {"act": "start", "once": "a2"})
    assert (stale.status_code, stale.json()["type"]) == (409, "urn:dothi:problem:changed-meanwhile")
    lines = worked.platform.incidents.timeline(insider(), one.code)
    assert sum("mất mạng" in entry.words.vi for entry in lines) == 2, "the act and the photo, each once"


def test_many_are_taken_at_once_and_those_that_changed_are_named(worked: RunningCity, desk: Visitor) -> None:
    first, second = opened(worked), opened(worked)
    stale = f"{second.code}@{second.version}"
    does(worked, second, acts.Rank(3, "normal"))
    answer = desk.send_form(
        "/incidents", "/incidents/bulk", {"act": "accept", "pick": [f"{first.code}@{first.version}", stale], "back": ""}
    )
    assert answer.status_code == 303
    said = desk.get(answer.headers["location"]).text
    assert "Xong 1 sự việc." in said
    assert f"không còn cho phép: {second.code}." in said
    assert worked.platform.incidents.get(insider(), first.code).state == "accepted"
    assert worked.platform.incidents.get(insider(), second.code).state == "new"


def test_what_people_write_is_never_markup(worked: RunningCity, desk: Visitor) -> None:
    evil = "<script>alert(1)</script>"
    one = opened(worked, evil, text=evil)
    does(worked, one, acts.Comment(evil))
    for path in ("/incidents", f"/incidents/{one.code}", f"/incidents/{one.code}/panel"):
        assert "<script>alert" not in desk.get(path).text, path


def test_the_drawer_has_the_steps_and_the_one_main_act(worked: RunningCity, desk: Visitor) -> None:
    one = opened(worked, kind="test-smog")
    text = desk.get(f"/incidents/{one.code}/panel").text
    assert text.count("button-main") == 1
    assert ">Tiếp nhận</button>" in text
    assert "0/2" in text


def test_why_it_was_reopened_stands_beside_its_clock_until_the_next_answer(worked: RunningCity, desk: Visitor) -> None:
    one = does(worked, opened(worked), acts.Accept(), acts.Start(), acts.Answer("Đã cắt cành."))
    said = "Cây còn <chắn> đường"
    words = re.compile(r"Mở lại lúc [^<]+: Cây còn &lt;chắn&gt; đường")
    pages = (f"/incidents/{one.code}", f"/incidents/{one.code}/panel")
    assert not any(words.search(desk.get(page).text) for page in pages)
    one = does(worked, one, acts.Reopen(said))
    assert all(words.search(desk.get(page).text) for page in pages)
    assert "Reopened at " in desk.get(f"{pages[1]}?lang=en").text
    desk.get("/incidents?lang=vi")
    does(worked, one, acts.Start(), acts.Answer("Đã dọn hết."))
    assert not any(words.search(desk.get(page).text) for page in pages)


def test_how_often_it_went_up_is_counted_in_words(worked: RunningCity, desk: Visitor) -> None:
    one = opened(worked)
    for vi, en in (("1 lần", "once"), ("2 lần", "2 times")):
        one = does(worked, one, acts.Escalate("Cần xe cẩu"))
        assert f'Báo cấp trên</dt><dd class="marks-grave">{vi}</dd>' in desk.get(f"/incidents/{one.code}?lang=vi").text
        assert f'Escalated</dt><dd class="marks-grave">{en}</dd>' in desk.get(f"/incidents/{one.code}?lang=en").text


def test_who_may_only_look_is_offered_no_act(worked: RunningCity) -> None:
    one = opened(worked)
    with Visitor(worked, worked.session("leader")) as leader:
        text = leader.get(f"/incidents/{one.code}").text
        assert one.title.vi in text
        assert "/act" not in text
        assert leader.get("/incidents/new").status_code == 403
    with Visitor(worked, worked.session("developer")) as developer:
        assert developer.get(f"/incidents/{one.code}").status_code == 403


def test_people_to_give_it_to_are_those_who_may_work_on_it(worked: RunningCity) -> None:
    one = opened(worked)
    person = officer(worked, "Cán bộ An")
    found = {account.id: account.name for account in worked.platform.accounts.able("incident.write", one.thing)}
    assert found[person] == "Cán bộ An"
    worked.run(worked.platform.accounts.disable(SYSTEM, person))
    assert person not in {account.id for account in worked.platform.accounts.able("incident.write", one.thing)}


def test_a_point_is_read_as_maps_copy_it(worked: RunningCity, desk: Visitor) -> None:
    one = opened(worked)
    page = f"/incidents/{one.code}"
    moved = {"act": "move", "version": str(one.version), "point": "21.0300;105.8500", "address": "Phố Tràng Thi"}
    assert desk.send_form(page, f"{page}/act", moved).status_code == 303
    found = worked.platform.incidents.get(OPERATOR, one.code)
    assert (found.longitude, found.latitude, found.address) == (105.85, 21.03, "Phố Tràng Thi")
    assert (found.longitude, found.latitude) != HOAN_KIEM
    assert fold("Phố Tràng Thi") in fold(desk.get(page).text)


def test_the_operations_page_has_the_queue_and_the_drawer_without_a_script(worked: RunningCity, desk: Visitor) -> None:
    one = opened(worked, "Cây đổ Hàng Trống", kind="test-smog")
    page = desk.get("/", params={"chosen": one.code, "q": "hang trong"}).text
    assert re.findall(r'<li class="work-item" data-code="([^"]+)"', page) == [one.code]
    assert f'<article class="panel work-panel" data-urn="{one.code}"' in page
    assert 'data-list="stations" hidden' in page
    sent = desk.send_form(
        f"/?chosen={one.code}",
        f"/incidents/{one.code}/act",
        {"act": "accept", "version": str(one.version), "back": f"/?chosen={one.code}"},
    )
    assert (sent.status_code, sent.headers["location"]) == (303, f"/?chosen={one.code}")
    assert "Không có sự việc này" in desk.get("/", params={"chosen": "SV-2601-9999"}).text
    away = desk.send_form(
        f"/incidents/{one.code}", f"/incidents/{one.code}/act", {"act": "comment", "text": "x", "back": "//evil"}
    )
    assert away.headers["location"] == f"/incidents/{one.code}"


def test_the_queue_is_asked_again_only_when_it_changed(worked: RunningCity, desk: Visitor) -> None:
    one = opened(worked, "Cây đổ Hàng Buồm")
    first = desk.get("/incidents/queue", params={"q": "hang buom"})
    assert f'data-code="{one.code}"' in first.text
    again = desk.get("/incidents/queue", params={"q": "hang buom"}, headers={"if-none-match": first.headers["etag"]})
    assert again.status_code == 304
    (point,) = json.loads(re.search(r'data-part="work-points">(.+)</script>', first.text)[1])  # type: ignore[index]  # found
    assert (point["id"], point["severity"], point["work"]) == (one.code, 2, True)


def test_who_may_know_of_an_incident_hears_of_it(worked: RunningCity) -> None:
    one = opened(worked)

    def of_ward(ward: str, id: str = "p") -> Person:
        return Person(id, (Grant("ward_officer", Scope(wards=frozenset({ward}))),))

    def hear(*people: Person) -> list[bytes | None]:
        with worked.platform.database.reader() as db:
            changed = several(db, [one.code, "SV-2601-9999"])
        heard = []
        for person in people:
            watched = View(worked.platform, person, "vi", [])
            queue: asyncio.Queue[bytes | None] = asyncio.Queue()
            watched.watchers.add(queue)
            watched.tell_incidents(changed)
            heard.append(queue.get_nowait() if queue.qsize() else None)
        return heard

    said = b'event: incidents\ndata: {"codes":["' + one.code.encode() + b'"]}\n\n'
    assert hear(of_ward("00070"), of_ward("00004"), Person("nobody")) == [said, None, None]
    given = officer(worked, "Ông Hải")
    one = does(worked, one, acts.Accept(), acts.Assign(assignee=given))
    assert hear(of_ward("00004", given), of_ward("00004"), Person(given)) == [said, None, None], "wherever it lies"
    one = does(worked, one, acts.AskHelp("00004"))
    assert hear(of_ward("00004"), of_ward("00008")) == [said, None]


def test_an_incident_leads_to_the_reports_it_came_from(worked: RunningCity, desk: Visitor) -> None:
    one = opened(worked, links=(("report", "PA-ABCD-1234"),))
    link = f'<a href="/reports/review?incident={one.code}">Phản ánh 1</a>'
    assert link in desk.get(f"/incidents/{one.code}").text
    with Visitor(worked, worked.session("auditor")) as auditor:
        assert link not in auditor.get(f"/incidents/{one.code}").text, "no door that refuses whoever sees it"
