"""An entity query as SQL, twice: what may meet it and, of that, what surely does. What lies between, Python decides.

Every condition is a parameter, and the reach of whoever asks is one of the conditions: of an attribute that they may not
know, nothing is found, as if it were not there.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from dothi.access.policy import Reach
from dothi.data.classified import OF_ENTITY, Classified
from dothi.data.predicate import (
    And,
    Between,
    Compare,
    Exists,
    HasId,
    IdMatches,
    InScope,
    Missing,
    Moment,
    OfType,
    Or,
    Path,
    Predicate,
    Scalar,
    leaves,
    searcher,
)
from dothi.data.question import MOST, EntityQuery
from dothi.data.shape import Box, box_around
from dothi.model.entity import LOCATION
from dothi.model.problem import bad_request
from dothi.store.connection import Connection

_SQL_OPERATORS = {"==": "=", "!=": "<>", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_OF_ENTITY = {"createdAt": "e.created_at", "modifiedAt": "e.modified_at"}
# The live values of an attribute of entity e.
_SHOWN = (
    "FROM series s CROSS JOIN live l "
    "WHERE l.series_id = s.id AND s.entity = e.num AND s.attribute = (SELECT n.id FROM name n WHERE n.iri = ?) "
    "AND l.hidden = 0"
)
_DATASET = "coalesce((SELECT d.id FROM name d WHERE d.iri = {instance_dataset}), 0)"
# Live arrays and objects, and kept objects, offer several values, or values of their own kind: Python looks into them.
_LIVE_INSIDE = "substr(l.other, 1, 1) IN ('[', '{')"
MOST_CONDITIONS, MOST_VALUES = 64, 400
_DEEPEST = 33  # more parentheses in each other than SQLite's parser takes
_FLAT = 16  # SQLite takes an expression 1,000 deep, and each part of a row of them adds one: long rows are halved
_WIDE = 2_000
"""A box that may hold more places than this is no beginning: entities are looked at in order, until the page is full."""


@dataclass(slots=True)
class Sql:
    """A condition and its parameters, in the order of the text."""

    text: str
    values: list[Any] = field(default_factory=list)


@dataclass(slots=True)
class Said:
    """What SQL can say of a condition: whatever meets it meets ``may``, whatever meets ``sure`` meets it.

    ``sure`` None is the same as ``may``: SQL says it all.
    """

    may: Sql
    sure: Sql | None = None


_ALWAYS, _NEVER = Sql("1 = 1"), Sql("1 = 0")
_AND, _OR = " AND ", " OR "


@dataclass(slots=True)
class Question:
    """``FROM … WHERE …`` over entities ``e`` with its parameters; ``sure`` says which of the rows need no second look.

    ``sure`` None: none does, but for ``geo`` and ``id_pattern`` of the query, which are left to the caller.
    """

    sources: str
    conditions: list[str] = field(default_factory=list)
    before: list[Any] = field(default_factory=list)  # parameters of ``sources``
    parameters: list[Any] = field(default_factory=list)
    sure: Sql | None = None

    @property
    def sql(self) -> str:
        """The text to put behind SELECT's columns."""
        return f"FROM {self.sources} WHERE {' AND '.join(self.conditions)}"

    @property
    def values(self) -> list[Any]:
        """The parameters, in the order of the text."""
        return self.before + self.parameters

    def add(self, condition: str, *parameters: Any) -> None:
        """One condition more."""
        self.conditions.append(condition)
        self.parameters.extend(parameters)


def compile_query(query: EntityQuery, reached: Reach, classified: Classified, db: Connection) -> Question:
    """The question ``query`` asks on behalf of somebody who reaches ``reached``; what they may not know finds nothing.

    Raises Problem 400 for limits, boxes, distances, patterns or comparisons that make no sense.
    """
    if not (0 <= query.limit <= MOST and query.offset >= 0):
        raise bad_request(f"The limit must lie between 0 and {MOST}, the offset must not be negative.")
    if query.id_pattern is not None:
        searcher(query.id_pattern)
    asked = [one for predicate in (query.which, query.where) if predicate is not None for one in leaves(predicate)]
    compared = sum(len(one.values) for one in asked if isinstance(one, Compare))
    if len(asked) + len(query.types) > MOST_CONDITIONS or compared > MOST_VALUES:
        raise bad_request(
            f"A query may have {MOST_CONDITIONS} conditions, with {MOST_VALUES} values in all.", "Ask in several queries."
        )
    if any(predicate is not None and _depth(predicate) > _DEEPEST for predicate in (query.which, query.where)):
        raise bad_request("The conditions of this query lie too deep in each other.", "Take parentheses away.")
    compiler = _Compiler(reached, classified, db)
    question = _sources(query, db)
    condition, values = reached.where(**OF_ENTITY)
    question.add(f"e.deleted_at IS NULL AND {condition}", *values)
    if query.types:
        said = compiler.said(Or(tuple(OfType(one) for one in query.types)))
        question.add(said.may.text, *said.may.values)
    if query.ward is not None:
        question.add("e.ward = ?", query.ward)
    if (query.ward, query.bbox, query.near) != (None, None, None) or (query.geo and query.geo.attribute == LOCATION):
        known = compiler.known(LOCATION)
        question.add(known.text, *known.values)
    if query.near is not None:
        question.add("metres(?, ?, e.west, e.south, e.east, e.north) <= ?", *query.near)
    if query.geo is not None:
        if query.geo.attribute == LOCATION:
            question.add("e.west IS NOT NULL")
        else:
            there = compiler.said(Exists(Path(query.geo.attribute))).may
            question.add(there.text, *there.values)
    sure: list[Sql] = []
    for predicate in (query.which, query.where):
        if predicate is not None:
            said = compiler.said(predicate)
            question.add(said.may.text, *said.may.values)
            if said.sure is not None:
                sure.append(said.sure)
    question.sure = _joined(sure, _AND) if sure else None
    return question


