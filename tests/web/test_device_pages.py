"""Devices, lobby and quarantine as forms: everything works without a script, nothing without its token."""

import re
from html import unescape

import httpx
import pytest

from dothi.access.policy import SYSTEM
from dothi.data.news import News
from dothi.model.clock import to_micros
from dothi.store.connection import Connection
from dothi.testing.city import RunningCity, wait_until


def _token(client: httpx.Client, path: str) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', client.get(path).text)
    assert found is not None, path
    return unescape(found[1])


def _send(client: httpx.Client, device: str, body: str) -> httpx.Response:
    return client.post(f"/api/v1/devices/{device}/readings", content=body, headers={"content-type": "application/json"})


def _wait_in_lobby(client: httpx.Client, device: str) -> None:
    assert _send(client, device, '{"values": {"pm25": 31.5, "nhiet_do": 29}}').status_code == 202
    wait_until(lambda: device in client.get("/devices/lobby").text, f"{device} waits in the lobby")


def test_a_device_from_lobby_to_readings(client: httpx.Client) -> None:
    _wait_in_lobby(client, "lobby-one")
    assert "nhiet_do" in client.get("/devices/lobby").text, "the last message is shown"
    form = "/devices/lobby/lobby-one"
    told = {
        "csrf_token": _token(client, form),
        "type": "AirQualityObserved",
        "name": "Trạm Nghĩa Đô",
        "cadence": "300",
        "latitude": "21,0436",
        "longitude": "105.8012",
        "attribute:pm25": "pm25",
        "attribute:nhiet_do": "temperature",
        "unit:nhiet_do": "CEL",
    }
    answer = client.post(f"{form}/admit", data=told)
    assert (answer.status_code, answer.headers["location"]) == (303, "/devices/lobby-one?done=admitted")
    page = client.get("/devices/lobby-one?done=admitted").text
    assert "Đã duyệt thiết bị" in page
    assert "Trạm Nghĩa Đô" in page
    assert "5 phút" in page
    assert "lobby-one" not in client.get("/devices/lobby").text
    _send(client, "lobby-one", '{"values": {"pm25": 47.5, "nhiet_do": 30}}')
    wait_until(lambda: "47,5" in client.get("/devices/lobby-one").text, "its reading is shown")
    assert "lobby-one" in client.get("/devices", params={"q": "nghia do"}).text, "found without accents"
    assert ",Trạm Nghĩa Đô,live," in client.get("/devices.csv", params={"q": "nghia do"}).text


def test_a_wrong_form_comes_back_with_what_was_written(client: httpx.Client) -> None:
    _wait_in_lobby(client, "lobby-wrong")
    form = "/devices/lobby/lobby-wrong"
    told = {
        "csrf_token": _token(client, form),
        "type": "AirQualityObserved",
        "name": "Trạm sai",
        "latitude": "một",
        "longitude": "2",
    }
    answer = client.post(f"{form}/admit", data=told)
    assert answer.status_code == 400
    assert "Chưa duyệt được" in answer.text
    assert 'value="Trạm sai"' in answer.text
    assert "lobby-wrong" in client.get("/devices/lobby").text, "it still waits"


def test_refusing_can_be_undone(client: httpx.Client) -> None:
    client.post(
        "/api/v1/devices", json={"id": "undo-me", "type": "AirQualityObserved", "longitude": 105.8, "latitude": 21.0}
    )
    page = "/devices/undo-me"
    answer = client.post(f"{page}/refuse", data={"csrf_token": _token(client, page)})
    assert answer.headers["location"] == f"{page}?done=refused"
    refused = client.get(f"{page}?done=refused").text
    assert "Hoàn tác" in refused
    assert "undo-me" in client.get("/devices?state=refused").text
    client.post(f"{page}/restore", data={"csrf_token": _token(client, page)})
    assert "undo-me" not in client.get("/devices?state=refused").text


def test_a_refused_stranger_can_still_be_described(client: httpx.Client) -> None:
    _wait_in_lobby(client, "lobby-no")
    token = _token(client, "/devices/lobby/lobby-no")
    assert client.post("/devices/lobby/lobby-no/refuse", data={"csrf_token": token}).status_code == 303
    assert 'href="/devices/lobby/lobby-no"' in client.get("/devices/lobby-no").text
    told = {"csrf_token": token, "type": "AirQualityObserved", "name": "Nhận lại"}
    assert client.post("/devices/lobby/lobby-no/admit", data=told).status_code == 303
    assert "Nhận lại" in client.get("/devices/lobby-no").text


def _held(client: httpx.Client, device: str, count: int) -> list[str]:
    known = client.post(
        "/api/v1/devices", json={"id": device, "type": "AirQualityObserved", "longitude": 105.8, "latitude": 21.0}
    )
    assert known.status_code == 201
    for number in range(count):
        _send(client, device, f'{{"values": {{"la{number}": 1}}}}')
    rows = re.compile(rf'name="id" value="(\d+)"(?:(?!name="id").)*?q={device}"', re.DOTALL)
    address = "/devices/quarantine?reason=unmapped-key"
    wait_until(lambda: len(rows.findall(client.get(address).text)) == count, "they are held")
    return rows.findall(client.get(address).text)


