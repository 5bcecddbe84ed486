"""An authenticator in memory: what a browser would send for a passkey, and what an attacker would."""

import json
import secrets
from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from webauthn.helpers import encode_cbor

PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40


def text(raw: bytes) -> str:
    """base64url without padding."""
    return urlsafe_b64encode(raw).decode().rstrip("=")


class SoftPasskey:
    """One passkey. ``counter`` is what it claims next; it grows with each use."""

    def __init__(self) -> None:
        self.id, self._key, self.counter, self.owner = (
            secrets.token_bytes(16),
            ec.generate_private_key(ec.SECP256R1()),
            0,
            "",
        )

    def make(self, options: bytes, origin: str, host: str, *, flags: int = PRESENT | VERIFIED) -> dict[str, Any]:
        """The answer to PublicKeyCredentialCreationOptions (JSON) at ``origin``."""
        asked = json.loads(options)
        self.owner = asked["user"]["id"]
        numbers = self._key.public_key().public_numbers()
        key = {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}
        data = self._data(host, flags | ATTESTED) + bytes(16) + len(self.id).to_bytes(2, "big") + self.id + encode_cbor(key)
        attestation = encode_cbor({"fmt": "none", "attStmt": {}, "authData": data})
        client = _client("webauthn.create", asked["challenge"], origin)
        return self._answer({"clientDataJSON": text(client), "attestationObject": text(attestation)})

    def sign(
        self, options: bytes, origin: str, host: str, *, flags: int = PRESENT | VERIFIED, owner: str | None = None
    ) -> dict[str, Any]:
        """The answer to PublicKeyCredentialRequestOptions (JSON) at ``origin``."""
        self.counter += 1
        client = _client("webauthn.get", json.loads(options)["challenge"], origin)
        data = self._data(host, flags)
        signature = self._key.sign(data + sha256(client).digest(), ec.ECDSA(SHA256()))
        return self._answer(
            {
                "clientDataJSON": text(client),
                "authenticatorData": text(data),
                "signature": text(signature),
                "userHandle": self.owner if owner is None else owner,
            }
        )

    def _data(self, host: str, flags: int) -> bytes:
        return sha256(host.encode()).digest() + bytes([flags]) + self.counter.to_bytes(4, "big")

    def _answer(self, response: dict[str, str]) -> dict[str, Any]:
        return {"id": text(self.id), "rawId": text(self.id), "type": "public-key", "response": response}


def _client(kind: str, challenge: str, origin: str) -> bytes:
    return json.dumps({"type": kind, "challenge": challenge, "origin": origin, "crossOrigin": False}).encode()
