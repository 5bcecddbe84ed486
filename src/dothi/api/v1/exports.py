"""Taking the city along: who does is written down before ``dothi export`` reads the first row."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from dothi.access.policy import Person
from dothi.access.routes import requires
from dothi.api.encoding import instant, json_response
from dothi.api.v1.common import new_router
from dothi.platform.platform import Platform
from dothi.store.audit import Act

Exporter = Annotated[Person, Depends(requires("city.export"))]


class NewExport(BaseModel):
    """What is taken along, in words for the audit log."""

    model_config = ConfigDict(extra="forbid")
    what: str = Field(min_length=1, max_length=1000)


def router(platform: Platform) -> APIRouter:
    """``/api/v1/exports``."""
    api = new_router("city")

    @api.post("/exports", summary="Record an export of the city and learn the moment it is of", status_code=201)
    async def announce_export(person: Exporter, request: Request, wanted: NewExport) -> Response:
        now = platform.clock.now()
        act = Act(person.id, "city.export", platform.tenant, correlation=request.state.correlation, detail=wanted.what)
        await platform.writer.run(person, now, lambda _: None, [act], action="city.export")
        return json_response({"tenant": platform.tenant, "time": instant(now)}, 201)

    return api
