"""How entities changed: whatever was told, observed and deleted is found again, and nothing else."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from city_world import NOW
from evolution_world import KINDS, OWNER, SINCE, SPEED, TYPE, URN, Town, micros, moment, thing
from hypothesis import given, settings
from hypothesis import strategies as st

from dothi.access.policy import STRANGER, SYSTEM, WHOLE_CITY, Clearance, Grant, Person
from dothi.data.batch import ReadingRow
from dothi.data.evolution import Kind, Mark, forget, put
from dothi.data.evolved import Window
from dothi.data.evolving import Page
from dothi.data.instances import SCOPE
from dothi.data.past import Marks
from dothi.data.periods import Period, of_cells, of_numbers
from dothi.data.predicate import OfType
from dothi.data.question import EntityQuery
from dothi.data.retention import Retention
from dothi.data.sums import SUMMED
from dothi.model.clock import to_micros
from dothi.model.entity import Attribute, Entity
from dothi.model.reading import Grade, Origin
from dothi.model.schema import AttributeType, EntityType
from dothi.model.text import Text
from dothi.testing.clock import FixedClock
from dothi.testing.homes import clear_city


@pytest.fixture
def town(tmp_path: Path, homes: object) -> Any:
    made = Town(tmp_path, stations=0)
    yield made
    made.close()


def test_what_is_told_anew_leaves_what_was(town: Town) -> None:
    town.change("create", thing(speed=Attribute("Property", 1)))
    town.change("merge", thing(speed=Attribute("Property", 2)))
    town.change("merge", thing(speed=Attribute("Property", 3, moment(-10))))
    assert town.seen()[SPEED] == [
        (-10, 3.0, "Property", False, []),
        (1, 1, "Property", False, []),
        (2, 2, "Property", False, []),
    ]
    assert town.seen(Window(micros(-20), micros(0), bounded=True)) == {SPEED: [(-10, 3.0, "Property", False, [])]}
    by_change = Window(micros(2), micros(3), "modifiedAt", bounded=True)
    assert town.seen(by_change) == {SPEED: [(2, 2, "Property", False, [])]}


def test_many_instances_in_one_change_come_one_after_the_other(town: Town) -> None:
    several = [Attribute("Property", float(minute), moment(minute)) for minute in (-9, -8, -7)]
    apart = [Attribute("Property", 4.0, moment(-5), dataset_id="urn:d:1")]
    town.change("add", Entity(URN, TYPE, {SPEED: [*several, *apart]}))
    told = [(-9, -9.0), (-8, -8.0), (-7, -7.0), (-5, 4.0)]
    assert [one[:2] for one in town.seen()[SPEED]] == told
    town.change("add", Entity(URN, "", {SPEED: [Attribute("Property", 1.0, moment(minute)) for minute in (-3, -2)]}))
    assert [one[:2] for one in town.seen()[SPEED]] == [*told[:3], (-3, 1.0), (-2, 1.0), told[3]]
    now = town.context.get(SYSTEM, URN)
    assert now is not None
    assert [one.value for one in now.attributes[SPEED]] == [1.0, 4.0]
    town.change("delete_attribute", Entity(URN, "", {SPEED: []}))
    assert len(town.seen(Window(by="deletedAt"))[SPEED]) == 1


def test_a_deleted_attribute_says_when_it_went_and_stays_what_it_was(town: Town) -> None:
    town.change("create", thing(owner=Attribute("Relationship", "urn:a", moment(-5))))
    town.change("delete_attribute", Entity(URN, "", {OWNER: []}))
    assert town.seen() == {OWNER: [(-5, "urn:a", "Relationship", False, [])]}
    gone = town.seen(Window(by="deletedAt"))
    assert gone == {OWNER: [(2, "urn:ngsi-ld:null", "Relationship", True, [])]}


def test_a_deleted_entity_keeps_its_past(town: Town) -> None:
    town.change("create", thing(speed=Attribute("Property", 1), owner=Attribute("Relationship", "urn:a", moment(-5))))
    town.change("delete", Entity(URN, ""))
    found = town.found()
    assert found is not None
    assert found.deleted_at == moment(2)
    assert town.seen() == {
        SPEED: [(1, 1, "Property", False, [])],
        OWNER: [(-5, "urn:a", "Relationship", False, [])],
    }


def test_what_stood_beside_a_reading_stays_with_it(town: Town) -> None:
    def told(value: float, minute: int, *subs: str) -> Entity:
        sub = {f"https://example.org/{name}": [Attribute("Property", True)] for name in subs}
        return thing(speed=Attribute("Property", value, moment(minute), sub=sub))

    town.change("create", told(1, -30, "since"))
    town.change("merge", told(2, -20))
    town.change("merge", told(3, -25, "since"))  # told later, observed earlier
    assert [one[-1] for one in town.seen()[SPEED]] == [[SINCE], [SINCE], []]
    town.change("merge", told(4, -10, "since"))
    assert [one[-1] for one in town.seen()[SPEED]] == [[SINCE], [SINCE], [], [SINCE]]


def test_scopes_stand_until_others_do(town: Town) -> None:
    town.change("create", Entity(URN, TYPE, {}, scopes=("/A",)))
    assert town.seen()[SCOPE] == [(1, ["/A"], "Property", False, [])]
    town.change("append", Entity(URN, "", {}, scopes=("/B",)))
    town.change("append", Entity(URN, "", {}, scopes=("/B",)))
    assert [one[:2] for one in town.seen()[SCOPE]] == [(1, ["/A"]), (2, ["/B"])]
    later = Window(micros(5), micros(9), bounded=True)
    assert [one[:2] for one in town.seen(later)[SCOPE]] == [(2, ["/B"])], "what stands when the time begins is there"
    assert SCOPE not in town.seen(Window(last=micros(0), bounded=True))


def test_rows_are_put_and_forgotten(town: Town) -> None:
    town.change("create", thing(speed=Attribute("Property", 1)))
    mark = Mark(URN, SPEED, "urn:d", micros(-3), Kind.GONE, {"k": "Property", "t": micros(-3)})

    def keep(db: Any) -> None:
        put(db, [mark, mark])

    asyncio.run(town.writer.run(SYSTEM, NOW, keep))
    assert (-3, "urn:ngsi-ld:null", "Property", True, []) in town.seen()[SPEED]
    asyncio.run(town.writer.run(SYSTEM, NOW, lambda db: forget(db, URN, SPEED, [None])))
    assert len(town.seen()[SPEED]) == 2
    asyncio.run(town.writer.run(SYSTEM, NOW, lambda db: forget(db, URN, SPEED, ["urn:d"])))
    assert town.seen()[SPEED] == [(1, 1, "Property", False, [])]


def test_what_is_kept_too_long_is_destroyed(town: Town) -> None:
    kind = EntityType("Thing", TYPE, Text("x", "x"), ())
    town.change("create", Entity(URN, TYPE, {SPEED: [Attribute("Property", 1)]}, scopes=("/A",)))
    town.change("append", Entity(URN, "", {SPEED: [Attribute("Property", 2)]}, scopes=("/B",)))
    town.now += 20 * 24 * 60
    town.change("merge", thing(speed=Attribute("Property", 3), owner=Attribute("Relationship", "urn:a", moment(town.now))))
    retention = Retention(town.database, town.writer, FixedClock(moment(town.now)), {TYPE: kind})
    asyncio.run(retention.change(SYSTEM, TYPE, 30))
    asyncio.run(retention.destroy())
    assert [one[1] for one in town.seen()[SPEED]] == [1, 2, 3]
    asyncio.run(retention.change(SYSTEM, TYPE, 10))
    asyncio.run(retention.destroy())
    assert [one[1] for one in town.seen()[SPEED]] == [3]
    assert [one[1] for one in town.seen()[SCOPE]] == [["/A"], ["/B"]]


DATASETS = st.sampled_from([None, "urn:d:1"])


@settings(max_examples=25)
@given(
    minutes=st.lists(st.tuples(st.sampled_from([SPEED, OWNER]), DATASETS, st.integers(0, 20)), min_size=1, max_size=20),
    most=st.integers(1, 12),
    last=st.none() | st.integers(1, 6),
)
def test_a_page_leaves_out_what_it_cannot_show(minutes: list[Any], most: int, last: int | None) -> None:
    with TemporaryDirectory() as folder:
        town = Town(Path(folder), stations=0)
        try:
            for iri, dataset, minute in minutes:
                value = 1.0 if iri == SPEED else "urn:1"
                told = Attribute(KINDS[iri], value, moment(minute), dataset_id=dataset)
                town.change("add", Entity(URN, TYPE, {iri: [told]}))
            whole = sorted(one.at for told in town.found().instances.values() for one in told)  # type: ignore[union-attr]  # found
            found = town.past.of(SYSTEM, URN, Window(), page=Page(most, last))
            assert found is not None
            assert found.instances.keys() == {iri for iri, *_ in minutes}
            paged = sorted(one.at for told in found.instances.values() for one in told)
            if last is None:
                assert paged == [at for at in whole if at <= whole[min(most, len(whole) - 1)]]
            else:
                series = dict.fromkeys((iri, dataset) for iri, dataset, _ in minutes)
                newest = [sorted({at for *one, at in minutes if tuple(one) == key})[-last:] for key in series]
                left = sorted(micros(at) for some in newest for at in some)
                assert paged == [at for at in left if len(left) <= most or at >= left[-most - 1]]
        finally:
            town.close()


READ = st.lists(st.tuples(st.integers(1, 3), st.integers(0, 50), st.integers(-9, 9), st.booleans()), max_size=20)


@settings(max_examples=25)
@given(read=READ, ends=st.integers(1, 60), length=st.integers(1, 25))
def test_figures_worked_out_where_they_lie_are_the_same(
    homes_of_module: object, read: list[Any], ends: int, length: int
) -> None:
    clear_city()
    with TemporaryDirectory() as folder:
        town = Town(Path(folder), stations=0)
        try:
            for number in (1, 2, 3):
                town.change("create", Entity(f"urn:t:{number}", TYPE))
            last = {(number, minute): (value, bad) for number, minute, value, bad in read}
            rows = [
                ReadingRow(
                    f"urn:t:{number}",
                    SPEED,
                    moment(minute),
                    float(value),
                    Origin.MEASURED,
                    grade=Grade.BAD if bad else Grade.GOOD,
                )
                for (number, minute), (value, bad) in last.items()
            ]
            town.write(*rows)
            window = Window(micros(0), micros(ends), bounded=True)
            query, methods = EntityQuery(type=TYPE), tuple(sorted(SUMMED))
            period = Period(0, length * 60_000_000)
            cells = town.past.cells(SYSTEM, query, window, None, period.micros, methods)
            assert cells is not None
            there = {
                one.id: of_cells(part.cells, methods, period, window.first, window.last)
                for one, parts in cells
                for part in parts
            }
            here = {}
            for one, parts in town.past.columns(SYSTEM, query, window):
                for part in parts:
                    good = part.frame.filter(part.frame["grade"] < int(Grade.BAD))
                    if len(good):
                        at, number = good["observed_at"].to_numpy(), good["number"].to_numpy()
                        here[one.id] = of_numbers(at, number, methods, period, window.first, window.last)
            assert there.keys() == here.keys()
            for urn, figures in there.items():
                for name in methods:
                    assert [span for _, *span in figures[name]] == [span for _, *span in here[urn][name]]
                    assert [one[0] for one in figures[name]] == pytest.approx([one[0] for one in here[urn][name]])
        finally:
            town.close()


@pytest.mark.parametrize("odd", [{"value": "text"}, {"value": 7.0, "again": True}])
def test_what_was_corrected_or_is_no_number_is_worked_out_otherwise(town: Town, odd: dict[str, Any]) -> None:
    town.change("create", thing(speed=Attribute("Property", 1.0, moment(5))))
    window = Window(micros(0), micros(60), bounded=True)

    def cells() -> object:
        return town.past.cells(SYSTEM, EntityQuery(), window, None, 60_000_000, ("max",))

    assert cells() is not None
    at = moment(5 if "again" in odd else 6)
    town.write(ReadingRow(URN, SPEED, at, odd["value"], Origin.MEASURED, received_at=moment(30)), now=moment(30))
    assert cells() is None


@dataclass
class Oracle:
    """The same by brute force: every instance there ever was, in one list each."""

    observed: dict[tuple[str, str | None, int], tuple[Any, bool]] = field(default_factory=dict)
    told: list[tuple[str, str | None, int, Any]] = field(default_factory=list)
    gone: list[tuple[str, str | None, int]] = field(default_factory=list)
    now: dict[tuple[str, str | None], bool] = field(default_factory=dict)  # what stands: whether it was observed
    minute: int = 0

    def tell(self, iri: str, dataset: str | None, value: Any, observed: int | None, sub: bool) -> None:
        if observed is not None:
            self.observed[iri, dataset, observed] = (value, sub)
        else:
            self.told.append((iri, dataset, self.minute, value))
        self.now[iri, dataset] = observed is not None

    def drop(self, iri: str, dataset: str | None) -> None:
        if self.now.pop((iri, dataset), None) is not None:
            self.gone.append((iri, dataset, self.minute))

    def seen(self, window: tuple[int, int] | None, by: str) -> list[Any]:
        def within(minute: int) -> bool:
            return window is None or window[0] <= minute < window[1]

        if by == "deletedAt":
            return sorted(
                (iri, dataset or "", at, "urn:ngsi-ld:null", False) for iri, dataset, at in self.gone if within(at)
            )
        found = []
        if by == "observedAt":
            found += [
                (iri, dataset or "", at, value, sub)
                for (iri, dataset, at), (value, sub) in self.observed.items()
                if within(at)
            ]
        if by == "modifiedAt" or window is None:
            found += [(iri, dataset or "", at, value, False) for iri, dataset, at, value in self.told if within(at)]
        return found


MINUTES = st.integers(-8, 8)
VALUES = st.integers(0, 3)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("tell"), st.just(SPEED), DATASETS, VALUES, st.none() | MINUTES, st.just(False)),
        st.tuples(st.just("tell"), st.just(OWNER), DATASETS, VALUES, st.none() | MINUTES, st.booleans()),
        st.tuples(st.just("read"), st.just(SPEED), st.none(), VALUES, MINUTES, st.just(False)),
        st.tuples(st.just("drop"), st.sampled_from([SPEED, OWNER]), DATASETS),
        st.tuples(st.just("end")),
    ),
    max_size=12,
)
BY = st.sampled_from(["observedAt", "modifiedAt", "deletedAt"])


@settings(max_examples=40)
@given(
    steps=STEPS,
    window=st.none() | st.tuples(MINUTES, MINUTES),
    by=st.sampled_from(["observedAt", "modifiedAt", "deletedAt"]),
)
def test_nothing_that_was_is_lost_or_made_up(homes_of_module: object, steps: list[Any], window: Any, by: Any) -> None:
    clear_city()
    with TemporaryDirectory() as folder:
        town, oracle = Town(Path(folder), stations=0), Oracle()
        try:
            town.change("create", Entity(URN, TYPE))
            for what, *step in steps:
                oracle.minute = town.now + 1
                alive = town.writer.index.num(URN) is not None
                if what == "end":
                    if alive:
                        town.change("delete", Entity(URN, ""))
                        oracle.now.clear()
                    continue
                iri, dataset, *rest = step
                if what == "drop":
                    if (iri, dataset) in oracle.now:
                        town.change("delete_attribute", Entity(URN, "", {iri: []}), dataset_id=dataset)
                        oracle.drop(iri, dataset)
                    continue
                number, observed, sub = rest
                value = float(number) if iri == SPEED else f"urn:{number}"
                if what == "read":
                    if alive and oracle.now.get((iri, dataset)):
                        reading = ReadingRow(
                            URN, iri, moment(observed), value, Origin.MEASURED, received_at=moment(oracle.minute)
                        )
                        town.now += 1
                        town.write(reading, now=moment(town.now))
                        oracle.observed[iri, dataset, observed] = (value, False)
                    continue
                beside = {SINCE: [Attribute("Property", True)]} if sub and observed is not None else {}
                at = None if observed is None else moment(observed)
                told = Attribute(KINDS[iri], value, at, dataset_id=dataset, sub=beside)
                town.change("add", Entity(URN, TYPE, {iri: [told]}))
                oracle.tell(iri, dataset, value, observed, bool(beside))
            asked = Window(by=by) if window is None else Window(micros(window[0]), micros(window[1]), by, bounded=True)
            found = town.found(asked)
            assert found is not None
            seen = [
                (
                    iri,
                    one.attribute.dataset_id or "",
                    (one.at - to_micros(NOW)) // 60_000_000,
                    one.attribute.value,
                    bool(one.attribute.sub),
                )
                for iri, told in found.instances.items()
                for one in told
                if by != "modifiedAt" or one.kind is not None
            ]
            assert sorted(seen, key=str) == sorted(oracle.seen(window, by), key=str)
            for iri, many in found.instances.items():
                assert {one.attribute.kind for one in many} == {KINDS[iri]}
        finally:
            town.close()


SECRET = EntityType(
    "Thing", TYPE, Text("x", "x"), (AttributeType("owner", OWNER, Text("x", "x"), clearance=Clearance.RESTRICTED),)
)


def test_the_past_is_as_far_known_as_the_present(tmp_path: Path) -> None:
    town = Town(tmp_path, stations=0, types=[SECRET])
    try:
        told = thing(owner=Attribute("Relationship", "urn:a"), speed=Attribute("Property", 1, moment(-3)))
        town.change("create", told, clearance=Clearance.PUBLIC)
        town.change("merge", thing(owner=Attribute("Relationship", "urn:b"), speed=Attribute("Property", 2, moment(-2))))
        town.change("delete_attribute", Entity(URN, "", {OWNER: []}))
        stranger = town.found(person=STRANGER)
        assert stranger is not None
        assert set(stranger.instances) == {SPEED}
        gone = town.found(Window(by="deletedAt"), STRANGER)
        assert gone is not None and not gone.instances
        officer = Person("o", (Grant("steward", WHOLE_CITY, Clearance.RESTRICTED),))
        assert set((town.found(person=officer) or stranger).instances) == {SPEED, OWNER}
        town.change("merge", thing(), clearance=Clearance.INTERNAL)
        assert town.found(person=STRANGER) is None
        assert list(town.past.columns(STRANGER, EntityQuery(ids=(URN,)), Window())) == []
    finally:
        town.close()


@pytest.mark.parametrize(("first", "last"), [(-9000, -8000), (-5, -5), (-2, -9), (9000, -9)])
def test_a_time_without_anything_is_empty_however_far_sealing_is(town: Town, first: int, last: int) -> None:
    town.change("create", thing(speed=Attribute("Property", 3, moment(-10))))
    window = Window(micros(first), micros(last), bounded=True)
    for border in (micros(-20), micros(-1)):
        asyncio.run(town.writer.mark(NOW, Marks(0, 0, border), lambda _: None))
        found = town.found(window)
        assert found is not None and not any(found.instances.values())
        ((_, columns),) = town.past.columns(SYSTEM, EntityQuery(ids=(URN,)), window)
        assert columns == []


def test_who_is_meant(town: Town) -> None:
    for number, kinds in enumerate([(TYPE,), ("urn:other", TYPE), ("urn:other",)]):
        told = Attribute("Property", number, moment(-number))
        town.change("create", Entity(f"urn:t:{number}", kinds[0], {SPEED: [told]}, more_types=kinds[1:]))
    town.change("delete", Entity("urn:t:0", ""))

    def ids(query: EntityQuery) -> list[str]:
        return [one.id for one in town.past.find(SYSTEM, query, Window())]

    assert ids(EntityQuery(which=OfType(TYPE))) == ["urn:t:0", "urn:t:1"]
    assert ids(EntityQuery(type="urn:other")) == ["urn:t:1", "urn:t:2"]
    assert ids(EntityQuery(ids=("urn:t:2", "urn:t:0", "urn:nobody"))) == ["urn:t:0", "urn:t:2"]
    columns = {one.id: found for one, found in town.past.columns(SYSTEM, EntityQuery(), Window())}
    assert {urn: [one.frame["number"].to_list() for one in found] for urn, found in columns.items()} == {
        "urn:t:0": [[0.0]],
        "urn:t:1": [[1.0]],
        "urn:t:2": [[2.0]],
    }
