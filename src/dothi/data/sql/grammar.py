"""What may be asked: one statement that only reads, of the tables its asker has, with functions that only compute.

DuckDB's own parser takes the text apart; every part must be one that is known here. What a newer DuckDB adds is refused
until somebody has looked at it.
"""

import re
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec

from dothi.data.sql.answer import Refused
from dothi.data.sql.functions import FUNCTIONS, TABLE_FUNCTIONS
from dothi.model.text import fold

if TYPE_CHECKING:
    import duckdb

NODES = frozenset({"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"})
SOURCES = frozenset({"BASE_TABLE", "SUBQUERY", "JOIN", "TABLE_FUNCTION", "EXPRESSION_LIST", "EMPTY", "PIVOT"})
MODIFIERS = frozenset({"ORDER_MODIFIER", "LIMIT_MODIFIER", "LIMIT_PERCENT_MODIFIER", "DISTINCT_MODIFIER"})
EXPRESSIONS = frozenset(
    {
        "BETWEEN",
        "CASE",
        "CAST",
        "COLLATE",
        "COLUMN_REF",
        "COMPARISON",
        "CONJUNCTION",
        "CONSTANT",
        "FUNCTION",
        "LAMBDA",
        "LAMBDA_REF",
        "OPERATOR",
        "POSITIONAL_REFERENCE",
        "STAR",
        "SUBQUERY",
        "TYPE",
        "WINDOW",
    }
)
_NAME = re.compile(r"[^\W_]\w*")
_ONE = "Ask one SELECT (or WITH … SELECT) at a time."
_NOWHERE = 2**64 - 1


@dataclass(slots=True)
class Statement:
    """A question that may be asked: its text without what ends it, and the tables it reads."""

    text: str
    tables: set[str] = field(default_factory=set)


def check(connection: "duckdb.DuckDBPyConnection", text: str, visible: set[str]) -> Statement:
    """``text`` if it is one SELECT over ``visible`` tables. Raises Refused, saying where it is not."""
    if "\0" in text:
        raise Refused(400, "sql-syntax", "The question holds a letter that no text has.", "Write it anew.")
    row = connection.execute("SELECT json_serialize_sql(?::VARCHAR)", [text]).fetchone()
    try:
        told: dict[str, Any] = msgspec.json.decode(row[0]) if row else {}
    except RecursionError:
        raise too_deep() from None
    if told.get("error"):
        if told.get("error_type") == "not implemented":
            raise Refused(400, "sql-only-select", "Only questions can be asked here: this statement does something.", _ONE)
        if told.get("error_type") != "parser" or "expression depth" in told.get("error_message", ""):
            raise too_deep()
        place = told.get("position")
        raise Refused(
            400,
            "sql-syntax",
            _first_line(str(told.get("error_message", ""))),
            "Mend the text at the place shown.",
            letter_at(text, int(place)) if place is not None else None,
        )
    statements = told.get("statements", [])
    if not statements:
        raise Refused(400, "sql-empty", "No question was asked.", "Write one, or take one of the examples.")
    if len(statements) > 1:
        raise Refused(400, "sql-one-question", f"{len(statements)} questions were asked at once.", _ONE)
    walk = _Walk(text, visible, _system_names())
    try:
        walk.look(statements[0])
    except RecursionError:
        raise too_deep() from None
    return Statement(_without_end(text), walk.tables)


def too_deep() -> Refused:
    """The problem of a question nested deeper than it can be taken apart."""
    return Refused(400, "sql-syntax", "The question is nested too deeply.", "Take parts of it out with WITH … AS.")


def letter_at(text: str, byte: int) -> int:
    """The position of a letter in ``text`` when DuckDB counts ``byte`` in UTF-8."""
    return len(text.encode()[:byte].decode(errors="ignore"))


