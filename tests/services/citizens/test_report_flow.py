"""From a telephone to an answer that is rated: over HTTP, without a script, as a stranger."""

import re
from html import unescape
from xml.etree.ElementTree import fromstring

import httpx
from citizens_world import HIDDEN, Citizen, code_in, picture

from dothi.access.policy import LOCAL_OPERATOR, SYSTEM
from dothi.platform.incidents import acts
from dothi.testing.city import RunningCity
from dothi.testing.people import insider


def test_a_report_begins_an_incident_with_a_clock_and_is_followed_by_its_code(citizen: Citizen) -> None:
    code = citizen.report("Rác chất đống <b>ngõ 121</b>", picture())
    incident = citizen.incident(code)
    assert (incident.origin, incident.kind, incident.state, incident.reports) == ("report", "report-environment", "new", 1)
    assert incident.text == "Rác chất đống <b>ngõ 121</b>"
    assert incident.due_at is not None
    page = citizen.page(code)
    assert "Tiếp nhận" in page and "đang chờ" in page and "còn " in page
    raw = citizen.client.get(f"/report/{code}").text
    assert "<b>ngõ" not in raw and "&lt;b&gt;ngõ 121" in raw
    photos = citizen.city.platform.incidents.photos.of(LOCAL_OPERATOR, incident.code)
    assert [(one.phase, one.released) for one in photos] == [("report", False)]
    assert citizen.client.get(f"/reports/photos/{photos[0].number}").status_code == 404  # nobody released it


def test_the_same_form_twice_is_one_report_and_another_form_another(citizen: Citizen) -> None:
    form = citizen.form() | {"text": "Đèn đường tắt cả tuần"}
    first, again = (citizen.client.post("/report", data=form) for _ in range(2))
    assert code_in(first) == code_in(again)
    assert citizen.incident(code_in(first)).reports == 1
    assert citizen.report("Đèn đường tắt cả tuần") != code_in(first)


def test_me_too_joins_what_is_known_with_a_code_of_its_own(citizen: Citizen) -> None:
    code = citizen.report("Nắp cống vỡ giữa đường")
    incident = citizen.incident(code)
    nearby = citizen.client.get("/report", params={"kind": "report-environment", "address": citizen.address}).text
    found = re.search(rf'name="form" value="(\w+)"><input type="hidden" name="incident" value="{incident.code}"', nearby)
    assert found is not None, "open reports nearby come first"
    assert "Nắp cống vỡ" not in nearby  # nobody released its words
    joined = citizen.post("/report/same", form=found.group(1), incident=incident.code)
    assert joined.status_code == 303, joined.text
    assert code_in(joined) != code
    assert citizen.incident(code).reports == 2
    assert "Bạn cũng gặp việc này" in citizen.page(code_in(joined))
    assert citizen.post("/report/same", form="0" * 32, incident="SV-0000-0001").status_code == 404


def test_who_only_joined_may_together_reopen_as_often_as_one_who_reported(citizen: Citizen) -> None:
    code = citizen.report("Rác đổ trộm ở bãi đất trống")
    incident, joined = citizen.incident(code), list[str]()
    for _ in range(3):
        nearby = citizen.client.get("/report", params={"kind": "report-environment", "address": citizen.address}).text
        found = re.search(rf'name="form" value="(\w+)"><input type="hidden" name="incident" value="{incident.code}"', nearby)
        assert found is not None
        joined.append(code_in(citizen.post("/report/same", form=found.group(1), incident=incident.code)))
    for one in joined[:2]:
        citizen.answered(code)
        assert citizen.post(f"/report/{one}/reopen", reason="Vẫn còn nguyên đống rác").status_code == 303
    citizen.answered(code)
    assert "/reopen" not in citizen.page(joined[2])
    assert citizen.post(f"/report/{joined[2]}/reopen", reason="Vẫn còn nguyên đống rác").status_code == 409
    assert citizen.post(f"/report/{code}/reopen", reason="Vẫn còn nguyên đống rác").status_code == 303, (
        "their own right stays"
    )


