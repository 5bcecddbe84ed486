"""The audit log as a file: checked by us, and without us by what its own README says."""

import re
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from contextlib import closing
from importlib.resources import files
from pathlib import Path

import pytest

from dothi.model.problem import Problem
from dothi.store.audit import GENESIS, Act, Fault, record
from dothi.store.audit_copy import ACTS, CHECKPOINTS, README, verify_copy, write_copy
from dothi.store.checkpoints import AuditKey, fingerprint, keep
from dothi.store.database import Database, migrate
from dothi.testing.homes import open_city

ROWS = 12


@pytest.fixture
def copy(tmp_path: Path, homes: object) -> Iterator[Path]:
    """A log of twelve rows, signed after the sixth and the last, as a file."""
    database = open_city(tmp_path)
    migrate(database)
    fill(database, tmp_path)
    assert write_copy(database, tmp_path / "audit.zip") == ROWS
    yield tmp_path / "audit.zip"
    database.close()


def fill(database: Database, home: Path) -> None:
    key, last = AuditKey.of(home), (0, GENESIS)
    with closing(database.connect_writer()) as db, db.transaction():
        for number in range(1, ROWS + 1):
            act = Act("an", "device.write", f"d-{number}", detail='đổi "tên"\\n%s\n', why="vì thế" if number % 2 else "")
            last = record(db, [act], 1_000, last)
            if number in (6, ROWS):
                keep(db, [key.sign("hanoi", number, 9, last[1])])


def rewrite(copy: Path, name: str, before: bytes, after: bytes) -> None:
    """What a forger does to one file of the zip."""
    with zipfile.ZipFile(copy) as archive:
        held = {one: archive.read(one) for one in archive.namelist()}
    assert before in held[name]
    held[name] = held[name].replace(before, after)
    with zipfile.ZipFile(copy, "w") as archive:
        for one, body in held.items():
            archive.writestr(one, body)


def line(copy: Path, number: int) -> bytes:
    with zipfile.ZipFile(copy) as archive:
        return archive.read(ACTS).splitlines(keepends=True)[number - 1]


def test_a_copy_verifies(copy: Path, tmp_path: Path) -> None:
    verdict = verify_copy(copy)
    assert (verdict.rows, verdict.intact, verdict.proven) == (ROWS, True, ROWS)
    assert verdict.keys == {AuditKey.of(tmp_path).public: ROWS}


def test_edits_of_a_copy_are_located(copy: Path) -> None:
    whole = copy.read_bytes()
    rewrite(copy, ACTS, b'"d-5"', b'"d-6"')
    assert verify_copy(copy).faults == (Fault("changed", 5, 5),)
    copy.write_bytes(whole)
    rewrite(copy, ACTS, line(copy, 4), b"")
    assert verify_copy(copy).faults == (Fault("removed", 4, 4),)
    copy.write_bytes(whole)
    rewrite(copy, ACTS, line(copy, 7), line(copy, 7) * 2)
    assert verify_copy(copy).faults[0].first == 7
    copy.write_bytes(whole)
    rewrite(copy, ACTS, line(copy, 11) + line(copy, 12), b"")
    assert verify_copy(copy).faults == (Fault("cut", 11, 12),)
    copy.write_bytes(whole)
    rewrite(copy, CHECKPOINTS, b" 6 9 ", b" 5 9 ")
    assert verify_copy(copy).faults == (Fault("checkpoint", 5, 5),)


def test_what_is_no_copy_is_refused_in_words(copy: Path, tmp_path: Path) -> None:
    with pytest.raises(Problem, match="There is no file"):
        verify_copy(tmp_path / "nothing.zip")
    with pytest.raises(Problem, match="exists already"):
        write_copy(open_city(tmp_path), copy)
    rewrite(copy, ACTS, line(copy, 3), b"nonsense\n")
    with pytest.raises(Problem, match="not a whole copy"):
        verify_copy(copy)
    copy.write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(Problem, match="not a whole copy"):
        verify_copy(copy)


@pytest.mark.skipif(not shutil.which("openssl") or not shutil.which("bash"), reason="there is no openssl or bash here")
def test_the_recipe_of_the_file_itself_finds_the_same(copy: Path, tmp_path: Path) -> None:
    recipe = re.findall(r"```sh\n(.*?)```", files("dothi.store").joinpath("audit_copy.md").read_text("utf-8"), re.DOTALL)
    key, signature, walk, faster, last = recipe

    def told(script: str, folder: Path) -> str:
        done = subprocess.run(["bash", "-c", script], cwd=folder, capture_output=True, text=True, timeout=60, check=False)
        return done.stdout + done.stderr

    with zipfile.ZipFile(copy) as archive:
        archive.extractall(tmp_path / "whole")
    folder = tmp_path / "whole"
    assert told(key, folder).split()[0] == fingerprint(AuditKey.of(tmp_path).public)
    assert "Verified Successfully" in told(signature, folder)
    assert told(walk, folder) == ""
    assert told(faster, folder) == ""
    whose, signed, end = told(last, folder).split()
    assert whose == "hanoi"
    assert signed == end
    lines = (folder / ACTS).read_text("utf-8")
    (folder / ACTS).write_text(lines.replace('"d-5"', '"d-6"'), "utf-8")
    assert '"d-6"' in told(walk, folder)
    assert "row 5 does not follow" in told(faster, folder)
    said = (folder / CHECKPOINTS).read_text("utf-8")
    (folder / CHECKPOINTS).write_text(said.replace(f" {ROWS} 9 ", f" {ROWS} 8 "), "utf-8")
    assert "Verified Successfully" not in told(signature, folder)
    assert (folder / README).is_file()
