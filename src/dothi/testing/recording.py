"""A folder of recorded readings with a smoggy evening in it: a past to look back on, small enough for a test."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

HOUR = timedelta(hours=1)
FIRST = datetime(2026, 5, 18, 0, 5, tzinfo=UTC)
HOURS = 96
SMOG = (19, 25)  # hours from the first, the dusty ones
PEAK = 22  # and the worst of them
NOW = datetime(2026, 5, 19, 23, tzinfo=UTC)  # where the clock of a replay of it begins
LAST = FIRST + HOUR * (HOURS - 1)
STATIONS = (
    ("Công viên Hồ Tây", 21.0581, 105.8194, 20.0),
    ("Chợ Mơ", 20.9955, 105.8606, 32.0),
    ("Trường Trung Hòa", 21.0122, 105.8003, 26.0),
    ("Bến xe Mỹ Đình", 21.0285, 105.7780, 35.0),
)
SMOGGY = "Bến xe Mỹ Đình"


def recording(folder: Path, first: datetime = FIRST, hours: int = HOURS) -> Path:
    """Make ``folder/data``: PM2.5, PM10 and NO2 by the hour, calm but for one station in one evening. Returns it."""
    import polars as pl

    air = folder / "data" / "air"
    air.mkdir(parents=True)
    rows = [f'"{name}",{latitude},{longitude}\n' for name, latitude, longitude, _ in STATIONS]
    (air / "stations.csv").write_text("station_name,latitude,longitude\n" + "".join(rows), "utf-8")
    lines = []
    for number in range(hours):
        for name, _, _, dust in STATIONS:
            swing = (number * 7 + len(name)) % 9 - 4
            smog = SMOG[0] <= number < SMOG[1] and name == SMOGGY
            pm25 = (260.0 if number == PEAK else 190.0) if smog else dust + swing
            at = first + HOUR * number
            lines += [(name, at, "pm25", pm25, "µg/m³"), (name, at, "pm10", pm25 * 1.6, "µg/m³")]
            lines.append((name, at, "no2", 20.0 + swing, "µg/m³"))
    schema = ["station_name", "timestamp_utc", "parameter", "value", "unit"]
    pl.DataFrame(lines, schema=schema, orient="row").write_parquet(air / "readings_2026_05.parquet")
    return folder / "data"
