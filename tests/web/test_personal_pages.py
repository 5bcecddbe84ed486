"""The pages of personal data: values only with a reason, everybody's own without, and nobody else's at all."""

import csv
import io
import re
from collections.abc import Callable, Iterator
from html import unescape

import httpx
import pytest

from dothi.access.sessions import COOKIE
from dothi.testing.city import RunningCity

PURPOSE = {
    "id": "call-back",
    "title": "Gọi lại cho người gửi phản ánh",
    "title_en": "Call back whoever reported",
    "why": "Khi cần hỏi thêm để xử lý.",
    "why_en": "When more has to be asked.",
    "basis": "consent",
    "days": "30",
}
PHONE = "0912 345 678"
WHY = "Người dân gọi hỏi kết quả xử lý"
Visitor = Callable[[str], httpx.Client]


@pytest.fixture
def visitor(city: RunningCity) -> Iterator[Visitor]:
    """A client signed in with one role; a stranger for ''."""
    made: list[httpx.Client] = []

    def visit(role: str) -> httpx.Client:
        cookies = {COOKIE: city.session(role)} if role else {}
        headers = {"accept": "text/html,*/*", "accept-language": "vi"} | ({} if role else {"x-forwarded-for": "203.0.113.9"})
        client = httpx.Client(base_url=city.base_url, trust_env=False, timeout=30, headers=headers, cookies=cookies)
        made.append(client)
        return client

    yield visit
    for client in made:
        client.close()


def post(client: httpx.Client, form_on: str, address: str, **fields: str) -> httpx.Response:
    found = re.search(r'name="csrf_token" value="([^"]+)"', client.get(form_on).text)
    assert found is not None, form_on
    return client.post(address, data=fields | {"csrf_token": unescape(found[1])})


def test_a_persons_data_from_purpose_to_forgetting(visitor: Visitor) -> None:
    steward, auditor, officer = visitor("steward"), visitor("auditor"), visitor("security_officer")
    declared = post(steward, "/personal/purpose", "/personal/purpose", **PURPOSE)
    assert declared.headers["location"] == "/personal?done=declared"
    assert PURPOSE["title"] in steward.get("/personal").text
    here = post(steward, "/personal", "/personal/subjects").headers["location"]
    subject = here.rsplit("/", 1)[1]
    refused = post(steward, here, here, act="seal", purpose="call-back", kind="phone", value=PHONE)
    assert refused.status_code == 403, "no consent, nothing kept"
    assert post(steward, here, here, act="consent", purpose="call-back", words="Tôi đồng ý được gọi lại.").status_code == 303
    assert post(steward, here, here, act="seal", purpose="call-back", kind="phone", value=PHONE).status_code == 303
    page = steward.get(here)
    assert PHONE not in page.text and "Số điện thoại" in page.text
    assert post(steward, here, f"{here}/look", reason="").status_code == 400
    looked = post(steward, here, f"{here}/look", reason=WHY)
    assert PHONE in looked.text and looked.headers["cache-control"] == "no-store"
    for reader in (auditor, officer):
        told = reader.get(here)
        assert told.status_code == 200 and PHONE not in told.text and WHY in told.text
        assert reader.get("/personal").status_code == 200
    rows = list(csv.DictReader(io.StringIO(auditor.get("/personal/looks.csv").text.removeprefix("\ufeff"))))
    assert [(row["subject"], row["kinds"], row["reason"]) for row in rows if row["subject"] == subject] == [
        (subject, "phone", WHY)
    ]
    breach = officer.get("/personal/breach")
    assert subject in breach.text and "Thông báo trong 72 giờ" in breach.text
    table = list(csv.DictReader(io.StringIO(officer.get("/personal/breach.csv").text.removeprefix("\ufeff"))))
    assert [row["kinds"] for row in table if row["subject"] == subject] == ["phone"]
    asked = post(steward, here, f"{here}/erase")
    assert "1 mục đang giữ" in asked.text
    token = re.search(r'name="csrf_token" value="([^"]+)"', asked.text)
    assert token is not None
    fields = {"csrf_token": unescape(token[1]), "sure": "yes", "reason": "Người dân yêu cầu xóa"}
    assert steward.post(f"{here}/erase", data=fields).headers["location"] == f"{here}?done=erase"
    after = steward.get(f"{here}?done=erase").text
    assert "đã xóa hết" in after and "Không giữ gì." in after
    assert steward.get(f"{here}?lang=en").text.count("erased") >= 1


