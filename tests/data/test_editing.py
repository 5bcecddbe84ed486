"""Changes of entities on their way to the disk: each by itself, many in one commit, with what is observed of them."""

import asyncio
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from city_world import NAME, NOW, PM, TYPE, City, at, row, urn
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs
from shapely import Polygon

from dothi.access.policy import STRANGER, SYSTEM, Clearance, Grant, Person
from dothi.data.batch import EntityChange, EntityKind, Outcome, ReadingRow, Trigger
from dothi.data.classified import Classified
from dothi.data.context import Context, EntityQuery
from dothi.data.expiry import Expiry
from dothi.data.geometry import GeoQuery
from dothi.data.news import News
from dothi.data.writer import Writer
from dothi.model.entity import LOCATION, NULL, UNSAID, Attribute, Entity
from dothi.model.problem import Problem, not_found
from dothi.model.reading import Grade, Origin
from dothi.model.schema import AttributeType, EntityType
from dothi.model.text import Text
from dothi.testing.clock import FixedClock

pytestmark = pytest.mark.usefixtures("homes")
OTHER = "urn:x:Other"


@pytest.fixture
def city(tmp_path: Path) -> Iterator[City]:
    one = City(tmp_path)
    yield one
    one.close()


def change(kind: EntityKind, number: int, attributes: Any = None, **more: Any) -> EntityChange:
    of_change = {key: more.pop(key) for key in ("clearance", "only", "dataset_id", "whole") if key in more}
    return EntityChange(kind, Entity(urn(number), more.pop("type", ""), attributes or {}, **more), **of_change)


def edit(city: City, *changes: EntityChange, person: Person = SYSTEM, now: datetime = NOW) -> list[Outcome]:
    return asyncio.run(city.writer.edit(person, changes, at=now, correlation="edited"))


def entity(city: City, number: int) -> Entity | None:
    return city.context.get(SYSTEM, urn(number))


def test_each_change_succeeds_or_fails_by_itself(city: City) -> None:
    outcomes = edit(
        city,
        change("create", 7, {NAME: [Attribute("Property", "a")]}, type=TYPE),
        change("create", 7, type=TYPE),
        change("update", 99, {NAME: [Attribute("Property", "b")]}),
        change("append", 0, {NAME: [Attribute("Property", "c")]}),
        change("append", 1, {LOCATION: [Attribute("GeoProperty", {"type": "Nowhere"})]}),
        change("delete", 2),
        change("update", 2, {NAME: [Attribute("Property", "d")]}),
    )
    states = [one.state if one.problem is None else one.problem.status for one in outcomes]
    assert states == ["created", 409, 404, "changed", 400, "deleted", 404]
    made, kept = entity(city, 7), entity(city, 0)
    assert made is not None and kept is not None
    assert [one.attributes[NAME][0].value for one in (made, kept)] == ["a", "c"]
    assert entity(city, 2) is None
    with city.database.reader() as db:
        acts = db.execute("SELECT action, thing FROM audit WHERE correlation = 'edited' ORDER BY seq").fetchall()
    assert acts == [("entity.create", urn(7)), ("entity.append", urn(0)), ("entity.delete", urn(2))]


def test_those_who_wait_share_a_commit_and_whoever_errs_errs_alone(city: City) -> None:
    before = city.dump()

    async def all_at_once() -> list[list[Outcome]]:
        return await asyncio.gather(
            *(
                city.writer.edit(
                    STRANGER if number == 5 else SYSTEM,
                    [change("append", number % 3, {f"urn:x:{number}": [Attribute("Property", number)]})],
                    at=NOW,
                )
                for number in range(40)
            )
        )

    outcomes = asyncio.run(all_at_once())
    assert [number for number, (one,) in enumerate(outcomes) if one.problem is not None] == [5]
    assert sum(len(one.attributes) for number in range(3) if (one := entity(city, number))) >= 39
    with city.database.reader() as db:
        (commits,) = db.execute("SELECT count(*) FROM outbox").fetchone()
    assert commits < 20
    assert city.dump() != before


