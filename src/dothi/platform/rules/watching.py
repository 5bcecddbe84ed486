"""The rules of a running city at work: told of every commit and of the passing of time, they keep what they find.

What they found is stored in one transaction with where they stand. Should that fail, or the city be killed, they begin again
from what was stored: every kept cell, the newest value of each series and the readings of their windows.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np

from dothi.access.policy import SYSTEM
from dothi.data.batch import IntArray
from dothi.data.news import Changes
from dothi.data.past import Wanted, recent
from dothi.data.trail import EVER, SKEWED
from dothi.model.clock import MICROSECONDS, to_micros
from dothi.model.reading import Grade
from dothi.platform.rules import store
from dothi.platform.rules.engine import Engine, Found
from dothi.platform.rules.foreseeing import foreseen
from dothi.platform.rules.grouping import Group, Groups, Neighbours
from dothi.platform.rules.hearing import Hearing
from dothi.platform.rules.hours import CityHours
from dothi.platform.rules.keeping import Keeper, Kept, Said, end
from dothi.platform.rules.model import Rule
from dothi.platform.rules.store import KeptCell, KeptRule
from dothi.platform.rules.told import Told
from dothi.platform.rules.works import Works
from dothi.store.audit import Act
from dothi.store.connection import Connection

if TYPE_CHECKING:
    from dothi.platform.platform import Platform

DAY = 24 * 3_600 * MICROSECONDS
_FORESEE_EVERY = 60 * MICROSECONDS


class Watching:
    """One city's engine with what it is told and what it keeps. All of it runs under one lock, off the event loop."""

    def __init__(self, platform: "Platform", neighbours: Neighbours, changed: Callable[[set[int]], None]) -> None:
        self._platform, self._neighbours, self._changed = platform, neighbours, changed
        self._wards = platform.city.by_code
        self._turn = asyncio.Lock()
        self._begun: _Begun | None = None
        self._works = Works()

    async def handle(self, changes: Changes) -> None:
        """A dispatch handler: what ``changes`` set off is on disk when it returns."""
        async with self._turn:
            begun = await self._ready()
            await self._keep(begun, await asyncio.to_thread(begun.judge, changes))

    async def tick(self) -> None:
        """Look at the city's clock."""
        async with self._turn:
            begun = await self._ready()
            now = to_micros(self._platform.clock.now())
            await self._keep(begun, await asyncio.to_thread(begun.look, now))

    @asynccontextmanager
    async def standing_still(self) -> AsyncIterator[None]:
        """Nothing is judged while the block changes rules; what is watched after it are the rules as they are then."""
        async with self._turn:
            self._begun = None
            yield

    def settle(self, db: Connection, rule: str, now: int) -> set[int]:
        """A rule changes: its open alerts end at ``now`` (µs), its cells are forgotten. Returns the lines that changed."""
        store.forget_cells(db, rule)
        rows = db.execute("SELECT id FROM alert WHERE rule = ? AND state <> 'ended'", (rule,)).fetchall()
        changed = set[int]()
        if rows:
            end(db, [(now, number) for (number,) in rows], now, changed)
        return changed

    async def look_at_maintenance(self) -> None:
        """Times of maintenance changed."""
        async with self._turn:
            await asyncio.to_thread(self._read_maintenance)

    async def _ready(self) -> "_Begun":
        if self._begun is None:
            await asyncio.to_thread(self._read_maintenance)
            begun, found = await asyncio.to_thread(self._begin)
            self._begun = begun
            await self._keep(begun, found)
        return self._begun or await self._ready()

    def _begin(self) -> "tuple[_Begun, list[Found]]":
        platform = self._platform
        now = to_micros(platform.clock.now())
        with platform.database.reader() as db:
            rules = [
                _Step(one, rule, step)
                for one in store.rules(db)
                if one.enabled and one.rule.entity_type in platform.types
                for step, rule in enumerate(one.rule.steps)
            ]
            index = platform.writer.index
            engine = Engine([one.rule for one in rules], CityHours.of(platform.city), index.number_of, self._free)
            begun = _Begun(platform, rules, engine, Hearing(engine, index), Groups(self._neighbours))
            return begun, begun.resume(db, now)

    def _free(self, entity: int | None, ward: str | None, at: int) -> int:
        return self._works.free(entity, ward, at)

    def _read_maintenance(self) -> None:
        with self._platform.database.reader() as db:
            kept = store.maintenance(db, to_micros(self._platform.clock.now()) - DAY)
        self._works = Works(kept, self._platform.writer.index.number_of)

    async def _keep(self, begun: "_Begun", found: Sequence[Found]) -> None:
        """Store what was found; the alerts and cells in memory follow only if it holds."""
        touched, begun.engine.touched = begun.engine.touched, set()
        if not found and not touched:
            return
        now = self._platform.clock.now()
        said = [begun.said(one) for one in found]
        keeper = Keeper(self._platform.types, self._wards, begun.groups)

        def work(db: Connection) -> Kept:
            kept = keeper.keep(db, said, to_micros(now), begun.alerts)
            store.save_cells(db, *begun.cells(touched, kept.open))
            return kept

        acts = [Act(SYSTEM.id, "alert.raise", "rules", detail=_counted(said))] if said else []
        try:
            kept = await self._platform.writer.run(SYSTEM, now, work, acts)
        except BaseException:
            self._begun = None
            raise
        begun.alerts = kept.open
        if kept.changed:
            self._changed(kept.changed)


