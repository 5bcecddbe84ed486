"""The stations as they stand now, read from the live context: one row per AirQualityObserved with the index it last had."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from statistics import median
from typing import TYPE_CHECKING

from dothi.access.policy import Person, reach
from dothi.data.context import EntityQuery, EntityTable
from dothi.model.clock import from_micros, to_micros
from dothi.model.moment import Moment
from dothi.model.reading import Reason
from dothi.model.urn import local_part
from dothi.platform.sector import Freshness
from dothi.services.air.bands import Band, band_of
from dothi.services.air.model import AIR_QUALITY_OBSERVED, DOMINANT, INDEX, LEVEL, NAME, POLLUTANTS, iri
from dothi.services.air.wards import InterpolationError, interpolate, leave_one_out

if TYPE_CHECKING:
    from dothi.platform.platform import Platform

HOUR = timedelta(hours=1)
DEFAULT_CADENCE = HOUR
BEYOND_SCALE = "beyondScale"
_PAGE = 1_000
_OBSERVED = tuple(iri(name) for name in POLLUTANTS)
_MADE = (INDEX, LEVEL, DOMINANT)
_SHOWN = (NAME, *_MADE, *_OBSERVED)


@dataclass(frozen=True, slots=True)
class Station:
    """A station and its last hourly VN_AQI.

    ``hour`` is the start of the hour the index speaks for, ``heard`` the newest observation of a pollutant (both UTC).
    """

    id: str
    name: str
    longitude: float
    latitude: float
    ward: str | None
    index: int | None
    beyond_scale: bool
    dominant: str | None
    hour: datetime | None
    heard: datetime | None
    freshness: Freshness
    reasons: Reason

    @property
    def band(self) -> Band | None:
        """The band of the index, None without one."""
        return None if self.index is None else band_of(self.index)

    @property
    def current(self) -> bool:
        """True if the index may speak for the present."""
        return self.index is not None and self.freshness == "fresh"


@dataclass(frozen=True, slots=True)
class WardAir:
    """The air of one ward, interpolated: ``index`` is None when no station is near enough; distance in km."""

    code: str
    index: int | None
    nearest_km: float | None
    nearest: Station | None

    @property
    def band(self) -> Band | None:
        """The band of the index, None without one."""
        return None if self.index is None else band_of(self.index)


@dataclass(frozen=True, slots=True)
class CityAir:
    """All wards at one moment, the stations behind them, and how wrong the interpolation is then."""

    wards: dict[str, WardAir]
    stations: list[Station]
    error: InterpolationError | None

    @property
    def current(self) -> list[Station]:
        """The stations whose index speaks for the present."""
        return [station for station in self.stations if station.current]

    @property
    def median(self) -> int | None:
        """The middle index of the current stations, None without any."""
        known = [station.index for station in self.current if station.index is not None]
        return int(median(known) + 0.5) if known else None


def seen_at(platform: "Platform", moment: Moment | None) -> datetime:
    """By which moment everything is judged: the city's now, or the past one that is looked at (UTC)."""
    return platform.clock.now() if moment is None else moment.at


def stations(
    platform: "Platform", asker: Person, ids: Sequence[str] | None = None, moment: Moment | None = None
) -> list[Station]:
    """The stations the asker may see, all or those with these ids, as they stand now or stood at ``moment``.

    One without a place on the map is left out; so is, at a past moment, one that the city did not have yet.
    """
    if ids is not None and not ids:
        return []
    if moment is not None:
        return _stations_at(platform, asker, ids, moment)
    found: list[Station] = []
    offset = 0
    while True:
        query = EntityQuery(type=AIR_QUALITY_OBSERVED, ids=tuple(ids or ()), attributes=_SHOWN, limit=_PAGE, offset=offset)
        table = platform.context.table(asker, query)
        now = platform.clock.now()
        found.extend(_station(platform, table, row, place, now) for row, place in enumerate(table.points) if place)
        if len(table) < _PAGE:
            return found
        offset += _PAGE


