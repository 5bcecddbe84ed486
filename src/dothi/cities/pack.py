"""Reads a city pack: what is known of one province beyond its units. Data only; a province without one gets the generic."""

import tomllib
from importlib.resources import files
from typing import Any

import msgspec

from dothi.cities.units import Province
from dothi.cities.working_hours import Hours
from dothi.model.city import Agency, Hotline
from dothi.model.gazetteer import words
from dothi.model.promise import Promise
from dothi.model.text import Text, plain


class Pack(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a pack says. ``slug`` is part of every URN and topic of the city: once in use it never changes."""

    slug: str
    title: Text
    time_zone: str
    hotlines: tuple[Hotline, ...] = ()
    agencies: tuple[Agency, ...] = ()
    working_time: Hours = Hours()
    promises: tuple[Promise, ...] = ()
    close_after_days: float = 0.0


def read_pack(province: Province) -> Pack:
    """The province's pack over the national one. Raises ValueError if a pack holds a key or value that does not belong."""
    national, own = _toml("national.toml"), _toml(f"{province.code}.toml")
    generic = {
        "slug": words(province.name).replace(" ", ""),
        "title": {"vi": province.name, "en": plain(province.name)},
    }
    merged = generic | national | own
    merged["hotlines"] = [*national.get("hotlines", []), *own.get("hotlines", [])]
    return msgspec.convert(merged, Pack)


def _toml(name: str) -> dict[str, Any]:
    source = files("dothi.cities") / "packs" / name
    return tomllib.loads(source.read_text(encoding="utf-8")) if source.is_file() else {}
