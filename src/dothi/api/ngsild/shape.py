"""How the asker wants entities shown (ETSI GS CIM 009 v1.8.1, clauses 6.3.7 to 6.3.15)."""

from dataclasses import dataclass
from typing import Literal, cast

from dothi.api.ngsild.door import Asked
from dothi.api.ngsild.languages import wanted
from dothi.api.ngsild.negotiation import GEO_JSON, listed
from dothi.api.ngsild.problems import invalid_request
from dothi.api.ngsild.projection import WHOLE, Projection, read_projection
from dothi.model.entity import LOCATION
from dothi.model.problem import bad_request

Format = Literal["normalized", "concise", "keyValues"]
SHAPE_PARAMETERS = frozenset({"format", "options", "lang", "attrs", "pick", "omit", "geometryProperty", "datasetId"})
"""The URL parameters ``read_shape`` reads."""

_FORMATS = {"normalized": "normalized", "concise": "concise", "keyValues": "keyValues", "simplified": "keyValues"}


@dataclass(frozen=True, slots=True)
class Shape:
    """``languages`` are ranges as ``languages.wanted`` gives them, empty for all; ``geometry`` the IRI of the GeoProperty
    that becomes a Feature's geometry; ``datasets`` the instances shown ("@none" for the default one), None for all.
    """

    format: Format = "normalized"
    sys_attrs: bool = False
    languages: tuple[str, ...] = ()
    geojson: bool = False
    geometry: str = LOCATION
    projection: Projection = WHOLE
    datasets: frozenset[str] | None = None


def read_format(
    asked_format: str | None, options: str | None, *, more: frozenset[str] = frozenset()
) -> tuple[Format, frozenset[str]]:
    """The format that ``format`` or else ``options`` asks for, and the other options; ``more`` are known beside sysAttrs.

    Raises Problem 400 (InvalidRequest) for one that nobody knows.
    """
    given = frozenset(listed(options))
    for one in given:
        if one not in _FORMATS and one != "sysAttrs" and one not in more:
            raise invalid_request(f"The option {one[:40]!r} is not known here.", f"Known: {', '.join(_FORMATS)}, sysAttrs.")
    if asked_format is not None and asked_format not in _FORMATS:
        raise invalid_request(f"The format {asked_format[:40]!r} is not known here.", f"Known: {', '.join(_FORMATS)}.")
    chosen = {_FORMATS[one] for one in given & _FORMATS.keys()}
    if asked_format is None and len(chosen) > 1:
        raise invalid_request("options names two formats.", "Name one.")
    found = _FORMATS[asked_format] if asked_format is not None else min(chosen, default="normalized")
    return cast("Format", found), given - _FORMATS.keys()


def read_shape(asked: Asked) -> Shape:
    """The shape that the parameters SHAPE_PARAMETERS of a request ask for. Raises Problem 400."""
    query, geojson = asked.query, asked.media == GEO_JSON
    if not query:
        return _PLAIN_GEO if geojson else _PLAIN
    chosen, options = read_format(query.get("format"), query.get("options"))
    geometry = query.get("geometryProperty")
    if geometry is not None and not geojson:
        raise bad_request("geometryProperty is for GeoJSON alone.", "Send Accept: application/geo+json, or leave it out.")
    lang, datasets = query.get("lang"), listed(query.get("datasetId"))
    return Shape(
        chosen,
        "sysAttrs" in options,
        wanted(lang) if lang else (),
        geojson,
        asked.context.expand(geometry) if geometry else LOCATION,
        read_projection(query.get("attrs"), query.get("pick"), query.get("omit"), asked.context),
        frozenset(datasets) if datasets else None,
    )


_PLAIN, _PLAIN_GEO = Shape(), Shape(geojson=True)
