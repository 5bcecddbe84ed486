"""Recorded files: every row becomes part of a message at its own time, or is named with its line and the reason."""

import asyncio
import gzip
import json
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from time import monotonic
from typing import Any

import polars as pl
import pytest

from dothi.devices import file_rows
from dothi.devices.files import FileMapping, FileReport, check_mapping, device_id_of, load_mapping, send_file
from dothi.devices.payload import DeviceMessage, decode
from dothi.model.clock import from_micros
from dothi.model.problem import Problem
from dothi.model.reading import Origin
from dothi.store.journal import JournalFull, Message

LONG = FileMapping(device="station", time="at", parameter="what", value="value", unit="unit")
WIDE = FileMapping(
    device="station", time="at", values={"pm25": "PM2.5", "note": "Note"}, texts=("note",), units={"pm25": "GQ"}
)


class Kept:
    """A sink that keeps what it is given, as the journal would, and refuses as often as it is told to."""

    def __init__(self, refusals: int = 0) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.times: list[float] = []
        self.refusals = refusals
        self.first = asyncio.Event()

    async def append(self, body: bytes, **known: Any) -> None:
        if self.refusals:
            self.refusals -= 1
            raise JournalFull("full", "wait", retry_after=0)
        self.bodies.append(known | {"body": body})
        self.first.set()
        self.times.append(asyncio.get_running_loop().time())

    @property
    def messages(self) -> list[DeviceMessage]:
        found = []
        for one in self.bodies:
            good, bad = decode(Message("file", None, one["body"], one["content_type"], 0, "c"))
            assert bad == []
            found += good
        return found


def send(path: Path, mapping: FileMapping | None, kept: Kept, **options: Any) -> FileReport:
    return asyncio.run(send_file(path, mapping, kept, **options))


def shown(message: DeviceMessage) -> tuple[str, str, Any]:
    assert message.at is not None
    return message.device, f"{from_micros(message.at):%Y-%m-%dT%H:%M:%S}", message.values


