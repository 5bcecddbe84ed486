"""An export is the same wherever the readings lie: in the recent table, in the lake, in both, or some here, some there."""

from pathlib import Path

import polars as pl
import pytest
from exchange_world import STATION, Town, at, contents, row

from dothi.data.past import schema
from dothi.model.clock import to_micros
from dothi.model.problem import Problem

DAY = 86_400_000_000


def seal(town: Town, before: int, *, keep: bool) -> None:
    """Copy what was observed before a moment into the lake, and unless ``keep`` take it out of the recent table."""
    with town.database.reader() as db:
        told = db.execute(
            "SELECT s.id, e.id, a.iri, d.iri, s.unit, t.iri FROM series s JOIN entity e ON e.num = s.entity "
            "JOIN name a ON a.id = s.attribute LEFT JOIN name d ON d.id = s.dataset JOIN name t ON t.id = e.type"
        ).fetchall()
        rows = db.execute(
            "SELECT series_id, observed_at, revision, number, other, grade, reasons, origin, received_at, withdrawn "
            "FROM reading WHERE observed_at < ? ORDER BY series_id, observed_at, revision",
            (before,),
        ).fetchall()
        attributes = dict(db.execute("SELECT id, attribute FROM series").fetchall())
    frame = pl.DataFrame(rows, schema=schema(), orient="row")
    frame = frame.with_columns(pl.col("series").replace_strict(attributes).cast(pl.Int32).alias("attribute"))
    town.database.lake.describe(told)
    pieces = [
        (day[0], some.drop("day").sort("attribute", "series", "observed_at", "revision"))
        for day, some in frame.with_columns((pl.col("observed_at") // DAY).alias("day")).group_by("day", maintain_order=True)
    ]
    assert town.database.lake.append(STATION, before // 3_600_000_000, pieces)
    if not keep:
        town.execute("DELETE FROM reading WHERE observed_at < ?", before)


@pytest.fixture
def town(tmp_path: Path) -> Town:
    made = Town(tmp_path / "here", stations=4)
    for heard in range(3):
        made.write(
            *[
                row(number, minutes, float(heard + number), 3000 + heard)
                for number in range(4)
                for minutes in range(0, 5760, 360)
            ]
        )
    made.write(row(1, 360, None, 4000, withdrawn=True), row(2, 720, "chữ", 1))
    return made


@pytest.mark.parametrize("piece", [500_000, 20])
def test_it_makes_no_difference_where_readings_lie(
    town: Town, tmp_path: Path, piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dothi.api.exchange.readings.PIECE", piece)
    before = town.export(tmp_path / "recent")
    assert before.counts["readings"] == 3 * 4 * 16 + 1 + 1
    if piece == 20:
        assert (tmp_path / "recent/readings/Station/day=2026-05-15-2.parquet").is_file(), "a large day has several files"
    seal(town, to_micros(at(2880)), keep=True)
    town.export(tmp_path / "both")
    if piece == 500_000:
        assert contents(tmp_path / "both") == contents(tmp_path / "recent")
    town.execute("DELETE FROM reading WHERE observed_at < ?", to_micros(at(1440)))
    # A belated word about a key that only the lake still holds.
    town.write(row(3, 0, 77.0, 5000))
    moved = town.export(tmp_path / "moved")
    assert moved.counts["readings"] == before.counts["readings"] + 1
    elsewhere = Town(tmp_path / "there")
    elsewhere.take(tmp_path / "moved")
    monkeypatch.setattr("dothi.api.exchange.readings.PIECE", 500_000)
    elsewhere.export(tmp_path / "again")
    town.export(tmp_path / "whole")
    assert contents(tmp_path / "again") == contents(tmp_path / "whole")
    town.close()
    elsewhere.close()


def test_a_damaged_lake_is_said_and_no_half_export_is_left(town: Town, tmp_path: Path) -> None:
    seal(town, to_micros(at(2880)), keep=False)
    (damaged, *_) = sorted(town.database.lake.folder.rglob("readings/**/day=*/*.parquet"))
    damaged.write_bytes(damaged.read_bytes()[:-7] + b"damaged")
    with pytest.raises(Problem) as problem:
        town.export(tmp_path / "out" / "x")
    assert problem.value.code == "lake-damaged"
    assert damaged.name in str(problem.value)
    assert list((tmp_path / "out").iterdir()) == []
    town.close()
