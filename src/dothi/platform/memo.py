"""Answers that many ask for at the same moment, worked out once: the costlier one was, the longer it may serve."""

import threading
import time
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

T = TypeVar("T")

REUSE = 5.0  # an answer serves for this many times as long as it took
LONGEST = 15.0  # seconds
MOST = 200  # questions: past moments are many, and each is asked for once or twice


class Memo:
    """Keeps the newest answer to each question. Safe to ask from several threads; only one works, the others wait."""

    def __init__(self, seconds: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._answers: dict[Hashable, tuple[float, Any]] = {}
        self._locks: dict[Hashable, threading.Lock] = {}

    def answer(self, question: Hashable, work: Callable[[], T]) -> T:
        """What ``work`` returns, or what it returned a moment ago. ``question`` must name everything the answer depends on,
        the asker's rights included."""
        if len(self._locks) > MOST:
            self._forget()
        with self._locks.setdefault(question, threading.Lock()):
            kept = self._answers.get(question)
            began = self._seconds()
            if kept is not None and began < kept[0]:
                found: T = kept[1]
                return found
            found = work()
            done = self._seconds()
            self._answers[question] = done + min(LONGEST, REUSE * (done - began)), found
            return found

    def _forget(self) -> None:
        """Let go of what serves no longer. A question being worked on at this moment may be worked out twice."""
        now = self._seconds()
        for question, lock in list(self._locks.items()):
            kept = self._answers.get(question)
            if not lock.locked() and (kept is None or kept[0] <= now):
                self._answers.pop(question, None)
                self._locks.pop(question, None)
