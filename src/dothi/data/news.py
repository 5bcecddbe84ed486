"""What commits changed, merged: a reader that fell behind is told once what changed, not how often."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np

from dothi.data.batch import Changed, IntArray, decode_changed, pack, unpack
from dothi.data.series import SeriesIndex
from dothi.model.clock import from_micros

_NOTHING: IntArray = np.empty(0, np.int64)


@dataclass(slots=True)
class Changes:
    """What one or several commits changed. ``seq`` and ``at`` (aware UTC, the city's clock) are the last commit's.

    ``by_type`` maps a type IRI to the entities with new readings or attributes, the created ones included; ``deleted``
    entities are only there.
    """

    seq: int
    at: datetime
    by_type: dict[str, list[str]] = field(default_factory=dict)
    created: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)


@dataclass(slots=True)
class News:
    """``Changes`` by entity number: 8 bytes an entity, however many commits are merged. ``at`` is µs UTC."""

    seq: int
    at: int
    changed: IntArray = field(default_factory=lambda: _NOTHING)
    created: IntArray = field(default_factory=lambda: _NOTHING)
    deleted: IntArray = field(default_factory=lambda: _NOTHING)

    @classmethod
    def read(cls, rows: Iterable[tuple[int, int, bytes]], index: SeriesIndex) -> "News | None":
        """The news of outbox rows (seq, at, payload), oldest first; None of no rows. Raises msgspec.DecodeError."""
        news, changed, created, deleted = None, [_NOTHING], [_NOTHING], [_NOTHING]
        for seq, at, payload in rows:
            one = decode_changed(payload)
            changed += [index.entity_of(unpack(one.series)).astype(np.int64), unpack(one.entities), unpack(one.created)]
            created.append(unpack(one.created))
            deleted.append(unpack(one.deleted))
            news = cls(seq, at)
        if news is not None:
            news.changed, news.created, news.deleted = (
                np.unique(np.concatenate(parts)) for parts in (changed, created, deleted)
            )
        return news

    def merged(self, later: "News") -> "News":
        """Both in one."""
        return News(
            later.seq,
            later.at,
            np.union1d(self.changed, later.changed),
            np.union1d(self.created, later.created),
            np.union1d(self.deleted, later.deleted),
        )

    def encode(self) -> bytes:
        """As an outbox payload, to be read again by ``read``."""
        return Changed(entities=pack(self.changed), created=pack(self.created), deleted=pack(self.deleted)).encode()

    def told(self, index: SeriesIndex) -> Changes:
        """With names instead of numbers. An entity deleted and made again in between was not deleted, and the reverse."""
        changes = Changes(self.seq, from_micros(self.at))
        for number in self.changed.tolist():
            urn = index.urn(number)
            if index.num(urn) is not None:
                changes.by_type.setdefault(index.type_of(number), []).append(urn)
        changes.created = [urn for urn in map(index.urn, self.created.tolist()) if index.num(urn) is not None]
        changes.deleted = [urn for urn in map(index.urn, self.deleted.tolist()) if index.num(urn) is None]
        return changes
