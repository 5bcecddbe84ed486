"""A city goes from one home to the other whole, or not at all."""

from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dothi.model.problem import Problem
from dothi.store import moving
from dothi.store.audit import GENESIS, Act, record, verify
from dothi.store.database import Database, differences, migrate, open_database, revision, upgrade
from dothi.store.moving import Moved, move
from dothi.store.sqlite import SqliteDatabase
from dothi.store.tables import METADATA

if TYPE_CHECKING:
    from dothi.testing.postgres import Cluster

READINGS = 12_000  # more than one piece


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Database]:
    """A city of SQLite with something in every kind of column."""
    database = open_database(tmp_path / "old", "hanoi")
    migrate(database)
    with closing(database.connect_writer()) as db, db.transaction():
        db.execute("INSERT INTO name VALUES (1, 'https://example.org/Trạm')")
        for num in range(1, 6):
            box = (None,) * 4 if num == 3 else (105.8, 21.0, 105.8 + num / 100, 21.1)
            deleted = 9 if num == 5 else None
            doc = '{"đường": [{"v": "Phố\\u0000Huế"}]}'
            columns = "num, id, type, clearance, owner, west, south, east, north, created_at, modified_at, deleted_at, doc"
            row = (num, f"urn:{num}", *box, deleted, doc)
            db.execute(f"INSERT INTO entity ({columns}) VALUES (?,?,1,1,'an',?,?,?,?,1,2,?,?)", row)  # noqa: S608 - constants
            if num not in (3, 5):
                db.execute(db.dialect.save_place, (num, *box))
        db.executemany(
            "INSERT INTO reading VALUES (?,7,0,?,?,0,0,0,?,0,?)",
            [
                (at, None if at % 5 == 0 else -at / 3, '"mưa\0"' if at % 5 == 0 else None, at, at - 1 or None)
                for at in range(1, READINGS + 1)
            ],
        )
        db.execute("INSERT INTO live VALUES (7, ?, ?, -0.0, NULL, 0, 0, 0, 5, 0)", (-(2**63) + 1, 2**62))
        db.executemany("INSERT INTO outbox (at, payload) VALUES (?, ?)", [(at, bytes([at, 0, 255])) for at in range(50)])
        db.execute("DELETE FROM outbox")
        db.execute("INSERT INTO dispatch_cursor VALUES ('rules', 50)")
        record(db, [Act("an", "city.write", f"thing-{number}") for number in range(20)], 1, (0, GENESIS))
    yield database
    database.close()


