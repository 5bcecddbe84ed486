"""What somebody may ask of the city's context: which entities, on what conditions, in what order. Plain values."""

from dataclasses import dataclass

from shapely.geometry.base import BaseGeometry

from dothi.data.geometry import GeoQuery
from dothi.data.predicate import Find, Path, Predicate, meets, searcher
from dothi.data.shape import Box, box_of
from dothi.model.entity import LOCATION, Entity
from dothi.model.ground import metres

MOST = 10_000
"""How many entities a page holds at most."""


@dataclass(frozen=True, slots=True)
class Order:
    """One level of an order: by what ``by`` leads to (``id``, ``type`` and the moments of the entity are paths too).

    With ``place`` (EPSG:4326) it is by the distance on the ground from there to the GeoProperty.
    """

    by: Path
    descending: bool = False
    place: BaseGeometry | None = None


@dataclass(frozen=True, slots=True)
class EntityQuery:
    """Which entities, all conditions together. Places in EPSG:4326.

    ``type`` are IRIs, one of which the entity is. ``id_pattern`` is a regular expression searched for in the id (see
    ``predicate.Compare``). ``which`` are further conditions on ids, types and scopes, ``where`` on attributes, ``geo`` on
    one GeoProperty. ``bbox`` is (west, south, east, north) and keeps what it touches; ``near`` is (longitude, latitude,
    metres), measured to the nearest point of the entity's bounding box.

    Entities come in the order in which they were first created, unless ``order`` says otherwise; ``collation`` (a BCP 47
    tag) is how texts are ordered, by code point if None. ``attributes`` limits what comes back, not what is found.
    """

    type: str | tuple[str, ...] | None = None
    ids: tuple[str, ...] = ()
    id_pattern: str | None = None
    which: Predicate | None = None
    where: Predicate | None = None
    geo: GeoQuery | None = None
    bbox: Box | None = None
    near: tuple[float, float, float] | None = None
    ward: str | None = None
    limit: int = 100
    offset: int = 0
    order: tuple[Order, ...] = ()
    collation: str | None = None
    attributes: tuple[str, ...] | None = None

    @property
    def types(self) -> tuple[str, ...]:
        """The types of which one is asked for; none for any."""
        return (self.type,) if isinstance(self.type, str) else self.type or ()


def holds(query: EntityQuery, entity: Entity, find: Find | None = None) -> bool:
    """True if ``entity``, as whoever asks may know it, is among what ``query`` finds; pages and order play no part.

    ``find`` looks up what Relationships lead to, for conditions on linked entities.
    """
    if query.types and not {entity.type, *entity.more_types} & set(query.types):
        return False
    if query.ids and entity.id not in query.ids:
        return False
    if query.id_pattern is not None and not searcher(query.id_pattern)(entity.id):
        return False
    if query.ward is not None and entity.ward != query.ward:
        return False
    if not all(one is None or meets(one, entity, find) for one in (query.which, query.where)):
        return False
    return _lies(query, entity)


def _lies(query: EntityQuery, entity: Entity) -> bool:
    if query.geo is not None and not query.geo.met_by_one_of(entity):
        return False
    if query.bbox is None and query.near is None:
        return True
    place = entity.first(LOCATION)
    if place is None:
        return False
    box = box_of(place.value)
    if query.bbox is not None:
        west, south, east, north = query.bbox
        if not (box[0] <= east and box[2] >= west and box[1] <= north and box[3] >= south):
            return False
    return query.near is None or metres(query.near[0], query.near[1], *box) <= query.near[2]
