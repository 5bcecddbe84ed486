"""Entities as clients of earlier versions of the standard know them (clause 4.3.6.8)."""

from copy import deepcopy
from typing import Any

import pytest

from dothi.api.ngsild.versions import preferred_version, told_in, version_of
from dothi.model.problem import Problem

NEWEST: dict[str, Any] = {
    "id": "urn:ngsi-ld:House:1",
    "type": ["House", "Shelter"],
    "scope": "/a",
    "expiresAt": "2030-01-01T00:00:00Z",
    "level": [
        {"type": "Property", "value": 2, "datasetId": "urn:d:2"},
        {
            "type": "Property",
            "value": 1,
            "unitCode": "MTR",
            "observedAt": "2026-01-01T00:00:00Z",
            "expiresAt": "2030-01-01T00:00:00Z",
            "by": {"type": "VocabProperty", "vocab": "An", "valueType": "x"},
        },
    ],
    "ways": {"type": "ListRelationship", "objectList": [{"object": "urn:a:1"}, {"object": "urn:a:2"}], "objectType": "Way"},
    "parts": {"type": "ListProperty", "valueList": [1, [2]]},
    "raw": {"type": "JsonProperty", "json": {"unitCode": 1}},
    "name": {"type": "LanguageProperty", "languageMap": {"vi": "nhà"}},
}
PLAIN = {
    "parts": {"type": "Property", "value": [1, [2]]},
    "raw": {"type": "Property", "value": {"unitCode": 1}},
}


def told(version: tuple[int, int], entity: dict[str, Any] = NEWEST) -> tuple[dict[str, Any], bool]:
    found = deepcopy(entity)
    return found, told_in(found, version)


def test_the_newest_is_told_as_it_is() -> None:
    assert told((1, 9)) == (NEWEST, False)
    assert told((2, 0)) == (NEWEST, False)


def test_each_version_knows_what_it_knew() -> None:
    eight, changed = told((1, 8))
    assert changed
    assert "expiresAt" not in eight
    assert eight["level"][1] == {
        "type": "Property",
        "value": 1,
        "unitCode": "MTR",
        "observedAt": "2026-01-01T00:00:00Z",
        "by": {"type": "VocabProperty", "vocab": "An"},
    }
    assert {name: eight[name] for name in ("type", "scope", "ways", "parts", "raw", "name")} == {
        name: NEWEST[name] for name in ("type", "scope", "ways", "parts", "raw", "name")
    }
    seven, _ = told((1, 7))
    assert seven["ways"] == {"type": "Relationship", "object": ["urn:a:1", "urn:a:2"]}
    assert seven["level"][1]["by"] == {"type": "Property", "value": "An"}
    assert {name: seven[name] for name in PLAIN} == PLAIN
    assert (seven["name"], seven["scope"], len(seven["level"])) == (NEWEST["name"], "/a", 2)
    three, _ = told((1, 3))
    assert three["name"] == {"type": "Property", "value": {"vi": "nhà"}}
    assert "scope" not in three
    assert three["type"] == ["House", "Shelter"]
    first, _ = told((1, 0))
    assert first["type"] == "House"
    assert first["level"] == {"type": "Property", "value": 1, "by": {"type": "Property", "value": "An"}}


def test_what_is_over_time_stays_whole() -> None:
    times = [
        {
            "type": "ListRelationship",
            "objectList": ["urn:a:1"],
            "observedAt": f"2026-01-0{day}T00:00:00Z",
            "instanceId": f"i:{day}",
        }
        for day in (1, 2)
    ]
    found, _ = told((1, 2), {"id": "urn:a:b", "type": "House", "ways": times})
    assert found["ways"] == [{"type": "Relationship", "object": ["urn:a:1"], "instanceId": f"i:{day}"} for day in (1, 2)]
    values = {"type": "ListRelationship", "objectLists": [[["urn:a:1"], "2026-01-01T00:00:00Z"]]}
    found, _ = told((1, 5), {"id": "urn:a:b", "type": "House", "ways": values})
    assert found["ways"] == {"type": "Relationship", "objects": [[["urn:a:1"], "2026-01-01T00:00:00Z"]]}


def test_what_lies_in_a_value_is_nobody_s_attribute() -> None:
    plain = {"id": "urn:a:b", "type": "Car", "plain": {"type": "Property", "value": {"type": "JsonProperty", "json": 1}}}
    assert told((1, 0), plain) == (plain, False)


def test_how_versions_are_named() -> None:
    assert preferred_version("respond-async, ngsi-ld=1.5") == (1, 5)
    assert preferred_version("body=json") is None
    assert version_of("1.6") == (1, 6)
    for wrong in ("1", "v1.5", "", None, 1.5):
        with pytest.raises(Problem):
            version_of(wrong)
