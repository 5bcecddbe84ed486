"""The commune-level unit, the smallest place a city answers for."""

from dataclasses import dataclass


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
class Former:
    """A commune of before 2025-07-01 by its full name, and the code of a ward it went into, ``whole`` or in part.

    ``district`` is the full name of the district that it was in.
    """

    name: str
    ward: str
    whole: bool
    district: str = ""
