"""Drills beside the one that comes along: each begins in a city of its own, and needs only what it plays with."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from dothi.app import tenant_of
from dothi.cli.drill.script import read_script
from dothi.cli.drill.world import begin_anew
from dothi.model.problem import Problem
from dothi.platform.home import locked
from dothi.settings import Settings
from dothi.store.database import Database, database_of, migrate, tenant_folder
from dothi.testing.homes import chosen

pytestmark = pytest.mark.usefixtures("homes")

CITIZENS = """
id = "citizens"
title = { vi = "Người dân", en = "Citizens" }
about = { vi = "Một phản ánh", en = "One report" }
city = "01"
begins = 2026-11-20T07:00:00+07:00
minutes = 60
trouble = 1
speed = 100
detected = "sent"
accepted = "sent"
solved = "sent"

[[steps]]
id = "sent"
title = { vi = "Có phản ánh", en = "A report comes" }
sees = "incident:report"
within = 30
"""


def drill(home: Path, name: str) -> Settings:
    day = datetime(2026, 11, 20, tzinfo=UTC)
    return Settings(home=home, drill=name, replay_from=day, replay_to=day.replace(hour=5), database=chosen())


def made(settings: Settings) -> Database:
    folder = tenant_folder(settings.home, tenant_of(settings))
    folder.mkdir(parents=True)
    database = database_of(folder, settings.database)
    migrate(database)
    return database


def test_a_drill_forgets_its_own_city_and_no_other(tmp_path: Path) -> None:
    smog, flood = drill(tmp_path / "smog", "smog"), drill(tmp_path / "flood", "flood")
    of_smog, of_flood = made(smog), made(flood)
    assert tenant_of(smog) != tenant_of(flood)
    begin_anew(flood)
    assert (of_smog.exists(), of_flood.exists()) == (True, False)
    begin_anew(smog)
    assert not of_smog.exists()
    for database in (of_smog, of_flood):
        database.close()


def test_the_longest_name_of_a_drill_names_a_city(tmp_path: Path) -> None:
    begin_anew(drill(tmp_path / "long", "x" * 40))


def test_a_drill_that_is_played_is_left_alone(tmp_path: Path) -> None:
    played = drill(tmp_path / "one", "smog")
    database = made(played)
    # A file of SQLite lies in its home; a schema is reached from another home as well.
    again = played if chosen() is None else drill(tmp_path / "other", "smog")
    with locked(played.home), database.alone(), pytest.raises(Problem, match="going on already") as refused:
        begin_anew(again)
    assert (refused.value.code, database.exists()) == ("drill-runs", True)
    database.close()


def test_a_drill_needs_neither_stations_nor_people(tmp_path: Path) -> None:
    written = tmp_path / "citizens.toml"
    written.write_text(CITIZENS, encoding="utf-8")
    script = read_script(str(written))
    assert (script.stations, script.people, [one.id for one in script.steps]) == ((), (), ["sent"])
