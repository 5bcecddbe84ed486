"""A city's accounts without the city: a database with its writer, and a clock in the hand."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dothi.access.accounts import Accounts
from dothi.access.grants import Granted
from dothi.access.policy import SYSTEM
from dothi.data.writer import Writer
from dothi.store.database import Database
from dothi.store.sqlite import SqliteDatabase
from dothi.testing.clock import FixedClock
from dothi.testing.homes import empty_database, open_city

NOON = datetime(2026, 11, 22, 5, 0, tzinfo=UTC)
PASSWORD = "con mèo trèo cây cau 7"
TYPES = {"air": frozenset({"https://example.org/Air"}), "water": frozenset({"https://example.org/Water"})}
FROM = {"address": "192.0.2.7", "agent": "test", "correlation": "c-1"}


class World:
    """The accounts of a city in ``folder``; ``clock`` is theirs."""

    def __init__(self, folder: Path, *, demo: bool = False) -> None:
        self.clock, self._demo = FixedClock(NOON), demo
        self.database: Database = open_city(folder)
        if isinstance(self.database, SqliteDatabase) and not self.database.exists():
            self.database.path.write_bytes(empty_database())
        self.open()

    def open(self) -> None:
        """Start anew on what is on disk."""
        self.writer = Writer(self.database, locate=lambda *_: None)
        self.accounts = Accounts(self.database, self.writer, self.clock, b"s" * 32, TYPES, demo=self._demo)

    def reopen(self) -> None:
        """As after a restart: nothing is left in memory."""
        self.writer.close()
        self.open()

    def close(self) -> None:
        """Let the database go."""
        self.writer.close()
        self.database.close()

    async def admit(self, login: str, *granted: Granted, password: str = PASSWORD) -> str:
        """An account that has set its password; its id."""
        account = await self.accounts.create(SYSTEM, login, f"Người {login}", granted)
        token = await self.accounts.reset_link(SYSTEM, account)
        await self.accounts.redeem(token, password, **FROM)
        return account

    def acts(self) -> list[tuple[Any, ...]]:
        """(who, what, on what, with what result) of the audit log."""
        with self.database.reader() as db:
            return [tuple(row) for row in db.execute("SELECT person_id, action, thing, result FROM audit ORDER BY seq")]