def test_a_partial_update_sees_what_is_observed_now(city: City) -> None:
    city.write(row(0, 1, 5.0))
    edit(city, change("patch_attribute", 0, {PM: [Attribute("", UNSAID, unit="GQ")]}))
    shown = city.live(0)
    assert shown is not None and (shown.value, shown.unit, shown.observed_at) == (5.0, "GQ", at(1))
    edit(city, change("patch_attribute", 0, {PM: [Attribute("", 6.0, at(2))]}))
    shown = city.live(0)
    assert shown is not None and (shown.value, shown.unit, shown.observed_at) == (6.0, "GQ", at(2))
    edit(city, change("update", 0, {PM: [Attribute("Property", 7.0, at(3))]}))
    shown = city.live(0)
    assert shown is not None and (shown.value, shown.unit, shown.grade) == (7.0, None, Grade.GOOD)
    assert city.read(0) == {1: 5.0, 2: 6.0, 3: 7.0}


def test_what_was_told_last_is_shown_though_it_is_older(city: City) -> None:
    city.write(row(0, 10, 5.0))
    edit(city, change("append", 0, {PM: [Attribute("Property", 1.0, at(4))]}))
    shown = city.live(0)
    assert shown is not None and (shown.value, shown.observed_at) == (1.0, at(4))
    assert city.read(0) == {4: 1.0, 10: 5.0}
    city.write(row(0, 11, 6.0, heard=11))
    shown = city.live(0)
    assert shown is not None and shown.value == 6.0


def test_a_deleted_attribute_does_not_come_back_by_an_older_value(city: City) -> None:
    city.write(row(0, 10, 5.0))
    edit(city, change("delete_attribute", 0, {PM: []}))
    assert city.live(0) is None
    edit(city, change("append", 0, {PM: [Attribute("Property", 1.0, at(4))]}))
    shown = city.live(0)
    assert shown is not None and shown.value == 1.0
    edit(city, change("update", 0, {PM: [Attribute("Property", NULL)]}), change("delete", 1), change("create", 1, type=TYPE))
    assert city.live(0) is None
    assert city.read(0) == {4: 1.0, 10: 5.0}


@pytest.mark.parametrize("observed", [False, True])
def test_only_the_default_location_is_the_place_of_an_entity(city: City, observed: bool) -> None:
    def place(longitude: float, dataset: str | None = None, minute: int = 1) -> Attribute:
        where = {"type": "Point", "coordinates": [longitude, 21.0]}
        return Attribute("GeoProperty", where, at(minute) if observed else None, dataset_id=dataset)

    def lies(longitude: float) -> bool:
        box = (longitude - 0.1, 20.9, longitude + 0.1, 21.1)
        around = Polygon([(box[0], box[1]), (box[2], box[1]), (box[2], box[3]), (box[0], box[3])])
        queries = (EntityQuery(bbox=box), EntityQuery(geo=GeoQuery("within", around)))
        plain, exact = ([one.id for one in city.context.query(SYSTEM, query).entities] for query in queries)
        assert plain == exact
        return plain == [urn(0)]

    edit(city, change("append", 0, {LOCATION: [place(105.9, "urn:d:1")]}))
    assert not lies(105.9), "what is said of one dataset alone is no place of the entity"
    edit(city, change("append", 0, {LOCATION: [place(105.1)]}))
    assert lies(105.1)
    edit(city, change("append", 0, {LOCATION: [place(105.5, "urn:d:1", minute=2)]}))
    if observed:
        told = {"type": "Point", "coordinates": [105.6, 21.0]}
        city.write(ReadingRow(urn(0), LOCATION, at(3), told, Origin.MEASURED, dataset_id="urn:d:1", received_at=at(3)))
    assert lies(105.1)
    edit(city, change("delete_attribute", 0, {LOCATION: []}))
    assert not lies(105.1)
    assert not lies(105.5)


