"""The temporal interface over HTTP (ETSI GS CIM 009, clauses 5.6.11 to 5.6.16, 5.7.3 and 5.7.4)."""

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import httpx
import pytest

from dothi.testing.city import RunningCity, running_city

ROOT = "/ngsi-ld/v1/temporal/entities"
NOW_ROOT = "/ngsi-ld/v1/entities"
ERRORS = "https://uri.etsi.org/ngsi-ld/errors/"
_numbers = count()


def at(minute: int) -> str:
    return f"2026-03-01T{minute // 60:02}:{minute % 60:02}:00Z"


def told(value: Any, minute: int, **more: Any) -> dict[str, Any]:
    return {"type": "Property", "value": value, "observedAt": at(minute), **more}


Make = Callable[..., str]


@pytest.fixture
def make(client: httpx.Client) -> Iterator[Make]:
    """Makes entities of the type Probe over time; they go again."""
    made: list[str] = []

    def one(**attributes: Any) -> str:
        urn = f"urn:ngsi-ld:Probe:hanoi:{next(_numbers):03}"
        answer = client.post(ROOT, json={"id": urn, "type": "Probe", **attributes})
        assert answer.status_code == 201, answer.text
        assert answer.headers["location"] == f"{ROOT}/{urn}"
        made.append(urn)
        return urn

    yield one
    for urn in made:
        client.delete(f"{ROOT}/{urn}")


