"""The pages of commands: proposed by one, decided by another, every wrong way answered in words."""

import re
from html import unescape

import httpx

from dothi.access.sessions import COOKIE
from dothi.testing.city import RunningCity, wait_until

URN = "urn:ngsi-ld:AirQualityObserved:hanoi:cmd-page"
DEVICE = {"id": "cmd-page", "type": "AirQualityObserved", "name": "Trạm <b>lệnh</b>", "longitude": 105.85, "latitude": 21.03}


def _browser(city: RunningCity, *roles: str) -> httpx.Client:
    headers = {"accept": "text/html,*/*", "accept-language": "vi"}
    cookies = {COOKIE: city.session(*roles)}
    return httpx.Client(base_url=city.base_url, trust_env=False, timeout=30, headers=headers, cookies=cookies)


def _send(client: httpx.Client, page: str, path: str, **fields: str) -> httpx.Response:
    found = re.search(r'name="csrf_token" value="([^"]+)"', client.get(page).text)
    assert found is not None
    return client.post(path, data={"csrf_token": unescape(found[1]), **fields})


def test_a_command_is_proposed_on_the_devices_page_and_decided_by_somebody_else(
    city: RunningCity, client: httpx.Client
) -> None:
    client.post("/api/v1/devices", json=DEVICE).raise_for_status()
    with (
        _browser(city, "operator") as operator,
        _browser(city, "leader") as leader,
        _browser(city, "ward_officer") as officer,
    ):
        assert "/commands/new?entity=" in operator.get("/devices/cmd-page").text
        assert "Lệnh" in operator.get("/devices").text
        form = f"/commands/new?entity={URN}&kind=air.zero-check"
        shown = operator.get(form).text
        assert "Trạm &lt;b&gt;lệnh&lt;/b&gt;" in shown
        assert "Cần người khác duyệt" in shown
        wrong = _send(operator, form, "/commands/new", kind="air.zero-check", entity=URN, because="x", **{"p-minutes": "61"})
        assert wrong.status_code == 400
        assert "minutes" in wrong.text
        made = _send(
            operator,
            form,
            "/commands/new",
            kind="air.zero-check",
            entity=URN,
            because="lệch điểm không",
            **{"p-minutes": "5"},
        )
        assert made.status_code == 303
        place = made.headers["location"]
        own = operator.get(place).text
        assert "Lệnh này cần người khác duyệt" in own
        assert "Duyệt và gửi lệnh" not in own
        assert _send(operator, place, place, act="approve").status_code == 403
        assert officer.get("/commands/new").status_code == 403
        assert "Duyệt và gửi lệnh" not in officer.get(place).text
        assert "lệch điểm không" in leader.get("/commands").text
        assert "Time" not in leader.get("/commands", headers={"accept-language": "vi"}).text
        assert "Waits for" not in leader.get(place).text
        assert _send(leader, place, place, act="dance").status_code == 400
        assert _send(leader, place, place, act="approve").status_code == 303
        wait_until(lambda: "đã gửi" in leader.get(place).text, "it is sent")
        assert "sent, waits for the device" in leader.get(place, headers={"accept-language": "en"}).text
        row = leader.get("/commands.csv").text.splitlines()[1]
        assert row.split(",")[1:5] == ["air.zero-check", URN, "cmd-page", "minutes=5.0"]
        assert leader.get("/commands/L-0000-0001").status_code == 404
        assert httpx.get(f"{city.base_url}{place}", trust_env=False, timeout=60).status_code == 401
