"""What an id, a moment, a scope and a geometry must look like before anything is made of them (clauses 4.6 and 4.7)."""

import re
from datetime import UTC, datetime
from typing import Any
from unicodedata import category
from urllib.parse import quote

import msgspec

from dothi.model.entity import NO_MOMENT, NULL
from dothi.model.problem import bad_request

LONGEST_URI = 2048
GEOMETRIES = frozenset({"Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon"})

_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:[^\x00-\x20<>\"{}|\\^`]+")
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:[.,][0-9]{1,9})?Z")
_SCOPE = re.compile(r"/?[^\W\d_]\w*(?:/[^\W\d_]\w*)*")
# Characters of an IRI (RFC 3987) that nobody sees, beside those that no writing has: one id must not look like another.
_UNSEEN = re.compile("[\u115f\u1160\u2800\u3164\uffa0\ufe00-\ufe0f\U000e0100-\U000e01ef]")
_NO_WRITING = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp", "Zs"})
# How deep the positions of a geometry lie, and how many of them the innermost list needs.
_POSITIONS = {
    "Point": (0, 1),
    "MultiPoint": (1, 1),
    "LineString": (1, 2),
    "MultiLineString": (2, 2),
    "Polygon": (2, 4),
    "MultiPolygon": (3, 4),
}


def is_uri(text: Any) -> bool:
    """True for an absolute URI (RFC 3986) of a sane length."""
    if not isinstance(text, str) or len(text) > LONGEST_URI or _URI.fullmatch(text) is None:
        return False
    return text.isascii() or (_UNSEEN.search(text) is None and _NO_WRITING.isdisjoint(map(category, text)))


def uri(text: Any, what: str) -> str:
    """``text`` if it is a URI. Raises Problem 400."""
    if is_uri(text) and text != NULL:
        return str(text)
    raise bad_request(f"{what} {str(text)[:80]!r} is not a URI.", "Give one like urn:ngsi-ld:Type:city:local.")


def part_of_path(urn: str) -> str:
    """``urn`` as one part of an address's path (RFC 3986, clause 3.3): headers take no other letters."""
    return quote(urn, safe=":@!$'*,;=~")


def moment(text: Any, what: str, *, fragment: bool = False) -> datetime:
    """An aware moment from a DateTime (clause 4.6.3: RFC 3339 in UTC, with Z); NO_MOMENT for NULL in a fragment.

    Raises Problem 400.
    """
    if isinstance(text, dict) and text.get("@type") in ("DateTime", "https://uri.etsi.org/ngsi-ld/DateTime"):
        text = text.get("@value")
    if isinstance(text, str):
        if text == NULL and fragment:
            return NO_MOMENT
        if _MOMENT.fullmatch(text):
            try:
                return datetime.fromisoformat(text).astimezone(UTC)
            except ValueError:
                pass  # a 31st of February: refused in the same words
    raise bad_request(f"{what} {str(text)[:40]!r} is not a moment.", "Write it in UTC, like 2026-11-21T08:30:00Z.")


def scopes(said: Any, *, fragment: bool = False) -> tuple[str, ...]:
    """The scopes of an entity (clause 4.18), each with its leading slash. Raises Problem 400."""
    several = said if isinstance(said, list) else [said]
    if fragment and several == [NULL]:
        return (NULL,)
    for one in several:
        if not isinstance(one, str) or len(one) > LONGEST_URI or _SCOPE.fullmatch(one) is None:
            raise bad_request(f"{str(one)[:80]!r} is not a scope.", "A scope looks like /Hanoi/Parks.")
    return tuple(dict.fromkeys(one if one.startswith("/") else f"/{one}" for one in several))


def is_geometry(said: Any) -> bool:
    """True for what means to be a GeoJSON geometry, whether or not it is a right one."""
    return isinstance(said, dict) and said.get("type") in GEOMETRIES and "coordinates" in said


def geometry(said: Any) -> dict[str, Any]:
    """The geometry of a GeoProperty (clause 4.7, RFC 7946), which may come as text. Raises Problem 400."""
    if isinstance(said, str):
        try:
            said = msgspec.json.decode(said)
        except (msgspec.DecodeError, RecursionError):
            said = None
    kind = said.get("type") if isinstance(said, dict) else None
    found = _POSITIONS.get(kind) if isinstance(kind, str) else None
    if found is None or not _placed(said.get("coordinates"), *found):
        raise bad_request(
            "This is not a GeoJSON geometry.",
            f"Give type ({', '.join(_POSITIONS)}) and coordinates in degrees, longitude before latitude.",
        )
    return dict(said)


def _placed(found: Any, deep: int, least: int) -> bool:
    if deep == 0:
        return _position(found)
    if not isinstance(found, list) or not found:
        return False
    if deep > 1:
        return all(_placed(one, deep - 1, least) for one in found)
    return len(found) >= least and all(map(_position, found)) and (least < 4 or found[0] == found[-1])


def _position(found: Any) -> bool:
    if not isinstance(found, list) or not 2 <= len(found) <= 3:
        return False
    for one in found:
        if type(one) is not float and type(one) is not int:
            return False
    return bool(-180 <= found[0] <= 180 and -90 <= found[1] <= 90)
