"""Keeps derived data in a cache folder: written whole or not at all, checked on reading, made again when damaged."""

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import structlog

log = structlog.get_logger(__name__)
_CHECK = hashlib.sha256().digest_size


def key_of(*parts: bytes | str) -> str:
    """A short key of everything the derived data depend on, for use in a file name."""
    digest = hashlib.sha256()
    for part in parts:
        raw = part.encode() if isinstance(part, str) else part
        digest.update(len(raw).to_bytes(8, "big") + raw)
    return digest.hexdigest()[:24]


def write_whole(path: Path, content: bytes) -> None:
    """Writes ``content`` so that a reader sees the old file or the new one, never a part. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def kept(path: Path, make: Callable[[], bytes]) -> bytes:
    """The content of ``path``, or what ``make`` returns, kept there for the next time.

    A damaged file is made again. A cache that cannot be read or written (permissions, a full disk) costs time, not the
    start: it is logged and the made content returned.
    """
    try:
        stored = path.read_bytes()
        if hashlib.sha256(stored[_CHECK:]).digest() == stored[:_CHECK]:
            return stored[_CHECK:]
        log.warning("cache damaged, made again", path=str(path))
    except FileNotFoundError:
        pass
    except OSError as error:
        log.warning("cache not readable", path=str(path), error=str(error))
    content = make()
    try:
        write_whole(path, hashlib.sha256(content).digest() + content)
    except OSError as error:
        log.warning("cache not writable", path=str(path), error=str(error))
    return content
