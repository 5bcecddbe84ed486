"""The next 24 hours of a pollutant at every station, from its hourly past alone. Pure: numbers in, numbers out.

Method (ours; README.md tells why and how well): in the logarithm of the hourly mean, the change from the last hour to each
of the next 24 is a linear function of recent hours, running means, the same hours of the days before, the shape of the day
and the city's median. One function for each horizon, the same for all stations, is fitted to the city's own past by iterated
weighted least squares (absolute errors count, not squares) and drawn towards a simple return to the day's mean where the
past is short. The band is the middle 80 % of the errors it makes on halves of the past it was not fitted to.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from dothi.platform.sector import RunContext

HORIZONS = 24
PAST = 60 * 24  # hours it learns from
FRESH = 6  # hours after which a last value is too old to start from
NEEDED = 24  # hours of its own that a station needs before the model speaks for it
CITY_NEEDED = 48  # hours of the whole city's past below which nothing is fitted
STUCK = 12  # equal hourly means in a row that no real air gives
BAND = 0.8
FLOOR = 1.0  # µg/m³: below it, an instrument's noise would be most of the logarithm
_MEANS = (3, 6, 12, 24, 72, 168)
_LAGS = (1, 2, 3, 6)
_RIDGE, _MINOR = 30.0, 10.0  # hours' worth of trust in the simple forecast; how many times more for the minor terms
_RETURN = 0.45  # share of the way back to the day's mean, in the long run
_ROWS = 20_000  # rows a horizon is fitted to
_STRIDES = (1, 5, 7, 11, 13, 17, 19, 23, 25, 29, 31, 35, 37, 41, 43, 47)  # none divides a day: every hour of it takes part
_SHRINK_DAYS = 10.0
_SHRINK_HOURS = 48.0
_ALPHAS = np.linspace(0, 1, 5)
_GROUPS = ((0, 6), (6, 12), (12, 24))

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Past:
    """What is known at an issue: logarithms and what is made of them, (stations, hours); the last hour is the newest."""

    z: Floats
    anchor: Floats
    base: Floats
    city: Floats
    first_hour: int  # of the day, 0–23, of the first column

    @property
    def hours(self) -> int:
        return int(self.z.shape[1])


@dataclass(frozen=True, slots=True)
class _Fitted:
    coefficients: Floats  # (horizons, terms)
    shape: Floats  # (stations, 24): what each hour of the day adds


def run(inputs: Any, context: "RunContext") -> Any:
    """Forecasts for every issue and station.

    ``inputs``: ``local_hour`` (0–23, the city's hour of the first column), ``issues`` (each the number of leading hours
    known at that moment; nothing behind them is looked at), ``stations`` (id → hourly means in µg/m³, null for a missing
    one). Returns ``forecasts``, for each issue and station: ``issue``, ``entity``, ``method`` (``model``; ``few`` or
    ``stuck``: the last value carried on, with too short a past or a sensor that stands still), ``value``, ``low``, ``high``
    and ``yesterday`` (24 each, µg/m³) and ``persistence``; a station not heard for ``FRESH`` hours gets none.
    """
    ids = list(inputs["stations"])
    found: list[dict[str, Any]] = []
    issues = inputs["issues"] if ids else []
    values = np.array([inputs["stations"][one] for one in ids], dtype=np.float64)
    for number, issue in enumerate(issues):
        context.progress(number / len(issues))
        begin = max(0, issue - PAST)
        for place, one in forecast(values[:, begin:issue], (inputs["local_hour"] + begin) % 24).items():
            found.append({"issue": issue, "entity": ids[place], **one})
    context.progress(1.0)
    return {"forecasts": found}


def forecast(values: Floats, local_hour: int) -> dict[int, dict[str, Any]]:
    """What the known hours (stations, hours) say of the 24 to come, by row; the words are those of ``run``."""
    if not values.size:
        return {}
    usable = np.where(values >= 0, np.maximum(values, FLOOR), np.nan)
    stuck = _stuck(usable)
    clean = np.where(stuck, np.nan, usable)
    last = _carried(usable, FRESH - 1)[:, -1]
    known = np.isfinite(clean).sum(axis=1)
    past = _past(np.log(clean), local_hour)
    able = (known >= NEEDED) & np.isfinite(past.anchor[:, -1]) & ~stuck[:, -1]
    told = _tell(past) if able.any() and np.isfinite(past.city).sum() >= CITY_NEEDED else None
    yesterday = np.full((len(values), HORIZONS), np.nan)
    tail = values[:, -HORIZONS:]
    yesterday[:, HORIZONS - tail.shape[1] :] = np.where(tail >= 0, tail, np.nan)
    found: dict[int, dict[str, Any]] = {}
    for place in np.flatnonzero(np.isfinite(last)).tolist():
        one: dict[str, Any] = {"persistence": _rounded(last[place : place + 1])[0], "yesterday": _rounded(yesterday[place])}
        if told is not None and able[place]:
            one |= {"method": "model"} | {
                name: _rounded(part[place]) for name, part in zip(("value", "low", "high"), told, strict=True)
            }
        else:
            method = "stuck" if stuck[place, -1] else "few"
            one |= {"method": method, "value": [one["persistence"]] * HORIZONS, "low": None, "high": None}
        found[place] = one
    return found


def _tell(past: _Past) -> tuple[Floats, Floats, Floats]:
    """Value, low and high for the hours after the last, (stations, horizons), µg/m³."""
    middle = past.hours // 2
    early = np.arange(past.hours) < middle
    halves = [(_fit(past, early), ~early), (_fit(past, ~early), early)]
    errors, truth_log, change = _left_out(past, halves)
    weight = _weights(errors, truth_log, change)
    errors = errors + (1 - weight[None, :, None]) * change  # the error of the weighted change
    step = _changes(past, _fit(past, np.ones(past.hours, bool)), np.array([past.hours - 1]))[..., 0] * weight
    centre = past.anchor[:, -1:] + step
    low, high = _band(errors)
    return np.exp(centre), np.exp(centre + low), np.exp(centre + high)


def _past(z: Floats, local_hour: int) -> _Past:
    anchor = _carried(z, FRESH - 1)
    parts = [_moved(z, lag) - anchor for lag in _LAGS]
    parts += [_running(z, length) - anchor for length in _MEANS]
    enough = np.isfinite(z).sum(axis=0) >= 3
    city = np.full(z.shape[1], np.nan)
    if enough.any():
        city[enough] = np.nanmedian(z[:, enough], axis=0)
    now = _carried(city[None, :], FRESH - 1)
    against = (now - _moved(now, 1), now - _moved(now, 3), now - _running(now, 24))
    parts += [now - anchor, *(np.broadcast_to(one, z.shape) for one in against)]
    single = city if len(z) > 2 else z[0]
    return _Past(z, anchor, np.nan_to_num(np.stack(parts, axis=-1)), single, local_hour)


def _terms(past: _Past, shape: Floats, at: NDArray[np.intp], horizon: int) -> Floats:
    """The terms of the hours ``at`` for one horizon, (stations, hours, terms); the last is the constant."""
    anchor, base = past.anchor[:, at], past.base[:, at]
    same = _column(past.z, at + horizon - 24)
    before = _column(past.z, at + horizon - 48)
    moved = same - _column(past.z, at - 24)
    then, now = (at + horizon + past.first_hour) % 24, (at + past.first_hour) % 24
    angle = 2 * np.pi * then / 24
    city = _column(past.city[None, :], at + horizon - 24) - _column(past.city[None, :], at - 24)
    wide = [np.broadcast_to(one, anchor.shape) for one in (np.cos(angle)[None, :], np.sin(angle)[None, :], city)]
    more = np.stack([same - anchor, shape[:, then] - shape[:, now], before - anchor, moved, *wide], axis=-1)
    return np.concatenate([base, np.nan_to_num(more), np.ones((*anchor.shape, 1))], axis=-1)


_BASE = len(_LAGS) + len(_MEANS) + 4
_MEAN_6, _MEAN_24, _CITY = len(_LAGS) + 1, len(_LAGS) + 3, len(_LAGS) + len(_MEANS)
_MAJOR = (_MEAN_6, _MEAN_24, _CITY, _BASE, _BASE + 1)  # running means, the city, yesterday and the shape of the day
_COUNT = _BASE + 8


def _fit(past: _Past, allowed: NDArray[np.bool_]) -> _Fitted:
    """Coefficients from the allowed hours only: both the hour that speaks and the hour spoken of must be among them."""
    shape = _shape_of_day(past, allowed)
    penalty = np.full(_COUNT, _RIDGE * _MINOR)
    penalty[list(_MAJOR)] = _RIDGE
    penalty[-1] = _RIDGE * _MINOR / 10
    coefficients = np.zeros((HORIZONS, _COUNT))
    for horizon in range(1, HORIZONS + 1):
        towards = np.zeros(_COUNT)
        towards[_MEAN_24] = _RETURN * (1 - np.exp(-horizon / 6))
        at = np.arange(past.hours - horizon)
        at = at[allowed[at] & allowed[at + horizon]]
        at = at[:: _stride(len(at) * len(past.z))]
        if not len(at):
            coefficients[horizon - 1] = towards
            continue
        aim = past.z[:, at + horizon] - past.anchor[:, at]
        known = np.isfinite(aim)
        # Stations breathe the same air: an hour counts as one, however many of them tell of it.
        share = np.broadcast_to(1 / np.maximum(known.sum(axis=0), 1), aim.shape)[known]
        terms, aim = _terms(past, shape, at, horizon)[known], aim[known]
        level = np.exp(np.broadcast_to(past.anchor[:, at], known.shape)[known])
        coefficients[horizon - 1] = _solve(
            terms, aim, share * level / level.mean() if len(level) else share, penalty, towards
        )
    return _Fitted(coefficients, shape)


def _solve(terms: Floats, aim: Floats, weight: Floats, penalty: Floats, towards: Floats) -> Floats:
    pull, hold = penalty * towards, np.diag(penalty)
    solution: Floats = towards
    now = weight
    for _ in range(3):
        weighted = terms * now[:, None]
        solution = np.asarray(np.linalg.solve(terms.T @ weighted + hold, weighted.T @ aim + pull), np.float64)
        now = weight * 0.2 / np.maximum(np.abs(aim - terms @ solution), 0.05)
    return solution


def _changes(past: _Past, fitted: _Fitted, at: NDArray[np.intp]) -> Floats:
    """The change from the anchor that the fit says, (stations, horizons, hours)."""
    return np.stack(
        [_terms(past, fitted.shape, at, 1 + place) @ fitted.coefficients[place] for place in range(HORIZONS)], axis=1
    )


def _left_out(past: _Past, halves: list[tuple[_Fitted, NDArray[np.bool_]]]) -> tuple[Floats, Floats, Floats]:
    """Errors on the hours a fit had not seen, what came, and the change that was said; logarithms, (…, horizons, hours)."""
    errors, truths, changes = [], [], []
    for fitted, unseen in halves:
        at = np.flatnonzero(unseen)
        at = at[at >= FRESH]
        at = at[:: _stride(len(at) * len(past.z))]
        change = _changes(past, fitted, at)
        came = np.stack([_column(past.z, at + horizon) for horizon in range(1, HORIZONS + 1)], axis=1)
        errors.append(came - past.anchor[:, None, at] - change)
        truths.append(came)
        changes.append(change)
    return np.concatenate(errors, axis=-1), np.concatenate(truths, axis=-1), np.concatenate(changes, axis=-1)


def _weights(errors: Floats, came: Floats, change: Floats) -> Floats:
    """How much of the change to believe at each horizon, from 0 (persistence) to 1: what did best on hours not seen."""
    weight = np.ones(HORIZONS)
    for first, end in _GROUPS:
        part = np.s_[:, first:end]
        real, said, error = came[part], change[part], errors[part]
        known = np.isfinite(error)
        if not known.any():
            continue
        real, said, error = real[known], said[known], error[known]
        costs = [np.abs(np.exp(real) - np.exp(real - error - (1 - alpha) * said)).mean() for alpha in _ALPHAS]
        weight[first:end] = _ALPHAS[int(np.argmin(costs))]
    return weight


def _band(errors: Floats) -> tuple[Floats, Floats]:
    """The low and high end of the middle ``BAND`` of the errors, (stations, horizons): all stations' together, wider or
    narrower where a station's own errors say so, and never narrower for a later hour."""
    tail = (1 - BAND) / 2
    typical = np.nanmedian(np.abs(errors))
    count = np.isfinite(errors).sum(axis=(1, 2)) / HORIZONS
    own = np.array([np.nanmedian(np.abs(one)) if np.isfinite(one).any() else typical for one in errors])
    scale = (count * own + _SHRINK_HOURS * typical) / (count + _SHRINK_HOURS) / max(typical, 1e-9)
    even = errors / scale[:, None, None]
    low, high = (
        np.array([np.nanquantile(even[:, place], share) for place in range(HORIZONS)]) for share in (tail, 1 - tail)
    )
    low, high = np.minimum.accumulate(np.minimum(low, 0)), np.maximum.accumulate(np.maximum(high, 0))
    return scale[:, None] * low, scale[:, None] * high


