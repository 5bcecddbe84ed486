"""The database's home: readers and writer, migrations with a copy before them."""

import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from dothi.model.problem import Problem
from dothi.store import database as home
from dothi.store.connection import Conflict, DatabaseError, Unavailable
from dothi.store.database import Database, differences, migrate, open_database, revision
from dothi.store.sqlite import SqliteDatabase
from dothi.store.tables import meta
from dothi.testing.homes import open_city

HEAD = "0023"


@pytest.fixture
def database(tmp_path: Path, homes: object) -> Iterator[Database]:
    one = open_city(tmp_path, "phu-tho")  # of which no home has anything yet
    yield one
    one.close()


def put(database: Database, key: str, value: str) -> None:
    with database.engine.begin() as connection:
        connection.execute(sa.insert(meta).values(key=key, value=value))


def test_a_new_database_is_migrated_without_a_copy(database: Database) -> None:
    assert revision(database) is None
    assert migrate(database) is None
    assert revision(database) is not None
    assert migrate(database) is None
    assert list((database.folder / "backups").iterdir()) == []


def test_the_migrations_make_exactly_the_tables_the_code_knows(database: Database) -> None:
    migrate(database)
    assert differences(database) == []
    with database.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE device DROP COLUMN flags")
    assert differences(database) != []


def _newer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, upgrade: str) -> None:
    """A program with one revision more than the database at hand."""
    tree = tmp_path / "migrations"
    shutil.copytree(home.MIGRATIONS, tree, ignore=shutil.ignore_patterns("__pycache__"))
    lines = [
        "from alembic import op",
        'revision = "9999"',
        f'down_revision = "{HEAD}"',
        "def upgrade():",
        *upgrade.splitlines(),
    ]
    (tree / "versions" / "9999_test.py").write_text("\n".join(lines))
    monkeypatch.setattr(home, "MIGRATIONS", tree)


def test_an_older_database_is_copied_before_it_is_upgraded(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate(database)
    put(database, "city", "Hà Nội")
    _newer(tmp_path, monkeypatch, "    op.execute('CREATE TABLE extra (x int)')\n    op.execute('DELETE FROM meta')")
    saved = migrate(database)
    assert revision(database) == "9999"
    assert saved is not None
    assert saved.parent == database.folder / "backups"
    with closing(sqlite3.connect(saved)) as copy:
        assert copy.execute("SELECT version_num FROM alembic_version").fetchall() == [(HEAD,)]
        assert copy.execute("SELECT value FROM meta").fetchall() == [("Hà Nội",)]
    with database.reader() as db:
        assert db.execute("SELECT count(*) FROM meta").fetchone() == (0,)


def test_a_failed_upgrade_leaves_the_database_as_it_was(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate(database)
    put(database, "city", "Hà Nội")
    failing = "    op.execute('CREATE TABLE extra (x int)')\n    op.execute('DELETE FROM meta')\n    op.execute('nonsense')"
    _newer(tmp_path, monkeypatch, failing)
    for count in (1, 2):
        with pytest.raises(sa.exc.DBAPIError):
            migrate(database)
        assert len(list((database.folder / "backups").iterdir())) == count
        assert revision(database) == HEAD
        with database.reader() as db:
            assert db.execute("SELECT value FROM meta").fetchall() == [("Hà Nội",)]
            with pytest.raises(DatabaseError, match="extra"), database.translated():
                db.execute("SELECT * FROM extra")


def test_a_database_of_a_newer_program_is_left_alone(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as newer:
        _newer(tmp_path, newer, "    pass")
        migrate(database)
    with pytest.raises(Problem, match="does not know"):
        migrate(database)


def test_readers_see_one_moment_and_cannot_write(database: Database) -> None:
    migrate(database)
    with closing(database.connect_writer()) as writer:
        kept = {
            "sqlite": {"PRAGMA journal_mode": "wal", "PRAGMA synchronous": 2},
            "postgresql": {"SHOW synchronous_commit": "on"},
        }
        for question, answer in kept[database.dialect.name].items():
            assert writer.execute(question).fetchone() == (answer,)
        with database.reader() as first:
            assert first.execute("SELECT count(*) FROM meta").fetchone() == (0,)
            writer.execute("INSERT INTO meta VALUES ('a', 'b')")
            assert first.execute("SELECT count(*) FROM meta").fetchone() == (0,)
            with database.reader() as second:
                assert second.execute("SELECT count(*) FROM meta").fetchone() == (1,)
                with pytest.raises(Unavailable, match=r"read-?only"), database.translated():
                    second.execute("DELETE FROM meta")
    with database.reader() as again:
        assert again.execute("SELECT count(*) FROM meta").fetchone() == (1,)


def test_readers_are_shared_between_threads_and_given_back(tmp_path: Path) -> None:
    open_database(tmp_path, "hanoi").close()
    database = SqliteDatabase(tmp_path / "tenants" / "hanoi", readers=2)
    migrate(database)
    seen: list[int] = []

    def read() -> None:
        for _ in range(20):
            with database.reader() as db:
                seen.append(db.execute("SELECT 1").fetchone()[0])

    threads = [threading.Thread(target=read) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 120
    with pytest.raises(ZeroDivisionError), database.reader():
        raise ZeroDivisionError
    with database.reader(), database.reader() as db:
        assert db.execute("SELECT 1").fetchone() == (1,)
    database.close()


@pytest.mark.parametrize("tenant", ["", "Hanoi", "../x", "a/b", "a b", "hà-nội", "a" * 64])
def test_a_tenant_name_cannot_leave_its_folder(tmp_path: Path, tenant: str) -> None:
    with pytest.raises(Problem):
        open_database(tmp_path, tenant)


@pytest.mark.parametrize("many", [0, 1, 99, 100, 101, 350])
def test_many_rows_are_what_each_would_be_and_are_counted(database: Database, many: int) -> None:
    migrate(database)
    known = "INSERT INTO meta (key, value) VALUES (?,?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
    once = "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO NOTHING"
    rows = [(f"row-{number:03}", f"value {number}") for number in range(many)]
    with closing(database.connect_writer()) as db:
        with db.transaction():
            before = set(db.execute("SELECT key, value FROM meta"))
            assert db.executemany(known, rows[: many // 2]).rowcount == many // 2
            assert db.executemany(known, iter(rows)).rowcount == many
            assert db.executemany(once, [*rows, ("row-new", "there")]).rowcount == 1
        found = set(db.execute("SELECT key, value FROM meta")) - before
    assert found == {*rows, ("row-new", "there")}


def test_one_row_that_is_known_refuses_all_of_its_transaction(database: Database) -> None:
    migrate(database)
    rows = [(f"row-{number}", "") for number in range(250)]
    with closing(database.connect_writer()) as db:
        with pytest.raises(Conflict), db.transaction():
            db.executemany("INSERT INTO meta VALUES (?,?)", [*rows, rows[7]])
        assert db.execute("SELECT count(*) FROM meta WHERE key LIKE 'row-%'").fetchone() == (0,)
