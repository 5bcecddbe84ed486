"""What was exported, imported and exported again is equal: file for file, and as people see it, now and then."""

import tempfile
from pathlib import Path
from typing import Any

from exchange_world import CAMERA, NAME, NOW, PM, STATION, Town, acts, at, contents, row, urn
from hypothesis import given, settings
from hypothesis import strategies as st

from dothi.access.policy import Clearance
from dothi.data.batch import EntityChange
from dothi.model.entity import LOCATION, Attribute, Entity
from dothi.model.reading import Grade, Origin, Reason

NUMBERS = st.integers(0, 2)
VALUES = st.one_of(
    st.integers(0, 3).map(float), st.sampled_from(["=cmd()", "Đống Đa", True, {"a": [1, None]}, ["x"]]), st.none()
)
READ = st.tuples(
    st.just("read"),
    NUMBERS,
    st.integers(-5, 5).map(lambda steps: steps * 700),  # over several days
    VALUES,
    st.integers(-40, 20),
    st.booleans(),
    st.sampled_from([None, "urn:ngsi-ld:Dataset:second"]),
    st.sampled_from([Reason.NONE, Reason.JUMP | Reason.STUCK, Reason.FUTURE]),
)
PLACES = st.tuples(st.floats(105.5, 106.0), st.floats(20.8, 21.2))
CHANGES = st.one_of(
    st.tuples(st.just("state"), NUMBERS, VALUES),
    st.tuples(st.just("place"), NUMBERS, PLACES),
    st.tuples(st.just("observe"), NUMBERS, st.integers(0, 9).map(float)),
    st.tuples(st.just("remove"), NUMBERS),
    st.tuples(st.just("delete"), NUMBERS),
    st.tuples(st.just("again"), NUMBERS),
)


def perform(town: Town, step: tuple[Any, ...], turn: int) -> None:
    """One thing that happens to a city; what makes no sense at that moment is passed over."""
    kind, number = step[0], step[1]
    now = at(turn)
    alive = town.writer is not None and town.writer.index.num(urn(number)) is not None
    if kind == "again":
        entity = Entity(urn(number), CAMERA if number else STATION, {NAME: [Attribute("Property", "Lại")]}, owner="sở")
        town.write(entities=[EntityChange("upsert", entity, Clearance(turn % 3))], now=now)
    elif not alive:
        return
    elif kind == "read":
        _, _, minutes, value, heard, withdrawn, dataset, reasons = step
        more = {"dataset_id": dataset, "reasons": reasons, "grade": Grade.SUSPECT if reasons else Grade.GOOD}
        town.write(row(number, minutes, value, heard, withdrawn=withdrawn, unit="GQ", **more), now=now)
    elif kind == "delete":
        town.write(entities=[EntityChange("delete", Entity(urn(number), ""))], now=now)
    else:
        attributes = {LOCATION if kind == "place" else PM: [] if kind == "remove" else [told(step, turn)]}
        town.write(entities=[EntityChange("merge", Entity(urn(number), "", attributes))], now=now)


def told(step: tuple[Any, ...], turn: int) -> Attribute:
    if step[0] == "state":
        return Attribute("Property", step[2], sub={"https://example.org/note": [Attribute("Property", "x", at(turn))]})
    if step[0] == "place":
        return Attribute("GeoProperty", {"type": "Point", "coordinates": list(step[2])})
    return Attribute("Property", step[2], at(turn), "GQ", origin=Origin.SIMULATED)


@settings(max_examples=40)
@given(steps=st.lists(READ | CHANGES, max_size=14))
def test_a_city_goes_out_and_comes_back_equal(steps: list[tuple[Any, ...]]) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        town, elsewhere = Town(folder / "here", stations=3), Town(folder / "there")
        try:
            for turn, step in enumerate(steps):
                perform(town, step, turn)
            town.export(folder / "first")
            elsewhere.take(folder / "first")
            assert elsewhere.seen() == town.seen()
            elsewhere.export(folder / "second")
            assert contents(folder / "second") == contents(folder / "first")
            before, after = acts(folder / "first"), acts(folder / "second")
            assert after[: len(before)] == before
            assert [act["action"] for act in after[len(before) :]] == ["city.import"]
            # It lives on as the first would have: what is told again is nothing, what is new is new.
            for one in (town, elsewhere):
                perform(one, ("again", 0), 100)
                one.write(row(0, 60, 7.0, 50), now=NOW)
            assert elsewhere.seen()[1] == town.seen()[1]
        finally:
            town.close()
            elsewhere.close()
