"""What is now: every query against a search by hand, and who may know what."""

import math
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path as File
from typing import Any

import pytest
from city_world import NAME, PM, TYPE, City, at, point, row, station, urn
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from dothi.access.policy import LOCAL_OPERATOR, STRANGER, SYSTEM, Clearance, Grant, Person, Scope, Thing, may
from dothi.data.batch import EntityChange, ReadingRow
from dothi.data.context import EntityQuery
from dothi.data.predicate import Compare, Exists, Path, Predicate, both, leaves, paths
from dothi.data.shape import box_around
from dothi.model.entity import LOCATION, Attribute, Entity
from dothi.model.ground import metres
from dothi.model.problem import Problem
from dothi.model.reading import Grade, Origin, Reason
from dothi.testing.people import insider

OTHER_TYPE = "https://example.org/Pump"
LEVEL = "https://example.org/level"


def place(longitude: float, latitude: float) -> dict[str, list[Attribute]]:
    return {LOCATION: [point(longitude, latitude)]}


@pytest.fixture
def city(tmp_path: File, homes: object) -> Iterator[City]:
    one = City(tmp_path, stations=0)
    yield one
    one.close()


def test_every_kind_of_attribute_comes_back(city: City) -> None:
    told = [Attribute("Property", True, at(1))]
    sub = {"https://example.org/accuracy": [Attribute("Property", 0.5, sub={"https://example.org/checked": told})]}
    attributes = {
        LOCATION: [Attribute("GeoProperty", {"type": "LineString", "coordinates": [[105.8, 21.0], [105.9, 21.1]]})],
        "https://example.org/near": [Attribute("Relationship", urn(2))],
        NAME: [Attribute("LanguageProperty", {"vi": "Hồ Gươm", "en": "Sword Lake"})],
        "https://example.org/json": [Attribute("JsonProperty", {"a": [1, {"b": None}]})],
        "https://example.org/kind": [Attribute("VocabProperty", "lake")],
        "https://example.org/list": [Attribute("ListProperty", [1, 2, 3])],
        "https://example.org/friends": [Attribute("ListRelationship", [urn(3), urn(4)])],
        "https://example.org/null": [
            Attribute("Property", None, sub=sub, unit="MTR", grade=Grade.SUSPECT, reasons=Reason.JUMP)
        ],
        PM: [
            Attribute("Property", 12.5, at(1), "GQ", origin=Origin.MODELLED, sub=sub),
            Attribute("Property", "n/a", at(2), dataset_id="urn:ngsi-ld:Dataset:b"),
            Attribute("Property", 3.0, dataset_id="urn:ngsi-ld:Dataset:c"),
        ],
    }
    city.write(entities=[EntityChange("create", Entity(urn(1), TYPE, attributes, owner="sonnmt"))])
    found = city.context.get(SYSTEM, urn(1))
    assert found is not None
    assert (found.type, found.owner, found.ward) == (TYPE, "sonnmt", "east")
    assert found.attributes.keys() == attributes.keys()
    for iri, written in attributes.items():
        for before, after in zip(written, found.attributes[iri], strict=True):
            assert undated(after) == before


def undated(one: Attribute) -> Attribute:
    """``one`` without the moments at which it was written, which it must have."""
    assert one.created_at is not None
    assert one.modified_at is not None
    sub = {iri: [undated(each) for each in instances] for iri, instances in one.sub.items()}
    return structs.replace(one, created_at=None, modified_at=None, sub=sub)


