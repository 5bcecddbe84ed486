"""What commits changed, as the engine is told it: every reading of the watched series since the last that was judged."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np

from dothi.data.batch import IntArray
from dothi.data.series import SeriesIndex
from dothi.data.trail import SKEWED
from dothi.model.entity import LOCATION
from dothi.model.reading import Grade
from dothi.platform.rules.engine import Engine
from dothi.platform.rules.features import YES_NO
from dothi.platform.rules.told import EARLIEST, Told, fitted
from dothi.store.connection import Connection

_UNSEEN, _UNWATCHED = -2, -1
_NEWEST = (
    "SELECT l.series_id, l.observed_at, l.number, l.grade, coalesce(r.previous, ?), l.other IS NOT NULL "
    "FROM {numbers} w CROSS JOIN live l LEFT JOIN reading r "
    "ON r.observed_at = l.observed_at AND r.series_id = l.series_id AND r.revision = 0 "
    "WHERE l.series_id = w.value AND l.hidden = 0 AND l.observed_at IS NOT NULL"
)
_ROW = np.dtype(
    [
        ("series", np.int64),
        ("at", np.int64),
        ("number", np.float64),
        ("grade", np.int64),
        ("before", np.int64),
        ("other", "?"),
    ]
)
_TEXTS = "SELECT l.series_id, l.other FROM {numbers} w CROSS JOIN live l WHERE l.series_id = w.value"
_EARLIER = (
    "SELECT r.observed_at, r.number, r.other, r.grade, r.reasons, r.withdrawn, f.previous FROM reading r JOIN reading f "
    "ON f.observed_at = r.observed_at AND f.series_id = r.series_id AND f.revision = 0 "
    "WHERE r.observed_at = ? AND r.series_id = ? ORDER BY r.revision DESC LIMIT 1"
)
_WARDS = "SELECT e.num, e.ward FROM {numbers} w CROSS JOIN entity e WHERE e.num = w.value"
_ALL_SERIES = (
    "SELECT s.id FROM series s JOIN entity e ON e.num = s.entity WHERE s.dataset = 0 AND e.deleted_at IS NULL "
    "AND e.type IN (SELECT id FROM name WHERE iri IN (SELECT value FROM {texts} a))"
)
_MOST_BEHIND = 10_000  # readings of one series that are looked up one by one; older ones are let go


class _Earlier(NamedTuple):
    series: int
    at: int
    number: float
    text: str | None
    good: bool


class Hearing:
    """Turns numbers of changed series into columns for one engine. Used by one thread at a time."""

    def __init__(self, engine: Engine, index: SeriesIndex) -> None:
        self._engine, self._index = engine, index
        self._column = np.full(4096, _UNSEEN, np.int64)
        self._told = np.full(4096, EARLIEST, np.int64)

    def all_series(self, db: Connection) -> IntArray:
        """Every series the engine may want."""
        wanted = msgspec.json.encode(sorted(self._engine.types)).decode()
        return np.fromiter((number for (number,) in db.execute(db.dialect.fill(_ALL_SERIES), (wanted,))), np.int64)

    def watched(self, series: IntArray) -> IntArray:
        """Those of ``series`` that the engine wants."""
        if not len(series):
            return series
        highest = int(series.max())
        if highest >= len(self._column):
            self._column = np.append(
                self._column, np.full(highest + 1 + highest // 2 - len(self._column), _UNSEEN, np.int64)
            )
            self._told = fitted(self._told, len(self._column) - 1)
        for number in series[self._column[series] == _UNSEEN].tolist():
            self._column[number] = self._column_of(number)
        return series[self._column[series] >= 0]

    def _column_of(self, number: int) -> int:
        index = self._index
        if index.dataset_of(number) is not None:
            return _UNWATCHED
        found = self._engine.column(index.type_of(index.owner_of(number)), index.attribute_of(number))
        return _UNWATCHED if found is None else found

    def read(self, db: Connection, series: IntArray, floor: int = EARLIEST) -> Told | None:
        """What was observed of watched ``series`` since they were read last; of those never read, the newest value.

        Between the two nothing before ``floor`` (µs) is looked for.
        """
        if not len(series):
            return None
        page = msgspec.json.encode(series.tolist()).decode()
        rows = np.fromiter(db.execute(db.dialect.fill(_NEWEST), (EARLIEST, page)), _ROW)
        if not len(rows):
            return None
        numbers, at = rows["series"], rows["at"]
        last = self._told[numbers]
        # What was withdrawn leaves an older value: it counts from the moment at which the withdrawn one did.
        moments = np.maximum(at, last)
        behind = np.flatnonzero((last != EARLIEST) & (rows["before"] > last))
        earlier = [one for row in behind.tolist() for one in self._walk(db, rows[row], max(floor, int(last[row])))]
        self._told[numbers] = moments
        texts = self._texts(db, numbers[rows["other"]])
        text: list[str | None] = [texts.get(number) for number in numbers.tolist()] if texts else [None] * len(rows)
        good = rows["grade"] < int(Grade.BAD)
        if not earlier:
            return self._columns(numbers, moments, rows["number"].copy(), good, text if texts else None)
        return self._columns(
            np.append([one.series for one in earlier], numbers),
            np.append([one.at for one in earlier], moments),
            np.append([one.number for one in earlier], rows["number"]),
            np.append([one.good for one in earlier], good),
            [one.text for one in earlier] + text,
        )

    def wards(self, db: Connection, entities: Iterable[int]) -> None:
        """Tell the engine in which ward each of these entities (numbers) lies."""
        page = msgspec.json.encode(sorted(set(entities))).decode()
        self._engine.ward.update(db.execute(db.dialect.fill(_WARDS), (page,)))

    def moved(self, series: IntArray) -> list[int]:
        """The entities among ``series`` that may lie in another ward now."""
        return [int(one) for one in self._index.entity_of(self._index.of_attribute(series, LOCATION))]

    def _columns(self, series: IntArray, at: IntArray, number: Any, good: Any, text: Sequence[str | None] | None) -> Told:
        entity = self._index.entity_of(series).astype(np.int64)
        return Told(entity, self._column[series], at, number, good.astype(np.bool_), None if text is None else list(text))

    def _walk(self, db: Connection, newest: Any, last: int) -> list[_Earlier]:
        """Readings between the last that was read and the newest, oldest first."""
        found: list[_Earlier] = []
        series, at = int(newest["series"]), int(newest["before"])
        while at > last and len(found) < _MOST_BEHIND:
            row = db.execute(_EARLIER, (at, series)).fetchone()
            if row is None:
                break
            moment, number, other, grade, reasons, withdrawn, before = row
            if not withdrawn and not reasons & SKEWED:
                value = float("nan") if number is None else number
                found.append(_Earlier(series, moment, value, text_of(other), grade < int(Grade.BAD)))
            if before is None:
                break
            at = before
        return found[::-1]

    def _texts(self, db: Connection, series: IntArray) -> dict[int, str | None]:
        if not len(series):
            return {}
        page = msgspec.json.encode(series.tolist()).decode()
        return {number: text_of(other) for number, other in db.execute(db.dialect.fill(_TEXTS), (page,))}


def text_of(other: str | None) -> str | None:
    """The text that a kept value (JSON) is, yes and no as they are compared; None for anything else."""
    value = None if other is None else msgspec.json.decode(other)
    return YES_NO[value] if isinstance(value, bool) else value if isinstance(value, str) else None
