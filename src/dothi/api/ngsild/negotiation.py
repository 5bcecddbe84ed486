"""What a client reads, sends and may ask, settled before anything is done (ETSI GS CIM 009, clauses 6.3.4 and 6.3.20)."""

import math
import re
from collections.abc import Collection
from functools import lru_cache
from typing import Any, Literal

import msgspec

from dothi.api.ngsild.problems import invalid_request
from dothi.model.problem import Problem, bad_request

JSON, LD_JSON, GEO_JSON = "application/json", "application/ld+json", "application/geo+json"
MERGE_PATCH = "application/merge-patch+json"
DEEPEST = 32
"""How deep objects and lists of a body may lie in each other."""

Body = Literal["none", "json", "merge-patch", "context", "members"]
"""What a door reads: nothing, JSON(-LD), a merge patch too, JSON whose @context is what it is about, or a list of many."""

_MEMBERS = msgspec.json.Decoder(list[msgspec.Raw])
_WEIGHT = re.compile(r"(?:0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)")


@lru_cache(maxsize=256)
def media_type(accept: str, geojson: bool) -> str:
    """The representation that answers an Accept header: the weightiest, then the first of JSON, JSON-LD and GeoJSON.

    A range takes the weight of the most specific entry it meets (RFC 9110, 12.5.1); GeoJSON is on offer where an operation
    has it. Raises Problem 406.
    """
    offered = (JSON, LD_JSON, GEO_JSON) if geojson else (JSON, LD_JSON)
    ranges = dict(_range(entry) for entry in accept.lower().split(",") if entry.strip())
    if not ranges:
        return JSON
    weights = [next((ranges[name] for name in (media, "application/*", "*/*") if name in ranges), 0.0) for media in offered]
    best = max(weights)
    if best > 0:
        return offered[weights.index(best)]
    raise Problem(
        406, "not-acceptable", "No representation fits the Accept header.", f"Ask for one of {', '.join(offered)}."
    )


def _range(entry: str) -> tuple[str, float]:
    name, *parameters = (part.strip() for part in entry.split(";"))
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip() == "q":
            return name, float(value) if _WEIGHT.fullmatch(value.strip()) else 1.0
    return name, 1.0


@lru_cache(maxsize=64)
def sent_type(content_type: str, body: Body) -> str:
    """The media type of a request's body. Raises Problem 415 for one that is not read there."""
    sent = content_type.partition(";")[0].strip().lower()
    taken = (JSON, LD_JSON, MERGE_PATCH) if body == "merge-patch" else (JSON, LD_JSON)
    if sent in taken:
        return sent
    raise Problem(
        415, "unsupported-media-type", "This kind of body is not understood here.", f"Send one of {', '.join(taken)}."
    )


def check_parameters(asked: Collection[str], known: frozenset[str]) -> None:
    """Raises Problem 400 (InvalidRequest, clause 6.3.20) if a parameter is none of ``known``."""
    for name in asked:
        if name not in known:
            raise invalid_request(
                f"The parameter {name[:40]!r} is not known here.", f"Known: {', '.join(sorted(known)) or 'none'}."
            )


def read_json(raw: bytes) -> Any:
    """The JSON of a body. Raises Problem 400: InvalidRequest if it is none, BadRequestData if it is deeper than DEEPEST."""
    try:
        found = msgspec.json.decode(raw)
    except (msgspec.DecodeError, ValueError) as error:
        raise invalid_request("The body is not JSON.", str(error)) from None
    except RecursionError:
        raise _too_deep() from None
    if raw.count(b"{") + raw.count(b"[") > DEEPEST:
        _check_depth(found)
    return found


def read_members(raw: bytes) -> Any:
    """The members of a list, each for ``check_member`` and ``read_member``: one by one, what is made of one is let go of
    before the next. What is no list is read whole. Raises Problem 400 as ``read_json``.
    """
    try:
        if not raw.isascii():
            raw.decode()  # the members are looked at as far as their grammar goes, not at the letters of their texts
        return _MEMBERS.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return read_json(raw)


def check_member(raw: msgspec.Raw) -> None:
    """Raises Problem 400 (BadRequestData) for a member for which the whole list is refused: null, or too deep."""
    text = bytes(raw)
    if text == b"null":
        raise bad_request("A member of the batch is null.", "Leave it out.")
    if text.count(b"{") + text.count(b"[") >= DEEPEST:
        _check_depth(read_member(raw), DEEPEST - 1)


def read_member(raw: msgspec.Raw) -> Any:
    """One member of the list. Raises Problem 400 (InvalidRequest) for a number beyond what there is."""
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, ValueError) as error:
        raise invalid_request("The body is not JSON.", str(error)) from None


def _check_depth(found: Any, deepest: int = DEEPEST) -> None:
    level = [found] if isinstance(found, dict | list) else []
    for _ in range(deepest):
        level = [
            inner
            for one in level
            for inner in (one.values() if type(one) is dict else one)
            if type(inner) is dict or type(inner) is list
        ]
        if not level:
            return
    raise _too_deep()


def _too_deep() -> Problem:
    return bad_request("The body lies too deep.", f"At most {DEEPEST} objects and lists may lie in each other.")


def flag(asked: str | None, name: str) -> bool:
    """A parameter that is true or false; false if it is not given. Raises Problem 400."""
    if asked is None or asked == "false":
        return False
    if asked == "true":
        return True
    raise bad_request(f"{name} is true or false.", f"It cannot be {asked[:40]!r}.")


def whole(asked: str | None, name: str, default: int, largest: int, least: int = 0) -> int:
    """A parameter that is a whole number from ``least`` to ``largest``. Raises Problem 400."""
    if asked is None:
        return default
    digits = len(asked) <= math.ceil(math.log10(largest + 1)) + 3 and re.fullmatch(r"[0-9]+", asked)
    if not digits or not least <= int(asked) <= largest:
        raise bad_request(f"{name} must be a whole number.", f"From {least} to {largest}.")
    return int(asked)


def listed(asked: str | None) -> tuple[str, ...]:
    """The parts of a parameter that commas divide."""
    return tuple(part for part in (asked or "").split(",") if part)