def test_types_and_scopes_are_kept_and_found_by(city: City) -> None:
    edit(city, change("append", 0, type=OTHER, scopes=("/A/B", "/C")))
    one = entity(city, 0)
    assert one is not None and (one.type, one.more_types, one.scopes) == (TYPE, (OTHER,), ("/A/B", "/C"))
    with city.database.reader() as db:
        assert db.execute("SELECT count(*) FROM further_type").fetchone() == (1,)
        assert sorted(db.execute("SELECT path FROM scope").fetchall()) == [("/A/B",), ("/C",)]
    edit(city, change("merge_patch", 0, scopes=(NULL,)), change("replace", 0, type=OTHER))
    one = entity(city, 0)
    assert one is not None and (one.type, one.more_types, one.scopes) == (OTHER, (), ())
    with city.database.reader() as db:
        assert db.execute("SELECT count(*) FROM further_type").fetchone() == (0,)
        assert db.execute("SELECT count(*) FROM scope").fetchone() == (0,)


def test_only_entities_of_the_types_asked_for_are_changed(city: City) -> None:
    (refused,) = edit(city, change("delete", 0, only=lambda types: OTHER in types))
    assert refused.problem is not None and refused.problem.status == 404
    assert entity(city, 0) is not None


def test_what_expires_is_hidden_at_once_and_swept_later(city: City) -> None:
    clock = FixedClock(NOW)
    city.context = Context(city.database, (), clock)
    soon = NOW + timedelta(seconds=5)
    edit(
        city,
        change("create", 7, type=TYPE, expires_at=soon),
        change("append", 0, {NAME: [Attribute("Property", "a", expires_at=soon)], PM: [Attribute("Property", 1.0, at(0))]}),
        change("append", 1, {PM: [Attribute("Property", 1.0, at(0), expires_at=soon)]}),
    )
    assert all(entity(city, number) is not None for number in (0, 1, 7))
    clock.advance(timedelta(seconds=5))
    left, bare = entity(city, 0), entity(city, 1)
    assert entity(city, 7) is None and left is not None and bare is not None
    assert (NAME in left.attributes, PM in left.attributes, PM in bare.attributes) == (False, True, False)
    assert city.context.query(SYSTEM, EntityQuery(), count=True).total == 3
    (again,) = edit(city, change("create", 7, type=TYPE), now=clock.now())
    assert again.state == "created"
    asyncio.run(Expiry(city.database, city.writer, clock).sweep())
    with city.database.reader() as db:
        assert db.execute("SELECT count(*) FROM entity WHERE due_at IS NOT NULL").fetchone() == (0,)
        assert db.execute("SELECT count(*) FROM live WHERE hidden = 0").fetchone() == (1,)
    assert entity(city, 7) is not None


def test_what_changed_is_told_by_attribute(city: City) -> None:
    city.writer.keep_before = lambda kind: kind == TYPE
    with city.database.reader() as db:
        (last,) = db.execute("SELECT max(seq) FROM outbox").fetchone()
    edit(city, change("append", 0, {NAME: [Attribute("Property", "a")]}))
    edit(city, change("update", 0, {NAME: [Attribute("Property", "b")], PM: [Attribute("Property", 1.0, at(1))]}))
    edit(city, change("create", 7, {NAME: [Attribute("Property", "x", dataset_id="urn:d")]}, type=OTHER))
    edit(city, change("delete", 1))
    with city.database.reader() as db:
        rows = db.execute("SELECT seq, at, payload FROM outbox WHERE seq > ? ORDER BY seq", (last,)).fetchall()
    news = News.read(rows, city.writer.index)
    assert news is not None
    for told in (news, News.read([(news.seq, news.at, news.encode())], city.writer.index)):
        assert told is not None
        changes = told.told(city.writer.index)
        found = {(one.entity, one.attribute, one.dataset): (one.trigger, one.before) for one in changes.edits}
        assert found == {
            (urn(0), NAME, None): (Trigger.ATTRIBUTE_CREATED, None),
            (urn(0), PM, None): (Trigger.ATTRIBUTE_CREATED, None),
            (urn(7), "", None): (Trigger.ENTITY_CREATED, None),
            (urn(7), NAME, "urn:d"): (Trigger.ATTRIBUTE_CREATED, None),
            (urn(1), "", None): (Trigger.ENTITY_DELETED, found[urn(1), "", None][1]),
        }
        assert changes.deleted == [urn(1)]
        assert [city.writer.index.attribute_of(one) for one in changes.series.tolist()] == [PM]
    rest = News.read(rows[1:2], city.writer.index)
    assert rest is not None
    before = {one.attribute: one.before for one in rest.told(city.writer.index).edits}
    assert before[NAME]["v"] == "a" and before[PM] is None


