"""How answers of the API are written: msgspec JSON, RFC 3339 times in UTC, and the units and grades in words."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
from starlette.responses import Response

from dothi.data.terms import Terms
from dothi.model.clock import from_micros
from dothi.model.entity import LOCATION, Attribute, Entity
from dothi.model.reading import Grade, Origin, Reason

GRADES = {grade: grade.name.lower() for grade in Grade}
ORIGINS = {origin: origin.name.lower() for origin in Origin}


def json_response(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """``value`` as application/json."""
    return Response(msgspec.json.encode(value), status, headers, media_type="application/json")


def instant(moment: datetime | int | None) -> str | None:
    """An aware datetime or µs UTC as RFC 3339 with Z; None stays None."""
    if moment is None:
        return None
    if isinstance(moment, int):
        moment = from_micros(moment)
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def reasons_of(reasons: int) -> list[str]:
    """The names of the reasons set in ``reasons``."""
    return [one.name.lower().replace("_", "-") for one in Reason(reasons) if one.name] if reasons else []


def entity_json(entity: Entity, terms: Terms) -> dict[str, Any]:
    """An entity as API v1 shows it: short names, each attribute with its value, unit, time, grade and origin.

    An attribute with several datasets becomes a list of instances.
    """
    attributes: dict[str, Any] = {}
    for iri, instances in entity.attributes.items():
        shown = [_instance(one) for one in instances]
        attributes[terms.compact(iri)] = shown[0] if len(shown) == 1 else shown
    answer: dict[str, Any] = {"id": entity.id, "type": terms.compact(entity.type), "attributes": attributes}
    if entity.ward is not None:
        answer["ward"] = entity.ward
    if entity.owner is not None:
        answer["owner"] = entity.owner
    place = entity.first(LOCATION)
    if place is not None:
        answer["location"] = place.value
    if entity.modified_at is not None:
        answer["modifiedAt"] = instant(entity.modified_at)
    return answer


def _instance(attribute: Attribute) -> dict[str, Any]:
    shown: dict[str, Any] = {"value": attribute.value}
    if attribute.unit is not None:
        shown["unit"] = attribute.unit
    if attribute.dataset_id is not None:
        shown["datasetId"] = attribute.dataset_id
    if attribute.observed_at is not None:
        shown["observedAt"] = attribute.observed_at  # msgspec writes aware UTC as RFC 3339 with Z
        shown["grade"] = GRADES[attribute.grade]
        shown["origin"] = ORIGINS[attribute.origin]
        if attribute.reasons:
            shown["reasons"] = reasons_of(attribute.reasons)
    return shown
