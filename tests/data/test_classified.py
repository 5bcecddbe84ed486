"""An attribute that is stricter than its thing: it is absent wherever the thing is told of to who may not know it."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from city_world import City, at, urn
from hypothesis import given, settings
from hypothesis import strategies as st

from dothi.access.policy import WHOLE_CITY, Clearance, Grant, Person, Scope, Thing, may
from dothi.data.batch import EntityChange, ReadingRow
from dothi.data.context import EntityQuery
from dothi.data.predicate import Compare, Exists, Path
from dothi.model.entity import LOCATION, Attribute, Entity
from dothi.model.moment import Moment
from dothi.model.reading import Origin
from dothi.model.schema import AttributeType, EntityType
from dothi.model.text import Text
from dothi.testing.people import insider

_WORDS = Text("Tên", "Name")
NAME, LEVEL, FLOW = (f"https://example.org/{name}" for name in ("name", "level", "flow"))
# The same attribute is open on one kind of thing and classified on the other; one kind's place is classified.
PUMP = EntityType(
    "Pump",
    "https://example.org/Pump",
    Text("Máy bơm", "Pump"),
    (
        AttributeType("name", NAME, _WORDS, "text"),
        AttributeType("level", LEVEL, _WORDS, clearance=Clearance.RESTRICTED),
        AttributeType("flow", FLOW, _WORDS),
    ),
)
PERSON = EntityType(
    "Carer",
    "https://example.org/Carer",
    Text("Người trực", "Carer"),
    (
        AttributeType("name", NAME, _WORDS, "text", clearance=Clearance.PERSONAL),
        AttributeType("level", LEVEL, _WORDS),
        AttributeType("location", LOCATION, _WORDS, "geometry", clearance=Clearance.RESTRICTED),
    ),
)
DECLARED = {kind.iri: {one.iri: one.clearance for one in kind.attributes} for kind in (PUMP, PERSON)}
COUNT = 24


def _kind(number: int) -> str:
    return (PUMP, PERSON)[number % 2].iri


def _clearance(number: int) -> Clearance:
    return Clearance(number // 2 % 3)


def _longitude(number: int) -> float:
    return 105.9 if number % 3 else 105.7


def _thing(number: int) -> Thing:
    return Thing(_clearance(number), "east" if number % 3 else None, f"agency-{number % 2}", _kind(number))


def _knows(asker: Person, action: str, number: int, attribute: str) -> bool:
    """By hand: the stricter of the thing's clearance and the attribute's decides."""
    thing = _thing(number)
    level = max(thing.clearance, DECLARED[_kind(number)].get(attribute, Clearance.PUBLIC))
    return may(asker, action, thing) and may(asker, action, Thing(level, thing.ward, thing.agency, thing.type))


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory, homes_of_module: object) -> Iterator[City]:
    city = City(tmp_path_factory.mktemp("classified"), stations=0, types=(PUMP, PERSON))
    keeper = insider("keeper", Clearance.PERSONAL)
    changes, rows = [], []
    for number in range(COUNT):
        point = {"type": "Point", "coordinates": [_longitude(number), 21.0]}
        kept = {NAME: [Attribute("Property", f"n{number}")], LOCATION: [Attribute("GeoProperty", point)]}
        entity = Entity(urn(number), _kind(number), kept, owner=f"agency-{number % 2}")
        changes.append(EntityChange("create", entity, _clearance(number)))
        rows += [ReadingRow(urn(number), iri, at(1), 1.0 + number, Origin.MEASURED) for iri in (LEVEL, FLOW)]
    city.write(entities=changes, person=keeper)
    city.write(*rows, person=keeper)
    yield city
    city.close()


_SCOPES = st.sampled_from([WHOLE_CITY, Scope(wards=frozenset({"east"})), Scope(agencies=frozenset({"agency-1"}))])
_GRANTS = st.builds(Grant, st.sampled_from(["operator", "developer", "system"]), _SCOPES, st.sampled_from(Clearance))
ASKERS = st.builds(Person, st.just("somebody"), st.lists(_GRANTS, max_size=2).map(tuple))


@settings(max_examples=40)
@given(asker=ASKERS)
def test_what_is_now_tells_an_attribute_to_who_may_know_it(full: City, asker: Person) -> None:
    for attributes in (None, (NAME, LEVEL, FLOW, LOCATION)):
        for entity in full.context.query(asker, EntityQuery(limit=100, attributes=attributes)).entities:
            number = int(entity.id.rsplit(":", 1)[1])
            shown = {iri for iri in (NAME, LEVEL, FLOW, LOCATION) if _knows(asker, "entity.read", number, iri)}
            assert entity.attributes.keys() == shown
            assert (entity.ward is not None) == (LOCATION in shown and number % 3 != 0)
    table = full.context.table(asker, EntityQuery(limit=100, attributes=(NAME, LEVEL)))
    for place, one in enumerate(table.ids):
        number = int(one.rsplit(":", 1)[1])
        for iri in (NAME, LEVEL):
            assert (table.values[iri][place] is not None) == _knows(asker, "entity.read", number, iri)
            assert table.observed_at[iri][place] is None or table.values[iri][place] is not None
        assert (table.points[place] is not None) == _knows(asker, "entity.read", number, LOCATION)


@settings(max_examples=40)
@given(asker=ASKERS)
def test_nobody_finds_or_counts_by_what_they_may_not_know(full: City, asker: Person) -> None:
    def found(query: EntityQuery) -> set[int]:
        page = full.context.query(asker, query, count=True)
        assert page.total == len(page.entities)
        return {int(one.id.rsplit(":", 1)[1]) for one in page.entities}

    def known(attribute: str) -> set[int]:
        return {number for number in range(COUNT) if _knows(asker, "entity.read", number, attribute)}

    level = Exists(Path(LEVEL))
    assert found(EntityQuery(where=level)) == known(LEVEL)
    assert found(EntityQuery(where=Compare(Path(LEVEL), ">", (10.5,)))) == {one for one in known(LEVEL) if one >= 10}
    assert found(EntityQuery(where=Compare(Path(NAME), "==", ("n7",)))) == known(NAME) & {7}
    east = {number for number in known(LOCATION) if number % 3}
    assert found(EntityQuery(ward="east")) == east
    assert found(EntityQuery(bbox=(105.8, 20, 106, 22))) == east
    assert found(EntityQuery(near=(105.9, 21.0, 500.0))) == east
    assert found(EntityQuery(ward="east", where=level)) == east & known(LEVEL)


@settings(max_examples=25)
@given(asker=ASKERS)
def test_what_was_tells_an_attribute_to_who_may_know_it(full: City, asker: Person) -> None:
    start, end = at(0), at(60)
    for iri in (LEVEL, FLOW):
        known = {urn(number): 1.0 + number for number in range(COUNT) if _knows(asker, "history.read", number, iri)}
        every = [urn(number) for number in range(COUNT)]
        read = {one: full.history.series(asker, one, iri, start, end).values for one in every}
        assert {one: values for one, values in read.items() if values} == {one: [value] for one, value in known.items()}
        means = full.history.hourly(asker, every, iri, start, end)
        assert {one: list(hours.values()) for one, hours in means.items()} == {one: [value] for one, value in known.items()}
        hour = timedelta(hours=1)
        frame = full.history.windows(asker, iri, start, end, every=hour, functions=("mean",)).frame
        assert dict(zip(frame["key"], frame["mean"], strict=True)) == known
        whole = full.history.windows(asker, iri, start, end, every=hour, functions=("count",), by="city").frame
        assert sum(whole["count"].to_list()) == len(known)
        rows = [piece.filter(piece["attribute"] == iri) for piece in full.history.rows(asker, start, end)]
        assert {one for piece in rows for one in piece["entity"].to_list()} == known.keys()
    then = full.history.at(asker, Moment(at(30)), attributes=(NAME, LEVEL))
    for place, one in enumerate(then.ids):
        number = int(one.rsplit(":", 1)[1])
        for iri in (NAME, LEVEL):
            assert (then.values[iri][place] is not None) == _knows(asker, "history.read", number, iri)
        assert (then.points[place] is not None) == _knows(asker, "history.read", number, LOCATION)
