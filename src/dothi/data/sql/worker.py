"""The process that answers questions: one at a time, walled in by the operating system, killed when it must be.

It hears questions on its standard input and answers on its standard output: four bytes of length, then msgpack. DuckDB in
the city's own process could not be bounded honestly: its memory limit is not kept by every function, and what it does
between two looks at an interrupt may take minutes.
"""

import contextlib
import os
import queue
import sys
import threading
from pathlib import Path
from typing import BinaryIO

from dothi.data.sql.answer import Answer, Ask, Limits, Refusal, decode_ask, encode
from dothi.data.sql.engine import answer, opened
from dothi.data.sql.faults import too_much_memory
from dothi.store.database import Database

HEADER = 4
READY = b"\0\0\0\0"
_NICER = 5  # readings are written before questions are answered


def main(temporary: Path, process_megabytes: int) -> None:
    """Answer until the city closes the other end, or is gone."""
    _wall(process_megabytes * 1_000_000)
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # nothing that a library prints may get between the answers
    import duckdb  # noqa: F401 - now, so that the first question need not wait for it
    import polars  # noqa: F401 - likewise

    asked: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_hear, args=(sys.stdin.buffer, asked), daemon=True).start()
    replies.write(READY)
    replies.flush()
    ask = decode_ask(asked.get())
    database = opened(ask.world)  # kept: it knows which files of the lake it has found whole
    while True:
        body = _reply(ask, database, temporary)
        replies.write(len(body).to_bytes(HEADER, "little") + body)
        replies.flush()
        ask = decode_ask(asked.get())


def _reply(ask: Ask, database: Database, temporary: Path) -> bytes:
    limits = ask.world.limits
    try:
        reply: Answer | Refusal = answer(ask, database, temporary)
        return encode(reply)
    except MemoryError:
        return encode(too_much_memory(limits))


def _hear(questions: BinaryIO, asked: "queue.SimpleQueue[bytes]") -> None:
    """Take in questions while another is answered: only so is it heard at once that the city has gone."""
    while len(head := questions.read(HEADER)) == HEADER:
        asked.put(questions.read(int.from_bytes(head, "little")))
    os._exit(0)


def _wall(most: int) -> None:
    """At most ``most`` bytes of memory, where the operating system lets a process bound itself."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError, AttributeError):
        os.nice(_NICER)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else Limits().process)
