"""Entities, their types, and problems: the small questions other floors ask of them."""

import pytest

from dothi.model.entity import LOCATION, Attribute, Entity
from dothi.model.problem import Problem, bad_request, not_found
from dothi.model.schema import AttributeType, EntityType
from dothi.model.text import Text

STATION = "urn:ngsi-ld:AirQualityObserved:hanoi:1"


def at(value: object) -> Entity:
    return Entity(STATION, "AirQualityObserved", {LOCATION: [Attribute("GeoProperty", value)]})


def test_the_default_instance_comes_first() -> None:
    entity = Entity(STATION, "t", {"pm25": [Attribute("Property", 1.0), Attribute("Property", 2.0, dataset_id="urn:x")]})
    first = entity.first("pm25")
    assert first is not None
    assert first.value == 1.0
    assert entity.first("pm10") is None


def test_a_point_is_longitude_and_latitude() -> None:
    assert at({"type": "Point", "coordinates": [105.85, 21.03, 12.0]}).point == (105.85, 21.03)


@pytest.mark.parametrize("value", [{"type": "LineString", "coordinates": [[0, 0], [1, 1]]}, "105.85,21.03", None])
def test_what_is_no_point_has_none(value: object) -> None:
    assert at(value).point is None


def test_an_entity_without_a_place_has_no_point() -> None:
    assert Entity(STATION, "t").point is None


def test_attribute_types_are_found_by_term_and_by_iri() -> None:
    pm25 = AttributeType("pm25", "https://example.org/pm25", Text("Bụi PM2.5", "PM2.5"), unit="GQ")
    kind = EntityType("Air", "https://example.org/Air", Text("Không khí", "Air"), (pm25,))
    assert kind.attribute("pm25") is kind.attribute("https://example.org/pm25") is pm25
    assert kind.attribute("pm") is None


def test_problems_say_what_is_wrong_and_what_to_do() -> None:
    missing, bad = not_found("ward", "99999"), bad_request("Not a number.", "Send a number.")
    assert (missing.status, missing.code) == (404, "not-found")
    assert "99999" in str(missing)
    assert (bad.status, bad.code, str(bad)) == (400, "bad-request", "Not a number. Send a number.")
    assert Problem(503, "journal-full", "Full.", retry_after=5).retry_after == 5
