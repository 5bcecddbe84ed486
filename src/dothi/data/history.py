"""What was observed: one series over time, many by the hour, the city at a past moment. Every question says who asks."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from dothi.access.policy import Person, reach
from dothi.data.aggregate import By, Function, fill, named, newest, table_of, windows
from dothi.data.batch import join_value
from dothi.data.classified import Classified
from dothi.data.context import EntityTable
from dothi.data.document import read_document
from dothi.data.past import Past, Wanted, marks_of
from dothi.data.subjects import SeriesOf, Subject, marks, pieces, series_of, subjects
from dothi.data.trail import DAY, EVER, STANDS, TIMES, head_before, span_of
from dothi.model.clock import from_micros, to_micros
from dothi.model.moment import Moment
from dothi.model.problem import bad_request
from dothi.model.reading import Grade, Origin, Reason
from dothi.model.schema import EntityType
from dothi.store.connection import Connection
from dothi.store.database import Database

if TYPE_CHECKING:
    import polars as pl

HOUR = DAY // 24
_FEW = 2_000  # series up to this number are picked out of the lake; beyond, all of the attribute are read and joined
_ALL = ("revision", "number", "other", "grade", "reasons", "origin", "received_at")

_SERIES = (
    "SELECT s.id FROM series s JOIN entity e ON e.num = s.entity WHERE e.id = ? "
    "AND s.attribute = (SELECT id FROM name WHERE iri = ?) AND s.dataset = "
)
_ROWS = f"""
WITH RECURSIVE {TIMES}
SELECT r.observed_at, r.number, r.other, r.grade, r.reasons, r.origin, r.revision
FROM times JOIN reading r ON r.observed_at = times.at AND r.series_id = ?
WHERE {STANDS} ORDER BY r.observed_at DESC LIMIT ?
"""  # noqa: S608 - constants only
_HOURS = f"""
WITH RECURSIVE {TIMES}
SELECT r.observed_at / {HOUR} * {HOUR}, avg(r.number)
FROM times JOIN reading r ON r.observed_at = times.at AND r.series_id = ?
WHERE {STANDS} AND r.grade < {int(Grade.BAD)} AND r.number IS NOT NULL GROUP BY 1
"""  # noqa: S608 - constants only


@dataclass(slots=True)
class SeriesRows:
    """One series as columns, oldest first; ``observed_at`` in µs UTC. ``more`` says that older rows were left out."""

    observed_at: list[int] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)
    grades: list[Grade] = field(default_factory=list)
    reasons: list[Reason] = field(default_factory=list)
    origins: list[Origin] = field(default_factory=list)
    revisions: list[int] = field(default_factory=list)
    more: bool = False

    def __len__(self) -> int:
        return len(self.observed_at)


@dataclass(slots=True)
class Windows:
    """Figures of equal stretches of time. ``frame`` has the columns ``key`` (an entity's URN, a ward's code, or "" for the
    city), ``start`` (µs UTC) and one for each function asked for, sorted by key, then start. Stretches without any number
    are absent.
    """

    frame: "pl.DataFrame"


class History:
    """What a city observed. Of each moment what was heard last is read; what was withdrawn is not.

    ``heard_by`` (aware UTC) asks for what was known then: later corrections and late readings do not count.
    """

    def __init__(self, database: Database, types: Iterable[EntityType]) -> None:
        self._database, self._past, self._classified = database, Past(database), Classified(types)

    def began(self, asker: Person) -> datetime | None:
        """Where the record begins: the oldest observation. None where nothing is recorded or ``asker`` may read none."""
        if reach(asker, "history.read") is None:
            return None
        with self._database.reader() as db:
            (recent,) = db.execute("SELECT min(observed_at) FROM reading").fetchone()
        found = [one for one in (recent, self._past.oldest()) if one is not None]
        return from_micros(min(found)) if found else None

    def series(
        self,
        asker: Person,
        urn: str,
        iri: str,
        start: datetime,
        end: datetime,
        *,
        dataset_id: str | None = None,
        limit: int = 10_000,
        heard_by: datetime | None = None,
    ) -> SeriesRows:
        """Readings with ``start`` ≤ observed < ``end``, the newest ``limit`` of them.

        Empty for an entity that is not there or that ``asker`` may not read. Raises ValueError for a naive time.
        """
        first, last, heard = to_micros(start), to_micros(end), _heard(heard_by)
        result = SeriesRows()
        reached = reach(asker, "history.read")
        if reached is None:
            return result
        with self._database.reader() as db:
            dataset = "0" if dataset_id is None else "(SELECT id FROM name WHERE iri = ?)"
            named = () if dataset_id is None else (dataset_id,)
            condition, values = reached.where(**self._classified.of_attribute(db, iri))
            found = db.execute(f"{_SERIES}{dataset} AND {condition}", (urn, iri, *named, *values)).fetchone()
            if found is None:
                return result
            series, border = found[0], marks_of(db).recent_from
            rows = []
            if last > border:
                span = span_of(head_before(db, series, last), series, max(first, border), last)
                rows = db.execute(_ROWS, (*span, series, heard, heard, limit + 1)).fetchall()
            columns = ("observed_at", "number", "other", "grade", "reasons", "origin", "revision")
            for older in self._past.backwards(db, series, first, last, heard) if len(rows) <= limit else ():
                rows += reversed(older.select(columns).rows())
                if len(rows) > limit:
                    break
        result.more = len(rows) > limit
        for at, number, other, grade, reasons, origin, revision in reversed(rows[:limit]):
            result.observed_at.append(at)
            result.values.append(join_value(number, other))
            result.grades.append(Grade(grade))
            result.reasons.append(Reason(reasons))
            result.origins.append(Origin(origin))
            result.revisions.append(revision)
        return result

    def hourly(
        self,
        asker: Person,
        urns: Sequence[str],
        iri: str,
        start: datetime,
        end: datetime,
        *,
        heard_by: datetime | None = None,
    ) -> dict[str, dict[datetime, float]]:
        """Mean of the numbers in each UTC hour that has any, by entity; the key is the hour's beginning.

        Only ``start`` ≤ observed < ``end``, only the default dataset, without what is graded bad. Entities that are not
        there, that ``asker`` may not read or that have no such series are absent. Raises ValueError for a naive time.
        """
        first, last, heard = to_micros(start), to_micros(end), _heard(heard_by)
        reached = reach(asker, "history.read")
        if reached is None:
            return {}
        result: dict[str, dict[datetime, float]] = {}
        with self._database.reader() as db:
            border = max(first, min(last, marks_of(db).recent_from))
            chosen = subjects(db, reached, self._classified, urns=urns)
            of_entity = {subject.num: subject.urn for subject in chosen}
            series = series_of(db, chosen, (iri,))
            for one in series if border < last else ():
                span = span_of(head_before(db, one.id, last), one.id, border, last)
                rows = db.execute(_HOURS, (*span, one.id, heard, heard))
                means = {from_micros(hour): mean for hour, mean in rows}
                if means:
                    result[of_entity[one.num]] = means
        if first < border:
            wanted = self._wanted(first, border, heard, (iri,), series, ("number", "grade"))
            older = windows(self._past.pieces(wanted), chosen, series, timedelta(hours=1), ("mean",), "entity")
            for urn, hour, mean in older.iter_rows():
                result.setdefault(urn, {})[from_micros(hour)] = mean
        return result

    def at(
        self,
        asker: Person,
        moment: Moment,
        *,
        type: str | None = None,
        urns: Sequence[str] | None = None,
        ward: str | None = None,
        attributes: Sequence[str],
        lookback: timedelta = timedelta(hours=24),
    ) -> EntityTable:
        """The city at a past moment: of each entity and attribute the last value that stands, observed at ``moment.at`` or
        up to ``lookback`` before it, as ``moment.known`` has it.

        ``type`` and ``attributes`` are IRIs; ``urns`` None asks for all entities. Like ``Context.table``: the default
        dataset, and what is kept beside an entity (a name) where nothing was observed; places and wards are the present
        ones. Values whose own clock was wrong are left out, as they are from the live state. Entities deleted by then are
        absent. Raises ValueError for a naive time.
        """
        last = to_micros(moment.at) + 1
        first = last - lookback // timedelta(microseconds=1)
        reached = reach(asker, "history.read")
        with self._database.reader() as db:
            chosen = (
                []
                if reached is None
                else subjects(db, reached, self._classified, type=type, urns=urns, ward=ward, alive_at=last - 1)
            )
            series = series_of(db, chosen, attributes)
        table = table_of(chosen, attributes)
        columns = ("number", "other", "grade", "reasons")
        for span in (HOUR, 6 * HOUR, last - first):  # most things spoke within the hour
            start = max(first, last - span)
            if not series or start == last:
                break
            wanted = self._wanted(start, last, _heard(moment.heard_by), tuple(attributes), series, columns)
            series = fill(table, chosen, series, newest(self._past.pieces(wanted)))
            last = start
        with self._database.reader() as db:
            _fill_kept(db, table, chosen, attributes)
        return table

    def windows(
        self,
        asker: Person,
        iri: str,
        start: datetime,
        end: datetime,
        *,
        every: timedelta,
        functions: Sequence[Function],
        type: str | None = None,
        urns: Sequence[str] | None = None,
        ward: str | None = None,
        by: By = "entity",
        heard_by: datetime | None = None,
    ) -> Windows:
        """Figures of attribute ``iri`` in stretches of ``every``, for each entity, each ward or the whole city.

        Only ``start`` ≤ observed < ``end``, only numbers of the default dataset, without what is graded bad; every reading
        counts once. Stretches of a day or longer begin at midnight in Asia/Ho_Chi_Minh (weeks on Monday), shorter ones are
        counted from 1970-01-01T00:00Z, so that hours are UTC hours. Entities without a ward are left out by ward. Raises
        Problem 400 for a question that makes no sense, ValueError for a naive time.
        """
        if every < timedelta(seconds=1):
            raise bad_request("A window lasts a second at least.")
        reached = reach(asker, "history.read")
        first, last = to_micros(start), to_micros(end)
        with self._database.reader() as db:
            chosen = [] if reached is None else subjects(db, reached, self._classified, type=type, urns=urns, ward=ward)
            series = series_of(db, chosen, (iri,))
        wanted = self._wanted(first, last, _heard(heard_by), (iri,), series, ("number", "grade"))
        return Windows(windows(self._past.pieces(wanted) if series else (), chosen, series, every, functions, by))

    def rows(
        self,
        asker: Person,
        start: datetime,
        end: datetime,
        *,
        type: str | None = None,
        urns: Sequence[str] | None = None,
        attributes: Sequence[str] | None = None,
        heard_by: datetime | None = None,
    ) -> "Iterator[pl.DataFrame]":
        """Every reading that stands with ``start`` ≤ observed < ``end``, in pieces of one UTC day at most, oldest day first.

        Columns: entity (URN), attribute (IRI), dataset (None for the default instance), unit (UN/CEFACT), observed_at (µs
        UTC), number, other (JSON text where the value is no number), grade, reasons, origin (numbers of model.reading),
        received_at (µs UTC), revision. A piece is sorted by entity, attribute, dataset, observed_at; a large day comes in
        several. Raises ValueError for a naive time, Problem 503 where the lake is damaged.
        """
        first, last, heard = to_micros(start), to_micros(end), _heard(heard_by)
        reached = reach(asker, "history.read")
        if reached is None:
            return
        with self._database.reader() as db:
            chosen = subjects(db, reached, self._classified, type=type, urns=urns)
            series = series_of(db, chosen, attributes, all_datasets=True)
        names = None if attributes is None else tuple(attributes)
        for day in self._past.days(first, last) if series else ():
            wanted = self._wanted(max(first, day * DAY), min(last, (day + 1) * DAY), heard, names, series, _ALL)
            for piece in self._past.pieces(wanted):
                frame = named(piece, chosen, series)
                if len(frame):
                    yield frame

    def _wanted(
        self,
        first: int,
        last: int,
        heard: int,
        attributes: tuple[str, ...] | None,
        series: Sequence[SeriesOf],
        columns: tuple[str, ...],
    ) -> Wanted:
        numbers = tuple(one.id for one in series)
        types = tuple(self._database.lake.types_of(numbers))
        return Wanted(first, last, heard, attributes, numbers if len(numbers) <= _FEW else None, types, columns)


def _heard(heard_by: datetime | None) -> int:
    return EVER if heard_by is None else to_micros(heard_by)


def _fill_kept(db: Connection, table: EntityTable, chosen: Sequence[Subject], attributes: Sequence[str]) -> None:
    """What is kept beside entities where nothing was observed."""
    places = {subject.num: place for place, subject in enumerate(chosen)}
    hidden = {subject.num: subject.hidden for subject in chosen if subject.hidden}
    unseen = [num for num, place in places.items() if any(table.observed_at[iri][place] is None for iri in attributes)]
    for some in pieces(unseen):
        query = f"SELECT num, doc FROM entity WHERE num IN ({marks(some)})"  # noqa: S608 - placeholders only
        for num, text in db.execute(query, some):
            for iri in (one for one in attributes if one not in hidden.get(num, ())):
                if table.observed_at[iri][places[num]] is None and msgspec.json.encode(iri).decode() in text:
                    kept = next((one for one in read_document(text).get(iri, ()) if one.get("d") is None), {})
                    table.values[iri][places[num]] = kept.get("v")
                    table.grades[iri][places[num]] = Grade(kept.get("g", 0)) if "v" in kept else None
