"""What only the second home has: a server that may go away, statements in its own words, columns by COPY."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from dothi.model.problem import Problem
from dothi.store import connection as ports
from dothi.store.connection import NOTHING, Conflict, Database, DatabaseError, InDoubt, Unavailable
from dothi.store.database import database_of, open_database

if TYPE_CHECKING:
    from dothi.testing.postgres import Cluster


@pytest.fixture
def database(tmp_path: Path, postgres: "Cluster") -> Iterator[Database]:
    url = postgres.migrated()
    one = open_database(tmp_path, "hanoi", url)
    yield one
    one.close()
    postgres.give_back(url)


def keys(database: Database) -> list[str]:
    with database.reader() as db:
        return [key for (key,) in db.execute("SELECT key FROM meta ORDER BY key")]


@pytest.mark.parametrize(
    ("written", "sent", "names"),
    [
        ("SELECT ?, ?", "SELECT $1, $2", ()),
        ("SELECT ?1, ?2, ?1", "SELECT $1, $2, $1", ()),
        ("SELECT :a, CAST(:b AS int), :a::int", "SELECT $1, CAST($2 AS int), $1::int", ("a", "b")),
        ("SELECT 'why?', \"is:it\", 'it''s ?', ?", "SELECT 'why?', \"is:it\", 'it''s ?', $1", ()),
    ],
)
def test_placeholders_are_translated(written: str, sent: str, names: tuple[str, ...]) -> None:
    from dothi.store.postgres_values import translate

    assert translate(written) == (sent, names)


def test_values_come_and_go_as_they_do_in_sqlite(database: Database) -> None:
    with database.reader() as db:
        asked = db.execute(
            "SELECT ?, ?, CAST(? AS float8), CAST(? AS text), ?", (True, 2**40, float("nan"), "a\0b", b"\0\1")
        )
        assert asked.fetchone() == (1, 2**40, None, "a\N{SYMBOL FOR NULL}b", b"\0\1")
        sums = db.execute("SELECT sum(v), avg(v), sum(v + 0.5) FROM (VALUES (CAST(1 AS bigint)), (2)) t(v)").fetchone()
        assert sums == (3, 1.5, 4.0)
        assert [type(one) for one in sums] == [int, float, int]
        assert db.execute("SELECT :a + :b", {"b": 1, "a": 2, "c": 3}).fetchall() == [(3,)]


_CELLS = st.lists(
    st.tuples(
        st.integers(-(2**63) + 1, 2**63 - 1),
        st.integers(-(2**31), 2**31 - 1),
        st.none() | st.floats(allow_nan=False),
        st.none() | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
        st.integers(-(2**15), 2**15 - 1),
        st.none() | st.integers(-(2**63) + 1, 2**63 - 1),
    ),
    min_size=1,
    max_size=20,
    unique_by=lambda row: (row[0], row[1]),
)


@settings(max_examples=40, deadline=None)
@given(rows=_CELLS, with_text=st.booleans())
def test_columns_arrive_as_they_were(postgres_of_module: Database, rows: list[tuple[Any, ...]], with_text: bool) -> None:
    rows = [row if with_text else (*row[:3], None, *row[4:]) for row in rows]
    at, series, number, other, grade, previous = (list(column) for column in zip(*rows, strict=True))
    size = len(rows)
    columns: list[Any] = [
        np.array(at),
        np.array(series),
        [0] * size,
        np.array([np.nan if one is None else one for one in number]),
        other,
        np.array(grade),
        [0] * size,
        [0] * size,
        np.array(at),
        [0] * size,
        np.array([NOTHING if one is None else one for one in previous]),
    ]
    with closing(postgres_of_module.connect_writer()) as db, db.transaction():
        db.execute("DELETE FROM reading")
        db.append("reading", columns)
        found = db.execute("SELECT observed_at, series_id, number, other, grade, previous FROM reading").fetchall()
        assert sorted(found, key=str) == sorted(rows, key=str)


@pytest.fixture(scope="module")
def postgres_of_module(tmp_path_factory: pytest.TempPathFactory, postgres: "Cluster") -> Iterator[Database]:
    one = open_database(tmp_path_factory.mktemp("columns"), "hanoi", postgres.migrated())
    yield one
    one.close()


def live(db: ports.Connection, *rows: tuple[int, float]) -> None:
    zeros = [0] * len(rows)
    series, numbers = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    db.put("live", (series, zeros, zeros, numbers, [None] * len(rows), zeros, zeros, zeros, zeros, zeros))


def test_put_takes_the_place_of_what_is_there(database: Database) -> None:
    with closing(database.connect_writer()) as db:
        with db.transaction():
            live(db, (1, 1.0), (2, 2.0))
            live(db, (2, 2.5), (3, 3.0))
        with pytest.raises(ZeroDivisionError), db.transaction():
            live(db, (1, 9.0))
            raise ZeroDivisionError
        with db.transaction():
            live(db, (3, 3.5))
        assert db.execute("SELECT series_id, number FROM live ORDER BY 1").fetchall() == [(1, 1.0), (2, 2.5), (3, 3.5)]


def test_only_one_city_writes_to_a_schema(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(database.connect_writer()), monkeypatch.context() as patch:
        patch.setattr("dothi.store.postgres._PATIENCE", 0.2)
        for second in (database.connect_writer, lambda: database.alone().__enter__()):
            with pytest.raises(Problem) as refused:
                second()
            assert (refused.value.status, refused.value.code) == (409, "home-in-use")
    database.connect_writer().close()


def test_what_goes_wrong_has_our_own_names(database: Database) -> None:
    with closing(database.connect_writer()) as db:
        with db.transaction():
            db.execute("INSERT INTO meta VALUES ('a', '1')")
        with pytest.raises(Conflict), db.transaction():
            db.execute("INSERT INTO meta VALUES ('b', '1')")
            db.execute("INSERT INTO meta VALUES ('a', '2')")
        with pytest.raises(DatabaseError, match="nothing_of_the_kind"), db.transaction():
            db.execute("SELECT * FROM nothing_of_the_kind")
        assert not db.in_transaction
    with pytest.raises(Unavailable, match="read-only"), database.reader() as reader:
        reader.execute("DELETE FROM meta")
    assert keys(database) == ["a"]


def test_a_question_that_takes_too_long_is_ended(
    tmp_path: Path, postgres: "Cluster", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dothi.store.postgres.READ_SECONDS", 1)
    database = open_database(tmp_path, "hanoi", postgres.migrated())
    with pytest.raises(Unavailable, match="timeout"), database.reader() as reader:
        reader.execute("SELECT pg_sleep(20)")
    assert keys(database) == []
    database.close()


def test_a_server_that_stops_and_comes_back(tmp_path: Path) -> None:
    from dothi.testing.postgres import MISSING, binaries, cluster

    if binaries() is None:
        pytest.skip(MISSING)
    with cluster(durable=True) as server:
        database = open_database(tmp_path, "hanoi", server.migrated())
        with closing(database.connect_writer()) as db:
            with db.transaction():
                db.execute("INSERT INTO meta VALUES ('kept', '')")
            assert keys(database) == ["kept"]
            with pytest.raises(Unavailable), db.transaction():
                db.execute("INSERT INTO meta VALUES ('lost', '')")
                server.stop(immediate=True)
                db.execute("INSERT INTO meta VALUES ('never', '')")
            for _ in range(2):
                with pytest.raises(Unavailable) as away:
                    keys(database)
                assert (away.value.status, away.value.code) == (503, "database-unavailable")
                with pytest.raises(Unavailable), db.transaction():
                    pass
            server.start()
            assert keys(database) == ["kept"]
            with db.transaction():
                live(db, (1, 1.0))
                db.execute("INSERT INTO meta VALUES ('after', '')")
            assert keys(database) == ["after", "kept"]
        database.close()


@pytest.mark.parametrize("held", [True, False])
def test_a_commit_whose_answer_was_lost_is_asked_for(
    database: Database, monkeypatch: pytest.MonkeyPatch, held: bool
) -> None:
    from dothi.store.postgres import PostgresConnection

    def lost(self: PostgresConnection, mark: str | None) -> None:
        assert mark is not None
        if held:
            self._db.execute("COMMIT")
        self._db.close()
        raise InDoubt("the server went away", mark)

    with closing(database.connect_writer()) as db:
        with monkeypatch.context() as patch, pytest.raises(InDoubt) as doubt:
            patch.setattr(PostgresConnection, "_commit", lost)
            with db.transaction():
                db.execute("INSERT INTO meta VALUES ('a', '')")
        assert db.held(doubt.value.mark) is held
        assert keys(database) == (["a"] if held else [])
        with pytest.raises(DatabaseError):
            db.held("18446744073709551615")


@pytest.mark.parametrize("url", ["postgresql://an:secret@/x?nonsense=1", "postgresql://an:secret@[::1/x", "mysql://secret"])
def test_an_address_that_makes_no_sense_is_refused_without_its_password(tmp_path: Path, url: str) -> None:
    with pytest.raises(Problem) as refused:
        database_of(tmp_path / "hanoi", SecretStr(url))
    assert refused.value.status == 400
    assert "secret" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_a_server_that_is_not_there_is_said_without_the_password(tmp_path: Path) -> None:
    database = database_of(tmp_path / "hanoi", SecretStr("postgresql://an:secret@127.0.0.1:1/x"))
    with pytest.raises(Unavailable) as away:
        database.exists()
    assert "127.0.0.1" in str(away.value)
    assert "secret" not in str(away.value)
