"""Who did what, provably: append-only rows, each sealed by the hash of the one before it, joined by signed checkpoints."""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, NamedTuple

import msgspec

from dothi.model.reason import WHY
from dothi.store.checkpoints import Checkpoint, blob, checkpoints
from dothi.store.connection import Connection

GENESIS = bytes(32)
CAME_FROM: ContextVar[str] = ContextVar("came_from", default="")
"""The address or door of what is being done: set at the door, and every act that is made behind it says so."""
BROKEN = "audit.break"
"""The act by which a city that starts tells of rows that were signed and are not there: what it says stays a fault."""
COLUMNS = "seq, at, person_id, action, thing, result, correlation, detail, source, why, hash"

_PAGE = 5_000
_LOWEST = -(1 << 63)  # a row that somebody put before the first is a row too
_SHOWN = 100  # faults listed one by one
_NUL = "\N{SYMBOL FOR NULL}"
_ESCAPED_NUL = b"\\u0000"  # as JSON writes it; two backslashes before u0000 are other words, which replacing leaves alone
_BREAK = f'"{BROKEN}"'.encode()
INSERT = f"INSERT INTO audit ({COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?)"  # noqa: S608 - names of our own
_READ = f"SELECT {COLUMNS} FROM audit WHERE seq >= ? ORDER BY seq LIMIT {_PAGE}"  # noqa: S608 - names of our own


class Act(msgspec.Struct, frozen=True):
    """One act to record: ``action`` as the policy names it, ``thing`` by id only: a person can be erased, proof stays.

    ``source`` is the address or door it came from, ``why`` the reason its doer gave.
    """

    person_id: str
    action: str
    thing: str
    result: str = "done"
    correlation: str = ""
    detail: str = ""
    source: str = msgspec.field(default_factory=CAME_FROM.get)
    why: str = msgspec.field(default_factory=WHY.get)


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
        return cls._make((*cells[:10], blob(cells[10])))


class Fault(NamedTuple):
    """What is wrong with rows ``first`` to ``last``.

    ``changed``: they do not follow from the row before, because they were changed or put in. ``removed``: they are not
    there, though later ones are. ``cut``: they are not there, though a checkpoint signed them. ``replaced``: among them are
    some that are not those a checkpoint signed. ``checkpoint``: the checkpoint at that row is not what was signed, or was
    taken away. ``foreign``: another key signed them after this installation's own had signed. ``lost``: a later row says
    that they were signed and were not there when the city started.
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


def missing(connection: Connection, beside: Checkpoint) -> str | None:
    """Among which rows ("first-last") the log is not what the checkpoint kept ``beside`` it signed; None if it is."""
    row = connection.execute("SELECT hash FROM audit WHERE seq = ?", (beside.seq,)).fetchone()
    if row is not None and blob(row[0]) == beside.hash:
        return None
    (before,) = connection.execute("SELECT max(seq) FROM audit_checkpoint WHERE seq < ?", (beside.seq,)).fetchone()
    return f"{(before or 0) + 1}-{beside.seq}"


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
        told: tuple[str, ...] = msgspec.structs.astuple(act)
        text = sealed_text((seq, at, *told))
        if _ESCAPED_NUL in text:
            # A home that cannot hold U+0000 would keep other words than were sealed.
            told = tuple(one.replace("\0", _NUL) for one in told)
            text = sealed_text((seq, at, *told))
        previous = sha256(previous + text).digest()
        rows.append((seq, at, *told, previous))
    connection.executemany(INSERT, rows)
    return seq, previous


def walk(connection: Connection) -> Iterator[Row]:
    """The whole log, the oldest row first, a page of it in memory at a time."""
    first = _LOWEST
    while True:
        page = connection.execute(_READ, (first,)).fetchall()
        for cells in page:
            yield Row.of(cells)
        if len(page) < _PAGE:
            return
        first = page[-1][0] + 1


def verify(
    connection: Connection, beside: Checkpoint | None = None, *, tenant: str = "", own: bytes | None = None
) -> Verdict:
    """Walk the whole log and compare it with its checkpoints, and with the one kept ``beside`` the database.

    ``tenant`` is whose log it has to be, ``own`` the public key that has to go on signing once it has begun.
    """
    signed = checkpoints(connection)
    return examine(
        ((row.seq, sealed_text(row), row.hash) for row in walk(connection)), signed, beside, tenant=tenant, own=own
    )


def examine(
    told: Iterable[tuple[int, bytes, bytes]],
    signed: Sequence[Checkpoint],
    beside: Checkpoint | None = None,
    *,
    tenant: str = "",
    own: bytes | None = None,
) -> Verdict:
    """Judge a log, given row by row (its number, the text that was sealed, the hash beside it), and its checkpoints.

    A row that does not follow is taken as it stands and the walk goes on, so that each place is found. Without ``tenant``
    the first checkpoint says whose log it is; ``own`` as for ``verify``.
    """
    found = _Findings()
    tenant = tenant or (signed[0].tenant if signed else "")
    due: dict[int, list[Checkpoint]] = {}
    for one in (*signed, *([beside] if beside is not None and beside not in signed else ())):
        if one.signed() and one.tenant == tenant:
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
        if seq < 1:
            found.add("changed", seq)
            continue
        if seq > last + 1:
            found.add("removed", last + 1, seq - 1)
        elif seq != last + 1 or sha256(previous + text).digest() != sealed:
            found.add("changed", seq)
        for one in due.get(seq, ()):
            if one.hash != sealed:
                found.add("replaced", min(proven + 1, seq), seq)
            else:
                keys[one.key] = proven = seq
        if _BREAK in text:
            _tell_lost(text, found)
        last, previous = seq, sealed
    newest = max(keys, key=lambda key: keys[key], default=None)
    if own in keys and newest is not None and newest != own:
        found.add("foreign", keys[own] + 1, keys[newest])
    if ends and ends[-1] > last:
        found.add("cut", last + 1, ends[-1])
    return Verdict(count, previous, found.listed(), len(signed), proven, keys)


def _tell_lost(text: bytes, found: "_Findings") -> None:
    """Take over what a row of the action ``BROKEN`` says: that rows ``first-last`` of the log were not there."""
    row = msgspec.json.decode(text)
    span = re.fullmatch(r"(\d{1,18})-(\d{1,18})", str(row[4])) if row[3] == BROKEN else None
    if span is not None:
        found.add("lost", int(span[1]), int(span[2]))


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
