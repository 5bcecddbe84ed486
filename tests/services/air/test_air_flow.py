"""From recorded files to the public page, in a real city: what is replayed is indexed, placed, shown and admitted."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import ProxyHandler, build_opener

import polars as pl
import pytest

from dothi.access.policy import STRANGER, SYSTEM
from dothi.data.context import EntityQuery
from dothi.data.history import SeriesRows
from dothi.model.entity import Entity
from dothi.model.reading import Grade, Origin, Reason
from dothi.services.air import view
from dothi.services.air.model import AIR_QUALITY_OBSERVED, DOMINANT, INDEX, LEVEL, iri
from dothi.services.air.stations import city_air, stations
from dothi.testing.city import RunningCity, running_city, wait_until

START = datetime(2026, 5, 14, 3, 5, tzinfo=UTC)
HOURS = 60  # the clock begins after 30 of them, at 2026-05-15T08:00Z
NEWEST = datetime(2026, 5, 15, 7, tzinfo=UTC)
LAKE, MARKET, MARKET_TOO = "Ho Tay, Ha Noi", "Cho Mo, Ha Noi", "Cho Mo 2, Ha Noi"
LAKE_ID = "urn:ngsi-ld:AirQualityObserved:hanoi:ho-tay-ha-noi"
open_url = build_opener(ProxyHandler({})).open


def recording(folder: Path) -> Path:
    """A data folder: a steady clean station, and two dusty ones that claim one spot; temperature in the wrong unit."""
    air = folder / "data" / "air"
    air.mkdir(parents=True)
    rows = [f'"{LAKE}",21.0581,105.8194\n', f'"{MARKET}",20.9955,105.8606\n', f'"{MARKET_TOO}",20.9955,105.8606\n']
    (air / "stations.csv").write_text("station_name,latitude,longitude\n" + "".join(rows), "utf-8")
    lines = []
    for number in range(HOURS):
        at = START + timedelta(hours=number)
        for station, dust in ((LAKE, 25.0), (MARKET, 80.0), (MARKET_TOO, 80.0)):
            lines.append((station, at, "pm25", dust, "µg/m³"))
        lines.append((LAKE, at, "temp", 30.0 + number % 5, "µg/m³"))
        lines.append((LAKE, at, "no2", 118.7 if at.hour == 7 else 20.0, "µg/m³"))
    schema = ["station_name", "timestamp_utc", "parameter", "value", "unit"]
    pl.DataFrame(lines, schema=schema, orient="row").write_parquet(air / "readings_test.parquet")
    return folder / "data"


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCity]:
    folder = tmp_path_factory.mktemp("air")
    with running_city(folder, data=recording(folder), replay_speed=1) as running:
        wait_until(lambda: len(city_air(running.platform, SYSTEM).current) == 3, "three stations have an index")
        yield running


def get(city: RunningCity, path: str) -> str:
    with open_url(city.base_url + path, timeout=20) as answer:
        text: str = answer.read().decode("utf-8-sig")
        return text


def test_the_index_is_computed_from_history_and_says_it_is_modelled(city: RunningCity) -> None:
    lake = city.platform.context.get(SYSTEM, LAKE_ID)
    assert lake is not None
    index, level, dominant = lake.first(INDEX), lake.first(LEVEL), lake.first(DOMINANT)
    assert index is not None and level is not None and dominant is not None
    assert (index.value, level.value, dominant.value) == (59, "moderate", "no2"), "NO2 118.7 is 59; steady PM2.5 25 is 50"
    assert (index.observed_at, index.origin, index.grade) == (NEWEST, Origin.MODELLED, Grade.GOOD)


def test_every_hour_of_the_recorded_past_gets_its_index(city: RunningCity) -> None:
    def rows() -> SeriesRows:
        return city.platform.history.series(SYSTEM, LAKE_ID, INDEX, START, NEWEST + timedelta(hours=1))

    # The first hour has only itself to look back on: NowCast wants two of the last three.
    wait_until(lambda: len(rows()) == 28, "every hour from 04:00 to 07:00 of the next day has its index")
    assert set(rows().values) == {50, 59}


def test_the_files_dirt_is_kept_and_marked(city: RunningCity) -> None:
    lake = city.platform.context.get(SYSTEM, LAKE_ID)
    assert lake is not None
    temperature, dust, gas = (lake.first(iri(name)) for name in ("temperature", "pm25", "no2"))
    assert temperature is not None and dust is not None and gas is not None
    assert (temperature.reasons, temperature.grade) == (Reason.UNIT, Grade.SUSPECT)
    assert (temperature.unit, temperature.origin) == ("CEL", Origin.REPLAYED)
    assert (dust.reasons, gas.grade) == (Reason.STUCK, Grade.GOOD), "29 hours of exactly 25 are doubted, and still counted"
    shared = {one.name: bool(one.reasons & Reason.SHARED_PLACE) for one in stations(city.platform, SYSTEM)}
    assert shared == {LAKE: False, MARKET: True, MARKET_TOO: True}
    panel = view.panel(city.platform, SYSTEM, "vi", lake)
    facts = dict(panel.facts)
    assert "sai đơn vị" in facts["Nhiệt độ"] and "phát lại" in facts["Nhiệt độ"]
    assert (panel.badge, panel.badge_colour, panel.badge_ink) == ("59", "#ffff00", "#000000")
    assert facts["Tọa độ"].startswith("21,05810° B, 105,81940° Đ")
    market = city.platform.context.get(SYSTEM, "urn:ngsi-ld:AirQualityObserved:hanoi:cho-mo-ha-noi")
    assert market is not None
    crowded = dict(view.panel(city.platform, SYSTEM, "vi", market).facts)
    assert "trùng tọa độ" in crowded["Điểm nghi ngờ"]
    assert crowded["QCVN 05:2023, PM2.5 24h"] == "80,0 > 45,0 µg/m³ · vượt giới hạn"


def test_a_stranger_may_know_the_air(city: RunningCity) -> None:
    assert len(stations(city.platform, STRANGER)) == 3
    assert city_air(city.platform, STRANGER).median == 150


def test_tile_points_areas_and_hours_agree(city: RunningCity) -> None:
    tile = view.tile(city.platform, SYSTEM, "vi")
    assert (tile.number, tile.words) == ("150", "Kém, VN_AQI trung vị · 2/3 trạm kém trở lên")
    points = {point.title: point for point in view.points(city.platform, SYSTEM, "vi", [LAKE_ID])}
    assert list(points) == [LAKE]
    assert (points[LAKE].label, points[LAKE].colour, points[LAKE].freshness) == ("59", "#ffff00", "fresh")
    areas = view.areas(city.platform, SYSTEM, "vi")
    assert areas and all(area.detail.startswith("nội suy, gần đúng; trạm gần nhất") for area in areas)
    cells = view.hours(city.platform, SYSTEM, "vi")
    assert (len(cells), cells[-1].at, cells[-1].label) == (24, NEWEST, "150")


def test_the_page_answers_for_a_ward_without_script_or_inline_style(city: RunningCity) -> None:
    ward = city.platform.city.locate(105.8194, 21.0581)
    assert ward is not None
    text = get(city, f"/air?ward={ward.code}&lang=vi")
    value = city_air(city.platform, STRANGER).wards[ward.code]
    assert value.band is not None
    assert f'aria-label="VN_AQI {value.index}, {value.band.name.vi}"' in text
    assert value.band.everyone.vi in text and value.band.sensitive.vi in text
    assert text.count("<rect x=") == 12, "twelve hours as bars"
    assert "1459/QĐ-TCMT" in text and "readings_test.parquet" in text and "PHÁT LẠI" in text
    assert "<script" not in text and not re.search(r"\sstyle=|\son[a-z]+=", text)
    assert len(text.encode()) < 100_000
    assert "Nearest station" in get(city, f"/air?ward={ward.code}&lang=en")


def test_a_ward_is_found_without_accents_and_an_unknown_one_is_said_to_be(city: RunningCity) -> None:
    ward = next(one for one in city.platform.city.wards if one.name == "Tây Hồ")
    assert f"?ward={ward.code}" in get(city, "/air?q=tay+ho&lang=vi")
    assert "Không có phường, xã nào tên như vậy" in get(city, "/air?q=atlantis&lang=vi")
    assert "&lt;b&gt;" in get(city, "/air?q=%3Cb%3E&lang=vi"), "what was asked is shown as text"
    assert "Hà Nội" in get(city, "/air?lang=vi")


def test_the_tables_and_the_machine_doors(city: RunningCity) -> None:
    table = get(city, "/air/table?lang=vi")
    assert LAKE in table and table.count("<tr>") == len(city.platform.city.wards) + 3 + 2
    told = json.loads(get(city, "/api/v1/sectors/air/wards"))
    assert told["approximate"] is True and len(told["wards"]) == len(city.platform.city.wards)
    assert told["error"] is None, "two places are too few to measure the error"
    lines = get(city, "/api/v1/sectors/air/wards?format=csv").splitlines()
    assert lines[0].startswith("ward,name,airQualityIndex") and len(lines) == len(told["wards"]) + 1
    daily = json.loads(get(city, f"/api/v1/sectors/air/stations/{LAKE_ID}/daily?days=1"))
    assert daily["days"] == [
        {
            "date": "2026-05-14",
            "airQualityIndex": None,
            "airQualityLevel": None,
            "dominantPollutant": None,
            "beyondScale": None,
            "hoursPm25": 14,
            "hoursPm10": 0,
            "exceedances": [],
        }
    ], "14 of 24 hours are too few for a day"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/v1/sectors/air/stations/urn:ngsi-ld:AirQualityObserved:hanoi:none/daily", 404),
        (f"/api/v1/sectors/air/stations/{LAKE_ID}/daily?days=0", 400),
        (f"/api/v1/sectors/air/stations/{LAKE_ID}/daily?days=³", 400),
    ],
)
def test_wrong_questions_are_told_what_is_wrong(city: RunningCity, path: str, status: int) -> None:
    with pytest.raises(HTTPError) as refused:
        get(city, path.replace("³", "%C2%B3"))
    assert refused.value.code == status
    assert json.loads(refused.value.read())["detail"]


def test_a_restart_goes_on_where_the_store_left_off(tmp_path: Path) -> None:
    data = recording(tmp_path)
    dust = iri("pm25")

    def known(running: RunningCity) -> int:
        rows = running.platform.history.series(SYSTEM, LAKE_ID, dust, START, START + timedelta(hours=HOURS))
        assert set(rows.revisions) <= {0}
        return len(rows)

    with running_city(tmp_path, data=data, replay_speed=0.01) as first:
        wait_until(lambda: known(first) == 29, "everything before the clock is stored")
    with running_city(tmp_path, data=data, replay_speed=36_000) as second:
        assert second.platform.devices.counts(SYSTEM)["lobby"] == 0
        wait_until(lambda: known(second) == HOURS, "the recording is told to its end")
        assert len(stations(second.platform, SYSTEM)) == 3


def test_a_city_without_data_makes_its_air_up_and_says_so(tmp_path: Path) -> None:
    with running_city(tmp_path) as city:
        wait_until(lambda: len(city_air(city.platform, SYSTEM).current) == 30, "every made-up station has an index")
        dust = [one for entity in _air(city) if (one := entity.first(iri("pm25"))) is not None]
        assert len(dust) == 30 and {one.origin for one in dust} == {Origin.SIMULATED}
        page = get(city, "/air?lang=vi")
        assert "mô phỏng" in page and "PHÁT LẠI" not in page


def _air(city: RunningCity) -> list[Entity]:
    return city.platform.context.query(SYSTEM, EntityQuery(type=AIR_QUALITY_OBSERVED)).entities