def get(client: httpx.Client, urn: str, **params: Any) -> Any:
    answer = client.get(f"{ROOT}/{urn}", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def values(instances: list[dict[str, Any]]) -> list[Any]:
    return [one.get("value") for one in instances]


def test_what_is_told_of_the_past_comes_back_and_is_what_is_now(client: httpx.Client, make: Make) -> None:
    urn = make(speed=[told(3, 30), told(1, 10), told(2, 20, datasetId="urn:d:1", unitCode="KMH")], name=told("An", 5))
    found = get(client, urn)
    assert found["type"] == "Probe"
    assert values(found["speed"]) == [1, 3, 2]
    assert found["speed"][2] | {"instanceId": ""} == told(2, 20, datasetId="urn:d:1", unitCode="KMH") | {"instanceId": ""}
    assert all(one["instanceId"].startswith("urn:ngsi-ld:") for one in found["speed"])
    now = client.get(f"{NOW_ROOT}/{urn}").json()
    assert now["name"]["value"] == "An"
    assert sorted(values(now["speed"])) == [2, 3]
    again = client.post(ROOT, json={"id": urn, "type": ["Probe", "Car"], "speed": told(9, 10)})
    assert again.status_code == 204
    found = get(client, urn)
    assert values(found["speed"]) == [9, 3, 2]
    assert found["type"] == ["Probe", "Car"]
    assert sorted(values(client.get(f"{NOW_ROOT}/{urn}").json()["speed"])) == [2, 3], "what is older changes nothing now"


@pytest.mark.parametrize(
    ("params", "found"),
    [
        ({"timerel": "before", "timeAt": at(20)}, [0, 10]),
        ({"timerel": "after", "timeAt": at(20)}, [20, 30, 40]),
        ({"timerel": "between", "timeAt": at(10), "endTimeAt": at(30)}, [10, 20]),
        ({"timerel": "after", "timeAt": at(10), "lastN": 2}, [30, 40]),
        ({"lastN": 1}, [40]),
        ({}, [0, 10, 20, 30, 40]),
    ],
)
def test_which_instances_a_time_holds(client: httpx.Client, make: Make, params: dict[str, Any], found: list[int]) -> None:
    urn = make(speed=[told(minute, minute) for minute in range(0, 50, 10)])
    assert values(get(client, urn, **params)["speed"]) == found
    simple = get(client, urn, **params, format="temporalValues")["speed"]
    assert simple == {"type": "Property", "values": [[minute, at(minute)] for minute in found]}
    assert all(type(value) is int for value, _ in simple["values"]), "whole numbers are told as such in every format"


@pytest.mark.parametrize(
    "params",
    [
        {"timerel": "before", "timeAt": "2000-01-01T00:00:00Z"},
        {"timerel": "between", "timeAt": "2000-01-01T00:00:00Z", "endTimeAt": "2000-02-01T00:00:00Z"},
        {"timerel": "between", "timeAt": at(30), "endTimeAt": at(30)},
        {"timerel": "between", "timeAt": at(40), "endTimeAt": at(10)},
        {"timerel": "between", "timeAt": "2027-01-01T00:00:00Z", "endTimeAt": at(10)},
    ],
)
def test_a_time_without_anything_is_empty(client: httpx.Client, make: Make, params: dict[str, str]) -> None:
    urn = make(speed=[told(minute, minute) for minute in range(0, 50, 10)], colour={"type": "Property", "value": "red"})
    assert not get(client, urn, **params).get("speed")
    for shape in ({}, {"format": "temporalValues"}, {"format": "aggregatedValues", "aggrMethods": "avg,stddev"}):
        several = client.get(ROOT, params={"type": "Probe", **params, **shape})
        assert (several.status_code, [one for one in several.json() if one["id"] == urn]) == (200, [])


def test_every_kind_of_attribute_has_its_own_name_over_time(client: httpx.Client, make: Make) -> None:
    place = {"type": "Point", "coordinates": [105.85, 21.03]}
    shapes = {
        "location": ("GeoProperty", "value", place, "values", place),
        "owner": ("Relationship", "object", "urn:a:b", "objects", "urn:a:b"),
        "label": ("LanguageProperty", "languageMap", {"vi": "đỏ"}, "languageMaps", {"languageMap": {"vi": "đỏ"}}),
        "state": ("JsonProperty", "json", {"a": [1]}, "jsons", {"json": {"a": [1]}}),
        "category": ("VocabProperty", "vocab", "bus", "vocabs", {"vocab": "bus"}),
        "depths": ("ListProperty", "valueList", [1, 2], "valueLists", [1, 2]),
        "route": ("ListRelationship", "objectList", ["urn:a:b"], "objectLists", ["urn:a:b"]),
    }
    attributes = {
        name: [{"type": kind, key: value, "observedAt": at(minute)} for minute in (1, 2)]
        for name, (kind, key, value, _, _) in shapes.items()
    }
    urn = make(**attributes)
    for name, instances in get(client, urn).items():
        if name in shapes:
            shown = [{key: said for key, said in one.items() if key != "instanceId"} for one in instances]
            if name == "route":
                attributes[name] = [one | {"objectList": [{"object": "urn:a:b"}]} for one in attributes[name]]
            assert shown == attributes[name]
    simple = get(client, urn, options="temporalValues")
    for name, (kind, _, _, key, value) in shapes.items():
        assert simple[name] == {"type": kind, key: [[value, at(1)], [value, at(2)]]}
    late = {
        "state": ("Property", "value", {"a": [1]}),
        "category": ("Property", "value", "bus"),
        "depths": ("Property", "value", [1, 2]),
        "route": ("Relationship", "object", ["urn:a:b"]),
    }
    for options in ({}, {"options": "temporalValues"}):
        early = client.get(f"{ROOT}/{urn}", params=options, headers={"prefer": "ngsi-ld=1.5"})
        assert (early.status_code, early.headers["preference-applied"]) == (203, "ngsi-ld=1.5")
        for name, (kind, key, value) in late.items():
            told = early.json()[name]
            if options:
                assert told == {"type": kind, f"{key}s": [[value, at(1)], [value, at(2)]]}
            else:
                assert [(one["type"], one[key]) for one in told] == [(kind, value)] * 2
        assert ("languageMaps" in early.json()["label"]) if options else early.json()["label"][0]["languageMap"]


def test_figures_of_periods(client: httpx.Client, make: Make) -> None:
    urn = make(speed=[told(minute, minute) for minute in (0, 30, 60, 90)], name=[told("a", 0), told("b", 90)])
    asked = {"format": "aggregatedValues", "aggrMethods": "avg,max,totalCount", "aggrPeriodDuration": "PT1H"}
    found = get(client, urn, **asked)
    assert found["speed"]["avg"] == [[15.0, at(0), at(60)], [75.0, at(60), at(120)]]
    assert found["name"]["max"] == [["a", at(0), at(60)], ["b", at(60), at(120)]]
    whole = get(client, urn, timerel="between", timeAt=at(0), endTimeAt=at(70), format="aggregatedValues", aggrMethods="sum")
    assert whole["speed"] == {"type": "Property", "sum": [[90.0, at(0), at(70)]]}
    answer = client.get(ROOT, params={"type": "Probe", "timerel": "after", "timeAt": at(0), "q": "speed>70", **asked})
    (one,) = [one for one in answer.json() if one["id"] == urn]
    assert one["speed"]["max"] == [[30.0, at(0), at(60)], [90.0, at(60), at(120)]]
    refused = client.get(f"{ROOT}/{urn}", params={"format": "aggregatedValues"})
    assert refused.status_code == 400


def test_a_value_of_the_time_meets_the_condition_or_none_does(client: httpx.Client, make: Make) -> None:
    fast = make(speed=[told(30, 600), told(5, 100)])
    slow = make(speed=[told(10, 600), told(80, 100)])
    near = make(
        location=[
            {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [105.85, 21.03]}, "observedAt": at(600)},
            {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [10, 10]}, "observedAt": at(100)},
        ]
    )
    mine = ",".join((fast, slow, near))

    def found(minute: int, **params: Any) -> list[str]:
        time = {"timerel": "between", "timeAt": at(minute), "endTimeAt": at(minute + 60)}
        answer = client.get(ROOT, params={"type": "Probe", "id": mine, **time, **params})
        assert answer.status_code == 200, answer.text
        return [one["id"] for one in answer.json()]

    assert found(600, q="speed>20") == [fast]
    assert found(60, q="speed>20") == [slow]
    place = {"georel": "near;maxDistance==50", "geometry": "Point", "coordinates": "[105.85,21.03]"}
    assert found(600, **place) == [near]
    assert found(60, **place) == []
    assert found(600, q="!speed") == [near]
    assert found(600) == [fast, slow, near]
    assert found(600, orderBy="id;desc") == [near, slow, fast]
    assert found(600, attrs="speed", limit=1, offset=1) == [slow]
    assert found(0) == []
    answer = client.get(
        ROOT, params={"type": "Probe", "id": mine, "timerel": "after", "timeAt": at(0), "count": "true", "limit": 1}
    )
    assert (answer.headers["ngsild-results-count"], len(answer.json())) == ("3", 1)
    assert 'rel="next"' in answer.headers["link"]


