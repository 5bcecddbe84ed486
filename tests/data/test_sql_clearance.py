"""What is hidden from an asker does not exist for them: no question tells a city with it from a city without it."""

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sql_world import KIND, LEVEL, Asked, urn

from dothi.access.policy import Clearance
from dothi.data.sql.answer import Answer, Refusal
from dothi.testing.people import insider

EVERYTHING = "SELECT * FROM {} ORDER BY ALL"
TABLES = ("readings", "readings_hourly", "air_station", "latest", "entities", "series", "devices", "forecasts")
COUNTS = "SELECT " + ", ".join(f"(SELECT count(*) FROM {name})" for name in TABLES)  # noqa: S608 - constants only
# Each of them fails, or says more, if what it computes ever meets a hidden row: its text is no number, its value is 0.
PROBES = (
    "SELECT sum(CAST(text AS INTEGER)) FROM readings WHERE text IS NOT NULL",
    "SELECT count(*) FROM readings WHERE CAST(text AS INTEGER) > 0",
    "SELECT count(*) FROM readings WHERE text IS NOT NULL AND CAST(text AS INTEGER) > 0 AND observed_at < now()",
    "SELECT count(*) FROM readings r JOIN wards w ON CAST(r.text AS INTEGER) = w.population",
    "SELECT count(*) FROM latest WHERE text IS NOT NULL AND CAST(text AS INTEGER) > 0",
    "SELECT count(level) FROM air_station WHERE CAST(level AS INTEGER) > 0",
    "SELECT count(*) FROM readings WHERE 2147483647::INTEGER + value::INTEGER > 0",
    "SELECT max(value), min(value), count(DISTINCT entity), string_agg(name, ',' ORDER BY name) FROM readings",
    "SELECT approx_count_distinct(entity), quantile_cont(value, 0.5), count(DISTINCT ward) FROM readings",
    "SELECT * FROM (SELECT *, row_number() OVER (ORDER BY value DESC) AS n FROM readings) ORDER BY ALL",
    "SELECT w.ward, count(r.value) FROM wards w LEFT JOIN readings r USING (ward) GROUP BY ALL ORDER BY ALL",
    "SELECT name FROM entities WHERE name LIKE '%hidden%'",
)


def city(home: Path, stations: dict[str, Clearance]) -> Asked:
    """A city of these stations; those that begin with h have values that no question may meet by accident."""
    world = Asked(home)
    for name, clearance in stations.items():
        number = float(name[1:])
        world.add(name, clearance, 105.7 + number / 50)
        hidden = name.startswith("h")
        world.tell(name, -number - 1, 0.25 + number)
        world.tell(name, -30, 1 if hidden else -1 - number)
        world.tell(name, -2, "hidden text" if hidden else "7", LEVEL)
        world.tell(name, -2, "hidden still" if hidden else "8", LEVEL, heard=5)
    return world


def same(one: Answer | Refusal, other: Answer | Refusal) -> bool:
    """Equal in all that an asker is shown; how long it took is not."""
    if isinstance(one, Answer) and isinstance(other, Answer):
        return (one.columns, one.rows, one.count, one.more) == (other.columns, other.rows, other.count, other.more)
    return one == other


@pytest.mark.parametrize("clearance", [Clearance.PUBLIC, Clearance.RESTRICTED])
def test_nothing_tells_of_what_is_hidden(tmp_path: Path, clearance: Clearance) -> None:
    """Every table whole, counted and probed, in a city with hidden things beside one that never had them."""
    above = Clearance(clearance + 1)
    asker = insider("analyst", clearance)
    seen = {"s1": clearance, "s2": Clearance.PUBLIC}
    with_hidden = city(tmp_path / "with", {"h9": above, **seen, "h8": Clearance.PERSONAL})
    without = city(tmp_path / "without", seen)
    for text in (*map(EVERYTHING.format, TABLES), COUNTS, *PROBES):
        told = with_hidden.reply(text, asker)
        assert same(told, without.reply(text, asker)), text
        assert "hidden" not in str(told)
        assert urn("h") not in str(told)
    with_hidden.close()
    without.close()


def test_nothing_tells_of_an_attribute_that_is_stricter_than_its_thing(tmp_path: Path) -> None:
    """A city whose stations tell a classified attribute beside one whose stations never told it."""
    strict = tuple(replace(one, clearance=Clearance.RESTRICTED) if one.iri == LEVEL else one for one in KIND.attributes)
    worlds = [Asked(tmp_path / name) for name in ("with", "without")]
    for world in worlds:
        world.world = msgspec.structs.replace(world.world, types=[replace(KIND, attributes=strict)])
        world.add("s1", Clearance.PUBLIC)
        world.tell("s1", -2, 0.25)
    worlds[0].tell("s1", -1, "hidden text", LEVEL)
    worlds[0].tell("s1", -1, "hidden still", LEVEL, heard=5)
    for text in (*map(EVERYTHING.format, TABLES), COUNTS, *PROBES):
        told = worlds[0].reply(text, insider("analyst", Clearance.INTERNAL))
        assert same(told, worlds[1].reply(text, insider("analyst", Clearance.INTERNAL))), text
        assert "hidden" not in str(told)
    for table in ("readings", "latest", "air_station"):
        assert "hidden still" in str(worlds[0].reply(EVERYTHING.format(table), insider("steward", Clearance.RESTRICTED)))
    for world in worlds:
        world.close()


def test_the_probes_do_fail_where_the_asker_sees_the_row(tmp_path: Path) -> None:
    """Else the test above would prove nothing."""
    world = city(tmp_path, {"h9": Clearance.PUBLIC})
    asker = insider("analyst", Clearance.PUBLIC)
    failing = [text for text in PROBES if isinstance(world.reply(text, asker), Refusal)]
    assert len(failing) >= 6
    assert "hidden text" in str(world.reply(PROBES[0], asker)) or "hidden still" in str(world.reply(PROBES[0], asker))
    world.close()


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as made:
        yield Path(made)


clearances = st.sampled_from(list(Clearance))


@given(st.lists(clearances, min_size=1, max_size=4), clearances, st.sampled_from(PROBES), st.sampled_from(TABLES))
@settings(max_examples=8)
def test_whatever_the_clearances_are(
    folder: Path, given_out: list[Clearance], asker_has: Clearance, probe: str, table: str
) -> None:
    """The law at random: what an asker hears depends only on what they may see."""
    home = Path(tempfile.mkdtemp(dir=folder))
    asker = insider("analyst", asker_has)
    stations = {f"{'s' if one <= asker_has else 'h'}{number}": one for number, one in enumerate(given_out)}
    whole = city(home / "whole", stations)
    seen = city(home / "seen", {name: one for name, one in stations.items() if one <= asker_has})
    try:
        for text in (COUNTS, probe, EVERYTHING.format(table)):
            told = whole.reply(text, asker)
            assert same(told, seen.reply(text, asker)), text
            assert "hidden" not in str(told)
    finally:
        whole.close()
        seen.close()
