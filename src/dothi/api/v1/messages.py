"""What the city tells everybody at the top of every page, for programs: a warning of a storm, works on the system."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from dothi.api.encoding import instant, json_response
from dothi.api.v1.common import CityWriter, Words, aware, new_router, paged
from dothi.api.v1.incidents_json import text_json
from dothi.model.text import Text
from dothi.platform.messages import Audience, Message
from dothi.platform.platform import Platform

Number = Annotated[int, Path(ge=1, lt=2**53, description="A message's number.")]


class NewMessage(BaseModel):
    """What to say, to whom, and when."""

    model_config = ConfigDict(extra="forbid")
    text: Words
    audience: Audience = "all"
    grave: bool = Field(False, description="Said as a warning.")
    start: datetime | None = Field(None, description="From when on; at once, if left out.")
    until: datetime | None = Field(None, description="Until when; until somebody ends it, if left out.")


def router(platform: Platform) -> APIRouter:
    """``/api/v1/messages``."""
    api = new_router("city")
    messages = platform.messages

    @api.get("/messages", summary="What is said or will be, and the newest of the past, the newest first")
    def get_messages(_: CityWriter) -> Response:
        rows = [message_json(one) for one in messages.every()]
        return json_response(paged(rows, len(rows), len(rows), 0))

    @api.post("/messages", status_code=201, summary="Say something at the top of every page")
    async def say_message(request: Request, person: CityWriter, asked: NewMessage) -> Response:
        said = await messages.say(
            person,
            Text(asked.text.vi, asked.text.en),
            asked.audience,
            grave=asked.grave,
            start=aware(asked.start, "start"),
            until=aware(asked.until, "until"),
            correlation=request.state.correlation,
        )
        return json_response(message_json(said), 201)

    @api.post("/messages/{number}/end", summary="Say a message no more")
    async def end_message(request: Request, person: CityWriter, number: Number) -> Response:
        ended = await messages.end(person, number, correlation=request.state.correlation)
        return json_response(message_json(ended))

    return api


def message_json(one: Message) -> dict[str, Any]:
    """A message as the API shows it; moments of the city's clock, in UTC."""
    return {
        "number": one.number,
        "text": text_json(one.text),
        "grave": one.grave,
        "audience": one.audience,
        "start": instant(one.start),
        "until": instant(one.until),
        "at": instant(one.at),
        "person": one.person,
    }
