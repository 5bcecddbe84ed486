"""Kinds of incidents for programs: what there are, and what the city adds and changes itself, by the rules of its page."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from dothi.access.policy import Person
from dothi.access.routes import requires
from dothi.api.encoding import json_response
from dothi.api.v1.common import CityWriter, Words, new_router, paged
from dothi.api.v1.incidents_json import kind_json
from dothi.model.problem import not_found
from dothi.model.promise import Urgency
from dothi.model.text import Text
from dothi.platform.incidents.catalogue import NO_HINT, Wanted
from dothi.platform.platform import Platform

Reader = Annotated[Person, Depends(requires("incident.read"))]
KindId = Annotated[
    str, Path(pattern=r"^[a-z0-9][a-z0-9._-]{0,99}$", description="A kind's id, as /api/v1/incident-kinds lists them.")
]
Looked = Annotated[int, Field(ge=0, lt=2**31, description="The version that was looked at; 409 if there is a newer one.")]


class _Kind(BaseModel):
    """What a kind of the city's own is to be."""

    model_config = ConfigDict(extra="forbid")
    title: Words
    hint: Words | None = Field(None, description="What people read who report: in both languages, or none.")
    agency: str = Field("", max_length=100, description="Who owns what is of it; the ward it lies in, if left out.")
    severity: int = Field(2, ge=1, le=4)
    urgency: Urgency = "normal"
    proof: bool = Field(True, description="An answer needs a photo.")
    citizens: bool = Field(False, description="People may report it.")
    retired: bool = Field(False, description="Nothing new is of it.")

    @property
    def wanted(self) -> Wanted:
        """The same, as the catalogue takes it."""
        hint = NO_HINT if self.hint is None else Text(self.hint.vi, self.hint.en)
        title = Text(self.title.vi, self.title.en)
        return Wanted(title, hint, self.agency, self.severity, self.urgency, self.proof, self.citizens, self.retired)


class NewKind(_Kind):
    """A kind, and the short name its id is made of; without one it is made of its title."""

    name: str = Field("", max_length=60)


class ChangedKind(_Kind):
    """A kind as it is to be from now on."""

    version: Looked


class OfferedKind(BaseModel):
    """Whether people may report a kind that a sector brings."""

    model_config = ConfigDict(extra="forbid")
    citizens: bool
    version: Looked


def router(platform: Platform) -> APIRouter:
    """``/api/v1/incident-kinds``."""
    api = new_router("incidents")
    catalogue, playbooks = platform.incidents.catalogue, platform.incidents.playbooks

    def shown() -> dict[str, dict[str, Any]]:
        written = {one.id: one.number for one in catalogue.versions()}
        return {
            one.id: kind_json(one, playbooks.get(one.playbook)) | {"version": written.get(one.id, 0)}
            for one in catalogue.all.values()
        }

    @api.get("/incident-kinds", summary="What kinds of incidents there are, who owns them, and their playbooks")
    def get_incident_kinds(_: Reader) -> Response:
        rows = list(shown().values())
        return json_response(paged(rows, len(rows), len(rows), 0))

    @api.get("/incident-kinds/{kind}", summary="One kind of incidents; version counts what was written of it here")
    def get_incident_kind(_: Reader, kind: KindId) -> Response:
        found = shown().get(kind)
        if found is None:
            raise not_found("kind of incidents", kind)
        return json_response(found)

    @api.post("/incident-kinds", status_code=201, summary="Make a kind of the city's own")
    async def make_incident_kind(request: Request, person: CityWriter, asked: NewKind) -> Response:
        made = await catalogue.add(person, asked.name, asked.wanted, correlation=request.state.correlation)
        return json_response(shown()[made.id], 201, {"Location": f"/api/v1/incident-kinds/{made.id}"})

    @api.put("/incident-kinds/{kind}", summary="Change a kind of the city's own; what is of it stays of it")
    async def change_incident_kind(request: Request, person: CityWriter, kind: KindId, asked: ChangedKind) -> Response:
        await catalogue.change(person, kind, asked.version, asked.wanted, correlation=request.state.correlation)
        return json_response(shown()[kind])

    @api.patch("/incident-kinds/{kind}", summary="Say whether people may report a kind that a sector brings")
    async def offer_incident_kind(request: Request, person: CityWriter, kind: KindId, asked: OfferedKind) -> Response:
        await catalogue.offer(person, kind, asked.version, asked.citizens, correlation=request.state.correlation)
        return json_response(shown()[kind])

    return api
