"""Files of any content: every row that says something becomes a message the city keeps, or is named as a bad row."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest
from fault_world import operator
from hostile import BROKEN, lobby_count, settle, texts
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dothi.cli.client import Client
from dothi.cli.replay import HttpSink
from dothi.devices.files import FileMapping, FileReport, send_file
from dothi.model.problem import Problem
from dothi.settings import Settings
from dothi.testing.city import RunningCity, running_city

EXAMPLES = [100, pytest.param(2_000, marks=[pytest.mark.long, pytest.mark.timeout(1_800)])]
LONG = FileMapping(device="station", time="at", parameter="what", value="value", unit="unit")
WIDE = FileMapping(device="station", time="at", values={"pm25": "PM2.5", "note": "Note"}, texts=("note",))
TIMES = (
    "2026-05-14T04:00:00Z",
    "2026-05-14T11:00:00+07:00",
    "2026-05-14 11:00",
    "1747195200",
    "0",
    "-5",
    "",
    "hôm qua",
    "9" * 30,
)
NUMBERS = ("22.5", "1,5", "-1e5", "1e999", "NaN", "NA", "", "inf", "0x10", "²", "12.5.1", "9" * 400)
NAMES = ("ghost-1", "Trạm Đống Đa", "", " ", "a/b", "x" * 80, "\x00", '"', "a,b")

cells = st.sampled_from(TIMES + NUMBERS + NAMES) | texts
rows = st.fixed_dictionaries(
    {
        "station": st.sampled_from(NAMES) | texts,
        "at": st.sampled_from(TIMES[:2]) | cells,
        "what": st.sampled_from(["pm25", "temp", ""]) | texts,
        "value": st.sampled_from(NUMBERS) | texts,
        "unit": st.sampled_from(["µg/m³", "GQ", "", "furlong"]),
        "PM2.5": st.sampled_from(NUMBERS),
        "Note": texts,
    }
)
odd_values = st.none() | st.booleans() | st.integers() | st.floats() | cells | st.lists(st.integers(), max_size=2)
wounds = st.lists(
    st.tuples(st.integers(0, 400), st.sampled_from([b"\n", b'"', b"\xff", b"\x00", b"{", b",", b"\r"])), max_size=3
)


def wounded(raw: bytes, where: list[tuple[int, bytes]]) -> bytes:
    for place, what in where:
        raw = raw[:place] + what + raw[place:]
    return raw


def csv_of(found: list[dict[str, str]]) -> bytes:
    lines = [",".join(found[0])] if found else ["station,at,what,value,unit,PM2.5,Note"]
    lines += [",".join('"' + cell.replace('"', '""') + '"' for cell in row.values()) for row in found]
    return "\n".join(lines).encode()


@st.composite
def files(draw: st.DrawFn) -> tuple[str, bytes | list[dict[str, Any]], FileMapping | None]:
    """A file's ending, what is in it, and what its columns are said to mean."""
    kind = draw(st.sampled_from(["csv", "payload", "rows", "parquet", "bytes"]))
    mapping = draw(st.sampled_from([LONG, WIDE]))
    if kind == "bytes":
        ending = draw(st.sampled_from([".csv", ".ndjson", ".parquet", ".csv.gz", ".zip", ""]))
        return ending, draw(st.binary(max_size=300)), draw(st.sampled_from([mapping, None]))
    if kind == "parquet":
        return ".parquet", draw(st.lists(rows, min_size=1, max_size=5)), mapping
    if kind == "csv":
        return ".csv", wounded(csv_of(draw(st.lists(rows, max_size=5))), draw(wounds)), mapping
    if kind == "rows":
        odd = st.dictionaries(st.sampled_from(["station", "at", "what", "value", "unit", "PM2.5", "Note"]), odd_values)
        lines = [json.dumps(row).encode() for row in draw(st.lists(rows | odd, max_size=5))]
        return ".jsonl", wounded(b"\n".join(lines), draw(wounds)), mapping
    good = b'{"device":"ghost-1","at":"2026-05-14T04:00:00Z","values":{"pm25":1}}'
    return ".ndjson", b"\n".join(draw(st.lists(st.sampled_from([*BROKEN, good, good]), max_size=5))), None


@pytest.fixture
def city(tmp_path: Path) -> Iterator[RunningCity]:
    (tmp_path / "no-data").mkdir()
    with running_city(tmp_path, data=tmp_path / "no-data") as running:
        yield running


@pytest.mark.parametrize("examples", EXAMPLES)
def test_every_row_is_kept_or_named(city: RunningCity, tmp_path: Path, examples: int) -> None:
    url = httpx.URL(city.base_url)
    sink = HttpSink(Client(Settings(home=city.home, host=url.host, port=url.port or 0)))
    sent, named = 0, 0

    @settings(max_examples=examples, database=None, suppress_health_check=list(HealthCheck))
    @given(files())
    def replay(file: tuple[str, bytes | list[dict[str, Any]], FileMapping | None]) -> None:
        nonlocal sent, named
        ending, content, mapping = file
        path = tmp_path / f"recorded{ending}"
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            pl.DataFrame(content).write_parquet(path)
        try:
            report: FileReport = asyncio.run(send_file(path, mapping, sink))
        except Problem as problem:
            assert problem.status == 400 and problem.detail
            return
        assert len(report.bad_rows) == report.bad
        assert report.messages <= report.rows
        sent += report.messages
        named += report.bad

    replay()
    with operator(city) as client:
        settle(city, client, lambda: lobby_count(client) >= sent)
        assert sent and named
        assert lobby_count(client) == sent
        assert client.get("/api/v1/quarantine").json()["total"] == 0