def _shape_of_day(past: _Past, allowed: NDArray[np.bool_]) -> Floats:
    """What each hour of the day adds to the mean of the 24 hours around, (stations, 24), smooth and drawn to the city's."""
    around = _running(past.z, 25)
    centred = np.full(past.z.shape, np.nan)
    centred[:, : past.hours - 12] = past.z[:, : past.hours - 12] - around[:, 12:]
    centred[:, ~allowed] = np.nan
    hour = (np.arange(past.hours) + past.first_hour) % 24
    shape = np.zeros((len(past.z), 24))
    for one in range(24):
        part = centred[:, hour == one]
        known = np.isfinite(part)
        days = known.any(axis=0).sum()
        city = np.nanmean(part) * days / (days + _SHRINK_DAYS) if days else 0.0
        count = known.sum(axis=1)
        shape[:, one] = city + np.where(known, part - city, 0).sum(axis=1) / (count + _SHRINK_DAYS)
    return np.asarray((np.roll(shape, 1, axis=1) + 2 * shape + np.roll(shape, -1, axis=1)) / 4)


def _stuck(values: Floats) -> NDArray[np.bool_]:
    """Hours inside a run of at least ``STUCK`` equal means."""
    found = np.zeros(values.shape, bool)
    if values.shape[1] < STUCK:
        return found
    same = np.zeros(values.shape, np.int64)
    for place in range(1, values.shape[1]):
        same[:, place] = np.where(values[:, place] == values[:, place - 1], same[:, place - 1] + 1, 0)
    for row, end in np.argwhere(same >= STUCK - 1):
        found[row, end - STUCK + 1 : end + 1] = True
    return found


