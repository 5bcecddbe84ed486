"""What a write is made of: pure values, so that every door and the ingest can build one without a database."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from hashlib import blake2b
from typing import Any, Literal, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from dothi.access.policy import Clearance, Person
from dothi.model.clock import to_micros
from dothi.model.entity import Entity
from dothi.model.problem import Problem
from dothi.model.reading import Grade, Origin, Reason
from dothi.store.audit import Act

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]


HEARD_NOW = 0  # in ``Readings.received_at``: heard when the batch is applied


class SeriesKey(NamedTuple):
    """What a series is of. ``dataset_id`` None is the default instance."""

    entity_id: str
    attribute: str
    dataset_id: str | None = None


@dataclass(slots=True)
class Readings:
    """Readings as columns of one length.

    ``series`` are numbers given out by ``SeriesIndex``; a caller that does not know them leaves ``series`` empty and
    fills ``keys``. ``observed_at`` and ``received_at`` are µs UTC. ``number`` is NaN where the value is not a number;
    ``other`` is then its JSON text (None for the whole column if all are numbers). ``withdrawn`` True makes a tombstone.
    """

    series: IntArray
    observed_at: IntArray
    number: FloatArray
    received_at: IntArray
    grade: IntArray
    reasons: IntArray
    origin: IntArray
    other: list[str | None] | None = None
    withdrawn: NDArray[np.bool_] | None = None
    keys: list[SeriesKey] | None = None
    units: list[str | None] | None = None  # UN/CEFACT, kept per series; only read together with ``keys``

    def __len__(self) -> int:
        return len(self.observed_at)


@dataclass(slots=True)
class ReadingRow:
    """One reading for callers with few. ``value`` is a number, text, bool, list, dict or geometry; ``attribute`` an IRI.

    ``received_at`` is when the city first heard it (None: when it is applied). A statement told twice carries the same one.
    """

    entity_id: str
    attribute: str
    observed_at: datetime
    value: Any
    origin: Origin
    unit: str | None = None
    dataset_id: str | None = None
    withdrawn: bool = False
    grade: Grade = Grade.GOOD
    reasons: Reason = Reason.NONE
    received_at: datetime | None = None


EntityKind = Literal[
    "create",
    "replace",
    "delete",
    "merge",
    "upsert",
    "put",
    "append",
    "append_new",
    "add",
    "update",
    "merge_patch",
    "patch_attribute",
    "replace_attribute",
    "delete_attribute",
    "drop",
    "keep",
    "expire",
]


class EntityChange(msgspec.Struct):
    """A write of one entity. ``create`` needs it absent, ``upsert``, ``put`` and ``add`` do not care, all others need it.

    ``merge`` replaces the instances it names, by dataset; an attribute with an empty list of instances is removed, and the
    type is what is told. ``upsert`` is create or merge, ``put`` create or ``replace``, ``add`` create or ``append``. The
    others are those of NGSI-LD (ETSI GS CIM 009, clauses 5.6.2 to 5.6.6 and 5.6.17 to 5.6.21): ``append`` and
    ``append_new`` (without overwriting), ``update``, ``merge_patch``, of one attribute ``patch_attribute``,
    ``replace_attribute`` and ``delete_attribute`` (the instance ``dataset_id``, or the ``whole``), of several ``drop`` and
    ``keep``, which remove them or all but them; ``data/fragments.py`` says what each does. ``expire`` takes away what is
    past its time.

    ``clearance`` None keeps what is there (internal for a new entity). ``only`` is asked with the entity's types: where it
    says no, there is no such entity (clause 4.17). Of a ``merge_patch``, ``observed_at`` is when a merged value that was
    observed before was observed now, and ``lang`` the language of a text that is merged into a language map.
    """

    kind: EntityKind
    entity: Entity
    clearance: Clearance | None = None
    only: Callable[[tuple[str, ...]], bool] | None = None
    dataset_id: str | None = None
    whole: bool = False
    observed_at: datetime | None = None
    lang: str | None = None


class Outcome(msgspec.Struct):
    """What became of one change: ``problem`` says why it was not made.

    ``not_updated`` are the attributes (IRIs) it left as they were, each with the reason; if there are any, ``updated`` are
    those it touched.
    """

    id: str
    state: Literal["created", "changed", "deleted", "unchanged"] = "unchanged"
    problem: Problem | None = None
    updated: list[str] = []
    not_updated: list[tuple[str, str]] = []


Told = EntityChange | Callable[[], EntityChange | Outcome]
"""A change, or what makes one when it is its turn: so a thousand told in one go do not all lie in memory at once. Where it
cannot be made, the outcome that says why."""


def read_told(told: Told) -> EntityChange | Outcome:
    """The change that is told, or why it cannot be made."""
    return told if isinstance(told, EntityChange) else told()


class Trigger(IntEnum):
    """What happened to an attribute or an entity, as a subscription names it (clause 5.2.12)."""

    ATTRIBUTE_CREATED = 1
    ATTRIBUTE_UPDATED = 2
    ATTRIBUTE_DELETED = 3
    ENTITY_CREATED = 4
    ENTITY_UPDATED = 5
    ENTITY_DELETED = 6


@dataclass(slots=True)
class Quarantined:
    """A message that could not be taken: ``reason`` is a stable code, ``detail`` says it in English, ``body`` is raw.

    ``stored_at`` is the journal's own moment of it (µs, the machine's clock).
    """

    source: str
    device: str | None
    reason: str
    detail: str
    body: bytes
    content_type: str = "application/json"
    correlation: str = ""
    received_at: int | None = None
    origin: Origin | None = None
    stored_at: int = 0

    @property
    def key(self) -> str:
        """What it is, however often the journal hands it out: 32 hex digits. Sent on from quarantine it is another one."""
        told = (self.source, self.device, self.correlation, self.stored_at, self.reason, self.body)
        return blake2b(msgspec.msgpack.encode(told), digest_size=16).hexdigest()

    def row(self, at: int) -> tuple[Any, ...]:
        """As it is stored at ``at`` (µs)."""
        origin = None if self.origin is None else int(self.origin)
        raw = self.detail, self.body, self.content_type, self.correlation
        return self.key, at, self.source, self.device, self.reason, *raw, self.received_at, origin


@dataclass(slots=True)
class Batch:
    """Everything one commit takes. ``at`` is the city's clock; ``correlation`` follows it from door to log.

    ``action`` is what ``person`` must be allowed to do to its entities.
    """

    person: Person
    source: str
    correlation: str
    at: datetime
    readings: Readings | None = None
    entities: list[EntityChange] = field(default_factory=list)
    quarantine: list[Quarantined] = field(default_factory=list)
    acts: list[Act] = field(default_factory=list)
    action: str = "entity.write"


@dataclass(slots=True)
class Applied:
    """What a commit did. ``stored`` rows of history, of which ``revisions`` corrected a known key and ``late`` came late;
    ``repeated`` were known already. ``live`` series show a new value. ``quarantined`` counts those not held before. ``seq``
    is the outbox row, None if nothing changed."""

    seq: int | None = None
    stored: int = 0
    revisions: int = 0
    late: int = 0
    repeated: int = 0
    live: int = 0
    created: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    quarantined: int = 0


class Changed(msgspec.Struct, array_like=True):
    """Payload of an outbox row: numbers of ``SeriesIndex`` as little-endian int32, so that a batch stays small.

    ``edits`` are what was told of entities, four numbers each: entity, attribute and dataset as places in ``names`` (0 is
    none: the entity itself, the default instance), ``Trigger``. ``before`` holds, for some of them by their place, the
    instance as it was, of an entity its document (``Writer.keep_before``).
    """

    series: bytes = b""
    entities: bytes = b""
    created: bytes = b""
    deleted: bytes = b""
    edits: bytes = b""
    names: list[str] = []
    before: dict[int, Any] = {}

    def encode(self) -> bytes:
        """The bytes to store."""
        return msgspec.msgpack.encode(self)


def decode_changed(payload: bytes) -> Changed:
    """The ``Changed`` of an outbox row. Raises msgspec.DecodeError if it is not one."""
    return msgspec.msgpack.decode(payload, type=Changed)


def pack(numbers: Iterable[int] | IntArray) -> bytes:
    """Small numbers as little-endian int32."""
    values = numbers if isinstance(numbers, np.ndarray) else np.fromiter(numbers, np.int64)
    return values.astype("<i4").tobytes()


def unpack(packed: bytes) -> IntArray:
    """The numbers that ``pack`` packed."""
    return np.frombuffer(packed, "<i4").astype(np.int64)


def split_value(value: Any) -> tuple[float, str | None]:
    """A value as the pair of columns it is stored in: (number, None) or (NaN, JSON text).

    Raises ValueError for NaN and infinities, which JSON cannot carry.
    """
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        number = float(value)
        if not np.isfinite(number):
            raise ValueError("a value must be finite")
        return number, None
    return float("nan"), msgspec.json.encode(value, order="deterministic").decode()


def join_value(number: float | None, other: str | None) -> Any:
    """The value stored as (number, other); None if both are empty."""
    if number is not None:
        return number
    return msgspec.json.decode(other) if other is not None else None


def readings_of(rows: Iterable[ReadingRow]) -> Readings:
    """Columns of a few rows. Raises ValueError for a number that is not finite or a time without zone."""
    listed: Sequence[ReadingRow] = list(rows)
    pairs = [(float("nan"), None) if row.withdrawn else split_value(row.value) for row in listed]
    others = [other for _, other in pairs]

    def ints(values: Iterable[int]) -> IntArray:
        return np.fromiter(values, np.int64, len(listed))

    return Readings(
        series=np.empty(0, np.int64),
        observed_at=ints(to_micros(row.observed_at) for row in listed),
        number=np.fromiter((number for number, _ in pairs), np.float64, len(listed)),
        received_at=ints(to_micros(row.received_at) if row.received_at else HEARD_NOW for row in listed),
        grade=ints(int(row.grade) for row in listed),
        reasons=ints(int(row.reasons) for row in listed),
        origin=ints(int(row.origin) for row in listed),
        other=others if any(other is not None for other in others) else None,
        withdrawn=np.array([row.withdrawn for row in listed]) if any(row.withdrawn for row in listed) else None,
        keys=[SeriesKey(row.entity_id, row.attribute, row.dataset_id) for row in listed],
        units=[row.unit for row in listed],
    )
