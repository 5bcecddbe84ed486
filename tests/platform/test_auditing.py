"""The audit log of a running city: refusals written down, checkpoints in time, rows found by those who may."""

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dothi.access.policy import STRANGER, SYSTEM, WHOLE_CITY, Clearance, Grant, Person, Scope, may
from dothi.data.writer import Writer
from dothi.model.clock import from_micros, to_micros
from dothi.model.problem import Problem
from dothi.platform import auditing
from dothi.platform.auditing import Auditing, Sought
from dothi.store.audit import Act, Fault, Row, verify, walk
from dothi.store.backup import backup, restore
from dothi.store.checkpoints import beside, checkpoints
from dothi.store.connection import Unavailable
from dothi.store.database import Database, migrate
from dothi.testing.clock import FixedClock
from dothi.testing.homes import open_city

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
AUDITOR = Person("p-auditor", (Grant("auditor", WHOLE_CITY, Clearance.RESTRICTED),))


class World:
    """A city's database with its writer and its auditing, by a clock that stands."""

    def __init__(self, folder: Path) -> None:
        self.home, self.clock = folder, FixedClock(NOW)
        self.database: Database = open_city(folder)
        migrate(self.database)
        self.writer = Writer(self.database, locate=lambda _longitude, _latitude: None)
        self.auditing = Auditing(self.database, self.writer, folder, self.clock)

    def act(self, *acts: Act) -> None:
        asyncio.run(self.writer.run(SYSTEM, self.clock.now(), lambda _: None, acts))

    def signed(self) -> list[int]:
        with self.database.reader() as db:
            return [one.seq for one in checkpoints(db)]

    def rows(self) -> list[Row]:
        with self.database.reader() as db:
            return list(walk(db))

    def found(self, sought: Sought, limit: int = 50, person: Person = AUDITOR) -> list[int]:
        words = {"device.write": "sua thiet bi change a device"}
        found = self.auditing.find(person, sought, lambda row: words.get(row.action, ""), limit)
        return [row.seq for row in found.rows]

    def close(self) -> None:
        self.writer.close()
        self.database.close()


@contextmanager
def world(folder: Path) -> Iterator[World]:
    made = World(folder)
    try:
        yield made
    finally:
        made.close()


def test_refusals_become_rows_and_the_end_is_signed(tmp_path: Path, homes: object) -> None:
    with world(tmp_path) as city:
        for _ in range(3):
            city.auditing.refusals.note("p-an", "device.write", "/devices/x", "not-allowed", source="203.0.113.9")
        asyncio.run(city.auditing.look())
        (row,) = city.rows()
        assert (row.person, row.result, row.detail, row.source) == ("p-an", "refused: not-allowed", "3 times", "203.0.113.9")
        assert (row.at, city.signed()) == (to_micros(NOW), [])
        city.auditing.refusals.note(STRANGER.id, "page.read", "/", "sign-in-needed")
        asyncio.run(city.auditing.close())
        assert city.signed() == [2]
        asyncio.run(city.auditing.close())
        assert city.signed() == [2], "what is signed is not signed again"
        with city.database.reader() as db:
            verdict = verify(db, beside(city.database.folder))
        assert (verdict.intact, verdict.proven) == (True, 2)


def test_checkpoints_come_after_a_thousand_rows_or_ten_minutes(tmp_path: Path) -> None:
    with world(tmp_path) as city:
        city.act(*(Act("system", "reading.write", "mqtt") for _ in range(999)))
        asyncio.run(city.auditing.look())
        assert city.signed() == []
        city.act(Act("system", "reading.write", "mqtt"))
        asyncio.run(city.auditing.look())
        assert city.signed() == [1000]
        city.clock.advance(timedelta(seconds=auditing.SECONDS))
        asyncio.run(city.auditing.look())
        assert city.signed() == [1000], "nothing new, nothing to sign"
        city.act(Act("an", "sql.ask", ""))
        asyncio.run(city.auditing.look())
        assert city.signed() == [1000, 1001]
        again = Auditing(city.database, city.writer, city.home, city.clock)
        city.act(Act("an", "sql.ask", ""))
        asyncio.run(again.look())
        assert city.signed() == [1000, 1001], "a city that starts again knows what is signed"


def test_a_log_that_lost_signed_rows_says_so_for_ever(tmp_path: Path) -> None:
    with world(tmp_path) as city:
        city.act(*(Act("p-an", "sql.ask", "") for _ in range(4)))
        asyncio.run(city.auditing.checkpoint())
        city.act(*(Act("p-an", "sql.ask", "") for _ in range(5)))
        asyncio.run(city.auditing.checkpoint())
    with closing(sqlite3.connect(tmp_path / "tenants" / "hanoi" / "city.db")) as db, db:
        for name in ("audit_no_delete", "audit_checkpoint_no_delete"):
            db.execute(f"DROP TRIGGER {name}")
        db.execute("DELETE FROM audit WHERE seq > 6")
        db.execute("DELETE FROM audit_checkpoint WHERE seq > 6")
    with world(tmp_path) as city:
        city.act(*(Act("p-thief", "sql.ask", "") for _ in range(5)))  # longer than it was when the rows went
        asyncio.run(city.auditing.checkpoint())
        asyncio.run(city.auditing.checkpoint())
        assert [(row.action, row.thing) for row in city.rows() if row.person == SYSTEM.id] == [("audit.break", "5-9")]
        with city.database.reader() as reader:
            verdict = verify(reader, beside(city.database.folder))
        assert (verdict.faults, verdict.proven) == ((Fault("lost", 5, 9),), 12)
        again = Auditing(city.database, city.writer, city.home, city.clock)
        city.act(Act("an", "sql.ask", ""))
        asyncio.run(again.checkpoint())
        assert len(city.rows()) == 13, "it is told once"


