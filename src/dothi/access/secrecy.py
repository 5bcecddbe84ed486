"""What is marked as a state secret has no place in this city: how such a marking is recognised, at every door alike.

The degrees are those of the Law on Protection of State Secrets (29/2018/QH14, article 8): tuyệt mật, tối mật, mật.
"""

from typing import Any

from dothi.model.problem import Problem
from dothi.model.text import fold, nfc

KEY = "classification"
REASON = "state-secret"
_DEGREES = frozenset({"state-secret", "state secret", "bi mat nha nuoc", "tuyet mat", "toi mat"})
_LOWEST = "mật"  # with its accents only: without them it is also an eye, or lost
_DEEPEST = 32


def is_marked(told: Any, depth: int = 0) -> bool:
    """True if ``told`` (JSON values, or what they are made into) says anywhere that it is a state secret.

    The mark is a key ``classification`` whose value, or whose ``value``, is one of the degrees, with or without accents.
    """
    if depth > _DEEPEST:
        return False
    if isinstance(told, dict):
        return any((_names_it(key) and _is_degree(value)) or is_marked(value, depth + 1) for key, value in told.items())
    return isinstance(told, list) and any(is_marked(one, depth + 1) for one in told)


def may_be_marked(body: bytes) -> bool:
    """False if ``body`` (JSON text) cannot hold the mark: what every message is asked, before any is taken apart."""
    return KEY.encode() in body


def refused() -> Problem:
    """What a door answers."""
    return Problem(
        403,
        REASON,
        "What is marked as a state secret is not taken.",
        "Keep it in the systems that are made for state secrets. Nothing of it was kept; that it came was recorded.",
    )


def _names_it(key: Any) -> bool:
    return isinstance(key, str) and key.replace("#", "/").rsplit("/", 1)[-1] == KEY


def _is_degree(value: Any) -> bool:
    if isinstance(value, dict):
        return _is_degree(value.get("value"))
    if isinstance(value, list):
        return any(_is_degree(one) for one in value)
    if not isinstance(value, str):
        return False
    degree = nfc(value).strip().lower()
    return degree == _LOWEST or fold(degree) in _DEGREES
