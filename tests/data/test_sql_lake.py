"""Questions over the lake and the recent table as one: each key once as it stands, only what is asked for is opened."""

from datetime import datetime
from itertools import count
from pathlib import Path

import pytest
from city_world import at
from hypothesis import given, settings
from hypothesis import strategies as st
from sql_world import KIND, Asked
from test_sql_clearance import COUNTS, EVERYTHING, PROBES, TABLES, city, same

from dothi.access.policy import Clearance
from dothi.data.sql import engine
from dothi.model.clock import to_micros
from dothi.testing.people import insider

ALL = "SELECT name, epoch_us(observed_at) AS at, value, text, grade FROM readings ORDER BY ALL"
TODAY = at(0).replace(hour=0)
LONG_AFTER = at(60 * 24 * 10)  # when every day is compact and out of the recent table


def filled(home: Path) -> Asked:
    """Two stations over three days, with corrections on one and a withdrawal on the other."""
    world = Asked(home, [("a", Clearance.INTERNAL), ("b", Clearance.INTERNAL)])
    for hours in range(0, 72, 6):
        world.tell("a", -60 * hours - 1, 10.0 + hours)
        world.tell("b", -60 * hours - 1, 50.0 + hours)
    world.tell("a", -60 * 30 - 1, 999.0, heard=1)
    world.tell("a", -60 * 30 - 1, 888.0, heard=2)
    world.tell("b", -60 * 36 - 1, None, withdrawn=True, heard=3)
    return world


@pytest.mark.usefixtures("homes")
@pytest.mark.parametrize("until", [at(-60 * 30), LONG_AFTER])
def test_the_lake_and_the_recent_table_are_one(tmp_path: Path, until: datetime) -> None:
    """Sealing changes no answer; what comes late for a sealed moment does, at once."""
    world = filled(tmp_path)
    before = world.rows(ALL)
    assert len(before) == 23
    world.seal(until)
    assert world.rows(ALL) == before
    world.tell("a", -60 * 30 - 1, 777.0, heard=9)
    world.tell("b", -60 * 42 - 1, None, heard=9, withdrawn=True)
    world.tell("b", -60 * 48 - 30, 5.0, heard=9)
    expected = {(name, moment): value for name, moment, value, *_ in before}
    expected[("Trạm a", to_micros(at(-60 * 30 - 1)))] = 777.0
    del expected[("Trạm b", to_micros(at(-60 * 42 - 1)))]
    expected[("Trạm b", to_micros(at(-60 * 48 - 30)))] = 5.0
    assert {(name, moment): value for name, moment, value, *_ in world.rows(ALL)} == expected
    world.seal(LONG_AFTER)
    assert {(name, moment): value for name, moment, value, *_ in world.rows(ALL)} == expected
    assert world.rows("SELECT count(*), sum(readings) FROM readings_hourly") == [[22, 23]]
    assert world.rows("SELECT count(pm25) FROM air_station") == [[23]]
    world.close()


def test_only_the_days_and_types_that_are_asked_for_are_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = filled(tmp_path)
    world.seal(TODAY)
    opened: list[list[str]] = []
    lock = engine.lock
    monkeypatch.setattr(engine, "lock", lambda connection, files: (opened.append(files), lock(connection, files)))

    def days(text: str) -> list[str]:
        world.rows(text)
        return sorted(
            part.removeprefix("day=") for file in opened[-1] for part in Path(file).parts if part.startswith("day=")
        )

    day = "observed_at >= TIMESTAMPTZ '2026-05-12 07:00+07' AND observed_at < TIMESTAMPTZ '2026-05-13 07:00+07'"
    assert days("SELECT count(*) FROM readings") == ["2026-05-11", "2026-05-12", "2026-05-13"]
    assert days(f"SELECT count(*) FROM readings WHERE {day}") == ["2026-05-12"]  # noqa: S608 - constants only
    assert days(f"SELECT avg(pm25) FROM air_station WHERE {day}") == ["2026-05-12"]  # noqa: S608 - constants only
    assert days("SELECT count(*) FROM readings WHERE observed_at >= now() - INTERVAL 1 HOUR") == []
    assert days("SELECT count(*) FROM readings WHERE type = 'Lamp'") == []
    assert days("SELECT count(*) FROM latest") == []
    world.close()


