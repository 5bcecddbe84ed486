"""A month of 5,000 typical stations, written into a lake the way a compaction writes it, in a process of its own.

Usage: python -m bench.make_lake HOME READINGS. Prints one JSON object: readings, seconds, seconds spent making them up, the
first and the last moment (µs UTC). Two attributes of one decimal; most stations speak every five minutes, one in twenty
every minute; each value follows the day, wanders and trembles; what is heard comes a good second late, now and then much
later; one in a hundred is suspect, one in two thousand is corrected.
"""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl

from dothi.store.database import migrate, open_database

STATIONS, ATTRIBUTES, TENANT = 5_000, ("pm25", "temperature"), "hanoi"
TYPE, IRI = "https://smartdatamodels.org/dataModel.Environment/AirQualityObserved", "https://example.org/"
DAY, MINUTE = 86_400_000_000, 60_000_000
FIRST_DAY = 20_500  # since 1970
_SHAPE = {"pm25": (35.0, 15.0), "temperature": (27.0, 5.0)}  # mean, swing of the day
_ROWS = {"series": pl.Int32, "observed_at": pl.Int64, "revision": pl.Int32, "number": pl.Float64, "received_at": pl.Int64}


def urn(station: int) -> str:
    """The id of a station."""
    return f"urn:ngsi-ld:AirQualityObserved:hanoi:bench-{station}"


def series(station: int, attribute: int) -> int:
    """The number of a series."""
    return attribute * STATIONS + station + 1


def cadence(station: int) -> int:
    """Minutes between two readings of a station."""
    return 1 if station % 20 == 0 else 5


def readings_of(day: int, attribute: int, noise: np.random.Generator) -> Iterator[pl.DataFrame]:
    """One attribute's readings of a day: a frame for each cadence."""
    mean, swing = _SHAPE[ATTRIBUTES[attribute]]
    for minutes in (1, 5):
        stations = np.array([one for one in range(STATIONS) if cadence(one) == minutes])
        shape = (len(stations), 1_440 // minutes)
        at = day * DAY + np.arange(shape[1]) * minutes * MINUTE + noise.integers(0, 60, (shape[0], 1)) * 1_000_000
        hours = np.arange(shape[1]) * minutes / 60
        values = mean + swing * np.sin((hours - 9) * np.pi / 12) + noise.normal(0, swing / 3, (shape[0], 1))
        values = values + np.cumsum(noise.normal(0, swing / 50 * np.sqrt(minutes), shape), axis=1)
        values = np.round(values + noise.normal(0, swing / 100, shape), 1)
        delay = noise.gamma(2.0, 600_000, shape) + np.where(noise.random(shape) < 0.01, 3_600e6 * noise.random(shape), 0)
        numbers = np.repeat(attribute * STATIONS + stations + 1, shape[1])
        columns = (numbers, at.ravel(), np.zeros(at.size), values.ravel(), (at + delay.astype(np.int64)).ravel())
        yield pl.DataFrame(dict(zip(_ROWS, columns, strict=True)), schema_overrides=_ROWS)


def day_of(day: int, attribute: int) -> pl.DataFrame:
    """All columns of the lake for one attribute and day."""
    noise = np.random.default_rng([day, attribute])
    rows = pl.concat(readings_of(day, attribute, noise))
    again = rows.filter(pl.Series(noise.random(len(rows)) < 0.0005))
    again = again.with_columns(
        revision=pl.lit(1, pl.Int32), number=pl.col("number") + 1, received_at=pl.col("received_at") + 7_200_000_000
    )
    rows = pl.concat([rows, again])
    suspect = pl.Series(noise.random(len(rows)) < 0.01)
    return rows.with_columns(
        attribute=pl.lit(attribute + 1, pl.Int32),
        other=pl.lit(None, pl.String),
        grade=suspect.cast(pl.Int8),
        reasons=suspect.cast(pl.Int16) * 64,
        origin=pl.lit(0, pl.Int8),
        withdrawn=pl.lit(False),
    )


def make(home: Path, readings: int) -> dict[str, float]:
    """A migrated database that knows the stations, and a lake of ``readings`` readings, whole days, four files a day."""
    database = open_database(home, TENANT)
    migrate(database)
    began, made_up, written, day = time.perf_counter(), 0.0, 0, FIRST_DAY
    lake = database.lake
    named = [
        (series(s, a), urn(s), IRI + name, None, None, TYPE) for a, name in enumerate(ATTRIBUTES) for s in range(STATIONS)
    ]
    lake.describe(named)
    while written < readings:
        made = []
        for attribute in range(len(ATTRIBUTES)):
            start = time.perf_counter()
            rows = day_of(day, attribute)
            made_up += time.perf_counter() - start
            half = attribute * STATIONS + STATIONS // 2
            parts = [rows.filter(pl.col("series") <= half), rows.filter(pl.col("series") > half)]
            made += [lake.write(TYPE, day, part) for part in parts]
            written += len(rows)
        lake.replace(TYPE, [day], made)
        day += 1
    connection = database.connect_writer()
    names = [*(IRI + name for name in ATTRIBUTES), TYPE]
    stations = [(n + 1, urn(n), 3, 1, f"{n % 126:05d}", *(place(n) * 2), 0, 0, "{}") for n in range(STATIONS)]
    with connection.transaction():
        connection.executemany("INSERT INTO name (id, iri) VALUES (?,?)", list(enumerate(names, 1)))
        connection.executemany(
            "INSERT INTO entity (num, id, type, clearance, ward, west, south, east, north, created_at, modified_at, doc) "
            "VALUES (?,?,?,?,?,?,?,?,?,?,?,?)",
            stations,
        )
        rows_of = [(n + 1, a + 1, 0, series(n, a)) for a in range(len(ATTRIBUTES)) for n in range(STATIONS)]
        connection.executemany("INSERT INTO series (entity, attribute, dataset, id) VALUES (?,?,?,?)", rows_of)
        marks = [(name, str(day * DAY)) for name in ("sealing_until", "sealed_until", "recent_from")]
        connection.executemany("INSERT INTO meta (key, value) VALUES (?,?)", marks)
    connection.close()
    database.close()
    return {
        "readings": written,
        "seconds": time.perf_counter() - began,
        "made_up": made_up,
        "first": FIRST_DAY * DAY,
        "last": day * DAY,
    }


def place(station: int) -> tuple[float, float]:
    """Where a station stands: a grid over Hanoi, EPSG:4326."""
    return 105.55 + 0.5 * (station % 71) / 71, 20.75 + 0.45 * (station // 71) / 71


if __name__ == "__main__":
    print(json.dumps(make(Path(sys.argv[1]), int(sys.argv[2]))))
