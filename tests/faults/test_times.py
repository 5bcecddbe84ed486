"""Clocks that are wrong, zones that are mixed, moments told twice: each becomes a reading, a revision or a held message."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import httpx
import pytest
from fault_world import DOOR, TENANT, operator, register

from dothi.testing.city import running_city, wait_until

DEVICES = ("zones", "twice", "late", "ahead", "decade")


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    folder = tmp_path_factory.mktemp("times")
    (folder / "no-data").mkdir()
    with running_city(folder, data=folder / "no-data") as city, operator(city) as client:
        register(client, DEVICES)
        yield client


def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def send(client: httpx.Client, device: str, at: object, value: float) -> httpx.Response:
    moment = at.isoformat() if isinstance(at, datetime) else at
    return client.post(DOOR, json={"device": device, "at": moment, "values": {"pm25": value}})


def history(client: httpx.Client, device: str, begin: datetime, end: datetime) -> dict[str, Any]:
    path = f"/api/v1/entities/urn:ngsi-ld:AirQualityObserved:{TENANT}:{device}/history"
    answer = client.get(path, params={"attribute": "pm25", "from": begin.isoformat(), "to": end.isoformat()})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def live(client: httpx.Client, device: str) -> Any:
    attributes = client.get(f"/api/v1/entities/urn:ngsi-ld:AirQualityObserved:{TENANT}:{device}").json()["attributes"]
    return attributes.get("pm25")


def held(client: httpx.Client, device: str) -> list[dict[str, Any]]:
    return [one for one in client.get("/api/v1/quarantine?limit=1000").json()["items"] if one["device"] == device]


def test_one_moment_in_many_spellings_is_one_reading(client: httpx.Client) -> None:
    at = now() - timedelta(hours=1)
    offsets = [timedelta(hours=7), timedelta(0), timedelta(hours=5, minutes=45), timedelta(hours=-11), timedelta(hours=14)]
    spellings: list[object] = [at.astimezone(timezone(offset)) for offset in offsets]
    spellings += [at.isoformat().replace("+00:00", "Z"), int(at.timestamp()), int(at.timestamp() * 1000)]
    for spelling in spellings:
        assert send(client, "zones", spelling, 22.5).status_code == 202, spelling
    last = at + timedelta(minutes=1)
    send(client, "zones", last, 23.5)
    wait_until(lambda: (live(client, "zones") or {}).get("value") == 23.5, "the last one is in")
    found = history(client, "zones", at - timedelta(days=1), at + timedelta(days=1))
    assert (found["values"], found["revisions"]) == ([22.5, 23.5], [0, 0])
    refused = send(client, "zones", at.replace(tzinfo=None), 1)
    assert (refused.status_code, refused.json()["type"]) == (400, "urn:dothi:problem:naive-time")
    assert "+07:00" in refused.json()["title"]


def test_two_values_for_one_moment_are_revisions_and_the_last_is_read(client: httpx.Client) -> None:
    at = now() - timedelta(hours=1)
    for value in (10.0, 12.0, 12.0, 11.0):
        assert send(client, "twice", at, value).status_code == 202
    wait_until(lambda: (live(client, "twice") or {}).get("value") == 11.0, "the correction is shown")
    found = history(client, "twice", at, at + timedelta(minutes=1))
    assert (found["values"], found["revisions"]) == ([11.0], [2]), "12 told twice is one revision"


def test_a_late_reading_takes_its_place_and_not_the_presents(client: httpx.Client) -> None:
    newest = now() - timedelta(minutes=5)
    times = [newest, newest - timedelta(days=2), newest - timedelta(days=400), newest - timedelta(hours=3)]
    for number, at in enumerate(times):
        assert send(client, "late", at, 20.0 + number).status_code == 202

    def arrived() -> bool:
        return len(history(client, "late", newest - timedelta(days=500), newest + timedelta(hours=1))["values"]) == 4

    wait_until(arrived, "all four are in")
    found = history(client, "late", newest - timedelta(days=500), newest + timedelta(hours=1))
    assert found["values"] == [22.0, 21.0, 23.0, 20.0], "in the order of observation"
    assert live(client, "late")["value"] == 20.0


def test_a_clock_a_little_ahead_is_marked_and_does_not_hold_the_present(client: httpx.Client) -> None:
    at = now()
    assert send(client, "ahead", at + timedelta(hours=2), 33.0).status_code == 202
    assert send(client, "ahead", at - timedelta(minutes=1), 30.0).status_code == 202

    def arrived() -> bool:
        return len(history(client, "ahead", at - timedelta(hours=1), at + timedelta(hours=3))["values"]) == 2

    wait_until(arrived, "both are in")
    found = history(client, "ahead", at - timedelta(hours=1), at + timedelta(hours=3))
    assert (found["values"], found["grades"]) == ([30.0, 33.0], ["good", "bad"])
    assert "future" in " ".join(found["reasons"][1])


@pytest.mark.parametrize("years", [-56, -30, -10, 10, 1_000])
def test_a_clock_years_off_is_held_with_what_it_said(client: httpx.Client, years: int) -> None:
    at = now()
    at = at.replace(year=at.year + years, day=min(at.day, 28))
    before = len(held(client, "decade"))
    assert send(client, "decade", at, 5.5).status_code == 202
    wait_until(lambda: len(held(client, "decade")) > before, "it is held")
    row = held(client, "decade")[0]
    assert row["reason"] == "absurd-time"
    body = client.get(f"/api/v1/quarantine/{row['id']}").text
    assert str(at.year) in body and "5.5" in body
    assert live(client, "decade") is None
