"""The map's own ground, prepared once per city and data: wards, roads and water as gzip-compressed GeoJSON."""

import gzip
import zlib
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec
import numpy as np
import shapely
import structlog
from shapely.geometry.base import BaseGeometry

from dothi.cities.geojson import Collection, Plane
from dothi.cities.keep import kept, key_of
from dothi.model.city import City
from dothi.model.text import nfc

log = structlog.get_logger(__name__)
OPENSTREETMAP = "© OpenStreetMap contributors (ODbL)"
MAIN_ROADS = ("motorway", "trunk", "primary", "secondary", "tertiary")
MINOR_ROADS = ("residential", "unclassified", "living_street", "pedestrian", "road", "service")
_VERSION = "2"  # of the layers' form: raise it when they change
_WARD_TOLERANCE, _ROAD_TOLERANCE, _WATER_TOLERANCE = 10.0, 4.0, 2.0  # metres
_AROUND = 0.02  # degrees, about 2 km


class _Road(msgspec.Struct):
    highway: str = ""
    name: str | None = None


class _Water(msgspec.Struct):
    type: str = ""
    name: str | None = None


_Properties = TypeVar("_Properties")


class _Feature(msgspec.Struct, Generic[_Properties]):
    properties: _Properties
    geometry: msgspec.Raw


class _Features(msgspec.Struct, Generic[_Properties]):
    features: list[_Feature[_Properties]]


@dataclass(frozen=True, slots=True)
class Basemap:
    """The prepared layers and whom to thank for them."""

    layers: dict[str, bytes]
    attribution: str

    def layer(self, name: str) -> bytes | None:
        """Gzip-compressed GeoJSON (EPSG:4326) of ``wards``, ``roads-main``, ``roads-minor`` or ``water``; None without one.

        Ward features carry code, name, kind and label, the [longitude, latitude] where a name fits best; roads carry class
        (``MAIN_ROADS`` or ``MINOR_ROADS``), name, and link: true on slip roads; water carries kind (water or park) and name.
        The collection's ``properties`` say whether the wards are approximate, and the attribution of the layer.
        """
        return self.layers.get(name)


def prepare_basemap(city: City, data: Path | None, cache: Path) -> Basemap:
    """Prepares every layer, or takes it from ``cache``: seconds the first time, so call it off the event loop.

    Roads and water come from ``<data>/roads/roads.geojson.gz`` and ``<data>/places/water_and_green_hoan_kiem.geojson`` as
    far as they touch the city; a missing or unreadable file (logged) leaves its layers out.
    """
    draw: dict[str, Callable[[], bytes]] = {"wards": lambda: _wards(city)}
    sources: dict[str, bytes] = {}
    if data is not None and (roads := _read(data / "roads" / "roads.geojson.gz")) is not None:
        draw |= {
            "roads-main": lambda: _roads(city, roads, MAIN_ROADS),
            "roads-minor": lambda: _roads(city, roads, MINOR_ROADS),
        }
        sources |= {"roads-main": roads, "roads-minor": roads}
    if data is not None and (water := _read(data / "places" / "water_and_green_hoan_kiem.geojson")) is not None:
        draw["water"], sources["water"] = lambda: _water(city, water), water
    ground = key_of(_VERSION, city.code, city.source, *(shapely.to_wkb(shape) for shape in city.shapes))
    layers = {}
    for name, drawing in draw.items():
        path = cache / "basemap" / f"{city.code}-{name}-{key_of(ground, sources.get(name, b''))}.gz"
        try:
            layer = kept(path, drawing)
        except (OSError, EOFError, ValueError, zlib.error, shapely.errors.GEOSException) as error:
            log.warning("map layer left out, its file cannot be read", layer=name, error=str(error))
        else:
            if layer:
                layers[name] = layer
    return Basemap(layers, "; ".join(filter(None, [city.source, OPENSTREETMAP if len(layers) > 1 else ""])))


