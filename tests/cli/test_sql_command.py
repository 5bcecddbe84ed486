"""``dothi sql``: asked of the running city, or of the record itself when none runs."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from test_commands import dothi, refused

from dothi.cli.client import write_address
from dothi.testing.city import RunningCity, running_city


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCity]:
    """A running city whose address the command finds in its home."""
    with running_city(tmp_path_factory.mktemp("city")) as running:
        write_address(running.home, running.base_url, running.mqtt_port)
        yield running


def test_a_running_city_is_asked(city: RunningCity, tmp_path: Path) -> None:
    told = dothi(city.home, "sql", "SELECT ward, full_name FROM wards ORDER BY ward LIMIT 2")
    assert told.returncode == 0, told
    assert told.stdout.splitlines()[0].split() == ["ward", "full_name"]
    assert "2 rows" in told.stderr
    told = dothi(city.home, "sql", "SELECT 1 AS a, 'Đống Đa' AS b", "--format", "json")
    assert json.loads(told.stdout)["rows"] == [[1, "Đống Đa"]]
    told = dothi(city.home, "sql", "SELECT '=1' AS a", "--format", "csv")
    assert list(csv.reader(io.StringIO(told.stdout.removeprefix("\ufeff")))) == [["a"], ["'=1"]]
    file = tmp_path / "wards.parquet"
    assert dothi(city.home, "sql", "SELECT * FROM wards", "-o", str(file)).returncode == 0
    assert len(pl.read_parquet(file)) == len(city.platform.city.wards)


def test_what_is_wrong_is_shown_where_it_is(city: RunningCity) -> None:
    told = dothi(city.home, "sql", "SELECT name,\n  valu\nFROM readings")
    assert told.returncode == 2
    lines = told.stderr.splitlines()
    assert lines[:2] == ["    valu", "    ^"]
    assert "valu" in lines[2]
    assert "Traceback" not in told.stderr


def test_the_catalogue_needs_no_city(tmp_path: Path) -> None:
    told = dothi(tmp_path / "home", "sql", "--tables", "--english")
    assert told.returncode == 0
    assert "readings" in told.stdout and "air_quality_observed" in told.stdout
    assert "When it was observed" in told.stdout


def test_the_record_is_asked_when_no_city_runs(tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert "There is no city" in refused(dothi(home, "sql", "SELECT 1"))
    with running_city(tmp_path):
        assert "already runs" in refused(dothi(home, "sql", "SELECT 1"))  # it wrote down no address
    told = dothi(home, "sql", "SELECT count(*) FROM wards", "--format", "csv")
    assert told.returncode == 0, told
    assert told.stdout.splitlines()[1] == "126"
    assert "What is the question" in refused(dothi(home, "sql"))