def test_a_damaged_file_is_named_and_other_days_are_answered(tmp_path: Path) -> None:
    world = filled(tmp_path)
    world.seal(TODAY)
    [file] = [
        one.path for one in world.city.database.lake.files(KIND.iri, 0, to_micros(TODAY)) if "2026-05-12" in str(one.path)
    ]
    whole = file.read_bytes()
    file.write_bytes(whole[:60] + bytes(8) + whole[68:])
    refusal = world.refused("SELECT count(*) FROM readings")
    assert (refusal.status, refusal.code) == (503, "lake-damaged")
    assert file.name in refusal.title and "12/05/2026" in refusal.title
    assert world.rows("SELECT count(*) > 0 FROM readings WHERE observed_at < '2026-05-12 07:00+07'") == [[True]]
    file.unlink()
    assert "is missing" in world.refused("SELECT count(*) FROM readings").title
    file.write_bytes(whole)
    assert world.rows("SELECT count(*) FROM readings") == [[23]]
    world.close()


def test_the_lake_tells_nothing_of_what_is_hidden(tmp_path: Path) -> None:
    """Hidden rows lie in the same files as others: no question ever computes with them."""
    clearance = Clearance.INTERNAL
    asker = insider("analyst", clearance)
    seen = {"s1": clearance, "s2": Clearance.PUBLIC}
    with_hidden = city(tmp_path / "with", {"h9": Clearance(clearance + 1), **seen, "h8": Clearance.PERSONAL})
    without = city(tmp_path / "without", seen)
    for world in (with_hidden, without):
        world.seal(LONG_AFTER)
    for text in (*map(EVERYTHING.format, TABLES[:3]), COUNTS, *PROBES):
        told = with_hidden.reply(text, asker)
        assert same(told, without.reply(text, asker)), text
        assert "hidden" not in str(told)
    with_hidden.close()
    without.close()


TELLINGS = st.lists(
    st.tuples(st.sampled_from("ab"), st.integers(0, 3), st.one_of(st.none(), st.integers(0, 3))), min_size=1, max_size=14
)
_number = count()


@given(TELLINGS, TELLINGS, st.integers(0, 3), st.integers(0, 3))
@settings(max_examples=10)
def test_of_every_moment_what_was_heard_last_stands(
    tmp_path_factory: pytest.TempPathFactory,
    early: list[tuple[str, int, int | None]],
    after: list[tuple[str, int, int | None]],
    sealed: int,
    asked_from: int,
) -> None:
    """Any order of values, corrections and withdrawals, sealed anywhere in between, asked from any moment on."""
    world = Asked(tmp_path_factory.mktemp(f"lake-{next(_number)}"), [("a", Clearance.INTERNAL), ("b", Clearance.INTERNAL)])
    stands: dict[tuple[str, int], float] = {}

    def tell(told: list[tuple[str, int, int | None]], first: int) -> None:
        for heard, (name, hour, value) in enumerate(told, first):
            minutes = -60 * (4 - hour)
            world.tell(name, minutes, value, heard=heard, withdrawn=value is None)
            key = (f"Trạm {name}", to_micros(at(minutes)))
            stands.pop(key, None)
            if value is not None:
                stands[key] = float(value)

    since = to_micros(at(-60 * (4 - asked_from)))
    told = "SELECT name, epoch_us(observed_at), value FROM readings"
    question = f"{told} WHERE observed_at >= make_timestamptz({since})"

    def check() -> None:
        found = world.rows(question)
        assert {(name, moment): value for name, moment, value in found} == {
            key: value for key, value in stands.items() if key[1] >= since
        }
        assert len(found) == len({(name, moment) for name, moment, _ in found})

    tell(early, 0)
    world.seal(at(-60 * (4 - sealed)))
    tell(after, 100)
    check()
    world.seal(LONG_AFTER)
    tell(after[:3], 200)
    check()
    world.close()
