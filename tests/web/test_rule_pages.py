"""Rules and alerts for people: a rule is written, tried, kept, changed and taken back in forms without a script."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from html import unescape
from urllib.parse import unquote

import httpx

from dothi.access.policy import LOCAL_OPERATOR, SYSTEM, Clearance
from dothi.access.sessions import COOKIE
from dothi.data.batch import Batch, EntityChange, ReadingRow, readings_of
from dothi.model.entity import Entity
from dothi.model.reading import Origin
from dothi.model.text import Text
from dothi.platform.incidents.model import Question
from dothi.platform.rules.model import Compare, Rule, Where
from dothi.testing.city import RunningCity, wait_until
from dothi.web.rules.form import rule_in, told_of

AIR = "https://smartdatamodels.org/dataModel.Environment/AirQualityObserved"
PM25 = "https://smartdatamodels.org/dataModel.Environment/pm25"


@contextmanager
def browsing(city: RunningCity, *roles: str, language: str = "vi") -> Iterator[httpx.Client]:
    headers = {"accept": "text/html,*/*", "accept-language": language, "sec-fetch-site": "same-origin"}
    cookies = {COOKIE: city.session(*roles)}
    with httpx.Client(base_url=city.base_url, trust_env=False, timeout=30, headers=headers, cookies=cookies) as client:
        yield client


def send(client: httpx.Client, page: str, path: str, **fields: object) -> httpx.Response:
    token = re.search(r'name="csrf_token" value="([^"]+)"', client.get(page).text)
    assert token is not None
    return client.post(path, data={"csrf_token": token[1], **fields})


def written(title: str, value: str, **more: str) -> dict[str, str]:
    told = {"title_vi": title, "type": AIR, "severity": "3", "r0-is": "compare", "r0-attribute": PM25, "r0-op": ">="}
    return told | {"r0-value": value, "r0-join": "and"} | more


def test_a_rule_is_written_tried_kept_and_found(city: RunningCity) -> None:
    with browsing(city, "operator") as client:
        empty = client.get("/rules/new").text
        assert "Thử trên 30 ngày qua" in empty and 'name="r0-value"' in empty
        added = send(client, "/rules/new", "/rules/new", **written("Bụi <b>dày</b>", "0,5"), act="add:silence").text
        assert 'name="r1-minutes"' in added and 'value="0,5"' in added and "Bụi &lt;b&gt;dày&lt;/b&gt;" in added
        gone = send(client, "/rules/new", "/rules/new", **written("Bụi", "1"), **{"r1-is": "silence"}, act="remove:1").text
        assert 'name="r1-minutes"' not in gone
        tried = send(client, "/rules/new", "/rules/new", **written("Bụi dày", "0,5"), act="preview")
        assert tried.status_code == 200 and "quy tắc này đã báo" in tried.text and "<svg" in tried.text
        assert all(one.rule.title.vi != "Bụi dày" for one in city.platform.rules.rules(LOCAL_OPERATOR))
        wrong = send(client, "/rules/new", "/rules/new", **written("Bụi dày", "nhiều"), act="keep")
        assert wrong.status_code == 400 and "is no number" in wrong.text and 'value="nhiều"' in wrong.text
        kept = send(client, "/rules/new", "/rules/new", **written("Bụi dày", "0,5"), act="keep")
        assert (kept.status_code, kept.headers["location"]) == (303, "/rules/bui-day?kept=1")
        assert "Đã lưu thành bản 1" in client.get(kept.headers["location"]).text
        assert "Bụi dày" in client.get("/rules", params={"q": "bui day"}).text
        assert "Bụi dày" not in client.get("/rules", params={"q": "nước"}).text
        wait_until(lambda: "?group=" in client.get("/alerts?rule=bui-day").text, "it fires")
        lines = client.get("/alerts?rule=bui-day").text
        group = re.search(r"/alerts\?group=(\d+)", lines)
        assert group is not None
        line = client.get(f"/alerts?group={group[1]}").text
        assert "/?list=stations&amp;chosen=urn" in line and "từ 0,5 µg/m³" in line
        station = re.search(r"chosen=(urn[^\"]+)", line)
        assert station is not None
        assert f'href="/alerts?group={group[1]}"' in client.get(f"/panel/{unquote(station[1])}").text
        done = send(client, "/alerts", "/alerts", pick=group[1], back="/alerts?rule=bui-day")
        assert done.headers["location"].startswith("/alerts?rule=bui-day&done=")
        assert "Đã nhận biết" in client.get(f"/alerts?group={group[1]}").text
        sought = client.get("/alerts?q=bui+day").text
        assert f"/alerts?group={group[1]}" in sought and 'data-follow="alerts"' in sought and 'value="bui day"' in sought
        assert f"/alerts?group={group[1]}" not in client.get("/alerts?q=bui+day+nuoc").text
        of_thing = client.get("/alerts", params={"thing": unquote(station[1]), "state": "all"}).text
        assert f"/alerts?group={group[1]}" in of_thing and "bỏ lọc" in of_thing
        assert "Mọi cảnh báo ở đây" in client.get(f"/panel/{unquote(station[1])}").text
        listed = client.get("/api/v1/alerts", params={"q": "bui day", "entity": unquote(station[1])}).json()
        assert [one["id"] for one in listed["items"]] == [int(group[1])]
        rows = client.get(f"/alerts.csv?group={group[1]}").text.splitlines()
        assert rows[0].startswith("\ufeffline,alert,rule") and ",bui-day," in rows[1]
        changed = send(
            client,
            "/rules/bui-day",
            "/rules/bui-day",
            **written("Bụi rất dày", "1900", **{"for": "15"}),
            version="1",
            act="keep",
        )
        assert changed.headers["location"] == "/rules/bui-day?kept=2"
        late = send(client, "/rules/bui-day", "/rules/bui-day", **written("Khác", "5"), version="1", act="keep")
        assert late.status_code == 409
        older = client.get("/rules/bui-day?version=1").text
        assert "Đang xem bản 1" in older and "Bụi rất dày" in older and "15 phút" in older
        again = send(client, "/rules/bui-day", "/rules/bui-day", act="again:1", because="ngưỡng cũ đúng hơn")
        assert again.headers["location"] == "/rules/bui-day?kept=3"
        assert "dùng lại bản 1" in client.get("/rules/bui-day").text
        assert send(client, "/rules", "/rules", rule="bui-day", act="off").status_code == 303
        assert "Bụi dày" in client.get("/rules?on=0").text
        for one in city.platform.rules.rules(LOCAL_OPERATOR):
            assert client.get(f"/rules/{one.rule.id}").status_code == 200
            told, rows = told_of(one.rule)
            kind = city.platform.types[one.rule.entity_type]
            assert rule_in(told, rows, one.rule.id, kind) == one.rule  # the form loses nothing
        assert client.get("/rules/none").status_code == 404
        assert client.get("/alerts?group=999999").status_code == 404


def test_maintenance_is_begun_and_ended(city: RunningCity) -> None:
    with browsing(city, "operator") as client:
        page = "/rules/maintenance"
        wrong = send(client, page, page, ward="nowhere", hours="4", reason="x")
        assert wrong.status_code == 400 and "no such ward" in wrong.text
        nowhere = send(client, page, page, hours="4", reason="x")
        assert nowhere.status_code == 400 and "is somewhere" in nowhere.text
        ward = city.platform.city.wards[5]
        assert send(client, page, page, ward=ward.code, hours="4", reason="thay đầu đo").status_code == 303
        shown = client.get(page).text
        assert ward.full_name in shown and "thay đầu đo" in shown
        number = re.search(r'name="end" value="(\d+)"', shown)
        assert number is not None
        assert send(client, page, page, end=number[1]).status_code == 303
        assert "Không có nơi nào đang bảo trì" in client.get(page).text


def test_who_may_look_and_who_may_write(city: RunningCity) -> None:
    with browsing(city, "ward_officer") as officer, browsing(city, "leader", language="en") as leader:
        assert officer.get("/rules/new").status_code == 403
        looked = officer.get("/rules/air-index-bad").text
        assert "VN_AQI" in looked and "Lưu và dùng ngay" not in looked
        assert officer.get("/rules").status_code == officer.get("/alerts").status_code == 200
        assert "Tắt quy tắc" not in officer.get("/rules").text
        english = leader.get("/rules").text + leader.get("/alerts").text + leader.get("/rules/maintenance").text
        assert "New rule" not in english and "Every rule watches as usual." in english and "Quy tắc" not in english
        assert send_refused(leader) == 403
    for path in ("/alerts", "/rules", "/rules/maintenance", "/alerts.csv"):
        assert httpx.get(f"{city.base_url}{path}", trust_env=False, timeout=60).status_code == 401


def send_refused(client: httpx.Client) -> int:
    return client.post("/rules", data={"rule": "air-index-bad", "act": "off"}).status_code


def test_a_rule_with_steps_is_written_and_shown(city: RunningCity) -> None:
    with browsing(city, "operator") as client:
        told = written("Bụi tăng dần", "1900", severity="2", graver3="1.950", graver4="1980")
        wrong = send(client, "/rules/new", "/rules/new", **told, act="keep")
        assert wrong.status_code == 400 and "grow graver" in wrong.text and 'value="1.950"' in wrong.text
        kept = send(client, "/rules/new", "/rules/new", **told | {"graver3": "1950,5"}, act="keep")
        assert kept.headers["location"] == "/rules/bui-tang-dan?kept=1"
        page = client.get("/rules/bui-tang-dan").text
        assert 'name="graver3" value="1950.5"' in page and 'name="graver4" value="1980"' in page
        told_again = written("Bụi tăng dần", "1900", severity="2", graver4="1980")
        send(client, "/rules/bui-tang-dan", "/rules/bui-tang-dan", **told_again, version="1", act="keep")
        older = client.get("/rules/bui-tang-dan?version=1").text
        assert "mức 3: " in older and "1.950,5" in older
        assert send(client, "/rules", "/rules", rule="bui-tang-dan", act="off").status_code == 303


def test_what_an_alert_says_of_its_incident_is_read_in_the_readers_language(city: RunningCity) -> None:
    platform, station = city.platform, "urn:ngsi-ld:AirQualityObserved:hanoi:two-languages"
    rule = Rule(
        id="two-languages",
        title=Text("Bụi để đọc hai thứ tiếng", "Dust to be read in two languages"),
        entity_type=AIR,
        any_of=((Compare(attribute=PM25, op=">", value=45.0),),),
        where=Where(entities=(station,)),  # whatever the other stations tell at this hour
        incident="air-pollution",
        severity=2,
    )
    now, ward = platform.clock.now(), platform.city.wards[0].code
    made = EntityChange("create", Entity(station, AIR, ward=ward), Clearance.PUBLIC)
    row = ReadingRow(station, PM25, now, 90.0, Origin.MEASURED)
    city.run(platform.writer.write(Batch(SYSTEM, "test", "c", now, entities=[made])))
    city.run(platform.rules.save(SYSTEM, rule, version=0))
    city.run(platform.writer.write(Batch(SYSTEM, "test", "c", now, readings_of([row]))))
    about = Question(linked=("entity", station))
    wait_until(lambda: platform.incidents.find(SYSTEM, about).incidents, "the alert opened its incident")
    (opened,) = platform.incidents.find(SYSTEM, about).incidents
    vi, en = platform.rules.text_of(opened).vi, platform.rules.text_of(opened).en
    assert vi != en
    pages = [f"/incidents/{opened.code}", f"/incidents/{opened.code}/panel", f"/?chosen={opened.code}"]
    for language, shown, other in (("vi", vi, en), ("en", en, vi)):
        with browsing(city, "operator", language=language) as client:
            for page in pages:
                told = re.sub(r"<textarea.*?</textarea>", "", unescape(client.get(page).text), flags=re.DOTALL)
                assert shown in told and other not in told, (page, language)
    city.run(platform.rules.turn(SYSTEM, rule.id, enabled=False))
