"""Incidents for programs: what there is to do, what was done, and every act that people have, with the same rules."""

from datetime import datetime
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from dothi.access.policy import Person
from dothi.access.problems import problem_json
from dothi.access.routes import requires
from dothi.api.encoding import instant, json_response
from dothi.api.v1.common import Limit, Offset, aware, new_router, paged, parse_near
from dothi.api.v1.incidents_json import entry_json, incident_json, likely_json, load_json, months_json
from dothi.model.problem import bad_request
from dothi.model.promise import Origin, Urgency
from dothi.model.text import Text
from dothi.platform.incidents.acts import AnyAct
from dothi.platform.incidents.model import WORKED, ChangedMeanwhile, Draft, LinkKind, Near, Order, Question, State
from dothi.platform.platform import Platform

Reader = Annotated[Person, Depends(requires("incident.read"))]
Worker = Annotated[Person, Depends(requires("incident.write"))]
OWN_CAUSES = ("alert-group:", "report:")  # by which the city knows what it opened itself
CODE = r"^SV-\d{4}-\d{4,9}$"
Code = Annotated[str, Path(max_length=20, pattern=CODE, description="An incident's code: SV-2611-0417.")]
_Name = Annotated[str, Query(max_length=100)]


class NewIncident(BaseModel):
    """What is wrong. What is left out follows from its kind and place."""

    model_config = ConfigDict(extra="forbid")
    kind: str = Field(max_length=100, description="As /api/v1/incident-kinds lists them.")
    title: str = Field("", max_length=200)
    titleEn: str = Field("", max_length=200)  # noqa: N815 - the API's spelling
    text: str = Field("", max_length=5000)
    longitude: float | None = Field(None, ge=-180, le=180, allow_inf_nan=False)
    latitude: float | None = Field(None, ge=-90, le=90, allow_inf_nan=False)
    address: str = Field("", max_length=200)
    ward: str = Field("", max_length=20, description="A ward's code.")
    agency: str = Field("", max_length=100, description="An agency's id.")
    severity: int | None = Field(None, ge=1, le=4)
    urgency: Urgency | None = None
    detectedFrom: datetime | None = Field(None, description="When the trouble began.")  # noqa: N815 - the API's spelling
    cause: str = Field("", max_length=200, description="Sent again with the same cause, it opens nothing new.")


