"""The whole of a tenant in one file, and back: what cannot be restored was never backed up."""

import gzip
import hashlib
import os
import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import closing, suppress
from importlib.metadata import version
from pathlib import Path, PurePosixPath

import msgspec
from pydantic import SecretStr

from dothi.model.clock import SystemClock
from dothi.model.problem import Problem, bad_request
from dothi.store.audit import last_seal
from dothi.store.checkpoints import BESIDE
from dothi.store.connection import Database
from dothi.store.database import open_database, revision, tenant_folder
from dothi.store.lake import UNFINISHED
from dothi.store.moving import fill
from dothi.store.sqlite import SqliteConnection, SqliteDatabase, translated

FORMAT = 1
_MANIFEST = "manifest.json"
_FOLDERS = ("files", "lake")
_CHUNK = 1 << 20


class Manifest(msgspec.Struct):
    """What an archive holds: SHA-256 (hex) by path. ``audit_head`` is the last hash of the audit log, to hold it against."""

    format: int
    version: str
    tenant: str
    revision: str
    written_at: str
    audit_rows: int
    audit_head: str
    files: dict[str, str]


def backup(database: Database, target: Path) -> Path:
    """Write a tenant's database and files into one ``.tar.gz`` while the city runs; returns its path.

    ``target`` is the file, or a folder for it. The database in it is of one moment; files that appear meanwhile may be
    missing. What the journal still holds is not in it: it is heard again or belongs to the next backup. Appears under its
    name only when complete. Raises Problem 409 if the target exists, Problem 500 or DatabaseError if the database is
    damaged, OSError if the archive cannot be written.
    """
    now = SystemClock().now()  # a backup is dated by the machine it is made on, also of a replayed city
    tenant = database.folder.name
    if target.is_dir():
        target = target / f"dothi-{tenant}-{now:%Y%m%dT%H%M%SZ}.tar.gz"
    if target.exists():
        raise Problem(409, "already-exists", f"{target} exists already.", "Choose another name, or remove it first.")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".dothi-backup-", dir=target.parent) as temporary:
        copy = database.copy(Path(temporary) / "city.db")
        held = Path(temporary) / "held"
        with database.lake.writing():  # at once: what the lake lists, and not before the database, whose marks it must have
            _hold(database.folder, held)
        with translated(), closing(sqlite3.connect(copy, factory=SqliteConnection)) as connection:
            health = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            if health != "ok":
                raise Problem(500, "database-damaged", f"The database is damaged: {health}", "Restore the last good backup.")
            rows, head = last_seal(connection)
        sums: dict[str, str] = {}
        unfinished = Path(temporary) / "archive"
        alone = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)  # it holds the whole record
        with (
            os.fdopen(alone, "wb") as file,
            gzip.open(file, "wb", compresslevel=6) as packed,
            tarfile.open(fileobj=packed, mode="w|") as archive,
        ):
            for name, path in _contents(held, copy):
                sums[name] = _checksum(path)
                archive.add(path, name, recursive=False)
            manifest = Manifest(
                FORMAT, version("dothi"), tenant, revision(database) or "", now.isoformat(), rows, head.hex(), sums
            )
            listing = Path(temporary) / _MANIFEST
            listing.write_bytes(msgspec.json.format(msgspec.json.encode(manifest)))
            archive.add(listing, _MANIFEST)
        unfinished.rename(target)
    return target


