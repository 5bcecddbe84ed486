"""Attributes as they are kept beside an entity: JSON with one-letter keys, because there are hundreds of thousands."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from dothi.model.clock import to_micros
from dothi.model.entity import Attribute
from dothi.model.reading import Grade, Origin, Reason

Instance = dict[str, Any]  # k kind, v value, u unit, d dataset, g grade, r reasons, o origin, c created, m modified, x extra
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
        kept["v"] = attribute.value
        if attribute.grade != Grade.GOOD:
            kept["g"] = int(attribute.grade)
        if attribute.reasons != Reason.NONE:
            kept["r"] = int(attribute.reasons)
        if attribute.origin != Origin.MEASURED:
            kept["o"] = int(attribute.origin)
    if attribute.unit is not None:
        kept["u"] = attribute.unit
    if attribute.dataset_id is not None:
        kept["d"] = attribute.dataset_id
    if attribute.extra:
        kept["x"] = attribute.extra
    created = before.get("c") if before else None
    kept["c"] = created or (to_micros(attribute.created_at) if attribute.created_at else at)
    kept["m"] = at
    return kept


def attribute_of(kept: Instance, moments: Mapping[int, datetime]) -> Attribute:
    """The attribute that ``instance_of`` kept, for one that was not observed; ``moments`` turns µs into moments."""
    return Attribute(
        kept["k"],
        kept["v"],
        None,
        kept.get("u"),
        kept.get("d"),
        Grade(kept["g"]) if "g" in kept else Grade.GOOD,
        Reason(kept["r"]) if "r" in kept else Reason.NONE,
        Origin(kept["o"]) if "o" in kept else Origin.MEASURED,
        moments[kept["c"]],
        moments[kept["m"]],
        kept.get("x", {}),
    )


def by_dataset(one: Attribute) -> str:
    """Key that sorts the instances of an attribute: the default one first."""
    return one.dataset_id or ""