class _Walk:
    """One way through the tree of a statement."""

    def __init__(self, text: str, visible: set[str], system: frozenset[str]) -> None:
        self.text, self.visible, self.system = text, visible, system
        self.own: set[str] = set()
        self.tables: set[str] = set()

    def look(self, tree: Any) -> None:
        self._names(tree)
        self._part(tree)

    def _names(self, tree: Any) -> None:
        """The names that the statement itself gives to parts of it (WITH … AS)."""
        if isinstance(tree, list):
            for one in tree:
                self._names(one)
        elif isinstance(tree, dict):
            for one in (tree.get("cte_map") or {}).get("map", ()):
                self.own.add(str(one["key"]).lower())
            if tree.get("type") == "RECURSIVE_CTE_NODE":
                self.own.add(str(tree.get("cte_name", "")).lower())
            for one in tree.values():
                self._names(one)

    def _part(self, tree: Any) -> None:
        if isinstance(tree, list):
            for one in tree:
                self._part(one)
        elif isinstance(tree, dict):
            if "class" in tree:
                self._expression(tree)
            elif isinstance(tree.get("type"), str) and ("cte_map" in tree or "alias" in tree or "sample" in tree):
                self._source(tree)
            for one in tree.values():
                self._part(one)

    def _source(self, tree: dict[str, Any]) -> None:
        kind = tree["type"]
        if kind not in NODES | SOURCES | MODIFIERS:
            words = "DESCRIBE, SHOW and SUMMARIZE" if kind == "SHOW_REF" else kind.removesuffix("_NODE").lower()
            raise Refused(400, "sql-only-select", f"{words}: that cannot be asked here.", _ONE, self._place(tree))
        if kind == "BASE_TABLE":
            self._table(tree)
        elif kind == "TABLE_FUNCTION":
            name = str(tree["function"]["function_name"]).lower()
            if name not in TABLE_FUNCTIONS:
                raise Refused(
                    403,
                    "sql-function-refused",
                    f"{name}(…) cannot be read from.",
                    f"Read from the tables of the catalogue, or from {', '.join(sorted(TABLE_FUNCTIONS))}.",
                    self._place(tree),
                )

    def _table(self, tree: dict[str, Any]) -> None:
        name = str(tree["table_name"]).lower()
        qualified = tree.get("schema_name") or tree.get("catalog_name") or len(tree["qualified_name"]["path"]) > 1
        known = name in self.visible or (name in self.own and _NAME.fullmatch(name) and name not in self.system)
        if qualified or not known or tree.get("at_clause"):
            shown = ".".join(tree["qualified_name"]["path"])
            raise Refused(400, "sql-no-table", f"There is no table {shown!r}.", self._nearest(shown), self._place(tree))
        if name in self.visible:
            self.tables.add(name)

    def _expression(self, tree: dict[str, Any]) -> None:
        kind = tree["class"]
        if kind == "PARAMETER":
            raise Refused(
                400, "sql-parameter", "A question has no parameters.", "Write the value itself.", self._place(tree)
            )
        if kind not in EXPRESSIONS:
            raise Refused(400, "sql-refused", f"{kind.lower()}: that cannot be asked here.", _ONE, self._place(tree))
        if kind in ("FUNCTION", "WINDOW"):
            name = str(tree.get("function_name", "")).lower()
            if tree.get("schema") or tree.get("catalog") or name not in FUNCTIONS | TABLE_FUNCTIONS:
                raise Refused(
                    403,
                    "sql-function-refused",
                    f"The function {name}(…) is not known here.",
                    f"Did you mean {near}(…)?" if (near := nearest(name, FUNCTIONS)) else "See the list of functions.",
                    self._place(tree),
                )

    def _nearest(self, name: str) -> str:
        near = nearest(name, self.visible)
        if near is not None:
            return f"Did you mean {near}?"
        return f"Tables: {', '.join(sorted(self.visible))}."

    def _place(self, tree: dict[str, Any]) -> int | None:
        place = tree.get("query_location")
        if not isinstance(place, int) or not 0 <= place < _NOWHERE:
            return None
        return letter_at(self.text, place)


def nearest(name: str, known: set[str] | frozenset[str]) -> str | None:
    """The known name that ``name`` was most likely meant to be."""
    from difflib import get_close_matches

    found = get_close_matches(fold(name), known, 1, 0.7)
    return found[0] if found else None


@cache
def _system_names() -> frozenset[str]:
    """What DuckDB itself calls its tables and views: they stand behind every name that is not found elsewhere."""
    import duckdb

    internal = (
        "SELECT view_name FROM duckdb_views() WHERE internal UNION SELECT table_name FROM duckdb_tables() WHERE internal"
    )
    with duckdb.connect(":memory:") as connection:
        rows = connection.execute(internal).fetchall()
    return frozenset(str(row[0]).lower() for row in rows)


def _without_end(text: str) -> str:
    """``text`` without the semicolon that ends it and what follows that."""
    import duckdb

    body = text.encode()
    for place, kind in reversed(duckdb.tokenize(text)):
        if body[place : place + 1] == b";":
            body = body[:place]
        elif kind != duckdb.token_type.comment:
            break
    return body.decode()


def _first_line(text: str) -> str:
    return text.splitlines()[0] if text else "The question cannot be read."