def test_scopes_stand_for_their_time(client: httpx.Client, make: Make) -> None:
    def scope(value: Any, minute: int) -> dict[str, Any]:
        return {"type": "Property", "value": value, "observedAt": at(minute)}

    urn = make(scope=[scope("/R", 0), scope("/S", 30)], speed=[told("old", 15), told("new", 45)])
    time = {"timerel": "between", "timeAt": at(10), "endTimeAt": at(60), "type": "Probe", "id": urn}
    for asked, value in (("/R", "old"), ("/S", "new")):
        (one,) = client.get(ROOT, params={**time, "scopeQ": asked}).json()
        assert values(one["speed"]) == [value]
    assert client.get(ROOT, params={**time, "scopeQ": "/T"}).json() == []
    assert values(get(client, urn, lastN=10)["scope"]) == ["/R", "/S"]
    assert client.get(f"{NOW_ROOT}/{urn}").json()["scope"] == "/S"


def test_what_changes_now_becomes_the_past(client: httpx.Client, make: Make) -> None:
    urn = make(speed=told(1, 10))
    for name in ("red", "blue"):
        assert (
            client.post(f"{NOW_ROOT}/{urn}/attrs", json={"colour": {"type": "Property", "value": name}}).status_code == 204
        )
    found = get(client, urn, options="sysAttrs")
    assert values(found["colour"]) == ["red", "blue"]
    assert found["colour"][0]["modifiedAt"] < found["colour"][1]["modifiedAt"]
    since = {"timerel": "after", "timeAt": found["colour"][1]["modifiedAt"], "timeproperty": "modifiedAt"}
    assert values(get(client, urn, **since)["colour"]) == ["blue"]
    assert client.delete(f"{NOW_ROOT}/{urn}/attrs/colour").status_code == 204
    (gone,) = get(client, urn, timeproperty="deletedAt")["colour"]
    assert (gone["value"], gone["type"]) == ("urn:ngsi-ld:null", "Property")
    assert gone["deletedAt"] > found["colour"][1]["modifiedAt"]
    assert values(get(client, urn)["colour"]) == ["red", "blue"]
    assert client.delete(f"{NOW_ROOT}/{urn}").status_code == 204
    assert values(get(client, urn)["colour"]) == ["red", "blue"], "what was deleted was there once"


