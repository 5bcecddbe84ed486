"""Entities as maps and spreadsheets want them: GeoJSON (RFC 7946) and CSV for each type, made from ``entities.ndjson``."""

import csv
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

import msgspec

from dothi.api.exchange.entities import facts_of, observed_at, properties_of
from dothi.api.exchange.layout import ENTITIES, Progress
from dothi.api.exchange.records import lines
from dothi.ui.tables import harmless

_PLACE = "location"
_FIXED = ("id", "ward", "owner", "longitude", "latitude", "observedAt")


def write_shown(folder: Path, names: Mapping[str, str], progress: Progress) -> None:
    """``entities/<name>.geojson`` and ``.csv`` for each type of ``names``: attributes by short name, sorted.

    The default instance of each attribute only: a spreadsheet has one cell for it.
    """
    progress("maps and tables", 0, 2)
    heads: dict[str, set[str]] = {iri: set() for iri in names}
    for line in lines(folder / ENTITIES):
        heads[line["type"]] |= properties_of(line).keys() - {_PLACE}
    progress("maps and tables", 1, 2)
    orders = {iri: sorted(head, key=_short) for iri, head in heads.items()}
    short = _short_names(set().union(*heads.values()))
    out = folder / "entities"
    out.mkdir()
    with ExitStack() as stack:
        sheets: dict[str, Any] = {}
        maps: dict[str, IO[bytes]] = {}
        for iri, name in names.items():
            # The byte order mark is what spreadsheets know UTF-8 by.
            text = stack.enter_context((out / f"{name}.csv").open("w", encoding="utf-8-sig", newline=""))
            sheets[iri] = csv.writer(text)
            sheets[iri].writerow([*_FIXED, *(short[one] for one in orders[iri])])
            maps[iri] = stack.enter_context((out / f"{name}.geojson").open("wb"))
            maps[iri].write(b'{"type":"FeatureCollection","features":[')
        begun: set[str] = set()
        for line in lines(folder / ENTITIES):
            iri = line["type"]
            properties = properties_of(line)
            place = properties.pop(_PLACE, None)
            ward, owner = facts_of(line)
            told = observed_at(line)
            point = place["coordinates"][:2] if isinstance(place, dict) and place.get("type") == "Point" else (None, None)
            cells = [properties.get(name) for name in orders[iri]]
            sheets[iri].writerow([harmless(_cell(one)) for one in (line["id"], ward, owner, *point, told, *cells)])
            known = {"ward": ward, "owner": owner, "observedAt": told}
            feature = {
                "type": "Feature",
                "id": line["id"],
                "geometry": place if isinstance(place, dict) else None,
                "properties": {name: value for name, value in known.items() if value is not None}
                | {short[name]: value for name, value in properties.items()},
            }
            maps[iri].write((b",\n" if iri in begun else b"\n") + msgspec.json.encode(feature))
            begun.add(iri)
        for stream in maps.values():
            stream.write(b"\n]}\n")


def _cell(value: Any) -> Any:
    return msgspec.json.encode(value).decode() if isinstance(value, dict | list | bool) else value


def _short(iri: str) -> str:
    return re.split(r"[/#:]", iri)[-1] or iri


def _short_names(iris: Iterable[str]) -> dict[str, str]:
    """The last part of each IRI, or all of it where two would get the same."""
    listed = list(iris)
    shared = Counter(_short(iri) for iri in listed)
    taken = {*_FIXED, *(name for name, count in shared.items() if count > 1)}
    return {iri: iri if _short(iri) in taken else _short(iri) for iri in listed}
