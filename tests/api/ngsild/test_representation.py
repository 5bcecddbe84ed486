"""What a client sends comes back as it was, in every representation, and the representations say the same."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from entity_world import ENTITIES, NAMES, TERMS
from hypothesis import given, settings
from msgspec import structs

from dothi.api.ngsild.representation import shaper
from dothi.api.ngsild.shape import Shape
from dothi.api.ngsild.writing.reading import VALUE_KEYS, read_entity, read_instances
from dothi.data.document import attribute_of, instance_of
from dothi.model.clock import from_micros
from dothi.model.entity import LOCATION, Attribute, Entity
from dothi.model.problem import Problem
from dothi.model.reading import Grade, Origin, Reason


def _over_the_wire(shown: Any) -> Any:
    return msgspec.json.decode(msgspec.json.encode(shown))


@pytest.mark.parametrize("form", ["normalized", "concise"])
@given(entity=ENTITIES)
@settings(max_examples=60, deadline=None)
def test_what_is_shown_reads_back_as_what_it_was(form: Any, entity: Entity) -> None:
    # A moment of expiry is told with sysAttrs alone (clause 6.3.11).
    shown = shaper(TERMS, Shape(form, sys_attrs=True))(entity)
    assert read_entity(_over_the_wire(shown), TERMS) == entity


@given(entity=ENTITIES)
@settings(max_examples=60, deadline=None)
def test_what_is_stored_reads_back_as_what_it_was(entity: Entity) -> None:
    for said in entity.attributes.values():
        for one in said:
            if one.observed_at is None:  # an observed one is a reading, and kept elsewhere
                kept = _over_the_wire(instance_of(one, 5_000_000, None))
                assert _timeless(attribute_of(kept, _Moments())) == one


class _Moments(dict[int, datetime]):
    def __missing__(self, micros: int) -> datetime:
        return from_micros(micros)


def _timeless(one: Attribute) -> Attribute:
    sub = {iri: [_timeless(inner) for inner in said] for iri, said in one.sub.items()}
    return structs.replace(one, created_at=None, modified_at=None, sub=sub)


@given(entity=ENTITIES)
@settings(max_examples=60, deadline=None)
def test_the_representations_agree(entity: Entity) -> None:
    normal = shaper(TERMS, Shape())(entity)
    simple = shaper(TERMS, Shape("keyValues"))(entity)
    feature = shaper(TERMS, Shape(geojson=True))(entity)
    assert feature["properties"] == {name: said for name, said in normal.items() if name != "id"}
    assert simple.keys() == normal.keys()
    for name in normal.keys() - {"id", "type", "scope"}:
        said = normal[name] if isinstance(normal[name], list) else [normal[name]]
        told = simple[name]["dataset"] if len(said) > 1 else {said[0].get("datasetId", "@none"): simple[name]}
        assert told == {one.get("datasetId", "@none"): _simplified(one) for one in said}
    place = entity.attributes.get(LOCATION)
    assert place is None or feature["geometry"] == place[0].value


def _simplified(one: dict[str, Any]) -> Any:
    """What clause 4.5.4 makes of a normalized instance, told another way."""
    key = VALUE_KEYS[one["type"]]
    if key == "objectList":
        return [each["object"] for each in one[key]]
    return {key: one[key]} if key in ("languageMap", "json", "vocab") else one[key]


def test_what_the_city_says_of_a_reading_is_shown_and_never_taken_for_the_clients_word() -> None:
    read = Attribute("Property", 7, datetime(2026, 1, 1, tzinfo=UTC), sub={NAMES["grade"]: [Attribute("Property", "A")]})
    read.grade, read.reasons, read.origin = Grade.SUSPECT, Reason.STUCK, Origin.SIMULATED
    entity = Entity("urn:a:b", NAMES["Building"], {NAMES["speed"]: [read]})
    shown = shaper(TERMS, Shape())(entity)["speed"]
    assert shown["grade"] == {"type": "Property", "value": "A"}
    assert shown["urn:dothi:term:grade"]["value"] == "suspect"
    assert shown["urn:dothi:term:reasons"]["value"] == ["stuck"]
    assert shown["urn:dothi:term:origin"]["value"] == "simulated"
    (again,) = read_instances(NAMES["speed"], _over_the_wire(shown), TERMS, fragment=False)
    assert list(again.sub) == [NAMES["grade"]]
    plain = structs.replace(read, grade=Grade.GOOD, reasons=Reason.NONE, origin=Origin.MEASURED)
    entity.attributes[NAMES["speed"]] = [plain]
    assert set(shaper(TERMS, Shape())(entity)["speed"]) == {"type", "value", "observedAt", "grade"}


@pytest.mark.parametrize(
    ("lang", "told"),
    [
        ("fr", ("fr", "Place")),
        ("FR;q=0.2,nl;q=0.9", ("nl", "Markt")),
        ("nl-BE", ("nl", "Markt")),
        ("en", ("en-US", "Square")),
        ("pt,*;q=0.1", ("fr", "Place")),
    ],
)
def test_a_reader_gets_the_language_that_suits(lang: str, told: tuple[str, str]) -> None:
    from dothi.api.ngsild.languages import wanted

    texts = {"fr": "Place", "nl": "Markt", "en-US": "Square"}
    entity = Entity("urn:a:b", NAMES["Building"], {NAMES["open"]: [Attribute("LanguageProperty", texts)]})
    shown = shaper(TERMS, Shape(languages=wanted(lang)))(entity)["open"]
    assert (shown["type"], shown["lang"], shown["value"]) == ("Property", *told)
    assert shaper(TERMS, Shape("keyValues", languages=wanted(lang)))(entity)["open"] == told[1]


@pytest.mark.parametrize(
    "said",
    [
        {"type": "Property"},
        {"type": "Property", "value": None},
        {"type": "Property", "value": "urn:ngsi-ld:null"},
        {"type": "Property", "object": "urn:a:b"},
        {"type": "Property", "value": 1, "object": "urn:a:b"},
        {"type": "Relationship", "object": "no uri"},
        {"type": "Relationship", "object": []},
        {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [200, 3]}},
        {"type": "GeoProperty", "value": {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 1]]]}},
        {"type": "GeoProperty", "value": {"type": "Point", "coordinates": ["1", True]}},
        {"type": "LanguageProperty", "languageMap": "text"},
        {"type": "VocabProperty", "vocab": {}},
        {"type": "ListProperty", "valueList": 3},
        {"type": "ListRelationship", "objectList": [{}]},
        {"type": "Property", "value": 1, "observedAt": "2026-02-31T00:00:00Z"},
        {"type": "Property", "value": 1, "observedAt": "2026-02-21T00:00:00+07:00"},
        {"type": "Property", "value": 1, "unitCode": 3},
        {"type": "Property", "value": 1, "datasetId": "none"},
        [{"type": "Property", "value": 1}, {"type": "Property", "value": 2}],
        {"type": "Nothing", "value": 1},
        {"type": ["Property"], "value": 1},
        {"type": "Nothing"},
        {},
        None,
    ],
)
def test_what_is_no_attribute_is_refused(said: Any) -> None:
    with pytest.raises(Problem) as refused:
        read_instances(NAMES["speed"], said, TERMS, fragment=False)
    assert (refused.value.status, refused.value.code) == (400, "bad-request")
