"""The city's things, shaped as NGSI-LD shapes them (ETSI GS CIM 009 v1.8.1, clause 4.5); names are expanded IRIs."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from dothi.model.reading import Grade, Origin, Reason


@dataclass(slots=True)
class Attribute:
    """One attribute instance of an entity.

    ``kind`` is Property, GeoProperty, Relationship, LanguageProperty, JsonProperty, VocabProperty, ListProperty or
    ListRelationship. ``value`` is a number, text, bool, list, dict, GeoJSON geometry (GeoProperty) or the object's URN
    (Relationship). ``unit`` is a UN/CEFACT code. Times are aware UTC.
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
    extra: dict[str, Any] = field(default_factory=dict)  # sub-attributes, already NGSI-LD shaped


@dataclass(slots=True)
class Entity:
    """A thing of the city. ``attributes`` maps an expanded name to its instances, the default dataset first."""

    id: str
    type: str
    attributes: dict[str, list[Attribute]] = field(default_factory=dict)
    ward: str | None = None
    owner: str | None = None
    created_at: datetime | None = None
    modified_at: datetime | None = None

    def first(self, name: str) -> Attribute | None:
        """The default instance of attribute ``name``, or None."""
        instances = self.attributes.get(name)
        return instances[0] if instances else None

    @property
    def point(self) -> tuple[float, float] | None:
        """(longitude, latitude) in EPSG:4326 of the ``location`` GeoProperty if that is a Point."""
        place = self.first(LOCATION)
        if place is None or not isinstance(place.value, dict) or place.value.get("type") != "Point":
            return None
        longitude, latitude = place.value["coordinates"][:2]
        return float(longitude), float(latitude)


LOCATION = "https://uri.etsi.org/ngsi-ld/location"
