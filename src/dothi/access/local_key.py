"""The key in the home folder: whoever can read that folder is the operator of its city."""

from contextlib import suppress
from pathlib import Path

LOCAL_KEY = "local-key"
"""The file in the home folder; a program of this machine sends what it holds as ``Authorization: Bearer …``."""


def operator_headers(home: Path) -> dict[str, str]:
    """What a request carries to be the operator's of the city in ``home``; nothing where its key cannot be read."""
    with suppress(OSError):
        return {"Authorization": f"Bearer {(home / LOCAL_KEY).read_text().strip()}"}
    return {}
