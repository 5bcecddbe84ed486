"""What SQL finds and what ``holds`` says of each entity are the same: any condition, any asker, both homes."""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from city_world import NOW, City, at, urn
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import LineString, MultiPoint, Point, Polygon, box

from dothi.access.policy import STRANGER, SYSTEM, WHOLE_CITY, Clearance, Grant, Person, Scope
from dothi.data.batch import EntityChange, ReadingRow
from dothi.data.context import Context, EntityQuery
from dothi.data.geometry import GeoQuery
from dothi.data.ordering import in_order
from dothi.data.predicate import (
    And,
    Between,
    Compare,
    Exists,
    HasId,
    IdMatches,
    InScope,
    Missing,
    OfType,
    Or,
    Path,
    read_moment,
)
from dothi.data.question import Order, holds
from dothi.model.entity import LOCATION, Attribute, Entity
from dothi.model.problem import Problem
from dothi.model.reading import Origin
from dothi.model.schema import AttributeType, EntityType
from dothi.model.text import Text
from dothi.testing.clock import FixedClock
from dothi.testing.people import insider

_IRI = "https://example.org/"
NUMBER, WORD, FLAG, MIXED, COLOUR, LINK, ADDRESS, SEEN, SECRET, AREA, BY = (
    _IRI + name for name in ("number", "word", "flag", "mixed", "colour", "link", "address", "seen", "secret", "area", "by")
)
ATTRIBUTES = (NUMBER, WORD, FLAG, MIXED, COLOUR, LINK, ADDRESS, SEEN, SECRET, AREA)
KINDS = tuple(_IRI + name for name in ("Pump", "Carer", "Gate"))
_WORDS = Text("Tên", "Name")
DECLARED = (
    EntityType("Pump", KINDS[0], _WORDS, (AttributeType("secret", SECRET, _WORDS, clearance=Clearance.RESTRICTED),)),
    EntityType(
        "Carer",
        KINDS[1],
        _WORDS,
        (
            AttributeType("word", WORD, _WORDS, "text", clearance=Clearance.RESTRICTED),
            AttributeType("location", LOCATION, _WORDS, "geometry", clearance=Clearance.RESTRICTED),
        ),
    ),
)
COUNT = 90
TEXTS = ["cao", "thấp", "Trạm 1", "Trạm 12", "", "5", "2026-05-14T04:00:00Z"]
DAYS = ["2026-05-14T04:00:00Z", "2026-05-13T23:30:00.5Z", "2026-05-14", "08:15:00"]
PLACES: list[dict[str, Any]] = [
    {"type": "Point", "coordinates": [105.80, 21.00]},
    {"type": "Point", "coordinates": [105.85, 21.03]},
    {"type": "Point", "coordinates": [105.79, 21.00]},
    {"type": "LineString", "coordinates": [[105.78, 21.0], [105.86, 21.04]]},
    {"type": "Polygon", "coordinates": [[[105.8, 21.0], [105.84, 21.0], [105.84, 21.03], [105.8, 21.03], [105.8, 21.0]]]},
    {"type": "MultiPoint", "coordinates": [[105.7, 20.9], [105.9, 21.1]]},
]


