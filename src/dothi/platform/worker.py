"""The other side of the pool: a small process that runs one function after the other, and dies with its city.

It imports nothing of the city but this file; what the function's module imports is all it weighs. Frames go both ways over
pipes: one letter, four bytes of length (big endian), JSON. The city sends tasks; this side answers with progress (``p``) and
at the end outputs (``o``), a failure of the function (``e``) or outputs that nobody can keep (``x``).
"""

import ctypes
import faulthandler
import importlib
import math
import os
import queue
import random
import signal
import sys
import threading
import time
import traceback
from contextlib import suppress
from typing import Any, BinaryIO

import msgspec

PROGRESS_EVERY = 0.2  # seconds between two messages of progress
_NICE = 10
_PR_SET_PDEATHSIG = 1
_WORDS = 500
_TRACE = 8_000


class Task(msgspec.Struct, frozen=True):
    """What a worker is asked: ``function`` as ``module:name``, ``limit`` the most bytes its outputs may have."""

    function: str
    seed: int
    limit: int
    inputs: msgspec.Raw


class Failure(msgspec.Struct, frozen=True):
    """What went wrong: ``words`` fit on a line, ``trace`` is for the log."""

    words: str
    trace: str = ""


class Context:
    """What a running function may ask of its surroundings (``platform.sector.RunContext``)."""

    def __init__(self, seed: int, out: BinaryIO) -> None:
        self.seed, self._out = seed, out
        self._told = 0.0

    def progress(self, fraction: float) -> None:
        """Say how far the run is, from 0 to 1; more often than five times a second is not passed on."""
        now = time.monotonic()
        if now - self._told >= PROGRESS_EVERY and math.isfinite(fraction):
            self._told = now
            send(self._out, b"p", msgspec.json.encode(min(1.0, max(0.0, float(fraction)))))


def send(out: BinaryIO, kind: bytes, body: bytes) -> None:
    """Write one frame and see it off."""
    out.write(kind + len(body).to_bytes(4, "big") + body)
    out.flush()


def line_of(text: str) -> str:
    """``text`` on one line that any database takes: no breaks, no NUL, no half letters, 500 letters at most."""
    return " ".join(text.replace("\0", " ").split()).encode("utf-8", "replace").decode()[:_WORDS]


def main() -> None:
    """Serve the city at the other end of stdin and stdout until it is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal is the city's to answer
    faulthandler.enable()
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a function prints must not get between the frames
    _stand_back()
    tasks: queue.SimpleQueue[Task] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(sys.stdin.buffer, tasks), daemon=True).start()
    while True:
        _serve(tasks.get(), out)


def _listen(source: BinaryIO, tasks: "queue.SimpleQueue[Task]") -> None:
    """Pass tasks on. The end of the pipe is the end of the city, and of whatever runs for it."""
    while len(head := source.read(5)) == 5:
        tasks.put(msgspec.json.decode(source.read(int.from_bytes(head[1:], "big")), type=Task))
    os._exit(0)


def _serve(task: Task, out: BinaryIO) -> None:
    try:
        module, _, name = task.function.partition(":")
        function = getattr(importlib.import_module(module), name)
        inputs = msgspec.json.decode(task.inputs)
        random.seed(task.seed)  # for who forgets that the seed is in the context
        outputs: Any = function(inputs, Context(task.seed, out))
    except Exception as error:
        trace = traceback.format_exc()[-_TRACE:].encode("utf-8", "replace").decode()
        send(out, b"e", msgspec.json.encode(Failure(line_of(f"{type(error).__name__}: {error}"), trace)))
        return
    try:
        body = msgspec.json.encode(outputs, order="sorted")
    except (TypeError, ValueError, RecursionError, OverflowError) as error:
        send(out, b"x", msgspec.json.encode(Failure(line_of(f"{type(error).__name__}: {error}"))))
        return
    if len(body) > task.limit:
        send(out, b"x", msgspec.json.encode(Failure(f"{len(body)} > {task.limit} B")))
    else:
        send(out, b"o", body)


def _stand_back() -> None:
    """Let ingest and pages come first, end with the city, and be the one that the kernel ends when memory is short."""
    os.nice(_NICE)
    if sys.platform == "linux":
        # Where a function never lets another thread run, the end of the pipe is not heard.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # Linux only. Not by pathlib: its import would weigh on every worker.
    with suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:  # noqa: PTH123 - as said
        file.write("800")
