"""The second step by an app on the phone (TOTP, RFC 6238), and the recovery codes that stand in for a lost phone.

What is kept of a TOTP is sealed (AES-256-GCM, bound to its account) with the step that was last accepted, so that no code
works twice; of a recovery code only a hash.
"""

import hmac
import secrets
from base64 import b32decode, b32encode
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from dothi.model.clock import to_micros
from dothi.store.connection import Connection

STEP = 30
DIGITS = 6
RECOVERY_CODES = 8
_SECRET = 20  # bytes: what RFC 4226, section 4, R6 recommends
_DRIFT = (0, -1, 1)  # steps by which a phone's clock may be wrong: RFC 6238, section 5.2, and as much ahead
_KEEP_STEP = 8


@dataclass(frozen=True, slots=True)
class Totp:
    """A shared ``secret`` (base32, as apps take it) and the last time step whose code was accepted."""

    secret: str
    last: int = 0


def new_totp() -> Totp:
    """A fresh secret of 160 bits."""
    return Totp(b32encode(secrets.token_bytes(_SECRET)).decode())


def seal_totp(key: bytes, account: str, totp: Totp) -> bytes:
    """``totp`` as it is kept: readable only with the installation's ``key``, and only as this account's."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce = secrets.token_bytes(12)
    plain = totp.last.to_bytes(_KEEP_STEP, "big") + b32decode(totp.secret)
    return nonce + AESGCM(_derived(key, b"totp")).encrypt(nonce, plain, account.encode())


def open_totp(key: bytes, account: str, sealed: bytes) -> Totp | None:
    """What ``seal_totp`` sealed; None if it was made for another account, with another key, or was changed."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    try:
        plain = AESGCM(_derived(key, b"totp")).decrypt(sealed[:12], sealed[12:], account.encode())
    except (InvalidTag, ValueError):
        return None
    return Totp(b32encode(plain[_KEEP_STEP:]).decode(), int.from_bytes(plain[:_KEEP_STEP], "big"))


def accept(totp: Totp, code: str, now: datetime) -> Totp | None:
    """``totp`` with the step of ``code`` spent; None if the code is wrong, or not newer than the last one accepted."""
    from pyotp import TOTP

    digits = "".join(code.split())
    if len(digits) != DIGITS or not (digits.isascii() and digits.isdigit()):
        return None
    current = to_micros(now) // (STEP * 1_000_000)
    generator, found = TOTP(totp.secret, digits=DIGITS, interval=STEP), None
    for step in (current + drift for drift in _DRIFT):  # all of them: how long it takes tells nothing
        if hmac.compare_digest(generator.generate_otp(step), digits) and step > totp.last and found is None:
            found = Totp(totp.secret, step)
    return found


def enrolment_uri(totp: Totp, login: str, city: str) -> str:
    """The ``otpauth:`` address that an app reads from the QR code."""
    from pyotp import TOTP

    return TOTP(totp.secret, digits=DIGITS, interval=STEP).provisioning_uri(name=login, issuer_name=city)


def qr_svg(text: str) -> str:
    """``text`` as an inline SVG without style attributes; its dark modules are ``.qr-line``, on whatever lies below."""
    import segno

    code = segno.make(text, error="m", micro=False)
    return str(code.svg_inline(omitsize=True, border=4, svgclass="qr", lineclass="qr-line"))


def new_recovery_codes() -> list[str]:
    """Codes that work once each, of 120 bits: enough for a plain keyed hash to be kept (OWASP ASVS 5.0, 6.5.2)."""
    whole = (b32encode(secrets.token_bytes(15)).decode().lower() for _ in range(RECOVERY_CODES))
    return ["-".join(code[at : at + 6] for at in range(0, 24, 6)) for code in whole]


def recovery_hash(key: bytes, account: str, code: str) -> bytes:
    """What is kept of a recovery ``code``, however it was typed."""
    plain = "".join(letter for letter in code.lower() if letter.isalnum())
    return hmac.new(_derived(key, b"recovery"), f"{account}:{plain}".encode(), sha256).digest()


def spend_code(connection: Connection, key: bytes, account: str, code: str, now: datetime) -> str | None:
    """Try ``code`` as the account's second step and spend it, inside the caller's transaction.

    Gives ``"totp"`` or ``"recovery"`` by what it was, None if it is neither.
    """
    row = connection.execute("SELECT totp FROM account WHERE id = ? AND state = 'active'", (account,)).fetchone()
    if row is None:
        return None
    kept = open_totp(key, account, bytes(row[0])) if row[0] is not None else None
    spent = accept(kept, code, now) if kept is not None else None
    if spent is not None:
        connection.execute("UPDATE account SET totp = ? WHERE id = ?", (seal_totp(key, account, spent), account))
        return "totp"
    used = connection.execute(
        "UPDATE credential SET used_at = ? WHERE account = ? AND kind = 'recovery' AND secret = ? AND used_at IS NULL "
        "AND revoked_at IS NULL",
        (to_micros(now), account, recovery_hash(key, account, code)),
    )
    return "recovery" if used.rowcount == 1 else None


def _derived(key: bytes, purpose: bytes) -> bytes:
    return hmac.new(key, b"second step: " + purpose, sha256).digest()
