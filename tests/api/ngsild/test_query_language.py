"""The query, type, scope and geo languages of NGSI-LD (clauses 4.9, 4.10, 4.17, 4.19): what they mean, and what is none."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dothi.api.ngsild.contexts.jsonld import Definitions
from dothi.api.ngsild.contexts.term_map import TermMap
from dothi.api.ngsild.querying.asking import read_query, read_query_body
from dothi.api.ngsild.querying.geo_query import parse_geo
from dothi.api.ngsild.querying.query_language import parse_q, parse_scope_q, parse_types
from dothi.data.predicate import meets
from dothi.data.question import holds
from dothi.model.entity import LOCATION, Attribute, Entity
from dothi.model.problem import Problem

TERMS = TermMap(Definitions(terms={"Car": "urn:t:Car", "commercial": "urn:t:commercial"}), "/c", "/c")
DAY = datetime(2026, 5, 14, tzinfo=UTC)


def _iri(name: str) -> str:
    return TERMS.expand(name)


OWNER = Entity("urn:x:owner", _iri("Firm"), {_iri("name"): [Attribute("Property", "Sở")]}, more_types=(_iri("Office"),))
CAR = Entity(
    "urn:x:car",
    "urn:t:Car",
    {
        _iri("speed"): [
            Attribute("Property", 80, DAY, sub={_iri("accuracy"): [Attribute("Property", 0.5)]}),
            Attribute("Property", 90, dataset_id="urn:set:gps"),
        ],
        _iri("name"): [Attribute("Property", "Xe; số (1)|2")],
        _iri("parked"): [Attribute("Property", False)],
        _iri("tags"): [Attribute("Property", ["red", "fast", 3])],
        _iri("built"): [Attribute("Property", {"@type": "Date", "@value": "2020-02-29"})],
        _iri("address"): [Attribute("Property", {"city": "Huế", "lines": ["a", "b"], "deep": {"er": 1}})],
        _iri("title"): [Attribute("LanguageProperty", {"vi": "xe", "en": ["car", "vehicle"]})],
        _iri("use"): [Attribute("VocabProperty", "urn:t:commercial")],
        _iri("owner"): [Attribute("Relationship", "urn:x:owner")],
        _iri("open"): [Attribute("Property", "08:30:00Z")],
        LOCATION: [Attribute("GeoProperty", {"type": "Point", "coordinates": [105.85, 21.03]})],
    },
    created_at=DAY,
    modified_at=DAY,
    more_types=(_iri("Taxi"),),
    scopes=("/Hanoi/Parks", "/Company"),
)


@pytest.mark.parametrize(
    ("q", "met"),
    [
        ("speed==80", True),
        ("speed==90", True),
        ("speed==85", False),
        ("speed==70..85", True),
        ("speed!=70..95", False),
        ("speed==1,90", True),
        ('speed=="80"', False),
        ('speed!="80"', True),
        ("speed>=80;speed<81", True),
        ("speed>90|parked==false", True),
        ("(speed>90|parked==true);name", False),
        ("speed>90;parked==true|name", True),
        ('name=="Xe; số (1)|2"', True),
        (r'name=="Xe\u003b số (1)|2"', True),
        ('name~="^Xe.*2$"', True),
        (r"name~=\(1\)", True),
        ('name!~="Xe"', False),
        ('speed!~="Xe"', False),
        ('tags=="fast"', True),
        ("tags==3", True),
        ('tags!="fast"', False),
        ('tags>"a"', False),
        ("built<2021-01-01", True),
        ("built==2020-02-29", True),
        ("built==2020-01-01..2020-03-01", True),
        ("built>2020-02-29T00:00:00.5Z", False),
        ("open>08:15:00", True),
        ("open<2021-01-01", False),
        ("speed.observedAt==2026-05-14T00:00:00Z", True),
        ('speed.observedAt<"2026-05-15T00:00:00Z"', True),
        ("speed.accuracy<1", True),
        ("speed.accuracy.observedAt", False),
        ("speed.datasetId==urn:set:gps", True),
        ("createdAt<=2026-05-14", True),
        ('modifiedAt>"2026-05-14T00:00:00Z"', False),
        ('address[city]=="Huế"', True),
        ('address[lines]=="b"', True),
        ("address[deep.er]==1", True),
        ("address[lines.1]", True),
        ("address[none]", False),
        ('address!="Huế"', True),
        ('title[en]=="vehicle"', True),
        ('title[vi]=="car"', False),
        ('title[*]=="car"', True),
        ('title=="xe"', True),
        ('title[*]!="xe"', False),
        ("title[fr]", False),
        ("use==commercial", False),
        ("owner==urn:x:owner", True),
        ('owner>"urn:a"', False),
        ('owner{name}=="Sở"', True),
        ('owner{Office:name}=="Sở"', True),
        ('owner{Car:name}=="Sở"', False),
        ("owner{name.accuracy}", False),
        ("!owner", False),
        ("!wheels;!speed.unitCode", True),
        ("https://uri.etsi.org/ngsi-ld/default-context/speed==80", True),
        ("location[type]==Point", True),
    ],
)
def test_a_query_means_what_the_standard_says(q: str, met: bool) -> None:
    assert meets(parse_q(q, TERMS), CAR, {OWNER.id: OWNER}.get) is met


def test_values_are_terms_where_that_is_asked_for() -> None:
    assert meets(parse_q("use==commercial", TERMS, ["use"]), CAR)
    assert not meets(parse_q("owner{name}==x", TERMS), CAR)  # nobody looks anything up


@pytest.mark.parametrize(
    "q",
    [
        "",
        "speed>70..80",
        "speed==",
        "speed==70..",
        'speed=="a"..3',
        "speed>true",
        "((speed)",
        "speed)",
        "speed;",
        "|speed",
        "speed[",
        "speed[]==1",
        "speed{",
        "speed{}",
        "speed..unit==1",
        "sp eed==1",
        'name=="x',
        r'name=="\x"',
        'name~="("',
        'name~="(?=x)"',
        f'name~="{"x" * 300}"',
        "speed==1e999",
        "createdAt.of==1",
        "(" * 40 + "speed" + ")" * 40,
        ";".join(["speed"] * 300),
        "speed=1",
        "x" * 9000,
    ],
)
def test_what_is_no_query_is_refused(q: str) -> None:
    with pytest.raises(Problem) as wrong:
        parse_q(q, TERMS)
    assert wrong.value.status == 400


@settings(max_examples=60)
@given(q=st.text(alphabet='ab.[]{}()"=!<>~;|, 12-:T\\*', max_size=30))
def test_any_text_is_a_query_or_refused(q: str) -> None:
    try:
        predicate = parse_q(q, TERMS)
    except Problem as wrong:
        assert wrong.status == 400
    else:
        assert meets(predicate, CAR) in (True, False)


@pytest.mark.parametrize(
    ("types", "met"),
    [("Car", True), ("Taxi", True), ("Bus", False), ("Bus,Taxi", True), ("(Car;Bus)|Taxi", True), ("Car;Bus", False)],
)
def test_types_are_selected(types: str, met: bool) -> None:
    assert meets(parse_types(types, TERMS), CAR) is met


@pytest.mark.parametrize(
    ("scope", "met"),
    [
        ("/Hanoi/Parks", True),
        ("Hanoi/Parks", True),
        ("/Hanoi", False),
        ("/Hanoi/#", True),
        ("/Company/#", True),
        ("/#", True),
        ("/+/Parks", True),
        ("/+/+/Parks", False),
        ("/Hanoi/Parks;/Company", True),
        ("(/Hanoi;/Company)|/Nowhere", False),
        ("/Nowhere,/Company", True),
    ],
)
def test_scopes_are_selected(scope: str, met: bool) -> None:
    assert meets(parse_scope_q(scope), CAR) is met
    assert not meets(parse_scope_q(scope), OWNER)


@pytest.mark.parametrize("scope", ["/#/a", "//", "/a//b", "/a b", "", "/a;"])
def test_what_is_no_scope_is_refused(scope: str) -> None:
    with pytest.raises(Problem):
        parse_scope_q(scope)


@pytest.mark.parametrize(
    ("relation", "kind", "coordinates", "met"),
    [
        ("near;maxDistance==1200", "Point", [105.86, 21.03], True),
        ("near;maxDistance==1000", "Point", [105.86, 21.03], False),
        ("near;minDistance==1000", "Point", [105.86, 21.03], True),
        ("near;maxDistance==1200", "LineString", [[105.0, 21.04], [106.0, 21.04]], True),
        ("near;maxDistance==1000", "LineString", [[105.0, 21.04], [106.0, 21.04]], False),
        (
            "near;maxDistance==1.5e3",
            "Polygon",
            [[[105.86, 21], [105.9, 21], [105.9, 21.1], [105.86, 21.1], [105.86, 21]]],
            True,
        ),
        ("within", "Polygon", [[[105, 21], [106, 21], [106, 22], [105, 22], [105, 21]]], True),
        ("contains", "Point", [105.85, 21.03], True),
        ("equals", "Point", "[105.85, 21.03]", True),
        ("disjoint", "Point", [105.85, 21.04], True),
        ("intersects", "MultiPoint", [[105.85, 21.03], [1, 1]], True),
        ("overlaps", "Point", [105.85, 21.03], False),
    ],
)
def test_places_are_compared(relation: str, kind: str, coordinates: Any, met: bool) -> None:
    geo = parse_geo({"georel": relation, "geometry": kind, "coordinates": coordinates}, TERMS)
    assert geo is not None
    place = CAR.first(LOCATION)
    assert place is not None
    assert geo.met_by(place.value) is met
    box = geo.box
    assert not met or box is None or (box[0] <= 105.85 <= box[2] and box[1] <= 21.03 <= box[3])


def test_metres_are_metres_where_a_degree_is_short() -> None:
    line = {"type": "LineString", "coordinates": [[1, 85], [0, 85.6]]}
    for metres, met in ((20_000, True), (5_000, False)):
        geo = parse_geo({"georel": f"near;maxDistance=={metres}", "geometry": "Point", "coordinates": [0, 85]}, TERMS)
        assert geo is not None
        assert geo.met_by(line) is met


@pytest.mark.parametrize(
    "told",
    [
        {"georel": "near", "geometry": "Point", "coordinates": [1, 1]},
        {"georel": "near;maxDistance==0", "geometry": "Point", "coordinates": [1, 1]},
        {"georel": "near;maxDistance==-1", "geometry": "Point", "coordinates": [1, 1]},
        {"georel": "near;maxDistance==inf", "geometry": "Point", "coordinates": [1, 1]},
        {"georel": "near;maxDistance==1e400", "geometry": "Point", "coordinates": [1, 1]},
        {"georel": "near;maxDistance==5;minDistance==1", "geometry": "Point", "coordinates": [1, 1]},
        {"georel": "touches", "geometry": "Point", "coordinates": [1, 1]},
        {"georel": "within", "geometry": "Ball", "coordinates": [1, 1]},
        {"georel": "within", "geometry": "Point", "coordinates": [181, 1]},
        {"georel": "within", "geometry": "Point", "coordinates": "nowhere"},
        {"georel": "within", "geometry": "Point", "coordinates": [[1, 1]]},
        {"georel": "within", "geometry": "Polygon", "coordinates": []},
        {"georel": "within", "geometry": "Point"},
        {"geometry": "Point", "coordinates": [1, 1]},
    ],
)
def test_what_is_no_geo_query_is_refused(told: dict[str, Any]) -> None:
    with pytest.raises(Problem) as wrong:
        parse_geo(told, TERMS)
    assert wrong.value.status == 400


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"id": "urn:x:car"},
        {"idPattern": "car"},
        {"scopeQ": "/Hanoi"},
        {"attrs": "createdAt"},
        {"q": "modifiedAt>2020-01-01"},
        {"pick": "id"},
        {"type": "*", "local": "false"},
        {"type": "Car", "id": "no uri"},
        {"type": "Car", "limit": "0"},
        {"type": "Car", "limit": "9999"},
        {"type": "Car", "q": "owner{name}"},
        {"type": "Car", "q": "owner{owner{name}}", "join": "inline"},
        {"type": "Car", "csf": "))"},
        {"type": "Car", "attrs": "id"},
        {"type": "Car", "orderBy": "name;up"},
        {"type": "Car", "orderBy": "location;dist-asc"},
        {"type": "Car", "orderBy": "name", "collation": "!!"},
        {"type": "Car", "idPattern": "a**"},
    ],
)
def test_questions_that_make_no_sense_are_refused(params: dict[str, str]) -> None:
    with pytest.raises(Problem) as wrong:
        read_query(params, TERMS)
    assert wrong.value.status == 400


@pytest.mark.parametrize(
    ("params", "met"),
    [
        ({"type": "*"}, True),
        ({"local": "true"}, True),
        ({"attrs": "wheels,speed"}, True),
        ({"attrs": "wheels"}, False),
        ({"pick": "wheels"}, False),
        ({"type": "Car", "pick": "id,wheels"}, True),
        ({"type": "Car", "id": "urn:x:car,urn:x:bus"}, True),
        ({"type": "Car", "idPattern": "^urn:x:b"}, False),
        ({"type": "Car", "q": 'owner{name}=="Sở"', "join": "flat"}, True),
        ({"type": "Car", "scopeQ": "/Hanoi/#", "q": "speed>85"}, True),
    ],
)
def test_parameters_select_entities(params: dict[str, str], met: bool) -> None:
    assert holds(read_query(params, TERMS), CAR, {OWNER.id: OWNER}.get) is met


@pytest.mark.parametrize(
    ("body", "met"),
    [
        ({"entities": [{"type": "Car"}]}, True),
        ({"entities": [{"type": "*"}]}, True),
        ({"entities": [{"type": "Bus"}, {"type": "Taxi", "idPattern": "car$"}]}, True),
        ({"entities": [{"type": "Car", "id": "urn:x:bus", "idPattern": "car"}]}, False),
        ({"entities": [{"type": "Car", "id": ["urn:x:car"]}], "q": "speed>85"}, True),
        ({"entities": [{"type": "Car"}], "scopeQ": "/Nowhere"}, False),
        ({"geoQ": {"georel": "within", "geometry": "Point", "coordinates": [1, 1]}}, False),
    ],
)
def test_bodies_select_entities(body: dict[str, Any], met: bool) -> None:
    assert holds(read_query_body(body, TERMS), CAR) is met


@pytest.mark.parametrize(
    "body",
    [
        {"entities": []},
        {"entities": [{"id": "urn:x:car"}]},
        {"entities": [{"type": "Car", "id": "no uri"}]},
        {"entities": [{"type": "Car", "id": ["urn:x:car", 5]}]},
        {"entities": [{"type": "Car", "idPattern": 5}]},
        {"entities": "Car"},
        {"q": 42},
        {"attrs": []},
        {"geoQ": "near"},
        {"ordering": {"orderBy": ["location;dist-asc"]}},
        {"ordering": {"orderBy": ["location;dist-asc"], "coordinates": "8,40"}},
        {"ordering": {"orderBy": ["id"], "geometry": 5}},
        {"ordering": {"orderBy": ["id"], "collation": "not a tag!!"}},
    ],
)
def test_bodies_that_make_no_sense_are_refused(body: dict[str, Any]) -> None:
    with pytest.raises(Problem) as wrong:
        read_query_body(body, TERMS)
    assert wrong.value.status == 400