def content(database: Database) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table."""
    with database.reader() as db:
        return {name: sorted(db.execute(str(table.select())).fetchall(), key=str) for name, table in METADATA.tables.items()}


def empty(folder: Path, postgres: "Cluster") -> Database:
    """An empty database of PostgreSQL, for a city whose files lie in ``folder``."""
    return open_database(folder, "hanoi", postgres.empty())


def plain(rows: list[Moved]) -> dict[str, tuple[int, str]]:
    return {one.table: (one.rows, one.checksum) for one in rows}


def test_there_and_back_again_nothing_is_lost(source: Database, tmp_path: Path, postgres: "Cluster") -> None:
    before = content(source)
    there = empty(tmp_path / "new", postgres)
    moved = move(source, there)
    assert content(source) == before
    assert {one.table for one in moved} == METADATA.tables.keys()
    assert plain(moved)["reading"][0] == READINGS
    assert (revision(there), differences(there), migrate(there)) == (revision(source), [], None)
    back = open_database(tmp_path / "back", "hanoi")
    assert plain(move(there, back)) == plain(moved)
    after = content(back)
    assert after == content(there)
    assert str(after.pop("reading")) == str(before.pop("reading")).replace("\\x00", "\N{SYMBOL FOR NULL}")
    assert after == before
    for database in (there, back):
        with database.reader() as db:
            assert verify(db).intact
            assert db.execute("SELECT count(*) FROM place").fetchone() == (3,)
            found = "SELECT p.num FROM place p WHERE {touches} ORDER BY p.num"
            assert [num for (num,) in db.execute(db.dialect.fill(found), (105.815, 21.05, 105.83, 21.2))] == [2, 4]
            distance = db.execute("SELECT metres(105.8, 21.0, 105.8, 21.1, 105.9, 21.2)").fetchone()[0]
            assert distance == pytest.approx(11_119.5, abs=0.1)
        with closing(database.connect_writer()) as db, db.transaction():
            # A number that was given out before is never given out again, though its row is gone.
            assert db.execute("INSERT INTO outbox (at, payload) VALUES (1, ?) RETURNING seq", (b"",)).fetchall() == [(51,)]
        database.close()


def test_a_place_that_is_taken_is_left_alone(source: Database, tmp_path: Path, postgres: "Cluster") -> None:
    there = empty(tmp_path / "new", postgres)
    moved = move(source, there)
    for target in (there, source):
        with pytest.raises(Problem) as refused:
            move(there if target is source else source, target)
        assert refused.value.status == 409
    assert len(content(there)["audit"]) == dict(plain(moved))["audit"][0]
    there.close()


def test_a_city_that_runs_is_not_moved(source: Database, tmp_path: Path, postgres: "Cluster") -> None:
    there = empty(tmp_path / "new", postgres)
    move(source, there)
    with closing(there.connect_writer()), pytest.raises(Problem) as refused:
        move(there, open_database(tmp_path / "back", "hanoi"))
    assert (refused.value.status, refused.value.code) == (409, "home-in-use")
    assert not open_database(tmp_path / "back", "hanoi").exists()
    there.close()


@pytest.mark.parametrize("back", [False, True])
def test_a_move_that_breaks_off_leaves_nothing_and_can_be_run_again(
    source: Database, tmp_path: Path, postgres: "Cluster", monkeypatch: pytest.MonkeyPatch, back: bool
) -> None:
    there = empty(tmp_path / "new", postgres)
    target = open_database(tmp_path / "back", "hanoi") if back else there
    if back:
        move(source, there)
        source = there
    passing = moving._Sum.passing

    def broken(self: moving._Sum, rows: Iterable[Any]) -> Iterator[Any]:
        for row in passing(self, rows):
            if self.rows == READINGS // 2:
                raise KeyboardInterrupt
            yield row

    with monkeypatch.context() as patch:
        patch.setattr(moving._Sum, "passing", broken)
        with pytest.raises(KeyboardInterrupt):
            move(source, target)
    assert not target.exists()
    assert not [one for one in target.folder.iterdir() if one.name.startswith(".")]
    assert plain(move(source, target))["reading"][0] == READINGS
    there.close()


def test_a_value_that_changes_on_the_way_is_seen(
    source: Database, tmp_path: Path, postgres: "Cluster", monkeypatch: pytest.MonkeyPatch
) -> None:
    there = empty(tmp_path / "new", postgres)
    insert = moving._Postgres.insert

    def careless(self: moving._Postgres, table: Any, rows: Iterable[Any]) -> None:
        altered = ((*row[:8], bytes(32), *row[9:]) if table.name == "audit" and row[0] == 7 else row for row in rows)
        insert(self, table, altered)

    with monkeypatch.context() as patch:
        patch.setattr(moving._Postgres, "insert", careless)
        with pytest.raises(Problem, match="audit: 20 rows"):
            move(source, there)
    assert not there.exists()
    there.close()


def test_a_city_of_an_older_program_is_moved_as_it_is(tmp_path: Path, postgres: "Cluster") -> None:
    old = open_database(tmp_path / "old", "hanoi")
    with old.engine.connect() as connection:
        upgrade(connection, "0001")
    with closing(old.connect_writer()) as db, db.transaction():
        db.execute("INSERT INTO meta VALUES ('city', 'Hà Nội')")
    there = empty(tmp_path / "new", postgres)
    assert "forecast" not in plain(move(old, there))
    assert revision(there) == "0001"
    saved = migrate(there)
    assert saved is not None
    assert differences(there) == []
    with closing(open_copy(saved)) as copy:
        assert copy.execute("SELECT value FROM meta").fetchall() == [("Hà Nội",)]
    old.close()
    there.close()


def open_copy(path: Path) -> Any:
    """A copy that was made before an upgrade, as the file of SQLite that it is."""
    path.rename(path.with_name("city.db"))
    return SqliteDatabase(path.parent).connect_writer()
