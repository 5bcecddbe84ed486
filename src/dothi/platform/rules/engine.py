"""The engine: rules compiled once, readings judged by whole columns, only what changed looked at one by one. Pure.

What it knows of an entity is its number (``SeriesIndex``), type and ward. Readings of one series are judged in the order in
which they were observed; one that is older than what was judged is too late and changes nothing. Of values graded bad only
that they came is known. Windows empty, hours begin and silence is noticed when the clock is looked at (``tick``).
"""

import heapq
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from dothi.data.batch import FloatArray, IntArray
from dothi.platform.rules.compiled import Bound, Compiled, compiled
from dothi.platform.rules.features import (
    UNKNOWN,
    Feature,
    FeatureKey,
    features_of,
    micros,
)
from dothi.platform.rules.hours import CityHours
from dothi.platform.rules.model import Rule, Term
from dothi.platform.rules.state import Cell, Phase, advance, judge
from dothi.platform.rules.told import EARLIEST, Told, fitted, rounds

_SHIFT = 32
_ENTITY = (1 << _SHIFT) - 1
Maintained = Callable[[int | None, str | None, int], int]
"""Asked with an entity's number (None: none), a ward and a moment (µs), tells from when on it is not being worked on."""


class Found(NamedTuple):
    """A rule (its place among the engine's) fired for a subject, an entity's number or a ward's code, or ended.

    ``since`` is when the condition began to hold, or ceased to, ``at`` when that had lasted long enough (µs). ``value`` and
    ``term`` say what was measured and which term of the rule compares it, where one does; ``limit`` is the term's threshold
    for this subject, if it is a number.
    """

    rule: int
    subject: int | str
    fired: bool
    since: int
    at: int
    value: float | None = None
    term: Term | None = None
    limit: float | None = None


