"""Who was turned away, and who took a table along: noted at every door, written down in batches that no flood can swell."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from dothi.access.policy import STRANGER
from dothi.store.audit import Act

DOOR = "door.request"
"""The action of a request that was turned away before it was known what it wanted."""

TAKEN = "table.export"
"""The action of whoever is known here and was given a table to take along."""

WINDOW, WINDOW_OF_STRANGERS = 1.0, 60.0  # seconds between two rows of one person and action
_MOST = 500  # persons and actions apart; what comes beyond is counted as one
_ADDRESSES = 5  # named in a row
_LONGEST = 200  # letters of a thing
_REST = ("many", DOOR, "")


@dataclass(slots=True)
class _Refused:
    count: int = 0
    thing: str = ""
    correlation: str = ""
    codes: dict[str, None] = field(default_factory=dict)
    sources: dict[str, None] = field(default_factory=dict)


class Refusals:
    """Refusals that wait to be written down. Thread-safe; ``seconds`` is a monotonic clock."""

    def __init__(self, seconds: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._waiting: dict[tuple[str, str, str], _Refused] = {}
        self._silent_until: dict[tuple[str, str, str], float] = {}

    def note(self, person: str, action: str, thing: str, code: str, *, source: str = "", correlation: str = "") -> None:
        """``person`` was refused ``action`` on ``thing`` for the reason ``code``; ``source`` is the address or door.

        Without a ``code`` it was done: then each thing gets a row of its own.
        """
        with self._lock:
            key = (person, action, "" if code else thing[:_LONGEST])
            if key not in self._waiting and len(self._waiting) >= _MOST:
                key = _REST
            one = self._waiting.setdefault(key, _Refused())
            one.count += 1
            one.thing, one.correlation = thing[:_LONGEST], correlation
            if code:
                one.codes[code] = None
            if len(one.sources) <= _ADDRESSES:
                one.sources[source] = None

    def take(self, *, all: bool = False) -> list[Act]:
        """What is to be written now: of one person and action a row a second, of strangers one a minute; or ``all``."""
        now = self._seconds()
        with self._lock:
            self._silent_until = {key: until for key, until in self._silent_until.items() if until > now}
            ready = [key for key in self._waiting if all or key not in self._silent_until]
            acts = []
            for key in ready:
                self._silent_until[key] = now + (WINDOW_OF_STRANGERS if key[0] == STRANGER.id else WINDOW)
                acts.append(_act(key[0], key[1], self._waiting.pop(key)))
        return acts


def _act(person: str, action: str, told: _Refused) -> Act:
    named = [one for one in told.sources if one][:_ADDRESSES]
    source = ", ".join(named) + (" …" if len(told.sources) > _ADDRESSES else "")
    detail = f"{told.count} times" if told.count > 1 else ""
    result = f"refused: {', '.join(told.codes)}" if told.codes else "done"
    return Act(person, action, told.thing, result, told.correlation, detail, source)
