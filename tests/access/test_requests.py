"""The doorkeeper: who comes in, from where, with how much, and what every answer carries."""

import asyncio
import re
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.testclient import TestClient
from starlette.types import Message, Receive, Scope, Send
from structlog.testing import capture_logs

from dothi.access.csrf import csrf_token
from dothi.access.identity import Identity
from dothi.access.limits import FILES, Limit, Limits
from dothi.access.policy import LOCAL_OPERATOR, STRANGER
from dothi.access.problems import problem_of, problem_response
from dothi.access.requests import FILES_LIMIT, MOST_FILES, STRANGERS_LIMIT, Doorkeeper, allowed_hosts
from dothi.access.routes import page, person_of
from dothi.model.problem import Problem
from dothi.store.audit import Act

NEVER = asyncio.Event
KEY = "k" * 43


def application(doorkeeper: Middleware) -> Starlette:
    async def who(request: Request) -> Response:
        return JSONResponse({"person": person_of(request).id, "correlation": request.state.correlation})

    async def echo(request: Request) -> Response:
        return PlainTextResponse(str(len(await request.body())))

    async def form(request: Request) -> Response:
        if request.method == "GET":
            return PlainTextResponse(csrf_token(request))
        return PlainTextResponse(str((await request.form()).get("word", "")))

    async def broken(_: Request) -> Response:
        raise RuntimeError("a secret of ours")

    async def slow(_: Request) -> Response:
        await NEVER().wait()
        raise AssertionError("unreachable")

    async def on_problem(request: Request, error: Exception) -> Response:
        return problem_response(request, problem_of(error), None)

    return Starlette(
        routes=[
            page("/who", who, action="city.read"),
            page("/echo", echo, action="reading.write", methods=("POST",), forms=False),
            page("/form", form, action="device.write", methods=("GET", "POST")),
            page("/open", form, action="page.read", methods=("POST",)),
            page("/broken", broken, action="city.read"),
            page("/slow", slow, action="city.read"),
        ],
        exception_handlers={Problem: on_problem},
        middleware=[doorkeeper],
    )


def client(
    *,
    host: str = "127.0.0.1",
    address: str = "127.0.0.1",
    known: bool = True,
    body_limit: int = 1000,
    **more: object,
) -> TestClient:
    doorkeeper = Middleware(
        Doorkeeper,
        host=host,
        identity=Identity(KEY),
        secret=b"s" * 32,
        body_limit=body_limit,
        time_limit=0.2,
        **more,
    )
    headers = {"Authorization": f"Bearer {KEY}"} if known else {}
    return TestClient(application(doorkeeper), base_url="http://127.0.0.1", client=(address, 5000), headers=headers)


def test_whoever_has_the_key_of_the_home_is_the_operator() -> None:
    assert client().get("/who").json()["person"] == LOCAL_OPERATOR.id


@pytest.mark.parametrize(
    ("asked", "headers"),
    [
        ({"address": "192.0.2.7"}, {}),
        ({}, {}),
        ({}, {"X-Forwarded-For": "192.0.2.7"}),
        ({}, {"Forwarded": "for=192.0.2.7"}),
        ({"address": "testclient"}, {}),
    ],
)
def test_everybody_else_is_a_stranger(asked: dict[str, Any], headers: dict[str, str]) -> None:
    door = client(known=False, **asked)
    assert door.get("/who", headers=headers).json()["person"] == STRANGER.id
    refused = door.post("/echo", content=b"x", headers=headers)
    assert refused.status_code == 401
    assert refused.json()["type"] == "urn:dothi:problem:sign-in-needed"


def test_a_wrong_credential_is_refused_at_every_door() -> None:
    for path in ("/who", "/nowhere"):
        refused = client().get(path, headers={"Authorization": "Bearer wrong"})
        assert refused.status_code == 401
        assert refused.json()["type"].endswith("wrong-credentials")
        assert refused.headers["www-authenticate"] == "Bearer"


