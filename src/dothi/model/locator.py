"""Which shape covers a point, in microseconds: a raster over all shapes decides most points without geometry."""

from collections.abc import Sequence

import numpy as np
import shapely
from numpy.typing import ArrayLike, NDArray
from shapely.geometry.base import BaseGeometry

# A raster cell holds the position of the shape that covers it whole, _OUTSIDE, or, on an edge, _ASK - n: the n-th list of
# candidates must be asked.
_OUTSIDE = -1
_ASK = -2
_CELLS = 50_000
_ROUNDING = 1e-9  # degrees by which a cell is widened, so that rounding a point into its neighbour changes no answer


class Locator:
    """Answers which of ``shapes`` (EPSG:4326) covers a point; the first in order where several do, edges included."""

    def __init__(self, shapes: Sequence[BaseGeometry]) -> None:
        self._shapes = tuple(shapes)
        west, south, east, north = (float(edge) for edge in shapely.total_bounds(np.array(self._shapes, dtype=object)))
        self._west, self._south = west - 1e-6, south - 1e-6
        width, height = east + 1e-6 - self._west, north + 1e-6 - self._south
        if not (width > 0 and height > 0):
            raise ValueError("a locator needs at least one shape with an extent")
        side = (width * height / _CELLS) ** 0.5
        self._columns, self._rows = max(1, int(width / side)), max(1, int(height / side))
        self._per_x, self._per_y = self._columns / width, self._rows / height
        self._codes, self._candidates = self._rasterise()
        self._codes_list: list[int] = self._codes.tolist()  # one item of a list is read ten times faster than of an array

    def _rasterise(self) -> tuple[NDArray[np.int32], list[tuple[int, ...]]]:
        codes = np.full(self._columns * self._rows, _OUTSIDE, dtype=np.int32)
        asked: dict[int, list[int]] = {}
        for position, shape in enumerate(self._shapes):
            if shape.is_empty:
                continue
            # Preparing is lazy inside GEOS and not safe in two threads at once: one question here finishes it.
            shapely.prepare(shape)
            shapely.intersects_xy(shape, self._west, self._south)
            cells, boxes = self._boxes(shape.bounds)
            touched = shapely.intersects(shape, boxes)
            inside = shapely.contains_properly(shape, boxes)
            for cell, whole in zip(cells[touched].tolist(), inside[touched].tolist(), strict=True):
                if cell in asked:
                    asked[cell].append(position)
                elif codes[cell] == _OUTSIDE:
                    if whole:
                        codes[cell] = position
                    else:
                        asked[cell] = [position]
        codes[list(asked)] = _ASK - np.arange(len(asked), dtype=np.int32)
        return codes, [tuple(positions) for positions in asked.values()]

    def _boxes(self, bounds: tuple[float, float, float, float]) -> tuple[NDArray[np.int64], NDArray[np.object_]]:
        west, south, east, north = bounds
        columns = np.arange(self._column(west - _ROUNDING), self._column(east + _ROUNDING) + 1)
        rows = np.arange(self._row(south - _ROUNDING), self._row(north + _ROUNDING) + 1)
        column, row = (grid.ravel() for grid in np.meshgrid(columns, rows))
        boxes = shapely.box(
            self._west + column / self._per_x - _ROUNDING,
            self._south + row / self._per_y - _ROUNDING,
            self._west + (column + 1) / self._per_x + _ROUNDING,
            self._south + (row + 1) / self._per_y + _ROUNDING,
        )
        return row * self._columns + column, boxes

    def _column(self, x: float) -> int:
        return min(max(int((x - self._west) * self._per_x), 0), self._columns - 1)

    def _row(self, y: float) -> int:
        return min(max(int((y - self._south) * self._per_y), 0), self._rows - 1)

    def at(self, x: float, y: float) -> int:
        """Position of the first shape that covers the point, or -1. A coordinate that is not a number lies nowhere."""
        column, row = (x - self._west) * self._per_x, (y - self._south) * self._per_y
        if not (0 <= column < self._columns and 0 <= row < self._rows):
            return _OUTSIDE
        code = self._codes_list[int(row) * self._columns + int(column)]
        if code > _ASK:
            return code
        for position in self._candidates[_ASK - code]:
            if shapely.intersects_xy(self._shapes[position], x, y):
                return position
        return _OUTSIDE

    def at_many(self, xs: ArrayLike, ys: ArrayLike) -> NDArray[np.int32]:
        """``at`` for many points at once: an int32 array of positions, -1 where no shape covers the point."""
        x, y = np.asarray(xs, dtype=float), np.asarray(ys, dtype=float)
        if x.ndim != 1 or x.shape != y.shape:
            raise ValueError(f"needs two equally long lists of coordinates, got shapes {x.shape} and {y.shape}")
        column, row = (x - self._west) * self._per_x, (y - self._south) * self._per_y
        near = (column >= 0) & (column < self._columns) & (row >= 0) & (row < self._rows)
        found = np.full(x.shape, _OUTSIDE, dtype=np.int32)
        found[near] = self._codes[row[near].astype(np.int64) * self._columns + column[near].astype(np.int64)]
        pending = np.flatnonzero(found <= _ASK)
        if pending.size:
            lists = [self._candidates[which] for which in (_ASK - found[pending]).tolist()]
            points = np.repeat(pending, [len(positions) for positions in lists])
            positions = np.concatenate([np.array(one) for one in lists])
            found[pending] = _OUTSIDE
            for position in np.unique(positions).tolist():
                open_points = points[positions == position]
                open_points = open_points[found[open_points] == _OUTSIDE]
                covered = shapely.intersects_xy(self._shapes[position], x[open_points], y[open_points])
                found[open_points[covered]] = position
        return found
