"""When the sun rises and sets: for hours that follow the light and not the clock."""

from datetime import UTC, date, datetime, timedelta
from math import acos, asin, cos, degrees, radians, sin

_NOON_2000 = datetime(2000, 1, 1, 12, tzinfo=UTC)
_HORIZON = -0.833  # degrees: half the sun's disc and what the air bends


def rise_and_set(day: date, longitude: float, latitude: float) -> tuple[datetime, datetime]:
    """Sunrise and sunset of a local ``day`` at a place (EPSG:4326), aware UTC, right to about a minute between the
    polar circles.

    The sunrise equation with the sun's place in low precision (J. Meeus, Astronomical Algorithms, 2nd edition, chapter 25).
    Where the sun does not rise, or not set, both are its highest moment, or half a day around it.
    """
    days = (day - _NOON_2000.date()).days - longitude / 360.0
    anomaly = radians((357.5291 + 0.98560028 * days) % 360.0)
    centre = 1.9148 * sin(anomaly) + 0.02 * sin(2 * anomaly) + 0.0003 * sin(3 * anomaly)
    ecliptic = radians((degrees(anomaly) + centre + 282.9372) % 360.0)
    highest = days + 0.0053 * sin(anomaly) - 0.0069 * sin(2 * ecliptic)
    declination, place = asin(sin(ecliptic) * sin(radians(23.4397))), radians(latitude)
    above = (sin(radians(_HORIZON)) - sin(place) * sin(declination)) / (cos(place) * cos(declination))
    half = degrees(acos(min(1.0, max(-1.0, above)))) / 360.0
    return _NOON_2000 + timedelta(days=highest - half), _NOON_2000 + timedelta(days=highest + half)
