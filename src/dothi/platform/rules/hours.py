"""Whether a schedule holds: by the city's clock, and by the sun over its middle."""

from datetime import date, datetime
from functools import lru_cache
from typing import Self
from zoneinfo import ZoneInfo

from dothi.model.city import City
from dothi.model.clock import from_micros
from dothi.model.sun import rise_and_set
from dothi.platform.rules.model import Schedule


class CityHours:
    """Schedules of a city in the time ``zone`` at a place (EPSG:4326)."""

    def __init__(self, zone: ZoneInfo, longitude: float, latitude: float) -> None:
        self._zone, self._place = zone, (longitude, latitude)
        self._sun = lru_cache(8)(self._sun_of)

    @classmethod
    def of(cls, city: City) -> Self:
        """Those of a city."""
        west, south, east, north = city.bounds
        return cls(ZoneInfo(city.time_zone), (west + east) / 2, (south + north) / 2)

    def hold(self, schedule: Schedule, at: int) -> bool:
        """True if ``schedule`` holds at a moment (µs)."""
        local = from_micros(at).astimezone(self._zone)
        return schedule.holds(local.weekday(), _minute(local), self._sun(local.date()))

    def _sun_of(self, day: date) -> tuple[int, int]:
        """Minutes of the day at which the sun rises and sets."""
        rise, fall = rise_and_set(day, *self._place)
        return _minute(rise.astimezone(self._zone)), _minute(fall.astimezone(self._zone))


def _minute(local: datetime) -> int:
    return local.hour * 60 + local.minute
