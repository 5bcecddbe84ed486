"""An export takes along what its asker may take, and not a byte of the rest: things, attributes, records, readings, logs."""

import base64
from collections.abc import Iterator
from pathlib import Path

import msgspec
import polars as pl
import pytest
from exchange_world import NOW, PM, STATION, Town, urn

from dothi.access.policy import WHOLE_CITY, Clearance, Grant, Person, Scope
from dothi.api.exchange import layout
from dothi.api.exchange.export import About, Wanted, export_city
from dothi.data.batch import EntityChange, ReadingRow
from dothi.model.entity import LOCATION, Attribute, Entity
from dothi.model.reading import Origin
from dothi.model.schema import AttributeType, EntityType
from dothi.model.text import Text
from dothi.testing.people import insider

NOTE = "https://example.org/note"
KIND = EntityType(
    "Station",
    STATION,
    Text("Trạm", "Station"),
    (AttributeType("note", NOTE, Text("Ghi chú", "Note"), "text", clearance=Clearance.RESTRICTED),),
)
_DEVICE = (
    "INSERT INTO device (id, entity_id, entity_type, name, owner, cadence_s, ward, state, created_at) "
    "VALUES (?, ?, ?, ?, 'agency', 60, ?, 'admitted', 1)"
)
_HELD = (
    "INSERT INTO quarantine (key, at, source, device, reason, detail, body, content_type, correlation) "
    "VALUES (?, 1, 'http', ?, 'not-json', 'x', ?, 'text/plain', 'c')"
)
_RUN = (
    "INSERT INTO run (id, process, version, seed, state, requested_by, requested_at, inputs) "
    "VALUES ('r1', 'p', '1', 1, 'done', 'x', 1, '{\"what\": \"hidden run\"}')"
)
_LOBBY = "INSERT INTO lobby (device, source, first_seen, last_seen, count, body) VALUES ('w', 'http', 1, 1, 1, ?)"


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    """Two open things in two wards, one of them with a classified note, and one restricted thing; each with records."""
    made = Town(tmp_path / "here")
    changes, rows = [], []
    for number, (longitude, clearance) in enumerate(
        ((105.85, Clearance.INTERNAL), (105.75, Clearance.INTERNAL), (105.85, Clearance.RESTRICTED))
    ):
        name = ("open", "elsewhere", "hidden thing")[number]
        attributes = {
            LOCATION: [Attribute("GeoProperty", {"type": "Point", "coordinates": [longitude, 21.0]})],
            "https://example.org/title": [Attribute("Property", name)],
            NOTE: [Attribute("Property", f"hidden note {number}")],
        }
        changes.append(EntityChange("upsert", Entity(urn(70 + number), STATION, attributes), clearance))
        rows.append(ReadingRow(urn(70 + number), PM, NOW, 700.5 + number, Origin.MEASURED))
        rows.append(ReadingRow(urn(70 + number), NOTE, NOW, f"hidden told {number}", Origin.MEASURED, "", f"urn:d:{number}"))
    made.write(entities=changes)
    made.write(*rows)
    for number, name in enumerate(("open", "elsewhere", "hidden device")):
        made.execute(_DEVICE, f"d{number}", urn(70 + number), STATION, name, "00070" if number != 1 else None)
        made.execute(_HELD, f"k{number}", f"d{number}", f"{name} body".encode())
    made.execute(_RUN)
    made.execute(_LOBBY, b"waiting in the lobby")
    yield made
    made.close()


def _told(town: Town, folder: Path, person: Person) -> str:
    """Everything an export of ``person`` says, Parquet as text included."""
    about = About("hanoi", {}, (), NOW, NOW, (KIND,))
    export_city(town.database, folder, person, about, Wanted(), lambda *_: None)
    told = []
    for path in sorted(one for one in folder.rglob("*") if one.is_file() and one.name != layout.README):
        if path.suffix == ".parquet":
            told.append(pl.read_parquet(path).write_ndjson())
        else:
            told.append(path.read_text(encoding="utf-8"))
            # Bodies are written in base64.
            told += [str(row) for row in _bodies(path)]
    return "\n".join(told)


def _bodies(path: Path) -> list[bytes]:
    if path.suffix != ".ndjson":
        return []
    rows = [msgspec.json.decode(line) for line in path.read_bytes().splitlines()]
    return [base64.b64decode(row["body"]) for row in rows if row.get("body")]


def test_a_steward_takes_what_is_internal_and_nothing_above(town: Town, tmp_path: Path) -> None:
    steward = Person("steward", (Grant("steward", WHOLE_CITY, Clearance.INTERNAL),))
    told = _told(town, tmp_path / "out", steward)
    assert "hidden" not in told
    assert "702.5" not in told
    assert not (tmp_path / "out" / layout.AUDIT).exists()
    for open_one in ("open", "elsewhere", "700.5", "701.5", "open body", "elsewhere body", "waiting in the lobby"):
        assert open_one in told, open_one


def test_a_steward_of_a_ward_takes_that_ward(town: Town, tmp_path: Path) -> None:
    scope = Scope(wards=frozenset({"00070"}))
    told = _told(town, tmp_path / "out", Person("steward", (Grant("steward", scope, Clearance.INTERNAL),)))
    for beyond in ("hidden", "elsewhere", "701.5", "702.5", "waiting in the lobby"):
        assert beyond not in told, beyond
    for open_one in ("open", "700.5", "open body"):
        assert open_one in told, open_one


def test_who_may_take_everything_does(town: Town, tmp_path: Path) -> None:
    """Else the tests above would prove nothing."""
    told = _told(town, tmp_path / "out", insider())
    for one in ("hidden thing", "hidden note 0", "hidden told 0", "hidden device body", "hidden run", "702.5"):
        assert one in told, one
    assert (tmp_path / "out" / layout.AUDIT).exists()
