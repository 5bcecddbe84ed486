"""A day of smog, replayed: clean air at midnight, a lid over the city, the worst by evening; what people see at each end."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
from made_up import STATIONS, recorded_air

from dothi.access.policy import SYSTEM
from dothi.model.reading import Origin
from dothi.services.air.model import iri
from dothi.services.air.stations import city_air
from dothi.testing.city import RunningCity, running_city, wait_until

START = datetime(2026, 1, 9, 17, 20, tzinfo=UTC)  # 00:20 in Hanoi, so that the present is 24 hours later
HOURS = 49
LAKE = "urn:ngsi-ld:AirQualityObserved:hanoi:ho-tay-hanoi-hanoi-vietnam"
FAST = 30_000.0  # a day in three seconds

# Decision 1459/QĐ-TCMT, breakpoints of hourly PM2.5: 0 and 25 are the index 0 and 50, 150 and 250 are 200 and 300.
CLEAN, CLEAN_INDEX = 12.5, "25"
SMOG, SMOG_INDEX = 200.0, "250"


def dust(hour: int) -> float:
    """A day of clean air, a morning in which it thickens, and twelve hours and more of the same smog."""
    if hour <= 24:
        return CLEAN
    return SMOG if hour > 32 else CLEAN + (SMOG - CLEAN) * (hour - 24) / 8


def pages(city: RunningCity) -> tuple[str, str]:
    """The operations page and the public page for the ward by the lake, in Vietnamese."""
    with httpx.Client(base_url=city.base_url, trust_env=False, timeout=20, headers=city.operator) as client:
        ward = city.platform.city.locate(105.8194, 21.0581)
        assert ward is not None
        operations, public = client.get("/?lang=vi"), client.get(f"/air?ward={ward.code}&lang=vi")
        assert (operations.status_code, public.status_code) == (200, 200)
        return operations.text, public.text


def indexes(city: RunningCity) -> set[str]:
    """What the stations that speak for the present say."""
    return {str(one.index) for one in city_air(city.platform, SYSTEM).current}


def check(city: RunningCity, index: str, level: str) -> None:
    """Both pages say the number, its level in words, and that this is a replay."""
    wait_until(lambda: indexes(city) == {index}, f"the index is {index}")
    operations, public = pages(city)
    for page in (operations, public):
        assert "phát lại" in page.casefold()
        assert "mô phỏng" not in page.casefold()
        assert level in page
    assert re.search(rf">\s*{index}\s*<", operations)
    assert f'aria-label="VN_AQI {index}, {level}"' in public


def known(city: RunningCity) -> list[datetime]:
    """The moments of the readings that are stored, each once and with the origin it has."""
    rows = city.platform.history.series(SYSTEM, LAKE, iri("pm25"), START, START + timedelta(hours=HOURS))
    assert set(rows.revisions) <= {0}
    assert set(rows.origins) == {Origin.REPLAYED}
    return [START + timedelta(microseconds=at - rows.observed_at[0]) for at in rows.observed_at]


def test_a_day_of_smog(tmp_path: Path) -> None:
    data = recorded_air(tmp_path, START, HOURS, dust)
    with running_city(tmp_path, data=data, replay_speed=1) as before:
        assert before.platform.replay is not None
        check(before, CLEAN_INDEX, "Tốt")
        assert len(known(before)) == 24
        stood = before.platform.clock.now()
    with running_city(tmp_path, data=data, replay_speed=FAST) as meanwhile:
        assert meanwhile.platform.clock.now() >= stood
        wait_until(lambda: indexes(meanwhile) == {SMOG_INDEX}, "the smog is here")
        # Pages are read when the clock stands: between two of them half a day passes here.
        wait_until(lambda: len(known(meanwhile)) == HOURS, "the recording is told to its end")
        check(meanwhile, SMOG_INDEX, "Rất xấu")
        stood = meanwhile.platform.clock.now()
    with running_city(tmp_path, data=data, replay_speed=1) as after:
        assert after.platform.clock.now() >= stood - timedelta(seconds=1)
        check(after, SMOG_INDEX, "Rất xấu")
        assert known(after) == [START + timedelta(hours=hour) for hour in range(HOURS)]
        assert len(after.platform.devices.list(SYSTEM, limit=100)[0]) == len(STATIONS)


def test_a_reading_without_a_moment_gets_the_replayed_citys(tmp_path: Path) -> None:
    """What the README lets a newcomer type, in a city whose clock stands in another year."""
    data = recorded_air(tmp_path, START, HOURS, dust)
    with (
        running_city(tmp_path, data=data, replay_speed=60) as city,
        httpx.Client(base_url=city.base_url, trust_env=False, timeout=20, headers=city.operator) as client,
    ):
        sent = {"device": "my-sensor", "values": {"pm25": 21.5, "temperature": 24.0}}
        began = city.platform.clock.now()
        assert client.post("/api/v1/readings", json=sent).status_code == 202
        wait_until(lambda: client.get("/api/v1/lobby").json()["total"] == 1, "it waits in the lobby")
        place = {"type": "AirQualityObserved", "longitude": 105.85, "latitude": 21.03}
        assert client.post("/api/v1/devices/my-sensor/admit", json=place).status_code == 200
        assert client.post("/api/v1/readings", json=sent).status_code == 202
        urn = client.get("/api/v1/devices/my-sensor").json()["entity"]
        path = f"/api/v1/entities/{urn}"
        wait_until(lambda: "pm25" in client.get(path).json()["attributes"], "its value is shown")
        shown = client.get(path).json()["attributes"]["pm25"]
        assert (shown["value"], shown["grade"]) == (21.5, "good")
        assert began <= datetime.fromisoformat(shown["observedAt"]) <= city.platform.clock.now()
        assert client.get("/api/v1/devices/my-sensor").json()["state"] == "live"


def state(client: httpx.Client, device: str) -> str:
    return str(client.get(f"/api/v1/devices/{device}").json()["state"])


def test_a_device_falls_silent_by_the_citys_clock(tmp_path: Path) -> None:
    """Three cadences of an hour pass in a second here: the machine's clock has no say."""
    data = recorded_air(tmp_path, START, HOURS, dust)
    with (
        running_city(tmp_path, data=data, replay_speed=10_000) as city,
        httpx.Client(base_url=city.base_url, trust_env=False, timeout=20, headers=city.operator) as client,
    ):
        place = {"type": "AirQualityObserved", "longitude": 105.85, "latitude": 21.03, "cadence": 3_600}
        assert client.post("/api/v1/devices", json=place | {"id": "tired"}).status_code == 201
        assert state(client, "tired") == "never"
        client.post("/api/v1/devices/tired/readings", json={"values": {"pm25": 5}})
        seen = []

        def silent() -> bool:
            seen.append(state(client, "tired"))
            return seen[-1] == "silent"

        wait_until(silent, "it is silent")
        order = ["never", "live", "late", "silent"]  # each lasts half a second, which a busy machine may miss
        assert seen == sorted(seen, key=order.index)
        assert client.get("/api/v1/devices?state=silent").json()["counts"]["silent"] >= 1
        assert client.get("/health").status_code == 200, "silent devices are reported, not fatal"
