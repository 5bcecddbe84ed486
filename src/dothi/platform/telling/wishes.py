"""What somebody wants to hear of outside the browser, and where: their own choice, kept and checked."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from dothi.model.mail import mail_of
from dothi.model.problem import bad_request
from dothi.model.severity import SEVERITIES
from dothi.model.text import Text
from dothi.platform.telling.model import Quiet
from dothi.store.connection import Connection

TOPICS: dict[str, Text] = {
    "assigned": Text("Sự việc giao cho tôi hoặc đơn vị tôi", "An incident given to me or my unit"),
    "clocks": Text("Sự việc sắp hết hạn hoặc quá hạn", "An incident that runs out of time, or is over it"),
    "escalated": Text("Sự việc chuyển cấp trên hoặc nặng thêm", "An incident that is escalated, or grows graver"),
    "alerts": Text("Cảnh báo mới, từ mức chọn dưới đây", "A new alert, from the severity chosen below"),
    "commands": Text("Lệnh tới thiết bị thất bại", "A command to a device that failed"),
}
"""What people may ask to be told of, in the order in which it is offered; all of it on ground that they may see."""
MOST = (1, 20)
"""Bounds of mails within an hour."""
_COLUMNS = "account, address, confirmed_at, asked_at, language, topics, severity, quiet_from, quiet_until, most"


@dataclass(frozen=True, slots=True)
class Wish:
    """What one account wants. ``severity`` is the least of alerts, ``most`` bounds the mails of an hour.

    Nothing goes to ``address`` before ``confirmed_at`` (µs of the machine's clock) says that its owner wants it;
    ``asked_at`` is when it was last asked.
    """

    account: str
    address: str
    topics: tuple[str, ...] = ("assigned", "clocks", "escalated", "alerts", "commands")
    severity: int = 3
    quiet: Quiet | None = None
    most: int = 6
    language: str = "vi"
    confirmed_at: int | None = None
    asked_at: int | None = None


def checked(wish: Wish) -> Wish:
    """``wish`` if it can be kept. Raises Problem 400."""
    if mail_of(wish.address) is None or not wish.address.isascii() or len(wish.address) > 150:
        raise bad_request("This is no address of e-mail.", "Write one like name@example.vn.")
    if not set(wish.topics) <= set(TOPICS):
        raise bad_request("That is nothing one can hear of.", f"Choose among: {', '.join(TOPICS)}.")
    if wish.severity not in SEVERITIES or not MOST[0] <= wish.most <= MOST[1]:
        raise bad_request("A number lies outside its bounds.", f"Severity 1 to 4, mails an hour {MOST[0]} to {MOST[1]}.")
    if wish.quiet is not None and not (0 <= wish.quiet.start < 1440 and 0 <= wish.quiet.end < 1440):
        raise bad_request("Quiet hours are times of a day.", "Write 22:00 and 06:00.")
    return wish


def keep(db: Connection, wish: Wish, at: int) -> None:
    """Keep ``wish`` in the place of what its account wanted before."""
    quiet = (None, None) if wish.quiet is None else (wish.quiet.start, wish.quiet.end)
    db.execute("DELETE FROM telling_wish WHERE account = ?", (wish.account,))
    db.execute(
        f"INSERT INTO telling_wish ({_COLUMNS}, changed_at) VALUES (?,?,?,?,?,?,?,?,?,?,?)",  # noqa: S608 - a constant
        (
            wish.account,
            wish.address,
            wish.confirmed_at,
            wish.asked_at,
            wish.language,
            msgspec.json.encode(wish.topics).decode(),
            wish.severity,
            *quiet,
            wish.most,
            at,
        ),
    )


def drop(db: Connection, account: str) -> None:
    """Keep nothing of what an account wanted."""
    db.execute("DELETE FROM telling_wish WHERE account = ?", (account,))


def of(db: Connection, account: str) -> Wish | None:
    """What an account wants; None if nothing."""
    row = db.execute(f"SELECT {_COLUMNS} FROM telling_wish WHERE account = ?", (account,)).fetchone()  # noqa: S608 - a constant
    return None if row is None else _wish(row)


def confirmed(db: Connection) -> list[Wish]:
    """Everybody who is written to."""
    query = f"SELECT {_COLUMNS} FROM telling_wish WHERE confirmed_at IS NOT NULL ORDER BY account"  # noqa: S608 - a constant
    return [_wish(row) for row in db.execute(query)]


def _wish(row: Sequence[Any]) -> Wish:
    account, address, confirmed_at, asked_at, language, topics, severity, start, end, most = row
    quiet = None if start is None or end is None else Quiet(start, end)
    wanted = msgspec.json.decode(topics, type=tuple[str, ...])
    return Wish(account, address, wanted, severity, quiet, most, language, confirmed_at, asked_at)