def test_instances_are_changed_and_go_one_by_one(client: httpx.Client, make: Make) -> None:
    urn = make(speed=[told(1, 10), told(2, 20)], colour={"type": "Property", "value": "red"})
    ids = [one["instanceId"] for one in get(client, urn)["speed"]]
    one = f"{ROOT}/{urn}/attrs/speed"
    assert client.patch(f"{one}/{ids[0]}", json=told(5, 10)).status_code == 204
    assert [(say["value"], say["instanceId"]) for say in get(client, urn)["speed"]] == [(5, ids[0]), (2, ids[1])]
    assert client.patch(f"{one}/{ids[0]}", json={"observedAt": at(15)}).status_code == 204
    assert [(say["value"], say["observedAt"]) for say in get(client, urn)["speed"]] == [(5, at(15)), (2, at(20))]
    beside = {"accuracy": {"type": "Property", "value": 0.5}}
    assert client.patch(f"{one}/{ids[1]}", json=beside).status_code == 204
    assert get(client, urn)["speed"][1] == {**told(2, 20), "instanceId": ids[1], **beside}
    assert client.delete(f"{one}/{ids[1]}").status_code == 204
    assert client.delete(f"{one}/{ids[1]}").status_code == 404
    assert values(get(client, urn)["speed"]) == [5]
    assert client.get(f"{NOW_ROOT}/{urn}").json()["speed"]["value"] == 5
    client.post(f"{NOW_ROOT}/{urn}/attrs", json={"colour": {"type": "Property", "value": "blue"}})
    red, blue = (say["instanceId"] for say in get(client, urn)["colour"])
    assert client.patch(f"{ROOT}/{urn}/attrs/colour/{red}", json={"value": "pink"}).status_code == 204
    assert values(get(client, urn)["colour"]) == ["pink", "blue"]
    assert client.patch(f"{ROOT}/{urn}/attrs/colour/{blue}", json={"value": "green"}).status_code == 204
    assert client.get(f"{NOW_ROOT}/{urn}").json()["colour"]["value"] == "green"
    found = get(client, urn)["colour"]
    assert values(found) == ["pink", "green"]
    secret = client.patch(f"{ROOT}/{urn}/attrs/colour/{red}", json={"value": {"classification": "mật"}})
    assert secret.status_code == 403
    for instance in (one["instanceId"] for one in found):
        assert client.delete(f"{ROOT}/{urn}/attrs/colour/{instance}").status_code == 204
    assert "colour" not in get(client, urn)


