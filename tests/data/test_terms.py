"""Short names and IRIs: whatever is compacted expands to what it was."""

from hypothesis import given
from hypothesis import strategies as st

from dothi.data.terms import DEFAULT_CONTEXT, Terms
from dothi.model.entity import LOCATION
from dothi.model.schema import AttributeType, EntityType
from dothi.model.text import Text

WORDS = Text("x", "x")
AIR = "https://smartdatamodels.org/dataModel.Environment/"
STATION = EntityType(
    "AirQualityObserved", AIR + "AirQualityObserved", WORDS, (AttributeType("pm25", AIR + "pm25", WORDS, unit="GQ"),)
)
OTHER = EntityType("Lamp", "https://example.org/Lamp", WORDS, (AttributeType("pm25", "https://example.org/pm25", WORDS),))
TERMS = Terms({STATION.iri: STATION, OTHER.iri: OTHER})


def test_names_of_types_of_the_core_and_of_nobody() -> None:
    assert TERMS.expand("pm25") == AIR + "pm25"
    assert TERMS.expand("Lamp") == "https://example.org/Lamp"
    assert TERMS.expand("location") == LOCATION
    assert TERMS.expand("speed") == DEFAULT_CONTEXT + "speed"
    assert TERMS.expand(AIR + "no2") == AIR + "no2"
    assert TERMS.compact(AIR + "pm25") == "pm25"
    assert TERMS.compact(LOCATION) == "location"
    assert TERMS.compact(DEFAULT_CONTEXT + "speed") == "speed"
    assert TERMS.compact("https://example.org/pm25") == "https://example.org/pm25"
    assert TERMS.compact(DEFAULT_CONTEXT + "pm25") == DEFAULT_CONTEXT + "pm25"


@given(
    iri=st.sampled_from([AIR + "pm25", LOCATION, "https://example.org/pm25", DEFAULT_CONTEXT, DEFAULT_CONTEXT + "pm25"])
    | st.text(min_size=1).map(lambda name: DEFAULT_CONTEXT + name)
    | st.text().map(lambda rest: "urn:" + rest)
)
def test_whatever_is_compacted_expands_to_what_it_was(iri: str) -> None:
    assert TERMS.expand(TERMS.compact(iri)) == iri
