"""The feed from Open-Meteo when all is not well: no network, wrong answers, limits, a replayed city."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest

from dothi.access.policy import LOCAL_OPERATOR, SYSTEM
from dothi.data.context import EntityQuery
from dothi.model.clock import SystemClock
from dothi.platform.open_meteo import OpenMeteo
from dothi.services.weather.model import MODEL, WEATHER_FORECAST
from dothi.testing.city import RunningCity, running_city, wait_until
from dothi.testing.open_meteo import FakeOpenMeteo, fake_open_meteo

TASK = "feed:open-meteo-weather"


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeOpenMeteo]:
    with fake_open_meteo(SystemClock().now()) as server:
        server.status, server.body = 503, b"away"
        yield server


@pytest.fixture(scope="module")
def city(fake: FakeOpenMeteo, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCity]:
    with running_city(tmp_path_factory.mktemp("unwell"), open_meteo=fake.url, sectors="weather") as running:
        wait_until(lambda: running.platform.tasks.states[TASK].note is not None, "the city's own feed asked once")
        yield running


def ask(city: RunningCity, times: int) -> list[float]:
    """Let a feed ask so many times in a row; returns how long it meant to wait after each."""
    waits: list[float] = []

    async def work() -> None:
        enough = asyncio.Event()

        async def pause(seconds: float) -> None:
            waits.append(seconds)
            if len(waits) == times:
                enough.set()
                await asyncio.Event().wait()

        feed = asyncio.create_task(OpenMeteo(MODEL, pause).run(city.platform))
        told = asyncio.create_task(enough.wait())
        await asyncio.wait([feed, told], return_when=asyncio.FIRST_COMPLETED)
        feed.cancel()
        await asyncio.wait([feed])
        told.cancel()

    city.run(work())
    return waits


def note(city: RunningCity) -> str:
    said = city.platform.tasks.states[TASK].note
    assert said is not None
    return said.vi


def test_a_source_that_is_away_is_asked_less_and_less(city: RunningCity, fake: FakeOpenMeteo) -> None:
    fake.status, fake.body, fake.headers = 503, b"away", {}
    waits = ask(city, 4)
    assert all(later > earlier * 1.3 for earlier, later in pairwise(waits))
    assert ask(city, 2) == waits[:2]  # the same city, the same seed
    assert note(city) == "nguồn từ chối"
    again = city.platform.tasks.states[TASK].again
    assert again is not None
    assert again > city.platform.clock.now()
    assert city.platform.tasks.states[TASK].failures == 0  # it is no crash


def test_limits_are_respected_as_the_source_states_them(city: RunningCity, fake: FakeOpenMeteo) -> None:
    fake.status, fake.headers = 429, {"retry-after": "5000"}
    fake.body = b'{"error":true,"reason":"Hourly API request limit exceeded."}'
    assert ask(city, 1) == [5000.0]
    assert note(city) == "đã quá giới hạn miễn phí của nguồn"


def test_an_answer_that_nobody_understands_is_held_once_with_its_text(city: RunningCity, fake: FakeOpenMeteo) -> None:
    fake.status, fake.headers, fake.body = 200, {}, b'[{"latitude": 21.0, "v2": true}]'
    ask(city, 3)
    held, _ = city.platform.quarantine.list(LOCAL_OPERATOR, "unexpected-answer", 10, 0)
    assert [(one.source, one.device) for one in held] == [("open-meteo", None)]
    assert "places were asked for, 1 answered" in held[0].detail
    assert city.platform.quarantine.get(LOCAL_OPERATOR, held[0].id)[1] == fake.body
    assert "cách ly" in note(city)


def test_without_a_network_it_says_so_and_with_one_it_hears_again(city: RunningCity, fake: FakeOpenMeteo) -> None:
    fake.status, fake.headers, fake.body = 200, {}, None
    chosen = city.platform.settings.open_meteo
    city.platform.settings.open_meteo = "http://127.0.0.1:9"
    ask(city, 1)
    assert note(city) == "không có mạng"
    city.platform.settings.open_meteo = chosen
    (wait,) = ask(city, 1)
    assert 0 < wait <= 3600 + 600
    assert note(city) == "đã nhận số liệu"
    query = EntityQuery(type=WEATHER_FORECAST, limit=100)
    wait_until(lambda: city.run(city.platform.journal.lag()) == 0, "all that was told is in")
    assert all(len(one.attributes) > 5 for one in city.platform.context.query(SYSTEM, query).entities)
    stored = city.platform.ingest.figures
    first = city.platform.context.query(SYSTEM, query).entities[0]
    ask(city, 1)  # the same hour again is nothing new
    wait_until(lambda: city.run(city.platform.journal.lag()) == 0, "that is in too")
    assert city.platform.context.query(SYSTEM, query).entities[0] == first
    assert not stored.stalled


def test_a_replayed_city_asks_nobody_and_says_why(fake: FakeOpenMeteo, tmp_path: Path) -> None:
    data = tmp_path / "data" / "air"
    data.mkdir(parents=True)
    header = "station_name,latitude,longitude,wcode,wname,coordinate_shared\n"
    (data / "stations.csv").write_text(header + "Hồ Gươm,21.0285,105.8522,00070,x,False\n", encoding="utf-8")
    start = datetime(2026, 5, 14, tzinfo=UTC)
    rows = [("Hồ Gươm", start + timedelta(hours=hour), "pm25", 20.0, "ug/m3") for hour in range(4)]
    schema = ["station_name", "timestamp_utc", "parameter", "value", "unit"]
    pl.DataFrame(rows, schema=schema, orient="row").write_parquet(data / "readings_2026_05.parquet")
    asked = len(fake.asked)
    with running_city(tmp_path, data=data.parent, open_meteo=fake.url) as replayed:
        state = replayed.platform.tasks.states["feed:open-meteo-air"]
        wait_until(lambda: state.state == "finished", "the feed is done at once")
        assert state.note is not None
        assert "phát lại" in state.note.vi
    assert len(fake.asked) == asked
