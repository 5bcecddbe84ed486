"""How much one address may ask of the citizens' doors; in a city of its own, because it asks for all of it."""

from collections.abc import Iterator

import pytest
from citizens_world import Citizen

from dothi.access.policy import LOCAL_OPERATOR
from dothi.testing.city import RunningCity, running_city


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCity]:
    with running_city(tmp_path_factory.mktemp("limits"), sectors="citizens") as running:
        yield running


def test_codes_are_not_guessed_and_a_guesser_is_stopped(citizen: Citizen) -> None:
    code = citizen.report("Mã này không ai đoán được")
    guesses = [citizen.client.get(f"/report/PA-AAAA-AAAA-{number:04d}").status_code for number in range(40)]
    assert set(guesses) == {404, 429}
    assert citizen.client.get(f"/report/{code}").status_code == 200  # who has a code is not held up
    assert citizen.client.get("/report/find", params={"code": "PA-AAAA-AAAA-AAAB"}).status_code == 429
    assert citizen.client.get("/report/find", params={"code": code.lower()}).status_code == 303


def test_one_address_does_not_say_me_too_for_ever(citizen: Citizen) -> None:
    incident = citizen.incident(citizen.report("Nhiều người cùng gặp việc này"))
    token = citizen.form()["csrf_token"]
    fields = [{"csrf_token": token, "form": f"{number:032x}", "incident": incident.code} for number in range(1, 40)]
    answers = {citizen.client.post("/report/same", data=one).status_code for one in fields}
    assert answers == {303, 429}
    found = citizen.city.platform.incidents.get(LOCAL_OPERATOR, incident.code)
    assert 1 < found.reports <= 32
