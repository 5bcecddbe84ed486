"""An attribute that is personal takes sealed values only: what comes in the clear is told of, and kept nowhere."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from ingest_world import IRI, STATION, TYPES, World, until, world

from dothi.access.personal.model import Purpose
from dothi.access.personal.sealing import new_record, seal
from dothi.access.personal.service import Personal
from dothi.access.policy import SYSTEM, WHOLE_CITY, Grant, Person
from dothi.data.batch import Batch, ReadingRow, readings_of
from dothi.model.clearance import Clearance
from dothi.model.entity import Attribute, Entity
from dothi.model.problem import Problem
from dothi.model.reading import Origin
from dothi.model.text import Text
from dothi.store.tables import METADATA
from dothi.testing.people import insider

NAME = "Nguyễn Thị Minh Khai"
STEWARD = Person("p-steward", (Grant("steward", WHOLE_CITY, Clearance.PERSONAL),))
REPLY = Purpose("reply", Text("Trả lời", ""), Text("Gọi lại.", ""), "law", 30, "Luật X, điều 1")
WHY = "Người dân yêu cầu xóa"


def _files_with(folder: Path, words: bytes) -> list[Path]:
    found = []
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):  # the journal's server tidies up meanwhile
            if path.is_file() and words in path.read_bytes():
                found.append(path)
    return found


@pytest.fixture(autouse=True)
def note_is_personal(monkeypatch: pytest.MonkeyPatch) -> None:
    personal = tuple(replace(one, clearance=Clearance.PERSONAL) if one.name == "note" else one for one in STATION.attributes)
    monkeypatch.setitem(TYPES, STATION.iri, replace(STATION, attributes=personal))


async def sealed(city: World) -> tuple[Personal, str, str]:
    """Who seals, a subject, and the token of their name."""
    personal = Personal(city.database, city.writer, city.clock, city.home)
    await personal.declare(STEWARD, REPLY)
    subject = await personal.enrol(STEWARD)
    return personal, subject, (await personal.seal(STEWARD, subject, "reply", "name", NAME)).token


def test_what_is_personal_comes_sealed_or_not_at_all(tmp_path: Path) -> None:
    asyncio.run(_prove(tmp_path))


def test_whoever_writes_writes_a_token_of_this_city(tmp_path: Path) -> None:
    asyncio.run(_prove_writes(tmp_path))


async def _prove_writes(home: Path) -> None:
    urn = "urn:ngsi-ld:Station:hanoi:a"
    async with world(home, run=False) as city:
        personal, subject, token = await sealed(city)

        def told(value: object, **more: object) -> Entity:
            return Entity(urn, STATION.iri, {IRI + "note": [Attribute("Property", value, **more)]})  # type: ignore[arg-type]  # any

        async def refusal(entity: Entity) -> str:
            with pytest.raises(Problem) as problem:
                await city.writer.save(SYSTEM, "upsert", entity, at=city.now)
            assert problem.value.status == 400
            return problem.value.code

        forged = seal(b"k" * 32, new_record(), subject, "reply", NAME)
        changed = token[:-1] + ("A" if token[-1] != "A" else "B")
        below = Entity(
            urn,
            STATION.iri,
            {IRI + "setup": [Attribute("Property", 1, sub={IRI + "note": told(NAME).attributes[IRI + "note"]})]},
        )
        assert [await refusal(one) for one in (told(NAME), told(7), told({"vi": NAME}), told(None), below)] == [
            "not-sealed"
        ] * 5
        assert [await refusal(told(NAME, observed_at=city.now))] == ["not-sealed"]
        assert [await refusal(told(one)) for one in (forged, changed, "dtp1." + NAME)] == ["unknown-token"] * 3
        await city.writer.save(SYSTEM, "create", told(token), at=city.now)
        row = ReadingRow(urn, IRI + "note", city.now, NAME, Origin.MEASURED)
        with pytest.raises(Problem, match="sealed values only"):
            await city.writer.write(Batch(SYSTEM, "feed", "c-1", city.now, readings=readings_of([row])))
        withdrawn = replace(row, value=None, withdrawn=True)
        await city.writer.write(Batch(SYSTEM, "feed", "c-2", city.now, readings=readings_of([withdrawn])))
        await personal.erase(STEWARD, subject, WHY)
        assert await refusal(told(token)) == "unknown-token", "what was forgotten is not written again"
        with city.database.reader() as db:
            rows = [db.execute(f"SELECT * FROM {name}").fetchall() for name in METADATA.tables]  # noqa: S608 - ours
        assert "Minh Khai" not in str(rows)
        personal.keys.close()


def test_a_message_that_breaks_everything_is_not_kept_as_it_came(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asyncio.run(_prove_poison(tmp_path, monkeypatch))


async def _prove_poison(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with world(home) as city:
        await city.device("d1")
        apply = city.writer.apply

        def broken(batch: Batch) -> object:
            if len(batch.readings or ()):
                raise RuntimeError("cannot be written")
            return apply(batch)

        monkeypatch.setattr(city.writer, "apply", broken)
        await city.send({"at": city.now.isoformat(), "values": {"note": NAME, "pm25": 12}}, device="d1")
        await city.send({"at": city.now.isoformat(), "values": {"pm25": 13}}, device="d1")
        await city.drained()
        held, _ = city.quarantine.list(insider(), "poison", 10, 0)
        assert sorted(one.size > 0 for one in held) == [False, True]


async def _prove(home: Path) -> None:
    forged = seal(b"k" * 32, new_record(), "s-1", "reply", NAME)
    async with world(home) as city:
        personal, _, token = await sealed(city)
        entity = await city.device("d1")
        now = city.now.isoformat()
        await city.send({"at": now, "values": {"note": NAME, "pm25": 12}}, device="d1", correlation="bare")
        await city.send({"at": now, "values": {"note": {"value": NAME}}}, device="d1", correlation="stated")
        await city.send({"at": now, "values": {"note": forged}}, device="d1", correlation="forged")
        late = (city.now + timedelta(days=9)).isoformat()
        await city.send({"at": late, "values": {"note": NAME, "pm25": 12}}, device="d1", correlation="absurd")
        await city.drained()
        assert city.values(entity, "note") == []
        assert [value for value, _, _ in city.values(entity, "pm25")] == [12.0], "the rest of a message is taken"
        assert city.reasons() == {"unsealed": 4, "absurd-time": 1}
        await city.send({"at": now, "values": {"note": token}}, device="d1", correlation="sealed")
        await city.drained()
        assert [value for value, _, _ in city.values(entity, "note")] == [token]
        # What was taken is in the journal no more: its server lets go of it a moment after it counts it as taken.
        await until(lambda: asyncio.to_thread(_files_with, home, b"Minh Khai"), [])
        held, _ = city.quarantine.list(insider(), "unsealed", 10, 0)
        assert [(one.size, "'note'" in one.detail) for one in held] == [(0, True)] * 4
        with city.database.reader() as db:
            rows = [db.execute(f"SELECT * FROM {name}").fetchall() for name in METADATA.tables]  # noqa: S608 - ours
        assert "Minh Khai" not in str(rows)
        personal.keys.close()