def test_create_merge_replace_delete(city: City) -> None:
    def change(kind: Any, entity: Entity) -> None:
        city.write(entities=[EntityChange(kind, entity)])

    change("create", Entity(urn(1), TYPE, {NAME: [Attribute("Property", "A")], PM: [Attribute("Property", 1.0, at(1))]}))
    with pytest.raises(Problem) as wrong:
        change("create", Entity(urn(1), TYPE))
    assert wrong.value.status == 409
    change("merge", Entity(urn(1), "", {LEVEL: [Attribute("Property", 2.0)], **place(105.9, 21.0)}))
    found = city.context.get(SYSTEM, urn(1))
    assert found is not None
    assert (found.type, found.ward, set(found.attributes)) == (TYPE, "east", {NAME, PM, LEVEL, LOCATION})
    # A value without a time takes the place of the observed one until something newer is observed.
    change("merge", Entity(urn(1), "", {PM: [Attribute("Property", 9.0)], NAME: []}))
    found = city.context.get(SYSTEM, urn(1))
    assert found is not None and found.first(NAME) is None
    shown = found.first(PM)
    assert shown is not None and (shown.value, shown.observed_at) == (9.0, None)
    assert city.read(1) == {1: 1.0}
    city.write(row(1, 2, 5.0))
    shown = city.live(1)
    assert shown is not None and (shown.value, shown.observed_at) == (5.0, at(2))
    change("replace", Entity(urn(1), OTHER_TYPE, {NAME: [Attribute("Property", "B")]}))
    found = city.context.get(SYSTEM, urn(1))
    assert found is not None
    assert (found.type, found.ward, set(found.attributes), found.point) == (OTHER_TYPE, None, {NAME}, None)
    # The same observation again in a replace is shown again, though history knows it already.
    change("replace", Entity(urn(1), TYPE, {PM: [Attribute("Property", 5.0, at(2))]}))
    shown = city.live(1)
    assert shown is not None and shown.value == 5.0
    change("delete", Entity(urn(1), TYPE))
    assert city.context.get(SYSTEM, urn(1)) is None
    for kind in ("merge", "replace", "delete"):
        with pytest.raises(Problem) as wrong:
            change(kind, Entity(urn(1), TYPE))
        assert wrong.value.status == 404
    change("upsert", Entity(urn(1), TYPE))
    found = city.context.get(SYSTEM, urn(1))
    assert found is not None and found.attributes == {}


@pytest.mark.parametrize(
    "value",
    [
        "here",
        {"type": "Point", "coordinates": [200, 21]},
        {"type": "Point", "coordinates": [105]},
        {"type": "Point", "coordinates": [float("nan"), 21]},
        {"type": "Polygon", "coordinates": []},
        {"type": "Ball", "coordinates": [1, 2]},
    ],
)
def test_a_place_that_is_none_is_refused(city: City, value: Any) -> None:
    with pytest.raises(Problem) as wrong:
        city.write(entities=[EntityChange("create", Entity(urn(1), TYPE, {LOCATION: [Attribute("GeoProperty", value)]}))])
    assert wrong.value.status == 400
    assert city.context.get(SYSTEM, urn(1)) is None


# One city for the oracle: what it holds is drawn once, the questions are many.
_RANDOM = [(105.7 + (n * 37 % 101) / 500, 20.9 + (n * 53 % 97) / 400) for n in range(60)]


