"""The law of a reading's key, the one commit, and what a failure leaves behind."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from city_world import NOW, PM, City, at, row, station, urn
from hypothesis import given, settings
from hypothesis import strategies as st

from dothi.access.policy import STRANGER, SYSTEM, Clearance
from dothi.data.batch import (
    Batch,
    EntityChange,
    Quarantined,
    ReadingRow,
    Readings,
    decode_changed,
    readings_of,
    unpack,
)
from dothi.data.writer import Writer
from dothi.model.clock import to_micros
from dothi.model.entity import LOCATION, Attribute
from dothi.model.problem import Problem
from dothi.model.reading import Grade, Origin, Reason
from dothi.store.audit import Act, verify
from dothi.store.connection import Conflict, Connection
from dothi.testing.homes import clear_city
from dothi.testing.people import insider

pytestmark = pytest.mark.usefixtures("homes")


@pytest.fixture
def city(tmp_path: Path) -> Iterator[City]:
    one = City(tmp_path)
    yield one
    one.close()


def test_the_same_value_again_is_nothing(city: City) -> None:
    assert city.write(row(0, 1, 5.0)).stored == 1
    before = city.dump()
    again = city.write(row(0, 1, 5.0, heard=9))
    assert (again.stored, again.repeated, again.seq) == (0, 1, None)
    assert city.dump() == before


def test_another_value_is_a_revision_and_the_highest_is_read(city: City) -> None:
    city.write(row(0, 1, 5.0, heard=1))
    applied = city.write(row(0, 1, 6.0, heard=2))
    assert (applied.stored, applied.revisions) == (1, 1)
    assert city.read(0) == {1: 6.0}
    shown = city.live(0)
    assert shown is not None and shown.value == 6.0
    rows = city.history.series(SYSTEM, urn(0), PM, at(0), at(2))
    assert rows.revisions == [1]
    with city.database.reader() as db:
        assert db.execute("SELECT revision, number FROM reading ORDER BY revision").fetchall() == [(0, 5.0), (1, 6.0)]


def test_a_message_handed_out_again_after_its_correction_changes_nothing(city: City) -> None:
    city.write(row(0, 1, 5.0, heard=1))
    city.write(row(0, 1, 6.0, heard=2))
    assert city.write(row(0, 1, 5.0, heard=1)).repeated == 1
    assert city.read(0) == {1: 6.0}


def test_what_was_heard_earlier_is_kept_but_not_read(city: City) -> None:
    city.write(row(0, 1, 6.0, heard=2))
    city.write(row(0, 1, 5.0, heard=1))
    assert city.read(0) == {1: 6.0}
    with city.database.reader() as db:
        numbers = [number for (number,) in db.execute("SELECT number FROM reading ORDER BY revision")]
    assert numbers == [6.0, 5.0, 6.0]


def test_a_value_may_return_to_what_it_was(city: City) -> None:
    for heard, value in enumerate((5.0, 6.0, 5.0)):
        city.write(row(0, 1, value, heard=heard))
    assert city.read(0) == {1: 5.0}


def test_a_late_reading_does_not_overwrite_a_newer_live_value(city: City) -> None:
    city.write(row(0, 10, 1.0))
    applied = city.write(row(0, 5, 9.0))
    assert (applied.late, applied.live) == (1, 0)
    shown = city.live(0)
    assert shown is not None and (shown.value, shown.observed_at) == (1.0, at(10))
    assert city.read(0) == {5: 9.0, 10: 1.0}


def test_two_values_for_one_moment_in_one_batch(city: City) -> None:
    applied = city.write(row(0, 1, 5.0), row(0, 1, 6.0), row(0, 2, 7.0))
    assert (applied.stored, applied.revisions) == (3, 1)
    assert city.read(0) == {1: 6.0, 2: 7.0}


def test_a_withdrawn_live_value_gives_way_to_the_one_before(city: City) -> None:
    city.write(row(0, 1, 5.0), row(0, 2, 6.0), row(0, 3, 7.0))
    city.write(row(0, 2, 6.0, heard=1, withdrawn=True))
    city.write(row(0, 3, 7.0, heard=1, withdrawn=True))
    assert city.read(0) == {1: 5.0}
    shown = city.live(0)
    assert shown is not None and (shown.value, shown.observed_at) == (5.0, at(1))
    city.write(row(0, 2, 6.5, heard=2))
    shown = city.live(0)
    assert shown is not None and (shown.value, shown.observed_at) == (6.5, at(2))
    city.write(row(0, 4, 8.0, heard=3))
    assert city.read(0) == {1: 5.0, 2: 6.5, 4: 8.0}


def test_when_all_is_withdrawn_the_attribute_is_gone_and_comes_back(city: City) -> None:
    city.write(row(0, 1, 5.0))
    city.write(row(0, 1, 5.0, heard=1, withdrawn=True))
    assert city.live(0) is None
    assert city.read(0) == {}
    city.reopen()
    city.write(row(0, 2, 6.0, heard=2))
    shown = city.live(0)
    assert shown is not None and shown.value == 6.0


def test_a_clock_that_runs_ahead_is_kept_but_not_shown(city: City) -> None:
    ahead = row(0, 90, 9.0, grade=Grade.BAD, reasons=Reason.FUTURE)
    city.write(ahead)
    assert city.live(0) is None
    city.write(row(0, 1, 5.0))
    shown = city.live(0)
    assert shown is not None and shown.value == 5.0
    # The moment comes at last, with another value: this is the key that was taken to be new and is not.
    city.write(row(0, 90, 6.0, heard=90), row(0, 91, 7.0, heard=90))
    assert city.read(0) == {1: 5.0, 90: 6.0, 91: 7.0}


@pytest.mark.parametrize("value", ["mưa", True, {"a": [1, 2]}, [1, 2], None, 3, -0.5])
def test_any_value_comes_back_as_it_was(city: City, value: Any) -> None:
    city.write(row(0, 1, value))
    assert city.read(0) == {1: value}
    shown = city.live(0)
    assert shown is not None and shown.value == value


def test_a_number_that_is_not_finite_is_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        readings_of([row(0, 1, float("nan"))])


_STATEMENTS = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.integers(0, 5) | st.integers(1435, 1445) | st.integers(2875, 2885),
        st.integers(0, 3),
        st.integers(0, 30),
    ),
    max_size=30,
    unique_by=(lambda one: (one[:2], one[2]), lambda one: (one[:2], one[3])),
)


@settings(max_examples=60, deadline=None)
@given(statements=_STATEMENTS, data=st.data())
def test_any_order_and_any_repetition_reads_the_same(
    tmp_path_factory: pytest.TempPathFactory, statements: list[tuple[int, int, int, int]], data: st.DataObject
) -> None:
    """Oracle: of each key the statement heard last; live is the newest key that stands. Value 0 withdraws."""
    told = data.draw(
        st.permutations(statements + data.draw(st.lists(st.sampled_from(statements or [(0, 0, 1, 0)]), max_size=9)))
    )
    expected: dict[int, dict[float, Any]] = {0: {}, 1: {}, 2: {}}
    for number, minute, value, _ in sorted(told, key=lambda one: one[3]):
        expected[number][minute] = float(value)
    clear_city()
    city = City(tmp_path_factory.mktemp("law"))
    try:
        while told:
            size = data.draw(st.integers(1, 12))
            part, told = told[:size], told[size:]
            city.write(*[row(n, m, float(v), heard=h, withdrawn=v == 0) for n, m, v, h in part])
            if data.draw(st.booleans()):
                city.reopen()
        for number, keys in expected.items():
            standing = {minute: value for minute, value in sorted(keys.items()) if value}
            assert city.read(number) == standing
            one_day = {minute: value for minute, value in standing.items() if 1437 <= minute < 2880}
            rows = city.history.series(SYSTEM, urn(number), PM, at(1437), at(2880))
            assert rows.values == list(one_day.values())
            shown = city.live(number)
            assert (shown.value if shown else None) == (list(standing.values())[-1] if standing else None)
    finally:
        city.close()


def columns(city: City, series: list[int], minutes: list[float], values: list[float]) -> Readings:
    zeros = np.zeros(len(series), np.int64)
    moments = np.array([to_micros(at(minute)) for minute in minutes])
    return Readings(np.array(series), moments, np.array(values), zeros, zeros, zeros, zeros)


def test_columns_of_known_series(city: City) -> None:
    first, second = (city.writer.index.series(urn(number), PM, unit="GQ") for number in (0, 1))
    readings = columns(city, [second, first, second, first], [2, 1, 1, 2], [1.0, 2.0, 3.0, 4.0])
    applied = city.writer.apply(Batch(SYSTEM, "mqtt", "c", NOW, readings=readings))
    assert (applied.stored, applied.live) == (4, 2)
    assert (city.read(0), city.read(1)) == ({1: 2.0, 2: 4.0}, {1: 3.0, 2: 1.0})
    shown = city.live(0)
    assert shown is not None and (shown.value, shown.unit, shown.modified_at) == (4.0, "GQ", NOW)
    city.reopen()
    assert city.writer.index.find(urn(1), PM) == second


def test_series_nobody_gave_out_are_refused(city: City) -> None:
    with pytest.raises(ValueError, match="not given out"):
        city.writer.apply(Batch(SYSTEM, "mqtt", "c", NOW, readings=columns(city, [99], [1], [1.0])))
    with pytest.raises(KeyError):
        city.write(row(77, 1, 1.0))


def test_a_failed_commit_changes_nothing_at_all(city: City) -> None:
    city.write(row(0, 1, 5.0))
    series = city.writer.index.find(urn(0), PM)
    before = city.dump()
    state = (city.writer.index.head.copy(), city.writer.index.shown.copy(), city.writer.index.entities_alive())
    held = Quarantined("http", "d", "not-json", "…", b"{")
    changes = [EntityChange("create", station(9)), EntityChange("delete", station(2))]
    with city.database.engine.begin() as other:
        # The outbox is the last thing a commit writes; it has two rows already.
        other.exec_driver_sql("CREATE UNIQUE INDEX broken ON outbox ((seq > 1))")
    for more, error in (([], Conflict), ([EntityChange("merge", station(7))], Problem)):
        with pytest.raises(error):
            city.write(row(0, 2, 6.0), row(1, 2, 6.0), row(0, 1, 4.0, heard=5), entities=changes + more, quarantine=[held])
        assert city.dump() == before
        assert city.writer.index.find(urn(0), PM) == series
        assert city.writer.index.num(urn(9)) is None
        assert city.writer.index.num(urn(2)) is not None
        assert (city.writer.index.head[: len(state[0])] == state[0]).all()
        assert (city.writer.index.shown[: len(state[1])] == state[1]).all()
        assert city.writer.index.entities_alive() == state[2]
    with city.database.engine.begin() as other:
        other.exec_driver_sql("DROP INDEX broken")
    applied = city.write(row(0, 2, 6.0), row(1, 2, 6.0), entities=[EntityChange("create", station(9))], quarantine=[held])
    assert (applied.stored, applied.created, applied.quarantined) == (2, [urn(9)], 1)
    city.reopen()
    assert city.read(0) == {1: 5.0, 2: 6.0}


def test_one_commit_tells_what_it_changed(city: City) -> None:
    applied = city.write(
        row(0, 1, 5.0),
        row(3, 1, 6.0),
        entities=[
            EntityChange("create", station(3)),
            EntityChange("delete", station(2)),
            EntityChange("merge", station(1, name=Attribute("Property", "Hồ Tây"))),
        ],
        acts=[Act("an", "device.write", "d-1")],
    )
    index = city.writer.index
    with city.database.reader() as db:
        payload = db.execute("SELECT payload FROM outbox WHERE seq = ?", (applied.seq,)).fetchone()[0]
        acts = [action for (action,) in db.execute("SELECT action FROM audit ORDER BY seq DESC LIMIT 5")]
        assert verify(db).intact
    changed = decode_changed(payload)
    observed = {index.urn(num) for num in index.entity_of(unpack(changed.series)).tolist()}
    assert observed == {urn(0), urn(3)}
    told = [
        [index.urn(num) for num in unpack(part).tolist()] for part in (changed.created, changed.deleted, changed.entities)
    ]
    assert told == [[urn(3)], [urn(2)], [urn(1)]]
    assert acts == ["reading.write", "entity.merge", "entity.delete", "entity.create", "device.write"]


def test_readings_of_a_deleted_entity_are_history_only(city: City) -> None:
    series = city.writer.index.series(urn(0), PM)
    city.writer.apply(Batch(SYSTEM, "mqtt", "c", NOW, readings=columns(city, [series], [1], [1.0])))
    city.write(entities=[EntityChange("delete", station(0))])
    city.writer.apply(Batch(SYSTEM, "mqtt", "c", NOW, readings=columns(city, [series], [2], [2.0])))
    assert city.context.get(SYSTEM, urn(0)) is None
    city.write(entities=[EntityChange("create", station(0))])
    assert city.live(0) is None
    assert city.read(0) == {1: 1.0, 2: 2.0}
    city.writer.apply(Batch(SYSTEM, "mqtt", "c", NOW, readings=columns(city, [series], [3], [3.0])))
    shown = city.live(0)
    assert shown is not None and shown.value == 3.0


def test_who_may_write(city: City) -> None:
    with pytest.raises(Problem) as refused:
        city.write(row(0, 1, 5.0), person=STRANGER)
    assert refused.value.status == 403
    secret = EntityChange("create", station(5), Clearance.PERSONAL)
    with pytest.raises(Problem) as refused:
        city.write(entities=[secret])
    assert refused.value.status == 403
    clerk = insider("clerk", Clearance.INTERNAL)
    city.write(entities=[EntityChange("create", station(6), Clearance.RESTRICTED)])
    for change in (EntityChange("merge", station(6), Clearance.PUBLIC), EntityChange("delete", station(6))):
        with pytest.raises(Problem) as refused:
            city.write(entities=[change], person=clerk)
        assert refused.value.status == 403
    with pytest.raises(Problem):
        city.write(row(6, 1, 5.0), person=clerk)


def test_a_second_writer_is_kept_out_or_cannot_fork_the_log(city: City) -> None:
    try:
        other = Writer(city.database, locate=lambda *_: None)
    except Problem as problem:
        assert problem.code == "home-in-use"
        return
    try:
        for writer, who in ((city.writer, "first"), (other, "second"), (other, "second")):
            act = Act(who, "device.write", "d-1")
            if writer is city.writer:
                asyncio.run(writer.run(SYSTEM, NOW, lambda _: None, [act]))
            else:
                with pytest.raises(Conflict):
                    asyncio.run(writer.run(SYSTEM, NOW, lambda _: None, [act]))
    finally:
        other.close()
    with city.database.reader() as db:
        assert [who for (who,) in db.execute("SELECT person_id FROM audit WHERE thing = 'd-1'")] == ["first"]
        assert verify(db).intact


def test_other_work_shares_the_writer_and_its_audit(city: City) -> None:
    def admit(connection: Connection) -> int:
        connection.execute("INSERT INTO meta VALUES ('k', 'v')")
        return 7

    async def scenario() -> None:
        assert await city.writer.run(SYSTEM, NOW, admit, [Act("an", "device.write", "d-1")]) == 7
        with pytest.raises(Conflict):
            await city.writer.run(SYSTEM, NOW, admit, [Act("an", "device.write", "d-2")])
        with pytest.raises(Problem):
            await city.writer.run(STRANGER, NOW, admit)
        with pytest.raises(Conflict):
            await city.writer.save(SYSTEM, "create", station(8), at=NOW, also=lambda db: [admit(db), None][1])
        await city.writer.save(SYSTEM, "upsert", station(8), at=NOW, acts=[Act("an", "device.write", "d-3")])
        assert (await city.writer.write(Batch(SYSTEM, "t", "c", NOW, readings=readings_of([row(8, 1, 2.0)])))).stored == 1

    asyncio.run(scenario())
    assert city.read(8) == {1: 2.0}
    with city.database.reader() as db:
        things = [thing for (thing,) in db.execute("SELECT thing FROM audit WHERE person_id = 'an'")]
        assert things == ["d-1", "d-3"]
        assert verify(db).intact


def test_a_moving_thing_moves(city: City) -> None:
    place = {"type": "Point", "coordinates": [105.85, 21.03]}
    moved = ReadingRow(urn(0), LOCATION, at(1), place, Origin.MEASURED)
    city.write(moved)
    entity = city.context.get(SYSTEM, urn(0))
    assert entity is not None and (entity.point, entity.ward) == ((105.85, 21.03), "east")
    assert entity.attributes[LOCATION][0].kind == "GeoProperty"
