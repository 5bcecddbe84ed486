"""How much anybody may ask for: a bucket of tokens for each person and each address, so that one cannot crowd out the rest.

A bucket holds ``burst`` tokens and gets ``rate`` more a second; a request takes one. What is refused costs next to nothing.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from math import ceil

from dothi.model.problem import Problem

_MOST = 50_000  # buckets in each of two generations: about 10 MB in all


@dataclass(frozen=True, slots=True)
class Limit:
    """``rate`` requests a second in the long run, ``burst`` at once."""

    rate: float
    burst: float


PERSON = Limit(100.0, 600.0)
"""Of one person or machine that is known here: a page takes about thirty, a device a few a minute."""
ADDRESS = Limit(200.0, 2_000.0)
"""Of one address: an office of hundreds may stand behind it."""
SIGN_IN = Limit(0.5, 30.0)
"""Of one address, to sign in or to use a link that works once; failures of one account are counted beside it."""
FILES = Limit(0.5, 60.0)
"""Of one address nobody is known behind, to send pictures: a mobile network puts thousands of telephones behind one."""


class Limits:
    """The buckets of one city. ``now`` gives seconds that only grow; a bucket nobody used for long is forgotten, full."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._young: dict[tuple[Limit, str], tuple[float, float]] = {}
        self._old: dict[tuple[Limit, str], tuple[float, float]] = {}
        self.refused = 0

    def spend(self, limit: Limit, key: str) -> None:
        """Take a token of ``key``. Raises Problem 429, saying after how many seconds there is one again."""
        now, name = self._now(), (limit, key)
        tokens, since = self._young.get(name) or self._old.get(name) or (limit.burst, now)
        tokens = min(limit.burst, tokens + (now - since) * limit.rate)
        if tokens < 1.0:
            self.refused += 1
            wait = max(1, ceil((1.0 - tokens) / limit.rate))
            raise Problem(
                429, "too-many-requests", "Too many requests have come from you.", f"Wait {wait} s, then go on.", wait
            )
        self._young[name] = (tokens - 1.0, now)
        if len(self._young) >= _MOST:
            self._young, self._old = {}, self._young


def neighbourhood(address: str) -> str:
    """Whom an address stands for: itself, or the /64 of an IPv6 address, which one subscriber has whole (RFC 6177)."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return found.packed[:8].hex()
    return str(found)
