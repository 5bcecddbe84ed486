"""How entities changed over time, as NGSI-LD asks for it: who is meant, their readings, and what is kept beside those."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np

from dothi.access.policy import Person, Reach, reach
from dothi.data.classified import OF_ENTITY, Classified
from dothi.data.document import read_document
from dothi.data.evolution import Mark, ended, marks_of
from dothi.data.evolved import BEGINNING, Cells, Column, Evolved, Row, Window, put_kept, put_readings, standing
from dothi.data.instances import without_expired
from dothi.data.past import Past, Wanted, schema
from dothi.data.past import marks_of as sealing_of
from dothi.data.predicate import And, OfType, Or, Predicate
from dothi.data.question import EntityQuery
from dothi.data.subjects import SeriesOf, Subject, marks, pieces, series_of
from dothi.data.sums import sums
from dothi.data.trail import EVER, STANDS, TIMES, head_before, span_of
from dothi.model.clock import Clock, from_micros, to_micros
from dothi.model.problem import Problem
from dothi.model.schema import EntityType
from dothi.store.connection import Connection
from dothi.store.database import Database

if TYPE_CHECKING:
    import polars as pl

MOST_INSTANCES = 200_000
"""Instances that one question may look at one by one."""
MOST_READINGS = 5_000_000
"""Readings that one question may look at as columns."""

_FEW = 24  # series that are walked one by one; of more, everything in the stretch is read
_CHUNK = 200  # entities looked at together
_COLUMNS = ("number", "other", "grade", "reasons", "origin", "received_at")
_WALK = f"""
WITH RECURSIVE {TIMES}
SELECT r.observed_at, r.number, r.other, r.grade, r.reasons, r.origin, r.received_at
FROM times JOIN reading r ON r.observed_at = times.at AND r.series_id = ?
WHERE {STANDS}
"""  # noqa: S608 - constants only
_ENTITIES = (
    "SELECT e.num, e.id, n.iri, e.more_types, e.scopes, e.ward, e.clearance, e.owner, e.created_at, e.modified_at, "
    "e.deleted_at, e.expires_at, e.doc FROM entity e JOIN name n ON n.id = e.type WHERE "
)
_OF_TYPES = (
    "(e.type IN (SELECT id FROM name WHERE iri IN ({0})) OR e.num IN (SELECT f.entity FROM further_type f "
    "JOIN name m ON m.id = f.type WHERE m.iri IN ({0})))"
)


class Page(NamedTuple):
    """So many instances at most: the earliest, or with ``last`` the newest of the newest so many of each series."""

    most: int
    last: int | None = None


class Evolutions:
    """Answers what was, to whoever may know it (``history.read``); entities that were deleted or expired have a past too.

    An instance is no more after its own ``expiresAt`` (ETSI GS CIM 009, clause 4.22); ``clock`` says when that is.
    """

    def __init__(self, database: Database, types: Sequence[EntityType], clock: Clock) -> None:
        self._database, self._past, self._classified = database, Past(database), Classified(types)
        self._clock = clock

    def of(
        self,
        person: Person,
        urn: str,
        window: Window,
        attributes: Sequence[str] | None = None,
        *,
        action: str = "history.read",
        page: Page | None = None,
    ) -> Evolved | None:
        """One entity over time; None if there never was one, or none to which ``person`` may do ``action``.

        ``attributes`` None is all. With ``page`` readings that it cannot show are left out, never all of a moment's. Raises
        Problem 403 for more instances than MOST_INSTANCES.
        """
        query = EntityQuery(ids=(urn,))
        return next(self.find(person, query, window, attributes, action=action, page=page), None)

    def find(
        self,
        person: Person,
        query: EntityQuery,
        window: Window,
        attributes: Sequence[str] | None = None,
        *,
        action: str = "history.read",
        page: Page | None = None,
    ) -> Iterator[Evolved]:
        """The entities that ``query`` may mean by ids and types, in the order in which they were first made, over time.

        Its other conditions are the caller's. Raises Problem 403 for more instances than MOST_INSTANCES.
        """
        reached = reach(person, action)
        if reached is None:
            return
        with self._database.reader() as db:
            wanted = self._entities(db, reached, query)
            looked_at = 0
            for start in range(0, len(wanted), _CHUNK):
                rows = self._rows(db, reached, wanted[start : start + _CHUNK])
                self._fill(db, rows, window, attributes, looked_at, page)
                for row in rows:
                    looked_at += row.evolved.size
                    yield row.evolved

    def columns(
        self,
        person: Person,
        query: EntityQuery,
        window: Window,
        attributes: Sequence[str] | None = None,
        *,
        expired: bool = False,
    ) -> Iterator[tuple[Evolved, list[Column]]]:
        """``find`` for questions that go by observation and want figures: readings as columns. Raises as it.

        With ``expired`` those past their time are among them.
        """
        reached = reach(person, "history.read")
        if reached is None:
            return
        with self._database.reader() as db:
            wanted, looked_at = self._entities(db, reached, query), 0
            for start in range(0, len(wanted), _CHUNK):
                rows = {row.evolved.num: row for row in self._rows(db, reached, wanted[start : start + _CHUNK])}
                series = series_of(db, [_subject(row) for row in rows.values()], attributes, all_datasets=True)
                found: dict[int, list[Column]] = {}
                over = {} if expired else self._ended(db, rows)
                for one, frame in self._standing(db, series, window, over):
                    looked_at += len(frame)
                    _bear(looked_at)
                    if len(frame):
                        now = standing(rows[one.num], one)
                        kind = now["k"] if now is not None and "k" in now else "Property"
                        found.setdefault(one.num, []).append(Column(one.attribute, one.dataset, kind, frame))
                for num, row in rows.items():
                    yield row.evolved, found.get(num, [])

    def cells(
        self,
        person: Person,
        query: EntityQuery,
        window: Window,
        attributes: Sequence[str] | None,
        length: int,
        figures: Sequence[str],
    ) -> list[tuple[Evolved, list[Cells]]] | None:
        """``figures`` of ``columns`` in periods of ``length`` (µs) from the window's beginning; None where ``sums`` is, or
        where something is past its time.
        """
        reached = reach(person, "history.read")
        if reached is None:
            return []
        with self._database.reader() as db:
            rows = {row.evolved.num: row for row in self._rows(db, reached, self._entities(db, reached, query))}
            if self._ended(db, rows):
                return None
            series = series_of(db, [_subject(row) for row in rows.values()], attributes, all_datasets=True)
        span, anchor = (window.first, window.last), window.first
        found = sums(self._database, [one.id for one in series], span, anchor, length, figures)
        if found is None:
            return None
        of_entity: dict[int, list[Cells]] = {}
        for one in series:
            if one.id in found:
                now = standing(rows[one.num], one)
                kind = now["k"] if now is not None and "k" in now else "Property"
                of_entity.setdefault(one.num, []).append(Cells(one.attribute, one.dataset, kind, found[one.id]))
        return [(row.evolved, of_entity.get(num, [])) for num, row in rows.items()]

    def _entities(self, db: Connection, reached: Reach, query: EntityQuery) -> list[int]:
        condition, values = reached.where(**OF_ENTITY)
        text = f"SELECT e.num FROM entity e WHERE {condition}"  # noqa: S608 - placeholders only
        types = set(query.types) or (None if query.which is None else _types(query.which))
        if types is not None:
            among = sorted(types)
            text += f" AND {_OF_TYPES.format(marks(among) or 'NULL')}"
            values += [*among, *among]
        if not query.ids:
            return [num for (num,) in db.execute(f"{text} ORDER BY e.num", values)]
        found = []
        for some in pieces(query.ids):
            found += [num for (num,) in db.execute(f"{text} AND e.id IN ({marks(some)})", [*values, *some])]
        return sorted(found)

    def _rows(self, db: Connection, reached: Reach, nums: Sequence[int]) -> list[Row]:
        hides, now = self._classified.hides(reached), to_micros(self._clock.now())
        rows = []
        for some in pieces(nums):
            query = f"{_ENTITIES}e.num IN ({marks(some)}) ORDER BY e.num"
            for num, urn, kind, more, scopes, ward, clearance, owner, created, modified, *ends, text in db.execute(
                query, some
            ):
                hidden = hides(kind, clearance, ward, owner) if hides else frozenset()
                told = tuple(msgspec.json.decode(more)) if more else ()
                deleted, expires = (None if one is None else from_micros(one) for one in ends)
                evolved = Evolved(num, urn, kind, told, from_micros(created), from_micros(modified), deleted, expires)
                document = {iri: one for iri, one in read_document(text).items() if iri not in hidden}
                listed = msgspec.json.decode(scopes) if scopes else []
                place = (ward, clearance, owner)
                rows.append(Row(evolved, without_expired(document, now), listed, hidden, place, now))
        return rows

    def _fill(
        self,
        db: Connection,
        rows: list[Row],
        window: Window,
        attributes: Sequence[str] | None,
        looked_at: int,
        page: Page | None,
    ) -> None:
        by_num = {row.evolved.num: row for row in rows}
        kept: dict[str, dict[tuple[str, str | None], list[Mark]]] = {}
        for mark in marks_of(db, [row.evolved.id for row in rows], attributes):
            kept.setdefault(mark.entity, {}).setdefault((mark.attribute, mark.dataset), []).append(mark)
        chosen = [_subject(row) for row in rows]
        series = series_of(db, chosen, attributes, all_datasets=True)
        over = self._ended(db, by_num)
        told: Iterable[tuple[SeriesOf, pl.DataFrame]] = self._standing(db, series, window, over)
        paged = page is not None and window.by == "observedAt"
        if page is not None and paged:
            told = _on(page, list(told))
        for one, readings in told:
            row = by_num[one.num]
            looked_at += len(readings)
            _bear(looked_at, MOST_INSTANCES)
            if paged:
                row.evolved.instances.setdefault(one.attribute, [])  # it has some, if not on this page
            put_readings(row, one, readings, kept.get(row.evolved.id, {}).get((one.attribute, one.dataset), ()), window)
        for row in rows:
            put_kept(row, kept.get(row.evolved.id, {}), window, None if attributes is None else frozenset(attributes))
            for instances in row.evolved.instances.values():
                instances.sort(key=lambda one: (one.attribute.dataset_id or "", one.at))

    def _ended(self, db: Connection, rows: Mapping[int, Row]) -> dict[tuple[int, str, str | None], list[int]]:
        """Moments of the readings that are past their time, by series."""
        of_urn = {row.evolved.id: row for row in rows.values()}
        now = min((row.now for row in rows.values()), default=0)
        found = ended(db, list(of_urn), now)
        return {(of_urn[urn].evolved.num, iri, dataset): moments for (urn, iri, dataset), moments in found.items()}

    def _standing(
        self, db: Connection, series: list[SeriesOf], window: Window, over: Mapping[tuple[int, str, str | None], list[int]]
    ) -> "Iterator[tuple[SeriesOf, pl.DataFrame]]":
        """``_readings`` without those that are ``over``."""
        import polars as pl

        for one, frame in self._readings(db, series, window):
            gone = over.get((one.num, one.attribute, one.dataset))
            yield one, frame if gone is None else frame.filter(~pl.col("observed_at").is_in(gone))

    def _readings(self, db: Connection, series: list[SeriesOf], window: Window) -> "Iterator[tuple[SeriesOf, pl.DataFrame]]":
        """The readings of each series in the window, or all of them where it does not go by observation; oldest first."""
        if window.by == "deletedAt" or not series:
            return
        first, last = (window.first, window.last) if window.by == "observedAt" else (BEGINNING, EVER)
        if len(series) <= _FEW:
            for one in series:
                yield one, self._walk(db, one.id, first, last)
            return
        import polars as pl

        numbers = {one.id: one for one in series}
        wanted = Wanted(
            first, last, EVER, None, tuple(numbers), tuple(self._database.lake.types_of(tuple(numbers))), _COLUMNS
        )
        frames, size = [], 0
        for frame in self._past.pieces(wanted):
            frames.append(frame.filter(pl.col("series").is_in(list(numbers))))
            size += len(frames[-1])
            _bear(size)
        if frames:
            whole = pl.concat(frames).sort("series", "observed_at")
            for part in whole.partition_by("series"):
                yield numbers[part["series"][0]], part.select("observed_at", *_COLUMNS)

    def _walk(self, db: Connection, series: int, first: int, last: int) -> "pl.DataFrame":
        import polars as pl

        border = sealing_of(db).recent_from
        rows = []
        if last > max(first, border):
            span = span_of(head_before(db, series, last), series, max(first, border), last)
            rows = db.execute(_WALK, (*span, series, EVER, EVER)).fetchall()
        kinds = {name: schema()[name] for name in ("observed_at", *_COLUMNS)}
        frames = [pl.DataFrame(rows, schema=kinds, orient="row")]
        for frame in self._past.backwards(db, series, first, last):
            frames.append(frame.select("observed_at", *_COLUMNS))
            _bear(sum(map(len, frames)))
        return pl.concat(frames).sort("observed_at")


def _on(page: Page, told: "list[tuple[SeriesOf, pl.DataFrame]]") -> "list[tuple[SeriesOf, pl.DataFrame]]":
    """The readings that ``page`` may show, and those of one moment more, so that it is known not to be all."""
    import polars as pl

    told = [(one, frame) for one, frame in told if len(frame)]
    if page.last is not None:
        told = [(one, frame.tail(page.last)) for one, frame in told]
    if sum(len(frame) for _, frame in told) <= page.most:
        return told
    moments = np.sort(np.concatenate([frame["observed_at"].to_numpy() for _, frame in told]))
    at = pl.col("observed_at")
    within = at <= int(moments[page.most]) if page.last is None else at >= int(moments[-page.most - 1])
    return [(one, frame.filter(within)) for one, frame in told]


def _bear(size: int, most: int = MOST_READINGS) -> None:
    if size > most:
        raise Problem(
            403, "too-complex", "This asks for too much of the past at once.", "Ask for a shorter time or fewer things."
        )


def _types(predicate: Predicate) -> set[str] | None:
    """Types of which one is needed to meet ``predicate``; None if it can be met by any."""
    match predicate:
        case OfType(kind):
            return {kind}
        case And(parts):
            known = [found for one in parts if (found := _types(one)) is not None]
            return min(known, key=len) if known else None
        case Or(parts):
            all_of = [_types(one) for one in parts]
            return None if any(found is None for found in all_of) else {kind for found in all_of for kind in found or ()}
    return None


def _subject(row: Row) -> Subject:
    one = row.evolved
    return Subject(one.num, one.id, one.type, row.place[0], None, row.hidden)
