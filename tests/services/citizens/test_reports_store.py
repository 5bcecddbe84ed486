"""Rows of reports on both homes: once by their form, public only when released, counted and rated."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dothi.access.policy import SYSTEM, Clearance, Grant, Person, Reach, Scope, reach
from dothi.services.citizens import store
from dothi.services.citizens.store import Rating, Report
from dothi.store.connection import Connection
from dothi.store.database import migrate
from dothi.testing.homes import open_city

pytestmark = pytest.mark.usefixtures("homes")
AT = datetime(2026, 5, 20, 8, tzinfo=UTC)
ALL = ("new", "accepted", "assigned", "handling", "answered", "closed", "rejected")
_INCIDENT = (
    "INSERT INTO incident (code, month, number, kind, title, title_en, text, state, severity, urgency, longitude, latitude, "
    "address, ward, agency, assignee, origin, opened_at, state_at, detected_from, version, clearance, folded) "
    "VALUES (?,'2605',?,'waste','t','t','','new',2,'normal',105.8,21.0,'',?,NULL,'','report',?,0,0,1,1,'')"
)


def report(id: str, incident: str, minutes: int = 0, *, same: bool = False) -> Report:
    return Report(id, f"hash-{id}", incident, same, AT + timedelta(minutes=minutes), "vi", f"chữ của {id}")


def begin(db: Connection, *incidents: tuple[str, str]) -> None:
    for number, (code, ward) in enumerate(incidents):
        db.execute(_INCIDENT, (code, number, ward, number))


def tie(db: Connection, one: Report, code: str = "") -> None:
    store.insert(db, one)
    db.execute(
        "INSERT INTO incident_link (incident, kind, ref, at, first) VALUES (?,'report',?,0,?)",
        (code or one.incident, one.id, one.incident),
    )


@pytest.fixture
def db(tmp_path: Path) -> "Connection":
    database = open_city(tmp_path)
    migrate(database)
    connection = database.connect_writer()
    yield connection  # type: ignore[misc]  # a fixture
    connection.close()
    database.close()


def test_one_form_makes_one_row(db: Connection) -> None:
    with db.transaction():
        assert store.insert(db, report("a", "SV-1"))
        assert not store.insert(db, report("a", "SV-2"))
    found = store.of_code(db, "hash-a")
    assert found == report("a", "SV-1")
    assert store.of_code(db, "hash-b") is None
    assert (store.received_since(db, AT), store.received_since(db, AT + timedelta(seconds=1))) == ((1, 0), (0, 0))


def test_photos_are_counted_and_reopenings_up_to_their_bound(db: Connection) -> None:
    with db.transaction():
        begin(db, ("SV-1", "00001"))
        store.insert(db, report("a", "SV-1"))
        for name in ("x", "y"):
            db.execute(
                "INSERT INTO incident_photo (incident, first, report, phase, hash, small, media, width, height, added_at, "
                "person) VALUES ('SV-1', 'SV-1', 'a', 'report', ?, ?, 'image/jpeg', 1, 1, 0, 'system')",
                (name, name),
            )
        store.count_photos(db, "a")
        store.count_photos(db, "a")
        assert store.received_since(db, AT) == (1, 2)
        assert [store.count_reopening(db, "a", 1) for _ in range(2)] == [True, False]


def test_one_line_an_incident_the_first_released_and_where_its_work_is_now(db: Connection) -> None:
    with db.transaction():
        begin(db, ("SV-1", "00001"), ("SV-2", "00002"), ("SV-3", "00001"))
        for one in (report("a", "SV-1"), report("b", "SV-1", 1), report("c", "SV-2", 2), report("d", "SV-3", 3)):
            tie(db, one)
        tie(db, report("e", "SV-2", 4, same=True))
        for id in ("b", "a", "c", "e"):
            assert store.decide(db, id, "an", AT, (f"Tên {id}", f"Lời {id}"))
        assert store.decide(db, "d", "an", AT, None)
        assert not store.decide(db, "z", "an", AT, None)
    rows, total = store.shown(db, states=ALL)
    assert ([(one.code, one.title, one.text) for one in rows], total) == (
        [("SV-2", "Tên c", "Lời c"), ("SV-1", "Tên a", "Lời a")],
        2,
    )
    assert [one.code for one in store.shown(db, states=ALL, ward="00001")[0]] == ["SV-1"]
    assert store.shown(db, states=("closed",)) == ([], 0)
    assert store.shown(db, states=ALL, kind="'; --")[1] == 0
    assert [one.code for one in store.shown(db, states=ALL, limit=1, offset=1)[0]] == ["SV-1"]
    assert store.titles(db, ["SV-1", "SV-3"]) == {"SV-1": "Tên a"}
    with db.transaction():  # a merge takes the report along
        db.execute("UPDATE incident SET state = 'merged', parent = 'SV-2' WHERE code = 'SV-1'")
        db.execute("UPDATE incident_link SET incident = 'SV-2' WHERE incident = 'SV-1'")
    rows, total = store.shown(db, states=ALL)
    assert ([(one.code, one.title) for one in rows], total) == ([("SV-2", "Tên a")], 1)


def test_who_decides_sees_only_what_lies_in_reach(db: Connection) -> None:
    officer = Person("chi", (Grant("ward_officer", Scope(wards=frozenset({"00001"})), Clearance.RESTRICTED),))
    reached = reach(officer, "incident.write")
    assert reached is not None
    with db.transaction():
        begin(db, ("SV-1", "00001"), ("SV-2", "00002"))
        tie(db, report("a", "SV-1"))
        tie(db, report("b", "SV-2"))
        tie(db, report("c", "SV-1", 1, same=True))
    found, total = store.undecided(db, reached, 10)
    assert ([(one.id, incident) for one, incident in found], total) == ([("a", "SV-1")], 1)
    assert store.undecided(db, reached, 10, "SV-2") == ([], 0)


def test_a_rating_takes_the_place_of_the_one_before_and_each_answer_has_its_own(db: Connection) -> None:
    def rating(report: str, score: int, hours: int = 0, kind: str = "waste") -> Rating:
        answered = AT + timedelta(hours=hours)
        return Rating(report, answered, "SV-1", kind, "00001", "", score, "lời", answered)

    with db.transaction():
        begin(db, ("SV-1", "00001"))
        for one in (rating("a", 1), rating("a", 3), rating("a", 2, 5), rating("b", 1, 6, "noise")):
            store.rate(db, one)
    assert store.rating_of(db, "a", AT) == rating("a", 3)
    found = [(one.of, one.satisfied, one.acceptable, one.unsatisfied, one.count) for one in store.tallies(db, "kind", AT)]
    assert found == [("waste", 1, 1, 0, 2), ("noise", 0, 0, 1, 1)]
    assert [one.count for one in store.tallies(db, "ward", AT + timedelta(hours=5))] == [2]
    everything, nothing = reach(SYSTEM, "incident.read"), Reach(public=False)
    assert everything is not None
    assert [one.score for one in store.comments(db, everything, 2)] == [1, 2]
    assert store.comments(db, nothing, 2) == []
    with pytest.raises(KeyError):
        store.tallies(db, "comment", AT)
