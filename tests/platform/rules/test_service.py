"""Rules are data with versions; maintenance lets nothing fire; several of one ward; forecasts; who may do what."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from rules_world import NOW, OPERATOR, PM, STATION, TYPE, World, rule, run, someone, urn, world

from dothi.model.problem import Problem
from dothi.model.text import Text
from dothi.platform.rules.alerts import AlertQuestion
from dothi.platform.rules.model import Ahead, Compare, Needs, Schedule, Silence, Where, check, decode, encode

ALL = AlertQuestion(states=())
pytestmark = pytest.mark.usefixtures("homes")


def states(one: World) -> list[tuple[str, str]]:
    return sorted((line.rule, line.state) for line in one.rules.alerts(OPERATOR, ALL).groups)


def test_a_rule_changes_in_versions_and_an_older_one_comes_back(tmp_path: Path) -> None:
    async def scene() -> None:
        async with world(tmp_path, rule()) as one:
            await one.hear((0, 60.0))
            assert states(one) == [("dust", "firing")]
            higher = rule(any_of=((Compare(attribute=PM, op=">", value=80.0),),))
            kept = await one.rules.save(OPERATOR, higher, version=1)
            assert (kept.version, kept.made_by, kept.rule) == (2, "operator", higher)
            assert states(one) == [("dust", "ended")]
            await one.later(1)
            assert states(one) == [("dust", "ended")]
            first = one.rules.versions(OPERATOR, "dust")[-1]
            assert (first.version, first.made_by, first.rule) == (1, "system", rule())
            again = await one.rules.save(OPERATOR, first.rule, version=2, made_again=1)
            assert (again.version, again.made_again) == (3, 1)
            await one.later(1)
            assert states(one) == [("dust", "ended"), ("dust", "firing")]  # judged by what is known, without a new reading
            with pytest.raises(Problem, match="meanwhile"):
                await one.rules.save(OPERATOR, higher, version=2)
            with pytest.raises(Problem, match="has this id"):
                await one.rules.save(OPERATOR, higher, version=0)
        async with world(tmp_path, rule()) as one:  # what people changed stays when the city starts again
            assert one.rules.rule(OPERATOR, "dust").version == 3

    run(scene)


def test_a_rule_is_switched_off_and_on(tmp_path: Path) -> None:
    async def scene() -> None:
        async with world(tmp_path, rule()) as one:
            await one.hear((0, 60.0))
            await one.rules.turn(OPERATOR, "dust", enabled=False)
            await one.hear((0, 70.0), ago=-1)
            assert states(one) == [("dust", "ended")]
            await one.rules.turn(OPERATOR, "dust", enabled=True)
            await one.later(1)
            assert states(one) == [("dust", "ended"), ("dust", "firing")]
            with pytest.raises(Problem, match="No rule"):
                await one.rules.turn(OPERATOR, "smoke", enabled=True)

    run(scene)


def test_a_rule_that_is_none_takes_no_other_away(tmp_path: Path) -> None:
    async def scene() -> None:
        async with world(tmp_path, rule("bad", entity_type="urn:other"), rule()) as one:
            assert [kept.rule.id for kept in one.rules.rules(OPERATOR)] == ["dust"]

    run(scene)


def test_who_listens_is_told_which_lines_changed(tmp_path: Path) -> None:
    async def scene() -> None:
        async with world(tmp_path, rule()) as one:
            told = one.rules.listen()
            first = asyncio.ensure_future(anext(told))
            await asyncio.sleep(0)
            await one.hear((0, 60.0))
            async with asyncio.timeout(20):
                (line,) = one.rules.alerts(OPERATOR, ALL).groups
                assert await first == {str(line.id)}
            await told.aclose()  # type: ignore[attr-defined]  # it is an async generator

    run(scene)


def test_who_writes_which_rule(tmp_path: Path) -> None:
    async def scene() -> None:
        async with world(tmp_path, rule()) as one:
            env, water = (someone(of, "engineer", agencies=frozenset({of})) for of in ("env", "water"))
            west = someone("west", "engineer", wards=frozenset({"00000"}))
            for person, of in ((water, rule()), (west, rule()), (someone("o", "ward_officer"), rule())):
                with pytest.raises(Problem, match="may not"):
                    await one.rules.save(person, of, version=1)
                with pytest.raises(Problem, match="may not"):
                    await one.rules.turn(person, "dust", enabled=False)
            with pytest.raises(Problem, match="may not"):
                await one.rules.save(water, rule(owner="water"), version=1)  # nobody takes another agency's rule
            assert (await one.rules.save(env, rule(severity=2), version=1)).version == 2
            mine = rule("mine", where=Where(wards=("00000",)))
            assert (await one.rules.save(west, mine, version=0)).version == 1
            with pytest.raises(Problem, match="no known kind"):
                await one.rules.save(env, rule(incident="dragons"), version=2)

    run(scene)


def test_nothing_fires_while_people_work(tmp_path: Path) -> None:
    async def scene() -> None:
        async with world(tmp_path, rule(), stations=("00000", "00003")) as one:
            until = NOW + timedelta(minutes=30)
            work = await one.rules.maintain(OPERATOR, entity=urn(0), start=None, until=until, reason="thay đầu đo")
            far = await one.rules.maintain(OPERATOR, ward="00003", start=None, until=until, reason="mất điện")
            officers = {of: someone("w", "ward_officer", wards=frozenset({of})) for of in ("00000", "00003")}
            told = {of: one.rules.maintenance(officer) for of, officer in officers.items()}
            assert {of: [line.id for line in lines] for of, lines in told.items()} == {
                "00000": [work.id, far.id],
                "00003": [far.id],
            }, "a ward's works are no secret; a thing's are for who may know the thing"
            await one.hear((0, 60.0), (1, 60.0))
            await one.later(29)
            assert states(one) == []
            await one.rules.end_maintenance(OPERATOR, far.id)
            await one.later(0.1)
            assert [line.newest.subject for line in one.rules.alerts(OPERATOR, ALL).groups] == [urn(1)]
            assert [each.id for each in one.rules.maintenance(OPERATOR)] == [work.id]
            await one.later(1)
            assert sorted(line.newest.subject for line in one.rules.alerts(OPERATOR, ALL).groups) == [urn(0), urn(1)]
            assert one.rules.maintenance(OPERATOR) == []
            with pytest.raises(Problem, match="reason"):
                await one.rules.maintain(OPERATOR, start=None, until=until + timedelta(days=1), reason=" ")
            with pytest.raises(Problem, match="time is none"):
                await one.rules.maintain(OPERATOR, start=None, until=NOW, reason="x")
            with pytest.raises(Problem, match="no such ward"):
                await one.rules.maintain(OPERATOR, ward="99", start=None, until=until + timedelta(days=1), reason="x")
            with pytest.raises(Problem, match="may not"):
                officer = someone("o", "ward_officer")
                await one.rules.maintain(officer, start=None, until=until + timedelta(days=1), reason="x")

    run(scene)


def test_several_of_one_ward_and_silence(tmp_path: Path) -> None:
    async def scene() -> None:
        several = rule("several", needs=Needs(2, 10))
        silent = rule("silent", any_of=((Silence(minutes=30, attribute=PM),),))
        async with world(tmp_path, several, silent, stations=("00000", "00000", "00001")) as one:
            await one.hear((0, 60.0), (2, 60.0))
            assert states(one) == []
            await one.later(5)
            await one.hear((0, 9.0))
            await one.later(4)
            await one.hear((1, 60.0))  # the other was over the limit nine minutes ago at most
            (line,) = one.rules.alerts(OPERATOR, ALL).groups
            assert (line.rule, line.newest.subject, line.wards) == ("several", "00000", ("00000",))
            assert line.newest.said.vi == "Phường Tây: 2 nơi cùng lúc (Bụi vượt ngưỡng)"
            await one.later(7)
            assert states(one) == [("several", "ended")]
            await one.later(14.5)
            found = one.rules.alerts(OPERATOR, AlertQuestion(rule="silent")).groups
            assert sorted(each.newest.subject for each in found) == [urn(2)]
            assert found[0].newest.began_at == NOW + timedelta(minutes=30)
            assert "mất tín hiệu" in found[0].newest.said.vi

    run(scene)


def test_what_is_foreseen_fires_before_it_comes(tmp_path: Path) -> None:
    async def scene() -> None:
        coming = rule("coming", any_of=((Ahead(attribute=PM, hours=3, op=">", value=80.0, clear=70.0),),))
        async with world(tmp_path, coming, stations=("00000", "00000")) as one:
            await one.hear((0, 60.0), (1, 60.0))
            await one.foresee(0, 60.0, 60.0, 60.0, 90.0)  # the fourth hour is too far ahead
            await one.foresee(1, 60.0, 75.0, 60.0, 60.0)
            await one.later(60)
            assert states(one) == [("coming", "firing")]
            assert one.rules.alerts(OPERATOR, ALL).groups[0].newest.subject == urn(0)
            await one.foresee(0, 60.0, 75.0, 75.0, 75.0)  # lower, but not by enough
            await one.later(1)
            assert states(one) == [("coming", "firing")]
            await one.later(60)
            await one.foresee(0, 60.0, 60.0, 60.0)
            await one.later(1)
            assert states(one) == [("coming", "ended")]

    run(scene)


def test_what_is_no_rule_is_refused_in_words() -> None:
    good = rule()
    assert decode(encode(good)) == good
    check(good, {TYPE: STATION})
    none: tuple[tuple[Compare, ...], ...] = ()
    for wrong in (
        rule(entity_type="urn:other"),
        rule(id="Has Spaces"),
        rule(title=Text("", "")),
        rule(any_of=none),
        rule(any_of=((Schedule(),),)),
        rule(severity=5),
        rule(for_minutes=-1),
        rule(for_minutes=float("nan")),
        rule(needs=Needs(1)),
        rule(quiet=Schedule(days=())),
        rule(any_of=((Compare(attribute=PM, op=">", value=float("inf")),),)),
        rule(any_of=((Compare(attribute=PM, op=">", value=45.0, clear=50.0),),)),
        rule(any_of=((Compare(attribute=PM, op=">", value=45.0, clear=40.0, negated=True),),)),
        rule(any_of=((Compare(attribute=PM, op="=", value="high"),),)),
        rule(any_of=((Ahead(attribute=PM, hours=0, op=">", value=1.0),),)),
        rule(any_of=((Silence(minutes=0),),)),
    ):
        with pytest.raises(Problem, match="cannot be used"):
            check(wrong, {TYPE: STATION})
