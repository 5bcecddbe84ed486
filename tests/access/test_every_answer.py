"""What the checklist says of all doors, asked of each: headers, cookies, redirects, methods; as a stranger, as somebody."""

import re
from collections.abc import Iterator

import httpx
import pytest

from dothi.access.routes import declared_actions
from dothi.access.sessions import COOKIE
from dothi.testing.city import RunningCity

# The same for everybody.
PUBLIC_FILES = (
    "/static",
    "/air/air.css",
    "/report/citizens.css",
    "/report/worker.js",
    "/mine/worker.js",
    "/ngsi-ld/context.jsonld",
)


@pytest.fixture(params=["stranger", "person"])
def client(request: pytest.FixtureRequest, doors: RunningCity) -> Iterator[httpx.Client]:
    cookies = {COOKIE: doors.session()} if request.param == "person" else None
    with httpx.Client(base_url=doors.base_url, trust_env=False, timeout=60, cookies=cookies) as client:
        yield client


def _doors(doors: RunningCity, method: str) -> list[str]:
    declared = (one for one in declared_actions(doors.app.routes) if method in one.methods and one.path != "/live")
    return [re.sub(r"\{\w+(:\w+)?\}", lambda blank: "7" if blank[1] else "nothing", one.path) for one in declared]


def test_every_answer_says_how_it_may_be_used(doors: RunningCity, client: httpx.Client) -> None:
    signed, seen = COOKIE in client.cookies, 0
    for path in _doors(doors, "GET"):
        for accept in ("text/html", "application/json"):
            answer = client.get(path, headers={"accept": accept})
            told, where = answer.headers, (path, accept, answer.status_code)
            seen += answer.status_code == 200
            assert answer.status_code < 500, where
            assert told["x-content-type-options"] == "nosniff", where
            assert told["referrer-policy"] == "same-origin", where
            assert "frame-ancestors 'none'" in told["content-security-policy"], where
            assert not [name for name in told if name.startswith("access-control-") or name in ("server", "x-powered-by")], (
                where
            )
            if answer.content:
                assert re.match(r"(text/[\w.-]+;.* ?charset=utf-8|application/|image/)", told["content-type"]), where
            if signed and not path.startswith(PUBLIC_FILES):
                assert re.search("no-store|private", told["cache-control"]), where
            assert "public" not in told.get("cache-control", "") or path.startswith(PUBLIC_FILES), where
            if answer.is_redirect:
                assert re.match(r"/(?!/)", told["location"]), where
            disposition = told.get("content-disposition", "attachment; filename=x")
            assert re.fullmatch(r'attachment; filename="?[\w.-]+"?', disposition), where
            for cookie in told.get_list("set-cookie"):
                assert re.search("; HttpOnly", cookie, re.IGNORECASE) and re.search("SameSite=", cookie, re.IGNORECASE), (
                    where
                )
    assert seen > (40 if signed else 10)


def test_no_door_knows_methods_that_nobody_needs(doors: RunningCity, client: httpx.Client) -> None:
    for path in _doors(doors, "GET"):
        for method in ("TRACE", "PROPFIND", "MKCOL"):
            assert client.request(method, path).status_code in (400, 405), (method, path)


def test_looking_changes_nothing(doors: RunningCity, client: httpx.Client) -> None:
    """A door that only writes does not answer to GET, so that no picture or link of another site makes it write."""
    reads = set(_doors(doors, "GET"))
    for path in set(_doors(doors, "POST")) - reads:
        assert client.get(path).is_error, path