def test_a_stranger_changes_nothing(city: City) -> None:
    before = city.dump()
    (refused,) = edit(city, change("append", 0, {NAME: [Attribute("Property", 1)]}), person=STRANGER)
    assert refused.problem is not None and refused.problem.status == 403
    assert city.dump() == before


def test_a_classified_attribute_is_written_by_those_only_who_may(city: City) -> None:
    words = Text("Tên", "Name")
    kind = EntityType("Station", TYPE, words, (AttributeType("name", NAME, words, clearance=Clearance.RESTRICTED),))
    city.writer.close()
    city.writer = Writer(city.database, locate=lambda *_: None, classified=Classified((kind,)))
    edit(city, change("append", 0, {NAME: [Attribute("Property", "secret")]}))
    few, all_of_them = (
        Person("an", (Grant("steward", clearance=most),)) for most in (Clearance.INTERNAL, Clearance.RESTRICTED)
    )
    tries = [
        change("append", 0, {NAME: [Attribute("Property", "b")]}),
        change("delete_attribute", 0, {NAME: []}),
        change("patch_attribute", 1, {NAME: [Attribute("", "b")]}),
        change("replace", 0, {PM: [Attribute("Property", 1)]}),
        change("keep", 0, {PM: []}),
        change("create", 8, {NAME: [Attribute("Property", "b")]}, type=TYPE),
    ]
    assert [one.problem.status if one.problem else 0 for one in edit(city, *tries, person=few)] == [403] * len(tries)
    (made,) = edit(city, change("append", 0, {PM: [Attribute("Property", 1)]}), person=few)
    assert made.problem is None
    (made,) = edit(city, tries[0], person=all_of_them)
    assert made.problem is None
    one = entity(city, 0)
    assert one is not None and one.attributes[NAME][0].value == "b"


_EXAMPLE = count()
_DATASETS = st.sampled_from([None, "urn:d:1"])
_MINUTES = st.one_of(st.none(), st.integers(1, 4))


@st.composite
def _attributes(draw: Any) -> dict[str, list[Attribute]]:
    found: dict[str, list[Attribute]] = {}
    for iri in draw(st.lists(st.sampled_from([NAME, PM, "urn:x:z"]), unique=True, max_size=2)):
        minutes = draw(_MINUTES)
        moment = None if minutes is None else at(minutes)
        found[iri] = [Attribute("Property", draw(st.integers(0, 3)), moment, dataset_id=draw(_DATASETS))]
    return found


_KINDS: st.SearchStrategy[EntityKind] = st.sampled_from(
    ["create", "put", "add", "append", "append_new", "update", "merge_patch", "patch_attribute", "delete", "drop", "replace"]
)
_CHANGES = st.lists(
    st.builds(lambda kind, number, told: change(kind, number, told, type=TYPE), _KINDS, st.integers(0, 3), _attributes()),
    min_size=1,
    max_size=7,
)


@given(_CHANGES)
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_batch_is_its_changes_one_after_the_other(city: City, changes: Sequence[EntityChange]) -> None:
    seen, notes = [], []
    for piece in (100, 2, 0):  # all in one piece, in several, and each in a commit of its own
        names = {urn(number): f"{urn(number)}-{next(_EXAMPLE)}" for number in range(4)}
        mine = [structs.replace(one, entity=structs.replace(one.entity, id=names[one.entity.id])) for one in changes]
        edit(city, *(EntityChange("create", Entity(names[urn(number)], TYPE)) for number in range(3)))
        if piece:
            with patch("dothi.data.writer.PIECE", piece):
                outcomes = edit(city, *mine)
            notes.append(_note(city, names))
        else:
            outcomes = [one for each in mine for one in edit(city, each)]
        told = [(one.state, None if one.problem is None else one.problem.status) for one in outcomes]
        seen.append((told, *_world(city, list(names.values()))))
    assert seen[0] == seen[1] == seen[2]
    assert notes[0] == notes[1]


