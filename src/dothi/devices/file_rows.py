"""The rows of CSV, Parquet and NDJSON files, a few thousand at a time, whatever the size of the file."""

import csv
import gzip
import io
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

import msgspec

from dothi.devices.file_mapping import FileMapping, Row, RowReader, check_mapping
from dothi.devices.payload import MAX_VALUES, NDJSON, DeviceMessage, decode
from dothi.model.problem import bad_request
from dothi.store.journal import Message

if TYPE_CHECKING:
    import _csv

CHUNK = 5_000
SLICE = 50_000  # rows of Parquet decoded at once: every slice costs a look at its whole row group
LONGEST_LINE = 8 * 1024 * 1024


@dataclass(slots=True)
class BadRow:
    """A row that was left out, or in part: its line in the file (CSV, NDJSON) or its number from 1 (Parquet), and why."""

    line: int
    reason: str


@dataclass(slots=True)
class Chunk:
    """Some rows of a file, understood. ``done`` of ``total`` is how far the reader is: bytes, or rows of Parquet."""

    done: int = 0
    total: int | None = None
    rows: int = 0
    messages: list[DeviceMessage] = field(default_factory=list)
    bad: list[BadRow] = field(default_factory=list)


def read_chunks(path: Path, mapping: FileMapping | None) -> Generator[Chunk]:
    """The file in chunks of at most ``CHUNK`` rows. ``mapping`` None is for NDJSON in the devices' own payload.

    Raises Problem 400 for a file or a mapping that cannot be used.
    """
    kind = next((suffix.lower() for suffix in reversed(path.suffixes) if suffix.lower() != ".gz"), "")
    try:
        if kind == ".parquet":
            yield from _parquet(path, _needed(path, mapping))
        elif kind in (".csv", ".tsv", ".txt"):
            yield from _text(path, mapping=_needed(path, mapping), lines=False)
        elif kind in (".ndjson", ".jsonl"):
            yield from _text(path, mapping=mapping and check_mapping(mapping), lines=True)
        else:
            raise bad_request(f"{path.name} is of a kind that is not known.", "Use .csv, .parquet or .ndjson.")
    except (OSError, EOFError) as failure:
        raise bad_request(f"{path} cannot be read.", str(failure)) from None


def _needed(path: Path, mapping: FileMapping | None) -> FileMapping:
    if mapping is None:
        raise bad_request(f"{path.name} needs a mapping.", "Say what its columns mean; see docs/reference/devices.md.")
    return check_mapping(mapping)


def _text(path: Path, mapping: FileMapping | None, lines: bool) -> Iterator[Chunk]:
    total = path.stat().st_size
    with path.open("rb") as raw:
        file = cast(IO[bytes], gzip.GzipFile(fileobj=raw)) if path.suffix.lower() == ".gz" else raw
        if mapping is None:
            chunks = _payloads(file)
        elif lines:
            chunks = _gathered(_json_rows(file), mapping)
        else:
            chunks = _gathered(_csv_rows(file, mapping), mapping)
        for chunk in chunks:
            chunk.done, chunk.total = raw.tell(), total
            yield chunk


def _csv_rows(file: IO[bytes], mapping: FileMapping) -> Iterator[tuple[int, Row | str]]:
    text = io.TextIOWrapper(file, "utf-8-sig", errors="surrogateescape", newline="")
    try:
        yield from _cells(csv.reader(text, delimiter=mapping.delimiter), mapping)
    finally:
        text.detach()  # the file is closed by whoever opened it


def _cells(reader: "_csv.Reader", mapping: FileMapping) -> Iterator[tuple[int, Row | str]]:
    header = next(reader, [])
    absent = [name for name in mapping.columns if name not in header]
    if absent:
        raise bad_request(f"The file has no column {', '.join(absent)}.", f"It has: {', '.join(header)[:500]}.")
    places = [(name, header.index(name)) for name in mapping.columns]
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as failure:
            yield reader.line_num, str(failure)
            continue
        if cells is None:
            return
        if len(cells) != len(header):
            if cells:
                yield reader.line_num, f"{len(cells)} columns instead of {len(header)}"
            continue
        yield reader.line_num, {name: cells[place] for name, place in places}


