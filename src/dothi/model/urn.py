"""Identifiers: one URN per thing, for ever (ETSI GS CIM 009, clause 4.6.1 asks for URIs)."""

import re

_SAFE = re.compile(r"[^A-Za-z0-9._~-]+")


def urn(kind: str, city: str, local: str) -> str:
    """``urn:ngsi-ld:<kind>:<city>:<local>``; characters a URN cannot carry become hyphens."""
    return f"urn:ngsi-ld:{kind}:{city}:{_SAFE.sub('-', local).strip('-')}"


def local_part(identifier: str) -> str:
    """What follows the last colon of a URN of ours; the whole identifier if it has none."""
    return identifier.rsplit(":", 1)[-1]
