"""Attributes as they are kept beside an entity: JSON with one-letter keys, because there are hundreds of thousands.

Of an instance: k kind, v value, u unit, d dataset, g grade, r reasons, o origin, c created, m modified, e expires, y type of
the objects, x its own attributes {iri: [instance, …]}, t observed (there alone: what is observed of an entity is a reading).
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

_DECODER = msgspec.json.Decoder(Document)


def read_document(text: str) -> Document:
    """The stored attributes of an entity, by IRI."""
    return _DECODER.decode(text)


def write_document(document: Document) -> str:
    """The text to store."""
    return msgspec.json.encode(document).decode()


def instance_of(attribute: Attribute, at: int, before: Instance | None) -> Instance:
    """What is kept of an attribute written at ``at`` (µs). An observed one keeps no value here: that is a reading."""
    kept: Instance = {"k": attribute.kind}
    if attribute.observed_at is None:
        _value(kept, attribute)
    _more(kept, attribute, at, before)
    return kept


def attribute_of(kept: Instance, moments: Mapping[int, datetime]) -> Attribute:
    """The attribute that ``instance_of`` kept, for one that was not observed; ``moments`` turns µs into moments."""
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


def _value(kept: Instance, attribute: Attribute) -> None:
    kept["v"] = attribute.value
    if attribute.grade != Grade.GOOD:
        kept["g"] = int(attribute.grade)
    if attribute.reasons != Reason.NONE:
        kept["r"] = int(attribute.reasons)
    if attribute.origin != Origin.MEASURED:
        kept["o"] = int(attribute.origin)


def _more(kept: Instance, attribute: Attribute, at: int, before: Instance | None) -> None:
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


def _subs(instances: Iterable[Attribute], at: int, former: Iterable[Instance]) -> list[Instance]:
    before = {one.get("d"): one for one in former}
    result = []
    for attribute in instances:
        kept: Instance = {"k": attribute.kind}
        _value(kept, attribute)
        if attribute.observed_at is not None:
            kept["t"] = to_micros(attribute.observed_at)
        _more(kept, attribute, at, before.get(attribute.dataset_id))
        result.append(kept)
    return result
