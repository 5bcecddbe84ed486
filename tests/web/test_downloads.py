"""What is shown can be taken along: map layers, the hours of the time bar, lobby and quarantine, safely for spreadsheets."""

import csv
import io
from typing import Any

import httpx
import pytest

from dothi.testing.city import wait_until


def table(client: httpx.Client, path: str) -> list[dict[str, str]]:
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"].startswith("attachment; filename=")
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))


def features(client: httpx.Client, path: str) -> list[dict[str, Any]]:
    answer = client.get(path)
    assert answer.headers["content-type"] == "application/geo+json"
    told = answer.json()
    assert told["type"] == "FeatureCollection"
    return list(told["features"])


def test_a_layer_leaves_as_geojson_and_as_a_table(client: httpx.Client) -> None:
    shown = client.get("/map/layers/air.json").json()
    found = features(client, "/map/layers/air.geojson")
    points = {one["id"]: one for one in found if one["geometry"]["type"] == "Point"}
    assert points.keys() == {one["id"] for one in shown["points"]}
    first = shown["points"][0]
    assert points[first["id"]]["geometry"]["coordinates"] == [first["longitude"], first["latitude"]]
    assert points[first["id"]]["properties"]["title"] == first["title"]
    wards = [one for one in found if one["id"].startswith("ward-")]
    assert {one["id"] for one in wards} == {
        f"ward-{one['ward']}" for one in client.get("/map/layers/air.json").json()["areas"]
    }
    rows = table(client, "/map/layers/air.csv")
    assert {row["id"] for row in rows} == points.keys()
    assert rows[0].keys() >= {"title", "value", "detail", "longitude"}


def test_a_past_moment_leaves_as_it_was(client: httpx.Client) -> None:
    now = client.get("/api/v1/city").json()["time"]
    before = now[:11] + "00:00:00Z"
    then = table(client, f"/map/layers/air.csv?at={before}")
    assert len(then) <= len(table(client, "/map/layers/air.csv"))
    assert client.get("/map/layers/air.geojson?at=yesterday").status_code == 400


def test_the_hours_of_the_bar_leave_one_by_one(client: httpx.Client) -> None:
    assert len(table(client, "/map/hours/air.csv")) == 24
    week = table(client, "/map/hours/air.csv?span=7d")
    assert len(week) == 7 * 24
    assert [row["at"] for row in week] == sorted(row["at"] for row in week)


def test_who_waits_and_what_is_held_leave_with_their_text(client: httpx.Client) -> None:
    known = {"id": "leaves-two", "type": "AirQualityObserved", "longitude": 105.8, "latitude": 21.0}
    assert client.post("/api/v1/devices", json=known).status_code == 201
    client.post("/api/v1/devices/leaves-one/readings", json={"values": {"=cmd": 1}})
    client.post("/api/v1/devices/leaves-two/readings", json={"values": {"no-such": 1}})
    wait_until(lambda: "leaves-one" in client.get("/devices/lobby.csv").text, "it waits")
    wait_until(lambda: "leaves-two" in client.get("/devices/quarantine.csv").text, "it is held")
    (waiting,) = [row for row in table(client, "/devices/lobby.csv") if row["device"] == "leaves-one"]
    assert (waiting["count"], waiting["source"], waiting["keys"]) == ("1", "http", "'=cmd")
    (held,) = [row for row in table(client, "/devices/quarantine.csv") if row["device"] == "leaves-two"]
    assert '"no-such": 1' in held["body"] or '"no-such":1' in held["body"]
    assert held["reason"] == "unmapped-key"
    assert all(row["reason"] == held["reason"] for row in table(client, f"/devices/quarantine.csv?reason={held['reason']}"))
    assert "/devices/lobby.csv" in client.get("/devices/lobby").text
    assert "/devices/quarantine.csv" in client.get("/devices/quarantine").text


@pytest.mark.parametrize("path", ["/map/layers/tides.geojson", "/map/layers/tides.csv", "/map/hours/tides.csv"])
def test_a_layer_that_is_not_there_is_not_found(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code == 404


def test_public_sources_say_that_they_are_off_and_on_which_terms(client: httpx.Client) -> None:
    page = client.get("/data/sources").text
    assert "DOTHI_OPEN_METEO=on" in page
    assert "phi thương mại" in page
    assert 'href="https://creativecommons.org/licenses/by/4.0/"' in page
    assert "Switch on with the setting" in client.get("/data/sources", headers={"accept-language": "en"}).text
