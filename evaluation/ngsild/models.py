"""`python -m evaluation.ngsild.models CHECKOUT …`: the Smart Data Models' own examples go in and must come out unchanged.

A checkout is one of the data models' repositories (dataModel.Environment, dataModel.Weather). Every normalized example of
a type that our sectors declare is created, retrieved with its own @context and deleted. Where an example's id is no URI
(clause 4.6.2 wants one) a URN stands in its place, and ``no_uri`` says which id it was. Prints one JSON object an example.
"""

import http.client
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from dothi.app import installed_sectors
from evaluation.ngsild.suite import opened

_LD_JSON = "application/ld+json"
_CONTEXT = "https://raw.githubusercontent.com/smart-data-models/{name}/master/context.jsonld"


def main(checkouts: list[Path]) -> int:
    """Try every example of our types. Returns 0 if all came out as they went in, 2 if there was none to try."""
    ours = {
        kind.name for sector in installed_sectors() for kind in sector.entity_types if "smart-data-models" in kind.standard
    }
    examples = [one for checkout in checkouts for one in _examples(checkout, ours)]
    contexts = {_CONTEXT.format(name=_name(checkout)): str(checkout / "context.jsonld") for checkout in checkouts}
    worst = 0
    with tempfile.TemporaryDirectory(prefix="dothi-models-") as scratch, opened(Path(scratch) / "city", contexts) as bench:
        for path in examples:
            entity = json.loads(path.read_text(encoding="utf-8"))
            no_uri = _mend_id(entity)
            problem = _round_trip(bench.url, entity)
            line = {"type": entity["type"], "unchanged": not problem, "difference": problem} | no_uri
            print(json.dumps(line, ensure_ascii=False))
            worst = max(worst, int(bool(problem)))
    return worst if examples else 2


def _examples(checkout: Path, types: set[str]) -> Iterator[Path]:
    for kind in sorted(types):
        path = checkout / kind / "examples" / "example-normalized.jsonld"
        if path.is_file():
            yield path


def _name(checkout: Path) -> str:
    """The repository's name, which its README's first line carries whatever the folder is called."""
    text = (checkout / "context.jsonld").read_text(encoding="utf-8")
    return next(part for part in text.split("/") if part.startswith("dataModel."))


def _mend_id(entity: dict[str, Any]) -> dict[str, str]:
    """A URN in place of an id that is no URI; says which."""
    former = entity["id"]
    if urlsplit(former).scheme:
        return {}
    entity["id"] = f"urn:ngsi-ld:{entity['type']}:{former}"
    return {"no_uri": former}


def _round_trip(url: str, entity: dict[str, Any]) -> str:
    """What differs after creating and retrieving ``entity``; empty if nothing does."""
    line = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    line.request("POST", "/ngsi-ld/v1/entities", json.dumps(entity), {"Content-Type": _LD_JSON})
    answer = line.getresponse()
    told = answer.read().decode()
    if answer.status != 201:
        return f"{answer.status} {told}"
    place = f"/ngsi-ld/v1/entities/{quote(entity['id'], safe='')}"
    context = entity["@context"][0] if isinstance(entity["@context"], list) else entity["@context"]
    link = f'<{context}>; rel="http://www.w3.org/ns/json-ld#context"; type="{_LD_JSON}"'
    line.request("GET", place, headers={"Accept": "application/json", "Link": link})
    found = json.loads(line.getresponse().read())
    line.request("DELETE", place)
    line.getresponse().read()
    wanted = {name: value for name, value in entity.items() if name != "@context"}
    differing = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
    return "; ".join(f"{name}: {wanted.get(name)!r} became {found.get(name)!r}" for name in differing)


if __name__ == "__main__":
    sys.exit(main([Path(one) for one in sys.argv[1:]]))
