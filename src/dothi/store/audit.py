"""Who did what, provably: append-only rows, each sealed by the hash of the one before it, joined by signed checkpoints."""

from collections.abc import Iterable, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, NamedTuple

import msgspec

from dothi.store.checkpoints import Checkpoint, checkpoints
from dothi.store.connection import Connection

GENESIS = bytes(32)
CAME_FROM: ContextVar[str] = ContextVar("came_from", default="")
"""The address or door of what is being done: set at the door, and every act that is made behind it says so."""
COLUMNS = "seq, at, person_id, action, thing, result, correlation, detail, source, why, hash"

_PAGE = 5_000
_SHOWN = 100  # faults listed one by one
_NUL = "\N{SYMBOL FOR NULL}"
INSERT = f"INSERT INTO audit ({COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?)"  # noqa: S608 - names of our own
_READ = f"SELECT {COLUMNS} FROM audit WHERE seq > ? ORDER BY seq LIMIT {_PAGE}"  # noqa: S608 - names of our own


@dataclass(frozen=True, slots=True)
class Act:
    """One act to record: ``action`` as the policy names it, ``thing`` by id only: a person can be erased, proof stays.

    ``source`` is the address or door it came from, ``why`` the reason its doer gave.
    """

    person_id: str
    action: str
    thing: str
    result: str = "done"
    correlation: str = ""
    detail: str = ""
    source: str = field(default_factory=CAME_FROM.get)
    why: str = ""


class Row(NamedTuple):
    """One row of the log as it is kept; ``at`` in µs UTC."""

    seq: int
    at: int
    person: str
    action: str
    thing: str
    result: str
    correlation: str
    detail: str
    source: str
    why: str
    hash: bytes

    @classmethod
    def of(cls, cells: Sequence[Any]) -> "Row":
        """What a home gives for ``COLUMNS``."""
        return cls._make((*cells[:10], bytes(cells[10])))


class Fault(NamedTuple):
    """What is wrong with rows ``first`` to ``last``.

    ``changed``: they do not follow from the row before, because they were changed or put in. ``removed``: they are not
    there, though later ones are. ``cut``: they are not there, though a checkpoint signed them. ``replaced``: among them are
    some that are not those a checkpoint signed. ``checkpoint``: the checkpoint at that row is not what was signed, or was
    taken away.
    """

    kind: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What ``examine`` found: how many rows, the last one's hash, the first ``_SHOWN`` faults in the order of the log.

    Checkpoints prove the rows up to ``proven``; ``keys`` tells which public key signed last at which row.
    """

    rows: int
    head: bytes
    faults: tuple[Fault, ...]
    checkpoints: int
    proven: int
    keys: dict[bytes, int]

    @property
    def intact(self) -> bool:
        """True if no row was changed, removed or put in, and all that was signed is there."""
        return not self.faults


def sealed_text(row: Sequence[Any]) -> bytes:
    """The JSON array that a row is sealed as; source and why belong to it where one of them says something."""
    return msgspec.json.encode(row[:10] if row[8] or row[9] else row[:8])


def seal(previous: bytes, row: Sequence[Any]) -> bytes:
    """SHA-256 over the previous hash and the row (seq, at, person … why) as JSON: what a copy is checked with offline."""
    return sha256(previous + sealed_text(row)).digest()


def last_seal(connection: Connection) -> tuple[int, bytes]:
    """Number and hash of the newest row; (0, ``GENESIS``) of an empty log."""
    row = connection.execute("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1").fetchone()
    return (row[0], bytes(row[1])) if row else (0, GENESIS)


def record(connection: Connection, acts: Sequence[Act], at: int, last: tuple[int, bytes]) -> tuple[int, bytes]:
    """Append ``acts`` after ``last`` inside the caller's transaction; returns the new last number and hash."""
    seq, previous = last
    rows = []
    for act in acts:
        seq += 1
        told = (act.person_id, act.action, act.thing, act.result, act.correlation, act.detail, act.source, act.why)
        # A home that cannot hold U+0000 would keep other words than were sealed.
        row = (seq, at, *(one.replace("\0", _NUL) if "\0" in one else one for one in told))
        previous = seal(previous, row)
        rows.append((*row, previous))
    connection.executemany(INSERT, rows)
    return seq, previous


def walk(connection: Connection) -> Iterator[Row]:
    """The whole log, the oldest row first, a page of it in memory at a time."""
    last = 0
    while True:
        page = connection.execute(_READ, (last,)).fetchall()
        for cells in page:
            yield Row.of(cells)
        if len(page) < _PAGE:
            return
        last = page[-1][0]


def verify(connection: Connection, beside: Checkpoint | None = None) -> Verdict:
    """Walk the whole log and compare it with its checkpoints, and with the one kept ``beside`` the database."""
    signed = checkpoints(connection)
    return examine(((row.seq, sealed_text(row), row.hash) for row in walk(connection)), signed, beside)


def examine(
    told: Iterable[tuple[int, bytes, bytes]], signed: Sequence[Checkpoint], beside: Checkpoint | None = None
) -> Verdict:
    """Judge a log, given row by row (its number, the text that was sealed, the hash beside it), and its checkpoints.

    A row that does not follow is taken as it stands and the walk goes on, so that each place is found.
    """
    found = _Findings()
    due: dict[int, list[Checkpoint]] = {}
    for one in (*signed, *([beside] if beside is not None and beside not in signed else ())):
        if one.signed():
            due.setdefault(one.seq, []).append(one)
        else:
            found.add("checkpoint", one.seq)
    if beside is not None and beside not in signed:
        found.add("checkpoint", beside.seq)
    ends = sorted(due)
    count, last, previous, proven = 0, 0, GENESIS, 0
    keys: dict[bytes, int] = {}
    for seq, text, sealed in told:
        count += 1
        if seq > last + 1:
            found.add("removed", last + 1, seq - 1)
        elif seq != last + 1 or sha256(previous + text).digest() != sealed:
            found.add("changed", seq)
        for one in due.get(seq, ()):
            if one.hash != sealed:
                found.add("replaced", proven + 1, seq)
            else:
                keys[one.key] = proven = seq
        last, previous = seq, sealed
    if ends and ends[-1] > last:
        found.add("cut", last + 1, ends[-1])
    return Verdict(count, previous, found.listed(), len(signed), proven, keys)


class _Findings:
    """Faults as they are found; neighbours of a kind are one."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._newest: dict[str, int] = {}  # by kind, its place in the list

    def add(self, kind: str, first: int, last: int | None = None) -> None:
        last = first if last is None else last
        place = self._newest.get(kind)
        before = self._faults[place] if place is not None else None
        if place is not None and before is not None and before.last + 1 >= first >= before.first:
            self._faults[place] = Fault(kind, before.first, max(last, before.last))
        elif len(self._faults) < _SHOWN:
            self._newest[kind] = len(self._faults)
            self._faults.append(Fault(kind, first, last))

    def listed(self) -> tuple[Fault, ...]:
        return tuple(sorted(self._faults, key=lambda one: (one.first, one.last, one.kind)))
