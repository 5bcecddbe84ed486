"""Where devices wait that nobody admitted yet: the last message and a count of each, and no more than a bound of them."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from dothi.devices.payload import DeviceMessage, encode
from dothi.model.clock import from_micros
from dothi.store.connection import Connection
from dothi.store.database import Database
from dothi.store.journal import Message

MAX_WAITING = 10_000
MAX_BODY = 16_384

# Somebody may have decided about the device while its message was under way: then it does not come back here.
_HEARD = """
INSERT INTO lobby (device, source, first_seen, last_seen, count, body, content_type)
SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7 WHERE NOT EXISTS (SELECT 1 FROM device WHERE id = ?1)
ON CONFLICT (device) DO UPDATE SET source = excluded.source, last_seen = excluded.last_seen,
count = lobby.count + excluded.count, body = excluded.body, content_type = excluded.content_type
"""


@dataclass(frozen=True, slots=True)
class LobbyView:
    """A waiting device: how often and when it was heard, its last message, and the keys of the values in it."""

    device: str
    source: str
    first_seen: datetime
    last_seen: datetime
    count: int
    body: bytes
    keys: tuple[str, ...]


Transact = Callable[[Callable[[Connection], None]], Awaitable[None]]


class Lobby:
    """The unknown devices of one city. Memory holds only their ids; past ``bound`` a new one is refused and counted."""

    def __init__(self, database: Database, bound: int = MAX_WAITING) -> None:
        self._database, self._bound = database, bound
        with database.reader() as connection:
            self._waiting = {row[0] for row in connection.execute("SELECT device FROM lobby")}
        self.refused = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, device: object) -> bool:
        return device in self._waiting

    @property
    def full(self) -> bool:
        """True while no further device may wait."""
        return len(self._waiting) >= self._bound

    async def hear(self, heard: Iterable[tuple[DeviceMessage, Message]], at: int, transact: Transact) -> int:
        """Write down messages of unknown devices, heard at ``at`` (µs, the city's clock); returns how many were refused.

        When it returns the rows are durable.
        """
        last: dict[str, tuple[DeviceMessage, Message, int]] = {}
        refused = 0
        for item, message in heard:
            device = item.device
            if device not in self._waiting:
                if self.full:
                    refused += 1
                    continue
                self._waiting.add(device)
            last[device] = (item, message, last[device][2] + 1 if device in last else 1)
        self.refused += refused
        if last:
            rows = [
                (device, message.source, at, at, count, encode(item)[:MAX_BODY], "application/json")
                for device, (item, message, count) in last.items()
            ]
            await transact(lambda connection: _write(connection, rows))
        return refused

    def leave(self, devices: Iterable[str]) -> None:
        """Forget devices somebody decided about; their rows are deleted by whoever decides."""
        self._waiting.difference_update(devices)

    def page(self, limit: int, offset: int) -> list[LobbyView]:
        """Waiting devices, the last heard first."""
        with self._database.reader() as connection:
            rows = connection.execute(
                "SELECT device, source, first_seen, last_seen, count, body FROM lobby "
                "ORDER BY last_seen DESC, device LIMIT ? OFFSET ?",
                (limit, offset),
            ).fetchall()
        return [_view(row) for row in rows]

    def find(self, device: str) -> LobbyView | None:
        """One waiting device, or None."""
        with self._database.reader() as connection:
            row = connection.execute(
                "SELECT device, source, first_seen, last_seen, count, body FROM lobby WHERE device = ?", (device,)
            ).fetchone()
        return _view(row) if row else None


def _write(connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    connection.executemany(_HEARD, rows)


def _view(row: tuple[Any, ...]) -> LobbyView:
    device, source, first, last, count, body = row
    try:
        keys = tuple(msgspec.json.decode(body or b"")["values"])
    except (msgspec.DecodeError, KeyError, TypeError):
        keys = ()  # cut off at MAX_BODY
    return LobbyView(device, source, from_micros(first), from_micros(last), count, body or b"", keys)
