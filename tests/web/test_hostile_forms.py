"""Forms about work as nobody's browser sends them: numbers without an end, moments of no calendar. Words, never a fault."""

from collections.abc import Iterator

import pytest
from incident_world import does, opened, with_kinds
from visitor_world import Visitor

from dothi.access.policy import Clearance, Grant, Person, Scope
from dothi.model.text import Text
from dothi.platform.incidents import acts
from dothi.platform.rules.alerts import AlertGroup, AlertQuestion
from dothi.platform.rules.model import Compare, Rule
from dothi.testing.city import RunningCity, wait_until
from dothi.testing.people import Crowd, insider

AIR = "https://smartdatamodels.org/dataModel.Environment/AirQualityObserved"
PM25 = "https://smartdatamodels.org/dataModel.Environment/pm25"
ENDLESS = "9" * 5_000


@pytest.fixture(scope="module")
def worked(city: RunningCity) -> RunningCity:
    return with_kinds(city)


@pytest.fixture
def desk(worked: RunningCity) -> Iterator[Visitor]:
    """An operator at the desk."""
    with Visitor(worked, worked.session("operator")) as visitor:
        yield visitor


@pytest.mark.parametrize(
    "told",
    [
        {"act": "pause", "reason": "Chờ", "until": "0001-01-01T00:00"},
        {"act": "pause", "reason": "Chờ", "until": "9999-12-31T23:59"},
        {"act": "add_task", "text": "Đi xem", "due_at": "0001-01-01T00:00"},
        {"act": "do_task", "task": ENDLESS},
        {"act": "do_step", "step": ENDLESS},
        {"act": "rank", "severity": ENDLESS, "urgency": "urgent"},
        {"act": "split", "title": "", "report": ENDLESS},
    ],
)
def test_an_act_that_no_page_sends_comes_back_with_words(worked: RunningCity, desk: Visitor, told: dict[str, str]) -> None:
    one = does(worked, opened(worked), acts.Accept())
    page = f"/incidents/{one.code}"
    answer = desk.send_form(page, f"{page}/act", {"version": str(one.version), **told})
    assert answer.status_code == 400
    assert one.code in answer.text
    assert desk.get(page).status_code == 200


@pytest.mark.parametrize(
    ("page", "path", "told", "status"),
    [
        ("/incidents/new", f"/incidents/views/{ENDLESS[:25]}/drop", {}, 404),
        ("/incidents/new", f"/incidents/SV-0001-0001/photos/{ENDLESS[:25]}", {"do": "release"}, 404),
        ("/rules/new", "/rules/new", {"act": f"remove:{ENDLESS}", "r0-is": "compare"}, 200),
        ("/rules/new", "/rules/new", {"act": "keep", "r0-is": "spell", "r1-is": "<b>"}, 400),
        ("/rules/maintenance", "/rules/maintenance", {"end": ENDLESS}, 400),
        (
            "/rules/maintenance",
            "/rules/maintenance",
            {"ward": "city", "reason": "x", "hours": "9999", "start": "9999-12-31T23:00"},
            400,
        ),
    ],
)
def test_no_number_breaks_a_door(desk: Visitor, page: str, path: str, told: dict[str, str], status: int) -> None:
    assert desk.send_form(page, path, told).status_code == status


def test_no_number_breaks_a_page(desk: Visitor) -> None:
    assert desk.get(f"/incidents/SV-0001-0001/photos/{ENDLESS[:25]}").status_code == 404


def test_a_proof_without_an_end_is_none(worked: RunningCity, desk: Visitor) -> None:
    one = does(worked, opened(worked, kind="test-smog"), acts.Accept(), acts.Start())
    page = f"/incidents/{one.code}"
    told = {"act": "answer", "version": str(one.version), "text": "Đã xong.", "proof": ENDLESS}
    assert desk.send_form(page, f"{page}/act", told).status_code == 400


def test_a_line_of_alerts_is_shown_to_who_may_not_know_its_incident(worked: RunningCity) -> None:
    """A storm over several wards has one incident, in one of them."""
    platform = worked.platform
    over = Compare(attribute=PM25, op=">=", value=0.5)
    storm = Rule(
        id="r1-storm", title=Text("Bão", "Storm"), entity_type=AIR, any_of=((over,),), spread=3, incident="test-tree"
    )
    worked.run(platform.rules.save(insider(), storm, version=0))

    def lines() -> list[AlertGroup]:
        found = platform.rules.alerts(insider(), AlertQuestion(rule=storm.id)).groups
        return [one for one in found if one.incident and len(one.wards) > 1]

    wait_until(lambda: bool(lines()), "it storms")
    line = lines()[0]
    incident = platform.incidents.get(insider(), line.incident)
    ward = next(one for one in line.wards if one != incident.ward)
    officer = Person("officer-of-the-edge", (Grant("ward_officer", Scope(wards=frozenset({ward})), Clearance.INTERNAL),))
    with Visitor(worked) as visitor:
        visitor.headers.update(Crowd(worked).headers(officer))
        page = visitor.get(f"/alerts?group={line.id}")
        assert page.status_code == 200 and line.incident not in page.text
        assert visitor.get(f"/incidents/{line.incident}").status_code == 404
    with Visitor(worked, worked.session("operator")) as desk:
        chosen = desk.get("/", params={"list": "stations", "chosen": line.newest.subject})
        assert chosen.status_code == 200
        assert f'href="/alerts?group={line.id}"' in chosen.text
    worked.run(platform.rules.turn(insider(), storm.id, enabled=False))
