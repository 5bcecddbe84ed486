"""The doorkeeper's bounds: by address before anybody is asked who they are, by person after; proxies; HSTS; names."""

import asyncio
from collections.abc import Sequence
from typing import Any

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from dothi.access.identity import Identity
from dothi.access.limits import ADDRESS, PERSON, SIGN_IN, Limits
from dothi.access.policy import Grant, Person
from dothi.access.proxies import Proxies
from dothi.access.requests import Doorkeeper, allowed_hosts

KEY = "the key of the home folder"
SENSOR = Person("device:tram-01", (Grant("device"),))


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Tells who asked and how."""
    told = f"{scope['client'][0]} {scope['scheme']} {scope['state']['person'].id}".encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": told})


def ask(
    count: int, path: str = "/", *, method: str = "GET", address: str = "203.0.113.9", trusted: str = "", **headers: str
) -> Sequence[httpx.Response]:
    """The answers to as many requests while the clock stands still."""

    async def known(credential: str, _: Scope) -> Person | None:
        return SENSOR if credential == "sensor" else None

    identity = Identity(KEY)
    identity.accept("bearer", known)
    door: Any = Doorkeeper(
        echo,
        host="127.0.0.1",
        names="dothi.example",
        identity=identity,
        secret=b"x" * 32,
        proxies=Proxies(trusted),
        limits=Limits(lambda: 100.0),
    )

    async def run() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app=door, client=(address, 1))
        async with httpx.AsyncClient(
            transport=transport, base_url="http://dothi.example", headers=headers, timeout=60
        ) as client:
            return [await client.request(method, path) for _ in range(count)]

    return asyncio.run(run())


def refused(answers: Sequence[httpx.Response]) -> int:
    return sum(answer.status_code == 429 for answer in answers)


def test_one_address_cannot_crowd_out_the_others() -> None:
    answers = ask(int(ADDRESS.burst) + 5)
    assert refused(answers) == 5
    assert answers[-1].headers["retry-after"] == "1"
    assert answers[-1].json()["type"] == "urn:dothi:problem:too-many-requests"


def test_one_device_is_bound_wherever_it_comes_from() -> None:
    assert refused(ask(int(PERSON.burst) + 5, authorization="Bearer sensor")) == 5


@pytest.mark.parametrize("path", ["/sign-in", "/sign-in/code", "/oauth/token"])
def test_signing_in_is_bound_more_tightly(path: str) -> None:
    assert refused(ask(int(SIGN_IN.burst) + 5, path, method="POST")) == 5
    assert refused(ask(int(SIGN_IN.burst) + 5, path)) == 0


@pytest.mark.parametrize("path", ["/sign-in/oidc", "/sign-in/oidc/back"])
def test_making_the_city_ask_the_provider_is_bound_like_signing_in(path: str) -> None:
    assert refused(ask(int(SIGN_IN.burst) + 5, path)) == 5


def test_this_machine_is_not_bound_but_whoever_a_proxy_carries_is() -> None:
    many = int(SIGN_IN.burst) + 5
    assert refused(ask(many, "/sign-in", method="POST", address="127.0.0.1")) == 0
    carried = {"x-forwarded-for": "198.51.100.7", "x-forwarded-proto": "https"}
    assert refused(ask(many, "/sign-in", method="POST", address="127.0.0.1", trusted="127.0.0.1", **carried)) == 5
    told = ask(1, address="127.0.0.1", trusted="127.0.0.1", **carried)[0]
    assert told.text.startswith("198.51.100.7 https ")
    assert told.headers["strict-transport-security"] == "max-age=31536000"


def test_without_tls_nothing_is_said_of_it() -> None:
    assert "strict-transport-security" not in ask(1)[0].headers
    assert "strict-transport-security" not in ask(1, **{"x-forwarded-proto": "https"})[0].headers


def test_the_names_of_the_settings_are_answered_to_and_no_others() -> None:
    assert ask(1)[0].status_code == 200
    assert ask(1, host="other.example")[0].status_code == 421
    assert allowed_hosts("0.0.0.0") is None  # noqa: S104 - judged, not bound
    assert "dothi.example" in (allowed_hosts("0.0.0.0", " Dothi.example ,b") or ())  # noqa: S104 - judged, not bound