class _Thing:
    def __init__(self, number: int) -> None:
        self.number = number
        self.type = (TYPE, OTHER_TYPE)[number % 3 == 0]
        self.point = None if number % 7 == 0 else _RANDOM[number]
        self.clearance = tuple(Clearance)[number // 4 % 4]
        self.level: Any = (number % 5, "cao", True, None)[number % 4] if number % 6 else "missing"
        self.pm = float(number % 11) if number % 2 else None
        self.ward = "east" if self.point and self.point[0] > 105.8 else None

    @property
    def as_policy(self) -> Thing:
        return Thing(self.clearance, self.ward, None, self.type)

    def entity(self) -> Entity:
        attributes: dict[str, list[Attribute]] = {} if self.point is None else place(*self.point)
        if self.level != "missing":
            attributes[LEVEL] = [Attribute("Property", self.level)]
        if self.number % 9 == 0:
            attributes[PM] = [Attribute("Property", 99.0)]  # stands behind a live value where there is one
        return Entity(urn(self.number), self.type, attributes)

    def values(self, iri: str) -> list[Any]:
        if iri == NAME:
            return []
        if iri == LEVEL:
            return [] if self.level == "missing" else [self.level]
        return [self.pm] if self.pm is not None else [99.0] if self.number % 9 == 0 else []


THINGS = [_Thing(number) for number in range(60)]


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory, homes_of_module: object) -> Iterator[City]:
    city = City(tmp_path_factory.mktemp("context"), stations=0)
    keeper = insider("keeper", Clearance.PERSONAL)
    city.write(entities=[EntityChange("create", thing.entity(), thing.clearance) for thing in THINGS], person=keeper)
    rows = [ReadingRow(urn(thing.number), PM, at(1), thing.pm, Origin.MEASURED) for thing in THINGS if thing.pm is not None]
    city.write(*rows, person=keeper)
    city.write(entities=[EntityChange("create", station(99)), EntityChange("delete", station(99))])
    yield city
    city.close()


def _meets(value: Any, one: Predicate) -> bool:
    if not isinstance(one, Compare):
        return True
    number, wanted = (int, float), one.values[0]
    same_kind = type(value) is type(wanted) or (
        isinstance(value, number) and isinstance(wanted, number) and bool not in (type(value), type(wanted))
    )
    if not same_kind:
        return one.op == "!="
    return bool(
        {
            "==": value == wanted,
            "!=": value != wanted,
            "<": value < wanted,
            "<=": value <= wanted,
            ">": value > wanted,
            ">=": value >= wanted,
        }[one.op]
    )


def _asked(query: EntityQuery) -> list[tuple[Predicate, Path]]:
    return [] if query.where is None else list(zip(leaves(query.where), paths(query.where), strict=True))


def _haversine(a: tuple[float, float], b: tuple[float, float]) -> float:
    (x, y), (u, v) = (tuple(map(math.radians, a)), tuple(map(math.radians, b)))
    inner = math.sin((v - y) / 2) ** 2 + math.cos(y) * math.cos(v) * math.sin((u - x) / 2) ** 2
    return 2 * 6_371_008.8 * math.asin(math.sqrt(inner))


def _by_hand(asker: Person, query: EntityQuery) -> list[str]:
    found = []
    for thing in THINGS:
        types = (query.type,) if isinstance(query.type, str) else query.type
        here = thing.point
        box, near = query.bbox, query.near
        if (
            may(asker, "entity.read", thing.as_policy)
            and (types is None or thing.type in types)
            and (not query.ids or urn(thing.number) in query.ids)
            and (query.ward is None or thing.ward == query.ward)
            and (query.id_pattern is None or str(thing.number).endswith(query.id_pattern.strip("$")))
            and (box is None or (here is not None and box[0] <= here[0] <= box[2] and box[1] <= here[1] <= box[3]))
            and (near is None or (here is not None and _haversine(here, near[:2]) <= near[2]))
            and all(any(_meets(value, one) for value in thing.values(path.attribute)) for one, path in _asked(query))
        ):
            found.append(urn(thing.number))
    return found


