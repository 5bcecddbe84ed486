"""Runs as rows: what is kept of each execution of a process, how it changes state, and how long it stays."""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

from dothi.model.clock import SystemClock, from_micros, to_micros
from dothi.model.text import Text
from dothi.store.connection import Connection

RunState = Literal["queued", "running", "done", "failed", "cancelled", "expired"]
STATES: tuple[RunState, ...] = ("queued", "running", "done", "failed", "cancelled", "expired")
OPEN: tuple[RunState, ...] = ("queued", "running")
KEEP_DAYS = 90  # days, by the city's clock, that a run is kept
KEEP_RUNS = 2_000  # runs kept of each process
KEEP_BIG = 24  # runs of each process whose inputs and outputs are kept however big they are
BIG = 65_536  # letters from which inputs or outputs are let go after that
_CLEAN = 20  # rows that one run's end may let go, so that no commit gets long
_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"

ERRORS: dict[str, Text] = {
    "city-stopped": Text("Thành phố dừng giữa chừng", "The city stopped halfway"),
    "time-limit": Text("Quá thời gian cho phép", "It took longer than it may"),
    "worker-died": Text("Tiến trình chạy bị chết giữa chừng", "The process that ran it died halfway"),
    "process-error": Text("Phép tính báo lỗi", "The computation failed"),
    "gather-failed": Text("Không chuẩn bị được đầu vào", "The inputs could not be gathered"),
    "keep-failed": Text("Không ghi được kết quả", "The results could not be kept"),
    "bad-inputs": Text("Đầu vào không phải JSON hoặc quá lớn", "The inputs are no JSON, or too large"),
    "bad-outputs": Text("Kết quả không phải JSON hoặc quá lớn", "The outputs are no JSON, or too large"),
    "no-process": Text("Phép tính này không còn trong thành phố", "This process is no longer part of the city"),
}
"""Every reason for which a run comes to nothing, in words; ``Run.error`` begins with one of these keys."""

ASKERS: dict[str, Text] = {
    "schedule": Text("Theo lịch", "On schedule"),
    "system": Text("Hệ thống", "The system"),
    "local-operator": Text("Người vận hành tại máy", "The operator at this machine"),
}
"""Who asks for runs without being a person with a name, in words."""


class Search(NamedTuple):
    """What was searched for: ``text`` (folded) within a run's id or asker's id, or else one of these ids."""

    text: str
    processes: Sequence[str]
    askers: Sequence[str]


@dataclass(frozen=True, slots=True)
class Run:
    """One execution of a process. Times are aware UTC by the city's clock; ``seconds`` of the machine's it took.

    ``error`` is empty or ``code: detail`` (see ``ERRORS``). ``options``, ``inputs`` and ``outputs`` are JSON texts; inputs
    and outputs are empty in lists, before there are any and once they were let go (their SHA-256 in hex stays). ``repeats``
    is the run whose inputs and seed this one took again; ``ended_by`` who cancelled it. ``withheld`` says that there are
    options, inputs, outputs or words of an error that the asker may not see.
    """

    id: str
    process: str
    version: str
    seed: int
    state: RunState
    requested_by: str
    requested_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    seconds: float | None = None
    progress: float = 0.0
    error: str = ""
    repeats: str | None = None
    ended_by: str = ""
    inputs_digest: str = ""
    outputs_digest: str = ""
    options: str = "{}"
    inputs: str = ""
    outputs: str = ""
    withheld: bool = False

    @property
    def over(self) -> bool:
        """True once nothing more comes of it."""
        return self.state not in OPEN


_SHORT = (
    "id, process, version, seed, state, requested_by, requested_at, started_at, ended_at, seconds, progress, error, "
    "repeats, ended_by, inputs_digest, outputs_digest"
)
_WHOLE = f"{_SHORT}, options, inputs, outputs"
# Statements below are put together from constants only; whatever anybody asked for is bound.
_NEWEST = "ORDER BY requested_at DESC, id DESC"
_ENDED = "SELECT id FROM run WHERE process = ? AND state NOT IN ('queued', 'running')"
_SURPLUS = f"{_ENDED} {_NEWEST} LIMIT {_CLEAN} OFFSET ?"
_OLD = f"{_ENDED} AND requested_at < ? ORDER BY requested_at LIMIT {_CLEAN}"
_LAST = (
    "SELECT requested_at FROM run WHERE process = ? AND requested_by = ? AND NOT (state = 'failed' AND error = ?) "
    "ORDER BY requested_at DESC, id DESC LIMIT 1"
)


def new_id() -> str:
    """An id that sorts by the machine's time at which it was given out."""
    number = to_micros(SystemClock().now()) // 1000 << 20 | secrets.randbits(20)
    return "".join(_DIGITS[number >> shift & 31] for shift in range(60, -1, -5))


def digest(text: bytes) -> str:
    """SHA-256 in hex: what stays to compare with when a text is let go."""
    return hashlib.sha256(text).hexdigest()


