"""Processes of our own for long computations: started fresh, never forked, ended when nobody needs them or they overstay."""

import asyncio
import importlib
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import msgspec
import structlog

from dothi.platform.worker import Failure, Task

MAX_JSON = 4 * 1024 * 1024  # bytes that the inputs of a run may have, and its outputs
IDLE = 300.0  # seconds after which a worker without work ends
_START = "from dothi.platform.worker import main; main()"
# One thread each: a sum over four threads is not the same sum twice, and the other cores are the city's.
_ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS", "RAYON_NUM_THREADS"), "1"
)
_log = structlog.get_logger("dothi.pool")


class RunError(Exception):
    """A run that came to nothing: ``code`` is a key of ``runs.ERRORS``, ``detail`` what else is known."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code, self.detail = code, detail


def name_of(function: Callable[..., Any]) -> str:
    """``module:name``, by which another process finds ``function``. Raises ValueError where none would."""
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", "")
    if module and module != "__main__" and "." not in name:
        with suppress(ImportError):
            if getattr(importlib.import_module(module), name, None) is function:
                return f"{module}:{name}"
    raise ValueError(f"{module}.{name} is not a function of a module that another process can import by name")


def spare_cores() -> int:
    """How many runs there may be at once: every core but one, at least one."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores - 1)


class Pool:
    """Worker processes, started when there is work for them. Use it from one event loop; close it.

    ``size`` is how many runs it is meant for at once: who asks keeps to it.
    """

    def __init__(self, size: int | None = None, idle: float = IDLE) -> None:
        self.size = size or spare_cores()
        self._idle_seconds = idle
        self._idle: list[_Worker] = []
        self._busy: set[_Worker] = set()

    @property
    def pids(self) -> list[int]:
        """Process ids of the workers that live, those at work first."""
        return [one.pid for one in (*self._busy, *self._idle) if one.alive]

    async def run(
        self, function: str, seed: int, inputs: bytes, time_limit: timedelta, progress: Callable[[float], None]
    ) -> bytes:
        """What ``function`` (``module:name``) makes of ``inputs`` (JSON), as JSON, in a process of its own.

        ``progress`` hears fractions from 0 to 1. ``time_limit`` is of the machine's time and begins when a worker is there.
        Raises RunError: ``time-limit``, ``worker-died``, ``process-error``, ``bad-outputs``. Cancelled, it kills the worker.
        """
        task = Task(function, seed, MAX_JSON, msgspec.Raw(inputs))
        worker = await self._take()
        self._busy.add(worker)
        try:
            async with asyncio.timeout(time_limit.total_seconds()):
                return await worker.ask(task, progress)
        except TimeoutError:
            await worker.kill()
            raise RunError("time-limit") from None
        except asyncio.CancelledError:
            await worker.kill()
            raise
        finally:
            self._busy.discard(worker)
            self._keep(worker)

    async def close(self) -> None:
        """End every worker."""
        workers, self._idle = [*self._idle, *self._busy], []
        for worker in workers:
            await worker.kill()

    async def _take(self) -> "_Worker":
        while self._idle:
            worker = self._idle.pop()
            worker.rest.cancel()
            if worker.alive:
                return worker
        return await _Worker.start()

    def _keep(self, worker: "_Worker") -> None:
        if worker.alive:
            worker.rest = asyncio.get_running_loop().call_later(self._idle_seconds, self._end, worker)
            self._idle.append(worker)

    def _end(self, worker: "_Worker") -> None:
        self._idle.remove(worker)
        worker.dismiss()


class _Worker:
    """One process at the other end of two pipes."""

    rest: asyncio.TimerHandle

    def __init__(self, process: Process) -> None:
        self._process = process
        self.pid = process.pid

    @classmethod
    async def start(cls) -> "_Worker":
        """A fresh one. It finds modules where the city does and gets none of the city's settings or secrets."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("DOTHI_", "PYTHON"))}
        paths = os.pathsep.join(path for path in sys.path if path)
        environment = kept | _ONE_THREAD | {"PYTHONHASHSEED": "0", "PYTHONPATH": paths}
        command = (sys.executable, "-P", "-c", _START)
        return cls(await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, env=environment))

    @property
    def alive(self) -> bool:
        return self._process.returncode is None

    async def ask(self, task: Task, progress: Callable[[float], None]) -> bytes:
        """What comes of ``task``. Raises RunError."""
        body = msgspec.json.encode(task)
        source, sink = self._process.stdout, self._process.stdin
        assert source is not None and sink is not None  # noqa: S101 - both are pipes, see start
        try:
            sink.write(b"t" + len(body).to_bytes(4, "big") + body)
            await sink.drain()
            while True:
                head = await source.readexactly(5)
                answer = await source.readexactly(int.from_bytes(head[1:], "big"))
                if head[:1] == b"p":
                    progress(msgspec.json.decode(answer, type=float))
                elif head[:1] == b"o":
                    return answer
                else:
                    raise self._failed(head[:1], msgspec.json.decode(answer, type=Failure))
        except (asyncio.IncompleteReadError, ConnectionError):
            raise RunError("worker-died", _cause(await self._process.wait())) from None

    def _failed(self, kind: bytes, failure: Failure) -> RunError:
        if failure.trace:
            _log.warning("process failed", pid=self.pid, trace=failure.trace)
        return RunError("process-error" if kind == b"e" else "bad-outputs", failure.words)

    def dismiss(self) -> None:
        """Let it end by itself: it does when its pipe is closed."""
        if self._process.stdin is not None:
            self._process.stdin.close()

    async def kill(self) -> None:
        """End it now, whatever it does."""
        with suppress(ProcessLookupError):
            self._process.kill()
        await asyncio.shield(self._process.wait())


def _cause(code: int) -> str:
    """What ended a process, from its exit code (negative: the signal)."""
    try:
        return signal.Signals(-code).name if code < 0 else f"exit {code}"
    except ValueError:
        return f"exit {code}"
