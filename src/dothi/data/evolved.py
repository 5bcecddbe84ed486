"""One entity over time: what it was told to be and observed to be, put together from readings and marks. Pure.

Times are µs UTC inside; ``at`` of an instance is the moment the question goes by.
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from dothi.data.batch import join_value
from dothi.data.document import Instance, attribute_of, subs_of
from dothi.data.evolution import Kind, Mark
from dothi.data.instances import SCOPE, without_expired
from dothi.data.subjects import SeriesOf
from dothi.data.sums import Cell
from dothi.data.trail import EVER
from dothi.model.clock import from_micros, to_micros
from dothi.model.entity import LOCATION, NULL, Attribute
from dothi.model.reading import Grade, Origin, Reason

if TYPE_CHECKING:
    import polars as pl

TimeProperty = Literal["observedAt", "createdAt", "modifiedAt", "deletedAt"]
BEGINNING = -(2**62)
_GRADES = {int(grade): grade for grade in Grade}
_ORIGINS = {int(origin): origin for origin in Origin}


class Window(NamedTuple):
    """The stretch that is asked for: ``first`` ≤ moment < ``last``, the moments being those of ``by``.

    ``bounded`` False is a question without any time: then instances that nobody observed come too, by when they were told.
    """

    first: int = BEGINNING
    last: int = EVER
    by: TimeProperty = "observedAt"
    bounded: bool = False

    def holds(self, at: int | None) -> bool:
        """True for a moment within."""
        return at is not None and self.first <= at < self.last


class Told(NamedTuple):
    """One instance: the moment it is found by, what it was, how it was told, and when it was deleted, if it was."""

    at: int
    attribute: Attribute
    kind: Kind | None  # None is a reading
    key: int  # what identifies it within its attribute, dataset and kind
    deleted_at: int | None = None


@dataclass(slots=True)
class Evolved:
    """An entity over time. ``instances`` by attribute IRI, each by dataset (the default first), then time; SCOPE is one."""

    num: int
    id: str
    type: str
    more_types: tuple[str, ...]
    created_at: datetime
    modified_at: datetime
    deleted_at: datetime | None
    expires_at: datetime | None = None
    instances: dict[str, list[Told]] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """How many instances it has."""
        return sum(map(len, self.instances.values()))


class Column(NamedTuple):
    """One series: ``frame`` has the columns observed_at, number, other (JSON text), grade, reasons, origin and received_at,
    the oldest first.
    """

    attribute: str
    dataset: str | None
    kind: str
    frame: "pl.DataFrame"


class Cells(NamedTuple):
    """One series, summed up by periods."""

    attribute: str
    dataset: str | None
    kind: str
    cells: list[Cell]


class Reading(NamedTuple):
    """One reading of a series that stands."""

    at: int
    number: float | None
    other: str | None
    grade: int
    reasons: int
    origin: int
    received_at: int


@dataclass(slots=True)
class Row:
    """An entity as it is stored, and what whoever asks may not know of it."""

    evolved: Evolved
    document: dict[str, list[dict[str, Any]]]
    scopes: list[str]
    hidden: frozenset[str]
    place: tuple[str | None, int, str | None]
    now: int  # µs: what was past its time then is no more


def put_readings(row: Row, one: SeriesOf, frame: "pl.DataFrame", kept: Sequence[Mark], window: Window) -> None:
    if not len(frame):
        return
    readings = [Reading(*told) for told in frame.iter_rows()]
    beside = {mark.at: _left(mark.body, row.now) for mark in kept if mark.kind is Kind.BESIDE}
    now = standing(row, one)
    kinds = _kinds(one.attribute, now, kept)
    told: list[Told] = []
    for reading in readings:
        heard = reading.received_at
        shell = beside.get(reading.at, {})
        created = min(shell.get("c", heard), heard)
        at = reading.at if window.by == "observedAt" else created if window.by == "createdAt" else heard
        if not window.holds(at):
            continue
        attribute = Attribute(
            shell.get("k") or kinds(reading.at),
            reading.number if reading.other is None else join_value(reading.number, reading.other),
            from_micros(reading.at),
            shell.get("u", one.unit),
            one.dataset,
            _GRADES[reading.grade],
            Reason(reading.reasons),
            _ORIGINS[reading.origin],
            from_micros(created),
            from_micros(heard),
            subs_of(shell, _MOMENTS) if "x" in shell else {},
            from_micros(shell["e"]) if "e" in shell else None,
            object_type=shell.get("y"),
        )
        told.append(Told(at, attribute, None, reading.at))
    if told:
        row.evolved.instances.setdefault(one.attribute, []).extend(told)


def standing(row: Row, one: SeriesOf) -> dict[str, Any] | None:
    """What stands now beside the readings of a series."""
    return next((shell for shell in row.document.get(one.attribute, ()) if shell.get("d") == one.dataset), None)


def _kinds(iri: str, now: dict[str, Any] | None, kept: Sequence[Mark]) -> Callable[[int], str]:
    """Of which kind an attribute was at a moment: what superseded or deleted it later says so, or what stands now."""
    told = [mark.body["k"] for mark in kept if mark.kind is Kind.TOLD and "k" in mark.body]
    last = now["k"] if now is not None and "k" in now else told[-1] if told else None
    known = [(mark.at, mark.body["k"]) for mark in kept if mark.kind is not Kind.TOLD and "k" in mark.body]
    if not known:
        kind = last or ("GeoProperty" if iri == LOCATION else "Property")
        return lambda _at: kind
    moments = [at for at, _ in known]

    def kind_at(at: int) -> str:
        place = bisect_left(moments, at)
        return str(known[place][1] if place < len(known) else last or known[-1][1])

    return kind_at


def put_kept(
    row: Row, kept: dict[tuple[str, str | None], list[Mark]], window: Window, attributes: frozenset[str] | None
) -> None:
    """Instances nobody observed, those that stand and those that are no more; deletions; scopes."""
    for (iri, dataset), found in kept.items():
        if iri and iri != SCOPE and iri not in row.hidden:
            for mark in found:
                if mark.kind is Kind.TOLD:
                    if body := _left(mark.body, row.now):
                        _put(row, iri, attribute_of(body, _MOMENTS), mark.kind, mark.at, window)
                elif mark.kind is Kind.GONE:
                    _put_gone(row, iri, dataset, mark, window)
    for iri, instances in row.document.items():
        if attributes is None or iri in attributes:
            for one in instances:
                if "v" in one:
                    _put(row, iri, attribute_of(one, _MOMENTS), Kind.TOLD, one["m"], window)
    _put_scopes(row, kept.get((SCOPE, None), []), window)


def _left(body: Instance, now: int) -> Instance:
    """``body`` without what is past its time; empty if all of it is."""
    return next(iter(without_expired({"": [body]}, now).get("", ())), {})


def _put(row: Row, iri: str, attribute: Attribute, kind: Kind, key: int, window: Window) -> None:
    """An instance that was not observed."""
    at: int | None = None
    if window.by == "createdAt" and attribute.created_at is not None:
        at = to_micros(attribute.created_at)
    elif window.by == "modifiedAt" or (window.by == "observedAt" and not window.bounded):
        at = key
    if at is not None and window.holds(at):
        row.evolved.instances.setdefault(iri, []).append(Told(at, attribute, kind, key))


def _put_gone(row: Row, iri: str, dataset: str | None, mark: Mark, window: Window) -> None:
    at = mark.at if window.by == "deletedAt" else mark.body.get("t") if window.by == "observedAt" else None
    if at is None or not window.holds(at):
        return
    kind = mark.body.get("k", "Property")
    value: Any = {"@none": NULL} if kind == "LanguageProperty" else [NULL] if kind.startswith("List") else NULL
    if iri == SCOPE:
        value = []
    observed = from_micros(mark.body["t"]) if "t" in mark.body else None
    told = Told(at, Attribute(kind, value, observed, dataset_id=dataset), Kind.GONE, mark.at, mark.at)
    row.evolved.instances.setdefault(iri, []).append(told)


def _put_scopes(row: Row, kept: list[Mark], window: Window) -> None:
    """The scopes of each stretch, from when they stood; those that stood already when the window begins come too."""
    if window.by == "deletedAt":
        for mark in kept:
            if mark.kind is Kind.GONE:
                _put_gone(row, SCOPE, None, mark, window)
        return
    told = []
    for mark in scope_marks(row.evolved, row.scopes, kept):
        if mark.kind is not Kind.GONE:
            since = from_micros(mark.at)
            attribute = Attribute("Property", mark.body["v"], since, created_at=since, modified_at=since)
            told.append(Told(mark.at, attribute, mark.kind, mark.at))
    within = [one for one in told if window.holds(one.at)]
    before = [one for one in told if one.at < window.first]
    if (
        before
        and window.by == "observedAt"
        and not any(mark.kind is Kind.GONE and before[-1].at < mark.at <= window.first for mark in kept)
    ):
        within.insert(0, before[-1])
    if within:
        row.evolved.instances[SCOPE] = within


def scope_marks(evolved: Evolved, present: Sequence[str], kept: Sequence[Mark]) -> list[Mark]:
    """When which scopes began to stand or to be none, oldest first, each different from the one before."""
    if not kept and present:
        return [
            Mark(evolved.id, SCOPE, None, to_micros(evolved.created_at), Kind.TOLD, {"k": "Property", "v": list(present)})
        ]
    found: list[Mark] = []
    for mark in kept:
        if not found or (mark.kind, mark.body.get("v")) != (found[-1].kind, found[-1].body.get("v")):
            found.append(mark)
    return found


class _Moments(dict[int, datetime]):
    def __missing__(self, micros: int) -> datetime:
        return from_micros(micros)


_MOMENTS = _Moments()
