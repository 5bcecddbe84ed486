"""How good is the air of a ward without a station? Each place guessed from the others, against the city's plain mean.

Prints one JSON object a line: score and naive are mean absolute
errors in µg/m³ of PM2.5 (or in AQI points of its index), lower is better; no published score exists for this network.
"""

import json
import sys
from collections.abc import Iterable
from pathlib import Path

import polars as pl

from dothi.services.air.recorded import readings_file, recorded_stations
from dothi.services.air.vn_aqi import sub_index
from dothi.services.air.wards import leave_one_out


def hourly(data: Path) -> pl.DataFrame:
    """Hourly PM2.5 means by station; hours of exactly zero are an outage in this file and are left out."""
    path = readings_file(data)
    if path is None:
        sys.exit(f"no recorded readings in {data / 'air'}")
    hour = pl.col("timestamp_utc").dt.truncate("1h").alias("hour")
    frame = pl.read_parquet(path).filter(pl.col("parameter") == "pm25").group_by("station_name", hour)
    return frame.agg(pl.col("value").mean()).filter(pl.col("value") > 0).sort("hour", "station_name")


def score(frame: pl.DataFrame, places: dict[str, tuple[float, float]]) -> tuple[float, float, int]:
    """Mean errors (interpolated, naive) over all hours with three places or more, each hour weighing the same."""
    errors = []
    for _, group in frame.group_by("hour", maintain_order=True):
        error = leave_one_out([places[name] for name in group["station_name"]], group["value"].to_list())
        if error is not None:
            errors.append(error)
    count = len(errors)
    return sum(one.interpolated for one in errors) / count, sum(one.naive for one in errors) / count, count


def cases(frame: pl.DataFrame, places: dict[str, tuple[float, float]]) -> Iterable[tuple[str, pl.DataFrame]]:
    """What is scored: everything, the two halves of the period, places of their own, and the index instead of the mass."""
    middle = frame["hour"].unique().sort()[frame["hour"].n_unique() // 2]
    spots = list(places.values())
    alone = [name for name, spot in places.items() if spots.count(spot) == 1]
    yield "pm25, all hours", frame
    yield "pm25, first half", frame.filter(pl.col("hour") < middle)
    yield "pm25, second half", frame.filter(pl.col("hour") >= middle)
    yield "pm25, stations with a coordinate of their own", frame.filter(pl.col("station_name").is_in(alone))
    index = pl.col("value").map_elements(lambda mass: sub_index("pm25", mass), return_dtype=pl.Float64)
    yield "index of pm25, all hours", frame.with_columns(index)


def main(data: Path) -> None:
    """Print one line for each case of the recorded readings in ``data``."""
    frame = hourly(data)
    places = {name: (one.longitude, one.latitude) for name, one in recorded_stations(data).items()}
    for case, part in cases(frame, places):
        found, naive, hours = score(part, places)
        line = {
            "sector": "air",
            "yardstick": f"leave-one-out over {len(places)} stations of the recorded data: mean absolute error",
            "case": f"{case} ({hours} h)",
            "score": round(found, 3),
            "naive": round(naive, 3),
            "published": None,
            "better": found < naive,
        }
        print(json.dumps(line, ensure_ascii=False))
