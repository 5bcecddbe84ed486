"""From hourly means to VN_AQI: the pure mapping, and the derivation that writes an index after stations changed."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING
from uuid import uuid4

from dothi.access.policy import SYSTEM, Person
from dothi.data.batch import Batch, ReadingRow, readings_of
from dothi.data.context import EntityQuery
from dothi.model.clock import from_micros
from dothi.model.reading import Origin
from dothi.services.air import vn_aqi
from dothi.services.air.bands import band_of
from dothi.services.air.model import AIR_QUALITY_OBSERVED, DOMINANT, INDEX, LEVEL, POLLUTANTS, iri
from dothi.services.air.stations import HOUR, level_key

if TYPE_CHECKING:
    from dothi.platform.platform import Platform

# Hourly means of one station: pollutant → start of the hour (UTC) → µg/m³.
Means = Mapping[str, Mapping[datetime, float]]

BACKFILL = timedelta(hours=24)  # how far back an index is made for a station that has none, and made again
_CHUNK = 100
_REST = 9  # seconds of rest for each second of work: the index is never in the way of the readings it is made of


def whole_hour(moment: datetime) -> datetime:
    """The start of the hour ``moment`` lies in, UTC."""
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def index_at(means: Means, hour: datetime) -> vn_aqi.Index | None:
    """The hourly VN_AQI of one station for the hour that starts at ``hour``; None without enough particles."""
    hours = [hour - HOUR * back for back in range(vn_aqi.HOURS)]
    return vn_aqi.hourly({name: [series.get(one) for one in hours] for name, series in means.items()})


def indexes(means: Means, first: datetime, last: datetime) -> dict[datetime, vn_aqi.Index]:
    """Every hourly VN_AQI of one station from ``first`` to ``last``, both included, where there is one."""
    found = {}
    hour = first
    while hour <= last:
        index = index_at(means, hour)
        if index is not None:
            found[hour] = index
        hour += HOUR
    return found


def day_hours(day: date, zone: tzinfo) -> list[datetime]:
    """The starts of the 24 hours of a day in the city's zone, in UTC."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)
    return [midnight + HOUR * number for number in range(24)]


def day_index(means: Means, hours: Sequence[datetime]) -> vn_aqi.Index | None:
    """The daily VN_AQI of one station over the 24 ``hours`` of its day."""
    return vn_aqi.daily({name: [series.get(one) for one in hours] for name, series in means.items()})


def believable(name: str, hours: Mapping[datetime, float]) -> dict[datetime, float]:
    """Hourly means that may enter an index: none below zero, and no particles of exactly zero.

    Street air always holds some dust; a particle mean of exactly 0 is a sensor that is off, and would read "good".
    """
    dust = name in vn_aqi.PARTICLES
    return {hour: value for hour, value in hours.items() if value > 0 or (value == 0 and not dust)}


def hourly_means(
    platform: "Platform",
    asker: Person,
    ids: Sequence[str],
    start: datetime,
    end: datetime,
    heard_by: datetime | None = None,
) -> dict[str, dict[str, dict[datetime, float]]]:
    """Hourly means of all pollutants by station, hours that start in [start, end); values graded bad are left out.

    With ``heard_by`` only of what had been heard by then.
    """
    means: dict[str, dict[str, dict[datetime, float]]] = {station: {} for station in ids}
    for name in POLLUTANTS:
        for station, hours in platform.history.hourly(asker, ids, iri(name), start, end, heard_by=heard_by).items():
            means[station][name] = believable(name, hours)
    return means


async def derive(platform: "Platform", ids: Sequence[str]) -> None:
    """Write airQualityIndex, airQualityLevel and dominantPollutant of stations that changed, for every hour they lack.

    An index speaks for a finished hour and is observed at its start. Takes a tenth of a processor at most, however many
    stations.
    """
    await _write(platform, ids, _missing)


async def derive_again(platform: "Platform", ids: Sequence[str]) -> None:
    """Put right the indexes of the last ``BACKFILL`` hours after readings that came late, were corrected or withdrawn.

    An hour's index depends on the twelve hours up to it, so all hours are made again and what differs is written; an index
    that has lost its readings is withdrawn. Takes a tenth of a processor at most, however many stations.
    """
    await _write(platform, ids, _differing)