_SCOPES = st.builds(
    Scope,
    st.none() | st.frozensets(st.sampled_from(["east", "west"])),
    st.none(),
    st.none() | st.frozensets(st.sampled_from([TYPE, OTHER_TYPE])),
)
_GRANTS = st.builds(Grant, st.sampled_from(["operator", "device", "system"]), _SCOPES, st.sampled_from(Clearance))
_ASKERS = st.sampled_from([STRANGER, SYSTEM, LOCAL_OPERATOR]) | st.builds(
    Person, st.just("somebody"), st.lists(_GRANTS, max_size=2).map(tuple)
)
_FILTERS = (
    st.builds(
        Compare,
        st.sampled_from([PM, LEVEL, NAME]).map(Path),
        st.sampled_from(["==", "!=", "<", "<=", ">", ">="]),
        st.tuples(st.integers(0, 11) | st.sampled_from(["cao", "thấp", 99.0, 2.5])),
    )
    | st.builds(Compare, st.just(Path(LEVEL)), st.sampled_from(["==", "!="]), st.tuples(st.booleans()))
    | st.builds(Exists, st.sampled_from([PM, LEVEL, NAME]).map(Path))
)
_LONGITUDES, _LATITUDES = st.floats(105.68, 105.92), st.floats(20.88, 21.16)
_BOXES = st.tuples(_LONGITUDES, _LATITUDES, _LONGITUDES, _LATITUDES).map(
    lambda b: (min(b[0], b[2]), min(b[1], b[3]), max(b[0], b[2]), max(b[1], b[3]))
)
_EXACT_BOXES = st.tuples(st.sampled_from(_RANDOM), st.sampled_from(_RANDOM)).map(
    lambda pair: (
        min(pair[0][0], pair[1][0]),
        min(pair[0][1], pair[1][1]),
        max(pair[0][0], pair[1][0]),
        max(pair[0][1], pair[1][1]),
    )
)
_CONDITIONS: dict[str, st.SearchStrategy[Any]] = {
    "type": st.sampled_from([TYPE, OTHER_TYPE, "urn:none", (TYPE, OTHER_TYPE)]),
    "ids": st.lists(st.integers(0, 70).map(urn), min_size=1, max_size=30).map(tuple),
    "id_pattern": st.sampled_from(["7$", "1$"]),
    "where": st.lists(_FILTERS, min_size=1, max_size=2).map(lambda parts: both(*parts)),
    "bbox": _BOXES | _EXACT_BOXES,
    "near": st.tuples(_LONGITUDES, _LATITUDES, st.floats(0, 20_000)),
    "ward": st.just("east"),
    "limit": st.integers(0, 70),
    "offset": st.integers(0, 5),
}
# Few conditions at a time: many together find nothing, and prove nothing.
_QUERIES = st.lists(st.sampled_from(sorted(_CONDITIONS)), max_size=3, unique=True).flatmap(
    lambda names: st.builds(EntityQuery, **{name: _CONDITIONS[name] for name in names})
)


@settings(max_examples=100, deadline=None)
@given(asker=_ASKERS, query=_QUERIES)
def test_a_query_finds_what_a_search_by_hand_finds(full: City, asker: Person, query: EntityQuery) -> None:
    """Ids, total, order and page; what comes back is exactly what ``may`` allows."""
    wanted = _by_hand(asker, query)
    page = full.context.query(asker, query, count=True)
    assert page.total == len(wanted), (asker, query)
    assert [entity.id for entity in page.entities] == wanted[query.offset : query.offset + query.limit]
    table = full.context.table(asker, query, count=True)
    assert (table.ids, table.total) == ([entity.id for entity in page.entities], page.total)


@settings(max_examples=60, deadline=None)
@given(asker=_ASKERS, numbers=st.lists(st.integers(0, 70), min_size=1, max_size=20, unique=True))
def test_history_and_single_things_are_read_by_whom_may_allows(full: City, asker: Person, numbers: list[int]) -> None:
    """One thing, its history and many histories at once: each shows what ``may`` allows of that thing, and no more."""
    things = [thing for thing in THINGS if thing.number in numbers]
    assert [full.context.get(asker, urn(number)) is not None for number in numbers] == [
        number < len(THINGS) and may(asker, "entity.read", THINGS[number].as_policy) for number in numbers
    ]
    known = {
        urn(thing.number): thing.pm
        for thing in things
        if thing.pm is not None and may(asker, "history.read", thing.as_policy)
    }
    read = {urn(number): full.history.series(asker, urn(number), PM, at(0), at(60)).values for number in numbers}
    assert {one: values for one, values in read.items() if values} == {one: [pm] for one, pm in known.items()}
    means = full.history.hourly(asker, [urn(number) for number in numbers], PM, at(0), at(60))
    assert means == {one: {at(0): pm} for one, pm in known.items()}


