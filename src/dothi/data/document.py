"""Attributes as they are kept beside an entity: JSON with one-letter keys, because there are hundreds of thousands.

Of an instance: k kind, v value, u unit, d dataset, g grade, r reasons, o origin, c created, m modified, e expires, y type of
the objects, x its own attributes {iri: [instance, …]}, t observed (kept there alone: what is observed of an entity is a
reading, and only its shell is kept beside the entity).
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from dothi.model.clock import to_micros
from dothi.model.entity import Attribute
from dothi.model.reading import Grade, Origin, Reason

Instance = dict[str, Any]
Document = dict[str, list[Instance]]

_OF_READING = frozenset("vtgro")
_DECODER = msgspec.json.Decoder(Document)


def read_document(text: str) -> Document:
    """The stored attributes of an entity, by IRI."""
    return _DECODER.decode(text)


def write_document(document: Document) -> str:
    """The text to store."""
    return msgspec.json.encode(document).decode()


def instance_of(attribute: Attribute, at: int, before: Instance | None) -> Instance:
    """An attribute written at ``at`` (µs) over the instance ``before``; with its value also if it was observed."""
    kept: Instance = {"k": attribute.kind, "v": attribute.value}
    if attribute.observed_at is not None:
        kept["t"] = to_micros(attribute.observed_at)
    if attribute.grade:
        kept["g"] = int(attribute.grade)
    if attribute.reasons:
        kept["r"] = int(attribute.reasons)
    if attribute.origin:
        kept["o"] = int(attribute.origin)
    if attribute.unit is not None:
        kept["u"] = attribute.unit
    if attribute.dataset_id is not None:
        kept["d"] = attribute.dataset_id
    if attribute.expires_at is not None:
        kept["e"] = to_micros(attribute.expires_at)
    if attribute.object_type is not None:
        kept["y"] = attribute.object_type
    if attribute.sub:
        former = before.get("x", {}) if before else {}
        kept["x"] = {iri: _subs(instances, at, former.get(iri, ())) for iri, instances in attribute.sub.items()}
    created = before.get("c") if before else None
    kept["c"] = created or (to_micros(attribute.created_at) if attribute.created_at else at)
    kept["m"] = at
    return kept


def shell_of(instance: Instance) -> Instance:
    """What is kept of an instance beside its entity: of an observed one all but its value, which is a reading."""
    return {key: said for key, said in instance.items() if key not in _OF_READING} if "t" in instance else instance


def attribute_of(kept: Instance, moments: Mapping[int, datetime]) -> Attribute:
    """The attribute that ``instance_of`` made an instance of; ``moments`` turns µs into moments."""
    return Attribute(
        kept["k"],
        kept["v"],
        moments[kept["t"]] if "t" in kept else None,
        kept.get("u"),
        kept.get("d"),
        Grade(kept["g"]) if "g" in kept else Grade.GOOD,
        Reason(kept["r"]) if "r" in kept else Reason.NONE,
        Origin(kept["o"]) if "o" in kept else Origin.MEASURED,
        moments[kept["c"]],
        moments[kept["m"]],
        subs_of(kept, moments),
        moments[kept["e"]] if "e" in kept else None,
        kept.get("y"),
    )


def subs_of(kept: Instance, moments: Mapping[int, datetime]) -> dict[str, list[Attribute]]:
    """The attributes of a kept attribute itself."""
    found = kept.get("x")
    return {iri: [attribute_of(one, moments) for one in instances] for iri, instances in found.items()} if found else {}


def by_dataset(one: Attribute) -> str:
    """Key that sorts the instances of an attribute: the default one first."""
    return one.dataset_id or ""


def _subs(instances: Iterable[Attribute], at: int, former: Iterable[Instance]) -> list[Instance]:
    before = {one.get("d"): one for one in former}
    return [instance_of(attribute, at, before.get(attribute.dataset_id)) for attribute in instances]
