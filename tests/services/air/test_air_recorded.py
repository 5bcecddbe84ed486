"""Recorded readings: the file's own words passed on, stations that keep their ids, a place to go on from."""

from datetime import UTC, datetime
from pathlib import Path

import msgspec
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dothi.devices.payload import DEVICE_ID, decode
from dothi.services.air.recorded import (
    bodies,
    device_id,
    recorded_messages,
    recorded_stations,
    replay_period,
    resume_from,
)
from dothi.store.journal import Message

START = datetime(2026, 5, 14, 4, 7, 24, tzinfo=UTC)
LATER = datetime(2026, 5, 14, 9, 0, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder with two stations, two moments, a wrong unit, and readings of a station nobody lists."""
    air = tmp_path / "air"
    air.mkdir()
    header = "station_name,latitude,longitude,wcode,wname,coordinate_shared\n"
    rows = '"Hồ Tây, Hà Nội",21.05,105.82,00103,Tây Hồ,False\n"Phu Ly, Ha Nam",20.96,105.76,09552,Kiến Hưng,True\n'
    (air / "stations.csv").write_text(header + rows, "utf-8")
    lines = [
        ("Phu Ly, Ha Nam", LATER, "pm25", 20.5, "µg/m³"),
        ("Hồ Tây, Hà Nội", START, "temp", 31.0, "µg/m³"),
        ("Hồ Tây, Hà Nội", START, "pm25", 41.0, "µg/m³"),
        ("Elsewhere", START, "pm25", 1.0, "µg/m³"),
    ]
    schema = ["station_name", "timestamp_utc", "parameter", "value", "unit"]
    pl.DataFrame(lines, schema=schema, orient="row").write_parquet(air / "readings_2026_05.parquet")
    return tmp_path


def test_messages_are_what_the_device_door_reads(folder: Path) -> None:
    messages = recorded_messages(folder)
    assert [message.at for message in messages] == [START, LATER]
    (body,) = bodies(messages)
    decoded, refused = decode(Message("file", None, body, "application/x-ndjson", 0, "test"))
    assert refused == []
    assert [one.device for one in decoded] == ["ho-tay-ha-noi", "phu-ly-ha-nam"]
    assert decoded[0].values == {
        "temp": {"value": 31.0, "unit": "µg/m³"},
        "pm25": {"value": 41.0, "unit": "µg/m³"},
    }, "a wrong unit is not put right in silence"


def test_bodies_keep_every_line_once(folder: Path) -> None:
    messages = recorded_messages(folder) * 3
    parts = list(bodies(messages, size=4))
    assert [len(part.split(b"\n")) for part in parts] == [4, 2]
    assert b"\n".join(parts).split(b"\n") == [message.line for message in messages]


def test_only_what_came_after_is_read_again(folder: Path) -> None:
    assert [message.at for message in recorded_messages(folder, START)] == [LATER]
    assert resume_from([None, LATER, START]) == datetime(2026, 5, 14, 8, 0, tzinfo=UTC)
    assert resume_from([None]) is None


def test_the_clock_begins_half_way_on_a_whole_hour(folder: Path) -> None:
    period = replay_period(folder)
    assert period is not None
    assert (period.start, period.present, period.end) == (START, datetime(2026, 5, 14, 6, tzinfo=UTC), LATER)


def test_a_folder_without_air_has_no_period(tmp_path: Path) -> None:
    assert replay_period(tmp_path) is None
    with pytest.raises(FileNotFoundError, match="readings"):
        recorded_messages(tmp_path)


def test_stations_keep_their_place_and_name(folder: Path) -> None:
    lake = recorded_stations(folder)["Hồ Tây, Hà Nội"]
    assert (lake.device, lake.name, lake.longitude, lake.latitude) == ("ho-tay-ha-noi", "Hồ Tây, Hà Nội", 105.82, 21.05)


@settings(max_examples=100)
@given(st.lists(st.text(max_size=90), min_size=1, max_size=12))
def test_every_name_becomes_its_own_device_id(names: list[str]) -> None:
    taken: set[str] = set()
    for name in names:
        found = device_id(name, taken)
        assert DEVICE_ID.fullmatch(found) and found not in taken
        taken.add(found)
    assert msgspec.json.decode(msgspec.json.encode(sorted(taken))) == sorted(taken)
