"""The page of subscriptions: what does not arrive is seen, with the ways out, and only by who may."""

import re
from html import unescape

import httpx
import pytest

from dothi.access.outgoing import NotCalled, address_of_name
from dothi.access.policy import SYSTEM
from dothi.api.ngsild.subscriptions.taking import unreached
from dothi.store.connection import Connection
from dothi.testing.city import RunningCity, wait_until
from dothi.web.subscriptions import _error_words

PAGE = "/data/subscriptions"


def _form(client: httpx.Client, act: str, id_: str) -> dict[str, str]:
    found = re.search(r'name="csrf_token" value="([^"]+)"', client.get(PAGE).text)
    assert found is not None
    return {"csrf_token": unescape(found[1]), "act": act, "id": id_, "because": "thử"}


def _give_up(city: RunningCity, id_: str) -> None:
    """As if its receiver had refused what waits so often that nobody tries any more."""

    def work(db: Connection) -> None:
        db.execute("UPDATE notification SET dead = 1, attempts = 5, error = 'answered 503' WHERE subscription = ?", (id_,))

    city.run(city.platform.writer.run(SYSTEM, city.platform.clock.now(), work))


def test_a_subscription_that_does_not_arrive_is_seen_paused_and_resumed(city: RunningCity, client: httpx.Client) -> None:
    assert "Chưa có đăng ký nào" in client.get(PAGE).text
    told = {
        "type": "Subscription",
        "subscriptionName": "Bảng <b>tin</b>",
        "entities": [{"type": "Building"}],
        "notification": {"endpoint": {"uri": "mqtt://nobody:secret@receiver.invalid/tin"}},
    }
    made = httpx.post(
        f"{city.base_url}/ngsi-ld/v1/subscriptions", json=told, headers=city.operator, trust_env=False, timeout=60
    )
    assert made.status_code == 201, made.text
    id_ = made.headers["location"].rsplit("/", 1)[-1]
    shown = client.get(PAGE).text
    assert "chưa có gì để gửi</span>" in shown
    assert "Bảng &lt;b&gt;tin&lt;/b&gt;" in shown
    assert "nobody@receiver.invalid" in shown
    assert "secret" not in shown
    entity = {"id": "urn:ngsi-ld:Building:page", "type": "Building", "level": 1}
    sent = httpx.post(
        f"{city.base_url}/ngsi-ld/v1/entities", json=entity, headers=city.operator, trust_env=False, timeout=60
    )
    assert sent.status_code == 201, sent.text
    wait_until(lambda: "không gửi được" in client.get(PAGE).text, "the failure is shown")
    assert "Không tìm thấy địa chỉ của tên receiver.invalid." in client.get(PAGE).text
    assert "1 đăng ký nhận tin không gửi được" in client.get("/data").text
    answer = client.post(PAGE, data=_form(client, "pause", id_))
    assert answer.headers["location"] == f"{PAGE}?done=pause"
    shown = client.get(f"{PAGE}?done=pause").text
    assert "Đã tạm dừng" in shown
    assert "tạm dừng</span>" in shown
    assert "Subscriptions" in client.get(PAGE, headers={"accept-language": "en"}).text
    assert client.get(f"{PAGE}.csv").text.splitlines()[1].split(",")[0] == id_
    assert "Trang này không còn đăng ký nào." in client.get(PAGE, params={"page": "2"}).text
    _give_up(city, id_)
    shown = client.get(PAGE).text
    assert "số thực thể: 1" in shown
    assert "Nơi nhận trả lời 503." in shown
    assert client.post(PAGE, data=_form(client, "resume", id_)).headers["location"] == f"{PAGE}?done=resume"
    answer = client.post(PAGE, data=_form(client, "resend", id_))
    assert answer.headers["location"] == f"{PAGE}?done=resent:1"
    assert client.post(PAGE, data=_form(client, "other", id_)).status_code == 400
    assert client.post(PAGE, data=_form(client, "pause", "urn:no")).status_code == 404
    rows = httpx.get(f"{city.base_url}/api/v1/subscriptions", headers=city.operator, trust_env=False, timeout=60).json()
    assert [(one["id"], one["waiting"], one["dead"]) for one in rows["items"]] == [(id_, 1, 0)]
    log = httpx.delete(f"{city.base_url}/ngsi-ld/v1/subscriptions/{id_}", headers=city.operator, trust_env=False, timeout=60)
    assert log.status_code == 204
    assert "Chưa có đăng ký nào" in client.get(PAGE).text


def test_why_nothing_arrives_is_said_in_the_reader_s_language() -> None:
    host = "nobody.invalid"
    with pytest.raises(NotCalled) as unknown:
        address_of_name(host, 80, trusted=False)
    with pytest.raises(NotCalled) as private:
        address_of_name("127.0.0.1", 80, trusted=False)
    said = {
        str(unreached(ConnectionRefusedError())): "Không có chương trình nào nhận ở địa chỉ này.",
        str(unreached(ConnectionResetError())): "Nơi nhận ngắt kết nối trước khi trả lời.",
        "answered 503": "Nơi nhận trả lời 503.",
        "no answer within 2.5 s": "Nơi nhận không trả lời trong 2,5 giây.",
        str(unknown.value): f"Không tìm thấy địa chỉ của tên {host}.",
        str(private.value): "127.0.0.1 không phải địa chỉ công khai.",
        "the broker answered: Not authorized": "",
    }
    assert {error: _error_words(error, "vi") for error in said} == said
    assert all(_error_words(error, "en") not in said.values() for error, words in said.items() if words)