def test_everybodys_own_is_theirs(visitor: Visitor, city: RunningCity) -> None:
    assert post(visitor("steward"), "/personal/purpose", "/personal/purpose", **PURPOSE).status_code == 303
    mine, other = visitor("developer"), visitor("leader")
    page = mine.get("/personal/mine")
    assert "Không giữ gì của bạn" in page.text
    assert not re.search(r'name="agree"[^>]*checked', page.text), "consent is never the default"
    keep = {"act": "keep", "purpose": "call-back", "kind": "phone", "value": PHONE}
    assert post(mine, "/personal/mine", "/personal/mine", **keep).status_code == 400, "not without the tick"
    assert post(mine, "/personal/mine", "/personal/mine", **keep, agree="yes").status_code == 303
    page = mine.get("/personal/mine")
    assert PHONE in page.text and page.headers["cache-control"] == "no-store"
    told = mine.get("/personal/mine.json").json()
    (record,) = told["records"]
    assert (record["value"], record["kind"]) == (PHONE, "phone")
    assert "Tôi đồng ý cho thành phố giữ" in told["consents"][0]["words"]
    assert PHONE not in other.get("/personal/mine").text
    for act in ("correct", "delete"):
        stolen = post(other, "/personal/mine", "/personal/mine", act=act, record=record["id"], value="0900")
        assert stolen.status_code in (403, 404), act
    assert other.get("/personal/mine.json").status_code == 404
    changed = post(mine, "/personal/mine", "/personal/mine", act="correct", record=record["id"], value="0987")
    assert changed.status_code == 303
    assert post(mine, "/personal/mine", "/personal/mine", act="ask-erase").status_code == 303
    assert post(mine, "/personal/mine", "/personal/mine", act="withdraw", purpose="call-back").status_code == 303
    left = mine.get("/personal/mine").text
    assert "0987" not in left and "Không giữ gì của bạn" in left and "đang chờ trả lời" in left
    steward = visitor("steward")
    request = re.search(r'action="(/personal/requests/[^"]+)"', steward.get("/personal").text)
    assert request is not None
    answered = post(steward, "/personal", request[1], act="done", answer="Đã xóa theo yêu cầu.")
    assert answered.status_code == 303
    assert "Đã xóa theo yêu cầu." in mine.get("/personal/mine").text


def test_who_is_turned_away(visitor: Visitor) -> None:
    stranger = visitor("")
    assert stranger.get("/personal").status_code == 401
    assert stranger.get("/personal/mine").headers["location"].startswith("/sign-in")
    assert stranger.get("/personal/mine.json").status_code == 401
    for role in ("administrator", "operator", "ward_officer", "engineer", "leader", "developer"):
        client = visitor(role)
        for address in (
            "/personal",
            "/personal/purpose",
            "/personal/looks.csv",
            "/personal/breach",
            "/personal/subjects/s-1",
        ):
            assert client.get(address).status_code == 403, (role, address)
    assert visitor("auditor").get("/personal/breach").status_code == 403
    assert visitor("security_officer").get("/personal/purpose").status_code == 403
    assert visitor("steward").get("/personal/subjects/s-none").status_code == 404


def test_programs_use_the_same_doors(visitor: Visitor) -> None:
    steward, officer = visitor("steward"), visitor("security_officer")
    told = {"title": "Khám bệnh", "why": "Hồ sơ khám.", "basis": "law", "law": "Luật Khám bệnh, điều 69", "keepDays": 9}
    base = "/api/v1/personal"
    assert steward.put(f"{base}/purposes/clinic", json=told).json()["law"] == told["law"]
    subject = steward.post(f"{base}/subjects", json={}).json()["id"]
    here = f"{base}/subjects/{subject}"
    sealed = steward.post(f"{here}/records", json={"purpose": "clinic", "kind": "health", "value": {"máu": "O"}}).json()
    assert sealed["token"].startswith("dtp1.")
    assert steward.post(f"{base}/open", json={"token": sealed["token"], "reason": WHY}).json() == {"value": {"máu": "O"}}
    assert steward.post(f"{base}/open", json={"token": sealed["token"], "reason": ""}).status_code == 400
    assert officer.post(f"{base}/open", json={"token": sealed["token"], "reason": WHY}).status_code == 403
    right = steward.post(f"{base}/records/{sealed['id']}/correct", json={"value": "A"}).json()
    assert [one["value"] for one in steward.post(f"{here}/look", json={"reason": WHY}).json()["records"]] == ["A"]
    assert steward.get(here).json()["records"] == 1
    breach = officer.get(f"{base}/breach", params={"since": "2026-01-01T00:00:00Z"}).json()
    assert [one["sensitive"] for one in breach["items"] if one["subject"] == subject] == [True]
    assert officer.get(f"{base}/breach", params={"since": "2026-01-01T00:00:00"}).status_code == 400
    known = officer.get(f"{base}/breach", params={"since": "2026-01-01T00:00:00Z", "found": "2026-01-02T00:00:00Z"}).json()
    assert known["tellBy"] == "2026-01-05T00:00:00Z"
    page = officer.get("/personal/breach", params={"found": "2026-01-02T07:00"}).text
    assert "Phải thông báo trước" in page and 'name="found" value="2026-01-02T07:00"' in page
    assert officer.get("/personal/breach", params={"found": "2999-01-02T07:00"}).status_code == 400
    assert steward.post(f"{base}/records/{right['id']}/delete").status_code == 200
    assert steward.post(f"{here}/erase", json={"reason": WHY}).json()["state"] == "erased"
    assert steward.post(f"{here}/records", json={"purpose": "clinic", "kind": "health", "value": 1}).status_code == 410
    listed = steward.get(f"{base}/subjects", params={"q": subject}).json()["items"]
    assert [(one["state"], one["records"]) for one in listed] == [("erased", 0)]
