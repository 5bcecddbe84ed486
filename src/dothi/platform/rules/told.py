"""Readings as the engine is told them: columns, taken apart so that each part holds one moment of every entity at most."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dothi.data.batch import FloatArray, IntArray

EARLIEST = int(np.iinfo(np.int64).min)


@dataclass(slots=True)
class Told:
    """Readings as columns of one length: whose (number), of which attribute (``Engine.column``), when (µs), what.

    ``number`` is NaN where the value is not a number; ``text`` is then the text, if it is one. ``good`` is False for what is
    graded bad.
    """

    entity: IntArray
    column: IntArray
    at: IntArray
    number: FloatArray
    good: NDArray[np.bool_]
    text: list[str | None] | None = None

    def take(self, rows: IntArray) -> "Told":
        """Some of them."""
        text = None if self.text is None else [self.text[row] for row in rows.tolist()]
        return Told(self.entity[rows], self.column[rows], self.at[rows], self.number[rows], self.good[rows], text)


def fitted(column: IntArray, highest: int) -> IntArray:
    """``column`` with a place for ``highest``."""
    if highest < len(column):
        return column
    return np.append(column, np.full(highest + 1 + highest // 2 - len(column), EARLIEST, np.int64))


def rounds(told: Told) -> Iterator[Told]:
    """The readings in parts, so that no part has two moments of one entity, nor two readings of one series."""
    if not len(told.at):
        return
    order = np.lexsort((told.column, told.at, told.entity))
    entity, at, column = told.entity[order], told.at[order], told.column[order]
    other = np.ones(len(order), np.bool_)
    other[1:] = entity[1:] != entity[:-1]
    later = other.copy()
    later[1:] |= at[1:] != at[:-1]
    last = np.ones(len(order), np.bool_)  # of two values of one moment what was told last counts
    last[:-1] = later[1:] | (column[1:] != column[:-1])
    rank: IntArray = np.cumsum(later)
    rank = rank - np.repeat(rank[other], np.diff(np.append(np.flatnonzero(other), len(order))))
    order, rank = order[last], rank[last]
    if not rank.any():
        yield told.take(order)
        return
    by_rank = np.argsort(rank, kind="stable")
    order, rank = order[by_rank], rank[by_rank]
    for rows in np.split(order, np.flatnonzero(np.diff(rank)) + 1):
        yield told.take(rows)
