"""What is said about a device when it is admitted, checked, and what the city keeps of it."""

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

from dothi.devices.payload import DEVICE_ID, MAX_KEY
from dothi.model.city import City
from dothi.model.entity import LOCATION, Attribute, Entity
from dothi.model.problem import Problem, bad_request
from dothi.model.schema import EntityType
from dothi.model.text import nfc
from dothi.model.unit import conversion, find_unit
from dothi.model.urn import urn

NAME = "https://smartdatamodels.org/name"
MAX_NAME = 200
MAX_MAPPING = 1_000
LONGEST_CADENCE = 366 * 86_400.0
OUTSIDE = "outside"


@dataclass(frozen=True, slots=True)
class MappingRule:
    """Where a key of the device's messages goes: an attribute (short name or IRI), the unit the device means, a dataset.

    ``unit`` is a UN/CEFACT code or a symbol, None for the attribute's own; ``dataset_id`` a URI (ETSI GS CIM 009, 4.5.5).
    """

    attribute: str
    unit: str | None = None
    dataset_id: str | None = None


@dataclass(frozen=True, slots=True)
class DeviceSpec:
    """What somebody says about a device. ``entity_type`` is a short name or an IRI; ``entity_id`` None makes one of the id.

    ``cadence_s`` is how often it means to be heard, in seconds of the city's clock; the place is in EPSG:4326. A key that
    ``mapping`` does not name goes to the attribute of that short name.
    """

    id: str
    entity_type: str
    name: str = ""
    entity_id: str | None = None
    owner: str | None = None
    cadence_s: float = 600.0
    longitude: float | None = None
    latitude: float | None = None
    mapping: Mapping[str, MappingRule] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Device:
    """A device the city decided about. Any change makes a new object, so whoever keeps one sees by identity that it is old.

    ``entity_type`` is an IRI, ``mapping`` holds IRIs and UN/CEFACT codes, ``created_at`` is µs UTC. ``flags``:
    "shared-place" (another device of its type claims its coordinates), "outside" (of the city). A refused one may know
    no entity.
    """

    id: str
    entity_id: str
    entity_type: str
    name: str
    owner: str | None
    cadence_s: float
    longitude: float | None
    latitude: float | None
    ward: str | None
    mapping: dict[str, MappingRule]
    state: str
    created_at: int
    flags: tuple[str, ...] = ()


def device_of(spec: DeviceSpec, types: Mapping[str, EntityType], city: City, created_at: int) -> Device:
    """The admitted device that ``spec`` describes. Raises Problem 400 saying which field is wrong and what to write."""
    if DEVICE_ID.fullmatch(spec.id) is None:
        raise _wrong(spec, "id", "The id has letters without accents, digits, _ and -, 1 to 64 of them.")
    kind = types.get(spec.entity_type) or next((one for one in types.values() if one.name == spec.entity_type), None)
    if kind is None or not kind.reported:
        known = ", ".join(sorted(one.name for one in types.values() if one.reported))
        raise _wrong(spec, f"entity type {spec.entity_type!r}", f"Devices here report: {known}.")
    name = nfc(spec.name).strip() or spec.id
    if len(name) > MAX_NAME or (spec.owner is not None and len(spec.owner) > MAX_NAME):
        raise _wrong(spec, "name or owner", f"At most {MAX_NAME} letters.")
    if not (math.isfinite(spec.cadence_s) and 0 < spec.cadence_s <= LONGEST_CADENCE):
        raise _wrong(spec, f"cadence {spec.cadence_s}", "Say in seconds how often it is heard: above 0, at most a year.")
    entity_id = spec.entity_id or urn(kind.name, city.slug, spec.id)
    if not entity_id.startswith("urn:") or len(entity_id) > 500 or any(sign.isspace() for sign in entity_id):
        raise _wrong(spec, f"entity id {entity_id[:80]!r}", f"Write a URN such as {urn(kind.name, city.slug, spec.id)}.")
    longitude, latitude = _place(spec)
    ward = city.locate(longitude, latitude) if longitude is not None and latitude is not None else None
    return Device(
        id=spec.id,
        entity_id=entity_id,
        entity_type=kind.iri,
        name=name,
        owner=sys.intern(nfc(spec.owner).strip()) if spec.owner else None,
        cadence_s=float(spec.cadence_s),
        longitude=longitude,
        latitude=latitude,
        ward=ward.code if ward else None,
        mapping=_mapping(spec, kind),
        state="admitted",
        created_at=created_at,
        flags=(OUTSIDE,) if longitude is not None and ward is None else (),
    )


