"""Writing entities by NGSI-LD over HTTP: singly, by attribute, in batches, purged; each answer as the standard has it."""

import json
from itertools import count
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from dothi.access.sessions import COOKIE
from dothi.testing.city import RunningCity

BASE = "/ngsi-ld/v1"
ENTITIES = f"{BASE}/entities"
ERRORS = "https://uri.etsi.org/ngsi-ld/errors/"
DEFAULT = "https://uri.etsi.org/ngsi-ld/default-context/"
_NUMBER = count()


@pytest.fixture
def urn() -> str:
    """The id of an entity of this test's own."""
    return f"urn:ngsi-ld:ProvisionThing:hanoi:{next(_NUMBER)}"


def thing(urn: str, **attributes: Any) -> dict[str, Any]:
    return {"id": urn, "type": "ProvisionThing", **attributes}


def prop(value: Any, **more: Any) -> dict[str, Any]:
    return {"type": "Property", "value": value, **more}


def made(client: httpx.Client, urn: str, **attributes: Any) -> str:
    answer = client.post(ENTITIES, json=thing(urn, **attributes))
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"] == f"{ENTITIES}/{urn}"
    return f"{ENTITIES}/{urn}"


def simple(client: httpx.Client, path: str) -> dict[str, Any]:
    answer = client.get(path, params={"options": "keyValues"})
    assert answer.status_code == 200, answer.text
    return {name: said for name, said in answer.json().items() if name not in ("id", "type")}


def test_an_entity_is_made_once_and_deleted_once(client: httpx.Client, urn: str) -> None:
    path = made(client, urn, name=prop("a"))
    again = client.post(ENTITIES, json=thing(urn))
    assert (again.status_code, again.json()["type"]) == (409, ERRORS + "AlreadyExists")
    assert client.delete(path, params={"type": "Other"}).status_code == 404
    assert client.delete(path, params={"type": "Other|ProvisionThing"}).status_code == 204
    gone = client.delete(path)
    assert (gone.status_code, gone.json()["type"]) == (404, ERRORS + "ResourceNotFound")


def test_replacing_leaves_nothing_but_when_it_began(client: httpx.Client, urn: str) -> None:
    path = made(client, urn, name=prop("a"), size=prop(1), scope="/A")
    began = client.get(path, params={"options": "sysAttrs"}).json()["createdAt"]
    assert client.put(path, json={"type": "ProvisionThing", "size": prop(2)}).status_code == 204
    assert simple(client, path) == {"size": 2}
    assert client.get(path, params={"options": "sysAttrs"}).json()["createdAt"] == began
    other = client.put(path, json=thing("urn:ngsi-ld:ProvisionThing:hanoi:other"))
    assert (other.status_code, other.json()["type"]) == (400, ERRORS + "BadRequestData")


def test_a_merge_goes_into_what_is_there(client: httpx.Client, urn: str) -> None:
    street = {"type": "LanguageProperty", "languageMap": {"vi": "Phố", "en": "Street"}}
    path = made(client, urn, name=prop("a"), street=street, level=prop(1, observedAt="2026-01-01T00:00:00Z", unitCode="MTR"))
    patch = {"name": "b", "street": "Rue", "level": 2}
    params = {"format": "keyValues", "lang": "fr", "observedAt": "2026-01-02T00:00:00Z"}
    assert client.patch(path, json=patch, params=params).status_code == 204
    found = client.get(path).json()
    assert found["street"]["languageMap"] == {"vi": "Phố", "en": "Street", "fr": "Rue"}
    assert found["name"]["value"] == "b"
    level = {name: found["level"][name] for name in ("value", "observedAt", "unitCode")}
    assert level == {"value": 2, "observedAt": "2026-01-02T00:00:00Z", "unitCode": "MTR"}
    merge = {"Content-Type": "application/merge-patch+json"}
    null = '{"name": "urn:ngsi-ld:null", "street": {"type": "LanguageProperty", "languageMap": {"en": "urn:ngsi-ld:null"}}}'
    assert client.patch(path, content=null, headers=merge).status_code == 204
    assert "name" not in simple(client, path)
    assert set(client.get(path).json()["street"]["languageMap"]) == {"vi", "fr"}


def test_attributes_are_appended_updated_and_what_was_not_is_told(client: httpx.Client, urn: str) -> None:
    path = made(client, urn, label=prop("a"))
    answer = client.post(f"{path}/attrs", json={"label": prop("b"), "size": prop(1)}, params={"options": "noOverwrite"})
    assert answer.status_code == 207
    assert answer.json()["updated"] == [DEFAULT + "size"]
    assert [one["attributeName"] for one in answer.json()["notUpdated"]] == [DEFAULT + "label"]
    assert client.post(f"{path}/attrs/", json={"label": prop("c")}).status_code == 204
    assert client.patch(f"{path}/attrs", json={"size": prop("urn:ngsi-ld:null"), "more": prop(3)}).status_code == 204
    assert simple(client, path) == {"label": "c", "more": 3}
    assert client.patch(f"{path}/attrs", json={"scope": "/A"}).status_code == 207


