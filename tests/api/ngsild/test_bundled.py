"""The vocabularies that come with the product say what their publishers' contexts say."""

from pathlib import Path

import msgspec
import pytest

from dothi.api.ngsild.contexts.bundled import CORE_URL, context_at, core_terms, is_core
from dothi.services.air.model import AirQualityObserved
from dothi.services.weather.model import WeatherForecast

REFERENCE = Path(__file__).parents[4] / "shared/reference/contexts/ngsi-ld-core-context-v1.9.jsonld"
MODELS = "https://raw.githubusercontent.com/smart-data-models/dataModel.{}/master/context.jsonld"


def test_the_core_context_is_the_published_one() -> None:
    if not REFERENCE.is_file():
        pytest.skip(f"{REFERENCE.name} is not beside this checkout")
    told = msgspec.json.decode(REFERENCE.read_bytes())["@context"]
    prefixes = {name: told[name] for name in ("ngsi-ld", "geojson")}
    published = {}
    for term, defined in told.items():
        iri = defined if isinstance(defined, str) else defined["@id"] if isinstance(defined, dict) else "@"
        prefix, _, rest = iri.partition(":")
        iri = prefixes[prefix] + rest if prefix in prefixes else iri
        if not (iri.startswith("@") or term.startswith("@")):
            published[term] = iri
    assert core_terms() == published


@pytest.mark.parametrize(
    ("url", "core"),
    [
        (CORE_URL, True),
        (CORE_URL.replace("-v1.9", ""), True),
        (CORE_URL.replace("1.9", "1.3"), True),
        (CORE_URL.replace("v1.9", "non-existing"), False),
        (CORE_URL.replace("uri.etsi.org", "uri.etsi.org.example"), False),
    ],
)
def test_the_core_context_is_known_by_its_address(url: str, core: bool) -> None:
    assert is_core(url) is core


@pytest.mark.parametrize(("kind", "name"), [(AirQualityObserved, "Environment"), (WeatherForecast, "Weather")])
def test_the_models_contexts_name_what_the_sectors_declare(kind: object, name: str) -> None:
    terms = context_at(MODELS.format(name))
    assert terms is not None
    assert isinstance(kind, type(AirQualityObserved))
    assert terms[kind.name] == kind.iri
    ours = {one.name: one.iri for one in kind.attributes}
    assert {name: terms[name] for name in ours if name in terms} == {name: ours[name] for name in ours if name in terms}
    assert len(ours.keys() & terms.keys()) >= len(ours) - 4


def test_no_other_address_has_a_vocabulary_of_ours() -> None:
    assert context_at("https://smartdatamodels.org.example/context.jsonld") is None
    assert context_at(MODELS.format("Parking")) is None
