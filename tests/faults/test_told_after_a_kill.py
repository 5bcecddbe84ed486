"""kill -9 while mails go, a mail server that is gone meanwhile: everybody is told, and nobody is told anew."""

import re
import threading
from collections import Counter
from html import unescape
from pathlib import Path

import httpx
import pytest
from fault_world import bare_city, free_port, operator

from dothi.testing.city import wait_until
from dothi.testing.mail import Inbox, mail_server

HOW_MANY = 40


def codes_in(inbox: Inbox) -> list[tuple[str, str]]:
    """Each mail's incident and Message-ID."""
    found = []
    for _, mail in inbox.taken:
        code = re.search(r"SV-\d{4}-\d{4,}", str(mail["Subject"]))
        assert code is not None
        found.append((code[0], str(mail["Message-ID"])))
    return found


def _boxes(client: httpx.Client) -> list[str]:
    """Every ward gets a mailbox; their codes."""
    page = client.get("/mail", headers={"accept": "text/html"}).text
    token = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert token is not None
    wards = re.findall(r'<option value="(\d{5})">', page)[:HOW_MANY]
    for ward in wards:
        told = {"csrf_token": unescape(token[1]), "act": "box", "unit": ward, "address": f"w{ward}@example.vn"}
        assert client.post("/mail", data=told).status_code == 303
    return wards


@pytest.mark.long
def test_killed_in_the_middle_of_its_mails_a_city_tells_everybody(tmp_path: Path) -> None:
    port, slow = free_port(), threading.Event()
    given = {"mail_server": f"127.0.0.1:{port}", "mail_from": "bao@hanoi.example", "mail_tls": "none"}
    with bare_city(tmp_path, **given) as city:
        with operator(city) as client:
            wards = _boxes(client)
            for ward in wards:  # while nobody takes mail
                answer = client.post("/api/v1/incidents", json={"kind": "report-order", "ward": ward})
                assert answer.status_code == 201, answer.text
            wait_until(lambda: "Không nối được" in client.get("/mail").text, "the server is missed", 90)
        city.kill()
        city.restart()
        with mail_server(port=port) as inbox:

            def answer_slowly(_: str) -> str:
                slow.wait(0.05)
                return ""

            inbox.answer = answer_slowly
            wait_until(lambda: len(inbox.taken) >= HOW_MANY // 4, "some are told", 120)
            city.kill()
            killed_at = len(inbox.taken)
            assert killed_at < HOW_MANY
            city.restart()
            wait_until(lambda: len({code for code, _ in codes_in(inbox)}) == HOW_MANY, "everybody is told", 120)
            with operator(city) as client:
                wait_until(lambda: f"Đã gửi trong 30 ngày: {HOW_MANY}." in client.get("/mail").text, "all of it is known")
            told = codes_in(inbox)
            # One may be under way when it dies, after the server answered and before that is written down: under one id.
            assert len(told) <= HOW_MANY + 1 and len(set(told)) == HOW_MANY
            assert max(Counter(code for code, _ in told).values()) <= 2