def test_the_columns_say_what_the_entities_say(full: City) -> None:
    query = EntityQuery(attributes=(PM, LEVEL, NAME))
    page, table = full.context.query(SYSTEM, query), full.context.table(SYSTEM, query)
    assert len(table) == len(page.entities) > 30
    for place_in_table, entity in enumerate(page.entities):
        for iri in query.attributes or ():
            one = entity.first(iri)
            assert table.values[iri][place_in_table] == (one.value if one else None)
            assert table.grades[iri][place_in_table] == (one.grade if one else None)
        assert table.wards[place_in_table] == entity.ward
        assert table.types[place_in_table] == entity.type
        assert table.points[place_in_table] == THINGS[int(entity.id.rsplit(":", 1)[1])].point
        assert LOCATION not in entity.attributes


def test_a_stranger_reads_what_is_public_only(full: City) -> None:
    public = next(urn(t.number) for t in THINGS if t.clearance == Clearance.PUBLIC)
    internal = next(urn(t.number) for t in THINGS if t.clearance == Clearance.INTERNAL)
    assert full.context.get(STRANGER, public) is not None
    assert full.context.get(STRANGER, internal) is None
    assert full.context.get(SYSTEM, internal) is not None


@pytest.mark.parametrize(
    "query",
    [
        EntityQuery(limit=10_001),
        EntityQuery(limit=-1),
        EntityQuery(offset=-1),
        EntityQuery(bbox=(106, 21, 105, 22)),
        EntityQuery(bbox=(105, 21, float("nan"), 22)),
        EntityQuery(near=(105, 21, -1)),
        EntityQuery(near=(105, 91, 1)),
        EntityQuery(id_pattern="("),
        EntityQuery(id_pattern="a" * 257),
        EntityQuery(id_pattern="(?=look)"),
        EntityQuery(id_pattern="((((a{99}){99}){99}){99})"),
        EntityQuery(where=Compare(Path(PM), "<", (True,))),
        EntityQuery(where=Compare(Path('a"b'), "==", (1,))),
        EntityQuery(where=Compare(Path(PM), "~=", ("(",))),
    ],
)
def test_a_question_without_sense_is_refused(full: City, query: EntityQuery) -> None:
    with pytest.raises(Problem) as wrong:
        full.context.query(SYSTEM, query)
    assert wrong.value.status == 400


def test_a_pattern_made_to_run_for_years_does_not(full: City) -> None:
    before = datetime.now().astimezone()
    assert full.context.query(SYSTEM, EntityQuery(id_pattern="(((((.*)*)*)*)*)*!$")).entities == []
    assert (datetime.now().astimezone() - before).total_seconds() < 20


@given(
    here=st.tuples(st.floats(-179, 179), st.floats(-85, 85)),
    bearing=st.floats(0, 2 * math.pi),
    distance=st.floats(1, 300_000),
)
def test_the_box_around_a_circle_holds_it(here: tuple[float, float], bearing: float, distance: float) -> None:
    angle = distance / 6_371_008.8
    y = math.radians(here[1])
    latitude = math.asin(math.sin(y) * math.cos(angle) + math.cos(y) * math.sin(angle) * math.cos(bearing))
    east = math.atan2(math.sin(bearing) * math.sin(angle) * math.cos(y), math.cos(angle) - math.sin(y) * math.sin(latitude))
    there = (here[0] + math.degrees(east), math.degrees(latitude))
    west_, south, east_, north = box_around(*here, distance)
    assert west_ <= there[0] <= east_
    assert south <= there[1] <= north
    assert metres(*here, *there, *there) == pytest.approx(distance, rel=1e-3, abs=0.01)
