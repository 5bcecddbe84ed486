"""For every kind of condition the preview tells what the rules of the running city found: the same times, as grave."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rules_world import LIMIT, NOTE, OPEN, OPERATOR, PM, rule, run, urn, world

from dothi.access.policy import SYSTEM
from dothi.data.batch import Batch, ReadingRow, readings_of
from dothi.model.reading import Origin
from dothi.platform.rules.alerts import Alert, AlertQuestion
from dothi.platform.rules.model import Change, Compare, Graver, Rule, Schedule, Silence, Window
from dothi.platform.rules.preview import Stretch

pytestmark = pytest.mark.usefixtures("homes")
STATIONS, ROUNDS, APART = 4, 14, 10.0
CONDITIONS: dict[str, Any] = {
    "above": Compare(attribute=PM, op=">", value=60.0, clear=40.0),
    "own-limit": Compare(attribute=PM, op=">", value=0.0, than=LIMIT),
    "over-own-limit": Compare(attribute=PM, op=">=", value=10.0, than=LIMIT, clear=5.0),
    "says": Compare(attribute=NOTE, op="contains", value="HỎNG"),
    "begins": Compare(attribute=NOTE, op="begins", value="hỏng", negated=True),
    "one-of": Compare(attribute=NOTE, op="in", value=("ướt", "khô")),
    "open": Compare(attribute=OPEN, op="=", value=True),
    "not-open": Compare(attribute=OPEN, op="!=", value=True),
    "rises": Change(attribute=PM, minutes=30.0, op=">", value=30.0),
    "mean": Window(attribute=PM, statistic="mean", minutes=40.0, op=">", value=55.0, least=2),
    "silent": Silence(attribute=LIMIT, minutes=20.0),
}


def _rules() -> list[Rule]:
    steps = (Graver(3, 80.0), Graver(4, 95.0))
    grown = {"above": steps, "own-limit": (Graver(4, 30.0),), "mean": (Graver(3, 65.0),)}
    night = Schedule(start=-200, start_by="sunset", end=30, end_by="sunrise", negated=True)
    by_day = rule("by-day", any_of=((CONDITIONS["above"], night),), severity=2)
    return [by_day] + [
        rule(name, any_of=((term,),), severity=2, graver=grown.get(name, ()), for_minutes=10.0 * (place % 2))
        for place, (name, term) in enumerate(CONDITIONS.items())
    ]


def _said(of: Rule, one: Alert | Stretch) -> tuple[object, ...]:
    """What both tell. An alert that grew graver tells the value that made it so."""
    return one.subject, one.began_at, one.ended_at, one.severity, None if of.graver else one.value


@pytest.mark.parametrize("seed", [1, 2])
def test_the_preview_finds_what_the_rules_found(tmp_path: Path, seed: int) -> None:
    async def scene() -> None:
        random = np.random.default_rng(seed)
        watched = _rules()
        async with world(tmp_path, *watched, stations=("00000", "00001", "00002", "00003")) as one:
            for _ in range(ROUNDS):
                now = one.clock.now()
                rows = []
                for number in range(STATIONS):
                    told: dict[str, Any] = {
                        PM: round(float(random.uniform(20, 100)), 1),
                        LIMIT: round(float(random.uniform(30, 90)), 1),
                        NOTE: str(random.choice(["hỏng van", "Van hỏng", "ướt", "khô", "tốt"])),
                        OPEN: bool(random.random() < 0.5),
                    }
                    rows += [
                        ReadingRow(urn(number), name, now, value, Origin.MEASURED)
                        for name, value in told.items()
                        if random.random() < 0.7
                    ]
                await one.writer.write(Batch(SYSTEM, "test", "c", now, readings_of(rows)))
                await one.dispatcher.settled()
                await one.later(APART / 2)
                await one.later(APART / 2)
            fired = 0
            for of in watched:
                lines = one.rules.alerts(OPERATOR, AlertQuestion(states=(), rule=of.id)).groups
                found = {_said(of, each) for line in lines for each in one.rules.alerts_of(OPERATOR, line.id)}
                tried = {_said(of, each) for each in one.rules.preview(OPERATOR, of).stretches}
                assert tried == found, of.id
                fired += len(found)
            assert fired > 40

    run(scene)
