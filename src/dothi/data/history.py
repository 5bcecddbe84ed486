"""What was observed: one series over time, or many by the hour. Every question says who asks."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from dothi.access.policy import Person, reach
from dothi.data.batch import join_value
from dothi.data.trail import DAY, STANDS, TIMES, head_before
from dothi.model.clock import from_micros, to_micros
from dothi.model.reading import Grade, Origin, Reason
from dothi.store.database import Database

HOUR = DAY // 24

_SERIES = (
    "SELECT s.id FROM series s JOIN entity e ON e.num = s.entity WHERE e.id = ? AND e.clearance <= ? "
    "AND s.attribute = (SELECT id FROM name WHERE iri = ?) "
    "AND s.dataset = coalesce((SELECT id FROM name WHERE iri = ?), CASE WHEN ? IS NULL THEN 0 ELSE -1 END)"
)
_ROWS = f"""
WITH RECURSIVE {TIMES}
SELECT r.observed_at, r.number, r.other, r.grade, r.reasons, r.origin, r.revision
FROM times CROSS JOIN reading r ON r.observed_at = times.at AND r.series_id = :series
WHERE {STANDS} ORDER BY r.observed_at DESC LIMIT :limit
"""  # noqa: S608 - constants only
_HOURS = f"""
WITH RECURSIVE {TIMES}
SELECT r.observed_at / {HOUR} * {HOUR}, avg(r.number)
FROM times CROSS JOIN reading r ON r.observed_at = times.at AND r.series_id = :series
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


class History:
    """Recent history of a city. Of each moment the highest revision is read; what was withdrawn is not."""

    def __init__(self, database: Database) -> None:
        self._database = database

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
    ) -> SeriesRows:
        """Readings with ``start`` ≤ observed < ``end``, the newest ``limit`` of them.

        Empty for an entity that is not there or that ``asker`` may not read. Raises ValueError for a naive time.
        """
        first, last = to_micros(start), to_micros(end)
        result = SeriesRows()
        reached = reach(asker, "history.read")
        if reached is None:
            return result
        with self._database.reader() as db:
            found = db.execute(_SERIES, (urn, int(reached), iri, dataset_id, dataset_id)).fetchone()
            if found is None:
                return result
            series = found[0]
            rows = db.execute(
                _ROWS,
                {"head": head_before(db, series, last), "series": series, "start": first, "end": last, "limit": limit + 1},
            ).fetchall()
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
        self, asker: Person, urns: Sequence[str], iri: str, start: datetime, end: datetime
    ) -> dict[str, dict[datetime, float]]:
        """Mean of the numbers in each UTC hour that has any, by entity; the key is the hour's beginning.

        Only ``start`` ≤ observed < ``end``, only the default dataset, without what is graded bad. Entities that are not
        there, that ``asker`` may not read or that have no such series are absent. Raises ValueError for a naive time.
        """
        first, last = to_micros(start), to_micros(end)
        reached = reach(asker, "history.read")
        if reached is None:
            return {}
        query = (
            "SELECT e.id, s.id FROM json_each(?) u CROSS JOIN entity e ON e.id = u.value "
            "CROSS JOIN series s ON s.entity = e.num "
            "WHERE e.clearance <= ? AND s.attribute = (SELECT id FROM name WHERE iri = ?) AND s.dataset = 0"
        )
        result: dict[str, dict[datetime, float]] = {}
        with self._database.reader() as db:
            wanted = msgspec.json.encode(list(urns)).decode()
            for urn, series in db.execute(query, (wanted, int(reached), iri)).fetchall():
                span = {"head": head_before(db, series, last), "series": series, "start": first, "end": last}
                means = {from_micros(hour): mean for hour, mean in db.execute(_HOURS, span)}
                if means:
                    result[urn] = means
        return result
