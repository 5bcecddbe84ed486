"""What an entity must be to be found: conditions as plain values, and the one place that says whether it meets them.

The conditions are those of NGSI-LD's query, type selection and scope languages (ETSI GS CIM 009 v1.8.1, clauses 4.9,
4.17 and 4.19). ``data.compiling`` says the same in SQL as far as SQL can; whatever that cannot decide is decided here.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Literal

from pydantic_core import SchemaError, SchemaValidator, core_schema

from dothi.model.clock import to_micros
from dothi.model.entity import Attribute, Entity
from dothi.model.problem import bad_request

LONGEST_PATTERN = 256
ANY_LANGUAGE = "*"
_TIMES = re.compile(r"(?:\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}:\d{2}(?:[.,]\d{1,9})?(?:Z|[+-]\d{2}:?\d{2})?)?)")
_OF_DAY = re.compile(r"(\d{2}):(\d{2}):(\d{2})(?:[.,](\d{1,9}))?Z?")
_LINKS = ("Relationship", "ListRelationship")
_OF_ENTITY = ("createdAt", "modifiedAt", "expiresAt")

Operator = Literal["==", "!=", "<", "<=", ">", ">=", "~=", "!~="]


@dataclass(frozen=True, slots=True, order=True)
class Moment:
    """A moment, or a day at its beginning (µs since 1970 UTC); or a time of day (µs since midnight)."""

    of_day: bool
    micros: int


Scalar = float | str | bool | Moment


@dataclass(frozen=True, slots=True)
class Between:
    """All values of one kind from ``low`` to ``high``, both included."""

    low: Scalar
    high: Scalar


@dataclass(frozen=True, slots=True)
class Path:
    """Where in an entity to look: an attribute (IRI), attributes of it, one of its members, a way into its value.

    ``attribute`` may also be a member of the entity (createdAt, modifiedAt), ``member`` one of an attribute (observedAt,
    unitCode, datasetId …). ``inside`` are keys into a JSON value, or a language (``*`` is any). ``linked`` is a path in the
    entities that the Relationship leads to, of one of ``linked_types`` if any are named.
    """

    attribute: str
    of_it: tuple[str, ...] = ()
    member: str | None = None
    inside: tuple[str, ...] = ()
    linked: "Path | None" = None
    linked_types: tuple[str, ...] = ()

    @property
    def plain(self) -> bool:
        """True for an attribute and nothing further."""
        return not (self.of_it or self.member or self.inside or self.linked)

    @property
    def hops(self) -> int:
        """How many Relationships it follows."""
        return 1 + self.linked.hops if self.linked else 0


@dataclass(frozen=True, slots=True)
class Compare:
    """At least one instance of what ``path`` leads to compares so; several ``values`` of == and != are alternatives.

    Values are compared with values of their own kind; those of different kinds are unequal. Of an array, == looks for one
    equal element. For ``~=`` and ``!~=`` the value is a regular expression of the linear-time kind (no look-around, no
    back-references), searched for in texts. Text is ordered by code point.
    """

    path: Path
    op: Operator
    values: tuple[Scalar | Between, ...]


@dataclass(frozen=True, slots=True)
class Exists:
    """What ``path`` leads to is there."""

    path: Path


@dataclass(frozen=True, slots=True)
class Missing:
    """What ``path`` leads to is not there."""

    path: Path


@dataclass(frozen=True, slots=True)
class OfType:
    """The entity is of this type (IRI), first or further."""

    type: str


@dataclass(frozen=True, slots=True)
class HasId:
    """The entity's id is one of these."""

    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class IdMatches:
    """The pattern, of the kind of ``Compare``, is found in the entity's id."""

    pattern: str


@dataclass(frozen=True, slots=True)
class InScope:
    """One of the entity's scopes has these levels: ``+`` is any one level, ``#`` at the end this one and all below."""

    levels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class And:
    """All of these."""

    parts: "tuple[Predicate, ...]"


@dataclass(frozen=True, slots=True)
class Or:
    """At least one of these."""

    parts: "tuple[Predicate, ...]"


Predicate = Compare | Exists | Missing | OfType | HasId | IdMatches | InScope | And | Or
Find = Callable[[str], Entity | None]
"""Looks up the entity that a Relationship leads to, as whoever asks may know it; None if there is none for them."""


