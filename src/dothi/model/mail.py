"""Addresses of e-mail: the one idea of what may be written to."""

import re

_MAIL = re.compile(r"[^\s@<>()\"',;:\\]{1,64}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63}){1,6}")


def mail_of(said: str) -> str | None:
    """``said`` if it is an address of e-mail; None if it is none."""
    return said if _MAIL.fullmatch(said) else None
