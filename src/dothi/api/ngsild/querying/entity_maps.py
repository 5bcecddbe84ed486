"""Entity maps: the ids a query found, kept for a while so that its pages stay those of one answer (clauses 5.2.39, 5.5.14).

They are kept in memory, for whoever asked and nobody else; what is not asked for again ends by itself.
"""

import threading
from collections import OrderedDict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import uuid4

from dothi.model.clock import Clock

MOST_IDS = 10_000
"""How many entities one map holds at most."""
LONGEST = timedelta(hours=24)
USUAL = timedelta(hours=1)
_MOST_MAPS = 1_000
_MOST_ALTOGETHER = 1_000_000  # ids in all maps: about 100 MB


@dataclass(slots=True)
class EntityMap:
    """The ids that ``owner``'s query found, in order; gone after ``expires_at`` (UTC)."""

    id: str
    owner: str
    ids: list[str]
    expires_at: datetime


class EntityMaps:
    """The maps of a city. Thread-safe; the oldest go where there are too many."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._maps: OrderedDict[str, EntityMap] = OrderedDict()
        self._held = 0

    def make(self, owner: str, ids: Iterable[str], lifetime: timedelta = USUAL) -> EntityMap:
        """A new map, for ``lifetime`` or for LONGEST."""
        made = EntityMap(f"urn:ngsi-ld:entitymap:{uuid4()}", owner, list(ids), self._clock.now() + min(lifetime, LONGEST))
        with self._lock:
            self._maps[made.id] = made
            self._held += len(made.ids)
            while len(self._maps) > _MOST_MAPS or self._held > _MOST_ALTOGETHER:
                self._take(next(iter(self._maps)))
        return made

    def get(self, owner: str, name: str) -> EntityMap | None:
        """The map with this id, or at this address, if it is ``owner``'s and not past its time."""
        urn = name.rsplit("/", 1)[-1]
        with self._lock:
            found = self._maps.get(urn)
            if found is None or found.owner != owner:
                return None
            if found.expires_at <= self._clock.now():
                self._take(urn)
                return None
            return found

    def prune(self, kept: EntityMap, ids: Collection[str]) -> None:
        """Of the map only ``ids`` are left."""
        left = set(ids)
        with self._lock:
            before = len(kept.ids)
            kept.ids = [one for one in kept.ids if one in left]
            if kept.id in self._maps:
                self._held -= before - len(kept.ids)

    def prolong(self, kept: EntityMap, until: datetime) -> None:
        """The map ends at ``until``, or after LONGEST."""
        kept.expires_at = min(until, self._clock.now() + LONGEST)

    def drop(self, kept: EntityMap) -> None:
        """There is no such map any more."""
        with self._lock:
            if kept.id in self._maps:
                self._take(kept.id)

    def _take(self, urn: str) -> None:
        self._held -= len(self._maps.pop(urn).ids)