class _Step(NamedTuple):
    """What the engine watches: a rule (``step`` 0), or one of its steps."""

    kept: KeptRule
    rule: Rule
    step: int

    @property
    def key(self) -> str:
        """By which its cells are kept."""
        return f"{self.rule.id}#{self.step}" if self.step else self.rule.id


class _Begun:
    """An engine under way: which rules it watches, what it hears, and which alerts of it are open."""

    def __init__(self, platform: "Platform", rules: list[_Step], engine: Engine, hearing: Hearing, groups: Groups) -> None:
        self._platform, self._rules = platform, rules
        self.engine, self._hearing, self.groups = engine, hearing, groups
        self.alerts: dict[tuple[str, str], int] = {}
        self._foreseen = -_FORESEE_EVERY

    def resume(self, db: Connection, now: int) -> list[Found]:
        """Go on from what was stored."""
        index, engine = self._platform.writer.index, self.engine
        places = {one.key: place for place, one in enumerate(self._rules)}
        series = self._hearing.watched(self._hearing.all_series(db))
        self._hearing.wards(db, [int(one) for one in np.unique(index.entity_of(series))])
        query = "SELECT rule, subject, id FROM alert WHERE state <> 'ended'"
        self.alerts = {(rule, subject): number for rule, subject, number in db.execute(query)}
        query = "SELECT id, rule, newest_at, wards FROM alert_group WHERE state <> 'ended' ORDER BY id"
        for number, rule, newest, wards in db.execute(query):
            self.groups.add(Group(number, rule, newest, set(msgspec.json.decode(wards))))
        self._prime(db, series, now)
        for kept in store.cells(db):
            place = places.get(kept.rule)
            if place is None:
                continue
            number = None if kept.ward else index.number_of(kept.subject)
            if kept.ward or number is not None:
                engine.restore(place, kept.subject if number is None else number, kept.cell)
        told = self._hearing.read(db, series)
        found = [] if told is None else engine.judge(told)
        return found + engine.resume(now)

    def judge(self, changes: Changes) -> list[Found]:
        """What commits set off. What was observed more than a day ago fills windows and raises nothing any more."""
        now = to_micros(self._platform.clock.now())
        floor = now - DAY - max(self.engine.windows.values(), default=0)
        with self._platform.database.reader() as db:
            series = self._hearing.watched(changes.series)
            made = [self._platform.writer.index.number_of(urn) for urn in changes.created]
            entities = [one for one in made if one is not None] + self._hearing.moved(changes.series)
            unplaced = [int(one) for one in np.unique(self._platform.writer.index.entity_of(series))]
            entities += [one for one in unplaced if one not in self.engine.ward]
            if entities:
                self._hearing.wards(db, entities)
            told = self._hearing.read(db, series, floor)
        if told is None:
            return []
        old = told.at < now - DAY
        if not old.any():
            return self.engine.judge(told)
        self.engine.prime(told.take(np.flatnonzero(old)))
        return self.engine.judge(told.take(np.flatnonzero(~old)))

    def look(self, now: int) -> list[Found]:
        """What the city's clock sets off, and once a minute of it what forecasts say."""
        found: list[Found] = []
        if self.engine.ahead and not 0 <= now - self._foreseen < _FORESEE_EVERY:
            self._foreseen = now
            for key in self.engine.ahead:
                with self._platform.database.reader() as db:
                    told = foreseen(db, self._platform, key, self.engine.foreseen(key), now)
                found += self.engine.foresee(key, *told, now)
        return found + self.engine.tick(now)

    def said(self, found: Found) -> Said:
        """What the engine found, with names."""
        one = self._rules[found.rule]
        return Said(one.kept, self._urn(found.subject), found, one.rule.severity if one.step else 0)

    def cells(
        self, touched: set[tuple[int, int | str]], alerts: dict[tuple[str, str], int]
    ) -> tuple[list[KeptCell], list[tuple[str, str, bool]]]:
        """The cells of ``touched`` that are to be kept, and those that are at rest."""
        kept: list[KeptCell] = []
        gone: list[tuple[str, str, bool]] = []
        for place, subject in touched:
            cell, rule, name = self.engine.cell(place, subject), self._rules[place].key, self._urn(subject)
            ward = isinstance(subject, str)
            if cell is None:
                gone.append((rule, name, ward))
            else:
                kept.append(KeptCell(rule, name, ward, cell, alerts.get((rule, name))))
        return kept, gone

    def _urn(self, subject: int | str) -> str:
        return subject if isinstance(subject, str) else self._platform.writer.index.urn(subject)

    def _prime(self, db: Connection, series: IntArray, now: int) -> None:
        """Fill the windows with what was observed before the newest readings."""
        index = self._platform.writer.index
        shown = index.shown[series]
        for (kind, attribute), length in self.engine.windows.items():
            mine = index.of_attribute(series, attribute)
            mine = mine[[index.type_of(index.owner_of(one)) == kind for one in mine.tolist()]] if len(mine) else mine
            if not len(mine):
                continue
            first = min(now, int(shown.max())) - length
            wanted = Wanted(first, EVER, EVER, series=tuple(mine.tolist()))
            frame = recent(db, wanted, first, EVER).unique(("series", "observed_at"), keep="last", maintain_order=True)
            numbers, at = frame["series"].to_numpy().astype(np.int64), frame["observed_at"].to_numpy()
            skewed = frame["reasons"].to_numpy().astype(np.int64) & SKEWED
            earlier = ~frame["withdrawn"].to_numpy() & (skewed == 0) & (at < index.shown[numbers])
            chosen, column = np.flatnonzero(earlier), self.engine.column(kind, attribute)
            if len(chosen) and column is not None:
                entities = index.entity_of(numbers[chosen]).astype(np.int64)
                values = frame["number"].to_numpy().astype(np.float64)[chosen]
                good = frame["grade"].to_numpy()[chosen] < int(Grade.BAD)
                self.engine.prime(Told(entities, np.full(len(chosen), column), at[chosen], values, good))


def _counted(found: Sequence[Said]) -> str:
    fired = sum(one.found.fired for one in found if not one.graver)
    told = f"{fired} alerts raised, {sum(not one.found.fired for one in found if not one.graver)} ended"
    graver = sum(one.found.fired for one in found if one.graver)
    return f"{told}, {graver} graver" if graver else told
