"""What every NGSI-LD door has in common, and retrieving entities (ETSI GS CIM 009 v1.8.1, clauses 5.7.1 and 6.3)."""

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from dothi.api.ngsild.contexts.jsonld import Definitions
from dothi.api.ngsild.contexts.term_map import TermMap
from dothi.api.ngsild.negotiation import check_member, read_json, read_member, read_members
from dothi.api.ngsild.projection import read_projection
from dothi.model.problem import Problem
from dothi.testing.city import RunningCity

ROOT = "/ngsi-ld/v1/entities"
ERRORS = "https://uri.etsi.org/ngsi-ld/errors/"
CORE = "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context-v1.9.jsonld"
HOUSE, TOWN, LAND = (f"urn:ngsi-ld:{name}:door:1" for name in ("House", "Town", "Land"))
WORLD = [
    {
        "id": HOUSE,
        "type": ["House", "Shelter"],
        "scope": "/door/test",
        "storeys": {"type": "Property", "value": 4, "unitCode": "C62", "accuracy": {"type": "Property", "value": 0.9}},
        "label": {"type": "LanguageProperty", "languageMap": {"vi": "Nhà", "en": "House"}},
        "paint": [{"value": "red"}, {"value": "blue", "datasetId": "urn:ngsi-ld:Dataset:b"}],
        "location": {"type": "Point", "coordinates": [105.85, 21.03]},
        "liesIn": {"type": "Relationship", "object": TOWN},
        "kind": {"type": "VocabProperty", "vocab": "brick"},
    },
    {"id": TOWN, "type": "Town", "people": 12000, "liesIn": {"type": "Relationship", "object": LAND}},
    {"id": LAND, "type": "Land", "flag": "gold star"},
]


@pytest.fixture(scope="module", autouse=True)
def world(city: RunningCity) -> Iterator[None]:
    with httpx.Client(base_url=city.base_url, trust_env=False, headers=city.operator, timeout=60) as client:
        for one in WORLD:
            answer = client.post(ROOT, json=one)
            assert answer.status_code == 201, answer.text
        yield
        for one in WORLD:
            client.delete(f"{ROOT}/{one['id']}")


def told(client: httpx.Client, urn: str = HOUSE, accept: str = "application/json", **params: str) -> Any:
    answer = client.get(f"{ROOT}/{urn}", params=params, headers={"accept": accept})
    assert answer.status_code == 200, answer.text
    return answer.json()


def refused(answer: httpx.Response, status: int, kind: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.json()["type"] == ERRORS + kind
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("application/ld+json, application/json", "application/json"),
        ("application/json;q=0.1, application/ld+json;q=0.9", "application/ld+json"),
        ("application/json;q=0, */*", "application/ld+json"),
        ("application/geo+json", "application/geo+json"),
        ("text/html, application/ld+json;q=surely", "application/ld+json"),
    ],
)
def test_the_weightiest_then_the_first_representation_answers(client: httpx.Client, accept: str, media: str) -> None:
    answer = client.get(f"{ROOT}/{HOUSE}", headers={"accept": accept})
    assert (answer.status_code, answer.headers["content-type"]) == (200, media)
    assert ("link" in answer.headers) == (media == "application/json")
    assert ("@context" in answer.json()) == (media != "application/json")


def test_what_it_cannot_answer_or_read_is_refused(client: httpx.Client) -> None:
    refused(client.get(f"{ROOT}/{HOUSE}", headers={"accept": "text/turtle"}), 406, "InvalidRequest")
    refused(client.get("/ngsi-ld/v1/types", headers={"accept": "application/geo+json"}), 406, "InvalidRequest")
    foreign = client.post(ROOT, content=b"<a/>", headers={"content-type": "text/xml"})
    assert (foreign.status_code, foreign.content) == (415, b"")
    assert foreign.headers["accept"] == "application/json, application/ld+json"
    refused(client.post(ROOT, content=b"{", headers={"content-type": "application/json"}), 400, "InvalidRequest")
    refused(client.post(ROOT, content=b"3", headers={"content-type": "application/json"}), 400, "InvalidRequest")
    chunked = client.post(ROOT, content=iter([b"{}"]), headers={"content-type": "application/json"})
    assert (chunked.status_code, chunked.content) == (411, b"")
    refused(client.get(f"{ROOT}/{HOUSE}", params={"color": "red"}), 400, "InvalidRequest")
    refused(client.get(f"{ROOT}/{HOUSE}", params={"format": "xml"}), 400, "InvalidRequest")
    refused(client.get(f"{ROOT}/{HOUSE}", params={"options": "keyValues,fast"}), 400, "InvalidRequest")


