"""The hot path against a slow one that files value after value, and against anything a sender may think of."""

import asyncio
import json
import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ingest_world import IRI, TYPES, hanoi, message, opened

from dothi.access.policy import LOCAL_OPERATOR
from dothi.data.batch import split_value
from dothi.data.checks import Checks
from dothi.data.intake import MAX_READINGS, Draft, Intake
from dothi.devices.registry import DeviceSpec, MappingRule, Registry
from dothi.model.clock import to_micros
from dothi.model.entity import LOCATION
from dothi.model.reading import Reason
from dothi.model.text import nfc
from dothi.testing.clock import FixedClock

NOW = datetime(2026, 5, 14, 12, tzinfo=UTC)
ALIAS = {"bui": MappingRule("pm25"), "kelvin": MappingRule("temperature", "KEL")}


@pytest.fixture(scope="module")
def intake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Intake]:
    """An intake that knows the devices a and b (which maps two keys), and refuses c."""
    with opened(Path(tmp_path_factory.mktemp("city"))) as (database, writer):
        registry = Registry(database, hanoi(), FixedClock(NOW), TYPES, writer)

        async def admit() -> None:
            await registry.register(LOCAL_OPERATOR, DeviceSpec("a", "Station"))
            await registry.register(LOCAL_OPERATOR, DeviceSpec("b", "Station", mapping=ALIAS))
            await registry.register(LOCAL_OPERATOR, DeviceSpec("c", "Station"))
            await registry.refuse(LOCAL_OPERATOR, "c")

        asyncio.run(admit())
        yield Intake(registry, TYPES, writer.index, Checks(), set)


def drafted(intake: Intake, *bodies: Any) -> list[Draft]:
    """What is drafted of bodies that came together."""
    return list(intake.draft([message(body, NOW) for body in bodies], to_micros(NOW)))


def rows_of(intake: Intake, drafts: list[Draft]) -> list[tuple[str, str, int, float | None, str | None]]:
    """(entity, attribute, observed at, number, other) of every row."""
    index, rows = intake._index, []
    for draft in drafts:
        columns = draft.readings
        others = columns.other or [None] * len(columns)
        for series, at, number, other in zip(
            columns.series.tolist(), columns.observed_at.tolist(), columns.number.tolist(), others, strict=True
        ):
            owner = index.urn(int(index.entity_of(columns.series[:1] * 0 + series)[0]))
            rows.append((owner[-1], index.attribute_of(series), at, None if math.isnan(number) else number, other))
    return rows


keys = st.sampled_from(["pm25", "temperature", "index", "note", "setup", "bui", "kelvin", "strange"])
plain = st.one_of(st.floats(-50, 1_500).map(lambda x: round(x, 2)), st.integers(-5, 2_000))
cells = st.one_of(
    plain, plain, plain, st.text(max_size=3), st.none(), st.booleans(), st.lists(st.integers(0, 3), max_size=2)
)
items = st.fixed_dictionaries(
    {
        "device": st.sampled_from(["a", "a", "b", "b", "c", "nobody"]),
        "at": st.integers(0, 100).map(lambda hours: NOW - timedelta(hours=hours)),
        "values": st.dictionaries(keys, cells, min_size=1, max_size=6),
    }
)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(items, max_size=4), max_size=6))
def test_every_value_goes_where_a_slow_clerk_would_put_it(intake: Intake, bodies: list[list[dict[str, Any]]]) -> None:
    drafts = drafted(intake, *bodies)
    expected, strange, unknown, refused = [], 0, 0, 0
    for item in (item for body in bodies for item in body):
        device = item["device"]
        unknown += device == "nobody"
        refused += device == "c"
        if device not in ("a", "b"):
            continue
        odd = {key for key in item["values"] if key == "strange" or (key in ALIAS and device == "a")}
        strange += bool(odd)
        for key, value in item["values"].items():
            if key in odd:
                continue
            name = {"bui": "pm25", "kelvin": "temperature"}.get(key, key)
            number, other = split_value(nfc(value) if isinstance(value, str) else value)
            if key == "kelvin" and other is None:
                number += -273.15
            expected.append((device, IRI + name, to_micros(item["at"]), None if math.isnan(number) else number, other))
    found = rows_of(intake, drafts)
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert one[:3] + one[4:] == other[:3] + other[4:]
        assert one[3] == (other[3] if other[3] is None else pytest.approx(other[3]))
    empty = bodies.count([])  # even a body without a message is held, so that its sender hears of it
    assert sum(len(draft.quarantine) for draft in drafts) == strange + empty
    assert sum(len(draft.unknown) for draft in drafts) == unknown
    assert sum(draft.refused for draft in drafts) == refused


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
hostile = st.one_of(
    st.binary(max_size=80),
    json_values,
    st.fixed_dictionaries({"device": st.sampled_from(["a", "b"]), "values": st.dictionaries(keys, json_values, max_size=4)}),
    st.fixed_dictionaries({"device": st.just("a"), "at": json_values, "values": st.just({"pm25": 1})}),
    st.fixed_dictionaries(
        {
            "device": st.just("a"),
            "values": st.dictionaries(
                keys, st.fixed_dictionaries({"value": json_values}, optional={"unit": json_values}), min_size=1, max_size=4
            ),
        }
    ),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(hostile, max_size=5))
def test_nothing_a_sender_writes_stops_the_intake(intake: Intake, bodies: list[Any]) -> None:
    written = [body if isinstance(body, bytes) else json.dumps(body).encode() for body in bodies]
    drafts = drafted(intake, *written, {"device": "a", "at": NOW, "values": {"pm25": 12.5}})
    assert ("a", IRI + "pm25", to_micros(NOW), 12.5, None) in rows_of(intake, drafts)
    for draft in drafts:
        assert not (draft.readings.number[draft.readings.grade == 0] == math.inf).any()


def test_drafts_are_cut_at_the_size_of_a_batch(intake: Intake) -> None:
    body = [{"device": "a", "at": NOW - timedelta(seconds=n), "values": {"pm25": 1.0, "index": n}} for n in range(6_000)]
    sizes = [len(draft.readings) for draft in drafted(intake, body)]
    assert sizes == [MAX_READINGS, MAX_READINGS, 2_000]


def test_a_place_is_a_reading_of_the_location(intake: Intake) -> None:
    rows = rows_of(intake, drafted(intake, {"device": "a", "at": NOW, "values": {"strange": 1}, "location": [105.8, 21.0]}))
    assert rows == [("a", LOCATION, to_micros(NOW), None, '{"coordinates":[105.8,21.0],"type":"Point"}')]


@pytest.mark.parametrize(("ahead", "held"), [(timedelta(hours=23), False), (timedelta(hours=25), True)])
def test_a_clock_that_is_wrong_is_marked_and_one_that_is_absurd_is_held(
    intake: Intake, ahead: timedelta, held: bool
) -> None:
    [draft] = drafted(intake, {"device": "a", "at": NOW + ahead, "values": {"pm25": 5.0}})
    assert [one.reason for one in draft.quarantine] == (["absurd-time"] if held else [])
    assert draft.readings.reasons.tolist() == ([] if held else [Reason.FUTURE])
