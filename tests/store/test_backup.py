"""A backup is what restore brings back: byte for byte, or not at all."""

import gzip
import io
import tarfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from dothi.model.problem import Problem
from dothi.store.audit import GENESIS, Act, last_seal, record
from dothi.store.backup import backup, restore
from dothi.store.connection import DatabaseError
from dothi.store.database import Database, migrate, open_database, revision, tenant_folder
from dothi.store.tables import METADATA
from dothi.testing.homes import open_city


@pytest.fixture
def city(tmp_path: Path) -> Iterator[Database]:
    database = open_database(tmp_path / "home", "hanoi")
    migrate(database)
    with closing(database.connect_writer()) as writer:
        writer.executemany("INSERT INTO meta VALUES (?, ?)", [(f"k{n}", "Hà Nội" * n) for n in range(200)])
        record(writer, [Act("an", "city.write", "x")], 1, (0, GENESIS))
    for name, body in (
        ("files/2026/ảnh.jpg", b"\xff\xd8picture"),
        ("lake/air/part-0.parquet", b"PAR1"),
        ("journal/x", b"no"),
    ):
        path = database.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    yield database
    database.close()


def content(database: Database) -> list[object]:
    with database.reader() as db:
        return [(name, sorted(db.execute("SELECT * FROM " + name).fetchall())) for name in METADATA.tables]  # noqa: S608 - ours


def test_what_was_backed_up_comes_back_elsewhere(city: Database, tmp_path: Path) -> None:
    before = content(city)
    with closing(city.connect_writer()) as busy:  # the city goes on: an open transaction is not in the copy
        busy.execute("BEGIN IMMEDIATE")
        busy.execute("DELETE FROM meta")
        archive = backup(city, tmp_path)
        busy.execute("ROLLBACK")
    assert archive.stat().st_mode & 0o077 == 0, "the record is its owner's alone"
    manifest = restore(archive, tmp_path / "elsewhere", "hanoi")
    assert (manifest.tenant, manifest.revision, manifest.audit_rows) == ("hanoi", revision(city), 1)
    back = open_database(tmp_path / "elsewhere", "hanoi")
    assert migrate(back) is None
    assert content(back) == before
    with back.reader() as db:
        assert last_seal(db)[1].hex() == manifest.audit_head
    assert (back.folder / "files/2026/ảnh.jpg").read_bytes() == b"\xff\xd8picture"
    assert (back.folder / "lake/air/part-0.parquet").read_bytes() == b"PAR1"
    assert list((back.folder / "journal").iterdir()) == []
    with closing(back.connect_writer()) as writer:
        writer.execute("INSERT INTO meta VALUES ('new', 'row')")
    back.close()


@pytest.mark.parametrize("into", ["sqlite", "postgresql"])
def test_an_archive_comes_back_in_either_home(
    tmp_path: Path, homes: object, into: str, request: pytest.FixtureRequest
) -> None:
    there = open_city(tmp_path / "there")
    migrate(there)
    with closing(there.connect_writer()) as writer, writer.transaction():
        writer.execute("INSERT INTO meta VALUES ('city', 'Hà Nội')")
        record(writer, [Act("an", "city.write", "x")], 1, (0, GENESIS))
    (there.folder / "files" / "a").write_bytes(b"picture")
    before = content(there)
    archive = backup(there, tmp_path / "city.tar.gz")
    there.close()
    url = request.getfixturevalue("postgres").empty() if into == "postgresql" else None
    restore(archive, tmp_path / "here", "hanoi", url)
    here = open_database(tmp_path / "here", "hanoi", url)
    assert (content(here), migrate(here)) == (before, None)
    assert (here.folder / "files" / "a").read_bytes() == b"picture"
    assert (here.folder / "city.db").exists() == (url is None)
    with closing(here.connect_writer()) as writer, writer.transaction():
        writer.execute("DELETE FROM meta")
    here.close()
    with pytest.raises(Problem) as refused:
        restore(archive, tmp_path / "here", "hanoi", url)
    assert refused.value.status == 409
    restore(archive, tmp_path / "here", "hanoi", url, overwrite=True)
    again = open_database(tmp_path / "here", "hanoi", url)
    assert content(again) == before
    again.close()