def test_a_long_csv(tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    path.write_text(
        "\ufeffstation,at,what,value,unit\n"
        "Trạm Đống Đa,2026-05-14T11:00:00+07:00,pm25,22.5,µg/m³\n"
        "Trạm Đống Đa,2026-05-14T04:00:00Z,temp,31,µg/m³\n"
        "Trạm Đống Đa,2026-05-14T04:00:00Z,temp,32,µg/m³\n"
        '"a,b",2026-05-14T05:00:00Z,pm25,NA,GQ\n'
        '"a,b",2026-05-14T05:00:00Z,pm25,7,\n',
        encoding="utf-8",
    )
    kept = Kept()
    report = send(path, LONG, kept)
    assert [shown(message) for message in kept.messages] == [
        (
            "tram-dong-da",
            "2026-05-14T04:00:00",
            {"pm25": {"value": 22.5, "unit": "µg/m³"}, "temp": {"value": 31.0, "unit": "µg/m³"}},
        ),
        ("tram-dong-da", "2026-05-14T04:00:00", {"temp": {"value": 32.0, "unit": "µg/m³"}}),
        ("a-b", "2026-05-14T05:00:00", {"pm25": 7.0}),
    ]
    assert (report.rows, report.messages, report.values, report.bad) == (5, 3, 4, 0)
    assert report.devices == {"tram-dong-da", "a-b"}
    assert (report.first, report.last) == (datetime(2026, 5, 14, 4, tzinfo=UTC), datetime(2026, 5, 14, 5, tzinfo=UTC))
    body = kept.bodies[0]
    assert (body["source"], body["origin"], body["device"]) == ("file", Origin.REPLAYED, None)


def test_bad_rows_are_named_by_line_and_the_rest_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "dirty.csv"
    path.write_bytes(
        b"station,at,what,value,unit\n"
        b"a,2026-05-14T04:00:00Z,pm25,1,GQ\n"
        b"a,2026-05-14T04:00:00,pm25,2,GQ\n"
        b"a,yesterday,pm25,3,GQ\n"
        b"a,2026-05-14T04:00:00Z,pm25,many,GQ\n"
        b"a,2026-05-14T04:00:00Z,pm25,inf,GQ\n"
        b'a,2026-05-14T04:00:00Z,"two\nlines",5,GQ\n'
        b"a,2026-05-14T04:00:00Z,pm25\n"
        b"\n"
        b"a,2026-05-14T04:00:00Z,pm\xff25,6,GQ\n"
        b"***,2026-05-14T04:00:00Z,pm25,7,GQ\n"
        b"a,2026-05-14T04:00:00Z,,8,GQ\n"
        b"a,1778731644000,pm25,9,GQ\n"
    )
    kept = Kept()
    report = send(path, LONG, kept)
    assert [(row.line, row.reason) for row in report.bad_rows] == [
        (3, "the time has no offset; say time_zone in the mapping"),
        (4, "the time 'yesterday' cannot be read"),
        (5, "pm25: 'many' is not a number"),
        (6, "pm25: infinity is not a value"),
        (9, "3 columns instead of 5"),
        (11, "not UTF-8 text"),
        (12, "there is no device id"),
        (13, "there is no parameter"),
    ]
    assert (report.bad, report.rows) == (8, 11)
    assert [message.values for message in kept.messages] == [
        {"pm25": {"value": 1.0, "unit": "GQ"}, "two\nlines": {"value": 5.0, "unit": "GQ"}},
        {"pm25": {"value": 9.0, "unit": "GQ"}},
    ]


def test_a_wide_csv_keeps_the_good_cells_of_a_bad_row(tmp_path: Path) -> None:
    path = tmp_path / "wide.csv.gz"
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.write("at;station;PM2.5;Note;more\n14/05/2026 11:00;s1;22;tốt;x\n14/05/2026 12:00;s1;bad;mưa;x\n;s1;1;;\n")
    mapping = FileMapping(
        **{name: getattr(WIDE, name) for name in ("device", "time", "values", "texts", "units")},
        delimiter=";",
        time_format="%d/%m/%Y %H:%M",
        time_zone="Asia/Ho_Chi_Minh",
    )
    kept = Kept()
    report = send(path, mapping, kept)
    assert [shown(message) for message in kept.messages] == [
        ("s1", "2026-05-14T04:00:00", {"pm25": {"value": 22.0, "unit": "GQ"}, "note": "tốt"}),
        ("s1", "2026-05-14T05:00:00", {"note": "mưa"}),
    ]
    assert [row.line for row in report.bad_rows] == [3, 4]


def test_parquet_with_local_times(tmp_path: Path) -> None:
    path = tmp_path / "wide.parquet"
    frame = pl.DataFrame(
        {
            "at": [datetime.fromisoformat("2026-05-14T11:00"), datetime.fromisoformat("2026-05-14T12:00"), None],
            "PM2.5": [22.0, float("nan"), 3.0],
            "Note": [None, "x", "y"],
        }
    )
    frame.write_parquet(path)
    mapping = FileMapping(
        one_device="s1", time="at", values=WIDE.values, texts=("note",), units={"pm25": "GQ"}, time_zone="Asia/Ho_Chi_Minh"
    )
    kept = Kept()
    steps: list[tuple[int, int | None]] = []
    report = send(path, mapping, kept, progress=lambda done, total: steps.append((done, total)))
    assert [shown(message) for message in kept.messages] == [
        ("s1", "2026-05-14T04:00:00", {"pm25": {"value": 22.0, "unit": "GQ"}}),
        ("s1", "2026-05-14T05:00:00", {"note": "x"}),
    ]
    assert [(row.line, row.reason) for row in report.bad_rows] == [(3, "there is no time")]
    assert steps == [(3, 3)]


def test_ndjson_with_and_without_a_mapping(tmp_path: Path) -> None:
    plain = tmp_path / "plain.ndjson"
    plain.write_text('{"device":"a","at":1778731644,"values":{"x":1}}\nrubbish\n\n{"device":"b","values":{"x":2}}\n')
    kept = Kept()
    report = send(plain, None, kept)
    assert [(message.device, message.values) for message in kept.messages] == [("a", {"x": 1}), ("b", {"x": 2})]
    assert [row.line for row in report.bad_rows] == [2]

    mapped = tmp_path / "mapped.jsonl"
    rows = [{"station": "a", "at": 1778731644, "what": "pm25", "value": 3, "unit": None}, {"station": "a"}, 5]
    mapped.write_text("\n".join(json.dumps(row) for row in rows))
    kept = Kept()
    report = send(mapped, LONG, kept)
    assert [message.values for message in kept.messages] == [{"pm25": 3.0}]
    assert [(row.line, row.reason) for row in report.bad_rows] == [(2, "there is no 'at'"), (3, "not an object")]


def test_a_large_file_goes_in_bodies_with_few_rows_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_rows, "CHUNK", 100)
    monkeypatch.setattr(file_rows, "SLICE", 250)
    path = tmp_path / "large.parquet"
    times = [1_778_731_644 + number for number in range(2_345)]
    pl.DataFrame({"at": times, "PM2.5": [1.0] * 2_345}).write_parquet(path)
    mapping = FileMapping(one_device="s1", time="at", values={"pm25": "PM2.5"})
    kept, steps = Kept(), []
    report = send(path, mapping, kept, progress=lambda done, total: steps.append(done))
    assert report.messages == len(kept.messages) == 2_345
    assert [message.at for message in kept.messages] == [time * 1_000_000 for time in times]
    assert max(after - before for before, after in pairwise(steps)) <= 100
    assert len(kept.bodies) == 3


