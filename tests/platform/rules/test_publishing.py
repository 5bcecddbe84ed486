"""A line of alerts is entities that programs subscribe to: who may see an alert, sees it there, and nobody else."""

from dataclasses import replace
from pathlib import Path

import pytest
from rules_world import NOTE, OPERATOR, PM, STATION, TYPE, World, rule, run, someone, urn, world

from dothi.access.policy import STRANGER, Person
from dothi.data.question import EntityQuery
from dothi.model.entity import Entity
from dothi.model.problem import Problem
from dothi.platform.rules.alerts import AlertQuestion
from dothi.platform.rules.model import Compare, Rule, Silence, check
from dothi.platform.rules.publishing import ALERT, KEPT, Alert, Publishing
from dothi.platform.sector import AlertCategory

pytestmark = pytest.mark.usefixtures("homes")


def published(one: World, asker: Person = OPERATOR) -> dict[str, Entity]:
    """The entities of alerts that somebody may read, by what follows the city's name in their ids."""
    page = one.platform.context.query(asker, EntityQuery(type=ALERT))
    return {entity.id.rsplit(":", 1)[-1]: entity for entity in page.entities}


def value(entity: Entity, name: str) -> object:
    attribute = Alert.attribute(name)
    assert attribute is not None
    first = entity.first(attribute.iri)
    return None if first is None else first.value


def test_a_line_is_an_entity_from_its_beginning_to_its_end(tmp_path: Path) -> None:
    async def scene() -> None:
        async with world(tmp_path, rule(incident="smog")) as one:
            await one.hear((0, 90.0))
            await one.later(1)
            ((name, entity),) = published(one).items()
            (line,) = one.rules.alerts(OPERATOR, AlertQuestion()).groups
            assert (name, entity.ward, entity.owner) == (f"{line.id}-00000", "00000", "env")
            assert entity.point == (105.75, 21.0)
            assert (value(entity, "severity"), value(entity, "alertSource")) == ("high", urn(0))
            assert value(entity, "description") == f"Bụi vượt ngưỡng: {line.newest.said.vi}"
            assert value(entity, "validFrom") == {"@type": "DateTime", "@value": "2026-05-11T02:00:00Z"}
            assert value(entity, "validTo") is None and entity.expires_at is None
            told = {"line": line.id, "rule": "dust", "version": 1, "state": "firing", "alerts": 1, "open": 1}
            assert value(entity, "data") == told | {"ward": "00000", "incident": line.incident}
            await one.rules.acknowledge(OPERATOR, [line.id])
            await one.later(0)
            assert value(published(one)[name], "data")["state"] == "acknowledged"  # type: ignore[index] # an object
            await one.hear((0, 9.0))
            ended = one.clock.now()
            await one.later(1)
            entity = published(one)[name]
            assert value(entity, "validTo") == {"@type": "DateTime", "@value": ended.isoformat().replace("+00:00", "Z")}
            assert entity.expires_at == ended + KEPT

    run(scene)


def test_each_reads_what_they_may_read_of_the_alerts(tmp_path: Path) -> None:
    async def scene() -> None:
        async with world(tmp_path, rule(), stations=("00000", "00001", "00000")) as one:
            await one.hear((0, 90.0), (1, 91.0), (2, 92.0))
            await one.later(1)
            (line,) = one.rules.alerts(OPERATOR, AlertQuestion()).groups
            both = {f"{line.id}-00000": 2, f"{line.id}-00001": 1}
            counts = {name: value(entity, "data")["alerts"] for name, entity in published(one).items()}  # type: ignore[index] # an object
            assert counts == both
            west = someone("west", "operator", wards=frozenset({"00000"}))
            assert set(published(one, west)) == {f"{line.id}-00000"}
            elsewhere = someone("other", "operator", agencies=frozenset({"rain"}))
            assert published(one, elsewhere) == {} and published(one, STRANGER) == {}

    run(scene)


def test_what_was_not_written_before_a_crash_is_written_after_it(tmp_path: Path) -> None:
    async def scene() -> None:
        async with world(tmp_path, rule()) as one:
            await one.hear((0, 90.0))  # and nobody looked any more
            assert published(one) == {}
        async with world(tmp_path, rule()) as one:
            assert len(published(one)) == 1
            before = one.writer.sealed[0]
            await one.later(1)
            assert one.writer.sealed[0] == before  # nothing changed: nothing is written again

    run(scene)


def test_no_rule_watches_what_the_city_writes_itself() -> None:
    silent = Rule(id="loop", title=rule().title, entity_type=ALERT, any_of=((Silence(minutes=1.0),),))
    with pytest.raises(Problem, match="no type"):
        check(silent, {TYPE: STATION, ALERT: Alert})


def test_an_alert_is_called_by_the_words_of_its_sector(tmp_path: Path) -> None:
    async def scene() -> None:
        async with world(tmp_path) as one:
            (sector,) = one.platform.sectors
            told = (AlertCategory(TYPE, "environment", "airPollution"), AlertCategory(NOTE, "security"))
            one.platform.sectors = (replace(sector, alert_categories=told),)
            called = Publishing(one.platform)._called
            assert called(rule()) == {"category": "environment", "subCategory": "airPollution"}
            noted = rule(any_of=((Compare(attribute=NOTE, op="=", value="hỏng"),),))
            assert called(noted) == {"category": "security"}
            assert called(rule(any_of=((Silence(minutes=5.0, attribute=PM),),))) == {"category": "environment"}
            assert called(rule(entity_type="https://example.org/Other", any_of=((Silence(minutes=5.0),),))) == {}

    run(scene)
