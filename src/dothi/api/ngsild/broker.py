"""What the NGSI-LD doors share."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from dothi.access.policy import Person
from dothi.api.ngsild.contexts.store import ContextStore
from dothi.api.ngsild.contexts.term_map import Contexts
from dothi.api.ngsild.querying.entity_maps import EntityMaps
from dothi.data.evolving import Evolutions
from dothi.model.schema import EntityType
from dothi.platform.platform import Platform

FURTHER = "x-"
"""How the names of further tenants begin on disk: no city's own name does."""


@dataclass(slots=True)
class Broker:
    """The running city as its NGSI-LD doors see it."""

    platform: Platform
    contexts: Contexts
    evolutions: Evolutions
    maps: EntityMaps

    @property
    def tenant(self) -> str:
        """What NGSILD-Tenant says of a further tenant; empty for the city itself."""
        name = self.platform.tenant
        return name.removeprefix(FURTHER) if name.startswith(FURTHER) else ""

    def here(self, person: Person) -> Person:
        """``person`` in this tenant: in a further one with the rights that were given for the whole city."""
        return abroad(person) if self.tenant else person


def abroad(person: Person) -> Person:
    """``person`` in a further tenant: with the rights that were given for the whole city."""
    return replace(person, grants=tuple(one for one in person.grants if one.scope.everything))


def open_broker(platform: Platform) -> Broker:
    """The broker of a running city. Raises Problem for a map of contexts that cannot be read."""
    settings = platform.settings
    store = ContextStore(platform.database, platform.writer, platform.clock, settings.contexts, settings.context_hosts)
    evolutions = Evolutions(platform.database, list(platform.types.values()), platform.clock)
    return Broker(platform, Contexts(store, city_names(platform.types)), evolutions, EntityMaps(platform.clock))


def city_names(types: Mapping[str, EntityType]) -> dict[str, str]:
    """This city's own short names and their IRIs, on top of the core context (clause 5.5.7)."""
    names = {name: f"urn:dothi:term:{name}" for name in ("grade", "origin", "reasons")}
    for one in types.values():
        names[one.name] = one.iri
        names.update({attribute.name: attribute.iri for attribute in one.attributes})
    return names
