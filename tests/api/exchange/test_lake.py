"""An export is the same wherever the readings lie: in the recent table, in the lake, in both, or some here, some there."""

import asyncio
from datetime import datetime
from pathlib import Path

import pytest
from exchange_world import Town, at, contents, row

from dothi.data.compaction import STEPS, Step
from dothi.data.retention import Retention
from dothi.data.sealing import Sealer
from dothi.model.problem import Problem
from dothi.testing.clock import FixedClock


def seal(town: Town, now: datetime) -> None:
    """Everything that sealing does when the city's clock shows ``now``."""

    async def apart(step: Step, arguments: tuple[int, ...]) -> None:
        STEPS[step](town.database, *arguments)

    town.write()
    assert town.writer is not None
    clock = FixedClock(now)
    retention = Retention(town.database, town.writer, clock, {})
    asyncio.run(Sealer(town.database, town.writer, clock, retention, apart).round())


def recent(town: Town) -> int:
    """How many rows the recent table holds."""
    with town.database.reader() as db:
        return int(db.execute("SELECT count(*) FROM reading").fetchone()[0])


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
    seal(town, at(2880))
    assert town.database.lake.figures()[0].rows > 0
    town.export(tmp_path / "both")
    if piece == 500_000:
        assert contents(tmp_path / "both") == contents(tmp_path / "recent")
    every = recent(town)
    seal(town, at(5 * 1440))
    assert 0 < recent(town) < every
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
    seal(town, at(10 * 1440))
    (damaged, *_) = sorted(town.database.lake.folder.rglob("readings/**/day=*/*.parquet"))
    damaged.write_bytes(damaged.read_bytes()[:-7] + b"damaged")
    with pytest.raises(Problem) as problem:
        town.export(tmp_path / "out" / "x")
    assert problem.value.code == "lake-damaged"
    assert damaged.name in str(problem.value)
    assert list((tmp_path / "out").iterdir()) == []
    town.close()
