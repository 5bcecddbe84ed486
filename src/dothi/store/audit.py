"""Who did what, provably: append-only rows, each sealed by the hash of the one before it."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

import msgspec

from dothi.store.connection import Connection

GENESIS = bytes(32)


@dataclass(frozen=True, slots=True)
class Act:
    """One act to record: ``action`` as the policy names it, ``thing`` by id only: a person can be erased, proof stays."""

    person_id: str
    action: str
    thing: str
    result: str = "done"
    correlation: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What ``verify`` found. ``broken_at`` is the first row that does not follow from the one before; ``head`` a hash."""

    rows: int
    broken_at: int | None
    head: bytes

    @property
    def intact(self) -> bool:
        """True if no row was changed, removed from the middle or put in between."""
        return self.broken_at is None


def seal(previous: bytes, seq: int, at: int, act: Act) -> bytes:
    """SHA-256 over the previous hash and the row, as a JSON array: what a copy can be checked with offline."""
    row = msgspec.json.encode([seq, at, act.person_id, act.action, act.thing, act.result, act.correlation, act.detail])
    return sha256(previous + row).digest()


def last_seal(connection: Connection) -> tuple[int, bytes]:
    """Number and hash of the newest row; (0, ``GENESIS``) of an empty log."""
    row = connection.execute("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1").fetchone()
    return (row[0], row[1]) if row else (0, GENESIS)


def record(connection: Connection, acts: Sequence[Act], at: int, last: tuple[int, bytes]) -> tuple[int, bytes]:
    """Append ``acts`` after ``last`` inside the caller's transaction; returns the new last number and hash."""
    seq, previous = last
    rows = []
    for act in acts:
        seq += 1
        previous = seal(previous, seq, at, act)
        rows.append((seq, at, act.person_id, act.action, act.thing, act.result, act.correlation, act.detail, previous))
    connection.executemany("INSERT INTO audit VALUES (?,?,?,?,?,?,?,?,?)", rows)
    return seq, previous


def verify(connection: Connection) -> Verdict:
    """Walk the whole chain. A log cut off at its end still verifies: compare ``head`` with a copy kept elsewhere."""
    count, previous = 0, GENESIS
    rows = connection.execute(
        "SELECT seq, at, person_id, action, thing, result, correlation, detail, hash FROM audit ORDER BY seq"
    )
    for seq, at, *words, sealed in rows:
        count += 1
        if seq != count or sealed != seal(previous, seq, at, Act(*words)):
            return Verdict(count, seq, previous)
        previous = sealed
    return Verdict(count, None, previous)
