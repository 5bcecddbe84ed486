"""Contexts as JSON-LD 1.1 has them: what they define, and what is none."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dothi.api.ngsild.contexts.bundled import CORE_URL, is_core
from dothi.api.ngsild.contexts.jsonld import MOST_REMOTE, MOST_TERMS, compiled
from dothi.api.ngsild.contexts.term_map import TermMap
from dothi.data.terms import CORE, DEFAULT_CONTEXT
from dothi.model.problem import Problem

FAR = "https://far.example/a.jsonld"
DOCUMENTS: dict[str, Any] = {
    FAR: ["b.jsonld", {"Lamp": "far:Lamp"}],
    "https://far.example/b.jsonld": {"far": "https://far.example/ns#", "speed": "far:speed"},
    "https://far.example/loop.jsonld": "https://far.example/loop.jsonld",
    "https://far.example/list.jsonld": [{"a": "https://far.example/a"}],
}


def terms(context: Any) -> TermMap:
    return TermMap(compiled(context, DOCUMENTS.__getitem__, is_core), "x", "x")


@pytest.mark.parametrize(
    ("context", "name", "iri"),
    [
        ({"a": "https://e.example/a"}, "a", "https://e.example/a"),
        ({"a": {"@id": "https://e.example/a", "@type": "@vocab", "@container": "@list"}}, "a", "https://e.example/a"),
        ({"e": "https://e.example/", "a": "e:a"}, "a", "https://e.example/a"),
        ({"a": "e:a", "e": "https://e.example/"}, "a", "https://e.example/a"),
        ({"e": "https://e.example/"}, "e:b/c", "https://e.example/b/c"),
        ({"e": "https://e.example/x"}, "e:b", "e:b"),  # no prefix: its IRI does not end like one
        ({"e": {"@id": "https://e.example/x", "@prefix": True}}, "e:b", "https://e.example/xb"),
        ({"e": {"@id": "https://e.example/"}}, "e:b", "e:b"),  # nor one that is defined at length
        ({"@vocab": "https://v.example/"}, "anything", "https://v.example/anything"),
        ({"@vocab": "https://v.example/", "a": {"@type": "@id"}}, "a", "https://v.example/a"),
        ([{"@vocab": "https://v.example/"}, {"@vocab": "deep/"}], "a", "https://v.example/deep/a"),
        ([{"@vocab": "https://v.example/"}, {"@vocab": None}], "a", DEFAULT_CONTEXT + "a"),
        ({"a": {"@type": "@vocab"}}, "a", DEFAULT_CONTEXT + "a"),
        ([{"a": "https://e.example/1"}, {"a": "https://e.example/2"}], "a", "https://e.example/2"),
        ([{"a": "https://e.example/1"}, None], "a", DEFAULT_CONTEXT + "a"),
        (FAR, "Lamp", "https://far.example/ns#Lamp"),
        ([FAR, CORE_URL], "speed", "https://far.example/ns#speed"),
        ({"@import": "https://far.example/b.jsonld", "speed": "urn:other"}, "speed", "urn:other"),
        ({"b": "a", "a": "https://e.example/a"}, "b", "https://e.example/a"),
        ({"id": "@id", "type": "@type", "a": "urn:a"}, "a", "urn:a"),
        ({"@version": 1.1, "@language": "vi", "@base": "https://e.example/"}, "a", DEFAULT_CONTEXT + "a"),
        ({"location": "https://e.example/mine", "value": "urn:x"}, "location", CORE + "location"),
        ({}, "ngsi-ld:status", CORE + "status"),
        ({}, "urn:ngsi-ld:x", "urn:ngsi-ld:x"),
        ({}, "containedBy", CORE + "isContainedBy"),
    ],
)
def test_what_a_name_stands_for(context: Any, name: str, iri: str) -> None:
    found = terms(context)
    assert found.expand(name) == iri
    assert found.expand(found.compact(iri)) == iri


@pytest.mark.parametrize(
    "context",
    [
        42,
        True,
        ["https://far.example/b.jsonld", 7],
        [[{"a": "urn:a"}]],
        {"a": 1},
        {"a": "no-iri"},
        {"a": {"@id": 7}},
        {"a": "b", "b": "a"},
        {"a": {"@id": "urn:a", "@context": {"b": "urn:b"}}},
        {"a": {"@id": "urn:a", "colour": "red"}},
        {"@vocab": 7},
        {"@vocab": "nothing:known", "a": {"@id": "x y:z"}},
        {"": "urn:a"},
        {"@type": "urn:a"},
        {"@import": 7},
        {"@import": "https://far.example/list.jsonld"},
        "https://far.example/loop.jsonld",
        "nowhere",
        [{"a": f"urn:{number}"} for number in range(3)] + [["urn:x"]],
        ["https://far.example/b.jsonld"] * (MOST_REMOTE + 1),
    ],
)
def test_what_is_no_context(context: Any) -> None:
    with pytest.raises(Problem) as refused:
        terms(context)
    assert (refused.value.status, refused.value.code) == (400, "bad-request")


@pytest.mark.parametrize("name", ["", "@id", "id", "type", "a b", "a;b", 'a"b', "a(b)", ":a", "x" * 2001, "gone", "a\n"])
def test_what_is_no_name(name: str) -> None:
    found = terms({"gone": None})
    for _ in range(2):  # the second time it might be remembered
        with pytest.raises(Problem) as refused:
            found.expand(name)
        assert refused.value.status == 400


@pytest.mark.parametrize("parts", [1, 2])
def test_a_context_has_so_many_terms_and_no_more(parts: int) -> None:
    many = {f"t{number}": f"urn:t:{number}" for number in range(MOST_TERMS)}
    one = many if parts == 1 else [dict(list(many.items())[:5]), dict(list(many.items())[5:])]
    assert terms(one).expand("t7") == "urn:t:7"
    more = {**many, "more": "urn:more"} if parts == 1 else [*one, {"more": "urn:more"}]
    with pytest.raises(Problem, match=f"more than {MOST_TERMS} terms"):
        terms(more)


WORDS = st.text("abcXY19-_.", min_size=1, max_size=6).filter(lambda word: word not in ("id", "type"))
IRIS = st.builds("https://{}.example/{}".format, st.sampled_from("ab"), WORDS)
DEFINED = st.one_of(
    IRIS,
    st.none(),
    st.builds(lambda iri, kind: {"@id": iri, "@type": kind}, IRIS, st.sampled_from(["@id", "@vocab", "urn:type"])),
    st.sampled_from(["https://a.example/", "https://b.example/"]),
)


@given(
    context=st.lists(st.dictionaries(WORDS, DEFINED, max_size=6), max_size=3),
    vocab=st.none() | st.sampled_from(["https://a.example/", "https://b.example/ab"]),
    iris=st.lists(IRIS | WORDS.map(lambda word: DEFAULT_CONTEXT + word) | WORDS.map(lambda word: CORE + word), min_size=1),
)
def test_whatever_is_compacted_expands_to_what_it_was(context: list[Any], vocab: str | None, iris: list[str]) -> None:
    found = terms([*context, {"@vocab": vocab}])
    for iri in iris:
        short = found.compact(iri)
        assert len(short) <= len(iri)
        assert found.expand(short) == iri