class Doing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An act, and the version of the incident that was looked at; acts that do not collide do without. Sent again with the
    same ``once``, it is not done again.
    """

    act: AnyAct
    version: int = 0
    once: str = ""


def _doing_schema() -> dict[str, Any]:
    """The schema of ``Doing`` with every act written out."""
    (_, parts) = msgspec.json.schema_components([Doing], ref_template="#/$defs/{name}")
    doing: dict[str, Any] = parts["Doing"]
    tags = {name: part for name, part in parts.items() if name != "Doing"}
    doing["properties"]["act"] = {"oneOf": [tags[name] for name in sorted(tags)]}
    return doing


def router(platform: Platform) -> APIRouter:
    """``/api/v1/incidents`` and what they are sorted by."""
    api = new_router("incidents")
    incidents = platform.incidents

    @api.get("/incident-load", summary="What each ward and agency has to do, what is late, how long it takes")
    def get_incident_load(person: Reader) -> Response:
        rows = [load_json(one) for one in incidents.load(person)]
        return json_response(paged(rows, len(rows), len(rows), 0))

    @api.get("/incident-months", summary="What the last twelve months brought, and where it comes back")
    def get_incident_months(person: Reader, kind: _Name = "", ward: _Name = "") -> Response:
        return json_response(months_json(incidents.months(person, kind, ward)))

    @api.get("/incidents", summary="Incidents, those with the least time left first")
    def get_incidents(
        person: Reader,
        state: Annotated[list[State] | None, Query(description="Those that are worked on, if left out.")] = None,
        ward: _Name = "",
        agency: _Name = "",
        assignee: _Name = "",
        kind: _Name = "",
        origin: Origin | None = None,
        severity: Annotated[int, Query(ge=1, le=4, description="At least.")] = 1,
        urgency: Urgency | None = None,
        overdue: bool = False,
        near: Annotated[str | None, Query(max_length=100, description="longitude,latitude,metres")] = None,
        linkKind: LinkKind | None = None,  # noqa: N803 - the API's spelling
        link: _Name = "",
        q: Annotated[str, Query(max_length=200, description="Words, accents do not matter.")] = "",
        since: Annotated[datetime | None, Query(description="Opened at or after.")] = None,
        order: Order = "left",
        limit: Limit = 50,
        offset: Offset = 0,
    ) -> Response:
        place = parse_near(near)
        question = Question(
            states=tuple(state) if state else WORKED,
            ward=ward,
            agency=agency,
            assignee=assignee,
            kind=kind,
            origin=origin,
            severity=severity,
            urgency=urgency,
            overdue=overdue,
            near=Near(*place) if place else None,
            linked=(linkKind, link) if linkKind else None,
            text=q,
            since=aware(since, "since"),
            order=order,
            limit=limit,
            offset=offset,
        )
        found = incidents.find(person, question)
        page = paged([incident_json(one) for one in found.incidents], found.total, limit, offset)
        return json_response(dict(page) | {"overdue": found.overdue, "states": found.states})

    @api.post("/incidents", status_code=201, summary="Open an incident")
    async def open_incident(request: Request, person: Worker, asked: NewIncident) -> Response:
        if asked.cause.startswith(OWN_CAUSES):
            raise bad_request("Such a cause is the city's own.", "Begin it with the name of your system.")
        draft = Draft(
            kind=asked.kind,
            title=Text(asked.title, asked.titleEn or asked.title) if asked.title else None,
            text=asked.text,
            longitude=asked.longitude,
            latitude=asked.latitude,
            address=asked.address,
            ward=asked.ward,
            agency=asked.agency,
            severity=asked.severity,
            urgency=asked.urgency,
            detected_from=aware(asked.detectedFrom, "detectedFrom"),
        )
        opened = await incidents.open(person, draft, cause=asked.cause, correlation=request.state.correlation)
        return json_response(incident_json(opened), 201, {"Location": f"/api/v1/incidents/{opened.code}"})

    @api.get("/incidents/{code}", summary="One incident, with its links and what may be done to it")
    def get_incident(person: Reader, code: Code) -> Response:
        found = incidents.get(person, code)
        links = [
            {"kind": one.kind, "ref": one.ref, "at": instant(one.at), "first": one.first}
            for one in incidents.links(person, code)
        ]
        return json_response(incident_json(found) | {"links": links, "possible": incidents.possible(person, found)})

    @api.get("/incidents/{code}/timeline", summary="Everything that happened to an incident, oldest first")
    def get_incident_timeline(person: Reader, code: Code) -> Response:
        rows = [entry_json(one) for one in incidents.timeline(person, code)]
        return json_response(paged(rows, len(rows), len(rows), 0))

    @api.get("/incidents/{code}/duplicates", summary="What may be the same trouble, the likeliest first")
    def get_incident_duplicates(person: Reader, code: Code) -> Response:
        rows = [likely_json(one) for one in incidents.duplicates(person, incidents.get(person, code))]
        return json_response(paged(rows, len(rows), len(rows), 0))

    body = {"required": True, "content": {"application/json": {"schema": _doing_schema()}}}

    @api.post(
        "/incidents/{code}/acts",
        summary="Do something to an incident; 409 with what is different now if somebody changed it meanwhile",
        openapi_extra={"requestBody": body},
    )
    async def do_to_incident(request: Request, person: Worker, code: Code) -> Response:
        try:
            doing = msgspec.json.decode(await request.body(), type=Doing)
        except msgspec.DecodeError as error:
            raise bad_request(f"This act cannot be read: {error}.", "/docs lists the acts and what each needs.") from error
        correlation = request.state.correlation
        try:
            done = await incidents.act(
                person, code, doing.act, version=doing.version, once=doing.once, correlation=correlation
            )
        except ChangedMeanwhile as problem:
            request.state.problem = problem.code
            differences = [
                {"field": one.field, "before": one.before, "after": one.after, "person": one.person, "at": instant(one.at)}
                for one in problem.differences
            ]
            return problem_json(request, problem, now=incident_json(problem.now), differences=differences)
        return json_response(incident_json(done))

    return api
