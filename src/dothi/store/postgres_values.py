"""How values and statements look to PostgreSQL: placeholders, numbers, and columns as binary COPY."""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import psycopg
import sqlalchemy as sa
from numpy.typing import NDArray
from psycopg.adapt import Buffer
from psycopg.types.numeric import FloatBinaryDumper, Int8BinaryDumper, NumericBinaryLoader
from psycopg.types.string import StrDumperUnknown

from dothi.store.connection import NOTHING, Column

_NUL = "\N{SYMBOL FOR NULL}"
# Texts and quoted names are left alone, ``::`` is a cast.
_MARKS = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"|\?(\d*)|(?<![:\w]):([A-Za-z_]\w*)")
_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER = b"\xff\xff"


@lru_cache(maxsize=1024)
def translate(sql: str) -> tuple[str, tuple[str, ...]]:
    """``sql`` with ``$1``, ``$2`` … for ``?``, ``?1`` and ``:name``; the names in their order, if it has any."""
    names: list[str] = []
    count = 0

    def mark(match: re.Match[str]) -> str:
        nonlocal count
        number, name = match.groups()
        if name is not None:
            if name not in names:
                names.append(name)
            return f"${names.index(name) + 1}"
        if number is None:
            return match.group()
        count = int(number) if number else count + 1
        return f"${count}"

    return _MARKS.sub(mark, sql), tuple(names)


class _Text(StrDumperUnknown):
    """PostgreSQL's text cannot hold NUL: its picture stands for it."""

    def dump(self, obj: str) -> Buffer | None:
        return super().dump(obj.replace("\0", _NUL) if "\0" in obj else obj)


class _Float(FloatBinaryDumper):
    """NaN is NULL, as it is to SQLite."""

    def dump(self, obj: float) -> Buffer | None:
        return None if obj != obj else super().dump(obj)


class _Number(NumericBinaryLoader):
    """Sums and means come back as int and float, as from SQLite."""

    def load(self, data: Buffer) -> Any:
        value = super().load(data)
        return int(value) if value == value.to_integral_value() else float(value)


def adapt(db: "psycopg.Connection[Any]") -> None:
    """Let ``db`` take and give values as SQLite does: every int is eight bytes, True is 1."""
    for kind in (int, bool):
        db.adapters.register_dumper(kind, Int8BinaryDumper)
    db.adapters.register_dumper(float, _Float)
    db.adapters.register_dumper(str, _Text)
    db.adapters.register_loader("numeric", _Number)


def pack(table: sa.Table, columns: Sequence[Column]) -> Iterator[bytes]:
    """Rows of ``table`` for COPY … (FORMAT BINARY), from all its columns in their order.

    NaN, None and NOTHING become NULL. Columns of numbers are packed as a whole; one with texts makes it row by row.
    """
    kinds = [_kind(column.type) for column in table.columns]
    yield _HEADER
    if any(kind == "text" and any(cell is not None for cell in column) for kind, column in zip(kinds, columns, strict=True)):
        yield _rows(kinds, columns)
    else:
        yield _block(kinds, columns)
    yield _TRAILER


def _kind(type_: sa.types.TypeEngine[Any]) -> str:
    if isinstance(type_, sa.SmallInteger):
        return ">i2"
    if isinstance(type_, sa.BigInteger):
        return ">i8"
    if isinstance(type_, sa.Integer):
        return ">i4"
    return ">f8" if isinstance(type_, sa.Double) else "text"


def _numbers(kind: str, column: Column) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """The column and where it is NULL."""
    if kind == ">f8":
        floats = np.asarray(column, np.float64)
        return floats, np.isnan(floats)
    whole = np.asarray(column, np.int64)
    return whole, whole == NOTHING


def _block(kinds: Sequence[str], columns: Sequence[Column]) -> bytes:
    """Rows of numbers, and of texts that are all NULL: each value after its length, NULL as the length -1 alone."""
    parts: list[tuple[str, str]] = [("count", ">i2")]
    for place, kind in enumerate(kinds):
        parts += [(f"size{place}", ">i4")] if kind == "text" else [(f"size{place}", ">i4"), (f"cell{place}", kind)]
    rows = np.empty(len(columns[0]), np.dtype(parts))
    rows["count"] = len(kinds)
    fields: Mapping[str, Any] = rows.dtype.fields or {}
    keep = np.ones((len(rows), rows.dtype.itemsize), np.bool_)
    whole = True
    for place, (kind, column) in enumerate(zip(kinds, columns, strict=True)):
        if kind == "text":
            rows[f"size{place}"] = -1
            continue
        cells, empty = _numbers(kind, column)
        size, offset = np.dtype(kind).itemsize, fields[f"cell{place}"][1]
        rows[f"size{place}"] = size
        rows[f"cell{place}"] = cells
        if empty.any():
            rows[f"size{place}"][empty] = -1
            keep[empty, offset : offset + size] = False
            whole = False
    return rows.tobytes() if whole else rows.view(np.uint8).reshape(keep.shape)[keep].tobytes()


def _rows(kinds: Sequence[str], columns: Sequence[Column]) -> bytes:
    cells: list[list[bytes]] = []
    for kind, column in zip(kinds, columns, strict=True):
        if kind == "text":
            texts = [None if cell is None else cell.replace("\0", _NUL).encode() for cell in column]
            cells.append([b"\xff\xff\xff\xff" if one is None else len(one).to_bytes(4) + one for one in texts])
            continue
        numbers, empty = _numbers(kind, column)
        size = np.dtype(kind).itemsize
        raw, head = numbers.astype(kind).tobytes(), size.to_bytes(4)
        cells.append(
            [
                b"\xff\xff\xff\xff" if none else head + raw[place * size : (place + 1) * size]
                for place, none in enumerate(empty.tolist())
            ]
        )
    count = len(kinds).to_bytes(2)
    return b"".join(count + b"".join(row) for row in zip(*cells, strict=True))
