"""How good is the air forecast? The last quarter of three series of Hanoi, hour by hour, against two naive forecasts.

Every issue sees only what came before it and learns from that alone, as in the city. Nothing in the method was chosen by
these quarters. Prints one JSON object a line: score and naive are mean absolute errors in µg/m³ of PM2.5 over the same
cases, lower is better; naive is the better of persistence and the same hour of the day before. Nobody has published such
errors for these series; docs/forecasts.md says what others reached elsewhere.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from dothi.services.air import forecast
from evaluation import air_interpolation

Floats = NDArray[np.float64]
HORIZONS = ((0, 6), (6, 12), (12, 24))
# The index of the United States as it was in those years (40 CFR 58, appendix G, of 2013), by which AirNow made it of PM2.5.
_INDEX = (0, 50, 51, 100, 101, 150, 151, 200, 201, 300, 301, 400, 401, 500)
_MASS = (0.0, 12.0, 12.1, 35.4, 35.5, 55.4, 55.5, 150.4, 150.5, 250.4, 250.5, 350.4, 350.5, 500.4)


@dataclass(frozen=True, slots=True)
class Case:
    """Hourly means (stations, hours) in µg/m³, the hour of day (0–23) of the first, and the hours from issue to issue."""

    name: str
    values: Floats
    first_hour: int
    step: int


def cases(data: Path) -> Iterator[Case]:
    """The three series of the data folder; the issues of the long ones go through every hour of the day."""
    frame = air_interpolation.hourly(data)
    hours = frame["hour"].unique().sort()
    grid = _grid(frame.select("station_name", "hour", "value"))
    yield Case("66 stations, May 2026 (AQI.in)", grid, (hours[0].hour + 7) % 24, 1)
    raw = pl.read_csv(data / "air" / "embassy_hourly_2015_2018.csv", infer_schema_length=0)
    valid = raw.filter(pl.col("qc_name") == "Valid").select(
        pl.lit("embassy").alias("station"),
        pl.col("date").str.to_datetime("%Y-%m-%dT%H:%M:%SZ").alias("hour"),
        pl.col("aqi").cast(pl.Float64, strict=False).alias("value"),
    )
    valid = valid.filter(pl.col("value") >= 0)
    mass = np.interp(_grid(valid), _INDEX, _MASS)
    yield Case("reference monitor, 2015–2018 (AirNow, from its AQI)", mass, valid["hour"].min().hour, 13)
    modelled = pl.read_parquet(data / "air" / "hoankiem_hourly_2022_2025.parquet").select(
        pl.lit("model").alias("station"),
        pl.col("Local Time").str.to_datetime("%Y-%m-%d %H:%M:%S").alias("hour"),
        pl.col("PM25").alias("value"),
    )
    yield Case("Hoàn Kiếm, 2022–2025 (modelled, not measured)", _grid(modelled), modelled["hour"].min().hour, 23)


def _grid(frame: pl.DataFrame) -> Floats:
    """(station, hour, value) rows as stations by hours without holes in time; not a number where nothing is known."""
    station, hour, value = frame.columns
    names = frame[station].unique().sort().to_list()
    first: datetime = frame[hour].min()
    rows = {name: place for place, name in enumerate(names)}
    length = int((frame[hour].max() - first) / timedelta(hours=1)) + 1
    grid = np.full((len(names), length), np.nan)
    for name, at, number in frame.select(station, hour, value).iter_rows():
        if number is not None:
            grid[rows[name], int((at - first) / timedelta(hours=1))] = number
    return grid


@dataclass(frozen=True, slots=True)
class Errors:
    """Absolute errors and whether the band held, (forecasts, 24); not a number where nothing came to compare with."""

    model: Floats
    persistence: Floats
    yesterday: Floats
    inside: Floats


def errors(case: Case, start: int, end: int) -> Errors:
    """What was wrong with the forecasts issued in [start, end); nothing at ``end`` or later is looked at."""
    rows: dict[str, list[Floats]] = {"model": [], "persistence": [], "yesterday": [], "inside": []}
    for issue in range(start, end, case.step):
        begin = max(0, issue - forecast.PAST)
        said = forecast.forecast(case.values[:, begin:issue], (case.first_hour + begin) % 24)
        for place, one in said.items():
            if one["method"] != "model":
                continue
            came = np.full(forecast.HORIZONS, np.nan)
            known = case.values[place, issue : min(end, issue + forecast.HORIZONS)]
            came[: len(known)] = known
            yesterday, low, high = (_numbers(one[name]) for name in ("yesterday", "low", "high"))
            compared = np.where(np.isfinite(yesterday), came, np.nan)
            rows["model"].append(np.abs(_numbers(one["value"]) - compared))
            rows["persistence"].append(np.abs(one["persistence"] - compared))
            rows["yesterday"].append(np.abs(yesterday - compared))
            rows["inside"].append(np.where(np.isfinite(compared), (compared >= low) & (compared <= high), np.nan))
    return Errors(**{name: np.array(found) for name, found in rows.items()})


def _numbers(values: list[Any]) -> Floats:
    return np.array([np.nan if one is None else one for one in values], dtype=np.float64)


def lines(case: Case, found: Errors) -> Iterator[dict[str, Any]]:
    """One line for each stretch of horizons."""
    for first, end in HORIZONS:
        part = np.s_[:, first:end]
        model, persistence, yesterday, inside = (
            float(np.nanmean(one[part])) for one in (found.model, found.persistence, found.yesterday, found.inside)
        )
        naive = min(persistence, yesterday)
        yield {
            "sector": "air",
            "yardstick": "PM2.5 forecast on the last quarter of the series: mean absolute error, µg/m³",
            "case": f"{case.name}, {first + 1}–{end} h ahead ({int(np.isfinite(found.model[part]).sum())} cases)",
            "score": round(model, 2),
            "naive": round(naive, 2),
            "naive_is": "persistence" if persistence <= yesterday else "same hour yesterday",
            "skill": round(1 - model / naive, 3),
            "band_80": round(inside, 3),
            "published": None,
            "better": model < naive,
        }


def main(data: Path) -> None:
    """Print the lines of the recorded series in ``data``."""
    for case in cases(data):
        length = case.values.shape[1]
        for line in lines(case, errors(case, length * 3 // 4, length)):
            print(json.dumps(line, ensure_ascii=False), flush=True)
