"""The demo neighbourhood for programs: there is nothing to read, only to take away."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from dothi.access.policy import Person
from dothi.access.routes import requires
from dothi.api.encoding import json_response
from dothi.api.v1.common import new_router
from dothi.platform.invented import REMOVE
from dothi.platform.platform import Platform

Remover = Annotated[Person, Depends(requires(REMOVE))]


def router(platform: Platform) -> APIRouter:
    """``/api/v1/demo``."""
    api = new_router("demo")

    @api.post("/demo/remove", summary="Destroy all work that was made up; it does not come back")
    async def remove(request: Request, person: Remover) -> Response:
        gone = await platform.invented.remove(person, correlation=request.state.correlation)
        return json_response({"incidents": gone})

    return api