def test_an_older_backup_is_not_taken_for_the_whole_log(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with world(home) as city:
        city.act(Act("p-an", "sql.ask", ""))
        asyncio.run(city.auditing.checkpoint())
        backup(city.database, tmp_path / "old.tar.gz")
        city.act(*(Act("p-an", "sql.ask", "") for _ in range(3)))
        asyncio.run(city.auditing.checkpoint())
    restore(tmp_path / "old.tar.gz", home, "hanoi", overwrite=True)
    with world(home) as city:
        asyncio.run(city.auditing.checkpoint())
        assert [(row.action, row.thing) for row in city.rows()][1:] == [("audit.break", "2-4")]
        with city.database.reader() as reader:
            assert verify(reader, beside(city.database.folder)).faults == (Fault("lost", 2, 4),)


def test_a_clock_set_back_does_not_put_off_the_signing(tmp_path: Path) -> None:
    with world(tmp_path) as city:
        city.act(Act("an", "sql.ask", ""))
        city.clock.set(NOW - timedelta(days=365))
        asyncio.run(city.auditing.look())
        assert city.signed() == [1]


def test_refusals_wait_while_the_database_is_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with world(tmp_path) as city:
        city.auditing.refusals.note("p-an", "sql.ask", "/data/sql", "not-allowed")

        async def away(*_: object, **__: object) -> None:
            raise Unavailable("away")

        with monkeypatch.context() as patch:
            patch.setattr(city.writer, "run", away)
            with pytest.raises(Unavailable):
                asyncio.run(city.auditing.look())
            asyncio.run(city.auditing.close())
        asyncio.run(city.auditing.look())
        assert [row.action for row in city.rows()] == ["sql.ask"]


def test_rows_are_found_by_what_they_say(tmp_path: Path, homes: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auditing, "_WINDOW", 2)
    with world(tmp_path) as city:
        for number, act in enumerate(
            (
                Act("p-an", "device.write", "d-1", detail="Trạm Hồ Gươm"),
                Act("p-an", "sql.ask", "", "answered: 3 rows", detail="SELECT 1"),
                Act("p-binh", "device.write", "d-2", why="thay pin ở Đống Đa"),
                Act("p-binh", "device.write", "d-1", "refused: not-allowed", source="203.0.113.9"),
            )
        ):
            city.clock.set(NOW + timedelta(days=number))
            city.act(act)
        assert city.found(Sought()) == [4, 3, 2, 1]
        assert city.found(Sought("ho guom")) == [1]
        assert city.found(Sought("Sửa thiết bị DONG DA")) == [3]
        assert city.found(Sought("203.0.113")) == [4]
        assert city.found(Sought("tram 203")) == []
        assert city.found(Sought(person="p-an")) == [2, 1]
        assert city.found(Sought(action="device.write", refused=True)) == [4]
        day = to_micros(NOW + timedelta(days=1))
        assert city.found(Sought(start=day, end=day + 1)) == [2]
        assert city.found(Sought(start=day)) == [4, 3, 2]
        assert city.found(Sought(start=day + 10 * 86_400_000_000)) == []
        first = city.auditing.find(AUDITOR, Sought(), lambda _: "", 3)
        assert ([row.seq for row in first.rows], first.older) == ([4, 3, 2], 2)
        assert city.found(Sought(before=first.older)) == [1]
        monkeypatch.setattr(auditing, "BUDGET", 0.0)
        late = city.auditing.find(AUDITOR, Sought("guom"), lambda _: "", 3)
        assert (late.rows, late.older) == ([], 5), "what was not looked at in time can be asked for next"
        assert from_micros(city.rows()[0].at) == NOW


@pytest.mark.parametrize(
    "person",
    [
        STRANGER,
        Person("p-ward", (Grant("auditor", Scope(wards=frozenset({"00070"})), Clearance.RESTRICTED),)),
        Person("p-low", (Grant("auditor", WHOLE_CITY, Clearance.INTERNAL),)),
        Person("p-boss", (Grant("administrator", WHOLE_CITY, Clearance.RESTRICTED),)),
    ],
)
def test_only_auditors_of_the_whole_city_read_it(tmp_path: Path, person: Person) -> None:
    with world(tmp_path) as city:
        asyncio.run(city.auditing.tell(AUDITOR, Act(AUDITOR.id, "audit.read", "audit")))
        assert city.found(Sought(), person=person) == []
        assert city.found(Sought()) == [1]
        if not may(person, "audit.export"):
            with pytest.raises(Problem, match="may not"):
                asyncio.run(city.auditing.tell(person, Act(person.id, "audit.export", "audit")))
