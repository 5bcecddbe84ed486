"""Made-up air for a city without data: a plausible day at some thirty ward centres. Pure and seeded; never shown as real."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from math import cos, exp, pi, sin

import numpy as np

from dothi.model.city import Ward
from dothi.services.air.wards import distances_km

COUNT = 30
_DENSE_KM = 3.0
_ZONE_OFFSET_H = 7  # the daily cycle follows Indochina Time


@dataclass(frozen=True, slots=True)
class SimulatedStation:
    """A station that does not exist: at a ward's centre, ``dirt`` times as dusty as the middle of the city's."""

    device: str
    ward: Ward
    dirt: float
    seed: int


def simulated_stations(wards: Sequence[Ward], count: int = COUNT) -> list[SimulatedStation]:
    """At most ``count`` stations at ward centres, denser towards the middle as real networks are; the same every time."""
    if not wards:
        return []
    centres = np.array([(ward.longitude, ward.latitude) for ward in wards])
    middle = centres.mean(axis=0)
    away = distances_km(centres, middle[None, :])[:, 0]
    # Far out, the same distance counts for less: then each next station is the one farthest from all before it.
    angle = np.arctan2(*(centres - middle).T)
    shrunk = np.log1p(away / _DENSE_KM)[:, None] * np.column_stack((np.sin(angle), np.cos(angle)))
    chosen = [int(np.argmin(away))]
    gap = np.linalg.norm(shrunk - shrunk[chosen[0]], axis=1)
    while len(chosen) < min(count, len(wards)):
        chosen.append(int(np.argmax(gap)))
        gap = np.minimum(gap, np.linalg.norm(shrunk - shrunk[chosen[-1]], axis=1))
    stations = []
    for number in chosen:
        ward = wards[number]
        seed = zlib.crc32(f"air {ward.code}".encode())
        dirt = 0.75 + 0.5 * exp(-float(away[number]) / 15) + 0.2 * (seed % 1000) / 1000
        stations.append(SimulatedStation(f"sim-air-{ward.code}", ward, dirt, seed))
    return stations


def simulated_values(station: SimulatedStation, at: datetime) -> dict[str, dict[str, float | str]]:
    """What the station says at a moment: a rush-hour and night-time cycle, slow weather, and noise; the same every time.

    The payload's own form: each value with its UN/CEFACT unit.
    """
    minutes = at.timestamp() / 60
    hour = (minutes / 60 + _ZONE_OFFSET_H) % 24
    day = minutes / 1440
    noise = np.random.default_rng((station.seed, int(minutes))).normal(0.0, 1.0, 8)
    phase = station.seed % 628 / 100
    rush = _peak(hour, 7.5, 1.6) + 0.9 * _peak(hour, 18.0, 2.0)
    still = 0.5 + 0.5 * cos((hour - 3) / 24 * 2 * pi)  # calm nights hold the dust down
    sun = max(0.0, sin((hour - 6) / 12 * pi))
    weather = 1 + 0.35 * sin(day / 4.3 * 2 * pi + 1) + 0.15 * sin(day / 1.7 * 2 * pi + phase)
    dust = station.dirt * weather * (18 + 16 * still + 14 * rush)
    warm = 25 + 5 * sin((hour - 9) / 24 * 2 * pi) + 2 * sin(day / 6 * 2 * pi)
    values = {
        "pm25": dust + 1.5 * noise[0],
        "pm10": dust * 1.6 + 3 * noise[1],
        "no2": station.dirt * (18 + 30 * rush + 8 * still) + 2 * noise[2],
        "so2": station.dirt * (10 + 5 * rush) + noise[3],
        "co": station.dirt * (450 + 650 * rush + 150 * still) + 20 * noise[4],
        "o3": 25 + 85 * sun - 12 * rush + 3 * noise[5],
    }
    shown: dict[str, dict[str, float | str]] = {
        name: {"value": round(max(float(value), 1.0), 1), "unit": "GQ"} for name, value in values.items()
    }
    shown["temp"] = {"value": round(warm + 0.2 * float(noise[6]), 1), "unit": "CEL"}
    humidity = 78 - 2.2 * (warm - 25) + float(noise[7])
    shown["hum"] = {"value": round(min(max(humidity, 20.0), 100.0)), "unit": "P1"}
    return shown


def _peak(hour: float, centre: float, width: float) -> float:
    return exp(-(((hour - centre) / width) ** 2) / 2)
