"""Figures of equal periods of time, as NGSI-LD aggregates (ETSI GS CIM 009 v1.8.1, clause 4.5.19). Moments are µs UTC."""

import re
from bisect import bisect_right
from calendar import monthrange
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from math import sqrt
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from dothi.data.sums import Cell
from dothi.model.clock import from_micros, to_micros
from dothi.model.problem import bad_request

METHODS = ("totalCount", "distinctCount", "sum", "avg", "min", "max", "stddev", "sumsq")
"""The figures there are; ``stddev`` is that of the whole, not of a sample."""

_DURATION = re.compile(
    r"P(?=.)(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?(?:T(?=.)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?"
)
_SECOND = 1_000_000
_LAST = to_micros(datetime.max.replace(tzinfo=UTC))  # a period that ends after the calendar ends with it
_UNITS = (7 * 86_400, 86_400, 3_600, 60, 1)  # seconds in W, D, H, M, S

Figure = list[Any]
"""One figure: its value, where its period begins and where it ends (aware UTC)."""


class Period(NamedTuple):
    """How long a period is: calendar months and µs together. Both 0 is all the time there is, in one."""

    months: int = 0
    micros: int = 0

    def starts(self, anchor: int, last: int) -> list[int]:
        """Where periods of months begin, from ``anchor`` until one holds ``last``."""
        found, first = [anchor], from_micros(anchor)
        while (following := self._after(first, len(found))) <= last:
            found.append(following)
        return found

    def end(self, anchor: int, start: int, place: int) -> int:
        """Where the period ``place`` from ``anchor`` ends, which begins at ``start``."""
        return self._after(from_micros(anchor), place + 1) if self.months else start + self.micros

    def _after(self, first: datetime, times: int) -> int:
        months = first.month - 1 + self.months * times
        year, month = first.year + months // 12, months % 12 + 1
        if year > 9_000:
            return 2**62
        day = min(first.day, monthrange(year, month)[1])
        return to_micros(first.replace(year=year, month=month, day=day)) + self.micros * times


WHOLE_TIME = Period()


def read_period(text: str) -> Period:
    """A duration (ISO 8601, like PT1H, P1D or P1M). Raises Problem 400 for what is none."""
    found = _DURATION.fullmatch(text) if len(text) <= 40 else None
    if found is None:
        raise bad_request(f"aggrPeriodDuration {text[:40]!r} is no duration.", "Write it like PT1H, P1D or P1M.")
    years, months, *rest = found.groups()
    micros = sum(round(float(count) * _SECOND) * unit for count, unit in zip(rest, _UNITS, strict=True) if count)
    period = Period(int(years or 0) * 12 + int(months or 0), micros)
    if period.months > 12_000 or micros > 2**55:
        raise bad_request("aggrPeriodDuration is too long.", "Leave it out for all the time there is.")
    return period


def read_methods(names: Sequence[str]) -> tuple[str, ...]:
    """The figures that are named. Raises Problem 400 for none, and for one that is not known."""
    for name in names:
        if name not in METHODS:
            raise bad_request(f"aggrMethods: there is no {name[:40]!r}.", f"Known: {', '.join(METHODS)}.")
    if not names:
        raise bad_request("Aggregated values need aggrMethods.", f"Known: {', '.join(METHODS)}.")
    return tuple(dict.fromkeys(names))


def of_numbers(
    at: NDArray[np.int64], number: NDArray[np.float64], methods: Sequence[str], period: Period, anchor: int, end: int
) -> dict[str, list[Figure]]:
    """Figures of numbers told at ``at`` (≥ ``anchor``, in order): by method, one for each period that has any.

    ``end`` is where a period that is all there is ends.
    """
    import polars as pl

    place, starts = _places(at, period, anchor)
    x = pl.col("x")
    wanted = {
        "totalCount": pl.len().cast(pl.Int64),
        "distinctCount": x.n_unique().cast(pl.Int64),
        "sum": x.sum(),
        "avg": x.mean(),
        "min": x.min(),
        "max": x.max(),
        "stddev": x.std(ddof=0),
        "sumsq": (x * x).sum(),
    }
    frame = pl.DataFrame({"place": place, "x": number})
    grouped = frame.group_by("place").agg(**{name: wanted[name] for name in methods}).sort("place")
    spans = [_span(starts, period, anchor, end, one) for one in grouped["place"].to_list()]
    return {name: [[value, *span] for value, span in zip(grouped[name], spans, strict=True)] for name in methods}


def of_cells(
    cells: Sequence[Cell], methods: Sequence[str], period: Period, anchor: int, end: int
) -> dict[str, list[Figure]]:
    """``of_numbers`` of what was worked out already, in the order of ``methods``."""
    spans = [_span([], period, anchor, end, cell.place) for cell in cells]
    return {
        name: [[cell.figures[column], *span] for cell, span in zip(cells, spans, strict=True)]
        for column, name in enumerate(methods)
    }


def of_values(
    told: Iterable[tuple[int, Any]], methods: Sequence[str], period: Period, anchor: int, end: int
) -> dict[str, list[Figure]]:
    """``of_numbers`` for whatever values: of texts the least and greatest, of truths and lists 0 and 1 and their lengths;
    a figure that values have none of is left out.
    """
    values = list(told)
    place, starts = _places(np.fromiter((at for at, _ in values), np.int64, len(values)), period, anchor)
    groups: dict[int, list[Any]] = {}
    for one, (_, value) in zip(place.tolist(), values, strict=True):
        groups.setdefault(one, []).append(value)
    answer: dict[str, list[Figure]] = {name: [] for name in methods}
    for one in sorted(groups):
        span = _span(starts, period, anchor, end, one)
        for name in methods:
            figure = _figure(name, groups[one])
            if figure is not None:
                answer[name].append([figure, *span])
    return answer


def _places(moments: NDArray[np.int64], period: Period, anchor: int) -> tuple[NDArray[np.int64], list[int]]:
    """In which period each moment lies, and where those begin that are not all equally long."""
    if period == WHOLE_TIME:
        return np.zeros(len(moments), np.int64), []
    if not period.months:
        return (moments - anchor) // period.micros, []
    starts = period.starts(anchor, int(moments.max(initial=anchor)))
    return np.array([bisect_right(starts, one) - 1 for one in moments.tolist()], np.int64), starts


def _span(starts: list[int], period: Period, anchor: int, end: int, place: int) -> tuple[datetime, datetime]:
    if period == WHOLE_TIME:
        return from_micros(anchor), from_micros(end)
    start = starts[place] if starts else anchor + place * period.micros
    return from_micros(start), from_micros(min(period.end(anchor, start, place), _LAST))


def _figure(name: str, values: list[Any]) -> Any:
    if name == "totalCount":
        return len(values)
    if name == "distinctCount":
        return len({msgspec.json.encode(one, order="sorted") for one in values})
    numbers = [_number(one) for one in values]
    if None in numbers:
        texts = all(isinstance(one, str) for one in values)
        return {"min": min, "max": max}[name](values) if texts and name in ("min", "max") else None
    told = [one for one in numbers if one is not None]
    mean = sum(told) / len(told)
    return {
        "sum": sum(told),
        "avg": mean,
        "min": min(told),
        "max": max(told),
        "stddev": sqrt(sum((one - mean) ** 2 for one in told) / len(told)),
        "sumsq": sum(one * one for one in told),
    }[name]


def _number(value: Any) -> float | None:
    if isinstance(value, list):
        return float(len(value))
    return float(value) if isinstance(value, int | float) else None
