"""Writes that wait for the disk together: whoever comes while one commit is made shares the next one."""

import asyncio
import threading
from collections import deque
from collections.abc import Iterable, Sequence

import msgspec

from dothi.access.policy import Person
from dothi.data.batch import EntityKind, Outcome, Told
from dothi.model.problem import Problem
from dothi.model.reason import WHY
from dothi.store.audit import CAME_FROM, Act

MOST_CHANGES = 2_000  # changes in one commit, beyond the first request's: about 100 ms of work
MOST_WAITING = 50_000


class Request(msgspec.Struct):
    """Changes of one request, ``at`` in µs; ``done`` belongs to the event loop it came from."""

    person: Person
    changes: Sequence[Told]
    at: int
    correlation: str
    action: str
    done: "asyncio.Future[list[Outcome]]"
    source: str = msgspec.field(default_factory=CAME_FROM.get)
    why: str = msgspec.field(default_factory=WHY.get)

    def act_of(self, kind: EntityKind, urn: str) -> Act:
        """What is to be recorded of a change of the entity ``urn``."""
        return Act(self.person.id, f"entity.{kind}", urn, "done", self.correlation, "", self.source, self.why)


class Waiting:
    """Requests in the order in which they came. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: deque[Request] = deque()
        self._changes = 0
        self._served = False

    def add(self, request: Request) -> bool:
        """Let ``request`` wait; True if nobody is on the way to serve it. Raises Problem 503 if too much waits already."""
        with self._lock:
            if self._changes and self._changes + len(request.changes) > MOST_WAITING:
                raise Problem(503, "busy", "Too many writes wait already.", "Try again in a moment.", retry_after=1)
            self._requests.append(request)
            self._changes += len(request.changes)
            alone, self._served = not self._served, True
            return alone

    def take(self) -> list[Request]:
        """Those that share the next commit."""
        with self._lock:
            taken, changes = list[Request](), 0
            while self._requests and (not taken or changes + len(self._requests[0].changes) <= MOST_CHANGES):
                taken.append(self._requests.popleft())
                changes += len(taken[-1].changes)
            self._changes -= changes
            return taken

    def more(self) -> bool:
        """Whether somebody waits still; if not, the next to come is told that nobody is on the way."""
        with self._lock:
            self._served = bool(self._requests)
            return self._served


def answer(answers: Iterable[tuple[Request, "list[Outcome] | BaseException"]]) -> None:
    """Tell those who wait, from whichever thread, what became of their requests."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[Request, list[Outcome] | BaseException]]] = {}
    for one in answers:
        by_loop.setdefault(one[0].done.get_loop(), []).append(one)
    for loop, told in by_loop.items():
        if not loop.is_closed():
            loop.call_soon_threadsafe(_settle, told)


def _settle(told: "list[tuple[Request, list[Outcome] | BaseException]]") -> None:
    for request, result in told:
        if request.done.done():  # whoever asked went away
            continue
        if isinstance(result, BaseException):
            request.done.set_exception(result)
        else:
            request.done.set_result(result)
