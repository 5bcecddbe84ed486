"""A small made-up recording in the shape of a city's data folder: stations and their hourly readings, nothing of it real."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl

STATIONS = {
    "Ho Tay, Hanoi, Hanoi, Vietnam": (21.0581, 105.8194),
    "Cho Mo, Hanoi, Hanoi, Vietnam": (20.9955, 105.8606),
    "Cau Giay, Hanoi, Hanoi, Vietnam": (21.0362, 105.7906),
}


def recorded_air(folder: Path, start: datetime, hours: int, dust: Callable[[int], float]) -> Path:
    """A data folder with one reading of every station in each of ``hours``, PM2.5 as ``dust`` says (µg/m³, by hour).

    As in the recordings we know, temperature claims to be in µg/m³ too.
    """
    air = folder / "data" / "air"
    air.mkdir(parents=True)
    header = "station_name,latitude,longitude,wcode,wname,coordinate_shared\n"
    rows = [f"{json.dumps(name)},{latitude},{longitude},,,False\n" for name, (latitude, longitude) in STATIONS.items()]
    (air / "stations.csv").write_text(header + "".join(rows), "utf-8")
    lines = []
    for hour in range(hours):
        at = start + timedelta(hours=hour)
        for name in STATIONS:
            lines.append((name, at, "pm25", dust(hour), "µg/m³", "valid"))
            lines.append((name, at, "temp", 24.0 + hour % 7, "µg/m³", "valid"))
    schema = ["station_name", "timestamp_utc", "parameter", "value", "unit", "quality_flag"]
    pl.DataFrame(lines, schema=schema, orient="row").write_parquet(air / "readings_2026_01.parquet")
    return folder / "data"
