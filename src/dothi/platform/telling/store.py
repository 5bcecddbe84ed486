"""Rows of notes and letters: written in the writer's transactions, read by whoever sends and by whoever looks after it."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from dothi.model.text import Text
from dothi.platform.telling.model import Letter, Note, State
from dothi.store.connection import Connection

Work = Callable[[Connection], None]
"""What a transaction does."""
_NOTE = "id, recipient, what, at, topic, severity, about, words, words_en"
_LETTER = (
    "l.id, l.recipient, l.made_at, l.state, l.attempts, l.next_at, l.ended_at, l.error, "
    "(SELECT count(*) FROM telling_note n WHERE n.letter = l.id)"
)


def add_notes(db: Connection, notes: Iterable[Note]) -> None:
    """Keep what there is to tell; what a receiver was told of already is not told again."""
    db.executemany(
        "INSERT INTO telling_note (recipient, what, at, topic, severity, about, words, words_en) VALUES (?,?,?,?,?,?,?,?) "
        "ON CONFLICT (recipient, what) DO NOTHING",
        [(one.recipient, one.what, one.at, one.topic, one.severity, one.about, one.words.vi, one.words.en) for one in notes],
    )


def waiting(db: Connection) -> list[tuple[str, int, int]]:
    """Of each receiver for whom something waits: who, since when, the gravest severity."""
    rows = db.execute("SELECT recipient, min(at), max(severity) FROM telling_note WHERE letter IS NULL GROUP BY recipient")
    return [(recipient, int(first), int(severity)) for recipient, first, severity in rows]


def sent_between(db: Connection, recipient: str, since: int, now: int) -> list[int]:
    """When mails to a receiver were made after a moment, up to ``now``, ascending: not those of a clock that was ahead."""
    query = "SELECT made_at FROM telling_letter WHERE recipient = ? AND made_at > ? AND made_at <= ? ORDER BY made_at"
    return [int(at) for (at,) in db.execute(query, (recipient, since, now))]


def make_letter(db: Connection, recipient: str, now: int) -> None:
    """Put everything that waits for a receiver into one letter."""
    (number,) = db.execute(
        "INSERT INTO telling_letter (recipient, made_at, state, next_at) VALUES (?,?,'waiting',?) RETURNING id",
        (recipient, now, now),
    ).fetchone()
    db.execute("UPDATE telling_note SET letter = ? WHERE recipient = ? AND letter IS NULL", (number, recipient))


def forget_waiting(db: Connection, recipient: str) -> None:
    """Let go what waits for somebody who is to be told nothing any more."""
    db.execute("DELETE FROM telling_note WHERE recipient = ? AND letter IS NULL", (recipient,))


def stopped(db: Connection, recipient: str) -> bool:
    """True of who said that they want no more."""
    return db.execute("SELECT 1 FROM telling_stop WHERE recipient = ?", (recipient,)).fetchone() is not None


def forget(db: Connection, recipient: str) -> None:
    """Leave nothing that was or is to be told to this receiver."""
    db.execute("DELETE FROM telling_note WHERE recipient = ?", (recipient,))
    db.execute("DELETE FROM telling_letter WHERE recipient = ?", (recipient,))


def due(db: Connection, now: int, longest: int, limit: int) -> list[Letter]:
    """Letters that are to be sent by ``now``, the oldest first; and those that wait for longer than the ``longest`` wait
    there is, because the clock was ahead when they were made.
    """
    where = "WHERE l.state = 'waiting' AND (l.next_at <= ? OR l.next_at > ?) ORDER BY l.next_at, l.id LIMIT ?"
    return _letters(db, where, (now, now + longest, limit))


def letters(db: Connection, state: State, limit: int) -> list[Letter]:
    """The newest letters in a state."""
    return _letters(db, "WHERE l.state = ? ORDER BY l.id DESC LIMIT ?", (state, limit))


def counts(db: Connection) -> dict[str, int]:
    """How many letters there are in each state."""
    return {state: int(count) for state, count in db.execute("SELECT state, count(*) FROM telling_letter GROUP BY state")}


def last_sent(db: Connection) -> int | None:
    """When the server last took a mail."""
    row = db.execute("SELECT max(ended_at) FROM telling_letter WHERE state = 'sent'").fetchone()
    return None if row is None or row[0] is None else int(row[0])


def notes_of(db: Connection, letter: int) -> list[Note]:
    """What a letter tells of, in the order in which it happened."""
    rows = db.execute(f"SELECT {_NOTE} FROM telling_note WHERE letter = ? ORDER BY id", (letter,))  # noqa: S608 - a constant
    return [_note(row) for row in rows]


def ended(db: Connection, letter: int, state: State, now: int, error: str) -> None:
    """A letter was sent, or is not tried any more."""
    db.execute(
        "UPDATE telling_letter SET state = ?, ended_at = ?, error = ?, attempts = attempts + 1 WHERE id = ?",
        (state, now, error, letter),
    )


def later(db: Connection, letter: int, at: int, error: str) -> None:
    """A letter was not taken and is tried again."""
    db.execute("UPDATE telling_letter SET attempts = attempts + 1, next_at = ?, error = ? WHERE id = ?", (at, error, letter))


def remove(db: Connection, letter: int) -> None:
    """A letter that nobody is to have."""
    db.execute("DELETE FROM telling_letter WHERE id = ?", (letter,))
    db.execute("DELETE FROM telling_note WHERE letter = ?", (letter,))


def again(db: Connection, wanted: Sequence[int], now: int) -> list[str]:
    """Send dead letters again; the receivers of those that were."""
    told = list[str]()
    for letter in wanted:
        found = db.execute(
            "UPDATE telling_letter SET state = 'waiting', attempts = 0, made_at = ?, next_at = ?, ended_at = NULL "
            "WHERE id = ? AND state = 'dead' RETURNING recipient",
            (now, now, letter),
        ).fetchone()
        if found is not None:
            told.append(found[0])
    return told


def clear(db: Connection, before: int) -> None:
    """Forget letters, and what they told of, that ended before a moment."""
    old = "SELECT id FROM telling_letter WHERE state <> 'waiting' AND ended_at < ?"
    db.execute(f"DELETE FROM telling_note WHERE letter IN ({old})", (before,))  # noqa: S608 - a constant
    db.execute("DELETE FROM telling_letter WHERE state <> 'waiting' AND ended_at < ?", (before,))


def mark_of(db: Connection, source: str) -> int | None:
    """Up to where a source was heard; None if it never was."""
    row = db.execute("SELECT mark FROM telling_mark WHERE source = ?", (source,)).fetchone()
    return None if row is None else int(row[0])


def set_mark(db: Connection, source: str, mark: int) -> None:
    """It was heard up to here."""
    db.execute(
        "INSERT INTO telling_mark (source, mark) VALUES (?,?) ON CONFLICT (source) DO UPDATE SET mark = excluded.mark",
        (source, mark),
    )


def _letters(db: Connection, where: str, values: Sequence[Any]) -> list[Letter]:
    rows = db.execute(f"SELECT {_LETTER} FROM telling_letter l {where}", values)  # noqa: S608 - constants
    return [Letter(*row) for row in rows]


def _note(row: Sequence[Any]) -> Note:
    number, recipient, what, at, topic, severity, about, vi, en = row
    return Note(recipient, what, topic, about, Text(vi, en), severity, at, number)