def _carried(values: Floats, most: int) -> Floats:
    """Each hour's value, or the last one known at most ``most`` hours before."""
    found = values
    for back in range(1, most + 1):
        found = np.where(np.isfinite(found), found, _moved(values, back))
    return found


def _moved(values: Floats, hours: int) -> Floats:
    found = np.full(values.shape, np.nan)
    if hours < values.shape[1]:
        found[:, hours:] = values[:, : values.shape[1] - hours]
    return found


def _column(values: Floats, at: NDArray[np.intp]) -> Floats:
    """Columns by number; not a number outside."""
    inside = (at >= 0) & (at < values.shape[1])
    found = values[:, np.where(inside, at, 0)]
    return np.where(inside, found, np.nan)


def _running(values: Floats, length: int) -> Floats:
    """The mean of the ``length`` hours up to each, where a quarter of them is known."""
    known = np.isfinite(values)
    sums, counts = np.cumsum(np.where(known, values, 0), axis=1), np.cumsum(known, axis=1, dtype=np.float64)
    total, count = sums.copy(), counts.copy()
    total[:, length:] -= sums[:, :-length]
    count[:, length:] -= counts[:, :-length]
    return np.where(count >= max(1, length // 4), total / np.maximum(count, 1), np.nan)


def _stride(rows: int) -> int:
    return next((one for one in _STRIDES if rows / one <= _ROWS), _STRIDES[-1])


def _rounded(values: Floats) -> list[float | None]:
    return [round(float(one), 1) if np.isfinite(one) else None for one in values]
