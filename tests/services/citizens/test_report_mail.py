"""Who left an address hears by mail of each step, the answer and how to rate it; stops it by a link; is forgotten whole."""

import re
from collections.abc import Iterator

import pytest
from citizens_world import Citizen, picture

from dothi.platform.incidents import acts
from dothi.services.citizens import codes, told
from dothi.services.citizens.told import Told
from dothi.testing.city import RunningCity, running_city, wait_until
from dothi.testing.mail import Inbox, mail_server

CONTACT = {"name": "Nguyễn Văn Thử", "phone": "0912345678", "mail": "thu@example.vn", "agree": "yes"}


@pytest.fixture(scope="module")
def inbox() -> Iterator[Inbox]:
    """A mail server on this machine."""
    with mail_server() as server:
        yield server


@pytest.fixture(scope="module")
def writer(tmp_path_factory: pytest.TempPathFactory, inbox: Inbox) -> Iterator[Citizen]:
    """A citizen of a city that sends mail, each step by itself."""
    given = {"mail_server": f"127.0.0.1:{inbox.port}", "mail_from": "Đô Thị <bao@hanoi.example>", "mail_tls": "none"}
    folder = tmp_path_factory.mktemp("writing")
    with pytest.MonkeyPatch.context() as patched, running_city(folder, sectors="citizens", **given) as city:
        patched.setattr(told, "SETTLE", 0)
        patched.setattr(told, "_MOST", 20)
        someone = Citizen(city)
        yield someone
        someone.client.close()


def text_of(inbox: Inbox) -> str:
    body = inbox.taken[-1][1].get_body(("plain",))
    assert body is not None
    return str(body.get_content())


def heard(inbox: Inbox, count: int, what: str) -> str:
    wait_until(lambda: len(inbox.taken) >= count, what)
    assert len(inbox.taken) == count, what
    return text_of(inbox)


def looks(city: RunningCity) -> int:
    with city.platform.database.reader() as db:
        return int(db.execute("SELECT count(*) FROM personal_look WHERE person = 'system'").fetchone()[0])


def test_each_step_is_told_until_the_answer_which_is_rated(writer: Citizen, inbox: Inbox) -> None:
    inbox.taken.clear()
    assert (
        "Để nhận thư báo mỗi bước xử lý"
        in writer.client.get("/report", params={"kind": "report-other", "address": writer.address}).text
    )
    code = writer.report("Rác chất đống của nhà bà Tư", **CONTACT)
    text = heard(inbox, 1, "it arrived")
    assert (inbox.receivers, str(inbox.taken[0][1]["Subject"])) == (
        ["thu@example.vn"],
        "Đã nhận phản ánh của bạn",
    )
    assert f"/report/{code}" in text and "bà Tư" not in text and "Nguyễn Văn Thử" not in text
    before = looks(writer.city)
    writer.work(code, acts.Accept())
    assert "Tiếp nhận: " in heard(inbox, 2, "it was accepted")
    assert looks(writer.city) == before + 2  # the address, and the way to the page
    incident = writer.incident(code)
    writer.work(code, acts.Assign(ward=incident.ward))
    heard(inbox, 3, "it was assigned")
    writer.work(code, acts.Start())
    heard(inbox, 4, "it is being handled")
    photos = writer.city.platform.incidents.photos
    proof = writer.city.run(photos.add(told._OPENER, incident.code, picture("blue"), "proof"))
    writer.work(code, acts.Answer("Đã thu gom lúc 16 giờ.", (proof.number,)))
    text = heard(inbox, 5, "it was answered")
    assert "Trả lời: Đã thu gom lúc 16 giờ." in text and "để đánh giá" in text
    assert len(set(inbox.ids)) == 5


def test_a_rejection_is_told_with_its_reason_in_the_senders_language(writer: Citizen, inbox: Inbox) -> None:
    inbox.taken.clear()
    writer.client.headers["accept-language"] = "en"
    code = writer.report("A neighbour sings by day", **CONTACT)
    writer.client.headers["accept-language"] = "vi"
    assert "Acceptance: still to come" in heard(inbox, 1, "it arrived")
    writer.work(code, acts.Reject("Not louder than the limit."))
    text = heard(inbox, 2, "it was rejected")
    assert "Your report was not accepted" in text and "The reason: Not louder than the limit." in text


