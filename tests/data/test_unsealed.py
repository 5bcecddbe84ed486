"""An attribute that is personal takes sealed values only: what comes in the clear is told of, and kept nowhere."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from ingest_world import STATION, TYPES, world

from dothi.access.personal.sealing import new_record, seal
from dothi.model.clearance import Clearance
from dothi.store.tables import METADATA
from dothi.testing.people import insider

NAME = "Nguyễn Thị Minh Khai"


def test_what_is_personal_comes_sealed_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    personal = tuple(replace(one, clearance=Clearance.PERSONAL) if one.name == "note" else one for one in STATION.attributes)
    monkeypatch.setitem(TYPES, STATION.iri, replace(STATION, attributes=personal))
    asyncio.run(_prove(tmp_path))


async def _prove(home: Path) -> None:
    token = seal(b"k" * 32, new_record(), "s-1", "reply", NAME)
    async with world(home) as city:
        entity = await city.device("d1")
        now = city.now.isoformat()
        await city.send({"at": now, "values": {"note": NAME, "pm25": 12}}, device="d1", correlation="bare")
        await city.send({"at": now, "values": {"note": {"value": NAME}}}, device="d1", correlation="stated")
        late = (city.now + timedelta(days=9)).isoformat()
        await city.send({"at": late, "values": {"note": NAME, "pm25": 12}}, device="d1", correlation="absurd")
        await city.drained()
        assert city.values(entity, "note") == []
        assert [value for value, _, _ in city.values(entity, "pm25")] == [12.0], "the rest of a message is taken"
        assert city.reasons() == {"unsealed": 3, "absurd-time": 1}
        await city.send({"at": now, "values": {"note": token}}, device="d1", correlation="sealed")
        await city.drained()
        assert [value for value, _, _ in city.values(entity, "note")] == [token]
        held, _ = city.quarantine.list(insider(), "unsealed", 10, 0)
        assert [(one.size, "'note'" in one.detail) for one in held] == [(0, True)] * 3
        with city.database.reader() as db:
            rows = [db.execute(f"SELECT * FROM {name}").fetchall() for name in METADATA.tables]  # noqa: S608 - ours
        assert "Minh Khai" not in str(rows)
