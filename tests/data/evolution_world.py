"""A small city whose changes are kept, for tests of what entities were."""

from datetime import datetime, timedelta
from typing import Any

from city_world import NOW, City

from dothi.access.policy import SYSTEM, Person
from dothi.data.batch import EntityChange
from dothi.data.evolution import Evolution
from dothi.data.evolved import Evolved, Window
from dothi.data.evolving import Evolutions
from dothi.model.clock import to_micros
from dothi.model.entity import Entity
from dothi.testing.clock import FixedClock

URN, TYPE = "urn:ngsi-ld:Thing:hanoi:1", "https://example.org/Thing"
SPEED, OWNER = "https://example.org/speed", "https://example.org/owner"
SINCE = "https://example.org/since"
KINDS = {SPEED: "Property", OWNER: "Relationship"}


def moment(minute: int) -> datetime:
    return NOW + timedelta(minutes=minute)


def micros(minute: int) -> int:
    return to_micros(moment(minute))


class Town(City):
    """A city whose changes are kept; its clock stands where ``now`` (minutes) says."""

    def open(self) -> None:
        super().open()
        self.writer.on_edit(Evolution(self.writer.index).note)
        self.clock = FixedClock(NOW)
        self.past = Evolutions(self.database, self.types, self.clock)
        self.now = 0

    def change(self, kind: Any, entity: Entity, **more: Any) -> None:
        self.now += 1
        self.write(entities=[EntityChange(kind, entity, **more)], now=moment(self.now))

    def found(self, window: Window | None = None, person: Person = SYSTEM) -> Evolved | None:
        return self.past.of(person, URN, window or Window())

    def seen(self, window: Window | None = None) -> dict[str, list[Any]]:
        """(minute asked by, value, kind of attribute, whether deleted, sub-attributes), by attribute."""
        found = self.found(window)
        assert found is not None
        return {
            iri: [
                (
                    (one.at - to_micros(NOW)) / 60e6,
                    one.attribute.value,
                    one.attribute.kind,
                    one.deleted_at is not None,
                    sorted(one.attribute.sub),
                )
                for one in told
            ]
            for iri, told in found.instances.items()
        }


def thing(**attributes: Any) -> Entity:
    return Entity(URN, TYPE, {f"https://example.org/{name}": [one] for name, one in attributes.items()})
