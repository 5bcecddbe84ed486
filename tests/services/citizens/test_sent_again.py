"""What is sent twice, at once or too often: nothing is lost, nothing is counted twice, nobody's way is blocked."""

from concurrent.futures import ThreadPoolExecutor

from citizens_world import Citizen, picture

from dothi.access.policy import LOCAL_OPERATOR, STRANGER
from dothi.platform.incidents import acts
from dothi.platform.incidents.photos import MOST_SENT
from dothi.services.citizens import codes
from dothi.services.citizens.contact import Contact
from dothi.services.citizens.place import Place
from dothi.services.citizens.service import MOST_PHOTOS, Reports, Sent
from dothi.testing.city import RunningCity
from dothi.testing.people import insider

COLOURS = ("red", "green", "blue", "yellow", "black", "white")


def test_a_form_sent_again_after_a_kill_brings_what_was_not_kept(city: RunningCity) -> None:
    reports, ward = Reports(city.platform), city.platform.city.wards[0]
    place = Place(ward, ward.longitude, ward.latitude, rough=True)
    form, photos = codes.new_form(), [picture(one) for one in COLOURS[:3]]
    contact = Contact("", "0912345678", "", "Tôi đồng ý")

    def sent(count: int, contact: Contact | None) -> str:
        told = Sent(form, "report-order", place, "Xe đỗ trên vỉa hè", "vi", photos[:count], contact)
        received = city.run(reports.send(STRANGER, told))
        assert (received.unread, received.contact_kept) == (0, True)
        return received.code

    code = sent(1, None)  # as far as the city had come when it was killed
    assert sent(3, contact) == code == sent(3, contact)
    found = reports.follow(code)
    assert (found.report.photos, bool(found.report.subject)) == (3, True)
    assert found.incident.photos == 3
    kept = city.run(city.platform.personal.look(insider(), found.report.subject, "kiểm tra liên hệ của người gửi"))
    assert [one.value for one in kept] == ["0912345678"]


def test_photos_sent_at_once_are_no_more_than_a_report_takes(city: RunningCity) -> None:
    citizen = Citizen(city)
    code = citizen.report()
    files = [("photo", (f"{one}.jpg", picture(one))) for one in COLOURS]
    halves = [files[:2], files[2:4], files[4:], [("photo", ("x.jpg", picture("orange")))]]

    def send(some: list[tuple[str, tuple[str, bytes]]]) -> int:
        return citizen.post(f"/report/{code}/photos", files=some).status_code

    with ThreadPoolExecutor(4) as pool:
        told = sorted(pool.map(send, halves))
    assert told[0] == 303
    assert citizen.incident(code).photos <= MOST_PHOTOS


def test_citizens_leave_room_for_the_proof(city: RunningCity) -> None:
    citizen, photos = Citizen(city), city.platform.incidents.photos
    code = citizen.report()
    incident = citizen.work(code, acts.Accept(), acts.Start())
    for number in range(MOST_SENT):
        colour = f"#{9 * number:02x}{255 - 9 * number:02x}00"
        city.run(photos.add(LOCAL_OPERATOR, incident.code, picture(colour), "report", report=f"{number:016x}"))
    answer = citizen.post(f"/report/{code}/photos", files=[("photo", ("x.jpg", picture("pink")))])
    assert "unread" in answer.headers["location"]
    proof = city.run(photos.add(LOCAL_OPERATOR, incident.code, picture("cyan"), "proof"))
    assert citizen.work(code, acts.Answer("Đã thu gom xong.", (proof.number,))).state == "answered"


def test_the_same_rating_again_says_nothing_new(city: RunningCity) -> None:
    citizen = Citizen(city)
    code = citizen.report()
    incident = citizen.answered(code)

    def lines() -> int:
        return len(city.platform.incidents.timeline(LOCAL_OPERATOR, incident.code))

    before = lines()
    for score in ("2", "2", "2", "3", "3"):
        assert citizen.post(f"/report/{code}/rate", score=score, comment="Nhanh").status_code == 303
    assert lines() == before + 2


def test_a_merged_report_leads_to_where_it_is_now(city: RunningCity) -> None:
    citizen = Citizen(city)
    first, second = citizen.incident(citizen.report("Rác ở đầu ngõ đã ba ngày")), citizen.incident(citizen.report())
    reports = Reports(city.platform)
    links = city.platform.incidents.links(LOCAL_OPERATOR, first.code)
    report = next(one.ref for one in links if one.kind == "report")
    city.run(reports.releases.release(LOCAL_OPERATOR, report, "Rác đầu ngõ", "Rác"))
    merge = acts.Merge(second.code)
    city.run(city.platform.incidents.act(LOCAL_OPERATOR, first.code, merge, version=first.version))
    answer = citizen.client.get(f"/reports/{first.code}")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/reports/{second.code}")
    assert citizen.client.get(f"/reports/{second.code}").status_code == 200
    assert citizen.client.get("/reports/SV-0001-0001").status_code == 404
