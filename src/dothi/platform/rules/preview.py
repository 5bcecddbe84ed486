"""What a rule would have done: the same engine over the readings of the last days, without a trace."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from dothi.access.policy import Person, reach
from dothi.data.classified import Classified
from dothi.data.subjects import Subject, subjects
from dothi.model.clock import MICROSECONDS, from_micros, to_micros
from dothi.model.reading import Grade
from dothi.platform.rules import store
from dothi.platform.rules.engine import Engine, Found
from dothi.platform.rules.features import micros
from dothi.platform.rules.hearing import text_of
from dothi.platform.rules.hours import CityHours
from dothi.platform.rules.model import Ahead, Compare, Rule, Schedule, Silence, check
from dothi.platform.rules.told import Told
from dothi.platform.rules.works import Works

if TYPE_CHECKING:
    import polars as pl

    from dothi.platform.platform import Platform

DAYS = 30
MOST = 1_500_000
"""Readings that are looked at; where there are more, a shorter time is."""
_SHORTER = (DAYS, 7, 1)
_TICK = 300 * MICROSECONDS
_DAY = 24 * 3_600 * MICROSECONDS


@dataclass(frozen=True, slots=True)
class Stretch:
    """The rule would have fired for ``subject`` (an entity's URN, or a ward's code) at ``fired_at``; aware UTC.

    ``ended_at`` None goes on. ``value`` was measured when it fired; ``severity`` is what it grew to.
    """

    subject: str
    ward: str | None
    began_at: datetime
    fired_at: datetime
    ended_at: datetime | None
    value: float | None
    severity: int


@dataclass(frozen=True, slots=True)
class Preview:
    """What a rule would have done between two moments (aware UTC), the newest first.

    ``readings`` were looked at. ``unforeseen``: it looks ahead, and that was not tried.
    """

    since: datetime
    until: datetime
    stretches: tuple[Stretch, ...]
    readings: int
    unforeseen: bool


def preview(platform: "Platform", asker: Person, rule: Rule) -> Preview:
    """Try ``rule`` on what ``asker`` may know of the past. Takes a second or two. Raises Problem 400 for what is no rule."""
    check(rule, platform.types)
    until = platform.clock.now()
    for days in _SHORTER:
        found = _Trial(platform, asker, rule, until - timedelta(days=days), until).run(last=days == _SHORTER[-1])
        if found is not None:
            return found
    raise AssertionError("the shortest time is always tried")


class _Trial:
    def __init__(self, platform: "Platform", asker: Person, rule: Rule, since: datetime, until: datetime) -> None:
        self._platform, self._asker, self._rule = platform, asker, rule
        self._since, self._until = since, until
        index = platform.writer.index
        reached = reach(asker, "history.read")
        with platform.database.reader() as db:
            works = Works(store.maintenance(db, to_micros(since)), index.number_of)
            kept: list[Subject] = []
            if reached is not None:
                kept = subjects(db, reached, Classified(platform.types.values()), type=rule.entity_type)
        self._steps = rule.steps
        self._engine = Engine(self._steps, CityHours.of(platform.city), index.number_of, works.free)
        self._engine.ward.update((one.num, one.ward) for one in kept)
        self._readings = 0

    def run(self, *, last: bool) -> Preview | None:
        """What it would have done; None if there is too much to look at, unless it is the ``last`` try."""
        found: list[Found] = []
        at, until = to_micros(self._since), to_micros(self._until)
        for frame in self._days():
            self._readings += len(frame)
            if self._readings > MOST and not last:
                return None
            moments = frame["observed_at"].to_numpy()
            found += self._quiet_until(at, int(moments[0]))
            at = max(at, int(moments[0]) // _TICK * _TICK)
            edges = np.arange(at, int(moments[-1]) + _TICK, _TICK)
            for start, end in zip(edges, np.searchsorted(moments, edges + _TICK), strict=True):
                first = int(np.searchsorted(moments, start))
                if first < end:
                    found += self._engine.judge(self._told(frame[first : int(end)]))
                found += self._engine.tick(min(int(start) + _TICK, until))
            at = int(edges[-1]) + _TICK
        found += self._quiet_until(at, until)
        found += self._engine.tick(until)
        return self._summed(found)

    def _quiet_until(self, at: int, until: int) -> list[Found]:
        found: list[Found] = []
        for moment in range(at + _TICK, until, _TICK):
            found += self._engine.tick(moment)
        return found

    def _days(self) -> "Iterator[pl.DataFrame]":
        """Readings by the day, each day in the order of time."""
        import polars as pl

        terms = list(self._rule.terms())
        everything = any(isinstance(term, Silence) and not term.attribute for term in terms)
        iris = {term.attribute for term in terms if not isinstance(term, Schedule | Ahead)}
        iris |= {term.than for term in terms if isinstance(term, Compare) and term.than}
        longest = max((micros(getattr(term, "minutes", 0.0)) for term in terms), default=0)
        pieces = self._platform.history.rows(
            self._asker,
            self._since - timedelta(microseconds=longest),
            self._until,
            type=self._rule.entity_type,
            attributes=None if everything else sorted(iris),
        )
        day: int | None = None
        held: list[pl.DataFrame] = []
        columns = ("entity", "attribute", "observed_at", "number", "other", "grade")
        for piece in pieces:
            rows = piece.filter(pl.col("dataset").is_null()).select(columns)
            if not len(rows):
                continue
            of = int(rows["observed_at"][0]) // _DAY
            if of != day and held:
                yield pl.concat(held).sort("observed_at", maintain_order=True)
                held = []
            day = of
            held.append(rows)
        if held:
            yield pl.concat(held).sort("observed_at", maintain_order=True)

    def _told(self, rows: "pl.DataFrame") -> Told:
        number_of, kind = self._platform.writer.index.number_of, self._rule.entity_type
        numbers = {urn: number_of(urn) for urn in rows["entity"].unique()}
        columns = {iri: self._engine.column(kind, iri) for iri in rows["attribute"].unique()}

        def mapped(name: str, into: dict[str, int | None]) -> Any:
            return np.array([-1 if (found := into[key]) is None else found for key in rows[name]], np.int64)

        told = Told(
            mapped("entity", numbers),
            mapped("attribute", columns),
            rows["observed_at"].to_numpy().astype(np.int64),
            rows["number"].to_numpy().astype(np.float64),
            rows["grade"].to_numpy() < int(Grade.BAD),
            [text_of(one) for one in rows["other"]] if rows["other"].null_count() < len(rows) else None,
        )
        wanted = np.flatnonzero((told.entity >= 0) & (told.column >= 0))
        return told if len(wanted) == len(told.at) else told.take(wanted)

    def _summed(self, found: list[Found]) -> Preview:
        began = to_micros(self._since)
        going: dict[int | str, Found] = {}
        grave: dict[int | str, int] = {}
        told: list[tuple[Found, Found | None, int]] = []
        for one in found:
            if one.rule:
                if one.fired and one.subject in going:
                    grave[one.subject] = max(grave[one.subject], self._steps[one.rule].severity)
            elif one.fired:
                going[one.subject], grave[one.subject] = one, self._rule.severity
            elif (fired := going.pop(one.subject, None)) is not None:
                told.append((fired, one, grave[one.subject]))
        told += ((one, None, grave[one.subject]) for one in going.values())
        stretches = [self._stretch(*one) for one in told if one[1] is None or one[1].at >= began]
        stretches.sort(key=lambda one: one.fired_at, reverse=True)
        unforeseen = any(isinstance(term, Ahead) for term in self._rule.terms())
        return Preview(self._since, self._until, tuple(stretches), self._readings, unforeseen)

    def _stretch(self, fired: Found, ended: Found | None, severity: int) -> Stretch:
        over = None if ended is None else from_micros(ended.since)
        if isinstance(fired.subject, str):
            of_ward: str | None = fired.subject
            subject = fired.subject
        else:
            subject = self._platform.writer.index.urn(fired.subject)
            of_ward = self._engine.ward.get(fired.subject)
        return Stretch(subject, of_ward, from_micros(fired.since), from_micros(fired.at), over, fired.value, severity)