def _entity(number: int) -> Entity:
    dice = random.Random(number)
    told: dict[str, list[Attribute]] = {}

    def tell(iri: str, kind: str, values: list[Any], **more: Any) -> None:
        if dice.random() < 0.7:
            told[iri] = [Attribute(kind, dice.choice(values), **more)]

    tell(NUMBER, "Property", [0, 1, 2.5, 4, 7, -1], unit="CEL")
    if NUMBER in told and dice.random() < 0.3:
        told[NUMBER].append(Attribute("Property", dice.choice([1, 9]), dataset_id="urn:set:b"))
    if NUMBER in told and dice.random() < 0.4:
        told[NUMBER][0].sub[BY] = [Attribute("Property", dice.choice([1, "cao", None]), at(0))]
    tell(WORD, "Property", TEXTS)
    tell(FLAG, "Property", [True, False])
    tell(MIXED, "Property", [1, "cao", True, [1, 2, "cao"], {"@type": "DateTime", "@value": DAYS[0]}, {"a": 1}, [[1]]])
    tell(COLOUR, "LanguageProperty", [{"vi": "đỏ", "en": "red"}, {"en": ["blue", "red"]}, {"vi": "xanh"}])
    tell(LINK, "Relationship", [urn(1), urn(2), [urn(1), urn(3)], urn(999)])
    tell(ADDRESS, "Property", [{"city": "Hà Nội", "number": 5, "deep": {"x": [1, 2]}}, {"city": ["a", "cao"]}, "cao"])
    tell(SEEN, "Property", DAYS)
    tell(SECRET, "Property", [1, "cao", 4])
    tell(AREA, "GeoProperty", PLACES)
    tell(LOCATION, "GeoProperty", PLACES)
    scopes = tuple(dice.sample(["/Hanoi", "/Hanoi/Parks", "/Hanoi/Parks/Big", "/Hue/Parks"], dice.choice([0, 1, 2])))
    more = tuple(dice.sample(KINDS[1:], dice.choice([0, 0, 1])))
    kind = dice.choice(KINDS)
    expires = at(-1) if number == 5 else at(60) if dice.random() < 0.2 else None
    if WORD in told and number % 11 == 0:
        told[WORD][0].expires_at = at(-1)
    return Entity(
        urn(number),
        kind,
        told,
        owner=f"agency-{number % 2}",
        more_types=tuple(one for one in more if one != kind),
        scopes=scopes,
        expires_at=expires,
    )


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory, homes_of_module: object) -> Iterator[City]:
    city = City(tmp_path_factory.mktemp("question"), stations=0, types=DECLARED)
    city.context = Context(city.database, DECLARED, FixedClock(NOW))
    keeper = insider("keeper", Clearance.PERSONAL)
    for number in range(COUNT):
        change = EntityChange("create", _entity(number), Clearance(number // 2 % 3))
        city.write(entities=[change], person=keeper, now=at(-100 + number))
    dice = random.Random(1)
    rows = [
        ReadingRow(urn(number), iri, at(dice.choice([-5, -4])), dice.choice(values), Origin.MEASURED, dataset_id=dataset)
        for number in range(COUNT)
        for iri, values in ((NUMBER, [1, 2.5, 8, "cao", [1, 8]]), (WORD, TEXTS), (MIXED, [True, 3, {"a": 2}]))
        for dataset in (None, "urn:set:b")
        if dice.random() < 0.2
    ]
    city.write(*rows, person=keeper)
    yield city
    city.close()


_VALUES = (
    st.sampled_from([0.0, 1.0, 2.5, 4.0, 5.0])
    | st.sampled_from([*TEXTS, "red", "đỏ", "Hà Nội", urn(1)])
    | st.booleans()
    | st.sampled_from(DAYS).map(read_moment)
)
_RANGES = st.sampled_from([Between(1.0, 4.0), Between("a", "d"), Between(read_moment(DAYS[1]), read_moment(DAYS[0]))])
_PATHS = st.sampled_from([Path(iri) for iri in ATTRIBUTES]) | st.sampled_from(
    [
        Path(NUMBER, (BY,)),
        Path(NUMBER, (BY,), "observedAt"),
        Path(NUMBER, member="observedAt"),
        Path(NUMBER, member="unitCode"),
        Path(NUMBER, member="datasetId"),
        Path(NUMBER, member="modifiedAt"),
        Path(COLOUR, inside=("vi",)),
        Path(COLOUR, inside=("*",)),
        Path(ADDRESS, inside=("city",)),
        Path(ADDRESS, inside=("deep", "x", "1")),
        Path("createdAt"),
        Path("modifiedAt"),
        Path(LINK, linked=Path(NUMBER)),
        Path(LINK, linked=Path(WORD), linked_types=(KINDS[0],)),
        Path(LINK, linked=Path(LINK, linked=Path(SECRET))),
    ]
)
_LEAVES = (
    st.builds(Compare, _PATHS, st.sampled_from(["==", "!="]), st.lists(_VALUES | _RANGES, min_size=1, max_size=2).map(tuple))
    | st.builds(
        Compare,
        _PATHS,
        st.sampled_from(["<", "<=", ">", ">="]),
        st.tuples(_VALUES.filter(lambda value: not isinstance(value, bool))),
    )
    | st.builds(Compare, _PATHS, st.sampled_from(["~=", "!~="]), st.sampled_from([("^Tr",), ("a",), ("[0-9]$",)]))
    | st.builds(Exists, _PATHS)
    | st.builds(Missing, _PATHS)
)
_WHERE = st.recursive(
    _LEAVES,
    lambda inner: (
        st.builds(And, st.lists(inner, min_size=2, max_size=3).map(tuple))
        | st.builds(Or, st.lists(inner, min_size=2, max_size=3).map(tuple))
    ),
    max_leaves=4,
)
_WHICH_LEAVES = (
    st.builds(OfType, st.sampled_from([*KINDS, "urn:none"]))
    | st.builds(HasId, st.lists(st.integers(0, COUNT).map(urn), min_size=1, max_size=40).map(tuple))
    | st.builds(IdMatches, st.sampled_from(["7$", ":1"]))
    | st.builds(InScope, st.sampled_from([("Hanoi",), ("Hanoi", "#"), ("#",), ("+", "Parks"), ("+", "Parks", "#")]))
)
_WHICH = (
    _WHICH_LEAVES
    | st.builds(And, st.tuples(_WHICH_LEAVES, _WHICH_LEAVES))
    | st.builds(Or, st.tuples(_WHICH_LEAVES, _WHICH_LEAVES))
)
_SHAPES = st.sampled_from(
    [
        Point(105.80, 21.00),
        Point(105.81, 21.01),
        box(105.79, 20.99, 105.83, 21.02),
        box(105.0, 20.0, 107.0, 22.0),
        Polygon([(105.78, 20.98), (105.9, 20.98), (105.9, 21.1), (105.78, 20.98)]),
        LineString([(105.78, 21.0), (105.86, 21.04)]),
        MultiPoint([(105.7, 20.9), (105.85, 21.03)]),
    ]
)
_ATTRIBUTE_OF_PLACE = st.sampled_from([LOCATION, LOCATION, AREA])
_GEO = st.builds(
    GeoQuery,
    st.sampled_from(["within", "contains", "intersects", "equals", "disjoint", "overlaps"]),
    _SHAPES,
    _ATTRIBUTE_OF_PLACE,
) | st.builds(
    lambda shape, attribute, metres, most: GeoQuery(
        "near", shape, attribute, metres if most else None, None if most else metres
    ),
    _SHAPES,
    _ATTRIBUTE_OF_PLACE,
    st.sampled_from([1.0, 900.0, 1100.0, 5000.0]),
    st.booleans(),
)
_ORDERS = st.builds(Order, _PATHS.filter(lambda path: path.linked is None), st.booleans()) | st.builds(
    Order, st.sampled_from([Path(LOCATION), Path(AREA)]), st.booleans(), _SHAPES
)
_CONDITIONS: dict[str, st.SearchStrategy[Any]] = {
    "where": _WHERE,
    "which": _WHICH,
    "geo": _GEO,
    "type": st.sampled_from([KINDS[0], KINDS[1:]]),
    "id_pattern": st.sampled_from(["7$", ":1"]),
    "order": st.lists(_ORDERS, min_size=1, max_size=2).map(tuple),
}
_QUERIES = st.lists(st.sampled_from(["where", *sorted(_CONDITIONS)]), min_size=1, max_size=2, unique=True).flatmap(
    lambda names: st.builds(
        EntityQuery,
        limit=st.sampled_from([3, 20, 200]),
        offset=st.sampled_from([0, 0, 2]),
        **{name: _CONDITIONS[name] for name in names},
    )
)
_SCOPES = st.sampled_from([WHOLE_CITY, Scope(wards=frozenset({"east"})), Scope(agencies=frozenset({"agency-1"}))])
_GRANTS = st.builds(Grant, st.sampled_from(["operator", "system"]), _SCOPES, st.sampled_from(Clearance))
_ASKERS = st.sampled_from([SYSTEM, SYSTEM, STRANGER]) | st.builds(
    Person, st.just("somebody"), st.lists(_GRANTS, max_size=2).map(tuple)
)


@settings(max_examples=60)
@given(asker=_ASKERS, query=_QUERIES, count=st.booleans())
def test_sql_finds_what_holds_of_what_the_asker_may_know(full: City, asker: Person, query: EntityQuery, count: bool) -> None:
    every = {one.id: one for one in full.context.query(asker, EntityQuery(limit=1000)).entities}
    found = [one for one in every.values() if holds(query, one, every.get)]
    wanted = [one.id for one in in_order(found, query.order, query.collation)]
    page = full.context.query(asker, query, count=count)
    assert [one.id for one in page.entities] == wanted[query.offset : query.offset + query.limit]
    assert page.more == (len(wanted) > query.offset + query.limit)
    if count:
        assert page.total == len(wanted)


@settings(max_examples=20)
@given(asker=_ASKERS, kind=st.none() | st.sampled_from([*KINDS, "urn:none"]))
def test_an_inventory_counts_what_the_asker_may_know(full: City, asker: Person, kind: str | None) -> None:
    every = full.context.query(asker, EntityQuery(limit=1000)).entities
    things = [one for one in every if kind is None or kind in (one.type, *one.more_types)]
    found = full.context.inventory(asker, kind)
    types = Counter(each for one in things for each in (one.type, *one.more_types))
    assert found.types == types
    if kind is None:
        assert full.context.types(asker) == types
    for iri in {iri for one in things for iri in one.attributes} | found.attributes.keys():
        having = [one for one in things if iri in one.attributes]
        instances = [each for one in having for each in one.attributes[iri]]
        told = found.attributes[iri]
        assert (told.count, told.kinds) == (len(instances), {each.kind for each in instances})
        assert told.types == {each for one in having for each in (one.type, *one.more_types)}
        for each in types:
            kinds = {inst.kind for one in having if each in (one.type, *one.more_types) for inst in one.attributes[iri]}
            assert found.told[each].get(iri, set()) == kinds


def test_what_is_past_its_time_is_not_found(full: City) -> None:
    everything = EntityQuery(limit=1000)
    assert urn(5) not in {one.id for one in full.context.query(SYSTEM, everything).entities}
    for query in (replace(everything, where=Exists(Path(WORD))), replace(everything, where=Missing(Path(WORD)))):
        shown = {one.id: one for one in full.context.query(SYSTEM, query).entities}
        assert all((WORD in one.attributes) == isinstance(query.where, Exists) for one in shown.values())
        assert len(shown) > 10


def _nested(levels: int) -> Any:
    found: Any = Exists(Path(NUMBER))
    for _ in range(levels):
        found = Or((And((found, Missing(Path("urn:a:none")))), Compare(Path(MIXED), "==", (Between(1.0, 2.0), "x", True))))
    return found


@pytest.mark.parametrize(
    "query",
    [
        EntityQuery(where=Compare(Path(NUMBER), "==", tuple(float(number) for number in range(500)))),
        EntityQuery(where=Or(tuple(Exists(Path(f"urn:a:{number}")) for number in range(500)))),
        EntityQuery(which=Or(tuple(OfType(f"urn:a:{number}") for number in range(500)))),
        EntityQuery(where=_nested(17)),
    ],
)
def test_a_query_has_bounds(full: City, query: EntityQuery) -> None:
    with pytest.raises(Problem) as wrong:
        full.context.query(SYSTEM, query)
    assert wrong.value.status == 400


@pytest.mark.parametrize(
    "where",
    [
        Compare(Path(MIXED), "==", tuple(float(number) for number in range(400))),
        Or(tuple(Compare(Path(MIXED), "!=", (Between("a", str(number)),)) for number in range(64))),
        And(tuple(Missing(Path(f"urn:a:{number}")) for number in range(64))),
        _nested(16),
    ],
)
def test_the_largest_query_is_answered(full: City, where: Any) -> None:
    every = full.context.query(SYSTEM, EntityQuery(limit=1000)).entities
    wanted = [one.id for one in every if holds(EntityQuery(where=where), one)]
    page = full.context.query(SYSTEM, EntityQuery(where=where, limit=1000))
    assert [one.id for one in page.entities] == wanted


def test_moments_are_read_as_people_write_them() -> None:
    day = read_moment("2026-05-14")
    assert day == read_moment("2026-05-14T00:00:00Z") == read_moment("2026-05-14T07:00:00+07:00")
    assert read_moment("2026-05-14T04:00:00,25Z") == read_moment("2026-05-14T04:00:00.250Z")
    assert read_moment("08:15:00") != day
    for text in ("2026", "2026-02-31", "24:00:00", "20260514", "today", "12", ""):
        assert read_moment(text) is None
    assert timedelta(microseconds=read_moment("08:15:00Z").micros) == timedelta(hours=8, minutes=15)  # type: ignore[union-attr]  # read