def test_a_sane_correlation_id_is_kept_and_another_replaced() -> None:
    door = client()
    kept = door.get("/who", headers={"X-Request-ID": "shift-7.case_42"})
    assert kept.headers["x-request-id"] == kept.json()["correlation"] == "shift-7.case_42"
    for bad in ("short", "x" * 65, "new\tline-in-it", 'quote"inside'):
        made = door.get("/who", headers={"X-Request-ID": bad}).headers["x-request-id"]
        assert re.fullmatch(r"[0-9a-f]{16}", made)


def test_every_answer_carries_the_security_headers_errors_too() -> None:
    door = client()
    for path, status in (("/who", 200), ("/nowhere", 404), ("/broken", 500)):
        answer = door.get(path)
        assert answer.status_code == status
        policy = answer.headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"


def test_an_unforeseen_failure_is_a_problem_that_tells_no_inner_words() -> None:
    answer = client().get("/broken")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["correlation"] == answer.headers["x-request-id"]
    assert "secret" not in answer.text


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost:8080", "LOCALHOST", "[::1]:8080"])
def test_the_city_answers_to_its_own_names(host: str) -> None:
    assert client().get("/who", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "localhost.evil.example:8080"])
def test_another_name_is_refused_so_that_dns_cannot_be_rebound(host: str) -> None:
    answer = client().get("/who", headers={"Host": host})
    assert answer.status_code == 421
    assert answer.json()["type"].endswith("unknown-host")


def test_the_set_host_is_a_name_too_and_every_address_means_every_name() -> None:
    assert allowed_hosts("city.example.vn") == {"127.0.0.1", "localhost", "[::1]", "city.example.vn"}
    assert "[fd00::1]" in (allowed_hosts("fd00::1") or ())
    assert allowed_hosts("0.0.0.0") is None  # noqa: S104 - a value to judge, nothing is bound


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:9999"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_another_site_may_read_but_not_write(headers: dict[str, str]) -> None:
    door = client()
    refused = door.post("/echo", content=b"x", headers=headers)
    assert refused.status_code == 403
    assert refused.json()["type"].endswith("cross-site")
    assert door.get("/who", headers=headers).status_code == 200


@pytest.mark.parametrize("headers", [{}, {"Origin": "http://127.0.0.1", "Sec-Fetch-Site": "same-origin"}])
def test_our_own_pages_and_programs_write(headers: dict[str, str]) -> None:
    assert client().post("/echo", content=b"four", headers=headers).text == "4"


def test_a_body_beyond_the_limit_is_refused_declared_or_not() -> None:
    door = client(body_limit=10)
    assert door.post("/echo", content=b"x" * 10).text == "10"
    declared = door.post("/echo", content=b"x" * 11)
    streamed = door.post("/echo", content=iter([b"x" * 6, b"x" * 6]))
    for refused in (declared, streamed):
        assert refused.status_code == 413
        assert refused.json()["type"].endswith("too-large")


def test_a_stranger_sends_less_than_somebody_who_is_known() -> None:
    much = b"x" * (STRANGERS_LIMIT + 1)
    assert client(body_limit=2 * STRANGERS_LIMIT).post("/echo", content=much).text == str(len(much))
    door = client(known=False, body_limit=2 * STRANGERS_LIMIT)
    for content in (much, iter([much[:-6], much[-6:]])):
        refused = door.post("/form", content=content, headers={"Content-Type": "text/csv"})
        assert refused.status_code == (413 if content is much else 401)  # a body nobody waits for is not read
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert door.post("/open", content=iter([much[:-6], much[-6:]]), headers=form).status_code == 413
    assert door.post("/open", content=much[:-1], headers=form).status_code in (400, 403)


