"""Commands to devices for programs: what can be told, what was, and every step people have, with the same rules."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from dothi.access.policy import Person
from dothi.access.routes import requires
from dothi.api.encoding import instant, json_response
from dothi.api.v1.common import Limit, Offset, new_router, paged
from dothi.platform.commands.kinds import CommandKind
from dothi.platform.commands.model import Command, State
from dothi.platform.platform import Platform

Reader = Annotated[Person, Depends(requires("command.read"))]
Proposer = Annotated[Person, Depends(requires("command.propose"))]
Approver = Annotated[Person, Depends(requires("command.approve"))]
Id = Annotated[str, Path(max_length=20, pattern=r"^L-\d{4}-\d{4,9}$", description="A command's id: L-2611-0001.")]


class Proposal(BaseModel):
    """What is to be told to the device of an entity, and why."""

    model_config = ConfigDict(extra="forbid")
    kind: str = Field(max_length=100, description="As /api/v1/command-kinds lists them.")
    entity: str = Field(max_length=500, description="The URN of the entity its device reports on.")
    parameters: dict[str, str | float] = Field(default_factory=dict)
    because: str = Field(min_length=1, max_length=500)
    incident: str = Field("", max_length=20, description="The incident it is for.")


class Refusal(BaseModel):
    """Why a proposal is not approved."""

    model_config = ConfigDict(extra="forbid")
    because: str = Field(min_length=1, max_length=500)


def router(platform: Platform) -> APIRouter:
    """``/api/v1/command-kinds`` and ``/api/v1/commands``."""
    api = new_router("commands")
    commands = platform.commands

    @api.get("/command-kinds", summary="What can be told to devices, what it does, and how it is verified")
    def get_command_kinds(_: Reader) -> Response:
        rows = [kind_json(one) for one in commands.kinds.values()]
        return json_response(paged(rows, len(rows), len(rows), 0))

    @api.get("/commands", summary="Commands, the newest first")
    def get_commands(
        person: Reader,
        state: State | None = None,
        entity: Annotated[str, Query(max_length=500)] = "",
        incident: Annotated[str, Query(max_length=20)] = "",
        limit: Limit = 50,
        offset: Offset = 0,
    ) -> Response:
        found, total = commands.find(person, state=state, entity=entity, incident=incident, limit=limit, offset=offset)
        return json_response(paged([command_json(one) for one in found], total, limit, offset))

    @api.get("/commands/{command}", summary="One command")
    def get_command(person: Reader, command: Id) -> Response:
        return json_response(command_json(commands.get(person, command)))

    @api.post("/commands", status_code=201, summary="Propose a command; nothing is sent before somebody approves it")
    async def propose(request: Request, person: Proposer, asked: Proposal) -> Response:
        made = await commands.propose(
            person,
            asked.kind,
            asked.entity,
            {name: str(value) for name, value in asked.parameters.items()},
            because=asked.because,
            incident=asked.incident,
            correlation=request.state.correlation,
        )
        return json_response(command_json(made), 201, {"Location": f"/api/v1/commands/{made.id}"})

    @api.post("/commands/{command}/approve", summary="Approve a proposal: it is sent at once")
    async def approve(request: Request, person: Approver, command: Id) -> Response:
        made = await commands.approve(person, command, correlation=request.state.correlation)
        return json_response(command_json(made))

    @api.post("/commands/{command}/refuse", summary="Refuse a proposal")
    async def refuse(request: Request, person: Approver, command: Id, asked: Refusal) -> Response:
        made = await commands.refuse(person, command, asked.because, correlation=request.state.correlation)
        return json_response(command_json(made))

    @api.post("/commands/{command}/withdraw", summary="Take one's own proposal back")
    async def withdraw(request: Request, person: Proposer, command: Id) -> Response:
        made = await commands.withdraw(person, command, correlation=request.state.correlation)
        return json_response(command_json(made))

    return api


def kind_json(kind: CommandKind) -> dict[str, Any]:
    """A kind of command as the API shows it; spans in seconds of the city's time."""
    return {
        "id": kind.id,
        "title": {"vi": kind.title.vi, "en": kind.title.en},
        "entityType": kind.entity_type,
        "consequence": {"vi": kind.consequence.vi, "en": kind.consequence.en},
        "parameters": [
            {
                "name": one.name,
                "title": {"vi": one.title.vi, "en": one.title.en},
                "choices": [value for value, _ in one.choices],
                **({} if one.choices else {"minimum": one.minimum, "maximum": one.maximum, "unit": one.unit}),
            }
            for one in kind.parameters
        ],
        "twoPeople": kind.two_people,
        "answerWithin": kind.answer_within.total_seconds(),
        "verifiedBy": kind.verification.attribute,
        "verifiedWithin": kind.verification.within.total_seconds(),
    }


def command_json(command: Command) -> dict[str, Any]:
    """A command as the API shows it; moments in UTC by the city's clock, null where they have not come."""
    return {
        "id": command.id,
        "kind": command.kind,
        "entity": command.entity,
        "device": command.device,
        "parameters": command.parameters,
        "state": command.state,
        "because": command.because,
        "incident": command.incident or None,
        "ward": command.ward,
        "proposedBy": command.proposed_by,
        "proposedAt": instant(command.proposed_at),
        "decidedBy": command.decided_by or None,
        "decidedAt": instant(command.decided_at),
        "sentAt": instant(command.sent_at),
        "acknowledgedAt": instant(command.acknowledged_at),
        "endedAt": instant(command.ended_at),
        "reason": command.reason or None,
        "value": command.value,
    }
