"""A city whose NGSI-LD door is open, a receiver, and short ways to say and change things."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from receiver import Receiver, receiving

from dothi.access.policy import SYSTEM
from dothi.api.ngsild.subscriptions.service import Subscriptions, subscriptions_of
from dothi.data.batch import EntityKind
from dothi.model.entity import Attribute, Entity
from dothi.testing.city import RunningCity, running_city

VOCABULARY = "https://uri.etsi.org/ngsi-ld/default-context/"
SUBSCRIPTIONS = "/ngsi-ld/v1/subscriptions"


def iri(name: str) -> str:
    return VOCABULARY + name


def said(value: Any, **more: Any) -> Attribute:
    return Attribute("Property", value, **more)


class World:
    def __init__(self, city: RunningCity, client: httpx.Client, receiver: Receiver) -> None:
        self.city, self.client, self.receiver = city, client, receiver
        self._made: list[str] = []
        self._entities = 0

    @property
    def service(self) -> Subscriptions:
        return subscriptions_of(self.city.platform)

    def urn(self) -> str:
        """The id of an entity of this test's own type."""
        self._entities += 1
        return f"urn:ngsi-ld:Building:{self._entities}"

    def subscribe(self, kind: str = "Building", *, uri: str = "", status: int = 201, **told: Any) -> str:
        notification = {"endpoint": {"uri": uri or self.receiver.url}, **told.pop("notification", {})}
        body = {"type": "Subscription", "entities": [{"type": kind}], "notification": notification, **told}
        answer = self.client.post(SUBSCRIPTIONS, json={name: value for name, value in body.items() if value is not None})
        assert answer.status_code == status, answer.text
        if status != 201:
            return str(answer.json()["title"])
        self._made.append(answer.headers["location"])
        return str(answer.headers["location"]).rsplit("/", 1)[-1]

    def retrieve(self, id_: str) -> dict[str, Any]:
        answer = self.client.get(f"{SUBSCRIPTIONS}/{id_}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def change(self, kind: EntityKind, urn: str, type_: str = "Building", **attributes: Any) -> None:
        """Write an entity; a value stands for a Property, a list of instances for itself, [] removes."""
        told = {iri(name): one if isinstance(one, list) else [said(one)] for name, one in attributes.items()}
        entity = Entity(urn, iri(type_) if type_ else "", told)
        self.city.run(self.city.platform.writer.save(SYSTEM, kind, entity, at=datetime.now(UTC)))

    def clean(self) -> None:
        for one in self._made:
            self.client.delete(one)
        self._made.clear()


@contextmanager
def world_in(folder: Path, **settings: Any) -> Iterator[World]:
    """A world of its own."""
    with (
        receiving() as receiver,
        running_city(folder, **{"open_doors": "ngsild", **settings}) as city,
        httpx.Client(base_url=city.base_url, trust_env=False, timeout=30) as client,
    ):
        yield World(city, client, receiver)
