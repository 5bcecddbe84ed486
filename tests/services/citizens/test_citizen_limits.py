"""How much one address may ask of the citizens' doors; in a city of its own, because it asks for all of it."""

from collections.abc import Iterator
from html import unescape

import pytest
from citizens_world import Citizen, picture

from dothi.access.policy import LOCAL_OPERATOR
from dothi.services.citizens import service
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


def test_a_full_disk_takes_words_but_no_photos(citizen: Citizen, monkeypatch: pytest.MonkeyPatch) -> None:
    code = citizen.report("Trước khi đĩa đầy vẫn gửi được")
    monkeypatch.setattr(citizen.city.platform.watch, "free", 0.0)
    refused = citizen.send("Đĩa đầy rồi mà vẫn gửi ảnh", picture())
    assert refused.status_code == 503
    assert "không kèm ảnh" in unescape(refused.text) and "Đĩa đầy rồi mà vẫn gửi ảnh" in unescape(refused.text)
    more = citizen.client.post(
        f"/report/{code}/photos", data={"csrf_token": citizen.form()["csrf_token"]}, files=[("photo", ("a.jpg", picture()))]
    )
    assert more.status_code == 503
    assert citizen.send("Đĩa đầy thì chỉ gửi lời").status_code == 303


def test_a_city_takes_so_many_a_day_and_says_what_to_do_then(citizen: Citizen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "MOST_A_DAY", 1)
    citizen.send("Phản ánh cuối cùng của hôm nay")
    refused = citizen.send("Phản ánh đến muộn của hôm nay")
    assert refused.status_code == 503
    assert refused.headers["retry-after"] == "3600"
    assert "gọi tổng đài" in unescape(refused.text)
