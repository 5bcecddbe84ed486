"""The folder that holds an installation's state: one process at a time, a secret of its own, and where a replay stood."""

import errno
import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import sqlalchemy as sa

from dothi.access.local_key import LOCAL_KEY
from dothi.access.policy import SYSTEM
from dothi.data.writer import Writer
from dothi.model.clock import Anchor, ReplayClock, from_micros, to_micros
from dothi.model.problem import Problem
from dothi.platform.sector import Period
from dothi.settings import Settings
from dothi.store.connection import Connection
from dothi.store.database import Database
from dothi.store.tables import audit, meta

_REPLAY = "replay"
_MOST_RUNS = 100  # each start is one; what waits in the journal since before the oldest was heard at its beginning


class _Stood(msgspec.Struct):
    present: int
    runs: list[Anchor]


@contextmanager
def locked(home: Path) -> Iterator[None]:
    """Hold ``home`` for this process. Raises Problem if it cannot be written or another process holds it."""
    try:
        home.mkdir(0o700, parents=True, exist_ok=True)  # the whole record lies in it
        handle = (home / "lock").open("a+")
    except OSError as error:
        raise _not_writable(home, error) from error
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EACCES):
                raise
            handle.seek(0)
            owner = handle.read(20).strip() or "unknown"
            raise Problem(
                409,
                "home-in-use",
                f"Another city (process {owner}) already runs on {home}.",
                "Stop it first, or set DOTHI_HOME to another folder.",
            ) from error
        handle.truncate(0)
        handle.write(f"{os.getpid()}\n")
        handle.flush()
        yield


def secret_of(home: Path) -> bytes:
    """This installation's own secret (it signs form tokens), made at the first start, readable by its owner only.

    Raises Problem if the folder cannot be written.
    """
    path = home / "secret"
    try:
        home.mkdir(0o700, parents=True, exist_ok=True)  # the whole record lies in it
        if path.is_file() and len(kept := path.read_bytes()) == 32:
            return kept
        made = secrets.token_bytes(32)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(made)
    except OSError as error:
        raise _not_writable(home, error) from error
    return made


def local_key_of(home: Path) -> str:
    """What makes whoever can read this home folder its city's operator, made at the first start, for its owner's eyes only.

    Raises Problem if the folder cannot be written.
    """
    path = home / LOCAL_KEY
    try:
        home.mkdir(0o700, parents=True, exist_ok=True)  # the whole record lies in it
        if path.is_file() and len(kept := path.read_text().strip()) == 43:
            return kept
        made = secrets.token_urlsafe(32)
        path.unlink(missing_ok=True)  # one that others may read must not go on with its permissions
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(f"{made}\n")
    except OSError as error:
        raise _not_writable(home, error) from error
    return made


def _not_writable(home: Path, error: OSError) -> Problem:
    return Problem(
        500,
        "home-not-writable",
        f"The folder {home} cannot be written ({error.strerror}).",
        "Set DOTHI_HOME to a folder of yours.",
    )


def drill_period(settings: Settings) -> Period | None:
    """When a drill of an invented day takes place; None if this city is none. Raises Problem 400 if nobody says when."""
    start, end = settings.replay_from, settings.replay_to
    if not settings.drill:
        return None
    if start is None or end is None or start >= end:
        advice = "Set DOTHI_REPLAY_FROM and a later DOTHI_REPLAY_TO, or start it with: dothi drill"
        raise Problem(400, "bad-period", "A drill needs its beginning and its end.", advice)
    return Period(start.astimezone(UTC), start.astimezone(UTC), end.astimezone(UTC))


def within(period: Period, start: datetime | None, end: datetime | None) -> Period:
    """``period`` with a clock that begins at ``start`` and stops at ``end``. Raises Problem 400 if nothing lies between."""
    present, last = start or period.present, end or period.end
    covered = f"The recording covers {period.start:%Y-%m-%dT%H:%M:%SZ} to {period.end:%Y-%m-%dT%H:%M:%SZ}."
    if start is not None and end is not None and start >= end:
        raise Problem(400, "bad-period", "The replay would end before it begins.", "Give a from that comes before to.")
    if not period.start <= present < period.end:
        raise Problem(400, "bad-period", f"Nothing is recorded from {present.isoformat()} on.", covered)
    if last <= present:
        raise Problem(400, "bad-period", f"Nothing is recorded between from and {last.isoformat()}.", covered)
    return Period(period.start, present.astimezone(UTC), min(last, period.end).astimezone(UTC))


def replay_start(database: Database, period: Period) -> tuple[datetime, list[Anchor]]:
    """Where a replay goes on, and its earlier runs, newest first; of another recording, its own present and no runs.

    It goes on at what was last kept, or at the last commit if that came later: nothing that was said moves in time.
    """
    first, last = to_micros(period.start), to_micros(period.end)
    with database.engine.connect() as connection:
        kept = connection.execute(sa.select(meta.c.value).where(meta.c.key == _REPLAY)).scalar_one_or_none()
        # Acts of people are recorded at the machine's time, which comes after everything that can be replayed.
        told = sa.select(audit.c.at).where(audit.c.at <= last).order_by(audit.c.seq.desc()).limit(1)
        commit = connection.execute(told).scalar_one_or_none()
    stood = None if kept is None else msgspec.json.decode(kept, type=_Stood)
    if stood is None or not first <= stood.present <= last:
        return period.present, []
    return from_micros(min(max(stood.present, commit or 0), last)), stood.runs


async def keep_present(writer: Writer, clock: ReplayClock, ahead: timedelta = timedelta()) -> None:
    """Remember for the next start the runs of a replay, and its present, or what it will be ``ahead`` (real time) from now.

    A city that is killed goes on at what was last promised: its time never steps back.
    """
    now = clock.now()
    stood = _Stood(to_micros(now + ahead * clock.speed), list(clock.anchors[:_MOST_RUNS]))
    if clock.end is not None:
        stood.present = min(stood.present, to_micros(clock.end))

    def work(connection: Connection) -> None:
        connection.execute(
            "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            (_REPLAY, msgspec.json.encode(stood).decode()),
        )

    await writer.run(SYSTEM, now, work)
