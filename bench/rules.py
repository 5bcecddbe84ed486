"""How many readings a second the rules take on one core: 2,000 rules over 10,000 entities of five attributes.

First the engine alone, told columns; then what a running city does after a commit: what changed is read from the database,
judged, and what was found is stored. Seconds are of the processor, so that what else the machine does counts for nothing.
"""

import asyncio
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from shapely import box

from bench.harness import report
from dothi.access.policy import SYSTEM
from dothi.data.batch import Batch, EntityChange, Readings
from dothi.data.news import Changes
from dothi.data.writer import Writer
from dothi.model.city import City, Ward
from dothi.model.clock import to_micros
from dothi.model.entity import LOCATION, Attribute, Entity
from dothi.model.reading import Origin
from dothi.model.schema import AttributeType, EntityType
from dothi.model.text import Text
from dothi.platform.record import ward_codes
from dothi.platform.rules import store
from dothi.platform.rules.engine import Engine
from dothi.platform.rules.hours import CityHours
from dothi.platform.rules.model import Change, Compare, Needs, Rule, Silence, Term, Where, Window
from dothi.platform.rules.told import Told
from dothi.platform.rules.watching import Watching
from dothi.store.connection import Connection
from dothi.store.database import migrate, open_database
from dothi.testing.clock import FixedClock

NOW = datetime(2026, 5, 11, 2, tzinfo=UTC)
TYPE = "https://example.org/Station"
IRIS = tuple(f"https://example.org/attribute{number}" for number in range(5))
STATION = EntityType(
    "Station", TYPE, Text("Trạm", "Station"), tuple(AttributeType(one[20:], one, Text("x", "x")) for one in IRIS)
)
ENTITIES, RULES, MINUTES, PART = 10_000, 2_000, 20, 5_000
WARDS = [f"{number:05d}" for number in range(126)]
CITY = City(
    "01",
    "hanoi",
    Text("Hà Nội", "Hanoi"),
    [Ward(code, code, "phường", 105.0 + place / 100, 21.0) for place, code in enumerate(WARDS)],
    [box(105.0 + place / 100, 20.9, 105.01 + place / 100, 21.1) for place in range(len(WARDS))],
)


def rules(random: np.random.Generator) -> list[Rule]:
    """Rules of every kind: most compare a value, a fifth look at a window, some at two things, a ward or silence."""
    return [_rule(number, random) for number in range(RULES)]


def _rule(number: int, random: np.random.Generator) -> Rule:
    iri, other = IRIS[number % 5], IRIS[(number + 1) % 5]
    limit = float(np.round(64 + 30 * random.random(), 2))
    kind, where, needs = number % 20, Where(), None
    terms: tuple[Term, ...] = (Compare(attribute=iri, op=">", value=limit, clear=limit - 4),)
    if kind in (0, 1):
        terms = (Change(attribute=iri, minutes=(10.0, 30.0)[kind], op=">", value=limit - 35),)
    elif kind in (2, 3):
        terms = (Window(attribute=iri, statistic=("mean", "max")[kind - 2], minutes=60.0, op=">", value=limit),)
    elif kind == 4:
        terms = (*terms, Compare(attribute=other, op=">", value=60.0))
    elif kind == 5:
        terms = (Silence(attribute=iri, minutes=5.0 + number % 7),)
    elif kind in (6, 7):
        where = Where((WARDS[number % len(WARDS)],))
    elif kind == 8:
        needs = Needs(3)
    return Rule(
        id=f"rule-{number}",
        title=Text("Quy tắc", "Rule"),
        entity_type=TYPE,
        any_of=(terms,),
        where=where,
        needs=needs,
        for_minutes=float(number % 3),
        clear_minutes=float(number % 2),
    )


def values(random: np.random.Generator, count: int) -> Any:
    """Readings of a city where little is wrong: one in a hundred passes the lowest limits."""
    return 50 + 5.5 * random.standard_normal(count)


