"""The forecast is a pure function of the past: what it knows, what it must not know, and what it does with a bad past."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from dothi.services.air import forecast
from dothi.services.air.forecast import HORIZONS, run

Floats = NDArray[np.float64]


class Heard:
    """A run's surroundings that remember what they were told."""

    seed = 7

    def __init__(self, patience: int = 10**6) -> None:
        self.told: list[float] = []
        self._patience = patience

    def progress(self, fraction: float) -> None:
        self.told.append(fraction)
        if len(self.told) > self._patience:
            raise InterruptedError


def air(stations: int = 4, hours: int = 24 * 12, seed: int = 1) -> Floats:
    """A made-up city: a day's shape, slow weather that all stations share, and noise of their own."""
    random = np.random.default_rng(seed)
    hour = np.arange(hours)
    weather = np.cumsum(random.normal(0, 0.06, hours))
    weather = weather - np.linspace(0, weather[-1], hours)
    shape = 0.35 * np.cos((hour % 24 - 7) / 24 * 2 * np.pi)
    own = random.normal(0, 0.08, (stations, hours)) + np.linspace(-0.3, 0.3, stations)[:, None]
    return np.asarray(np.exp(3.4 + weather + shape + own))


def inputs(values: Floats, *issues: int) -> dict[str, Any]:
    listed = {
        f"s{number}": [None if np.isnan(one) else round(float(one), 1) for one in row] for number, row in enumerate(values)
    }
    return {"local_hour": 0, "issues": list(issues) or [values.shape[1]], "stations": listed}


def said(values: Floats, *issues: int) -> dict[tuple[int, str], dict[str, Any]]:
    return {(one["issue"], one["entity"]): one for one in run(inputs(values, *issues), Heard())["forecasts"]}


def test_the_same_past_gives_the_same_forecast_to_the_digit() -> None:
    one = said(air())[288, "s1"]
    assert one["method"] == "model" and one["persistence"] == 23.8
    assert [one["value"][place] for place in (0, 5, 11, 23)] == GOLDEN
    assert all(low <= middle <= high for low, middle, high in zip(one["low"], one["value"], one["high"], strict=True))


GOLDEN = [24.7, 33.0, 30.1, 24.5]


@given(
    issue=st.integers(60, 150),
    later=st.lists(st.one_of(st.none(), st.floats(0, 2000)), min_size=1, max_size=20),
    seed=st.integers(0, 50),
)
@settings(max_examples=15, deadline=None)
def test_no_forecast_depends_on_what_came_after_it(issue: int, later: list[float | None], seed: int) -> None:
    values = air(3, 180, seed)
    changed = values.copy()
    random = np.random.default_rng(seed)
    for place in range(issue, 180):
        chosen = later[int(random.integers(len(later)))]
        changed[:, place] = np.nan if chosen is None else chosen
    before, after = said(values, issue), said(changed, issue)
    assert before == after == said(values[:, :issue], issue)


@given(factor=st.floats(0.5, 4), seed=st.integers(0, 20))
@settings(max_examples=10, deadline=None)
def test_twice_the_dust_is_twice_the_forecast(factor: float, seed: int) -> None:
    values = air(3, 150, seed) + 10
    plain, more = forecast.forecast(values, 0), forecast.forecast(values * factor, 0)
    for place, one in plain.items():
        for name in ("value", "low", "high"):
            assert np.allclose(np.array(one[name]) * factor, more[place][name], rtol=0.004, atol=0.06 * (1 + factor))


def test_the_order_of_stations_does_not_matter() -> None:
    values = air()
    turned = said(values[::-1])
    for (issue, entity), one in said(values).items():
        other = turned[issue, f"s{3 - int(entity[1])}"]
        assert np.allclose(one["value"], other["value"], atol=0.11)


def test_it_is_better_than_both_naive_forecasts_where_there_is_something_to_learn() -> None:
    values = air(4, 24 * 25)
    wrong: dict[str, list[float]] = {"value": [], "persistence": [], "yesterday": []}
    inside = []
    for (issue, entity), one in said(values, *range(24 * 15, 24 * 24, 7)).items():
        came = values[int(entity[1]), issue : issue + HORIZONS]
        wrong["value"] += list(np.abs(np.array(one["value"]) - came))
        wrong["persistence"] += list(np.abs(one["persistence"] - came))
        wrong["yesterday"] += list(np.abs(np.array(one["yesterday"]) - came))
        inside += list((came >= one["low"]) & (came <= one["high"]))
    model, *naive = (float(np.mean(one)) for one in wrong.values())
    assert model < 0.85 * min(naive)
    assert 0.65 < np.mean(inside) < 0.93, "the band of 80 % holds about 80 %"


def test_gaps_new_stations_and_dead_sensors_are_said_as_what_they_are() -> None:
    values = air(6, 24 * 8)
    random = np.random.default_rng(3)
    values[0][random.random(values.shape[1]) < 0.4] = np.nan
    values[1, :-8] = np.nan  # new: eight hours of its own
    values[2, -15:] = values[2, -15]  # stands still
    values[3, -7:] = np.nan  # silent for longer than a forecast can start from
    values[4] = np.nan  # never heard
    found = {entity: one for (_, entity), one in said(values).items()}
    assert {entity: one["method"] for entity, one in found.items()} == {
        "s0": "model",
        "s1": "few",
        "s2": "stuck",
        "s5": "model",
    }
    for one in (found["s1"], found["s2"]):
        assert one["value"] == [one["persistence"]] * HORIZONS and one["low"] is None and one["high"] is None
    assert found["s1"]["yesterday"][:16] == [None] * 16 and None not in found["s1"]["yesterday"][16:]
    assert all(np.isfinite(found["s0"]["value"])) and np.max(found["s0"]["high"]) < 1000


def test_a_young_city_only_carries_on() -> None:
    for hours in (1, 5, 30):
        found = said(air(4, hours))
        assert {one["method"] for one in found.values()} == {"few"} and len(found) == 4
    assert said(np.full((2, 40), np.nan)) == {}
    assert run({"local_hour": 0, "issues": [0], "stations": {}}, Heard()) == {"forecasts": []}


def test_absurd_numbers_do_not_break_it() -> None:
    values = air(3, 24 * 6)
    values[0, 50], values[1, 60], values[2, 70:75] = 0.0, 1e6, -5.0
    for one in said(values).values():
        assert np.all(np.isfinite(one["value"])) and min(one["value"]) > 0


def test_a_run_says_how_far_it_is_and_stops_when_nobody_waits() -> None:
    heard = Heard()
    run(inputs(air(2, 100), 60, 70, 80, 100), heard)
    assert heard.told == [0.0, 0.25, 0.5, 0.75, 1.0]
    with pytest.raises(InterruptedError):
        run(inputs(air(2, 100), 60, 70, 80, 100), Heard(patience=2))
