"""What an import refuses, how it goes on after an interruption, and that everything of a city travels."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest
from exchange_world import NOW, PM, STATION, Town, acts, at, contents, row, urn

from dothi.access.policy import STRANGER, WHOLE_CITY, Clearance, Grant, Person
from dothi.api.exchange import layout
from dothi.api.exchange.export import About, Wanted, export_city
from dothi.api.exchange.importing import import_city, refuse_unfinished
from dothi.api.exchange.records import ELSEWHERE, RECORDS
from dothi.data.batch import EntityChange, Quarantined
from dothi.model.clock import to_micros
from dothi.model.entity import Attribute, Entity
from dothi.model.problem import Problem
from dothi.store.audit import last_seal, verify
from dothi.store.checkpoints import AuditKey, checkpoints
from dothi.store.files import FolderFiles
from dothi.store.tables import METADATA

MICROS = to_micros(NOW)
INTERNAL = Person("kept", (Grant("system", WHOLE_CITY, Clearance.INTERNAL),))


@pytest.fixture
def town(tmp_path: Path) -> Any:
    """A small city with something of everything."""
    made = Town(tmp_path / "here", stations=3)
    made.write(
        *[row(number, minutes, minutes + number / 10, minutes) for number in range(3) for minutes in range(0, 3000, 500)]
    )
    made.write(row(0, 500, 9.5, 700), row(1, 1000, None, 1200, withdrawn=True))
    made.write(
        quarantine=[Quarantined("http", "máy-1", "not-json", "line 1", b"\x00\xff{", "text/plain", "c", MICROS, None, 5)]
    )
    made.execute(
        "INSERT INTO lobby VALUES (?,?,?,?,?,?,?,3)",
        "lạ-1",
        "mqtt",
        MICROS,
        MICROS + 1,
        3,
        b'{"values":{}}',
        "application/json",
    )
    made.execute(
        "INSERT INTO device (id, entity_id, entity_type, name, owner, cadence_s, longitude, latitude, ward, mapping, state, "
        "created_at, last_seen, flags, folded) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
        *("d-1", urn(0), STATION, "Trạm Ô Chợ Dừa", "Sở", 60.0, 105.8, 21.0, None),
        *('{"pm":{"attribute":"https://example.org/pm25"}}', "admitted", MICROS, None, '["outside"]', "tram o cho dua"),
    )
    made.execute(
        "INSERT INTO retention (dataset, days, changed_by, changed_at) VALUES (?,?,?,?)", STATION, 365, "an", MICROS
    )
    made.execute(
        "INSERT INTO saved_query (title, sql, display, owner, modified_at, folded) VALUES (?,?,?,?,?,?)",
        *("Bụi", "SELECT 1", '{"as":"chart"}', "an", MICROS, "bui"),
    )
    made.execute(
        "INSERT INTO run (id, process, version, seed, state, requested_by, requested_at, inputs, outputs) "
        "VALUES (?,?,?,?,?,?,?,?,?)",
        *("r1", "air-forecast", "1", 7, "done", "an", MICROS, '{"hours":[1,null]}', "{}"),
    )
    for hour in range(3):
        made.execute(
            "INSERT INTO forecast (process, series_id, issued_at, target_at, run, value, actual) "
            "SELECT ?, min(id), ?, ?, ?, ?, ? FROM series",
            *("air-forecast", MICROS, MICROS + hour * 3_600_000_000, "r1", 20.5 + hour, None if hour else 21.0),
        )
    yield made
    made.close()


def test_every_table_leaves_or_says_where_it_is() -> None:
    assert {record.table.name for record in RECORDS} | ELSEWHERE.keys() == METADATA.tables.keys()


def test_everything_of_a_city_travels(town: Town, tmp_path: Path, homes: object) -> None:
    manifest = town.export(tmp_path / "first")
    everything = {
        "device",
        "lobby",
        "quarantine",
        "retention",
        "saved_query",
        "run",
        "entities",
        "series",
        "readings",
        "audit",
    }
    assert all(manifest.counts[name] for name in everything)
    assert manifest.counts["forecasts"] == 3
    assert (manifest.counts["readings"], manifest.counts["entities"]) == (20, 3)
    elsewhere = Town(tmp_path / "there", chosen=True)
    elsewhere.take(tmp_path / "first")
    assert elsewhere.seen() == town.seen()
    elsewhere.export(tmp_path / "second")
    assert contents(tmp_path / "second") == contents(tmp_path / "first")
    with elsewhere.database.reader() as db:
        assert verify(db).intact
        assert db.execute("SELECT body FROM quarantine").fetchone()[0] == b"\x00\xff{"
    refuse_unfinished(elsewhere.database)
    elsewhere.close()


def test_an_export_needs_nothing_of_ours_to_be_read(town: Town, tmp_path: Path) -> None:
    town.export(tmp_path / "out")
    rows = pl.read_parquet(tmp_path / "out/readings/Station/day=2026-05-14.parquet", hive_partitioning=False)
    corrected = rows.filter((pl.col("entity") == urn(0)) & (pl.col("observed_at") == at(500))).sort("revision")
    assert corrected["number"].to_list() == [500.0, 9.5]
    assert corrected["received_at"].to_list() == [at(500), at(700)]
    assert rows.select("grade", "origin", "unit").unique().rows() == [("good", "measured", None)]
    first = json.loads((tmp_path / "out/entities.ndjson").read_text(encoding="utf-8").splitlines()[0])
    assert first["@context"].startswith("https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context")
    assert first[PM] == {"type": "Property", "value": 2500.0, "observedAt": "2026-05-15T21:40:00Z"}
    shapes = json.loads((tmp_path / "out/entities/Station.geojson").read_text(encoding="utf-8"))
    assert [one["properties"]["name"] for one in shapes["features"]] == ["Trạm 0", "Trạm 1", "Trạm 2"]
    table = (tmp_path / "out/entities/Station.csv").read_text(encoding="utf-8-sig").splitlines()
    assert table[0] == "id,ward,owner,longitude,latitude,observedAt,name,pm25"
    assert "Dữ liệu của một thành phố" in (tmp_path / "out/README.md").read_text(encoding="utf-8")


def test_a_part_leaves_alone_and_comes_back(town: Town, tmp_path: Path) -> None:
    manifest = town.export(tmp_path / "part", start=at(500), end=at(1500), datasets=["Station"])
    assert manifest.counts["readings"] == 2 * 3 + 2
    assert not (tmp_path / "part" / layout.AUDIT).exists()
    elsewhere = Town(tmp_path / "there")
    elsewhere.take(tmp_path / "part")
    # What is shown now is shown there too, though its reading stayed behind.
    assert elsewhere.seen()[0] == town.seen()[0]
    elsewhere.close()
    with pytest.raises(Problem, match="It has: Station"):
        town.export(tmp_path / "none", datasets=["Tides"])
    assert not (tmp_path / "none").exists()


def test_a_lake_that_was_left_behind_takes_no_other_city(town: Town, tmp_path: Path) -> None:
    town.export(tmp_path / "out")
    elsewhere = Town(tmp_path / "there")
    left = elsewhere.database.lake.folder / "readings" / "Station" / "_delta_log" / f"{0:020}.json"
    left.parent.mkdir(parents=True)
    left.write_text("{}")
    with pytest.raises(Problem, match=r"The lake in .* holds readings of another city"):
        elsewhere.take(tmp_path / "out")
    shutil.rmtree(elsewhere.database.lake.folder)
    elsewhere.take(tmp_path / "out")
    assert elsewhere.seen() == town.seen()
    elsewhere.close()


def test_who_may_not_takes_nothing_and_what_is_above_them_stays(town: Town, tmp_path: Path) -> None:
    about = About("hanoi", {}, (), NOW, NOW, ())
    with pytest.raises(Problem, match="not allowed"):
        export_city(town.database, tmp_path / "x", STRANGER, about, Wanted(), lambda *_: None)
    secret = Entity(urn(9), STATION, {PM: [Attribute("Property", 1.0)]})
    town.write(entities=[EntityChange("create", secret, Clearance.RESTRICTED)])
    town.execute("UPDATE entity SET clearance = 3 WHERE id = ?", urn(9))
    manifest = town.export(tmp_path / "y")
    assert (manifest.withheld, manifest.counts["entities"]) == (1, 3)
    assert b"hanoi:9" not in (tmp_path / "y" / "entities.ndjson").read_bytes()
    with pytest.raises(Problem, match="not allowed"):
        import_city(town.database, tmp_path / "y", manifest, STRANGER, MICROS, lambda *_: None)


def test_a_city_that_is_there_is_never_mixed_with_another(town: Town, tmp_path: Path) -> None:
    town.export(tmp_path / "out")
    with pytest.raises(Problem, match="never mixes two cities"):
        town.take(tmp_path / "out")
    with pytest.raises(Problem, match="exists already"):
        town.export(tmp_path / "out")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda folder: shutil.rmtree(folder), "There is no folder"),
        (lambda folder: (folder / "manifest.json").unlink(), "manifest.json is missing"),
        (lambda folder: (folder / "manifest.json").write_bytes(b"{}"), "manifest.json is missing or unreadable"),
        (lambda folder: (folder / "series.parquet").unlink(), "series.parquet is missing"),
        (lambda folder: _flip(folder / "readings/Station/day=2026-05-14.parquet"), "its checksum is wrong"),
        (lambda folder: _rewrite(folder, '"format": 1', '"format": 9'), "has format 9"),
        (lambda folder: _rewrite(folder, '"README.md"', '"../README.md"'), "lies outside"),
    ],
)
def test_a_damaged_or_foreign_folder_is_refused_in_words(town: Town, tmp_path: Path, spoil: Any, said: str) -> None:
    town.export(tmp_path / "out")
    spoil(tmp_path / "out")
    elsewhere = Town(tmp_path / "there")
    with pytest.raises(Problem, match=said):
        elsewhere.take(tmp_path / "out")
    with elsewhere.database.reader() as db:
        assert db.execute("SELECT count(*) FROM meta").fetchone()[0] == 0
    elsewhere.close()


def _flip(path: Path) -> None:
    body = bytearray(path.read_bytes())
    body[100] ^= 1
    path.write_bytes(body)


def _rewrite(folder: Path, before: str, after: str) -> None:
    path = folder / "manifest.json"
    path.write_text(path.read_text(encoding="utf-8").replace(before, after), encoding="utf-8")


def _signed(folder: Path, name: str, body: bytes) -> None:
    """Change a file and its checksum: what a forger would do."""
    (folder / name).write_bytes(body)
    told = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    told["files"][name] = layout.checksum(folder / name)
    (folder / "manifest.json").write_text(json.dumps(told), encoding="utf-8")


def test_a_forged_audit_log_and_a_forged_file_are_refused(town: Town, tmp_path: Path) -> None:
    town.export(tmp_path / "out")
    log = (tmp_path / "out" / layout.AUDIT).read_bytes()
    _signed(tmp_path / "out", layout.AUDIT, log.replace(b'"person":"system"', b'"person":"nobody"', 1))
    with pytest.raises(Problem, match="act 1 of its audit log does not follow"):
        Town(tmp_path / "a").take(tmp_path / "out")
    _signed(tmp_path / "out", layout.AUDIT, b"\n".join(log.splitlines()[:-1]) + b"\n")
    with pytest.raises(Problem, match="does not end where its manifest says"):
        Town(tmp_path / "b").take(tmp_path / "out")
    _signed(tmp_path / "out", layout.AUDIT, log)
    _signed(tmp_path / "out", layout.ENTITIES, b'{"id":"x"}\n')
    with pytest.raises(Problem, match="holds what no export holds"):
        Town(tmp_path / "c").take(tmp_path / "out")


def test_checkpoints_of_the_audit_log_travel_and_are_held_against_it(town: Town, tmp_path: Path) -> None:
    with town.database.reader() as db:
        seq, head = last_seal(db)
    (tmp_path / "keys").mkdir()
    signed = AuditKey.of(tmp_path / "keys").sign("hanoi", seq, MICROS, head)
    town.execute("INSERT INTO audit_checkpoint VALUES (?,?,?,?,?,?)", *msgspec.structs.astuple(signed))
    town.export(tmp_path / "out")
    elsewhere = Town(tmp_path / "there")
    elsewhere.take(tmp_path / "out")
    with elsewhere.database.reader() as db:
        verdict = verify(db)
        assert (verdict.intact, verdict.proven, checkpoints(db)) == (True, seq, [signed])
    elsewhere.close()
    told = (tmp_path / "out" / "audit_checkpoint.ndjson").read_bytes()
    _signed(tmp_path / "out", "audit_checkpoint.ndjson", told.replace(b'"seq":%d' % seq, b'"seq":%d' % (seq - 1)))
    with pytest.raises(Problem, match=f"the checkpoint at act {seq - 1} of its audit log is not what was signed"):
        Town(tmp_path / "a").take(tmp_path / "out")
    _signed(tmp_path / "out", "audit_checkpoint.ndjson", told)
    whole = (tmp_path / "out" / layout.AUDIT).read_bytes().splitlines(keepends=True)
    cut = json.loads(whole[seq - 2])["hash"]
    _signed(tmp_path / "out", layout.AUDIT, b"".join(whole[: seq - 1]))
    _rewrite(tmp_path / "out", f'"audit_head": "{head.hex()}"', f'"audit_head": "{cut}"')
    with pytest.raises(Problem, match="does not end where"):
        Town(tmp_path / "b").take(tmp_path / "out")


class Interrupted(Exception):  # noqa: N818 - a test's own
    pass


@pytest.mark.parametrize("stop", range(1, 16, 2))
def test_an_interrupted_import_goes_on(town: Town, tmp_path: Path, stop: int, monkeypatch: pytest.MonkeyPatch) -> None:
    town.export(tmp_path / "out")
    monkeypatch.setattr("dothi.api.exchange.importing.BATCH", 7)
    monkeypatch.setattr("dothi.api.exchange.importing._ROWS", 2)
    elsewhere = Town(tmp_path / "there")
    seen = 0

    def interrupt(what: str, _done: int, _total: int) -> None:
        nonlocal seen
        seen += what == "importing"
        if seen == stop:
            raise Interrupted

    with pytest.raises(Interrupted):
        elsewhere.take(tmp_path / "out", interrupt)
    if stop > 1:
        with pytest.raises(Problem, match="goes on where it stopped"):
            refuse_unfinished(elsewhere.database)
        shutil.copytree(tmp_path / "out", tmp_path / "other")
        _rewrite(tmp_path / "other", '"withheld": 0', '"withheld": 5')
        with pytest.raises(Problem, match="another export was interrupted"):
            elsewhere.take(tmp_path / "other")
    elsewhere.take(tmp_path / "out")
    elsewhere.export(tmp_path / "again")
    assert contents(tmp_path / "again") == contents(tmp_path / "out")
    assert [act["action"] for act in acts(tmp_path / "again")].count("city.import") == 1
    elsewhere.close()


def test_a_full_disk_is_said_in_words_and_leaves_nothing(town: Town, tmp_path: Path) -> None:
    town.rest()
    script = (
        "import resource, sys; sys.path.insert(0, sys.argv[1]); from pathlib import Path; import polars;"
        "from exchange_world import Town; from dothi.model.problem import Problem; town = Town(Path(sys.argv[2]))\n"
        "with town.database.reader() as db: db.execute('SELECT 1 FROM meta').fetchone()\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[4]),) * 2)\n"
        "try: town.export(Path(sys.argv[3]))\n"
        "except Problem as problem: print(problem.code)"
    )
    for room in (300, 3_000):  # in the entities, in a Parquet file
        folder = tmp_path / f"full-{room}"
        told = subprocess.run(
            [sys.executable, "-c", script, Path(__file__).parent, tmp_path / "here", folder / "out", str(room)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert told.stdout.strip() == "disk-full", told.stderr
        assert list(folder.iterdir()) == []


PHOTO = {
    "incident": "SV-2605-0001",
    "first": "SV-2605-0001",
    "phase": "after",
    "media": "image/png",
    "width": 8,
    "height": 8,
}


def with_photo(town: Town, number: int, body: bytes, **more: Any) -> str:
    """A photo in a town, and the name of its picture."""
    name = FolderFiles(town.database.folder / "files").put(body)
    row = PHOTO | {"number": number, "hash": name, "small": name, "added_at": MICROS, "person": "an"} | more
    marks = ",".join("?" * len(row))
    town.execute(f"INSERT INTO incident_photo ({', '.join(row)}) VALUES ({marks})", *row.values())  # noqa: S608 - our names
    return name


def test_photos_travel_with_their_numbers_and_their_bytes(town: Town, tmp_path: Path, homes: object) -> None:
    kept = with_photo(town, 7, b"a picture", boxes='[{"left":1,"top":2,"width":3,"height":4}]')
    gone = with_photo(town, 9, b"one that was removed", removed_at=MICROS)
    manifest = town.export(tmp_path / "first")
    assert (manifest.counts["incident_photo"], manifest.counts["photos"]) == (2, 1)
    assert (tmp_path / "first" / "photos" / kept).read_bytes() == b"a picture"
    assert not (tmp_path / "first" / "photos" / gone).exists(), "what was destroyed is in no export"
    elsewhere = Town(tmp_path / "there", chosen=True)
    elsewhere.take(tmp_path / "first")
    files = FolderFiles(elsewhere.database.folder / "files")
    assert (files.get(kept), files.get(gone)) == (b"a picture", None)
    with elsewhere.database.reader() as db:
        rows = db.execute("SELECT number, hash, boxes FROM incident_photo ORDER BY number").fetchall()
    assert [(number, hash) for number, hash, _ in rows] == [(7, kept), (9, gone)]
    assert '"left"' in rows[0][2]
    columns = [*PHOTO, "hash", "small", "added_at", "person"]
    asked = f"INSERT INTO incident_photo ({', '.join(columns)}) VALUES ({','.join('?' * len(columns))})"  # noqa: S608 - ours
    elsewhere.execute(asked, *PHOTO.values(), "x", "x", MICROS, "an")
    with elsewhere.database.reader() as db:
        assert db.execute("SELECT max(number) FROM incident_photo").fetchone()[0] > 9, "no number is given out twice"
    elsewhere.close()


def test_a_picture_under_another_ones_name_is_refused(town: Town, tmp_path: Path) -> None:
    name = with_photo(town, 1, b"a picture")
    town.export(tmp_path / "first")
    _signed(tmp_path / "first", f"photos/{name}", b"another picture")
    elsewhere = Town(tmp_path / "there")
    with pytest.raises(Problem, match="not the picture of that name"):
        elsewhere.take(tmp_path / "first")
    elsewhere.close()


def test_photos_stay_with_who_may_not_take_them(town: Town, tmp_path: Path) -> None:
    with_photo(town, 1, b"a picture")
    export_city(town.database, tmp_path / "part", INTERNAL, About("t", {}, (), NOW, NOW, ()), Wanted(), lambda *_: None)
    assert not (tmp_path / "part" / "photos").exists()
    assert (tmp_path / "part" / "incident_photo.ndjson").read_bytes() == b""
