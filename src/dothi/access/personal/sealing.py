"""How one value is sealed: AES-256-GCM under a key of its own, bound to the record, the subject and the purpose it is for.

Pure: keys come in, tokens go out. NIST SP 800-38D; a key seals once, so a random nonce can never repeat.
"""

import re
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

import msgspec

from dothi.access.personal.model import gone

KEY_BYTES = 32
_NONCE_BYTES = 12
_BLOCK = 64  # values of like length have tokens of one length: how long a name is tells something too
_TOKEN = re.compile(r"dtp1\.([0-9a-f]{24})\.([A-Za-z0-9_-]{40,})")


def new_record() -> str:
    """A record's id: 24 random hex digits, never given out again."""
    return secrets.token_hex(12)


def seal(key: bytes, record: str, subject: str, purpose: str, value: Any) -> str:
    """The token of ``value`` (anything JSON can carry): text that says which record it is, and nothing else.

    Raises TypeError for a value that JSON cannot carry.
    """
    text = msgspec.json.encode(value)
    text += b" " * (-len(text) % _BLOCK)
    return f"dtp1.{record}.{_text(encrypt(key, text, label(record, subject, purpose)))}"


def unseal(key: bytes, token: str, subject: str, purpose: str) -> Any:
    """The value of ``token``. Raises Problem 410 if this key, subject or purpose are not those it was sealed with."""
    found = _TOKEN.fullmatch(token)
    if found is None:
        raise gone()
    return msgspec.json.decode(
        decrypt(key, urlsafe_b64decode(found[2] + "=" * (-len(found[2]) % 4)), label(found[1], subject, purpose))
    )


def record_of(token: object) -> str | None:
    """The record a token is of; None for anything that is no token."""
    found = _TOKEN.fullmatch(token) if isinstance(token, str) else None
    return found[1] if found else None


def label(*parts: str) -> bytes:
    """What a sealed value is bound to, unambiguous."""
    return msgspec.json.encode(parts)


def encrypt(key: bytes, text: bytes, bound: bytes) -> bytes:
    """Nonce and ciphertext with its tag."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # most requests touch no personal data

    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, text, bound)


def decrypt(key: bytes, sealed: bytes, bound: bytes) -> bytes:
    """What ``encrypt`` was given. Raises Problem 410 for another key, another binding or a changed text."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    try:
        return AESGCM(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], bound)
    except (InvalidTag, ValueError) as error:
        raise gone() from error


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")