def test_addresses_methods_and_what_is_not_here(client: httpx.Client) -> None:
    refused(client.get("/ngsi-ld/v1/nothing"), 404, "ResourceNotFound")
    wrong = client.delete("/ngsi-ld/v1/types")
    refused(wrong, 405, "InvalidRequest")
    assert wrong.headers["allow"] == "GET, HEAD"
    refused(client.post("/ngsi-ld/v1/csourceRegistrations", json={}), 501, "OperationNotSupported")
    refused(client.get("/ngsi-ld/v1/snapshots/urn:a:b"), 501, "OperationNotSupported")
    refused(client.get("/ngsi-ld/v1/csourceSubscriptions", headers={"accept": "text/turtle"}), 406, "InvalidRequest")
    assert client.get(f"{ROOT}/{HOUSE}/").json()["id"] == HOUSE
    assert client.head(f"{ROOT}/{HOUSE}").status_code == 200


def test_one_tenant_lives_here(client: httpx.Client, city: RunningCity) -> None:
    ours = client.get(f"{ROOT}/{HOUSE}", headers={"ngsild-tenant": city.platform.tenant})
    assert (ours.status_code, ours.headers["ngsild-tenant"]) == (200, city.platform.tenant)
    other = client.get(f"{ROOT}/{HOUSE}", headers={"ngsild-tenant": "elsewhere"})
    refused(other, 404, "NonexistentTenant")
    assert other.headers["ngsild-tenant"] == "elsewhere"


def test_a_context_is_named_once_and_where_it_belongs(client: httpx.Client) -> None:
    link = {"link": f'<{CORE}>; rel="http://www.w3.org/ns/json-ld#context"'}
    linked = {"id": "urn:a:b", "type": "A"}
    ld_json = {"content-type": "application/ld+json"}
    refused(client.post(ROOT, json={**linked, "@context": CORE}), 400, "BadRequestData")
    refused(client.post(ROOT, json=linked, headers=ld_json), 400, "BadRequestData")
    refused(client.post(ROOT, json={**linked, "@context": CORE}, headers=link | ld_json), 400, "BadRequestData")
    answer = client.get(f"{ROOT}/{HOUSE}", headers={"accept": "application/ld+json"})
    assert answer.json()["@context"] == CORE  # nothing in it is of the city's own


def test_every_format_says_the_same_in_its_way(client: httpx.Client) -> None:
    normal = told(client)
    assert normal["type"] == ["House", "Shelter"]
    assert (normal["scope"], normal["kind"]["vocab"]) == ("/door/test", "brick")
    assert normal["storeys"] == {
        "type": "Property",
        "value": 4,
        "unitCode": "C62",
        "accuracy": {"type": "Property", "value": 0.9},
    }
    assert [one.get("datasetId") for one in normal["paint"]] == [None, "urn:ngsi-ld:Dataset:b"]
    concise = told(client, options="concise")
    assert concise["storeys"] == {"value": 4, "unitCode": "C62", "accuracy": 0.9}
    assert concise["location"] == {"type": "Point", "coordinates": [105.85, 21.03]}
    simple = told(client, format="simplified", options="concise")  # format goes before options (clause 6.3.7)
    assert (simple["storeys"], simple["liesIn"], simple["kind"]) == (4, TOWN, {"vocab": "brick"})
    assert simple["paint"] == {"dataset": {"@none": "red", "urn:ngsi-ld:Dataset:b": "blue"}}
    assert told(client, format="keyValues", lang="vi;q=0.3,en")["label"] == "House"
    system = told(client, options="sysAttrs")
    assert {"createdAt", "modifiedAt"} <= set(system) & set(system["storeys"])


