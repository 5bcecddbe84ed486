"""Photos of incidents for programs: sent as they are, shown drawn anew, released to everybody by a person."""

from datetime import datetime
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from dothi.access.policy import Person
from dothi.access.routes import requires
from dothi.access.uploads import WHOLE, Box
from dothi.api.encoding import json_response
from dothi.api.v1.common import aware, new_router, paged
from dothi.api.v1.incidents import Code, Reader, Worker
from dothi.api.v1.incidents_json import photo_json
from dothi.platform.incidents.photos import Phase, Size
from dothi.platform.platform import Platform

Number = Annotated[int, Path(ge=1, lt=2**53, description="A photo's number.")]
# Everybody may ask for a photo: a released one is for everybody, any other is there only for who sees its incident.
Anybody = Annotated[Person, Depends(requires("report.read"))]
Thousandths = Annotated[int, Field(ge=0, le=WHOLE)]


class Part(BaseModel):
    """A part of a picture, in thousandths of its width and height."""

    model_config = ConfigDict(extra="forbid")
    left: Thousandths
    top: Thousandths
    width: Thousandths
    height: Thousandths


class Parts(BaseModel):
    """What is to be black (``boxes``), in the place of what was when the asker looked (``known``)."""

    model_config = ConfigDict(extra="forbid")
    boxes: list[Part]
    known: list[Part]


_PICTURE = {"schema": {"type": "string", "contentMediaType": "image/*"}}
_PICTURES = dict.fromkeys(("image/jpeg", "image/png", "image/webp"), _PICTURE)


def router(platform: Platform) -> APIRouter:
    """``/api/v1/incidents/{code}/photos`` and ``/api/v1/photos``."""
    api = new_router("incidents")
    photos = platform.incidents.photos

    @api.get("/incidents/{code}/photos", summary="The photos of an incident, oldest first")
    def get_incident_photos(person: Reader, code: Code) -> Response:
        rows = [photo_json(one) for one in photos.of(person, code)]
        return json_response(paged(rows, len(rows), len(rows), 0))

    @api.post(
        "/incidents/{code}/photos",
        status_code=201,
        summary="Add a photo (JPEG, PNG or WebP); what it says of its maker and place is taken out",
        openapi_extra={"requestBody": {"required": True, "content": _PICTURES}},
    )
    async def add_incident_photo(
        request: Request,
        person: Worker,
        code: Code,
        phase: Phase = "before",
        takenAt: Annotated[datetime | None, Query(description="When it was taken.")] = None,  # noqa: N803 - the API's spelling
    ) -> Response:
        added = await photos.add(
            person,
            code,
            await request.body(),
            phase,
            taken_at=aware(takenAt, "takenAt"),
            correlation=request.state.correlation,
        )
        return json_response(photo_json(added), 201, {"Location": f"/api/v1/photos/{added.number}"})

    @api.get(
        "/photos/{number}",
        summary="A photo's picture: of what the asker sees, and of what was released",
        response_class=Response,
        responses={200: {"content": _PICTURES, "description": "The picture."}},
    )
    async def get_photo(
        person: Anybody,
        number: Number,
        size: Size = "full",
        public: Annotated[bool, Query(description="As everybody sees it: with its parts blacked out.")] = False,
    ) -> Response:
        found = await run_in_threadpool(partial(photos.read, person, number, size, public=public))
        return Response(found.body, media_type=found.media, headers={"Cache-Control": "private, no-cache"})

    @api.put("/photos/{number}/blackout", summary="Black out parts of what everybody sees of a photo")
    async def black_out_photo(request: Request, person: Worker, number: Number, parts: Parts) -> Response:
        wanted, known = ([Box(**one.model_dump()) for one in some] for some in (parts.boxes, parts.known))
        done = await photos.black_out(person, number, wanted, known, correlation=request.state.correlation)
        return json_response(photo_json(done))

    @api.post("/photos/{number}/release", summary="Let everybody see a photo that somebody has looked at")
    async def release_photo(request: Request, person: Worker, number: Number) -> Response:
        return json_response(photo_json(await photos.release(person, number, correlation=request.state.correlation)))

    @api.post("/photos/{number}/withdraw", summary="Let only those who work on the incident see it again")
    async def withdraw_photo(request: Request, person: Worker, number: Number) -> Response:
        return json_response(photo_json(await photos.withdraw(person, number, correlation=request.state.correlation)))

    @api.delete("/photos/{number}", status_code=204, summary="Destroy a photo")
    async def remove_photo(request: Request, person: Worker, number: Number) -> Response:
        await photos.remove(person, number, correlation=request.state.correlation)
        return Response(status_code=204)

    return api
