"""How far back a question looks, and at what, so that only that is read.

DuckDB itself is asked: the question is planned over empty tables of the same shape, and what the plan filters their time,
type and attribute by holds for the real ones. Where the plan says nothing, everything is read: slower, never wrong.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from dothi.data.sql.catalogue import Table

if TYPE_CHECKING:
    import duckdb

HOUR = 3_600_000_000
_LOWER = {"COMPARE_GREATERTHAN": 1, "COMPARE_GREATERTHANOREQUALTO": 0, "COMPARE_EQUAL": 0}
_UPPER = {"COMPARE_LESSTHAN": 0, "COMPARE_LESSTHANOREQUALTO": 1, "COMPARE_EQUAL": 1}


@dataclass(frozen=True, slots=True)
class Bounds:
    """``start`` ≤ observed < ``end`` in µs UTC, short names of types and attributes; None where there is no such bound."""

    start: int | None = None
    end: int | None = None
    types: frozenset[str] | None = None
    attributes: frozenset[str] | None = None

    def around(self, other: "Bounds") -> "Bounds":
        """Bounds that hold what either holds."""
        return Bounds(
            None if self.start is None or other.start is None else min(self.start, other.start),
            None if self.end is None or other.end is None else max(self.end, other.end),
            None if self.types is None or other.types is None else self.types | other.types,
            None if self.attributes is None or other.attributes is None else self.attributes | other.attributes,
        )


def bounds_of(plain: "duckdb.DuckDBPyConnection", text: str, tables: dict[str, Table], names: dict[str, str]) -> Bounds:
    """The bounds of ``text`` on the readings it needs; ``names`` are types' short names by IRI.

    ``plain`` must hold ``shapes`` of the tables and the city's clock.
    """
    row = plain.execute("SELECT json_serialize_plan(?::VARCHAR, optimize := true)", [text]).fetchone()
    told: dict[str, Any] = msgspec.json.decode(row[0]) if row else {"error": True}
    if told.get("error"):
        return Bounds()
    found: Bounds | None = None
    for scan in _scans(told):
        table = tables.get(scan["function_data"].get("table", ""))
        if table is not None and table.time:
            one = _of_scan(scan, table, names)
            found = one if found is None else found.around(one)
    return found or Bounds()


def shapes(tables: Iterable[Table]) -> list[str]:
    """Statements that make the tables, empty."""
    return [
        f'CREATE TABLE "{one.name}" ({", ".join(f"{quoted(column.name)} {column.type}" for column in one.columns)})'
        for one in tables
    ]


def quoted(name: str) -> str:
    """``name`` as an identifier."""
    return '"' + name.replace('"', '""') + '"'


def _scans(tree: Any) -> Iterable[dict[str, Any]]:
    if isinstance(tree, list):
        for one in tree:
            yield from _scans(one)
    elif isinstance(tree, dict):
        if tree.get("type") == "LOGICAL_GET" and "table" in (tree.get("function_data") or {}):
            yield tree
        for one in tree.values():
            yield from _scans(one)


def _of_scan(scan: dict[str, Any], table: Table, names: dict[str, str]) -> Bounds:
    start: int | None = None
    end: int | None = None
    types = frozenset({names[table.kind]}) if table.kind else None
    attributes: frozenset[str] | None = None
    for one in (scan.get("table_filters") or {}).get("filters", ()):
        index = scan["column_indexes"][one["key"]]["index"]
        column = scan["names"][index] if index < len(scan["names"]) else ""
        if column == table.time:
            for low, high in _spans(one["value"]):
                start = low if start is None else start if low is None else max(start, low)
                end = high if end is None else end if high is None else min(end, high)
        elif column == "type":
            types = _both(types, _values(one["value"]))
        elif column == "attribute" and not table.kind:
            attributes = _both(attributes, _values(one["value"]))
    if table.time == "hour" and end is not None:
        end += HOUR
    return Bounds(start, end, types, attributes)


def _both(one: frozenset[str] | None, other: frozenset[str] | None) -> frozenset[str] | None:
    return other if one is None else one if other is None else one & other


def _spans(told: dict[str, Any]) -> Iterable[tuple[int | None, int | None]]:
    """What must hold of a moment, one (start, end) for each condition; conditions of other kinds are left out."""
    kind = told.get("filter_type")
    if kind == "LEGACY_CONJUNCTION_AND":
        for one in told["child_filters"]:
            yield from _spans(one)
    elif kind == "LEGACY_OPTIONAL_FILTER" and told.get("child_filter"):
        yield from _spans(told["child_filter"])
    elif kind == "LEGACY_CONSTANT_COMPARISON" and isinstance(told["constant"].get("value"), int):
        moment, how = told["constant"]["value"], told["comparison_type"]
        yield (
            moment + _LOWER[how] if how in _LOWER else None,
            moment + _UPPER[how] if how in _UPPER else None,
        )


def _values(told: dict[str, Any]) -> frozenset[str] | None:
    """The texts one of which a column must be; None if that is not known."""
    kind = told.get("filter_type")
    if kind == "LEGACY_CONJUNCTION_AND":
        parts = [values for one in told["child_filters"] if (values := _values(one)) is not None]
        return frozenset.intersection(*parts) if parts else None
    if kind == "LEGACY_OPTIONAL_FILTER" and told.get("child_filter"):
        return _values(told["child_filter"])
    if kind == "LEGACY_CONSTANT_COMPARISON" and told["comparison_type"] == "COMPARE_EQUAL":
        return frozenset({told["constant"]["value"]})
    if kind == "LEGACY_IN_FILTER":
        return frozenset(one["value"] for one in told["values"])
    return None
