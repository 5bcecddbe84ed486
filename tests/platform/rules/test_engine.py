"""The engine against a slow oracle: rules asked one by one, of a plain list of readings, whatever way these come in."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from rules_world import NOTE, PM, TYPE, rule

from dothi.platform.rules.engine import Engine, Found
from dothi.platform.rules.hours import CityHours
from dothi.platform.rules.model import Change, Compare, Rule, Schedule, Silence, Term, Where, Window
from dothi.platform.rules.told import Told

MINUTE = 60_000_000
START = int(datetime(2026, 5, 11, tzinfo=UTC).timestamp()) * 1_000_000
NO2 = "https://example.org/no2"
ENTITIES = (1, 2, 3)
WARDS = {1: "00000", 2: "00000", 3: "00001"}


# The oracle


@dataclass
class Slow:
    """One rule and one entity."""

    rule: Rule
    works: Sequence[tuple[int, int]]
    readings: dict[str, list[tuple[int, Any]]] = field(default_factory=dict)  # good ones, by attribute
    heard: dict[str, int] = field(default_factory=dict)
    values: dict[Term, Any] = field(default_factory=dict)
    hours: dict[Term, bool] = field(default_factory=dict)
    phase: str = "rest"
    since: int = 0
    steps: list[tuple[bool, int, int]] = field(default_factory=list)

    def free(self, at: int) -> int:
        while any(start <= at < until for start, until in self.works):
            at = max(until for start, until in self.works if start <= at < until)
        return at

    def advance(self, now: int) -> None:
        due = self.free(self.since + round(self.rule.for_minutes * MINUTE))
        over = self.since + round(self.rule.clear_minutes * MINUTE)
        if self.phase == "pending" and now >= due:
            self.steps.append((True, self.since, due))
            self.phase = "firing"
        elif self.phase == "clearing" and now >= over:
            self.steps.append((False, self.since, over))
            self.phase = "rest"

    def judge(self, now: int) -> None:
        self.advance(now)
        holds, stays = self.holds(False), self.holds(True)
        at = now if self.phase == "rest" else max(now, self.since)
        if self.phase == "rest" and holds:
            terms = list(self.rule.terms())
            if len(terms) == 1 and isinstance(terms[0], Silence) and not terms[0].negated:
                at = min(at, self.last_heard(terms[0]) + round(terms[0].minutes * MINUTE))
            self.phase, self.since = "pending", at
        elif self.phase == "pending" and not holds:
            self.phase = "rest"
        elif self.phase == "firing" and not stays:
            self.phase, self.since = "clearing", at
        elif self.phase == "clearing" and stays:
            self.phase = "firing"
        self.advance(now)

    def holds(self, going: bool) -> bool:
        return any(all(self.term(term, going) for term in terms) for terms in self.rule.any_of)

    def term(self, term: Term, going: bool) -> bool:
        if isinstance(term, Schedule):
            return self.hours[term]
        value = self.values.get(term)
        if value is None:
            return False
        if isinstance(term, Silence):
            return (value >= round(term.minutes * MINUTE)) != term.negated
        limit = term.clear if going and term.clear is not None else term.value
        limit = {True: "true", False: "false"}[limit] if isinstance(limit, bool) else limit
        told = {
            "contains": lambda: limit.lower() in value.lower(),
            "begins": lambda: value.lower().startswith(limit.lower()),
            "in": lambda: value in limit,
            ">": lambda: value > limit,
            ">=": lambda: value >= limit,
            "<": lambda: value < limit,
            "<=": lambda: value <= limit,
            "=": lambda: value == limit,
            "!=": lambda: value != limit,
        }
        return told[term.op]() != term.negated

    def last_heard(self, term: Silence) -> int:
        return max(at for attribute, at in self.heard.items() if term.attribute in ("", attribute))

    def measure(self, term: Term, now: int) -> None:
        if isinstance(term, Schedule | Silence):
            return
        told = self.readings.get(term.attribute, [])
        if isinstance(term, Compare):
            beside = self.readings.get(term.than, [])
            self.values[term] = told[-1][1] if told else None
            if term.than:
                self.values[term] = told[-1][1] - beside[-1][1] if told and beside else None
            return
        inside = [value for at, value in told if now - round(term.minutes * MINUTE) < at <= now]
        if isinstance(term, Change):
            self.values[term] = inside[-1] - inside[0] if len(inside) > 1 else None
            return
        figures = {"count": len, "sum": sum, "mean": lambda those: sum(those) / len(those), "min": min, "max": max}
        known = len(inside) >= term.least or (term.statistic in ("count", "sum") and term.least == 1)
        if term.spans:
            oldest = min((at for at, _ in told if now - round(term.minutes * MINUTE) < at <= now), default=now)
            known = known and now - oldest >= term.spans * term.minutes * MINUTE
        self.values[term] = figures[term.statistic](inside) if known and told else None

    def silences(self) -> list[Silence]:
        return [term for term in self.rule.terms() if isinstance(term, Silence)]

    def hears(self, term: Silence) -> bool:
        return any(term.attribute in ("", one) for one in self.heard)

    def read(self, at: int, told: dict[str, tuple[Any, bool]]) -> None:
        """What was observed at one moment: value and whether it is good, by attribute."""
        told = {attribute: said for attribute, said in told.items() if at >= self.heard.get(attribute, 0)}
        if not told:
            return
        ends = [
            term
            for term in self.silences()
            if (term.attribute == "" or term.attribute in told) and not (self.hears(term) and at <= self.last_heard(term))
        ]
        for term in ends:  # it was silent until now
            if self.hears(term):
                self.values[term] = at - self.last_heard(term)
        self.judge_anew(at)
        for attribute, (value, good) in told.items():
            self.heard[attribute] = at
            if good:
                kept = self.readings.setdefault(attribute, [])
                if kept and kept[-1][0] == at:
                    kept.pop()
                kept.append((at, value))
        self.values |= dict.fromkeys(ends, 0)
        for term in self.rule.terms():
            looked_at = {term.attribute, term.than} if isinstance(term, Compare) else {getattr(term, "attribute", "")}
            if not isinstance(term, Schedule | Silence) and any(
                attribute in looked_at and good for attribute, (_, good) in told.items()
            ):
                self.measure(term, at)
        self.judge_anew(at)

    def judge_anew(self, at: int) -> None:
        for term in self.rule.terms():
            if isinstance(term, Schedule) and term not in self.hours:
                self.look_at_hours(term, at)
        self.judge(at)

    def look_at_hours(self, term: Schedule, now: int) -> None:
        local = datetime.fromtimestamp(now / 1e6, UTC) + timedelta(hours=7)
        minute = local.hour * 60 + local.minute
        began = {(local.weekday(), minute), ((local.weekday() - 1) % 7, minute + 1_440)}
        start, end = SUN.get(term.start_by, 0) + term.start, SUN.get(term.end_by, 0) + term.end
        end = end if end > start else end + 1_440
        self.hours[term] = any(day in term.days and start <= one < end for day, one in began) != term.negated

    def tick(self, now: int) -> None:
        self.values |= {term: now - self.last_heard(term) for term in self.silences() if self.hears(term)}
        for term in self.rule.terms():
            if isinstance(term, Schedule):
                self.look_at_hours(term, now)
            elif isinstance(term, Window | Change):
                self.measure(term, now)
        self.judge(now)


# What may happen

attributes = st.sampled_from([PM, NO2])
numbers = st.integers(0, 5).map(float)
several = st.sampled_from([120, 150, 240])
ops = st.sampled_from([">", ">=", "<", "<=", "=", "!="])


@st.composite
def clearing(draw: st.DrawFn, kind: Any, **more: Any) -> Term:
    op, value = draw(ops), draw(numbers)
    clear, negated = None, draw(st.booleans())
    if not negated and op[0] in "<>" and draw(st.booleans()):
        clear = value + draw(st.integers(0, 2)) * (1 if op[0] == "<" else -1)
    said = {name: draw(one) for name, one in more.items()}
    term: Term = kind(attribute=draw(attributes), op=op, value=value, clear=clear, negated=negated, **said)
    return term


suns = st.builds(
    Schedule,
    start=st.sampled_from([-120, 30]),
    end=st.sampled_from([-60, 90]),
    start_by=st.sampled_from(["sunrise", "sunset"]),
    end_by=st.sampled_from(["sunrise", "sunset"]),
    negated=st.booleans(),
)
schedules = suns | st.builds(
    Schedule,
    days=st.sets(st.integers(0, 6), min_size=1).map(lambda days: tuple(sorted(days))),
    start=st.sampled_from([0, 420, 540, 1_380]),
    end=st.sampled_from([60, 480, 600, 1_440]),
    negated=st.booleans(),
)
texts = st.sampled_from(["hỏng", "Hỏng nặng", "HỎNG", "ướt", "", "true", "false"])
asked = st.one_of(
    st.tuples(st.sampled_from(["=", "!="]), texts | st.booleans()),
    st.tuples(st.sampled_from(["contains", "begins"]), st.sampled_from(["hỏng", "nặng", "Ư"])),
    st.tuples(st.just("in"), st.lists(texts, min_size=1, max_size=3).map(tuple)),
)
told_texts = st.builds(
    lambda how, negated: Compare(attribute=NOTE, op=how[0], value=how[1], negated=negated), asked, st.booleans()
)


@st.composite
def beside(draw: st.DrawFn) -> Term:
    """One attribute compared with the other."""
    term = draw(clearing(Compare))
    assert isinstance(term, Compare)
    return msgspec.structs.replace(term, than=NO2 if term.attribute == PM else PM)


terms = st.one_of(
    clearing(Compare),
    clearing(Compare),
    beside(),
    told_texts,
    clearing(Change, minutes=several),
    clearing(
        Window,
        minutes=several,
        least=st.integers(1, 3),
        spans=st.sampled_from([0.0, 0.0, 0.5]),
        statistic=st.sampled_from(["mean", "min", "max", "sum", "count"]),
    ),
    st.builds(Silence, minutes=st.sampled_from([5, 20, 60]), attribute=st.sampled_from(["", PM]), negated=st.booleans()),
)
measured = st.lists(terms, min_size=1, max_size=2)
alone = terms.map(lambda term: ((term,),))
conditions = alone | st.lists(
    st.builds(lambda some, hours: tuple(some + hours), measured, st.lists(schedules, max_size=1)), min_size=1, max_size=2
).map(tuple)
rules = st.builds(
    lambda any_of, lasting, over, where: rule(any_of=any_of, for_minutes=lasting, clear_minutes=over, where=where),
    conditions,
    st.sampled_from([0, 0, 10, 30]),
    st.sampled_from([0, 0, 15]),
    st.sampled_from([Where(), Where(), Where(wards=("00000",)), Where(entities=("2",))]),
)
moments = st.integers(0, 40).map(lambda tens: 10 * tens)  # few moments, so that some are told of twice
grades = st.sampled_from([True, True, True, False])


def number_of(*entities: int) -> st.SearchStrategy[Any]:
    some = st.one_of(numbers, numbers.map(lambda value: value / 4))
    return st.tuples(st.sampled_from(entities), st.sampled_from([PM, PM, NO2]), moments, some, grades)


def text_of(*entities: int) -> st.SearchStrategy[Any]:
    return st.tuples(st.sampled_from(entities), st.just(NOTE), moments, texts, grades)


readings = number_of(*ENTITIES) | number_of(*ENTITIES) | text_of(*ENTITIES)
batches = st.lists(st.tuples(st.lists(readings, max_size=8), st.integers(0, 60)), min_size=1, max_size=6)
works = st.lists(st.tuples(st.integers(0, 300), st.integers(1, 100)), max_size=2)


def told(engine: Engine, batch: Sequence[tuple[int, str, int, float | str, bool]]) -> Told:
    wanted = [(*one, column) for one in batch if (column := engine.column(TYPE, one[1])) is not None]

    def column(values: Any, kind: Any) -> Any:
        return np.array(list(values), kind)

    return Told(
        column((one[0] for one in wanted), np.int64),
        column((one[5] for one in wanted), np.int64),
        column((START + one[2] * MINUTE for one in wanted), np.int64),
        column((float("nan") if isinstance(one[3], str) else one[3] for one in wanted), np.float64),
        column((one[4] for one in wanted), np.bool_),
        [one[3] if isinstance(one[3], str) else None for one in wanted],
    )


def by_cell(found: Sequence[Found]) -> dict[tuple[int, int | str], list[tuple[bool, int, int]]]:
    listed: dict[tuple[int, int | str], list[tuple[bool, int, int]]] = {}
    for one in found:
        listed.setdefault((one.rule, one.subject), []).append((one.fired, one.since, one.at))
    return listed


def engine_of(*watched: Rule, works: Sequence[tuple[int, int]] = ()) -> Engine:
    slow = Slow(watched[0], works)
    engine = Engine(watched, HOURS, lambda name: int(name), lambda _entity, _ward, at: slow.free(at))
    engine.ward.update(WARDS)
    return engine


HOURS = CityHours(ZoneInfo("Asia/Ho_Chi_Minh"), 105.85, 21.0)
SUN = {"sunrise": 5 * 60 + 20, "sunset": 18 * 60 + 25}  # of Hanoi on these days of May, as almanacs have it


@settings(max_examples=60)
@given(st.lists(rules, min_size=1, max_size=4), batches, works)
def test_the_engine_finds_what_the_oracle_finds(
    watched: list[Rule], events: list[tuple[list[Any], int]], works: list[tuple[int, int]]
) -> None:
    compare(watched, events, works)


@settings(max_examples=60)
@given(
    st.lists(st.one_of(told_texts, beside()).map(lambda term: rule(any_of=((term,),))), min_size=3, max_size=6),
    st.lists(
        st.tuples(st.lists(st.one_of(number_of(1), text_of(1), number_of(1)), min_size=3, max_size=9), st.just(1)),
        min_size=2,
        max_size=4,
    ),
)
def test_texts_and_attributes_beside_each_other_are_compared_as_the_oracle_does(
    watched: list[Rule], events: list[tuple[list[Any], int]]
) -> None:
    compare(watched, events, ())


def compare(watched: Sequence[Rule], events: list[tuple[list[Any], int]], works: Sequence[tuple[int, int]]) -> None:
    pauses = [(START + first * MINUTE, START + (first + length) * MINUTE) for first, length in works]
    engine = engine_of(*watched, works=pauses)
    slow = {(place, one): Slow(of, pauses) for place, of in enumerate(watched) for one in ENTITIES if _of(of, one)}
    found = engine.tick(START)
    for oracle in slow.values():
        oracle.tick(START)
    now = START
    for batch, minutes in events:
        found += engine.judge(told(engine, batch))
        for (_, entity), oracle in slow.items():
            moments: dict[int, dict[str, tuple[Any, bool]]] = {}
            before = dict(oracle.heard)
            for who, attribute, at, value, good in batch:
                if who == entity and START + at * MINUTE >= before.get(attribute, 0):
                    moments.setdefault(START + at * MINUTE, {})[attribute] = (value, good)
            for at in sorted(moments):
                oracle.read(at, moments[at])
        # Nobody reads tomorrow's readings: the clock is never behind them.
        now = max([now, *(START + at * MINUTE for _, _, at, _, _ in batch)]) + minutes * MINUTE
        found += engine.tick(now)
        for oracle in slow.values():
            oracle.tick(now)
    assert by_cell(found) == {cell: oracle.steps for cell, oracle in slow.items() if oracle.steps}


def _of(of: Rule, entity: int) -> bool:
    if of.where.entities:
        return str(entity) in of.where.entities
    return not of.where.wards or WARDS[entity] in of.where.wards
