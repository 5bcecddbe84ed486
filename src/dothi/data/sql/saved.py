"""Questions that people keep: found by their title blind to accents, run by their link, deleted with a way back."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

import msgspec

from dothi.access.policy import Person, may
from dothi.data.writer import Writer
from dothi.model.clock import Clock, from_micros, to_micros
from dothi.model.problem import Problem, bad_request, not_found
from dothi.model.text import fold, nfc
from dothi.store.audit import Act
from dothi.store.database import Connection, Database

T = TypeVar("T")
VIEWS = ("table", "chart", "map")
MAX_TITLE = 200
MAX_TEXT = 20_000
_KEPT = timedelta(days=1)
_COLUMNS = "id, title, sql, display, owner, modified_at"


class Display(msgspec.Struct, frozen=True):
    """How an answer is drawn first: as a table, chart or map."""

    view: str = "table"


@dataclass(frozen=True, slots=True)
class SavedQuery:
    """A kept question. ``owner`` is who saved it: only they change it, everybody who may ask can run it."""

    id: int
    title: str
    sql: str
    view: str
    owner: str
    modified_at: datetime


Listed = list[SavedQuery]  # named here: in SavedQueries ``list`` is a method


class SavedQueries:
    """The kept questions of a city. A question runs with the rights of whoever runs it, not of its owner."""

    def __init__(self, database: Database, writer: Writer, clock: Clock) -> None:
        self._database, self._writer, self._clock = database, writer, clock

    def list(self, asker: Person, text: str = "", limit: int = 50) -> Listed:
        """The kept questions whose title or text holds every word of ``text``, blind to accents; the newest first."""
        if not may(asker, "sql.ask"):
            return []
        words = [word.replace("!", "!!").replace("%", "!%").replace("_", "!_") for word in fold(text).split()]
        conditions = "".join(" AND folded LIKE ? ESCAPE '!'" for _ in words)
        with self._database.reader() as db:
            rows = db.execute(
                f"SELECT {_COLUMNS} FROM saved_query WHERE deleted_at IS NULL{conditions} "  # noqa: S608 - constants only
                "ORDER BY modified_at DESC, id DESC LIMIT ?",
                (*(f"%{word}%" for word in words), limit),
            ).fetchall()
        return [_query(row) for row in rows]

    def get(self, asker: Person, number: int) -> SavedQuery:
        """The kept question of this number. Raises Problem 404."""
        if may(asker, "sql.ask"):
            with self._database.reader() as db:
                row = db.execute(
                    f"SELECT {_COLUMNS} FROM saved_query WHERE id = ? AND deleted_at IS NULL",  # noqa: S608 - constants only
                    (number,),
                ).fetchone()
            if row is not None:
                return _query(row)
        raise not_found("saved question", str(number))

    async def save(self, asker: Person, title: str, sql: str, view: str = "table", *, correlation: str = "") -> int:
        """Keep a question and return its number. Raises Problem 400 for a title or text that is none, 403."""
        title, sql = _checked(title, sql, view)
        now = to_micros(self._clock.now())
        values = (title, sql, _display(view), asker.id, now, fold(f"{title} {sql}"))

        def work(db: Connection) -> int:
            row = db.execute(
                "INSERT INTO saved_query (title, sql, display, owner, modified_at, folded) "
                "VALUES (?,?,?,?,?,?) RETURNING id",
                values,
            ).fetchone()
            return int(row[0])

        return await self._run(asker, work, Act(asker.id, "sql.save", title, "saved", correlation, sql))

    async def change(
        self, asker: Person, number: int, title: str, sql: str, view: str = "table", *, correlation: str = ""
    ) -> None:
        """Give a kept question another title or text. Raises Problem 400, 403, 404."""
        title, sql = _checked(title, sql, view)
        self._own(asker, number)
        values = (title, sql, _display(view), to_micros(self._clock.now()), fold(f"{title} {sql}"), number)

        def work(db: Connection) -> None:
            db.execute(
                "UPDATE saved_query SET title = ?, sql = ?, display = ?, modified_at = ?, folded = ? WHERE id = ?", values
            )

        await self._run(asker, work, Act(asker.id, "sql.save", f"saved_query:{number}", "changed", correlation, title))

    async def delete(self, asker: Person, number: int, *, correlation: str = "") -> None:
        """Delete a kept question; ``restore`` brings it back within a day. Raises Problem 403, 404."""
        self._own(asker, number)
        now = to_micros(self._clock.now())

        def work(db: Connection) -> None:
            db.execute("DELETE FROM saved_query WHERE deleted_at < ?", (now - _KEPT // timedelta(microseconds=1),))
            db.execute("UPDATE saved_query SET deleted_at = ? WHERE id = ?", (now, number))

        await self._run(asker, work, Act(asker.id, "sql.save", f"saved_query:{number}", "deleted", correlation))

    async def restore(self, asker: Person, number: int, *, correlation: str = "") -> None:
        """Bring a deleted question back. Raises Problem 403, 404 if nothing of it is left."""
        with self._database.reader() as db:
            row = db.execute("SELECT owner FROM saved_query WHERE id = ? AND deleted_at IS NOT NULL", (number,)).fetchone()
        if row is None:
            raise not_found("deleted question", str(number))
        _mine(asker, row[0])

        def work(db: Connection) -> None:
            db.execute("UPDATE saved_query SET deleted_at = NULL WHERE id = ?", (number,))

        await self._run(asker, work, Act(asker.id, "sql.save", f"saved_query:{number}", "restored", correlation))

    async def _run(self, asker: Person, work: Callable[[Connection], T], act: Act) -> T:
        return await self._writer.run(asker, self._clock.now(), work, [act], action="sql.save")

    def _own(self, asker: Person, number: int) -> None:
        _mine(asker, self.get(asker, number).owner)


def _mine(asker: Person, owner: str) -> None:
    if asker.id != owner:
        raise Problem(403, "not-yours", "Only its owner changes a saved question.", "Save a copy under another title.")


def _checked(title: str, sql: str, view: str) -> tuple[str, str]:
    title, sql = " ".join(nfc(title).split()), sql.strip()
    if not title or len(title) > MAX_TITLE:
        raise bad_request(f"A title has 1 to {MAX_TITLE} letters.", "Say in a few words what the question finds out.")
    if not sql or len(sql) > MAX_TEXT:
        raise bad_request(f"A question has 1 to {MAX_TEXT:,} letters.", "Write the SELECT that is to be kept.")
    if view not in VIEWS:
        raise bad_request(f"An answer is not drawn as {view!r}.", f"Use one of {', '.join(VIEWS)}.")
    return title, sql


def _display(view: str) -> str:
    return msgspec.json.encode(Display(view)).decode()


def _query(row: tuple[int, str, str, str, str, int]) -> SavedQuery:
    number, title, sql, display, owner, modified = row
    view = msgspec.json.decode(display, type=Display).view
    return SavedQuery(number, title, sql, view, owner, from_micros(modified))