def engine_alone(watched: Sequence[Rule], random: np.random.Generator) -> None:
    """Columns in, findings out."""
    engine = Engine(watched, CityHours.of(CITY), lambda _: None)
    engine.ward.update((entity, WARDS[entity % len(WARDS)]) for entity in range(ENTITIES))
    columns = np.array([engine.column(TYPE, iri) for iri in IRIS], np.int64)
    took, start = 0.0, to_micros(NOW)
    for minute in range(MINUTES):
        for first in range(0, ENTITIES, PART // 5):
            entities = np.repeat(np.arange(first, first + PART // 5), 5)
            told = Told(
                entities,
                np.tile(columns, PART // 5),
                np.full(PART, start + (minute * 60 + first // 200) * 1_000_000),
                values(random, PART),
                np.ones(PART, np.bool_),
            )
            begun = time.process_time()
            engine.judge(told)
            took += time.process_time() - begun
        begun = time.process_time()
        engine.tick(start + (minute + 1) * 60_000_000)
        took += time.process_time() - begun
    report("rules: readings judged by the engine alone", ENTITIES * 5 * MINUTES / took, "readings/s", target=50_000)


class Watched:
    """What rules need of a running city."""

    def __init__(self, folder: Path, watched: Sequence[Rule]) -> None:
        self.database = open_database(folder, "bench")
        migrate(self.database)
        self.writer = Writer(self.database, locate=ward_codes(CITY))
        self.clock = FixedClock(NOW)
        platform: Any = SimpleNamespace(
            clock=self.clock, city=CITY, database=self.database, writer=self.writer, types={TYPE: STATION}
        )
        self.watching = Watching(platform, lambda _: frozenset(), lambda _: None)
        made = [EntityChange("create", _station(number)) for number in range(ENTITIES)]
        self.writer.apply(Batch(SYSTEM, "bench", "c", NOW, entities=made))
        self.series = np.array(
            [
                self.writer.index.series(f"urn:ngsi-ld:Station:bench:{number}", iri)
                for number in range(ENTITIES)
                for iri in IRIS
            ]
        )
        self.watched = watched

    def _keep(self, db: Connection) -> None:
        for one in self.watched:
            store.save_rule(db, one, 1, enabled=True, by="bench", at=to_micros(NOW))

    async def run(self, random: np.random.Generator) -> float:
        """Readings judged in a second of the processor, reading and storing included."""
        await self.writer.run(SYSTEM, NOW, self._keep)
        took, count, seq = 0.0, 0, 0
        for minute in range(MINUTES // 2):
            for first in range(0, len(self.series), PART):
                series = self.series[first : first + PART]
                self.clock.advance(timedelta(seconds=60 * PART / len(self.series)))
                await self.writer.write(Batch(SYSTEM, "bench", "c", self.clock.now(), self._readings(series, random)))
                seq += 1
                begun = time.process_time()
                await self.watching.handle(Changes(seq, self.clock.now(), series=series))
                if minute:  # the first begins the engine
                    took += time.process_time() - begun
                    count += len(series)
            begun = time.process_time()
            await self.watching.tick()
            took += time.process_time() - begun
        self.writer.close()
        self.database.close()
        return count / took

    def _readings(self, series: Any, random: np.random.Generator) -> Readings:
        zeros = np.zeros(len(series), np.int64)
        at = np.full(len(series), to_micros(self.clock.now()))
        return Readings(series, at, values(random, len(series)), at, zeros, zeros, zeros + int(Origin.MEASURED))


def _station(number: int) -> Entity:
    point = {"type": "Point", "coordinates": [105.005 + (number % len(WARDS)) / 100, 21.0]}
    return Entity(f"urn:ngsi-ld:Station:bench:{number}", TYPE, {LOCATION: [Attribute("GeoProperty", point)]})


def main() -> None:
    """Both figures."""
    random = np.random.default_rng(1)
    watched = rules(random)
    engine_alone(watched, random)
    with tempfile.TemporaryDirectory() as folder:
        rate = asyncio.run(Watched(Path(folder), watched).run(random))
    report("rules: readings of commits read, judged and stored", rate, "readings/s", target=50_000)
