"""Where a report is about: a point somebody chose, or a ward read out of an address, by today's names or the former ones."""

import math
import re
from dataclasses import dataclass

from dothi.model.city import City, Found, Ward
from dothi.model.gazetteer import words
from dothi.services.citizens.words import line_of

_PARTS = re.compile(
    r"[,;\n]|(?<!thị)(?<!thi)\s(?=(?:phường|xã|thị trấn|thị xã|quận|huyện|phuong|xa|thi tran|thi xa|quan|huyen)\s|[pqh]\.)",
    re.IGNORECASE,
)
_WARD = re.compile(r"(phuong|p|xa|x|thi tran|tt) ")
_DISTRICT = re.compile(r"(quan|q|huyen|h|thi xa|tx|thanh pho|tp) ")
_MOST_OFFERED = 8


@dataclass(frozen=True, slots=True)
class Place:
    """A place within the city. ``rough`` is True where only the ward is known: the point is the ward's centre then."""

    ward: Ward
    longitude: float
    latitude: float
    address: str = ""
    rough: bool = False
    former: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody said about a place: where it is, or the wards they may mean; ``outside`` a point of no ward here."""

    address: str
    place: Place | None = None
    choices: tuple[Found, ...] = ()
    outside: bool = False


def place_of(city: City, address: object, ward: object = "", longitude: object = "", latitude: object = "") -> Asked:
    """The place somebody gave, in this order of trust: a point, a ward (code), an address in words."""
    written = line_of(address)
    point = _point(longitude, latitude)
    if point is not None:
        found = city.locate(*point)
        if found is None:
            return Asked(written, outside=True)
        return Asked(written, Place(found, *point, written))
    chosen = city.by_code.get(ward) if isinstance(ward, str) else None
    if chosen is not None:
        former = next((one.former or "" for one in _read(city, written) if one.ward.code == chosen.code), "")
        return Asked(written, _rough(chosen, written, former))
    matches = _read(city, written)
    exact = [one for one in matches if one.exact]
    today = [one for one in exact if one.former is None]
    sure = next((some for some in (today, exact, matches) if some), [])
    if len(sure) == 1:
        return Asked(written, _rough(sure[0].ward, written, sure[0].former or ""))
    return Asked(written, choices=tuple(matches[:_MOST_OFFERED]))


def _read(city: City, address: str) -> list[Found]:
    """The wards an address names: its parts from the last, which is the largest, to the first; a whole name counts most.

    Before July 2025 a district came last, whose name may be a ward's of today. A part before it that lay in it then, or
    that says of itself that it is a ward, is the ward.
    """
    here = {words(name) for name in (city.title.vi, f"TP {city.title.vi}", f"Thành phố {city.title.vi}")}
    parts = [part for part in map(str.strip, _PARTS.split(address)) if words(part) not in {"", "viet nam", "vietnam", *here}]
    tried, district = list[list[Found]](), ""
    for part in reversed(parts[-6:]):
        named, found = words(part), city.find(part)
        exact = [one for one in found if one.exact]
        lay = [one for one in exact if one.former is not None and _bare(one.district) == district]
        if lay or (exact and _WARD.match(named)):
            return [one for one in exact if one.former is None or not lay or one in lay]
        tried.append(found)
        if exact or _DISTRICT.match(named):
            district = _bare(named)
    return next((some for some in tried if any(one.exact for one in some)), next((some for some in tried if some), []))


def _bare(district: str) -> str:
    """A district's name without its kind."""
    return _DISTRICT.sub("", words(district), count=1)


def _rough(ward: Ward, address: str, former: str) -> Place:
    return Place(ward, ward.longitude, ward.latitude, address, rough=True, former=former)


def _point(longitude: object, latitude: object) -> tuple[float, float] | None:
    try:
        point = float(str(longitude)[:24].replace(",", ".")), float(str(latitude)[:24].replace(",", "."))
    except ValueError:
        return None
    return (round(point[0], 6), round(point[1], 6)) if all(map(math.isfinite, point)) else None