def meets(predicate: Predicate, entity: Entity, find: Find | None = None) -> bool:
    """True if ``entity`` meets ``predicate``. Without ``find`` nothing that a Relationship leads to is there."""
    match predicate:
        case And(parts):
            return all(meets(one, entity, find) for one in parts)
        case Or(parts):
            return any(meets(one, entity, find) for one in parts)
        case Compare(path, op, values):
            return any(_compares(kind, value, op, values) for kind, value in targets(path, entity, find))
        case Exists(path):
            return any(True for _ in targets(path, entity, find))
        case Missing(path):
            return not any(True for _ in targets(path, entity, find))
        case OfType(kind):
            return entity.type == kind or kind in entity.more_types
        case HasId(ids):
            return entity.id in ids
        case IdMatches(pattern):
            return searcher(pattern)(entity.id)
        case InScope(levels):
            return any(_in_scope(scope, levels) for scope in entity.scopes)


def leaves(predicate: Predicate) -> Iterator[Predicate]:
    """Every condition in a tree of them."""
    if isinstance(predicate, And | Or):
        for one in predicate.parts:
            yield from leaves(one)
    else:
        yield predicate


def paths(predicate: Predicate | None) -> list[Path]:
    """The paths that a predicate looks at."""
    if predicate is None:
        return []
    return [one.path for one in leaves(predicate) if isinstance(one, Compare | Exists | Missing)]


def both(*parts: Predicate | None) -> Predicate | None:
    """All of the conditions there are; None if there are none."""
    told = tuple(one for one in parts if one is not None)
    return And(told) if len(told) > 1 else told[0] if told else None


def targets(path: Path, entity: Entity, find: Find | None = None) -> Iterator[tuple[str, Any]]:
    """What ``path`` leads to: (kind of attribute, value) of each instance; kind "" for members, moments as ``Moment``."""
    if path.attribute in _OF_ENTITY:
        at = {"createdAt": entity.created_at, "modifiedAt": entity.modified_at, "expiresAt": entity.expires_at}
        moment = at[path.attribute]
        if moment is not None and path.plain:
            yield "", _moment(moment)
        return
    found: Iterable[Attribute] = entity.attributes.get(path.attribute, ())
    for name in path.of_it:
        found = [sub for one in found for sub in one.sub.get(name, ())]
    for one in found:
        if path.linked is not None:
            yield from _linked(path, one, find)
        elif path.member is not None:
            yield from _member(one, path.member)
        elif path.inside:
            yield from _inside(one, path.inside)
        else:
            yield one.kind, one.value


@lru_cache(maxsize=512)
def searcher(pattern: str) -> Callable[[str], bool]:
    """Says of a text whether ``pattern`` is found in it, in time linear in the text whatever the pattern.

    Raises Problem 400 for a pattern that is none, is too long, or would need more than linear time.
    """
    if len(pattern) > LONGEST_PATTERN:
        raise bad_request(f"A pattern may have {LONGEST_PATTERN} characters.", "Shorten it, or ask for the ids or values.")
    try:
        re.compile(pattern)  # stricter than the engine below, which takes "a**"; it is never run
        schema = core_schema.str_schema(pattern=pattern, regex_engine="rust-regex")
        return SchemaValidator(schema).isinstance_python
    except (re.error, SchemaError, RecursionError, OverflowError) as error:
        raise bad_request(
            f"{pattern!r} is not a pattern this city can search for.",
            "Use a regular expression without look-around and back-references.",
        ) from error


def read_moment(text: str) -> Moment | None:
    """The DateTime, Date or Time (ISO 8601; UTC unless it says otherwise) that ``text`` is; None if it is none."""
    if _TIMES.fullmatch(text):
        try:
            read = datetime.fromisoformat(text.replace(",", "."))
        except ValueError:
            return None
        return _moment(read if read.tzinfo else read.replace(tzinfo=UTC))
    found = _OF_DAY.fullmatch(text)
    if found is None:
        return None
    hours, minutes, seconds = (int(part) for part in found.groups()[:3])
    if hours > 23 or minutes > 59 or seconds > 59:
        return None
    return Moment(True, (hours * 3600 + minutes * 60 + seconds) * 1_000_000 + int((found[4] or "0").ljust(6, "0")[:6]))


def _moment(at: datetime) -> Moment:
    return Moment(False, to_micros(at))


def _linked(path: Path, one: Attribute, find: Find | None) -> Iterator[tuple[str, Any]]:
    if one.kind not in _LINKS or find is None or path.linked is None:
        return
    for urn in one.value if isinstance(one.value, list) else (one.value,):
        there = find(urn) if isinstance(urn, str) else None
        if there is not None and (not path.linked_types or {there.type, *there.more_types} & set(path.linked_types)):
            yield from targets(path.linked, there, find)


