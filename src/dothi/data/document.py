"""Attributes as they are kept beside an entity: JSON with one-letter keys, because there are hundreds of thousands."""

from datetime import datetime
from typing import Any

import msgspec

from dothi.model.clock import from_micros, to_micros
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


def attribute_of(kept: Instance) -> Attribute:
    """The attribute that ``instance_of`` kept, for one that was not observed."""
    return Attribute(
        kept["k"],
        kept.get("v"),
        None,
        kept.get("u"),
        kept.get("d"),
        Grade(kept.get("g", 0)),
        Reason(kept.get("r", 0)),
        Origin(kept.get("o", 0)),
        moment(kept.get("c")),
        moment(kept.get("m")),
        kept.get("x", {}),
    )


def moment(micros: int | None) -> datetime | None:
    """``from_micros``, or None of None."""
    return None if micros is None else from_micros(micros)
