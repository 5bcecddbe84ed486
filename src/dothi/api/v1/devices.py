"""The registry of devices: which are known, how they are doing, and who waits to be admitted."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from dothi.api.encoding import instant, json_response
from dothi.api.v1.common import DeviceReader, DeviceWriter, Limit, Offset, new_router, paged
from dothi.data.terms import Terms
from dothi.devices.registry import STATES, DeviceSpec, DeviceView, LobbyView, MappingRule
from dothi.model.problem import bad_request, not_found
from dothi.platform.platform import Platform

DeviceId = Annotated[str, Path(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]{1,64}$")]
_MOST = 10_000


class Mapping(BaseModel):
    """Where a key of the device's messages goes."""

    model_config = ConfigDict(extra="forbid")
    attribute: str = Field(min_length=1, max_length=300, description="Short name or IRI.")
    unit: str | None = Field(None, max_length=40, description="UN/CEFACT code or symbol, if not the attribute's own.")
    datasetId: str | None = Field(None, max_length=300)  # noqa: N815 - as NGSI-LD spells it


class Description(BaseModel):
    """What is said about a device when it is admitted."""

    model_config = ConfigDict(extra="forbid")
    type: str = Field(min_length=1, max_length=300, description="What it observes: an entity type's short name or IRI.")
    name: str = Field("", max_length=200)
    entity: str | None = Field(
        None, max_length=500, description="URN of the thing it reports on; made of the id if left out."
    )
    owner: str | None = Field(None, max_length=200)
    cadence: float = Field(600.0, gt=0, le=366 * 86_400, allow_inf_nan=False, description="Seconds between its messages.")
    longitude: float | None = Field(None, ge=-180, le=180, allow_inf_nan=False)
    latitude: float | None = Field(None, ge=-90, le=90, allow_inf_nan=False)
    mapping: dict[str, Mapping] = Field(default_factory=dict, max_length=1000)

    def spec(self, device: str) -> DeviceSpec:
        """The same in the registry's words."""
        rules = {key: MappingRule(one.attribute, one.unit, one.datasetId) for key, one in self.mapping.items()}
        return DeviceSpec(
            device,
            self.type,
            self.name,
            self.entity,
            self.owner,
            self.cadence,
            self.longitude,
            self.latitude,
            rules,
        )


class NewDevice(Description):
    """A device to register."""

    id: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")


def router(platform: Platform) -> APIRouter:
    """``/api/v1/devices`` and ``/api/v1/lobby``."""
    api = new_router("devices")
    registry = platform.devices
    terms = Terms(platform.types)

    @api.get("/devices", summary="Devices and their state, the most urgent first")
    def get_devices(
        person: DeviceReader,
        state: Annotated[str | None, Query(max_length=20, description="live, late, silent, never or refused")] = None,
        ward: Annotated[str | None, Query(max_length=20)] = None,
        q: Annotated[str | None, Query(max_length=100, description="Part of id, name or owner.")] = None,
        limit: Limit = 50,
        offset: Offset = 0,
    ) -> Response:
        if state is not None and state not in STATES:
            raise bad_request(f"No device is ever {state!r}.", f"A state is one of: {', '.join(STATES)}.")
        found, total = registry.list(person, state=state, ward=ward, text=q, limit=limit, offset=offset)
        page = dict(paged([device_json(one, terms) for one in found], total, limit, offset))
        page["counts"] = registry.counts(person)
        return json_response(page)

    @api.post("/devices", status_code=201, summary="Register a device")
    async def register_device(request: Request, person: DeviceWriter, device: NewDevice) -> Response:
        await registry.register(person, device.spec(device.id), correlation=request.state.correlation)
        view = registry.get(person, device.id)
        return json_response(device_json(view, terms) if view else {}, 201, {"Location": f"/api/v1/devices/{device.id}"})

    @api.post("/devices/bulk", summary="Register many devices, or change them: all or none")
    async def register_devices(
        request: Request, person: DeviceWriter, devices: Annotated[list[NewDevice], Field(min_length=1, max_length=_MOST)]
    ) -> Response:
        specs = [one.spec(one.id) for one in devices]
        done = await registry.register_many(person, specs, correlation=request.state.correlation)
        return json_response({"registered": len(done)})

    @api.get("/devices/{device}", summary="One device")
    def get_device(person: DeviceReader, device: DeviceId) -> Response:
        found = registry.get(person, device)
        if found is None:
            raise not_found("device", device)
        return json_response(device_json(found, terms))

    @api.post("/devices/{device}/admit", summary="Admit a device that waits, or change a known one")
    async def admit_device(request: Request, person: DeviceWriter, device: DeviceId, description: Description) -> Response:
        await registry.admit(person, device, description.spec(device), correlation=request.state.correlation)
        found = registry.get(person, device)
        return json_response(device_json(found, terms) if found else {})

    @api.post("/devices/{device}/refuse", summary="Refuse a device: what it sends is counted and not kept")
    async def refuse_device(request: Request, person: DeviceWriter, device: DeviceId) -> Response:
        await registry.refuse(person, device, correlation=request.state.correlation)
        found = registry.get(person, device)
        return json_response(device_json(found, terms) if found else {})

    @api.get("/lobby", summary="Devices nobody admitted yet, the last heard first")
    def get_lobby(person: DeviceReader, limit: Limit = 50, offset: Offset = 0) -> Response:
        found, total = registry.lobby(person, limit, offset)
        page = dict(paged([lobby_json(one) for one in found], total, limit, offset))
        page["refusedMessages"] = registry.lobby_refused
        return json_response(page)

    return api


def device_json(device: DeviceView, terms: Terms) -> dict[str, Any]:
    """A device as the API shows it; the cadence in seconds, times in UTC by the city's clock."""
    return {
        "id": device.id,
        "name": device.name,
        "state": device.state,
        "lastSeen": instant(device.last_seen),
        "cadence": device.cadence_s,
        "entity": device.entity_id,
        "type": terms.compact(device.entity_type) if device.entity_type else "",
        "owner": device.owner,
        "longitude": device.longitude,
        "latitude": device.latitude,
        "ward": device.ward,
        "mapping": {
            key: {"attribute": terms.compact(rule.attribute), "unit": rule.unit, "datasetId": rule.dataset_id}
            for key, rule in device.mapping.items()
        },
        "createdAt": instant(device.created_at),
        "flags": list(device.flags),
    }


def lobby_json(waiting: LobbyView) -> dict[str, Any]:
    """A waiting device as the API shows it, with its last message as text."""
    return {
        "device": waiting.device,
        "source": waiting.source,
        "firstSeen": instant(waiting.first_seen),
        "lastSeen": instant(waiting.last_seen),
        "count": waiting.count,
        "keys": list(waiting.keys),
        "lastMessage": waiting.body.decode("utf-8", "replace"),
    }
