"""Where devices get what they prove themselves with, as pages: shown once, kept nowhere, and only for who decides."""

import re
from html import unescape

import httpx

from dothi.testing.city import RunningCity

PLACE = {"type": "AirQualityObserved", "longitude": 105.85, "latitude": 21.03}


def _token(client: httpx.Client, path: str) -> dict[str, str]:
    found = re.search(r'name="csrf_token" value="([^"]+)"', client.get(path).text)
    assert found is not None, path
    return {"csrf_token": unescape(found[1])}


def test_a_secret_is_shown_once_and_works(client: httpx.Client) -> None:
    client.post("/api/v1/devices", json={"id": "page-key", **PLACE})
    form = "/devices/page-key"
    assert "Cấp mã bí mật" in client.get(form).text
    assert client.post(f"{form}/secret").status_code == 403, "not without the form's token"
    answer = client.post(f"{form}/secret", data=_token(client, form))
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    found = re.search(r"Mật khẩu</dt><dd><code>([^<]+)</code>", answer.text)
    assert found is not None
    secret = unescape(found[1])
    body = {"values": {"pm25": 20}}
    with httpx.Client(base_url=client.base_url, trust_env=False, timeout=60) as device:
        sent = device.post(f"/api/v1{form}/readings", json=body, auth=("page-key", secret))
    assert sent.status_code == 202
    page = client.get(form).text
    assert secret not in page
    assert "Thu hồi mã" in page
    answer = client.post(f"{form}/secret/withdraw", data=_token(client, form))
    assert answer.headers["location"] == f"{form}?done=withdrawn"
    assert "Cấp mã bí mật" in client.get(form).text


def test_codes_are_made_listed_and_closed(client: httpx.Client) -> None:
    form = "/devices/codes"
    answer = client.post(form, data=_token(client, form) | {"label": "Trường <b>Chu Văn An</b>", "days": "30"})
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    found = re.search(r">([0-9A-HJ-NP-TV-Z]{5}(?:-[0-9A-HJ-NP-TV-Z]{5}){3})</pre>", answer.text)
    assert found is not None
    page = client.get(form).text
    assert found[1] not in page
    assert "Trường &lt;b&gt;Chu Văn An&lt;/b&gt;" in page
    close = re.search(r'action="(/devices/codes/[0-9a-f]{12}/close)"', page)
    assert close is not None
    assert client.post(close[1], data=_token(client, form)).headers["location"] == "/devices/codes?done=closed"
    assert close[1] not in client.get(form).text
    assert "Enrolment codes" in client.get(form, headers={"accept-language": "en"}).text
    for wrong in ("0", "9999", "x", ""):
        assert client.post(form, data=_token(client, form) | {"days": wrong}).status_code == 400


def test_who_may_not_change_devices_sees_none_of_it(city: RunningCity, client: httpx.Client) -> None:
    client.post("/api/v1/devices", json={"id": "page-look", **PLACE})
    headers = {"accept": "text/html,*/*", "accept-language": "vi", "cookie": f"dothi_session={city.session('operator')}"}
    with httpx.Client(base_url=city.base_url, trust_env=False, headers=headers, timeout=60) as looker:
        page = looker.get("/devices/page-look")
        assert page.status_code == 200
        assert "Mã bí mật" not in page.text
        assert "/devices/codes" not in page.text
        assert looker.get("/devices/codes").status_code == 403
        assert looker.post("/devices/page-look/secret").status_code == 403
