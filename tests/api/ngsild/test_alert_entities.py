"""A program subscribes to alerts by the very lines of the guide, and is told when one begins, is seen to, and ends."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from subscription_world import World, world_in

from dothi.access.policy import SYSTEM
from dothi.data.batch import Batch, EntityChange, ReadingRow, readings_of
from dothi.model.entity import Entity
from dothi.model.reading import Origin
from dothi.model.text import Text
from dothi.platform.rules.alerts import AlertQuestion
from dothi.platform.rules.model import Compare, Rule
from dothi.services.weather.model import WEATHER_FORECAST, iri
from dothi.testing.city import wait_until

GUIDE = Path(__file__).resolve().parents[3] / "docs" / "guides" / "connect-ngsi-ld.md"
CELL = "urn:ngsi-ld:WeatherForecast:hanoi:alerts"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world_in(tmp_path_factory.mktemp("alerts"), sectors="weather") as world:
        yield world


def _rain(world: World, millimetres: float) -> None:
    platform = world.city.platform
    now = platform.clock.now()
    row = ReadingRow(CELL, iri("precipitation"), now, millimetres, Origin.MODELLED)
    world.city.run(platform.writer.write(Batch(SYSTEM, "test", "c", now, readings_of([row]))))


def _told(world: World) -> list[dict[str, Any]]:
    told = [one for body in world.receiver.bodies for one in body["data"]]
    return [one for one in told if one["alertSource"]["value"] == CELL]  # the city has alerts of its own


def test_the_guide_subscribes_to_alerts(world: World) -> None:
    written = re.search(r"<!-- alerts -->\n```sh\n.*?-d '(.*?)'\n```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    assert written is not None
    body = msgspec.json.decode(written[1])
    body["notification"]["endpoint"]["uri"] = world.receiver.url
    assert world.client.post("/ngsi-ld/v1/subscriptions", json=body).status_code == 201
    platform = world.city.platform
    cell = EntityChange("create", Entity(CELL, WEATHER_FORECAST, ward=platform.city.wards[0].code))
    world.city.run(platform.writer.write(Batch(SYSTEM, "test", "c", platform.clock.now(), entities=[cell])))
    rule = Rule(
        id="downpour",
        title=Text("Mưa xối", "Downpour"),
        entity_type=WEATHER_FORECAST,
        any_of=((Compare(attribute=iri("precipitation"), op=">", value=20.0),),),
        severity=3,
    )
    world.city.run(platform.rules.save(SYSTEM, rule, version=0))
    _rain(world, 30.0)
    wait_until(lambda: _told(world), "the program is told that it began")
    begun = _told(world)[-1]
    assert (begun["type"], begun["severity"]["value"], begun["category"]["value"]) == ("Alert", "high", "weather")
    assert (begun["subCategory"]["value"], begun["alertSource"]["value"]) == ("rainfall", CELL)
    assert begun["data"]["value"]["state"] == "firing" and "validTo" not in begun
    line = platform.rules.alerts(SYSTEM, AlertQuestion(rule="downpour")).groups[0].id
    world.city.run(platform.rules.acknowledge(SYSTEM, [line]))
    wait_until(lambda: _told(world)[-1]["data"]["value"]["state"] == "acknowledged", "it is told that it was seen to")
    _rain(world, 1.0)
    wait_until(lambda: "validTo" in _told(world)[-1], "it is told that it is over")
    found = world.client.get("/ngsi-ld/v1/entities", params={"type": "Alert", "q": 'data[state]=="ended"', "limit": "1000"})
    ended = [one["data"]["value"]["rule"] for one in found.json() if one["alertSource"]["value"] == CELL]
    assert ended == ["downpour"]
    types = world.client.get("/ngsi-ld/v1/types").json()["typeList"]
    assert "Alert" in types
