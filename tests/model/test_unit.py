"""Units: one spelling leads to one unit, and what is converted comes back."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dothi.model.unit import UNITS, Unit, conversion, find_unit

units = st.sampled_from(list(UNITS.values()))


@settings(max_examples=100)
@given(units, units, st.floats(-1e6, 1e6))
def test_a_converted_value_comes_back(source: Unit, target: Unit, value: float) -> None:
    there, back = conversion(source, target), conversion(target, source)
    assert (there is None) == (back is None) == (source.quantity != target.quantity)
    if there is not None and back is not None:
        converted = value * there[0] + there[1]
        assert converted * back[0] + back[1] == pytest.approx(value, rel=1e-9, abs=1e-6)


@settings(max_examples=100)
@given(units, st.floats(allow_nan=False, allow_infinity=False))
def test_a_unit_converts_to_itself_unchanged(unit: Unit, value: float) -> None:
    assert conversion(unit, unit) == (1.0, 0.0)


@pytest.mark.parametrize(
    ("value", "source", "target", "expected"),
    [
        (1.5, "GP", "GQ", 1500.0),
        (0.0, "CEL", "KEL", 273.15),
        (212.0, "FAH", "CEL", 100.0),
        (-40.0, "FAH", "CEL", -40.0),
        (0.42, "C62", "P1", 42.0),
        (1013.25, "A97", "PAL", 101_325.0),
        (36.0, "KMH", "MTS", 10.0),
        (3600.0, "MQH", "MQS", 1.0),
        (2.0, "HUR", "MIN", 120.0),
    ],
)
def test_known_conversions(value: float, source: str, target: str, expected: float) -> None:
    factor, offset = conversion(UNITS[source], UNITS[target]) or (0.0, 0.0)
    assert value * factor + offset == pytest.approx(expected)


@pytest.mark.parametrize("spelling", ["GQ", "µg/m³", "ug/m3", "μg/m³", "μg/m3", "µg/m3"])
def test_micrograms_are_found_however_they_are_spelled(spelling: str) -> None:
    assert find_unit(spelling) is UNITS["GQ"]


def test_every_code_and_symbol_finds_its_own_unit() -> None:
    for unit in UNITS.values():
        assert find_unit(unit.code) is unit
        assert find_unit(unit.symbol) is unit


def test_an_unknown_spelling_finds_nothing() -> None:
    assert find_unit("furlong") is None


def test_concentration_is_no_temperature() -> None:
    assert conversion(UNITS["GQ"], UNITS["CEL"]) is None
