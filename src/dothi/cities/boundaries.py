"""Reads ward boundaries: from a file, or from a URL whose checksum is given and which is fetched once."""

import hashlib
import re
from collections.abc import Container, Sequence
from http.client import HTTPException
from pathlib import Path
from time import monotonic
from typing import Any
from urllib.error import URLError
from urllib.parse import urldefrag, urlsplit
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
)

import msgspec
import numpy as np
import shapely
import structlog
from shapely.geometry.base import BaseGeometry

from dothi.access.outgoing import NotCalled, check
from dothi.cities.keep import write_whole
from dothi.cities.places import WardNames
from dothi.model.problem import Problem
from dothi.model.ward import Ward

log = structlog.get_logger(__name__)
LARGEST = 64 * 1024 * 1024  # bytes
_TIMEOUT = 10.0  # seconds without a byte
_DEADLINE = 60.0  # seconds for the whole file
_CHECKSUM = re.compile(r"sha256=([0-9a-fA-F]{64})")


class _Properties(msgspec.Struct):
    code: str = ""
    name: str = ""
    fullName: str = ""  # noqa: N815 - the name of the field in published boundary files


class _Feature(msgspec.Struct):
    geometry: msgspec.Raw
    properties: _Properties
    id: str | int = ""


class _Collection(msgspec.Struct):
    features: list[_Feature]
    attribution: str = ""


class _Geometry(msgspec.Struct):
    type: str
    coordinates: Any


def read_source(source: str, cache: Path) -> bytes:
    """The bytes of a boundaries setting: a path, or an http(s) URL followed by ``#sha256=…``.

    A URL is fetched once into ``cache`` and found there by its checksum afterwards, also without a network. Raises Problem
    with the code ``boundaries-`` and ``missing``, ``address``, ``checksum``, ``too-large`` or ``unreachable``.
    """
    if "://" not in source:
        return _read_file(Path(source))
    address, fragment = urldefrag(source)
    if urlsplit(address).scheme not in ("http", "https"):
        raise Problem(
            400, "boundaries-address", f"Boundaries cannot come from {address}.", "Use a file, http:// or https://."
        )
    match = _CHECKSUM.fullmatch(fragment)
    if match is None:
        raise Problem(
            400,
            "boundaries-address",
            "The address of the boundaries carries no checksum.",
            "Put #sha256= and the 64 hexadecimal digits of the file's SHA-256 behind it.",
        )
    wanted = match.group(1).lower()
    path = cache / "boundaries" / f"{wanted}.geojson"
    if path.is_file():
        content = _read_file(path)
        if hashlib.sha256(content).hexdigest() == wanted:
            return content
        log.warning("cached boundaries damaged, fetched again", path=str(path))
    content = _fetch(address)
    found = hashlib.sha256(content).hexdigest()
    if found != wanted:
        raise Problem(
            502,
            "boundaries-checksum",
            f"The boundaries from {address} are not the file that was asked for.",
            f"Their SHA-256 is {found}, wanted was {wanted}. If the new file is the right one, change the checksum.",
        )
    try:
        write_whole(path, content)
    except OSError as error:
        log.warning("boundaries fetched but not kept", path=str(path), error=str(error))
    return content


def _read_file(path: Path) -> bytes:
    try:
        if path.stat().st_size > LARGEST:
            raise _too_large(str(path))
        return path.read_bytes()
    except OSError as error:
        raise Problem(
            400, "boundaries-missing", f"The boundaries {path} cannot be read ({error.strerror}).", "Check DOTHI_BOUNDARIES."
        ) from error


def _too_large(what: str) -> Problem:
    return Problem(
        400, "boundaries-too-large", f"{what} is larger than {LARGEST // 1024 // 1024} MB.", "Simplify the boundaries first."
    )