def _sources(query: EntityQuery, db: Connection) -> Question:
    dialect = db.dialect
    boxes = []
    if query.bbox is not None:
        west, south, east, north = query.bbox
        if not (-180 <= west <= east <= 180 and -90 <= south <= north <= 90):
            raise bad_request("This box is not on Earth.", "Give west, south, east, north in degrees.")
        boxes.append(query.bbox)
    if query.near is not None:
        longitude, latitude, distance = query.near
        if not (-180 <= longitude <= 180 and -90 <= latitude <= 90 and 0 <= distance <= 2e7):
            raise bad_request("This circle is not on Earth.", "Give longitude, latitude and a distance in metres.")
        boxes.append(box_around(longitude, latitude, distance))
    if query.geo is not None and query.geo.attribute == LOCATION and query.geo.box is not None:
        boxes.append(query.geo.box)
    if query.ids:
        question = Question(f"{dialect.texts} wanted CROSS JOIN entity e", ["e.id = wanted.value"])
        question.before.append(_json(sorted(set(query.ids))))
    elif boxes and not _is_wide(boxes, db):
        question = Question("place p CROSS JOIN entity e", ["e.num = p.num"])
        for box in boxes:
            question.add(dialect.touches, *box)
    else:
        question = Question("entity e")
    for west, south, east, north in boxes:
        question.add("e.west <= ? AND e.east >= ? AND e.south <= ? AND e.north >= ?", east, west, north, south)
    return question


def _is_wide(boxes: Iterable[Box], db: Connection) -> bool:
    touches = " AND ".join(db.dialect.touches for _ in boxes)
    some = f"SELECT count(*) FROM (SELECT 1 FROM place p WHERE {touches} LIMIT ?) few"  # noqa: S608 - constants only
    (count,) = db.execute(some, [*(side for box in boxes for side in box), _WIDE + 1]).fetchone()
    return bool(count > _WIDE)


