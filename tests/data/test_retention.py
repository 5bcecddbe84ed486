"""How long data is kept: who may say so, and that what is destroyed is gone from tables, lake and disk."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from city_world import NOW, TYPE
from sealing_world import HOUR, Said, SealedCity

from dothi.access.policy import LOCAL_OPERATOR, STRANGER, SYSTEM
from dothi.data.retention import Retention
from dothi.model.problem import Problem
from dothi.model.schema import KEEP
from dothi.store.audit import verify

pytestmark = pytest.mark.usefixtures("homes")


def acts(city: SealedCity) -> list[tuple[str, str, str, str]]:
    with city.database.reader() as db:
        assert verify(db).intact
        query = "SELECT person_id, thing, result, detail FROM audit WHERE action LIKE 'retention.%' ORDER BY seq"
        return db.execute(query).fetchall()


def test_rules_are_changed_by_those_who_may_and_recorded(tmp_path: Path) -> None:
    city = SealedCity(tmp_path, NOW + 30 * 24 * HOUR)
    city.say(Said(0, NOW, NOW, 1.0))
    asyncio.run(city.sealer.round())
    assert city.retention.list(STRANGER) == ()
    rules = {rule.dataset: rule for rule in city.retention.list(SYSTEM)}
    assert rules[TYPE].days == KEEP and rules["audit"].words is not None
    undeclared = Retention(city.database, city.writer, city.clock, {})
    assert {rule.title.vi for rule in undeclared.list(SYSTEM) if rule.dataset == TYPE} == {"Station"}
    changed = asyncio.run(city.retention.change(LOCAL_OPERATOR, TYPE, 90))
    assert changed in city.retention.list(SYSTEM)
    assert (changed.days, changed.default, changed.changed_by) == (90, KEEP, LOCAL_OPERATOR.id)
    assert acts(city) == [(LOCAL_OPERATOR.id, TYPE, "done", f"days {KEEP} to 90")]
    for asker, dataset, days, status in (
        (STRANGER, TYPE, 9, 403),
        (SYSTEM, "urn:none", 9, 404),
        (SYSTEM, "audit", 9, 400),
        (SYSTEM, TYPE, 0, 400),
    ):
        with pytest.raises(Problem) as refused:
            asyncio.run(city.retention.change(asker, dataset, days))
        assert refused.value.status == status
    city.close()


@pytest.mark.parametrize("broken_off", [False, True])
def test_destruction_takes_whole_days_everywhere_and_says_so(tmp_path: Path, broken_off: bool) -> None:
    city = SealedCity(tmp_path, NOW + 20 * 24 * HOUR)
    said = [
        Said(number, NOW + hour * HOUR, NOW + hour * HOUR, float(hour)) for hour in range(0, 480, 12) for number in (0, 1)
    ]
    city.say(*said, Said(2, NOW, NOW, 1.0))
    asyncio.run(city.sealer.round())
    late = Said(0, NOW + HOUR, city.clock.now(), 5.0)
    city.say(late)
    asyncio.run(city.retention.change(SYSTEM, TYPE, 10))
    if broken_off:
        city.retention._drop(TYPE, city.retention._condemned(TYPE, 2**62)[1][:3])
    asyncio.run(city.retention.destroy())
    border = (city.clock.now() - timedelta(days=10)).replace(hour=0, minute=0)
    city.oracle.said = [one for one in city.oracle.said if one.at >= border]
    city.check(None, NOW - HOUR, city.clock.now() + HOUR)
    assert city.live(2) is None, "a value that was destroyed is not shown"
    assert city.live(0) is not None
    begun, done = acts(city)[1:]
    assert begun[:3] == (SYSTEM.id, TYPE, "begun") and done[:3] == (SYSTEM.id, TYPE, "done")
    if not broken_off:
        gone = len([one for one in [*said, late] if one.at < border]) + 1
        assert begun[3] == done[3] == f"days {NOW:%Y-%m-%d} to {border - HOUR:%Y-%m-%d} (10), rows {gone}"
    asyncio.run(city.retention.destroy())
    assert len(acts(city)) == 3, "nothing to destroy is no act"
    lake = city.database.lake
    assert lake.tidy(timedelta(hours=1)) == 0, "readers may still hold the list of files that was"
    assert lake.tidy(timedelta(0)) > 0
    kept = {file.path for file in lake.files(TYPE, 0, 2**62)}
    assert set((lake.folder / "readings").rglob("part-*.parquet")) == kept
    city.restart()
    asyncio.run(city.sealer.round())
    city.check(None, NOW - HOUR, city.clock.now() + HOUR)
    city.close()
