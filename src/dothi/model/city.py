"""A city as data: its wards, agencies and shapes, with the two questions everybody asks: which ward is this, where is X?"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import shapely
from numpy.typing import ArrayLike, NDArray
from shapely.geometry.base import BaseGeometry

from dothi.model.gazetteer import Found, Gazetteer
from dothi.model.locator import Locator
from dothi.model.promise import Promise
from dothi.model.text import Text
from dothi.model.ward import Former, Ward
from dothi.model.working_time import WorkingTime, around_the_clock

__all__ = ["Agency", "City", "Former", "Found", "Hotline", "Ward"]


@dataclass(frozen=True, slots=True)
class Agency:
    """An agency of the city and what it answers for."""

    id: str
    title: Text
    duty: Text


@dataclass(frozen=True, slots=True)
class Hotline:
    """A telephone number people can call, and what for."""

    number: str
    title: Text


class City:
    """One province or city.

    ``shapes`` are the wards' polygons in EPSG:4326, in the order of ``wards``. ``approximate`` is True when they are not
    the real boundaries and every page must say so; ``source`` says where they come from. ``time_zone`` is an IANA name.
    ``working_time`` is when its offices work (always, if nobody says), ``promises`` how long incidents may take; what was
    answered is closed ``close_after`` that, never if it is None.
    """

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
        hotlines: Sequence[Hotline] = (),
        time_zone: str = "Asia/Ho_Chi_Minh",
        former: Sequence[Former] = (),
        working_time: WorkingTime | None = None,
        promises: Sequence[Promise] = (),
        close_after: timedelta | None = None,
    ) -> None:
        if len(wards) != len(shapes):
            raise ValueError(f"{len(wards)} wards but {len(shapes)} shapes")
        self.code, self.slug, self.title, self.source = code, slug, title, source
        self.wards, self.shapes, self.agencies = tuple(wards), tuple(shapes), tuple(agencies)
        self.hotlines, self.time_zone, self.approximate = tuple(hotlines), time_zone, approximate
        self.working_time = working_time or around_the_clock()
        self.promises, self.close_after = tuple(promises), close_after
        self.by_code = {ward.code: ward for ward in self.wards}
        self._agencies = {agency.id: agency for agency in self.agencies}
        self._locator = Locator(self.shapes)
        self._gazetteer = Gazetteer(self.wards, former)

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """(west, south, east, north) of the whole city, EPSG:4326."""
        west, south, east, north = shapely.total_bounds(np.array(self.shapes, dtype=object))
        return float(west), float(south), float(east), float(north)

    def agency(self, agency_id: str) -> Agency | None:
        """The agency with this id; None if the city's pack names none (only Hanoi's does so far)."""
        return self._agencies.get(agency_id)

    def locate(self, longitude: float, latitude: float) -> Ward | None:
        """The ward that covers a point (EPSG:4326), in about a microsecond; None outside the city.

        On a line shared by several wards the first in ``wards`` answers.
        """
        position = self._locator.at(longitude, latitude)
        return self.wards[position] if position >= 0 else None

    def locate_many(self, longitudes: ArrayLike, latitudes: ArrayLike) -> NDArray[np.int32]:
        """``locate`` for many points: an int32 array of positions in ``wards``, -1 outside the city.

        Raises ValueError if the two lists differ in length.
        """
        return self._locator.at_many(longitudes, latitudes)

    def find(self, text: str, limit: int = 20) -> list[Found]:
        """Wards by name, blind to accents and case, best first, each once.

        Understands kinds ('p. ba dinh', 'xã Sóc Sơn', 'Ba Dinh ward') and the names of communes before 2025-07-01:
        such a find carries the old name in ``former`` and must be shown with it.
        """
        return self._gazetteer.find(text, limit)

    def search(self, text: str, limit: int = 20) -> list[Ward]:
        """The wards of ``find``, for a filter that needs no explanation."""
        return [found.ward for found in self.find(text, limit)]