def test_an_answer_is_rated_again_if_one_likes_and_reopened_with_a_reason(citizen: Citizen) -> None:
    code = citizen.report("Vỉa hè bị chiếm làm bãi xe")
    assert citizen.post(f"/report/{code}/rate", score="3").status_code == 409  # there is nothing to rate
    answered = citizen.answered(code)
    page = citizen.page(code)
    assert "Đã thu gom xong lúc 16 giờ." in page
    assert f"/reports/photos/{answered.proof[0]}" in page
    assert citizen.client.get(f"/reports/photos/{answered.proof[0]}?size=small").headers["content-type"] == "image/jpeg"
    assert citizen.post(f"/report/{code}/rate", score="1", comment="chưa sạch").status_code == 303
    assert citizen.post(f"/report/{code}/rate", score="2", comment="tạm được").status_code == 303
    assert citizen.post(f"/report/{code}/rate", score="9").status_code == 400
    assert re.search(r'name="score" value="2" required checked', citizen.page(code))
    assert citizen.post(f"/report/{code}/reopen", reason="ngắn").status_code == 400
    reopened = citizen.post(f"/report/{code}/reopen", reason="Hôm sau xe lại đỗ kín vỉa hè")
    assert reopened.status_code == 303
    assert citizen.incident(code).state == "accepted"
    rated, entry, told = citizen.city.platform.incidents.timeline(SYSTEM, answered.code)[-3:]
    assert (rated.act, rated.words.vi) == ("rated", "Chấp nhận được: tạm được")
    assert (entry.act, entry.words.vi) == ("reopen", "Hôm sau xe lại đỗ kín vỉa hè")
    assert told.words.en == "Its sender reopened it."
    citizen.answered(code, "Đã phạt và đặt rào.")
    assert citizen.post(f"/report/{code}/rate", score="3").status_code == 303
    citizen.post(f"/report/{code}/reopen", reason="Rào đã bị dời đi rồi ạ")
    citizen.answered(code, "Đã lắp rào cố định.")
    third = citizen.post(f"/report/{code}/reopen", reason="Vẫn còn xe đỗ ở đó mà")
    assert third.status_code == 409
    assert "không mở lại được nữa" in unescape(third.text)


def test_a_rejection_is_told_with_its_reason(citizen: Citizen) -> None:
    code = citizen.report("Hàng xóm hát to ban ngày")
    citizen.work(code, acts.Reject("Chưa vượt quy chuẩn tiếng ồn ban ngày."))
    page = citizen.page(code)
    assert "Không tiếp nhận. Lý do:" in page and "Chưa vượt quy chuẩn tiếng ồn ban ngày." in page
    assert "Mở lại phản ánh" in page


def test_a_report_follows_its_work_through_a_merge(citizen: Citizen) -> None:
    first, second = citizen.report("Ổ gà trước số nhà 40"), citizen.report("Ổ gà rất to đoạn số 40")
    citizen.work(second, acts.Merge(citizen.incident(first).code))
    citizen.answered(first, "Đã vá ổ gà.")
    assert "Đã vá ổ gà." in citizen.page(second)
    assert citizen.post(f"/report/{second}/rate", score="3").status_code == 303


def test_a_contact_is_kept_apart_by_consent_and_deleted_when_asked(citizen: Citizen) -> None:
    contact = {"name": "Nguyễn Văn Thử", "phone": "0912 345 678", "mail": ""}
    refused = citizen.send("Cây đổ chắn đường", **contact)
    assert refused.status_code == 400
    assert "đánh dấu đồng ý" in unescape(refused.text) and 'value="0912 345 678"' in refused.text
    code = citizen.report("Cây đổ chắn đường", **contact, agree="yes")
    incident = citizen.incident(code)
    with citizen.city.platform.database.reader() as db:
        tables = ("report", "incident", "incident_entry", "audit", "personal_record", "personal_consent")
        kept = " ".join(str(row) for table in tables for row in db.execute(f"SELECT * FROM {table}"))  # noqa: S608 - ours
        (subject,) = db.execute("SELECT subject FROM report WHERE incident = ?", (incident.code,)).fetchone()
    assert "0912 345 678" not in kept and "0912345678" not in kept and "Nguyễn Văn Thử" not in kept
    opened = citizen.city.run(citizen.city.platform.personal.look(insider(), subject, "gọi hỏi thêm về cây đổ"))
    assert {one.record.kind: one.value for one in opened} == {"name": "Nguyễn Văn Thử", "phone": "0912345678"}
    assert "Xóa liên hệ của tôi" in citizen.page(code)
    assert citizen.post(f"/report/{code}/forget").status_code == 303
    assert "Xóa liên hệ của tôi" not in citizen.page(code)
    again = citizen.city.run(citizen.city.platform.personal.look(insider(), subject, "gọi hỏi thêm về cây đổ"))
    assert not again


