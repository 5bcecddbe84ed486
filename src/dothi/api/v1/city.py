"""The city itself: who it is, what time it is there, its wards, and what kinds of things it knows."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response

from dothi import __version__
from dothi.api.encoding import instant, json_response
from dothi.api.v1.common import CityReader, new_router, paged
from dothi.model.city import Ward
from dothi.model.problem import Problem
from dothi.model.schema import EntityType
from dothi.platform.platform import Platform


def router(platform: Platform) -> APIRouter:
    """``/api/v1/city``, ``/wards``, ``/wards/locate`` and ``/types``."""
    api = new_router("city")
    city = platform.city

    @api.get("/city", summary="The city, its clock and where its data comes from")
    async def get_city(_: CityReader) -> Response:
        west, south, east, north = city.bounds
        answer: dict[str, Any] = {
            "code": city.code,
            "id": city.slug,
            "tenant": platform.tenant,
            "name": {"vi": city.title.vi, "en": city.title.en},
            "time": instant(platform.clock.now()),
            "timeZone": "Asia/Ho_Chi_Minh",
            "bounds": [west, south, east, north],
            "wards": len(city.wards),
            "agencies": [
                {
                    "id": one.id,
                    "title": {"vi": one.title.vi, "en": one.title.en},
                    "duty": {"vi": one.duty.vi, "en": one.duty.en},
                }
                for one in city.agencies
            ],
            "sectors": [{"id": one.id, "title": {"vi": one.title.vi, "en": one.title.en}} for one in platform.sectors],
            "approximate": city.approximate,
            "simulated": platform.simulated,
            "replay": None,
            "drill": None,
            "attribution": [
                text for text in (city.source, platform.basemap.attribution if platform.basemap else "") if text
            ],
            "version": __version__,
        }
        if platform.replay is not None:
            replay = platform.replay
            answer["replay"] = {"start": instant(replay.start), "end": instant(replay.end), "speed": replay.speed}
            answer["drill"] = replay.drill or None
        return json_response(answer)

    @api.get("/wards", summary="Wards and communes; q searches names, blind to accents")
    async def get_wards(
        _: CityReader,
        q: Annotated[str | None, Query(max_length=100, description="Part of a name: 'dong da' finds Đống Đa.")] = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 200,
    ) -> Response:
        found = list(city.wards) if q is None else city.search(q, limit)
        return json_response(paged([ward_json(ward) for ward in found[:limit]], len(found), limit, 0))

    @api.get("/wards/locate", summary="The ward that covers a point (EPSG:4326)")
    async def locate_ward(
        _: CityReader,
        longitude: Annotated[float, Query(ge=-180, le=180, allow_inf_nan=False)],
        latitude: Annotated[float, Query(ge=-90, le=90, allow_inf_nan=False)],
    ) -> Response:
        ward = city.locate(longitude, latitude)
        if ward is None:
            raise Problem(404, "outside", "This point lies outside the city.", "The city's bounds are in /api/v1/city.")
        return json_response(ward_json(ward))

    @api.get("/types", summary="The kinds of things this city knows, with their attributes, units and bounds")
    async def get_types(_: CityReader) -> Response:
        return json_response({"items": [type_json(one) for one in platform.types.values()]})

    return api


def ward_json(ward: Ward) -> dict[str, Any]:
    """A ward as the API shows it; area in km², the point in EPSG:4326."""
    return {
        "code": ward.code,
        "name": ward.name,
        "fullName": ward.full_name,
        "nameEn": ward.name_en,
        "kind": ward.kind,
        "longitude": ward.longitude,
        "latitude": ward.latitude,
        "areaKm2": ward.area_km2,
        "population": ward.population,
    }


def type_json(one: EntityType) -> dict[str, Any]:
    """An entity type with its attributes; bounds are in the attribute's unit (UN/CEFACT code)."""
    return {
        "name": one.name,
        "iri": one.iri,
        "title": {"vi": one.title.vi, "en": one.title.en},
        "standard": one.standard,
        "attributes": [
            {
                "name": attribute.name,
                "iri": attribute.iri,
                "title": {"vi": attribute.title.vi, "en": attribute.title.en},
                "value": attribute.value,
                "unit": attribute.unit,
                "minimum": attribute.minimum,
                "maximum": attribute.maximum,
            }
            for attribute in one.attributes
        ],
    }
