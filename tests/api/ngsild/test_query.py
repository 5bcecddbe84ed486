"""Querying and discovering by NGSI-LD over HTTP: pages, order, places, linked entities, bodies, and what there is."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

ENTITIES = "/ngsi-ld/v1/entities"
QUERY = "/ngsi-ld/v1/entityOperations/query"
NAMES = ["Đê", "Chợ", "Ao", "Bến"]


def _urn(number: int) -> str:
    return f"urn:ngsi-ld:QueryThing:hanoi:{number}"


@pytest.fixture(scope="module")
def things(client: httpx.Client) -> Iterator[httpx.Client]:
    told: list[dict[str, Any]] = [
        {
            "id": _urn(number),
            "type": ["QueryThing", "QueryMore"] if number == 3 else "QueryThing",
            "name": {"type": "Property", "value": name},
            "girth": {"type": "Property", "value": number * 10, "unitCode": "MTR"},
            "near": {"type": "Relationship", "object": _urn((number + 1) % 4)},
            "location": {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [105.80 + number / 100, 21.0]}},
        }
        for number, name in enumerate(NAMES)
    ]
    for one in told:
        answer = client.post(ENTITIES, json=one)
        assert answer.status_code == 201, answer.text
    yield client
    for one in told:
        client.delete(f"{ENTITIES}/{one['id']}")


def _ids(answer: httpx.Response) -> list[int]:
    assert answer.status_code == 200, answer.text
    return [int(one["id"].rsplit(":", 1)[1]) for one in answer.json()]


def test_pages_lead_to_each_other(things: httpx.Client) -> None:
    params: dict[str, str] | None = {"type": "QueryThing", "limit": "1", "q": "girth<30", "count": "true"}
    met, path = [], ENTITIES
    while True:
        answer = things.get(path, params=params)
        assert answer.headers["ngsild-results-count"] == "3"
        met += _ids(answer)
        links = httpx.Response(200, headers={"link": answer.headers["link"]}).links
        assert ("prev" in links) == (len(met) > 1)
        if "next" not in links:
            break
        params, path = None, links["next"]["url"]
        assert urlsplit(path).path == ENTITIES
    assert met == [0, 1, 2]
    assert _ids(things.get(ENTITIES, params={"type": "QueryThing", "limit": "0", "count": "true"})) == []


@pytest.mark.parametrize(
    ("params", "found"),
    [
        ({"orderBy": "girth;desc"}, [3, 2, 1, 0]),
        ({"orderBy": "name"}, [2, 3, 1, 0]),
        ({"orderBy": "name;desc", "collation": "vi", "limit": "2"}, [0, 1]),
        ({"orderBy": "location;dist-asc", "orderFrom": "[105.822,21.0]"}, [2, 3, 1, 0]),
        ({"orderBy": "nothing,id;desc"}, [3, 2, 1, 0]),
        ({"q": 'near{name}=="Ao"', "join": "flat", "pick": "id"}, [1]),
        ({"q": "girth==10..20;name!~=^Ao"}, [1]),
        ({"idPattern": "[13]$"}, [1, 3]),
        ({"georel": "near;maxDistance==1100", "geometry": "Point", "coordinates": "[105.82,21]"}, [1, 2, 3]),
        ({"georel": "disjoint", "geometry": "Point", "coordinates": "[105.82,21]", "limit": "2"}, [0, 1]),
        ({"attrs": "name", "datasetId": "urn:set:none"}, [0, 1, 2, 3]),
    ],
)
def test_queries_find_what_they_ask_for(things: httpx.Client, params: dict[str, str], found: list[int]) -> None:
    assert _ids(things.get(ENTITIES, params={"type": "QueryThing", **params})) == found


def test_a_body_asks_the_same(things: httpx.Client) -> None:
    body: dict[str, Any] = {
        "type": "Query",
        "entities": [{"type": "QueryMore"}, {"type": "QueryThing", "id": [_urn(0), _urn(1)]}],
        "q": "girth>5",
        "geoQ": {"georel": "within", "geometry": "Point", "coordinates": [105.83, 21.0]},
        "pick": ["id", "near{id,name}"],
        "join": "inline",
        "joinLevel": 1,
    }
    answer = things.post(QUERY, json=body, params={"options": "keyValues", "count": "true"})
    assert answer.status_code == 200, answer.text
    assert answer.headers["ngsild-results-count"] == "1"
    assert answer.json() == [{"id": _urn(3), "near": {"id": _urn(0), "name": "Đê"}}]
    order = {"orderBy": ["girth;desc"]}
    del body["geoQ"], body["q"], body["join"], body["joinLevel"], body["pick"]
    assert _ids(things.post(QUERY, json=body | {"ordering": order})) == [3, 1, 0]


@pytest.mark.parametrize(
    "body",
    [
        {"type": "Other"},
        {"type": "Query"},
        {"type": "Query", "entities": []},
        {"type": "Query", "entities": [{"type": "A"}], "temporalQ": {}},
        {"type": "Query", "entities": [{"type": "A"}], "join": "inline", "joinLevel": 0},
        {"type": "Query", "entities": [{"type": "A"}], "joinLevel": True},
        {"type": "Query", "entities": [{"type": "A"}], "lang": 5},
        {"type": "Query", "entities": [{"type": "A"}], "pick": ["a", 5]},
        {"type": "Query", "entities": [{"type": "A"}, 5]},
        [],
    ],
)
def test_a_body_that_makes_no_sense_is_refused(client: httpx.Client, body: Any) -> None:
    answer = client.post(QUERY, json=body)
    assert answer.status_code == 400, answer.text
    assert answer.json()["type"] == "https://uri.etsi.org/ngsi-ld/errors/BadRequestData"


def test_one_instance_of_several_places_is_enough(client: httpx.Client) -> None:
    places = [
        {
            "type": "GeoProperty",
            "value": {"type": "Point", "coordinates": [longitude, 21.0]},
            "datasetId": f"urn:d:{longitude}",
        }
        for longitude in (100, 105)
    ]
    urn = "urn:ngsi-ld:Spot:hanoi:1"
    assert client.post(ENTITIES, json={"id": urn, "type": "Spot", "seenAt": places}).status_code == 201
    near = {"type": "Spot", "georel": "near;maxDistance==1000", "geometry": "Point", "geoproperty": "seenAt"}
    try:
        for longitude, found in ((100, [1]), (105, [1]), (103, [])):
            assert _ids(client.get(ENTITIES, params={**near, "coordinates": f"[{longitude},21]"})) == found
    finally:
        client.delete(f"{ENTITIES}/{urn}")


def test_places_come_as_geojson(things: httpx.Client) -> None:
    params = {"type": "QueryThing", "attrs": "name", "limit": "1", "geometryProperty": "location"}
    answer = things.get(ENTITIES, params=params, headers={"Accept": "application/geo+json"})
    assert answer.status_code == 200, answer.text
    (one,) = answer.json()["features"]
    assert one["geometry"] == {"type": "Point", "coordinates": [105.80, 21.0]}


def test_discovery_tells_what_there_is(things: httpx.Client) -> None:
    told = things.get("/ngsi-ld/v1/types", params={"count": "true"})
    assert {"QueryThing", "QueryMore"} <= set(told.json()["typeList"])
    assert int(told.headers["ngsild-results-count"]) == len(told.json()["typeList"])
    one = things.get("/ngsi-ld/v1/types/QueryThing").json()
    assert (one["type"], one["entityCount"]) == ("EntityTypeInfo", 4)
    kinds = {each["attributeName"]: each["attributeTypes"] for each in one["attributeDetails"]}
    assert kinds == {
        "name": ["Property"],
        "girth": ["Property"],
        "near": ["Relationship"],
        "location": ["GeoProperty"],
    }
    detailed = {each["typeName"]: each for each in things.get("/ngsi-ld/v1/types", params={"details": "true"}).json()}
    assert set(detailed["QueryMore"]["attributeNames"]) == set(kinds)
    assert "girth" in things.get("/ngsi-ld/v1/attributes").json()["attributeList"]
    detailed = {
        each["attributeName"]: each for each in things.get("/ngsi-ld/v1/attributes", params={"details": "true"}).json()
    }
    assert {"QueryThing", "QueryMore"} <= set(detailed["near"]["typeNames"])
    one = things.get("/ngsi-ld/v1/attributes/girth").json()
    assert (one["attributeCount"], one["attributeTypes"]) == (4, ["Property"])
    for path in ("types/Nothing", "attributes/nothing", "attributes/id", "attributes/createdAt"):
        assert things.get(f"/ngsi-ld/v1/{path}").status_code == 404, path
    assert things.get("/ngsi-ld/v1/types/QueryThing", params={"details": "true"}).status_code == 400


def test_a_stranger_finds_counts_and_discovers_nothing_of_it(things: httpx.Client, stranger: httpx.Client) -> None:
    answer = stranger.get(ENTITIES, params={"type": "QueryThing", "q": "girth>=0", "count": "true"})
    assert (answer.json(), answer.headers["ngsild-results-count"]) == ([], "0")
    assert stranger.get("/ngsi-ld/v1/types/QueryThing").status_code == 404
    assert "QueryThing" not in stranger.get("/ngsi-ld/v1/types").text
    assert stranger.get("/ngsi-ld/v1/attributes/girth").status_code == 404
    linked = stranger.get(ENTITIES, params={"type": "*", "q": 'near{name}=="Ao"', "join": "flat"})
    assert linked.json() == []


def test_an_entity_map_keeps_the_pages_of_one_answer(things: httpx.Client, stranger: httpx.Client) -> None:
    asked = {"type": "QueryThing", "orderBy": "girth;desc", "limit": "2"}
    answer = things.get(ENTITIES, params=asked | {"entityMap": "true", "entityMapLifetime": "PT5M"})
    assert (answer.status_code, [one["id"] for one in answer.json()]) == (201, [_urn(3), _urn(2)])
    place = answer.headers["ngsild-entitymap"]
    late = {"id": _urn(9), "type": "QueryThing", "girth": {"type": "Property", "value": 15}}
    assert things.post(ENTITIES, json=late).status_code == 201
    held = {"NGSILD-EntityMap": place}
    answer = things.get(ENTITIES, params=asked | {"offset": "2", "count": "true"}, headers=held)
    assert _ids(answer) == [1, 0]
    assert (answer.headers["ngsild-entitymap"], answer.headers["ngsild-results-count"]) == (place, "4")
    assert set(things.get(place).json()["entityMap"]) == {_urn(number) for number in range(4)}
    assert _ids(things.get(ENTITIES, params=asked | {"q": "girth>10"}, headers=held)) == [3, 2]
    assert set(things.get(place).json()["entityMap"]) == {_urn(2), _urn(3)}
    assert stranger.get(place).status_code == 404
    assert things.get(f"{ENTITIES}/{_urn(3)}", headers=held).headers["ngsild-entitymap"] == place
    assert things.patch(place, json={"expiresAt": "2099-01-01T00:00:00Z"}).status_code == 204
    assert things.get(place).json()["expiresAt"] < "2099"
    assert things.patch(place, json={"expiresAt": "tomorrow"}).status_code == 400
    assert things.patch(place, json={"expiresAt": "2000-01-01T00:00:00Z"}).status_code == 204
    assert things.get(place).status_code == 404
    anew = things.get(ENTITIES, params={"type": "QueryThing", "limit": "10"}, headers=held)
    assert (anew.status_code, len(anew.json())) == (201, 5)
    assert things.delete(anew.headers["ngsild-entitymap"]).status_code == 204
    assert things.delete(anew.headers["ngsild-entitymap"]).status_code == 404
    made = things.get("/ngsi-ld/v1/entityMaps", params={"type": "QueryThing", "q": "girth>10"})
    assert (made.status_code, len(made.json()["entityMap"])) == (201, 3)
    assert things.get("/ngsi-ld/v1/entityMaps", params={"id": _urn(1)}).status_code == 400
    assert things.get("/ngsi-ld/v1/entityMaps", params={"type": "A", "entityMapLifetime": "1h"}).status_code == 400
    things.delete(f"{ENTITIES}/{_urn(9)}")