def test_an_instance_is_replaced_by_the_one_in_a_fragment_of_the_entity(client: httpx.Client, make: Make) -> None:
    beside = {"accuracy": {"type": "Property", "value": 0.5}}
    urn = make(speed=[told(1, 10, **beside), told(2, 20)], colour={"type": "Property", "value": "red"})
    before = get(client, urn, options="sysAttrs")["speed"][0]
    one = f"{ROOT}/{urn}/attrs/speed/{before['instanceId']}"
    assert client.patch(one, json={"speed": [told(5, 10)]}).status_code == 204
    after = get(client, urn, options="sysAttrs")["speed"][0]
    assert after.pop("modifiedAt") > before["modifiedAt"]
    assert after == told(5, 10) | {name: before[name] for name in ("instanceId", "createdAt")}
    assert client.patch(one, json={"type": "Probe", "speed": told(6, 10)}).status_code == 204
    assert values(get(client, urn)["speed"]) == [6, 2]
    (red,) = get(client, urn)["colour"]
    colour = f"{ROOT}/{urn}/attrs/colour/{red['instanceId']}"
    assert client.patch(colour, json={"colour": [{"type": "Property", "value": "pink"}]}).status_code == 204
    assert values(get(client, urn)["colour"]) == ["pink"]
    another = {"type": "Relationship", "object": "urn:a:b"}
    for wrong in ([told(1, 10), told(2, 20)], [], 7, [{"type": "Property"}], [another]):
        assert client.patch(one, json={"speed": wrong}).status_code == 400
    assert values(get(client, urn)["speed"]) == [6, 2]


def test_an_attribute_goes_with_its_past(client: httpx.Client, make: Make) -> None:
    urn = make(speed=[told(1, 10), told(2, 20), told(3, 30, datasetId="urn:d:1")], name=told("An", 5))
    one = f"{ROOT}/{urn}/attrs/speed"
    assert client.delete(one, params={"datasetId": "urn:d:1"}).status_code == 204
    assert values(get(client, urn)["speed"]) == [1, 2]
    assert client.post(f"{ROOT}/{urn}/attrs", json={"speed": told(4, 40, datasetId="urn:d:2")}).status_code == 204
    assert client.delete(one).status_code == 204
    assert values(get(client, urn)["speed"]) == [4]
    assert client.delete(one, params={"deleteAll": "true"}).status_code == 204
    assert client.delete(one, params={"deleteAll": "true"}).status_code == 404
    assert set(get(client, urn)) == {"id", "type", "name"}
    assert "speed" not in client.get(f"{NOW_ROOT}/{urn}").json()


def test_an_entity_goes_with_its_past_and_comes_back_without(client: httpx.Client, make: Make) -> None:
    urn = make(speed=[told(1, 10)], colour={"type": "Property", "value": "red"})
    assert client.delete(f"{ROOT}/{urn}").status_code == 204
    for answer in (client.get(f"{ROOT}/{urn}"), client.get(f"{NOW_ROOT}/{urn}"), client.delete(f"{ROOT}/{urn}")):
        assert answer.status_code == 404
    assert client.post(ROOT, json={"id": urn, "type": "Probe", "speed": told(7, 70)}).status_code == 201
    found = get(client, urn)
    assert values(found.pop("speed")) == [7]
    assert set(found) == {"id", "type"}


def test_a_deletion_can_be_told(client: httpx.Client, make: Make) -> None:
    urn = make(speed=[told(1, 10), told("urn:ngsi-ld:null", 20)])
    assert values(get(client, urn)["speed"]) == [1, "urn:ngsi-ld:null"]
    assert "speed" not in client.get(f"{NOW_ROOT}/{urn}").json()
    missing = client.post(
        ROOT, json={"id": urn, "type": "Probe", "speed": {"type": "Property", "value": "urn:ngsi-ld:null"}}
    )
    assert missing.status_code == 400


