"""Open311 GeoReport v2: what was released leaves in JSON and XML, a report comes in and leads to a token."""

from typing import Any
from xml.etree.ElementTree import Element, fromstring

import httpx
import pytest
from citizens_world import Citizen, picture

from dothi.access.policy import LOCAL_OPERATOR
from dothi.services.citizens import codes, store
from dothi.services.citizens.service import Reports
from dothi.testing.city import RunningCity

DOOR = "/open311/v2"


@pytest.fixture
def program(city: RunningCity) -> Any:
    """Another city's program, which nobody knows here."""
    with httpx.Client(base_url=city.base_url, trust_env=False, timeout=30) as client:
        yield client


def released(citizen: Citizen, code: str, title: str) -> str:
    """Let everybody read the report of a code; its incident."""
    reports = Reports(citizen.city.platform)
    with citizen.city.platform.database.reader() as db:
        found = store.of_code(db, codes.hash_of(code))
    assert found is not None
    citizen.city.run(reports.releases.release(LOCAL_OPERATOR, found.id, title, "Chữ đã duyệt"))
    return citizen.incident(code).code


def xml_of(answer: httpx.Response) -> Element:
    """An answer in XML."""
    assert answer.headers["content-type"].startswith("application/xml")
    return fromstring(answer.content)  # noqa: S314 - the city's own answer


def send(program: httpx.Client, **more: str) -> httpx.Response:
    told = {
        "service_code": "report-environment",
        "lat": "21.0021",
        "long": "105.8612",
        "description": "Rác đổ ra giữa đường",
    }
    return program.post(f"{DOOR}/requests.json", data=told | more)


def test_kinds_are_services(program: httpx.Client) -> None:
    listed = {one["service_code"]: one for one in program.get(f"{DOOR}/services.json").json()}
    assert listed["report-environment"]["service_name"] == "Môi trường"
    assert (listed["report-environment"]["metadata"], listed["report-environment"]["type"]) == (False, "realtime")
    root = xml_of(program.get(f"{DOOR}/services.xml", headers={"accept-language": "en"}))
    assert (root.tag, root[0].tag) == ("services", "service")
    assert "Environment" in {one.findtext("service_name") for one in root}
    assert {one.findtext("metadata") for one in root} == {"false"}
    assert program.get(f"{DOOR}/services/report-environment.json").status_code == 404


def test_a_report_comes_in_and_leads_from_its_token_to_a_request(program: httpx.Client, citizen: Citizen) -> None:
    sent = send(program, email="a@example.org", first_name="An", media_url="http://127.0.0.1:9/x.jpg")
    assert sent.status_code == 201, sent.text
    (told,) = sent.json()
    incident = citizen.incident(told["token"])
    assert (incident.kind, incident.text, incident.photos) == ("report-environment", "Rác đổ ra giữa đường", 0)
    assert told["service_notice"].endswith(f"/report/{told['token']}")
    assert "Không ai" not in citizen.page(told["token"])
    with citizen.city.platform.database.reader() as db:
        found = store.of_code(db, codes.hash_of(told["token"]))
    assert found is not None
    assert found.subject == "", "nobody agreed that an address is kept"
    assert program.get(f"{DOOR}/tokens/{told['token']}.json").json() == [
        {"token": told["token"], "service_request_id": None}
    ]
    assert program.get(f"{DOOR}/requests/{incident.code}.json").status_code == 404, "nobody released it"
    assert released(citizen, told["token"], "Rác giữa đường") == incident.code
    (known,) = program.get(f"{DOOR}/tokens/{told['token']}.json").json()
    assert known["service_request_id"] == incident.code


def test_what_was_released_is_asked_for_by_place_state_and_date(program: httpx.Client, citizen: Citizen) -> None:
    code = citizen.report("Hố ga mất nắp trước số nhà 7", picture())
    request = released(citizen, code, "Hố ga mất nắp")
    point = send(program).json()[0]["token"]
    placed = released(citizen, point, "Rác ở ngã ba")

    def ids(**query: str) -> set[str]:
        answer = program.get(f"{DOOR}/requests.json", params=query)
        assert answer.status_code == 200, answer.text
        return {row["service_request_id"] for row in answer.json()}

    assert {request, placed} <= ids() & ids(status="open") & ids(service_code="report-environment")
    assert request not in ids(status="closed") | ids(service_code="report-traffic") | ids(end_date="2020-01-01T00:00:00Z")
    assert ids(service_request_id=f"{request},SV-0000-0000") == {request}
    assert placed in ids(bbox="105.86,21.0,105.87,21.01")
    assert placed not in ids(bbox="105.0,20.0,105.1,20.1")
    assert {request, placed} <= ids(start_date="2020-01-01T00:00:00+07:00")
    (row,) = program.get(f"{DOOR}/requests/{placed}.json").json()
    assert (row["status"], row["service_code"], row["lat"], row["long"]) == ("open", "report-environment", 21.002, 105.861)
    assert row["description"] == "Rác ở ngã ba\n\nChữ đã duyệt", "never the sender's own words"
    citizen.answered(code, "Đã lắp nắp mới.")
    xml = xml_of(program.get(f"{DOOR}/requests/{request}.xml"))
    assert (xml.tag, xml[0].tag, xml[0].findtext("status")) == ("service_requests", "request", "closed")
    assert xml[0].findtext("status_notes") == "Đã lắp nắp mới."
    assert program.get(str(xml[0].findtext("media_url"))).status_code == 200
    assert request in ids(status="closed")


@pytest.mark.parametrize(
    "wrong",
    [
        {"lat": "0", "long": "0"},
        {"lat": "", "long": ""},
        {"description": "ngắn"},
        {"description": "Tôi làm đơn tố cáo ông B nhận hối lộ"},
        {"service_code": "nothing"},
    ],
)
def test_a_report_that_makes_no_sense_is_told_as_the_standard_says(program: httpx.Client, wrong: dict[str, str]) -> None:
    answer = send(program, **wrong)
    assert answer.status_code == 400
    (error,) = answer.json()
    assert (error["code"], bool(error["description"])) == (400, True)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("requests.json?status=lost", 400),
        ("requests.json?start_date=yesterday", 400),
        ("requests.json?start_date=2026-05-14T11:00:00", 400),
        ("requests.json?bbox=1,2,3", 400),
        ("services.json?jurisdiction_id=elsewhere", 404),
        ("tokens/PA-0000-0000-0000.json", 404),
        ("requests/%3Cscript%3E.xml", 404),
    ],
)
def test_a_wrong_question_is_told_in_the_format_asked_for(program: httpx.Client, path: str, status: int) -> None:
    answer = program.get(f"{DOOR}/{path}")
    assert answer.status_code == status
    if ".xml" in path:
        assert xml_of(answer)[0].findtext("code") == str(status)
    else:
        assert answer.json()[0]["code"] == status
    assert program.get(f"{DOOR}/services.yaml").status_code == 404
