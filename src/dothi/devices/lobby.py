"""Where devices wait that nobody admitted yet: the last message of each, so many of them, and so much from each."""

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
MAX_READINGS = 1_000  # that one device may send before somebody decides about it

# Somebody may have decided about the device while its message was under way: then it does not come back here.
_HEARD = """
INSERT INTO lobby (device, source, first_seen, last_seen, count, body, content_type, readings)
SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8 WHERE NOT EXISTS (SELECT 1 FROM device WHERE id = ?1)
ON CONFLICT (device) DO UPDATE SET source = excluded.source, last_seen = excluded.last_seen,
count = lobby.count + excluded.count, body = excluded.body, content_type = excluded.content_type,
readings = lobby.readings + excluded.readings
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
    """The unknown devices of one city. Memory holds their ids and how many readings each sent.

    Past ``bound`` devices a new one is refused and counted, and past ``MAX_READINGS`` what a device sends.
    """

    def __init__(self, database: Database, bound: int = MAX_WAITING) -> None:
        self._database, self._bound = database, bound
        with database.reader() as connection:
            self._waiting: dict[str, int] = dict(connection.execute("SELECT device, readings FROM lobby").fetchall())
        self.refused = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, device: object) -> bool:
        return device in self._waiting

    @property
    def full(self) -> bool:
        """True while no further device may wait."""
        return len(self._waiting) >= self._bound

    def has_room(self, device: str) -> bool:
        """True if something more of this device can wait here."""
        said = self._waiting.get(device)
        return not self.full if said is None else said < MAX_READINGS

    async def hear(self, heard: Iterable[tuple[DeviceMessage, Message]], at: int, transact: Transact) -> int:
        """Write down messages of unknown devices, heard at ``at`` (µs, the city's clock); returns how many were refused.

        When it returns the rows are durable.
        """
        last: dict[str, tuple[DeviceMessage, Message, int, int]] = {}
        refused = 0
        for item, message in heard:
            device = item.device
            if not self.has_room(device):
                refused += 1
                continue
            self._waiting[device] = self._waiting.get(device, 0) + len(item.values)
            _, _, count, readings = last.get(device, (item, message, 0, 0))
            last[device] = (item, message, count + 1, readings + len(item.values))
        if last:
            rows = [
                (device, message.source, at, at, count, encode(item)[:MAX_BODY], "application/json", readings)
                for device, (item, message, count, readings) in last.items()
            ]
            try:
                await transact(lambda connection: _write(connection, rows))
            except BaseException:
                self._take_back({device: readings for device, (_, _, _, readings) in last.items()})
                raise
        self.refused += refused
        return refused

    def _take_back(self, said: dict[str, int]) -> None:
        """What was not written down was not heard."""
        for device, readings in said.items():
            left = self._waiting.get(device, 0) - readings
            if left > 0:
                self._waiting[device] = left
            else:
                self._waiting.pop(device, None)

    def leave(self, devices: Iterable[str]) -> None:
        """Forget devices somebody decided about; their rows are deleted by whoever decides."""
        for device in devices:
            self._waiting.pop(device, None)

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
