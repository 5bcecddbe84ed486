"""Recorded files all the way: from the rows of a file through the journal into history, at their own times."""

import asyncio
import sys
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from ingest_world import IRI, World, until, world

from dothi.access.policy import SYSTEM
from dothi.devices.files import FileMapping, FileReport, send_file
from dothi.devices.registry import MappingRule
from dothi.model.clock import from_micros
from dothi.model.reading import Origin

LONG = FileMapping(device="station", time="at", parameter="what", value="value", units={"pm25": "GQ"})
WIDE = FileMapping(one_device="a", time="at", values={"pm25": "PM2.5"}, units={"pm25": "GQ"})
HOURS = 30


def _rows(found: World, entity: str) -> list[tuple[str, float, Origin]]:
    rows = found.history.series(SYSTEM, entity, IRI + "pm25", found.now - timedelta(days=30), found.now)
    times = [f"{from_micros(at):%Y-%m-%dT%H:%M:%SZ}" for at in rows.observed_at]
    return list(zip(times, rows.values, rows.origins, strict=True))


def _times(found: World) -> list[str]:
    return [f"{found.now - timedelta(hours=HOURS - hour):%Y-%m-%dT%H:%M:%SZ}" for hour in range(HOURS)]


def _written(folder: Path, kind: str, times: list[str]) -> tuple[Path, FileMapping]:
    """The same thirty values of one station as a file of this kind."""
    path = folder / f"file.{kind.partition(' ')[0]}"
    if kind == "csv wide":
        path.write_text("at,PM2.5\n" + "".join(f"{at},{20 + hour}\n" for hour, at in enumerate(times)))
        return path, WIDE
    if kind == "parquet":
        columns = {
            "station": ["a"] * HOURS,
            "at": times,
            "what": ["pm25"] * HOURS,
            "value": [20.0 + n for n in range(HOURS)],
        }
        pl.DataFrame(columns).write_parquet(path)
    elif kind == "ndjson":
        line = '{{"station": "a", "at": "{}", "what": "pm25", "value": {}}}\n'
        path.write_text("".join(line.format(at, 20 + hour) for hour, at in enumerate(times)))
    else:
        path.write_text("station,at,what,value\n" + "".join(f"a,{at},pm25,{20 + hour}\n" for hour, at in enumerate(times)))
    return path, LONG


def _is_open(path: Path) -> bool:
    """True if this process holds the file open."""
    for handle in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # other threads close theirs meanwhile
            if handle.readlink() == path:
                return True
    return False


@pytest.mark.parametrize("kind", ["csv long", "csv wide", "parquet", "ndjson"])
def test_a_file_is_in_history_at_its_own_times_and_once(tmp_path: Path, kind: str) -> None:
    async def scene() -> None:
        async with world(tmp_path) as found:
            entity = await found.device("a", {"pm25": MappingRule(IRI + "pm25")})
            path, mapping = _written(tmp_path, kind, _times(found))
            for _ in range(2):  # a file that is sent again changes nothing
                report = await send_file(path, mapping, found.journal)
                assert (report.rows, report.values, report.bad, report.devices) == (HOURS, HOURS, 0, {"a"})
                await found.drained()
                wanted = [(at, 20.0 + hour, Origin.REPLAYED) for hour, at in enumerate(_times(found))]
                assert _rows(found, entity) == wanted
            assert found.reasons() == {}

    asyncio.run(scene())


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells which files a process holds open")
def test_what_was_sent_before_it_was_cancelled_stays(tmp_path: Path) -> None:
    """Paced so that the second hour would come in a day: the first is kept, the file is closed, the city goes on."""

    async def scene() -> None:
        async with world(tmp_path) as found:
            entity = await found.device("a", {"pm25": MappingRule(IRI + "pm25")})
            path, mapping = _written(tmp_path, "csv long", _times(found))
            sending: asyncio.Task[FileReport] = asyncio.create_task(send_file(path, mapping, found.journal, speed=1 / 24))

            async def known() -> int:
                return len(_rows(found, entity))

            await until(known, 1)
            assert _is_open(path)
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending
            assert not _is_open(path)
            await send_file(path, mapping, found.journal)
            await found.drained()
            assert len(_rows(found, entity)) == HOURS

    asyncio.run(scene())


def test_strangers_of_a_file_wait_in_the_lobby(tmp_path: Path) -> None:
    async def scene() -> None:
        async with world(tmp_path) as found:
            path, mapping = _written(tmp_path, "csv long", _times(found))
            await send_file(path, mapping, found.journal)
            await found.drained()
            waiting = found.registry.lobby(SYSTEM, 10, 0)
            assert waiting[1] == 1
            assert [(one.device, one.count, one.source) for one in waiting[0]] == [("a", HOURS, "file")]

    asyncio.run(scene())