class _OnlyToPublic(HTTPRedirectHandler):
    """Follows a redirect on the same server and to where anybody may go: the setting names only the first address."""

    def redirect_request(self, req: Request, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Request | None:
        try:
            check(newurl, (req.full_url,))
        except NotCalled as error:
            raise URLError(f"redirected to an address that is not called: {error}") from error
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _fetch(address: str) -> bytes:
    """The body at an http(s) address. The opener knows these two schemes only, so a redirect to anything else fails."""
    opener = OpenerDirector()
    schemes = (ProxyHandler(), HTTPHandler(), HTTPSHandler())
    for handler in (*schemes, _OnlyToPublic(), HTTPErrorProcessor(), HTTPDefaultErrorHandler()):
        opener.add_handler(handler)
    end = monotonic() + _DEADLINE
    chunks, size = [], 0
    try:
        response = opener.open(address, timeout=_TIMEOUT)
        if response is None:
            raise URLError("redirected to something that is neither http nor https")
        with response:
            while chunk := response.read1(65536):
                size += len(chunk)
                if size > LARGEST:
                    raise _too_large(address)
                if monotonic() > end:
                    raise URLError(f"not finished after {_DEADLINE:.0f} s")
                chunks.append(chunk)
    except (OSError, HTTPException) as error:  # URLError, timeouts and broken connections are all OSErrors
        raise Problem(
            503,
            "boundaries-unreachable",
            f"The boundaries at {address} could not be fetched ({error}).",
            "Check the address and the network, or download the file and name it in DOTHI_BOUNDARIES.",
        ) from error
    return b"".join(chunks)


def parse(content: bytes, wards: Sequence[Ward], elsewhere: Container[str] = ()) -> tuple[dict[str, BaseGeometry], str]:
    """(shape by ward code, attribution) from a GeoJSON FeatureCollection (RFC 7946) of polygons in EPSG:4326.

    A feature is a ward's by its property ``code`` (or its id); one whose code nobody knows, by its ``fullName`` or ``name``.
    Codes in ``elsewhere`` are other provinces' and passed over. Parts of one ward are joined; broken rings are mended.
    Raises Problem ``boundaries-unreadable`` for what is no such file, ``boundaries-elsewhere`` if ``wards`` are not in it.
    """
    try:
        collection = msgspec.json.decode(content, type=_Collection)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _unreadable(str(error)) from error
    names = WardNames(wards, elsewhere)
    parts: dict[str, list[BaseGeometry]] = {}
    for feature in collection.features:
        properties = feature.properties
        code = names.code_for(properties.code or str(feature.id), properties.fullName or properties.name)
        if code is not None:
            parts.setdefault(code, []).append(_polygons(feature.geometry))
    if not parts:
        raise Problem(
            400,
            "boundaries-elsewhere",
            "The boundaries hold no ward of this city.",
            "Check that DOTHI_CITY and DOTHI_BOUNDARIES name the same province and that features have the property 'code'.",
        )
    return {code: shapely.union_all(pieces) for code, pieces in parts.items()}, collection.attribution


def _polygons(raw: msgspec.Raw) -> BaseGeometry:
    try:
        geometry = msgspec.json.decode(raw, type=_Geometry)
        if geometry.type == "Polygon":
            shapes = [_polygon(geometry.coordinates)]
        elif geometry.type == "MultiPolygon":
            shapes = [_polygon(rings) for rings in geometry.coordinates]
        else:
            raise _unreadable(f"a ward's geometry is a {geometry.type}, not a Polygon or MultiPolygon")
    except (msgspec.DecodeError, TypeError, ValueError, IndexError, shapely.errors.GEOSException) as error:
        raise _unreadable(str(error)) from error
    shape = shapely.MultiPolygon(shapes)
    if not shape.is_valid:
        shape = shapely.make_valid(shape)
        shape = shapely.union_all([part for part in shapely.get_parts(shape) if part.area > 0])
    west, south, east, north = shape.bounds
    if not (-180 <= west <= east <= 180 and -90 <= south <= north <= 90):
        raise _unreadable("the coordinates are not degrees; reproject to EPSG:4326 (from VN-2000, for example)")
    return shape


def _polygon(rings: Any) -> shapely.Polygon:
    arrays = [np.asarray(ring, dtype=float)[:, :2] for ring in rings]
    return shapely.Polygon(arrays[0], arrays[1:])


def _unreadable(why: str) -> Problem:
    return Problem(
        400,
        "boundaries-unreadable",
        f"The boundaries are not a GeoJSON collection of wards: {why}.",
        "See the guide 'Add a city' for what the file must hold.",
    )
