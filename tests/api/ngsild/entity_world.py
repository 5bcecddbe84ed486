"""Entities of every shape the standard knows, for laws that hold for all of them."""

from typing import Any

from hypothesis import strategies as st
from msgspec import structs

from dothi.api.ngsild.contexts.jsonld import Definitions
from dothi.api.ngsild.contexts.term_map import TermMap
from dothi.api.ngsild.writing.reading import VALUE_KEYS
from dothi.model.clock import from_micros
from dothi.model.entity import Attribute, Entity

NAMES = {name: f"https://example.org/terms/{name}" for name in ("Building", "speed", "owner", "grade", "open", "closed")}
TERMS = TermMap(Definitions(terms=dict(NAMES)), "https://example.org/context.jsonld", "https://example.org/context.jsonld")
IRIS = st.sampled_from([*NAMES.values(), "https://uri.etsi.org/ngsi-ld/default-context/level", "urn:other:term"])
URNS = st.from_regex(r"urn:ngsi-ld:[A-Z][a-z]{1,6}:[a-z0-9]{1,8}", fullmatch=True)
NUMBERS = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
SCALARS = NUMBERS | st.booleans() | st.text(max_size=12)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
POSITION = st.tuples(st.floats(-180, 180), st.floats(-90, 90)).map(list)
POINTS = st.builds(lambda at: {"type": "Point", "coordinates": at}, POSITION)
LINES = st.builds(lambda at: {"type": "LineString", "coordinates": at}, st.lists(POSITION, min_size=2, max_size=4))
TEMPTING = [[{"value": 1}], [{"type": "Property"}], {"value": 3}, {"type": "Point", "coordinates": [1, 2]}]
LIKE_INSTANCES = st.sampled_from(TEMPTING)  # values that look like attributes
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "Property": JSON | LIKE_INSTANCES,
    "GeoProperty": POINTS | LINES,
    "Relationship": URNS | st.lists(URNS, min_size=2, max_size=3),
    "LanguageProperty": st.dictionaries(st.sampled_from(["vi", "en-GB", "@none"]), st.text(max_size=8), min_size=1),
    "JsonProperty": st.lists(JSON, max_size=3) | st.dictionaries(st.text(max_size=8), JSON, max_size=3),
    "VocabProperty": IRIS | st.lists(IRIS, min_size=1, max_size=2),
    "ListProperty": st.lists(JSON, max_size=3),
    "ListRelationship": st.lists(URNS, max_size=3),
}
MEASURES = frozenset({"Property", "GeoProperty", "ListProperty"})  # what a unit says something of
MOMENTS = st.integers(0, 7 * 10**15).map(from_micros)
assert VALUES.keys() == VALUE_KEYS.keys()


@st.composite
def attributes(draw: st.DrawFn, deep: int = 2) -> Attribute:
    """One instance without datasetId, with attributes of its own down to ``deep``."""
    kind = draw(st.sampled_from(sorted(VALUES)))
    subs = st.dictionaries(IRIS, instances(deep - 1), max_size=2) if deep else st.just({})
    return Attribute(
        kind,
        draw(VALUES[kind]),
        draw(st.none() | MOMENTS),
        draw(st.none() | st.sampled_from(["CEL", "P1"])) if kind in MEASURES else None,
        sub=draw(subs),
        expires_at=draw(st.none() | MOMENTS),
        object_type=draw(st.none() | IRIS) if "Relationship" in kind else None,
    )


def instances(deep: int = 2) -> st.SearchStrategy[list[Attribute]]:
    """The instances of an attribute: each has its own datasetId, the default one is first."""
    datasets = st.sets(st.none() | URNS, min_size=1, max_size=3)

    @st.composite
    def some(draw: st.DrawFn) -> list[Attribute]:
        named = sorted(draw(datasets), key=lambda one: one or "")
        return [structs.replace(draw(attributes(deep)), dataset_id=one) for one in named]

    return some()


ENTITIES = st.builds(
    Entity,
    URNS,
    st.just(NAMES["Building"]),
    st.dictionaries(IRIS, instances(), max_size=3),
    more_types=st.just(()) | st.just((NAMES["owner"],)),
    scopes=st.sampled_from([(), ("/Hanoi",), ("/Hanoi/Parks", "/Cities")]),
    expires_at=st.none() | MOMENTS,
)
