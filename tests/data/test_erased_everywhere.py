"""Proof of erasing: once a subject's keys are destroyed, no copy can be read, wherever it went.

The value travels sealed through every place a city keeps: journal, live value, recent table, lake, quarantine, an entity's
document and a backup made before. Whoever erased it then searches all of it, with every key that is left.
"""

import asyncio
import gzip
import sqlite3
import tarfile
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import timedelta
from pathlib import Path

import msgspec
import polars as pl
from ingest_world import IRI, STATION, TYPES, World, world

from dothi.access.personal.keys import FILE, WRAPPING, Claim
from dothi.access.personal.model import Purpose
from dothi.access.personal.sealing import decrypt, label, record_of, unseal
from dothi.access.personal.service import Personal
from dothi.access.policy import SYSTEM, WHOLE_CITY, Clearance, Grant, Person
from dothi.data.compaction import STEPS, Step
from dothi.data.retention import Retention
from dothi.data.sealing import Sealer
from dothi.model.entity import Attribute, Entity
from dothi.model.problem import Problem
from dothi.model.text import Text
from dothi.store.backup import backup
from dothi.store.database import Database
from dothi.store.tables import METADATA
from dothi.testing.people import insider

STEWARD = Person("p-steward", (Grant("steward", WHOLE_CITY, Clearance.PERSONAL),))
VALUE = "Nguyễn Thị Minh Khai, 0912 345 678"
TRACES = tuple(part.encode() for part in ("Minh Khai", "0912 345 678", r"Nguy\u1ec5n", "Nguyễn"))
WHY = "Người dân yêu cầu xóa"
REPLY = Purpose("reply", Text("Trả lời", ""), Text("Gọi lại.", ""), "law", 30, "Luật X, điều 1")
HOUR = timedelta(hours=1)


def test_after_erasing_nothing_of_the_value_can_be_read_anywhere(tmp_path: Path, homes: object) -> None:
    asyncio.run(_prove(tmp_path / "home", tmp_path / "archive.tar.gz"))


async def _prove(home: Path, archive: Path) -> None:
    async with world(home) as city:
        personal = Personal(city.database, city.writer, city.clock, home)
        await personal.declare(STEWARD, REPLY)
        subject, other = await personal.enrol(STEWARD), await personal.enrol(STEWARD)
        token = (await personal.seal(STEWARD, subject, "reply", "phone", VALUE)).token
        kept = (await personal.seal(STEWARD, other, "reply", "phone", "still here")).token
        where = await _spread(city, token)
        backup(city.database, archive)
        assert len(where) == 6
        for place, found in where.items():
            assert found == token, place
            assert await personal.open(STEWARD, found, WHY) == VALUE, f"before, the value can be read from {place}"
        before = _wrapped(home)
        assert _find(home, *before.values()), "the search finds what is there"

        await personal.erase(STEWARD, subject, WHY)

        personal.keys.close()
        for place, found in where.items():
            try:
                await personal.open(STEWARD, found, WHY)
            except Problem as problem:
                assert problem.status == 410, place
            else:
                raise AssertionError(f"still read from {place}")
        assert _find(home, *TRACES) == [], "the value never lay anywhere in the clear"
        assert _find(archive.parent, *TRACES) == []
        record = record_of(token)
        assert record is not None
        assert _find(archive.parent, before[record]) == [], "its key is gone, wrapped or not, from every file"
        assert _in_archive(archive, token.encode()), "the backup still holds what is sealed ..."
        assert not _opens(home, token), "... and none of the keys that are left opens it"
        assert _opens(home, kept), "another subject's value can be read as before"
        rows = _rows(city.database)
        assert token.encode() in rows and not [trace for trace in (*TRACES, before[record]) if trace in rows]
        with tarfile.open(archive) as packed:
            assert not [name for name in packed.getnames() if FILE in name or WRAPPING in name], "no backup holds keys"
        personal.keys.close()


