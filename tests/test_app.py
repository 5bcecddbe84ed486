"""The composition root: which sectors, which tenant, which clock; and a start that fails in words."""

import socket
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from dothi.access.policy import SYSTEM
from dothi.app import installed_sectors, recorded_period, tenant_of, with_found_data
from dothi.model.problem import Problem
from dothi.platform.server import listen
from dothi.settings import Settings
from dothi.testing.city import running_city, wait_until


def test_sectors_are_found_chosen_and_missed_by_name() -> None:
    assert "air" in {sector.id for sector in installed_sectors()}
    assert [sector.id for sector in installed_sectors(" air ,")] == ["air"]
    with pytest.raises(Problem, match=r"DOTHI_SECTORS may name: .*air"):
        installed_sectors("tides")


def test_a_port_in_use_is_said_before_anything_starts(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        settings = Settings(home=tmp_path / "home", port=taken.getsockname()[1])
        with pytest.raises(Problem, match="set DOTHI_PORT"):
            listen(settings)
    assert not (tmp_path / "home").exists()


def test_an_address_that_is_not_ours(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="Set DOTHI_HOST"):
        listen(Settings(home=tmp_path, host="192.0.2.1", port=0, trusted_proxy="192.0.2.2"))


def test_a_door_is_left_open_only_where_nobody_else_can_come(tmp_path: Path) -> None:
    listen(Settings(home=tmp_path, port=0, open_doors="ngsild")).close()
    with pytest.raises(Problem, match="DOTHI_OPEN_DOORS"):
        listen(Settings(home=tmp_path, port=0, open_doors="ngsild", names="city.example.vn"))


def test_the_data_folder_beside_the_checkout_is_hanois(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    beside = tmp_path / "shared" / "data" / "hanoi"
    beside.mkdir(parents=True)
    (tmp_path / "main").mkdir()
    (tmp_path / "main" / "pyproject.toml").touch()
    monkeypatch.setattr("dothi.app.CHECKOUT", tmp_path / "main", raising=False)
    monkeypatch.setattr("dothi.app.DEFAULT_DATA", beside)
    settings = Settings(home=tmp_path / "home")
    assert with_found_data(settings).data == beside
    assert with_found_data(settings.model_copy(update={"city": "25"})).data is None
    assert recorded_period(with_found_data(settings), installed_sectors()) is None
    assert tenant_of(with_found_data(settings)) == "hanoi"
    with pytest.raises(Problem, match="no folder"):
        recorded_period(settings.model_copy(update={"data": tmp_path / "nowhere"}), installed_sectors())


def test_another_city_is_one_setting_away(tmp_path: Path) -> None:
    with running_city(tmp_path, city="25") as city:
        told = httpx.get(f"{city.base_url}/api/v1/city", trust_env=False, timeout=60).json()
    assert (told["code"], told["name"]["vi"], told["approximate"]) == ("25", "Phú Thọ", True)
    assert (tmp_path / "home" / "tenants" / told["tenant"] / "city.db").is_file()


def test_an_unknown_city_ends_in_words(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="Set DOTHI_CITY to one of"), running_city(tmp_path, city="99"):
        raise AssertionError("unreachable")


def test_one_home_runs_one_city(tmp_path: Path) -> None:
    with (
        running_city(tmp_path),
        pytest.raises(Problem, match="already runs on"),
        running_city(tmp_path),
    ):
        raise AssertionError("unreachable")


def recorded(folder: Path) -> Path:
    """A folder with two stations and three hours of readings, as a city's data folder has them."""
    import polars as pl

    (folder / "air").mkdir(parents=True)
    names = ["Trạm A", "Trạm B"]
    rows = "".join(f"{name},{105.80 + number / 20},21.03,\n" for number, name in enumerate(names))
    (folder / "air" / "stations.csv").write_text(f"station_name,longitude,latitude,ward\n{rows}", encoding="utf-8")
    times = [datetime(2026, 5, 14, hour) for hour in range(4, 8)]  # noqa: DTZ001 - the file's own times are naive UTC
    table = pl.DataFrame(
        [
            {
                "station_name": name,
                "timestamp_utc": at,
                "parameter": "pm25",
                "value": 20.0,
                "unit": "µg/m³",
                "quality_flag": "",
            }
            for name in names
            for at in times
        ]
    )
    table.write_parquet(folder / "air" / "readings_2026_05.parquet")
    return folder


def test_files_that_a_killed_city_left_are_swept_at_the_next_start(tmp_path: Path) -> None:
    half = tmp_path / "home" / "tenants" / "hanoi" / "files" / "ab" / ".half"
    half.parent.mkdir(parents=True)
    half.write_bytes(b"half of a photo")
    with running_city(tmp_path):
        wait_until(lambda: not half.exists(), "the half-written file was swept away")


def test_a_drill_is_a_city_apart_that_says_so_and_measures_nothing_by_itself(tmp_path: Path) -> None:
    start, end = datetime(2026, 11, 20, 1, tzinfo=UTC), datetime(2026, 11, 20, 5, tzinfo=UTC)
    with running_city(tmp_path, drill="smog", replay_from=start, replay_to=end, replay_speed=600) as city:
        told = httpx.get(f"{city.base_url}/api/v1/city", trust_env=False, timeout=60).json()
        page = httpx.get(f"{city.base_url}/air", trust_env=False, timeout=60).text
        assert (told["tenant"], told["drill"], told["simulated"]) == ("hanoi-drill-smog", "smog", True)
        assert start <= city.platform.clock.now() <= end
        assert "DIỄN TẬP" in page
        assert "PHÁT LẠI" not in page
        assert sum(city.platform.devices.counts(SYSTEM).values()) == 0
    with pytest.raises(Problem, match="its beginning and its end"), running_city(tmp_path / "other", drill="smog"):
        pass


def test_recorded_data_makes_a_replay_that_goes_on_after_a_restart(tmp_path: Path) -> None:
    data = recorded(tmp_path / "data")
    moments = []
    for _ in range(2):
        with running_city(tmp_path, data=data, replay_speed=600) as city:
            told = httpx.get(f"{city.base_url}/api/v1/city", trust_env=False, timeout=60).json()
            moments.append(city.platform.clock.now())
        assert told["tenant"] == "hanoi-replay"
        assert told["simulated"] is False
        assert told["replay"]["speed"] == 600
        assert told["replay"]["start"] == "2026-05-14T04:00:00Z"
    first, second = moments
    assert datetime(2026, 5, 14, 5, tzinfo=UTC) <= first <= second <= datetime(2026, 5, 14, 7, tzinfo=UTC)
