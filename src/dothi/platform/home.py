"""The folder that holds an installation's state: one process at a time, a secret of its own, and where a replay stood."""

import errno
import fcntl
import os
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa

from dothi.access.policy import SYSTEM
from dothi.data.writer import Writer
from dothi.model.problem import Problem
from dothi.platform.sector import Period
from dothi.store.database import Database
from dothi.store.tables import meta

_PRESENT = "replay.present"


@contextmanager
def locked(home: Path) -> Iterator[None]:
    """Hold ``home`` for this process. Raises Problem if it cannot be written or another process holds it."""
    try:
        home.mkdir(parents=True, exist_ok=True)
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
        home.mkdir(parents=True, exist_ok=True)
        if path.is_file() and len(kept := path.read_bytes()) == 32:
            return kept
        made = secrets.token_bytes(32)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(made)
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


def replay_start(database: Database, period: Period) -> datetime:
    """Where a replay goes on: where it stood when it was last stopped, else the period's own present."""
    with database.engine.connect() as connection:
        kept = connection.execute(sa.select(meta.c.value).where(meta.c.key == _PRESENT)).scalar_one_or_none()
    if kept is None:
        return period.present
    moment = datetime.fromisoformat(kept).astimezone(UTC)
    return moment if period.start <= moment <= period.end else period.present


async def keep_present(writer: Writer, moment: datetime) -> None:
    """Remember the replay's present for the next start."""

    def work(connection: sqlite3.Connection) -> None:
        connection.execute(
            "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            (_PRESENT, moment.isoformat()),
        )

    await writer.run(SYSTEM, moment, work)
