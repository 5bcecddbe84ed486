"""NGSI-LD's query, type selection and scope languages (ETSI GS CIM 009 v1.8.1, clauses 4.9, 4.17 and 4.19), read."""

import math
import re
from collections.abc import Callable, Collection
from typing import Any, NoReturn, cast

import msgspec

from dothi.api.ngsild.contexts.term_map import TermMap
from dothi.data.predicate import (
    And,
    Between,
    Compare,
    Exists,
    InScope,
    Missing,
    OfType,
    Operator,
    Or,
    Path,
    Predicate,
    Scalar,
    read_moment,
    searcher,
)
from dothi.model.problem import bad_request

LONGEST = 8192
MOST_TERMS = 64
_DEEPEST = 12
_MEMBERS = frozenset({"observedAt", "createdAt", "modifiedAt", "expiresAt", "unitCode", "datasetId", "objectType"})
_ENTITY_MEMBERS = frozenset({"createdAt", "modifiedAt", "expiresAt"})
_OPERATORS: tuple[Operator, ...] = ("!~=", "==", "!=", "~=", "<=", ">=", "<", ">")
_ENDS = frozenset(";|=!<>~(),")
_QUOTED = re.compile(r'"(?:[^"\\\x00-\x1f]|\\.)*"')
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?")
_BARE = re.compile(r"[^;|,()\s\"]+(?:\([^()]*\)[^;|,()\s\"]*)*")
_NAME = re.compile(r"[^.\[\]{}]+")
_SCOPE_LEVEL = re.compile(r"[^/+#;,|()\s\x00-\x1f]+")


def parse_q(text: str, context: TermMap, expand_values: Collection[str] = ()) -> Predicate:
    """The condition that a query (clause 4.9) says, names expanded.

    ``expand_values`` are names of attributes whose values in the query are terms too. Raises Problem 400.
    """
    return _Reader(text, "q").tree(lambda reader: _term(reader, context, frozenset(expand_values)))


def parse_types(text: str, context: TermMap) -> Predicate:
    """The condition that an entity type selection (clause 4.17) says. Raises Problem 400."""

    def leaf(reader: _Reader) -> Predicate:
        return OfType(context.expand(reader.until(_ENDS, "a type")))

    return _Reader(text, "type", commas=True).tree(leaf)


def parse_scope_q(text: str) -> Predicate:
    """The condition that a scope query (clause 4.19) says. Raises Problem 400."""

    def leaf(reader: _Reader) -> Predicate:
        told = reader.until(_ENDS, "a scope")
        levels = tuple(told.removeprefix("/").split("/"))
        for place, level in enumerate(levels):
            last = place == len(levels) - 1
            if level != "+" and not (level == "#" and last) and not _SCOPE_LEVEL.fullmatch(level):
                reader.wrong(f"{told[:80]!r} is no scope")
        return InScope(levels)

    return _Reader(text, "scopeQ", commas=True).tree(leaf)


def read_path(text: str, context: TermMap) -> Path:
    """The way into an entity that ``text`` names: ``a``, ``a.b``, ``a.observedAt``, ``a[b.c]``, ``a{T:b}``.

    Raises Problem 400 for what is none.
    """
    return _path(text, context, 0)


