"""Fragments, which leave things unsaid and take things away, and input that was made to hurt (clauses 4.5.0 and 5.5.4)."""

import time
from typing import Any

import pytest

from dothi.api.ngsild.checks import is_uri, moment, scopes
from dothi.api.ngsild.contexts.jsonld import Definitions
from dothi.api.ngsild.contexts.term_map import TermMap
from dothi.api.ngsild.languages import wanted
from dothi.api.ngsild.negotiation import media_type
from dothi.api.ngsild.writing.reading import MOST_ATTRIBUTES, read_entity, read_fragment, read_instances
from dothi.data.terms import DEFAULT_CONTEXT
from dothi.model.entity import NO_MOMENT, NULL, UNSAID, Attribute
from dothi.model.problem import Problem

TERMS = TermMap(Definitions(), "x", "x")
SPEED = DEFAULT_CONTEXT + "speed"


def part(said: Any, *, simplified: bool = False) -> Attribute:
    """The attribute that a fragment of an entity says."""
    ((one,),) = read_fragment({"speed": said}, TERMS, simplified=simplified).attributes.values()
    return one


def test_a_fragment_may_leave_unsaid_what_stays() -> None:
    empty = read_fragment({}, TERMS)
    assert (empty.id, empty.type, empty.attributes) == ("", "", {})
    beside = part({"unitCode": "KMH", "observedAt": "2026-01-01T00:00:00Z"})
    assert (beside.kind, beside.value, beside.unit) == ("", UNSAID, "KMH")
    kinded = part({"type": "Relationship", "objectType": "Owner"})
    assert (kinded.kind, kinded.value, kinded.object_type) == ("Relationship", UNSAID, DEFAULT_CONTEXT + "Owner")
    with pytest.raises(Problem):
        read_entity({"id": "urn:a:b", "type": "Car", "speed": {"unitCode": "KMH"}}, TERMS)


@pytest.mark.parametrize(
    "said",
    [NULL, {"type": "Property", "value": NULL}, {"value": NULL}, {"type": "GeoProperty", "value": NULL}, {"object": NULL}],
)
def test_null_takes_away_in_a_fragment_alone(said: Any) -> None:
    assert part(said).value == NULL
    with pytest.raises(Problem):
        read_entity({"id": "urn:a:b", "type": "Car", "speed": said}, TERMS)


def test_null_takes_away_what_stands_beside_a_value() -> None:
    one = part({"type": "Property", "value": 1, "observedAt": NULL, "expiresAt": NULL, "unitCode": NULL, "accuracy": NULL})
    assert (one.observed_at, one.expires_at, one.unit) == (NO_MOMENT, NO_MOMENT, NULL)
    assert one.sub[DEFAULT_CONTEXT + "accuracy"][0].value == NULL
    assert read_fragment({"scope": NULL}, TERMS).scopes == (NULL,)


def test_a_simplified_fragment_leaves_the_kind_to_what_is_there() -> None:
    assert (part("urn:a:b", simplified=True).kind, part({"a": 1}, simplified=True).value) == ("", {"a": 1})
    assert part("urn:a:b").kind == "Property"
    assert part({"type": "Point", "coordinates": [1, 2]}, simplified=True).kind == "GeoProperty"


def test_concise_instances_are_told_from_values_that_are_lists() -> None:
    two = read_instances(SPEED, [{"value": 1, "datasetId": "urn:a:d"}, {"value": 2}], TERMS, fragment=False)
    assert [(one.dataset_id, one.value) for one in two] == [(None, 2), ("urn:a:d", 1)]
    for value in ([1, 2], [{"a": 1}], [], [{"value": 1}, 2]):
        (one,) = read_instances(SPEED, value, TERMS, fragment=False)
        assert (one.kind, one.value) == ("Property", value)


@pytest.mark.parametrize(
    "body",
    [
        [],
        {"type": "Car"},
        {"id": "car", "type": "Car"},
        {"id": "urn:a:b"},
        {"id": "urn:a:b", "type": []},
        {"id": "urn:a:b", "type": ["Car", 3]},
        {"id": "urn:a:b", "type": "Car", "a b": 1},
        {"id": "urn:a:b", "type": "Car", "speed": 1, SPEED: 2},
        {"id": "urn:a:b", "type": "Car", "scope": "/a//b"},
        {"id": "urn:a:b", "type": "Car", "expiresAt": "tomorrow"},
        {"id": "urn:a:b", "type": "Car"} | {f"a{one}": one for one in range(MOST_ATTRIBUTES)},
        {"id": "urn:a:b", "type": "Car", "a": [{"value": 1, "datasetId": f"urn:d:{one}"} for one in range(1001)]},
    ],
)
def test_what_is_no_entity_is_refused(body: Any) -> None:
    with pytest.raises(Problem) as refused:
        read_entity(body, TERMS)
    assert refused.value.status == 400


def test_hostile_texts_take_linear_time() -> None:
    long = 100_000
    began = time.thread_time()
    assert not is_uri("a" * long)
    assert not is_uri("a:" + " " * 2000)
    for text in ("/" * long, "/a" * 1000 + "/", "a" * 2000 + "/"):
        with pytest.raises(Problem):
            scopes(text)
    for text in ("1" * long, "2026-01-01T00:00:00." + "0" * long + "Z"):
        with pytest.raises(Problem):
            moment(text, "observedAt")
    for text in ("a-" * long, ",".join(["en"] * long), "en;q=" + "0" * long):
        with pytest.raises(Problem):
            wanted(text)
    for text in ("a/b;" * long, ("x/y," * long) + "z"):
        with pytest.raises(Problem):
            media_type(text, True)
    assert time.thread_time() - began < 2
