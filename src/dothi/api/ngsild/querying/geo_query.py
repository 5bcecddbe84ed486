"""NGSI-LD's geo-query language (ETSI GS CIM 009 v1.8.1, clause 4.10), read from URL parameters and from bodies."""

import math
import re
from collections.abc import Mapping
from typing import Any, cast

import msgspec
from shapely.geometry.base import BaseGeometry

from dothi.api.ngsild import checks
from dothi.api.ngsild.contexts.term_map import TermMap
from dothi.data.geometry import MOST_MEASURED, MOST_POSITIONS, GeoQuery, Relation, reference
from dothi.model.entity import LOCATION
from dothi.model.problem import bad_request

GEO_PARAMETERS = frozenset({"georel", "geometry", "coordinates", "geoproperty"})
_PLAIN = ("within", "contains", "intersects", "equals", "disjoint", "overlaps")
_NEAR = re.compile(r"near;(maxDistance|minDistance)==([0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)")
_LONGEST = 200_000


def parse_geo(told: Mapping[str, Any], context: TermMap) -> GeoQuery | None:
    """The geo-query that ``told`` says, by the names of GEO_PARAMETERS (clauses 5.2.13 and 6.4.3.2); None if it says none.

    Raises Problem 400 for one that is not whole or makes no sense.
    """
    relation = told.get("georel")
    if relation is None:
        if GEO_PARAMETERS & told.keys():
            raise bad_request("The geo-query has no georel.", "Give georel, geometry and coordinates together.")
        return None
    kind, coordinates = told.get("geometry"), told.get("coordinates")
    attribute = told.get("geoproperty", LOCATION)
    if not (isinstance(relation, str) and isinstance(kind, str) and isinstance(attribute, str)) or coordinates is None:
        raise bad_request("The geo-query is not complete.", "Give georel, geometry and coordinates together.")
    geometry = read_geometry(kind, coordinates, MOST_MEASURED if relation.startswith("near") else MOST_POSITIONS)
    iri = context.expand(attribute)
    if relation in _PLAIN:
        return GeoQuery(cast(Relation, relation), geometry, iri)
    found = _NEAR.fullmatch(relation)
    metres = float(found[2]) if found else 0.0
    if found is None or not 0 < metres < math.inf:
        raise bad_request(
            f"The geo-relationship {relation[:60]!r} is not known.",
            f"Write near;maxDistance==2000 or near;minDistance==2000 (metres, more than 0), {', '.join(_PLAIN)}.",
        )
    most = found[1] == "maxDistance"
    return GeoQuery("near", geometry, iri, metres if most else None, None if most else metres)


def read_geometry(kind: str, coordinates: Any, most: int = MOST_MEASURED) -> BaseGeometry:
    """A GeoJSON geometry of its type and its coordinates, which may come as JSON text, of ``most`` positions at most.

    Raises Problem 400.
    """
    if isinstance(coordinates, str):
        try:
            coordinates = msgspec.json.decode(coordinates[:_LONGEST])
        except (msgspec.DecodeError, RecursionError):
            coordinates = None
    if not isinstance(coordinates, list):
        raise bad_request("coordinates cannot be read.", "Write them as JSON: [105.85,21.03].")
    return reference(checks.geometry({"type": kind, "coordinates": coordinates}), most)
