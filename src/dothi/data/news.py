"""What commits changed, merged: a reader that fell behind is told once what changed, not how often."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np

from dothi.data.batch import Changed, IntArray, Trigger, decode_changed, pack, unpack
from dothi.data.editing import Edited
from dothi.data.recording import Recorded
from dothi.data.series import SeriesIndex
from dothi.model.clock import from_micros

_NOTHING: IntArray = np.empty(0, np.int64)
_NO_EDITS: IntArray = np.empty((0, 4), np.int64)


class Edit(NamedTuple):
    """What was told of one attribute instance, or (``attribute`` "") of the entity itself.

    ``before`` is the instance as it was (``data/document.py``), of an entity its document; None where there was none, or
    where ``Writer.keep_before`` did not ask for it.
    """

    entity: str
    attribute: str
    dataset: str | None
    trigger: Trigger
    before: Any


@dataclass(slots=True)
class Changes:
    """What one or several commits changed. ``seq`` and ``at`` (aware UTC, the city's clock) are the last commit's.

    ``by_type`` maps a type IRI to the entities with new readings or attributes, the created ones included; ``deleted``
    entities are only there. ``series`` (numbers of ``SeriesIndex``) are those with new readings.
    """

    seq: int
    at: datetime
    by_type: dict[str, list[str]] = field(default_factory=dict)
    created: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    series: IntArray = field(default_factory=lambda: _NOTHING)
    told: Callable[[], list[Edit]] = list

    @property
    def edits(self) -> list[Edit]:
        """What was told of entities by those who write them, once for each instance; made when it is asked for.

        What else devices read is in ``series`` only.
        """
        return self.told()


@dataclass(slots=True)
class News:
    """``Changes`` by number: 8 bytes an entity, however many commits are merged. ``at`` is µs UTC.

    ``edits`` are rows as in ``Changed``, with places in ``names``, at most one for each instance.
    """

    seq: int
    at: int
    changed: IntArray = field(default_factory=lambda: _NOTHING)
    created: IntArray = field(default_factory=lambda: _NOTHING)
    deleted: IntArray = field(default_factory=lambda: _NOTHING)
    series: IntArray = field(default_factory=lambda: _NOTHING)
    edits: IntArray = field(default_factory=lambda: _NO_EDITS)
    names: list[str] = field(default_factory=list)
    before: dict[int, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, rows: Iterable[tuple[int, int, bytes]], index: SeriesIndex) -> "News | None":
        """The news of outbox rows (seq, at, payload), oldest first; None of no rows. Raises msgspec.DecodeError."""
        news, changed, created, deleted, series = None, [_NOTHING], [_NOTHING], [_NOTHING], [_NOTHING]
        told = []
        for seq, at, payload in rows:
            one = decode_changed(payload)
            series.append(unpack(one.series))
            changed += [index.entity_of(series[-1]).astype(np.int64), unpack(one.entities), unpack(one.created)]
            created.append(unpack(one.created))
            deleted.append(unpack(one.deleted))
            if one.edits:
                told.append((unpack(one.edits).reshape(-1, 4), one.names, one.before))
            news = cls(seq, at)
        if news is not None:
            news.changed, news.created, news.deleted, news.series = (
                np.unique(np.concatenate(parts)) for parts in (changed, created, deleted, series)
            )
            news.edits, news.names, news.before = _joined(told)
        return news

    def merged(self, later: "News") -> "News":
        """Both in one."""
        edits = _joined([(one.edits, one.names, one.before) for one in (self, later) if len(one.edits)])
        return News(
            later.seq,
            later.at,
            np.union1d(self.changed, later.changed),
            np.union1d(self.created, later.created),
            np.union1d(self.deleted, later.deleted),
            np.union1d(self.series, later.series),
            *edits,
        )

    def encode(self) -> bytes:
        """As an outbox payload, to be read again by ``read``."""
        changed, created, deleted, edits = map(pack, (self.changed, self.created, self.deleted, self.edits.ravel()))
        return Changed(pack(self.series), changed, created, deleted, edits, self.names, self.before).encode()

    def told(self, index: SeriesIndex) -> Changes:
        """With names instead of numbers. An entity deleted and made again in between was not deleted, and the reverse."""
        changes = Changes(
            self.seq,
            from_micros(self.at),
            index.by_type(self.changed),
            index.urns(self.created, alive=True),
            index.urns(self.deleted, alive=False),
            self.series,
        )
        if len(self.edits):
            changes.told = lambda: [
                Edit(index.urn(num), self.names[name], self.names[dataset] or None, Trigger(trigger), self.before.get(place))
                for place, (num, name, dataset, trigger) in enumerate(self.edits.tolist())
            ]
        return changes


class Telling:
    """What a commit changed, for the outbox, gathered piece by piece; instances as they were go with it for types that
    ``keep_before`` names.
    """

    def __init__(self, index: SeriesIndex, keep_before: Callable[[str], bool]) -> None:
        self._index, self._keep_before = index, keep_before
        self._asked: dict[str, bool] = {}
        self._names: dict[str, int] = {"": 0}
        self._rows: list[int] = []
        self._before: dict[int, Any] = {}
        self._series: list[IntArray] = []
        self._changed: list[int] = []
        self._created: list[int] = []
        self._deleted: list[int] = []

    def __bool__(self) -> bool:
        return bool(self._rows)

    def add(self, recorded: Iterable[Recorded], edited: Edited) -> None:
        """What was recorded and edited next."""
        self._series += (one.series for one in recorded)
        self._changed += edited.changed
        self._created += edited.created
        self._deleted += edited.deleted
        names, rows = self._names, self._rows
        last, kept = 0, False  # what is told of an entity comes in one go
        for place, edit in enumerate(edited.edits, len(rows) // 4):
            num, step = edit.num, edit.step
            attribute, dataset, was = step.attribute, step.dataset, step.before
            name = names.get(attribute)
            if name is None:
                name = names[attribute] = len(names)
            rows += (num, name, 0 if dataset is None else names.setdefault(dataset, len(names)), edit.trigger)
            if was is not None:
                if num != last:
                    last, kept = num, self._keeps(self._index.type_of(num))
                if kept:
                    self._before[place] = was

    def _keeps(self, kind: str) -> bool:
        found = self._asked.get(kind)
        if found is None:
            found = self._asked[kind] = self._keep_before(kind)
        return found

    def encode(self) -> bytes:
        """The payload of the outbox row."""
        series = np.concatenate(self._series) if self._series else _NOTHING
        edits = pack(self._rows) if self._rows else b""
        changed, created, deleted = map(pack, (self._changed, self._created, self._deleted))
        return Changed(pack(series), changed, created, deleted, edits, list(self._names), self._before).encode()


_Told = tuple[IntArray, list[str], dict[int, Any]]


def _joined(told: Sequence[_Told]) -> _Told:
    """Edits one after the other, as one for each instance: the first thing that was there before, the last that happened."""
    if not told:
        return _NO_EDITS, [], {}
    names: dict[str, int] = {"": 0}
    parts, before, start = [], dict[int, Any](), 0
    for edits, own, was in told:
        places = np.array([names.setdefault(name, len(names)) for name in own], np.int64)
        parts.append(np.column_stack((edits[:, 0], places[edits[:, 1]], places[edits[:, 2]], edits[:, 3])))
        before.update((start + place, instance) for place, instance in was.items())
        start += len(edits)
    edits = np.concatenate(parts)
    _, attribute = np.unique(edits[:, 0] * len(names) + edits[:, 1], return_inverse=True)
    _, first, which = np.unique(attribute * len(names) + edits[:, 2], return_index=True, return_inverse=True)
    if len(first) == len(edits):
        return edits, list(names), before
    last = np.zeros(len(first), np.int64)
    np.maximum.at(last, which, np.arange(len(edits)))
    order = np.argsort(last)
    rows = edits[last[order]]
    rows[:, 3] = [_since(int(a), int(b)) for a, b in zip(edits[first[order], 3], rows[:, 3], strict=True)]
    kept = {place: before[int(one)] for place, one in enumerate(first[order]) if int(one) in before}
    return rows, list(names), kept


def _since(first: int, last: int) -> int:
    """What happened altogether: made and then changed was made."""
    updated = (Trigger.ATTRIBUTE_UPDATED, Trigger.ENTITY_UPDATED)
    created = (Trigger.ATTRIBUTE_CREATED, Trigger.ENTITY_CREATED)
    return first if last in updated and first in created else last
