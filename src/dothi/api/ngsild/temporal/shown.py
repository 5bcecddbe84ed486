"""The past of entities as clients read it: normalized, simplified, aggregated, cut into pages by time.

ETSI GS CIM 009 v1.8.1, clauses 4.5.6 to 4.5.9, 4.5.19 and 6.3.10.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from itertools import groupby
from typing import Any

from dothi.api.ngsild.contexts.term_map import TermMap
from dothi.api.ngsild.languages import served
from dothi.api.ngsild.representation import instance_shaper, plain_value
from dothi.api.ngsild.shape import Shape
from dothi.api.ngsild.temporal.asking import Temporal
from dothi.api.ngsild.writing.reading import SEVERAL_KEYS
from dothi.data.batch import join_value
from dothi.data.evolution import Kind
from dothi.data.evolved import Cells, Column, Evolved, Told
from dothi.data.instances import SCOPE
from dothi.data.periods import of_cells, of_numbers, of_values
from dothi.data.trail import EVER
from dothi.model.clock import from_micros
from dothi.model.entity import Attribute
from dothi.model.reading import Grade

Shown = dict[str, Any]
INSTANCE = "urn:ngsi-ld:Instance:"
"""How ids of instances begin."""

_LETTERS = {None: "r", Kind.TOLD: "t", Kind.GONE: "d", Kind.BESIDE: "b"}


@dataclass(frozen=True, slots=True)
class Cut:
    """A page by time: what it says of itself in Content-Range."""

    start: datetime
    end: datetime
    size: int | None

    @property
    def header(self) -> str:
        """As clause 6.3.10 writes it."""
        size = "*" if self.size is None else self.size
        return f"date-time {_stamp(self.start)}-{_stamp(self.end)}/{size}"


def instance_id(urn: str, iri: str, dataset: str | None, kind: Kind | None, key: int) -> str:
    """The name of one instance: made of what it is of and when, so that nothing has to be kept for it."""
    digest = blake2b("\n".join((urn, iri, dataset or "")).encode(), digest_size=8).hexdigest()
    return f"{INSTANCE}{_LETTERS[kind]}{key + 2**62:x}-{digest}"


def cut(found: Sequence[Evolved], asked: Temporal, most: int) -> Cut | None:
    """Take away what a page of ``most`` instances does not hold: the latest, or with lastN the earliest of them.

    Whole moments stay together, so that nothing is missing within the page's range. None if all fits.
    """
    told = sorted(one.at for evolved in found for iri, many in evolved.instances.items() if iri != SCOPE for one in many)
    if len(told) <= most:
        return None
    if asked.last is None:
        bound = told[most - 1]
        if told[most] == bound:  # the moment is not whole; the one before it is, if there is one
            bound = next((at for at in reversed(told[:most]) if at < bound), bound)
        kept = [at for at in told if at <= bound]
        _keep(found, lambda at: at <= bound)
        start = asked.start if asked.start is not None and asked.window.last in (EVER, asked.end) else kept[0]
        return Cut(from_micros(start), from_micros(kept[-1]), None)
    bound = told[-most]
    if told[-most - 1] == bound:
        bound = next((at for at in told[-most:] if at > bound), bound)
    kept = [at for at in told if at >= bound]
    _keep(found, lambda at: at >= bound)
    newest = asked.end if asked.end is not None else asked.start if asked.window.last == asked.start else None
    return Cut(from_micros(kept[-1] if newest is None else newest), from_micros(kept[0]), asked.last)


def latest(evolved: Evolved, last: int) -> None:
    """Keep the newest ``last`` instances of each attribute and dataset."""
    for iri, told in evolved.instances.items():
        kept: list[Told] = []
        for _, some in groupby(told, key=lambda one: one.attribute.dataset_id):
            kept += list(some)[-last:]
        evolved.instances[iri] = kept


def shower(context: TermMap, asked: Temporal) -> Callable[[Evolved], Shown]:
    """A function that shows an entity over time, in the names of ``context``; attributes without instances are there too."""
    compact, shows = context.compact, asked.projection.shows
    plain = instance_shaper(context, Shape(sys_attrs=asked.sys_attrs, languages=asked.languages))

    def normalized(evolved: Evolved) -> Shown:
        shown = members(evolved)
        for iri, told in evolved.instances.items():
            if iri == SCOPE:
                if shows("scope"):
                    shown["scope"] = [scope_of(evolved, one) for one in told]
            elif shows(iri):
                shown[compact(iri)] = [instance_of(evolved, iri, one) for one in told]
        return shown

    def simplified(evolved: Evolved) -> Shown:
        shown = members(evolved)
        for iri, told in evolved.instances.items():
            if shows("scope" if iri == SCOPE else iri):
                several = [pairs(some) for some in _by_dataset(told)] or [{"type": "Property", "values": []}]
                shown["scope" if iri == SCOPE else compact(iri)] = _alone(several)
        return shown

    def members(evolved: Evolved) -> Shown:
        types = [compact(one) for one in (evolved.type, *evolved.more_types)]
        shown: Shown = {"id": evolved.id, "type": _alone(types)}
        if asked.sys_attrs:
            shown |= {"createdAt": evolved.created_at, "modifiedAt": evolved.modified_at}
            if evolved.expires_at is not None:
                shown["expiresAt"] = evolved.expires_at
            if evolved.deleted_at is not None:
                shown["deletedAt"] = evolved.deleted_at
        return {name: value for name, value in shown.items() if shows(name)}

    def instance_of(evolved: Evolved, iri: str, told: Told) -> Shown:
        shown: Shown = plain([told.attribute])
        shown["instanceId"] = instance_id(evolved.id, iri, told.attribute.dataset_id, told.kind, told.key)
        if told.deleted_at is not None:
            shown["deletedAt"] = from_micros(told.deleted_at)
        return shown

    def scope_of(evolved: Evolved, told: Told) -> Shown:
        shown: Shown = {
            "type": "Property",
            "value": _alone(told.attribute.value),
            **_moments(told.attribute, asked.sys_attrs),
        }
        if told.deleted_at is not None:
            shown["deletedAt"] = from_micros(told.deleted_at)
        else:
            shown["instanceId"] = instance_id(evolved.id, SCOPE, None, told.kind, told.key)
        return shown

    def pairs(told: list[Told]) -> Shown:
        first = told[0].attribute
        key, wrap = SEVERAL_KEYS[first.kind]
        values = [value_of(one.attribute, wrap) for one in told]
        if first.kind == "LanguageProperty" and values and not any(isinstance(one, dict) for one in values):
            key = "values"
        shown: Shown = {"type": first.kind if key != "values" or first.kind != "LanguageProperty" else "Property"}
        if first.dataset_id is not None:
            shown["datasetId"] = first.dataset_id
        shown[key] = [[value, from_micros(one.at)] for value, one in zip(values, told, strict=True)]
        return shown

    def value_of(one: Attribute, wrap: str | None) -> Any:
        value = plain_value(one)
        if one.kind == "LanguageProperty" and asked.languages and isinstance(value, dict):
            found = served(value, asked.languages)
            if found is not None:
                return found[1]
        if one.kind == "VocabProperty":
            value = compact(value) if isinstance(value, str) else [compact(each) for each in value]
        return value if wrap is None else {wrap: value}

    return simplified if asked.format == "temporalValues" else normalized


def figures_of_columns(evolved: Evolved, columns: Iterable[Column], asked: Temporal, context: TermMap) -> Shown:
    """An entity with the figures of its readings; those that are graded bad do not count."""
    import polars as pl

    used = [(one, one.frame.filter(pl.col("grade") < int(Grade.BAD))) for one in columns]
    used = [(one, frame) for one, frame in used if len(frame)]
    if not used:
        return _aggregated(evolved, [], context, asked)
    anchor, end = _bounds(
        asked, min(frame["observed_at"][0] for _, frame in used), max(f["observed_at"][-1] for _, f in used)
    )
    found = []
    for one, frame in used:
        at = frame["observed_at"]
        if frame["number"].null_count():
            told = [
                (moment, join_value(*value)) for moment, *value in frame.select("observed_at", "number", "other").iter_rows()
            ]
            figures = of_values(told, asked.figures, asked.period, anchor, end)
        else:
            figures = of_numbers(at.to_numpy(), frame["number"].to_numpy(), asked.figures, asked.period, anchor, end)
        found.append((one.attribute, one.kind, one.dataset, figures))
    return _aggregated(evolved, found, context, asked)


def figures_of_cells(evolved: Evolved, found: Iterable[Cells], asked: Temporal, context: TermMap) -> Shown:
    """The same of what was worked out already."""
    anchor, end = asked.window.first, asked.window.last
    figures = [
        (one.attribute, one.kind, one.dataset, of_cells(one.cells, asked.figures, asked.period, anchor, end))
        for one in found
    ]
    return _aggregated(evolved, figures, context, asked)


def figures_of_instances(evolved: Evolved, asked: Temporal, context: TermMap) -> Shown:
    """The same of instances one by one."""
    told = {
        iri: kept
        for iri, many in evolved.instances.items()
        if iri != SCOPE and (kept := [one for one in many if one.attribute.grade < Grade.BAD and one.kind is not Kind.GONE])
    }
    if not told:
        return _aggregated(evolved, [], context, asked)
    moments = [one.at for many in told.values() for one in many]
    anchor, end = _bounds(asked, min(moments), max(moments))
    found = []
    for iri, many in told.items():
        for some in _by_dataset(many):
            first = some[0].attribute
            values = [(one.at, one.attribute.value) for one in some]
            found.append((iri, first.kind, first.dataset_id, of_values(values, asked.figures, asked.period, anchor, end)))
    return _aggregated(evolved, found, context, asked)


def _aggregated(
    evolved: Evolved, found: Sequence[tuple[str, str, str | None, dict[str, Any]]], context: TermMap, asked: Temporal
) -> Shown:
    types = [context.compact(one) for one in (evolved.type, *evolved.more_types)]
    shows = asked.projection.shows
    shown: Shown = {name: one for name, one in (("id", evolved.id), ("type", _alone(types))) if shows(name)}
    for iri, several in groupby(found, key=lambda one: one[0]):
        if shows(iri):
            shown[context.compact(iri)] = _alone(
                [
                    {"type": kind, **({"datasetId": dataset} if dataset else {}), **figures}
                    for _, kind, dataset, figures in several
                ]
            )
    return shown


def _bounds(asked: Temporal, first: int, last: int) -> tuple[int, int]:
    """Where the first period begins, and where one that is all there is ends."""
    begins = first if asked.start is None or asked.window.first != asked.start else asked.start
    return begins, last if asked.window.last == EVER else asked.window.last


def _by_dataset(told: Sequence[Told]) -> list[list[Told]]:
    return [list(some) for _, some in groupby(told, key=lambda one: one.attribute.dataset_id)]


def _keep(found: Sequence[Evolved], fits: Callable[[int], bool]) -> None:
    for evolved in found:
        for iri, told in evolved.instances.items():
            if iri != SCOPE:
                evolved.instances[iri] = [one for one in told if fits(one.at)]


def _moments(one: Attribute, sys_attrs: bool) -> Shown:
    shown: Shown = {} if one.observed_at is None else {"observedAt": one.observed_at}
    return shown | ({"createdAt": one.created_at, "modifiedAt": one.modified_at} if sys_attrs and one.created_at else {})


def _alone(several: Any) -> Any:
    return several[0] if len(several) == 1 else several


def _stamp(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
