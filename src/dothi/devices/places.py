"""Devices that claim one coordinate: copied positions are the commonest lie of a device list."""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
import shapely

from dothi.devices.specs import Device

SAME_PLACE_M = 1.0
_METRES_PER_DEGREE = 111_320.0


def shared_places(devices: Iterable[Device], suspects: Sequence[Device]) -> set[str]:
    """Ids of those that share a place with another device, as far as one of ``suspects`` is of the pair.

    Sharing is to be admitted, of one entity type, on different entities, and within about a metre. Two kinds of sensor on
    one pole are no lie, nor are two on one thing.
    """
    by_type: dict[str, list[Device]] = defaultdict(list)
    for device in devices:
        if device.longitude is not None and device.state == "admitted":
            by_type[device.entity_type].append(device)
    asked: dict[str, list[Device]] = defaultdict(list)
    for device in suspects:
        if device.longitude is not None and device.state == "admitted":
            asked[device.entity_type].append(device)
    found: set[str] = set()
    for kind, questioned in asked.items():
        everyone = by_type[kind]
        middle = math.cos(math.radians(questioned[0].latitude or 0.0))
        tree = shapely.STRtree(_points(everyone, middle))
        pairs = tree.query(_points(questioned, middle), predicate="dwithin", distance=SAME_PLACE_M)
        for left, right in zip(*pairs.tolist(), strict=True):
            one, other = questioned[left], everyone[right]
            if one.entity_id != other.entity_id:
                found.update((one.id, other.id))
    return found


def _points(devices: Sequence[Device], middle: float) -> "np.ndarray[tuple[int], np.dtype[np.object_]]":
    """Points in metres on a plane that is true near one latitude: a city is small."""
    places = np.array([(device.longitude, device.latitude) for device in devices], np.float64) * _METRES_PER_DEGREE
    places[:, 0] *= middle
    points: np.ndarray[tuple[int], np.dtype[np.object_]] = shapely.points(places)
    return points
