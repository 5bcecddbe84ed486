"""VN_AQI, hourly with NowCast and daily, as Decision 1459/QĐ-TCMT of 2019-11-12 computes it. Pure; all in µg/m³."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import floor

INDEX_STEPS = (0.0, 50.0, 100.0, 150.0, 200.0, 300.0, 400.0, 500.0)
# The decision's table: the concentrations at which a row reaches the index steps above.
BREAKPOINTS: dict[str, tuple[float, ...]] = {
    "o3_1h": (0, 160, 200, 300, 400, 800, 1000, 1200),
    "o3_8h": (0, 100, 120, 170, 210, 400),
    "co": (0, 10_000, 30_000, 45_000, 60_000, 90_000, 120_000, 150_000),
    "so2": (0, 125, 350, 550, 800, 1600, 2100, 2630),
    "no2": (0, 100, 200, 700, 1200, 2350, 3100, 3850),
    "pm10": (0, 50, 150, 250, 350, 420, 500, 600),
    "pm25": (0, 25, 50, 80, 150, 250, 350, 500),
}
HOURS = 12
PARTICLES = ("pm25", "pm10")
GASES = ("no2", "so2", "co")
# Shares of a period that must be there before its mean is used in the daily index: ours, the decision's text is not at hand.
DAY_HOURS_NEEDED = 18
EIGHT_HOURS_NEEDED = 6


@dataclass(frozen=True, slots=True)
class Index:
    """A VN_AQI: ``value`` 0–500, the pollutant that makes it, each pollutant's own index, all rounded to integers.

    ``beyond_scale`` is True if a concentration lies above the last breakpoint, where the decision says nothing.
    """

    value: int
    dominant: str
    parts: dict[str, int]
    beyond_scale: bool = False


def sub_index(row: str, concentration: float) -> float | None:
    """The unrounded index of one concentration (µg/m³) by a row of ``BREAKPOINTS``.

    None where the row ends before the scale does (8 h ozone above 400); 500 above the last breakpoint. Raises ValueError
    for a negative or undefined concentration, KeyError for an unknown row.
    """
    points = BREAKPOINTS[row]
    if not concentration >= 0:
        raise ValueError(f"{concentration!r} is no concentration")
    if concentration > points[-1]:
        return 500.0 if len(points) == len(INDEX_STEPS) else None
    step = min(bisect_right(points, concentration), len(points) - 1)
    low, high = points[step - 1], points[step]
    index_low, index_high = INDEX_STEPS[step - 1], INDEX_STEPS[step]
    return (index_high - index_low) / (high - low) * (concentration - low) + index_low


def nowcast(hours: Sequence[float | None]) -> float | None:
    """The NowCast concentration of up to 12 hourly means in µg/m³, the newest first; None for a missing hour.

    w = max(½, min/max). For w > ½ it is Σwⁱ⁻¹cᵢ / Σwⁱ⁻¹, for w = ½ it is Σ(½)ⁱcᵢ; a missing hour has weight 0. None unless
    two of the newest three hours are there. The second sum is not divided by its weights: the decision does not do it, so
    with w = ½ a missing hour lowers the result.
    """
    if sum(value is not None for value in hours[:3]) < 2:
        return None
    known = [(age, value) for age, value in enumerate(hours[:HOURS]) if value is not None]
    values = [value for _, value in known]
    highest = max(values)
    if highest == 0:
        return 0.0
    ratio = min(values) / highest
    if ratio <= 0.5:
        return sum(0.5 ** (age + 1) * value for age, value in known)
    weights = [ratio**age for age, _ in known]
    # Rounding in the division can leave the mean a hair outside its inputs; a mean is never outside.
    mean = sum(weight * value for weight, value in zip(weights, values, strict=True)) / sum(weights)
    return min(max(mean, min(values)), highest)


def hourly(hours: Mapping[str, Sequence[float | None]]) -> Index | None:
    """The hourly VN_AQI from hourly means (µg/m³), per pollutant, the newest first; particles want 12, gases use the first.

    None without PM2.5 and PM10. Ozone is judged by its 1 h row.
    """
    rows: dict[str, float] = {}
    for name in PARTICLES:
        value = nowcast(hours.get(name, ()))
        if value is not None:
            rows[name] = value
    if not rows:
        return None
    for name, row in (*((gas, gas) for gas in GASES), ("o3", "o3_1h")):
        series = hours.get(name, ())
        if series and series[0] is not None:
            rows[row] = series[0]
    return _index(rows)


def daily(hours: Mapping[str, Sequence[float | None]]) -> Index | None:
    """The VN_AQI of a day from its 24 hourly means (µg/m³) per pollutant, in the order of the day; None for a missing hour.

    Particles by their 24 h mean (18 hours needed), NO₂, SO₂, CO by the highest hour, ozone by the larger of the highest hour
    and the highest 8 h mean within the day (6 of 8 hours needed; skipped above 400). None without PM2.5 and PM10.
    """
    rows: dict[str, float] = {}
    for name in PARTICLES:
        known = [value for value in hours.get(name, ()) if value is not None]
        if len(known) >= DAY_HOURS_NEEDED:
            rows[name] = sum(known) / len(known)
    if not rows:
        return None
    for name, row in (*((gas, gas) for gas in GASES), ("o3", "o3_1h")):
        known = [value for value in hours.get(name, ()) if value is not None]
        if known:
            rows[row] = max(known)
    eight = [mean for mean in running_means(hours.get("o3", ()), 8, EIGHT_HOURS_NEEDED) if mean is not None]
    if eight:
        rows["o3_8h"] = max(eight)
    return _index(rows)


def running_means(hours: Sequence[float | None], length: int, needed: int) -> list[float | None]:
    """The mean of every ``length`` consecutive values inside ``hours``; None where fewer than ``needed`` are known."""
    means: list[float | None] = []
    for start in range(len(hours) - length + 1):
        known = [value for value in hours[start : start + length] if value is not None]
        means.append(sum(known) / len(known) if len(known) >= needed else None)
    return means


def _index(rows: Mapping[str, float]) -> Index:
    parts: dict[str, float] = {}
    beyond = False
    for row, concentration in rows.items():
        part = sub_index(row, concentration)
        if part is None:
            continue
        name = row.split("_")[0]
        parts[name] = max(part, parts.get(name, 0.0))
        beyond = beyond or concentration > BREAKPOINTS[row][-1]
    dominant = max(parts, key=lambda name: parts[name])
    return Index(_rounded(parts[dominant]), dominant, {name: _rounded(part) for name, part in parts.items()}, beyond)


def _rounded(value: float) -> int:
    # Half goes up; the inner rounding takes away the noise of binary fractions, so that 109.49999999999999 is 109.5.
    return floor(round(value, 9) + 0.5)
