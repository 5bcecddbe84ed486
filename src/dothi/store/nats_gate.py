"""Who comes in by MQTT: the server asks us at every sign-in, and we say as whom, for which device and for how long.

NATS calls this auth callout (docs.nats.io, "Auth Callout"): a request and an answer, each a JSON Web Token (RFC 7519) signed
with Ed25519 under NATS's own name for it. No list of devices is ever written into the server's configuration, so a
credential that is issued or withdrawn counts at once, and a hundred thousand of them cost the server nothing.
"""

import base64
import binascii
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import msgspec
import structlog

SUBJECT = b"$SYS.REQ.USER.AUTH"
EVERY_DEVICE = "*"
_ACCOUNT = b"\x00"  # the first byte of a public key that signs for an account; it reads "A" in base 32
_HEADER = {"typ": "JWT", "alg": "ed25519-nkey"}
_VERSION = 2
log = structlog.get_logger("dothi.mqtt")


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who knocks: the user name, password and client id of a CONNECT (MQTT 3.1.1, 3.1.3), and the address it comes from."""

    user: str
    password: str
    client: str = ""
    address: str = ""


@dataclass(frozen=True, slots=True)
class Pass:
    """What a visitor may do: send readings of ``device`` (``EVERY_DEVICE`` for all), hear its commands and answer them.

    An empty ``device`` may do nothing. ``name`` is what the connection is known by, to end it; ``until`` is when it ends by
    itself, in seconds since 1970 (UTC).
    """

    name: str
    device: str
    until: int | None = None


Gate = Callable[[Visitor], Awaitable[Pass | None]]
"""Decides about a visitor; None turns them away."""


class _Client(msgspec.Struct):
    host: str = ""
    mqtt_id: str = ""
    type: str = ""


class _Connect(msgspec.Struct):
    user: str = ""
    password: str = msgspec.field(name="pass", default="")


class _Server(msgspec.Struct):
    id: str


class _Question(msgspec.Struct):
    user_nkey: str
    server_id: _Server
    client_info: _Client
    connect_opts: _Connect


class _Claims(msgspec.Struct):
    nats: _Question


_claims = msgspec.json.Decoder(_Claims)


class Callout:
    """Answers the server's questions with a key of its own, made anew at every start; ``issuer`` is its public part."""

    def __init__(self, tenant: str) -> None:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        self._tenant = tenant
        self._key = Ed25519PrivateKey.generate()
        self.issuer = _public_name(self._key.public_key().public_bytes_raw())

    async def answer(self, request: bytes, decide: Gate) -> bytes:
        """The answer to one question. Raises ValueError if it cannot be read.

        The question's own signature is not looked at: it comes over the connection that only our server shares with us.
        """
        asked = _claims.decode(_unpadded(request.split(b".")[1])).nats
        visitor = Visitor(
            asked.connect_opts.user, asked.connect_opts.password, asked.client_info.mqtt_id, asked.client_info.host
        )
        try:
            # The server does not hold a visitor to the kinds of connection that its pass names.
            allowed = await decide(visitor) if asked.client_info.type == "mqtt" else None
        except Exception:  # whatever fails here lets nobody in
            log.exception("mqtt.gate-failed")
            allowed = None
        told: dict[str, Any] = {"type": "authorization_response", "version": _VERSION}
        if allowed is None:
            told["error"] = "not authorized"
        else:
            told["jwt"] = self._sign(asked.user_nkey, "$G", self._permissions(allowed), allowed).decode()
        return self._sign(asked.user_nkey, asked.server_id.id, told)

    def _permissions(self, allowed: Pass) -> dict[str, Any]:
        devices = f"{self._tenant}.devices.{allowed.device}"
        nothing = {"deny": [">"]}
        return {
            "pub": {"allow": [f"{devices}.readings", f"{devices}.answers"]} if allowed.device else nothing,
            "sub": {"allow": [f"{devices}.commands"]} if allowed.device else nothing,
            "subs": -1,
            "data": -1,
            "payload": -1,
            "type": "user",
            "version": _VERSION,
        }

    def _sign(self, subject: str, audience: str, nats: dict[str, Any], allowed: Pass | None = None) -> bytes:
        claims = {
            "jti": secrets.token_hex(16),
            "iat": int(time.time()),
            "iss": self.issuer,
            "sub": subject,
            "aud": audience,
            "nats": nats,
        }
        if allowed is not None:
            claims["name"] = allowed.name
            if allowed.until is not None:
                claims["exp"] = allowed.until
        text = _padless(msgspec.json.encode(_HEADER)) + b"." + _padless(msgspec.json.encode(claims))
        return text + b"." + _padless(self._key.sign(text))


def _public_name(key: bytes) -> str:
    """A public key as NATS writes it: prefix, key and CRC-16 (XMODEM, least byte first) in base 32 without padding."""
    raw = _ACCOUNT + key
    checksum = binascii.crc_hqx(raw, 0).to_bytes(2, "little")
    return base64.b32encode(raw + checksum).decode().rstrip("=")


def _padless(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


def _unpadded(text: bytes) -> bytes:
    return base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))
