"""Routes exist only with an action, and the enumeration finds each one's."""

import pytest
from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route

from dothi.access.routes import declared_actions, guarded_mount, page, requires


async def endpoint(_: Request) -> Response:
    return PlainTextResponse("")


def test_an_unknown_action_makes_no_route() -> None:
    with pytest.raises(ValueError, match=r"no action 'city\.burn'"):
        page("/x", endpoint, action="city.burn")
    with pytest.raises(ValueError, match="no action"):
        requires("city.burn")
    with pytest.raises(ValueError, match="no action"):
        guarded_mount("/x", PlainTextResponse(""), action="city.burn")


def test_the_enumeration_finds_every_action_and_the_lack_of_one() -> None:
    router = APIRouter(prefix="/api")

    @router.get("/with")
    async def with_action(_: object = Depends(requires("entity.read"))) -> None: ...

    @router.get("/without")
    async def without_action() -> None: ...

    routes = [
        page("/page", endpoint, action="page.read", methods=("GET", "POST")),
        guarded_mount("/static", PlainTextResponse(""), action="page.read"),
        Mount("/inner", routes=[page("/deep", endpoint, action="air.read"), Route("/open", endpoint)]),
        *router.routes,
    ]
    found = {one.path: one.action for one in declared_actions(routes)}
    assert found == {
        "/page": "page.read",
        "/static": "page.read",
        "/inner/deep": "air.read",
        "/inner/open": None,
        "/api/with": "entity.read",
        "/api/without": None,
    }
