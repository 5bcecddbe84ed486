"""A line of alerts opens one incident, tells it when it is over, and calls nobody in quiet hours."""

from datetime import timedelta
from pathlib import Path

import pytest
from rules_world import INDEX, OPERATOR, PM, STATION, World, rule, run, urn, world

from dothi.model.text import Text
from dothi.platform.incidents import acts
from dothi.platform.incidents.model import Draft, Incident, Question
from dothi.platform.rules.alerts import AlertQuestion
from dothi.platform.rules.model import Ahead, Compare, Schedule, known_after

pytestmark = pytest.mark.usefixtures("homes")


def incidents(one: World) -> tuple[Incident, ...]:
    return one.incidents.find(OPERATOR, Question()).incidents


def test_a_line_opens_one_incident_and_tells_it_when_it_is_over(tmp_path: Path) -> None:
    async def scene() -> None:
        async with world(tmp_path, rule(incident="smog"), stations=("00000", "00001")) as one:
            await one.hear((0, 90.0))
            began = one.clock.now()
            await one.later(1)
            (opened,) = incidents(one)
            assert (opened.kind, opened.origin, opened.severity, opened.ward) == ("smog", "alert", 3, "00000")
            assert (opened.longitude, opened.latitude, opened.detected_from) == (105.75, 21.0, began)
            assert opened.title.vi == "Bụi vượt ngưỡng – Phường Tây"
            await one.hear((1, 91.0))  # next door: the same line
            await one.later(1)
            assert [found.code for found in incidents(one)] == [opened.code]
            (line,) = one.rules.alerts(OPERATOR, AlertQuestion()).groups
            assert (line.count, line.incident) == (2, opened.code)
            links = {(link.kind, link.ref) for link in one.incidents.links(OPERATOR, opened.code)}
            assert links == {("alert-group", str(line.id)), ("entity", urn(0))}
            await one.hear((0, 9.0), (1, 9.0))
            await one.later(1)
            await one.later(1)
            notes = [entry.words.en for entry in one.incidents.timeline(OPERATOR, opened.code) if entry.act == "note"]
            assert notes == ["Its alerts are now in 2 wards: Phường Tây, Phường Giữa.", "All its alerts have ended."]

    run(scene)


def test_what_an_alert_says_of_its_incident_is_read_in_both_languages_what_a_person_wrote_as_written(tmp_path: Path) -> None:
    async def scene() -> None:
        async with world(tmp_path, rule(incident="smog")) as one:
            await one.hear((0, 90.0))
            await one.later(1)
            (opened,) = incidents(one)
            (alert,) = one.rules.alerts_on(OPERATOR, urn(0))
            assert one.rules.text_of(opened) == alert.said and alert.said.vi != alert.said.en
            written = acts.Retitle(opened.title.vi, "Khói từ bãi rác")
            written_on = await one.incidents.act(OPERATOR, opened.code, written, version=opened.version)
            assert one.rules.text_of(written_on) == Text("Khói từ bãi rác", "Khói từ bãi rác")
            typed = Draft("smog", text=alert.said.vi, longitude=105.75, latitude=21.0)
            by_hand = await one.incidents.open(OPERATOR, typed)
            assert one.rules.text_of(by_hand).en == alert.said.vi

    run(scene)


def test_a_line_of_several_wards_says_so_and_says_where_it_spreads(tmp_path: Path) -> None:
    async def scene() -> None:
        async with world(tmp_path, rule(incident="smog", spread=3), stations=("00000", "00001", "00002", "00003")) as one:
            await one.hear((0, 90.0), (1, 90.0))
            await one.later(1)
            (opened,) = incidents(one)
            assert opened.title.vi == "Bụi vượt ngưỡng – Phường Tây và 1 nơi khác" and opened.ward == "00000"
            await one.hear((2, 90.0))
            await one.later(1)
            await one.hear((1, 9.0), (1, 91.0), ago=-1)  # where it was before: nothing new
            await one.later(1)
            notes = [entry.words for entry in one.incidents.timeline(OPERATOR, opened.code) if entry.act == "note"]
            assert [note.vi for note in notes] == ["Cảnh báo nay ở 3 phường, xã: Phường Tây, Phường Giữa, Phường Đông."]
            assert notes[0].en == "Its alerts are now in 3 wards: Phường Tây, Phường Giữa, Phường Đông."

    run(scene)


def test_what_comes_and_goes_between_two_looks_is_told_whole(tmp_path: Path) -> None:
    async def scene() -> None:
        async with world(tmp_path, rule(incident="smog")) as one:
            await one.hear((0, 90.0))
            await one.hear((0, 9.0), ago=-1)
            await one.later(1)
            (opened,) = incidents(one)
            await one.later(1)
            assert [entry.act for entry in one.incidents.timeline(OPERATOR, opened.code)] == ["open", "note"]

    run(scene)


def test_in_quiet_hours_nobody_is_called(tmp_path: Path) -> None:
    async def scene() -> None:
        quiet = Schedule(start=22 * 60, end=10 * 60)  # it is nine in the morning
        async with world(tmp_path, rule(incident="smog", quiet=quiet), stations=("00000", "00003")) as one:
            await one.hear((0, 90.0), (1, 90.0))
            await one.later(1)
            assert incidents(one) == () and one.rules.alerts(OPERATOR, AlertQuestion()).total == 2
            await one.hear((1, 9.0))
            await one.later(59)
            assert [found.ward for found in incidents(one)] == ["00000"]  # the other was over by then

    run(scene)


@pytest.mark.parametrize(("ago", "late"), [(75, 15), (20, 0)], ids=["after its hour", "before its hour is over"])
def test_an_hours_index_is_a_sign_when_its_hour_is_over(tmp_path: Path, ago: int, late: int) -> None:
    over = ((Compare(attribute=INDEX, op=">", value=150.0),),)

    async def scene() -> None:
        async with world(tmp_path, rule(incident="smog", any_of=over)) as one:
            await one.hear((0, 201.0), attribute=INDEX, ago=ago)
            await one.later(0)
            (opened,) = incidents(one)
            assert opened.opened_at - opened.detected_from == timedelta(minutes=late)
            (alert,) = one.rules.alerts(OPERATOR, AlertQuestion()).groups
            assert opened.opened_at - alert.began_at == timedelta(minutes=ago), "the alert says of when the value is"

    run(scene)


def test_a_rule_knows_when_the_soonest_of_what_it_asks_is_known() -> None:
    dust = Compare(attribute=PM, op=">", value=45.0)
    index = Compare(attribute=INDEX, op=">", value=150.0)
    ahead = Ahead(attribute=INDEX, op=">", value=150.0, hours=6)
    hours = Schedule(days=(0, 1))
    for any_of, minutes in (
        (((dust,),), 0),
        (((index, hours),), 60),
        (((dust, index),), 60),
        (((Compare(attribute=PM, op=">", value=0.0, than=INDEX),),), 60),
        (((index,), (dust,)), 0),
        (((ahead,),), 0),
    ):
        assert known_after(rule(any_of=any_of), STATION) == timedelta(minutes=minutes)
