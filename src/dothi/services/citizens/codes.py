"""Codes to follow a report by: made from a form, so that one form sent twice is one report; kept only as a hash.

A code has 60 random bits: whoever knows it may follow, rate and reopen, so it must not be guessed. Its letters are those of
Crockford's base 32, which leaves out what is mistaken for something else.
"""

import hmac
import re
import secrets
from hashlib import sha256

_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_MEANT = str.maketrans("OIL", "011")
_LENGTH, _GROUP = 12, 4
VEILED = "mã theo dõi đã che: "
"""What stands before a veiled code, for people who wonder what it is."""
_FORM = re.compile(r"[0-9a-f]{32}")


def new_form() -> str:
    """What marks one form: 128 random bits."""
    return secrets.token_hex(16)


def report_of(secret: bytes, form: str) -> tuple[str, str] | None:
    """The id and the code of the report that ``form`` makes in the city with this ``secret``; None for no mark of a form."""
    if not _FORM.fullmatch(form):
        return None
    made = hmac.new(secret, b"report:" + form.encode(), sha256).digest()
    number = int.from_bytes(made[16:24], "big")
    letters = "".join(_LETTERS[number >> 5 * place & 31] for place in range(_LENGTH))
    return made[:8].hex(), _written(letters)


def read(typed: str) -> str | None:
    """The code somebody typed, as it is written; small letters, blanks and look-alikes do not matter. None if it is none."""
    letters = re.sub(r"[\s–—-]", "", typed[:80]).upper()
    if len(letters) > _LENGTH:  # a code may itself begin with these letters
        letters = letters.removeprefix("PA")
    letters = letters.translate(_MEANT)
    return _written(letters) if len(letters) == _LENGTH and set(letters) <= set(_LETTERS) else None


def veiled(secret: bytes, report: str, letters: str) -> str:
    """A code as it may lie beside a contact: who opens that cannot follow in its place. Veiled again, it is bare."""
    number = int.from_bytes(hmac.new(secret, b"veil:" + report.encode(), sha256).digest()[:8])
    bare = letters.removeprefix("PA").replace("-", "")
    turned = (_LETTERS[_LETTERS.index(one) ^ (number >> 5 * place & 31)] for place, one in enumerate(bare))
    return _written("".join(turned))


def hash_of(code: str) -> str:
    """How a code is kept."""
    return sha256(code.encode()).hexdigest()


def _written(letters: str) -> str:
    return "-".join(["PA", *(letters[start : start + _GROUP] for start in range(0, _LENGTH, _GROUP))])