class _Reader:
    """A place in a text, and what can be read from there."""

    def __init__(self, text: str, what: str, *, commas: bool = False) -> None:
        self.text, self.at, self.what, self._commas, self._terms = text, 0, what, commas, 0
        if not text or len(text) > LONGEST:
            self.wrong(f"it must have 1 to {LONGEST} characters")

    def tree(self, leaf: "Callable[[_Reader], Predicate]") -> Predicate:
        """All of the text: leaves joined by ; (and), which binds stronger, and | (or), with parentheses."""
        found = self._any(leaf, 0)
        if self.at < len(self.text):
            self.wrong(f"{self.text[self.at : self.at + 20]!r} is not expected at character {self.at + 1}")
        return found

    def wrong(self, why: str) -> NoReturn:
        """Raise the Problem."""
        raise bad_request(
            f"The parameter {self.what} cannot be read: {why}.", "See clauses 4.9, 4.17 and 4.19 of the standard."
        )

    def take(self, token: str) -> bool:
        """Step over ``token`` if it stands here."""
        if not self.text.startswith(token, self.at):
            return False
        self.at += len(token)
        return True

    def until(self, ends: Collection[str], expected: str) -> str:
        """The text up to one of ``ends``, which must not be empty."""
        start = self.at
        while self.at < len(self.text) and self.text[self.at] not in ends:
            self.at += 1
        if start == self.at:
            self.wrong(f"{expected} is missing at character {start + 1}")
        return self.text[start : self.at]

    def match(self, pattern: re.Pattern[str]) -> str | None:
        """What of ``pattern`` stands here, stepped over."""
        found = pattern.match(self.text, self.at)
        if found is None:
            return None
        self.at = found.end()
        return found[0]

    def _any(self, leaf: "Callable[[_Reader], Predicate]", depth: int) -> Predicate:
        parts = [self._all(leaf, depth)]
        while self.take("|") or (self._commas and self.take(",")):
            parts.append(self._all(leaf, depth))
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def _all(self, leaf: "Callable[[_Reader], Predicate]", depth: int) -> Predicate:
        parts = [self._one(leaf, depth)]
        while self.take(";"):
            parts.append(self._one(leaf, depth))
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _one(self, leaf: "Callable[[_Reader], Predicate]", depth: int) -> Predicate:
        if self.take("("):
            if depth >= _DEEPEST:
                self.wrong(f"parentheses may stand {_DEEPEST} deep")
            found = self._any(leaf, depth + 1)
            if not self.take(")"):
                self.wrong(f"a parenthesis is not closed at character {self.at + 1}")
            return found
        self._terms += 1
        if self._terms > MOST_TERMS:
            self.wrong(f"it may have {MOST_TERMS} conditions")
        return leaf(self)


def _term(reader: _Reader, context: TermMap, expanded: frozenset[str]) -> Predicate:
    missing = not reader.text.startswith("!=", reader.at) and reader.take("!")
    name = _path_text(reader)
    path = read_path(name, context)
    if missing:
        return Missing(path)
    operator = next((one for one in _OPERATORS if reader.take(one)), None)
    if operator is None:
        return Exists(path)
    if operator in ("~=", "!~="):
        pattern = _pattern(reader)
        searcher(pattern)
        return Compare(path, operator, (pattern,))
    values = [_value(reader)]
    while operator in ("==", "!=") and reader.take(","):
        values.append(_value(reader))
    if operator not in ("==", "!=") and isinstance(values[0], Between | bool):
        reader.wrong(f"{operator} takes one number, text or time")
    if name.partition("[")[0] in expanded:
        values = [context.expand(one) if isinstance(one, str) else one for one in values]
    return Compare(path, operator, tuple(values))


def _path_text(reader: _Reader) -> str:
    """The text of a path: up to an operator, whatever stands in brackets and braces included."""
    start, depth = reader.at, 0
    while reader.at < len(reader.text):
        char = reader.text[reader.at]
        if char in "[{":
            depth += 1
        elif char in "]}":
            depth -= 1
            if depth < 0:
                reader.wrong(f"{char!r} is not expected at character {reader.at + 1}")
        elif depth == 0 and char in _ENDS:
            break
        reader.at += 1
    if depth or start == reader.at:
        reader.wrong(f"the name of an attribute is missing or not complete at character {start + 1}")
    return reader.text[start : reader.at]


def _pattern(reader: _Reader) -> str:
    quoted = reader.match(_QUOTED)
    if quoted is not None:
        # Both ways of writing are met: JSON's, and a pattern between quotes whose backslashes are its own.
        try:
            return cast(str, msgspec.json.decode(quoted))
        except msgspec.DecodeError:
            return quoted[1:-1]
    start, depth = reader.at, 0
    while reader.at < len(reader.text):
        char = reader.text[reader.at]
        if depth == 0 and char in ";|)":
            break
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(char, 0)
        reader.at += 2 if char == "\\" else 1
    reader.at = min(reader.at, len(reader.text))
    if start == reader.at:
        reader.wrong(f"a pattern is missing at character {start + 1}")
    return reader.text[start : reader.at]


