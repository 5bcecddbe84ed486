"""Windows of many series at once against lists of readings, also where readings come thicker than a window has slots."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dothi.platform.rules.model import Statistic
from dothi.platform.rules.rings import SLOTS, Ring

LENGTH = 1_200_000_000  # 20 minutes
APART = LENGTH // SLOTS
FIGURES = {"mean": np.mean, "min": np.min, "max": np.max, "sum": np.sum, "count": len}


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.integers(1, 3), st.integers(APART, 40 * APART), st.integers(-8, 8).map(float)), max_size=60),
    st.integers(0, 2 * LENGTH),
    st.sampled_from(list(FIGURES)),
)
def test_figures_are_those_of_the_readings(told: list[tuple[int, int, float]], later: int, statistic: Statistic) -> None:
    ring, now = Ring(LENGTH), {1: 0, 2: 0, 3: 0}
    heard: dict[int, list[tuple[int, float]]] = {1: [], 2: [], 3: []}
    for entity, gap, value in told:
        now[entity] += gap
        heard[entity].append((now[entity], value))
        ring.add(np.array([entity]), np.array([now[entity]]), np.array([value]))
    end = max(now.values()) + later
    for entity in ring.entities.tolist():
        inside = [value for at, value in heard[entity] if end - LENGTH < at <= end]
        (found,) = ring.figure(statistic, 1, 0.0, np.array([entity]), np.array([end]))
        (grown,) = ring.change(np.array([entity]), np.array([end]))
        if inside or statistic in ("sum", "count"):
            assert found == pytest.approx(FIGURES[statistic](inside) if inside else 0.0)
        else:
            assert np.isnan(found)
        assert grown == inside[-1] - inside[0] if len(inside) > 1 else np.isnan(grown)


def test_thick_readings_are_kept_in_a_bounded_number_of_slots() -> None:
    ring, every = Ring(LENGTH), 1_000_000
    entities = np.array([7])
    values = np.sin(np.arange(5_000) / 300)
    for second, value in enumerate(values.tolist()):
        ring.add(entities, np.array([second * every]), np.array([value]))
    end = np.array([4_999 * every])
    whole = values[-LENGTH // every :]
    assert ring.figure("mean", 1, 0.9, entities, end)[0] == pytest.approx(whole.mean(), abs=0.01)
    assert ring.figure("max", 1, 0.0, entities, end)[0] == pytest.approx(whole.max(), abs=0.01)
    assert ring.figure("count", 1, 0.0, entities, end)[0] == pytest.approx(len(whole), rel=0.01)
    assert np.isnan(ring.figure("mean", 1, 0.9, entities, end + LENGTH)[0])


def test_a_reading_of_the_same_moment_takes_the_place_of_the_other() -> None:
    ring, one, at = Ring(LENGTH), np.array([1]), np.array([LENGTH])
    ring.add(one, at - 2 * APART, np.array([1.0]))
    ring.add(one, at, np.array([9.0]))
    ring.add(one, at, np.array([3.0]))
    assert ring.figure("mean", 2, 0.0, one, at)[0] == 2.0
    assert ring.change(one, at)[0] == 2.0
