"""What a decision costs: one at a time, and as the filter of a query over many entities."""

import random
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import patch

from bench.harness import report
from dothi.access.policy import WHOLE_CITY, Clearance, Grant, Person, Reach, Scope, Thing, may, reach
from dothi.access.roles import ACTIONS
from dothi.data import context as asked
from dothi.data.batch import Batch, EntityChange
from dothi.data.context import Context, EntityQuery
from dothi.data.writer import Writer
from dothi.model.entity import LOCATION, Attribute, Entity
from dothi.model.schema import AttributeType, EntityType
from dothi.model.text import Text
from dothi.store.database import migrate, open_database
from dothi.testing.people import insider

ENTITIES, WARDS, AGENCIES = 100_000, 126, 30
PEOPLE, DECISIONS, TIMES = 2_000, 400_000, 15
NOW = datetime(2026, 5, 14, 4, tzinfo=UTC)
LEVEL, NOTE = "https://example.org/level", "https://example.org/note"
PUMP = EntityType(
    "Pump",
    "https://example.org/Pump",
    Text("Máy bơm", "Pump"),
    (
        AttributeType("level", LEVEL, Text("Mức", "Level")),
        AttributeType("note", NOTE, Text("Ghi chú", "Note"), "text", clearance=Clearance.RESTRICTED),
    ),
)


class Unbounded(Reach):
    """A reach that asks nothing of a row: what a question costs without any filter."""

    def where(self, **_: str) -> tuple[str, list[object]]:
        """A condition that every row meets."""
        return "1 = 1", []

    def covers(self, thing: Thing) -> bool:
        """True."""
        return True


def main() -> None:
    """Decisions in memory, then a question over 100,000 entities with and without a filter."""
    _decisions()
    with tempfile.TemporaryDirectory(prefix="dothi-bench-") as folder:
        _queries(Path(folder))


def _decisions() -> None:
    chance = random.Random(7)
    wards, agencies = ([f"{kind}{number}" for number in range(count)] for kind, count in (("w", WARDS), ("a", AGENCIES)))
    people = [
        Person(
            f"p{number}",
            tuple(
                Grant(
                    chance.choice(("operator", "ward_officer", "engineer", "steward", "leader")),
                    Scope(frozenset(chance.sample(wards, 3)), chance.choice((None, frozenset(chance.sample(agencies, 2))))),
                    Clearance(chance.randrange(3)),
                )
                for _ in range(chance.randrange(1, 4))
            ),
        )
        for number in range(PEOPLE)
    ]
    things = [Thing(Clearance(chance.randrange(4)), chance.choice(wards), chance.choice(agencies)) for _ in range(1_000)]
    actions = list(ACTIONS)
    cases = [(chance.choice(people), chance.choice(actions), chance.choice(things)) for _ in range(DECISIONS)]
    reach.cache_clear()
    began = time.perf_counter()
    for person, action, thing in cases:
        may(person, action, thing)
    spent = time.perf_counter() - began
    report("a decision, 2,000 people by turns", spent / DECISIONS * 1e6, "µs", target=20, lower_is_better=True)
    reach.cache_clear()
    began = time.perf_counter()
    for person, action, _ in cases[:20_000]:
        reach.__wrapped__(person, action)
    spent = time.perf_counter() - began
    report("a decision about somebody not seen before", spent / 20_000 * 1e6, "µs", target=20, lower_is_better=True)


def _queries(home: Path) -> None:
    database = open_database(home, "hanoi")
    migrate(database)
    writer = Writer(database, locate=lambda longitude, latitude: f"w{int(latitude * 1e4) % WARDS}")
    for start in range(0, ENTITIES, 5_000):
        changes = [EntityChange("create", _pump(number), Clearance(number % 3)) for number in range(start, start + 5_000)]
        writer.apply(Batch(insider(), "bench", "c", NOW, entities=changes))
    every = frozenset(f"w{number}" for number in range(WARDS))
    half = [frozenset(f"w{number}" for number in range(WARDS) if number % 2 == part) for part in (0, 1)]
    scoped = Person("scoped", tuple(Grant("operator", Scope(wards=one), Clearance.RESTRICTED) for one in half))
    whole = Person("whole", (Grant("operator", WHOLE_CITY, Clearance.RESTRICTED),))
    wards = Person("wards", (Grant("operator", Scope(wards=every), Clearance.RESTRICTED),))
    classified, plain = Context(database, (PUMP,)), Context(database, ())
    questions = {
        "5,000 in a box": EntityQuery(type=PUMP.iri, bbox=(105.0, 20.0, 105.05, 22.0), limit=5_000, attributes=(LEVEL,)),
        "a page of 1,000": EntityQuery(type=PUMP.iri, limit=1_000, attributes=(LEVEL,)),
    }
    askers = {"the whole city": whole, "every ward by name": wards, "two halves": scoped}
    for name, query in questions.items():
        free, filtered = _in_turns(plain, classified, query, list(askers.values()))
        for who, spent in zip(askers, filtered, strict=True):
            report(f"{name}, filtered for {who}", spent / free, "× unfiltered", target=1.2, lower_is_better=True)
        report(f"{name}, unfiltered", free * 1000, "ms", target=100, lower_is_better=True)
    writer.close()
    database.close()


def _pump(number: int) -> Entity:
    point = {"type": "Point", "coordinates": [105 + number % 1_000 / 1_000, 20 + number / ENTITIES]}
    attributes = {LOCATION: [Attribute("GeoProperty", point)], LEVEL: [Attribute("Property", number % 97 / 10)]}
    return Entity(f"urn:ngsi-ld:Pump:hanoi:{number}", PUMP.iri, attributes, owner=f"a{number % AGENCIES}")


def _in_turns(plain: Context, classified: Context, query: EntityQuery, askers: list[Person]) -> tuple[float, list[float]]:
    """The least seconds of the question without a filter and for each asker: asked by turns, so that noise meets all."""
    free, filtered = [], [list[float]() for _ in askers]
    for _ in range(TIMES):
        with patch.object(asked, "reach", lambda *_: Unbounded(public=True)):
            free.append(_took(lambda: plain.table(askers[0], query)))
        for place, person in enumerate(askers):
            filtered[place].append(_took(lambda one=person: classified.table(one, query)))
    return min(free), [min(times) for times in filtered]


def _took(work: Callable[[], object]) -> float:
    """Seconds of this thread's own processor time: what others do meanwhile is not the filter's cost."""
    began = time.thread_time()
    work()
    return time.thread_time() - began
