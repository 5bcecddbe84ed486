"""Files of a city by what they contain: the name of one is the SHA-256 of its bytes, so that none is kept twice."""

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Protocol

from dothi.model.problem import Problem

_HASH = re.compile(r"[0-9a-f]{64}")


class Files(Protocol):
    """Where a city keeps what people send. All of it blocks for as long as a disk or a network takes."""

    def put(self, body: bytes) -> str:
        """Keep ``body``; its SHA-256 as hex. Nothing happens if it is kept already. Raises Problem 503 where it cannot."""
        ...

    def get(self, name: str) -> bytes | None:
        """What was kept under a hash; None if nothing is."""
        ...

    def delete(self, name: str) -> None:
        """Keep it no longer; nothing happens if it is not there."""
        ...

    def names(self) -> Iterator[str]:
        """The hashes of everything that is kept."""
        ...

    def tidy(self) -> None:
        """Remove what was left half-written when a city was killed. Nothing may be put meanwhile."""
        ...


class FolderFiles:
    """Files in a folder that only the city's own user may look into, two letters of the hash a subfolder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, body: bytes) -> str:
        """Keep ``body``, on disk when this returns; its SHA-256 as hex. Raises Problem 503 where the disk takes no more."""
        name = sha256(body).hexdigest()
        path = self._path(name)
        if not path.exists():
            try:
                self._write(path, body)
            except OSError as error:
                raise Problem(
                    503,
                    "no-room",
                    f"The city cannot keep files at present ({error.strerror}).",
                    "Try again in a moment; if it stays, look at the city's disk.",
                    retry_after=60,
                ) from error
        return name

    def get(self, name: str) -> bytes | None:
        """What was kept under a hash; None if nothing is."""
        with suppress(FileNotFoundError):
            return self._path(name).read_bytes()
        return None

    def delete(self, name: str) -> None:
        """Keep it no longer; nothing happens if it is not there."""
        self._path(name).unlink(missing_ok=True)

    def names(self) -> Iterator[str]:
        """The hashes of everything that is kept."""
        return (path.name for path in self._folder.glob("??/*") if _HASH.fullmatch(path.name))

    def tidy(self) -> None:
        """Remove what was left half-written when a city was killed. Nothing may be put meanwhile."""
        for path in self._folder.glob("??/.*"):
            path.unlink(missing_ok=True)

    def _write(self, path: Path, body: bytes) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        # Made with 0600, under another name until it is whole: a city that is killed leaves no half of one.
        handle, made = tempfile.mkstemp(dir=path.parent, prefix=".")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
            Path(made).replace(path)
        except BaseException:
            Path(made).unlink(missing_ok=True)
            raise

    def _path(self, name: str) -> Path:
        if not _HASH.fullmatch(name):
            raise ValueError(f"{name!r} is no SHA-256")
        return self._folder / name[:2] / name
