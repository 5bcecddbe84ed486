"""Numbers of codes that people read (SV-2611-0417): given once, also when what had one was destroyed."""

from dothi.store.connection import Connection

_KEPT = "SELECT value FROM meta WHERE key = ?"
_KEEP = "INSERT INTO meta (key, value) VALUES (?,?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"


def take(db: Connection, series: str, highest: int) -> int:
    """The next number of a ``series`` ("SV-2611") of which ``highest`` is the highest still there, 0 without any."""
    key = f"number:{series}"
    row = db.execute(_KEPT, (key,)).fetchone()
    number = max(highest, 0 if row is None else int(row[0])) + 1
    db.execute(_KEEP, (key, str(number)))
    return number
