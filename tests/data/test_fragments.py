"""What each write of NGSI-LD makes of an entity, clause by clause, without a database."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dothi.data.batch import EntityChange, EntityKind
from dothi.data.fragments import turn
from dothi.data.instances import SCOPE, Said, Turned, soonest, without_expired
from dothi.model.clock import to_micros
from dothi.model.entity import NO_MOMENT, NULL, UNSAID, Attribute, Entity
from dothi.model.problem import Problem

T0 = datetime(2026, 3, 1, tzinfo=UTC)
AT = to_micros(T0)
NAME, SPEED, STREET, SOURCE = "urn:x:name", "urn:x:speed", "urn:x:street", "urn:x:source"


def prop(value: Any, **more: Any) -> Attribute:
    return Attribute(more.pop("kind", "Property"), value, **more)


def made(attributes: dict[str, list[Attribute]], **more: Any) -> Said:
    entity = Entity("urn:a", "T", attributes, **more)
    return turn("create", Said(), EntityChange("create", entity), AT).said


def after(before: Said, kind: EntityKind, attributes: dict[str, list[Attribute]], **more: Any) -> Turned:
    of_change = {key: more.pop(key) for key in ("dataset_id", "whole", "observed_at", "lang") if key in more}
    entity = Entity("urn:a", more.pop("type", ""), attributes, **more)
    return turn(kind, before, EntityChange(kind, entity, **of_change), AT + 1)


def values(said: Said | Turned) -> dict[str, list[Any]]:
    return {iri: [one["v"] for one in many] for iri, many in said.document.items()}


def test_append_replaces_instances_by_dataset_and_adds_types() -> None:
    before = made({NAME: [prop("a")], SPEED: [prop(1), prop(2, dataset_id="urn:d:1")]}, scopes=("/A",))
    done = after(before, "append", {SPEED: [prop(3)], STREET: [prop("s")]}, type="U", scopes=("/B",))
    assert values(done) == {NAME: ["a"], SPEED: [3, 2], STREET: ["s"]}
    assert (done.types, done.scopes) == (("T", "U"), ("/B",))
    assert [(one.attribute, one.before is None, one.after is None) for one in done.steps] == [
        (SPEED, False, False),
        (STREET, True, False),
        (SCOPE, False, False),
    ]
    assert values(before) == {NAME: ["a"], SPEED: [1, 2]}  # what was stays as it was


def test_append_without_overwriting_leaves_what_is_there_and_says_so() -> None:
    before = made({NAME: [prop("a")]}, scopes=("/A",))
    done = after(before, "append_new", {NAME: [prop("b"), prop("c", dataset_id="urn:d:1")]}, scopes=("/B",))
    assert values(done) == {NAME: ["a", "c"]}
    assert [iri for iri, _ in done.not_updated] == [NAME]
    assert done.scopes == ("/A", "/B")


def test_update_replaces_whole_instances_and_null_takes_them_away() -> None:
    before = made(
        {NAME: [prop("a", unit="CEL", expires_at=T0 + timedelta(days=1))], SPEED: [prop(1), prop(2, dataset_id="urn:d")]}
    )
    done = after(before, "update", {NAME: [prop("b")], SPEED: [prop(NULL)], STREET: [prop(NULL)]}, scopes=("/B",))
    assert values(done) == {NAME: ["b"], SPEED: [2]}
    assert {"u", "e"}.isdisjoint(done.document[NAME][0])
    assert done.document[NAME][0]["c"] == AT
    assert {iri for iri, _ in done.not_updated} == {STREET, SCOPE}


def test_a_partial_update_leaves_what_it_does_not_say() -> None:
    before = made({NAME: [prop("a", unit="CEL", observed_at=T0, sub={SOURCE: [prop("x")]})]})
    fragment = Attribute("", UNSAID, unit="MTR", sub={STREET: [prop("y")]})
    done = after(before, "patch_attribute", {NAME: [fragment]})
    (one,) = done.document[NAME]
    assert (one["v"], one["u"], one["t"], one["m"]) == ("a", "MTR", AT, AT + 1)
    assert {iri: many[0]["v"] for iri, many in one["x"].items()} == {SOURCE: "x", STREET: "y"}
    done = after(before, "patch_attribute", {NAME: [Attribute("", "b", NO_MOMENT, NULL, sub={SOURCE: [prop(NULL)]})]})
    (one,) = done.document[NAME]
    assert one["v"] == "b" and {"u", "t", "x"}.isdisjoint(one)


@pytest.mark.parametrize(
    ("kind", "attributes", "status"),
    [
        ("patch_attribute", {STREET: [prop(1)]}, 404),
        ("patch_attribute", {NAME: [prop(1, dataset_id="urn:d")]}, 404),
        ("patch_attribute", {NAME: [prop("urn:b", kind="Relationship")]}, 400),
        ("patch_attribute", {SCOPE: [prop("/A")]}, 400),
        ("replace_attribute", {STREET: [prop(1)]}, 404),
        ("replace_attribute", {NAME: [prop(1, dataset_id="urn:d")]}, 404),
        ("delete_attribute", {STREET: []}, 404),
        ("delete_attribute", {SCOPE: []}, 404),
        ("append", {NAME: [prop(UNSAID)]}, 400),
        ("append_new", {STREET: [prop(NULL)]}, 400),
        ("merge_patch", {STREET: [Attribute("", UNSAID)]}, 400),
    ],
)
def test_what_cannot_be_done_is_refused(kind: EntityKind, attributes: dict[str, list[Attribute]], status: int) -> None:
    with pytest.raises(Problem) as refused:
        after(made({NAME: [prop("a")]}), kind, attributes)
    assert refused.value.status == status


def test_an_attribute_is_replaced_by_one_of_another_kind_and_keeps_its_beginning() -> None:
    done = after(made({NAME: [prop("a")]}), "replace_attribute", {NAME: [prop("urn:b", kind="Relationship")]})
    (one,) = done.document[NAME]
    assert (one["k"], one["v"], one["c"], one["m"]) == ("Relationship", "urn:b", AT, AT + 1)


def test_one_instance_or_all_of_them_are_deleted() -> None:
    before = made({SPEED: [prop(1), prop(2, dataset_id="urn:d")]}, scopes=("/A",))
    assert values(after(before, "delete_attribute", {SPEED: []})) == {SPEED: [2]}
    assert values(after(before, "delete_attribute", {SPEED: []}, dataset_id="urn:d")) == {SPEED: [1]}
    assert values(after(before, "delete_attribute", {SPEED: []}, whole=True)) == {}
    assert after(before, "delete_attribute", {SCOPE: []}).scopes == ()


def test_merging_goes_into_values_and_languages() -> None:
    before = made(
        {
            NAME: [prop({"a": {"b": 1, "c": 2}})],
            STREET: [prop({"vi": "Phố", "en": "Street"}, kind="LanguageProperty")],
            SPEED: [prop(5, observed_at=T0, unit="KMH")],
        }
    )
    told = {
        NAME: [prop({"a": {"b": NULL, "d": 3}})],
        STREET: [prop({"en": NULL, "fr": "Rue"}, kind="LanguageProperty")],
        SPEED: [Attribute("", 6)],
    }
    done = after(before, "merge_patch", told, observed_at=T0 + timedelta(hours=1))
    assert values(done) == {NAME: [{"a": {"c": 2, "d": 3}}], STREET: [{"vi": "Phố", "fr": "Rue"}], SPEED: [6]}
    assert (done.document[SPEED][0]["t"], done.document[SPEED][0]["u"]) == (AT + 3_600_000_000, "KMH")
    done = after(before, "merge_patch", {STREET: [Attribute("", "Calle")]}, lang="es")
    assert values(done)[STREET] == [{"vi": "Phố", "en": "Street", "es": "Calle"}]
    gone = after(before, "merge_patch", {STREET: [prop({"@none": NULL}, kind="LanguageProperty")], NAME: [prop(NULL)]})
    assert set(gone.document) == {SPEED}


def test_keeping_and_dropping() -> None:
    before = made({NAME: [prop("a")], SPEED: [prop(1)]}, scopes=("/A",))
    assert set(after(before, "drop", {NAME: []}).document) == {SPEED}
    kept = after(before, "keep", {NAME: []})
    assert (set(kept.document), kept.scopes) == ({NAME}, ())


def test_what_is_past_its_time_goes_wherever_it_stands() -> None:
    soon, later = T0 + timedelta(microseconds=1), T0 + timedelta(days=1)
    before = made(
        {
            NAME: [prop("a", sub={SOURCE: [prop("x", expires_at=soon)]})],
            SPEED: [prop(1, expires_at=later), prop(2, dataset_id="urn:d", expires_at=soon)],
        }
    )
    assert soonest(before.document) == AT + 1
    done = after(before, "expire", {})
    assert values(done) == {NAME: ["a"], SPEED: [1]}
    assert "x" not in done.document[NAME][0]
    assert soonest(done.document) == to_micros(later)
    assert [(one.attribute, one.after is None) for one in done.steps] == [(NAME, False), (SPEED, True)]


_VALUES = st.one_of(st.integers(-9, 9), st.text("ab", max_size=2), st.dictionaries(st.sampled_from("xy"), st.integers(0, 3)))
_INSTANCES = st.lists(
    st.builds(prop, _VALUES, dataset_id=st.sampled_from([None, "urn:d:1", "urn:d:2"]), unit=st.sampled_from([None, "CEL"])),
    min_size=1,
    max_size=3,
    unique_by=lambda one: one.dataset_id or "",
)
_SAID = st.dictionaries(st.sampled_from([NAME, SPEED, STREET]), _INSTANCES, max_size=3)
_WHOLE_KINDS = st.sampled_from(["append", "append_new", "update", "merge_patch", "merge"])


@given(_SAID, _WHOLE_KINDS, _SAID)
@settings(max_examples=60, deadline=None)
def test_steps_lead_from_what_was_to_what_is(said: dict[str, list[Attribute]], kind: EntityKind, told: Any) -> None:
    before = made(said)
    done = after(before, kind, told)
    walked = {(iri, one.get("d")): one for iri, many in before.document.items() for one in many}
    for step in done.steps:
        key = step.attribute, step.dataset
        assert walked.get(key) == step.before
        if step.after is None:
            del walked[key]
        else:
            walked[key] = step.after
    assert walked == {(iri, one.get("d")): one for iri, many in done.document.items() for one in many}
    assert all(many == sorted(many, key=lambda one: one.get("d", "")) for many in done.document.values())


@given(_SAID, _SAID)
@settings(max_examples=60, deadline=None)
def test_a_merge_of_the_same_again_changes_no_value(
    said: dict[str, list[Attribute]], told: dict[str, list[Attribute]]
) -> None:
    once = after(made(said), "merge_patch", told).said
    assert values(after(once, "merge_patch", told)) == values(once)


@given(_SAID, st.integers(0, 3))
@settings(max_examples=60, deadline=None)
def test_nothing_expired_is_left(said: dict[str, list[Attribute]], days: int) -> None:
    for number, one in enumerate(one for many in said.values() for one in many):
        one.expires_at = T0 + timedelta(days=number)
    left = without_expired(made(said).document, AT + days * 86_400_000_000)
    assert sum(map(len, left.values())) == max(0, sum(map(len, said.values())) - days - 1)
    assert (soonest(left) or AT * 2) > AT + days * 86_400_000_000
