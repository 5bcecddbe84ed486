"""The country's provinces and commune-level units, read from our own data file (data/README.md says where it is from)."""

import csv
import gzip
from collections.abc import Collection
from dataclasses import dataclass
from importlib.resources import files

from dothi.model.problem import Problem
from dothi.model.text import plain
from dothi.model.ward import Former, Ward

SOURCE = "vietnamadminunits 1.0.4 (MIT)"


@dataclass(frozen=True, slots=True)
class Province:
    """A province or city directly under the central government: ``kind`` is tỉnh or thành phố."""

    code: str
    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Country:
    """All provinces by code, and all commune-level units by their province's code, both in the order of codes."""

    provinces: dict[str, Province]
    units: dict[str, tuple[Ward, ...]]

    def province(self, code: str) -> Province:
        """The province with this code. Raises Problem ``unknown-city``, naming every valid code."""
        found = self.provinces.get(code)
        if found is None:
            valid = ", ".join(f"{one.code} {one.name}" for one in self.provinces.values())
            raise Problem(400, "unknown-city", f"No province has the code {code!r}.", f"Set DOTHI_CITY to one of: {valid}.")
        return found


def data_bytes() -> bytes:
    """The units file as it is stored: what caches of anything derived from it are keyed by."""
    return (files("dothi.cities") / "data" / "units.csv.gz").read_bytes()


def read_country() -> Country:
    """Reads both data files: about 15 ms. Areas are km², centres EPSG:4326 degrees; an unknown area is None."""
    provinces = (files("dothi.cities") / "data" / "provinces.csv").read_text(encoding="utf-8")
    found = {row["code"]: Province(row["code"], row["kind"], row["name"]) for row in csv.DictReader(provinces.splitlines())}
    units: dict[str, list[Ward]] = {code: [] for code in found}
    rows = csv.reader(gzip.decompress(data_bytes()).decode().splitlines())
    next(rows)
    for code, province, kind, name, longitude, latitude, area in rows:
        ward = Ward(code, name, kind, float(longitude), float(latitude), float(area) if area else None, None, plain(name))
        units[province].append(ward)
    return Country(found, {code: tuple(wards) for code, wards in units.items()})


def read_former(wards: Collection[str]) -> list[Former]:
    """The communes of before 2025-07-01 that went into these ``wards`` (codes), with the district each was in."""
    rows = csv.reader(gzip.decompress((files("dothi.cities") / "data" / "former.csv.gz").read_bytes()).decode().splitlines())
    next(rows)
    return [Former(name, code, whole == "1", district) for code, district, name, whole in rows if code in wards]
