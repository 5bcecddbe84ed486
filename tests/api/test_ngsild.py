"""The first slice of NGSI-LD: normalized entities, counts, contexts, its own problem types (ETSI GS CIM 009)."""

from urllib.parse import urlsplit

import httpx
import pytest

ROOT = "/ngsi-ld/v1/entities"
ERRORS = "https://uri.etsi.org/ngsi-ld/errors/"


def test_entities_of_a_type_with_their_count(client: httpx.Client, device: str) -> None:
    answer = client.get(ROOT, params={"type": "AirQualityObserved", "count": "true", "limit": 2})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert int(answer.headers["ngsild-results-count"]) >= len(answer.json()) > 0
    one = answer.json()[0]
    assert one["type"] == "AirQualityObserved"
    assert one["location"]["type"] == "GeoProperty"
    none = client.get(ROOT, params={"type": "AirQualityObserved", "count": "true", "limit": 0})
    assert none.json() == []
    assert none.headers["ngsild-results-count"] == answer.headers["ngsild-results-count"]
    assert "ngsild-results-count" not in client.get(ROOT, params={"type": "AirQualityObserved"}).headers


def test_names_mean_what_the_linked_context_says(client: httpx.Client, device: str) -> None:
    answer = client.get(ROOT, params={"type": "AirQualityObserved", "limit": 1})
    link = answer.headers["link"]
    assert 'rel="http://www.w3.org/ns/json-ld#context"; type="application/ld+json"' in link
    context = client.get(urlsplit(link[1 : link.index(">")]).path)
    assert context.headers["content-type"] == "application/ld+json"
    names, core = context.json()["@context"]
    assert core.startswith("https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context")
    assert names["pm25"] == "https://smartdatamodels.org/dataModel.Environment/pm25"
    short = [name for name in answer.json()[0] if ":" not in name]
    assert set(short) <= set(names) | {"id", "type", "location"}


def test_json_ld_carries_the_context_in_the_body(client: httpx.Client, device: str) -> None:
    urn = client.get(f"/api/v1/devices/{device}").json()["entity"]
    answer = client.get(f"{ROOT}/{urn}", headers={"Accept": "application/ld+json"})
    assert answer.headers["content-type"] == "application/ld+json"
    assert answer.json()["id"] == urn
    assert answer.json()["@context"].endswith("/ngsi-ld/context.jsonld")
    assert "link" not in answer.headers


def test_a_query_by_id_attributes_and_place(client: httpx.Client, device: str) -> None:
    urn = client.get(f"/api/v1/devices/{device}").json()["entity"]
    place = {"georel": "near;maxDistance==200", "geometry": "Point", "coordinates": "[105.85,21.03]"}
    found = client.get(ROOT, params={"id": f"{urn},urn:x:y", "attrs": "location", **place}).json()
    assert [one["id"] for one in found] == [urn]
    assert set(found[0]) == {"id", "type", "location"}
    elsewhere = client.get(ROOT, params={"id": urn, **place, "coordinates": "[105.3,20.6]"}).json()
    assert elsewhere == []


@pytest.mark.parametrize(
    ("query", "status", "kind"),
    [
        ("", 400, "BadRequestData"),
        ("?type=A&limit=-1", 400, "BadRequestData"),
        ("?type=A&limit=many", 400, "BadRequestData"),
        ("?type=A&limit=0", 400, "BadRequestData"),
        ("?type=A&count=yes", 400, "BadRequestData"),
        ("?type=A&georel=within", 400, "BadRequestData"),
        ("?type=A&georel=near;maxDistance==5&geometry=Point&coordinates=[1]", 400, "BadRequestData"),
        ("?type=A&georel=near;maxDistance==5&geometry=Point&coordinates=[NaN,1]", 400, "BadRequestData"),
        ("?type=A&surprise=1", 400, "InvalidRequest"),
        ("/urn:ngsi-ld:A:b:c", 404, "ResourceNotFound"),
        ("/nouri", 400, "BadRequestData"),
    ],
)
def test_errors_have_the_types_of_the_standard(client: httpx.Client, query: str, status: int, kind: str) -> None:
    answer = client.get(ROOT + query)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["type"] == ERRORS + kind
    assert answer.json()["title"]


def test_a_media_type_it_does_not_speak(client: httpx.Client) -> None:
    answer = client.get(ROOT, params={"type": "A"}, headers={"Accept": "text/turtle"})
    assert answer.status_code == 406
