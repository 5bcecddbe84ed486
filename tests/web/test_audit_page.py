"""The auditors' page: what is done shows there in people's words, and looking at it too."""

import csv
import io
from pathlib import Path

import httpx
import pytest

from dothi.access.grants import Granted
from dothi.access.policy import Clearance
from dothi.access.sessions import COOKIE
from dothi.store.audit_copy import verify_copy
from dothi.testing.city import RunningCity, wait_until
from dothi.testing.people import insider


@pytest.fixture(scope="module")
def auditor(city: RunningCity) -> dict[str, str]:
    """The headers of somebody with the role of auditor alone."""
    return {"cookie": f"{COOKIE}={city.session('auditor')}", "accept": "text/html,*/*", "accept-language": "vi"}


def ask(city: RunningCity, headers: dict[str, str], path: str, **query: str) -> httpx.Response:
    return httpx.get(city.base_url + path, params=query or None, headers=headers, trust_env=False, timeout=30)


def test_what_was_done_is_found_in_peoples_words(city: RunningCity, auditor: dict[str, str]) -> None:
    asked = city.operator | {"x-request-id": "audit-page-1"}
    done = httpx.post(
        f"{city.base_url}/api/v1/sql", json={"sql": "SELECT 41 + 1 AS x"}, headers=asked, trust_env=False, timeout=60
    )
    assert done.status_code == 200
    page = ask(city, auditor, "/audit", q="hoi bang sql 41").text
    for said in ("Hỏi bằng SQL", "SELECT 41 + 1 AS x", "Người vận hành tại máy", "127.0.0.1", "đã trả lời"):
        assert said in page
    assert "Ask in SQL" in ask(city, auditor, "/audit", q="ask in sql", lang="en").text
    assert "SELECT 41" not in ask(city, auditor, "/audit", action="run.start").text
    assert "SELECT 41" not in ask(city, auditor, "/audit", until="2020-01-01").text
    assert "Không có dòng nào khớp" in ask(city, auditor, "/audit", person="nobody").text
    assert ask(city, auditor, "/audit", since="yesterday").status_code == 400


def test_looking_is_recorded_with_who_looked_for_what(city: RunningCity, auditor: dict[str, str]) -> None:
    ask(city, auditor, "/audit", q="tìm chuyện lạ", refused="yes")
    page = ask(city, auditor, "/audit", action="audit.read").text
    assert "words tìm chuyện lạ, refused True" in page
    assert "Người thử" in page, "who looked, by name"


def test_people_come_before_the_machine(city: RunningCity, auditor: dict[str, str]) -> None:
    machine = 'title="reading.write"'
    wait_until(lambda: machine in ask(city, auditor, "/audit", machines="yes").text, "the machine wrote")
    page = ask(city, auditor, "/audit").text
    assert machine not in page
    assert "Cả việc của máy" in page
    assert machine in ask(city, auditor, "/audit", person="system").text, "who asks for it, sees it"
    assert machine in ask(city, auditor, "/audit", action="reading.write", q="dinh chinh cach ly").text
    assert "Tìm cả việc của máy" in ask(city, auditor, "/audit", until="2020-01-01").text
    signed = ask(city, auditor, "/audit", action="session.open").text
    assert "hai bước xác thực" in signed
    assert "with a second factor" in ask(city, auditor, "/audit", action="session.open", lang="en").text


def test_a_refusal_at_the_door_is_recorded(city: RunningCity, auditor: dict[str, str]) -> None:
    leader = {"cookie": f"{COOKIE}={city.session('leader')}"}
    assert ask(city, leader, "/audit").status_code == 403
    assert ask(city, {"authorization": "Bearer nobody"}, "/audit.zip").status_code == 401

    def told() -> bool:
        page = ask(city, auditor, "/audit", refused="yes", q="xem nhat ky not-allowed").text
        return "từ chối" in page and "/audit</code>" in page

    wait_until(told, "the refusal is written down")
    wait_until(
        lambda: "/audit.zip" in ask(city, auditor, "/audit", refused="yes", person="stranger").text, "a stranger's too"
    )


def test_pages_and_table_hold_the_same_rows(city: RunningCity, auditor: dict[str, str]) -> None:
    for number in range(60):
        city.platform.auditing.refusals.note(f"p-{number}", "device.write", "=cmd()", "not-allowed", source="203.0.113.9")

    def rows() -> list[dict[str, str]]:
        table = ask(city, auditor, "/audit.csv", q="203.0.113.9", action="device.write")
        return [row for row in csv.DictReader(io.StringIO(table.text.removeprefix("\ufeff"))) if "=cmd()" in row["thing"]]

    wait_until(lambda: len(rows()) == 60, "the refusals are written down")
    first = ask(city, auditor, "/audit", q="203.0.113.9", action="device.write")
    assert "Cũ hơn" in first.text
    assert first.text.count("=cmd()") == 50
    older = first.text.split('rel="next" href="')[1].split('"')[0].replace("&amp;", "&")
    second = ask(city, auditor, older).text
    assert second.count("=cmd()") == 10
    assert "Về mới nhất" in second
    assert {row["thing"] for row in rows()} == {"'=cmd()"}, "no spreadsheet runs it"
    assert {row["what"] for row in rows()} == {"Sửa thiết bị"}


def test_an_auditor_of_a_part_is_told_why_there_is_nothing(city: RunningCity) -> None:
    accounts = city.platform.accounts
    part = [Granted("auditor", Clearance.INTERNAL)]
    person = city.run(accounts.create(insider(), "auditor-of-a-part", "Kiểm toán một phần", part))
    opened = accounts.open_session(person, strong=True, address="127.0.0.1", agent="test", correlation="test")
    headers = {"cookie": f"{COOKIE}={city.run(opened)}", "accept": "text/html"}
    page = ask(city, headers, "/audit")
    assert (page.status_code, "Bạn không đọc được nhật ký này" in page.text) == (200, True)
    assert len(ask(city, headers, "/audit.csv").text.splitlines()) == 1
    assert ask(city, headers, "/audit.zip").status_code == 404


def test_the_proof_file_is_proven(city: RunningCity, auditor: dict[str, str], tmp_path: Path) -> None:
    answer = ask(city, auditor, "/audit.zip")
    assert answer.headers["content-disposition"].startswith('attachment; filename="audit-hanoi-')
    (tmp_path / "audit.zip").write_bytes(answer.content)
    verdict = verify_copy(tmp_path / "audit.zip")
    assert verdict.intact
    assert verdict.proven == verdict.rows
    officer = {"cookie": f"{COOKIE}={city.session('security_officer')}", "accept": "text/html"}
    assert "/audit.zip" not in ask(city, officer, "/audit").text, "looks, but takes nothing along"
    assert ask(city, officer, "/audit.zip").status_code == 403
    wait_until(lambda: not list((city.home / "cache").glob("tmp*")), "nothing of it is left")
