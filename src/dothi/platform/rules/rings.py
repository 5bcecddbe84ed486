"""The last minutes of many series at once, so that a figure of them is a few operations over whole columns."""

import numpy as np
from numpy.typing import NDArray

from dothi.data.batch import FloatArray, IntArray
from dothi.platform.rules.model import Statistic

SLOTS = 120
"""A window has at most so many slots: readings closer together than that part of it count as of the first of them."""
_FIRST = 8
_NEVER = np.iinfo(np.int64).min


class Ring:
    """The readings of the last ``length`` µs of each entity (by number) of one attribute.

    Memory of an entity: 48 bytes for each reading in the window, up to ``SLOTS`` of them.
    """

    def __init__(self, length: int) -> None:
        self.length = length
        self._apart = length // SLOTS
        self._row = np.full(1024, -1, np.int64)
        self._rows = 0
        self._last: IntArray = np.zeros(0, np.int64)
        self._newest: IntArray = np.zeros(0, np.int64)
        self._value: FloatArray = np.zeros(0)
        self._at: IntArray = np.zeros((0, _FIRST), np.int64)
        self._sum, self._low, self._high, self._first = (np.zeros((0, _FIRST)) for _ in range(4))
        self._count: IntArray = np.zeros((0, _FIRST), np.int64)

    @property
    def entities(self) -> IntArray:
        """The numbers of those of which anything was told."""
        return np.flatnonzero(self._row >= 0)

    def add(self, entities: IntArray, at: IntArray, values: FloatArray) -> None:
        """One more reading of each of ``entities``, no earlier than its last; at the same moment it takes its place."""
        rows = self._rows_of(entities)
        last = self._last[rows]
        known = last >= 0
        slot = np.where(known, last, 0)
        begun = np.where(known, self._at[rows, slot], _NEVER)
        again = known & (self._newest[rows] == at) & (self._count[rows, slot] == 1)
        same = known & ~again & (at - begun < self._apart)
        fresh = ~again & ~same
        if fresh.any():
            self._open(rows[fresh], at[fresh], values[fresh])
        one, where = rows[again], slot[again]
        for column in (self._sum, self._low, self._high, self._first):
            column[one, where] = values[again]
        one, where, more = rows[same], slot[same], values[same]
        self._sum[one, where] += more
        self._low[one, where] = np.minimum(self._low[one, where], more)
        self._high[one, where] = np.maximum(self._high[one, where], more)
        self._count[one, where] += 1
        self._newest[rows], self._value[rows] = at, values

    def figure(self, statistic: Statistic, least: int, spans: float, entities: IntArray, now: IntArray) -> FloatArray:
        """A figure of the readings with ``now`` - length < observed ≤ ``now`` of each.

        NaN with fewer than ``least``, or if the oldest is not ``spans`` of the length old.
        """
        rows = self._row[entities]
        inside = self._inside(rows, now)
        counts = np.where(inside, self._count[rows], 0).sum(axis=1)
        if statistic == "count":
            found = counts.astype(np.float64)
        elif statistic == "min":
            found = np.where(inside, self._low[rows], np.inf).min(axis=1)
        elif statistic == "max":
            found = np.where(inside, self._high[rows], -np.inf).max(axis=1)
        else:
            found = np.where(inside, self._sum[rows], 0.0).sum(axis=1)
            if statistic == "mean":
                found = found / np.maximum(counts, 1)
        # Of what was heard before and is over, "none" is known: that is what counts and sums are asked for.
        known = counts >= least if statistic not in ("count", "sum") or least > 1 else np.ones(len(rows), np.bool_)
        if spans:
            oldest = np.where(inside, self._at[rows], now[:, None]).min(axis=1)
            known &= now - oldest >= spans * self.length
        return np.where(known, found, np.nan)

    def change(self, entities: IntArray, now: IntArray) -> FloatArray:
        """The newest value less the oldest within the window; NaN with fewer than two readings in it."""
        rows = self._row[entities]
        inside = self._inside(rows, now)
        several = np.where(inside, self._count[rows], 0).sum(axis=1) > 1
        moments = np.where(inside, self._at[rows], np.iinfo(np.int64).max)
        oldest = moments.argmin(axis=1)
        return np.where(several, self._value[rows] - self._first[rows, oldest], np.nan)

    def _inside(self, rows: IntArray, now: IntArray) -> NDArray[np.bool_]:
        return (self._at[rows] > (now - self.length)[:, None]) & (self._count[rows] > 0)

    def _open(self, rows: IntArray, at: IntArray, values: FloatArray) -> None:
        width = self._at.shape[1]
        place = (self._last[rows] + 1) % width
        while width < SLOTS + _FIRST and ((self._count[rows, place] > 0) & (self._at[rows, place] > at - self.length)).any():
            self._widen()
            width = self._at.shape[1]
            place = (self._last[rows] + 1) % width
        self._last[rows] = place
        self._at[rows, place], self._count[rows, place] = at, 1
        for column in (self._sum, self._low, self._high, self._first):
            column[rows, place] = values

    def _widen(self) -> None:
        """Twice as many slots, the oldest first, so that the next goes behind the newest."""
        width = self._at.shape[1]
        order = (self._last[:, None] + 1 + np.arange(width)[None, :]) % width
        rows = np.arange(len(order))[:, None]

        def wider(column: NDArray[np.generic]) -> NDArray[np.generic]:
            return np.hstack((column[rows, order], np.zeros_like(column)))

        self._at, self._count = wider(self._at), wider(self._count)  # type: ignore[assignment] # hstack forgets what of
        self._sum, self._low, self._high, self._first = (  # type: ignore[assignment] # as above
            wider(column) for column in (self._sum, self._low, self._high, self._first)
        )
        self._last = np.where(self._last >= 0, width - 1, -1)

    def _rows_of(self, entities: IntArray) -> IntArray:
        highest = int(entities.max(initial=0))
        if highest >= len(self._row):
            self._row = np.append(self._row, np.full(highest + 1 + highest // 2 - len(self._row), -1, np.int64))
        unknown = entities[self._row[entities] < 0]
        if len(unknown):
            self._row[unknown] = np.arange(self._rows, self._rows + len(unknown))
            self._rows += len(unknown)
            if self._rows > len(self._last):
                self._lengthen(self._rows + self._rows // 2)
        return self._row[entities]

    def _lengthen(self, rows: int) -> None:
        more = rows - len(self._last)
        self._last = np.append(self._last, np.full(more, -1, np.int64))
        self._newest = np.append(self._newest, np.full(more, _NEVER, np.int64))
        self._value = np.append(self._value, np.zeros(more))
        width = self._at.shape[1]
        self._at, self._count = (
            np.vstack((column, np.zeros((more, width), np.int64))) for column in (self._at, self._count)
        )
        self._sum, self._low, self._high, self._first = (
            np.vstack((column, np.zeros((more, width)))) for column in (self._sum, self._low, self._high, self._first)
        )
