"""What is written by NGSI-LD is read back unchanged, through the door, the writer and the tables."""

from typing import Any

import httpx
import msgspec
from entity_world import ENTITIES, TERMS
from hypothesis import HealthCheck, given, settings

from dothi.api.ngsild.representation import shaper
from dothi.api.ngsild.shape import Shape
from dothi.api.ngsild.writing.reading import read_entity
from dothi.model.entity import Entity
from dothi.testing.city import RunningCity

ROOT = "/ngsi-ld/v1/entities"
LD_JSON = {"content-type": "application/ld+json"}
CONTEXT = {name: TERMS.expand(name) for name in ("Building", "speed", "owner", "grade", "open", "closed")}
LINK = {"accept": "application/ld+json"}


@given(entity=ENTITIES)
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_what_goes_in_comes_out(city: RunningCity, client: httpx.Client, entity: Entity) -> None:
    entity.expires_at = None
    _without_expiry(entity.attributes)
    said = msgspec.json.decode(msgspec.json.encode(shaper(TERMS, Shape())(entity)))
    answer = client.post(ROOT, json=said | {"@context": CONTEXT}, headers=LD_JSON)
    assert answer.status_code == 201, answer.text
    try:
        read = client.get(f"{ROOT}/{entity.id}", headers=LINK)
        assert read.status_code == 200, read.text
        body: dict[str, Any] = read.json()
        body.pop("@context")
        assert read_entity(body, TERMS) == entity
    finally:
        assert client.delete(f"{ROOT}/{entity.id}").status_code == 204


def _without_expiry(attributes: dict[str, Any]) -> None:
    """A moment of the past would take them away before they are read."""
    for instances in attributes.values():
        for one in instances:
            one.expires_at = None
            _without_expiry(one.sub)
