"""Puts a city together: units with their former names, the province's pack, real or approximate shapes, people."""

from collections.abc import Sequence, Set
from datetime import timedelta
from pathlib import Path
from urllib.parse import urldefrag

import msgspec
import shapely
import structlog
from shapely.geometry.base import BaseGeometry

from dothi.cities import cells
from dothi.cities.boundaries import parse, read_source
from dothi.cities.keep import kept, key_of
from dothi.cities.pack import read_pack
from dothi.cities.places import with_population
from dothi.cities.units import SOURCE, Country, data_bytes, read_country, read_former
from dothi.cities.working_hours import read_working_hours, working_time_of
from dothi.model.city import City, Ward
from dothi.model.problem import Problem

log = structlog.get_logger(__name__)
_VERSION = "1"  # of the kept form: raise it when parsing or this form changes


class _Shapes(msgspec.Struct):
    """Shapes by ward code as WKB, and whom to thank: what the cache holds."""

    shapes: dict[str, bytes]
    attribution: str = ""


def load_city(code: str, data: Path | None, boundaries: str | None, cache: Path, working_time: Path | None = None) -> City:
    """The city of province ``code``.

    Shapes come from ``boundaries`` (a file, or a URL with ``#sha256=``), else from ``<data>/boundaries/wards.geojson``, else
    they are cells around the units' centres and the city is ``approximate``. Wards without a shape in the boundaries get
    their cell too, and make the city approximate. People come from ``data``. Derived shapes are kept in
    ``cache`` under a key of what they were made from. A file ``working_time`` stands in for the pack's working hours,
    promises and closing. Raises Problem: ``unknown-city`` (naming the valid codes) and those of ``boundaries.read_source``,
    ``parse`` and ``read_working_hours``.
    """
    country = read_country()
    province = country.province(code)
    wards: Sequence[Ward] = country.units[code]
    pack = read_pack(province)
    elsewhere = {unit.code for other, units in country.units.items() if other != code for unit in units}
    found, source = _real_shapes(code, wards, elsewhere, data, boundaries, cache)
    missing = [ward for ward in wards if ward.code not in found]
    if missing:
        if found:
            log.warning("wards without boundaries get approximate cells", wards=[ward.code for ward in missing])
        found = _approximate_shapes(code, country, cache) | found
    hours, promises, days = pack.working_time, pack.promises, pack.close_after_days
    if working_time is not None:
        hours, promises, days = read_working_hours(working_time, hours, promises, days)
    if data is not None:
        wards = with_population(wards, data / "places" / "wards_population.csv", elsewhere)
    return City(
        code=code,
        slug=pack.slug,
        title=pack.title,
        wards=wards,
        shapes=[found[ward.code] for ward in wards],
        agencies=pack.agencies,
        approximate=bool(missing),
        source="; ".join(filter(None, (source, SOURCE if missing else ""))),
        hotlines=pack.hotlines,
        time_zone=pack.time_zone,
        former=read_former({ward.code for ward in wards}),
        working_time=working_time_of(hours, pack.time_zone),
        promises=promises,
        close_after=timedelta(days=days) or None,
    )


def _real_shapes(
    code: str, wards: Sequence[Ward], elsewhere: Set[str], data: Path | None, boundaries: str | None, cache: Path
) -> tuple[dict[str, BaseGeometry], str]:
    """(shapes by ward code, source) from the boundaries at hand; ({}, '') if there are none for this province."""
    if boundaries:
        content, source = read_source(boundaries, cache), urldefrag(boundaries).url
    elif data is not None and (file := data / "boundaries" / "wards.geojson").is_file():
        content, source = read_source(str(file), cache), "boundaries/wards.geojson"
    else:
        return {}, ""

    def make() -> bytes:
        shapes, attribution = parse(content, wards, elsewhere)
        return msgspec.msgpack.encode(_Shapes({ward: shapely.to_wkb(shape) for ward, shape in shapes.items()}, attribution))

    try:
        held = _decode(kept(cache / "cities" / f"{code}-{key_of(_VERSION, code, content, data_bytes())}.shapes", make))
    except Problem as problem:
        if boundaries or problem.code != "boundaries-elsewhere":
            raise
        log.warning("the data folder is another city's; its boundaries are not used", city=code, data=str(data))
        return {}, ""
    return {ward: shapely.from_wkb(wkb) for ward, wkb in held.shapes.items()}, held.attribution or source


def _approximate_shapes(code: str, country: Country, cache: Path) -> dict[str, BaseGeometry]:
    wards = country.units[code]

    def make() -> bytes:
        around = cells.cells_around(wards, [unit for units in country.units.values() for unit in units])
        return msgspec.msgpack.encode(
            _Shapes({ward.code: shapely.to_wkb(cell) for ward, cell in zip(wards, around, strict=True)})
        )

    held = _decode(kept(cache / "cities" / f"{code}-{key_of(_VERSION, cells.VERSION, code, data_bytes())}.cells", make))
    return {ward: shapely.from_wkb(wkb) for ward, wkb in held.shapes.items()}


def _decode(content: bytes) -> _Shapes:
    return msgspec.msgpack.decode(content, type=_Shapes)
