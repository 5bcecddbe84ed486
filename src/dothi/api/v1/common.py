"""What the parts of API v1 share: paging, parsing of places, times and filters, and how a door is declared."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, cast

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field

from dothi.access.policy import Person
from dothi.access.routes import requires
from dothi.data.predicate import Compare, Exists, Operator, Path, Predicate, both
from dothi.data.terms import Terms
from dothi.model.problem import bad_request

Limit = Annotated[int, Query(ge=1, le=1000, description="How many at most.")]
BigLimit = Annotated[int, Query(ge=1, le=5000, description="How many at most.")]
Offset = Annotated[int, Query(ge=0, le=10_000_000, description="How many to pass over.")]
Text = Annotated[str | None, Query(max_length=200)]

PROBLEM = {"content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}}
PROBLEMS: dict[int | str, dict[str, Any]] = {
    "4XX": {"description": "What is wrong with the request, and what to do (RFC 9457).", **PROBLEM},
    "5XX": {"description": "What failed here, and when to try again (RFC 9457).", **PROBLEM},
}

CityReader = Annotated[Person, Depends(requires("city.read"))]
CityWriter = Annotated[Person, Depends(requires("city.write"))]
EntityReader = Annotated[Person, Depends(requires("entity.read"))]
HistoryReader = Annotated[Person, Depends(requires("history.read"))]
DeviceReader = Annotated[Person, Depends(requires("device.read"))]
DeviceWriter = Annotated[Person, Depends(requires("device.write"))]
QuarantineReader = Annotated[Person, Depends(requires("quarantine.read"))]
QuarantineWriter = Annotated[Person, Depends(requires("quarantine.write"))]
SqlAsker = Annotated[Person, Depends(requires("sql.ask"))]
OperationsReader = Annotated[Person, Depends(requires("operations.read"))]
OperationsWriter = Annotated[Person, Depends(requires("operations.write"))]
RunReader = Annotated[Person, Depends(requires("run.read"))]
RunStarter = Annotated[Person, Depends(requires("run.start"))]
RunCanceller = Annotated[Person, Depends(requires("run.cancel"))]


class Words(BaseModel):
    """The same in both languages."""

    model_config = ConfigDict(extra="forbid")
    vi: str = Field(max_length=5_000)
    en: str = Field(max_length=5_000)


def new_router(tag: str) -> APIRouter:
    """A router for one part of ``/api/v1``."""
    return APIRouter(prefix="/api/v1", tags=[tag], responses=PROBLEMS)


def paged(items: list[Any], total: int | None, limit: int, offset: int) -> Mapping[str, Any]:
    """One page of a list: ``total`` is how many there are altogether, when it was counted."""
    page: dict[str, Any] = {"items": items, "limit": limit, "offset": offset}
    if total is not None:
        page["total"] = total
    return page


def parse_box(text: str | None) -> tuple[float, float, float, float] | None:
    """``west,south,east,north`` in EPSG:4326. Raises Problem 400."""
    if text is None:
        return None
    west, south, east, north = _numbers(text, 4, "bbox", "bbox=105.2,20.5,106.1,21.4 (west,south,east,north)")
    if not (-180 <= west <= east <= 180 and -90 <= south <= north <= 90):
        raise bad_request("bbox is not a box on the earth.", "Write west,south,east,north in degrees, the smaller first.")
    return west, south, east, north


def parse_near(text: str | None) -> tuple[float, float, float] | None:
    """``longitude,latitude,metres``. Raises Problem 400."""
    if text is None:
        return None
    longitude, latitude, metres = _numbers(text, 3, "near", "near=105.85,21.03,2000 (longitude,latitude,metres)")
    if not (-180 <= longitude <= 180 and -90 <= latitude <= 90 and 0 < metres <= 100_000):
        raise bad_request("near is not a place on the earth.", "Write longitude,latitude,metres; at most 100,000 metres.")
    return longitude, latitude, metres


_FILTER = re.compile(r"\s*([^\s=!<>]{1,200}?)\s*(==|!=|<=|>=|<|>)\s*(.{1,200})", re.DOTALL)
_NAME = re.compile(r"[^\s=!<>]{1,200}")


def parse_filters(texts: list[str], terms: Terms) -> Predicate | None:
    """All of them: ``pm25>35`` compares, a bare ``pm25`` asks that the attribute exists. Raises Problem 400."""
    return both(*(_filter(text, terms) for text in texts))


def _filter(text: str, terms: Terms) -> Predicate:
    if _NAME.fullmatch(text.strip()):
        return Exists(Path(terms.expand(text.strip())))
    found = _FILTER.fullmatch(text)
    if found is None:
        raise bad_request(f"The filter {text[:80]!r} cannot be read.", "Write name, operator, value: pm25>35.")
    name, operator, value = found.groups()
    return Compare(Path(terms.expand(name)), cast(Operator, operator), (_value(value.strip()),))


def _value(text: str) -> float | str | bool:
    if text in ("true", "false"):
        return text == "true"
    if len(text) >= 2 and text[0] == text[-1] == '"':
        return text[1:-1]
    try:
        number = float(text)
    except ValueError:
        return text
    return number if abs(number) < float("inf") else text


def aware(moment: datetime | None, name: str) -> datetime | None:
    """``moment`` in UTC, if it says where it counts from. Raises Problem 400 for a naive time, and for one of no year."""
    if moment is None:
        return None
    if moment.tzinfo is None:
        raise bad_request(f"{name} has no offset.", "Write 2026-05-14T11:00:00+07:00 or …Z.")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise bad_request(f"{name} is no moment of our calendar.", "Give a year from 1 to 9999.") from None


def _numbers(text: str, count: int, name: str, example: str) -> list[float]:
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != count or not all(abs(number) < float("inf") for number in numbers):
        raise bad_request(f"{name} cannot be read.", f"Write it like {example}.")
    return numbers