def test_one_attribute_is_changed_replaced_and_deleted(client: httpx.Client, urn: str) -> None:
    several = [prop(1, unitCode="MTR"), prop(2, datasetId="urn:d:1")]
    path = made(client, urn, size=several, scope="/A")
    one = f"{path}/attrs/size"
    assert client.patch(one, json={"value": 5}).status_code == 204
    assert client.patch(one, json={"value": 6, "datasetId": "urn:d:1"}).status_code == 204
    assert [(found["value"], found.get("unitCode")) for found in client.get(path).json()["size"]] == [(5, "MTR"), (6, None)]
    for body, status in (
        ({"type": "Relationship", "object": "urn:x:y"}, 400),
        ({"datasetId": "urn:ngsi-ld:null"}, 400),
        ({"value": {"a": "urn:ngsi-ld:null"}}, 400),
        ({"value": 1, "datasetId": "urn:d:9"}, 404),
        ({}, 400),
    ):
        assert client.patch(one, json=body).status_code == status, body
    assert client.put(one, json={"type": "Relationship", "object": "urn:x:y"}).status_code == 204
    assert client.get(path).json()["size"][0] == {"type": "Relationship", "object": "urn:x:y"}
    assert client.delete(one, params={"datasetId": "urn:d:1", "deleteAll": "true"}).status_code == 400
    assert client.delete(one, params={"datasetId": "urn:d:1"}).status_code == 204
    assert client.delete(one).status_code == 204
    assert client.delete(one, params={"deleteAll": "true"}).status_code == 404
    assert client.patch(f"{path}/attrs/scope", json={"value": "/B"}).status_code == 400
    assert client.delete(f"{path}/attrs/scope").status_code == 204


def test_what_is_missing_in_an_address_is_said(client: httpx.Client) -> None:
    for method, path in (
        ("PATCH", ENTITIES),
        ("PUT", ENTITIES),
        ("POST", f"{ENTITIES}//attrs"),
        ("DELETE", f"{ENTITIES}//attrs/a"),
    ):
        answer = client.request(method, path, **({} if method == "DELETE" else {"json": {"a": prop(1)}}))
        assert (answer.status_code, answer.json()["type"]) == (400, ERRORS + "BadRequestData"), path


def test_a_batch_says_of_each_what_became_of_it(client: httpx.Client, urn: str) -> None:
    names = [f"{urn}-{letter}" for letter in "abc"]
    operations = f"{BASE}/entityOperations"
    answer = client.post(f"{operations}/create", json=[thing(one, size=prop(1)) for one in names[:2]])
    assert (answer.status_code, answer.json()) == (201, names[:2])
    answer = client.post(f"{operations}/create", json=[thing(names[2]), thing(names[0]), {"id": names[1]}, thing(names[2])])
    assert answer.status_code == 207 and answer.json()["success"] == [names[2]]
    kinds = [(one["entityId"], one["error"]["type"].removeprefix(ERRORS)) for one in answer.json()["errors"]]
    assert kinds == [(names[0], "AlreadyExists"), (names[1], "BadRequestData"), (names[2], "AlreadyExists")]
    answer = client.post(f"{operations}/upsert", json=[thing(one, name=prop("u")) for one in (*names, urn)])
    assert (answer.status_code, answer.json()) == (201, [urn])
    assert simple(client, f"{ENTITIES}/{names[0]}") == {"name": "u"}
    update = [thing(one, size=prop(2)) for one in names]
    assert client.post(f"{operations}/upsert", json=update, params={"options": "update"}).status_code == 204
    assert simple(client, f"{ENTITIES}/{names[0]}") == {"name": "u", "size": 2}
    answer = client.post(f"{operations}/update", json=update, params={"options": "noOverwrite"})
    assert answer.status_code == 207 and answer.json()["success"] == []
    assert client.post(f"{operations}/merge", json=[{"id": names[0], "name": "urn:ngsi-ld:null"}]).status_code == 204
    assert simple(client, f"{ENTITIES}/{names[0]}") == {"size": 2}
    answer = client.post(f"{operations}/delete", json=[*names, names[0]])
    assert answer.status_code == 207 and answer.json()["success"] == names
    assert client.post(f"{operations}/delete", json=[urn]).status_code == 204
    for body in ([], [None], {}):
        assert client.post(f"{operations}/create", json=body).status_code == 400


def test_a_member_that_cannot_be_read_hinders_no_other(client: httpx.Client, urn: str) -> None:
    operations = f"{BASE}/entityOperations"
    first, last = f"{urn}-a", f"{urn}-b"
    endless = json.dumps(thing(urn, size=prop(1))).replace(": 1}", ": 1e999}")
    members = (json.dumps(thing(first)), endless, json.dumps({**thing(urn), "@context": {}}), '"x"', json.dumps(thing(last)))
    plain = client.post(
        f"{operations}/create", content=f"[{','.join(members)}]", headers={"Content-Type": "application/json"}
    )
    assert (plain.status_code, plain.json()["success"]) == (207, [first, last])
    kinds = [(one["entityId"], one["error"]["type"].removeprefix(ERRORS)) for one in plain.json()["errors"]]
    assert kinds == [("", "InvalidRequest"), (urn, "BadRequestData"), ("x", "BadRequestData")]
    core = "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context.jsonld"
    linked = client.post(
        f"{operations}/upsert",
        content=json.dumps(
            [thing(first), {**thing(urn), "@context": "http://nowhere.example/c"}, {**thing(last), "@context": core}]
        ),
        headers={"Content-Type": "application/ld+json"},
    )
    assert (linked.status_code, linked.json()["success"]) == (207, [last])
    assert [one["entityId"] for one in linked.json()["errors"]] == [first, urn]
    gone = client.post(
        f"{operations}/delete", content=json.dumps([first, last]), headers={"Content-Type": "application/ld+json"}
    )
    assert gone.status_code == 204, "an id needs no @context"