def restore(archive: Path, home: Path, tenant: str, url: SecretStr | None = None, *, overwrite: bool = False) -> Manifest:
    """Bring a tenant back from ``archive``; every checksum is compared before anything is put in place.

    Its files come under ``home``, its tables too or into PostgreSQL at ``url``: an archive is the same from either home.

    Raises Problem 409 if the archive is of another tenant (replayed values must not turn up in a live city), or if this one
    exists with a database and ``overwrite`` is False,
    400 if the archive is damaged, incomplete or not one of ours. With ``overwrite`` the tenant that was there is removed,
    journal included, once the new one is complete. Nothing of the city may be running.
    """
    folder = tenant_folder(home, tenant)
    there = (folder / "city.db").exists()
    if url is not None:
        target = open_database(home, tenant, url)
        there = target.exists()
    if there and not overwrite:
        raise Problem(
            409,
            "already-exists",
            f"There is a city in {folder if url is None else target.kind} already.",
            "Restore elsewhere, or say that it may be replaced.",
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{tenant}-restore-", dir=folder.parent) as temporary:
        fresh = Path(temporary) / "fresh"
        fresh.mkdir()
        try:
            with tarfile.open(archive, "r:gz") as packed:
                _unpack(packed, fresh)
        except (tarfile.TarError, EOFError, gzip.BadGzipFile, OSError) as error:
            raise _damaged(archive, str(error)) from error
        manifest = _verified(archive, fresh)
        if manifest.tenant != tenant:
            raise Problem(
                409,
                "another-city",
                f"{archive} holds the city {manifest.tenant!r}, but these settings run {tenant!r}.",
                "Set DOTHI_CITY and DOTHI_DATA as they were for that city, or take its own backup.",
            )
        for part in (*_FOLDERS, "journal", "backups"):
            (fresh / part).mkdir(exist_ok=True)
        if url is not None:
            source = SqliteDatabase(fresh)
            try:
                with target.alone():
                    fill(source, target, replace=overwrite)
            finally:
                source.close()
                target.close()
            source.path.unlink()
        kept = folder / BESIDE
        if kept.is_file():
            # What the log had grown to is known still: the city that starts tells of the rows that the backup has not.
            shutil.copy2(kept, fresh / BESIDE)
        if folder.exists():
            folder.rename(Path(temporary) / "replaced")
        fresh.rename(folder)
    return manifest


def _hold(folder: Path, held: Path) -> None:
    """Keep the files under ``folder`` as they are now, without their room where the disk is the same."""
    for part in _FOLDERS:
        for path in (folder / part).rglob("*"):
            if path.is_file() and not path.is_symlink() and not path.is_relative_to(folder / UNFINISHED):
                target = held / path.relative_to(folder)
                target.parent.mkdir(parents=True, exist_ok=True)
                with suppress(FileNotFoundError):  # files beside the lake come and go
                    _link(path, target)


def _link(path: Path, target: Path) -> None:
    try:
        target.hardlink_to(path)
    except FileNotFoundError:
        raise
    except OSError:  # another disk, or one that knows no links
        shutil.copy2(path, target)


def _contents(held: Path, database: Path) -> Iterator[tuple[str, Path]]:
    yield "city.db", database
    for path in sorted(held.rglob("*")):
        if path.is_file():
            yield path.relative_to(held).as_posix(), path


def _unpack(packed: tarfile.TarFile, fresh: Path) -> None:
    for member in packed:
        path = PurePosixPath(member.name)
        if not member.isfile() or path.is_absolute() or ".." in path.parts:
            raise tarfile.TarError(f"{member.name} has no place in a backup")
        source = packed.extractfile(member)
        if source is None:
            raise tarfile.TarError(f"{member.name} cannot be read")
        target = fresh / path
        target.parent.mkdir(parents=True, exist_ok=True)
        with source, target.open("wb") as out:
            shutil.copyfileobj(source, out, _CHUNK)


def _verified(archive: Path, fresh: Path) -> Manifest:
    listing = fresh / _MANIFEST
    try:
        manifest = msgspec.json.decode(listing.read_bytes(), type=Manifest)
    except (OSError, msgspec.DecodeError) as error:
        raise _damaged(archive, "its manifest is missing or unreadable") from error
    if manifest.format != FORMAT:
        raise bad_request(f"{archive} has format {manifest.format}; this version reads {FORMAT}.", "Use a newer dothi.")
    listing.unlink()
    found = {path.relative_to(fresh).as_posix(): path for path in fresh.rglob("*") if path.is_file()}
    if found.keys() != manifest.files.keys() or "city.db" not in found:
        raise _damaged(archive, "it does not hold what its manifest lists")
    for name, path in found.items():
        if _checksum(path) != manifest.files[name]:
            raise _damaged(archive, f"the checksum of {name} is wrong")
    return manifest


def _damaged(archive: Path, why: str) -> Problem:
    return bad_request(f"{archive} is not a whole backup: {why}.", "Take another copy of it; nothing was changed.")


def _checksum(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
