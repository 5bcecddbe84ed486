"""What is reached ahead of the pages: its own requests and no others, and what is large goes out compressed."""

import gzip

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from dothi.access.ahead import COMPRESSED_FROM, Ahead, packed

LARGE = "a" * COMPRESSED_FROM


async def behind(scope: Scope, receive: Receive, send: Send) -> None:
    """What stands behind the routes that are ahead."""
    await PlainTextResponse("behind")(scope, receive, send)


def number(request: Request) -> Response:
    """What such a route answers: the part of the path that it knows as its own."""
    return PlainTextResponse(f"ahead {request.path_params['number']}")


@pytest.mark.parametrize(
    ("method", "path", "said"),
    [("GET", "/ahead/7", "ahead 7"), ("POST", "/ahead/7", "behind"), ("GET", "/ahead", "behind"), ("GET", "/", "behind")],
)
def test_what_no_route_ahead_takes_goes_on(method: str, path: str, said: str) -> None:
    assert TestClient(Ahead(behind, [Route("/ahead/{number}", number)])).request(method, path).text == said


def test_routes_are_known_once_they_are_there() -> None:
    routes: list[BaseRoute] = []
    client = TestClient(Ahead(behind, routes))
    assert client.get("/ahead/7").text == "behind"
    routes.append(Route("/ahead/{number}", number))
    assert client.get("/ahead/7").text == "ahead 7"


@pytest.mark.parametrize("accepted", ["gzip", "identity"])
@pytest.mark.parametrize("body", [LARGE, LARGE[1:], ""])
def test_a_large_answer_is_compressed_for_who_takes_that(accepted: str, body: str) -> None:
    client = TestClient(packed(PlainTextResponse(body)), headers={"Accept-Encoding": accepted})
    with client.stream("GET", "/") as answer:
        raw = b"".join(answer.iter_raw())
    large = len(body) >= COMPRESSED_FROM
    assert ("content-encoding" in answer.headers) is (large and accepted == "gzip")
    assert answer.headers.get("vary") == ("Accept-Encoding" if large else None)
    assert int(answer.headers["content-length"]) == len(raw)
    assert (gzip.decompress(raw) if "content-encoding" in answer.headers else raw) == body.encode()
