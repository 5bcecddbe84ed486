"""Personal data for programs: what it is kept for, of whom, sealed and opened with a reason, forgotten for good."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from dothi.access.personal import reading
from dothi.access.personal.breach import Affected
from dothi.access.personal.export import whole
from dothi.access.personal.model import Entry, Purpose, Record, Subject
from dothi.access.policy import Person
from dothi.access.routes import requires
from dothi.api.encoding import instant, json_response
from dothi.api.v1.common import Limit, Offset, aware, new_router, paged
from dothi.model.clock import SystemClock, to_micros
from dothi.model.problem import bad_request
from dothi.model.text import Text
from dothi.platform.platform import Platform

Reader = Annotated[Person, Depends(requires("personal.read"))]
Keeper = Annotated[Person, Depends(requires("personal.write"))]
Looker = Annotated[Person, Depends(requires("personal.look"))]
Eraser = Annotated[Person, Depends(requires("personal.erase"))]
Teller = Annotated[Person, Depends(requires("personal.breach"))]
Id = Annotated[str, Path(min_length=2, max_length=64, pattern=r"^[a-z0-9-]{2,64}$")]


class NewPurpose(BaseModel):
    """What personal data is kept for."""

    model_config = ConfigDict(extra="forbid")
    title: str = Field(min_length=1, max_length=200, description="In Vietnamese.")
    titleEn: str = Field("", max_length=200)  # noqa: N815 - the API's spelling
    why: str = Field(min_length=1, max_length=2000, description="What the data is needed for, in Vietnamese.")
    whyEn: str = Field("", max_length=2000)  # noqa: N815 - the API's spelling
    basis: Literal["consent", "law"]
    law: str = Field("", max_length=500, description="The act and article, where the basis is law.")
    keepDays: int = Field(ge=1, le=36_500)  # noqa: N815 - the API's spelling
    agency: str | None = Field(None, max_length=200, description="Who answers for it.")


class NewSubject(BaseModel):
    """Somebody of whom something is to be kept."""

    model_config = ConfigDict(extra="forbid")
    account: str | None = Field(None, pattern=r"^[A-Za-z0-9-]{1,64}$", description="Their account here, if they have one.")


class NewConsent(BaseModel):
    """What a subject agreed to, in the words they were asked with."""

    model_config = ConfigDict(extra="forbid")
    purpose: str = Field(max_length=64)
    words: str = Field(min_length=10, max_length=5000)


class NewRecord(BaseModel):
    """A value to seal."""

    model_config = ConfigDict(extra="forbid")
    purpose: str = Field(max_length=64)
    kind: str = Field(max_length=40)
    value: Any = None


class Correction(BaseModel):
    """The right value."""

    model_config = ConfigDict(extra="forbid")
    value: Any = None


class Reason(BaseModel):
    """Why this is needed; it is kept in the log."""

    model_config = ConfigDict(extra="forbid")
    reason: str = Field(max_length=2000, description="At least ten letters.")


class Token(Reason):
    """A sealed value to open."""

    token: str = Field(max_length=100_000)


def router(platform: Platform) -> APIRouter:
    """``/api/v1/personal``."""
    api = new_router("personal")
    personal = platform.personal

    @api.get("/personal/purposes", summary="What personal data is kept for, and how much of it")
    async def get_purposes(person: Reader) -> Response:
        now = to_micros(SystemClock().now())
        rows = [entry_json(one) for one in await personal.read(lambda db: reading.register(db, person, now))]
        return json_response(paged(rows, len(rows), len(rows), 0))

    @api.put("/personal/purposes/{purpose}", summary="Say what personal data is kept for")
    async def put_purpose(person: Keeper, request: Request, purpose: Id, wanted: NewPurpose) -> Response:
        title, why = Text(wanted.title, wanted.titleEn), Text(wanted.why, wanted.whyEn)
        one = Purpose(purpose, title, why, wanted.basis, wanted.keepDays, wanted.law, wanted.agency)
        kept = await personal.declare(person, one, correlation=request.state.correlation)
        return json_response(purpose_json(kept))

    @api.get("/personal/subjects", summary="Of whom something is kept: ids, never names")
    async def get_subjects(
        person: Reader,
        q: Annotated[str, Query(max_length=64, description="Part of an id.")] = "",
        limit: Limit = 50,
        offset: Offset = 0,
    ) -> Response:
        found, total = await personal.read(lambda db: reading.subjects(db, person, q, limit, offset))
        return json_response(paged([subject_json(one) for one in found], total, limit, offset))

    @api.post("/personal/subjects", status_code=201, summary="A new subject, by a random id")
    async def add_subject(person: Keeper, request: Request, wanted: NewSubject) -> Response:
        subject = await personal.enrol(person, wanted.account, correlation=request.state.correlation)
        return json_response({"id": subject}, 201, {"Location": f"/api/v1/personal/subjects/{subject}"})

    @api.get("/personal/subjects/{subject}", summary="What is kept of a subject, without the values")
    async def get_subject(person: Reader, subject: Id) -> Response:
        found = await personal.subject(person, subject)
        records = await personal.read(lambda db: reading.records(db, subject))
        return json_response(subject_json(found) | {"list": [record_json(one) for one in records]})

    @api.post("/personal/subjects/{subject}/consents", status_code=201, summary="Write down a consent")
    async def add_consent(person: Keeper, request: Request, subject: Id, given: NewConsent) -> Response:
        await personal.consent(person, subject, given.purpose, given.words, correlation=request.state.correlation)
        return json_response({"subject": subject, "purpose": given.purpose}, 201)

    @api.post(
        "/personal/subjects/{subject}/consents/{purpose}/withdraw", summary="Take a consent back; what it kept is destroyed"
    )
    async def withdraw_consent(person: Keeper, request: Request, subject: Id, purpose: Id) -> Response:
        count = await personal.withdraw(person, subject, purpose, correlation=request.state.correlation)
        return json_response({"destroyed": count})

    @api.post("/personal/subjects/{subject}/records", status_code=201, summary="Seal a value; its token may travel")
    async def add_record(person: Keeper, request: Request, subject: Id, given: NewRecord) -> Response:
        sealed = await personal.seal(
            person, subject, given.purpose, given.kind, given.value, correlation=request.state.correlation
        )
        return json_response({"id": sealed.record, "token": sealed.token, "until": instant(sealed.until)}, 201)

    @api.post("/personal/records/{record}/correct", summary="Put the right value in a record's place")
    async def correct_record(person: Keeper, request: Request, record: Id, right: Correction) -> Response:
        sealed = await personal.correct(person, record, right.value, correlation=request.state.correlation)
        return json_response({"id": sealed.record, "token": sealed.token, "until": instant(sealed.until)})

    @api.post("/personal/records/{record}/delete", summary="Destroy one record")
    async def delete_record(person: Eraser, request: Request, record: Id) -> Response:
        await personal.delete(person, record, correlation=request.state.correlation)
        return json_response({"id": record})

    @api.post("/personal/open", summary="The value of a token, with a reason")
    async def open_token(person: Looker, request: Request, wanted: Token) -> Response:
        value = await personal.open(person, wanted.token, wanted.reason, correlation=request.state.correlation)
        return json_response({"value": value}, headers=_PRIVATE)

    @api.post("/personal/subjects/{subject}/look", summary="Everything kept of a subject, values included, with a reason")
    async def look_at(person: Looker, request: Request, subject: Id, why: Reason) -> Response:
        told = await whole(personal, person, subject, why.reason, correlation=request.state.correlation)
        return json_response(told, headers=_PRIVATE)

    @api.post("/personal/subjects/{subject}/erase", summary="Forget a subject for good, in every copy")
    async def erase(person: Eraser, request: Request, subject: Id, why: Reason) -> Response:
        await personal.erase(person, subject, why.reason, correlation=request.state.correlation)
        return json_response({"id": subject, "state": "erased"})

    @api.get("/personal/breach", summary="Who is affected by a breach, with what, since when")
    async def get_affected(
        person: Teller,
        request: Request,
        since: Annotated[datetime, Query(description="When it may have begun.")],
        until: Annotated[datetime | None, Query(description="When it ended; now if left out.")] = None,
        by: Annotated[
            str | None, Query(pattern=r"^[A-Za-z0-9-]{1,64}$", description="Only what this account looked at.")
        ] = None,
        found: Annotated[datetime | None, Query(description="When somebody first knew of it; now if left out.")] = None,
    ) -> Response:
        now = SystemClock().now()
        start, end = aware(since, "since"), aware(until, "until") or now
        if start is None:
            raise bad_request("since is missing.", "Say when it may have begun.")
        rows, told_by = await personal.affected(
            person, start, end, by, aware(found, "found"), correlation=request.state.correlation
        )
        told = {"since": instant(start), "until": instant(end), "tellBy": instant(told_by)}
        return json_response(told | {"count": len(rows), "items": [affected_json(one) for one in rows]})

    return api


_PRIVATE = {"Cache-Control": "no-store"}


def purpose_json(one: Purpose) -> dict[str, Any]:
    """A purpose as the API shows it."""
    return {
        "id": one.id,
        "title": {"vi": one.title.vi, "en": one.title.en},
        "why": {"vi": one.why.vi, "en": one.why.en},
        "basis": one.basis,
        "law": one.law or None,
        "keepDays": one.keep_days,
        "agency": one.agency,
    }


def entry_json(one: Entry) -> dict[str, Any]:
    """A purpose with what is kept for it."""
    counts = {"subjects": one.subjects, "records": one.records, "sensitive": one.sensitive, "consents": one.consents}
    return purpose_json(one.purpose) | counts | {"nextEnd": instant(one.next_end)}


def subject_json(one: Subject) -> dict[str, Any]:
    """A subject, by ids only."""
    return {
        "id": one.id,
        "account": one.account,
        "state": one.state,
        "createdAt": instant(one.created_at),
        "erasedAt": instant(one.erased_at),
        "records": one.records,
    }


def record_json(one: Record) -> dict[str, Any]:
    """A record without its value."""
    return {
        "id": one.id,
        "purpose": one.purpose,
        "kind": one.kind,
        "createdBy": one.created_by,
        "createdAt": instant(one.created_at),
        "until": instant(one.until),
        "endedAt": instant(one.ended_at),
        "ended": one.ended or None,
    }


def affected_json(one: Affected) -> dict[str, Any]:
    """A subject that a breach affects."""
    return {
        "subject": one.subject,
        "account": one.account,
        "state": one.state,
        "kinds": list(one.kinds),
        "sensitive": one.sensitive,
        "purposes": list(one.purposes),
        "records": one.records,
        "since": instant(one.since),
        "looks": one.looks,
        "lastLook": instant(one.last_look),
    }
