"""Problem details: one shape for every error, a page where a browser asks for one."""

import json

import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from dothi.access.problems import problem_of, problem_response, wants_page
from dothi.model.problem import Problem


def request(accept: str = "*/*", path: str = "/thing") -> Request:
    headers = [(b"accept", accept.encode()), (b"host", b"127.0.0.1")]
    return Request({"type": "http", "method": "GET", "path": path, "headers": headers, "query_string": b"", "state": {}})


def drawn(_: Request, problem: Problem) -> Response:
    return PlainTextResponse(f"page of {problem.status}")


def test_the_shape_is_that_of_rfc_9457() -> None:
    answer = problem_response(request(), Problem(503, "behind", "Too much.", "Wait.", retry_after=5), drawn, field="x")
    body = json.loads(bytes(answer.body))
    assert answer.status_code == body["status"] == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["retry-after"] == "5"
    assert body["type"] == "urn:dothi:problem:behind"
    assert (body["title"], body["detail"], body["instance"], body["field"]) == ("Too much.", "Wait.", "/thing", "x")


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("text/html,application/xhtml+xml,*/*;q=0.8", True),
        ("application/json", False),
        ("application/json, text/html", False),
        ("*/*", False),
        ("", False),
    ],
)
def test_a_browser_is_told_from_a_program(accept: str, expected: bool) -> None:
    assert wants_page(request(accept)) is expected


def test_a_browser_gets_a_page_except_at_the_api() -> None:
    html = "text/html"
    problem = Problem(404, "not-found", "Nothing.")
    assert bytes(problem_response(request(html), problem, drawn).body) == b"page of 404"
    api = problem_response(request(html, "/api/v1/x"), problem, drawn)
    assert api.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("status", [400, 404, 405, 413, 422, 500, 503, 418, 599])
def test_every_status_has_words_and_says_what_to_do(status: int) -> None:
    problem = problem_of(HTTPException(status))
    assert problem.status == status
    assert problem.title


def test_what_nobody_foresaw_tells_nothing_of_its_inside() -> None:
    problem = problem_of(ValueError("password 1234"))
    assert problem.status == 500
    assert "1234" not in f"{problem.title}{problem.detail}"