def test_a_purge_takes_what_a_query_selects(client: httpx.Client, urn: str) -> None:
    kind = "Purge" + urn.rsplit(":", 1)[1]
    paths = []
    for size in range(3):
        body = {"id": f"{urn}-{size}", "type": kind, "size": prop(size), "name": prop("a")}
        assert client.post(ENTITIES, json=body).status_code == 201
        paths.append(f"{ENTITIES}/{urn}-{size}")
    for params in ({}, {"id": urn}, {"type": kind, "keep": "a", "drop": "b"}, {"type": kind, "q": 'x{y}=="z"'}):
        assert client.delete(ENTITIES, params=params).status_code == 400, params
    assert client.delete(ENTITIES, params={"type": kind, "drop": "name"}).status_code == 204
    assert [simple(client, path) for path in paths] == [{"size": 0}, {"size": 1}, {"size": 2}]
    assert client.delete(ENTITIES, params={"type": kind, "q": "size<2"}).status_code == 204
    assert [client.get(path).status_code for path in paths] == [404, 404, 200]
    assert client.delete(ENTITIES, params={"type": kind, "keep": "name"}).status_code == 204
    assert simple(client, paths[2]) == {}


def test_who_may_not_write_changes_nothing(
    client: httpx.Client, stranger: httpx.Client, city: RunningCity, urn: str
) -> None:
    path = made(client, urn, name=prop("a"))
    body = {"name": prop("b")}
    answer = stranger.patch(f"{path}/attrs", json=body)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert answer.json()["type"] == "https://uri.etsi.org/ngsi-ld/errors/InvalidRequest"
    assert stranger.delete(ENTITIES, params={"type": "ProvisionThing"}).status_code == 401
    officer = {"cookie": f"{COOKIE}={city.session('ward_officer')}"}
    answer = stranger.patch(f"{path}/attrs", json=body, headers=officer)
    assert answer.status_code == 403, answer.text
    assert simple(client, path) == {"name": "a"}


def test_state_secrets_are_refused_in_any_member(client: httpx.Client, urn: str) -> None:
    secret = {"classification": "Tuyệt mật"}
    answer = client.post(f"{BASE}/entityOperations/create", json=[thing(urn, name=prop(secret)), thing(f"{urn}-b")])
    assert answer.status_code == 207 and answer.json()["success"] == [f"{urn}-b"]
    assert client.get(f"{ENTITIES}/{urn}").status_code == 404


def test_an_id_of_other_letters_is_found_again(client: httpx.Client, urn: str) -> None:
    answer = client.post(ENTITIES, json=thing(f"{urn}:Cầu"))
    assert answer.status_code == 201
    assert answer.headers["location"] == f"{ENTITIES}/{quote(f'{urn}:Cầu', safe=':')}"
    assert client.get(answer.headers["location"]).json()["id"] == f"{urn}:Cầu"
    hidden = client.post(ENTITIES, json=thing(f"{urn}:a\u200bb"))
    assert (hidden.status_code, hidden.json()["type"]) == (400, ERRORS + "BadRequestData")


def test_a_proof_and_a_type_of_values_come_back_as_they_were_told(client: httpx.Client, urn: str) -> None:
    proof = prop({"type": "DataIntegrityProof", "proofValue": "z"}, entityIdSealed=urn, entityTypeSealed="ProvisionThing")
    path = made(client, urn, ngsildproof=proof, size=prop(1.5, valueType="xsd:double"))
    for options in ("normalized", "concise"):
        found = client.get(path, params={"options": options}).json()
        assert {**proof, "type": "Property"} == {"type": "Property", **found["ngsildproof"]}
        assert found["size"]["valueType"] == "xsd:double"
    assert client.post(f"{path}/attrs", json={"size": prop(1, entityIdSealed=urn)}).status_code == 400


def test_a_text_is_merged_into_one_language(client: httpx.Client, urn: str) -> None:
    path = made(client, urn, label={"type": "LanguageProperty", "languageMap": {"vi": "Nhà"}})
    for lang in ("!!", "vi,en", "*", "", "x" * 9):
        assert client.patch(path, params={"lang": lang, "format": "keyValues"}, json={"label": "House"}).status_code == 400
    assert client.patch(path, params={"lang": "en-GB", "format": "keyValues"}, json={"label": "House"}).status_code == 204
    assert client.get(path).json()["label"]["languageMap"] == {"vi": "Nhà", "en-GB": "House"}
