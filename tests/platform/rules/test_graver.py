"""A rule with steps: an alert that goes on grows graver with what is measured, its line and its incident with it."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rules_world import NOTE, OPERATOR, PM, STATION, TYPE, World, rule, run, urn, world
from test_engine import batches, engine_of, told

from dothi.model.problem import Problem
from dothi.platform.incidents.acts import Rank
from dothi.platform.incidents.model import Incident, Question
from dothi.platform.rules import telling
from dothi.platform.rules.alerts import AlertGroup, AlertQuestion
from dothi.platform.rules.model import Compare, Graver, Needs, Rule, Schedule, Window, check, decode, encode

homes = pytest.mark.usefixtures("homes")
STEPS = (Graver(3, 90.0), Graver(4, 150.0))


def growing(**more: object) -> Rule:
    return rule(**{"severity": 2, "graver": STEPS, "incident": "smog", **more})


def line(one: World) -> AlertGroup:
    (found,) = one.rules.alerts(OPERATOR, AlertQuestion(states=())).groups
    return found


def incident(one: World) -> Incident:
    (found,) = one.incidents.find(OPERATOR, Question()).incidents
    return found


@homes
def test_what_is_measured_makes_an_alert_graver_and_never_milder(tmp_path: Path) -> None:
    async def scene() -> None:
        async with world(tmp_path, growing(), stations=("00000", "00001")) as one:
            await one.hear((0, 60.0))
            await one.later(1)
            assert (line(one).severity, incident(one).severity) == (2, 2)
            await one.hear((0, 100.0))
            await one.later(1)
            assert (line(one).severity, line(one).newest.severity, incident(one).severity) == (3, 3, 3)
            assert (line(one).newest.value, line(one).newest.threshold) == (100.0, 90.0)
            assert "trên 90" in line(one).newest.said.vi
            await one.hear((0, 60.0), (1, 50.0))
            await one.later(1)
            assert {each.subject: each.severity for each in one.rules.alerts_of(OPERATOR, line(one).id)} == {
                urn(0): 3,
                urn(1): 2,
            }
            assert line(one).severity == 3
            await one.incidents.act(OPERATOR, incident(one).code, Rank(1, "normal"), version=incident(one).version)
            await one.later(1)
            assert incident(one).severity == 1  # what a person decided stays until it grows graver again
            await one.hear((1, 200.0))
            await one.later(1)
            assert (line(one).severity, incident(one).severity) == (4, 4)
            notes = [entry.words.en for entry in one.incidents.timeline(OPERATOR, incident(one).code) if entry.act == "note"]
            told = [note for note in notes if "graver" in note]
            assert told == [f"Its alerts grew graver: {telling.SEVERITIES[step].en.lower()}." for step in (3, 4)]
            await one.hear((0, 9.0), (1, 9.0))
            await one.later(1)
            assert (line(one).state, line(one).severity) == ("ended", 4)

    run(scene)


@homes
def test_what_jumps_opens_its_incident_as_grave_as_it_is(tmp_path: Path) -> None:
    async def scene() -> None:
        async with world(tmp_path, growing(for_minutes=10.0)) as one:
            await one.hear((0, 500.0))
            await one.later(9)
            assert one.rules.alerts(OPERATOR, AlertQuestion()).total == 0
            await one.later(1)
            await one.later(1)
            assert (line(one).severity, incident(one).severity) == (4, 4)

    run(scene)


@homes
def test_it_grows_graver_and_ends_between_two_looks(tmp_path: Path) -> None:
    async def scene() -> None:
        async with world(tmp_path, growing()) as one:
            await one.hear((0, 60.0))
            await one.later(1)
            await one.hear((0, 160.0))
            await one.hear((0, 9.0), ago=-1)
            await one.later(1)
            assert incident(one).severity == 4
            acts = [entry.act for entry in one.incidents.timeline(OPERATOR, incident(one).code)]
            assert acts == ["open", "rank", "note", "note"]

    run(scene)


@homes
def test_steps_go_on_after_a_restart(tmp_path: Path) -> None:
    async def scene() -> None:
        async with world(tmp_path, growing()) as one:
            await one.hear((0, 100.0))
            await one.later(1)
        async with world(tmp_path, growing()) as one:
            assert line(one).severity == 3
            await one.hear((0, 99.0), ago=-1)
            await one.later(2)
            assert (line(one).count, line(one).severity) == (1, 3)
            await one.hear((0, 151.0))
            await one.later(1)
            assert (line(one).count, line(one).severity) == (1, 4)
            kept = one.rules.rule(OPERATOR, "dust")
            await one.rules.save(OPERATOR, growing(graver=STEPS[:1]), version=kept.version)
            with one.database.reader() as db:
                assert db.execute("SELECT count(*) FROM rule_cell WHERE rule LIKE 'dust#2%'").fetchone() == (0,)

    run(scene)


@homes
def test_so_many_places_beyond_a_step_make_a_ward_graver(tmp_path: Path) -> None:
    async def scene() -> None:
        async with world(tmp_path, growing(needs=Needs(2)), stations=("00000",) * 3) as one:
            await one.hear((0, 60.0), (1, 100.0))
            await one.later(1)
            assert (line(one).severity, line(one).newest.subject) == (2, "00000")
            await one.hear((2, 100.0))
            await one.later(1)
            assert line(one).severity == 3

    run(scene)


@homes
def test_a_preview_tells_how_grave_it_would_have_become(tmp_path: Path) -> None:
    async def scene() -> None:
        async with world(tmp_path) as one:
            for value in (60.0, 100.0, 160.0, 50.0, 9.0, 95.0):
                await one.hear((0, value))
                await one.later(60)
            assert [each.severity for each in one.rules.preview(OPERATOR, growing()).stretches] == [3, 4]

    run(scene)


@settings(max_examples=60)
@given(
    batches,
    st.sampled_from([0.0, 10.0]),
    st.sampled_from([0.0, 15.0]),
    st.sampled_from([">", ">=", "<", "<="]),
    st.booleans(),
)
def test_what_is_beyond_a_step_is_beyond_the_rule(
    events: list[tuple[list[tuple[int, str, int, float, bool]], int]], lasting: float, over: float, op: str, clears: bool
) -> None:
    up = 1.0 if op[0] == ">" else -1.0
    first = Compare(attribute=PM, op=op, value=2.0, clear=2.0 - up if clears else None)  # type: ignore[arg-type]  # one of the operators
    steps = (Graver(3, 2.0 + up), Graver(4, 2.0 + 1.5 * up))
    watched = rule(any_of=((first,),), severity=2, graver=steps, for_minutes=lasting, clear_minutes=over)
    check(watched, {TYPE: STATION})
    engine = engine_of(*watched.steps)
    firing: list[set[int | str]] = [set(), set(), set()]
    now = engine_start = 1_778_457_600 * 1_000_000
    assert engine.tick(engine_start) == []
    for batch, minutes in events:
        now = max([now, *(engine_start + at * 60_000_000 for _, _, at, _, _ in batch)]) + minutes * 60_000_000
        for found in (*engine.judge(told(engine, batch)), *engine.tick(now)):
            if found.fired:
                firing[found.rule].add(found.subject)
            else:
                firing[found.rule].discard(found.subject)
            assert found.rule == 0 or not found.fired or found.subject in firing[found.rule - 1]
        assert firing[0] >= firing[1] >= firing[2]


@pytest.mark.parametrize(
    "wrong",
    [
        {"graver": (Graver(2, 90.0),)},
        {"graver": (Graver(3, 40.0),)},
        {"graver": (Graver(3, float("inf")),)},
        {"graver": (Graver(4, 90.0), Graver(3, 150.0))},
        {"graver": (Graver(3, 90.0), Graver(4, 90.0))},
        {"graver": (Graver(5, 90.0),)},
        {"any_of": ((Compare(attribute=PM, op="=", value=1.0),),)},
        {"any_of": ((Compare(attribute=PM, op=">", value=1.0, negated=True),),)},
        {"any_of": ((Compare(attribute=NOTE, op="=", value="hỏng"),),)},
    ],
    ids=str,
)
def test_steps_that_are_none_are_refused(wrong: dict[str, object]) -> None:
    check(growing(), {TYPE: STATION})
    with pytest.raises(Problem, match="grow graver"):
        check(growing(**wrong), {TYPE: STATION})


def test_a_step_keeps_what_must_hold_beside_the_comparison() -> None:
    hours = Schedule(start=60, end=120)
    window = Window(attribute=PM, statistic="mean", minutes=60.0, op=">", value=45.0, clear=40.0)
    of = growing(any_of=((hours, window), (Compare(attribute=NOTE, op="=", value="hỏng"),)), graver=STEPS[:1])
    check(of, {TYPE: STATION})
    base, step = of.steps
    assert base is of and step.severity == 3
    beyond = Window(attribute=PM, statistic="mean", minutes=60.0, op=">", value=90.0)
    assert step.any_of == ((hours, beyond),)
    assert decode(encode(of)) == of
