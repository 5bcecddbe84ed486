"""What a rule would have done is what it does: the same engine over what was kept, without a trace."""

from datetime import datetime
from pathlib import Path

import pytest
from rules_world import OPERATOR, PM, World, rule, run, someone, urn, world

from dothi.access.policy import STRANGER
from dothi.model.problem import Problem
from dothi.platform.rules.alerts import AlertQuestion
from dothi.platform.rules.model import Compare, Needs, Rule, Silence, Window

pytestmark = pytest.mark.usefixtures("homes")


def tried(one: World, of: Rule) -> list[tuple[str, int, int | None]]:
    """(subject, minutes ago it would have fired, minutes ago it would have ended)."""
    found = one.rules.preview(OPERATOR, of).stretches

    def ago(at: datetime) -> int:
        return round((one.clock.now() - at).total_seconds() / 60)

    return [(each.subject, ago(each.fired_at), None if each.ended_at is None else ago(each.ended_at)) for each in found]


def test_a_preview_tells_when_and_where_and_leaves_nothing(tmp_path: Path) -> None:
    async def scene() -> None:
        async with world(tmp_path, stations=("00000", "00000", "00003")) as one:
            for first, second in ((9.0, 50.0), (60.0, 70.0), (61.0, 8.0), (7.0, 6.0)):
                await one.hear((0, first), (1, second))
                await one.later(60)
            assert tried(one, rule()) == [(urn(0), 180, 60), (urn(1), 240, 120)]
            assert tried(one, rule(for_minutes=90)) == [(urn(0), 90, 60), (urn(1), 150, 120)]
            assert tried(one, rule(needs=Needs(2))) == [("00000", 180, 120)]
            mean = Window(attribute=PM, statistic="mean", minutes=120, op=">", value=55.0, least=2)
            assert tried(one, rule(any_of=((mean,),))) == [(urn(0), 120, 60), (urn(1), 180, 120)]
            silent = rule(any_of=((Silence(minutes=45, attribute=PM),),))
            assert tried(one, silent)[:2] == [(urn(0), 15, None), (urn(1), 15, None)]
            before = one.rules.alerts(OPERATOR, AlertQuestion(states=()))
            assert before.total == 0 and one.rules.rules(OPERATOR) == []

    run(scene)


def test_a_preview_is_of_what_its_asker_may_know(tmp_path: Path) -> None:
    async def scene() -> None:
        async with world(tmp_path, stations=("00000", "00003")) as one:
            await one.hear((0, 90.0), (1, 91.0))
            await one.later(10)
            west = someone("west", "ward_officer", wards=frozenset({"00000"}))
            assert [each.subject for each in one.rules.preview(west, rule()).stretches] == [urn(0)]
            assert one.rules.preview(OPERATOR, rule()).readings == 2
            with pytest.raises(Problem, match="may not"):
                one.rules.preview(STRANGER, rule())
            with pytest.raises(Problem, match="cannot be used"):
                one.rules.preview(OPERATOR, rule(any_of=((Compare(attribute="urn:other", op=">", value=1.0),),)))

    run(scene)