@pytest.mark.parametrize("twice", [b"host", b"origin", b"sec-fetch-site"])
def test_a_header_that_decides_comes_once(twice: bytes) -> None:
    came = {b"host": b"127.0.0.1", b"origin": b"http://127.0.0.1", b"sec-fetch-site": b"same-origin"}
    scope = {"type": "http", "method": "POST", "path": "/echo", "scheme": "http", "client": ("127.0.0.1", 1)}
    headers = [*came.items(), (b"content-length", b"0")]
    keeper = Doorkeeper(PlainTextResponse("x"), host="127.0.0.1", identity=Identity(KEY), secret=b"s" * 32)
    assert keeper.refusal(scope, headers) is None
    refused = keeper.refusal(scope, [(twice, b"evil.example"), *headers])
    assert refused is not None
    assert refused.status == 400


def test_behind_tls_the_cookies_of_forms_are_of_this_very_host() -> None:
    door = client()
    door.base_url = "https://127.0.0.1"  # type: ignore[assignment]  # httpx takes text
    first = door.get("/form")
    assert re.fullmatch(r"__Host-dothi_csrf=\w+; Path=/; HttpOnly; SameSite=Strict; Secure", first.headers["set-cookie"])
    assert door.post("/form", data={"word": "x", "csrf_token": first.text}).status_code == 200


def test_an_answer_that_takes_too_long_is_given_up() -> None:
    answer = client().get("/slow")
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "10"


def test_a_form_needs_the_token_of_its_own_browser() -> None:
    door, other = client(), client()
    first = door.get("/form")
    token = first.text
    assert "HttpOnly; SameSite=Strict" in first.headers["set-cookie"]
    assert "set-cookie" not in door.get("/form").headers
    assert door.post("/form", data={"word": "đúng", "csrf_token": token}).text == "đúng"
    assert door.post("/form", data={"word": "đúng"}, headers={"X-CSRF-Token": token}).text == "đúng"
    other.get("/form")
    for refused in (
        door.post("/form", data={"word": "x"}),
        door.post("/form", data={"word": "x", "csrf_token": token[:-4] + "AAAA"}),
        door.post("/form", data={"word": "x", "csrf_token": "kh\u00f4ng"}),
        other.post("/form", data={"word": "x", "csrf_token": token}),
        client().post("/form", data={"word": "x", "csrf_token": token}),
        door.post("/form", content=b"word=x", headers={"Content-Type": "text/plain"}),
        door.post("/form"),
    ):
        assert refused.status_code == 403
        assert refused.json()["type"].endswith("stale-form")


def test_tokens_differ_in_every_page_and_all_hold() -> None:
    door = client()
    tokens = {door.get("/form").text for _ in range(5)}
    assert len(tokens) == 5
    assert all(door.post("/form", data={"word": "x", "csrf_token": one}).status_code == 200 for one in tokens)


def test_json_from_our_own_pages_needs_no_form_token() -> None:
    assert client().post("/form", json={"word": "x"}).status_code == 200


def test_every_request_is_observed_under_its_template() -> None:
    seen: list[tuple[str, str, int]] = []
    door = client(observe=lambda method, route, status, seconds: seen.append((method, route, status)))
    door.get("/who")
    door.get("/nowhere/at/all")
    door.get("/who", headers={"Host": "evil.example"})
    assert seen == [("GET", "/who", 200), ("GET", "(none)", 404), ("GET", "(none)", 421)]


def test_every_refusal_of_somebody_is_told_with_what_they_wanted_and_why() -> None:
    told: list[tuple[str, str, str, str]] = []

    def refused(scope: dict[str, Any], action: str, code: str) -> None:
        told.append((scope["state"]["person"].id, scope["path"], action, code))

    door = client(known=False, refused=refused)
    door.post("/echo", json={})
    door.get("/who", headers={"Host": "evil.example"})
    door.get("/who", headers={"Authorization": "Bearer nobody"})
    door.get("/nowhere/at/all")
    assert door.get("/who").status_code == 200
    assert told == [
        ("stranger", "/echo", "reading.write", "sign-in-needed"),
        ("stranger", "/who", "", "unknown-host"),
        ("stranger", "/who", "", "wrong-credentials"),
    ]