def entity_of(device: Device) -> Entity:
    """What the city writes down about the thing a device reports on: its name and its place."""
    attributes = {NAME: [Attribute("Property", device.name)]}
    if device.longitude is not None and device.latitude is not None:
        point = {"type": "Point", "coordinates": [device.longitude, device.latitude]}
        attributes[LOCATION] = [Attribute("GeoProperty", point)]
    return Entity(device.entity_id, device.entity_type, attributes, ward=device.ward, owner=device.owner)


def _place(spec: DeviceSpec) -> tuple[float | None, float | None]:
    if spec.longitude is None and spec.latitude is None:
        return None, None
    if spec.longitude is None or spec.latitude is None:
        raise _wrong(spec, "place", "Give both longitude and latitude, or neither.")
    if not (-180 <= spec.longitude <= 180 and -90 <= spec.latitude <= 90):
        raise _wrong(spec, f"place ({spec.longitude}, {spec.latitude})", "Longitude and latitude in degrees, EPSG:4326.")
    return float(spec.longitude), float(spec.latitude)


def _mapping(spec: DeviceSpec, kind: EntityType) -> dict[str, MappingRule]:
    if len(spec.mapping) > MAX_MAPPING:
        raise _wrong(spec, "mapping", f"At most {MAX_MAPPING} keys.")
    return {key: _rule(spec, kind, key, rule) for key, rule in spec.mapping.items()}


def _rule(spec: DeviceSpec, kind: EntityType, key: str, rule: MappingRule) -> MappingRule:
    if not 0 < len(key) <= MAX_KEY:
        raise _wrong(spec, f"mapping key {key[:40]!r}", f"1 to {MAX_KEY} letters.")
    attribute = kind.attribute(rule.attribute)
    if attribute is None and ":" not in rule.attribute:
        known = ", ".join(one.name for one in kind.attributes)
        raise _wrong(spec, f"mapping of {key!r} to {rule.attribute!r}", f"{kind.name} has: {known}. Or write a whole IRI.")
    if rule.dataset_id is not None and (":" not in rule.dataset_id or any(sign.isspace() for sign in rule.dataset_id)):
        raise _wrong(spec, f"dataset of {key!r}", "A dataset id is a URI, such as urn:ngsi-ld:Dataset:hanoi:second-sensor.")
    unit = rule.unit
    if unit is not None:
        found = find_unit(unit)
        if found is None:
            raise _wrong(spec, f"unit {unit!r} of {key!r}", "Write a UN/CEFACT code or a symbol, such as GQ or µg/m³.")
        wanted = find_unit(attribute.unit) if attribute is not None and attribute.unit is not None else None
        if attribute is not None and wanted is not None and conversion(found, wanted) is None:
            words = f"{found.symbol} does not measure {attribute.name}, which is kept in {wanted.symbol}."
            raise _wrong(spec, f"unit of {key!r}", words)
        unit = found.code
    return MappingRule(attribute.iri if attribute is not None else rule.attribute, unit, rule.dataset_id)


def _wrong(spec: DeviceSpec, what: str, how: str) -> Problem:
    return bad_request(f"Device {spec.id[:64]!r}: {what} cannot be used.", how)