async def fill_past(platform: "Platform", ids: Sequence[str], start: datetime, end: datetime) -> None:
    """Write the indexes that hours in [start, end) lack: a recording that came at once is older than a day.

    Takes a tenth of a processor at most, however many stations.
    """
    await _write(platform, ids, partial(_unmade, whole_hour(start), whole_hour(end)))


async def _write(
    platform: "Platform", ids: Sequence[str], rows_of: Callable[["Platform", Sequence[str]], list[ReadingRow]]
) -> None:
    for start in range(0, len(ids), _CHUNK):
        began = perf_counter()
        rows = await asyncio.to_thread(rows_of, platform, ids[start : start + _CHUNK])
        if rows:
            now = platform.clock.now()
            batch = Batch(SYSTEM, "air-index", f"air-index-{uuid4().hex}", now, readings=readings_of(rows))
            await platform.writer.write(batch)
        await asyncio.sleep((perf_counter() - began) * _REST)


def _unmade(start: datetime, end: datetime, platform: "Platform", ids: Sequence[str]) -> list[ReadingRow]:
    means = hourly_means(platform, SYSTEM, ids, start - HOUR * (vn_aqi.HOURS - 1), end)
    made = platform.history.hourly(SYSTEM, ids, INDEX, start, end)
    rows: list[ReadingRow] = []
    for one in ids:
        found = indexes(means[one], start, end - HOUR)
        rows += _readings(one, {hour: index for hour, index in found.items() if hour not in made.get(one, {})})
    return rows


def _missing(platform: "Platform", ids: Sequence[str]) -> list[ReadingRow]:
    newest = whole_hour(platform.clock.now()) - HOUR
    query = EntityQuery(type=AIR_QUALITY_OBSERVED, ids=tuple(ids), attributes=(INDEX,), limit=len(ids))
    due: dict[str, datetime] = {}
    for entity in platform.context.query(SYSTEM, query).entities:
        index = entity.first(INDEX)
        made = index.observed_at if index is not None else None
        if made is not None and made >= newest:
            continue
        due[entity.id] = newest - BACKFILL if made is None else max(whole_hour(made) + HOUR, newest - BACKFILL)
    if not due:
        return []
    window = min(due.values()) - HOUR * (vn_aqi.HOURS - 1)
    means = hourly_means(platform, SYSTEM, list(due), window, newest + HOUR)
    return [row for one, first in due.items() for row in _readings(one, indexes(means[one], first, newest))]


def _differing(platform: "Platform", ids: Sequence[str]) -> list[ReadingRow]:
    newest = whole_hour(platform.clock.now()) - HOUR
    first = newest - BACKFILL
    means = hourly_means(platform, SYSTEM, ids, first - HOUR * (vn_aqi.HOURS - 1), newest + HOUR)
    rows: list[ReadingRow] = []
    for station in ids:
        made = {(row.attribute, row.observed_at): row for row in _readings(station, indexes(means[station], first, newest))}
        for name in (INDEX, LEVEL, DOMINANT):
            stood = platform.history.series(SYSTEM, station, name, first, newest + HOUR)
            for micros, value, origin in zip(stood.observed_at, stood.values, stood.origins, strict=True):
                at = from_micros(micros)
                row = made.get((name, at))
                if row is None and origin is Origin.MODELLED:
                    rows.append(ReadingRow(station, name, at, None, Origin.MODELLED, withdrawn=True))
                elif row is not None and row.value == value:
                    del made[name, at]
        rows += made.values()
    return rows


def _readings(station: str, found: Mapping[datetime, vn_aqi.Index]) -> Iterable[ReadingRow]:
    for hour, index in found.items():
        level = level_key(band_of(index.value), index.beyond_scale)
        for name, value in ((INDEX, index.value), (LEVEL, level), (DOMINANT, index.dominant)):
            yield ReadingRow(station, name, hour, value, Origin.MODELLED)
