"""Contexts over HTTP: added, listed, served, reloaded and deleted (ETSI GS CIM 009, clauses 6.29 and 6.30)."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import pytest

from dothi.api.ngsild.contexts.bundled import CORE_URL

ROOT = "/ngsi-ld/v1/jsonldContexts"
ERRORS = "https://uri.etsi.org/ngsi-ld/errors/"
LAMP = {"@context": {"Lamp": "https://e.example/Lamp"}}
WEATHER = "https://raw.githubusercontent.com/smart-data-models/dataModel.Weather/master/context.jsonld"


@pytest.fixture
def hosted(client: httpx.Client) -> Iterator[str]:
    answer = client.post(ROOT, json=LAMP)
    assert (answer.status_code, answer.content) == (201, b"")
    yield answer.headers["location"]
    client.delete(answer.headers["location"])


def test_what_is_added_is_served_and_goes(client: httpx.Client, hosted: str) -> None:
    assert hosted.startswith(ROOT + "/")
    served = client.get(hosted)
    assert (served.status_code, served.headers["content-type"], served.json()) == (200, "application/json", LAMP)
    told = client.get(hosted, params={"details": "true"}).json()
    assert (told["kind"], told["localId"]) == ("Hosted", hosted.rpartition("/")[2])
    assert urlsplit(told["URL"]).path == hosted
    assert told["createdAt"].endswith("Z")
    assert told["URL"] in client.get(ROOT).json()
    assert told in client.get(ROOT, params={"details": "true", "kind": "Hosted"}).json()
    assert told["URL"] not in client.get(ROOT, params={"kind": "Cached"}).json()
    gone = client.delete(hosted)
    assert (gone.status_code, gone.content) == (204, b"")
    assert client.get(hosted).status_code == client.delete(hosted).status_code == 404


def test_a_hosted_context_explains_names_until_it_goes(client: httpx.Client, hosted: str) -> None:
    link = {"Link": f'<{str(client.base_url).rstrip("/")}{hosted}>; rel="http://www.w3.org/ns/json-ld#context"'}
    asked = {"type": "Lamp", "local": "true"}
    answer = client.get("/ngsi-ld/v1/entities", params=asked, headers=link)
    assert answer.status_code == 200
    assert hosted in answer.headers["link"]
    assert "lastUsage" in client.get(hosted, params={"details": "true"}).json()
    client.delete(hosted)
    answer = client.get("/ngsi-ld/v1/entities", params=asked, headers=link)
    assert answer.status_code == 504
    assert answer.json()["type"] == ERRORS + "LdContextNotAvailable"


def test_a_cached_context_is_there_once_it_was_used(client: httpx.Client) -> None:
    where = f"{ROOT}/{quote(WEATHER, safe='')}"
    client.delete(where)
    assert client.get(where).status_code == 404
    link = {"Link": f'<{WEATHER}>; rel="http://www.w3.org/ns/json-ld#context"; type="application/ld+json"'}
    assert client.get("/ngsi-ld/v1/entities", params={"type": "WeatherForecast"}, headers=link).status_code == 200
    told = client.get(where, params={"details": "true"}).json()
    assert (told["kind"], told["URL"]) == ("Cached", WEATHER)
    assert client.get(f"{ROOT}/{told['localId']}").json()["@context"]["temperature"].endswith("Weather/temperature")
    assert WEATHER in client.get(ROOT, params={"kind": "Cached"}).json()
    assert client.delete(where, params={"reload": "true"}).status_code == 204
    assert client.get(where).status_code == 200
    assert client.delete(where).status_code == 204
    assert client.get(where).status_code == 404


def test_the_core_context_stays(client: httpx.Client) -> None:
    where = f"{ROOT}/{quote(CORE_URL, safe='')}"
    assert client.get(where, params={"details": "true"}).json()["kind"] == "Cached"
    refused = client.delete(where)
    assert (refused.status_code, refused.json()["type"]) == (400, ERRORS + "BadRequestData")
    assert client.delete(where, params={"reload": "true"}).status_code == 204
    assert client.get(where).json()["@context"]["location"] == "https://uri.etsi.org/ngsi-ld/location"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"{", "InvalidRequest"),
        (b"[]", "InvalidRequest"),
        (b'{"a": "urn:a"}', "InvalidRequest"),
        (b'{"@context": 42}', "BadRequestData"),
        (b'{"@context": true}', "BadRequestData"),
        (b'{"@context": ["https://example.org/ctx.jsonld", 7]}', "BadRequestData"),
        (b'{"@context": {"a": {"@id": "urn:a", "@context": {"b": "urn:b"}}}}', "BadRequestData"),
        (b'{"@context":' + b"[" * 40 + b"]" * 40 + b"}", "BadRequestData"),
    ],
)
def test_what_is_no_context_is_not_added(client: httpx.Client, body: bytes, kind: str) -> None:
    answer = client.post(ROOT, content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["type"]) == (400, ERRORS + kind)
    assert "location" not in answer.headers


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "?kind=other", 400),
        ("GET", "?details=other", 400),
        ("GET", "?surprise=1", 400),
        ("GET", "/wrong?details=true", 404),
        ("GET", "/wrong?details=other", 400),
        ("DELETE", "/wrong", 404),
        ("DELETE", "/wrong?reload=false", 404),
        ("DELETE", "/wrong?reload=true", 400),
        ("DELETE", "/wrong?reload=xxx", 400),
        ("PUT", "/wrong", 405),
    ],
)
def test_errors(client: httpx.Client, method: str, path: str, status: int) -> None:
    answer = client.request(method, ROOT + path)
    assert answer.status_code == status
    assert answer.json()["type"].startswith(ERRORS)
    assert answer.json()["title"] != answer.json()["detail"]


def test_only_cached_ones_are_reloaded(client: httpx.Client, hosted: str) -> None:
    assert client.delete(hosted, params={"reload": "true"}).status_code == 400
    assert client.get(hosted).status_code == 200


def test_strangers_read_and_do_not_write(stranger: httpx.Client, hosted: str) -> None:
    assert stranger.get(hosted).json() == LAMP
    for answer in (stranger.post(ROOT, json=LAMP), stranger.delete(hosted)):
        assert answer.status_code == 401
    assert stranger.get(hosted).json() == LAMP


def test_the_citys_own_names(client: httpx.Client) -> None:
    answer = client.get("/ngsi-ld/context.jsonld")
    assert answer.headers["content-type"] == "application/ld+json"
    names: dict[str, Any]
    names, core = answer.json()["@context"]
    assert core == CORE_URL
    assert names["pm25"] == "https://smartdatamodels.org/dataModel.Environment/pm25"


@pytest.mark.parametrize("address", ["http://[::1", "http://example.org:port/", "http://example.org:99999/", "//"])
def test_what_is_no_address_is_not_available(client: httpx.Client, address: str) -> None:
    link = {"Link": f'<{address}>; rel="http://www.w3.org/ns/json-ld#context"'}
    by_link = client.get("/ngsi-ld/v1/entities", params={"type": "Lamp"}, headers=link)
    entity = {"id": "urn:a:b", "type": "Lamp", "@context": address}
    in_body = client.post("/ngsi-ld/v1/entities", json=entity, headers={"Content-Type": "application/ld+json"})
    for answer in (by_link, in_body):
        assert (answer.status_code, answer.json()["type"]) in (
            (504, ERRORS + "LdContextNotAvailable"),
            (400, ERRORS + "BadRequestData"),
        )
