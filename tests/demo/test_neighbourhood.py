"""The demo neighbourhood: told once through real services, only where nobody real works, and gone in one go."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from dothi.access.policy import SYSTEM
from dothi.cli import app
from dothi.cli.client import write_address
from dothi.data.context import EntityQuery
from dothi.demo.neighbourhood import plays
from dothi.demo.past import SOURCE
from dothi.demo.present import Present
from dothi.demo.story import PLOTS
from dothi.devices.registry import DeviceSpec
from dothi.model.text import Text
from dothi.platform.incidents import acts
from dothi.platform.incidents.model import Draft, Question
from dothi.platform.platform import Platform
from dothi.platform.rules.alerts import AlertQuestion
from dothi.platform.rules.publishing import ALERT, Alert
from dothi.store.audit import verify
from dothi.testing.city import RunningCity, running_city, wait_until
from dothi.testing.people import insider

EVERY = Question(states=(), limit=200)
SMOG = AlertQuestion(states=(), rule="air-index-bad")  # on some days the simulated air breaks the limit of a day, too


def raised(platform: Platform) -> list[str]:
    """Alerts on the made-up stations, and what is published of them."""
    stations, source = platform.invented.refs("entity"), Alert.attribute("alertSource")
    assert stations and source is not None
    alerts = [str(one.group) for station in stations for one in platform.rules.alerts_on(SYSTEM, station)]
    published = platform.context.query(SYSTEM, EntityQuery(type=ALERT)).entities
    return alerts + [one.id for one in published if (told := one.first(source.iri)) is not None and told.value in stations]


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCity]:
    """A city with its demo neighbourhood."""
    with running_city(tmp_path_factory.mktemp("demo"), demo_work=True) as running:
        yield running


def test_every_state_and_clock_is_there(city: RunningCity) -> None:
    """One is late, one warned, one paused, one answered and rated, one merged; and each is known to be made up."""
    incidents = [one for one in city.platform.incidents.find(SYSTEM, EVERY).incidents if one.origin != "alert"]
    assert len(incidents) == len(PLOTS)
    assert {one.state for one in incidents} == {
        "new", "accepted", "assigned", "handling", "answered", "closed", "rejected", "merged"
    }  # fmt: skip
    told = Counter(what for one in incidents for what in one.told)
    assert told["accept:due"] and told["resolve:warn"]
    assert any(one.told == ("accept:warn",) for one in incidents), "warned, and not late yet"
    assert any(one.paused_since for one in incidents)
    assert all(city.platform.invented.holds("incident", one.code) for one in incidents)
    tree = next(one for one in incidents if one.state == "merged")
    assert any(one.code == tree.parent and one.reports == 3 for one in incidents)


def test_a_duplicate_is_proposed(city: RunningCity) -> None:
    """Two reports of one open manhole are proposed to be one."""
    found = city.platform.incidents.find(SYSTEM, Question(kind="report-safety", states=("new",))).incidents
    assert len(found) == 2
    likely = city.platform.incidents.duplicates(SYSTEM, found[0])
    assert likely and likely[0].incident.code == found[1].code


def test_the_note_of_the_shift_waits_to_be_taken(city: RunningCity) -> None:
    """Whoever comes in as the operator takes over with a note."""
    shift = city.platform.incidents.shifts.current(SYSTEM)
    assert shift is not None and shift.number == 2
    assert "Quá hạn" in shift.note and not shift.taken_by


def test_the_audit_log_is_whole_and_says_what_it_is(city: RunningCity) -> None:
    """Every act of the story stands in the log, with where it came from."""
    with city.platform.database.reader() as db:
        assert verify(db).intact
        rows = db.execute(
            "SELECT person_id, source FROM audit WHERE action LIKE 'incident.%' AND correlation = ?", (SOURCE,)
        )
        sources = Counter(source for _, source in rows)
    assert sources.total() > 50
    assert set(sources) == {SOURCE}


def test_smog_raises_a_real_alert_and_two_commands_are_under_way(city: RunningCity) -> None:
    """The engine finds it in what the stations say; a device that does not exist carries a command out, and a reading shows
    it; another command waits for a second person."""
    platform = city.platform
    wait_until(
        lambda: len([one for one in platform.invented.refs("page") if one.startswith(("verified", "waiting"))]) == 2, "both"
    )
    wait_until(lambda: platform.commands.find(SYSTEM, state="verified")[1] == 1, "a reading shows it")
    waiting, _ = platform.commands.find(SYSTEM, state="proposed")
    assert [one.kind for one in waiting] == ["air.zero-check"]
    code = waiting[0].incident
    incident = platform.incidents.get(SYSTEM, code)
    playbook = platform.incidents.playbook(incident)
    assert incident.origin == "alert" and platform.invented.holds("incident", code)
    assert playbook is not None and 0 < len(incident.steps_done) < len(playbook.steps)
    lines = platform.rules.alerts(SYSTEM, SMOG).groups
    assert [platform.invented.holds("alert-group", one.id) for one in lines] == [True]
    assert len(platform.rules.alerts_of(SYSTEM, lines[0].id)) == 3


def test_what_nobody_decided_about_in_its_hour_is_proposed_anew(tmp_path: Path) -> None:
    """Who comes a day later finds a command to decide about, and no heap of those that ran out."""
    with running_city(tmp_path, demo_work=True) as running:
        platform = running.platform

        def waiting() -> str:
            """The id of the command that the story leads to, if it may be decided about."""
            led = [one.rpartition("/")[2] for one in platform.invented.refs("page") if one.startswith("waiting")]
            found, _ = platform.commands.find(SYSTEM, state="proposed")
            return led[0] if found and led == [one.id for one in found] else ""

        wait_until(waiting, "one waits")
        (first,), _ = platform.commands.find(SYSTEM, id=waiting())
        kinds = platform.commands.kinds
        platform.commands.kinds = {**kinds, first.kind: replace(kinds[first.kind], decide_within=timedelta(0))}
        wait_until(lambda: platform.commands.find(SYSTEM, id=first.id)[1] == 0, "the first one ran out and is gone")
        platform.commands.kinds = kinds
        wait_until(waiting, "another waits, and the story leads to it")
        assert not platform.invented.holds("command", first.id)


def test_not_where_nobody_asks(tmp_path: Path) -> None:
    """A city of a test, or one that was told not to, is empty; so is one that has work already."""
    with running_city(tmp_path) as running:
        assert not running.platform.incidents.find(SYSTEM, EVERY).incidents
        assert not plays(running.platform)


def test_it_is_told_once_and_goes_with_the_first_account(tmp_path: Path, homes: SecretStr | None) -> None:
    """A restart tells nothing twice; the first real account takes all of it away for good, in both homes."""
    with running_city(tmp_path, demo_work=True, database=homes) as running:
        first = running.platform.invented.begun_at
        files = list((running.platform.database.folder / "files").rglob("*"))
        assert first is not None and files
    with running_city(tmp_path, demo_work=True, database=homes) as running:
        platform = running.platform
        assert platform.invented.begun_at == first
        assert len([one for one in platform.incidents.find(SYSTEM, EVERY).incidents if one.origin != "alert"]) == len(PLOTS)
        wait_until(lambda: platform.commands.find(SYSTEM)[1] == 2, "the alert is seen to")
        wait_until(lambda: len(raised(platform)) > 3, "it is published")
        running.run(platform.accounts.create(SYSTEM, "an", "Nguyễn Thị An"))
        wait_until(lambda: platform.invented.over, "the demo's work is gone")
        assert not platform.incidents.find(SYSTEM, EVERY).incidents
        assert not raised(platform)
        with platform.database.reader() as db:
            for table in (
                "report",
                "report_rating",
                "incident_photo",
                "incident_entry",
                "incident_link",
                "shift",
                "command",
            ):
                assert db.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,), table  # noqa: S608 - names above
        wait_until(lambda: not [one for one in files if one.is_file()], "no photo is left")
    with running_city(tmp_path, demo_work=True, database=homes) as running:
        assert not plays(running.platform)


def test_it_goes_with_the_first_real_station(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody admits a device of theirs: what was made up does not mix with what it says, nor what it raised unseen."""

    async def unseen(_: Present) -> None:
        pass

    monkeypatch.setattr(Present, "_follow_alerts", unseen)
    with running_city(tmp_path, demo_work=True) as running:
        platform = running.platform
        wait_until(lambda: any(one.incident for one in platform.rules.alerts(SYSTEM, SMOG).groups), "smog is raised")
        wait_until(lambda: len(raised(platform)) > 3, "it is published")
        running.run(platform.devices.register(SYSTEM, DeviceSpec("tram-that", "AirQualityObserved", "Trạm thật")))
        wait_until(lambda: platform.invented.over, "the demo's work is gone")
        assert not platform.incidents.find(SYSTEM, EVERY).incidents
        assert not raised(platform)


