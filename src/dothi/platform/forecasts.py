"""Forecasts as they were issued, never changed afterwards, with the naive ones of the same moment and what came."""

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from dothi.access.policy import SYSTEM, Person, Reach, reach
from dothi.data.classified import Classified
from dothi.data.subjects import subjects
from dothi.model.clock import from_micros, to_micros
from dothi.platform.sector import Process, Target
from dothi.store.audit import Act
from dothi.store.connection import Connection

if TYPE_CHECKING:
    from dothi.platform.platform import Platform

HOUR = timedelta(hours=1)
HOUR_US = 3_600_000_000
WINDOW = timedelta(days=7)  # how far back an error is "recent"
ENOUGH = 240  # cases, ten forecasts of a day, below which nobody says who is better
KEEP = timedelta(days=31)
_PORTION = 5_000  # rows in one commit: readings wait no longer than that

Method = Literal["model", "few", "stuck"]
Verdict = Literal["few", "better", "loses"]

_INSERT = (
    "INSERT INTO forecast (process, series_id, issued_at, target_at, run, method, hindcast, value, low, high, persistence, "
    "yesterday) VALUES (?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT (process, series_id, issued_at, target_at) DO NOTHING"
)
_ERRORS = (
    "count(*), sum(abs(value - actual)), sum(abs(persistence - actual)), sum(abs(yesterday - actual)), "
    "sum(CASE WHEN actual >= low AND actual <= high THEN 1 ELSE 0 END), count(low), sum(hindcast)"
)
# A naive forecast is not the model's, and an error is only compared where all three were there to be wrong.
_COMPARED = "method = 'model' AND actual IS NOT NULL AND persistence IS NOT NULL AND yesterday IS NOT NULL"
_SCORES = (
    f"SELECT series_id, (target_at - issued_at) / {HOUR_US}, {_ERRORS} FROM forecast "  # noqa: S608 - constants only
    f"WHERE process = ? AND target_at >= ? AND target_at < ? AND {_COMPARED} GROUP BY 1, 2"
)
_SERIES_SCORE = (
    f"SELECT series_id, (target_at - issued_at) / {HOUR_US}, {_ERRORS} FROM forecast "  # noqa: S608 - constants only
    "WHERE process = ? AND series_id = ? AND issued_at >= ? AND issued_at < ? AND target_at >= ? AND target_at < ? "
    f"AND {_COMPARED} GROUP BY 1, 2"
)
_POINTS = (
    "SELECT target_at, value, low, high, persistence, yesterday, actual, run, method, hindcast FROM forecast "
    "WHERE process = ? AND series_id = ? AND issued_at = ? ORDER BY target_at"
)
_NEWEST = "SELECT max(issued_at) FROM forecast WHERE process = ? AND series_id = ? AND issued_at <= ?"
_LAST = "SELECT max(target_at) FROM forecast WHERE process = ?"
_LAST_ISSUE = "SELECT max(issued_at) FROM forecast WHERE process = ? AND target_at = ?"
_ISSUES = (
    "SELECT DISTINCT issued_at FROM forecast WHERE process = ? AND series_id = ? AND issued_at <= ? "
    "ORDER BY issued_at DESC LIMIT ?"
)


@dataclass(frozen=True, slots=True)
class Issued:
    """A forecast to be kept: ``values`` for the hours that follow ``issued_at`` (a whole hour, aware UTC), one each."""

    entity: str
    issued_at: datetime
    method: Method
    values: Sequence[float]
    low: Sequence[float] | None
    high: Sequence[float] | None
    persistence: float | None
    yesterday: Sequence[float | None]
    hindcast: bool = False


@dataclass(frozen=True, slots=True)
class Point:
    """One hour of a forecast; ``at`` is its start (aware UTC). ``actual`` is the hour's mean, None until it is known."""

    at: datetime
    value: float
    low: float | None
    high: float | None
    persistence: float | None
    yesterday: float | None
    actual: float | None


