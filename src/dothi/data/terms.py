"""Short names for people and clients, IRIs inside: the terms of the loaded types and of the NGSI-LD core."""

from collections.abc import Iterable, Mapping

from dothi.model.entity import LOCATION
from dothi.model.schema import EntityType

DEFAULT_CONTEXT = "https://uri.etsi.org/ngsi-ld/default-context/"
CORE = "https://uri.etsi.org/ngsi-ld/"
_CORE_TERMS = {
    "location": LOCATION,
    "observationSpace": CORE + "observationSpace",
    "operationSpace": CORE + "operationSpace",
}


class Terms:
    """Compact ↔ expanded names of entity types and attributes (JSON-LD 1.1 terms; ETSI GS CIM 009, clause 4.4).

    The first type that declares a name owns it; a name nobody declared lives in the NGSI-LD default context. A name that
    contains a colon is an IRI already.
    """

    def __init__(self, types: Mapping[str, EntityType] | Iterable[EntityType] = ()) -> None:
        self._expanded: dict[str, str] = dict(_CORE_TERMS)
        self._compact: dict[str, str] = {}
        for kind in types.values() if isinstance(types, Mapping) else types:
            self._expanded.setdefault(kind.name, kind.iri)
            for attribute in kind.attributes:
                self._expanded.setdefault(attribute.name, attribute.iri)
        for name, iri in self._expanded.items():
            self._compact.setdefault(iri, name)

    def expand(self, name: str) -> str:
        """The IRI of ``name``; an IRI stays as it is."""
        if ":" in name:
            return name
        return self._expanded.get(name) or DEFAULT_CONTEXT + name

    def compact(self, iri: str) -> str:
        """The shortest name that ``expand`` turns back into ``iri``; the IRI itself if there is none."""
        name = self._compact.get(iri)
        if name is not None:
            return name
        rest = iri.removeprefix(DEFAULT_CONTEXT)
        return rest if rest != iri and ":" not in rest and rest not in self._expanded else iri