class _Compiler:
    def __init__(self, reached: Reach, classified: Classified, db: Connection) -> None:
        self._reached, self._classified, self._db, self._dialect = reached, classified, db, db.dialect
        # Where attributes may have come to their end, only those of entities without any such are sure to be there.
        ending = db.execute("SELECT 1 FROM entity WHERE due_at IS NOT NULL LIMIT 1").fetchone()
        self._lasting = None if ending is None else Sql("e.due_at IS NULL")

    def said(self, predicate: Predicate) -> Said:
        match predicate:
            case And(parts):
                return _all([self.said(one) for one in parts], _AND)
            case Or(parts):
                return _all([self.said(one) for one in parts], _OR)
            case OfType(kind):
                return Said(self._typed(kind))
            case HasId(ids):
                wanted = self._dialect.fill("e.id IN (SELECT value FROM {texts} i)")
                return Said(Sql(wanted, [_json(ids)]))
            case IdMatches():
                return Said(_ALWAYS, _NEVER)
            case InScope(levels):
                return self._scoped(levels)
            case Exists(path):
                return self._known(path, self._exists(path))
            case Missing(path):
                there = self._known(path, self._exists(path))
                sure = there.sure or there.may
                return Said(_not(sure), None if there.sure is None else _not(there.may))
            case Compare():
                return self._known(predicate.path, self._compared(predicate))

    def known(self, attribute: str) -> Sql:
        """Whether the attribute of an entity that is reached is reached too."""
        if not self._classified.knows(attribute):
            return _ALWAYS
        return Sql(*self._reached.where(**self._classified.of_attribute(self._db, attribute)))

    def _known(self, path: Path, said: Said) -> Said:
        known = self.known(path.attribute)
        sure = said.sure
        if self._lasting is not None and path.attribute not in _OF_ENTITY and sure is not _NEVER:
            sure = _joined([self._lasting, sure or said.may], _AND)
        if known is _ALWAYS:
            return Said(said.may, sure)
        if sure is not None and sure is not _NEVER:
            sure = _joined([known, sure], _AND)
        return Said(_joined([known, said.may], _AND), sure)

    def _typed(self, kind: str) -> Sql:
        row = self._db.execute("SELECT id FROM name WHERE iri = ?", (kind,)).fetchone()
        if row is None:
            return _NEVER
        # Asked first, for the plain condition alone leads to the index.
        if self._db.execute("SELECT 1 FROM further_type WHERE type = ? LIMIT 1", row).fetchone() is None:
            return Sql("e.type = ?", [row[0]])
        return Sql("(e.type = ? OR e.num IN (SELECT f.entity FROM further_type f WHERE f.type = ?))", [row[0], row[0]])

    def _scoped(self, levels: tuple[str, ...]) -> Said:
        below = levels[-1:] == ("#",)
        told = levels[:-1] if below else levels
        path = "/" + "/".join(told)
        if not told:
            return Said(Sql("e.num IN (SELECT c.entity FROM scope c)"))
        if "+" in told:
            return Said(Sql("e.num IN (SELECT c.entity FROM scope c)"), _NEVER)
        if below:  # "0" is the character behind "/"
            within = "e.num IN (SELECT c.entity FROM scope c WHERE c.path = ? OR (c.path >= ? AND c.path < ?))"
            return Said(Sql(within, [path, path + "/", path + "0"]))
        return Said(Sql("e.num IN (SELECT c.entity FROM scope c WHERE c.path = ?)", [path]))

    def _exists(self, path: Path) -> Said:
        if path.attribute in _OF_ENTITY:
            return Said(_ALWAYS)
        if path.plain:
            return Said(self._standing(path.attribute, Sql("1 = 1"), Sql(self._dialect.instance_exists)))
        return Said(self._mentioned(path), _NEVER)

    def _compared(self, one: Compare) -> Said:
        path, op = one.path, one.op
        if op not in ("==", "!=", "~=", "!~=") and isinstance(one.values[0], bool | Between):
            raise bad_request("True, false and ranges have no order.", "Compare them with == or !=.")
        if path.attribute in _OF_ENTITY:
            exact = _moments(_OF_ENTITY[path.attribute], op, one.values)
            return Said(exact) if exact is not None and path.plain else Said(_ALWAYS, _NEVER)
        if path.member == "observedAt" and not path.of_it:
            exact = _moments("l.observed_at", op, one.values)
            if exact is not None:
                return Said(Sql(f"EXISTS (SELECT 1 {_SHOWN} AND {exact.text})", [path.attribute, *exact.values]))
        if not path.plain:
            return Said(self._mentioned(path), _NEVER)
        return self._valued(path.attribute, op, one.values)

    def _valued(self, attribute: str, op: str, values: tuple[Scalar | Between, ...]) -> Said:
        """A plain attribute against values."""
        simple = op in _SQL_OPERATORS and not any(map(_is_timed, values))
        if not simple:
            if op in ("~=", "!~="):
                searcher(str(values[0]))
            return Said(self._exists(Path(attribute)).may, _NEVER)
        live = _joined([_test(self._live, op if op != "!=" else "==", one) for one in values], _OR)
        kept = _joined([_test(self._kept, op if op != "!=" else "==", one) for one in values], _OR)
        if op == "==":
            kept = _joined([kept, *map(self._among, values)], _OR)
        if op == "!=":  # values of another kind are unequal too: only of the same kind SQL is sure
            exists = self._exists(Path(attribute)).may
            one = values[0]
            if len(values) > 1 or isinstance(one, Between):
                return Said(exists, _NEVER)
            return Said(exists, self._standing(attribute, _test(self._live, op, one), _test(self._kept, op, one)))
        sure = self._standing(attribute, live, kept)
        if op != "==" and isinstance(values[0], str):
            sure = _NEVER  # what a Relationship leads to has no order
        may_live = _joined([live, Sql(_LIVE_INSIDE)], _OR)
        may_kept = _joined([kept, Sql(self._dialect.instance_is_object)], _OR)
        return Said(self._standing(attribute, may_live, may_kept), sure)

    def _standing(self, attribute: str, live: Sql, kept: Sql) -> Sql:
        """Either the live value meets it, or a kept one that no live value stands in front of.

        The look for the name in the text saves taking most documents apart.
        """
        if '"' in attribute or "\\" in attribute:
            raise bad_request(f"{attribute!r} cannot name an attribute.")
        shown = f"EXISTS (SELECT 1 {_SHOWN} AND {live.text})"
        covered = f"EXISTS (SELECT 1 {_SHOWN} AND s.dataset = {self._dialect.fill(_DATASET)})"
        held = f"SELECT 1 FROM {self._dialect.instances} WHERE {kept.text} AND NOT {covered}"  # noqa: S608 - constants only
        return Sql(
            f"({shown} OR ({self._dialect.holds} AND EXISTS ({held})))",
            [attribute, *live.values, _json(attribute), attribute, *kept.values, attribute],
        )

    def _mentioned(self, path: Path) -> Sql:
        """Entities that have the attribute, and somewhere those of it that the path goes on to."""
        named = [Sql(self._dialect.holds, [_json(iri)]) for iri in path.of_it]
        if not path.of_it:
            shown = Sql(f"EXISTS (SELECT 1 {_SHOWN})", [path.attribute])
            return _joined([Sql(self._dialect.holds, [_json(path.attribute)]), shown], _OR)
        return _joined([Sql(self._dialect.holds, [_json(path.attribute)]), *named], _AND)

    def _among(self, value: Scalar | Between) -> Sql:
        """One element of a kept array equals ``value``."""
        test = _test(self._element, "==", value)
        return Sql(f"EXISTS (SELECT 1 FROM {self._dialect.elements} WHERE {test.text})", test.values)  # noqa: S608 - constants

    def _element(self, op: str, value: Scalar) -> Sql:
        if isinstance(value, bool):
            return Sql(self._dialect.element_is_bool.replace("{op}", op), ["true" if value else "false"])
        if isinstance(value, str):
            return Sql(self._dialect.element_is_text.replace("{op}", op), [value])
        return Sql(f"({self._dialect.element_is_number.replace('{op}', op)})", [value])

    def _live(self, op: str, value: Scalar) -> Sql:
        if isinstance(value, bool):
            return Sql(f"(l.other IN ('true', 'false') AND l.other {op} ?)", ["true" if value else "false"])
        if isinstance(value, str):
            return Sql(f"(l.number IS NULL AND {self._dialect.live_is_text.replace('{op}', op)})", [value])
        return Sql(f"l.number {op} ?", [value])

    def _kept(self, op: str, value: Scalar) -> Sql:
        if isinstance(value, bool):
            return Sql(f"({self._dialect.instance_is_bool.replace('{op}', op)})", ["true" if value else "false"])
        if isinstance(value, str):
            return Sql(f"({self._dialect.instance_is_text.replace('{op}', op)})", [value])
        return Sql(f"({self._dialect.instance_is_number.replace('{op}', op)})", [value])