@dataclass(frozen=True, slots=True)
class Forecast:
    """What was said at one moment about one series. ``method`` is ``model``, or why it is only the last value carried on.

    ``hindcast``: it was made afterwards for the past, from what had been observed before ``issued_at``.
    """

    process: str
    entity: str
    attribute: str
    issued_at: datetime
    run: str
    method: Method
    hindcast: bool
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Score:
    """Mean absolute errors over the same ``cases``, in the unit of what is forecast; ``inside`` of ``banded`` lay in the
    band; ``hindcasts`` of the cases are of forecasts made afterwards.
    """

    cases: int = 0
    model: float = 0.0
    persistence: float = 0.0
    yesterday: float = 0.0
    inside: int = 0
    banded: int = 0
    hindcasts: int = 0

    @property
    def naive(self) -> float:
        """The error of the better naive forecast."""
        return min(self.persistence, self.yesterday)

    @property
    def verdict(self) -> Verdict:
        """Whether the model is better than the better naive forecast; ``few`` while nobody can say."""
        if self.cases < ENOUGH:
            return "few"
        return "better" if self.model < self.naive else "loses"

    @property
    def loses(self) -> bool:
        """The model is no better than a naive forecast, as far as anybody can say."""
        return self.verdict == "loses"

    @property
    def coverage(self) -> float | None:
        """The share of what came that lay in the band, 0 to 1."""
        return self.inside / self.banded if self.banded else None


@dataclass(frozen=True, slots=True)
class Scores:
    """Errors of one process between two moments (target hours, aware UTC): all in all, by horizon (1 = the hour that begins
    with the issue) and by entity.
    """

    since: datetime
    until: datetime
    overall: Score
    by_horizon: dict[int, Score]
    by_entity: dict[str, Score]