def test_quarantine_shows_why_and_what_and_sends_again(client: httpx.Client) -> None:
    (number,) = _held(client, "held-one", 1)
    page = client.get("/devices/quarantine").text
    assert "Khóa chưa được ánh xạ tới thuộc tính nào" in page
    assert "la0" in page, "the raw message is shown"
    token = _token(client, "/devices/quarantine")
    answer = client.post("/devices/quarantine", data={"csrf_token": token, "act": "replay", "id": number})
    assert answer.headers["location"] == "/devices/quarantine?done=replayed:1"
    assert "Đã gửi lại 1 bản tin" in client.get(answer.headers["location"]).text
    assert f'value="{number}"' not in client.get("/devices/quarantine").text


def _park(city: RunningCity, handler: str) -> None:
    changes = News(1, 0).encode()

    def park(connection: Connection) -> None:
        connection.execute(
            "INSERT INTO parked (handler, seq, at, error, attempts, payload) VALUES (?, 1, ?, 'TimeoutError: <slow>', 6, ?)",
            (handler, to_micros(city.platform.clock.now()), changes),
        )

    city.run(city.platform.writer.run(SYSTEM, city.platform.clock.now(), park))


def test_what_a_handler_failed_on_is_shown_and_sent_again(city: RunningCity, client: httpx.Client) -> None:
    page = "/devices/quarantine"
    assert "Thay đổi chưa xử lý được" not in client.get(page).text
    handler = next(iter(city.platform.dispatcher.states))
    _park(city, handler)
    _park(city, "derive:gone")
    shown = client.get(page).text
    for said in (handler, "đã thử 6 lần", "Làm không kịp", "TimeoutError: &lt;slow&gt;", "không còn trong thành phố này"):
        assert said in shown
    held = sum(client.get("/api/v1/quarantine").json()["reasons"].values()) + 2
    assert f"<b>{held}</b>" in client.get("/devices").text, "the tab counts it"
    known, gone = (
        re.search(rf"<code[^>]*>{one}</code>.*?name=\"id\" value=\"(\d+)\"", shown, re.DOTALL)
        for one in (handler, "derive:gone")
    )
    assert known is not None and gone is not None
    told = {"csrf_token": _token(client, page), "id": known[1]}
    assert client.post(f"{page}/parked", data=told).headers["location"] == f"{page}?done=resent:1"
    assert "Đã xử lý lại xong 1 thay đổi" in client.get(f"{page}?done=resent:1").text
    told["id"] = gone[1]
    assert client.post(f"{page}/parked", data=told).headers["location"] == f"{page}?done=parked:1"
    shown = client.get(page).text
    assert "derive:gone" in shown
    assert f'<code class="quiet">{handler}</code>' not in shown
    delete = "DELETE FROM parked"
    city.run(city.platform.writer.run(SYSTEM, city.platform.clock.now(), lambda connection: connection.execute(delete)))


def test_discarding_says_how_many_before_it_does_it(client: httpx.Client) -> None:
    numbers = _held(client, "held-two", 2)
    told = {"csrf_token": _token(client, "/devices/quarantine"), "act": "discard", "id": numbers}
    asked = client.post("/devices/quarantine", data=told)
    assert asked.status_code == 200
    assert "Bỏ hẳn 2 bản tin?" in asked.text
    assert all(f'value="{one}"' in client.get("/devices/quarantine").text for one in numbers), "nothing happened yet"
    told = {"csrf_token": told["csrf_token"], "act": "discard", "sure": "yes", "ids": ",".join(numbers)}
    assert client.post("/devices/quarantine", data=told).headers["location"].endswith("done=discarded:2")
    assert not any(f'value="{one}"' in client.get("/devices/quarantine").text for one in numbers)


@pytest.mark.parametrize(
    "path",
    [
        "/devices/quarantine",
        "/devices/quarantine/parked",
        "/devices/x/refuse",
        "/devices/x/restore",
        "/devices/lobby/x/admit",
        "/devices/lobby/x/refuse",
    ],
)
def test_no_form_without_its_token(client: httpx.Client, path: str) -> None:
    answer = client.post(path, data={"act": "discard", "sure": "yes", "ids": "1"})
    assert answer.status_code == 403


def test_tabs_filter_and_pages_turn(client: httpx.Client) -> None:
    every = [{"id": f"many-{n:03}", "type": "AirQualityObserved", "name": f"Nhiều {n:03}"} for n in range(60)]
    for one in every:
        assert client.post("/api/v1/devices", json=one).status_code == 201
    first = client.get("/devices", params={"q": "nhieu", "state": "never"}).text
    assert first.count('href="/devices/many-') == 50
    following = re.search(r'rel="next" href="([^"]+)"', first)
    assert following is not None
    second = client.get(unescape(following[1])).text
    assert second.count('href="/devices/many-') == 10
    assert "51–60 trong 60" in second
    assert client.get("/devices.csv", params={"q": "nhieu"}).text.count("\nmany-") == 60
    assert client.get("/devices", params={"page": "x"}).status_code == 200


def test_a_device_that_is_not_there(client: httpx.Client) -> None:
    assert client.get("/devices/not-there").status_code == 404
    assert client.get("/devices/lobby/not-there").status_code == 404
