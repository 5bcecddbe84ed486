"""The city's things, shaped as NGSI-LD shapes them (ETSI GS CIM 009 v1.8.1, clause 4.5); names are expanded IRIs."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from dothi.model.reading import Grade, Origin, Reason


class Attribute(msgspec.Struct):
    """One attribute instance of an entity.

    ``kind`` is Property, GeoProperty, Relationship, LanguageProperty, JsonProperty, VocabProperty, ListProperty or
    ListRelationship. ``value`` is a number, text, bool, list, dict, GeoJSON geometry (GeoProperty) or the object's URN
    (Relationship; several objects are a list). ``unit`` is a UN/CEFACT code. Times are aware UTC. ``sub`` are its own
    attributes by expanded name (Properties of Properties …). After ``expires_at`` it is gone; ``object_type`` (an IRI, or
    several) says what a Relationship leads to.
    """

    kind: str
    value: Any
    observed_at: datetime | None = None
    unit: str | None = None
    dataset_id: str | None = None
    grade: Grade = Grade.GOOD
    reasons: Reason = Reason.NONE
    origin: Origin = Origin.MEASURED
    created_at: datetime | None = None
    modified_at: datetime | None = None
    sub: "dict[str, list[Attribute]]" = {}
    expires_at: datetime | None = None
    object_type: str | list[str] | None = None


class Entity(msgspec.Struct):
    """A thing of the city. ``attributes`` maps an expanded name to its instances, the default dataset first.

    ``type`` is what it is first of all, ``more_types`` (IRIs) what it is besides; ``scopes`` are paths like /Hanoi/Parks
    (clause 4.18). After ``expires_at`` it is gone (clause 4.22).
    """

    id: str
    type: str
    attributes: dict[str, list[Attribute]] = {}
    ward: str | None = None
    owner: str | None = None
    created_at: datetime | None = None
    modified_at: datetime | None = None
    more_types: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    expires_at: datetime | None = None

    def first(self, name: str) -> Attribute | None:
        """The default instance of attribute ``name``, or None."""
        instances = self.attributes.get(name)
        return instances[0] if instances and instances[0].dataset_id is None else None

    @property
    def point(self) -> tuple[float, float] | None:
        """(longitude, latitude) in EPSG:4326 of the ``location`` GeoProperty if that is a Point."""
        place = self.first(LOCATION)
        if place is None or not isinstance(place.value, dict) or place.value.get("type") != "Point":
            return None
        longitude, latitude = place.value["coordinates"][:2]
        return float(longitude), float(latitude)


LOCATION = "https://uri.etsi.org/ngsi-ld/location"

# A fragment says only what is to change (clauses 5.5.8 and 5.5.12). Its attributes may leave out their value (UNSAID) and
# their kind (""; a value then is of the kind that the attribute has), and may say of a value, unit, moment, scope or
# sub-attribute that it is to go.
NULL = "urn:ngsi-ld:null"
NO_MOMENT = datetime.min.replace(tzinfo=UTC)  # what NULL is among moments


class Unsaid:
    """The value of an attribute in a fragment that says none."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "UNSAID"


UNSAID: Any = Unsaid()
