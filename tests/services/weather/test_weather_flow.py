"""Modelled air and weather from a source on this machine, into a running city: seen as modelled, never as measured."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from dothi.access.policy import LOCAL_OPERATOR, STRANGER
from dothi.data.context import EntityQuery
from dothi.devices.open_meteo import cells
from dothi.model.clock import SystemClock
from dothi.model.reading import Grade, Origin
from dothi.testing.city import RunningCity, running_city, wait_until
from dothi.testing.open_meteo import FakeOpenMeteo, fake_open_meteo

AIR = "https://smartdatamodels.org/dataModel.Environment/AirQualityForecast"
STATION = "https://smartdatamodels.org/dataModel.Environment/AirQualityObserved"
WEATHER = "https://smartdatamodels.org/dataModel.Weather/WeatherForecast"
PM25 = "https://smartdatamodels.org/dataModel.Environment/pm25"


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeOpenMeteo]:
    with fake_open_meteo(SystemClock().now()) as server:
        yield server


@pytest.fixture(scope="module")
def city(fake: FakeOpenMeteo, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCity]:
    with running_city(tmp_path_factory.mktemp("modelled"), open_meteo=fake.url) as running:
        count = len(cells(running.platform.city.wards))
        wait_until(lambda: all(heard(running, kind) == count for kind in (AIR, WEATHER)), "both models were heard")
        states = [running.platform.tasks.states[f"feed:open-meteo-{kind}"] for kind in ("air", "weather")]
        wait_until(lambda: all(one.note is not None for one in states), "both have told all they had to tell")
        wait_until(lambda: running.run(running.platform.journal.lag()) == 0, "all of it is in")
        yield running


@pytest.fixture(scope="module")
def client(city: RunningCity) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=city.base_url, trust_env=False, timeout=30, headers=city.operator) as client:
        yield client


def heard(city: RunningCity, kind: str) -> int:
    page = city.platform.context.query(STRANGER, EntityQuery(type=kind, limit=100))
    return sum(
        1 for one in page.entities if one.attributes.keys() & {PM25, WEATHER.replace("WeatherForecast", "temperature")}
    )


def test_every_value_is_modelled_public_and_good(city: RunningCity, fake: FakeOpenMeteo) -> None:
    for kind, keys in ((AIR, 6), (WEATHER, 6)):
        one = city.platform.context.query(STRANGER, EntityQuery(type=kind, limit=1)).entities[0]
        observed = [value for values in one.attributes.values() for value in values if value.observed_at is not None]
        assert len(observed) == keys + 1  # and the hours ahead
        assert {value.origin for value in observed} == {Origin.MODELLED}
        assert {value.grade for value in observed} == {Grade.GOOD}
    assert len(fake.asked) == 2  # one call for each model, for all places
    assert all("/v1/" in path for path in fake.asked)


def test_it_is_in_no_index_and_no_station_list(city: RunningCity, client: httpx.Client) -> None:
    from dothi.services.air.stations import stations  # what tile, fills and forecasts are made of

    ours = {one.id for one in city.platform.context.query(STRANGER, EntityQuery(type=AIR, limit=100)).entities}
    assert ours
    assert not ours & {one.id for one in stations(city.platform, LOCAL_OPERATOR)}
    points = client.get("/map/layers/air.json").json()["points"]
    assert not ours & {point["id"] for point in points}
    modelled = client.get("/map/layers/air-model.json").json()["points"]
    assert {point["id"] for point in modelled} == ours
    assert all(point["label"].startswith("≈") and "CAMS" in point["detail"] for point in modelled)
    assert {point["colour"] for point in modelled} == {"#5b6b7a"}


def test_the_drawer_says_that_it_is_a_model_and_whom_to_thank(city: RunningCity, client: httpx.Client) -> None:
    for kind, words in ((AIR, "PM2.5 trong 24 giờ tới"), (WEATHER, "3 giờ tới")):
        urn = city.platform.context.query(STRANGER, EntityQuery(type=kind, limit=1)).entities[0].id
        page = client.get(f"/panel/{urn}", headers={"accept-language": "vi"}).text
        assert "Giá trị của mô hình, không phải số đo tại chỗ" in page
        assert "CC BY 4.0" in page
        assert words in page
        assert "Values of a model, not measured here" in client.get(f"/panel/{urn}", headers={"accept-language": "en"}).text


def test_layers_are_offered_but_not_switched_on(client: httpx.Client) -> None:
    page = client.get("/", headers={"accept-language": "vi"}).text
    assert "Thời tiết theo mô hình" in page
    assert "Ô mô hình" not in page


def test_how_it_stands_is_said(city: RunningCity, client: httpx.Client) -> None:
    tasks = {task["name"]: task for task in client.get("/health").json()["tasks"]}
    note = tasks["feed:open-meteo-air"]["note"]
    assert note["vi"] == "đã nhận số liệu"
    assert note["again"] > SystemClock().now().isoformat()
    assert "feed:open-meteo-weather" in tasks


def test_nothing_is_asked_unless_somebody_wants_it(tmp_path: Path) -> None:
    with (
        running_city(tmp_path) as quiet,
        httpx.Client(base_url=quiet.base_url, trust_env=False, timeout=30, headers=quiet.operator) as client,
    ):
        assert not [name for name in quiet.platform.tasks.states if "open-meteo" in name]
        assert client.get("/map/layers/weather.json").status_code == 404
        assert "Thời tiết theo mô hình" not in client.get("/").text