async def _spread(city: World, token: str) -> dict[str, str]:
    """Put the token everywhere, through the city's own doors, and say what each place gives back."""
    entity = await city.device("d1")
    early = city.now - timedelta(hours=30)
    await city.send({"at": early.isoformat(), "values": {"note": token}}, device="d1")
    await city.send({"at": (city.now - timedelta(minutes=1)).isoformat(), "values": {"note": token}}, device="d1")
    await city.send(f'{{"at": broken, "note": "{token}"'.encode(), device="d1")
    await city.drained()
    document = Entity("urn:ngsi-ld:Station:hanoi:doc", STATION.iri, {IRI + "owner": [Attribute("Property", token)]})
    await city.writer.save(SYSTEM, "create", document, at=city.now)

    async def apart(step: Step, arguments: tuple[int, ...]) -> None:
        STEPS[step](city.database, *arguments)

    retention = Retention(city.database, city.writer, city.clock, TYPES)
    city.clock.advance(2 * HOUR)
    await Sealer(city.database, city.writer, city.clock, retention, apart).round()
    files = [pl.read_parquet(path) for path in (city.database.folder / "lake").rglob("*.parquet")]
    in_lake = [msgspec.json.decode(text) for frame in files if "other" in frame.columns for text in frame["other"] if text]
    (held,) = city.quarantine.list(insider(), None, 10, 0)[0]
    body = city.quarantine.get(insider(), held.id)[1].decode()
    with city.database.reader() as db:
        (live,) = db.execute("SELECT other FROM live WHERE other IS NOT NULL").fetchone()
        recent = db.execute("SELECT other FROM reading WHERE other IS NOT NULL").fetchall()
        (doc,) = db.execute("SELECT doc FROM entity WHERE id = ?", (document.id,)).fetchone()
    return {
        "live": msgspec.json.decode(live),
        "recent": msgspec.json.decode(recent[0][0]),
        "lake": in_lake[0],
        "quarantine": body.split('"')[5],
        "history": city.values(entity, "note")[0][0],
        "document": msgspec.json.decode(doc)[IRI + "owner"][0]["v"],
    }


def _rows(database: Database) -> bytes:
    """Every row of every table, also of a home whose files lie elsewhere."""
    with database.reader() as db:
        tables = [db.execute(f"SELECT * FROM {name}").fetchall() for name in METADATA.tables]  # noqa: S608 - ours
    return b"\n".join(
        cell if isinstance(cell, bytes) else str(cell).encode() for rows in tables for row in rows for cell in row
    )


def _wrapped(home: Path) -> dict[str, bytes]:
    with closing(sqlite3.connect(home / FILE)) as db:
        return dict(db.execute("SELECT record, wrapped FROM key").fetchall())


def _opens(home: Path, token: str) -> bool:
    """Whether any key that is left opens ``token``, tried as its own subject and purpose would."""
    wrapping = (home / WRAPPING).read_bytes()
    with closing(sqlite3.connect(home / FILE)) as db:
        rows = db.execute("SELECT record, subject, purpose, until, wrapped FROM key").fetchall()
        subjects = {row[1] for row in rows} | {row[0] for row in db.execute("SELECT subject FROM ended")}
    for *told, wrapped in rows:
        claim = Claim(*told)
        key = decrypt(wrapping, wrapped, label(claim.record, claim.subject, claim.purpose, str(claim.until)))
        for subject in subjects:
            try:
                unseal(key, token, subject, claim.purpose)
            except Problem:
                continue
            return True
    return False


def _find(folder: Path, *wanted: bytes) -> list[str]:
    """The files below ``folder`` that hold one of ``wanted``, archives and Parquet looked into as well."""
    found = []
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):  # the journal's server tidies up meanwhile
            if path.is_file() and any(one in part for part in _parts(path) for one in wanted):
                found.append(str(path))
    return found


def _parts(path: Path) -> Iterator[bytes]:
    raw = path.read_bytes()
    yield raw
    if raw.startswith(b"\x1f\x8b"):
        yield gzip.decompress(raw)
    if raw.startswith(b"PAR1"):
        yield str(pl.read_parquet(path).to_dicts()).encode()


def _in_archive(archive: Path, wanted: bytes) -> bool:
    return any(wanted in part for part in _parts(archive))
