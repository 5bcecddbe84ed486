"""The keys of personal data, in a file of their own that no backup takes along: what is destroyed here is gone everywhere.

A key opens one record. It is kept wrapped by the installation's own key (``personal-key``), so that a copy of either file
alone opens nothing. Both lie in the home folder, readable by its owner only, beside the tenants' folders.
"""

import os
import secrets
import sqlite3
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple, TypeVar

from dothi.access.personal.model import gone
from dothi.access.personal.sealing import KEY_BYTES, decrypt, encrypt, label
from dothi.model.problem import Problem

T = TypeVar("T")

FILE = "personal-keys.db"
WRAPPING = "personal-key"
_TABLES = """
CREATE TABLE IF NOT EXISTS key (
    record TEXT PRIMARY KEY, subject TEXT NOT NULL, purpose TEXT NOT NULL, until INTEGER NOT NULL, wrapped BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS key_subject ON key (subject);
CREATE INDEX IF NOT EXISTS key_until ON key (until);
CREATE TABLE IF NOT EXISTS ended (
    subject TEXT NOT NULL, purpose TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (subject, purpose)
) WITHOUT ROWID;
"""
_NOTE = (
    "INSERT INTO ended (subject, purpose, at) VALUES (?,?,?) ON CONFLICT (subject, purpose) DO UPDATE SET at = excluded.at"
)


class Claim(NamedTuple):
    """What a key is for: one record of a subject, for a purpose, ``until`` a moment (µs UTC)."""

    record: str
    subject: str
    purpose: str
    until: int


class Keys:
    """The keys of every tenant in ``home``; thread-safe. The files are made when the first key is.

    Raises Problem 503 where the files do not belong together or cannot be read.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self._lock = threading.Lock()
        self._db: sqlite3.Connection | None = None
        self._wrapping = b""

    def make(self, claim: Claim) -> bytes:
        """A new key for one record. Raises Problem 410 for a subject that was erased."""
        key = secrets.token_bytes(KEY_BYTES)

        def work(db: sqlite3.Connection) -> None:
            if db.execute("SELECT 1 FROM ended WHERE subject = ? AND purpose = ''", (claim.subject,)).fetchone():
                raise gone()
            wrapped = encrypt(self._wrapping, key, _bound(claim))
            db.execute("INSERT INTO key VALUES (?,?,?,?,?)", (*claim, wrapped))

        self._run(work)
        return key

    def find(self, records: Iterable[str]) -> dict[str, tuple[Claim, bytes]]:
        """The keys of ``records`` that are still here, with what they are for."""

        if not self._there():
            return {}

        def work(db: sqlite3.Connection) -> dict[str, tuple[Claim, bytes]]:
            found = {}
            for record in records:
                row = db.execute(
                    "SELECT record, subject, purpose, until, wrapped FROM key WHERE record = ?", (record,)
                ).fetchone()
                if row is not None:
                    claim = Claim(*row[:4])
                    found[record] = (claim, self._unwrapped(claim, row[4]))
            return found

        return self._run(work)

    def destroy(self, records: Sequence[str]) -> None:
        """Destroy the keys of these records: no copy of their values can be read any more."""
        self._run(lambda db: db.executemany("DELETE FROM key WHERE record = ?", [(one,) for one in records]))

    def destroy_ended(self, now: int) -> int:
        """Destroy every key whose time is over at ``now`` (µs UTC); returns how many."""
        if not self._there():
            return 0
        return self._run(lambda db: db.execute("DELETE FROM key WHERE until <= ?", (now,)).rowcount)

    def erase(self, subject: str, at: int) -> None:
        """Destroy all keys of a subject, and remember that there must never be others."""

        def work(db: sqlite3.Connection) -> None:
            db.execute("DELETE FROM key WHERE subject = ?", (subject,))
            db.execute(_NOTE, (subject, "", at))

        self._run(work)

    def note(self, subject: str, purpose: str, at: int) -> None:
        """Remember that a subject took back the consent to a purpose at ``at`` (µs UTC)."""
        self._run(lambda db: db.execute(_NOTE, (subject, purpose, at)))

    def notes(self) -> dict[tuple[str, str], int]:
        """When (µs UTC) which subject was erased (purpose "") or took a consent back: an older backup does not know."""
        if not self._there():
            return {}
        return self._run(
            lambda db: {(one, purpose): at for one, purpose, at in db.execute("SELECT subject, purpose, at FROM ended")}
        )

    def copy(self, target: Path) -> int:
        """Write the keys there are now over ``target``, complete or not at all; returns how many. Raises OSError."""
        beside = target.with_name(f".{target.name}-{secrets.token_hex(4)}")

        def work(db: sqlite3.Connection) -> int:
            os.close(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            try:
                with closing(sqlite3.connect(beside)) as copied:
                    db.backup(copied)
                    count = int(copied.execute("SELECT count(*) FROM key").fetchone()[0])
                beside.replace(target)
            finally:
                beside.unlink(missing_ok=True)
            return count

        return self._run(work, alone=True)

    def close(self) -> None:
        """Close the file; it opens again when it is needed."""
        with self._lock:
            if self._db is not None:
                self._db.close()
                self._db = None

    def _there(self) -> bool:
        """Looking makes no files: most cities keep nothing of anybody."""
        return self._db is not None or (self._home / FILE).exists()

    def _run(self, work: Callable[[sqlite3.Connection], T], *, alone: bool = False) -> T:
        with self._lock:
            try:
                db = self._db or self._open()
                if alone:
                    return work(db)
                db.execute("BEGIN IMMEDIATE")
                try:
                    result = work(db)
                    db.execute("COMMIT")
                except BaseException:
                    if db.in_transaction:
                        db.execute("ROLLBACK")
                    raise
            except sqlite3.Error as error:
                raise _unusable(str(error)) from error
        return result

    def _open(self) -> sqlite3.Connection:
        path = self._home / FILE
        self._wrapping = self._installation_key(path.exists())
        if not path.exists():
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
        db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        # A destroyed key leaves no trace in the file: deleted rows are overwritten, the journal is emptied at each commit.
        db.execute("PRAGMA secure_delete=ON")
        db.execute("PRAGMA journal_mode=TRUNCATE")
        db.execute("PRAGMA synchronous=EXTRA")
        db.execute("PRAGMA temp_store=MEMORY")
        db.executescript(_TABLES)
        self._db = db
        return db

    def _installation_key(self, needed: bool) -> bytes:
        path = self._home / WRAPPING
        try:
            kept = path.read_bytes()
        except FileNotFoundError:
            if needed:
                raise _unusable(f"{path} is missing") from None
            kept = secrets.token_bytes(KEY_BYTES)
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(kept)
                file.flush()
                os.fsync(file.fileno())
        if len(kept) != KEY_BYTES:
            raise _unusable(f"{path} is not the installation's key")
        return kept

    def _unwrapped(self, claim: Claim, wrapped: bytes) -> bytes:
        try:
            return decrypt(self._wrapping, wrapped, _bound(claim))
        except Problem as error:
            raise _unusable(f"{WRAPPING} is not the one that {FILE} was written with") from error


def _bound(claim: Claim) -> bytes:
    return label(claim.record, claim.subject, claim.purpose, str(claim.until))


def _unusable(why: str) -> Problem:
    return Problem(
        503,
        "personal-keys",
        f"The keys of personal data cannot be used ({why}).",
        f"Put the newest copies of {FILE} and {WRAPPING} back into the home folder.",
    )
