"""The audit log: append-only, and any tampering is found and located."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dothi.model.problem import Problem
from dothi.store.audit import CAME_FROM, GENESIS, Act, Fault, examine, last_seal, record, seal, sealed_text, verify, walk
from dothi.store.checkpoints import AuditKey, beside, checkpoints, keep, keep_beside, latest
from dothi.store.connection import Conflict, Connection
from dothi.store.database import Database, migrate
from dothi.testing.homes import open_city

ACTS = [
    Act(f"person-{n}", "device.write", f"d-{n}", "done", "c-1", "duyệt", why="lắp mới" if n == 3 else "") for n in range(9)
]


@pytest.fixture
def city(tmp_path: Path, homes: object) -> Iterator[Database]:
    database = open_city(tmp_path)
    migrate(database)
    yield database
    database.close()


@pytest.fixture
def log(city: Database, tmp_path: Path) -> Iterator[Connection]:
    """Nine rows, signed after the fourth and the eighth."""
    key = AuditKey.of(tmp_path)
    with closing(city.connect_writer()) as connection:
        last = (0, GENESIS)
        with connection.transaction():
            for first, end in ((0, 4), (4, 8), (8, 9)):
                last = record(connection, ACTS[first:end], 1_000 + first, last)
                if end != 9:
                    keep(connection, [key.sign("hanoi", *(last[0], 7, last[1]))])
        assert last == last_seal(connection)
        signed = latest(connection)
        assert signed is not None
        keep_beside(city.folder, signed)
        yield connection


def put(seq: int) -> str:
    """A row where there was none."""
    cells = "at, person_id, action, thing, result, correlation, detail, hash, source, why"
    return f"INSERT INTO audit (seq, {cells}) SELECT {seq}, {cells} FROM audit WHERE seq = 4"  # noqa: S608 - a test's own


def alter(log: Connection, *statements: str) -> None:
    """What only somebody with the keys of the database can do."""
    if log.dialect.name == "sqlite":
        for name in ("audit_no_update", "audit_no_delete", "audit_checkpoint_no_update", "audit_checkpoint_no_delete"):
            log.execute(f"DROP TRIGGER {name}")
    else:
        log.execute("SET session_replication_role = replica")
    for statement in statements:
        log.execute(statement)


def chain_again(log: Connection, first: int) -> None:
    """Give every row from ``first`` on the hash that follows: a forger who knows how the log is made."""
    previous = GENESIS
    for row in list(walk(log)):
        told = seal(previous, row[:10])
        if row.seq >= first:
            log.execute("UPDATE audit SET hash = ? WHERE seq = ?", (told, row.seq))
        previous = told


def test_a_whole_log_verifies(city: Database, log: Connection) -> None:
    verdict = verify(log, beside(city.folder))
    assert (verdict.rows, verdict.intact, verdict.head) == (9, True, last_seal(log)[1])
    assert (verdict.checkpoints, verdict.proven, list(verdict.keys.values())) == (2, 8, [8])


def test_rows_and_checkpoints_cannot_be_changed_or_removed(log: Connection) -> None:
    for statement in (
        "UPDATE audit SET person_id = 'x' WHERE seq = 3",
        "DELETE FROM audit WHERE seq = 3",
        "UPDATE audit_checkpoint SET at = 1",
        "DELETE FROM audit_checkpoint",
    ):
        with pytest.raises(Conflict, match="append-only"), log.transaction():
            log.execute(statement)


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ("UPDATE audit SET person_id = 'x' WHERE seq = 3", Fault("changed", 3, 3)),
        ("UPDATE audit SET detail = '' WHERE seq = 9", Fault("changed", 9, 9)),
        ("UPDATE audit SET at = 1 WHERE seq = 1", Fault("changed", 1, 1)),
        ("UPDATE audit SET source = '10.0.0.1' WHERE seq = 5", Fault("changed", 5, 5)),
        ("UPDATE audit SET why = '' WHERE seq = 4", Fault("changed", 4, 4)),
        ("DELETE FROM audit WHERE seq = 3", Fault("removed", 3, 3)),
        ("DELETE FROM audit WHERE seq < 3", Fault("removed", 1, 2)),
        ("DELETE FROM audit WHERE seq > 6", Fault("cut", 7, 8)),
        ("DELETE FROM audit", Fault("cut", 1, 8)),
        ("UPDATE audit_checkpoint SET at = 8 WHERE seq = 4", Fault("checkpoint", 4, 4)),
        ("DELETE FROM audit_checkpoint WHERE seq = 8", Fault("checkpoint", 8, 8)),
        (put(0), Fault("changed", 0, 0)),
        (put(-7), Fault("changed", -7, -7)),
    ],
)
def test_who_gets_past_the_locks_is_found_where_they_were(
    city: Database, log: Connection, statement: str, fault: Fault
) -> None:
    alter(log, statement)
    assert verify(log, beside(city.folder)).faults == (fault,)


def test_a_row_put_in_is_found_where_it_is(city: Database, log: Connection) -> None:
    alter(log)
    for seq in range(9, 4, -1):
        log.execute("UPDATE audit SET seq = ? WHERE seq = ?", (seq + 1, seq))
    log.execute(
        "INSERT INTO audit (seq, at, person_id, action, thing, result, correlation, detail, hash, source, why) "
        "SELECT 5, at, 'forger', action, thing, result, correlation, detail, hash, source, why FROM audit WHERE seq = 4"
    )
    assert Fault("changed", 5, 10) in verify(log, beside(city.folder)).faults


def test_a_log_chained_again_is_not_what_was_signed(city: Database, log: Connection) -> None:
    alter(log, "UPDATE audit SET person_id = 'x' WHERE seq = 6")
    chain_again(log, 6)
    assert verify(log, beside(city.folder)).faults == (Fault("replaced", 5, 8),)
    log.execute("DELETE FROM audit_checkpoint WHERE seq = 8")
    assert verify(log).intact, "nothing in the database tells any more"
    kinds = {fault.kind for fault in verify(log, beside(city.folder)).faults}
    assert kinds == {"replaced", "checkpoint"}, "what lies beside it does"


def test_another_key_signs_nothing_for_this_one(city: Database, log: Connection, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    forger = AuditKey.of(tmp_path / "other")
    alter(log, "UPDATE audit SET person_id = 'x' WHERE seq = 2", "DELETE FROM audit_checkpoint")
    chain_again(log, 2)
    seq, head = last_seal(log)
    keep(log, [forger.sign("hanoi", seq, 7, head)])
    verdict = verify(log, beside(city.folder))
    assert {fault.kind for fault in verdict.faults} == {"replaced", "checkpoint"}
    assert list(verdict.keys) == [forger.public]


def test_a_foreign_key_signs_nothing_after_our_own(city: Database, log: Connection, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    own, forger = AuditKey.of(tmp_path), AuditKey.of(tmp_path / "other")
    keep(log, [forger.sign("hanoi", *(9, 7, last_seal(log)[1]))])
    assert verify(log, beside(city.folder), own=own.public).faults == (Fault("foreign", 9, 9),)
    assert verify(log, beside(city.folder), own=forger.public).intact, "a city brought along goes on with its new home's key"


def test_a_checkpoint_is_of_one_city(city: Database, log: Connection) -> None:
    assert verify(log, beside(city.folder), tenant="hanoi").intact
    assert verify(log, tenant="hanoi-replay").faults == (Fault("checkpoint", 4, 4), Fault("checkpoint", 8, 8))


def test_what_is_no_hash_is_found_and_not_tripped_over(log: Connection) -> None:
    if log.dialect.name != "sqlite":
        pytest.skip("only SQLite keeps a text where bytes belong")
    alter(log, "UPDATE audit SET hash = 'abc' WHERE seq = 5", "UPDATE audit_checkpoint SET hash = 'abc' WHERE seq = 4")
    assert verify(log).faults == (Fault("checkpoint", 4, 4), Fault("changed", 5, 6))


def test_two_checkpoints_of_a_changed_row_are_one_place(log: Connection, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = AuditKey.of(tmp_path / "other").sign("hanoi", 8, 7, bytes(32))
    assert verify(log, other).faults == (Fault("checkpoint", 8, 8), Fault("replaced", 8, 8))


def test_what_lies_beside_is_a_checkpoint_or_said_to_be_none(city: Database, log: Connection) -> None:
    (city.folder / "audit-checkpoint").write_text('{"seq":')
    with pytest.raises(Problem, match="not the checkpoint"):
        beside(city.folder)


def test_rows_of_before_are_sealed_as_they_were(log: Connection) -> None:
    old, new = list(walk(log))[2:4]
    assert sealed_text(old).startswith(b'[3,1000,"person-2",')
    assert sealed_text(old).endswith('"c-1","duyệt"]'.encode())
    assert sealed_text(new).endswith('"duyệt","","lắp mới"]'.encode())


def test_what_a_home_cannot_hold_is_sealed_as_it_is_held(city: Database) -> None:
    with closing(city.connect_writer()) as db, db.transaction():
        record(db, [Act("an", "sql.ask", "", detail="a\0b")], 1, (0, GENESIS))
        assert verify(db).intact
        assert next(walk(db)).detail == "a\N{SYMBOL FOR NULL}b"


def test_an_act_says_from_which_door_it_came() -> None:
    token = CAME_FROM.set("203.0.113.9")
    try:
        assert Act("an", "sql.ask", "").source == "203.0.113.9"
        assert Act("an", "sql.ask", "", source="mqtt").source == "mqtt"
    finally:
        CAME_FROM.reset(token)
    assert Act("an", "sql.ask", "").source == ""


WORDS = st.text(max_size=8)
LOG = st.lists(st.tuples(WORDS, WORDS, WORDS, WORDS), min_size=2, max_size=12)


@given(LOG, st.data())
def test_any_one_edit_is_found_at_its_place(told: list[tuple[str, str, str, str]], data: st.DataObject) -> None:
    previous, log = GENESIS, []
    for seq, (person, thing, source, why) in enumerate(told, 1):
        text = sealed_text((seq, 5, person, "x", thing, "done", "", "", source, why))
        previous = seal(previous, (seq, 5, person, "x", thing, "done", "", "", source, why))
        log.append((seq, text, previous))
    assert examine(log, []).intact
    place = data.draw(st.integers(0, len(log) - 1))
    how = data.draw(st.sampled_from(("change", "remove", "double")))
    seq, text, sealed = log[place]
    if how == "change":
        log[place] = (seq, text[:-1] + b',""]', sealed)
        assert examine(log, []).faults == (Fault("changed", seq, seq),)
    elif how == "double":
        log.insert(place, log[place])
        assert examine(log, []).faults[0].first == seq
    elif place < len(log) - 1:
        del log[place]
        assert examine(log, []).faults == (Fault("removed", seq, seq),)


def test_the_key_is_made_once_and_is_its_owners_alone(tmp_path: Path) -> None:
    key = AuditKey.of(tmp_path)
    assert AuditKey.of(tmp_path).public == key.public
    assert [one.name for one in tmp_path.iterdir()] == ["audit-key"]
    assert (tmp_path / "audit-key").stat().st_mode & 0o777 == 0o600
    assert key.sign("hanoi", 1, 2, GENESIS).signed()


def test_checkpoints_come_back_as_they_were(log: Connection, tmp_path: Path) -> None:
    first, second = checkpoints(log)
    assert (first.seq, second.seq, first.tenant) == (4, 8, "hanoi")
    assert first.signed()
    assert beside(tmp_path) is None