def test_what_is_done_says_from_which_address_it_came() -> None:
    def here(request: Request) -> Response:
        return Response(Act("an", "sql.ask", "").source)

    doorkeeper = Middleware(Doorkeeper, host="127.0.0.1", identity=Identity(KEY), secret=b"s" * 32)
    app = Starlette(routes=[page("/here", here, action="city.read")], middleware=[doorkeeper])
    door = TestClient(app, base_url="http://127.0.0.1", client=("203.0.113.9", 5000))
    assert door.get("/here").text == "203.0.113.9", "also on the thread of a plain endpoint"


def test_a_form_with_pictures_may_be_larger_where_such_are_taken_and_nowhere_else() -> None:
    picture = {"files": {"photo": ("a.jpg", b"x" * (STRANGERS_LIMIT + 1))}, "headers": {}}
    door = client(known=False, body_limit=2 * STRANGERS_LIMIT, takes_files=lambda scope: scope["path"] == "/open")
    assert door.post("/open", **picture).json()["type"].endswith("stale-form")  # it was read
    assert door.post("/form", **picture).status_code == 413
    assert door.post("/open", content=b"x" * (FILES_LIMIT + 1)).status_code == 413


def test_one_address_sends_a_bounded_number_of_pictures() -> None:
    door = client(known=False, address="203.0.113.7", takes_files=lambda _: True, limits=Limits(lambda: 100.0))
    answers = [door.post("/open").status_code for _ in range(int(FILES.burst) + 2)]
    assert answers.count(429) == 2
    assert door.get("/who").status_code == 200


def test_pictures_that_come_in_at_a_time_are_bounded_and_make_room_again() -> None:
    async def city(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/held":
            waiting.append(asyncio.current_task())
            if len(waiting) == MOST_FILES:
                full.set()
            await held.wait()
        await PlainTextResponse("x")(scope, receive, send)

    async def run() -> tuple[int, int]:
        transport = httpx.ASGITransport(app=keeper, client=("203.0.113.7", 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", timeout=60) as asker:
            sending = [asyncio.create_task(asker.post("/held")) for _ in range(MOST_FILES)]
            await full.wait()
            refused = await asker.post("/now")
            assert (await asker.post("/now", content=b"words")).status_code == 200, "a form without pictures needs no room"
            held.set()
            assert {(await one).status_code for one in sending} == {200}
            return refused.status_code, (await asker.post("/now")).status_code

    waiting: list[object] = []
    held, full = asyncio.Event(), asyncio.Event()
    keeper = Doorkeeper(
        city, host="127.0.0.1", identity=Identity(KEY), secret=b"s" * 32, takes_files=lambda _: True, limits=_Generous()
    )
    assert asyncio.run(run()) == (503, 200)


def test_who_breaks_off_is_no_fault_of_ours() -> None:
    async def city(scope: Scope, receive: Receive, send: Send) -> None:
        await PlainTextResponse(str(len(await Request(scope, receive).body())))(scope, receive, send)

    async def receive() -> Message:
        return came.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    came: list[Message] = [{"type": "http.request", "body": b"half", "more_body": True}, {"type": "http.disconnect"}]
    sent: list[Message] = []
    seen: list[int] = []
    keeper = Doorkeeper(
        city,
        host="127.0.0.1",
        identity=Identity(KEY),
        secret=b"s" * 32,
        observe=lambda _method, _route, status, _seconds: seen.append(status),
    )
    scope = {"type": "http", "method": "POST", "path": "/", "headers": [(b"host", b"127.0.0.1")], "client": ("127.0.0.1", 1)}
    with capture_logs() as logs:
        asyncio.run(keeper({**scope, "scheme": "http", "query_string": b""}, receive, send))
    assert (sent, seen) == ([], [400])
    assert [one["event"] for one in logs if one["log_level"] == "error"] == []


class _Generous(Limits):
    def spend(self, limit: Limit, key: str) -> None:
        """Everybody may."""