def _note(city: City, names: dict[str, str]) -> list[Any]:
    """What the newest commit tells others of these entities."""
    with city.database.reader() as db:
        rows = db.execute("SELECT seq, at, payload FROM outbox ORDER BY seq DESC LIMIT 1").fetchall()
    news = News.read(rows, city.writer.index)
    of_name = {name: urn for urn, name in names.items()}
    told = [] if news is None else news.told(city.writer.index).edits
    return [(of_name[one.entity], *one[1:]) for one in told]


def _world(city: City, urns: list[str]) -> tuple[Any, Any]:
    """The history that is read of these entities, and what they are now."""
    query = (
        "SELECT a.iri, d.iri, r.observed_at, r.number FROM reading r JOIN series s ON s.id = r.series_id "
        "JOIN entity e ON e.num = s.entity JOIN name a ON a.id = s.attribute LEFT JOIN name d ON d.id = s.dataset "
        "WHERE e.id = ? AND NOT EXISTS (SELECT 1 FROM reading l WHERE l.series_id = r.series_id "
        "AND l.observed_at = r.observed_at AND l.revision > r.revision)"
    )
    with city.database.reader() as db:
        history = [sorted(db.execute(query, (one,)).fetchall(), key=str) for one in urns]
    found = [city.context.get(SYSTEM, one) for one in urns]
    return history, [None if one is None else (one.type, one.attributes) for one in found]


def test_an_unknown_failure_hits_nobody_else(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    def poison(types: tuple[str, ...]) -> bool:
        raise RuntimeError("this one")

    async def both() -> list[Any]:
        return await asyncio.gather(
            city.writer.edit(SYSTEM, [change("append", 0, only=poison)], at=NOW),
            city.writer.edit(SYSTEM, [change("append", 1, {NAME: [Attribute("Property", 1)]})], at=NOW),
            return_exceptions=True,
        )

    failed, made = asyncio.run(both())
    assert isinstance(failed, RuntimeError) and made[0].state == "changed"


def test_what_is_still_to_be_read_is_read_in_its_turn(city: City) -> None:
    """One that cannot be read has its outcome; a fault in reading ends the request it is of and no other."""
    said = [change("append", 0, {NAME: [Attribute("Property", number)]}) for number in range(2)]
    refused = Outcome("x", problem=not_found("entity", "x"))

    def fault() -> EntityChange:
        raise RuntimeError("this one")

    async def both() -> list[Any]:
        return await asyncio.gather(
            city.writer.edit(SYSTEM, [lambda: said[0], fault], at=NOW),
            city.writer.edit(SYSTEM, [lambda: refused, lambda: said[1]], at=NOW),
            return_exceptions=True,
        )

    failed, made = asyncio.run(both())
    assert isinstance(failed, RuntimeError)
    assert made == [refused, Outcome(urn(0), "changed")]
    one = entity(city, 0)
    assert one is not None and one.attributes[NAME][0].value == 1


def test_a_city_that_stops_finishes_what_waits(city: City) -> None:
    async def stop_meanwhile() -> list[list[Outcome]]:
        some = [change("append", 0, {NAME: [Attribute("Property", number)]}) for number in range(400)]
        waiting = [asyncio.create_task(city.writer.edit(SYSTEM, some, at=NOW)) for _ in range(9)]
        await asyncio.sleep(0)
        await asyncio.to_thread(city.writer.close)
        return await asyncio.gather(*waiting)

    async def bounded() -> list[list[Outcome]]:
        async with asyncio.timeout(60):
            return await stop_meanwhile()

    assert all(one.problem is None for outcomes in asyncio.run(bounded()) for one in outcomes)
    city.open()
    one = entity(city, 0)
    assert one is not None and one.attributes[NAME][0].value == 399


def test_too_much_waiting_is_refused(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dothi.data.waiting.MOST_WAITING", 3)

    async def many() -> list[Any]:
        return await asyncio.gather(
            *(city.writer.edit(SYSTEM, [change("append", 0, clearance=Clearance.PUBLIC)] * 2, at=NOW) for _ in range(9)),
            return_exceptions=True,
        )

    answers = asyncio.run(many())
    refused = [one for one in answers if isinstance(one, Problem)]
    assert refused and all(one.status == 503 and one.retry_after for one in refused)
    assert len(refused) < len(answers)
