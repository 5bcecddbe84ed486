"""Drills that begin beside each other: each empties what was its own, and none what another is playing on."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from dothi.app import tenant_of
from dothi.cli.drill.world import begin_anew
from dothi.model.problem import Problem
from dothi.platform.home import locked
from dothi.settings import Settings
from dothi.store.database import Database, database_of, migrate, tenant_folder
from dothi.testing.homes import chosen

pytestmark = pytest.mark.usefixtures("homes")


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