def test_geojson(client: httpx.Client) -> None:
    feature = told(client, accept="application/geo+json", options="keyValues")
    assert (feature["id"], feature["type"]) == (HOUSE, "Feature")
    assert feature["geometry"] == feature["properties"]["location"] == {"type": "Point", "coordinates": [105.85, 21.03]}
    assert "id" not in feature["properties"]
    assert told(client, accept="application/geo+json", geometryProperty="storeys")["geometry"] is None
    refused(client.get(f"{ROOT}/{HOUSE}", params={"geometryProperty": "location"}), 400, "BadRequestData")
    beside = client.get(f"{ROOT}/{HOUSE}", headers={"accept": "application/geo+json", "prefer": "body=json"})
    assert "link" in beside.headers
    assert "@context" not in beside.json()


def test_members_are_picked_and_omitted(client: httpx.Client) -> None:
    assert told(client, pick="id,storeys", format="keyValues") == {"id": HOUSE, "storeys": 4}
    assert told(client, pick="id|storeys", format="keyValues") == {"id": HOUSE, "storeys": 4}
    assert set(told(client, omit="id,paint,label,location")) == {"type", "scope", "storeys", "liesIn", "kind"}
    assert set(told(client, attrs="storeys,none")) == {"id", "type", "scope", "storeys"}
    assert told(client, datasetId="urn:ngsi-ld:Dataset:b", pick="paint", format="keyValues") == {"paint": "blue"}
    for params in ({"attrs": "none"}, {"pick": "none"}, {"pick": "id", "type": "Town"}):
        refused(client.get(f"{ROOT}/{HOUSE}", params=params), 404, "ResourceNotFound")
    assert told(client, type="Shelter,Town")["id"] == HOUSE


@pytest.mark.parametrize(
    "params",
    [
        {"pick": "id,,storeys"},
        {"pick": "id;storeys"},
        {"pick": "id,liesIn{people", "join": "inline"},
        {"pick": "id,liesIn{}", "join": "inline"},
        {"pick": "liesIn{people}"},
        {"pick": "id", "omit": "id"},
        {"pick": "id", "attrs": "storeys"},
        {"lang": "!"},
        {"join": "sideways"},
        {"join": "flat", "joinLevel": "0"},
        {"joinLevel": "2"},
    ],
)
def test_what_cannot_be_shown_is_refused(client: httpx.Client, params: dict[str, str]) -> None:
    refused(client.get(f"{ROOT}/{HOUSE}", params=params), 400, "BadRequestData")


def test_linked_entities_come_inside_or_beside(client: httpx.Client) -> None:
    inside = told(client, join="inline", joinLevel="2")
    town = inside["liesIn"]["entity"]
    assert (town["id"], town["liesIn"]["entity"]["flag"]["value"]) == (TOWN, "gold star")
    assert "entity" not in told(client, join="inline")["liesIn"]["entity"]["liesIn"]
    simple = told(client, join="inline", pick="id,liesIn{people}", format="keyValues")
    assert simple == {"id": HOUSE, "liesIn": {"people": 12000}}
    beside = told(client, join="flat", joinLevel="2")
    assert [one["id"] for one in beside] == [HOUSE, TOWN, LAND]
    assert "entity" not in told(client, join="inline", containedBy=TOWN)["liesIn"]
    assert [one["id"] for one in told(client, join="flat", joinLevel="2", containedBy=LAND)] == [HOUSE, TOWN]


def test_many_ways_to_few_entities_make_no_endless_answer(client: httpx.Client) -> None:
    deep, wide = 4, 25  # 100 entities; every one of a layer leads to every one of the next: 25³ ways to the last
    urns = [[f"urn:ngsi-ld:Way:{layer}:{place}" for place in range(wide)] for layer in range(deep)]
    layers = zip(urns, [*urns[1:], [LAND, TOWN]], strict=True)
    ways = [
        {"id": one, "type": "Way", "to": {"type": "Relationship", "object": there}} for here, there in layers for one in here
    ]
    batch = "/ngsi-ld/v1/entityOperations"
    assert client.post(f"{batch}/create", json=ways).status_code == 201
    try:
        first = f"{ROOT}/{urns[0][0]}"
        assert len(client.get(first, params={"join": "flat", "joinLevel": "3"}).json()) == 1 + 3 * wide
        assert client.get(first, params={"join": "inline", "joinLevel": "2"}).status_code == 200
        refused(client.get(first, params={"join": "inline", "joinLevel": "3"}), 403, "TooManyResults")
    finally:
        client.post(f"{batch}/delete", json=[one["id"] for one in ways])


