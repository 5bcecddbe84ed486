"""How much each ward and agency has to do, what is late, and how long it took: for those who share work out."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from statistics import median

from dothi.access.policy import Reach
from dothi.model.clock import to_micros
from dothi.platform.incidents.model import WORKED, Load
from dothi.platform.incidents.store import WHERE_OF
from dothi.store.connection import Connection

LOOKED_BACK = timedelta(days=30)
_MINUTE = 60_000_000.0  # µs


@dataclass(slots=True)
class _Sum:
    open: int = 0
    overdue: int = 0
    paused: int = 0
    answered: int = 0
    to_accept: list[float] = field(default_factory=list)
    to_answer: list[float] = field(default_factory=list)

    def load(self, ward: str, agency: str) -> Load:
        return Load(
            ward,
            agency,
            self.open,
            self.overdue,
            self.paused,
            self.answered,
            median(self.to_accept) if self.to_accept else None,
            median(self.to_answer) if self.to_answer else None,
        )


def load_of(db: Connection, reached: Reach, now: datetime) -> list[Load]:
    """The load of every ward (by code), then of every agency (by id), that has or had anything to do."""
    where, values = reached.where(**WHERE_OF)
    since, present = to_micros(now - LOOKED_BACK), to_micros(now)
    rows = db.execute(
        "SELECT coalesce(i.ward, ''), coalesce(i.agency, ''), i.state, i.due_at, i.paused_since, i.opened_at, "  # noqa: S608 - parts of our own
        "i.accepted_at, i.answered_at FROM incident i "
        f"WHERE {where} AND (i.state IN ({','.join('?' * len(WORKED))}) OR i.answered_at >= ? OR i.accepted_at >= ?)",
        (*values, *WORKED, since, since),
    )
    sums: dict[tuple[str, str], _Sum] = defaultdict(_Sum)
    for ward, agency, state, due, paused, opened, accepted, answered in rows:
        for one in (sums[ward, ""], sums["", agency]):
            if state in WORKED:
                one.open += 1
                one.overdue += due is not None and due < present
                one.paused += paused is not None
            if accepted is not None and accepted >= since:
                one.to_accept.append((accepted - opened) / _MINUTE)
            if answered is not None and answered >= since:
                one.answered += 1
                one.to_answer.append((answered - opened) / _MINUTE)
    sums.pop(("", ""), None)  # of no ward, and of no agency
    return [sums[key].load(*key) for key in sorted(sums, key=lambda key: (key[0] == "", key))]
