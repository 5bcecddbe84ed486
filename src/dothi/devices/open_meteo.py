"""What Open-Meteo is asked and what it answers: addresses, and answers read strictly. Pure: nothing here connects.

Sources: https://open-meteo.com/en/docs and https://open-meteo.com/en/docs/air-quality-api (parameters, variables, units, and
the list that answers a question about several places), https://open-meteo.com/en/terms (CC BY 4.0, non-commercial use of the
free servers, fewer than 10,000 calls a day of which each place counts as one).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from math import hypot
from typing import Any
from urllib.parse import urlencode

import msgspec

from dothi.model.ward import Ward

HOUR = 3_600
PAST, AHEAD = 24, 24  # hours asked for before and after the one under way
STEP = 0.25  # degrees: about the grid of the global models behind it, a finer one would only repeat their values
MOST_CELLS = 40
_FARTHEST = 1.0  # degrees between the place that was asked for and the grid point that answers


@dataclass(frozen=True, slots=True)
class Variable:
    """One quantity: its name there, the key it gets in our messages, and the unit it must come in."""

    name: str
    key: str
    unit: str


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of the model's grid that holds wards of the city: ``id`` tells it from others.

    It is asked for at the middle of the ward nearest to its own, which lies in the city; ``near`` is that ward's name.
    """

    id: str
    near: str
    longitude: float
    latitude: float


@dataclass(frozen=True, slots=True)
class Hours:
    """What was answered for one cell: hours (UTC epoch seconds) and a column for each key, None where there is no value."""

    times: tuple[int, ...]
    values: dict[str, tuple[float | None, ...]]


class Unexpected(ValueError):  # noqa: N818 - the answer is not an error of ours
    """The answer is not what the documentation promises; says what is different."""


def cells(wards: Sequence[Ward]) -> list[Cell]:
    """The cells that the wards' middles lie in, from south-west to north-east; larger ones where there would be too many."""
    step = STEP
    while len(_by_cell(wards, step)) > MOST_CELLS:
        step *= 2
    found = []
    for (south, west), within in sorted(_by_cell(wards, step).items()):
        latitude, longitude = south * step, west * step
        ward = min(within, key=lambda one: (hypot(one.latitude - latitude, one.longitude - longitude), one.code))
        name = f"{round(latitude * 100)}-{round(longitude * 100)}"
        found.append(Cell(name, ward.full_name, round(ward.longitude, 4), round(ward.latitude, 4)))
    return found


def _by_cell(wards: Sequence[Ward], step: float) -> dict[tuple[int, int], list[Ward]]:
    found: dict[tuple[int, int], list[Ward]] = {}
    for ward in wards:
        found.setdefault((round(ward.latitude / step), round(ward.longitude / step)), []).append(ward)
    return found


def question(path: str, places: Sequence[Cell], variables: Sequence[Variable]) -> str:
    """The path and query that ask for all ``places`` at once: the past day, the hour under way and the day ahead, in UTC."""
    asked = {
        "latitude": ",".join(f"{one.latitude:g}" for one in places),
        "longitude": ",".join(f"{one.longitude:g}" for one in places),
        "hourly": ",".join(one.name for one in variables),
        "timeformat": "unixtime",
        "timezone": "GMT",
        "past_hours": PAST,
        "forecast_hours": AHEAD + 1,
    }
    if any(one.unit == "m/s" for one in variables):
        asked["wind_speed_unit"] = "ms"
    return f"{path}?{urlencode(asked, safe=',')}"


def read_answer(body: bytes, places: Sequence[Cell], variables: Sequence[Variable]) -> list[Hours]:
    """The answer for each of ``places``. Raises Unexpected, saying what is different, if it is not as documented."""
    try:
        told = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise Unexpected(f"not JSON: {error}") from error
    if isinstance(told, dict):
        if told.get("error"):
            raise Unexpected(f"the source says: {str(told.get('reason', ''))[:300]}")
        told = [told]  # one place is answered alone, several in a list
    if not isinstance(told, list) or len(told) != len(places):
        raise Unexpected(f"{len(places)} places were asked for, {len(told) if isinstance(told, list) else 'none'} answered")
    return [_hours(one, place, variables) for one, place in zip(told, places, strict=True)]


def _hours(told: Any, place: Cell, variables: Sequence[Variable]) -> Hours:
    if not isinstance(told, dict):
        raise Unexpected("a place is answered by something that is no object")
    for name, wanted in (("latitude", place.latitude), ("longitude", place.longitude)):
        if not _is_number(told.get(name)) or abs(told[name] - wanted) > _FARTHEST:
            raise Unexpected(f"{name} {wanted:g} was asked for, {told.get(name)!r} answered")
    hourly, units = told.get("hourly"), told.get("hourly_units")
    if not isinstance(hourly, dict) or not isinstance(units, dict):
        raise Unexpected("no hourly values")
    times = hourly.get("time")
    if units.get("time") != "unixtime" or not isinstance(times, list) or not times:
        raise Unexpected("the hours are not in unixtime")
    if any(not isinstance(one, int) or one % HOUR for one in times):
        raise Unexpected("an hour does not begin on the hour")
    if any(later - earlier != HOUR for earlier, later in pairwise(times)):
        raise Unexpected("the hours do not follow each other")
    return Hours(tuple(times), {one.key: _column(one, hourly, units, len(times)) for one in variables})


def _column(variable: Variable, hourly: Mapping[str, Any], units: Mapping[str, Any], count: int) -> tuple[float | None, ...]:
    unit = units.get(variable.name)
    # The micro sign and the Greek letter look alike and both occur.
    if not isinstance(unit, str) or unit.replace("\u00b5", "\u03bc") != variable.unit.replace("\u00b5", "\u03bc"):
        raise Unexpected(f"{variable.name} comes in {unit!r}, not in {variable.unit}")
    column = hourly.get(variable.name)
    if not isinstance(column, list) or len(column) != count:
        raise Unexpected(f"{variable.name} has not one value for each hour")
    if any(one is not None and not _is_number(one) for one in column):
        raise Unexpected(f"{variable.name} holds something that is no number")
    return tuple(column)


def messages(device: str, hours: Hours, now: datetime) -> list[bytes]:
    """What a device would have said: the hours up to ``now`` one by one, and with the hour under way the day ahead as JSON.

    The hours ahead are told as ``forecast``: {"from": the first hour, "step": seconds, key: [value …]}.
    """
    lines = []
    under_way = int(now.timestamp()) // HOUR * HOUR
    for place, time in enumerate(hours.times):
        if time > under_way:
            break
        values: dict[str, Any] = {key: column[place] for key, column in hours.values.items() if column[place] is not None}
        if time == under_way and place + 1 < len(hours.times):
            ahead = {key: column[place + 1 :] for key, column in hours.values.items()}
            values["forecast"] = {"from": _moment(hours.times[place + 1]), "step": HOUR, **ahead}
        if values:
            lines.append(msgspec.json.encode({"device": device, "at": _moment(time), "values": values}))
    return lines


def _moment(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
