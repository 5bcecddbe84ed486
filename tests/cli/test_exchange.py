"""``dothi export`` and ``dothi import`` as people use them: of a city that runs, of one that does not, and of real data."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from dothi.access.policy import SYSTEM
from dothi.cli.client import write_address
from dothi.data.context import EntityQuery
from dothi.testing.city import running_city, wait_until

REAL = Path(os.environ.get("DOTHI_DATA") or Path(__file__).resolve().parents[3] / "shared" / "data" / "hanoi") / "air"
STATION = "https://smartdatamodels.org/dataModel.Environment/AirQualityObserved"
INDEX = "https://smartdatamodels.org/dataModel.Environment/airQualityIndex"


def dothi(home: Path, data: Path, *arguments: str) -> str:
    """What a command prints; its one line of refusal if it refuses."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DOTHI_")}
    environment |= {"DOTHI_HOME": str(home), "DOTHI_DATA": str(data), "COLUMNS": "200"}
    command = [sys.executable, "-c", "from dothi.cli import main; main()", *arguments]
    told = subprocess.run(
        command, env=environment, cwd=home.parent, capture_output=True, text=True, timeout=120, check=False
    )
    assert told.returncode in (0, 2), told.stderr
    return told.stdout if told.returncode == 0 else told.stderr


def manifest(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    return found


def same(one: Path, other: Path) -> bool:
    """True if two exports hold the same but for when they were made and by whom."""
    return _sums(one) == _sums(other)


def _sums(folder: Path) -> dict[str, str]:
    files = manifest(folder)["files"]
    assert isinstance(files, dict)
    return {name: digest for name, digest in files.items() if not name.startswith("audit")}


@pytest.fixture
def slice_of_hanoi(tmp_path: Path) -> Path:
    """Three real stations over two days, as a data folder; made up where the real data is not at hand."""
    data = tmp_path / "data"
    (data / "air").mkdir(parents=True)
    if not REAL.is_dir():
        pytest.skip("the recorded data of Hanoi is not here")
    shutil.copy(REAL / "stations.csv", data / "air")
    rows = pl.read_parquet(sorted(REAL.glob("readings_*.parquet"))[-1])
    names, first = rows["station_name"].unique().sort().head(3), rows["timestamp_utc"].min()
    some = rows.filter(pl.col("station_name").is_in(names.implode()), pl.col("timestamp_utc") < first + pl.duration(days=2))
    some.write_parquet(data / "air" / "readings_2026_05.parquet")
    return data


def test_real_readings_leave_a_running_city_and_come_back(slice_of_hanoi: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    with running_city(tmp_path, home=home, data=slice_of_hanoi, replay_speed=1.0) as city:
        write_address(city.home, city.base_url, city.mqtt_port)
        query = EntityQuery(type=STATION, limit=100)
        wait_until(
            lambda: sum(one.first(INDEX) is not None for one in city.platform.context.query(SYSTEM, query).entities) == 3,
            "every station has an index",
        )
        assert "dothi import" in dothi(home, slice_of_hanoi, "export", str(tmp_path / "running"))
        refusal = dothi(home, slice_of_hanoi, "import", str(tmp_path / "running"))
        assert "already runs" in refusal
        lines = (tmp_path / "running" / "audit.ndjson").read_text(encoding="utf-8").splitlines()
        (announced,) = [act for line in lines if (act := json.loads(line))["action"] == "city.export"]
        assert announced["detail"] == f"the whole city to {tmp_path / 'running'}"
    counts = manifest(tmp_path / "running")["counts"]
    assert isinstance(counts, dict)
    assert counts["readings"] > 100
    assert manifest(tmp_path / "running")["sources"][-1]["attribution"].startswith("AQI.in")

    dothi(home, slice_of_hanoi, "export", str(tmp_path / "still"))
    assert "readings a second" in dothi(
        tmp_path / "x", slice_of_hanoi, "import", str(tmp_path / "still"), "--home", str(tmp_path / "elsewhere")
    )
    dothi(tmp_path / "elsewhere", slice_of_hanoi, "export", str(tmp_path / "again"))
    assert same(tmp_path / "again", tmp_path / "still")
    # It runs on where the other stood.
    with running_city(tmp_path, home=tmp_path / "elsewhere", data=slice_of_hanoi, replay_speed=1.0) as moved:
        stood = str(manifest(tmp_path / "still")["moment"])
        assert moved.platform.clock.now().isoformat() >= stood.replace("Z", "+00:00")
        assert len(moved.platform.context.query(SYSTEM, query).entities) == counts["entities"]


def test_what_cannot_be_done_is_said_in_one_line(tmp_path: Path) -> None:
    empty = tmp_path / "no-data"
    empty.mkdir()
    home = tmp_path / "home"
    assert "There is no city in" in dothi(home, empty, "export", str(tmp_path / "x"))
    assert "There is no folder" in dothi(home, empty, "import", str(tmp_path / "nothing"))
    assert "--from '14.5.' is no moment" in dothi(home, empty, "export", str(tmp_path / "x"), "--from", "14.5.")
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "manifest.json").write_text(
        json.dumps(
            {
                "format": 1,
                "version": "0.1.0",
                "tenant": "da-nang",
                "city": {},
                "written_at": "",
                "moment": "2026-05-14T04:00:00Z",
                "counts": {},
                "types": {},
                "sources": [],
                "audit_head": "",
                "files": {},
            }
        ),
        encoding="utf-8",
    )
    assert "holds the city 'da-nang', but these settings run 'hanoi'" in dothi(
        home, empty, "import", str(tmp_path / "foreign")
    )