def test_nothing_is_public_before_somebody_released_it(citizen: Citizen, official: httpx.Client) -> None:
    words = "Xe của ông Thử, số 0987654321, đỗ chắn cổng trường"
    code = citizen.report(words, picture("red"), picture("yellow"))
    incident = citizen.incident(code)
    assert citizen.client.get(f"/reports/{incident.code}").status_code == 404
    assert incident.code not in citizen.client.get("/reports").text
    assert citizen.client.get("/reports/review").status_code == 401
    review = unescape(official.get("/reports/review", params={"incident": incident.code}).text)
    form = review[review.index(words) - 600 :]
    report = re.findall(r'action="/reports/review/(\w+)"', review[: review.index(words)])[-1]
    photos = re.findall(r'name="photo" value="(\d+)"', form)[:2]
    assert official.get(f"/reports/review/photos/{photos[0]}").headers["cache-control"] == "no-store"
    fields = dict(HIDDEN.findall(review))
    released = official.post(
        f"/reports/review/{report}",
        data={
            "csrf_token": fields["csrf_token"],
            "title": "Xe đỗ chắn cổng trường",
            "shown": "Xe đỗ chắn cổng trường",
            "photo": photos[0],
            "because": "đã bỏ tên và số điện thoại",
            "decision": "release",
        },
    )
    assert released.status_code == 303, released.text
    page = unescape(citizen.client.get(f"/reports/{incident.code}").text)
    assert "Xe đỗ chắn cổng trường" in page and "0987654321" not in page
    assert f"/reports/photos/{photos[0]}" in page and f"/reports/photos/{photos[1]}" not in page
    assert citizen.client.get(f"/reports/photos/{photos[0]}").status_code == 200
    for asker in (citizen.client, official):  # also for an official: what is kept on the way is for everybody
        assert asker.get(f"/reports/photos/{photos[1]}").status_code == 404
    assert "Xe đỗ chắn cổng trường" in unescape(citizen.client.get("/reports").text)
    assert "Xe đỗ chắn cổng trường" in citizen.client.get("/reports.csv").text
    feed = fromstring(citizen.client.get("/reports.atom", params={"ward": incident.ward}).content)  # noqa: S314 - our own
    assert "Xe đỗ chắn cổng trường" in [one.text for one in feed.iter("{http://www.w3.org/2005/Atom}title")]
    elsewhere = fromstring(citizen.client.get("/reports.atom?ward=00000").content)  # noqa: S314 - our own
    assert elsewhere.find("{http://www.w3.org/2005/Atom}entry") is None
    with citizen.city.platform.database.reader() as db:
        act = db.execute("SELECT why FROM audit WHERE action = 'report.release'").fetchall()[-1]
    assert act[0] == "đã bỏ tên và số điện thoại"


def test_one_may_also_decide_not_to_release(citizen: Citizen, official: httpx.Client) -> None:
    one = {"incident": citizen.incident(citizen.report("Chuyện riêng của nhà bên cạnh")).code}
    review = unescape(official.get("/reports/review", params=one).text)
    report = re.findall(r'action="/reports/review/(\w+)"', review[: review.index("Chuyện riêng")])[-1]
    token = dict(HIDDEN.findall(review))["csrf_token"]
    data = {"csrf_token": token, "decision": "withhold", "because": "chuyện riêng"}
    assert official.post(f"/reports/review/{report}", data=data).status_code == 303
    assert "Chuyện riêng của nhà bên cạnh" not in unescape(official.get("/reports/review").text)
    assert '<span class="chip">Không công bố</span>' in unescape(official.get("/reports/review", params=one).text)
    assert official.post("/reports/review/ffff", data=data).status_code == 404


def test_ratings_are_told_by_kind_agency_and_ward(citizen: Citizen, official: httpx.Client) -> None:
    for score in ("3", "3", "2", "1", "3"):
        code = citizen.report("Đường ngập sau mưa", kind="report-traffic")
        citizen.answered(code)
        assert citizen.post(f"/report/{code}/rate", score=score, comment="lời riêng").status_code == 303
    page = unescape(citizen.client.get("/reports/ratings").text)
    row = page[page.index('<th scope="row">Giao thông') :]
    assert [one.strip() for one in re.findall(r'data-label="[^"]*">([^<]*)<', row)[:4]] == ["5", "60 %", "20 %", "20 %"]
    assert "lời riêng" not in page
    assert "lời riêng" in official.get("/reports/ratings").text
    assert "Phường Vĩnh Tuy" in unescape(citizen.client.get("/reports/ratings?by=ward").text)
    assert "Giao thông,5,3,1,1" in citizen.client.get("/reports/ratings.csv").text
    assert citizen.client.get("/reports/ratings?by=comment").status_code == 200


def test_the_citizens_pages_speak_english_too(citizen: Citizen) -> None:
    page = citizen.client.get("/report?lang=en").text
    assert "What did you see?" in page and "Bạn" not in page.replace("Tên bạn", "")
    assert "Where do complaints" in page


def test_the_audit_log_tells_what_was_done_and_still_verifies(city: RunningCity, citizen: Citizen) -> None:
    code = citizen.report("Cột điện nghiêng sắp đổ")
    with city.platform.database.reader() as db:
        rows = db.execute("SELECT person_id, action, thing FROM audit ORDER BY seq DESC LIMIT 4").fetchall()
        whole = " ".join(map(str, db.execute("SELECT * FROM audit").fetchall()))
    assert ("stranger", "report.send", citizen.incident(code).code) in [tuple(row) for row in rows]
    assert code not in whole
