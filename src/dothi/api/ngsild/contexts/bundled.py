"""The vocabularies that come with the product: term tables of its own, so that no name has to be asked of the network.

``terms/*.txt`` hold names and IRIs, which are facts: ``[namespace]``, then a term a line, or ``term = local name``.
"""

import re
from functools import cache
from importlib.resources import files

CORE_URL = "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context-v1.9.jsonld"
_CORE = re.compile(r"https?://uri\.etsi\.org/ngsi-ld/v1/ngsi-ld-core-context(-v1\.[1-9])?\.jsonld")
_MODELS = re.compile(
    r"https://(?:raw\.githubusercontent\.com/smart-data-models/|smart-data-models\.github\.io/)dataModel\."
    r"(Environment|Weather)/(?:master/)?context\.jsonld"
)


def is_core(url: str) -> bool:
    """True for the core context, whatever its version: later ones only add terms (ETSI GS CIM 009, annex B)."""
    return _CORE.fullmatch(url) is not None


@cache
def core_terms() -> dict[str, str]:
    """IRIs by the terms of the core context v1.9; ``ngsi-ld`` and ``geojson`` are its prefixes."""
    return _table("core")


def context_at(url: str) -> dict[str, str] | None:
    """The terms of the Smart Data Models context published at ``url``; None if it is none that comes with us."""
    found = _MODELS.fullmatch(url)
    return None if found is None else _table(found.group(1).lower())


@cache
def _table(name: str) -> dict[str, str]:
    terms: dict[str, str] = {}
    namespace = ""
    for line in files(__package__).joinpath("terms", f"{name}.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            namespace = line[1:-1]
        elif line and not line.startswith("#"):
            term, equals, local = (part.strip() for part in line.partition("="))
            terms[term] = namespace + (local if equals else term)
    return terms
