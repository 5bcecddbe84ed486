"""An entity query as SQL: every condition is a parameter, and the reach of whoever asks is one of the conditions."""

from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from dothi.access.policy import Reach
from dothi.data.classified import OF_ENTITY, Classified
from dothi.data.shape import Box, box_around
from dothi.model.entity import LOCATION
from dothi.model.problem import bad_request
from dothi.store.connection import Connection
from dothi.store.dialect import Dialect

Operator = Literal["==", "!=", "<", "<=", ">", ">=", "exists"]
MOST = 10_000
LONGEST_PATTERN = 256
_SQL_OPERATORS = {"==": "=", "!=": "<>", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
# The live values of an attribute of entity e.
_SHOWN = (
    "FROM series s CROSS JOIN live l "
    "WHERE l.series_id = s.id AND s.entity = e.num AND s.attribute = (SELECT n.id FROM name n WHERE n.iri = ?) "
    "AND l.hidden = 0"
)
_DATASET = "coalesce((SELECT d.id FROM name d WHERE d.iri = {instance_dataset}), 0)"


@dataclass(frozen=True, slots=True)
class Filter:
    """A condition that at least one instance of an attribute must meet.

    ``value`` is a number, text or bool and is compared with values of its own kind only; text by code point.
    """

    attribute: str
    op: Operator
    value: float | str | bool | None = None


@dataclass(frozen=True, slots=True)
class EntityQuery:
    """Which entities, all conditions together. Places in EPSG:4326.

    ``bbox`` is (west, south, east, north) and keeps what it touches; ``near`` is (longitude, latitude, metres), measured
    to the nearest point of the entity's bounding box. ``id_pattern`` is a regular expression searched for in the id, of
    the linear-time kind: no look-around, no back-references. ``attributes`` limits what comes back, not what is found.
    """

    type: str | tuple[str, ...] | None = None
    ids: tuple[str, ...] = ()
    id_pattern: str | None = None
    filters: tuple[Filter, ...] = ()
    bbox: Box | None = None
    near: tuple[float, float, float] | None = None
    ward: str | None = None
    limit: int = 100
    offset: int = 0
    attributes: tuple[str, ...] | None = None


@dataclass(slots=True)
class Question:
    """``FROM … WHERE …`` over entities ``e`` with its parameters."""

    sources: str
    conditions: list[str] = field(default_factory=list)
    before: list[Any] = field(default_factory=list)  # parameters of ``sources``
    parameters: list[Any] = field(default_factory=list)

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

    Raises Problem 400 for limits, boxes, distances, patterns or comparisons that make no sense. ``id_pattern`` is left to
    the caller.
    """
    if not (0 <= query.limit <= MOST and query.offset >= 0):
        raise bad_request(f"The limit must lie between 0 and {MOST}, the offset must not be negative.")
    if query.id_pattern is not None and len(query.id_pattern) > LONGEST_PATTERN:
        raise bad_request(f"An id pattern may have {LONGEST_PATTERN} characters.", "Shorten it, or ask by id.")
    dialect = db.dialect
    question = _sources(query, dialect)
    condition, values = reached.where(**OF_ENTITY)
    question.add(f"e.deleted_at IS NULL AND {condition}", *values)
    asked = {one.attribute for one in query.filters}
    if (query.ward, query.bbox, query.near) != (None, None, None):
        asked.add(LOCATION)
    for attribute in sorted(asked):
        if classified.knows(attribute):
            condition, values = reached.where(**classified.of_attribute(db, attribute))
            question.add(condition, *values)
    if query.type is not None:
        types = [query.type] if isinstance(query.type, str) else list(query.type)
        wanted = dialect.fill("e.type IN (SELECT id FROM name WHERE iri IN (SELECT value FROM {texts} t))")
        question.add(wanted, _json(types))
    if query.ward is not None:
        question.add("e.ward = ?", query.ward)
    if query.bbox is not None:
        west, south, east, north = query.bbox
        question.add("e.west <= ? AND e.east >= ? AND e.south <= ? AND e.north >= ?", east, west, north, south)
    if query.near is not None:
        question.add("metres(?, ?, e.west, e.south, e.east, e.north) <= ?", *query.near)
    for one in query.filters:
        _add_filter(question, one, dialect)
    return question


def _sources(query: EntityQuery, dialect: Dialect) -> Question:
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
    if query.ids:
        sources = f"{dialect.texts} wanted CROSS JOIN entity e"
        return Question(sources, ["e.id = wanted.value"], before=[_json(sorted(set(query.ids)))])
    if not boxes:
        return Question("entity e")
    question = Question("place p CROSS JOIN entity e", ["e.num = p.num"])
    for box in boxes:
        question.add(dialect.touches, *box)
    return question


def _add_filter(question: Question, one: Filter, dialect: Dialect) -> None:
    live, kept, parameters = _comparison(one, dialect)
    # Either the live value meets it, or a kept one that no live value stands in front of. The look for the name in the
    # text saves taking most documents apart. Only constants are put together; every value is a parameter.
    shown = f"EXISTS (SELECT 1 {_SHOWN} AND {live})"
    covered = f"EXISTS (SELECT 1 {_SHOWN} AND s.dataset = {dialect.fill(_DATASET)})"
    held = f"SELECT 1 FROM {dialect.instances} WHERE {kept} AND NOT {covered}"  # noqa: S608 - constants only
    standing = f"{dialect.holds} AND EXISTS ({held})"
    question.add(
        f"({shown} OR {standing})",
        one.attribute,
        *parameters,
        _json(one.attribute),
        one.attribute,
        *parameters,
        one.attribute,
    )


def _comparison(one: Filter, dialect: Dialect) -> tuple[str, str, tuple[Any, ...]]:
    """Conditions on a live and on a kept value, and the parameters of either."""
    if '"' in one.attribute or "\\" in one.attribute:
        raise bad_request(f"{one.attribute!r} cannot name an attribute.")
    if one.op == "exists":
        return "1 = 1", dialect.instance_exists, ()
    operator = _SQL_OPERATORS.get(one.op)
    if operator is None:
        raise bad_request(f"There is no comparison {one.op!r}.", f"Use one of {', '.join(_SQL_OPERATORS)} or exists.")
    if isinstance(one.value, bool):
        if operator not in ("=", "<>"):
            raise bad_request("True and false have no order.", "Compare them with == or !=.")
        return (
            f"l.other IN ('true', 'false') AND l.other {operator} ?",
            dialect.instance_is_bool.replace("{op}", operator),
            ("true" if one.value else "false",),
        )
    if isinstance(one.value, str):
        return (
            f"l.number IS NULL AND {dialect.live_is_text.replace('{op}', operator)}",
            dialect.instance_is_text.replace("{op}", operator),
            (one.value,),
        )
    if one.value is None:
        raise bad_request(f"The comparison of {one.attribute} needs a value.")
    return f"l.number {operator} ?", dialect.instance_is_number.replace("{op}", operator), (float(one.value),)


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
