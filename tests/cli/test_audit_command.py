"""``dothi audit``: of a running city and of one at rest, and what it says to somebody who changed a row."""

import sqlite3
from contextlib import closing
from pathlib import Path

from test_commands import dothi, refused

from dothi.cli.client import write_address
from dothi.store.audit_copy import verify_copy
from dothi.testing.city import running_city


def test_a_log_is_proven_taken_along_and_a_changed_row_found(tmp_path: Path) -> None:
    with running_city(tmp_path) as city:
        write_address(city.home, city.base_url, city.mqtt_port)
        told = dothi(city.home, "audit", "verify")
        assert (told.returncode, "every one follows" in told.stdout) == (0, True), told
        told = dothi(city.home, "audit", "export", str(tmp_path / "running.zip"))
        assert told.returncode == 0, told
        assert "already" in refused(dothi(city.home, "audit", "export", str(tmp_path / "running.zip")))
    verdict = verify_copy(tmp_path / "running.zip")
    assert verdict.intact
    assert verdict.proven == verdict.rows > 0, "signed to its last row"

    told = dothi(city.home, "audit", "verify")
    assert "this installation's" in told.stdout
    assert "not signed yet" not in told.stdout, "a city that stops signs what it did"
    told = dothi(city.home, "audit", "export", str(tmp_path / "rest.zip"))
    assert told.returncode == 0, told
    told = dothi(city.home, "audit", "verify", str(tmp_path / "rest.zip"))
    assert "every one follows" in told.stdout
    told = dothi(tmp_path / "auditor", "audit", "verify", str(tmp_path / "rest.zip"))
    assert "compare it with the one you were given" in told.stdout

    with closing(sqlite3.connect(city.home / "tenants" / "hanoi" / "city.db")) as db, db:
        (row,) = db.execute("SELECT seq FROM audit WHERE action = 'audit.export' ORDER BY seq LIMIT 1").fetchone()
        db.execute("DROP TRIGGER audit_no_update")
        db.execute("UPDATE audit SET person_id = 'nobody' WHERE seq = ?", (row,))
    assert f"Row {row:,}: changed or put in" in refused(dothi(city.home, "audit", "verify"))


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    assert "no city" in refused(dothi(tmp_path / "home", "audit", "verify"))
    assert "no city" in refused(dothi(tmp_path / "home", "audit", "export", str(tmp_path / "out.zip")))
    assert not (tmp_path / "out.zip").exists()
    assert "no file" in refused(dothi(tmp_path / "home", "audit", "verify", str(tmp_path / "out.zip")))
