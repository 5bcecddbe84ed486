"""A city that keeps personal data: a real database with its writer, keys in a folder, and people of several roles."""

import asyncio
from collections.abc import Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from dothi.access.personal.model import Purpose, Sealed
from dothi.access.personal.service import Personal
from dothi.access.policy import WHOLE_CITY, Clearance, Grant, Person, Scope
from dothi.data.writer import Writer
from dothi.model.text import Text
from dothi.store.database import migrate
from dothi.testing.clock import FixedClock
from dothi.testing.homes import open_city

T = TypeVar("T")
NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
STEWARD = Person("p-steward", (Grant("steward", WHOLE_CITY, Clearance.PERSONAL),))
BLIND = Person("p-blind", (Grant("steward", WHOLE_CITY, Clearance.RESTRICTED),))
HEALTH = Person("p-health", (Grant("steward", Scope(agencies=frozenset({"health"})), Clearance.PERSONAL),))
OFFICER = Person("p-officer", (Grant("security_officer", WHOLE_CITY, Clearance.RESTRICTED),))
AUDITOR = Person("p-auditor", (Grant("auditor", WHOLE_CITY, Clearance.RESTRICTED),))
CITIZEN = Person("p-citizen")
REPLY = Purpose("reply", Text("Trả lời phản ánh", "Answer reports"), Text("Gọi lại khi cần hỏi thêm.", ""), "consent", 30)
CLINIC = Purpose(
    "clinic", Text("Khám bệnh", "Clinic"), Text("Hồ sơ khám.", ""), "law", 3650, "Luật Khám bệnh, điều 69", "health"
)
WHY = "Người dân gọi hỏi kết quả"
WORDS = "Tôi đồng ý để thành phố gọi lại cho tôi."


class World:
    """Everything a test holds in its hands; ``do`` runs what is async."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.database = open_city(home)
        migrate(self.database)
        self.clock = FixedClock(NOW)
        self.open()
        self.do(self.personal.declare(STEWARD, REPLY))
        self.do(self.personal.declare(STEWARD, CLINIC))

    def open(self) -> None:
        self.writer = Writer(self.database, locate=lambda *_: None)
        self.personal = Personal(self.database, self.writer, self.clock, self.home)

    def close(self) -> None:
        self.writer.close()
        self.personal.keys.close()
        self.database.close()

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run(work)

    def agreed(self, account: str | None = None) -> str:
        """A subject who agreed to be called back."""
        subject = self.do(self.personal.enrol(STEWARD, account))
        self.do(self.personal.consent(STEWARD, subject, "reply", WORDS))
        return subject

    def phone(self, subject: str, number: str = "0912 345 678") -> Sealed:
        return self.do(self.personal.seal(STEWARD, subject, "reply", "phone", number))

    def acts(self) -> list[tuple[str, str, str]]:
        """(person, action, thing) of the audit log, the oldest first."""
        with self.database.reader() as db:
            return [tuple(row) for row in db.execute("SELECT person_id, action, thing FROM audit ORDER BY seq")]