def _read(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        log.warning("map data not readable", file=str(file), error=str(error))
        return None


def _about(city: City, attribution: str) -> dict[str, Any]:
    return {"city": city.code, "approximate": city.approximate, "attribution": attribution}


def _plane(city: City) -> Plane:
    _, south, _, north = city.bounds
    return Plane((south + north) / 2)


def _frame(city: City) -> BaseGeometry:
    """The city and a little around it: what else lies in its bounding box belongs to its neighbours."""
    frame = shapely.union_all(shapely.simplify(np.array(city.shapes, dtype=object), 0.002)).buffer(_AROUND, quad_segs=2)
    shapely.prepare(frame)
    return frame


def _wards(city: City) -> bytes:
    """The wards simplified together, so that neighbours keep one common line, each with the place for its name."""
    plane = _plane(city)
    flat = plane.metres(city.shapes)
    simple = plane.degrees(shapely.coverage_simplify(flat, _WARD_TOLERANCE))
    labels = shapely.get_coordinates(plane.degrees([_label(shape) for shape in flat])).tolist()
    return (
        Collection(_about(city, city.source))
        .add(
            (shape, {"code": ward.code, "name": ward.name, "kind": ward.kind, "label": label})
            for ward, shape, label in zip(city.wards, simple, labels, strict=True)
        )
        .packed()
    )


def _label(shape: BaseGeometry) -> BaseGeometry:
    """The centre of the largest circle inside the largest part: the point farthest from every edge."""
    largest = max(shapely.get_parts(shape), key=shapely.area)
    circle = shapely.maximum_inscribed_circle(largest, tolerance=max(shapely.area(largest) ** 0.5 / 100, 1.0))
    return shapely.get_point(circle, 0)


def _roads(city: City, raw: bytes, classes: tuple[str, ...]) -> bytes:
    """The roads of these classes, pieces of one name and class joined."""
    groups: dict[tuple[str, bool, str], list[msgspec.Raw]] = defaultdict(list)
    for feature in msgspec.json.decode(gzip.decompress(raw), type=_Features[_Road]).features:
        kind = feature.properties.highway.removesuffix("_link")
        if kind in classes:
            link = kind != feature.properties.highway
            groups[kind, link, nfc(feature.properties.name or "")].append(feature.geometry)
    plane, frame = _plane(city), _frame(city)
    order = {kind: position for position, kind in enumerate(classes)}
    collection = Collection(_about(city, OPENSTREETMAP))
    for (kind, link, name), pieces in sorted(groups.items(), key=lambda group: (order[group[0][0]], *group[0][1:])):
        lines = shapely.from_geojson([bytes(piece) for piece in pieces])
        lines = lines[shapely.intersects(lines, frame)]
        if lines.size:
            joined = shapely.line_merge(shapely.MultiLineString(shapely.get_parts(lines).tolist()))
            (shape,) = plane.degrees(shapely.simplify(plane.metres([joined]), _ROAD_TOLERANCE))
            collection.add([(shape, {"class": kind} | ({"name": name} if name else {}) | ({"link": True} if link else {}))])
    return collection.packed()


def _water(city: City, raw: bytes) -> bytes:
    """Lakes, rivers and parks that touch the city, one feature for each part."""
    features = msgspec.json.decode(raw, type=_Features[_Water]).features
    plane, frame = _plane(city), _frame(city)
    collection = Collection(_about(city, OPENSTREETMAP))
    for feature in features:
        shape = shapely.make_valid(shapely.from_geojson(bytes(feature.geometry)))
        if shapely.intersects(shape, frame):
            (simple,) = plane.degrees(shapely.simplify(plane.metres([shape]), _WATER_TOLERANCE))
            name = mended(feature.properties.name or "")
            about = {"kind": feature.properties.type} | ({"name": name} if name else {})
            collection.add((part, about) for part in shapely.get_parts(simple))
    return collection.packed()


def mended(name: str) -> str:
    """``name`` in NFC; one that was read as Latin-1 though written as UTF-8 ('Há»\x93 TÃ¢y') is read again."""
    try:
        return nfc(name.encode("latin-1").decode("utf-8"))
    except UnicodeError:
        return nfc(name)
