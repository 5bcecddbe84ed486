"""Forecasts on screen, in a city that replays three weeks: made for its past at the start, scored, dashed, and honest."""

import csv
import io
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import httpx
import numpy as np
import polars as pl
import pytest
from playwright.sync_api import Page, expect

from dothi.access.policy import SYSTEM
from dothi.platform.forecasts import Forecast
from dothi.store.connection import Connection
from dothi.testing.city import RunningCity, running_city, wait_until

Opener = Callable[..., Page]
START = datetime(2026, 5, 1, 3, 5, tzinfo=UTC)
HOURS = 20 * 24
NAMES = ("Hồ Tây, Ha Noi", "Cho Mo, Ha Noi", "Cau Giay, Ha Noi")
STATIONS = tuple(
    f"urn:ngsi-ld:AirQualityObserved:hanoi:{one}" for one in ("ho-tay-ha-noi", "cho-mo-ha-noi", "cau-giay-ha-noi")
)
PM25 = "https://smartdatamodels.org/dataModel.Environment/pm25"
PROCESS = "air-forecast"


def recording(folder: Path) -> Path:
    air = folder / "data" / "air"
    air.mkdir(parents=True)
    places = ("21.0581,105.8194", "20.9955,105.8606", "21.0362,105.7906")
    rows = [f'"{name}",{place}\n' for name, place in zip(NAMES, places, strict=True)]
    (air / "stations.csv").write_text("station_name,latitude,longitude\n" + "".join(rows), "utf-8")
    random = np.random.default_rng(5)
    hour = np.arange(HOURS)
    weather = 0.4 * np.sin(hour / 37) + np.cumsum(random.normal(0, 0.04, HOURS)) * 0.5
    lines = []
    for number, name in enumerate(NAMES):
        dust = np.exp(3.3 + weather + 0.4 * np.cos((hour % 24 - number) / 24 * 2 * np.pi) + random.normal(0, 0.08, HOURS))
        lines += [(name, START + timedelta(hours=one), "pm25", round(float(dust[one]), 1), "µg/m³") for one in range(HOURS)]
    schema = ["station_name", "timestamp_utc", "parameter", "value", "unit"]
    pl.DataFrame(lines, schema=schema, orient="row").write_parquet(air / "readings_test.parquet")
    return folder / "data"


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCity]:
    """The replay, when its past has forecasts and it has issued one of its own."""
    folder = tmp_path_factory.mktemp("forecasts")
    with running_city(folder, data=recording(folder), replay_speed=1) as running:
        platform = running.platform
        wait_until(lambda: platform.tasks.states["forecast-past"].state == "finished", "the past has its forecasts", 180)
        running.run(platform.runs.submit(SYSTEM, PROCESS))
        wait_until(lambda: not newest(running, STATIONS[2]).hindcast, "the city forecast what comes")
        yield running


def newest(city: RunningCity, station: str) -> Forecast:
    found = city.platform.forecasts.latest(SYSTEM, PROCESS, station, PM25)
    assert found is not None
    return found


def test_the_past_was_forecast_at_the_start_and_each_only_from_what_came_before(city: RunningCity) -> None:
    scores = city.platform.forecasts.scores(SYSTEM, PROCESS)
    assert scores.overall.verdict == "better", scores.overall
    assert scores.overall.cases == scores.overall.hindcasts > 1000
    assert set(scores.by_entity) == set(STATIONS) and list(scores.by_horizon) == list(range(1, 25))
    issues = city.platform.forecasts.issues(SYSTEM, PROCESS, STATIONS[0], PM25)
    assert issues[-1] == START.replace(minute=0) + timedelta(hours=49), "two days to learn from come first"
    first = city.platform.forecasts.latest(SYSTEM, PROCESS, STATIONS[0], PM25, issues[-1])
    assert first is not None and first.hindcast and first.method == "model"
    known = city.platform.history.hourly(SYSTEM, STATIONS[:1], PM25, START, issues[-1])[STATIONS[0]]
    assert first.points[7].persistence == known[issues[-1] - timedelta(hours=1)]
    assert first.points[7].yesterday == known[first.points[7].at - timedelta(hours=24)]
    run = city.platform.runs.get(SYSTEM, first.run)
    assert run is not None and run.state == "done" and run.requested_by == SYSTEM.id


def test_the_page_works_without_a_script(client: httpx.Client) -> None:
    page = client.get("/forecasts").text
    for said in (
        "Dự báo và sai số",
        "Dự báo bụi mịn PM2.5 trong 24 giờ tới",
        "hơn dự báo đơn giản",
        "tính lại cho quá khứ",
        "Sai số 7 ngày qua ±",
        "giữ nguyên số đo cuối",
        "Dải 80 % chứa",
        *NAMES,
    ):
        assert said in page, said
    found = client.get("/forecasts?q=ho tay").text
    assert f"entity={STATIONS[0]}".replace(":", "%3A") in found
    assert f"entity={STATIONS[1]}".replace(":", "%3A") not in found
    assert "Không có nơi nào khớp bộ lọc" in client.get("/forecasts?q=nowhere").text
    chosen = client.get(f"/forecasts?entity={STATIONS[1]}&issued=2026-05-08T20:00:00Z").text
    assert "Tính lại cho quá khứ, chỉ từ số đo có trước lúc đó." in chosen and "Đã biết 24 trong 24 giờ" in chosen
    assert client.get("/forecasts?process=nothing").status_code == 404
    assert client.get("/forecasts?issued=soon").status_code == 400
    english = client.get("/forecasts?lang=en").text
    assert "Forecasts and their errors" in english and "The 80 % band held" in english


