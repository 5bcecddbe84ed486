"""The air of a ward that has no station of its own: inverse distance weighting, with its own error beside it. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

EARTH_KM = 6371.0088
POWER = 2.0
FARTHEST_KM = 15.0  # a ward whose nearest station is farther gets no value
MOST_LEFT_OUT = 200
TOUCHING_KM = 0.1  # nearer than a station's own surroundings, distance says nothing more


@dataclass(frozen=True, slots=True)
class WardValues:
    """One row per asked place: the value (NaN where the nearest station is too far), that distance in km, its row number."""

    values: Floats
    nearest_km: Floats
    nearest: NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class InterpolationError:
    """Mean absolute error when each place of measurement is guessed from the others, and that of their plain mean."""

    interpolated: float
    naive: float
    places: int

    @property
    def better(self) -> bool:
        """True if interpolating beats the plain mean of the other places."""
        return self.interpolated < self.naive


def distances_km(from_places: Floats, to_places: Floats) -> Floats:
    """Great-circle distances, shape (len(from), len(to)); places are rows of longitude, latitude in degrees (EPSG:4326)."""
    one, other = np.radians(from_places)[:, None, :], np.radians(to_places)[None, :, :]
    half = (other - one) / 2
    chord = np.sin(half[..., 1]) ** 2 + np.cos(one[..., 1]) * np.cos(other[..., 1]) * np.sin(half[..., 0]) ** 2
    return np.asarray(2 * EARTH_KM * np.arcsin(np.sqrt(np.clip(chord, 0.0, 1.0))), dtype=np.float64)


def interpolate(
    stations: Sequence[tuple[float, float]], values: Sequence[float], places: Sequence[tuple[float, float]]
) -> WardValues:
    """The value at ``places`` (longitude, latitude) from ``values`` measured at ``stations``.

    Stations that claim one coordinate count once, with their mean. ``nearest`` numbers the first station there.
    """
    targets = np.array(places, dtype=np.float64).reshape(-1, 2)
    if not stations:
        empty = np.full(len(targets), np.nan)
        return WardValues(empty, np.full(len(targets), np.inf), np.full(len(targets), -1))
    sites, means, first = _sites(stations, values)
    distance = distances_km(targets, sites)
    nearest = np.argmin(distance, axis=1)
    nearest_km = distance[np.arange(len(targets)), nearest]
    found = _weighted(distance, means)
    return WardValues(np.where(nearest_km <= FARTHEST_KM, found, np.nan), nearest_km, first[nearest])


def over_time(stations: Sequence[tuple[float, float]], values: Floats, place: tuple[float, float]) -> Floats:
    """The value at one ``place`` at many moments, by the method of ``interpolate``: shape (moments,), NaN without a value.

    ``values`` has the shape (moments, stations), NaN where a station has none; only stations with a value count.
    """
    if not stations:
        return np.full(len(values), np.nan)
    where = np.array(stations, dtype=np.float64).reshape(-1, 2)
    sites, group = np.unique(where, axis=0, return_inverse=True)
    alike = np.equal(group.reshape(-1, 1), np.arange(len(sites))).astype(np.float64)  # (stations, sites)
    known = np.isfinite(values)
    count = known @ alike
    means = np.where(known, values, 0.0) @ alike / np.maximum(count, 1)
    distance = distances_km(np.array([place]), sites)[0]
    weights = np.maximum(distance, TOUCHING_KM) ** -POWER * (count > 0)
    near = np.where(count > 0, distance, np.inf).min(axis=1) <= FARTHEST_KM
    total = weights.sum(axis=1)
    found = (weights * means).sum(axis=1) / np.where(near, total, 1.0)
    return np.asarray(np.where(near, found, np.nan), dtype=np.float64)


def leave_one_out(stations: Sequence[tuple[float, float]], values: Sequence[float]) -> InterpolationError | None:
    """How wrong the interpolation is right now: each place guessed from all others; None below three places.

    With many places, ``MOST_LEFT_OUT`` spread evenly over them stand for all: the error is an average anyway.
    """
    if not stations:
        return None
    sites, means, _ = _sites(stations, values)
    count = len(sites)
    if count < 3:
        return None
    left_out = np.linspace(0, count - 1, min(count, MOST_LEFT_OUT)).astype(np.intp)
    distance = distances_km(sites[left_out], sites)
    distance[np.arange(len(left_out)), left_out] = np.inf
    truth, guesses = means[left_out], _weighted(distance, means)
    naive = (means.sum() - truth) / (count - 1)
    return InterpolationError(float(np.abs(guesses - truth).mean()), float(np.abs(naive - truth).mean()), len(left_out))


def _sites(stations: Sequence[tuple[float, float]], values: Sequence[float]) -> tuple[Floats, Floats, NDArray[np.intp]]:
    """Stations gathered by coordinate: the places, the mean value at each, the first station at each."""
    where = np.array(stations, dtype=np.float64).reshape(-1, 2)
    sites, first, group = np.unique(where, axis=0, return_index=True, return_inverse=True)
    totals = np.bincount(group.reshape(-1), weights=np.array(values, dtype=np.float64))
    return sites, np.asarray(totals / np.bincount(group.reshape(-1)), dtype=np.float64), first


def _weighted(distance: Floats, values: Floats) -> Floats:
    weights = np.maximum(distance, TOUCHING_KM) ** -POWER
    return np.asarray(weights @ values / weights.sum(axis=1), dtype=np.float64)