class Engine:
    """Watches ``rules``, one thread at a time. ``hours`` are the city's; ``number_of`` gives an entity's number by URN. The
    steps of a rule (``Rule.steps``) come after it: what is due of any of them happens before one of them is judged anew.

    ``touched`` collects the cells that changed, as (rule, subject), until whoever keeps them empties it.
    """

    def __init__(
        self,
        rules: Sequence[Rule],
        hours: CityHours,
        number_of: Callable[[str], int | None],
        maintained: Maintained = lambda _entity, _ward, at: at,
    ) -> None:
        self._hours, self._maintained = hours, maintained
        self.ward: dict[int, str | None] = {}
        self.touched: set[tuple[int, int | str]] = set()
        self._features = features_of(rules)
        self._rules = [compiled(place, rule, self._features, number_of) for place, rule in enumerate(rules)]
        for feature in self._features.values():
            feature.seal(len(self._rules))
        self._families = _families(rules)
        self._simple = np.array([one.simple for one in self._rules], np.bool_)
        self._columns: dict[tuple[str, str], int] = {}
        self._last: list[IntArray] = []
        self._of_column: list[list[Feature]] = []
        self._heard: dict[FeatureKey, IntArray] = {}
        self._hears: list[list[FeatureKey]] = []  # by column: the silences that its readings end
        self._watch_columns()
        self._cells: dict[int, Cell] = {}
        self._wards_firing: dict[tuple[int, str], int] = {}
        self._due: list[tuple[int, int]] = []
        self._found: list[Found] = []

    @property
    def rules(self) -> list[Rule]:
        """What it watches."""
        return [one.rule for one in self._rules]

    @property
    def types(self) -> frozenset[str]:
        """The types (IRIs) it watches."""
        return frozenset(one.rule.entity_type for one in self._rules)

    def column(self, kind: str, attribute: str) -> int | None:
        """The number of an attribute (IRI) of a type (IRI) whose readings it wants; None for one it does not want."""
        found = self._columns.get((kind, attribute))
        return found if found is not None else self._columns.get((kind, ""))

    @property
    def windows(self) -> dict[tuple[str, str], int]:
        """How far back (µs) readings of (type, attribute) matter, where more than the newest does."""
        found: dict[tuple[str, str], int] = {}
        for key in self._features:
            if key.kind in ("change", "window"):
                found[key.type, key.attribute] = max(key.length, found.get((key.type, key.attribute), 0))
        return found

    @property
    def ahead(self) -> list[FeatureKey]:
        """What of forecasts it wants: the highest or lowest value (``statistic``) of the next ``length`` hours."""
        return [key for key in self._features if key.kind == "ahead"]

    def cell(self, rule: int, subject: int | str) -> Cell | None:
        """How far a rule is with an entity or a ward; None where it is at rest."""
        if isinstance(subject, str):
            since = self._wards_firing.get((rule, subject))
            return None if since is None else Cell(Phase.FIRING, since)
        return self._cells.get(rule << _SHIFT | subject)

    # What was kept

    def prime(self, told: Told) -> None:
        """Readings of before, oldest first: they fill the windows and raise nothing."""
        rings = {id(feature.ring): feature for feature in self._windowed()}.values()
        for rows in rounds(told):
            for feature in rings:
                column = self._columns[feature.key.type, feature.key.attribute]
                mine = rows.take(np.flatnonzero(rows.good & (rows.column == column) & ~np.isnan(rows.number)))
                if feature.ring is not None and len(mine.at):
                    feature.ring.add(mine.entity, mine.at, mine.number)

    def restore(self, rule: int, subject: int | str, cell: Cell) -> None:
        """Where a rule stood with a subject."""
        if isinstance(subject, str):
            self._wards_firing[rule, subject] = cell.since
            return
        self._put(rule << _SHIFT | subject, cell)
        one = self._rules[rule]
        ward = self.ward.get(subject)
        if one.rule.needs is not None and ward is not None and cell.phase is not Phase.PENDING:
            one.members.setdefault(ward, {})[subject] = None

    def resume(self, now: int) -> list[Found]:
        """After ``restore`` and the newest readings: every kept cell is judged again by what is known at ``now`` (µs)."""
        for key in list(self._cells):
            self._consider(key, now)
        self.touched.update((rule, ward) for rule, ward in self._wards_firing)
        return self.tick(now)

    # What happens

    def judge(self, told: Told) -> list[Found]:
        """Readings that were committed; what they set off, in order."""
        fresh = np.flatnonzero(told.at >= self._last_of(told))
        for rows in rounds(told if len(fresh) == len(told.at) else told.take(fresh)):
            self._round(rows)
        return self._take()

    def foreseen(self, key: FeatureKey) -> list[int]:
        """The entities (numbers) of which a forecast was told."""
        return [int(one) for one in self._features[key].known]

    def foresee(self, key: FeatureKey, entities: IntArray, values: FloatArray, now: int) -> list[Found]:
        """What a forecast says of entities (NaN: nothing)."""
        feature = self._features[key]
        pairs: dict[int, int] = {}
        self._move(feature, entities, values, None, np.full(len(entities), now), pairs)
        self._consider_all(pairs)
        return self._take()

    def tick(self, now: int) -> list[Found]:
        """The city's clock shows ``now`` (µs): silence, windows that empty, hours that begin and end, what was due."""
        pairs: dict[int, int] = {}
        for key, heard in self._heard.items():
            entities = np.flatnonzero(heard != EARLIEST)
            gaps = (now - heard[entities]).astype(np.float64)
            self._move(self._features[key], entities, gaps, None, np.full(len(entities), now), pairs)
        for feature in self._windowed():
            if feature.ring is not None and len(entities := feature.ring.entities):
                moments = np.full(len(entities), now)
                self._move(feature, entities, _figure(feature, entities, moments), None, moments, pairs)
        for place, one in enumerate(self._rules):
            if one.hours:
                inside = tuple(self._hours.hold(hours, now) for hours in one.hours)
                if inside != one.in_hours:
                    one.in_hours = inside
                    pairs.update((place << _SHIFT | entity, now) for entity in one.known())
        self._consider_all(pairs)
        self._advance_due(now)
        for place, one in enumerate(self._rules):
            for ward in list(one.members):
                self._count(place, one, ward, now)
        return self._take()

    # How

    def _watch_columns(self) -> None:
        for key, feature in self._features.items():
            if key.kind == "ahead":
                continue
            for attribute in (key.attribute, key.beside) if key.kind == "margin" else (key.attribute,):
                column = self._columns.setdefault((key.type, attribute), len(self._columns))
                if column == len(self._of_column):
                    self._of_column.append([])
                    self._last.append(np.full(1024, EARLIEST, np.int64))
                if key.kind == "silence":
                    self._heard[key] = np.full(1024, EARLIEST, np.int64)
                else:
                    self._of_column[column].append(feature)
        for kind, attribute in self._columns:
            keys = (FeatureKey("silence", kind, one) for one in dict.fromkeys((attribute, "")))
            self._hears.append([key for key in keys if key in self._heard])

    def _windowed(self) -> list[Feature]:
        return [feature for feature in self._features.values() if feature.ring is not None]

    def _last_of(self, told: Told) -> IntArray:
        """When each row's series was judged last."""
        found = np.full(len(told.at), EARLIEST, np.int64)
        highest = int(told.entity.max(initial=0))
        for column in np.unique(told.column).tolist():
            self._last[column] = fitted(self._last[column], highest)
            rows = np.flatnonzero(told.column == column)
            found[rows] = self._last[column][told.entity[rows]]
        return found

    def _round(self, told: Told) -> None:
        """Readings of different entities, or of one at one moment."""
        before: dict[int, int] = {}
        after: dict[int, int] = {}
        parts = [(column, told.take(np.flatnonzero(told.column == column))) for column in np.unique(told.column).tolist()]
        # It was silent until now: that is judged first, with everything else as it was.
        for column, part in parts:
            for key in self._hears[column]:
                heard = self._heard[key] = fitted(self._heard[key], int(part.entity.max()))
                last = heard[part.entity]
                known = np.flatnonzero((last != EARLIEST) & (part.at > last))
                gaps = (part.at[known] - heard[part.entity[known]]).astype(np.float64)
                self._move(self._features[key], part.entity[known], gaps, None, part.at[known], before)
        self._consider_all(before)
        for column, part in parts:
            for key in self._hears[column]:
                heard = self._heard[key]
                newer = np.flatnonzero(part.at > heard[part.entity])
                entities, at = part.entity[newer], part.at[newer]
                heard[entities] = at
                self._move(self._features[key], entities, np.zeros(len(at)), None, at, after)
            self._last[column][part.entity] = part.at
            good = part if part.good.all() else part.take(np.flatnonzero(part.good))
            if len(good.at):
                self._measure(column, good, after)
        self._consider_all(after)

    def _measure(self, column: int, told: Told, pairs: dict[int, int]) -> None:
        filled = set[int]()
        for feature in self._of_column[column]:
            key = feature.key
            if key.kind == "text":
                self._move(feature, told.entity, feature.asked(told.text, len(told.at)), None, told.at, pairs)
                continue
            if key.kind == "margin":
                over = column == self._columns[key.type, key.beside]
                self._move(feature, told.entity, feature.margin(told.entity, told.number, over=over), None, told.at, pairs)
                continue
            if feature.ring is None:
                self._move(feature, told.entity, told.number, told.text if feature.texts else None, told.at, pairs)
                continue
            if id(feature.ring) not in filled:
                filled.add(id(feature.ring))
                numbers = ~np.isnan(told.number)
                feature.ring.add(told.entity[numbers], told.at[numbers], told.number[numbers])
            known = np.flatnonzero(~np.isnan(told.number))
            entities, at = told.entity[known], told.at[known]
            self._move(feature, entities, _figure(feature, entities, at), None, at, pairs)

    def _move(
        self,
        feature: Feature,
        entities: IntArray,
        values: FloatArray,
        texts: Sequence[str | None] | None,
        at: IntArray,
        pairs: dict[int, int],
    ) -> None:
        """New values of entities; what has to be judged for it goes to ``pairs``."""
        places = feature.places_of(values) if texts is None else feature.places_of_texts(texts)
        rows, rules = feature.move(entities, places, values)
        if not len(rows):
            return
        may = np.ones(len(rows), np.bool_)
        simple = np.flatnonzero(self._simple[rules])
        if len(simple):
            low, high, turned = feature.bounds(rules[simple])
            place = places[rows[simple]]
            may[simple] = (((place >= low) & (place <= high)) != turned) & (place != UNKNOWN)
        keys, cells = (rules << _SHIFT | entities[rows]).tolist(), self._cells
        told = zip(keys, may.tolist(), at[rows].tolist(), strict=True)
        pairs.update((key, moment) for key, holds, moment in told if holds or key in cells)

    def _consider_all(self, pairs: dict[int, int]) -> None:
        for key, at in sorted(pairs.items(), key=_by_moment):
            self._consider(key, at)

    def _consider(self, key: int, at: int) -> None:
        """Judge a rule for an entity at ``at``, after what was due before."""
        place, entity = key >> _SHIFT, key & _ENTITY
        one = self._rules[place]
        if not one.concerns(entity, self.ward.get(entity)):
            return
        for other in self._families.get(place, ()):
            self._come_due(other, entity, at)
        cell = self._advance(key, one, entity, self._cells.get(key), at)
        holds = self._holds(one, entity, at, False)
        going = holds or (one.clears_apart and self._holds(one, entity, at, True))
        since = at
        if holds and one.alone is not None:
            since = self._silent_since(one, entity, at)
        judged = judge(cell, since if cell is None else max(at, cell.since), holds, going)
        self._put(key, self._advance(key, one, entity, judged, at))

    def _come_due(self, place: int, entity: int, at: int) -> None:
        key = place << _SHIFT | entity
        cell = self._cells.get(key)
        if cell is not None:
            self._put(key, self._advance(key, self._rules[place], entity, cell, at))

    def _advance(self, key: int, one: Compiled, entity: int, cell: Cell | None, now: int) -> Cell | None:
        ward = self.ward.get(entity)
        moved, step = advance(cell, now, one.lasting, one.clearing, lambda at: self._maintained(entity, ward, at))
        if step is not None:
            place = key >> _SHIFT
            self.touched.add((place, entity))
            if one.rule.needs is None:
                measured = one.measured(entity) if step.fired else ()
                self._found.append(Found(place, entity, step.fired, step.since, step.at, *measured))
            elif ward is not None:
                one.members.setdefault(ward, {})[entity] = None if step.fired else step.since
                self._count(place, one, ward, step.at)
        return moved

    def _advance_due(self, now: int) -> None:
        waiting = []
        while self._due and self._due[0][0] <= now:
            _, key = heapq.heappop(self._due)
            cell = self._cells.get(key)
            if cell is None or cell.phase is Phase.FIRING:
                continue
            one = self._rules[key >> _SHIFT]
            self._put(key, self._advance(key, one, key & _ENTITY, cell, now))
            if self._cells.get(key) is cell:
                waiting.append((max(now + 1, self._due_at(one, cell)), key))  # it is being worked on
        for entry in waiting:
            heapq.heappush(self._due, entry)

    def _put(self, key: int, cell: Cell | None) -> None:
        if cell is self._cells.get(key):
            return
        self.touched.add((key >> _SHIFT, key & _ENTITY))
        if cell is None:
            del self._cells[key]
            return
        self._cells[key] = cell
        if cell.phase is not Phase.FIRING:
            heapq.heappush(self._due, (self._due_at(self._rules[key >> _SHIFT], cell), key))

    def _due_at(self, one: Compiled, cell: Cell) -> int:
        return cell.since + (one.lasting if cell.phase is Phase.PENDING else one.clearing)

    def _count(self, place: int, one: Compiled, ward: str, now: int) -> None:
        """Are there enough entities of a ward?"""
        needs = one.rule.needs
        if needs is None:
            return
        members = one.members.get(ward, {})
        past = now - micros(needs.minutes)
        for entity in [entity for entity, left in members.items() if left is not None and left <= past]:
            del members[entity]
        if not members:
            one.members.pop(ward, None)
        enough, firing = len(members) >= needs.count, (place, ward) in self._wards_firing
        if enough == firing or (enough and self._maintained(None, ward, now) > now):
            return
        if enough:
            self._wards_firing[place, ward] = now
        else:
            del self._wards_firing[place, ward]
        self.touched.add((place, ward))
        self._found.append(Found(place, ward, enough, now, now, float(len(members)) if enough else None))

    def _holds(self, one: Compiled, entity: int, at: int, going: bool) -> bool:
        return any(all(self._is(one, bound, entity, at, going) for bound in terms) for terms in one.any_of)

    def _is(self, one: Compiled, bound: Bound, entity: int, at: int, going: bool) -> bool:
        if bound.compiled is not None:
            return bound.compiled.holds(entity, going)
        if one.in_hours is None:
            one.in_hours = tuple(self._hours.hold(hours, at) for hours in one.hours)
        return one.in_hours[bound.hours]

    def _silent_since(self, one: Compiled, entity: int, at: int) -> int:
        silence = one.alone
        if silence is None:
            return at
        heard = int(self._heard[FeatureKey("silence", one.rule.entity_type, silence.attribute)][entity])
        return min(at, heard + micros(silence.minutes))

    def _take(self) -> list[Found]:
        found, self._found = self._found, []
        return found


def _figure(feature: Feature, entities: IntArray, now: IntArray) -> FloatArray:
    ring, key = feature.ring, feature.key
    if ring is None or not len(entities):
        return np.empty(0)
    if key.kind == "change":
        return ring.change(entities, now)
    return ring.figure(key.statistic, key.least, key.spans, entities, now)


def _families(rules: Sequence[Rule]) -> dict[int, list[int]]:
    """The places of a rule and its steps, by the place of each; of rules that have steps."""
    found: dict[str, list[int]] = {}
    for place, rule in enumerate(rules):
        found.setdefault(rule.id, []).append(place)
    return {place: places for places in found.values() if len(places) > 1 for place in places}


def _by_moment(pair: tuple[int, int]) -> tuple[int, int]:
    return pair[1], pair[0]
