"""``dothi move`` from the command line: from home to home and back, with a doctor who knows both."""

import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from dothi.platform.home import locked
from dothi.store.database import migrate, open_database

if TYPE_CHECKING:
    from dothi.testing.postgres import Cluster

Told = subprocess.CompletedProcess[str]


def dothi(home: Path, *arguments: str, **settings: str) -> Told:
    """Run a command on ``home``, a city without recorded data."""
    empty = home.parent / "no-data"
    empty.mkdir(exist_ok=True)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DOTHI_")}
    environment |= {"DOTHI_HOME": str(home), "DOTHI_DATA": str(empty), "DOTHI_PORT": "0", "DOTHI_MQTT_PORT": "0"} | settings
    command = [sys.executable, "-c", "from dothi.cli import main; main()", *arguments]
    told = subprocess.run(
        command,
        env=environment | {"COLUMNS": "200"},
        cwd=home.parent,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "not-to-be-told" not in told.stdout + told.stderr
    return told


def table(told: Told) -> dict[str, list[str]]:
    """Rows and checksum by table, as they were printed."""
    lines = (line.split() for line in told.stdout.splitlines())
    return {words[0]: words[1:] for words in lines if len(words) == 3}


def test_a_city_moves_and_moves_back(tmp_path: Path, postgres: "Cluster") -> None:
    home = tmp_path / "home"
    database = open_database(home, "hanoi")
    migrate(database)
    with closing(database.connect_writer()) as db, db.transaction():
        db.executemany("INSERT INTO meta VALUES (?, 'x')", [(f"k{number}",) for number in range(1_234)])
    database.close()
    url = postgres.empty().get_secret_value()
    with locked(home):
        running = dothi(home, "move", "--to", url)
    assert (running.returncode, "already runs on" in running.stderr) == (2, True)
    moved = dothi(home, "move", "--to", url)
    assert moved.returncode == 0, moved.stderr
    rows = table(moved)
    assert rows["meta"][0] == "1,234"
    assert len(rows["meta"][1]) == 32
    assert "set DOTHI_DATABASE" in moved.stdout
    again = dothi(home, "move", "--to", url)
    assert (again.returncode, "There is a city already" in again.stderr) == (2, True)
    doctor = dothi(home, "doctor", DOTHI_DATABASE=url)
    assert (doctor.returncode, "PostgreSQL" in doctor.stdout, "schema 'hanoi'" in doctor.stdout) == (0, True, True)
    taken = dothi(home, "move", "--to", "sqlite", DOTHI_DATABASE=url)
    assert (taken.returncode, "There is a city already" in taken.stderr) == (2, True)
    (home / "tenants" / "hanoi" / "city.db").rename(tmp_path / "aside.db")
    back = dothi(home, "move", "--to", "sqlite", DOTHI_DATABASE=url)
    assert back.returncode == 0, back.stderr
    told = table(back)
    assert (rows.pop("audit")[0], told.pop("audit")[0]) == ("0", "1"), "that it was moved is written down where it went"
    assert told == rows
    ill = dothi(home, "doctor", DOTHI_DATABASE=url.replace("/city_", "/none_"))
    assert (ill.returncode, "does not exist" in ill.stdout) == (2, True)