def test_figures_are_the_same_on_every_door(client: httpx.Client) -> None:
    told = client.get("/api/v1/forecasts/scores").json()
    assert told["overall"]["verdict"] == "better" and len(told["byHoursAhead"]) == 24
    by_entity = {one["entity"]: one for one in told["byEntity"]}
    answer = client.get("/forecasts.csv?sort=name")
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert [row["name"] for row in rows] == sorted(NAMES)
    for row in rows:
        same = by_entity[row["entity"]]
        assert float(row["maeModel"]) == pytest.approx(same["model"], abs=0.001)
        assert (int(row["cases"]), row["verdict"], row["unit"]) == (same["cases"], same["verdict"], "µg/m³")
    one = client.get("/api/v1/forecasts", params={"entity": STATIONS[0], "attribute": "pm25"}).json()
    assert len(one["points"]) == 24 and one["hindcast"] is False and one["unit"] == "GQ" and one["origin"] == "modelled"
    assert one["recent"]["verdict"] == "better"
    before = {"entity": STATIONS[0], "attribute": "pm25", "issued": "2026-05-08T20:00:00Z"}
    past = client.get("/api/v1/forecasts", params=before).json()
    assert past["issuedAt"] <= before["issued"]
    for wrong in ({"attribute": "no2"}, {"entity": "urn:x", "attribute": "pm25"}):
        assert client.get("/api/v1/forecasts", params={"entity": STATIONS[0]} | wrong).status_code == 404
    assert client.get("/api/v1/forecasts/scores?process=nothing").status_code == 404


def _over(city: RunningCity, run: str) -> bool:
    found = city.platform.runs.get(SYSTEM, run)
    return found is not None and found.over


def test_options_for_the_past_that_make_no_sense_fail_with_advice(city: RunningCity) -> None:
    for options in ({"from": "yesterday"}, {"from": "2026-05-05T00:00:00Z", "to": "2027-01-01T00:00:00Z", "every_hours": 3}):
        run = city.run(city.platform.runs.submit(SYSTEM, PROCESS, options))
        wait_until(partial(_over, city, run), "the run is over")
        found = city.platform.runs.get(SYSTEM, run)
        assert found is not None and found.state == "failed" and found.error.startswith("gather-failed")


@pytest.mark.browser
@pytest.mark.parametrize(("width", "locale"), [(1440, "vi"), (390, "en")])
def test_one_forecast_beside_what_came_is_drawn_and_chosen(open_page: Opener, width: int, locale: str) -> None:
    page = open_page("/forecasts", width=width, locale=locale)
    expect(page.locator("dt-chart canvas")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "nothing sticks out"
    page.get_by_label("Nơi" if locale == "vi" else "Place", exact=True).select_option(STATIONS[2])
    page.wait_for_url("**entity=*cau-giay*")
    expect(page.locator("dt-chart canvas")).to_be_visible()
    expect(page.locator("figcaption")).to_contain_text("24" if locale == "vi" else "24 of 24 hours")
    page.get_by_text("Bảng dự báo" if locale == "vi" else "Forecast as a table").click()
    expect(page.locator("figure tbody tr")).to_have_count(24)


@pytest.mark.browser
def test_the_drawer_shows_the_hours_to_come_with_both_errors(open_page: Opener) -> None:
    page = open_page(f"/?chosen={STATIONS[2]}")
    chart = page.locator(f"figure[data-chart='{PM25}']")
    expect(chart.locator("canvas")).to_be_visible()
    expect(chart.locator(".ahead")).to_contain_text("Dự báo phát lúc")
    expect(chart.locator(".ahead")).to_contain_text("Sai số 7 ngày qua ±")
    expect(chart.locator(".ahead .chip")).to_have_count(0)
    box = chart.locator(".u-over").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.8, box["y"] + box["height"] / 2)
    expect(chart.locator(".chart-readout")).to_contain_text("dự báo")


def ward_of(city: RunningCity, longitude: float, latitude: float) -> str:
    found = city.platform.city.locate(longitude, latitude)
    assert found is not None
    return found.code


def test_the_public_page_tells_four_stretches_of_the_day_to_come(city: RunningCity, client: httpx.Client) -> None:
    address = f"/air?ward={ward_of(city, 105.7906, 21.0362)}"
    page = client.get(address).text
    part = page[page.index('id="air-coming"') :].partition("</section>")[0]
    assert part.count("<li>") == 4 and "VN_AQI theo PM2.5" in part and "đoán đơn giản ±" in part
    assert "The next 24 hours" in client.get(f"{address}&lang=en").text


def test_a_model_that_loses_says_so_first_and_in_the_drawer(city: RunningCity, client: httpx.Client) -> None:
    worse = STATIONS[1]
    series = city.platform.writer.index.find(worse, PM25)

    def spoil(db: Connection) -> None:
        db.execute("UPDATE forecast SET value = value + 60 WHERE series_id = ?", (series,))

    city.run(city.platform.writer.run(SYSTEM, city.platform.clock.now(), spoil))
    city.platform.forecasts.changed()
    page = client.get("/forecasts").text
    assert "thua dự báo đơn giản" in page
    listed = page[page.index('id="stations"') :]
    assert listed.index(NAMES[1]) < min(listed.index(NAMES[0]), listed.index(NAMES[2])), "the losing one is first"
    assert "Mô hình đang thua dự báo đơn giản" in client.get(f"/panel/{worse}").text
    assert "Mô hình đang thua dự báo đơn giản" not in client.get(f"/panel/{STATIONS[2]}").text
    public = client.get(f"/air?ward={ward_of(city, 105.8606, 20.9955)}").text
    part = public[public.index('id="air-coming"') :].partition("</section>")[0]
    assert "<li>" not in part and "Không hiện dự báo: mấy ngày nay mô hình không hơn" in part
