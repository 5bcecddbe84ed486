"""A city as data: its wards, agencies and shapes, with the two questions everybody asks: which ward is this, where is X?"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from dothi.model.text import Text, fold


@dataclass(frozen=True, slots=True)
class Ward:
    """A commune-level unit. ``kind`` is phường, xã or đặc khu; the point is its centre in EPSG:4326; area in km²."""

    code: str
    name: str
    kind: str
    longitude: float
    latitude: float
    area_km2: float | None = None
    population: int | None = None
    name_en: str | None = None

    @property
    def full_name(self) -> str:
        """Kind and name as a Vietnamese reader expects them: 'Phường Ba Đình'."""
        return f"{self.kind.capitalize()} {self.name}"


@dataclass(frozen=True, slots=True)
class Agency:
    """An agency of the city and what it answers for."""

    id: str
    title: Text
    duty: Text


class City:
    """One province or city. ``approximate`` is True when the shapes are not the real boundaries and must say so."""

    def __init__(
        self,
        code: str,
        slug: str,
        title: Text,
        wards: Sequence[Ward],
        shapes: Sequence[BaseGeometry],
        agencies: Sequence[Agency] = (),
        approximate: bool = True,
        source: str = "",
    ) -> None:
        if len(wards) != len(shapes):
            raise ValueError(f"{len(wards)} wards but {len(shapes)} shapes")
        self.code, self.slug, self.title, self.source = code, slug, title, source
        self.wards, self.shapes, self.agencies = tuple(wards), tuple(shapes), tuple(agencies)
        self.approximate = approximate
        self.by_code = {ward.code: ward for ward in self.wards}
        self._tree = shapely.STRtree(list(self.shapes))
        for shape in self.shapes:
            shapely.prepare(shape)
        self._folded = [(fold(ward.full_name), fold(ward.name_en or ""), ward) for ward in self.wards]

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """(west, south, east, north) of the whole city, EPSG:4326."""
        west, south, east, north = shapely.total_bounds(np.array(self.shapes, dtype=object))
        return float(west), float(south), float(east), float(north)

    def locate(self, longitude: float, latitude: float) -> Ward | None:
        """The ward that covers a point (EPSG:4326); None outside the city."""
        hits = self._tree.query(shapely.Point(longitude, latitude), predicate="intersects")
        return self.wards[int(min(hits))] if len(hits) else None

    def search(self, text: str, limit: int = 20) -> list[Ward]:
        """Wards whose name contains ``text``, blind to accents and case; names that start with it come first."""
        wanted = fold(text.strip())
        if not wanted:
            return []
        found = []
        for full, english, ward in self._folded:
            name = fold(ward.name)
            if wanted in full or wanted in english:
                found.append((not name.startswith(wanted), len(name), name, ward))
        return [ward for *_, ward in sorted(found, key=lambda item: item[:3])[:limit]]