def _member(one: Attribute, name: str) -> Iterator[tuple[str, Any]]:
    at = {
        "observedAt": one.observed_at,
        "createdAt": one.created_at,
        "modifiedAt": one.modified_at,
        "expiresAt": one.expires_at,
    }
    if name in at:
        moment = at[name]
        if moment is not None:
            yield "", _moment(moment)
    else:
        told = {"unitCode": one.unit, "datasetId": one.dataset_id, "objectType": one.object_type, "type": one.kind}
        value = told.get(name)
        if value is not None:
            yield "", value


def _inside(one: Attribute, keys: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    if one.kind == "LanguageProperty":
        if isinstance(one.value, dict) and len(keys) == 1:
            if keys[0] == ANY_LANGUAGE:
                yield one.kind, one.value
            elif keys[0] in one.value:
                yield one.kind, {keys[0]: one.value[keys[0]]}
        return
    value = one.value
    for key in keys:
        if isinstance(value, dict) and key in value:
            value = value[key]
        elif isinstance(value, list) and key.isdecimal() and int(key) < len(value):
            value = value[int(key)]
        else:
            return
    if value is not None:
        yield "Property", value


def scalars(kind: str, value: Any) -> list[Any]:
    """The numbers, texts, truths and moments that ``value`` of an attribute of ``kind`` offers for comparison."""
    if kind == "LanguageProperty" and isinstance(value, dict):
        return [text for said in value.values() for text in (said if isinstance(said, list) else (said,))]
    if isinstance(value, dict):
        value = value.get("@value")  # a typed value of JSON-LD
    return [one for one in value if not isinstance(one, dict | list)] if isinstance(value, list) else [value]


def _compares(kind: str, value: Any, op: Operator, values: tuple[Scalar | Between, ...]) -> bool:
    offered = scalars(kind, value)
    if op == "==":
        return any(_equals(one, wanted) for one in offered for wanted in values)
    if op == "!=":
        return not any(_equals(one, wanted) for one in offered for wanted in values)
    wanted = values[0]
    if op in ("~=", "!~="):
        texts = [one for one in offered if isinstance(one, str)]
        search = searcher(str(wanted))
        hit = any(search(one) for one in texts)
        return hit if op == "~=" else bool(texts) and not hit
    if kind in _LINKS or isinstance(value, list) or isinstance(wanted, Between):
        return False
    return any(_ordered(one, op, wanted) for one in offered)


def _equals(one: Any, wanted: Scalar | Between) -> bool:
    if isinstance(wanted, Between):
        return _ordered(one, ">=", wanted.low) and _ordered(one, "<=", wanted.high)
    pair = _alike(one, wanted)
    return pair is not None and bool(pair[0] == pair[1])


def _ordered(one: Any, op: Operator, wanted: Scalar) -> bool:
    pair = _alike(one, wanted)
    if pair is None or isinstance(wanted, bool):
        return False
    left, right = pair
    match op:
        case "<":
            return bool(left < right)
        case "<=":
            return bool(left <= right)
        case ">":
            return bool(left > right)
        case _:
            return bool(left >= right)


def _alike(one: Any, wanted: Scalar) -> tuple[Any, Any] | None:
    """The two as values of one kind; None if they are of different kinds."""
    if isinstance(one, Moment) and isinstance(wanted, str):  # members of an attribute may be asked for in quotes
        read = read_moment(wanted)
        return None if read is None else _alike(one, read)
    if isinstance(wanted, Moment):
        moment = read_moment(one) if isinstance(one, str) else one
        return (moment, wanted) if isinstance(moment, Moment) and moment.of_day == wanted.of_day else None
    if isinstance(wanted, bool) or isinstance(one, bool):
        return (one, wanted) if isinstance(wanted, bool) and isinstance(one, bool) else None
    if isinstance(wanted, str) or isinstance(one, str):
        return (one, wanted) if isinstance(wanted, str) and isinstance(one, str) else None
    return (one, wanted) if isinstance(one, int | float) else None


def _in_scope(scope: str, levels: tuple[str, ...]) -> bool:
    told = scope.strip("/").split("/") if scope.strip("/") else []
    if levels and levels[-1] == "#":
        levels = levels[:-1]
        told = told[: len(levels)] if told else ["", *levels]  # the empty scope lies nowhere
    return len(told) == len(levels) and all(wanted in ("+", one) for one, wanted in zip(told, levels, strict=True))
