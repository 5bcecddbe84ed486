"""The things of the city, as they are now and as they were."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from starlette.responses import Response

from dothi.api.encoding import GRADES, ORIGINS, entity_json, instant, json_response, reasons_of
from dothi.api.v1.common import (
    BigLimit,
    EntityReader,
    HistoryReader,
    Offset,
    aware,
    new_router,
    paged,
    parse_box,
    parse_filters,
    parse_near,
)
from dothi.data.context import EntityQuery, EntityTable
from dothi.data.history import SeriesRows
from dothi.data.terms import Terms
from dothi.model.moment import Knowledge, past_moment
from dothi.model.problem import bad_request, not_found
from dothi.model.reading import Grade, Origin
from dothi.platform.platform import Platform
from dothi.ui.tables import csv_response

_DAY = timedelta(hours=24)
_TICK = timedelta(microseconds=1)  # the end of a period is not part of it, the present moment is
_LONGEST = timedelta(days=3660)
_FIRST = datetime(2, 1, 1, tzinfo=UTC)  # a day earlier is a day of the calendar too
_KNOWN = "now: with every correction since; then: only what had been heard by that moment, for a history by its end."


def router(platform: Platform) -> APIRouter:
    """``/api/v1/entities``, one entity, and its history."""
    api = new_router("entities")
    terms = Terms(platform.types)

    @api.get("/entities", summary="Things by type, id, attribute, place or ward")
    def get_entities(
        person: EntityReader,
        kind: Annotated[str | None, Query(alias="type", max_length=300, description="Short name or IRI.")] = None,
        identifier: Annotated[list[str] | None, Query(alias="id", max_length=1000, description="One id or several.")] = None,
        q: Annotated[
            list[str] | None, Query(max_length=20, description="pm25>35; a bare name: the attribute exists.")
        ] = None,
        bbox: Annotated[str | None, Query(max_length=200, description="west,south,east,north")] = None,
        near: Annotated[str | None, Query(max_length=200, description="longitude,latitude,metres")] = None,
        ward: Annotated[str | None, Query(max_length=20, description="A ward's code.")] = None,
        attribute: Annotated[list[str] | None, Query(max_length=100, description="Only these attributes.")] = None,
        limit: BigLimit = 100,
        offset: Offset = 0,
        count: Annotated[bool, Query(description="Also say how many there are.")] = False,
        layout: Annotated[
            Literal["json", "columns"],
            Query(alias="format", description="columns: fast, for maps and figures; only the attributes named."),
        ] = "json",
        at: Annotated[
            datetime | None,
            Query(description="A past moment, with an offset or Z: the values of then, with format=columns."),
        ] = None,
        known: Annotated[Knowledge, Query(description=_KNOWN)] = "now",
    ) -> Response:
        iri = terms.expand(kind) if kind else None
        query = EntityQuery(
            type=iri,
            ids=tuple(identifier or ()),
            where=parse_filters(q or [], terms),
            bbox=parse_box(bbox),
            near=parse_near(near),
            ward=ward,
            limit=limit,
            offset=offset,
            attributes=tuple(terms.expand(name) for name in attribute) if attribute else None,
        )
        if at is not None:
            if layout != "columns" or q or bbox or near or not query.attributes:
                raise bad_request(
                    "The past is answered in columns.",
                    "Give format=columns and attribute with at; narrow it by type, id and ward only.",
                )
            moment = past_moment(at, known, platform.clock.now())
            found_then = platform.history.at(
                person, moment, type=iri, urns=query.ids or None, ward=ward, attributes=query.attributes
            )
            return json_response(columns_of(page_of(found_then, limit, offset, count=count), terms))
        if layout == "columns":
            return json_response(columns_of(platform.context.table(person, query, count=count), terms))
        found = platform.context.query(person, query, count=count)
        return json_response(paged([entity_json(one, terms) for one in found.entities], found.total, limit, offset))

    @api.get("/entities/{urn}", summary="One thing")
    def get_entity(person: EntityReader, urn: str) -> Response:
        entity = platform.context.get(person, urn)
        if entity is None:
            raise not_found("entity", urn)
        return json_response(entity_json(entity, terms))

    @api.get(
        "/entities/{urn}/history",
        summary="The readings of one attribute, the last 24 hours unless asked otherwise",
        responses={200: {"content": {"text/csv": {}}}},
    )
    def get_history(
        person: HistoryReader,
        urn: str,
        attribute: Annotated[str, Query(max_length=300, description="Short name or IRI.")],
        start: Annotated[datetime | None, Query(alias="from", description="With an offset or Z.")] = None,
        end: Annotated[datetime | None, Query(alias="to", description="With an offset or Z.")] = None,
        dataset: Annotated[str | None, Query(max_length=300)] = None,
        limit: Annotated[int, Query(ge=1, le=100_000)] = 10_000,
        layout: Annotated[Literal["json", "csv"], Query(alias="format")] = "json",
        known: Annotated[Knowledge, Query(description=_KNOWN)] = "now",
    ) -> Response:
        until = aware(end, "to") or platform.clock.now() + _TICK
        since = aware(start, "from") or max(until, _FIRST) - _DAY
        if not timedelta(0) <= until - since <= _LONGEST:
            raise bad_request(
                "from and to are the wrong way round or too far apart.", "At most ten years, the earlier first."
            )
        if platform.context.get(person, urn) is None:
            raise not_found("entity", urn)
        iri = terms.expand(attribute)
        rows = platform.history.series(
            person, urn, iri, since, until, dataset_id=dataset, limit=limit, heard_by=until if known == "then" else None
        )
        if layout == "csv":
            name = f"{urn.rsplit(':', 1)[-1]}-{terms.compact(iri).rsplit('/', 1)[-1]}"
            return csv_response(name, ("observedAt", "value", "grade", "reasons", "origin", "revision"), lines_of(rows))
        return json_response(
            {
                "entity": urn,
                "attribute": terms.compact(iri),
                "unit": _unit(platform, iri),
                "from": instant(since),
                "to": instant(until),
                "observedAt": [instant(at) for at in rows.observed_at],
                "values": rows.values,
                "grades": [GRADES[Grade(grade)] for grade in rows.grades],
                "reasons": [reasons_of(reasons) for reasons in rows.reasons],
                "origins": [ORIGINS[Origin(origin)] for origin in rows.origins],
                "revisions": rows.revisions,
            }
        )

    return api


def page_of(table: EntityTable, limit: int, offset: int, *, count: bool) -> EntityTable:
    """Some rows of a table, with the number of all if that is asked for."""
    some = slice(offset, offset + limit)
    return EntityTable(
        table.ids[some],
        table.types[some],
        table.wards[some],
        table.points[some],
        {iri: column[some] for iri, column in table.values.items()},
        {iri: column[some] for iri, column in table.observed_at.items()},
        {iri: column[some] for iri, column in table.grades.items()},
        {iri: column[some] for iri, column in table.reasons.items()},
        len(table) if count else None,
    )


def columns_of(table: EntityTable, terms: Terms) -> dict[str, Any]:
    """A table of entities as JSON: columns of one length, those of an attribute under its short name."""
    short = {iri: terms.compact(iri) for iri in set(table.types)}
    answer: dict[str, Any] = {
        "id": table.ids,
        "type": [short[iri] for iri in table.types],
        "ward": table.wards,
        "point": table.points,
        "attributes": {
            terms.compact(iri): {
                "value": values,
                "observedAt": [instant(at) for at in table.observed_at[iri]],
                "grade": [None if grade is None else GRADES[grade] for grade in table.grades[iri]],
            }
            for iri, values in table.values.items()
        },
    }
    if table.total is not None:
        answer["total"] = table.total
    return answer


def lines_of(rows: SeriesRows) -> Iterator[tuple[Any, ...]]:
    """The series as lines of a table; times are RFC 3339 in UTC with Z."""
    columns = (rows.observed_at, rows.values, rows.grades, rows.reasons, rows.origins, rows.revisions)
    for at, value, grade, reasons, origin, revision in zip(*columns, strict=True):
        yield instant(at), value, GRADES[Grade(grade)], " ".join(reasons_of(reasons)), ORIGINS[Origin(origin)], revision


def _unit(platform: Platform, iri: str) -> Any:
    for one in platform.types.values():
        found = one.attribute(iri)
        if found is not None:
            return found.unit
    return None