def test_a_replay_does_not_turn_up_in_a_live_city(city: Database, tmp_path: Path) -> None:
    archive = backup(city, tmp_path)
    with pytest.raises(Problem) as refused:
        restore(archive, tmp_path / "elsewhere", "hanoi-replay")
    assert (refused.value.status, refused.value.code) == (409, "another-city")
    assert not (tmp_path / "elsewhere" / "tenants" / "hanoi-replay" / "city.db").exists()


def test_a_city_that_is_there_is_replaced_only_when_told(city: Database, tmp_path: Path) -> None:
    archive = backup(city, tmp_path / "city.tar.gz")
    with pytest.raises(Problem) as refused:
        backup(city, archive)
    assert refused.value.status == 409
    kept = content(city)
    with closing(city.connect_writer()) as writer:
        writer.execute("DELETE FROM meta")
    city.close()
    with pytest.raises(Problem) as refused:
        restore(archive, tmp_path / "home", "hanoi")
    assert refused.value.status == 409
    restore(archive, tmp_path / "home", "hanoi", overwrite=True)
    again = open_database(tmp_path / "home", "hanoi")
    assert content(again) == kept
    again.close()
    assert {path.name for path in (tmp_path / "home" / "tenants").iterdir()} == {"hanoi"}


def _changed(archive: Path, target: Path, name: str, body: bytes | None, rename: str | None = None) -> Path:
    """The archive with one member changed, removed or renamed."""
    with tarfile.open(archive) as source, tarfile.open(target, "w:gz") as out:
        for member in source:
            stream = source.extractfile(member)
            data = stream.read() if stream else b""
            if member.name == name:
                if body is None and rename is None:
                    continue
                data = data if body is None else body
                member.name = rename or member.name
                member.size = len(data)
            out.addfile(member, io.BytesIO(data))
    return target


def test_a_damaged_archive_changes_nothing(city: Database, tmp_path: Path) -> None:
    archive = backup(city, tmp_path / "city.tar.gz")
    whole = archive.read_bytes()
    bad = tmp_path / "bad"
    bad.mkdir()
    (bad / "short").write_bytes(whole[: len(whole) // 2])
    (bad / "empty").write_bytes(b"")
    (bad / "not-an-archive").write_bytes(gzip.compress(b"hello"))
    _changed(archive, bad / "altered", "lake/air/part-0.parquet", b"PAR2")
    _changed(archive, bad / "removed", "files/2026/ảnh.jpg", None)
    _changed(archive, bad / "no-manifest", "manifest.json", None)
    _changed(archive, bad / "climbing", "lake/air/part-0.parquet", None, "../../../climbed")
    _changed(archive, bad / "absolute", "lake/air/part-0.parquet", None, str(tmp_path / "absolute"))
    _changed(
        archive,
        bad / "future",
        "manifest.json",
        b'{"format": 99, "version": "", "tenant": "", "revision": "", '
        b'"written_at": "", "audit_rows": 0, "audit_head": "", "files": {}}',
    )
    before = content(city)
    city.close()
    for path in sorted(bad.iterdir()):
        with pytest.raises(Problem) as refused:
            restore(path, tmp_path / "home", "hanoi", overwrite=True)
        assert refused.value.status == 400, path.name
        with pytest.raises(Problem):
            restore(path, tmp_path / "fresh", "hanoi")
        assert not (tenant_folder(tmp_path / "fresh", "hanoi") / "city.db").exists()
    assert not (tmp_path / "absolute").exists()
    assert not list(tmp_path.rglob("climbed"))
    again = open_database(tmp_path / "home", "hanoi")
    assert content(again) == before
    again.close()


def test_a_broken_database_is_not_called_a_backup(city: Database, tmp_path: Path) -> None:
    with closing(city.connect_writer()) as writer:
        writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    city.close()
    whole = city.path.read_bytes()
    for broken in (b"this is no database" * 100, whole[:8192] + bytes(len(whole) - 8192)):
        city.path.write_bytes(broken)
        with pytest.raises((DatabaseError, Problem)):
            backup(city, tmp_path / "city.tar.gz")
        assert list(tmp_path.iterdir()) == [tmp_path / "home"]
