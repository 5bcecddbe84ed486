"""What was released can be changed and taken back, with a reason, and is gone from every public page at once."""

import re
from html import unescape

import httpx
from citizens_world import HIDDEN, Citizen, picture

from dothi.platform.incidents import acts
from dothi.testing.people import insider

PLACE = {"longitude": "105.87", "latitude": "20.99"}


class Desk:
    """An official who decides about the one report of an incident."""

    def __init__(self, official: httpx.Client, incident: str) -> None:
        self.official, self.incident = official, incident
        found = re.search(r'action="/reports/review/(\w+)"', self.page())
        assert found is not None
        self.report = found.group(1)

    def page(self) -> str:
        return unescape(self.official.get("/reports/review", params={"incident": self.incident}).text)

    def decide(self, decision: str, **fields: str | list[str]) -> httpx.Response:
        token = dict(HIDDEN.findall(self.official.get("/reports/review", params={"incident": self.incident}).text))
        data = {"csrf_token": token["csrf_token"], "decision": decision, **fields}
        return self.official.post(f"/reports/review/{self.report}", data=data)


def everywhere(citizen: Citizen, incident: str) -> list[bool]:
    """Whether strangers find an incident: on its page, in the list, the CSV, the feed, the GeoJSON."""
    found = [citizen.client.get(path).text for path in ("/reports", "/reports.csv", "/reports.atom", "/reports.geojson")]
    return [citizen.client.get(f"/reports/{incident}").status_code == 200, *(incident in one for one in found)]


def test_a_released_report_is_taken_back_with_a_reason_from_every_page_at_once(
    citizen: Citizen, official: httpx.Client
) -> None:
    code = citizen.report("Biển hiệu che đèn tín hiệu ngã tư", picture("red"), **PLACE)
    incident = citizen.incident(code).code
    desk = Desk(official, incident)
    (photo,) = re.findall(r'name="photo" value="(\d+)"', desk.page())
    assert desk.decide("release", title="Biển hiệu che đèn", shown="Che đèn của ông Thử", photo=photo).status_code == 303
    assert everywhere(citizen, incident) == [True] * 5
    shown = citizen.client.get(f"/reports/photos/{photo}")
    assert shown.headers["cache-control"] == "private, no-cache"
    asked = {"if-none-match": shown.headers["etag"]}
    assert citizen.client.get(f"/reports/photos/{photo}", headers=asked).status_code == 304
    assert "rút khỏi công khai" not in citizen.client.get(f"/reports/{incident}").text
    assert "rút khỏi công khai" in official.get(f"/reports/{incident}").text
    assert desk.decide("withdraw", because=" ").status_code == 400
    assert everywhere(citizen, incident) == [True] * 5
    withdrawn = desk.decide("withdraw", because="có tên người trong lời")
    assert withdrawn.headers["location"] == f"/reports/review?incident={incident}&done=withdraw"
    assert everywhere(citizen, incident) == [False] * 5
    assert citizen.client.get(f"/reports/photos/{photo}", headers=asked).status_code == 404
    assert "Biển hiệu che đèn tín hiệu" in citizen.page(code), "its sender still follows it"
    assert desk.decide("withdraw", because="có tên người trong lời").status_code == 409
    said = citizen.city.platform.incidents.timeline(insider(), incident)[-1]
    assert "có tên người trong lời" in said.words.vi and "có tên người trong lời" in said.words.en
    with citizen.city.platform.database.reader() as db:
        query = "SELECT person_id, why FROM audit WHERE action = 'report.withdraw' AND thing = ?"
        (act,) = [tuple(one) for one in db.execute(query, (incident,))]
    assert act == ("local-operator", "có tên người trong lời")
    assert "Không công bố" in desk.page()
    assert desk.decide("release", title="Biển hiệu che đèn", shown="Che đèn").status_code == 303
    assert everywhere(citizen, incident) == [True] * 5
    assert citizen.client.get(f"/reports/photos/{photo}").status_code == 404, "it was not ticked again"


def test_words_and_photos_of_a_released_report_are_changed(citizen: Citizen, official: httpx.Client) -> None:
    incident = citizen.incident(citizen.report("Ổ gà lớn", picture("red"), picture("blue"))).code
    desk = Desk(official, incident)
    first, second = re.findall(r'name="photo" value="(\d+)"', desk.page())
    desk.decide("release", title="Ổ gà ở ngõ 121", shown="lời cũ", photo=[first])
    assert re.search(rf'value="{first}" checked', desk.page()) and not re.search(rf'value="{second}" checked', desk.page())
    desk.decide("release", title="Ổ gà ở ngõ 121", shown="lời mới", photo=[second])
    page = citizen.client.get(f"/reports/{incident}").text
    assert "lời mới" in page and "lời cũ" not in page
    assert [citizen.client.get(f"/reports/photos/{one}").status_code for one in (first, second)] == [404, 200]


def test_who_may_not_change_the_incident_neither_sees_nor_decides(citizen: Citizen, official: httpx.Client) -> None:
    incident = citizen.incident(citizen.report("Đổ phế thải ven hồ", **PLACE)).code
    desk = Desk(official, incident)
    desk.decide("release", title="Đổ phế thải", shown="Đổ phế thải")
    answer = citizen.post(f"/reports/review/{desk.report}", decision="withdraw", because="tôi muốn thế")
    assert answer.status_code in (401, 403)
    assert everywhere(citizen, incident) == [True] * 5


def test_a_merge_takes_a_released_report_along_and_it_is_taken_back_there(citizen: Citizen, official: httpx.Client) -> None:
    first, second = citizen.report("Cống tắc đầu ngõ", **PLACE), citizen.report("Cống tắc cuối ngõ", **PLACE)
    into = citizen.incident(first).code
    desk = Desk(official, citizen.incident(second).code)
    desk.decide("release", title="Cống tắc cuối ngõ", shown="")
    citizen.work(second, acts.Merge(into))
    desk.incident = into
    assert everywhere(citizen, into) == [True] * 5
    assert desk.decide("withdraw", because="báo nhầm chỗ").status_code == 303
    assert everywhere(citizen, into) == [False] * 5
