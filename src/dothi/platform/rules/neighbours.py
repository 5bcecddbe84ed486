"""Which wards of a city touch each other."""

import threading

import numpy as np
import shapely

from dothi.model.city import City

_SLIVER = 0.0005  # degrees, about 50 m: boundaries of different sources do not quite meet


class Neighbours:
    """Asked with a ward's code, tells those that touch it. Worked out once, when it is first asked."""

    def __init__(self, city: City) -> None:
        self._city = city
        self._lock = threading.Lock()
        self._found: dict[str, frozenset[str]] | None = None

    def __call__(self, ward: str) -> frozenset[str]:
        """The codes of the wards around ``ward``; none for one that is not of this city."""
        with self._lock:
            if self._found is None:
                self._found = _touching(self._city)
            return self._found.get(ward, frozenset())


def _touching(city: City) -> dict[str, frozenset[str]]:
    shapes = np.array(city.shapes, dtype=object)
    found: dict[str, set[str]] = {ward.code: set() for ward in city.wards}
    one, other = shapely.STRtree(shapes).query(shapes, predicate="dwithin", distance=_SLIVER)
    for first, second in zip(one.tolist(), other.tolist(), strict=True):
        if first != second:
            found[city.wards[first].code].add(city.wards[second].code)
    return {code: frozenset(around) for code, around in found.items()}