@pytest.mark.parametrize(
    ("params", "kind"),
    [
        ({"timerel": "after"}, "BadRequestData"),
        ({"timerel": "during", "timeAt": at(0)}, "BadRequestData"),
        ({"timerel": "between", "timeAt": at(0)}, "BadRequestData"),
        ({"timerel": "after", "timeAt": "2026-03-01"}, "BadRequestData"),
        ({"timeAt": at(0)}, "BadRequestData"),
        ({"timeproperty": "startedAt"}, "BadRequestData"),
        ({"lastN": "0"}, "BadRequestData"),
        ({"lastN": "many"}, "BadRequestData"),
        ({"format": "aggregatedValues", "aggrMethods": "median"}, "BadRequestData"),
        ({"format": "aggregatedValues", "aggrMethods": "avg", "aggrPeriodDuration": "1H"}, "BadRequestData"),
        ({"options": "temporalValues,aggregatedValues"}, "BadRequestData"),
        ({"pick": "owner{name}"}, "BadRequestData"),
        ({"pick": "a", "omit": "a"}, "BadRequestData"),
        ({"options": "unheardOf"}, "InvalidRequest"),
        ({"format": "unheardOf"}, "InvalidRequest"),
        ({"surprise": "1"}, "InvalidRequest"),
    ],
)
def test_what_cannot_be_asked(client: httpx.Client, params: dict[str, str], kind: str) -> None:
    for path in (f"{ROOT}/urn:ngsi-ld:Probe:x:y", ROOT):
        more = {} if path != ROOT else {"type": "Probe", **({} if "timerel" in params else {"timerel": "after"})}
        more |= {"timeAt": at(0)} if path == ROOT and "timerel" not in params and "timeAt" not in params else {}
        if path == ROOT and "timeAt" in params and "timerel" not in params:
            more.pop("timerel")
        answer = client.get(path, params={**more, **params})
        assert (answer.status_code, answer.json()["type"]) == (400, ERRORS + kind), (path, answer.text)


def test_a_map_holds_the_entities_of_a_query(client: httpx.Client, make: Make) -> None:
    first, second = make(speed=told(1, 10)), make(speed=told(2, 20))
    asked = {"type": "Probe", "timerel": "after", "timeAt": at(0)}
    made = client.get(ROOT, params={**asked, "id": first, "entityMap": "true"})
    assert made.status_code == 201
    named = {"NGSILD-EntityMap": made.headers["ngsild-entitymap"]}
    again = client.get(ROOT, params=asked, headers=named)
    assert (again.status_code, [one["id"] for one in again.json()]) == (200, [first])
    assert again.headers["ngsild-entitymap"] == made.headers["ngsild-entitymap"]
    assert client.get(ROOT, params={**asked, "id": second}, headers=named).json() == []
    one = client.get(f"{ROOT}/{second}", params={"entityMap": "true"})
    assert client.get(one.headers["ngsild-entitymap"]).json()["entityMap"] == {second: ["@none"]}


def test_queries_by_a_body(client: httpx.Client, make: Make) -> None:
    urn = make(speed=[told(1, 10), told(2, 20)])
    body = {"type": "Query", "entities": [{"type": "Probe", "id": urn}]}
    time = {"timerel": "after", "timeAt": at(0)}
    where = "/ngsi-ld/v1/temporal/entityOperations/query"
    (one,) = client.post(where, json={**body, "temporalQ": {**time, "lastN": 1}, "attrs": ["speed"]}).json()
    assert values(one["speed"]) == [2]
    (one,) = client.post(where, json={**body, "temporalQ": time, "aggrParams": {"aggrMethods": ["max"]}}).json()
    assert one["speed"]["max"][0][0] == 2
    for wrong in ({}, {"temporalQ": []}, {"temporalQ": {**time, "lastN": True}}, {"temporalQ": time, "aggrParams": []}):
        assert client.post(where, json={**body, **wrong}).status_code == 400


def test_strangers_see_what_is_public_and_write_nothing(client: httpx.Client, stranger: httpx.Client, make: Make) -> None:
    urn = make(speed=told(1, 10))
    assert stranger.get(f"{ROOT}/{urn}").status_code == 404
    query = {"type": "Probe", "timerel": "after", "timeAt": at(0)}
    assert stranger.get(ROOT, params=query).json() == []
    instance = get(client, urn)["speed"][0]["instanceId"]
    for method, path in (
        ("POST", ROOT),
        ("DELETE", f"{ROOT}/{urn}"),
        ("POST", f"{ROOT}/{urn}/attrs"),
        ("DELETE", f"{ROOT}/{urn}/attrs/speed"),
        ("PATCH", f"{ROOT}/{urn}/attrs/speed/{instance}"),
        ("DELETE", f"{ROOT}/{urn}/attrs/speed/{instance}"),
    ):
        assert stranger.request(method, path, json={}).status_code == 401, path
    assert values(get(client, urn)["speed"]) == [1]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCity]:
    """A city whose pages hold ten instances."""
    with running_city(tmp_path_factory.mktemp("small"), temporal_page=10) as running:
        yield running


