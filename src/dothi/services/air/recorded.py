"""The recorded readings of a data folder (air/readings_*.parquet, air/stations.csv) as messages a device could have sent."""

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from dothi.model.text import fold, nfc
from dothi.platform.sector import Period

STATIONS = Path("air") / "stations.csv"
READINGS = "readings_*.parquet"
RECORDED_BY = "AQI.in"  # whose readings files of this form hold
_DEVICE_ID = 64


@dataclass(frozen=True, slots=True)
class RecordedStation:
    """A station as the file names it, with the device id we give it; coordinates in EPSG:4326."""

    device: str
    name: str
    longitude: float
    latitude: float


@dataclass(frozen=True, slots=True)
class RecordedMessage:
    """One station's values at one moment (UTC), already encoded as a line of the published device payload."""

    at: datetime
    line: bytes


def readings_file(data: Path) -> Path | None:
    """The newest file of recorded readings in a data folder; None if that or the list of stations is missing."""
    found = sorted((data / "air").glob(READINGS))
    return found[-1] if found and (data / STATIONS).is_file() else None


def replay_period(data: Path) -> Period | None:
    """The period the folder's readings cover; the clock begins half-way, on a whole hour, so that there is a past."""
    path = readings_file(data)
    if path is None:
        return None
    import polars as pl  # only a replaying city pays for it

    first, last = (
        pl.scan_parquet(path)
        .select(pl.col("timestamp_utc").min(), pl.col("timestamp_utc").alias("last").max())
        .collect()
        .row(0)
    )
    start, end = _aware(first), _aware(last)
    present = (start + (end - start) / 2).replace(minute=0, second=0, microsecond=0)
    return Period(start, max(present, start), end)


def recorded_stations(data: Path) -> dict[str, RecordedStation]:
    """The stations of the folder by name. Device ids are made from the names, the same every time."""
    with (data / STATIONS).open(encoding="utf-8", newline="") as file:
        rows = sorted(csv.DictReader(file), key=lambda row: row["station_name"])
    found: dict[str, RecordedStation] = {}
    taken: set[str] = set()
    for row in rows:
        device = device_id(row["station_name"], taken)
        taken.add(device)
        name = nfc(row["station_name"])
        found[row["station_name"]] = RecordedStation(device, name, float(row["longitude"]), float(row["latitude"]))
    return found


def device_id(name: str, taken: set[str]) -> str:
    """A device id made of a station's name, not yet in ``taken``: accents folded, anything else a hyphen, 64 letters."""
    stem = re.sub(r"[^a-z0-9]+", "-", fold(nfc(name))).strip("-")[:_DEVICE_ID].rstrip("-") or "station"
    candidate, number = stem, 2
    while candidate in taken:
        suffix = f"-{number}"
        candidate, number = stem[: _DEVICE_ID - len(suffix)] + suffix, number + 1
    return candidate


def recorded_messages(data: Path, after: datetime | None = None) -> list[RecordedMessage]:
    """All recorded values after a moment, in order of time, one message for each station and moment.

    Units are passed on as the file states them, wrong ones too: judging them is the platform's work. Readings of a station
    that the list does not know are left out. Raises FileNotFoundError without the files.
    """
    path = readings_file(data)
    if path is None:
        raise FileNotFoundError(f"no {READINGS} and stations.csv in {data / 'air'}")
    import polars as pl  # only a replaying city pays for it

    known = recorded_stations(data)
    frame = pl.scan_parquet(path).filter(pl.col("station_name").is_in(list(known)))
    if after is not None:
        frame = frame.filter(pl.col("timestamp_utc") > after)
    grouped = (
        frame.group_by("timestamp_utc", "station_name")
        .agg("parameter", "value", "unit")
        .sort("timestamp_utc", "station_name")
        .collect()
    )
    return [_message(known[name], _aware(at), zip(*values, strict=True)) for at, name, *values in grouped.iter_rows()]


def bodies(messages: Sequence[RecordedMessage], size: int = 500) -> Iterator[bytes]:
    """The messages as NDJSON bodies of at most ``size`` lines."""
    for start in range(0, len(messages), size):
        yield b"\n".join(message.line for message in messages[start : start + size])


def _message(station: RecordedStation, at: datetime, values: Iterator[tuple[str, float, str]]) -> RecordedMessage:
    shown: dict[str, Any] = {
        "device": station.device,
        "at": at,
        "values": {name: {"value": value, "unit": unit} for name, value, unit in values},
    }
    return RecordedMessage(at, msgspec.json.encode(shown))


def _aware(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def resume_from(heard: Sequence[datetime | None]) -> datetime | None:
    """Where to go on after a restart: an hour before the newest stored observation, None if nothing is stored."""
    known = [one for one in heard if one is not None]
    return max(known) - timedelta(hours=1) if known else None