def test_a_link_stops_the_mails_and_only_its_own(writer: Citizen, inbox: Inbox) -> None:
    inbox.taken.clear()
    code = writer.report("Cống tắc đầu ngõ", **CONTACT)
    heard(inbox, 1, "it arrived")
    way = re.search(r"http\S+(/report/mail\?token=\S+)", text_of(inbox))
    assert way is not None and str(inbox.taken[0][1]["List-Unsubscribe"]).endswith(f"{way[1]}>")
    assert "Thôi nhận thư" in writer.client.get(way[1]).text
    token = way[1].partition("token=")[2]
    forged = token[:-1] + ("0" if token[-1] != "0" else "1")
    assert writer.client.get("/report/mail", params={"token": forged}).status_code == 404
    assert writer.post("/report/mail", token=forged, act="stop").status_code == 404
    assert writer.post("/report/mail", token=token, act="stop").status_code == 303
    assert "không còn nhận thư" in writer.client.get(way[1]).text and "Thư báo đã dừng" in writer.page(code)
    writer.work(code, acts.Accept())
    other = writer.report("Cột đèn nghiêng", **CONTACT)
    heard(inbox, 2, "only the other's")
    assert f"/report/{other}" in text_of(inbox)
    assert writer.post("/report/mail", token=token, act="go_on").status_code == 303
    writer.work(code, acts.Start())
    assert "Xử lý: " in heard(inbox, 3, "again")


def test_who_deletes_the_contact_leaves_nothing_to_write_to(writer: Citizen, inbox: Inbox) -> None:
    inbox.taken.clear()
    code = writer.report("Biển báo gãy", **CONTACT)
    heard(inbox, 1, "it arrived")
    assert writer.post(f"/report/{code}/forget").status_code == 303
    writer.work(code, acts.Accept())
    writer.city.run(writer.city.platform.telling.look())
    with writer.city.platform.database.reader() as db:
        report = codes.hash_of(code)
        (id_,) = db.execute("SELECT id FROM report WHERE code = ?", (report,)).fetchone()
        for table in ("telling_note", "telling_letter"):
            assert db.execute(f"SELECT * FROM {table} WHERE recipient = ?", (f"report:{id_}",)).fetchall() == []  # noqa: S608 - ours
    assert len(inbox.taken) == 1


def test_a_consent_to_the_result_alone_is_kept_to(writer: Citizen, inbox: Inbox) -> None:
    inbox.taken.clear()
    code = writer.report("Dây điện sà thấp", **CONTACT)
    heard(inbox, 1, "it arrived")
    platform = writer.city.platform
    with platform.database.reader() as db:
        (subject,) = db.execute("SELECT subject FROM report WHERE code = ?", (codes.hash_of(code),)).fetchone()
        (record,) = db.execute("SELECT id FROM personal_record WHERE subject = ? AND kind = 'other'", (subject,)).fetchone()
    writer.city.run(platform.personal.delete(told._OPENER, record))  # as who reported before steps were told
    writer.work(code, acts.Accept())
    writer.work(code, acts.Reject("Đã có người sửa."))
    text = heard(inbox, 2, "the result")
    assert "Theo dõi bằng mã đã nhận" in text and "PA-" not in text


def test_nobody_who_opens_a_contact_can_follow_in_its_place(writer: Citizen) -> None:
    code = writer.report("Hố ga mất nắp", **CONTACT)
    with writer.city.platform.database.reader() as db:
        (subject,) = db.execute("SELECT subject FROM report WHERE code = ?", (codes.hash_of(code),)).fetchone()
    opened = writer.city.run(writer.city.platform.personal.look(told._OPENER, subject, "kiểm tra mã đã che"))
    values = {one.record.kind: str(one.value) for one in opened}
    assert values["other"].startswith("mã theo dõi đã che: PA-") and code not in values["other"]
    shown = values["other"].removeprefix(codes.VEILED)
    assert writer.client.get(f"/report/{shown}").status_code == 404


def test_a_city_without_a_server_says_so(citizen: Citizen) -> None:
    page = citizen.client.get("/report", params={"kind": "report-other", "address": citizen.address}).text
    assert "chưa gửi thư hay tin nhắn tự động" in page
    code = citizen.report("Ghế đá gãy", **CONTACT)
    assert "chưa gửi thư báo" in citizen.page(code)
    with citizen.city.platform.database.reader() as db:
        assert db.execute("SELECT count(*) FROM telling_note").fetchone()[0] == 0


def test_the_post_is_told_of_no_sender(writer: Citizen) -> None:
    code = writer.report("Cây khô sắp đổ", **CONTACT)
    with writer.city.platform.database.reader() as db:
        (id_,) = db.execute("SELECT id FROM report WHERE code = ?", (codes.hash_of(code),)).fetchone()
    assert Told(writer.city.platform).name(id_, "vi") == writer.incident(code).code