def test_pages_cover_whole_moments_and_lead_on(small: RunningCity) -> None:
    urn = "urn:ngsi-ld:Probe:hanoi:paged"
    with httpx.Client(base_url=small.base_url, trust_env=False, timeout=30, headers=small.operator) as client:
        body = {
            "id": urn,
            "type": "Probe",
            "speed": [told(minute, minute) for minute in range(12)],
            "depth": [told(minute, minute) for minute in range(0, 12, 2)],
            "late": told(0, 500),
        }
        assert client.post(ROOT, json=body).status_code == 201
        page = client.get(f"{ROOT}/{urn}", params={"timerel": "after", "timeAt": at(0)})
        assert page.status_code == 206
        shown = page.json()
        assert len(shown["speed"]) + len(shown["depth"]) <= 10
        assert shown["late"] == []
        last = shown["speed"][-1]["observedAt"]
        assert page.headers["content-range"] == f"date-time {at(0)}-{last}/*"
        assert [one["observedAt"] for one in shown["depth"]] == [at(m) for m in range(0, 12, 2) if at(m) <= last]
        seen, start = {}, at(0)
        for _ in range(20):
            page = client.get(f"{ROOT}/{urn}", params={"timerel": "after", "timeAt": start})
            seen |= {one["instanceId"]: one["value"] for one in page.json()["speed"]}
            if page.status_code == 200:
                break
            start = page.headers["content-range"].rpartition("/")[0][-20:]
        assert sorted(seen.values()) == list(range(12))
        newest = client.get(f"{ROOT}/{urn}", params={"lastN": 20, "attrs": "speed"})
        assert newest.headers["content-range"] == f"date-time {at(11)}-{at(2)}/20"
        assert values(newest.json()["speed"]) == list(range(2, 12))


def test_what_expires_says_so_and_leaves_the_past(client: httpx.Client, make: Make) -> None:
    later, core = "2999-01-01T00:00:00Z", "ngsi-ld-core-context"
    urn = make(flash=told(5, 10), expiresAt=later)
    link = f'<https://uri.etsi.org/ngsi-ld/v1/{core}-v1.8.jsonld>; rel="http://www.w3.org/ns/json-ld#context"'
    told_so = {"temperature": told(1, 10, expiresAt=later)}
    assert client.post(f"{ROOT}/{urn}/attrs", json=told_so, headers={"Link": link}).status_code == 204
    own = client.get(f"{ROOT}/{urn}")
    assert core in own.headers["link"]
    assert "temperature" in own.json(), "who names no context is answered in the core context's words"
    assert "expiresAt" not in own.text
    full = get(client, urn, options="sysAttrs")
    assert (full["expiresAt"], full["temperature"][0]["expiresAt"]) == (later, later)
    for where in (f"{ROOT}/{urn}", ROOT):
        params = {"type": "Probe", "id": urn} if where == ROOT else {}
        query = {**params, "timerel": "after", "timeAt": at(0), "format": "aggregatedValues", "aggrMethods": "max"}
        answer = client.get(where, params=query)
        assert core in answer.headers["link"]
        (one,) = answer.json() if where == ROOT else [answer.json()]
        assert one["temperature"]["max"][0][0] == 1
    instance = get(client, urn)["flash"][0]["instanceId"]
    ended = client.patch(f"{ROOT}/{urn}/attrs/flash/{instance}", json={"expiresAt": "2020-01-01T00:00:00Z"})
    assert ended.status_code == 204, ended.text
    assert "flash" not in get(client, urn)
    assert client.delete(f"{ROOT}/{urn}/attrs/flash/{instance}").status_code == 404
    assert client.delete(f"{ROOT}/{urn}/attrs/flash").status_code == 204
    assert client.post(f"{ROOT}/{urn}/attrs", json={"flash": told(7, 20)}).status_code == 204
    assert values(get(client, urn)["flash"]) == [7], "what was past its time went with the attribute's past"
