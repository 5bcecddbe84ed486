"""The audit log as one file to hand over: whoever holds it checks it without us, with the means of any machine."""

import base64
import io
import os
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import IO

import msgspec

from dothi.model.problem import Problem, bad_request
from dothi.store.audit import Verdict, examine, sealed_text, walk
from dothi.store.checkpoints import Checkpoint, checkpoints, fingerprint, key_of, pem
from dothi.store.connection import Database

ACTS, CHECKPOINTS, README = "acts.txt", "checkpoints.txt", "README.md"
_WRONG = (zipfile.BadZipFile, zlib.error, KeyError, ValueError, IndexError, TypeError, EOFError, msgspec.MsgspecError)


def write_copy(database: Database, target: Path) -> int:
    """Write the whole log with its checkpoints and public keys into the new zip ``target``; returns its rows.

    Memory is bounded by a page of rows. Raises Problem 409 if the file is there already.
    """
    if target.exists():
        raise Problem(409, "already-exists", f"{target} exists already.", "Choose another name, or remove it first.")
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".dothi-audit-", dir=target.parent)
    fresh, count = Path(name), 0
    try:
        with (
            os.fdopen(handle, "wb") as file,
            zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=3) as archive,
            database.reader() as db,
        ):
            guide = files("dothi.store").joinpath("audit_copy.md").read_text(encoding="utf-8")
            archive.writestr(README, guide)
            signed = checkpoints(db)
            archive.writestr(CHECKPOINTS, "".join(map(_line, signed)))
            for key in {one.key for one in signed}:
                archive.writestr(_key_file(key), pem(key))
            with archive.open(ACTS, "w", force_zip64=True) as packed, io.BufferedWriter(packed, 1 << 20) as out:
                for row in walk(db):
                    out.write(b"%s %s\n" % (row.hash.hex().encode(), sealed_text(row)))
                    count += 1
        fresh.replace(target)
    finally:
        fresh.unlink(missing_ok=True)
    return count


def verify_copy(path: Path) -> Verdict:
    """Judge a file that ``write_copy`` wrote. Raises Problem 404 if it is not there, 400 if it is no such file."""
    if not path.is_file():
        raise Problem(404, "no-file", f"There is no file {path}.", "Name a file that dothi audit export wrote.")
    try:
        with zipfile.ZipFile(path) as archive, archive.open(ACTS) as acts:
            lines = archive.read(CHECKPOINTS).decode().splitlines()
            return examine(_told(acts), [_checkpoint(archive, line) for line in lines])
    except _WRONG as error:
        raise bad_request(
            f"{path} is not a whole copy of an audit log ({type(error).__name__}: {error}).", "Take another copy of it."
        ) from error


def _told(acts: IO[bytes]) -> Iterator[tuple[int, bytes, bytes]]:
    decode = msgspec.json.Decoder(list[msgspec.Raw]).decode
    for line in acts:
        sealed, _, text = line.rstrip(b"\n").partition(b" ")
        yield int(bytes(decode(text)[0])), text, bytes.fromhex(sealed.decode())


def _line(one: Checkpoint) -> str:
    return f"{base64.b64encode(one.signature).decode()} {_key_file(one.key)} {one.message.decode()}\n"


def _checkpoint(archive: zipfile.ZipFile, line: str) -> Checkpoint:
    signature, key_file, said = line.split(" ", 2)
    _, tenant, seq, at, sealed = said.split(" ")
    key = key_of(archive.read(key_file).decode())
    return Checkpoint(int(seq), int(at), tenant, bytes.fromhex(sealed), key, base64.b64decode(signature, validate=True))


def _key_file(key: bytes) -> str:
    return f"key-{fingerprint(key)[:16]}.pem"
