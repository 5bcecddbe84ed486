"""The door for what waited in a browser: the same form, answered in JSON, taken once, and said to be late."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest
from citizens_world import CODE, Citizen, picture

from dothi.access.policy import LOCAL_OPERATOR
from dothi.platform.incidents.model import Incident


def send(citizen: Citizen, form: dict[str, str], *photos: bytes, **more: str) -> httpx.Response:
    files = [("photo", ("anh.jpg", one)) for one in photos]
    return citizen.client.post(
        "/report",
        data={name: value for name, value in (form | more).items() if name != "csrf_token"},
        files=files or [("photo", ("", b""))],
        headers={"accept": "application/json", "X-CSRF-Token": form["csrf_token"]},
    )


def timeline(citizen: Citizen, incident: Incident) -> list[str]:
    return [line.words.vi for line in citizen.city.platform.incidents.timeline(LOCAL_OPERATOR, incident.code)]


def test_what_waited_is_taken_once_and_answered_with_its_code(citizen: Citizen) -> None:
    form = citizen.form() | {"text": "Biển báo đổ ở đầu ngõ"}
    before = (datetime.now(UTC) - timedelta(hours=3)).isoformat()
    first = send(citizen, form, picture("red"), picture("blue"), made_at=before)
    assert first.status_code == 200 and first.headers["cache-control"] == "no-store", first.text
    code = first.json()["report"]
    assert CODE.fullmatch(code)
    assert send(citizen, form, picture("red"), made_at=before).json()["report"] == code
    incident = citizen.incident(code)
    assert (incident.reports, incident.photos) == (1, 2)
    assert sum("khi mất mạng" in line for line in timeline(citizen, incident)) == 1


@pytest.mark.parametrize(
    "made_at", ["", "hôm qua", "2026-05-01T10:00:00", "now", "1999-01-01T00:00:00Z", "2999-01-01T00:00:00Z"]
)
def test_no_moment_that_means_nothing_is_told(citizen: Citizen, made_at: str) -> None:
    form = citizen.form() | {"text": "Nước tràn ra đường cả buổi sáng"}
    told = datetime.now(UTC).isoformat() if made_at == "now" else made_at
    code = send(citizen, form, made_at=told).json()["report"]
    assert not any("khi mất mạng" in line for line in timeline(citizen, citizen.incident(code)))


def test_what_is_refused_says_why_in_the_senders_language(citizen: Citizen) -> None:
    form = citizen.form() | {"text": "Một chuyện dài hơn mười chữ"}
    for wrong, said in (
        ({"text": "ngắn"}, "Bạn viết vài lời"),
        ({"ward": "", "address": "nơi nào đó", "longitude": "", "latitude": ""}, "Bạn chọn loại việc và nơi"),
        ({"text": "Tôi khiếu nại quyết định của phường"}, "khiếu nại, tố cáo"),
        ({"form": "x"}, "Còn thiếu hoặc chưa đúng"),
    ):
        answer = send(citizen, form | wrong)
        assert answer.status_code == 400, wrong
        assert said in answer.json()["title"]
    photo = send(citizen, form, b"no picture")
    assert photo.status_code == 400 and "không phải ảnh" in photo.json()["title"]
    stale = send(citizen, form | {"csrf_token": "of another day"})
    assert stale.status_code == 403 and stale.json()["type"].endswith(":stale-form")


def test_the_page_brings_what_it_needs_without_a_line(citizen: Citizen) -> None:
    page = citizen.client.get("/report?kind=report-other").text
    assert '<dt-drafts class="card stack rp-drafts" data-asked="kind=report-other"' in page
    template = page[page.index("<template data-offline>") : page.index("</template>")]
    assert all(f'name="{name}"' in template for name in ("form", "kind", "address", "ward", "longitude", "text", "photo"))
    assert "contact" not in template and 'name="phone"' not in template
    worker = citizen.client.get("/report/worker.js")
    assert worker.status_code in (200, 404)  # 404 while the bundle is not built
    if worker.status_code == 200:
        assert worker.headers["service-worker-allowed"] == "/report"
