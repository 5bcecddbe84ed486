"""Personal data from consent to the end: who may, with which reason, for how long, and what is written down of it."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from personal_world import (
    AUDITOR,
    BLIND,
    CITIZEN,
    CLINIC,
    HEALTH,
    NOW,
    OFFICER,
    REPLY,
    STEWARD,
    WHY,
    WORDS,
    World,
)

from dothi.access.personal import reading
from dothi.access.personal.export import whole
from dothi.access.personal.model import OWN, Purpose
from dothi.access.policy import LOCAL_OPERATOR, STRANGER, Person
from dothi.model.clock import to_micros
from dothi.model.problem import Problem
from dothi.model.text import Text


@pytest.fixture
def world(tmp_path: Path, homes: object) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


@pytest.fixture
def small(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


def refused(work: Callable[[], Any] | Coroutine[Any, Any, Any]) -> int:
    with pytest.raises(Problem) as problem:
        asyncio.run(work) if isinstance(work, Coroutine) else work()
    return problem.value.status


def test_a_value_from_consent_to_its_end(world: World) -> None:
    personal, do = world.personal, world.do
    subject = do(personal.enrol(STEWARD))
    assert refused(lambda: world.phone(subject)) == 403, "consent is never the default"
    do(personal.consent(STEWARD, subject, "reply", WORDS))
    sealed = world.phone(subject)
    assert sealed.until == NOW + timedelta(days=30)
    assert do(personal.open(STEWARD, sealed.token, WHY)) == "0912 345 678"
    (opened,) = do(personal.look(STEWARD, subject, WHY))
    assert (opened.value, opened.record.kind, opened.readable) == ("0912 345 678", "phone", True)
    right = do(personal.correct(STEWARD, sealed.record, "0987 654 321"))
    assert refused(lambda: do(personal.open(STEWARD, sealed.token, WHY))) == 410, "what was wrong is destroyed"
    assert [one.value for one in do(personal.look(STEWARD, subject, WHY))] == ["0987 654 321"]
    world.clock.advance(timedelta(days=30))
    assert do(personal.look(STEWARD, subject, WHY)) == [], "no longer, though nobody swept yet"
    assert refused(lambda: do(personal.open(STEWARD, right.token, WHY))) == 410
    assert do(personal.sweep()) == 1
    assert do(personal.sweep()) == 0
    records = do(personal.read(lambda db: reading.records(db, subject)))
    assert sorted((one.ended, one.ended_at is not None) for one in records) == [("corrected", True), ("expired", True)]
    with world.database.reader() as db:
        assert db.execute("SELECT count(*) FROM personal_record WHERE token IS NOT NULL").fetchone()[0] == 0
    assert personal.keys.find([sealed.record, right.record]) == {}


def test_each_look_is_on_record_before_the_value_is_told(world: World) -> None:
    subject = world.agreed()
    token = world.phone(subject).token
    for reason in ("", "vì sao", " " * 20):
        assert refused(world.personal.look(STEWARD, subject, reason)) == 400
        assert refused(world.personal.open(STEWARD, token, reason)) == 400
    assert ("p-steward", "personal.look", subject) not in world.acts()
    world.do(world.personal.look(STEWARD, subject, WHY))
    looks, total = world.do(world.personal.read(lambda db: reading.looks(db, AUDITOR, 10)))
    assert [(one.person, one.subject, list(one.kinds), one.reason) for one in looks] == [
        ("p-steward", subject, ["phone"], WHY)
    ]
    assert total == 1
    assert ("p-steward", "personal.look", subject) in world.acts()

    async def fails(*_: Any, **__: Any) -> None:
        raise Problem(503, "database-unavailable", "no")

    world.personal._writer = type("Broken", (), {"run": staticmethod(fails)})()
    assert refused(lambda: world.do(world.personal.look(STEWARD, subject, WHY))) == 503, "no record, no value"


def test_who_may_what(small: World) -> None:
    personal, do = small.personal, small.do
    subject = small.agreed("p-citizen")
    token = small.phone(subject).token
    for person in (STRANGER, OFFICER, AUDITOR, BLIND, LOCAL_OPERATOR, Person("p-other")):
        assert refused(personal.look(person, subject, WHY)) == 403, person.id
        assert refused(personal.open(person, token, WHY)) == 403, person.id
    for person in (STRANGER, OFFICER, AUDITOR, CITIZEN):
        assert refused(personal.declare(person, REPLY)) == 403
        assert refused(personal.erase(person, subject, WHY)) == 403
    assert refused(lambda: do(personal.affected(STEWARD, NOW, NOW + timedelta(1)))) == 403
    assert refused(lambda: do(personal.enrol(STRANGER, "stranger"))) == 403
    assert do(personal.subject(AUDITOR, subject)).records == 1
    assert refused(lambda: do(personal.subject(AUDITOR, "s-none"))) == 404


def test_an_agency_reaches_what_it_answers_for(small: World) -> None:
    personal, do = small.personal, small.do
    one, other = small.agreed(), do(personal.enrol(HEALTH))
    small.phone(one)
    do(personal.seal(HEALTH, other, "clinic", "health", {"blood": "O"}))
    do(personal.seal(STEWARD, one, "clinic", "health", "dị ứng"))
    assert [opened.value for opened in do(personal.look(HEALTH, one, WHY))] == ["dị ứng"], "the telephone is not theirs"
    assert refused(lambda: do(personal.seal(HEALTH, one, "reply", "phone", "1"))) == 403
    assert refused(lambda: do(personal.erase(HEALTH, one, WHY))) == 403, "others keep something of them too"
    do(personal.erase(STEWARD, one, WHY))
    entries = do(personal.read(lambda db: reading.register(db, HEALTH, to_micros(NOW))))
    assert [(entry.purpose.id, entry.subjects, entry.records, entry.sensitive) for entry in entries] == [("clinic", 1, 1, 1)]
    third = small.agreed()
    assert refused(lambda: do(personal.subject(HEALTH, third))) == 404
    found, total = do(personal.read(lambda db: reading.subjects(db, HEALTH, "", 10, 0)))
    assert {subject.id for subject in found} == {one, other} and total == 2


def test_whoever_it_is_about_sees_corrects_and_takes_back(world: World) -> None:
    personal, do = world.personal, world.do
    subject = do(personal.enrol(CITIZEN, CITIZEN.id))
    assert do(personal.enrol(CITIZEN, CITIZEN.id)) == subject
    do(personal.consent(CITIZEN, subject, "reply", WORDS))
    record = do(personal.seal(CITIZEN, subject, "reply", "phone", "0911")).record
    do(personal.seal(STEWARD, subject, "clinic", "health", "dị ứng"))
    do(personal.correct(CITIZEN, record, "0922"))
    told = do(whole(personal, CITIZEN, subject))
    assert {(one["kind"], one["value"]) for one in told["records"]} == {("phone", "0922"), ("health", "dị ứng")}
    assert [one["reason"] for one in told["looks"]] == [OWN]
    assert told["consents"][0]["words"] == WORDS
    by_law = next(one["id"] for one in told["records"] if one["kind"] == "health")
    assert refused(lambda: do(personal.delete(CITIZEN, by_law))) == 409
    assert refused(lambda: do(personal.correct(CITIZEN, by_law, "khỏe"))) == 409
    assert refused(lambda: do(personal.seal(CITIZEN, subject, "clinic", "other", "x"))) == 409
    assert do(personal.withdraw(CITIZEN, subject, "reply")) == 1
    assert refused(lambda: do(personal.seal(CITIZEN, subject, "reply", "phone", "0933"))) == 403
    assert [one.value for one in do(personal.look(CITIZEN, subject))] == ["dị ứng"]
    request = do(personal.ask(CITIZEN, "erase"))
    assert do(personal.ask(CITIZEN, "erase")) == request, "asked once is asked"
    assert refused(lambda: do(personal.answer(CITIZEN, request, True, WHY))) == 404, "not for them to know of"
    do(personal.answer(STEWARD, request, False, "Luật buộc giữ đến 2036."))
    assert refused(lambda: do(personal.answer(STEWARD, request, True, WHY))) == 404
    answered = do(personal.read(lambda db: reading.requests_of(db, subject)))
    assert [(one.state, one.answer) for one in answered] == [("refused", "Luật buộc giữ đến 2036.")]


def test_a_breach_tells_who_what_and_since_when(world: World) -> None:
    personal, do = world.personal, world.do
    early = world.agreed("p-citizen")
    world.phone(early)
    world.clock.advance(timedelta(days=2))
    late = world.agreed()
    do(personal.seal(STEWARD, late, "reply", "location", [105.8, 21.0]))
    do(personal.look(STEWARD, late, WHY))
    gone = world.agreed()
    world.phone(gone)
    world.clock.advance(timedelta(hours=1))
    do(personal.erase(STEWARD, gone, WHY))
    begin = NOW + timedelta(days=2)

    def told(since: timedelta, until: timedelta, by: str | None = None) -> dict[str, tuple[Any, ...]]:
        rows, _ = do(personal.affected(OFFICER, NOW + since, NOW + until, by))
        return {one.subject: (list(one.kinds), one.sensitive, one.since, one.looks) for one in rows}

    assert told(timedelta(0), timedelta(days=1)) == {early: (["phone"], False, NOW, 0)}
    assert told(timedelta(days=2), timedelta(days=3)) == {
        early: (["phone"], False, NOW, 0),
        late: (["location"], True, begin, 1),
        gone: (["phone"], False, begin, 0),
    }
    assert set(told(timedelta(days=2, hours=2), timedelta(days=3))) == {early, late}, "erased before it began"
    assert told(timedelta(days=40), timedelta(days=41)) == {}, "nothing is kept so long"
    assert set(told(timedelta(0), timedelta(days=3), by="p-steward")) == {late}
    assert refused(lambda: told(timedelta(1), timedelta(0))) == 400
    assert ("p-officer", "personal.breach", "personal") in world.acts()
    now, found = world.clock.now(), world.clock.now() - timedelta(hours=70)
    due = [do(personal.affected(OFFICER, NOW, now, found=one))[1] - now for one in (None, found)]
    assert due == [timedelta(hours=72), timedelta(hours=2)], "asking again puts no notice off"
    assert refused(lambda: do(personal.affected(OFFICER, NOW, now, found=now + timedelta(minutes=1)))) == 400


def test_purposes_make_sense_or_are_refused(small: World) -> None:
    def declare(**changes: Any) -> int:
        told: dict[str, Any] = {
            "id": "news",
            "title": Text("Tin", ""),
            "why": Text("Gửi tin.", ""),
            "basis": "consent",
            "keep_days": 9,
        }
        return refused(lambda: small.do(small.personal.declare(STEWARD, Purpose(**told | changes))))

    assert declare(id="Tin tức") == 400
    assert declare(title=Text(" ", "")) == 400
    assert declare(why=Text("", "why")) == 400
    assert declare(basis="habit") == 400
    assert declare(basis="law") == 400, "which law?"
    assert declare(keep_days=0) == 400
    assert declare(id="reply", basis="law", law="Luật X") == 409, "nobody agreed to that"
    subject = small.agreed()
    assert refused(lambda: small.do(small.personal.seal(STEWARD, subject, "none", "phone", "1"))) == 404
    assert refused(lambda: small.do(small.personal.seal(STEWARD, subject, "reply", "shoe", "1"))) == 400
    assert refused(lambda: small.do(small.personal.seal(STEWARD, subject, "reply", "other", "x" * 70_000))) == 413
    assert refused(lambda: small.do(small.personal.consent(STEWARD, subject, "reply", "ok"))) == 400
    for strange in ("\ud800", {"a": object()}):
        assert refused(small.personal.seal(STEWARD, subject, "reply", "other", strange)) == 400
    for words in ("\ud800" * 12, "Tôi đồng ý\0 được gọi"):
        assert refused(small.personal.consent(STEWARD, subject, "reply", words)) == 400
        assert refused(small.personal.erase(STEWARD, subject, words)) == 400
    long_ago = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14)))
    assert refused(small.personal.affected(OFFICER, long_ago, NOW)) == 400
    shorter = Purpose("clinic", CLINIC.title, CLINIC.why, "law", 10, CLINIC.law, "health")
    assert small.do(small.personal.declare(STEWARD, shorter)).title.en == "Clinic"


def test_nothing_of_a_refused_seal_stays(small: World) -> None:
    subject = small.do(small.personal.enrol(STEWARD))
    assert refused(lambda: small.phone(subject)) == 403
    with small.database.reader() as db:
        assert db.execute("SELECT count(*) FROM personal_record").fetchone()[0] == 0
    import sqlite3

    with sqlite3.connect(small.home / "personal-keys.db") as keys:
        assert keys.execute("SELECT count(*) FROM key").fetchone()[0] == 0


def test_what_json_would_lose_is_not_sealed(small: World) -> None:
    subject = small.agreed()
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    for value in (float("inf"), [1.0, {"a": (float("nan"),)}], "\ud800", object(), deep):
        assert refused(lambda value=value: small.phone(subject, value)) == 400  # type: ignore[misc]  # kept by default
    assert small.do(small.personal.look(STEWARD, subject, WHY)) == []


def test_the_audit_log_knows_ids_only(small: World) -> None:
    subject = small.agreed()
    small.phone(subject)
    small.do(small.personal.erase(STEWARD, subject, WHY))
    with small.database.reader() as db:
        rows = str(db.execute("SELECT * FROM audit").fetchall())
    assert subject in rows and "0912" not in rows and WORDS not in rows