def test_one_command_removes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever works on the machine is done with it by a command."""
    with running_city(tmp_path, demo_work=True) as running:
        write_address(running.home, running.base_url, running.mqtt_port)
        monkeypatch.setenv("DOTHI_HOME", str(running.home))
        done = CliRunner().invoke(app, ["demo", "remove", "--reason", "làm việc thật"])
        assert done.exit_code == 0 and "Destroyed: 1" in done.stdout, done.output
        assert running.platform.invented.over
        with running.platform.database.reader() as db:
            rows = db.execute("SELECT why FROM audit WHERE action = 'demo.remove'").fetchall()
        assert [why for (why,) in rows] == ["làm việc thật"]


def test_real_work_that_was_linked_to_it_stays(tmp_path: Path) -> None:
    """What an operator opened stays, though they linked it to something made up; what they split off from that goes."""
    with running_city(tmp_path, demo_work=True) as running:
        platform = running.platform
        incidents = platform.incidents
        person = insider()
        real = running.run(incidents.open(person, Draft(kind="report-safety", title=Text("Việc thật", "Real work"))))
        made_up = next(one for one in incidents.find(SYSTEM, EVERY).incidents if one.reports > 1)
        running.run(incidents.act(person, real.code, acts.Tie("incident", made_up.code), version=real.version))
        report = next(link.ref for link in incidents.links(person, made_up.code) if link.kind == "report")
        split = acts.Split("Việc tách ra", (report,))
        running.run(incidents.act(person, made_up.code, split, version=made_up.version))
        running.run(platform.invented.remove(SYSTEM))
        assert [one.code for one in incidents.find(SYSTEM, EVERY).incidents] == [real.code]
        newer = running.run(incidents.open(person, Draft(kind="report-safety")))
        assert newer.code > max(made_up.code, real.code), "no number of what was made up is given to real work"
        assert not [link for link in incidents.links(person, real.code) if link.kind == "incident"]


def test_a_telling_that_was_cut_short_begins_anew(tmp_path: Path) -> None:
    """A killed first start leaves half a story: the next one tells it whole, once."""
    with running_city(tmp_path, demo_work=True) as running:
        platform = running.platform

        async def cut() -> None:
            gone = "DELETE FROM invented WHERE kind = 'story' AND ref = 'whole'"
            await platform.writer.run(SYSTEM, platform.clock.now(), lambda db: db.execute(gone))

        running.run(cut())
        first = platform.invented.begun_at
    with running_city(tmp_path, demo_work=True) as running:
        begun = running.platform.invented.begun_at
        assert begun is not None and first is not None and begun - first > timedelta(0)
        found = running.platform.incidents.find(SYSTEM, EVERY).incidents
        assert len([one for one in found if one.origin != "alert"]) == len(PLOTS)