def _depth(predicate: Predicate) -> int:
    return 1 + max(map(_depth, predicate.parts)) if isinstance(predicate, And | Or) else 1


def _is_timed(value: Scalar | Between) -> bool:
    return isinstance(value.low if isinstance(value, Between) else value, Moment)


def _test(one: Callable[[str, Scalar], Sql], op: str, value: Scalar | Between) -> Sql:
    if isinstance(value, Between):
        return _joined([one(">=", value.low), one("<=", value.high)], _AND)
    return one(_SQL_OPERATORS[op], value)


def _moments(column: str, op: str, values: tuple[Scalar | Between, ...]) -> Sql | None:
    """A column of µs against moments; None for anything else."""
    parts = []
    for value in values:
        ends = (value.low, value.high) if isinstance(value, Between) else (value,)
        if op not in _SQL_OPERATORS or not all(isinstance(end, Moment) and not end.of_day for end in ends):
            return None
        micros = [end.micros for end in ends if isinstance(end, Moment)]
        if len(micros) == 2:
            parts.append(Sql(f"{column} {'NOT BETWEEN' if op == '!=' else 'BETWEEN'} ? AND ?", micros))
        else:
            parts.append(Sql(f"{column} {_SQL_OPERATORS[op]} ?", micros))
    return _joined(parts, " AND " if op == "!=" else _OR)


def _all(parts: list[Said], word: str) -> Said:
    may = _joined([one.may for one in parts], word)
    if all(one.sure is None for one in parts):
        return Said(may)
    sure = [one.sure or one.may for one in parts]
    told = [one for one in sure if one is not _NEVER]
    return Said(may, _NEVER if not told or (word == _AND and len(told) < len(sure)) else _joined(told, word))


def _joined(parts: list[Sql], word: str) -> Sql:
    if len(parts) == 1:
        return parts[0]
    if len(parts) > _FLAT:
        half = len(parts) // 2
        return _joined([_joined(parts[:half], word), _joined(parts[half:], word)], word)
    return Sql(f"({word.join(one.text for one in parts)})", [value for one in parts for value in one.values])


def _not(one: Sql) -> Sql:
    return Sql(f"({one.text}) IS NOT TRUE", one.values)  # what is unknown (the ward of a thing without one) is not


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