def _json_rows(file: IO[bytes]) -> Iterator[tuple[int, Row | str]]:
    for number, line in _lines(file):
        try:
            row = msgspec.json.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as failure:
            yield number, str(failure)
            continue
        yield number, row if isinstance(row, dict) else "not an object"


def _parquet(path: Path, mapping: FileMapping) -> Iterator[Chunk]:
    import polars as pl  # a city without such files need not pay for it

    try:
        frame = pl.scan_parquet(path)
        names = frame.collect_schema().names()
        total = int(frame.select(pl.len()).collect().item())
    except pl.exceptions.PolarsError as failure:
        raise bad_request(f"{path} is no Parquet file.", str(failure)[:300]) from None
    absent = [name for name in mapping.columns if name not in names]
    if absent:
        raise bad_request(f"The file has no column {', '.join(absent)}.", f"It has: {', '.join(names)[:500]}.")

    reader = RowReader(mapping)
    for start in range(0, total, SLICE):
        part = frame.select(mapping.columns).slice(start, SLICE).collect()
        for first in range(0, len(part), CHUNK):
            rows = enumerate(part.slice(first, CHUNK).iter_rows(named=True), start + first + 1)
            chunk = _understood(rows, reader)
            chunk.done, chunk.total = start + first + chunk.rows, total
            yield chunk


def _payloads(file: IO[bytes]) -> Iterator[Chunk]:
    """Lines that are messages already."""
    chunk = Chunk()
    for number, line in _lines(file):
        chunk.rows += 1
        good, bad = decode(Message("file", None, line, NDJSON, 0, ""))
        chunk.messages += good
        chunk.bad += [BadRow(number, f"{one.reason}: {one.detail}") for one in bad]
        if chunk.rows == CHUNK:
            yield chunk
            chunk = Chunk()
    yield chunk


def _gathered(rows: Iterator[tuple[int, Row | str]], mapping: FileMapping) -> Iterator[Chunk]:
    reader = RowReader(mapping)
    for part in _counted(rows):
        yield _understood(part, reader)


def _counted(rows: Iterator[tuple[int, Row | str]]) -> Iterator[list[tuple[int, Row | str]]]:
    part: list[tuple[int, Row | str]] = []
    for row in rows:
        part.append(row)
        if len(part) == CHUNK:
            yield part
            part = []
    yield part


def _understood(rows: Iterable[tuple[int, Row | str]], reader: RowReader) -> Chunk:
    """Rows as messages: neighbours of one device and one moment become one."""
    chunk = Chunk()
    last: DeviceMessage | None = None
    for number, row in rows:
        chunk.rows += 1
        if isinstance(row, str):
            chunk.bad.append(BadRow(number, row))
            continue
        try:
            device, at, values, complaint = reader.read(row)
            msgspec.json.encode(values)  # half a letter of another encoding must not get further
        except UnicodeEncodeError:
            chunk.bad.append(BadRow(number, "not UTF-8 text"))
            continue
        except ValueError as failure:
            chunk.bad.append(BadRow(number, str(failure)))
            continue
        except KeyError as failure:
            chunk.bad.append(BadRow(number, f"there is no {failure.args[0]!r}"))
            continue
        if complaint:
            chunk.bad.append(BadRow(number, complaint))
        if not values:
            continue
        together = last is not None and last.device == device and last.at == at
        if (
            together
            and last is not None
            and len(last.values) + len(values) <= MAX_VALUES
            and not last.values.keys() & values
        ):
            last.values.update(values)
        else:
            last = DeviceMessage(device, at, values)
            chunk.messages.append(last)
    return chunk


def _lines(file: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """Lines that say something, with their numbers. One that is too long is cut, and so is no JSON."""
    number = 0
    while line := file.readline(LONGEST_LINE):
        number += 1
        whole = line.endswith(b"\n")
        while not whole and (more := file.readline(LONGEST_LINE)):
            whole = more.endswith(b"\n")
        if text := line.strip():
            yield number, text