def test_a_full_journal_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "one.ndjson"
    path.write_text('{"device":"a","values":{"x":1}}\n')
    kept = Kept(refusals=3)
    assert send(path, None, kept).messages == len(kept.messages) == 1


def test_speed_keeps_the_pace_of_the_observations(tmp_path: Path) -> None:
    path = tmp_path / "paced.ndjson"
    lines = [{"device": "a", "at": 1_778_731_644 + second, "values": {"x": 1}} for second in (0, 0, 60, 60, 120)]
    path.write_text("\n".join(json.dumps(line) for line in lines))
    kept, began = Kept(), monotonic()  # the clock of the event loop
    send(path, None, kept, speed=200)
    assert [len(body["body"].splitlines()) for body in kept.bodies] == [2, 2, 1]
    assert [at - began > 0.299 * place for place, at in enumerate(kept.times)] == [True] * 3, "none before its time"
    with pytest.raises(Problem, match="above 0"):
        send(path, None, kept, speed=0)


def test_it_can_be_cancelled(tmp_path: Path) -> None:
    path = tmp_path / "slow.ndjson"
    path.write_text("".join(f'{{"device":"a","at":{second},"values":{{"x":1}}}}\n' for second in (0, 10**9)))

    async def scene() -> None:
        kept = Kept()
        work = asyncio.create_task(send_file(path, None, kept, speed=1))
        await kept.first.wait()
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        assert len(kept.messages) == 1

    asyncio.run(scene())


def test_a_file_that_cannot_be_used_says_why(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")
    (tmp_path / "x.parquet").write_bytes(b"no parquet")
    (tmp_path / "x.csv.gz").write_bytes(b"no gzip")
    for name, mapping, words in (
        ("x.csv", LONG, "no column at, station"),
        ("x.csv", None, "needs a mapping"),
        ("x.parquet", LONG, "no Parquet"),
        ("x.csv.gz", LONG, "cannot be read"),
        ("none.csv", LONG, "cannot be read"),
        ("x.xlsx", LONG, "not known"),
    ):
        with pytest.raises(Problem, match=words):
            send(tmp_path / name, mapping, Kept())


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"time": "at", "values": {"x": "x"}}, "whose"),
        ({"time": "at", "device": "d", "one_device": "e", "values": {"x": "x"}}, "whose"),
        ({"time": "at", "one_device": "có dấu", "values": {"x": "x"}}, "device id"),
        ({"time": "at", "device": "d"}, "where the values"),
        ({"time": "at", "device": "d", "parameter": "p"}, "where the values"),
        ({"time": "at", "device": "d", "parameter": "p", "value": "v", "values": {"x": "x"}}, "where the values"),
        ({"time": "at", "device": "d", "values": {"x": "x"}, "unit": "u"}, "long file"),
        ({"time": "at", "device": "d", "values": {"x": "x"}, "delimiter": ""}, "one character"),
        ({"time": "at", "device": "d", "values": {"x": "x"}, "time_zone": "Hanoi"}, "time zone"),
        ({"time": "at", "device": "d", "values": {str(number): "x" for number in range(201)}}, "at most 200"),
    ],
)
def test_a_mapping_whose_parts_do_not_fit(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(Problem, match=words):
        check_mapping(FileMapping(**fields))


def test_a_mapping_is_read_from_json(tmp_path: Path) -> None:
    path = tmp_path / "mapping.json"
    path.write_text('{"device":"station","time":"at","parameter":"what","value":"value","unit":"unit"}')
    assert load_mapping(path) == LONG
    for text in ("{", '{"time":"at","values":{},"typo":1}', '{"values":{"x":"x"}}'):
        path.write_text(text)
        with pytest.raises(Problem, match="is not one"):
            load_mapping(path)
    with pytest.raises(Problem, match="cannot be read"):
        load_mapping(tmp_path / "none.json")


def test_device_ids_from_names() -> None:
    assert device_id_of("Tram_1-A") == "Tram_1-A"
    assert device_id_of("Đống Đa, Hà Nội") == "dong-da-ha-noi"
    assert device_id_of("x y" * 50) == ("x-y" * 50)[:64]
    assert device_id_of("。。") == ""
