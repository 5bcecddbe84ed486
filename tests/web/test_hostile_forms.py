"""Forms about work as nobody's browser sends them: numbers without an end, moments of no calendar. Words, never a fault."""

from collections.abc import Iterator

import pytest
from incident_world import does, opened, with_kinds
from visitor_world import Visitor

from dothi.platform.incidents import acts
from dothi.testing.city import RunningCity

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


def test_a_proof_without_an_end_is_none(worked: RunningCity, desk: Visitor) -> None:
    one = does(worked, opened(worked, kind="test-smog"), acts.Accept(), acts.Start())
    page = f"/incidents/{one.code}"
    told = {"act": "answer", "version": str(one.version), "text": "Đã xong.", "proof": ENDLESS}
    assert desk.send_form(page, f"{page}/act", told).status_code == 400