def _stations_at(platform: "Platform", asker: Person, ids: Sequence[str] | None, moment: Moment) -> list[Station]:
    ask = partial(platform.history.at, asker, type=AIR_QUALITY_OBSERVED, urns=ids)
    if moment.known == "then":
        table = ask(moment, attributes=_SHOWN)
    else:
        # An index is observed at the start of the hour that it is made of: hindsight must not show an hour before its end.
        table, made = ask(moment, attributes=(NAME, *_OBSERVED)), ask(Moment(moment.at - HOUR), attributes=_MADE)
        rows = {one: row for row, one in enumerate(made.ids)}
        order = [rows.get(one) for one in table.ids]
        for iri in _MADE:
            table.values[iri] = [None if row is None else made.values[iri][row] for row in order]
            table.observed_at[iri] = [None if row is None else made.observed_at[iri][row] for row in order]
    found = [_station(platform, table, row, place, moment.at) for row, place in enumerate(table.points) if place]
    return [station for station in found if station.heard is not None or _existed(platform, station, moment.at)]


def _existed(platform: "Platform", station: Station, at: datetime) -> bool:
    device = platform.devices.lookup(local_part(station.id))
    return device is None or device.created_at <= to_micros(at)


def _station(platform: "Platform", table: EntityTable, row: int, place: tuple[float, float], now: datetime) -> Station:
    identifier, name = table.ids[row], table.values[NAME][row]
    value, dominant, told = table.values[INDEX][row], table.values[DOMINANT][row], table.observed_at[INDEX][row]
    observed = [at for one in _OBSERVED if (at := table.observed_at[one][row]) is not None]
    heard = from_micros(max(observed)) if observed else None
    hour = None if told is None else from_micros(told)
    reasons = Reason.NONE
    for one in _OBSERVED:
        if flags := table.reasons[one][row]:
            reasons |= Reason(flags)
    return Station(
        identifier,
        str(name) if name is not None else local_part(identifier),
        *place,
        table.wards[row],
        round(value) if isinstance(value, int | float) else None,
        table.values[LEVEL][row] == BEYOND_SCALE,
        str(dominant) if dominant is not None else None,
        hour,
        heard,
        freshness(now, heard, hour, _cadence(platform, identifier)),
        reasons,
    )


def freshness(now: datetime, heard: datetime | None, hour: datetime | None, cadence: timedelta) -> Freshness:
    """How old a station's word is: late after one cadence missed, silent after three; the index has two hours and four.

    ``heard`` is its newest observation, ``hour`` the start of the hour its index speaks for.
    """
    if heard is None:
        return "silent"
    age = now - heard
    index_age = timedelta(0) if hour is None else now - (hour + HOUR)
    if age > 3 * cadence or index_age > 4 * HOUR:
        return "silent"
    if age > 1.5 * cadence or index_age > 2 * HOUR:
        return "late"
    return "fresh"


def city_air(platform: "Platform", asker: Person, moment: Moment | None = None) -> CityAir:
    """Every ward's air, now or at ``moment``, from the stations whose index is current; once for all who ask together."""
    question = ("air", reach(asker, "entity.read"), reach(asker, "history.read"), moment)
    return platform.memo.answer(question, lambda: _city_air(platform, asker, moment))


def _city_air(platform: "Platform", asker: Person, moment: Moment | None) -> CityAir:
    every = stations(platform, asker, moment=moment)
    used = [station for station in every if station.current]
    places = [(station.longitude, station.latitude) for station in used]
    values = [float(station.index or 0) for station in used]
    found = interpolate(places, values, [(ward.longitude, ward.latitude) for ward in platform.city.wards])
    by_code = {}
    for row, ward in enumerate(platform.city.wards):
        value = float(found.values[row])
        nearest = used[int(found.nearest[row])] if used else None
        distance = float(found.nearest_km[row]) if used else None
        by_code[ward.code] = WardAir(ward.code, None if value != value else int(value + 0.5), distance, nearest)
    return CityAir(by_code, every, leave_one_out(places, values))


def level_key(band: Band, beyond_scale: bool) -> str:
    """What airQualityLevel says: the band's key, or that the concentration lies beyond the scale."""
    return BEYOND_SCALE if beyond_scale else band.key


def _cadence(platform: "Platform", identifier: str) -> timedelta:
    device = platform.devices.lookup(local_part(identifier))
    return timedelta(seconds=device.cadence_s) if device is not None else DEFAULT_CADENCE