def _value(reader: _Reader) -> Scalar | Between:
    low = _single(reader)
    if isinstance(low, Between) or not reader.take(".."):
        return low
    high = _single(reader)
    return _between(reader, low, high)


def _between(reader: _Reader, low: Scalar, high: Scalar | Between) -> Between:
    if isinstance(high, Between) or isinstance(low, bool) or isinstance(high, bool) or _kind(low) is not _kind(high):
        reader.wrong("a range goes from one number, text or time to another of its kind")
    return Between(low, high)


def _kind(value: Scalar) -> type:
    return float if isinstance(value, int) else type(value)


def _single(reader: _Reader) -> Scalar | Between:
    """One value, or a range of unquoted ones."""
    quoted = reader.match(_QUOTED)
    if quoted is not None:
        try:
            return cast(str, msgspec.json.decode(quoted))
        except msgspec.DecodeError:
            reader.wrong(f"{quoted[:40]} is no JSON text")
    start = reader.at
    bare = reader.match(_BARE)
    if bare is None:
        reader.wrong(f"a value is missing at character {start + 1}")
    low, dots, high = bare.partition("..")
    if dots and low:
        first, second = _bare(low), _bare(high)
        if not (isinstance(first, str) or isinstance(second, str)):
            return _between(reader, first, second)
        if not high:  # what follows is in quotes
            reader.at -= 2
            return first
    return _bare(bare)


def _bare(text: str) -> Scalar:
    if text in ("true", "false"):
        return text == "true"
    if _NUMBER.fullmatch(text):
        number = float(text)
        if not math.isfinite(number):
            raise bad_request(f"The number {text[:40]} is too large.")
        return number
    return read_moment(text) or text


def _path(text: str, context: TermMap, depth: int) -> Path:
    if depth > 10:
        raise bad_request("This path leads through too many entities.", "Ten at most.")
    brace = text.find("{")
    if brace > 0:
        if not text.endswith("}"):
            raise _no_path(text)
        kinds, inner = _hint(text[brace + 1 : -1])
        linked = _path(inner, context, depth + 1)
        outer = _path(text[:brace], context, depth)
        if outer.member or outer.inside or not outer.attribute:
            raise _no_path(text)
        types = tuple(context.expand(kind) for kind in kinds)
        return Path(outer.attribute, outer.of_it, linked=linked, linked_types=types)
    names, inside = text, tuple[str, ...]()
    bracket = text.find("[")
    if bracket > 0:
        if not text.endswith("]"):
            raise _no_path(text)
        names, inside = text[:bracket], tuple(text[bracket + 1 : -1].split("."))
    parts = [names] if _is_iri(names) else names.split(".")
    if not all(_is_iri(part) or _NAME.fullmatch(part) for part in (*parts, *inside)):
        raise _no_path(text)
    if parts[0] in _ENTITY_MEMBERS:
        if len(parts) > 1 or inside:
            raise _no_path(text)
        return Path(parts[0])
    member = parts.pop() if len(parts) > 1 and parts[-1] in _MEMBERS else None
    if member and inside:
        raise _no_path(text)
    return Path(context.expand(parts[0]), tuple(context.expand(part) for part in parts[1:]), member, inside)


def _hint(text: str) -> tuple[list[str], str]:
    """The types named before a path in braces (``Building:name``), and the path."""
    brace = min((at for at in (text.find(mark) for mark in "{[") if at >= 0), default=len(text))
    kinds, colon, inner = text[:brace].rpartition(":")
    if not colon or inner.startswith("//"):
        return [], text
    return kinds.split(","), inner + text[brace:]


def _is_iri(text: str) -> bool:
    return "://" in text or text.startswith("urn:")


def _no_path(text: str) -> Any:
    return bad_request(
        f"{text[:80]!r} does not say which attribute.", "Write name, name.sub, name[member] or relationship{name}."
    )
