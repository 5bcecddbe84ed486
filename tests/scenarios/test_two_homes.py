"""One day in both homes: a sensor is admitted, heard, shown and asked for; the city is copied and comes back elsewhere."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from pydantic import SecretStr

from dothi.store.backup import backup, restore
from dothi.testing.city import RunningCity, running_city, wait_until

if TYPE_CHECKING:
    from dothi.testing.postgres import Cluster

PLACE = {"type": "AirQualityObserved", "longitude": 105.8194, "latitude": 21.0581, "cadence": 600}
URN = "urn:ngsi-ld:AirQualityObserved:hanoi:ho-tay"
NEAR = {"georel": "near;maxDistance==500", "geometry": "Point", "coordinates": "[105.82,21.058]"}
BEGAN = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=20)


def client(city: RunningCity) -> httpx.Client:
    return httpx.Client(base_url=city.base_url, trust_env=False, timeout=20, headers=city.operator)


def told(hours: int) -> list[dict[str, object]]:
    """A day of an honest sensor, one hour told twice with another value, a stranger, and a key nobody knows."""
    rows: list[dict[str, object]] = [
        {"device": "ho-tay", "at": (BEGAN + timedelta(hours=hour)).isoformat(), "values": {"pm25": 10.0 + hour}}
        for hour in range(hours)
    ]
    strange = rows[4] | {"values": {"kilos\0": 1}}
    return [*rows, rows[3] | {"values": {"pm25": 99.5}}, strange, {"device": "nobody", "values": {"pm25": 1}}]


def shown(city: RunningCity) -> dict[str, Any]:
    """What the doors say, without what depends on the moment of asking."""
    with client(city) as ask:
        window = {"from": BEGAN.isoformat(), "to": (BEGAN + timedelta(days=1)).isoformat(), "attribute": "pm25"}
        history = ask.get(f"/api/v1/entities/{URN}/history", params=window).json()
        near = ask.get("/ngsi-ld/v1/entities", params={"type": "AirQualityObserved", "attrs": "pm25", **NEAR}).json()
        entity = ask.get(f"/api/v1/entities/{URN}").json()
        lobby = ask.get("/api/v1/lobby").json()
        device = ask.get("/api/v1/devices/ho-tay").json()
        held = ask.get("/api/v1/quarantine").json()
        page = ask.get("/devices", params={"search": "ho-tay"})
        assert page.status_code == 200 and "ho-tay" in page.text
        assert ask.get("/").status_code == 200
    return {
        "history": history,
        "near": URN in [one["id"] for one in near],
        "value": entity["attributes"]["pm25"],
        "ward": entity["ward"],
        "lobby": [one["device"] for one in lobby["items"]],
        "name": device["name"],
        "held": held["total"],
    }


def test_a_day_in_both_homes(tmp_path: Path, homes: SecretStr | None, request: pytest.FixtureRequest) -> None:
    archive = tmp_path / "city.tar.gz"
    quiet = {"city": "01", "sectors": "air"}
    with running_city(tmp_path / "there", database=homes, **quiet) as city, client(city) as ask:
        assert ask.get("/health").json()["home"].startswith("SQLite" if homes is None else "PostgreSQL 1")
        made = ask.post("/api/v1/devices", json=PLACE | {"id": "ho-tay", "name": "Hồ Tây"})
        assert made.status_code == 201, made.text
        assert ask.post("/api/v1/readings", json=told(20)).status_code == 202
        wait_until(lambda: ask.get("/api/v1/lobby").json()["total"] == 1, "the stranger waits")
        wait_until(lambda: ask.get("/api/v1/quarantine").json()["total"] == 1, "what has no place is held")
        before = shown(city)
        assert before["history"]["values"] == [99.5 if hour == 3 else 10.0 + hour for hour in range(20)]
        assert before["history"]["revisions"][3] == 1
        assert before["near"]
        backup(city.platform.database, archive)  # while it runs
    with running_city(tmp_path / "there", database=homes, **quiet) as again:
        assert shown(again) == before
    elsewhere = None
    if homes is not None:
        server: Cluster = request.getfixturevalue("postgres")
        elsewhere = server.empty()
    restore(archive, tmp_path / "here" / "home", "hanoi", elsewhere)
    with running_city(tmp_path / "here", database=elsewhere, **quiet) as back:
        assert shown(back) == before
        with client(back) as ask:  # and it goes on from there
            later = {"at": datetime.now(UTC).isoformat(), "values": {"pm25": 7.5}}
            assert ask.post("/api/v1/devices/ho-tay/readings", json=later).status_code == 202
            wait_until(
                lambda: ask.get(f"/api/v1/entities/{URN}").json()["attributes"]["pm25"]["value"] == 7.5, "it is shown"
            )