def test_a_fault_of_ours_is_named_as_the_standard_does(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def fault(_: object) -> None:
        raise ValueError("what nobody thought of")

    monkeypatch.setattr("dothi.api.ngsild.querying.query.read_shape", fault)
    broken = client.get(ROOT, params={"type": "House"})
    refused(broken, 500, "InternalError")
    assert "nobody" not in broken.text
    assert broken.json()["correlation"] == broken.headers["x-request-id"]


def test_no_answer_is_larger_than_the_city_can_bear(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    params = {"type": "House", "scopeQ": "/door/test", "entityMap": "true"}
    assert client.get(ROOT, params=params).status_code == 201
    assert client.get(f"{ROOT}/{HOUSE}", params={"join": "inline"}).status_code == 200
    for place in ("query", "mapped", "linked"):
        monkeypatch.setattr(f"dothi.api.ngsild.querying.{place}.HEAVIEST", 20)
    refused(client.get(ROOT, params={"type": "House"}), 403, "TooManyResults")
    refused(client.get(ROOT, params=params), 403, "TooManyResults")
    refused(client.get(f"{ROOT}/{HOUSE}", params={"join": "inline"}), 403, "TooManyResults")
    assert client.get(ROOT, params={"type": "House", "limit": "0", "count": "true"}).status_code == 200


def test_an_earlier_version_is_answered_in_what_it_knows(client: httpx.Client) -> None:
    early = client.get(f"{ROOT}/{HOUSE}", headers={"prefer": "ngsi-ld=1.5"})
    assert (early.status_code, early.headers["preference-applied"]) == (203, "ngsi-ld=1.5")
    assert early.json()["kind"] == {"type": "Property", "value": "brick"}
    assert early.json()["label"]["type"] == "LanguageProperty"
    now = client.get(f"{ROOT}/{HOUSE}", headers={"prefer": "ngsi-ld=1.9"})
    assert (now.status_code, now.json()["kind"]["type"]) == (200, "VocabProperty")
    later = client.get(f"{ROOT}/{HOUSE}", headers={"prefer": "ngsi-ld=2.3"})
    assert (later.status_code, later.headers["preference-applied"]) == (200, "ngsi-ld=1.9")


def test_a_broker_says_who_it_is(client: httpx.Client, city: RunningCity) -> None:
    body = client.get("/ngsi-ld/v1/info/sourceIdentity").json()
    assert (body["type"], body["contextSourceAlias"]) == ("ContextSourceIdentity", city.platform.tenant)
    assert body["contextSourceUptime"].startswith("P")
    assert body["contextSourceTimeAt"].endswith("Z")


def test_a_body_is_at_most_so_deep() -> None:
    assert read_json(b"[" * 32 + b"]" * 32)
    assert read_json(b'"' + b"[" * 40 + b'"') == "[" * 40
    for deep in (b"[" * 33 + b"]" * 33, b'{"a":' * 33 + b"1" + b"}" * 33, b"[" * 500_000):
        with pytest.raises(Problem):
            read_json(deep)


@pytest.mark.parametrize(
    "body",
    [
        b'[{"a": [1, {"b": null}]}, "x", [[]], 1.5]',
        b" [ ] ",
        b'{"id": 1}',
        b"3",
        b'[{"a": 1,}]',
        b'[{"a": 1e999}]',
        b'["\xff"]',
        b"[1] x",
        b"",
        b"[" * 32 + b"]" * 32,
        b"[" * 33 + b"]" * 33,
        b"[" * 500_000,
    ],
)
def test_members_one_by_one_are_what_the_whole_list_is(body: bytes) -> None:
    def read(one_by_one: bool) -> Any:
        try:
            if not one_by_one:
                return read_json(body)
            found = read_members(body)
            for one in found if isinstance(found, list) else ():
                check_member(one)
            return [read_member(one) for one in found] if isinstance(found, list) else found
        except Problem as problem:
            return problem.status, problem.title

    assert read(True) == read(False)


@pytest.mark.parametrize(
    "text",
    ["a{" * 4000, "a," * 4000, "{" * 8000, "a" * 8000 + "{", "," * 8000, "a{b}" * 2000],
)
def test_hostile_projections_take_linear_time(text: str) -> None:
    began = time.thread_time()
    with pytest.raises(Problem):
        read_projection(None, text, None, TermMap(Definitions(), "x", "x"))
    assert time.thread_time() - began < 1
