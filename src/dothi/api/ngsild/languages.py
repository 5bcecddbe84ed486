"""Which of a text's languages a reader is given (ETSI GS CIM 009 v1.8.1, clause 4.15; RFC 4647, section 3.4)."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from dothi.model.problem import bad_request

_RANGE = re.compile(
    r"(\*|[A-Za-z]{1,8}(?:-(?:[A-Za-z0-9]{1,8}|\*))*|@none)(?:\s*;\s*q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?))?"
)
_TAG = re.compile(r"[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8}){0,8}|@none")
_MOST, _LONGEST = 32, 1000


@lru_cache(maxsize=256)
def wanted(lang: str) -> tuple[str, ...]:
    """The language ranges of a ``lang`` parameter, the dearest first, in lower case. Raises Problem 400."""
    parts = [part.strip() for part in lang.split(",", _MOST)]
    found = [_RANGE.fullmatch(part) for part in parts[:_MOST]]
    if len(parts) > _MOST or len(lang) > _LONGEST or not all(found):
        raise bad_request(f"lang {lang[:80]!r} names no languages.", "Write it like vi,en;q=0.8,*;q=0.1.")
    ranges = [(float(one[2] or 1), one[1].lower()) for one in found if one]
    return tuple(name for weight, name in sorted(ranges, key=lambda one: -one[0]) if weight > 0)


def language(tag: str | None) -> str | None:
    """The one language (RFC 5646) that a merged text is in; None if nothing says so. Raises Problem 400."""
    if tag is not None and _TAG.fullmatch(tag) is None:
        raise bad_request(f"lang {tag[:80]!r} is no language.", "Write it like vi or en-GB.")
    return tag


def served(texts: Mapping[str, Any], ranges: tuple[str, ...]) -> tuple[str, Any] | None:
    """(language tag, text) that suits best; any language where none does, None for a map without one."""
    if not texts:
        return None
    tags = {tag.lower(): tag for tag in texts}
    for one in ranges:
        if one == "*":
            break
        tag = _lookup(one, tags)
        if tag is not None:
            return tag, texts[tag]
    first = next(iter(texts)) if "@none" not in texts else "@none"
    return first, texts[first]


def _lookup(one: str, tags: Mapping[str, str]) -> str | None:
    """The tag for a range: cut from its end until something is left that is there, or else a longer tag (en for en-US)."""
    parts = one.split("-")
    while parts:
        cut = "-".join(parts)
        if cut in tags:
            return tags[cut]
        parts.pop()
        if parts and len(parts[-1]) == 1:
            parts.pop()
    return next((tag for low, tag in tags.items() if low.startswith(f"{one}-")), None)
