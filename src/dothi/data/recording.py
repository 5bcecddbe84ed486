"""Readings into history and live state: whole columns for what is new, one by one for what may be known already.

The law: a reading's key is (series, observed_at). The same value again is nothing; another value is the next revision and
the highest revision is read; a withdrawal is a revision. What was heard earlier never wins over what was heard later, so
that a journal which hands out a message again, or two journals out of step, change nothing.

What is observed before ``sealing_until`` may be in the lake already: keys that get a row then are noted, so that questions
read both and the next compaction brings them together (``data/past.py``, ``data/sealing.py``).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import structlog

from dothi.data.batch import HEARD_NOW, IntArray, Readings
from dothi.data.past import Past, marks_of
from dothi.data.series import NEVER, SeriesIndex
from dothi.data.trail import DAY, SKEWED, newest_standing
from dothi.model.problem import Problem
from dothi.store.connection import Connection

_log = structlog.get_logger("dothi.recording")

_INSERT = "INSERT INTO reading VALUES (?,?,?,?,?,?,?,?,?,?,?)"
_SHOW = (
    "INSERT INTO live (series_id, head, observed_at, number, other, grade, reasons, origin, received_at, hidden) "
    "VALUES (?,?,?,?,?,?,?,?,?,?) ON CONFLICT (series_id) DO UPDATE SET head = excluded.head, "
    "observed_at = excluded.observed_at, number = excluded.number, other = excluded.other, grade = excluded.grade, "
    "reasons = excluded.reasons, origin = excluded.origin, received_at = excluded.received_at, hidden = excluded.hidden"
)
_CORRECT = (
    "UPDATE live SET number = ?, other = ?, grade = ?, reasons = ?, origin = ?, received_at = ? "
    "WHERE series_id = ? AND observed_at = ?"
)
_LIVE_VALUE = "SELECT number, other FROM live WHERE series_id = ?"
_REVISIONS = (
    "SELECT revision, number, other, grade, reasons, origin, received_at, withdrawn FROM reading "
    "WHERE observed_at = ? AND series_id = ? ORDER BY revision"
)

# number, other, grade, reasons, origin, received_at, withdrawn: a reading without its key
_Said = tuple[float | None, str | None, int, int, int, int, int]


@dataclass(slots=True)
class Recorded:
    """What one call stored: the series touched in history, those that show a new value, and how many rows of which sort.

    ``reshapes`` says that one shows something that showed nothing before, or the reverse.
    """

    series: IntArray
    live: IntArray
    stored: int = 0
    revisions: int = 0
    late: int = 0
    repeated: int = 0
    reshapes: bool = False


class Recorder:
    """Writes readings on the writer's connection, inside its transaction, and keeps ``head`` and ``shown`` in step.

    ``undo`` takes both back to what they were at the last ``settle``.
    """

    def __init__(self, connection: Connection, index: SeriesIndex, past: Past) -> None:
        self._db, self._index, self._past = connection, index, past
        self.marks = marks_of(connection)
        self._unsealed: list[tuple[int, int]] = []
        self._undo: list[tuple[IntArray, IntArray, IntArray]] = []
        self._shown: list[int] = []

    def settle(self) -> None:
        """The commit held."""
        self._undo.clear()

    def undo(self) -> None:
        """The commit did not hold."""
        for series, head, shown in reversed(self._undo):
            self._index.head[series], self._index.shown[series] = head, shown
        self._undo.clear()

    def record(self, readings: Readings, heard: int, *, careful: bool = False) -> Recorded:
        """Store ``readings``; ``heard`` (µs) stands for HEARD_NOW.

        Without ``careful``, a reading newer than all others of its series is taken to be new without looking; if one is not,
        Conflict is raised and the caller rolls back and tries again carefully.
        """
        series, at = readings.series, readings.observed_at
        received = np.where(readings.received_at == HEARD_NOW, heard, readings.received_at)
        order = np.lexsort((at, series))
        sorted_series, sorted_at = series[order], at[order]
        same = np.zeros(len(order), np.bool_)
        same[1:] = sorted_series[1:] == sorted_series[:-1]
        touched = sorted_series[~same]
        shown = self._index.shown[touched]
        self._undo.append((touched, self._index.head[touched], shown))
        again = same.copy()
        again[1:] &= sorted_at[1:] == sorted_at[:-1]
        new = (sorted_at > self._index.head[sorted_series]) & ~again & (readings.reasons[order] & SKEWED == 0)
        if readings.withdrawn is not None:
            new &= ~readings.withdrawn[order]
        if careful:
            new[new] = [
                not self._known(s, t) for s, t in zip(sorted_series[new].tolist(), sorted_at[new].tolist(), strict=True)
            ]
        done = Recorded(touched, touched[:0])
        fresh = order[new]
        if len(fresh):
            self._append(readings, received, fresh, done)
        if len(fresh) < len(order):
            # In the order they were told: later statements about one key are later revisions.
            touched_late, shown_late = self._consider(readings, received, np.sort(order[~new]), done)
            done.series = np.unique(np.concatenate([series[fresh], touched_late]))
            done.live = np.unique(np.concatenate([done.live, shown_late]))
        if self._unsealed:
            self._note_unsealed()
        done.reshapes = not np.array_equal(shown == NEVER, self._index.shown[touched] == NEVER)
        return done

    def insist(self, readings: Readings, received: int, done: Recorded) -> None:
        """Show what was told last of each series of ``done`` (which stored them), though something newer may be known."""
        series, at = readings.series, readings.observed_at
        rows = np.flatnonzero((self._index.shown[series] != at) & (readings.reasons & SKEWED == 0))
        last = {int(series[row]): int(row) for row in range(len(series))}
        shown = []
        for row in rows.tolist():
            if last[int(series[row])] != row:
                continue
            number, heard = float(readings.number[row]), int(readings.received_at[row])
            other = None if readings.other is None else readings.other[row]
            value = None if number != number else number
            graded = (int(readings.grade[row]), int(readings.reasons[row]), int(readings.origin[row]))
            self._show(int(series[row]), int(at[row]), (value, other, *graded, received if heard == HEARD_NOW else heard, 0))
            shown.append(int(series[row]))
        if shown:
            done.live = np.union1d(done.live, np.array(shown, np.int64))

    def _note_unsealed(self) -> None:
        """Keys whose hour was sealed, or is being sealed, before this row came."""
        keys = np.array(sorted(set(self._unsealed)), np.int64)
        self._unsealed = []
        self._db.put("unsealed", (keys[:, 0], keys[:, 1]))
        query = "INSERT INTO dirty_day VALUES (?,1) ON CONFLICT (day) DO UPDATE SET mark = dirty_day.mark + 1"
        self._db.executemany(query, [(day,) for day in np.unique(keys[:, 0] // DAY).tolist()])

    def _known(self, series: int, at: int) -> bool:
        query = "SELECT 1 FROM reading WHERE observed_at = ? AND series_id = ? LIMIT 1"
        return self._db.execute(query, (at, series)).fetchone() is not None

    def _append(self, readings: Readings, received: IntArray, rows: IntArray, done: Recorded) -> None:
        """Rows that are newer than their series; sorted by series, then time."""
        index = self._index
        series, at = readings.series[rows], readings.observed_at[rows]
        first = np.ones(len(rows), np.bool_)
        first[1:] = series[1:] != series[:-1]
        last = np.ones(len(rows), np.bool_)
        last[:-1] = first[1:]
        previous = np.empty(len(rows), np.int64)
        previous[1:] = at[:-1]
        previous[first] = index.head[series[first]]
        linked = previous != NEVER
        new_day = ~linked | (at // DAY != np.where(linked, previous, 0) // DAY)
        number, origin = readings.number[rows], readings.origin[rows]
        grade, reasons, heard = readings.grade[rows], readings.reasons[rows], received[rows]
        other: list[str | None] = [None] * len(rows)
        if readings.other is not None:
            other = [readings.other[row] for row in rows.tolist()]
        if new_day.any():
            self._db.append("anchor", (series[new_day], at[new_day] // DAY, at[new_day]))
        # The tree is filled at its end when rows come in its own order.
        order = np.lexsort((series, at))
        nothing = [0] * len(rows)
        self._db.append(
            "reading",
            (
                at[order],
                series[order],
                nothing,
                number[order],
                [other[row] for row in order.tolist()] if readings.other is not None else other,
                grade[order],
                reasons[order],
                origin[order],
                heard[order],
                nothing,
                previous[order],
            ),
        )
        sealed = at < self.marks.sealing_until
        if sealed.any():
            self._unsealed += zip(at[sealed].tolist(), series[sealed].tolist(), strict=True)
        newest = last & (at > index.shown[series])
        moved = series[newest]
        index.head[series[last]] = at[last]
        index.shown[moved] = at[newest]
        self._db.put(
            "live",
            (
                moved,
                at[newest],
                at[newest],
                number[newest],
                [other[row] for row in np.flatnonzero(newest).tolist()]
                if readings.other is not None
                else other[: len(moved)],
                grade[newest],
                reasons[newest],
                origin[newest],
                heard[newest],
                (~index.alive(moved)).astype(np.int64),
            ),
        )
        passed = last & ~newest
        if passed.any():
            self._db.executemany(
                "UPDATE live SET head = ? WHERE series_id = ?",
                zip(at[passed].tolist(), series[passed].tolist(), strict=True),
            )
        done.live = moved
        done.stored += len(rows)

    def _consider(self, readings: Readings, received: IntArray, rows: IntArray, done: Recorded) -> tuple[IntArray, IntArray]:
        """Rows that may be known already, or that came late: each is looked up.

        Returns the series that got a row, and those that show another value than before.
        """
        moved: list[int] = []
        self._shown = []
        withdrawn = readings.withdrawn
        for row in rows.tolist():
            series, at = int(readings.series[row]), int(readings.observed_at[row])
            number = float(readings.number[row])
            gone = int(withdrawn is not None and withdrawn[row])
            said: _Said = (
                None if gone or number != number else number,
                None if gone or readings.other is None else readings.other[row],
                int(readings.grade[row]),
                int(readings.reasons[row]),
                int(readings.origin[row]),
                int(received[row]),
                gone,
            )
            if self._state(series, at, said, done):
                moved.append(series)
        return np.array(moved, np.int64), np.array(self._shown, np.int64)

    def _state(self, series: int, at: int, said: _Said, done: Recorded) -> bool:
        """One statement about one key. False if it is nothing new."""
        known = self._db.execute(_REVISIONS, (at, series)).fetchall()
        number, other, *_, heard, gone = said
        if not known and self._index.shown[series] <= at < self.marks.recent_from:
            if (
                at == self._index.shown[series]
                and not gone
                and self._db.execute(_LIVE_VALUE, (series,)).fetchone()
                == (
                    number,
                    other,
                )
            ):
                done.repeated += 1  # a silent sender's last value, told again and again: no need to look into the lake
                return False
            known = self._long_past(series, at)
        if not known:
            self._db.execute(_INSERT, (at, series, 0, *said, None))
            self._db.execute("INSERT INTO late VALUES (?,?) ON CONFLICT DO NOTHING", (series, at))
            done.stored += 1
            done.late += 1
            self._note(series, at)
            if not gone and not said[3] & SKEWED and at > self._index.shown[series]:
                self._show(series, at, said)
            return True
        revision, *current = known[-1]
        same = [row for row in known if (row[1], row[2], row[7]) == (number, other, gone)]
        older = heard < current[5]
        if (current[0], current[1], current[6]) == (number, other, gone) or (same and heard <= current[5]):
            done.repeated += 1
            return False
        self._db.execute(_INSERT, (at, series, revision + 1, *said, None))
        done.stored += 1
        done.revisions += 1
        self._note(series, at)
        if older:
            # It is kept, and what was heard after it is read on.
            self._db.execute(_INSERT, (at, series, revision + 2, *current, None))
            done.stored += 1
            return True
        self._correct(series, at, said)
        return True

    def _note(self, series: int, at: int) -> None:
        if at < self.marks.sealing_until:
            self._unsealed.append((at, series))

    def _long_past(self, series: int, at: int) -> list[tuple[Any, ...]]:
        """What the lake knows of a key that matters to the live value and is not in the recent table any more.

        Nothing if the lake is damaged there: ingest goes on.
        """
        try:
            said = self._past.statements(self._db, series, at, at + 1)
        except Problem as problem:
            _log.warning("a correction cannot be held against the lake", series=series, at=at, problem=str(problem))
            return []
        columns = ("revision", "number", "other", "grade", "reasons", "origin", "received_at", "withdrawn")
        return [(*row[:-1], int(row[-1])) for row in said.select(columns).iter_rows()]

    def _correct(self, series: int, at: int, said: _Said) -> None:
        """Take a new revision over into live state, if it concerns it."""
        number, other, grade, reasons, origin, heard, gone = said
        shown = int(self._index.shown[series])
        if at > shown:
            if not gone and not reasons & SKEWED:
                self._show(series, at, said)
        elif at == shown:
            if gone or reasons & SKEWED:
                self._fall_back(series, at)
            else:
                self._db.execute(_CORRECT, (number, other, grade, reasons, origin, heard, series, at))
                self._shown.append(series)

    def _show(self, series: int, at: int, said: _Said) -> None:
        head = int(self._index.head[series])
        hidden = int(not self._index.alive(np.array([series]))[0])
        self._db.execute(_SHOW, (series, None if head == NEVER else head, at, *said[:6], hidden))
        self._index.shown[series] = at
        self._shown.append(series)

    def _fall_back(self, series: int, at: int) -> None:
        head = int(self._index.head[series])
        floor = self.marks.recent_from
        row = newest_standing(self._db, series, None if head == NEVER else head, floor, at, SKEWED)
        if row is None:
            try:
                row = self._past.newest(self._db, series, at)
            except Problem as problem:
                _log.warning("nothing is shown: the lake is damaged", series=series, problem=str(problem))
        self._shown.append(series)
        if row is None:
            self._index.shown[series] = NEVER
            self._db.execute("UPDATE live SET observed_at = NULL, hidden = 1 WHERE series_id = ?", (series,))
            return
        self._index.shown[series] = row[0]
        self._db.execute(
            "UPDATE live SET observed_at = ?, number = ?, other = ?, grade = ?, reasons = ?, origin = ?, received_at = ? "
            "WHERE series_id = ?",
            (*row, series),
        )
