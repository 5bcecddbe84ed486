"""What a folder of an export holds and how it is checked: the manifest, names of files, and failures in words."""

import errno
import hashlib
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

import msgspec

from dothi.model.clock import from_micros, to_micros
from dothi.model.problem import Problem, bad_request

FORMAT = 1
MANIFEST, README = "manifest.json", "README.md"
ENTITIES, DELETED, SERIES, AUDIT = "entities.ndjson", "entities-deleted.ndjson", "series.parquet", "audit.ndjson"
PHOTOS = "photos"  # the folder of pictures
Progress = Callable[[str, int, int], None]  # (what is under way, done, total)

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_SYSTEM_ERROR = re.compile(r"\(os error (\d+)\)")
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


class Source(msgspec.Struct):
    """Where data of the city comes from, as its licence wants it said; ``entities`` counts those that name it."""

    attribution: str
    entities: int = 0


class Manifest(msgspec.Struct):
    """What an export holds. ``files`` gives the SHA-256 (hex) of every other file, ``types`` the name that stands for a
    type's IRI in file names, ``counts`` how many of each. ``moment`` is the city's time up to which it was heard; ``start``
    and ``end`` bound the readings (observed, end excluded) and ``datasets`` names the types when it is a part only.
    ``audit_head`` is the last hash of the audit log, to hold it against. ``replay`` is where a replaying city stood.
    """

    format: int
    version: str
    tenant: str
    city: dict[str, str]
    written_at: str
    moment: str
    counts: dict[str, int]
    types: dict[str, str]
    sources: list[Source]
    audit_head: str
    files: dict[str, str]
    start: str | None = None
    end: str | None = None
    datasets: list[str] | None = None
    replay: str | None = None
    withheld: int = 0


def moment_text(micros: int | None) -> str | None:
    """µs UTC as RFC 3339 with Z; None stays None."""
    return None if micros is None else from_micros(micros).isoformat().replace("+00:00", "Z")


def moment_of(text: str | None) -> int | None:
    """The µs UTC that ``moment_text`` wrote. Raises ValueError for text that is no moment with a zone."""
    return None if text is None else to_micros(datetime.fromisoformat(text).astimezone(UTC))


def file_names(iris: Iterator[str] | list[str]) -> dict[str, str]:
    """A name fit for files for each type's IRI: its last part; two types with the same one are told apart by a number."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for iri in sorted(iris):
        plain = _UNSAFE.sub("-", re.split(r"[/#:]", iri.rstrip("/#:"))[-1]).strip("-.")[:80] or "type"
        name, count = plain, 1
        while name.lower() in taken:  # file systems that know no case must not mix them up
            count += 1
            name = f"{plain}-{count}"
        taken.add(name.lower())
        names[iri] = name
    return names


def checksum(path: Path) -> str:
    """SHA-256 of a file, hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def read_manifest(folder: Path) -> Manifest:
    """The manifest of an export. Raises Problem 404 without the folder, 400 if it is no export or of another format."""
    if not folder.is_dir():
        raise Problem(404, "no-export", f"There is no folder {folder}.", "Name a folder that dothi export wrote.")
    try:
        manifest = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
    except (OSError, msgspec.DecodeError) as error:
        raise damaged(folder, "its manifest.json is missing or unreadable") from error
    if manifest.format != FORMAT:
        raise bad_request(f"{folder} has format {manifest.format}; this version reads {FORMAT}.", "Use a newer dothi.")
    return manifest


def verify(folder: Path, manifest: Manifest, progress: Progress) -> None:
    """Compare every file with its checksum. Raises Problem 400 naming the first that is missing, foreign or changed."""
    for done, (name, expected) in enumerate(sorted(manifest.files.items())):
        progress("checking", done, len(manifest.files))
        parts = PurePosixPath(name)
        if parts.is_absolute() or ".." in parts.parts:
            raise damaged(folder, f"its manifest names {name}, which lies outside")
        path = folder / parts
        if not path.is_file():
            raise damaged(folder, f"{name} is missing")
        if checksum(path) != expected:
            raise damaged(folder, f"{name} is not what was written: its checksum is wrong")


def damaged(folder: Path, why: str) -> Problem:
    """The problem of a folder that is no whole export."""
    return bad_request(f"{folder} is not a whole export: {why}.", "Take another copy of it; nothing was changed.")


@contextmanager
def room_on(folder: Path) -> Iterator[None]:
    """Say it in words when the disk that holds ``folder`` fills up: raises Problem 507 for ENOSPC and its like."""
    try:
        yield
    except Exception as error:
        # Polars tells the number of an error of the system in words only.
        told = _SYSTEM_ERROR.search(str(error))
        number = error.errno if isinstance(error, OSError) else int(told.group(1)) if told else None
        if number not in _FULL:
            raise
        raise Problem(
            507,
            "disk-full",
            f"The disk that holds {folder} is full.",
            "Make room or choose another folder, then run the command again; nothing unfinished was left there.",
        ) from error
