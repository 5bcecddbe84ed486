"""Signed checkpoints of the audit log: what its holder cannot take back, nor anybody with the database alone forge.

A checkpoint says that row ``seq`` had ``hash`` at a moment, signed with the installation's key (Ed25519, RFC 8032). The key
lies beside the database, not in it; so does a copy of the last checkpoint, which shows that rows were cut off.
"""

import base64
import os
from collections.abc import Iterable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from dothi.model.problem import Problem
from dothi.store.connection import Connection

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

KEY_FILE = "audit-key"
BESIDE = "audit-checkpoint"
# A public key as a SubjectPublicKeyInfo begins with this (RFC 8410, clause 4); its 32 bytes follow.
_SPKI = bytes.fromhex("302a300506032b6570032100")
_COLUMNS = "seq, at, tenant, hash, key, signature"


class Checkpoint(msgspec.Struct, frozen=True):
    """Row ``seq`` of the log of ``tenant`` had ``hash`` at ``at`` (µs UTC of the machine), says who holds ``key``.

    ``key`` is the public key's 32 bytes.
    """

    seq: int
    at: int
    tenant: str
    hash: bytes
    key: bytes
    signature: bytes

    @property
    def message(self) -> bytes:
        """What is signed."""
        return message_of(self.tenant, self.seq, self.at, self.hash)

    def signed(self) -> bool:
        """True if the signature is the key's."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        with suppress(InvalidSignature, ValueError):
            Ed25519PublicKey.from_public_bytes(self.key).verify(self.signature, self.message)
            return True
        return False


def message_of(tenant: str, seq: int, at: int, sealed: bytes) -> bytes:
    """The line a checkpoint signs, in ASCII: ``dothi-audit hanoi 1000 1795330000000000 <hash in hex>``."""
    return f"dothi-audit {tenant} {seq} {at} {sealed.hex()}".encode()


class AuditKey:
    """The key an installation signs its checkpoints with."""

    def __init__(self, private: "Ed25519PrivateKey") -> None:
        self._private = private
        self.public = private.public_key().public_bytes_raw()

    @classmethod
    def of(cls, home: Path) -> "AuditKey":
        """The key in ``home``, made at first use, readable by its owner only. Raises Problem 500 if it is none."""
        from cryptography.hazmat.primitives import serialization as form
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        path = home / KEY_FILE
        if not path.exists():
            made = Ed25519PrivateKey.generate()
            text = made.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())
            fresh = path.with_name(f"{KEY_FILE}-{os.getpid()}")
            with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            # Whole under its name, and never in the place of one that another process made meanwhile.
            with suppress(FileExistsError):
                path.hardlink_to(fresh)
            fresh.unlink()
        try:
            private = form.load_pem_private_key(path.read_bytes(), None)
        except (ValueError, TypeError, OSError) as error:
            raise _no_key(path) from error
        if not isinstance(private, Ed25519PrivateKey):
            raise _no_key(path)
        return cls(private)

    def sign(self, tenant: str, seq: int, at: int, sealed: bytes) -> Checkpoint:
        """The checkpoint of a row; ``at`` is the machine's time (µs UTC)."""
        return Checkpoint(seq, at, tenant, sealed, self.public, self._private.sign(message_of(tenant, seq, at, sealed)))


def fingerprint(key: bytes) -> str:
    """SHA-256 (hex) of a public key in DER, as ``openssl pkey -pubin -outform DER | sha256sum`` gives it."""
    return sha256(_SPKI + key).hexdigest()


def pem(key: bytes) -> str:
    """A public key as PEM (RFC 8410), which OpenSSL reads."""
    return f"-----BEGIN PUBLIC KEY-----\n{base64.b64encode(_SPKI + key).decode()}\n-----END PUBLIC KEY-----\n"


def key_of(text: str) -> bytes:
    """The public key of what ``pem`` wrote. Raises ValueError."""
    raw = base64.b64decode("".join(line for line in text.splitlines() if not line.startswith("-----")), validate=True)
    if not raw.startswith(_SPKI) or len(raw) != len(_SPKI) + 32:
        raise ValueError("no Ed25519 public key")
    return raw[len(_SPKI) :]


def checkpoints(connection: Connection) -> list[Checkpoint]:
    """Every checkpoint, the oldest first."""
    rows = connection.execute(f"SELECT {_COLUMNS} FROM audit_checkpoint ORDER BY seq")  # noqa: S608 - names of our own
    return [Checkpoint(seq, at, tenant, *map(blob, rest)) for seq, at, tenant, *rest in rows]


def latest(connection: Connection) -> Checkpoint | None:
    """The newest checkpoint; None before the first."""
    query = f"SELECT {_COLUMNS} FROM audit_checkpoint ORDER BY seq DESC LIMIT 1"  # noqa: S608 - names of our own
    row = connection.execute(query).fetchone()
    return None if row is None else Checkpoint(*row[:3], *map(blob, row[3:]))


def keep(connection: Connection, made: Iterable[Checkpoint]) -> None:
    """Write checkpoints down."""
    rows = [(one.seq, one.at, one.tenant, one.hash, one.key, one.signature) for one in made]
    connection.executemany(f"INSERT INTO audit_checkpoint ({_COLUMNS}) VALUES (?,?,?,?,?,?)", rows)  # noqa: S608 - ours


def keep_beside(folder: Path, checkpoint: Checkpoint) -> None:
    """Copy the last checkpoint beside the database, where who holds only the database cannot change it."""
    path = folder / BESIDE
    fresh = path.with_name(f".{BESIDE}-new")
    with fresh.open("wb") as file:
        file.write(msgspec.json.encode(checkpoint))
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def beside(folder: Path) -> Checkpoint | None:
    """What ``keep_beside`` wrote; None if nothing was. Raises Problem 500 if what lies there is no checkpoint."""
    path = folder / BESIDE
    try:
        return msgspec.json.decode(path.read_bytes(), type=Checkpoint)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        raise Problem(
            500,
            "bad-audit-checkpoint",
            f"{path} is not the checkpoint that was kept there ({type(error).__name__}).",
            "Hold the log against an exported copy of it, then move the file away: the next checkpoint writes it anew.",
        ) from error


def blob(value: Any) -> bytes:
    """Bytes as a home gives them; none for what only tampering puts in their place."""
    return bytes(value) if isinstance(value, bytes | memoryview) else b""


def _no_key(path: Path) -> Problem:
    return Problem(
        500,
        "bad-audit-key",
        f"{path} is not a key that can be read.",
        "Put the right one back; if it is lost, move the file away and a new one is made.",
    )
