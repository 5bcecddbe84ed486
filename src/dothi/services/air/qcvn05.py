"""QCVN 05:2023/BTNMT: ambient air limits (µg/Nm³), and whether a run of hourly means exceeds them. Pure.

Values are taken as stations report them, in µg/m³ at ambient conditions; no conversion to normal conditions is made.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal

Averaging = Literal["1h", "8h", "24h", "year"]
HOURS: dict[Averaging, int] = {"1h": 1, "8h": 8, "24h": 24, "year": 8760}
# The share of a period's hours that must be known before its mean is judged: ours, not the regulation's.
CAPTURE = 0.75
PM25_TIGHTENED = date(2026, 1, 1)


@dataclass(frozen=True, slots=True)
class Limit:
    """The highest allowed mean of a pollutant over a period, in µg/Nm³."""

    pollutant: str
    averaging: Averaging
    value: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """A mean held against its limit. ``capture`` is the share of hours known; ``mean`` is None below ``CAPTURE``."""

    limit: Limit
    mean: float | None
    capture: float

    @property
    def exceeded(self) -> bool | None:
        """True if the mean is above the limit, None if too few hours are known to say."""
        return None if self.mean is None else self.mean > self.limit.value


_TABLE: dict[str, dict[Averaging, float]] = {
    "so2": {"1h": 350, "24h": 125, "year": 50},
    "co": {"1h": 30_000, "8h": 10_000},
    "no2": {"1h": 200, "24h": 100, "year": 40},
    "o3": {"1h": 200, "8h": 120},
    "tsp": {"1h": 300, "24h": 200, "year": 100},
    "pm10": {"24h": 100, "year": 50},
    "pm25": {"24h": 45, "year": 25},
}


def limits(pollutant: str, on: date) -> tuple[Limit, ...]:
    """The limits of a pollutant in force on a day in Vietnam; PM2.5 over 24 h: 50 before 2026-01-01, then 45."""
    row = dict(_TABLE.get(pollutant, {}))
    if pollutant == "pm25" and on < PM25_TIGHTENED:
        row["24h"] = 50
    return tuple(Limit(pollutant, averaging, value) for averaging, value in row.items())


def judge(
    pollutant: str, hours: Mapping[datetime, float], end: datetime, on: date, only: Averaging | None = None
) -> tuple[Verdict, ...]:
    """Each limit of a pollutant against the mean of the period that ends at ``end``; ``only`` those of one period.

    ``hours`` are hourly means by the start of their hour; ``end`` is the first moment no longer counted, a whole hour.
    """
    verdicts = []
    for limit in limits(pollutant, on):
        if only not in (None, limit.averaging):
            continue
        length = HOURS[limit.averaging]
        starts = (end - timedelta(hours=back) for back in range(1, length + 1))
        known = [hours[start] for start in starts if start in hours]
        enough = len(known) >= CAPTURE * length
        verdicts.append(Verdict(limit, sum(known) / len(known) if enough else None, len(known) / length))
    return tuple(verdicts)