class Forecasts:
    """The forecasts of one city. Everything but ``store`` may be asked from any thread."""

    def __init__(self, platform: "Platform") -> None:
        self._platform, self._classified = platform, Classified(platform.types.values())
        self._lock = threading.Lock()
        self._scores: dict[tuple[str, timedelta, Reach], tuple[tuple[int, datetime], Scores]] = {}
        self._generation = 0

    def processes(self) -> dict[str, tuple[Process, Target]]:
        """The processes of this city that forecast something, by id."""
        listed = (process for sector in self._platform.sectors for process in sector.processes)
        return {one.id: (one, one.target) for one in listed if one.target is not None}

    async def store(self, process: Process, run_id: str, issued: Sequence[Issued]) -> None:
        """Keep forecasts. What was issued for a moment once stands: a second one for the same moment is not taken.

        Raises KeyError for an entity that has no series of the attribute, ValueError for a process that forecasts nothing.
        """
        if process.target is None:
            raise ValueError(f"{process.id} forecasts nothing")
        rows = list(self._rows(process.id, process.target.attribute, run_id, issued))
        act = Act(SYSTEM.id, "forecast.write", f"run:{run_id}", detail=f"{len(issued)} forecasts")
        for start in range(0, len(rows), _PORTION):
            part = rows[start : start + _PORTION]
            acts = [act] if start + _PORTION >= len(rows) else []
            await self._platform.writer.run(SYSTEM, self._platform.clock.now(), _inserting(part), acts)
        self.changed()

    def _rows(self, process: str, attribute: str, run: str, issued: Iterable[Issued]) -> Iterable[tuple[Any, ...]]:
        index = self._platform.writer.index
        for one in issued:
            series = index.find(one.entity, attribute)
            if series is None:
                raise KeyError(one.entity)
            at = to_micros(one.issued_at)
            for place, value in enumerate(one.values):
                yield (
                    process,
                    series,
                    at,
                    at + place * HOUR_US,
                    run,
                    one.method,
                    int(one.hindcast),
                    value,
                    None if one.low is None else one.low[place],
                    None if one.high is None else one.high[place],
                    one.persistence,
                    one.yesterday[place],
                )

    def changed(self) -> None:
        """Forecasts or what came have changed: errors are worked out again when somebody asks."""
        with self._lock:
            self._generation += 1

    def latest(self, asker: Person, process: str, urn: str, iri: str, before: datetime | None = None) -> Forecast | None:
        """The forecast issued last, at ``before`` or earlier (now without it); None if there is none or for a stranger."""
        series = self._series(asker, urn, iri)
        if series is None:
            return None
        moment = to_micros(before or self._platform.clock.now())
        with self._platform.database.reader() as db:
            (issued,) = db.execute(_NEWEST, (process, series, moment)).fetchone()
            rows = [] if issued is None else db.execute(_POINTS, (process, series, issued)).fetchall()
        if not rows:
            return None
        points = tuple(Point(from_micros(row[0]), *row[1:7]) for row in rows)
        return Forecast(process, urn, iri, from_micros(issued), rows[0][7], rows[0][8], bool(rows[0][9]), points)

    def issues(self, asker: Person, process: str, urn: str, iri: str, limit: int = 200) -> list[datetime]:
        """When this series was forecast, the newest moments first."""
        series = self._series(asker, urn, iri)
        if series is None:
            return []
        now = to_micros(self._platform.clock.now())
        with self._platform.database.reader() as db:
            return [from_micros(at) for (at,) in db.execute(_ISSUES, (process, series, now, limit))]

    def last_issued(self, asker: Person, process: str) -> datetime | None:
        """When the process last said anything about any entity; None if it never did, or for an asker who may not know."""
        if reach(asker, "forecast.read") is None:
            return None
        with self._platform.database.reader() as db:
            (target,) = db.execute(_LAST, (process,)).fetchone()
            if target is None:
                return None
            (issued,) = db.execute(_LAST_ISSUE, (process, target)).fetchone()
        return from_micros(issued)

    def scores(self, asker: Person, process: str, window: timedelta = WINDOW) -> Scores:
        """How wrong the forecasts were whose hours lay in the last ``window``, as far as ``asker`` may know the entities."""
        until = self._platform.clock.now().replace(minute=0, second=0, microsecond=0)
        since = until - window
        reached = reach(asker, "forecast.read")
        if reached is None:
            return Scores(since, until, Score(), {}, {})
        key = (process, window, reached)
        with self._lock:
            version = (self._generation, until)
            kept = self._scores.get(key)
        if kept is not None and kept[0] == version:
            return kept[1]
        with self._platform.database.reader() as db:
            rows = db.execute(_SCORES, (process, to_micros(since), to_micros(until))).fetchall()
            hidden = {one.num: one.hidden for one in subjects(db, reached, self._classified)}
        index = self._platform.writer.index
        known = {series: index.owner_of(series) for series in {row[0] for row in rows}}
        unseen = {one for one, num in known.items() if num not in hidden or index.attribute_of(one) in hidden[num]}
        rows = [row for row in rows if row[0] not in unseen]
        horizons: dict[int, list[Any]] = {}
        entities: dict[str, list[Any]] = {}
        for series, hour, *sums in rows:
            horizons.setdefault(int(hour) + 1, []).append(sums)
            entities.setdefault(index.urn(known[series]), []).append(sums)
        found = Scores(
            since,
            until,
            _score([row[2:] for row in rows]),
            {horizon: _score(horizons[horizon]) for horizon in sorted(horizons)},
            {urn: _score(sums) for urn, sums in entities.items()},
        )
        with self._lock:
            self._scores[key] = version, found
        return found

    def score_of(
        self, asker: Person, process: str, urn: str, iri: str, window: timedelta = WINDOW, until: datetime | None = None
    ) -> Score:
        """How wrong the forecasts of one series were over the ``window`` before ``until`` (now without it)."""
        series = self._series(asker, urn, iri)
        if series is None:
            return Score()
        end = to_micros(until or self._platform.clock.now())
        start = end - int(window.total_seconds()) * 1_000_000
        with self._platform.database.reader() as db:
            span = (start - 24 * HOUR_US, end, start, end)
            rows = db.execute(_SERIES_SCORE, (process, series, *span)).fetchall()
        return _score([row[2:] for row in rows])

    def _series(self, asker: Person, urn: str, iri: str) -> int | None:
        reached = reach(asker, "forecast.read")
        series = self._platform.writer.index.find(urn, iri)
        if reached is None or series is None:
            return None
        with self._platform.database.reader() as db:
            found = subjects(db, reached, self._classified, urns=[urn])
        return series if found and iri not in found[0].hidden else None


def _score(rows: Iterable[Sequence[Any]]) -> Score:
    cases, model, persistence, yesterday, inside, banded, hindcasts = [
        sum(column) for column in zip(*rows, strict=True)
    ] or [0] * 7
    if not cases:
        return Score()
    return Score(int(cases), model / cases, persistence / cases, yesterday / cases, int(inside), int(banded), int(hindcasts))


def _inserting(rows: Sequence[tuple[Any, ...]]) -> Any:
    def work(db: Connection) -> None:
        db.executemany(_INSERT, rows)

    return work