def insert(db: Connection, run: Run) -> None:
    """Write a run that was just asked for."""
    db.execute(
        f"INSERT INTO run ({_WHOLE}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",  # noqa: S608 - constants
        (
            run.id,
            run.process,
            run.version,
            run.seed,
            run.state,
            run.requested_by,
            to_micros(run.requested_at),
            None,
            None,
            None,
            0.0,
            "",
            run.repeats,
            "",
            "",
            "",
            run.options,
            "",
            "",
        ),
    )


def change(db: Connection, run_id: str, **values: Any) -> None:
    """Set columns of one run that is not over."""
    names = ", ".join(f"{name} = ?" for name in values)
    query = f"UPDATE run SET {names} WHERE id = ? AND state IN ('queued', 'running')"  # noqa: S608 - names are keywords of ours
    db.execute(query, (*values.values(), run_id))


def fetch(db: Connection, run_id: str) -> Run | None:
    """One run with everything; None if there is none."""
    row = db.execute(f"SELECT {_WHOLE} FROM run WHERE id = ?", (run_id,)).fetchone()  # noqa: S608 - constants
    return _run(row) if row else None


def fetch_open(db: Connection) -> list[Run]:
    """Every run that is not over, in the order in which they were asked for."""
    query = f"SELECT {_WHOLE} FROM run WHERE state IN ('queued', 'running') ORDER BY requested_at, id"  # noqa: S608 - constants
    return [_run(row) for row in db.execute(query)]


def fetch_page(
    db: Connection,
    among: Sequence[str] | None,
    process: str | None,
    state: str | None,
    search: Search | None,
    limit: int,
    offset: int,
) -> tuple[list[Run], int]:
    """Runs newest first, without inputs and outputs, and how many match; ``among`` names the processes, None is all."""
    where, values = [_among(among)], list[Any](among or ())
    for column, wanted in (("process", process), ("state", state)):
        if wanted is not None:
            where.append(f"{column} = ?")
            values.append(wanted)
    if search is not None:
        like = "%" + search.text.replace("!", "!!").replace("%", "!%").replace("_", "!_") + "%"
        either = ["id LIKE ? ESCAPE '!'", "lower(requested_by) LIKE ? ESCAPE '!'"]
        values += (like, like)
        for column, ids in (("process", search.processes), ("requested_by", search.askers)):
            if ids:
                either.append(f"{column} IN ({','.join('?' * len(ids))})")
                values += ids
        where.append(f"({' OR '.join(either)})")
    narrowed = " AND ".join(where)
    total = db.execute(f"SELECT count(*) FROM run WHERE {narrowed}", values).fetchone()[0]  # noqa: S608 - parts above
    query = f"SELECT {_SHORT} FROM run WHERE {narrowed} {_NEWEST} LIMIT ? OFFSET ?"  # noqa: S608 - parts above
    return [_run(row) for row in db.execute(query, (*values, limit, offset))], total


def count_states(db: Connection, among: Sequence[str] | None) -> dict[str, int]:
    """How many runs of these processes (None: of all) are in each state, those with none included."""
    query = f"SELECT state, count(*) FROM run WHERE {_among(among)} GROUP BY state"  # noqa: S608 - placeholders only
    return dict.fromkeys(STATES, 0) | dict(db.execute(query, among or ()))


def last_scheduled(db: Connection, process: str, by: str) -> int | None:
    """When (µs UTC) ``by`` last asked for ``process`` in a run that the city's own end did not cut short."""
    row = db.execute(_LAST, (process, by, "city-stopped")).fetchone()
    return row[0] if row else None


def let_go(db: Connection, process: str, now: datetime) -> int:
    """Destroy what is past ``KEEP_RUNS`` or ``KEEP_DAYS`` of one process, and big texts past ``KEEP_BIG``.

    A few rows at a time: it runs at the end of every run. Returns how many runs are gone.
    """
    rows = db.execute(_SURPLUS, (process, KEEP_RUNS)).fetchall()
    rows += db.execute(_OLD, (process, to_micros(now - timedelta(days=KEEP_DAYS)))).fetchall()
    gone = {one for (one,) in rows}
    db.executemany("DELETE FROM run WHERE id = ?", [(one,) for one in gone])
    rows = db.execute(_SURPLUS, (process, KEEP_BIG)).fetchall()
    db.executemany("UPDATE run SET inputs = '' WHERE id = ? AND length(inputs) > ?", [(one, BIG) for (one,) in rows])
    db.executemany("UPDATE run SET outputs = '' WHERE id = ? AND length(outputs) > ?", [(one, BIG) for (one,) in rows])
    return len(gone)


def _among(processes: Sequence[str] | None) -> str:
    return "1 = 1" if processes is None else f"process IN ({','.join('?' * len(processes)) or 'NULL'})"


def _run(row: Sequence[Any]) -> Run:
    moments: list[Any] = [None if moment is None else from_micros(moment) for moment in row[6:9]]
    return Run(*[*row[:6], *moments, *row[9:]])
